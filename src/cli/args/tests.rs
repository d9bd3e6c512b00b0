use std::ffi::OsString;
use std::time::Duration;

use clap::error::ErrorKind;
use pretty_assertions::assert_eq;
use proptest::prelude::*;

use clap::Command;

use super::{Args, GROUPS, Verb, WaitFor, command, parse, parse_any, parse_start};
use crate::config::StartOptions;
use crate::config::options::{PagePort, SETTINGS};

fn read(line: &str) -> Result<Args, clap::Error> {
    parse(line.split(' ').map(OsString::from))
}

fn verb(line: &str) -> Verb {
    read(line).unwrap().verb.unwrap()
}

fn start(line: &str) -> StartOptions {
    let Verb::Start(args) = verb(line) else { panic!("{line} is no start") };
    *args
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn the_short_way_to_a_start_leads_to_the_same(
        words in prop::collection::vec(prop::sample::select(vec![
            "-f", "Procfile.dev", "-l", "web,worker", "-l=web", "-D", "--daemonize", "--wait=web,60s",
            "--wait", "-p", "3000", "-p=3000", "-follow", "-port", "--port-auto", "--port", "-1", "--",
            "web", "-N", "--no-port", "--no-port=false", "--backend", "native", "--web=8080", "--ui",
            "--help", "-h", "-c", "", "-", "--unknown", "-T", "--socket=x", "-r", "../shop",
        ]), 0..6),
    ) {
        let args: Vec<OsString> = ["tmo", "start"].into_iter().chain(words).map(OsString::from).collect();
        if let Some(short) = parse_start(&args) {
            prop_assert_eq!(short, parse_any(args).unwrap());
        }
    }
}

#[test]
fn a_place_in_the_log_of_one_host_is_refused_for_several() {
    for flags in ["--after=7.0", "--after 7.0 --raw", "--max-bytes 1k --before 7.0"] {
        let refused = read(&format!("tmo fleet logs {flags}")).unwrap_err().to_string();
        assert!(refused.contains(" names a place in the log of one host; "), "{flags}: {refused}");
    }
}

#[test]
fn a_verb_of_the_fleet_keeps_its_flags_and_leaves_a_gap_for_names() {
    let argv = |line: &str, names: &[&str]| {
        let Verb::Fleet(args) = verb(&format!("tmo fleet {line}")) else { panic!("{line}") };
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        args.verb.unwrap().argv.with(&names).join(" ")
    };
    assert_eq!(argv("ps k9", &[]), "ps");
    assert_eq!(argv("restart k9/web --no-deps --batch 2", &["web"]), "restart --no-deps -- web");
    assert_eq!(argv("signal USR1 k9/web k9/db", &["web", "db"]), "signal -- USR1 web db");
    assert_eq!(argv("send k9/web -x --enter", &["web"]), "send --enter -- web -x");
    assert_eq!(
        argv("logs k9/web -n 5 --grep web -i", &["web"]),
        "logs --lines=5 --grep=web --ignore-case -- web"
    );
    assert_eq!(argv("wait k9/web --for log up", &["web"]), "wait --for log up -- web");
    assert_eq!(argv("crashes show k9/web", &["web"]), "crashes -- show web");
    assert_eq!(argv("scale k9/web=3", &["web=3"]), "scale -- web=3");
    assert_eq!(
        argv("start k9/ -m web=2 -f Procfile.dev", &[]),
        "start --procfile=Procfile.dev --formation=web=2"
    );
    assert_eq!(argv("exec k9 -- ls -l", &[]), "exec -- ls -l");
    let Verb::Fleet(args) = verb("tmo fleet --hosts a,b ps --connect-timeout 1s c --json") else {
        panic!()
    };
    assert_eq!(
        (args.hosts, args.patience, args.json),
        (vec!["a".into(), "b".into()], Duration::from_secs(1), true)
    );
}

