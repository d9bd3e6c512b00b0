//! Flags, variables and files, and the plan that comes of them.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tmo::config::failures::Failures;
use tmo::config::load::{Context, Loaded};
use tmo::config::{Env, Project, StartOptions, envfiles, procfile, toml};
use tmo::model::name::nearest::nearest;
use tmo::model::plan::process_env::process_env;
use tmo::model::plan::{Inherit, Plan};
use tmo::model::time::Timestamp;
use tmo::plan::{Facts, Settings, resolve};

use super::input::Input;

const VARIABLES: [&str; 21] = [
    "PORT",
    "TMO_PORT",
    "OVERMIND_PORT_STEP",
    "OVERMIND_PROCESSES",
    "TMO_TIMEOUT",
    "TMO_TITLE",
    "TMO_SOCKET",
    "TMO_LOG_DIR",
    "TMO_LOG_TOTAL",
    "OVERMIND_SHELL",
    "OVERMIND_NO_PORT",
    "OVERMIND_FORMATION",
    "TMO_FORMATION_PORT_STEP",
    "TMO_COLORS",
    "TMO_STOP_SIGNALS",
    "OVERMIND_AUTO_RESTART",
    "OVERMIND_IGNORED_PROCESSES",
    "TMO_ENV",
    "HOME",
    "XDG_STATE_HOME",
    "TMO_SESSION",
];

/// Whatever is set, typed and written: a plan holds nothing but what was named, can be written
/// down and read again, and fits where it has to go; or there is a reason why there is none.
pub(crate) fn check(data: &[u8]) {
    let mut input = Input::new(data);
    let variable = |input: &mut Input<'_>| (input.one_of(&VARIABLES), os(input));
    let env = Env::of((0..input.byte() % 6).map(|_| variable(&mut input)).collect::<Vec<_>>());
    let file = input.bytes();
    let read = |path: &Path| match path.to_str() {
        Some("./.env") => Ok(file.to_vec()),
        Some(_) | None => Err(io::Error::from(io::ErrorKind::NotFound)),
    };
    let (env, warned) = envfiles::overlay(env, &|path, _| read(path));
    let typed = typed(&mut input);
    let context = Context { start_dir: "/x".into(), env, warnings: warned, elsewhere: false };
    let (toml, procfile) = (input.bytes(), input.rest());
    let Ok(procfile) = procfile::parse(procfile, "Procfile") else { return };
    let toml = String::from_utf8_lossy(toml);
    let Ok((toml, mistakes)) = toml::parse_leniently(&toml, "tmo.toml") else { return };
    let Ok(project) = Project::locate(Path::new("/x"), &typed, &context.env) else { return };
    let disk = toml::Disk { dir: Path::new("/x"), read: &read, is_dir: &|_| Ok(()) };
    let found = toml::resolve_with_disk(&toml, &procfile.entries, &context.env, &disk, mistakes);
    let Ok(found) = found else { return };
    let procfile = procfile::Procfile { entries: found.entries, ..procfile };
    let failures = Failures::default();
    let apps = tmo::config::apps::Apps::default();
    let (own, command) = (found.own, vec![]);
    let loaded = Loaded { project, procfile, toml, own, failures, apps, command };
    let settings = match Settings::new(&typed, &context.env) {
        Ok(settings) => settings,
        Err(error) => return assert!(error.to_string().len() < 1000 + 4 * data.len()),
    };
    for warning in settings.warnings(&loaded.procfile) {
        assert!(!warning.to_string().is_empty());
    }
    let facts = Facts {
        host: None,
        as_overmind: false,
        page_port: None,
        run: "run".into(),
        started: Timestamp::from_nanos(7),
        size: (80, 24),
        inherit: Inherit::default(),
        tmo: "/bin/tmo".into(),
        knows_senders: true,
        find: &|name: &OsStr| Some(PathBuf::from("/bin").join(name)),
    };
    match resolve(&context, &loaded, &settings, facts) {
        Ok(plan) => sound(&plan, &loaded),
        Err(error) => assert!(error.to_string().len() < 1000 + 4 * data.len()),
    }
}

fn os(input: &mut Input<'_>) -> OsString {
    // The system gives nobody a NUL.
    OsString::from_vec(input.bytes().iter().copied().filter(|b| *b != 0).collect())
}

fn typed(input: &mut Input<'_>) -> StartOptions {
    let text =
        |input: &mut Input<'_>| input.yes().then(|| os(input).to_string_lossy().into_owned());
    StartOptions {
        procfile: text(input).map(PathBuf::from),
        root: text(input).map(PathBuf::from),
        processes: text(input),
        formation: text(input),
        stop_signals: text(input),
        port: input.yes().then(|| input.u16()),
        port_step: input.yes().then(|| input.u16()),
        no_port: input.yes().then(|| input.yes()),
        port_auto: None,
        timeout: input.yes().then(|| Duration::from_millis(input.number())),
        socket: text(input).map(PathBuf::from),
        title: text(input),
        ..StartOptions::default()
    }
}

fn sound(plan: &Plan, loaded: &Loaded) {
    let written = serde_json::to_vec(plan).unwrap();
    assert_eq!(serde_json::from_slice::<Plan>(&written).unwrap(), *plan);
    let entries = &loaded.procfile.entries;
    let mut names = HashSet::new();
    for process in &plan.processes {
        let name = process.name.as_str();
        let entry = entries
            .iter()
            .find(|entry| entry.name == process.name.entry())
            .expect("nobody named that");
        let said = loaded.toml.table_of(process.name.entry());
        if said.command.is_none() && said.args.is_none() {
            assert_eq!(process.command, entry.command);
        }
        assert!(names.insert(name), "{name} twice");
        assert_eq!(nearest(name, [name]), Some(name));
        let env = process_env(plan, process);
        let value = |key: &str| {
            let mut found = env.iter().filter(|(name, _)| name.as_bytes() == key.as_bytes());
            let value = found.next().map(|(_, value)| value.as_bytes().to_vec());
            assert!(found.next().is_none(), "{key} twice");
            value
        };
        assert_eq!(value("PS").unwrap(), name.as_bytes());
        if let Some(port) = process.port {
            assert_eq!(value("PORT").unwrap(), port.to_string().as_bytes());
        }
        for (key, value) in &env {
            assert!(!key.as_bytes().is_empty() && !key.as_bytes().contains(&b'='));
            assert!(!key.as_bytes().contains(&0) && !value.as_bytes().contains(&0));
        }
    }
    let word = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    assert!(!plan.session.is_empty() && plan.session.bytes().all(word));
    assert!(plan.tmux_socket.len() < 60 && plan.tmux_socket.bytes().all(word));
    let last = plan.log.dir.as_path().file_name().unwrap();
    assert!(last.len() < 60 && last.as_bytes().iter().copied().all(word));
    assert!(plan.log.segment() >= 4096);
}
