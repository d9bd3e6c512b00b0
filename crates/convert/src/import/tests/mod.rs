//! Every key of another tool is taken over or named, and no input does harm.

mod compose;
mod hostile;
mod keys;
mod tools;

use std::collections::BTreeMap;

use super::{
    ImportError, ImportOptions, Imported, LocalServices, SourceFiles, SourceFormat, import,
};
use crate::config::{dotenv, toml};

/// What a text becomes, in a directory without other files.
fn imported(
    format: SourceFormat,
    text: &str,
    local: LocalServices,
) -> Result<Imported, ImportError> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("source");
    let mut files = SourceFiles::new(&path).with_content(text.to_owned().into_bytes());
    import(format, &mut files, &ImportOptions { local, ..ImportOptions::default() })
}

/// The same as a `tmo.toml`, which must be a valid one.
fn written(format: SourceFormat, text: &str) -> String {
    let imported = imported(format, text, LocalServices::Built).unwrap();
    let written = imported.write(None).toml;
    toml::parse(&written, "tmo.toml").unwrap();
    written
}

#[test]
fn mistakes_are_named_with_their_line() {
    for (text, expected) in [
        ("services:\n  web:\n    command: [a\n", "source:4: "),
        (
            "services:\n  web:\n    command: {a: b}\n    build: .\n",
            "source:3: `command` is a table; a text or a list is expected",
        ),
        ("services:\n  web: x\n", "source:2: `` is `x`; a table is expected"),
        ("a: 1\na: 2\n", "source:2: `a` stands here twice"),
        ("services:\n", "source has nothing to run: it has no `services`"),
        ("", "source has nothing to run: it has no `services`"),
    ] {
        let error = imported(SourceFormat::Compose, text, LocalServices::Built).unwrap_err();
        assert!(error.to_string().starts_with(expected), "{text:?}: {error}");
    }
}

#[test]
fn a_service_that_runs_here_reaches_the_others() {
    let text = "services:\n  web:\n    build: .\n    command: run\n    environment:\n      A: postgres://u@db:5432/x?a=db\n      \
                B_HOST: db\n      C: cache:6379\n      D: a-db-b\n      E: http://api/v1\n      F: cache://cache/0\n  api: {build: ., command: x}\n  \
                db: {image: x, ports: [\"127.0.0.1:15432:5432\"]}\n  cache: {image: x}\n";
    let text = written(SourceFormat::Compose, text);
    for expected in [
        "A = \"postgres://u@localhost:15432/x?a=db\"",
        "B_HOST = \"localhost\"",
        "C = \"localhost:6379\"",
        "cache does not publish a port, so it can't be reached from here: add \"6379:6379\"",
        "D = \"a-db-b\"",
        "E = \"http://localhost/v1\"",
        "F = \"cache://localhost/0\"",
    ] {
        assert!(text.contains(expected), "{expected} in\n{text}");
    }
}

#[test]
fn references_to_variables_go_to_a_file_that_can_hold_them() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("compose.yaml");
    let text = "services:\n  web:\n    build: .\n    command: run ${Z:-x} ${A:-own} $$HOME\n    environment:\n      \
                A: ${PW}/${NONE:-a$$b}/${NONE-${PW}}${PW:+yes}${NONE:+no}\n      B: ${NONE:-plain} $$\n      SECRET: s3\n";
    std::fs::write(&path, text).unwrap();
    std::fs::write(dir.path().join(".env"), "PW=p w\"$\n").unwrap();
    let options = ImportOptions { local: LocalServices::Built, ..ImportOptions::default() };
    let imported = import(SourceFormat::Compose, &mut SourceFiles::new(&path), &options).unwrap();
    let written = imported.write(None);
    assert!(written.toml.contains("B = \"plain $\""), "{}", written.toml);
    let parsed = toml::parse(&written.toml, "tmo.toml").unwrap();
    let command = parsed.table("web").unwrap().command.clone().unwrap().into_inner();
    assert_eq!(command.for_shell(), r#"run "${Z:-x}" own '$HOME'"#);
    let [file] = &written.secrets[..] else { panic!("{written:?}") };
    assert_eq!(file.name, ".env.imported.web");
    let outer = |name: &std::ffi::OsStr| (name == "PW").then(|| "p w\"$".into());
    let variables = dotenv::parse(file.text.as_bytes(), &outer).unwrap();
    let variables: BTreeMap<String, String> = variables
        .into_iter()
        .map(|(name, value)| (name.into_string().unwrap(), value.into_string().unwrap()))
        .collect();
    assert_eq!(variables["A"], "p w\"$/a$b/p w\"$yes");
    assert_eq!(variables["SECRET"], "s3");
}

