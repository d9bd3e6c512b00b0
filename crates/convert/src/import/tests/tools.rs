//! What single tools do, and their files become.

use std::path::Path;

use super::{imported, written};
use crate::config::toml;
use crate::import::{ImportOptions, Imported, LocalServices, SourceFiles, SourceFormat, import};

/// What files in a directory become, of which the first is imported.
fn of_files(format: SourceFormat, files: &[(&str, &str)]) -> Imported {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let path = dir.path().join(files[0].0);
    import(format, &mut SourceFiles::new(&path), &ImportOptions::default()).unwrap()
}

/// The table of a process in a `tmo.toml`.
#[track_caller]
fn table<'a>(text: &'a str, name: &str) -> &'a str {
    toml::parse(text, "tmo.toml").unwrap();
    let head = format!("\n[process.{name}]\n");
    let (_, after) = text.split_once(&head).unwrap_or_else(|| panic!("{name} in\n{text}"));
    let env = format!("\n[process.{name}.env]");
    let next = after.match_indices("\n[process.").find(|(at, _)| !after[*at..].starts_with(&env));
    &after[..next.map_or(after.len(), |(at, _)| at)]
}

#[track_caller]
fn assert_has(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part} in\n{text}");
    }
}

#[test]
fn what_names_a_renamed_process_follows_it() {
    let text = "processes:\n  a.b: {command: x}\n  a-b: {command: y}\n  c:\n    command: z\n    \
                depends_on: {a.b: {condition: process_started}, a-b: {condition: process_started}}\n";
    let text = written(SourceFormat::ProcessCompose, text);
    assert!(table(&text, "a-b").contains("\"y\""), "{text}");
    assert!(table(&text, "a-b-2").contains("\"x\""), "{text}");
    assert_has(table(&text, "c"), &["{ a-b-2 = \"started\", a-b = \"started\" }"]);
    let text = "procs:\n  a-b: x\n  a.b: {shell: x, stop: {send-keys: [q, <Enter>]}}\n  c: {shell: y, deps: [a.b]}\n";
    let text = written(SourceFormat::Mprocs, text);
    assert_has(table(&text, "a-b-2"), &["tmo send a-b-2 q --enter"]);
    assert_has(table(&text, "c"), &["{ a-b-2 = \"started\" }"]);
}

#[test]
fn process_compose_files_lie_over_each_other() {
    let files = [
        (
            "process-compose.yaml",
            "extends: base/base.yaml\nenvironment: [STAGE=local]\nprocesses:\n  api:\n    command: new\n    \
             environment: [DEBUG=1]\n    depends_on: {cache: {condition: process_started}}\n  cache: {command: c}\n",
        ),
        (
            "base/base.yaml",
            "environment: [STAGE=base, REGION=eu]\nprocesses:\n  db: {command: d, working_dir: data}\n  api:\n    \
             command: old\n    environment: [DEBUG=0, ADDR=1]\n    depends_on: {db: {condition: process_started}}\n  \
             debugger: {command: dbg, disabled: true}\n  off: {command: o, disabled: true}\n",
        ),
        (
            "process-compose.override.yaml",
            "processes:\n  api: {environment: [TRACE=1]}\n  debugger: {is_disabled: \"false\"}\n  off: {disabled: false}\n",
        ),
    ];
    let imported = of_files(SourceFormat::ProcessCompose, &files);
    assert_eq!(imported.files.len(), 3, "{:?}", imported.files);
    let text = imported.write(None).toml;
    assert_has(&text, &["STAGE = \"local\"", "REGION = \"eu\""]);
    let api = table(&text, "api");
    assert_has(
        api,
        &[
            "\"new\"",
            "cwd = \"base\"",
            "DEBUG = \"1\"",
            "ADDR = \"1\"",
            "TRACE = \"1\"",
            "db = ",
            "cache = ",
        ],
    );
    assert_has(table(&text, "db"), &["cwd = \"base/data\""]);
    assert!(!table(&text, "debugger").contains("autostart"), "{text}");
    assert!(table(&text, "off").contains("autostart = false"), "as process-compose does: {text}");
    // One that is named to process-compose has no override.
    let named = [("dev.yaml", "processes:\n  api: {command: x}\n"), files[2]];
    assert_eq!(of_files(SourceFormat::ProcessCompose, &named).files.len(), 1);
    let circle = [("a.yaml", "extends: a.yaml\nprocesses: {}\n")];
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("a.yaml"), circle[0].1).unwrap();
    let mut files = SourceFiles::new(&dir.path().join("a.yaml"));
    let error = import(SourceFormat::ProcessCompose, &mut files, &ImportOptions::default());
    assert!(error.unwrap_err().to_string().contains("extend each other"));
}

