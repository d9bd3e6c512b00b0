//! `tmo why` for the failures of beginners: each file in `causes/` is a project that fails.
//!
//! A file has sections, `== NAME`: `title`; `absent` and `present`, a program without or with which the case can be
//! shown; `port`, that of the first process; `start`, flags; `PROGRAM exits with CODE`, recorded output, which a
//! stand-in in `bin`, on the PATH, prints; `expected`; all others are files. `@PORT@` is a free port, `@HELD@` one on
//! which this program listens, `@PID@` any process id, and `@ROOT@` the directory of the project.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Mutex;

use crate::harness::ports::free_port;
use crate::harness::{World, eventually, executable};
use serde_json::Value;

/// How many cases run at a time.
const THREADS: usize = 4;

/// The sections of a case, with their names.
fn sections(text: &str) -> Vec<(String, String)> {
    let parts = text.strip_prefix("== ").unwrap().split("\n== ");
    let parts = parts.map(|part| part.split_once('\n').unwrap());
    parts.map(|(name, body)| (name.to_owned(), format!("{}\n", body.trim_end()))).collect()
}

fn has_program(world: &World, name: &str) -> bool {
    world.shell(&format!("command -v {}", name.trim())).code == 0
}

/// Write the files of a case; returns the flags of its start, and what is expected. `None` if it can't be shown here.
fn prepare(world: &World, sections: &[(String, String)]) -> Option<(Vec<String>, String)> {
    let (mut flags, mut expected) = (vec!["start".to_owned(), "-D".to_owned()], None);
    for (name, body) in sections {
        let stand_in = name.rsplit_once(" exits with ");
        match name.as_str() {
            "title" => {}
            "absent" | "present" => {
                if has_program(world, body) != (name == "present") {
                    eprintln!("SKIPPED: {name} {body}");
                    return None;
                }
            }
            "port" => flags.extend(["-p".to_owned(), body.trim().to_owned()]),
            "start" => flags.push(body.trim().to_owned()),
            "expected" => expected = Some(body.clone()),
            _ => {
                let (file, text) = match stand_in {
                    Some((program, code)) => {
                        let within = if program.contains('/') { "" } else { "bin/" };
                        let script = format!("#!/bin/sh\ncat \"$0.out\"\nexit {code}\n");
                        (format!("{within}{program}"), script)
                    }
                    None => match name.strip_suffix(" (executable, CRLF)") {
                        Some(name) => (name.to_owned(), body.replace('\n', "\r\n")),
                        None => (name.clone(), body.clone()),
                    },
                };
                let path = world.app().join(&file);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                if text.starts_with("#!") && (stand_in.is_some() || file != "web/run.sh") {
                    executable(&path, &text);
                } else {
                    world.write(&file, &text);
                }
                if stand_in.is_some() {
                    world.write(&format!("{file}.out"), body);
                }
            }
        }
    }
    Some((flags, expected.unwrap()))
}

