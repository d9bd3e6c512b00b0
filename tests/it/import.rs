//! `tmo import`: files of other tools become a `tmo.toml` that starts.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::harness::{World, eventually};

/// Sources with the shapes of public projects, each in a directory of its own.
fn corpus(tool: &str) -> Vec<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/import").join(tool);
    let mut dirs: Vec<PathBuf> =
        std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    dirs.sort();
    dirs
}

/// A world without a Procfile, with these files.
fn world_of(dir: &Path) -> World {
    let world = without_procfile();
    copy(dir, &world.app());
    world
}

fn without_procfile() -> World {
    let world = World::new("");
    std::fs::remove_file(world.app().join("Procfile")).unwrap();
    world
}

fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            std::fs::create_dir_all(&to).unwrap();
            copy(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// What runs here needs these keys of a compose file in its command or port, or not at all.
const WITHOUT_PLACE: &str = "annotations attach build container_name domainname entrypoint expose extends hostname image init labels \
    links logging networks platform ports stdin_open stop_signal tty volumes working_dir";

/// The lines of the source at which a key of a process stands must be named in the result, as the place of a setting
/// or a comment, unless a container keeps it.
#[track_caller]
fn assert_nothing_is_dropped(source: &Path, result: &str) {
    const WITHOUT_EFFECT: [&str; 4] = ["vars", "is_tty", "is_interactive", "is_template_disabled"];
    let name = source.file_name().unwrap().to_str().unwrap();
    let text = std::fs::read_to_string(source).unwrap();
    let is_compose = text.lines().any(|line| line.trim_end() == "services:");
    let mut inside = false;
    let mut dropped = vec![];
    let mut is_kept = false;
    for (at, line) in text.lines().enumerate() {
        let indent = line.len() - line.trim_start().len();
        let trimmed = line.trim();
        if indent == 0 && !trimmed.is_empty() {
            inside = ["services:", "processes:", "procs:"].contains(&trimmed);
        }
        if inside && indent == 2 {
            let process = trimmed.split(':').next().unwrap().replace('.', "-");
            let table = format!("\n[process.{process}]\ncommand = \"");
            let begin = result.find(&table).map(|at| &result[at + table.len()..]);
            is_kept = begin.filter(|_| is_compose).is_some_and(|command| {
                let command = command.strip_prefix("env -u PORT ").unwrap_or(command);
                command.starts_with("docker compose ")
            });
            assert!(!is_kept || result.contains("# Containers have all else that "), "{result}");
        }
        let Some((key, _)) = trimmed.split_once(':').filter(|_| inside && indent == 4) else {
            continue;
        };
        // What an alias stands for is named where that stands.
        let is_off = text
            .lines()
            .nth(at + 1)
            .is_some_and(|line| ["disable: true", "test: [\"NONE\"]"].contains(&line.trim()));
        let is_nothing = trimmed.ends_with(": []")
            || trimmed.contains(": *")
            || trimmed.trim_end_matches('"').ends_with("false")
            || WITHOUT_EFFECT.contains(&key)
            || is_off;
        if is_nothing || trimmed.starts_with(['#', '-', '<']) || key.starts_with("x-") {
            continue;
        }
        // The values of a table stand in the lines below.
        let deeper = |line: &&str| line.trim().is_empty() || line.starts_with("     ");
        let lines = text.lines().skip(at + 1).take_while(deeper).count() + 1;
        let is_placed = (at + 1..=at + lines).any(|number| {
            let place = format!("{name}:{number}");
            let ends = |at: usize| !result[at..].starts_with(|c: char| c.is_ascii_digit());
            result.match_indices(&place).any(|(found, _)| ends(found + place.len()))
        });
        let mut comments =
            result.lines().filter(|line| line.starts_with("# only in its container: "));
        let is_told = result.contains(&format!("{key}:"))
            || comments.any(|line| line.contains(key))
            || WITHOUT_PLACE.split(' ').any(|known| known == key);
        if !is_placed && !is_kept && !is_told {
            dropped.push(format!("{name}:{}: {trimmed}", at + 1));
        }
    }
    assert!(dropped.is_empty(), "{}: {dropped:#?} in\n{result}", source.display());
}

#[test]
fn sources_of_all_tools_become_files_that_can_be_checked() {
    let counts = [
        ("compose", 24),
        ("process-compose", 13),
        ("mprocs", 5),
        ("pm2", 5),
        ("supervisord", 5),
        ("npm", 10),
    ];
    for (tool, least) in counts {
        let dirs = corpus(tool);
        assert!(dirs.len() >= least, "{tool}: {}", dirs.len());
        for dir in dirs {
            let choices: &[&[&str]] = if tool == "compose" { &[&[], &["--local"]] } else { &[&[]] };
            for choice in choices {
                let world = world_of(&dir);
                let mut args = [&["import", "--json", "--run-js"][..], choice].concat();
                let nested = "docker/compose.yaml";
                if dir.join(nested).exists() {
                    args.push(nested);
                }
                let ran = world.run(args);
                assert_eq!(ran.code, 0, "{}: {ran:?}", dir.display());
                let document: Value = serde_json::from_str(&ran.stdout).unwrap();
                assert!(!document["processes"].as_array().unwrap().is_empty(), "{document}");
                let file = document["file"].as_str().unwrap();
                let result = world.read(file);
                if tool == "compose" || tool == "process-compose" || tool == "mprocs" {
                    let source = document["sources"][0].as_str().unwrap();
                    // What another file replaces need not be named.
                    let is_replaced = document["sources"].to_string().contains("override");
                    if source.ends_with("ml") && !is_replaced {
                        let place = Path::new(file).parent().unwrap();
                        assert_nothing_is_dropped(&dir.join(place).join(source), &result);
                    }
                }
                let place = Path::new(file).parent().unwrap().join(".");
                let check =
                    format!("cd {} && {} check --json", place.display(), env!("CARGO_BIN_EXE_tmo"));
                let checked = world.shell(&check);
                let checked: Value = serde_json::from_str(&checked.stdout).unwrap();
                // A directory or an env file may be missing in what is but an example.
                let errors = checked["errors"].to_string();
                let is_missing =
                    errors.contains("does not exist") || errors.contains("no such file");
                assert!(errors == "[]" || is_missing, "{}: {errors}\n{result}", dir.display());
                for entry in std::fs::read_dir(world.app()).unwrap() {
                    let entry = entry.unwrap();
                    if entry.file_name().to_string_lossy().starts_with(".env.imported") {
                        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600);
                    }
                }
            }
        }
    }
}

