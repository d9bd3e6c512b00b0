//! Tests of how a `tmo.toml` combines with a Procfile, flags and variables.

use std::path::Path;
use std::time::Duration;

use pretty_assertions::assert_eq;

use super::tests::{MergeInput, given};
use super::{OrderPosition, Settings, begin_with, explain, oddities, order, take_in};
use crate::config::StartOptions;
use crate::model::plan::process_env::process_env;
use crate::model::plan::rules::{DependencyCondition, PortOwner, Probe, ProcessPolicy, Restart};
use crate::model::plan::{OnExit, Plan, ProcessPlan};

fn with(toml: &'static str) -> MergeInput {
    MergeInput { toml, ..given(&[]) }
}

fn process<'a>(plan: &'a Plan, name: &str) -> &'a ProcessPlan {
    plan.processes.iter().find(|process| process.name.as_str() == name).unwrap()
}

#[test]
fn an_empty_file_changes_nothing() {
    let (bare, empty) = (given(&[]).plan(), with("[process.web]\n[defaults]\n").plan());
    assert_eq!(bare, empty);
    // Failure declarations come from another file.
    let plain = |rules: &ProcessPolicy| {
        ProcessPolicy { failures: vec![], ..rules.clone() } == ProcessPolicy::default()
    };
    assert!(bare.processes.iter().all(|p| plain(&p.rules) && p.env.is_empty()));
}

#[test]
fn a_file_with_all_defaults_changes_nothing() {
    let mut text = String::new();
    for key in crate::config::toml::reference() {
        let path = key.path.replace(".NAME.", ".web.");
        let own = path.strip_prefix("process.web.").unwrap_or_default();
        let is_in_each_plan = !own.is_empty() && !own.contains('.') && own != "restart";
        let others = ["backend", "log.", "process.web.stop.signal"];
        if let Some(default) = key.default
            && (is_in_each_plan || others.iter().any(|other| path.starts_with(other)))
        {
            text = format!("{text}{path} = {default}\n");
        }
    }
    assert!(text.contains("web.pty = true\n") && text.contains("log.total = "), "{text}");
    assert_eq!(with(text.leak()).plan(), given(&[]).plan());
}

#[test]
fn a_process_reports_by_itself_where_its_reports_are_known_to_be_its_own() {
    let text = "[process.web]\nready = { notify = true }\nlive = { watchdog = \"30s\" }\n";
    let plan = with(text).plan();
    let web = &process(&plan, "web").rules;
    assert_eq!((web.is_notified(), web.watchdog_ms()), (true, Some(30_000)));
    assert_eq!(web.live.as_ref().unwrap().failures, 1);
    let error = MergeInput { knows_senders: false, ..with(text) }.error();
    assert!(error.starts_with("tmo.toml:2: `notify` works only on Linux"), "{error}");
}

#[test]
fn a_command_gets_its_arguments_with_and_without_a_shell() {
    let plan = with(
        "[process]\nweb.args = [\"a b\", \"c\"]\nworker.args = \"--x $Y\"\n\
         css-1 = {command = [\"sass\", \"in put\"], args = [\"-w\"]}\nnew.command = \"n\"\n",
    )
    .plan();
    let commands: Vec<_> =
        plan.processes.iter().map(|p| p.command.0.to_str().unwrap().to_owned()).collect();
    assert_eq!(commands, ["w 'a b' c", "k --x $Y", "sass 'in put' -w", "n"]);
    let argv = process(&plan, "css-1").argv.clone().unwrap();
    assert_eq!(argv, ["sass", "in put", "-w"].map(Into::into));
    assert_eq!(process(&plan, "new").port, Some(5300), "behind those of the Procfile");
}

#[test]
fn commands_of_checks_stops_and_builds_have_the_values_of_others() {
    let text = "[process.web]\nready = { exec = \"a {worker.port}\" }\nlive = { exec = \"b {web.port}\" }\n\
                stop = { command = \"c {root}\" }\nwatch = { paths = [\"x\"], run = \"d {worker.url}\" }\n";
    let plan = with(text).plan();
    let worker = process(&plan, "worker").port.unwrap();
    let rules = &plan.processes[0].rules;
    let exec = |command: &str| Probe::Exec { command: command.into() };
    assert_eq!(rules.ready[0].probe, exec(&format!("a {worker}")));
    assert_eq!(rules.live.as_ref().unwrap().probe, exec("b 5000"));
    assert_eq!(rules.stop_command, Some("c /x".into()));
    let run = rules.watch.as_ref().unwrap().run.as_ref();
    assert_eq!(run.unwrap().to_string(), format!("d http://localhost:{worker}"));
}