/// What is wrong with the answer for a case.
fn wrong(path: &Path) -> Option<String> {
    let held = TcpListener::bind("0.0.0.0:0").unwrap();
    let world = World::new("");
    let path_variable = format!("{}/bin:{}", world.app().display(), std::env::var("PATH").unwrap());
    let world = world.env("PATH", &path_variable);
    let text = std::fs::read_to_string(path).unwrap();
    let text = text.replace("@PORT@", &free_port().to_string());
    let text = text.replace("@HELD@", &held.local_addr().unwrap().port().to_string());
    let sections = sections(&text.replace("@ROOT@", &world.app().display().to_string()));
    let (flags, expected) = prepare(&world, &sections)?;
    let expected: Vec<_> = expected.lines().map(|line| line.split_once(": ").unwrap()).collect();
    let of = |key: &str| expected.iter().find(|(known, _)| *known == key).map(|(_, text)| *text);
    let asked = of("process");
    let procfile = world.read("Procfile");
    let process = asked.unwrap_or_else(|| procfile.split(':').next().unwrap());
    world.run(flags);
    eventually(&format!("{process} of {} has ended", path.display()), || {
        let state = world.state().map(|_| world.field(process, "state"));
        state.is_none_or(|state| state == "exited" || state == "error").then_some(())
    });
    let answer = world.run(["why", "--json"].into_iter().chain(asked));
    let cause =
        serde_json::from_str::<Value>(&answer.stdout).unwrap_or_default()["causes"][0].clone();
    let is = |key: &str| of(key).is_none_or(|text| cause[key] == text);
    let has = |key: &str, text: &str| cause[key].as_str().is_some_and(|it| it.contains(text));
    // A fork of this process may hold the listener for a moment, so its id may be any.
    let names_a_pid = |text: &str| {
        let begin = text.strip_suffix("@PID@");
        let pid = begin.and_then(|begin| cause["next"].as_str()?.strip_prefix(begin));
        pid.is_some_and(|pid| pid.parse::<u32>().is_ok())
    };
    let is_right = is("kind")
        && is("place")
        && (is("next") || of("next").is_some_and(names_a_pid))
        && of("text").is_some_and(|text| has("text", text))
        && !of("not").is_some_and(|text| has("text", text) || has("next", text));
    let is_patched = || !of("next").unwrap().ends_with("--fix") || applies(&world, process);
    let found = (!is_right || !is_patched())
        .then(|| format!("{}: {cause:#} of {answer:?}\nnot {expected:?}", path.display()));
    world.run(["quit"]);
    found
}

/// Whether git takes the patch, and the project is valid with it.
fn applies(world: &World, process: &str) -> bool {
    let patch = world.ok(["why", process, "--fix"]);
    let mut git = world.command("git");
    let mut git = git.arg("apply").stdin(Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(&mut git.stdin.take().unwrap(), patch.as_bytes()).unwrap();
    git.wait().unwrap().success() && world.run(["check"]).code == 0
}

#[test]
fn why_names_the_cause_and_the_next_step_of_failures_of_beginners() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/causes");
    let mut cases: Vec<PathBuf> =
        std::fs::read_dir(dir).unwrap().map(|file| file.unwrap().path()).collect();
    assert!(cases.len() >= 40, "{}", cases.len());
    cases.sort();
    let (cases, found) = (Mutex::new(cases), Mutex::new(vec![]));
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                loop {
                    let Some(case) = cases.lock().unwrap().pop() else { break };
                    found.lock().unwrap().extend(wrong(&case));
                }
            });
        }
    });
    let found = found.into_inner().unwrap();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// A run whose `api` needs `db`, which listens only once there is a file.
const EARLY: &str = "api: python3 -c 'import socket; socket.create_connection((\"127.0.0.1\", @PORT@))' && \
                     echo connected && exec sleep 1000\n\
                     db: until [ -e may-listen ]; do sleep 0.1; done; exec python3 -m http.server @PORT@\n";

#[test]
fn the_patch_of_why_lets_a_process_wait_for_its_database() {
    let world = World::new(&EARLY.replace("@PORT@", &free_port().to_string()));
    world.run(["start", "-D"]);
    world.wait_state_gone();
    let answer = world.run(["why"]);
    assert!(answer.stdout.contains("it began before db was ready"), "{answer:?}");
    let files = || std::fs::read_dir(world.app()).unwrap().count();
    let before = files();
    let patch = world.run(["why", "--fix"]);
    assert_eq!((patch.code, files()), (0, before), "nothing is written: {patch:?}");
    assert!(patch.stderr.contains("git apply"), "{patch:?}");
    assert!(applies(&world, "api"));
    world.write("may-listen", "");
    world.ok(["start", "-D"]);
    world.wait_state("api", "running");
    eventually("it connects", || world.ok(["logs", "api"]).contains("connected").then_some(()));
    assert!(world.run(["why", "--fix"]).stderr.contains("nothing to mend"));
    world.ok(["quit"]);
}