#[test]
fn process_compose_templates_and_dollars_are_replaced() {
    let text = "vars: {BASE: 92, DIR: /tmp}\nprocesses:\n  a:\n    vars: {OK: yes}\n    \
                command: \"run {{.BASE}}{{ .PC_REPLICA_NUM }} {{ \\\"{{.Names}}\\\" }} {{.OK}} $$HOME\"\n    working_dir: \"{{.DIR}}\"\n    \
                environment: [\"A={{.OK}}\"]\n    shutdown: {command: \"end $$PID\"}\n    \
                readiness_probe: {exec: {command: \"test $$HOME\"}}\n  b: {command: \"{{if .OK}}x{{end}}\"}\n  \
                c: {command: \"{{.X}}\", is_template_disabled: true}\n  d: {entrypoint: [ls, $HOME, $$X]}\n  \
                e: {command: \"echo $$PC_PROC_NAME\"}\n";
    let text = written(SourceFormat::ProcessCompose, text);
    let a = table(&text, "a");
    assert_has(
        a,
        &[
            "run 920 {{.Names}} yes $HOME",
            "cwd = \"/tmp\"",
            "A = \"yes\"",
            "\"end $PID\"",
            "\"test $HOME\"",
        ],
    );
    assert!(!a.contains("\n# "), "nothing is left out of it: {a}");
    assert_has(table(&text, "b"), &["{{if .OK}}x{{end}}", "tmo fills in no template but"]);
    assert_has(table(&text, "c"), &["\"{{.X}}\""]);
    assert_has(table(&text, "d"), &["ls \"${HOME}\" '$X'"]);
    assert_has(table(&text, "e"), &["PC_PROC_NAME = \"e\""]);
    let text = "disable_env_expansion: true\nprocesses:\n  a: {command: \"echo $$ $X\", environment: [\"A=$X\"]}\n";
    let text = written(SourceFormat::ProcessCompose, text);
    assert_has(table(&text, "a"), &["echo $$ $X", "A = \"$X\""]);
}

#[test]
fn bad_lines_of_the_env_file_of_process_compose_are_named() {
    let main = "processes:\n  a: {command: \"echo ${GOOD}\"}\n";
    let files = [("process-compose.yaml", main), (".env", "GOOD=g\nno variable\n")];
    let imported = of_files(SourceFormat::ProcessCompose, &files);
    let left: Vec<_> = imported.all_left().map(|(_, left)| left.place.to_string()).collect();
    assert_eq!(left, [".env:2"]);
    let written = imported.write(None);
    assert_has(&written.toml, &["env_file = [\".env.imported\"]"]);
    assert_eq!(written.secrets[0].text, "GOOD=\"g\"\n");
}

#[test]
fn a_process_of_process_compose_lives_as_long_as_there() {
    let text = "processes:\n  a: {command: x, availability: {restart: always}}\n  \
                b:\n    command: x\n    is_daemon: true\n    shutdown: {command: docker stop b}\n    \
                liveness_probe: {exec: {command: y}, initial_delay_seconds: 5}\n  \
                c:\n    command: x\n    success_exit_codes: [0, 1, 143]\n    ready_log_line: up\n    \
                liveness_probe: {exec: {command: y}, initial_delay_seconds: 5}\n  \
                d: {command: x, availability: {restart: on_failure, max_restarts: 2, exit_on_end: true}}\n";
    let text = written(SourceFormat::ProcessCompose, text);
    assert_has(table(&text, "a"), &["{ policy = \"always\", max_failures = 0 }"]);
    let b = table(&text, "b");
    assert_has(b, &[") && exec tail -f /dev/null", "docker stop b", "ready = { delay = \"5s\" }"]);
    assert_has(b, &["# is_daemon: "]);
    let c = table(&text, "c");
    assert_has(c, &["success_exit_codes = [1, 143]", "# liveness_probe.initial_delay_seconds"]);
    assert_has(table(&text, "d"), &["max_failures = 3", "on_exit = \"stop-all\""]);
}

#[test]
fn a_compose_file_with_processes_is_one_of_process_compose() {
    let text = "version: \"0.5\"\nprocesses:\n  a: {command: x}\n";
    let path = Path::new("compose.yaml");
    assert_eq!(SourceFormat::of_file(path, text), Some(SourceFormat::ProcessCompose));
    assert_eq!(SourceFormat::of_file(path, "services:\n"), Some(SourceFormat::Compose));
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("compose.yaml"), text).unwrap();
    let found = SourceFormat::found_in(dir.path());
    assert_eq!(found, [("compose.yaml", SourceFormat::ProcessCompose)]);
}