#[test]
fn the_help_lists_each_command_in_one_group() {
    let mut listed: Vec<&str> = GROUPS.iter().flat_map(|(_, names)| *names).copied().collect();
    listed.sort_unstable();
    let command = command();
    let visible = command.get_subcommands().filter(|verb| !verb.is_hide_set());
    let mut visible: Vec<&str> = visible.map(Command::get_name).chain(["help"]).collect();
    visible.sort_unstable();
    assert_eq!(listed, visible);
}

#[test]
fn the_definition_is_sound() {
    command().debug_assert();
}

#[test]
fn verbs_have_overmind_s_other_names() {
    let table = [
        ("s", "start"),
        ("r", "restart"),
        ("i", "stop"),
        ("interrupt", "stop"),
        ("c", "connect"),
        ("q", "quit"),
        ("k", "kill"),
        ("status", "ps"),
    ];
    for (short, long) in table {
        assert_eq!(verb(&format!("tmo {short}")), verb(&format!("tmo {long}")));
    }
    assert_eq!(read("tmo h").unwrap_err().kind(), ErrorKind::DisplayHelp);
    assert_eq!(read("tmo").unwrap().verb, None);
}

#[test]
fn flags_come_in_every_style() {
    for line in
        ["-p 3000", "-p=3000", "-p3000", "--port 3000", "--port=3000", "-port 3000", "-port=3000"]
    {
        assert_eq!(start(&format!("tmo start {line}")).port, Some(3000), "{line}");
    }
    assert_eq!(start("tmo start -t 0.5").timeout, Some(Duration::from_millis(500)));
    assert_eq!(start("tmo s -port-step 7 -f x").port_step, Some(7));
}

#[test]
fn switches_can_be_switched_off() {
    for (line, expected) in [
        ("-D", Some(true)),
        ("--daemonize", Some(true)),
        ("-D=false", Some(false)),
        ("--daemonize=0", Some(false)),
        ("-daemonize=t", Some(true)),
        ("-T", None),
        ("-TD", Some(true)),
        ("-D -T", Some(true)),
    ] {
        assert_eq!(start(&format!("tmo start {line}")).daemonize, expected, "{line}");
    }
}

#[test]
fn mistakes_are_refused() {
    for line in
        ["tmo nosuch", "tmo start -p x", "tmo start -t -1", "tmo start --nosuch", "tmo ps web"]
    {
        assert!(read(line).unwrap_err().use_stderr(), "{line}");
    }
}

#[test]
fn what_stands_behind_a_flag_is_its_value_even_if_it_is_negative() {
    assert_eq!(start("tmo start -b -1").colors.as_deref(), Some("-1"));
    for line in ["tmo start -p -5", "tmo start -t -1", "tmo echo -n -3"] {
        let kind = read(line).unwrap_err().kind();
        assert_eq!(kind, ErrorKind::ValueValidation, "{line}");
    }
}

#[test]
fn an_unknown_flag_is_named_as_it_was_typed() {
    for line in ["tmo start -nosuch", "tmo start --nosuch", "tmo stop -nosuch web"] {
        let reported = read(line).unwrap_err().to_string();
        assert!(reported.contains("'--nosuch'"), "{line}: {reported}");
    }
    assert!(read("tmo start -Tz").unwrap_err().to_string().contains("'-z'"));
}

#[test]
fn all_that_follows_run_is_the_command_s() {
    for line in ["--help", "-h", "env -nosuch -h", "-- x"] {
        let Verb::Run(run) = verb(&format!("tmo run {line}")) else { panic!("{line}") };
        let words = run.command.iter().map(|word| word.to_str().unwrap());
        assert_eq!(words.collect::<Vec<_>>().join(" "), line.trim_start_matches("-- "), "{line}");
    }
    assert_eq!(read("tmo help run").unwrap_err().kind(), ErrorKind::DisplayHelp);
}

