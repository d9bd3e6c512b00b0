//! Tests of how flags, variables and files combine.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use pretty_assertions::assert_eq;

use super::{Facts, PlanError, Settings, resolve};
use crate::config::apps::Apps;
use crate::config::failures::Failures;
use crate::config::load::{Context, Loaded};
use crate::config::options::BackendChoice;
use crate::config::{Env, Project, StartOptions, procfile, toml};
use crate::model::plan::process_env::process_env;
use crate::model::plan::{Backend, Inherit, OnExit, Plan};
use crate::model::text::OsText;
use crate::model::time::Timestamp;

const PROCFILE: &str = "web: w\nworker: k\ncss-1: c\n";
const DECLARED: &str = r#"{"worker": ["panic:", "EOF"], "gone": ["x"]}"#;

pub(super) struct MergeInput {
    pub(super) context: Context,
    pub(super) procfile: &'static str,
    pub(super) toml: &'static str,
    pub(super) typed: StartOptions,
    pub(super) knows_senders: bool,
}

pub(super) fn given(env: &[(&str, &str)]) -> MergeInput {
    let context = Context {
        start_dir: "/x".into(),
        env: Env::of(env.iter().copied().chain([("HOME", "/h")])),
        warnings: Vec::new(),
        elsewhere: false,
    };
    let typed = StartOptions::default();
    MergeInput { context, procfile: PROCFILE, toml: "", typed, knows_senders: true }
}

fn find(name: &OsStr) -> Option<PathBuf> {
    let known = ["sh", "bash", "tmux"].iter().any(|known| name == *known);
    known.then(|| Path::new("/bin").join(name))
}

fn without_tmux(name: &OsStr) -> Option<PathBuf> {
    find(name).filter(|_| name != "tmux")
}

impl MergeInput {
    pub(super) fn typed(mut self, typed: StartOptions) -> Self {
        self.typed = typed;
        self
    }

    pub(super) fn loaded(&self) -> Loaded {
        let env = &self.context.env;
        let project = Project::locate(Path::new("/x"), &self.typed, env).unwrap();
        let mut procfile = procfile::parse(self.procfile.as_bytes(), "Procfile").unwrap();
        let (toml, mistakes) = toml::parse_leniently(self.toml, "tmo.toml").unwrap();
        let read = |file: &Path| match file.to_str() {
            Some("/x/web.env") => Ok(b"A=file\nB=$A-$C\nHOME2=$HOME\n".to_vec()),
            Some(_) | None => Err(std::io::ErrorKind::NotFound.into()),
        };
        let disk = toml::Disk { dir: Path::new("/x"), read: &read, is_dir: &|_| Ok(()) };
        let found =
            toml::resolve_with_disk(&toml, &procfile.entries, env, &disk, mistakes).unwrap();
        procfile.entries = found.entries;
        let failures = Failures::parse(DECLARED.as_bytes(), "failures").unwrap();
        let (apps, command) = (Apps::default(), vec![]);
        Loaded { project, procfile, toml, own: found.own, failures, apps, command }
    }

    pub(super) fn resolve_with(
        &self,
        find: &dyn Fn(&OsStr) -> Option<PathBuf>,
    ) -> Result<Plan, PlanError> {
        self.resolve_these(&Settings::new(&self.typed, &self.context.env)?, find)
    }

    fn resolve_these(
        &self,
        settings: &Settings,
        find: &dyn Fn(&OsStr) -> Option<PathBuf>,
    ) -> Result<Plan, PlanError> {
        let facts = Facts {
            host: None,
            page_port: None,
            as_overmind: false,
            run: "run1".into(),
            started: Timestamp::from_nanos(7),
            size: (80, 24),
            inherit: Inherit::default(),
            tmo: "/bin/tmo".into(),
            knows_senders: self.knows_senders,
            find,
        };
        resolve(&self.context, &self.loaded(), settings, facts)
    }

    pub(super) fn plan(&self) -> Plan {
        self.resolve_with(&find).unwrap()
    }