#[test]
fn supervisord_values_are_those_of_their_file_and_instance() {
    let main = "[supervisord]\nenvironment=A=\"1\"\n[program:web]\n\
                command=%(here)s/bin/web --group=%(group_name)s # a remark\ndirectory=%(here)s/src ; another\n\
                environment=STATIC=\"%(here)s/static\",HASH=\"a#b;c\"\n[program:far]\ncommand=%(here)s/x\ndirectory=/srv\n\
                [program:n]\ncommand=n --port=80%(process_num)02d\nnumprocs=2\nnumprocs_start=8\nprocess_name=%(program_name)s-%(process_num)02d\n\
                [program:many]\ncommand=m\nnumprocs=3\n[group:g]\nprograms=web,n\n[group:h]\nprograms=web\n\
                [include]\nfiles=conf.d/*.conf /etc/other/*.conf\n[program:web]\nstartretries=0\n";
    let more = "[program:more]\ncommand=%(here)s/run\n[program:web]\nautostart=false\n";
    let files = [("supervisord.conf", main), ("conf.d/more.conf", more)];
    let text = of_files(SourceFormat::Supervisord, &files).write(None).toml;
    assert_has(&text, &["A = \"1\"", "[include] /etc/other/*.conf", "only files below"]);
    let web = table(&text, "web");
    assert_has(
        web,
        &[
            "command = \"../bin/web --group=g\"",
            "cwd = \"./src\"",
            "STATIC = \"../static\"",
            "HASH = \"a#b;c\"",
            "max_failures = 1, stable = \"1s\"",
            "groups = [\"g\", \"h\"]",
            "autostart = false",
        ],
    );
    assert!(table(&text, "far").contains("command = \"/"), "{text}");
    assert_has(table(&text, "n-08"), &["--port=8008", "groups = [\"g\"]"]);
    assert_has(table(&text, "n-09"), &["--port=8009"]);
    assert_has(table(&text, "many"), &["numprocs"]);
    assert_has(table(&text, "more"), &["command = \"conf.d/run\""]);
    // The directory of all is that of a program which names none, or one that is not known.
    let text = "[program:a]\ncommand=%(here)s/a\n[program:b]\ncommand=%(here)s/b\ndirectory=%(ENV_HOME)s\n\
                [supervisord]\ndirectory=%(here)s/app\n";
    let text = written(SourceFormat::Supervisord, text);
    assert_has(
        &text,
        &[
            "cwd = \"./app\"",
            "command = \"../a\"",
            "command = \"../b\"",
            "# directory: %(ENV_HOME)s",
        ],
    );
}

#[test]
fn mprocs_presses_keys_runs_commands_and_takes_variables_away() {
    let text = "procs:\n  a: {shell: x, stop: {cmd: \"docker stop 'my db'\"}}\n  b: {shell: x, stop: {send-keys: [<C-d>]}}\n  \
                c: {shell: x, stop: {send-keys: [<F5>]}}\n  d: {cmd: [x, a b], env: {A: null, B: c}}\n  \
                e: {shell: x, env: [A=1], autostart: false, autorestart: true}\n  f: ~\n  g: {cmd: \"cargo run --bin 'my server'\"}\n  \
                h: {shell: x, env: {A: null}, stop: SIGFOO}\n";
    let text = written(SourceFormat::Mprocs, text);
    assert_has(table(&text, "a"), &["docker stop 'my db'"]);
    assert_has(table(&text, "b"), &["printf '\\004' | tmo send b -"]);
    assert_has(table(&text, "c"), &["# stop.send-keys: <F5>: "]);
    assert_has(table(&text, "d"), &["[\"env\", \"-u\", \"A\", \"x\", \"a b\"]", "B = \"c\""]);
    let e = table(&text, "e");
    assert_has(e, &["A = \"1\"", "autostart = false", "{ policy = \"always\", stable = \"1s\" }"]);
    assert_has(&text, &["# f: it has no command (source:7)"]);
    assert_has(table(&text, "g"), &["[\"cargo\", \"run\", \"--bin\", \"my server\"]"]);
    assert_has(table(&text, "h"), &["unset A; x", "# stop: SIGFOO"]);
}

