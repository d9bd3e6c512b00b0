//! Tests of the values that are read, and of the errors with their places.

use std::io;
use std::path::Path;

use ::toml::Spanned;
use pretty_assertions::assert_eq;

use super::{
    CommandLine, Disk, LogTable, ProcessTable, Resolved, TmoToml, TomlError, parse,
    parse_leniently, resolve_with_disk,
};
use crate::config::{Env, procfile};
use crate::model::plan::OnExit;
use crate::model::plan::rules::{
    Backoff, DependencyCondition, FailureAction, FlagColor, PortOwner, Probe, Reaction, Restart,
    Stage, StopAfter,
};

/// A table with every key that a process may have.
pub(super) const WHOLE: &str = r#"
port_auto = false

[defaults]
cwd = "src"
env = { A = "1", N = 2, T = true, F = 1.5 }
restart = { delay = "2s", backoff = "exponential" }

[process.web]
command = ["node", "server.js"]
args = ["--port", "80"]
display = "The web"
port = 3000
proxy_host = "localhost"
cwd = "web"
env = ["B=b=c", "E="]
env_file = ["a.env"]
add_path = ["bin"]
autostart = false
groups = ["front"]
shell = "bash"
phase = "main"
depends_on = { db = "started", migrate = "completed" }
ready = [{ log = "listen(ing)? on", ignore_case = true, timeout = "30s" }, { port = true, every_ms = 50 }, { notify = true }]
live = { http = "http://localhost:3000/up", every = 5, failures = 2, action = "notify" }
restart = { policy = "on-failure", max_delay = "1m", max_restarts = 0, failure_reset_seconds = 5 }
on_exit = "ignore"
success_exit_codes = [3]
soft_exit_codes = [75]
watch = { paths = ["src/**/*.rs"], ignore = "gen", gitignore = false, debounce = 1, run = "make", signal = "hup" }
prompt = "=#$"
stop = { signal = "sigterm", command = "bye", timeout = "1.5s" }

[[process.web.failure]]
pattern = "EADDRINUSE"

[[process.web.failure]]
pattern = "^panic"
regex = true
action = "restart"

[[process.web.flag]]
name = "slow"
pattern = "\\d{4,}ms"
color = "purple"
context_window_size = 2
target = 10
on_match = "notify-send slow"
every = "1m"

[process.db]
command = "postgres"
phase = "dependency"
ready = { port = 5432, host = "db.local" }

[process.migrate]
command = "migrate"
depends_on = ["db"]
ready = { exit = 0 }

[hooks]
on_crash = "c"
dependencies_ready = "d"
main_started = "m"
cleanup = "e"
stop_after = "main_started"

[crash]
dir = "crash-reports"
"#;

pub(super) fn surveyed(text: &str, procfile: &str) -> Result<(TmoToml, Resolved), TomlError> {
    let (toml, mistakes) = parse_leniently(text, "tmo.toml")?;
    let procfile = procfile::parse(procfile.as_bytes(), "Procfile").unwrap();
    let read = |file: &Path| match file.to_str() {
        Some("/x/a.env") => Ok(b"A=file\n".to_vec()),
        Some("/x/broken.env") => Ok(b"A\n".to_vec()),
        Some(_) | None => Err(io::Error::from_raw_os_error(nix::libc::ENOENT)),
    };
    let is_dir = |dir: &Path| match dir.to_str() {
        Some("/x/none") => Err(io::Error::from_raw_os_error(nix::libc::ENOENT)),
        Some(_) | None => Ok(()),
    };
    let disk = Disk { dir: Path::new("/x"), read: &read, is_dir: &is_dir };
    let env = Env::of([("PATH", "/bin"), ("HOME", "/h")]);
    let found = resolve_with_disk(&toml, &procfile.entries, &env, &disk, mistakes)?;
    Ok((toml, found))
}

#[track_caller]
fn problems(text: &str) -> Vec<String> {
    let error = surveyed(text, "web: w\nworker: k\n").unwrap_err();
    error.problems.iter().map(|p| format!("{}:{}: {}", p.line, p.column, p.text)).collect()
}

fn plain<T: Clone>(at: Option<&Spanned<T>>) -> T {
    at.unwrap().get_ref().clone()
}

