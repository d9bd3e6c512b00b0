//! `tmo export`: files for other supervisors, and what their processes see.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::harness::{World, eventually, executable, files, procs};

const HARD: &str = r#"a"b'c $X ${Y} %n \ ; # é;"#;

/// A server of tmux that ends with its test.
struct TmuxServer<'a>(&'a World, &'a str);

impl Drop for TmuxServer<'_> {
    fn drop(&mut self) {
        let tmux = |args: &[&str]| {
            self.0.command("tmux").args(["-L", self.1]).args(args).output().unwrap().stdout
        };
        let pid = String::from_utf8(tmux(&["display-message", "-p", "#{pid}"])).unwrap();
        tmux(&["kill-server"]);
        if let Ok(pid) = pid.trim().parse() {
            eventually("tmux ends", || (!procs::alive(pid)).then_some(()));
        }
        // tmux leaves its socket.
        let uid = nix::unistd::getuid();
        let _ = std::fs::remove_file(self.0.path().join(format!("tmux/tmux-{uid}/{}", self.1)));
    }
}

/// Processes that write their environment and directory to files, as soon as they start.
fn recording() -> World {
    let recorder = r#"env -0 >"$OUT/$PS.env.new"; pwd >"$OUT/$PS.cwd"; mv "$OUT/$PS.env.new" "$OUT/$PS.env"; exec sleep 1000"#;
    let world = World::new(&format!("web: {recorder}\nworker: {recorder}\n"));
    std::fs::create_dir(world.app().join("sub")).unwrap();
    world.write("tmo.toml", "[process.worker]\ncwd = \"sub\"\ndepends_on = [\"web\"]\n");
    // The values of env files expand variables, so the hard one comes from the table.
    let hard = toml::Value::from(HARD).to_string();
    world.write(
        "tmo.toml",
        &format!("{}\n[process.web.env]\nHARD = {hard}\n", world.read("tmo.toml")),
    );
    world.write(".env", "SHARED=of all\n");
    world
}

/// What a process has recorded, without what the terminal or the run itself adds.
fn recorded(dir: &Path, name: &str) -> Option<BTreeMap<String, String>> {
    const OWN: [&str; 13] = [
        "_",
        "SHLVL",
        "PWD",
        "OLDPWD",
        "TERM",
        "TMUX",
        "TMUX_PANE",
        "TERM_PROGRAM",
        "TERM_PROGRAM_VERSION",
        "COLORTERM",
        "COLUMNS",
        "SHELL",
        "LINES",
    ];
    let text = std::fs::read_to_string(dir.join(format!("{name}.env"))).ok()?;
    let is_own = |name: &str| {
        OWN.contains(&name)
            || name == "OUT"
            || ["TMO_", "OVERMIND_SOCKET", "OVERMIND_NETWORK"]
                .iter()
                .any(|own| name.starts_with(own))
    };
    let pairs = text.split('\0').filter_map(|one| one.split_once('='));
    let mut all: BTreeMap<_, _> = pairs
        .filter(|(name, _)| !is_own(name))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    all.insert("cwd".into(), std::fs::read_to_string(dir.join(format!("{name}.cwd"))).ok()?);
    Some(all)
}

#[test]
fn a_script_for_tmux_gives_processes_what_tmo_gives_them() {
    let world = recording();
    let (ours, theirs) = (world.path().join("ours"), world.path().join("theirs"));
    for dir in [&ours, &theirs] {
        std::fs::create_dir(dir).unwrap();
    }
    let mut start = world.tmo(["start", "-D"]);
    assert!(start.env("OUT", &ours).status().unwrap().success());
    eventually("tmo's processes have recorded", || recorded(&ours, "worker"));
    world.ok(["quit"]);

    let app = format!("export-{}", std::process::id());
    let ran = world.run(["export", "tmux", "-a", &app]);
    assert_eq!(ran.code, 0, "{ran:?}");
    std::fs::write(world.path().join("run.sh"), &ran.stdout).unwrap();
    let mut script = world.command("sh");
    let done = script.arg(world.path().join("run.sh")).env("OUT", &theirs).status().unwrap();
    let _server = TmuxServer(&world, &app);
    assert!(done.success());
    eventually("tmux's processes have recorded", || {
        recorded(&theirs, "web").and(recorded(&theirs, "worker"))
    });
    let windows =
        world.command("tmux").args(["-L", &app, "list-windows", "-F", "#W"]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&windows.stdout), "web\nworker\n");
    for name in ["web", "worker"] {
        assert_eq!(recorded(&theirs, name), recorded(&ours, name), "{name}");
    }
    assert_eq!(recorded(&theirs, "web").unwrap()["HARD"], HARD);
}