#[test]
fn pm2_has_comments_aliases_and_interpreters() {
    let text = "// The apps.\n{\n  /* all\n of them */ \"apps\": [\n    {\"exec\": \"server.v2.js\", \"instances\": 1, \"watch\": false}, // \"x\"\n    \
                {\"name\": \"none\", \"script\": \"srv\", \"interpreter\": \"none\", \"args\": \"http://x/*y*/\"},\n    \
                {\"name\": \"py\", \"script\": \"w.py\", \"interpreter\": \"python3\", \"interpreterArgs\": \"-u\"},\n    \
                {\"name\": \"uv\", \"script\": \"uvicorn\", \"interpreter\": \"python3\", \"port\": 3022},\n    \
                {\"name\": \"nvm\", \"script\": \"a.js\", \"interpreter\": \"node@18\", \"max_restarts\": 0}\n  ]\n}\n";
    let imported = imported(SourceFormat::Pm2, text, LocalServices::None).unwrap();
    assert_eq!(
        imported.all_left().map(|(_, left)| &*left.what).collect::<Vec<_>>(),
        ["interpreter: node@18"]
    );
    let text = imported.write(None).toml;
    assert_has(table(&text, "server-v2"), &["command = \"node server.v2.js\"", "source:5"]);
    assert_has(table(&text, "none"), &["command = \"srv 'http://x/*y*/'\""]);
    assert_has(table(&text, "py"), &["command = \"python3 -u w.py\""]);
    assert_has(table(&text, "uv"), &["command = \"uvicorn\"", "port = 3022"]);
    assert_has(table(&text, "nvm"), &["command = \"node a.js\"", "restart = \"no\""]);
}

#[test]
fn pm2_files_of_standard_error_lead_to_split_stderr() {
    let text = r#"[{"name": "a", "script": "a.js", "err": "e.log"}]"#;
    let imported = imported(SourceFormat::Pm2, text, LocalServices::None).unwrap();
    let left: Vec<_> = imported.all_left().map(|(_, left)| (&*left.what, &*left.why)).collect();
    let [("error_file", why)] = left[..] else { panic!("{left:?}") };
    assert!(why.contains("split_stderr keeps standard error apart"), "{why}");
}

/// What the script `dev` among these becomes.
fn of_dev(scripts: &[(&str, &str)]) -> String {
    let scripts: serde_json::Map<_, _> =
        scripts.iter().map(|(name, line)| ((*name).to_owned(), (*line).into())).collect();
    written(SourceFormat::PackageJson, &serde_json::json!({ "scripts": scripts }).to_string())
}

#[test]
fn concurrently_has_patterns_prefixes_hooks_and_arguments() {
    let more = [
        ("dev:web", "x"),
        ("dev:api", "x"),
        ("dev:api:debug", "x"),
        ("serve:a", "x"),
        ("predev", "gen"),
        ("postdev", "bye"),
    ];
    let dev = "npx --yes concurrently@8 \"npm:dev:*(!api)\" \"cd server && npm start\" \"npm run serve:* -- --host\" 'bun:jobs' 'node:check' \
               --name-separator '|' -n 'fe-|'";
    let text = of_dev(&[&[("dev", dev)], &more[..]].concat());
    assert_has(table(&text, "fe-web"), &["npm run dev:web"]);
    assert!(!text.contains("run dev:api"), "{text}");
    assert_has(table(&text, "server"), &["cd server && npm start"]);
    assert_has(table(&text, "a"), &["npm run serve:a -- --host"]);
    assert_has(table(&text, "jobs"), &["bun run jobs"]);
    assert_has(table(&text, "check"), &["node --run check"]);
    assert_has(table(&text, "prepare"), &["npm run predev", "phase = \"dependency\""]);
    assert_has(&text, &["# postdev: "]);
    let dev = "concurrently -P \"vite --port {1} {@}\" 'echo {2}' -- 80 'a b'";
    let text = of_dev(&[("dev", dev)]);
    assert_has(table(&text, "vite"), &["vite --port 80 80 'a b'"]);
    assert_has(table(&text, "echo"), &["echo 'a b'"]);
}

#[test]
fn npm_run_all_has_parts_and_goes_on_after_a_success() {
    let more = [("watch:a", "x"), ("watch:a:b", "x")];
    let text = of_dev(&[&[("dev", "run-p -l watch:*")], &more[..]].concat());
    assert_has(
        &text,
        &["run watch:a\"", "on_exit = \"ignore\"", "# npm-run-all stops all when one fails"],
    );
    assert!(!text.contains("watch:a:b"), "{text}");
    let text = of_dev(&[&[("dev", "run-p -lr watch:**")], &more[..]].concat());
    assert_has(&text, &["run watch:a:b"]);
    assert!(!text.contains("on_exit"), "{text}");
}
