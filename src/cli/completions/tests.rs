use std::ffi::OsString;

use super::{Candidates, complete};

fn answer(line: &str) -> Candidates {
    complete(line.split(' ').map(OsString::from).collect())
}

#[track_caller]
fn words(line: &str) -> Vec<String> {
    let Candidates::Words(words) = answer(line) else { panic!("{line} is for the shell") };
    words.into_iter().map(|(word, _)| word).collect()
}

#[test]
fn commands_are_offered_by_their_own_names_the_everyday_ones_first() {
    let all = words("tmo ");
    assert_eq!(all[..6], ["start", "restart", "stop", "connect", "quit", "ps"]);
    for alias in ["s", "r", "c", "i", "q", "k", "e", "interrupt", "status", "exec"] {
        assert!(!all.contains(&alias.to_owned()), "{all:?}");
    }
    for verb in crate::cli::verbs::command().get_subcommands() {
        let is_offered = all.contains(&verb.get_name().to_owned());
        assert_eq!(is_offered, !verb.is_hide_set(), "{} of {all:?}", verb.get_name());
    }
    assert_eq!(words("tmo re"), ["restart", "reload"]);
    assert_eq!(words("tmo help re"), ["restart", "reload"]);
    assert_eq!(words("tmo man re"), ["restart", "reload"]);
}

#[test]
fn topics_of_the_help_and_keys_of_tmo_toml_are_offered() {
    for topic in ["tmo.toml", "procfile", "fleet.toml"] {
        for verb in ["help", "man"] {
            assert!(words(&format!("tmo {verb} ")).contains(&topic.to_owned()), "{verb} {topic}");
        }
        assert!(!words("tmo ").contains(&topic.to_owned()));
    }
    assert_eq!(words("tmo help tm"), ["tmo.toml"]);
    assert_eq!(words("tmo help tmo.toml dep"), ["dependencies_ready", "depends_on"]);
    assert_eq!(words("tmo help procfile "), [""; 0]);
}

#[test]
fn another_name_of_a_command_completes_where_no_command_fits() {
    assert_eq!(words("tmo sta"), ["start"]);
    assert_eq!(words("tmo stat"), ["status"]);
    assert_eq!(words("tmo inter"), ["interrupt"]);
    assert_eq!(words("tmo r --no-w"), ["--no-wait"]);
}

#[test]
fn flags_are_offered_once_begun_or_where_there_is_nothing_else() {
    assert!(words("tmo completions ").iter().all(|word| !word.starts_with('-')));
    assert!(words("tmo completions -").contains(&"--help".to_owned()));
    let start = words("tmo start -");
    assert!(start.contains(&"--procfile".to_owned()), "{start:?}");
    assert!(start.iter().all(|flag| flag.starts_with("--")), "{start:?}");
    assert!(words("tmo ls ").contains(&"--json".to_owned()));
    assert_eq!(words("tmo start --show-t"), ["--show-timestamps"]);
}

#[test]
fn values_of_flags_are_known() {
    assert_eq!(words("tmo wait web --for "), ["running", "ready", "exit", "port", "prompt", "log"]);
    assert_eq!(words("tmo wait --for r"), ["running", "ready"]);
    assert_eq!(words("tmo wait --for log "), [""; 0]);
    assert_eq!(words("tmo ps --network "), ["unix", "tcp", "tcp4", "tcp6"]);
    assert_eq!(
        words("tmo ps --network=tcp"),
        ["--network=tcp", "--network=tcp4", "--network=tcp6"]
    );
    assert_eq!(words("tmo ps -network t"), ["tcp", "tcp4", "tcp6"]);
    assert_eq!(words("tmo completions "), ["bash", "zsh", "fish"]);
    assert_eq!(words("tmo logs --since "), ["10m", "1h", "24h"]);
    assert!(words("tmo start -H ").contains(&"sh".to_owned()));
}

#[test]
fn signals_are_completed_as_they_are_begun() {
    assert_eq!(words("tmo signal ")[..3], ["HUP", "INT", "TERM"]);
    assert_eq!(words("tmo signal US"), ["USR1", "USR2"]);
    assert_eq!(words("tmo signal us"), ["usr1", "usr2"]);
    assert_eq!(words("tmo signal SIGUS"), ["SIGUSR1", "SIGUSR2"]);
}

#[test]
fn paths_and_commands_are_left_to_the_shell() {
    let files = |prefix: &str| Candidates::Files { prefix: prefix.to_owned() };
    assert_eq!(answer("tmo start -f "), files(""));
    assert_eq!(answer("tmo start -f Proc"), files(""));
    assert_eq!(answer("tmo start --procfile=Proc"), files("--procfile="));
    assert_eq!(answer("tmo start -d "), Candidates::Directories { prefix: String::new() });
    assert_eq!(answer("tmo run "), Candidates::Command { from: 2 });
    assert_eq!(answer("tmo run rails con"), Candidates::Command { from: 2 });
    assert_eq!(answer("tmo exec -- rails --"), Candidates::Command { from: 3 });
    assert_eq!(answer("tmo start --until-ready -- npm t"), Candidates::Command { from: 4 });
}

#[test]
fn no_line_makes_it_fail() {
    for line in
        ["", "tmo", "tmo nosuch ", "tmo -- ", "tmo start -p x -t -1 ", "tmo signal HUP -- -"]
    {
        let _ = answer(line);
    }
    assert_eq!(complete(vec![]), Candidates::Words(vec![]));
}