#[test]
fn placeholders_are_the_ports_of_processes_and_the_directory_of_the_project() {
    let text = "[process.web]\nenv = { WORKER = \"{worker.url}\" }\n\
                [process.worker]\ncommand = \"k -p {web.port} {root}/x ${root} {{root}\"\n\
                [process.new]\ncommand = [\"n\", \"{new.port}\"]\nport = 80\n[defaults]\nenv = { N = \"{new.port}\" }\n";
    let (plan, value) = (with(text).plan(), |name: &str| name.to_owned());
    let env = |name: &str| {
        let own = &process(&plan, name).env;
        own.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>()
    };
    let worker = process(&plan, "worker").port.unwrap();
    assert_eq!(env("web"), ["N=80".to_owned(), format!("WORKER=http://localhost:{worker}")]);
    let root = plan.root.as_os_str().to_str().unwrap();
    let command = process(&plan, "worker").command.0.to_str().unwrap();
    assert_eq!(command, format!("k -p 5000 {root}/x ${{root}} {{root}}"));
    assert_eq!(process(&plan, "new").argv, Some(vec![value("n").into(), value("80").into()]));
    // What does not run in this run keeps its port.
    let text = "[process.web]\nenv = { A = \"{worker.port}\" }\n";
    let only = MergeInput { toml: text, ..given(&[("OVERMIND_PROCESSES", "web")]) };
    assert_eq!(only.plan().processes[0].env, [("A".into(), worker.to_string().into())]);
    let none = MergeInput { toml: text, ..given(&[("OVERMIND_NO_PORT", "true")]) };
    let error = none.error();
    assert!(error.starts_with("tmo.toml:2: `{worker.port}`: worker has no PORT"), "{error}");
}

#[test]
fn a_flag_or_variable_holds_before_the_file() {
    let toml = "[process.web]\non_exit = \"stop-all\"\nshell = \"bash\"\n\
                stop = {signal = \"TERM\", timeout = 9}\n[process.worker]\non_exit = \"restart\"\n";
    let plain = with(toml).plan();
    let web = process(&plain, "web");
    assert_eq!((web.stop_signal, web.grace_ms, web.on_exit), (15, Some(9000), OnExit::StopAll));
    assert_eq!(web.shell.as_path(), Path::new("/bin/bash"));
    assert_eq!(process(&plain, "worker").on_exit, OnExit::Restart);
    let typed = StartOptions {
        can_die: Some("web,worker".into()),
        stop_signals: Some("web=QUIT".into()),
        timeout: Some(Duration::from_secs(1)),
        shell: Some("sh".into()),
        ..StartOptions::default()
    };
    let by_flag = with(toml).typed(typed).plan();
    let env = [
        ("TMO_CAN_DIE", "web,worker"),
        ("OVERMIND_STOP_SIGNALS", "web=QUIT"),
        ("TMO_TIMEOUT", "1"),
        ("TMO_SHELL", "sh"),
    ];
    let by_variable = MergeInput { toml, ..given(&env) }.plan();
    for plan in [by_flag, by_variable] {
        let web = process(&plan, "web");
        assert_eq!((web.stop_signal, web.grace_ms, web.on_exit), (3, None, OnExit::Remain));
        assert_eq!((plan.grace_ms, web.shell.as_path()), (1000, Path::new("/bin/sh")));
        assert_eq!(process(&plan, "worker").on_exit, OnExit::Remain);
    }
}

#[test]
fn what_restarts_goes_by_policy_end_and_flags() {
    let toml = "[defaults.restart]\ndelay = \"40s\"\n[process.worker]\nrestart = \"on-failure\"\n\
                [process.css-1]\non_exit = \"restart\"\n";
    let when = |plan: &Plan| -> Vec<_> {
        plan.processes.iter().map(|p| p.rules.restart.as_ref().map(|r| r.when)).collect()
    };
    let plan = with(toml).plan();
    let (no, failing) = (Some(Restart::No), Some(Restart::OnFailure));
    assert_eq!(when(&plan), [no, failing, Some(Restart::Always)]);
    let policy = process(&plan, "worker").rules.restart.clone().unwrap();
    assert_eq!((policy.delay_ms, policy.max_delay_ms), (40_000, 40_000), "never below the first");
    let typed = |auto_restart: Option<&str>, can_die: Option<&str>| StartOptions {
        auto_restart: auto_restart.map(Into::into),
        can_die: can_die.map(Into::into),
        ..StartOptions::default()
    };
    let all = with(toml).typed(typed(Some("all"), None)).plan();
    assert_eq!(when(&all), [Some(Restart::Always); 3]);
    let die = with(toml).typed(typed(None, Some("worker,css-1"))).plan();
    assert_eq!(when(&die), [no, failing, no]);
}