#[test]
fn takes_sizes_as_numbers_and_text() {
    let text = "[log]\ndir = \"logs\"\nper_process = 0\ntotal = \"1GiB\"\nmax_age = \"14d\"\n";
    let log = parse(text, "tmo.toml").unwrap().log;
    let expected = LogTable {
        dir: Some("logs".into()),
        per_process: Some(0),
        total: Some(1 << 30),
        max_age_ms: Some(1_209_600_000),
    };
    assert_eq!(log, expected);
    assert_eq!(parse("", "tmo.toml").unwrap().log, LogTable::default());
}

#[test]
fn a_name_that_people_see_is_one_line_without_control_characters() {
    let text =
        "[web]\ntitle = \"Shop\\n\\u001b[31m\"\n[process.web]\ndisplay = \"a\\n[Service]\\rb\"\n";
    let (toml, _) = surveyed(text, "web: x").unwrap();
    assert_eq!(plain(toml.table_of("web").display.as_ref()), r"a\n[Service]\rb");
    assert_eq!(toml.web.title.as_deref(), Some(r"Shop\n\x1b[31m"));
}

#[test]
fn every_key_is_read() {
    let (toml, found) = surveyed(WHOLE, "").unwrap();
    assert!(!plain(toml.port_auto.as_ref()));
    let web = toml.table_of("web");
    let words = CommandLine::Words(vec!["node".into(), "server.js".into()]);
    assert_eq!(plain(web.command.as_ref()), words);
    assert_eq!((plain(web.port.as_ref()), plain(web.display.as_ref()).as_str()), (3000, "The web"));
    assert_eq!(plain(web.proxy_host.as_ref()), "localhost");
    assert_eq!(
        (plain(web.autostart.as_ref()), plain(web.shell.as_ref()).as_str()),
        (false, "bash")
    );
    assert_eq!(
        (plain(web.phase.as_ref()), plain(web.on_exit.as_ref())),
        (Stage::Main, OnExit::Remain)
    );
    let needs: Vec<_> = web
        .depends_on
        .iter()
        .map(|need| (need.get_ref().on.as_str(), need.get_ref().until))
        .collect();
    assert_eq!(
        needs,
        [("db", DependencyCondition::Started), ("migrate", DependencyCondition::Completed)]
    );
    let ready = plain(web.ready.as_ref());
    assert!(matches!(&ready[0].probe, Probe::Log(t) if t.regex && t.any_case));
    assert_eq!((ready[0].timeout_ms, ready[0].every_ms), (30_000, 250));
    let (host, port) = ("127.0.0.1".into(), Probe::ITS_PORT);
    assert_eq!(ready[1].probe, Probe::Port { host, port, owner: PortOwner::Auto });
    assert_eq!((ready[1].timeout_ms, ready[1].every_ms), (60_000, 50));
    assert_eq!(ready[2].probe, Probe::Notify {});
    let live = plain(web.live.as_ref());
    assert_eq!((live.every_ms, live.timeout_ms, live.failures), (5000, 2000, 2));
    assert_eq!(live.action, Reaction::Notify);
    let restart = &web.restart;
    assert_eq!(
        (plain(restart.policy.as_ref()), plain(restart.delay_ms.as_ref())),
        (Restart::OnFailure, 2000)
    );
    assert_eq!(plain(restart.backoff.as_ref()), Backoff::Exponential, "by default");
    assert_eq!(
        (plain(restart.max_delay_ms.as_ref()), plain(restart.max_failures.as_ref())),
        (60_000, 0)
    );
    assert_eq!(plain(restart.stable_ms.as_ref()), 5000);
    assert_eq!(
        (plain(web.success_exit_codes.as_ref()), plain(web.soft_exit_codes.as_ref())),
        (vec![3], vec![75])
    );
    let mut process = crate::model::plan::ProcessPlan::default();
    web.apply(&mut process);
    let watch = process.rules.watch.unwrap();
    assert_eq!((watch.paths[0].as_str(), watch.ignore[0].as_str()), ("src/**/*.rs", "gen"));
    assert_eq!((watch.gitignore, watch.debounce_ms), (false, 1000));
    assert_eq!((watch.run, watch.signal), (Some("make".into()), "HUP".parse().ok()));
    assert_eq!((plain(web.stop.signal.as_ref()), plain(web.stop.timeout_ms.as_ref())), (15, 1500));
    assert_eq!(plain(web.stop.command.as_ref()), "bye");
    let failures: Vec<_> = web.failure.iter().map(|found| found.get_ref().clone()).collect();
    assert!(!failures[0].text.regex && failures[0].text.any_case);
    assert!(failures[1].text.regex && !failures[1].text.any_case);
    assert_eq!(failures[1].action, FailureAction::Restart);
    let flag = web.flag[0].get_ref();
    assert_eq!((flag.name.as_str(), flag.color, flag.context), ("slow", FlagColor::Purple, 2));
    assert_eq!((flag.target, flag.every_ms, flag.action), (Some(10), 60_000, Reaction::Notify));
    assert_eq!(toml.hooks.stop_after, Some(StopAfter::MainStarted));
    let paths = (toml.hooks.on_crash, toml.crash_dir);
    assert_eq!(paths, (Some("c".into()), Some("crash-reports".into())));
    let entries: Vec<_> =
        found.entries.iter().map(|e| (e.name.as_str(), e.command.0.to_str().unwrap())).collect();
    assert_eq!(entries, [("web", "node server.js"), ("db", "postgres"), ("migrate", "migrate")]);
}

