use std::ffi::OsString;
use std::time::Duration;

use clap::FromArgMatches as _;
use clap::error::ErrorKind;
use pretty_assertions::assert_eq;
use proptest::prelude::*;

use super::parse::{Typed, alone, among_all, typed};
use super::{Subject, TMO, VERBS, Verb, command};
use crate::config::StartOptions;
use crate::config::options::{PagePort, SETTINGS};

fn read(line: &str) -> Result<Option<Typed>, clap::Error> {
    typed(line.split(' ').map(OsString::from).collect())
}

fn refusal(line: &str) -> clap::Error {
    read(line).err().unwrap()
}

fn verb(line: &str) -> &'static Verb {
    read(line).unwrap().unwrap().verb
}

fn start(line: &str) -> StartOptions {
    let (verb, options) = as_start(read(line).unwrap());
    assert_eq!(verb, "start");
    options
}

/// The verb and the arguments of a start.
fn as_start(typed: Option<Typed>) -> (&'static str, StartOptions) {
    let Typed { verb, matches } = typed.unwrap();
    (verb.name, StartOptions::from_arg_matches(&matches).unwrap())
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
        let words: Vec<OsString> = ["tmo", "start"].into_iter().chain(words).map(OsString::from).collect();
        if let short @ Some(_) = alone(&words) {
            prop_assert_eq!(as_start(short), as_start(among_all(words).unwrap()));
        }
    }

    #[test]
    fn the_short_way_to_a_command_leads_to_the_same(
        verb in prop::sample::select(VERBS.iter().map(|verb| verb.name).collect::<Vec<_>>()),
        words in prop::collection::vec(prop::sample::select(vec![
            "web", "-n", "5", "--json", "-f", "-s", "x", "--project=..", "--", "-", "list", "user", "ps", "-1", "--help",
            "-h", "--for", "log", "--no-wait", "help", "ls", "-t", "--fleet", "--hosts=a,b", "HUP", "--yes",
        ]), 0..4),
    ) {
        let words: Vec<OsString> = ["tmo", verb].into_iter().chain(words).map(OsString::from).collect();
        if let Some(short) = alone(&words) {
            let long = among_all(words).unwrap().unwrap();
            prop_assert_eq!(short.verb.name, long.verb.name);
            let ids = |typed: &Typed| typed.matches.ids().map(|id| {
                let raw = typed.matches.get_raw_occurrences(id.as_str());
                (id.clone(), raw.map(|all| all.map(|one| one.map(ToOwned::to_owned).collect::<Vec<_>>()).collect::<Vec<_>>()))
            }).collect::<Vec<_>>();
            prop_assert_eq!(ids(&short), ids(&long));
        }
    }
}

#[test]
fn the_help_lists_each_command_in_a_line_of_its_own() {
    let help = command().render_help().to_string();
    for name in VERBS.iter().map(|verb| verb.name).chain(["help"]) {
        assert_eq!(help.matches(&format!("\n  {name:<12} ")).count(), 1, "{name}");
    }
    for group in VERBS.iter().map(|verb| verb.group) {
        assert_eq!(help.matches(&format!("\n{group}:\n")).count(), 1, "{group}");
    }
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
        assert_eq!(verb(&format!("tmo {short}")).name, long);
    }
    assert_eq!(refusal("tmo h").kind(), ErrorKind::DisplayHelp);
    assert!(read("tmo").unwrap().is_none());
}

#[test]
fn a_former_name_of_a_command_works_and_is_not_shown() {
    let row = super::verb("new", &["n"], TMO, Subject::Nothing, VERBS[0].action);
    let command = Verb { former: &["old"], ..row }.command();
    assert!(command.get_all_aliases().any(|name| name == "old"));
    assert_eq!(command.get_visible_aliases().collect::<Vec<_>>(), ["n"]);
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
        assert!(refusal(line).use_stderr(), "{line}");
    }
}

#[test]
fn what_stands_behind_a_flag_is_its_value_even_if_it_is_negative() {
    assert_eq!(start("tmo start -b -1").colors.as_deref(), Some("-1"));
    for line in ["tmo start -p -5", "tmo start -t -1", "tmo echo -n -3"] {
        let kind = refusal(line).kind();
        assert_eq!(kind, ErrorKind::ValueValidation, "{line}");
    }
}

#[test]
fn an_unknown_flag_is_named_as_it_was_typed() {
    for line in ["tmo start -nosuch", "tmo start --nosuch", "tmo stop -nosuch web"] {
        let reported = refusal(line).to_string();
        assert!(reported.contains("'--nosuch'"), "{line}: {reported}");
    }
    assert!(refusal("tmo start -Tz").to_string().contains("'-z'"));
}

#[test]
fn all_that_follows_run_is_the_command_s() {
    for line in ["--help", "-h", "env -nosuch -h", "-- x"] {
        let matches = read(&format!("tmo run {line}")).unwrap().unwrap().matches;
        let words = matches.get_many::<OsString>("command").unwrap();
        let words = words.map(|word| word.to_str().unwrap());
        assert_eq!(words.collect::<Vec<_>>().join(" "), line.trim_start_matches("-- "), "{line}");
    }
    assert_eq!(refusal("tmo help run").kind(), ErrorKind::DisplayHelp);
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
        let help = refusal(line);
        assert_eq!(help.kind(), ErrorKind::DisplayHelp, "{line}");
        let help = help.to_string();
        assert!(help.contains(has) && !help.contains(lacks), "{line}: {help}");
    }
}

#[test]
fn a_flag_may_be_given_by_both_its_names() {
    for line in ["tmo web --no-open --no-ui", "tmo server --no-ui --no-open"] {
        assert!(read(line).is_ok(), "{line}");
    }
}

#[test]
fn the_page_of_a_start_can_have_a_port() {
    let web = |line: &str| start(line).web;
    assert_eq!(web("tmo start"), None);
    assert_eq!(web("tmo start --web api"), Some(PagePort::Any));
    assert_eq!(web("tmo start --web=8080"), Some(PagePort::At(8080)));
    refusal("tmo start --web=x");
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
        let matches = read(line).unwrap().unwrap().matches;
        let expressions = ["grep", "around"].map(|id| matches.get_one::<String>(id));
        assert_eq!(expressions.into_iter().flatten().collect::<Vec<_>>(), ["->"]);
        assert_eq!(matches.get_many::<String>("names").unwrap().collect::<Vec<_>>(), ["web"]);
    }
    let wrong = refusal("tmo logs web --grep -i error").to_string();
    assert!(wrong.contains("-i stands before this flag"), "{wrong}");
}