    pub(super) fn error(&self) -> String {
        self.resolve_with(&find).unwrap_err().to_string()
    }

    fn ports(&self) -> Vec<Option<u16>> {
        self.plan().processes.iter().map(|process| process.port).collect()
    }
}

#[test]
fn a_bare_procfile_has_overmind_s_defaults() {
    let plan = given(&[]).plan();
    assert_eq!(plan.root.as_path(), Path::new("/x"));
    assert_eq!((plan.title.as_str(), plan.session.as_str()), ("x", "x"));
    assert_eq!(plan.grace_ms, 5000);
    assert_eq!(plan.socket.as_path(), Path::new("/x/.overmind.sock"));
    assert_eq!(plan.tmux.as_path(), Path::new("/bin/tmux"));
    assert_eq!((plan.log.per_process, plan.log.total), (64 << 20, 512 << 20));
    assert!(plan.log.dir.as_path().starts_with("/h/.local/state/tmo"));
    let rows: Vec<_> = plan.processes.iter().map(|p| (p.name.as_str(), p.port, p.color)).collect();
    assert_eq!(rows, [("web", Some(5000), 2), ("worker", Some(5100), 3), ("css-1", Some(5200), 4)]);
    assert!(plan.processes.iter().all(|p| p.shell.as_path() == Path::new("/bin/sh")));
    assert!(plan.processes.iter().all(|p| p.stop_signal == 2));
}

#[test]
fn ports_come_from_flag_then_variables() {
    let all = [("TMO_PORT", "3000"), ("OVERMIND_PORT", "2000"), ("PORT", "1000")];
    let flag = StartOptions { port: Some(4000), port_step: Some(1), ..Default::default() };
    assert_eq!(given(&all).typed(flag).ports(), [Some(4000), Some(4001), Some(4002)]);
    assert_eq!(given(&all).ports()[0], Some(3000));
    assert_eq!(given(&all[1..]).ports()[0], Some(2000));
    assert_eq!(given(&all[2..]).ports()[0], Some(1000));
    assert_eq!(given(&[("OVERMIND_PORT_STEP", "10")]).ports()[1], Some(5010));
    assert_eq!(given(&[("OVERMIND_NO_PORT", "true")]).ports(), [None; 3]);
}

#[test]
fn a_left_out_line_keeps_its_port_and_colour() {
    let typed = StartOptions { processes: Some(" css-1 ,, nosuch".into()), ..Default::default() };
    let given = given(&[]).typed(typed);
    let plan = given.plan();
    assert_eq!(plan.processes.len(), 1);
    assert_eq!((plan.processes[0].port, plan.processes[0].color), (Some(5200), 4));
    let settings = Settings::new(&given.typed, &given.context.env).unwrap();
    let warnings = settings.warnings(&given.loaded().procfile);
    assert_eq!(warnings.len(), 1);
    assert!(warnings[0].to_string().contains("`nosuch`"), "{}", warnings[0]);
}

#[test]
fn the_palette_goes_round() {
    let mut given = given(&[]);
    given.procfile = "a: x\nb: x\nc: x\nd: x\ne: x\nf: x\ng: x\nh: x\ni: x\nj: x\nk: x\n";
    let colors: Vec<u8> = given.plan().processes.iter().map(|p| p.color).collect();
    assert_eq!(colors, [2, 3, 4, 5, 6, 29, 131, 63, 163, 98, 2]);
}

#[test]
fn sizes_and_places_of_the_log() {
    let mut given = given(&[("TMO_LOG_TOTAL", "1MiB")]);
    given.toml = "[log]\ndir = \"~/logs\"\nper_process = \"1k\"\ntotal = 5\n";
    let log = given.plan().log;
    assert_eq!((log.per_process, log.total), (1024, 1 << 20));
    assert!(log.dir.as_path().starts_with("/h/logs"));
    given.context.env.set_from_file(&Path::new("./.env").into(), "TMO_LOG_DIR".into(), "l".into());
    assert!(given.plan().log.dir.as_path().starts_with("/x/l"));
}