#[test]
fn a_service_of_runit_gives_its_process_the_same_values() {
    let world = recording();
    world.ok(["export", "runit", "-o", "sv", "-a", "shop"]);
    // Stands for runit's own program.
    let chpst = world.path().join("chpst");
    executable(&chpst, "#!/bin/sh\n[ \"$1\" = -P ] && shift\nexec \"$@\"\n");
    let script = world.app().join("sv/shop-web-1/run");
    let text = std::fs::read_to_string(&script).unwrap();
    let text = text.replace("chpst", &chpst.display().to_string());
    std::fs::write(&script, text.replace("; exec sleep 1000", "")).unwrap();
    let out = world.path().join("out");
    std::fs::create_dir(&out).unwrap();
    let ran = world.command("sh").arg(&script).env("OUT", &out).output().unwrap();
    assert!(ran.status.success(), "{ran:?}");
    let seen = recorded(&out, "web").unwrap();
    assert_eq!(
        (seen["HARD"].as_str(), seen["SHARED"].as_str(), seen["PS"].as_str()),
        (HARD, "of all", "web")
    );
    assert_eq!(seen["cwd"].trim_end(), world.app().to_str().unwrap());
}

#[test]
fn files_of_others_and_edited_ones_are_left_alone() {
    let world = World::new("web: sleep 1\nworker: sleep 1\n").with_default_ports();
    let dir = world.app().join("units");
    let export = |more: &[&str]| {
        world.run([&["export", "systemd", "-o", "units", "-a", "shop"], more].concat())
    };
    let first = export(&[]);
    assert_eq!(first.code, 0, "{first:?}");
    assert!(first.stdout.contains("systemctl enable --now shop.target"), "{}", first.stdout);
    let read = || {
        files(&dir)
            .iter()
            .map(|path| (path.clone(), std::fs::read(path).unwrap()))
            .collect::<Vec<_>>()
    };
    let before = read();
    assert_eq!(before.len(), 3);
    assert_eq!(export(&[]).code, 0);
    assert_eq!(read(), before, "the same bytes twice");

    let edited = dir.join("shop-web-1.service");
    let text = std::fs::read_to_string(&edited).unwrap();
    std::fs::write(&edited, text.replace("[Service]", "[Service]\nNice=5")).unwrap();
    std::fs::write(dir.join("shop.target"), "mine\n").unwrap();
    let refused = export(&["-p", "6000"]);
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(
        refused.stderr.contains("shop-web-1.service was edited since it was exported; --force"),
        "{}",
        refused.stderr
    );
    assert!(
        refused.stderr.contains("shop.target was not written by tmo export"),
        "{}",
        refused.stderr
    );
    let worker = std::fs::read_to_string(dir.join("shop-worker-1.service")).unwrap();
    assert!(worker.contains("PORT=5100"), "nothing is written if one file is refused: {worker}");
    assert_eq!(export(&["--force"]).code, 0);
    assert_eq!(read(), before);

    world.write("Procfile", "web: sleep 1\n");
    std::fs::write(dir.join("notes.txt"), "mine\n").unwrap();
    let named = export(&[]);
    assert!(
        named.stderr.contains("shop-worker-1.service is of an earlier export; --prune removes it"),
        "{}",
        named.stderr
    );
    assert_eq!(export(&["--prune"]).code, 0);
    assert!(!dir.join("shop-worker-1.service").exists() && dir.join("notes.txt").exists());
}