#[test]
fn variables_lie_over_each_other_in_order() {
    let (_, found) = surveyed(WHOLE, "").unwrap();
    let text = |name: &str| -> Vec<String> {
        let env = found.own[name].env.iter();
        env.map(|(k, v)| format!("{}={}", k.0.display(), v.0.display())).collect()
    };
    assert_eq!(
        text("web"),
        ["A=file", "B=b=c", "E=", "F=1.5", "N=2", "PATH=/x/bin:/bin", "T=true"]
    );
    assert_eq!(text("db"), ["A=1", "F=1.5", "N=2", "T=true"]);
    assert_eq!(found.own["web"].cwd, Some("/x/web".into()));
    assert_eq!(found.own["db"].cwd, Some("/x/src".into()));
}

/// Invalid input, and the error that it causes.
#[rustfmt::skip]
const MISTAKES: &[(&str, &str)] = &[
    (
        "[process.web]\nproxy_host = \"localhost:80\"",
        "2:14: `proxy_host` is a host name without a port, such as \"localhost\"",
    ),
    ("process.web.working_dir = \"x\"\n", "1:13: unknown key `working_dir` of `web`; here it is `cwd`"),
    (
        "process.web.ready = { log = \"x\", regex = true }\n",
        "1:34: unknown key `regex` of `ready`; `log` is a regular expression as it is",
    ),
    (
        "[process.web]\ncommand = \"x {wbe.port}\"\n",
        "2:11: `{wbe.port}`: there is no process `wbe`; did you mean `web`?",
    ),
    (
        "[process.web]\ncommand = \"x {web.prt} ${web.x} {{web.y} {other.z} {web.a,b}\"\n",
        "2:11: `{web.prt}`: web has no `prt`; did you mean `port`?",
    ),
    (
        "[process.web]\nready = { exec = \"x {wbe.port}\" }\n",
        "2:9: `{wbe.port}`: there is no process `wbe`; did you mean `web`?",
    ),
    (
        "[process.web]\nready = { notify = false }\n",
        "2:20: `notify = false` asks for nothing; write true, or leave it out",
    ),
    (
        "[process.web]\nready = { notify = true }\nlive = { watchdog = \"0s\" }\n",
        "3:10: `watchdog` must be longer than nothing",
    ),
    (
        "[process.web]\nready = { notify = true }\nlive = { watchdog = \"9s\", failures = 2 }\n",
        "3:27: `failures` means nothing with `watchdog`",
    ),
    (
        "[process.web]\nlive = { watchdog = \"30s\" }\n",
        "2:1: `watchdog` counts from the report that the process is ready; add `ready = { notify = true }`",
    ),
    ("[lgo]\n", "1:2: unknown key `lgo`; did you mean `log`?"),
    (
        "[log]\ntotal = \"much\"\n",
        "2:9: `total` must be a size such as \"64MiB\", or a number of bytes, not \"much\"",
    ),
    (
        "[log]\ntotal = -1\n",
        "2:9: `total` must be a size such as \"64MiB\", or a number of bytes, not -1",
    ),
    ("  command: x\n", "1:10: in TOML a key is followed by `=`, and a table is `[name]`"),
    ("web:\n", "1:4: in TOML a key is followed by `=`, and a table is `[name]`"),
    ("command: x\n", "1:8: in TOML a key is followed by `=`, and a table is `[name]`"),
    (
        "[process.web]\nport = \"5432\"\n",
        "2:8: `port` must be a whole number from 1 to 65535, not \"5432\"; write 5432 without quotes",
    ),
    (
        "[process.web]\nstop = { timeout = \"10\" }\n",
        "2:20: `timeout` must be a time such as \"500ms\", \"2s\" or \"1m30s\", not \"10\"; write \"10s\" for \
         seconds",
    ),
    (
        "[process.web.failure]\npattern = \"x\"\n",
        "1:1: `failure` must be a list, each item a table, not a table; its table is written \
         `[[… .failure]]`, with two brackets",
    ),
    (
        "process.web.depends_on = \"worker\"\n",
        "1:26: `depends_on` must be a list, each item a text in quotes, or a table, not \"worker\"; \
         write [\"worker\"]",
    ),
    (
        "[hooks]\nstop_after = \"main_started\"\n",
        "2:14: there is no hook `main_started` that the run could end after; add one",
    ),
    ("a = \n", "1:5: string values must be quoted, expected literal string"),
    (
        "[process.web]\ncommand = 1\n",
        "2:11: `command` must be a text in quotes, or a list, each item a text in quotes, not 1",
    ),
    (
        "process.web.on_exit = \"die\"\n",
        "1:23: `on_exit` must be \"stop-all\", \"ignore\" or \"restart\", not \"die\"",
    ),
    (
        "process.web.port = 70000\n",
        "1:20: `port` must be a whole number from 1 to 65535, not 70000",
    ),
    (
        "process.web.live.every = \"often\"\nprocess.web.live.exec = \"x\"\n",
        "1:26: `every` must be a time such as \"500ms\", \"2s\" or \"1m30s\", not \"often\"",
    ),
    (
        "[process.wbe]\nautostart = false\n",
        "1:10: `wbe` has no `command`, and the Procfile has no such entry; did you mean `web`?",
    ),
    (
        "[process.'web#2']\nautostart = false\n",
        "1:10: `web#2` is one instance; all of them share [process.web]",
    ),
    (
        "process.web.depends_on = [\"wroker\"]\n",
        "1:27: there is no process `wroker`; did you mean `worker`?",
    ),
    (
        "process.web.depends_on = [\"worker#1\"]\n",
        "1:27: `worker#1` is one instance; `worker` means all of them",
    ),
    ("process.web.depends_on = [\"web\"]\n", "1:27: `web` can't wait for itself; leave it out"),
    (
        "process.web.cwd = \"none\"\n",
        "1:19: can't run in /x/none: no such file or directory; make it, or name another",
    ),
    (
        "process.web.prompt = \"(\"\n",
        "1:22: invalid regular expression: unclosed group",
    ),
    (
        "process.web.prompt = 1\n",
        "1:22: `prompt` must be a text in quotes, or true or false, not 1",
    ),
    (
        "process.web.watch = [\"src\", \"/etc\"]\n",
        "1:29: `/etc` is not below the directory of the project",
    ),
    (
        "process.web.watch = { paths = \"src\", ignore = \"a[\" }\n",
        "1:47: `a[` is no valid pattern: unclosed character class; missing ']'",
    ),
    (
        "process.web.watch = { run = \"make\" }\n",
        "1:13: `watch` names no files; give it `paths`, as in [\"src/**/*.rs\"]",
    ),
    (
        "process.web.watch = { paths = \"src\", debounce = \"2m\" }\n",
        "1:49: `debounce` can be 60 s at most",
    ),
    (
        "process.web.watch = { paths = \"src\", signal = \"NOPE\" }\n",
        "1:47: unknown signal `NOPE`; use a name such as USR1, HUP, WINCH, or a number",
    ),
    (
        "[process.web]\nphase = \"cleanup\"\nwatch = \"src\"\n",
        "3:1: a process of phase cleanup runs once, at the end; leave out `watch`",
    ),
    (
        "process.web.env_file = \"none.env\"\n",
        "1:24: none.env: no such file or directory; make it, or leave it out",
    ),
    ("process.web.env_file = \"broken.env\"\n", "1:24: broken.env: line 1: `A` has no `=`"),
    ("process.web.env = [\"A\"]\n", "1:20: write it as \"A=value\""),
    (
        "process.web.stop.signal = \"TREM\"\n",
        "1:27: unknown signal `TREM`; use a name such as USR1, HUP, WINCH, or a number",
    ),
    ("process.web.ready.log = \"(\"\n", "1:25: invalid regular expression: unclosed group"),
    (
        "process.web.ready.timeout = 1\n",
        "1:13: this asks for nothing; give it one of log, port, http, exec, exit, delay, notify",
    ),
    (
        "process.web.live.every = 1\n",
        "1:13: this asks for nothing; give it one of port, http, exec, watchdog",
    ),
    (
        "process.web.live.http = \"https://x\"\n",
        "1:25: https is not spoken here; ask with `exec = \"curl -fsS …\"`",
    ),
    (
        "process.web.ready.http = \"http://:80\"\n",
        "1:26: an address is of the form http://host:port/path; a path such as /health is at its own PORT",
    ),
    (
        "process.web.ready = {port = true, literal = true}\n",
        "1:35: `literal` means nothing without `log`",
    ),
    (
        "process.web.ready = {port = 1, log = \"x\"}\n",
        "1:22: this asks for two things at once; make a check of each",
    ),
    (
        "process.web.restart = {delay = 1, delay_ms = 1}\n",
        "1:35: `delay_ms` says the same as `delay`; keep one of them",
    ),
    (
        "process.web.restart = {delay = 9, max_delay = 1}\n",
        "1:32: the first pause is longer than `max_delay`; raise that",
    ),
    (
        "process.web.command = [\"a\"]\nprocess.web.args = \"b\"\n",
        "2:20: `args` of a command without a shell are a list, as the command",
    ),
    (
        "process.web.success_exit_codes = [1]\nprocess.web.soft_exit_codes = [1]\n",
        "2:31: 1 is in `success_exit_codes` too; it can't be both",
    ),
    (
        "[[process.web.flag]]\nname = \"x\"\n",
        "1:1: a flag needs a `pattern`, a regular expression",
    ),
    (
        "[[process.web.failure]]\naction = \"break\"\n",
        "1:1: a failure needs a `pattern`: the text to look for",
    ),
    ("process.web.command = \" \"\n", "1:23: `command` is empty; it is what is to be run"),
];

