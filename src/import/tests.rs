//! Every key of another tool is taken over or named, and no input does harm.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use proptest::prelude::*;

use super::options::MOST_PROCESSES;
use super::page::tables;
use super::process::env_name;
use super::rows::Row;
use super::write::env_quoted;
use super::{
    ImportError, ImportOptions, Imported, LocalServices, SourceFiles, SourceFormat, import,
};
use crate::config::{dotenv, toml};

/// What a text becomes, in a directory without other files.
fn imported(
    format: SourceFormat,
    text: &str,
    local: LocalServices,
) -> Result<Imported, ImportError> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("source");
    let mut files = SourceFiles::new(&path).with_text(text.to_owned());
    import(format, &mut files, &ImportOptions { local, ..ImportOptions::default() })
}

/// The same as a `tmo.toml`, which must be a valid one.
fn written(format: SourceFormat, text: &str) -> String {
    let imported = imported(format, text, LocalServices::Built).unwrap();
    let written = imported.write(None).toml;
    toml::parse(&written, "tmo.toml").unwrap();
    written
}

const COMPOSE: &str = r#"
name: shop
services:
  base:
    image: alpine
  web:
    build: {context: web, dockerfile: Dockerfile.dev}
    extends: base
    command: npm run dev
    working_dir: /app
    environment: {NODE_ENV: development}
    env_file: .env.web
    depends_on:
      db: {condition: service_healthy, restart: true}
      cache: {condition: service_started}
      migrate: {condition: service_completed_successfully}
      mail: {condition: service_started, required: false}
    healthcheck:
      test: ["CMD", "curl", "-f", "http://localhost:3000"]
      interval: 10s
      timeout: 3s
      retries: 4
      start_period: 2m
      start_interval: 1s
    restart: on-failure:5
    stop_signal: SIGQUIT
    stop_grace_period: 30s
    pre_stop: [{command: bin/drain}]
    post_start: [{command: bin/warm}]
    profiles: [front]
    scale: 2
    deploy: {replicas: 2}
    ports: ["3000:3000"]
    expose: ["3000"]
    volumes: ["data:/data"]
    networks: [back]
    secrets: [key]
    configs: [conf]
    user: "1000"
    container_name: x
    hostname: x
    labels: {a: b}
    logging: {driver: local}
    platform: linux/amd64
    tty: true
    stdin_open: true
    init: true
    develop: {watch: []}
  worker:
    build: .
    entrypoint: ["bin/worker", "all queues"]
    restart: unless-stopped
  db: {image: "postgres:16", restart: "no"}
  cache: {image: redis, restart: always}
  migrate: {image: alpine, command: "true"}
  mail: {image: mailhog, healthcheck: {disable: true}}
"#;

const PROCESS_COMPOSE: &str = r#"
version: "0.5"
log_level: info
log_length: 100
log_configuration: {rotation: {max_size_mb: 1}}
is_strict: true
vars: {A: b}
shell: {shell_command: bash, shell_argument: "-lc"}
processes:
  api:
    command: bin/api
    working_dir: srv
    environment: ["A=1"]
    env_file: .env.api
    description: The API
    disabled: true
    namespace: back
    replicas: 2
    depends_on:
      a: {condition: process_started}
      b: {condition: process_healthy}
      c: {condition: process_log_ready}
      d: {condition: process_completed_successfully}
      e: {condition: process_completed}
    ready_log_line: "up (1)"
    readiness_probe:
      exec: {command: "curl -f localhost"}
      period_seconds: 2
      timeout_seconds: 3
      failure_threshold: 90
      initial_delay_seconds: 5
      success_threshold: 2
    liveness_probe:
      http_get: {host: localhost, port: 3000, path: /up}
      period_seconds: 7
    availability: {restart: on_failure, backoff_seconds: 2, max_restarts: 5, exit_on_end: true, exit_on_skipped: true}
    shutdown: {command: bin/drain, signal: 15, timeout_seconds: 9, parent_only: true}
    log_location: /tmp/x
    is_daemon: true
    is_elevated: true
    is_tty: true
    is_template_disabled: true
    disable_ansi_colors: true
  other:
    entrypoint: ["sh", "-c", "--flag"]
    availability: {restart: exit_on_failure}