#[test]
fn the_age_of_the_log() {
    const DAY_MS: u64 = 24 * 3_600_000;
    let age = |variable: Option<&str>| {
        let variables: Vec<_> = variable.map(|age| ("TMO_LOG_MAX_AGE", age)).into_iter().collect();
        let mut given = given(&variables);
        given.toml = "[log]\nmax_age = \"14d\"\n";
        given.plan().log.max_age_ms
    };
    assert_eq!(age(None), 14 * DAY_MS);
    assert_eq!(age(Some("2d")), 2 * DAY_MS);
    assert_eq!(age(Some("0")), 0, "keeps everything");
    assert_eq!(given(&[]).plan().log.max_age_ms, 0);
    let wrong = given(&[("TMO_LOG_MAX_AGE", "old")]).error();
    assert_eq!(wrong, "TMO_LOG_MAX_AGE=old is not a time like 14d (0 keeps everything)");
}

#[test]
fn other_settings() {
    let typed = StartOptions {
        timeout: Some(Duration::from_millis(1500)),
        shell: Some("bash".into()),
        tmux_config: Some("t.conf".into()),
        ..Default::default()
    };
    let plan = given(&[("OVERMIND_TIMEOUT", "9")]).typed(typed).plan();
    assert_eq!(plan.grace_ms, 1500);
    assert_eq!(plan.processes[0].shell.as_path(), Path::new("/bin/bash"));
    assert_eq!(plan.tmux_config.unwrap().as_path(), Path::new("/x/t.conf"));
    assert_eq!(given(&[("OVERMIND_TIMEOUT", "0.5")]).plan().grace_ms, 500);
}

#[test]
fn errors_speak_as_overmind_does() {
    let mut empty = given(&[]);
    empty.procfile = "# nothing\n";
    assert_eq!(empty.error(), "No entries were found in Procfile");
    let nosuch = StartOptions { processes: Some("nosuch".into()), ..Default::default() };
    assert_eq!(given(&[]).typed(nosuch).error(), "No processes to run");
    let error = given(&[("TMO_BACKEND", "tmux")]).resolve_with(&without_tmux).unwrap_err();
    assert_eq!(error.to_string(), "Can't find tmux. Did you forget to install it?");
    assert!(given(&[("TMO_SHELL", "nosh")]).error().contains("`nosh`"));
    assert!(given(&[("PORT", "65500")]).error().contains("`worker`"));
    assert_eq!(given(&[("PORT", "x")]).error(), "PORT=x is not a port (0 to 65535)");
    assert!(given(&[("OVERMIND_TIMEOUT", "soon")]).error().starts_with("OVERMIND_TIMEOUT=soon"));
}

#[test]
fn terminals_are_those_of_flag_variable_and_file_in_this_order() {
    let backend = |flag, variable: &'static str, toml, is_installed: bool| {
        let env = [("TMO_BACKEND", variable)];
        let mut given = given(if variable.is_empty() { &[] } else { &env });
        given.toml = toml;
        given.typed.backend = flag;
        let plan = given.resolve_with(if is_installed { &find } else { &without_tmux });
        plan.map(|plan| plan.backend)
    };
    let (tmux, native) = (Ok(Backend::Tmux), Ok(Backend::Native));
    let (of_tmux, of_native) = ("backend = \"tmux\"\n", "backend = \"native\"\n");
    assert_eq!(
        [backend(None, "", "", true), backend(None, "", "", false)],
        [tmux.clone(), native.clone()]
    );
    assert_eq!(backend(None, "", of_native, true), native);
    assert_eq!(backend(None, "", of_tmux, false), Err(PlanError::NoTmux));
    assert_eq!(backend(None, "tmux", of_native, true), tmux);
    assert_eq!(backend(None, "auto", of_tmux, false), native);
    assert_eq!(backend(Some(BackendChoice::Native), "tmux", of_tmux, true), native);
    assert_eq!(
        backend(Some(BackendChoice::Tmux), "native", of_native, false),
        Err(PlanError::NoTmux)
    );
    let error = given(&[("TMO_BACKEND", "screen")]).error();
    assert_eq!(error, "TMO_BACKEND=screen is not auto, tmux or native");
}