/// Start what these projects become, and wait until all of it is ready.
fn starts(tool: &str, projects: &[&str]) {
    for dir in
        corpus(tool).into_iter().filter(|dir| projects.iter().any(|name| dir.ends_with(name)))
    {
        let world = world_of(&dir);
        let local: &[&str] = if tool == "compose" { &["import", "--local"] } else { &["import"] };
        world.ok(local.iter().copied());
        let ran = world.run(["start", "-D", "--wait"]);
        assert_eq!(ran.code, 0, "{}: {ran:?}\n{}", dir.display(), world.read("tmo.toml"));
        world.ok(["quit"]);
    }
}

#[test]
fn compose_projects_start_without_containers_and_become_ready() {
    starts("compose", &["python-api", "dockerfile-site", "override-queue", "python-queue"]);
    // These need more than a shell and Python.
    if which::which("node").is_ok() && which::which("curl").is_ok() {
        starts("compose", &["override-dev"]);
    }
}

#[test]
fn services_that_ran_in_containers_reach_each_other() {
    if which::which("node").is_err() || which::which("curl").is_err() {
        return;
    }
    for (project, url, expected) in [
        ("include-parts", "localhost:18511", "search: xylophone\ndocs: <!doctype html>"),
        ("static-docs", "localhost:18550/about.html", "The \"House\" pages: $HOME & co"),
        ("node-gateway", "localhost:18560/stock", "\"service\":\"stock\""),
        ("node-gateway", "localhost:18560/billing", "\"VAT\":\"21%\""),
    ] {
        let world =
            world_of(&corpus("compose").into_iter().find(|dir| dir.ends_with(project)).unwrap());
        world.ok(["import", "--local"]);
        let ran = world.run(["start", "-D", "--wait"]);
        assert_eq!(ran.code, 0, "{project}: {ran:?}\n{}", world.read("tmo.toml"));
        let answer = world.shell(&format!("curl -fsS {url}"));
        assert!(answer.stdout.contains(expected), "{url}: {answer:?}");
        if project == "static-docs" {
            let logs = world.ok(["logs", "once"]);
            assert!(logs.contains("one|two words|three four|five$6||"), "{logs}");
        }
        world.ok(["quit"]);
    }
}