#[test]
fn what_is_to_end_stops_nobody() {
    let toml = "[process]\nweb.depends_on.worker = \"completed\"\ncss-1.ready.exit = 0\n\
                db = {command = \"d\", phase = \"dependency\"}\n\
                end = {command = \"e\", phase = \"cleanup\"}\n\
                loud = {command = \"l\", phase = \"dependency\", on_exit = \"stop-all\"}\n";
    let plan = with(toml).plan();
    let ends: Vec<_> = plan.processes.iter().map(|p| p.on_exit).collect();
    let (stop, remain) = (OnExit::StopAll, OnExit::Remain);
    assert_eq!(ends, [stop, remain, remain, remain, remain, stop]);
}

#[test]
fn instances_share_the_rules_of_their_entry() {
    let toml = "[process.web]\nport = 80\nready = {port = true}\nlive = {http = \"/up?a=b\"}\n\
                depends_on = [\"worker\"]\n[process.worker]\nport = 7000\n";
    let typed =
        StartOptions { formation: Some("web=2,worker=2".into()), ..StartOptions::default() };
    let plan = with(toml).typed(typed).plan();
    let second = process(&plan, "web#2");
    assert_eq!(second.port, Some(90));
    let port = Probe::Port { host: "127.0.0.1".into(), port: 90, owner: PortOwner::Auto };
    assert_eq!(second.rules.ready[0].probe, port);
    let live = second.rules.live.as_ref().map(|live| &live.probe);
    assert_eq!(live, Some(&Probe::Http { url: "http://127.0.0.1:90/up?a=b".into() }));
    let needs: Vec<_> =
        second.rules.needs.iter().map(|need| (need.on.as_str(), need.until)).collect();
    assert_eq!(
        needs,
        [("worker#1", DependencyCondition::Ready), ("worker#2", DependencyCondition::Ready)]
    );
    assert_eq!(process(&plan, "css-1").port, Some(5200), "lines keep their ports");
}

#[test]
fn a_port_that_nobody_is_told_can_t_be_asked() {
    for (toml, check) in [
        ("[process.web]\n\nlive.port = true\n", "port = true"),
        ("[process.web]\n\nready.http = \"/up\"\n", "http = \"/up\""),
    ] {
        let typed = StartOptions { no_port: Some(true), ..StartOptions::default() };
        let error = with(toml).typed(typed).error();
        let reported =
            format!("tmo.toml:3: `{check}` needs the PORT of `web`, which gets none (--no-port)");
        assert!(error.starts_with(&reported), "{error}");
    }
}

#[test]
fn own_variables_lie_between_those_of_the_run_and_those_of_tmo() {
    let toml = "[process.web]\nenv = {KEEP = \"own\", PORT = \"1\", PS = \"x\"}\n\
                env_file = \"web.env\"\n";
    let given = MergeInput { toml, ..given(&[("KEEP", "k"), ("OTHER", "o"), ("C", "c")]) };
    let plan = given.plan();
    let env = process_env(&plan, process(&plan, "web"));
    let get = |key: &str| {
        let found = env.iter().find(|(name, _)| name.as_os_str() == key);
        found.map(|(_, value)| value.as_os_str().to_str().unwrap())
    };
    for (key, value) in
        [("KEEP", "own"), ("OTHER", "o"), ("PORT", "5000"), ("PS", "web"), ("B", "file-c")]
    {
        assert_eq!(get(key), Some(value), "{key}");
    }
    assert_eq!(get("HOME2"), Some("/h"));
    let odd: Vec<_> = oddities(&given.loaded(), &plan).iter().map(ToString::to_string).collect();
    assert_eq!(
        odd,
        [
            "tmo.toml:2: PORT is set by tmo; write `port = …` instead",
            "tmo.toml:2: PS is set by tmo"
        ]
    );
}