"#;

const MPROCS: &str = r#"
procs:
  web:
    shell: bin/web
    cwd: srv
    env: {A: "1", B: null}
    add_path: bin
    autostart: false
    autorestart: true
    stop: hard-kill
    log: {dir: x}
    deps: [db]
  db: {cmd: ["bin/db", "a b"], stop: {send-keys: ["quit", "<Enter>"]}}
  mail: {shell: mail, stop: SIGTERM}
mouse_scroll_speed: 3
scrollback: 1000
proc_list_width: 20
hide_keymap_window: true
keymap_procs: {}
keymap_term: {}
keymap_copy: {}
server: 127.0.0.1:4050
on_all_finished: {c: quit}
"#;

const PM2: &str = r#"{"apps": [{
  "name": "api", "script": "server.js", "args": "--port 3000", "interpreter": "node", "node_args": ["--inspect"],
  "cwd": "srv", "env": {"A": "1"}, "env_production": {"A": "2"}, "instances": 4, "exec_mode": "cluster",
  "autorestart": true, "max_restarts": 16, "restart_delay": 4000, "min_uptime": 10000,
  "stop_exit_codes": [0, 3], "wait_ready": true, "listen_timeout": 100, "kill_timeout": 1700,
  "shutdown_with_message": true, "namespace": "back", "log_file": "x", "out_file": "x", "error_file": "x",
  "merge_logs": true, "combine_logs": true, "log_date_format": "x", "time": true, "watch": true,
  "ignore_watch": [], "max_memory_restart": "1G", "cron_restart": "0 0 * * *", "source_map_support": true,
  "instance_var": "X", "filter_env": true, "vizion": false, "force": true, "uid": "x", "gid": "x"
}, {"name": "b", "script": "b.py", "exp_backoff_restart_delay": 100}], "deploy": {"production": {}}}"#;

