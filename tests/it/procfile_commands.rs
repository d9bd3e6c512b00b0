//! A command reaches its shell as written in the Procfile, byte for byte.

use std::path::Path;

use tmo::config::procfile::parse;

use crate::harness::{World, eventually, executable};

/// In place of a shell: keeps the command it is given.
const RECORDER: &str = "#!/bin/sh\nprintf %s \"$2\" >\"$HOME/$PS.new\"\n\
                        mv \"$HOME/$PS.new\" \"$HOME/$PS.got\"\nexec sleep 1000\n";

/// Start this Procfile and see what its shells are given.
#[track_caller]
fn all_arrive(procfile: &[u8], what: &str) -> usize {
    let world = World::new("");
    std::fs::write(world.app().join("Procfile"), procfile).unwrap();
    let recorder = world.path().join("recorder");
    executable(&recorder, RECORDER);
    let entries = parse(procfile, what).unwrap().entries;
    if entries.is_empty() {
        return 0;
    }
    let ran = world.run([Path::new("start"), "-D".as_ref(), "-H".as_ref(), &recorder]);
    assert_eq!(ran.code, 0, "{what}: {ran:?}");
    for entry in &entries {
        let path = world.home().join(format!("{}.got", entry.name));
        let got = eventually("the command", || std::fs::read(&path).ok());
        let wanted = entry.command.as_bytes();
        assert_eq!(got.escape_ascii().to_string(), wanted.escape_ascii().to_string(), "{what}");
    }
    world.ok(["quit"]);
    world.wait_empty();
    entries.len()
}

#[test]
fn commands_with_special_characters_reach_the_shell_byte_for_byte() {
    let mut procfile = Vec::new();
    for (at, command) in [
        r#"echo "a  b" 'c  d' \\ \" \' \$HOME $HOME ${X:-y} $(date) `id` #{pane_id} #(id) #[x]"#,
        "a; b && c || d | e > f 2>&1 < g & # not a comment of ours",
        "%s %% %p %1 ~ ~root * ? [a-z] {a,b} !! ^x^y",
        "tabs\tand\t\tmore  blanks, and at the end \t ",
        "-c -- --help =x",
        "'unbalanced \"quotes $( ` {",
        "grüße 日本語 \u{200b}\u{1f980}",
        "\u{1b}[31mred\u{7}\u{8}",
        "; \\; {} () \\",
        "exec",
        "web: worker: nested",
    ]
    .iter()
    .enumerate()
    {
        procfile.extend_from_slice(format!("p{at}: {command}\n").as_bytes());
    }
    procfile.extend_from_slice(b"raw: \xff\xfe\x80 no UTF-8 \xc3\n");
    procfile.extend_from_slice(b"crlf: with a carriage return\r\n");
    procfile.extend_from_slice(format!("long: {}\n", "0123456789 ".repeat(9000)).as_bytes());
    procfile.extend_from_slice(b"last: without a newline");
    assert_eq!(all_arrive(&procfile, "Procfile"), 15);
}

/// The Procfiles of a folder that is no part of the project, see `tests/it/procfile_corpus.rs`.
#[test]
fn commands_of_real_procfiles_reach_the_shell_byte_for_byte() {
    let Some(folder) = std::env::var_os("TMO_PROCFILE_CORPUS") else {
        eprintln!("SKIPPED: TMO_PROCFILE_CORPUS is not set, no real Procfiles started");
        return;
    };
    let folder = Path::new(&folder);
    let expected = std::fs::read(folder.join("expected.json")).unwrap();
    let expected: serde_json::Value = serde_json::from_slice(&expected).unwrap();
    let mut arrived = 0;
    for name in expected.as_object().unwrap().keys() {
        arrived += all_arrive(&std::fs::read(folder.join(name)).unwrap(), name);
    }
    eprintln!("{arrived} commands of {} Procfiles", expected.as_object().unwrap().len());
    assert!(arrived > 0);
}
