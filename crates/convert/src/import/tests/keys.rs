//! A source with all keys of each tool, and what becomes of each.

use std::collections::BTreeMap;

use super::super::page::tables;
use super::{imported, written};
use crate::import::{LocalServices, SourceFormat};

pub(super) const COMPOSE: &str = r#"
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
    deploy: {replicas: 2, resources: {limits: {cpus: 1}}, restart_policy: {condition: any}, update_config: {order: stop-first}}
    mem_limit: 1g
    cpus: 1
    ulimits: {nofile: 1000}
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

pub(super) const PROCESS_COMPOSE: &str = r#"
version: "0.5"
log_level: info
log_length: 100
log_configuration: {rotation: {max_size_mb: 1}}
is_strict: true
is_tui_disabled: true
disable_env_expansion: false
ordered_shutdown: true
env_cmds: {DATE: date}
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
    is_disabled: "true"
    success_exit_codes: [0, 143]
    launch_timeout_seconds: 3
    watch: {paths: [{path: src}]}
    is_dotenv_disabled: true
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
      http_get: {host: localhost, port: 3000, path: /up, status_code: 204, headers: {A: b}}
      grpc: {port: 1}
      period_seconds: 7
    availability: {restart: on_failure, backoff_seconds: 2, max_restarts: 5, exit_on_end: true, exit_on_skipped: true}
    shutdown: {command: bin/drain, signal: 15, timeout_seconds: 9, parent_only: true}
    log_location: /tmp/x
    is_elevated: true
    is_tty: true
    is_template_disabled: true
    schedule: {cron: "0 0 * * *"}
    is_foreground: true
    disable_ansi_colors: true
  daemon: {command: "bin/daemon {{.A}}", is_daemon: true, shutdown: {command: bin/end}}
  other:
    entrypoint: ["sh", "-c", "--flag"]
    availability: {restart: exit_on_failure}
"#;

pub(super) const MPROCS: &str = r#"
procs:
  web:
    shell: bin/web
    cwd: srv
    env: {A: "1", B: null}
    add_path: bin
    autostart: false
    autorestart: true
    stop: hard-kill
    scrollback_len: 5
    log: {dir: x}
    deps: [db]
  db: {cmd: ["bin/db", "a b"], stop: {send-keys: ["quit", "<Enter>"]}}
  mail: {shell: mail, stop: SIGTERM}
mouse_scroll_speed: 3
scrollback: 1000
proc_list_width: 20
proc_list_title: x
proc_log: x
hide_keymap_window: true
keymap_procs: {}
keymap_term: {}
keymap_copy: {}
server: 127.0.0.1:4050
on_all_finished: {c: quit}
"#;

pub(super) const PM2: &str = r#"{"apps": [{
  "name": "api", "script": "server.js", "args": "--port 3000", "interpreter": "node", "node_args": ["--inspect"],
  "cwd": "srv", "env": {"A": "1"}, "env_production": {"A": "2"}, "instances": 4, "exec_mode": "cluster",
  "autorestart": true, "max_restarts": 16, "restart_delay": 4000, "min_uptime": 10000,
  "stop_exit_codes": [0, 3], "wait_ready": true, "listen_timeout": 100, "kill_timeout": 1700,
  "shutdown_with_message": true, "namespace": "back", "log_file": "x", "out_file": "x", "error_file": "x",
  "merge_logs": true, "combine_logs": true, "log_date_format": "x", "time": true, "watch": true,
  "ignore_watch": ["x"], "max_memory_restart": "1G", "cron_restart": "0 0 * * *", "source_map_support": true,
  "instance_var": "X", "filter_env": true, "vizion": false, "force": true, "uid": "x", "gid": "x",
  "watch_options": {"a": 1}, "watch_delay": 1, "post_update": ["x"], "increment_var": "X", "treekill": false,
  "kill_retry_time": 1, "pid_file": "x", "log_type": "x", "disable_logs": true
}, {"name": "b", "script": "b.py", "exp_backoff_restart_delay": 100}], "deploy": {"production": {}}}"#;

pub(super) const SUPERVISORD: &str = r#"
[unix_http_server]
file=/tmp/x
[inet_http_server]
port=9001
[supervisord]
nodaemon=true
environment=B="2"
directory=%(here)s/app
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
stopasgroup=false
killasgroup=false
stdout_logfile=x
stderr_logfile=x
redirect_stderr=false
stdout_events_enabled=true
stdout_capture_maxbytes=1
stderr_capture_maxbytes=1
stdout_syslog=true
stderr_syslog=true
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

pub(super) const CONCURRENTLY: &str = r#"{"scripts": {
  "dev": "concurrently -n web,, -k --kill-others --kill-others-on-fail -s first --success last --restart-tries 3 --restart-after 500 -r --raw -g --group -t x --timestamp-format x -i --handle-input --default-input-target 0 -m 2 --max-processes 2 --hide web -p x --prefix x -c x --prefix-colors x -l 1 --prefix-length 1 --no-color --kill-signal SIGKILL --kill-timeout 2000 --teardown 'rm x' 'bin/web' 'npm:watch-*'",
  "watch-css": "sass", "watch-js": "esbuild"
}}"#;

pub(super) const NPM_RUN_ALL: &str = r#"{"scripts": {
  "dev": "run-p -c --continue-on-error -r --race -l --print-label -n --print-name --max-parallel 2 --aggregate-output watch:* serve",
  "watch:css": "sass", "watch:js": "esbuild", "serve": "vite"
}}"#;

