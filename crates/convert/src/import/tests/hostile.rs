//! What a hostile or a damaged source can't do.

use std::collections::BTreeSet;
use std::path::Path;

use proptest::prelude::*;

use super::super::files::is_below;
use super::super::process::{env_name, process_name};
use super::super::write::env_quoted;
use super::keys::{COMPOSE, CONCURRENTLY, MPROCS, NPM_RUN_ALL, PM2, PROCESS_COMPOSE, SUPERVISORD};
use super::{imported, written};
use crate::config::{dotenv, toml};
use crate::import::format::MOST_PROCESSES;
use crate::import::{ImportError, ImportOptions, LocalServices, SourceFiles, SourceFormat, import};

#[test]
fn an_alias_stands_for_a_bounded_number_of_values() {
    let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for n in 1..10 {
        let before = format!("*a{}, ", n - 1).repeat(10);
        text.extend([format!("a{n}: &a{n} [{before}]\n")]);
    }
    let error = imported(SourceFormat::Compose, &text, LocalServices::None).unwrap_err();
    assert!(error.to_string().starts_with("source:"), "{error}");
    let deep = format!("services: {}", "[".repeat(10_000));
    imported(SourceFormat::Compose, &deep, LocalServices::None).unwrap_err();
    let itself = "a: &a {b: *a}\nservices: {x: {image: y, extends: x}}\n";
    imported(SourceFormat::Compose, itself, LocalServices::None).unwrap_err();
}

#[test]
fn the_number_of_processes_is_bounded() {
    let of = |count: usize| {
        let service = |n| format!("  s{n}: {{image: x, ports: [\"{n}:80\"]}}\n");
        let services: Vec<String> = (0..count).map(service).collect();
        let text = format!("services:\n{}", services.concat());
        imported(SourceFormat::Compose, &text, LocalServices::None)
    };
    assert_eq!(of(MOST_PROCESSES).unwrap().processes.len(), MOST_PROCESSES);
    assert!(of(MOST_PROCESSES + 1).unwrap_err().to_string().contains("too many"));
    // Names that become equal are told apart.
    let app = "{\"script\": \"x\"},".repeat(MOST_PROCESSES - 1);
    let apps = format!("[{app}{{\"script\": \"x\"}}]");
    let apps = imported(SourceFormat::Pm2, &apps, LocalServices::None).unwrap();
    let names: BTreeSet<&str> = apps.processes.iter().map(|process| &*process.name).collect();
    assert_eq!(names.len(), MOST_PROCESSES);
    let scripts: Vec<String> = (0..200).map(|n| format!("\"s{n}\": \"x\"")).collect();
    let dev = format!("concurrently {}", "'npm:*' ".repeat(100));
    let text = format!("{{\"scripts\": {{\"dev\": \"{dev}\", {}}}}}", scripts.join(", "));
    imported(SourceFormat::PackageJson, &text, LocalServices::None).unwrap_err();
}

#[test]
fn copies_of_values_are_bounded() {
    let refused = |text: &str| {
        imported(SourceFormat::Compose, text, LocalServices::None).unwrap_err();
    };
    let long = "A".repeat(100_000);
    let aliases = "*a,".repeat(20_000);
    refused(&format!("x: &a \"{long}\"\nservices: {{a: {{image: [{aliases}]}}}}\n"));
    refused(&format!("services: {}{}", "&a [".repeat(50), "x,".repeat(40_000)));
    let variables: Vec<String> = (0..20_000).map(|n| format!("V{n}=x")).collect();
    let users: Vec<String> = (0..1500).map(|n| format!("  u{n}: {{extends: base}}\n")).collect();
    let (variables, users) = (variables.join(", "), users.concat());
    refused(&format!("services:\n  base: {{image: x, environment: [{variables}]}}\n{users}"));
    let half = "{{".repeat(400_000);
    let text = format!("processes: {{a: {{command: \"{half}}}}}\"}}}}");
    imported(SourceFormat::ProcessCompose, &text, LocalServices::None).unwrap();
    let sections: Vec<String> = (0..100_000).map(|n| format!("[{n}]\n")).collect();
    imported(SourceFormat::Supervisord, &sections.concat(), LocalServices::None).unwrap_err();
    let braces = "${".repeat(100_000);
    let text =
        format!("services: {{a: {{build: ., command: x, environment: {{A: \"{braces}\"}}}}}}");
    imported(SourceFormat::Compose, &text, LocalServices::Built).unwrap();
}