#[test]
fn a_hook_before_a_cleanup_that_does_not_exist_is_odd() {
    let odd = |toml: &'static str| {
        let given = with(toml);
        let plan = given.plan();
        oddities(&given.loaded(), &plan).iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let text =
        "the hook `cleanup` is run before the processes of phase cleanup, and there are none";
    assert_eq!(odd("[hooks]\ncleanup = \"echo bye\"\n"), [format!("tmo.toml:2: {text}")]);
    let with_one = "[hooks]\ncleanup = \"echo bye\"\n[process.web]\nphase = \"cleanup\"\n";
    assert_eq!(odd(with_one), Vec::<String>::new());
}

#[test]
fn what_is_left_out_is_waited_for_by_nobody() {
    let toml = "[process.web]\ndepends_on = [\"worker\", \"css-1\"]\n[process.css-1]\n\
                autostart = false\n";
    let typed =
        StartOptions { ignored_processes: Some("worker".into()), ..StartOptions::default() };
    let given = with(toml).typed(typed);
    let plan = given.plan();
    assert_eq!(process(&plan, "web").rules.needs.len(), 1);
    let odd: Vec<_> = oddities(&given.loaded(), &plan).iter().map(ToString::to_string).collect();
    assert_eq!(odd, ["tmo.toml:2: `web` does not wait for `worker`, which is left out",]);
}

#[test]
fn who_is_asked_for_brings_what_it_waits_for() {
    let toml = "[process]\nweb.depends_on = [\"worker\"]\nworker.autostart = false\n\
                db = {command = \"d\", phase = \"dependency\"}\n\
                end = {command = \"e\", phase = \"cleanup\"}\n";
    let mut plan = with(toml).plan();
    let mut preview = plan.clone();
    begin_with(&mut preview, true, |process| process.name.as_str() == "web");
    let shown = process(&preview, "css-1");
    assert!(shown.waits && preview.processes.len() == plan.processes.len());
    begin_with(&mut plan, false, |process| process.name.as_str() == "web");
    let waits: Vec<_> = plan.processes.iter().map(|p| (p.name.as_str(), p.waits)).collect();
    let expected = [("web", false), ("worker", false), ("db", false), ("end", false)];
    assert_eq!(waits, expected);
    let left_out = |plan: &Plan| -> Vec<String> {
        plan.left_out.iter().map(|process| process.name.to_string()).collect()
    };
    assert_eq!(left_out(&plan), ["css-1"]);
    begin_with(&mut plan, false, |process| process.name.as_str() == "db");
    let begins: Vec<_> = plan.processes.iter().filter(|p| !p.waits).map(|p| &p.name).collect();
    assert_eq!(begins.iter().map(|name| name.as_str()).collect::<Vec<_>>(), ["db", "end"]);
    assert_eq!(left_out(&plan), ["css-1", "web", "worker"]);
    let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
    for all in [&["*"][..], &["db,*"], &["**", ""], &[]] {
        assert_eq!(take_in(&plan, &words(all), true), None, "{all:?}");
    }
    let taken = take_in(&plan, &words(&["web"]), true).unwrap();
    assert_eq!(
        (left_out(&taken), taken.generation),
        (vec!["css-1".to_owned()], plan.generation + 1)
    );
    let web = process(&taken, "web");
    assert_eq!((web.additions, web.waits, process(&taken, "worker").additions), (1, true, 1));
}

#[test]
fn each_process_has_its_turn_behind_those_that_it_waits_for() {
    let toml = "[process]\nweb.depends_on = {worker = \"ready\", tool = \"completed\"}\n\
                css-1 = {autostart = false, depends_on = [\"web\"]}\n\
                db = {command = \"d\", phase = \"dependency\", depends_on = [\"disk\"]}\n\
                disk = {command = \"d\", phase = \"dependency\"}\n\
                tool = {command = \"t\", autostart = false}\n\
                last = {command = \"l\", phase = \"cleanup\", depends_on = [\"end\", \"db\"]}\n\
                end = {command = \"e\", phase = \"cleanup\"}\n";
    let steps = order(&with(toml).plan());
    let turns: Vec<_> = steps.iter().map(|step| (step.name.as_str(), step.turn)).collect();
    let expected = [
        ("web", OrderPosition::Start(3)),
        ("worker", OrderPosition::Start(2)),
        ("css-1", OrderPosition::Asked),
        ("db", OrderPosition::Start(1)),
        ("disk", OrderPosition::Start(0)),
        ("tool", OrderPosition::Start(2)),
        ("last", OrderPosition::End(1)),
        ("end", OrderPosition::End(0)),
    ];
    assert_eq!(turns, expected);
    let waits = |name: &str| -> Vec<_> {
        let step = steps.iter().find(|step| step.name.as_str() == name).unwrap();
        let row = |wait: &super::Wait| (wait.on.to_string(), wait.by_stage, wait.implied);
        step.waits.iter().map(row).collect()
    };
    let row = |name: &str, by_stage, implied| (name.to_owned(), by_stage, implied);
    assert_eq!(waits("worker"), [row("db", true, false), row("disk", true, false)]);
    let mut all = waits("web");
    all.sort();
    let expected = [
        row("db", true, true),
        row("disk", true, true),
        row("tool", false, false),
        row("worker", false, false),
    ];
    assert_eq!(all, expected);
    assert_eq!(waits("last"), [row("end", false, false), row("db", false, false)]);
}