#[test]
fn the_variables_of_compose_are_replaced_where_it_does_that() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("compose.yaml");
    let text = r#"services:
  db:
    image: postgres
    ports: ["${DB_PORT:-5433}:5432"]
    stop_grace_period: ${GRACE:-20s}
    healthcheck: {test: ["CMD-SHELL", "pg_isready -U ${DB_USER} $${INSIDE}"], interval: "${EVERY:-7s}"}
  proxy: {image: nginx, environment: {UPSTREAM: "${PORT:-3000}"}}
  web:
    build: .
    command: ${RUN:-bin/web --all} --now
    ports: ["3000:3000"]
    environment: {DB_HOST: db, DB_CONNECTION: db, URL: "postgres://u@db:5432/x"}
    depends_on: {tools: {condition: service_started, required: false}}
  api: {build: ., command: x, environment: {PORT: "${API_PORT:-4000}"}, ports: ["80:4000"]}
  tools: {image: tools, profiles: [tools]}
"#;
    std::fs::write(&path, text).unwrap();
    std::fs::write(dir.path().join(".env"), "DB_USER=prod\n").unwrap();
    let options = ImportOptions { local: LocalServices::Built, ..ImportOptions::default() };
    let imported = import(SourceFormat::Compose, &mut SourceFiles::new(&path), &options).unwrap();
    let text = imported.write(None).toml;
    for expected in [
        "timeout = \"25s\"",
        r#"sh -c 'pg_isready -U '\"${DB_USER}\"' ${INSIDE}'"#,
        "every = \"7s\", failures",
        "env -u PORT docker compose up",
        "command = \"bin/web --all --now\"",
        "port = 3000",
        "port = 4000",
        "# ports: 80:4000: here it listens on 4000",
        "DB_HOST = \"localhost\"",
        "DB_CONNECTION = \"db\"",
        "URL = \"postgres://u@localhost:5433/x\"",
        "# depends_on.tools: it does not run without its profile",
    ] {
        let is_there = text.contains(expected) || text.contains(&expected.replace("\\\"", "\""));
        assert!(is_there, "{expected} in\n{text}");
    }
}

#[test]
fn a_dockerfile_says_what_its_stage_runs() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("compose.yaml");
    let dockerfile = "FROM x AS base\nENTRYPOINT [\"gateway\"]\nFROM x AS dev\nENTRYPOINT [\"gateway\"]\n\
                      CMD [\"--dev\", \\\n  \"a b\"]\nFROM x\nENTRYPOINT [\"gateway\"]\nCMD --prod\n";
    std::fs::write(dir.path().join("Dockerfile"), dockerfile).unwrap();
    let text = "services:\n  last: {build: .}\n  dev: {build: {context: ., target: dev}}\n  \
                given: {build: ., command: [-x]}\n  inline: {build: {dockerfile_inline: \"FROM x\\nCMD [\\\"y\\\"]\"}}\n  \
                flag: {build: ./none, command: [-x]}\n";
    std::fs::write(&path, text).unwrap();
    let options = ImportOptions { local: LocalServices::Built, ..ImportOptions::default() };
    let imported = import(SourceFormat::Compose, &mut SourceFiles::new(&path), &options).unwrap();
    let parsed = toml::parse(&imported.write(None).toml, "tmo.toml").unwrap();
    let command =
        |name: &str| parsed.table(name).unwrap().command.clone().unwrap().into_inner().for_shell();
    assert_eq!(command("last"), "gateway sh -c --prod");
    assert_eq!(command("dev"), "gateway --dev 'a b'");
    assert_eq!(command("given"), "gateway -x");
    assert_eq!(command("inline"), "y");
    assert!(command("flag").starts_with("docker compose up"), "what begins so is no program");
}

#[test]
fn a_value_that_tmo_cannot_read_is_named() {
    let text = "processes:\n  a:\n    command: x\n    availability: {restart: always, backoff_seconds: soon}\n    \
                shutdown: {signal: FOO}\n    environment: [\"B=${HOME}/b\", \"C=$$x\"]\n";
    let imported = imported(SourceFormat::ProcessCompose, text, LocalServices::None).unwrap();
    let left: Vec<&str> = imported.all_left().map(|(_, left)| &*left.what).collect();
    assert_eq!(left, ["availability.backoff_seconds: soon", "shutdown.signal: FOO"]);
    let written = imported.write(None);
    assert_eq!(written.secrets[0].text, "B=\"${HOME}/b\"\n");
    assert!(written.toml.contains("C = \"$x\""), "{}", written.toml);
}