#[test]
fn a_result_in_another_directory_leads_back_to_the_source() {
    let world = without_procfile();
    for dir in ["src/web", "dev"] {
        std::fs::create_dir_all(world.app().join(dir)).unwrap();
    }
    let compose = "services:\n  web:\n    build: web\n    command: sh -c 'echo in $$(basename $$PWD) $$A $$B; exec sleep 1000'\n    \
                   env_file: web.env\n    environment: {B: \"${TOP}\"}\n  api:\n    build: .\n    command: sh -c 'echo in $$(basename $$PWD); exec sleep 1000'\n";
    world.write("src/compose.yaml", compose);
    world.write("src/web.env", "A=of-file\n");
    world.write("src/.env", "TOP=of-env\n");
    world.ok(["import", "src/compose.yaml", "--local", "-o", "dev/tmo.toml"]);
    let tmo = env!("CARGO_BIN_EXE_tmo");
    let ran = world.shell(&format!("cd dev && {tmo} start -D"));
    assert_eq!(ran.code, 0, "{ran:?}");
    eventually("their output", || {
        let logs = world.shell(&format!("cd dev && {tmo} logs")).stdout;
        (logs.contains("in web of-file of-env\n") && logs.contains("in src\n")).then_some(())
    });
    assert_eq!(world.shell(&format!("cd dev && {tmo} quit")).code, 0);
}

#[test]
fn process_compose_projects_start_and_become_ready() {
    starts("process-compose", &["two-services", "steps", "run-probes", "run-shutdown", "run-env"]);
}

const COMPOSE: &str = "services:\n  web:\n    build: .\n    command: exec sleep 1000\n    environment:\n      \
                       API_TOKEN: abc\n    ulimits: {nproc: 3}\n";