/// A format, a source, and what some of its keys become.
type RowExample = (SourceFormat, &'static str, Vec<(&'static str, &'static str)>);

/// What a service that runs here has no use for.
const ONLY_THERE: &str = "# only in its container: cpus, mem_limit, user";

/// What the keys of compose become.
fn of_compose() -> Vec<(&'static str, &'static str)> {
    vec![
        ("command", "command = \"npm run dev\""),
        ("entrypoint", "command = [\"bin/worker\", \"all queues\"]"),
        ("environment", "NODE_ENV = \"development\""),
        ("env_file", "env_file = [\".env.web\"]"),
        ("depends_on", "depends_on = { db = { condition = \"ready\", restart = true }"),
        ("service_started", "cache = \"started\""),
        ("service_healthy", "condition = \"ready\""),
        ("service_completed_successfully", "migrate = \"completed\""),
        ("ports", "port = 3000"),
        ("expose", "port = 3000"),
        ("required", "mail = \"started\""),
        ("disable", "[process.mail]"),
        ("restart", "restart = true"),
        ("healthcheck.test", "ready = { exec = \"curl -f http://localhost:3000\""),
        ("interval", "every = \"10s\""),
        ("timeout", "timeout = \"3s\""),
        ("retries", "failures = 4"),
        ("start_period", "timeout = \"160s\""),
        ("always", "restart = \"always\""),
        ("on-failure", "restart = { policy = \"on-failure\", max_failures = 6 }"),
        ("stop_signal", "signal = \"QUIT\""),
        ("stop_grace_period", "timeout = \"30s\""),
        ("profiles", "groups = [\"front\"]"),
        ("image", "# Containers have all else that source says"),
        ("networks", "command = \"npm run dev\""),
        ("user", ONLY_THERE),
        ("mem_limit", ONLY_THERE),
        ("cpus", ONLY_THERE),
        ("container_name", "command = \"npm run dev\""),
        ("hostname", "command = \"npm run dev\""),
        ("labels", "command = \"npm run dev\""),
        ("logging", "command = \"npm run dev\""),
        ("platform", "command = \"npm run dev\""),
        ("tty", "command = \"npm run dev\""),
        ("stdin_open", "command = \"npm run dev\""),
        ("init", "command = \"npm run dev\""),
        ("build", "command = \"npm run dev\""),
        ("extends", "command = \"npm run dev\""),
        ("include", "command = \"npm run dev\""),
    ]
}

/// For each table, a source with all its keys, and what those become that are taken over. All others must be named as
/// left out.
fn examples() -> BTreeMap<&'static str, RowExample> {
    use SourceFormat::{Compose, Mprocs, PackageJson, Pm2, ProcessCompose, Supervisord};
    BTreeMap::from([
        ("docker compose", (Compose, COMPOSE, of_compose())),
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
                    ("is_disabled", "autostart = false"),
                    ("success_exit_codes", "success_exit_codes = [143]"),
                    ("is_daemon", ") && exec tail -f /dev/null"),
                    ("vars", "bin/daemon b"),
                    ("is_template_disabled", ""),
                    ("is_tty", ""),
                    ("log_level", ""),
                    ("is_strict", ""),
                    ("name", ""),
                    ("ordered_shutdown", ""),
                    ("is_foreground", "autostart = false"),
                    ("is_tui_disabled", ""),
                    ("disable_env_expansion", ""),
                    ("extends", ""),
                    ("process-compose.override.yaml", ""),
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
                        "restart = { policy = \"on-failure\", delay = \"2s\", max_failures = 6 }",
                    ),
                    ("always", "policy"),
                    ("on_failure", "policy = \"on-failure\""),
                    ("no", "restart = \"no\""),
                    ("exit_on_end", "on_exit = \"stop-all\""),
                    ("backoff_seconds", "delay = \"2s\""),
                    ("max_restarts", "max_failures = 6"),
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
                    ("autorestart", "restart = { policy = \"always\", stable = \"1s\" }"),
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
                    ("merge_logs", ""),
                    ("combine_logs", ""),
                    ("log_type", ""),
                    ("source_map_support", ""),
                    ("vizion", ""),
                    ("force", ""),
                    ("pid_file", ""),
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
                    ("startretries", "max_failures = 5"),
                    ("stopsignal", "signal = \"TERM\""),
                    ("stopwaitsecs", "timeout = \"7s\""),
                    ("[group", "groups = [\"g\"]"),
                    ("[include]", "[include] conf.d/*.conf: no file here is named so"),
                    ("[supervisord]", "B = \"2\""),
                    ("directory", "cwd = \"./app\""),
                    ("[unix_http_server]", ""),
                    ("[supervisorctl]", ""),
                    ("[rpcinterface", ""),
                    ("[ctlplugin", ""),
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
                    ("--restart-tries", "max_failures = 4"),
                    ("--restart-after", "delay = \"500ms\""),
                    ("-r", ""),
                    ("--raw", ""),
                    ("--timings", ""),
                    ("--pad-prefix", ""),
                    ("-P", ""),
                    ("--passthrough-arguments", ""),
                    ("--kill-signal", "signal = \"KILL\""),
                    ("--kill-timeout", "timeout = \"2s\""),
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
        for key in table.keys() {
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