#[test]
fn a_mistake_is_pointed_at_with_what_would_be_right() {
    let error = surveyed("[process.web]\ncomand = \"x\"\n", "web: w\n").unwrap_err().to_string();
    let expected = "tmo.toml:2:1: unknown key `comand` of `web`; did you mean `command`?\n\
                    \x20 2 | comand = \"x\"\n    | ^^^^^^";
    assert_eq!(error, expected);
    for (text, reported) in MISTAKES {
        assert_eq!(problems(text), [*reported], "{text}");
    }
}

#[test]
fn what_contradicts_itself_is_refused() {
    for (text, reported) in [
        (
            "restart = \"no\"\non_exit = \"restart\"",
            "3:11: `on_exit = \"restart\"` and `restart = \"no\"`",
        ),
        ("ready.exit = 0\nrestart = \"always\"", "3:11: it is ready when it has ended (`exit`)"),
        ("ready.exit = 0\non_exit = \"restart\"", "3:11: it is ready when it has ended (`exit`)"),
        ("ready = [{exit = 0}, {port = 80}]", "2:9: a process that has ended (`exit`) takes no"),
        ("ready.exit = 0\nlive.port = 80", "3:1: it is ready when it has ended (`exit`), so"),
        (
            "phase = \"cleanup\"\nrestart = \"always\"",
            "3:11: a process of phase cleanup has to end",
        ),
        (
            "phase = \"dependency\"\ndepends_on = [\"worker\"]",
            "3:15: `web` is of phase dependency and comes before",
        ),
        (
            "phase = \"cleanup\"\ndepends_on = [\"worker\"]",
            "3:15: `web` is of phase cleanup and runs only when",
        ),
        (
            "depends_on = [\"worker\"]\n[process.worker]\nphase = \"cleanup\"",
            "2:15: `worker` is of phase cleanup and runs",
        ),
        (
            "depends_on.worker = \"completed\"\n[process.worker]\nrestart = \"always\"",
            "2:12: `worker` is started again",
        ),
    ] {
        let all = problems(&format!("[process.web]\n{text}\n"));
        assert!(all.len() == 1 && all[0].starts_with(reported), "{text}: {all:?}");
    }
}