#[test]
fn nothing_is_dropped_in_silence() {
    let world = without_procfile();
    world.write("compose.yaml", COMPOSE);
    let ran = world.run(["import", "--local", "--strict"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    let told = "tmo: not taken over: compose.yaml:7: web: ulimits: ";
    assert!(ran.stderr.contains(told), "{ran:?}");
    let text = world.read("tmo.toml");
    assert!(text.contains("# ulimits: ") && text.contains("(compose.yaml:7)"), "{text}");
    assert!(!text.contains("abc"), "a secret is not written where it may be committed: {text}");
    assert_eq!(world.read(".env.imported.web"), "API_TOKEN=\"abc\"\n");
    assert!(ran.stderr.contains("add `.env.imported*` to .gitignore"), "{ran:?}");
    world.ok(["start", "-D"]);
    world.wait_state("web", "running");
    assert!(world.ok(["config", "web"]).contains("API_TOKEN"));
    world.ok(["quit"]);
}

#[test]
fn a_file_of_secrets_is_for_its_owner_and_out_of_git() {
    let world = without_procfile();
    world.write("compose.yaml", COMPOSE);
    let secrets = world.app().join(".env.imported.web");
    world.write(".env.imported.web", "API_TOKEN=\"abc\"\n");
    std::fs::set_permissions(&secrets, std::fs::Permissions::from_mode(0o644)).unwrap();
    let ran = world.run(["import", "--local"]);
    assert!(ran.code == 1 && ran.stderr.contains("chmod 600"), "{ran:?}");
    assert!(!world.app().join("tmo.toml").exists());
    std::fs::set_permissions(&secrets, std::fs::Permissions::from_mode(0o600)).unwrap();
    for (gitignore, is_told) in [
        ("# .env.imported.web\n", true),
        (".env*\n!.env.imported.web\n", true),
        ("x.env.imported.web\n", true),
        (".env*\n", false),
        ("/.env.imported.web \n", false),
    ] {
        world.write(".gitignore", gitignore);
        let ran = world.run(["import", "--local", "-o", "x.toml"]);
        assert_eq!(ran.stderr.contains("out of git"), is_told, "{gitignore}: {ran:?}");
        std::fs::remove_file(world.app().join("x.toml")).unwrap();
    }
}

#[test]
fn a_failed_import_leaves_nothing() {
    let world = without_procfile();
    world.write("compose.yaml", COMPOSE);
    // There is no room for the name of the file beside it, which takes its place once it is written.
    let long = format!("{}.toml", "a".repeat(250));
    let ran = world.run(["import", "--local", "-o", &long]);
    assert_eq!(ran.code, 1, "{ran:?}");
    let left: Vec<_> =
        std::fs::read_dir(world.app()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().contains("imported")), "{left:?}");
    // An existing file keeps its mode.
    world.write("mprocs.yaml", "procs:\n  docs: exec sleep 1000\n");
    world.write("tmo.toml", "");
    let toml = world.app().join("tmo.toml");
    std::fs::set_permissions(&toml, std::fs::Permissions::from_mode(0o640)).unwrap();
    world.ok(["import", "mprocs.yaml", "--merge"]);
    assert_eq!(std::fs::metadata(&toml).unwrap().permissions().mode() & 0o777, 0o640);
    assert!(world.read("tmo.toml").contains("[process.docs]"));
}

#[test]
fn a_pipe_is_read_once() {
    let tmo = env!("CARGO_BIN_EXE_tmo");
    for source in ["- --from mprocs", "/dev/stdin"] {
        let world = without_procfile();
        let ran = world
            .shell(&format!("printf 'procs:\\n  web: exec sleep 1000\\n' | {tmo} import {source}"));
        assert_eq!(ran.code, 0, "{ran:?}");
        assert!(world.read("tmo.toml").contains("# stdin:2"), "{}", world.read("tmo.toml"));
    }
}

#[test]
fn an_existing_file_keeps_every_byte() {
    let world = without_procfile();
    world.write("compose.yaml", COMPOSE);
    let own = "# mine\n[process.web]\ncommand = \"exec sleep 1000\"   # kept\n";
    world.write("tmo.toml", own);
    let ran = world.run(["import", "--local"]);
    assert!(ran.code == 1 && ran.stderr.contains("tmo.toml is there already"), "{ran:?}");
    assert_eq!(world.read("tmo.toml"), own);
    world.write("mprocs.yaml", "procs:\n  web: \"false\"\n  docs: exec sleep 1000\n");
    world.ok(["import", "mprocs.yaml", "--merge"]);
    let merged = world.read("tmo.toml");
    let added = merged.strip_prefix(own).unwrap();
    assert!(added.contains("[process.docs]") && !added.contains("[process.web]"), "{added}");
    world.ok(["import", "mprocs.yaml", "--merge"]);
    assert_eq!(world.read("tmo.toml"), merged, "nothing is added twice");
    world.ok(["import", "mprocs.yaml", "-o", "other.toml"]);
    assert_eq!(world.ok(["import", "mprocs.yaml", "-o", "-"]), world.read("other.toml"));
}

#[test]
fn a_program_is_run_only_on_request() {
    let world = without_procfile();
    let script = "require('fs').writeFileSync('ran', '');\nmodule.exports = {apps: [{name: 'api', script: './api', interpreter: 'none'}]};\n";
    world.write("ecosystem.config.js", script);
    let ran = world.run(["import"]);
    assert!(ran.code == 1 && ran.stderr.contains("--run-js"), "{ran:?}");
    assert!(!world.app().join("ran").exists());
    // A node of our own tells what it was given.
    std::fs::create_dir(world.app().join("bin")).unwrap();
    world.write(
        "bin/node",
        "#!/bin/sh\necho '{\"apps\": [{\"name\": \"api\", \"script\": \"sleep 1000\"}]}'\n",
    );
    world.shell("chmod +x bin/node");
    let tmo = env!("CARGO_BIN_EXE_tmo");
    let ran = world.shell(&format!("PATH=$PWD/bin:$PATH {tmo} import --run-js"));
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(world.read("tmo.toml").contains("command = \"sleep 1000\""));
    let ran = world.shell(&format!("PATH=/nowhere {tmo} import --run-js --merge"));
    assert!(ran.code == 1 && ran.stderr.contains("node is not installed"), "{ran:?}");
    // What it prints is not its value, and what it leaves running does not hold up the import.
    if which::which("node").is_ok() {
        let script = "console.log('hello {');\nsetInterval(() => {}, 1000);\nmodule.exports = {apps: [{name: 'api', script: './api.v2.js'}]};\n";
        world.write("ecosystem.config.js", script);
        let written = world.ok(["import", "--run-js", "-o", "-"]);
        assert!(written.contains("command = \"node ./api.v2.js\""), "{written}");
    }
}

#[test]
fn init_takes_over_what_another_tool_runs() {
    let world = without_procfile();
    world.write("package.json", r#"{"scripts": {"dev": "concurrently -k -n web,css \"exec sleep 1000\" \"npm:css\"", "css": "x"}}"#);
    let reported = world.ok(["init"]);
    assert!(reported.contains("web") && reported.contains("css"), "{reported}");
    let toml = world.read("tmo.toml");
    assert!(
        toml.contains("command = \"exec sleep 1000\"") && toml.contains("npm run css"),
        "{toml}"
    );
    // Scripts of one family.
    let world = without_procfile();
    world.write(
        "package.json",
        r#"{"scripts": {"dev:web": "vite", "dev:api": "node .", "worker": "node w"}}"#,
    );
    let ran = world.run(["init"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(world.read("Procfile"), "web: npm run dev:web\napi: npm run dev:api\n");
    assert!(ran.stderr.contains("worker"), "{ran:?}");
    // Only the names of possible commands are told.
    let world = without_procfile();
    world.write("Makefile", "build:\n\ncc\nrun: build\n\t./app\n");
    let ran = world.run(["init"]);
    assert!(ran.code == 1 && ran.stderr.contains("`web: make run`"), "{ran:?}");
}

#[test]
fn a_start_with_a_file_of_another_tool_leads_to_the_import() {
    let world = without_procfile();
    world.write("compose.yaml", COMPOSE);
    let ran = world.run(["start", "-f", "compose.yaml"]);
    assert_eq!((ran.code, ran.stderr.lines().count()), (1, 1), "{ran:?}");
    assert!(
        ran.stderr
            .contains("compose.yaml is a compose file, not a Procfile: `tmo import compose.yaml`"),
        "{ran:?}"
    );
    let ran = world.run(["start"]);
    assert!(ran.stderr.contains("`tmo import` takes over compose.yaml"), "{ran:?}");
    world.ok(["import"]);
    let toml = world.read("tmo.toml");
    assert!(
        toml.contains("docker compose up --no-deps --no-log-prefix --exit-code-from web web"),
        "{toml}"
    );
}

#[test]
fn two_minutes_are_enough_to_leave_compose() {
    let world = without_procfile();
    world.write("compose.yaml", "services:\n  web:\n    build: .\n    command: sh -c 'echo \"up $$NAME\"; exec sleep 1000'\n    environment: {NAME: shop}\n");
    world.ok(["import", "--local"]);
    world.ok(["start", "-D"]);
    eventually("it", || world.ok(["logs"]).contains("web    | up shop\n").then_some(()));
    world.ok(["quit"]);
}

#[test]
fn without_docker_the_import_says_what_runs_without_it() {
    let world = without_procfile().env("PATH", "/nonexistent");
    world.write(
        "compose.yaml",
        "services:\n  web:\n    build: .\n    command: serve\n  db:\n    image: x\n    command: db\n",
    );
    let ran = world.run(["import", "--local"]);
    assert!(
        ran.stderr.contains(
            "docker, which db would run in, is not installed; `tmo import --local=web,db`"
        ),
        "{ran:?}"
    );
    std::fs::remove_file(world.app().join("tmo.toml")).unwrap();
    for to in [&["-o", "-"][..], &["--json"]] {
        let ran = world.run([&["import", "--local"], to].concat());
        assert!(ran.stderr.contains("`tmo import --local=web,db`"), "{to:?}: {ran:?}");
    }
    std::fs::remove_file(world.app().join("tmo.toml")).unwrap();
    let ran = world.run(["import", "--local=web,db"]);
    assert!(!ran.stderr.contains("docker"), "{ran:?}");
}