#[test]
fn flags_mean_what_they_mean_to_foreman_and_honcho() {
    let world = World::new("web: sleep $PORT\nworker: sleep 1\n").with_default_ports();
    let export = |flags: &str| {
        let words = ["export", "systemd", "--json"].into_iter().chain(flags.split(' '));
        let document: Value = serde_json::from_str(&world.ok(words)).unwrap();
        let files = document["files"].as_array().unwrap().clone();
        let of = |file: &Value, key: &str| file[key].as_str().unwrap().to_owned();
        files.iter().map(|file| (of(file, "name"), of(file, "text"))).collect::<BTreeMap<_, _>>()
    };
    for (flags, file, expected) in [
        ("-a shop", "shop-web-1.service", "Environment=\"PORT=5000\""),
        ("-a shop -p 8000", "shop-web-1.service", "Environment=\"PORT=8000\""),
        ("-a shop -p 8000", "shop-worker-1.service", "Environment=\"PORT=8100\""),
        ("-a shop -m web=2", "shop-web-2.service", "Environment=\"PORT=5010\""),
        ("-a shop -c web=2", "shop-web-2.service", "Environment=\"PS=web#2\""),
        ("-a shop -u deploy", "shop-web-1.service", "User=deploy"),
        ("-a shop -T 30", "shop-web-1.service", "TimeoutStopSec=30s"),
        ("-a shop --target-root /srv/shop", "shop-web-1.service", "WorkingDirectory=/srv/shop"),
        ("-a shop --user-units", "shop.target", "WantedBy=default.target"),
        ("-a shop", "shop.target", "Wants=shop-worker-1.service"),
    ] {
        let files = export(flags);
        let text = files.get(file).unwrap_or_else(|| panic!("{flags}: {:?}", files.keys()));
        assert!(text.lines().any(|line| line == expected), "{flags}: {expected} in {text}");
    }
}

#[test]
fn what_is_not_expressed_is_listed_and_strict_makes_it_an_error() {
    let world = World::new("web: sleep 1\nworker: sleep 1\n");
    assert_eq!(world.run(["export", "systemd", "--strict"]).code, 0);
    world.write(
        "tmo.toml",
        "[process.web]\nready = { log = \"up\" }\n[process.worker]\non_exit = \"stop-all\"\n",
    );
    let ran = world.run(["export", "systemd", "--strict"]);
    assert_eq!(ran.code, 1);
    assert!(ran.stderr.contains("not exported: ready = { log } of web: "), "{}", ran.stderr);
    assert!(
        ran.stderr.contains("not exported: on_exit = \"stop-all\" of worker: "),
        "{}",
        ran.stderr
    );
    assert!(ran.stdout.contains("# not exported: ready = { log }: "), "{}", ran.stdout);
}

#[test]
fn units_pass_the_check_of_systemd() {
    if Command::new("systemd-analyze").arg("--version").output().is_err() {
        eprintln!("SKIPPED: there is no systemd-analyze");
        return;
    }
    let world = recording();
    world.write("Procfile", &(world.read("Procfile") + "migrate: true\ntidy: true\n"));
    let toml = "[process.migrate]\nphase = \"dependency\"\nready = { exit = 0 }\n[process.tidy]\nphase = \"cleanup\"\n\
        [process.worker.restart]\npolicy = \"always\"\nmax_failures = 3\n";
    world.write("tmo.toml", &format!("{}\n{toml}", world.read("tmo.toml")));
    world.ok(["export", "systemd", "-o", "units"]);
    let mut verify = Command::new("systemd-analyze");
    let ran = verify.arg("verify").args(files(&world.app().join("units"))).output().unwrap();
    let said = String::from_utf8_lossy(&ran.stderr).into_owned();
    assert!(ran.status.success() && said.is_empty(), "{said}");
}