#[test]
fn odd_values_are_left_out_or_refused() {
    use SourceFormat::{Compose, Mprocs, PackageJson, ProcessCompose, Supervisord};
    let health = |values: &str| {
        let text = format!("services: {{a: {{image: x, healthcheck: {{test: x, {values}}}}}}}");
        written(Compose, &text);
    };
    health("interval: 0s, retries: 0");
    health("interval: 1w, retries: 18446744073709551615");
    written(Compose, "services: {a: {image: x, depends_on: [b, b]}, b: {image: x}}");
    written(Mprocs, "procs: {a: {shell: x, cmd: [y]}}");
    let text = "environment: [PORT=1, S_TOKEN=x]\nprocesses: {defaults: {command: x, \
                environment: [PORT=2, PORT=3, B_TOKEN=y]}}";
    written(ProcessCompose, text);
    let groups = "[program:a]\ncommand=x\n[group:b]\nprograms=a\n[group:c]\nprograms=a\n";
    written(Supervisord, groups);
    imported(PackageJson, r#"{"scripts": {"dev": "npx"}}"#, LocalServices::None).unwrap();
    let empty = "services: {\"\": {image: x}, web: {build: ., command: x, environment: {A: b}}}";
    imported(Compose, empty, LocalServices::Built).unwrap_err();
}

/// The words of the command of the only process, as the shell sees them.
fn command_of(format: SourceFormat, text: &str) -> String {
    let parsed = toml::parse(&written(format, text), "tmo.toml").unwrap();
    let (_, process) = &parsed.processes[0];
    process.command.clone().unwrap().into_inner().for_shell()
}

#[test]
fn the_shell_runs_nothing_that_the_other_tool_does_not() {
    use SourceFormat::{Compose, PackageJson, Pm2, Supervisord};
    for (format, text, expected) in [
        (
            Supervisord,
            "[program:a]\ncommand=echo \"$(touch P)\" %(ENV_HOME)s\n",
            r#"echo '$(touch P)' "${HOME}""#,
        ),
        (Supervisord, "[program:a]\ncommand=awk '{print $1}'\n", "awk '{print $1}'"),
        (Supervisord, "[program:a]\ncommand=echo 5%(x\n", "echo '5%(x'"),
        (
            Pm2,
            r#"[{"name": "a", "script": "a.js", "args": ["hi; touch P #"]}]"#,
            "node a.js 'hi; touch P #'",
        ),
        (
            Pm2,
            r#"[{"name": "a", "script": "a.js", "args": "--x $(touch P)"}]"#,
            "node a.js --x '$(touch' 'P)'",
        ),
        (
            Compose,
            "services: {a: {build: ., command: \"echo ${X} ; touch P > f `y`\"}}",
            r#"echo "${X}" ';' touch P '>' f '`y`'"#,
        ),
        (
            Compose,
            "services: {a: {build: ., command: [echo, \"${X:-$(touch P)}\"]}}",
            r#"echo "${X:-\$(touch P)}""#,
        ),
        (
            PackageJson,
            r#"{"scripts": {"dev": "concurrently \"a\" | tee log; touch x > y"}}"#,
            "npm run dev",
        ),
        (PackageJson, r#"{"scripts": {"dev": "cd client && concurrently a b"}}"#, "npm run dev"),
    ] {
        assert_eq!(command_of(format, text), expected, "{text}");
    }
}

#[test]
fn a_program_is_not_run() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ecosystem.config.js");
    std::fs::write(&path, "module.exports = {apps: []}").unwrap();
    let error = import(SourceFormat::Pm2, &mut SourceFiles::new(&path), &ImportOptions::default());
    assert!(matches!(error, Err(ImportError::Program { .. })));
}

#[test]
fn names_of_files_and_links_lead_nowhere() {
    let dir = tempfile::tempdir().unwrap();
    let app = dir.path().join("app");
    std::fs::create_dir(&app).unwrap();
    std::fs::write(dir.path().join("outside.yaml"), "services: {x: {image: secret}}").unwrap();
    std::os::unix::fs::symlink("../outside.yaml", app.join("link.yaml")).unwrap();
    let path = app.join("compose.yaml");
    let odd = "x.yml\n[process.pwn]\ncommand = \"touch P\"\n#.yml";
    std::fs::write(app.join(odd), "{}").unwrap();
    for name in ["link.yaml", odd] {
        let name = serde_json::json!(name);
        std::fs::write(&path, format!("include: [{name}]\nservices: {{a: {{image: b}}}}\n"))
            .unwrap();
        let mut files = SourceFiles::new(&path);
        import(SourceFormat::Compose, &mut files, &ImportOptions::default()).unwrap_err();
    }
    let path = app.join("supervisord.conf");
    for pattern in ["/etc/*.conf", "../*.yaml", "*.conf"] {
        let text = format!("[program:a]\ncommand=x\n[include]\nfiles={pattern}\n");
        std::fs::write(&path, text).unwrap();
        let mut files = SourceFiles::new(&path);
        let found = import(SourceFormat::Supervisord, &mut files, &ImportOptions::default());
        assert_eq!(found.unwrap().processes.len(), 1, "{pattern}");
    }
}

#[test]
fn files_outside_of_the_directory_are_not_read() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("outside.yaml"), "services: {x: {image: y}}").unwrap();
    std::fs::create_dir(dir.path().join("app")).unwrap();
    let path = dir.path().join("app/compose.yaml");
    for text in [
        "include: [../outside.yaml]\nservices: {a: {image: b}}\n",
        "services: {a: {extends: {file: ../outside.yaml, service: x}}}\n",
    ] {
        std::fs::write(&path, text).unwrap();
        let error =
            import(SourceFormat::Compose, &mut SourceFiles::new(&path), &ImportOptions::default());
        assert!(error.unwrap_err().to_string().contains("outside of the directory"), "{text}");
    }
    assert!(!is_below(Path::new("/etc/passwd")));
}

