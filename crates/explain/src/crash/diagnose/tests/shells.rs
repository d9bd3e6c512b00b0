use super::{Row, check, first, printed};
use crate::crash::cause::{CauseKind, Certainty};
use crate::crash::diagnose;
use crate::model::Exit;

const fn row(
    (what, code): (&'static str, u8),
    output: &'static str,
    kind: CauseKind,
    text: &'static str,
    next: &'static str,
) -> Row {
    Row {
        what,
        exit: Exit::Code(code),
        output,
        kind,
        text,
        shown: "",
        place: None,
        next: Some(next),
    }
}

const NO: CauseKind = CauseKind::CommandNotFound;

const NOT_FOUND: &[Row] = &[
    row(("dash", 127), "sh: 1: foo-bar: not found", NO, "no command foo-bar", "tmo config web"),
    row(
        ("dash in a script", 127),
        "./run.sh: 3: foo: not found",
        NO,
        "no command foo",
        "${EDITOR:-vi} +3 run.sh",
    )
    .with_place("run.sh:3"),
    row(
        ("bash", 127),
        "/bin/sh: line 1: foo: command not found",
        NO,
        "no command foo",
        "tmo config web",
    ),
    row(("bash -c", 127), "bash: foo: command not found", NO, "no command foo", "tmo config web"),
    row(("zsh", 127), "zsh:1: command not found: foo", NO, "no command foo", "tmo config web"),
    row(("busybox", 127), "sh: vite: not found", NO, "no command vite", "npm install"),
    row(("fish", 127), "fish: Unknown command: foo", NO, "no command foo", "tmo config web"),
    row(
        ("npm", 127),
        "\n> app@1.0.0 dev\n> next dev\n\nsh: 1: next: not found\nnpm ERR! code 127",
        NO,
        "no command next",
        "npm install",
    ),
    row(
        ("env", 127),
        "/usr/bin/env: ‘node’: No such file or directory",
        NO,
        "no command node",
        "tmo config web",
    ),
    row(
        ("env of a Mac", 127),
        "env: node: No such file or directory",
        NO,
        "no command node",
        "tmo config web",
    ),
    row(
        ("line ends of Windows", 127),
        r"/usr/bin/env: ‘ruby\r’: No such file or directory",
        NO,
        "CRLF",
        "tmo config web",
    ),
    row(
        ("a file", 127),
        "bash: line 1: ./bin/serv: No such file or directory",
        NO,
        "no file ./bin/serv",
        "ls -l bin",
    ),
    row(("a file in dash", 127), "sh: 1: ./serv: not found", NO, "no file ./serv", "ls -l ."),
    row(
        ("exec in dash", 127),
        "sh: 1: exec: ./nothere: not found",
        NO,
        "no file ./nothere",
        "ls -l .",
    ),
    row(
        ("exec in dash, in a script", 127),
        "./run.sh: 3: exec: foo: not found",
        NO,
        "no command foo",
        "${EDITOR:-vi} +3 run.sh",
    )
    .with_place("run.sh:3"),
    row(
        ("exec in bash", 127),
        "bash: line 1: exec: foo: not found",
        NO,
        "no command foo",
        "tmo config web",
    ),
    row(
        ("exec in busybox", 127),
        "sh: exec: line 0: foo: not found",
        NO,
        "no command foo",
        "tmo config web",
    ),
    row(
        ("a file in zsh", 127),
        "zsh:1: no such file or directory: ./nothere",
        NO,
        "no file ./nothere",
        "ls -l .",
    ),
    row(
        ("first line in zsh", 127),
        "zsh:1: ./run: bad interpreter: /nosuch: no such file or directory",
        NO,
        "its first line names a missing program",
        "ls -l .",
    ),
    row(
        ("first line in bash", 127),
        "bash: line 1: /srv/app/run: cannot execute: required file not found",
        NO,
        "no file run, or its first line names a missing program",
        "ls -l .",
    ),
    row(
        ("first line in fish", 127),
        "exec: Failed to execute process './run': The file specified the interpreter '/nosuch', which is not an executable command.",
        NO,
        "no file ./run, or its first line names a missing program",
        "ls -l .",
    ),
    row(("gems", 127), "sh: 1: sidekiq: not found", NO, "no command sidekiq", "bundle install"),
    row(("nothing said", 127), "", NO, "it exited with code 127, as shells do", "tmo config web"),
    row(
        ("a library", 127),
        "./bin/serve: error while loading shared libraries: libpq.so.5: cannot open shared object file: No such file or directory",
        CauseKind::LibraryNotFound,
        "no shared library libpq.so.5",
        if cfg!(target_os = "macos") {
            "brew doctor | grep libpq"
        } else {
            "ldconfig -p | grep libpq"
        },
    ),
];

#[test]
fn commands_that_there_are_not() {
    check(NOT_FOUND);
}

#[test]
fn a_slip_is_seen_by_the_programs_that_there_are() {
    let mut evidence = printed(Exit::Code(127), "sh: 1: pyhton3: not found");
    evidence.facts.programs = ["ls", "python3", "perl", "pytest"].map(str::to_owned).into();
    let text = diagnose(&evidence).remove(0).text;
    assert_eq!(text, "there is no command pyhton3; perhaps python3 is meant");
    evidence.facts.programs = ["ls", "perl", "pip"].map(str::to_owned).into();
    let text = diagnose(&evidence).remove(0).text;
    assert_eq!(text, "there is no command pyhton3");
}

#[test]
fn files_that_can_t_be_run() {
    use CauseKind::NotExecutable as No;
    check(&[
        row(
            ("dash", 126),
            "sh: 1: ./run.sh: Permission denied",
            No,
            "run.sh is not executable",
            "chmod +x ./run.sh",
        ),
        row(
            ("bash", 126),
            "/bin/bash: line 1: ./my run.sh: Permission denied",
            No,
            "./my run.sh",
            "chmod +x './my run.sh'",
        ),
        row(
            ("zsh", 126),
            "zsh:1: permission denied: ./run.sh",
            No,
            "./run.sh",
            "chmod +x ./run.sh",
        ),
        row(
            ("a directory", 126),
            "bash: line 1: ./bin: Is a directory",
            No,
            "is a directory",
            "file ./bin",
        ),
        row(
            ("another machine's", 126),
            "bash: line 1: ./serve: cannot execute binary file: Exec format error",
            No,
            "another kind of machine",
            "file ./serve",
        ),
        row(
            ("no interpreter", 126),
            "bash: line 1: ./run.py: /usr/bin/python2: bad interpreter: No such file or directory",
            No,
            "first line",
            "head -n 1 ./run.py",
        ),
        row(("nothing said", 126), "", No, "bin/serve can't be run", "ls -l bin/serve"),
    ]);
}

#[test]
fn files_that_exec_can_t_run() {
    use CauseKind::NotExecutable as No;
    check(&[
        row(
            ("exec in dash", 126),
            "sh: 1: exec: ./app.sh: Permission denied",
            No,
            "./app.sh is not executable",
            "chmod +x ./app.sh",
        ),
        row(
            ("exec of another machine's in dash", 126),
            "sh: 1: exec: ./serve: Exec format error",
            No,
            "./serve is a program for another kind of machine",
            "file ./serve",
        ),
        row(
            ("exec in bash", 126),
            "bash: line 1: /srv/app/app.sh: Permission denied\n\
             bash: line 1: exec: /srv/app/app.sh: cannot execute: Permission denied",
            No,
            "app.sh is not executable",
            "chmod +x app.sh",
        ),
        row(
            ("exec of a directory in bash", 126),
            "bash: line 1: exec: /srv/app/dir: cannot execute: Is a directory",
            No,
            "dir is a directory",
            "file dir",
        ),
        row(
            ("behind a file in bash", 126),
            "bash: line 1: exec: /srv/file/x: cannot execute: Not a directory",
            No,
            "a part of its path is a file",
            "file /srv/file/x",
        ),
        row(
            ("fish", 126),
            "fish: Unknown command. './app.sh' exists but is not an executable file.",
            No,
            "./app.sh is not executable",
            "chmod +x ./app.sh",
        ),
    ]);
}

#[test]
fn commands_that_the_shell_does_not_understand() {
    use CauseKind::BadSyntax as Bad;
    check(&[
        row(("dash", 2), "sh: 1: Syntax error: \"(\" unexpected", Bad, "shell", "tmo config web"),
        row(
            ("dash, quote", 2),
            "sh: 1: Syntax error: Unterminated quoted string",
            Bad,
            "shell",
            "tmo config web",
        ),
        row(
            ("bash", 2),
            "bash: -c: line 1: syntax error near unexpected token `('\nbash: -c: line 1: `echo ('",
            Bad,
            "shell",
            "tmo config web",
        ),
        row(
            ("bash, quote", 2),
            "bash: -c: line 1: unexpected EOF while looking for matching `\"'",
            Bad,
            "shell",
            "tmo config web",
        ),
        row(
            ("sh is bash", 2),
            "sh: -c: line 0: syntax error near unexpected token `fi'",
            Bad,
            "shell",
            "tmo config web",
        ),
        row(("zsh", 1), "zsh:1: parse error near `)'", Bad, "shell", "tmo config web"),
        row(("dash, expansion", 2), "sh: 1: Bad substitution", Bad, "shell", "tmo config web"),
    ]);
}

#[test]
fn of_several_programs_none_is_named_when_nothing_is_said() {
    for (code, told) in [
        (127, "it exited with code 127, as shells do for a command that they can't find"),
        (126, "one of its commands can't be run"),
    ] {
        let mut evidence = printed(Exit::Code(code), "");
        evidence.command = "cd app && ./serve".to_owned();
        let cause = diagnose(&evidence).remove(0);
        assert_eq!((cause.text.as_str(), cause.next.as_deref()), (told, Some("tmo config web")));
    }
}

#[test]
fn what_the_shell_says_is_sure_and_quoted() {
    let cause = first(Exit::Code(127), "sh: 1: foo: not found");
    assert_eq!(cause.certainty, Certainty::Certain);
    let clue = cause.evidence.unwrap();
    assert_eq!(clue.text, "sh: 1: foo: not found");
    assert_eq!(clue.time.as_deref(), Some("2026-01-02T03:03:05.000Z"));
    assert_eq!(clue.cursor.as_deref(), Some("0.0"));
}

#[test]
fn a_command_that_lies_elsewhere_or_that_bash_has() {
    let mut evidence = printed(Exit::Code(127), "sh: 1: nodemon: not found");
    evidence.facts.packaged = vec!["nodemon".to_owned()];
    let cause = diagnose(&evidence).remove(0);
    assert!(cause.text.ends_with("write `npx nodemon` in the Procfile"), "{cause:#?}");
    assert_eq!(cause.next.as_deref(), Some("tmo config web"), "typed, it would start a server");
    let cause = first(Exit::Code(127), "sh: 1: source: not found");
    assert!(cause.text.contains("write `.` for it, or set `shell = \"bash\"`"), "{cause:#?}");
    let cause = first(Exit::Code(127), "bundler: command not found: puma");
    assert_eq!(cause.text, "there is no command puma");
    assert_eq!(cause.next.as_deref(), Some("bundle install"));
}

#[test]
fn a_program_with_two_typing_errors_begins_alike() {
    let programs = ["pkmon", "python3"].map(str::to_owned);
    for (name, near) in [
        ("pyton", "; perhaps python3 is meant"),
        ("pkmno", "; perhaps pkmon is meant"),
        ("pzmox", ""),
    ] {
        let mut evidence = printed(Exit::Code(127), &format!("sh: 1: {name}: not found"));
        evidence.facts.programs = programs.to_vec();
        let text = diagnose(&evidence).remove(0).text;
        let text = text.strip_prefix(&format!("there is no command {name}")).unwrap();
        assert_eq!(text, near, "{name}");
    }
}