#[test]
fn a_ring_is_named_whole_and_each_once() {
    let ring = "[process]\nweb.depends_on = [\"a\"]\na = {command = \"a\", depends_on = [\"worker\"]}\n\
                worker.depends_on = [\"web\"]\nb = {command = \"b\", depends_on = [\"web\", \"c\"]}\n\
                c = {command = \"c\", depends_on = [\"b\"]}\nd = {command = \"d\", depends_on = [\"c\"]}\n";
    assert_eq!(
        problems(ring),
        [
            "2:19: these wait for each other: `web` → `a` → `worker` → `web`; take one out",
            "5:42: these wait for each other: `b` → `c` → `b`; take one out",
        ]
    );
}

#[test]
fn long_chains_and_deep_nests_are_no_trouble() {
    let link =
        |at: usize| format!("[process.p{at}]\ncommand = \"x\"\ndepends_on = [\"p{}\"]\n", at + 1);
    let chain = (0..300).map(link).collect::<Vec<_>>().concat();
    assert_eq!(surveyed(&format!("{chain}[process.p300]\ncommand = \"x\""), "").err(), None);
    let deep = format!("process.web.args = {}{}\n", "[".repeat(5000), "]".repeat(5000));
    assert!(surveyed(&deep, "web: w\n").is_err());
}