/// All sources, to be damaged.
const SOURCES: [(SourceFormat, &str); 7] = [
    (SourceFormat::Compose, COMPOSE),
    (SourceFormat::ProcessCompose, PROCESS_COMPOSE),
    (SourceFormat::Mprocs, MPROCS),
    (SourceFormat::Pm2, PM2),
    (SourceFormat::Supervisord, SUPERVISORD),
    (SourceFormat::PackageJson, CONCURRENTLY),
    (SourceFormat::PackageJson, NPM_RUN_ALL),
];

proptest! {
    #[test]
    fn a_damaged_source_is_refused_or_becomes_a_readable_file(
        which in 0..SOURCES.len(),
        cuts in prop::collection::vec((any::<prop::sample::Index>(), "[\\[\\]{}:,&*!|>'\"%@`#$= \n\té-]{0,3}", 0_usize..8), 1..6),
    ) {
        let (format, source) = SOURCES[which];
        let mut text: Vec<char> = source.chars().collect();
        for (at, insert, remove) in cuts {
            let at = at.index(text.len() + 1);
            let end = (at + remove).min(text.len());
            text.splice(at..end, insert.chars());
        }
        let text: String = text.into_iter().collect();
        if let Ok(imported) = imported(format, &text, LocalServices::Built) {
            let written = imported.write(None);
            let (_, mistakes) = toml::parse_leniently(&written.toml, "tmo.toml").unwrap();
            drop(mistakes);
            for file in written.secrets {
                dotenv::parse(file.text.as_bytes(), &|_| None).unwrap();
            }
        }
    }

    #[test]
    fn any_value_survives_a_file_of_variables(value in "[^\0]*") {
        let text = format!("A={}\n", env_quoted(&value));
        let read = dotenv::parse(text.as_bytes(), &|_| None).unwrap();
        prop_assert_eq!(read, vec![("A".into(), value.into())]);
    }

    #[test]
    fn any_command_of_words_is_the_same_here(more in prop::collection::vec("[^\0$]{1,8}", 1..4)
    ) {
        // A word that begins with a dash is no program.
        let words = [vec!["run".to_owned()], more].concat();
        let text = serde_json::json!({"services": {"x": {"build": ".", "command": words}}}).to_string();
        let written = written(SourceFormat::Compose, &text);
        let parsed = toml::parse(&written, "tmo.toml").unwrap();
        let command = parsed.table("x").unwrap().command.clone().unwrap().into_inner();
        let argv = match command {
            toml::CommandLine::Words(argv) => argv,
            toml::CommandLine::Shell(line) => shell_words::split(&line).unwrap(),
        };
        prop_assert_eq!(argv, words);
    }

    #[test]
    fn any_name_becomes_one_of_a_process_or_is_refused(name in "\\PC*") {
        prop_assert!(crate::model::ProcName::new(process_name(&name)).is_ok());
        let _ = env_name(&name);
    }
}