#[test]
fn a_run_keeps_its_terminals_and_overmind_prefers_tmux() {
    let given = given(&[]);
    let resolved =
        |settings: &Settings, find| given.resolve_these(settings, find).map(|p| p.backend);
    let mut settings = Settings::new(&given.typed, &given.context.env).unwrap();
    settings.prefer_tmux();
    assert_eq!(resolved(&settings, &without_tmux), Err(PlanError::NoTmux));
    settings.keep_backend(Backend::Native);
    assert_eq!(resolved(&settings, &find), Ok(Backend::Native));
    settings.keep_backend(Backend::Tmux);
    assert_eq!(resolved(&settings, &find), Ok(Backend::Tmux));
}

#[test]
fn a_program_that_knows_only_tmux_refuses_a_run_without_it() {
    let plan = |word| given(&[("TMO_BACKEND", word)]).plan();
    assert_eq!((plan("tmux").version, plan("native").version), (1, 2));
    assert!(plan("native").tmux.as_bytes().is_empty());
}

#[test]
fn a_process_is_told_who_it_is_and_where_the_others_are() {
    let given = given(&[("PORT", "1000"), ("PS", "old"), ("KEEP", "k")]);
    let plan = given.plan();
    let env = process_env(&plan, &plan.processes[0]);
    let get = |key: &str| {
        let found: Vec<_> = env.iter().filter(|(name, _)| name.as_os_str() == key).collect();
        assert!(found.len() < 2, "{key} is there twice");
        found.first().map(|(_, value)| value.as_os_str().to_str().unwrap())
    };
    assert_eq!(get("PORT"), Some("1000"));
    assert_eq!(get("PS"), Some("web"));
    assert_eq!(get("KEEP"), Some("k"));
    assert_eq!(get("TMO_SESSION"), Some("run1"));
    assert_eq!(get("TMO_SOCKET"), Some("/x/.overmind.sock"));
    assert_eq!(get("OVERMIND_SOCKET"), Some("/x/.overmind.sock"));
    assert_eq!(get("OVERMIND_PROCESS_web_PORT"), None);
    assert_eq!(get("OVERMIND_PROCESS_worker_PORT"), Some("1100"));
    assert_eq!(get("OVERMIND_PROCESS_css_1_PORT"), Some("1200"));
}

#[test]
fn what_tells_of_an_outer_run_is_not_passed_on() {
    let outer = ["TMO_SESSION", "TMO_PROCESS", "TMO_SOCKET", "OVERMIND_SOCKET", "PS"];
    let mut variables: Vec<_> = outer.map(|name| (name, "outer")).to_vec();
    variables.push(("KEEP", "k"));
    let plan = given(&variables).plan();
    let keep: (OsText, OsText) = ("KEEP".into(), "k".into());
    assert!(plan.env_to_pass_on().any(|pair| *pair == keep));
    assert!(!plan.env_to_pass_on().any(|(_, value)| value.as_bytes() == b"outer"));
    let own = plan.env_of_own_programs();
    assert!(own.contains_key(&keep.0) && !own.values().any(|value| value.as_bytes() == b"outer"));
    let env = process_env(&plan, &plan.processes[0]);
    assert!(env.contains(&("TMO_SESSION".into(), "run1".into())));
    assert!(!env.iter().any(|(_, value)| value.as_bytes() == b"outer"));
}

#[test]
fn without_ports_an_inherited_one_stays() {
    let plan = given(&[("PORT", "77"), ("TMO_NO_PORT", "1")]).plan();
    let env = process_env(&plan, &plan.processes[0]);
    assert!(env.contains(&("PORT".into(), "77".into())));
    assert!(!env.iter().any(|(key, _)| key.as_bytes().starts_with(b"OVERMIND_PROCESS")));
}

