//! Programs that deliberately outlive the process that started them.

use std::path::Path;

use crate::sys::ProcInfo;

/// Executables of shared servers and daemons: they serve more than the process that happened to start them.
const NAMES: &[&str] = &[
    "tmux",
    "screen",
    "ssh-agent",
    "gpg-agent",
    "keyboxd",
    "dirmngr",
    "dbus-daemon",
    "watchman",
    "sccache",
    "adb",
    "bazel",
    "buck2",
    "turbo",
    "gradle",
    "kotlin-daemon",
    "tmo",
    "overmind",
    "zellij",
    "dtach",
    "abduco",
];

/// Whether to spare this process, and everything below it, when the tree on the terminal of `session` is
/// killed.
///
/// Only a process in a session of its own is exempt: a `tmux attach` in the pane is part of the process,
/// but the tmux server that it started belongs to the user. `ssh` that listens at a path shares its connection
/// (`ControlPath`); a tunnel in the background (`ssh -fN -L`) does not.
pub fn is_exempt(process: &ProcInfo, session: u32) -> bool {
    process.sid != session
        && (NAMES.contains(&process.name.as_str())
            || process.comm.starts_with("bazel(")
            || crate::sys::arguments_of(process.pid).is_some_and(|arguments| {
                is_another_run(&arguments) || is_shared(&process.name, &arguments)
            })
            || process.name == "ssh" && crate::sys::listens_at_path(process.pid))
}

/// Whether a program with these arguments, or with this title, serves others: the master of shared SSH
/// connections, and the daemon of Emacs (`emacs-nox`, `emacs-29.3` …).
fn is_shared(name: &str, arguments: &[String]) -> bool {
    const DAEMON: [&str; 4] = ["--daemon", "-daemon", "--bg-daemon", "--fg-daemon"];
    let is_emacs = name == "emacs" || name.starts_with("emacs-");
    name == "ssh" && arguments.iter().any(|word| word.ends_with("[mux]"))
        || is_emacs
            && arguments.iter().any(|word| {
                DAEMON.contains(&word.split_once('=').map_or(word.as_str(), |(flag, _)| flag))
            })
}

/// Whether these arguments are those of a guardian or a supervisor, whatever its executable is called.
fn is_another_run(arguments: &[String]) -> bool {
    let [_, verb, runtime, ..] = arguments else { return false };
    // The runtime directories of all runs are in one directory, called `tmo` or `tmo-1000`.
    let base = Path::new(runtime).parent().and_then(Path::file_name);
    let base = base.and_then(|base| base.to_str()).unwrap_or_default();
    let is_base = base == "tmo"
        || base
            .strip_prefix("tmo-")
            .is_some_and(|uid| uid.bytes().all(|byte| byte.is_ascii_digit()));
    matches!(verb.as_str(), "guard" | "supervise") && is_base
}

/// The name of a build daemon that runs in a general interpreter, recognized by its command line.
#[cfg(any(test, target_os = "linux"))]
pub(in crate::sys) fn disguised(name: &str, command_line: &[u8]) -> Option<&'static str> {
    const MARKS: &[(&str, &str)] = &[
        ("org.gradle.launcher.daemon.bootstrap.GradleDaemon", "gradle"),
        ("KotlinCompileDaemon", "kotlin-daemon"),
        ("A-server.jar", "bazel"),
    ];
    if name != "java" {
        return None;
    }
    let said = |mark: &str| memchr::memmem::find(command_line, mark.as_bytes()).is_some();
    MARKS.iter().find(|(mark, _)| said(mark)).map(|&(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::{disguised, is_another_run, is_exempt, is_shared};
    use crate::sys::process::tests::process;

    #[test]
    fn only_in_a_session_of_its_own() {
        let server = process(30, 10, 30, "tmux");
        let client = process(31, 10, 10, "tmux");
        assert!(is_exempt(&server, 10));
        assert!(!is_exempt(&client, 10));
        assert!(!is_exempt(&process(32, 10, 32, "node"), 10));
    }

    #[test]
    fn another_run_is_known_by_its_arguments() {
        let is_one =
            |words: &str| is_another_run(&words.split(' ').map(str::to_owned).collect::<Vec<_>>());
        assert!(is_one("/opt/tmo-dev supervise /run/user/1000/tmo/6baae0a153 6 7"));
        assert!(is_one("tmo-1.2 guard /tmp/tmo-1000/6baae0a153"));
        for other in ["node supervise /srv/app", "tmo-dev start -D", "x guard /tmp/tmo-x/y", "x"] {
            assert!(!is_one(other), "{other}");
        }
    }

    #[test]
    fn masters_of_ssh_and_daemons_of_emacs_are_known_by_their_arguments() {
        let is_one = |name: &str, words: &[&str]| {
            is_shared(name, &words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>())
        };
        assert!(is_one("ssh", &["ssh: /home/me/.ssh/cm-host [mux]"]));
        assert!(is_one("emacs-nox", &["emacs", "--bg-daemon=work"]));
        assert!(is_one("emacs", &["emacs", "--daemon"]));
        for (name, words) in [
            ("ssh", &["ssh", "-M", "host"][..]),
            ("node", &["ssh: x [mux]"]),
            ("emacs", &["emacs", "daemon.c"]),
            ("emacsclient", &["emacsclient", "--daemon"]),
        ] {
            assert!(!is_one(name, words), "{name} {words:?}");
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn ssh_that_listens_at_a_path_shares_its_connection() {
        let dir = tempfile::tempdir().unwrap();
        let _path = std::os::unix::net::UnixListener::bind(dir.path().join("cm")).unwrap();
        let mut tunnel = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
        let [master, tunnel_pid] = [std::process::id(), tunnel.id()];
        let is_one = |pid: u32, name: &str| is_exempt(&process(pid, 10, pid, name), 10);
        assert_eq!([is_one(master, "ssh"), is_one(master, "node")], [true, false]);
        assert!(!is_one(tunnel_pid, "ssh"));
        tunnel.kill().unwrap();
        tunnel.wait().unwrap();
    }

    #[test]
    fn build_daemons_are_known_by_their_command_line() {
        let line = b"java\0-cp\0x.jar\0org.gradle.launcher.daemon.bootstrap.GradleDaemon\08.5\0";
        assert_eq!(disguised("java", line), Some("gradle"));
        assert_eq!(disguised("java", b"java\0-jar\0app.jar\0"), None);
        assert_eq!(disguised("vi", line), None);
    }
}