#[test]
fn contradicting_flags_are_pointed_out() {
    let typed = StartOptions {
        can_die: Some("web,worker".into()),
        auto_restart: Some("web".into()),
        ..StartOptions::default()
    };
    let given = with("").typed(typed);
    let settings = Settings::new(&given.typed, &given.context.env).unwrap();
    let reported: Vec<_> =
        settings.warnings(&given.loaded().procfile).iter().map(ToString::to_string).collect();
    let both = "--can-die and --auto-restart both name `web`: --can-die applies, \
                it is not started again when it ends";
    assert_eq!(reported, [both]);
}

#[test]
fn everything_in_force_is_told_with_who_says_it() {
    let toml = "[defaults]\nenv = {A = \"1\"}\n[process.web]\non_exit = \"ignore\"\n\
                stop.timeout = \"3s\"\nrestart = \"always\"\n";
    let typed = StartOptions {
        auto_restart: Some("web".into()),
        stop_signals: Some("worker=TERM".into()),
        ..StartOptions::default()
    };
    let given = MergeInput { toml, typed, ..given(&[("TMO_SHELL", "bash")]) };
    let (loaded, plan) = (given.loaded(), given.plan());
    let settings = Settings::new(&given.typed, &given.context.env).unwrap();
    let reported = |name: &str, key: &str| {
        let all = explain(&loaded, &settings, &plan, process(&plan, name));
        let row = all.into_iter().find(|row| row.key == key)?;
        Some(format!("{} {}", row.value, row.from))
    };
    for (name, key, expected) in [
        ("web", "command", "\"w\" ./Procfile:1"),
        ("web", "on_exit", "\"restart\" --auto-restart"),
        ("web", "stop.signal", "\"INT\" default"),
        ("web", "stop.timeout", "\"3s\" tmo.toml:5"),
        ("web", "shell", "\"/bin/bash\" TMO_SHELL"),
        ("web", "env", "[\"A\"] tmo.toml:2"),
        ("web", "port", "5000 default"),
        ("worker", "stop.signal", "\"TERM\" --stop-signals"),
        ("worker", "cwd", "\"/x\" default"),
    ] {
        assert_eq!(reported(name, key).as_deref(), Some(expected), "{name} {key}");
    }
    assert_eq!(reported("worker", "restart"), None);
}

#[test]
fn a_limit_without_a_policy_holds_for_other_restarts_and_is_pointed_out_where_there_are_none() {
    let odd = |toml: &'static str| {
        let given = with(toml);
        let plan = given.plan();
        let odd: Vec<_> =
            oddities(&given.loaded(), &plan).iter().map(ToString::to_string).collect();
        (plan, odd)
    };
    let (plan, reported) = odd("[process.web]\nrestart = { max_failures = 3 }\n");
    let policy = process(&plan, "web").rules.restart.clone().unwrap();
    assert_eq!((policy.when, policy.max_failures), (Restart::No, 3));
    assert_eq!(reported.len(), 1, "{reported:?}");
    assert!(
        reported[0].contains(":2: `web` is not started again, since `restart` has no `policy`")
    );
    for quiet in [
        "[process.web]\nrestart = { max_failures = 3 }\nlive = { exec = \"x\" }\n",
        "[process.web]\nrestart = { max_failures = 3 }\non_exit = \"restart\"\n",
        "[defaults]\nrestart = { max_failures = 3 }\n",
        "[defaults]\nrestart = \"always\"\n[process.web]\nrestart = { max_failures = 3 }\n",
    ] {
        assert_eq!(odd(quiet).1, [""; 0], "{quiet}");
    }
}