#[test]
fn everything_that_is_wrong_is_told_at_once() {
    let text = "[process.web]\nprot = 1\nport = \"x\"\ncwd = \"none\"\ndepends_on = [\"nosuch\"]\n\
                ready.log = \"[\"\n[process.nocommand]\n[hokos]\n";
    let lines: Vec<_> =
        surveyed(text, "web: w\n").unwrap_err().problems.iter().map(|p| p.line).collect();
    assert_eq!(lines, [2, 3, 4, 5, 6, 7, 8]);
}

#[test]
fn defaults_hold_where_nothing_else_is_said() {
    let text = "[defaults]\nshell = \"bash\"\nadd_path = [\"z\"]\ngroup = \"all\"\n\
                [[defaults.failure]]\npattern = \"oops\"\n\
                [process.web]\nadd_path = [\"y\"]\ngroups = [\"front\"]\n";
    let (toml, found) = surveyed(text, "web: w\nworker: k\n").unwrap();
    let groups = |table: &ProcessTable| -> Vec<String> {
        table.groups.iter().map(|group| group.get_ref().clone()).collect()
    };
    assert_eq!(
        (groups(&toml.table_of("web")).len(), groups(&toml.table_of("worker")).len()),
        (2, 1)
    );
    assert_eq!(plain(toml.table_of("worker").shell.as_ref()), "bash");
    assert_eq!(toml.table_of("worker").failure.len(), 1);
    let path = |name: &str| found.own[name].env[0].1.0.to_str().unwrap().to_owned();
    assert_eq!((path("web").as_str(), path("worker").as_str()), ("/x/y:/x/z:/bin", "/x/z:/bin"));
}

proptest::proptest! {
    #[test]
    fn no_text_breaks_the_reader(text in "(\\[|\\]|=|\"|'|\\{|\\}|,|\\.|\n| |[a-c]|process|web|ready|log|restart|port|1){0,40}") {
        let _ = surveyed(&text, "web: w\n");
    }

    #[test]
    fn whoever_waits_for_whom_a_ring_is_found_if_there_is_one(
        pairs in proptest::collection::vec((0usize..6, 0usize..6), 0..9)
    ) {
        let table = |name: usize| {
            let on = pairs.iter().filter(|(from, to)| *from == name && from != to);
            let on: Vec<_> = on.map(|(_, to)| format!("\"p{to}\"")).collect();
            let on = on.join(",");
            format!("[process.p{name}]\ncommand = \"x\"\ndepends_on = [{on}]\n")
        };
        let text = (0..6).map(table).collect::<Vec<_>>().concat();
        // Which processes can be reached from each, computed naively.
        let mut reach = [[false; 6]; 6];
        for (from, to) in pairs.iter().filter(|(from, to)| from != to) {
            reach[*from][*to] = true;
        }
        for via in 0..6 { for from in 0..6 { for to in 0..6 {
            reach[from][to] |= reach[from][via] && reach[via][to];
        } } }
        let ring = (0..6).any(|name| reach[name][name]);
        proptest::prop_assert_eq!(surveyed(&text, "").is_err(), ring, "{}", text);
    }
}
