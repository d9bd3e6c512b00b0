//! Every setting of a start by its default, its flag and its variables, as `--print-config` shows it.

use serde_json::Value;

use crate::harness::{World, eventually};

const PROCFILE: &str = "web: exec web\nworker: exec worker\n";

/// The flag in its long and its short form, the variable without its prefix, what is said, where
/// it is read, what is there by default, and what it comes to, as JSON.
#[rustfmt::skip]
const SETTINGS: [[&str; 7]; 20] = [
    ["title", "-w", "TITLE", "Shop", "/title", "\"app\"", "\"Shop\""],
    ["procfile", "-f", "PROCFILE", "P2", "/procfile", "\"./Procfile\"", "\"P2\""],
    ["root", "-d", "", "/", "/root", "*", "\"/\""],
    ["processes", "-l", "PROCESSES", " worker, ,nosuch", "/processes/0/name", "\"web\"", "\"worker\""],
    ["ignored-processes", "-x", "IGNORED_PROCESSES", "web", "/processes/0/name", "\"web\"", "\"worker\""],
    ["timeout", "-t", "TIMEOUT", "2.5", "/timeout", "5.0", "2.5"],
    ["port", "-p", "PORT", "3000", "/processes/0/port", "5000", "3000"],
    ["port-step", "-P", "PORT_STEP", "7", "/processes/1/port", "5100", "5007"],
    ["no-port", "-N", "NO_PORT", "true", "/processes/0/port", "5000", "null"],
    ["can-die", "-c", "CAN_DIE", "web", "/processes/0/on_exit", "\"stop-all\"", "\"remain\""],
    ["any-can-die", "", "ANY_CAN_DIE", "1", "/processes/1/on_exit", "\"stop-all\"", "\"remain\""],
    ["auto-restart", "-r", "AUTO_RESTART", "all", "/processes/1/on_exit", "\"stop-all\"", "\"restart\""],
    ["colors", "-b", "COLORS", "9,10", "/processes/1/color", "3", "10"],
    ["show-timestamps", "-T", "SHOW_TIMESTAMPS", "t", "/show_timestamps", "false", "true"],
    ["formation", "-m", "FORMATION", "all=2,web=3", "/processes/2/name", "null", "\"web#3\""],
    ["stop-signals", "-i", "STOP_SIGNALS", "web=TERM", "/processes/0/stop_signal", "\"INT\"", "\"TERM\""],
    ["daemonize", "-D", "DAEMONIZE", "True", "/daemonize", "false", "true"],
    ["tmux-config", "-F", "TMUX_CONFIG", "/t.conf", "/tmux_config", "null", "\"/t.conf\""],
    ["socket", "-s", "SOCKET", "other.sock", "/socket", "\"./.overmind.sock\"", "\"other.sock\""],
    ["network", "-S", "NETWORK", "tcp6", "/network", "\"unix\"", "\"tcp6\""],
];

/// The flags that are a word of their own.
const TRUTHS: [&str; 4] = ["no-port", "any-can-die", "show-timestamps", "daemonize"];

#[test]
fn print_config_reports_a_missing_tmux_configuration() {
    let world = World::new(PROCFILE);
    let ran = world.run(["start", "--print-config", "-F", "nope.conf"]);
    let at = world.app().join("nope.conf").display().to_string();
    let reported = format!("the tmux configuration {at} can't be read: no such file or directory");
    assert!(ran.code == 0 && ran.stderr.contains(&reported), "{ran:?}");
    // For those who write this for "no configuration".
    let ran = world.run(["start", "--print-config", "-F", "/dev/null"]);
    assert!(ran.code == 0 && ran.stderr.is_empty(), "{ran:?}");
}

/// All ways to say a flag on the command line.
fn ways([flag, short, _, said, ..]: [&str; 7]) -> Vec<Vec<String>> {
    let mut ways = vec![vec![format!("--{flag}={said}")], vec![format!("-{flag}={said}")]];
    if TRUTHS.contains(&flag) {
        ways.push(vec![format!("--{flag}")]);
        ways.extend((!short.is_empty()).then(|| vec![short.to_owned()]));
    } else {
        ways.push(vec![format!("--{flag}"), said.to_owned()]);
        ways.push(vec![short.to_owned(), said.to_owned()]);
        ways.push(vec![format!("{short}={said}")]);
    }
    ways
}