#[test]
fn every_flag_of_start_names_its_default() {
    let command = command();
    let start = command.find_subcommand("start").unwrap();
    // Flags that apply only to this one call have neither a variable nor a default.
    let once = [
        "names",
        "by_name",
        "if_needed",
        "print_config",
        "wait",
        "until_ready",
        "command",
        "exit_code_from",
        "no_deps",
        "no_wait",
        "overmind",
        "ui",
        "web",
    ];
    let flags = start.get_arguments().filter(|arg| !once.contains(&arg.get_id().as_str()));
    assert_eq!(flags.count(), SETTINGS.len());
    for setting in SETTINGS {
        let arg = start.get_arguments().find(|arg| arg.get_id() == setting.id).unwrap();
        assert_eq!(arg.get_long(), setting.flag().strip_prefix("--"));
        let help = arg.get_help().unwrap().to_string();
        assert!(help.ends_with(&format!("[default: {}]", setting.default)), "{help}");
        let variable = setting.variable();
        if setting.has_variable {
            assert!(help.contains(&format!("[env: TMO_{variable}, OVERMIND_{variable}")), "{help}");
        }
    }
}

#[test]
fn no_help_is_wrapped_at_80_columns_in_the_middle_of_an_example() {
    let is_long = |line: &&str| line.chars().count() > 80;
    let overview = command().term_width(80).render_help().to_string();
    assert_eq!(overview.lines().find(is_long), None);
    for verb in [command()].iter().chain(command().get_subcommands()) {
        let text = verb.get_after_help().unwrap().to_string();
        assert_eq!(text.lines().find(is_long), None, "`tmo {}`", verb.get_name());
    }
}

#[test]
fn the_help_about_users_is_not_that_of_serving() {
    for (line, has, lacks) in [
        ("tmo web user add --help", "--role", "--share"),
        ("tmo web user -h", "passwd", "--json"),
        ("tmo web sessions --help", "--json", "--role"),
        ("tmo web logout --help", "--all", "--port"),
        ("tmo web --help", "--share", "--script"),
    ] {
        let help = read(line).unwrap_err();
        assert_eq!(help.kind(), ErrorKind::DisplayHelp, "{line}");
        let help = help.to_string();
        assert!(help.contains(has) && !help.contains(lacks), "{line}: {help}");
    }
}

#[test]
fn a_flag_may_be_given_by_both_its_names() {
    for line in ["tmo web --no-open --no-ui", "tmo server --no-ui --no-open"] {
        read(line).unwrap();
    }
}

#[test]
fn the_page_of_a_start_can_have_a_port() {
    let web = |line: &str| start(line).web;
    assert_eq!(web("tmo start"), None);
    assert_eq!(web("tmo start --web api"), Some(PagePort::Any));
    assert_eq!(web("tmo start --web=8080"), Some(PagePort::At(8080)));
    assert!(read("tmo start --web=x").is_err());
}

#[test]
fn every_verb_and_flag_has_help_and_examples() {
    for verb in command().get_subcommands() {
        let name = verb.get_name();
        assert!(verb.get_about().is_some(), "`tmo {name}` has no help line");
        assert!(verb.get_after_help().is_some(), "`tmo {name}` has no example");
        for arg in verb.get_arguments() {
            assert!(arg.get_help().is_some(), "`tmo {name}`: {} has no help", arg.get_id());
        }
    }
}

#[test]
fn an_expression_may_begin_like_a_flag() {
    for line in ["tmo logs --grep -> web", "tmo logs web --around ->", "tmo logs --grep=-> web"] {
        let Verb::Logs(logs) = verb(line) else { panic!("{line}") };
        assert_eq!(logs.grep.or(logs.around).as_deref(), Some("->"));
        assert_eq!(logs.names, ["web"]);
    }
    let wrong = read("tmo logs web --grep -i error").unwrap_err().to_string();
    assert!(wrong.contains("-i stands before this flag"), "{wrong}");
    for line in ["tmo wait --for=log=-> web", "tmo wait web --for=log=->"] {
        let Verb::Wait(wait) = verb(line) else { panic!("{line}") };
        let expected = (WaitFor::Log("->".to_owned()), vec!["web".to_owned()]);
        assert_eq!(wait.what(), Ok(expected));
    }
}