/// Check the result of one option, given as a flag and as a variable.
fn each_way(name: &str, value: &str, flag: StartOptions, check: impl Fn(&MergeInput)) {
    check(&given(&[]).typed(flag));
    for prefix in ["TMO_", "OVERMIND_"] {
        check(&given(&[(&format!("{prefix}{name}"), value)]));
    }
}

fn names(given: &MergeInput) -> Vec<String> {
    given.plan().processes.iter().map(|process| process.name.to_string()).collect()
}

#[test]
fn what_is_ignored_does_not_run_even_if_it_is_asked_for() {
    let flag = StartOptions { ignored_processes: Some("web, css-1".into()), ..Default::default() };
    each_way("IGNORED_PROCESSES", "web, css-1", flag, |given| assert_eq!(names(given), ["worker"]));
    let both = StartOptions {
        processes: Some("web,worker".into()),
        ignored_processes: Some("web".into()),
        ..Default::default()
    };
    assert_eq!(names(&given(&[]).typed(both)), ["worker"]);
}

#[test]
fn a_formation_makes_instances_with_ports_of_their_own() {
    let flag =
        StartOptions { formation: Some("web=2, all=0,css-1=1".into()), ..Default::default() };
    each_way("FORMATION", "web=2, all=0,css-1=1", flag, |given| {
        let plan = given.plan();
        let rows: Vec<_> =
            plan.processes.iter().map(|p| (p.name.as_str(), p.port, p.color)).collect();
        let expected =
            [("web#1", Some(5000), 2), ("web#2", Some(5010), 3), ("css-1", Some(5200), 4)];
        assert_eq!(rows, expected);
    });
    let step = StartOptions {
        formation: Some("web=3".into()),
        formation_port_step: Some(1),
        ..Default::default()
    };
    assert_eq!(given(&[]).typed(step).ports()[..4], [5000, 5001, 5002, 5100].map(Some));
    let env = [("TMO_FORMATION", "all=2"), ("OVERMIND_FORMATION_PORT_STEP", "0")];
    assert_eq!(given(&env).ports()[..3], [5000, 5000, 5100].map(Some), "a port to be shared");
}

#[test]
fn names_that_are_left_out_count_for_the_width() {
    let typed = StartOptions {
        processes: Some("web".into()),
        formation: Some("worker=10,css-1=0".into()),
        ..Default::default()
    };
    assert_eq!(given(&[]).typed(typed).plan().name_width, "worker#10".len());
}

#[test]
fn what_follows_an_end_goes_by_the_entry() {
    use OnExit::{Remain, Restart, StopAll};
    let ends = |given: &MergeInput| -> Vec<OnExit> {
        given.plan().processes.iter().map(|process| process.on_exit).collect()
    };
    let flag = StartOptions { can_die: Some("web".into()), ..Default::default() };
    each_way("CAN_DIE", "web", flag, |given| assert_eq!(ends(given), [Remain, StopAll, StopAll]));
    let flag = StartOptions { any_can_die: Some(true), ..Default::default() };
    each_way("ANY_CAN_DIE", "1", flag, |given| assert_eq!(ends(given), [Remain; 3]));
    let flag = StartOptions { auto_restart: Some("css-1".into()), ..Default::default() };
    each_way("AUTO_RESTART", "css-1", flag, |given| {
        assert_eq!(ends(given), [StopAll, StopAll, Restart]);
    });
    let env = [("TMO_AUTO_RESTART", "all"), ("TMO_CAN_DIE", "web"), ("TMO_FORMATION", "web=2")];
    assert_eq!(ends(&given(&env)), [Remain, Remain, Restart, Restart]);
    let env = [("TMO_AUTO_RESTART", "web"), ("TMO_CAN_DIE", "web")];
    assert_eq!(ends(&given(&env)), [Remain, StopAll, StopAll]);
}