fn config(world: &World, args: &[String], variables: &[(String, &str)]) -> Value {
    let mut command = world.command(env!("CARGO_BIN_EXE_tmo"));
    command.args(["start", "--print-config"]).args(args);
    let output =
        command.envs(variables.iter().map(|(name, value)| (name, value))).output().unwrap();
    assert!(output.status.success(), "{args:?} {variables:?} {output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn every_setting_comes_from_its_flag_its_variables_or_its_default() {
    let world = World::new(PROCFILE).with_default_ports();
    world.write("P2", PROCFILE);
    let plain = config(&world, &[], &[]);
    for setting in SETTINGS {
        let [flag, _, variable, said, at, default, expected] = setting;
        let read = |config: &Value| config.pointer(at).cloned().unwrap_or_default().to_string();
        // What depends on where the test runs is not told by the table.
        assert!(default == "*" || read(&plain) == default, "--{flag} by default {}", read(&plain));
        assert_ne!(read(&plain), expected, "--{flag} is to change something");
        for way in ways(setting) {
            assert_eq!(read(&config(&world, &way, &[])), expected, "{way:?}");
        }
        if variable.is_empty() {
            continue;
        }
        let (mine, overminds) = (format!("TMO_{variable}"), format!("OVERMIND_{variable}"));
        for set in [(mine.clone(), said), (overminds, said)] {
            let by_caller = config(&world, &[], std::slice::from_ref(&set));
            assert_eq!(read(&by_caller), expected, "{set:?}");
            world.write(".env", &format!("{}={said:?}\n", set.0));
            assert_eq!(read(&config(&world, &[], &[])), expected, "{set:?} in .env");
            world.write(".env", "");
        }
        if TRUTHS.contains(&flag) {
            let off = vec![format!("--{flag}=false")];
            assert_eq!(read(&config(&world, &off, &[(mine, said)])), default, "the flag wins");
        }
    }
    world.wait_empty();
}

#[test]
fn print_config_leaves_no_files() {
    let world = World::new(PROCFILE).with_default_ports();
    let shown = config(&world, &["worker".to_owned()], &[]);
    assert_eq!(shown["processes"][0]["begins"], false);
    assert_eq!(shown["processes"][1]["begins"], true);
    assert_eq!(shown["processes"][1]["command"], "exec worker");
    assert!(!world.path().join("run/tmo").exists());
    let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    for said in
        ["-H bash -m web=2 --formation-port-step 3", "-H=bash -formation-port-step=3 -m=all=2"]
    {
        let shown = config(&world, &words(said), &[]);
        assert_eq!(shown["processes"][1]["port"], 5003, "{said}");
        assert!(shown["processes"][0]["shell"].as_str().unwrap().ends_with("/bash"), "{said}");
    }
    let variables =
        [("OVERMIND_FORMATION_PORT_STEP".to_owned(), "4"), ("TMO_SHELL".to_owned(), "bash")];
    let shown = config(&world, &words("-m web=2"), &variables);
    assert_eq!(shown["processes"][1]["port"], 5004);
    assert!(shown["processes"][0]["shell"].as_str().unwrap().ends_with("/bash"));
    let ran = world.run(["start", "--print-config", "-p", "70000"]);
    assert_eq!(ran.code, 2, "{ran:?}");
}

#[test]
fn sizes_and_durations_mean_the_same_in_flags_and_files() {
    let world = World::new("web: yes 0123456 | head -c 4000; echo; exec sleep 1000\n");
    world.write("tmo.toml", "[log]\ntotal = \"2kB\"\n[process.web.stop]\ntimeout = \"5min\"\n");
    let plan: Value = serde_json::from_str(&world.ok(["start", "--print-config"])).unwrap();
    assert_eq!(plan["log"]["total"], 2000, "{plan}");
    let config = world.ok(["config"]);
    assert!(config.contains("5m"), "{config}");
    std::fs::remove_file(world.app().join("tmo.toml")).unwrap();
    world.ok(["start", "-D"]);
    world.ok(["wait", "web", "--timeout", "5min"]);
    eventually("the log is written", || (world.ok(["logs", "web"]).len() > 4000).then_some(()));
    assert!(world.ok(["logs", "web", "--no-prefix", "--max-bytes", "2kB"]).len() <= 2000);
    assert!(world.ok(["logs", "web", "--no-prefix", "--max-bytes", "2kB"]).len() > 1900);
    world.ok(["quit"]);
    world.wait_empty();
}

#[test]
fn stdin_null_leaves_the_output_a_terminal() {
    let probe = "test -t 0 && echo 'stdin: terminal' || echo \"stdin: $(wc -c) bytes\"; \
                 test -t 1 && echo 'stdout: terminal'; exec sleep 1000";
    let world = World::new(&format!("asks: {probe}\nquiet: {probe}\n"));
    world.write("tmo.toml", "[process.quiet]\nstdin = \"null\"\n");
    let mut view = world.start([""; 0]);
    view.shows("asks   | stdin: terminal\n");
    view.shows("quiet  | stdin: 0 bytes\n");
    view.shows("quiet  | stdout: terminal\n");
    // It takes effect at a restart, and a reload says so.
    world.write("tmo.toml", "");
    let ran = world.run(["reload"]);
    assert!(ran.stdout.contains("quiet") && ran.stdout.contains("stdin"), "{ran:?}");
    view.shows("quiet  | stdin: terminal\n");
    view.interrupt();
}

/// Two processes of the group `core`, and one other.
fn with_group() -> World {
    let line = |name: &str| format!("{name}: exec sleep 1000\n");
    let world = World::new(&["cart", "auth", "else"].map(line).concat());
    let groups = ["cart", "auth"].map(|name| format!("[process.{name}]\ngroups = [\"core\"]\n"));
    world.write("tmo.toml", &groups.concat());
    world
}

#[test]
fn flags_and_variables_that_take_names_take_groups_too() {
    let world = with_group();
    let get = |flag: &[&str], at: &str| {
        let words: Vec<_> = flag.iter().map(|&word| word.to_owned()).collect();
        let config = config(&world, &words, &[]);
        let all = config["processes"].as_array().unwrap().iter();
        all.map(|process| format!("{} ", process.pointer(at).unwrap())).collect::<String>()
    };
    assert_eq!(get(&["-l", "@core"], "/name"), "\"cart\" \"auth\" ");
    assert_eq!(get(&["-l", "else,@core", "-x", "cart"], "/name"), "\"auth\" \"else\" ");
    assert_eq!(get(&["-x", "@core"], "/name"), "\"else\" ");
    assert_eq!(get(&["-c", "@core"], "/on_exit"), "\"remain\" \"remain\" \"stop-all\" ");
    assert_eq!(get(&["-r", "@core"], "/on_exit"), "\"restart\" \"restart\" \"stop-all\" ");
    assert_eq!(get(&["-i", "@core=TERM"], "/stop_signal"), "\"TERM\" \"TERM\" \"INT\" ");
    assert_eq!(
        get(&["-m", "@core=2,cart=1"], "/name"),
        "\"cart\" \"auth#1\" \"auth#2\" \"else\" ",
        "the number of a process itself counts"
    );
    let set = [("OVERMIND_PROCESSES".to_owned(), "@core")];
    assert_eq!(config(&world, &[], &set)["processes"].as_array().unwrap().len(), 2);
    world.write(".overmind.env", "OVERMIND_IGNORED_PROCESSES=@core\n");
    assert_eq!(get(&[], "/name"), "\"else\" ");
    let explained = world.ok(["config", "-x", "", "-c", "@core", "cart"]);
    assert!(explained.contains("--can-die"), "{explained}");
    world.write(".overmind.env", "OVERMIND_IGNORED_PROCESSES=@cor\n");
    let unknown = "tmo: OVERMIND_IGNORED_PROCESSES names the group @cor, which no process is in; there are @core\n";
    assert_eq!(world.run(["check"]).stderr, unknown);
    world.write("tmo.toml", "");
    let ran = world.run(["check", "-x", "@cor"]);
    assert_eq!(
        (ran.code, &*ran.stderr),
        (
            1,
            "tmo: --ignored-processes names the group @cor, which no process is in; `groups` in tmo.toml \
             puts processes into groups\n"
        )
    );
}

#[test]
fn a_number_of_instances_holds_for_each_process_of_a_group() {
    let world = with_group();
    world.ok(["start", "-D", "-x", "else"]);
    world.ok(["scale", "@core=2", "cart=3"]);
    let names = |table: &str| -> Vec<String> {
        let rows = table.lines().skip(1).filter(|line| !line.starts_with("left out"));
        rows.map(|line| line.split(' ').next().unwrap().to_owned()).collect()
    };
    let all = ["cart", "cart#2", "cart#3", "auth", "auth#2"];
    assert_eq!(names(&world.ok(["ps"])), all);
    let ran = world.run(["scale", "@cor=2"]);
    let unknown = "tmo: Unknown process name: @cor; did you mean @core?\n";
    assert_eq!((ran.code, &*ran.stderr), (2, unknown));
    world.ok(["quit"]);
}