const SUPERVISORD: &str = r#"
[unix_http_server]
file=/tmp/x
[inet_http_server]
port=9001
[supervisord]
nodaemon=true
[supervisorctl]
serverurl=unix:///tmp/x
[rpcinterface:supervisor]
a=b
[program:x]
command=bin/x "a b"
directory=srv
environment=A="1,2"
autostart=false
autorestart=true
exitcodes=0,2
startsecs=3
startretries=4
priority=5
numprocs=2
numprocs_start=1
process_name=x_%(process_num)d
stopsignal=TERM
stopwaitsecs=7
stopasgroup=true
killasgroup=true
stdout_logfile=x
stderr_logfile=x
redirect_stderr=true
stdout_events_enabled=true
stderr_events_enabled=true
stdout_logfile_maxbytes=1
stdout_logfile_backups=1
stderr_logfile_maxbytes=1
stderr_logfile_backups=1
user=www
umask=022
serverurl=x
[group:g]
programs=x
[eventlistener:e]
command=x
[fcgi-program:f]
command=x
[include]
files=conf.d/*.conf
"#;

const CONCURRENTLY: &str = r#"{"scripts": {
  "dev": "concurrently -n web,, -k --kill-others --kill-others-on-fail -s first --success last --restart-tries 3 --restart-after 500 -r --raw -g --group -t x --timestamp-format x -i --handle-input --default-input-target 0 -m 2 --max-processes 2 --hide web -p x --prefix x -c x --prefix-colors x -l 1 --prefix-length 1 --no-color --teardown 'rm x' 'bin/web' 'npm:watch-*'",
  "watch-css": "sass", "watch-js": "esbuild"
}}"#;

const NPM_RUN_ALL: &str = r#"{"scripts": {
  "dev": "run-p -c --continue-on-error -r --race -l --print-label -n --print-name --max-parallel 2 --aggregate-output watch:* serve",
  "watch:css": "sass", "watch:js": "esbuild", "serve": "vite"
}}"#;

/// A format, a source, and what some of its keys become.
type RowExample = (SourceFormat, &'static str, Vec<(&'static str, &'static str)>);

/// For each table, a source with all its keys, and what those become that are taken over. All others must be named as
/// left out.
fn examples() -> BTreeMap<&'static str, RowExample> {
    use SourceFormat::{Compose, Mprocs, PackageJson, Pm2, ProcessCompose, Supervisord};
    BTreeMap::from([
        (
            "docker compose",
            (
                Compose,
                COMPOSE,
                vec![
                    ("command", "command = \"npm run dev\""),
                    ("entrypoint", "command = [\"bin/worker\", \"all queues\"]"),
                    ("environment", "NODE_ENV = \"development\""),
                    ("env_file", "env_file = [\".env.web\"]"),
                    ("depends_on", "depends_on = { db = { condition = \"ready\", restart = true }"),
                    ("service_started", "cache = \"started\""),
                    ("service_healthy", "condition = \"ready\""),
                    ("service_completed_successfully", "migrate = \"completed\""),
                    ("disable", "# healthcheck: disabled"),
                    ("restart", "restart = true"),
                    ("healthcheck.test", "ready = { exec = \"curl -f http://localhost:3000\""),
                    ("interval", "every = \"10s\""),
                    ("timeout", "timeout = \"3s\""),
                    ("retries", "failures = 4"),
                    ("start_period", "timeout = \"160s\""),
                    ("always", "restart = \"always\""),
                    ("on-failure", "restart = { policy = \"on-failure\", max_failures = 5 }"),
                    ("stop_signal", "signal = \"QUIT\""),
                    ("stop_grace_period", "timeout = \"30s\""),
                    ("profiles", "groups = [\"front\"]"),
                    ("image", "its container has the rest of source: image"),
                    ("build", "command = \"npm run dev\""),
                    ("extends", "command = \"npm run dev\""),
                    ("include", "command = \"npm run dev\""),
                ],
            ),
        ),
        (
            "process-compose",
            (
                ProcessCompose,
                PROCESS_COMPOSE,
                vec![
                    ("command", "command = \"bin/api\""),
                    ("entrypoint", "command = \"sh -c --flag\""),
                    ("shell.shell_command", "shell = \"bash\""),
                    ("working_dir", "cwd = \"srv\""),
                    ("environment", "A = \"1\""),
                    ("env_file", "env_file = [\".env.api\"]"),
                    ("description", "display = \"The API\""),
                    ("disabled", "autostart = false"),
                    ("namespace", "groups = [\"back\"]"),
                    ("depends_on", "depends_on = { a = \"started\""),
                    ("process_started", "a = \"started\""),
                    ("process_healthy", "b = \"ready\""),
                    ("process_log_ready", "c = \"ready\""),
                    ("process_completed_successfully", "d = \"completed\""),
                    ("ready_log_line", "{ log = \"up (1)\", literal = true }"),
                    ("readiness_probe.exec.command", "exec = \"curl -f localhost\""),
                    ("readiness_probe.http_get", "live = { http = \"http://localhost:3000/up\""),
                    ("period_seconds", "every = \"2s\""),
                    ("initial_delay_seconds", "timeout = \"185s\""),
                    ("failure_threshold", "timeout = \"185s\""),
                    (
                        "liveness_probe",
                        "live = { http = \"http://localhost:3000/up\", every = \"7s\"",
                    ),
                    (
                        "availability.restart",
                        "restart = { policy = \"on-failure\", delay = \"2s\", max_restarts = 5 }",
                    ),
                    ("always", "policy"),
                    ("on_failure", "policy = \"on-failure\""),
                    ("no", "restart = \"no\""),
                    ("exit_on_end", "on_exit = \"stop-all\""),
                    ("backoff_seconds", "delay = \"2s\""),
                    ("max_restarts", "max_restarts = 5"),
                    ("shutdown.command", "stop = { command = \"bin/drain\""),
                    ("signal", "signal = \"TERM\""),
                    ("timeout_seconds", "timeout = \"9s\""),
                ],
            ),
        ),
        (
            "mprocs",
            (
                Mprocs,
                MPROCS,
                vec![
                    ("procs", "[process.web]"),
                    ("cmd", "command = [\"bin/db\", \"a b\"]"),
                    ("cwd", "cwd = \"srv\""),
                    ("env", "A = \"1\""),
                    ("add_path", "add_path = [\"bin\"]"),
                    ("autostart", "autostart = false"),
                    ("autorestart", "restart = \"always\""),
                    ("stop", "stop = { signal = \"KILL\" }"),
                    ("deps", "depends_on = { db = \"started\" }"),
                    ("r", ""),
                    ("x", ""),
                    ("s", ""),
                    ("--server", ""),
                    ("--ctl", ""),
                ],
            ),
        ),
        (
            "pm2",
            (
                Pm2,
                PM2,
                vec![
                    ("name", "[process.api]"),
                    ("script", "command = \"node --inspect server.js --port 3000\""),
                    ("args", "--port 3000"),
                    ("interpreter", "node"),
                    ("node_args", "--inspect"),
                    ("cwd", "cwd = \"srv\""),
                    ("env", "A = \"1\""),
                    ("autorestart", "policy = \"on-failure\""),
                    ("max_restarts", "max_restarts = 16"),
                    ("restart_delay", "delay = \"4s\""),
                    ("min_uptime", "stable = \"10s\""),
                    ("exp_backoff_restart_delay", "delay = \"100ms\", backoff = \"exponential\""),
                    ("stop_exit_codes", "success_exit_codes = [3]"),
                    ("kill_timeout", "timeout = \"1700ms\""),
                    ("namespace", "groups = [\"back\"]"),
                ],
            ),
        ),
        (
            "supervisord",
            (
                Supervisord,
                SUPERVISORD,
                vec![
                    ("command", "command = [\"bin/x\", \"a b\"]"),
                    ("directory", "cwd = \"srv\""),
                    ("environment", "A = \"1,2\""),
                    ("autostart", "autostart = false"),
                    ("autorestart=true", "policy = \"always\""),
                    ("false", ""),
                    ("unexpected", ""),
                    ("exitcodes", "success_exit_codes = [2]"),
                    ("startsecs", "ready = { delay = \"3s\" }"),
                    ("startretries", "max_failures = 4"),
                    ("stopsignal", "signal = \"TERM\""),
                    ("stopwaitsecs", "timeout = \"7s\""),
                    ("[group", "groups = [\"g\"]"),
                    ("[include]", "[include] conf.d/*.conf: no file here is named so"),
                ],
            ),
        ),
        (
            "concurrently",
            (
                PackageJson,
                CONCURRENTLY,
                vec![
                    ("npm", "command = \"npm run watch-css\""),
                    ("-k", ""),
                    ("--kill-others", ""),
                    ("last", ""),
                    ("command-NAME", ""),
                    ("--restart-tries", "max_failures = 3"),
                    ("--restart-after", "delay = \"500ms\""),
                    ("-p", ""),
                    ("--prefix", ""),
                    ("-c", ""),
                    ("--prefix-colors", ""),
                    ("-l", ""),
                    ("--prefix-length", ""),
                    ("--no-color", ""),
                    ("--teardown", "phase = \"cleanup\""),
                ],
            ),
        ),
        (
            "npm-run-all",
            (
                PackageJson,
                NPM_RUN_ALL,
                vec![
                    ("run-p", "[process.css]"),
                    ("run-s", ""),
                    ("-c", "on_exit = \"ignore\""),
                    ("--continue-on-error", "on_exit = \"ignore\""),
                    ("-r", ""),
                    ("--race", ""),
                    ("-l", ""),
                    ("--print-label", ""),
                    ("-n", ""),
                    ("--print-name", ""),
                ],
            ),
        ),
    ])
}

#[test]
fn each_key_of_each_table_is_taken_over_or_named() {
    let examples = examples();
    for table in tables() {
        // The flags of foreman are typed, not imported.
        let Some((format, source, taken)) = examples.get(table.title) else {
            assert_eq!(table.title, "foreman");
            continue;
        };
        let text = written(*format, source);
        let left = imported(*format, source, LocalServices::Built).unwrap();
        let left: Vec<String> = left.all_left().map(|(_, left)| left.what.clone()).collect();
        for key in table.rows.iter().flat_map(Row::keys) {
            if let Some((_, expected)) = taken.iter().find(|(known, _)| *known == key) {
                assert!(
                    text.contains(expected),
                    "{}: {key} should be {expected} in\n{text}",
                    table.title
                );
                continue;
            }
            let first = key.split('.').next().unwrap();
            let is_named = |what: &String| {
                let parts = || what.split(['.', ':', ' ', '[', ']']);
                what == key
                    || parts().any(|part| part == key || part == first)
                    || what.starts_with(key)
            };
            assert!(
                left.iter().any(is_named),
                "{}: {key} is neither taken over nor in {left:?}",
                table.title
            );
        }
    }
}

#[test]
fn an_alias_stands_for_a_bounded_number_of_values() {
    let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for n in 1..10 {
        let before = format!("*a{}, ", n - 1).repeat(10);
        text.extend([format!("a{n}: &a{n} [{before}]\n")]);
    }
    let error = imported(SourceFormat::Compose, &text, LocalServices::None).unwrap_err();
    assert!(error.to_string().starts_with("source:"), "{error}");
    let deep = format!("services: {}", "[".repeat(10_000));
    imported(SourceFormat::Compose, &deep, LocalServices::None).unwrap_err();
    let itself = "a: &a {b: *a}\nservices: {x: {image: y, extends: x}}\n";
    imported(SourceFormat::Compose, itself, LocalServices::None).unwrap_err();
}

#[test]
fn the_number_of_processes_is_bounded() {
    let of = |count: usize| {
        let service = |n| format!("  s{n}: {{image: x, ports: [\"{n}:80\"]}}\n");
        let services: Vec<String> = (0..count).map(service).collect();
        let text = format!("services:\n{}", services.concat());
        imported(SourceFormat::Compose, &text, LocalServices::None)
    };
    assert_eq!(of(MOST_PROCESSES).unwrap().processes.len(), MOST_PROCESSES);
    assert!(of(MOST_PROCESSES + 1).unwrap_err().to_string().contains("too many"));
    // Names that become equal are told apart.
    let app = "{\"script\": \"x\"},".repeat(MOST_PROCESSES - 1);
    let apps = format!("[{app}{{\"script\": \"x\"}}]");
    let apps = imported(SourceFormat::Pm2, &apps, LocalServices::None).unwrap();
    let names: BTreeSet<&str> = apps.processes.iter().map(|process| &*process.name).collect();
    assert_eq!(names.len(), MOST_PROCESSES);
    let scripts: Vec<String> = (0..200).map(|n| format!("\"s{n}\": \"x\"")).collect();
    let dev = format!("concurrently {}", "'npm:*' ".repeat(100));
    let text = format!("{{\"scripts\": {{\"dev\": \"{dev}\", {}}}}}", scripts.join(", "));
    imported(SourceFormat::PackageJson, &text, LocalServices::None).unwrap_err();
}

#[test]
fn copies_of_values_are_bounded() {
    let refused = |text: &str| {
        imported(SourceFormat::Compose, text, LocalServices::None).unwrap_err();
    };
    let long = "A".repeat(100_000);
    let aliases = "*a,".repeat(20_000);
    refused(&format!("x: &a \"{long}\"\nservices: {{a: {{image: [{aliases}]}}}}\n"));
    refused(&format!("services: {}{}", "&a [".repeat(50), "x,".repeat(40_000)));
    let variables: Vec<String> = (0..20_000).map(|n| format!("V{n}=x")).collect();
    let users: Vec<String> = (0..1500).map(|n| format!("  u{n}: {{extends: base}}\n")).collect();
    let (variables, users) = (variables.join(", "), users.concat());
    refused(&format!("services:\n  base: {{image: x, environment: [{variables}]}}\n{users}"));
    let braces = "${".repeat(100_000);
    let text =
        format!("services: {{a: {{build: ., command: x, environment: {{A: \"{braces}\"}}}}}}");
    imported(SourceFormat::Compose, &text, LocalServices::Built).unwrap();
}

#[test]
fn odd_values_are_left_out_or_refused() {
    use SourceFormat::{Compose, Mprocs, PackageJson, ProcessCompose, Supervisord};
    let health = |values: &str| {
        let text = format!("services: {{a: {{image: x, healthcheck: {{test: x, {values}}}}}}}");
        written(Compose, &text);
    };
    health("interval: 0s, retries: 0");
    health("interval: 1w, retries: 18446744073709551615");
    written(Compose, "services: {a: {image: x, depends_on: [b, b]}, b: {image: x}}");
    written(Mprocs, "procs: {a: {shell: x, cmd: [y]}}");
    let text = "environment: [PORT=1, S_TOKEN=x]\nprocesses: {defaults: {command: x, \
                environment: [PORT=2, PORT=3, B_TOKEN=y]}}";
    written(ProcessCompose, text);
    let groups = "[program:a]\ncommand=x\n[group:b]\nprograms=a\n[group:c]\nprograms=a\n";
    written(Supervisord, groups);
    imported(PackageJson, r#"{"scripts": {"dev": "npx"}}"#, LocalServices::None).unwrap();
    let empty = "services: {\"\": {image: x}, web: {build: ., command: x, environment: {A: b}}}";
    imported(Compose, empty, LocalServices::Built).unwrap_err();
}

/// The words of the command of the only process, as the shell sees them.
fn command_of(format: SourceFormat, text: &str) -> String {
    let parsed = toml::parse(&written(format, text), "tmo.toml").unwrap();
    let (_, process) = &parsed.processes[0];
    process.command.clone().unwrap().into_inner().for_shell()
}

#[test]
fn the_shell_runs_nothing_that_the_other_tool_does_not() {
    use SourceFormat::{Compose, PackageJson, Pm2, Supervisord};
    for (format, text, expected) in [
        (
            Supervisord,
            "[program:a]\ncommand=echo \"$(touch P)\" %(ENV_HOME)s\n",
            r#"echo '$(touch P)' "${HOME}""#,
        ),
        (Supervisord, "[program:a]\ncommand=awk '{print $1}'\n", "awk '{print $1}'"),
        (
            Pm2,
            r#"[{"name": "a", "script": "a.js", "args": ["hi; touch P #"]}]"#,
            "node a.js 'hi; touch P #'",
        ),
        (
            Pm2,
            r#"[{"name": "a", "script": "a.js", "args": "--x $(touch P)"}]"#,
            "node a.js --x '$(touch' 'P)'",
        ),
        (
            Compose,
            "services: {a: {build: ., command: \"echo ${X} ; touch P > f `y`\"}}",
            r#"echo "${X}" ';' touch P '>' f '`y`'"#,
        ),
        (
            Compose,
            "services: {a: {build: ., command: [echo, \"${X:-$(touch P)}\"]}}",
            r#"echo "${X:-\$(touch P)}""#,
        ),
        (
            PackageJson,
            r#"{"scripts": {"dev": "concurrently \"a\" | tee log; touch x > y"}}"#,
            "npm run dev",
        ),
        (PackageJson, r#"{"scripts": {"dev": "cd client && concurrently a b"}}"#, "npm run dev"),
    ] {
        assert_eq!(command_of(format, text), expected, "{text}");
    }
}

#[test]
fn mistakes_are_named_with_their_line() {
    for (text, expected) in [
        ("services:\n  web:\n    command: [a\n", "source:4: "),
        (
            "services:\n  web:\n    command: {a: b}\n    build: .\n",
            "source:3: `command` is a table; a text or a list is expected",
        ),
        ("services:\n  web: x\n", "source:2: `` is `x`; a table is expected"),
        ("a: 1\na: 2\n", "source:2: `a` stands here twice"),
        ("services:\n", "source has nothing to run: it has no `services`"),
        ("", "source has nothing to run: it has no `services`"),
    ] {
        let error = imported(SourceFormat::Compose, text, LocalServices::Built).unwrap_err();
        assert!(error.to_string().starts_with(expected), "{text:?}: {error}");
    }
}

#[test]
fn a_service_that_runs_here_reaches_the_others() {
    let text = "services:\n  web:\n    build: .\n    command: run\n    environment:\n      A: postgres://u@db:5432/x?a=db\n      \
                B: db\n      C: cache:6379\n      D: a-db-b\n      E: http://api/v1\n      F: cache://cache/0\n  api: {build: ., command: x}\n  \
                db: {image: x, ports: [\"127.0.0.1:15432:5432\"]}\n  cache: {image: x}\n";
    let text = written(SourceFormat::Compose, text);
    for expected in [
        "A = \"postgres://u@localhost:15432/x?a=db\"",
        "B = \"localhost\"",
        "C = \"localhost:6379\"",
        "cache does not publish port 6379",
        "D = \"a-db-b\"",
        "E = \"http://localhost/v1\"",
        "F = \"cache://localhost/0\"",
    ] {
        assert!(text.contains(expected), "{expected} in\n{text}");
    }
}

#[test]
fn references_to_variables_go_to_a_file_that_can_hold_them() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("compose.yaml");
    let text = "services:\n  web:\n    build: .\n    command: run ${A:-x} $$HOME\n    environment:\n      \
                A: ${PW}/${NONE:-a$$b}/${NONE-${PW}}${PW:+yes}${NONE:+no}\n      B: ${NONE:-plain} $$\n      SECRET: s3\n";
    std::fs::write(&path, text).unwrap();
    std::fs::write(dir.path().join(".env"), "PW=p w\"$\n").unwrap();
    let options = ImportOptions { local: LocalServices::Built, ..ImportOptions::default() };
    let imported = import(SourceFormat::Compose, &mut SourceFiles::new(&path), &options).unwrap();
    let written = imported.write(None);
    assert!(written.toml.contains("B = \"plain $\""), "{}", written.toml);
    let parsed = toml::parse(&written.toml, "tmo.toml").unwrap();
    let command = parsed.table("web").unwrap().command.clone().unwrap().into_inner();
    assert_eq!(command.for_shell(), r#"run "${A:-x}" '$'HOME"#);
    let [file] = &written.secrets[..] else { panic!("{written:?}") };
    assert_eq!(file.name, ".env.imported.web");
    let outer = |name: &std::ffi::OsStr| (name == "PW").then(|| "p w\"$".into());
    let variables = dotenv::parse(file.text.as_bytes(), &outer).unwrap();
    let variables: BTreeMap<String, String> = variables
        .into_iter()
        .map(|(name, value)| (name.into_string().unwrap(), value.into_string().unwrap()))
        .collect();
    assert_eq!(variables["A"], "p w\"$/a$b/p w\"$yes");
    assert_eq!(variables["SECRET"], "s3");
}

#[test]
fn a_program_is_not_run() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ecosystem.config.js");
    std::fs::write(&path, "module.exports = {apps: []}").unwrap();
    let error = import(SourceFormat::Pm2, &mut SourceFiles::new(&path), &ImportOptions::default());
    assert!(matches!(error, Err(ImportError::Program { .. })));
}

#[test]
fn names_of_files_and_links_lead_nowhere() {
    let dir = tempfile::tempdir().unwrap();
    let app = dir.path().join("app");
    std::fs::create_dir(&app).unwrap();
    std::fs::write(dir.path().join("outside.yaml"), "services: {x: {image: secret}}").unwrap();
    std::os::unix::fs::symlink("../outside.yaml", app.join("link.yaml")).unwrap();
    let path = app.join("compose.yaml");
    let odd = "x.yml\n[process.pwn]\ncommand = \"touch P\"\n#.yml";
    std::fs::write(app.join(odd), "{}").unwrap();
    for name in ["link.yaml", odd] {
        let name = serde_json::json!(name);
        std::fs::write(&path, format!("include: [{name}]\nservices: {{a: {{image: b}}}}\n"))
            .unwrap();
        let mut files = SourceFiles::new(&path);
        import(SourceFormat::Compose, &mut files, &ImportOptions::default()).unwrap_err();
    }
    let path = app.join("supervisord.conf");
    for pattern in ["/etc/*.conf", "../*.yaml", "*.conf"] {
        let text = format!("[program:a]\ncommand=x\n[include]\nfiles={pattern}\n");
        std::fs::write(&path, text).unwrap();
        let mut files = SourceFiles::new(&path);
        let found = import(SourceFormat::Supervisord, &mut files, &ImportOptions::default());
        assert_eq!(found.unwrap().processes.len(), 1, "{pattern}");
    }
}

#[test]
fn files_outside_of_the_directory_are_not_read() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("outside.yaml"), "services: {x: {image: y}}").unwrap();
    std::fs::create_dir(dir.path().join("app")).unwrap();
    let path = dir.path().join("app/compose.yaml");
    for text in [
        "include: [../outside.yaml]\nservices: {a: {image: b}}\n",
        "services: {a: {extends: {file: ../outside.yaml, service: x}}}\n",
    ] {
        std::fs::write(&path, text).unwrap();
        let error =
            import(SourceFormat::Compose, &mut SourceFiles::new(&path), &ImportOptions::default());
        assert!(error.unwrap_err().to_string().contains("outside of the directory"), "{text}");
    }
    assert!(!super::files::is_below(Path::new("/etc/passwd")));
}

/// All sources, to be damaged.
const SOURCES: [(SourceFormat, &str); 7] = [
    (SourceFormat::Compose, COMPOSE),
    (SourceFormat::ProcessCompose, PROCESS_COMPOSE),
    (SourceFormat::Mprocs, MPROCS),
    (SourceFormat::Pm2, PM2),
    (SourceFormat::Supervisord, SUPERVISORD),
    (SourceFormat::PackageJson, CONCURRENTLY),
    (SourceFormat::PackageJson, NPM_RUN_ALL),
];

proptest! {
    #[test]
    fn a_damaged_source_is_refused_or_becomes_a_readable_file(
        which in 0..SOURCES.len(),
        cuts in prop::collection::vec((any::<prop::sample::Index>(), "[\\[\\]{}:,&*!|>'\"%@`#$= \n\té-]{0,3}", 0_usize..8), 1..6),
    ) {
        let (format, source) = SOURCES[which];
        let mut text: Vec<char> = source.chars().collect();
        for (at, insert, remove) in cuts {
            let at = at.index(text.len() + 1);
            let end = (at + remove).min(text.len());
            text.splice(at..end, insert.chars());
        }
        let text: String = text.into_iter().collect();
        if let Ok(imported) = imported(format, &text, LocalServices::Built) {
            let written = imported.write(None);
            let (_, mistakes) = toml::read(&written.toml, "tmo.toml").unwrap();
            drop(mistakes);
            for file in written.secrets {
                dotenv::parse(file.text.as_bytes(), &|_| None).unwrap();
            }
        }
    }

    #[test]
    fn any_value_survives_a_file_of_variables(value in "[^\0]*") {
        let text = format!("A={}\n", env_quoted(&value));
        let read = dotenv::parse(text.as_bytes(), &|_| None).unwrap();
        prop_assert_eq!(read, vec![("A".into(), value.into())]);
    }

    #[test]
    fn any_command_of_words_is_the_same_here(words in prop::collection::vec("[^\0$]{1,8}", 1..4)) {
        let text = serde_json::json!({"services": {"x": {"build": ".", "command": words}}}).to_string();
        let written = written(SourceFormat::Compose, &text);
        let parsed = toml::parse(&written, "tmo.toml").unwrap();
        let command = parsed.table("x").unwrap().command.clone().unwrap().into_inner();
        let argv = match command {
            toml::CommandLine::Words(argv) => argv,
            toml::CommandLine::Shell(line) => shell_words::split(&line).unwrap(),
        };
        prop_assert_eq!(argv, words);
    }

    #[test]
    fn any_name_becomes_one_of_a_process_or_is_refused(name in "\\PC*") {
        prop_assert!(crate::model::ProcName::new(super::process::process_name(&name)).is_ok());
        let _ = env_name(&name);
    }
}
