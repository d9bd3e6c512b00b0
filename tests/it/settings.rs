//! Each setting of a start by its default, its flag and its variables, as `--print-config` reads
//! them back.

use serde_json::{Value, json};

use crate::harness::World;

const PROCFILE: &str = "web: exec web\nworker: exec worker\n";

/// The flag in its long form, the short one if it has any, the variable without its prefix, what
/// is said, where it is read, what is there by default, what it comes to.
type Setting = (&'static str, &'static str, &'static str, &'static str, &'static str, Value, Value);

fn settings() -> Vec<Setting> {
    let root = |world: &str| json!(world);
    vec![
        ("title", "-w", "TITLE", "Shop", "/title", Value::Null, json!("Shop")),
        ("procfile", "-f", "PROCFILE", "P2", "/procfile", json!("./Procfile"), json!("P2")),
        ("root", "-d", "", "/", "/root", Value::Null, root("/")),
        (
            "processes",
            "-l",
            "PROCESSES",
            " worker, ,nosuch",
            "/processes/0/name",
            json!("web"),
            json!("worker"),
        ),
        (
            "ignored-processes",
            "-x",
            "IGNORED_PROCESSES",
            "web",
            "/processes/0/name",
            json!("web"),
            json!("worker"),
        ),
        ("timeout", "-t", "TIMEOUT", "2.5", "/timeout", json!(5.0), json!(2.5)),
        ("port", "-p", "PORT", "3000", "/processes/0/port", json!(5000), json!(3000)),
        ("port-step", "-P", "PORT_STEP", "7", "/processes/1/port", json!(5100), json!(5007)),
        ("no-port", "-N", "NO_PORT", "true", "/processes/0/port", json!(5000), Value::Null),
        (
            "can-die",
            "-c",
            "CAN_DIE",
            "web",
            "/processes/0/on_exit",
            json!("stop-all"),
            json!("remain"),
        ),
        (
            "any-can-die",
            "",
            "ANY_CAN_DIE",
            "1",
            "/processes/1/on_exit",
            json!("stop-all"),
            json!("remain"),
        ),
        (
            "auto-restart",
            "-r",
            "AUTO_RESTART",
            "all",
            "/processes/1/on_exit",
            json!("stop-all"),
            json!("restart"),
        ),
        ("colors", "-b", "COLORS", "9,10", "/processes/1/color", json!(3), json!(10)),
        (
            "show-timestamps",
            "-T",
            "SHOW_TIMESTAMPS",
            "t",
            "/show_timestamps",
            json!(false),
            json!(true),
        ),
        (
            "formation",
            "-m",
            "FORMATION",
            "all=2,web=3",
            "/processes/2/name",
            Value::Null,
            json!("web#3"),
        ),
        (
            "stop-signals",
            "-i",
            "STOP_SIGNALS",
            "web=TERM",
            "/processes/0/stop_signal",
            json!("INT"),
            json!("TERM"),
        ),
        ("daemonize", "-D", "DAEMONIZE", "True", "/daemonize", json!(false), json!(true)),
        (
            "tmux-config",
            "-F",
            "TMUX_CONFIG",
            "/t.conf",
            "/tmux_config",
            Value::Null,
            json!("/t.conf"),
        ),
        (
            "socket",
            "-s",
            "SOCKET",
            "other.sock",
            "/socket",
            json!("./.overmind.sock"),
            json!("other.sock"),
        ),
        ("network", "-S", "NETWORK", "tcp6", "/network", json!("unix"), json!("tcp6")),
    ]
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
fn each_setting_comes_from_its_flag_its_variables_or_its_default() {
    let world = World::new(PROCFILE);
    world.write("P2", PROCFILE);
    let plain = config(&world, &[], &[]);
    for (flag, short, variable, said, at, default, expected) in settings() {
        let read = |config: &Value| config.pointer(at).cloned().unwrap_or_default();
        // What depends on where the test runs is not told by the table.
        if !["title", "root"].contains(&flag) {
            assert_eq!(read(&plain), default, "--{flag} by default");
        }
        assert_ne!(read(&plain), expected, "--{flag} is to change something");
        let mut ways = vec![vec![format!("--{flag}={said}")], vec![format!("-{flag}={said}")]];
        let truth = ["no-port", "any-can-die", "show-timestamps", "daemonize"].contains(&flag);
        if truth {
            ways.push(vec![format!("--{flag}")]);
            ways.push(vec![if short.is_empty() { format!("--{flag}") } else { short.to_owned() }]);
        } else {
            ways.push(vec![format!("--{flag}"), said.to_owned()]);
            ways.push(vec![short.to_owned(), said.to_owned()]);
            ways.push(vec![format!("{short}={said}")]);
        }
        for way in ways {
            assert_eq!(read(&config(&world, &way, &[])), expected, "{way:?}");
        }
        if variable.is_empty() {
            continue;
        }
        let mine = (format!("TMO_{variable}"), said);
        let overminds = (format!("OVERMIND_{variable}"), said);
        for set in [&mine, &overminds] {
            let config = config(&world, &[], std::slice::from_ref(set));
            assert_eq!(read(&config), expected, "{set:?}");
            // And from a file.
            world.write(".env", &format!("{}={said:?}\n", set.0));
            assert_eq!(read(&self::config(&world, &[], &[])), expected, "{set:?} in .env");
            world.write(".env", "");
        }
        if truth {
            let off = vec![format!("--{flag}=false")];
            assert_eq!(read(&config(&world, &off, &[mine])), default, "a flag beats a variable");
        }
    }
    world.wait_empty();
}

#[test]
fn nothing_is_left_of_a_look_at_the_configuration() {
    let world = World::new(PROCFILE);
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