/// What `tmo config` says of each process under these keys.
fn config(world: &World, keys: &[&str]) -> BTreeMap<String, BTreeMap<String, Value>> {
    let document: Value = serde_json::from_str(&world.ok(["config", "--json"])).unwrap();
    let of = |process: &Value| {
        let settings = process["settings"].as_array().unwrap().clone();
        let wanted = settings.iter().filter(|one| keys.contains(&one["key"].as_str().unwrap()));
        let pair = |one: &Value| (one["key"].as_str().unwrap().to_owned(), one["value"].clone());
        (process["name"].as_str().unwrap().to_owned(), wanted.map(pair).collect())
    };
    document["processes"].as_array().unwrap().iter().map(of).collect()
}

#[test]
fn an_exported_compose_file_is_imported_as_the_same_project() {
    const KEYS: [&str; 7] =
        ["command", "port", "stop.signal", "stop.timeout", "depends_on", "restart", "autostart"];
    let world =
        World::new("web: exec ./web --port $PORT\nworker: exec ./worker '$x' \"%d\"\ntask: true\n");
    world.write("Dockerfile", "FROM scratch\n");
    world.write(
        "tmo.toml",
        "[process.web]\nready = { port = 15843 }\nrestart = \"no\"\nstop = { signal = \"TERM\", timeout = \"7s\" }\nport = 15843\n\
         [process.worker]\ndepends_on = { web = \"ready\", task = \"completed\" }\nport = 15844\n\
         restart = { policy = \"on-failure\", max_failures = 3 }\n[process.task]\nport = 15845\nrestart = \"no\"\n",
    );
    let before = config(&world, &KEYS);
    let back = World::new("");
    std::fs::remove_file(back.app().join("Procfile")).unwrap();
    back.write("Dockerfile", "FROM scratch\n");
    back.write("compose.yaml", &world.ok(["export", "compose"]));
    back.ok(["import", "compose.yaml", "--local"]);
    assert_eq!(config(&back, &KEYS), before);
}

#[test]
fn an_exported_compose_file_names_the_directory_of_the_dockerfile_from_its_own() {
    let world = World::new("web: exec sleep 1000\n");
    world.write("Dockerfile", "FROM scratch\n");
    assert!(world.ok(["export", "compose"]).contains("build: \".\"\n"));
    for (output, build) in [("deploy", ".."), ("etc/deploy", "../.."), (".", ".")] {
        world.ok(["export", "compose", "-o", output]);
        let file = world.read(&format!("{output}/compose.yaml"));
        assert!(file.contains(&format!("build: \"{build}\"\n")), "{output}: {file}");
    }
    let elsewhere = world.path().join("elsewhere");
    world.ok(["export", "compose", "-o", elsewhere.to_str().unwrap()]);
    let file = std::fs::read_to_string(elsewhere.join("compose.yaml")).unwrap();
    assert!(file.contains(&format!("build: \"{}\"", world.app().display())), "{file}");
}

#[test]
fn an_exported_file_of_supervisord_is_imported_as_the_same_project() {
    const KEYS: [&str; 4] = ["port", "stop.signal", "stop.timeout", "autostart"];
    let world = World::new(
        "web: exec ./web --port $PORT\nworker: exec ./worker '$x' \"%d\" ;# no remark\n",
    );
    world.write(
        "tmo.toml",
        "[process.web]\nport = 15843\nstop = { signal = \"QUIT\", timeout = \"7s\" }\n\
         restart = \"on-failure\"\n[process.worker]\nport = 15844\nautostart = false\nenv = { A = \"b%c\" }\n",
    );
    let before = config(&world, &KEYS);
    let back = World::new("");
    std::fs::remove_file(back.app().join("Procfile")).unwrap();
    back.write("supervisord.conf", &world.ok(["export", "supervisord", "-a", "x"]));
    back.ok(["import", "supervisord.conf"]);
    let after = config(&back, &KEYS);
    for (name, settings) in before {
        assert_eq!(after[&format!("x-{name}-1")], settings);
    }
    let written = back.read("tmo.toml");
    for expected in [
        r#"["/bin/sh", "-c", "exec ./web --port $PORT"]"#,
        r#"["/bin/sh", "-c", """exec ./worker '$x' "%d" ;# no remark"""]"#,
        r#"A = "b%c""#,
    ] {
        assert!(written.contains(expected), "{expected} in {written}");
    }
}