#[test]
fn stop_signals_and_colours() {
    let flag =
        StartOptions { stop_signals: Some("web=TERM, css-1=QUIT".into()), ..Default::default() };
    each_way("STOP_SIGNALS", "web=TERM, css-1=QUIT", flag, |given| {
        let signals: Vec<_> = given.plan().processes.iter().map(|p| p.stop_signal).collect();
        assert_eq!(signals, [15, 2, 3]);
    });
    let flag = StartOptions { colors: Some("0, 255".into()), ..Default::default() };
    each_way("COLORS", "0, 255", flag, |given| {
        let colors: Vec<_> = given.plan().processes.iter().map(|p| p.color).collect();
        assert_eq!(colors, [0, 255, 0]);
    });
}

#[test]
fn wrong_values_are_told_in_overmind_s_words() {
    let reported = |variable: &str, value: &str, expected: &str| {
        let error = given(&[(variable, value)]).error();
        assert!(error.starts_with(expected), "{variable}={value}: {error}");
    };
    reported("TMO_COLORS", "2,256", "Invalid xterm color code: 256");
    reported("TMO_COLORS", "red", "Invalid xterm color code: red");
    for bad in ["web", "=2", "web=1=2"] {
        reported("TMO_FORMATION", bad, "Invalid formation format");
    }
    for bad in ["web=x", "web=-1", "web="] {
        reported("TMO_FORMATION", bad, "Invalid number of processes: ");
    }
    reported(
        "TMO_FORMATION",
        "web=11",
        "You can spawn only 10 instances of the same process with port step of 100 and formation \
         port step of 10",
    );
    for bad in ["web", "=INT", "web=INT=TERM"] {
        reported("TMO_STOP_SIGNALS", bad, "Invalid stop-signals format");
    }
    for bad in ["HUP", "SIGINT", "int", ""] {
        reported("TMO_STOP_SIGNALS", &format!("web={bad}"), &format!("Invalid signal: {bad}"));
    }
    reported("TMO_ANY_CAN_DIE", "maybe", "TMO_ANY_CAN_DIE=maybe is not a truth value");
}

#[test]
fn unknown_names_are_pointed_out_with_the_nearest() {
    let env = [
        ("TMO_PROCESSES", "web,nosuch"),
        ("TMO_IGNORED_PROCESSES", "zzz"),
        ("TMO_CAN_DIE", "wbe"),
        ("TMO_AUTO_RESTART", "all,workr"),
        ("TMO_FORMATION", "all=1,wen=2"),
        ("TMO_STOP_SIGNALS", "css=INT"),
    ];
    let given = given(&env);
    let settings = Settings::new(&given.typed, &given.context.env).unwrap();
    let reported: Vec<_> =
        settings.warnings(&given.loaded().procfile).iter().map(ToString::to_string).collect();
    let unknown = "which the Procfile does not have";
    assert_eq!(
        reported,
        [
            format!("--processes names `nosuch`, {unknown}"),
            format!("--ignored-processes names `zzz`, {unknown}"),
            format!("--can-die names `wbe`, {unknown}; did you mean `web`?"),
            format!("--auto-restart names `workr`, {unknown}; did you mean `worker`?"),
            format!("--formation names `wen`, {unknown}; did you mean `web`?"),
            format!("--stop-signals names `css`, {unknown}; did you mean `css-1`?"),
        ]
    );
}

#[test]
fn failures_are_declared_for_all_instances() {
    let typed = StartOptions { formation: Some("worker=2".into()), ..StartOptions::default() };
    let plan = given(&[]).typed(typed).resolve_with(&find).unwrap();
    let declared = plan.processes.iter().map(|process| {
        let texts = process.rules.failures.iter().map(|failure| failure.text.pattern.as_str());
        (process.name.as_str(), texts.collect::<Vec<_>>())
    });
    let two = || vec!["panic:", "EOF"];
    let expected = [("web", vec![]), ("worker#1", two()), ("worker#2", two()), ("css-1", vec![])];
    assert_eq!(declared.collect::<Vec<_>>(), expected);
}
