//! Values arrive as they were, what is missing is said, and files are told apart.

use proptest::prelude::*;

use super::*;
use crate::model::ProcName;
use crate::model::plan::rules::{Check, Probe, Text};
use crate::model::plan::{Backend, Plan, ProcessPlan};

/// A project of one process that runs this command with these variables.
fn project(command: &str, env: &[(&str, &str)]) -> ExportedProject {
    project_of(&plan(command, env), &ExportOptions::default())
}

fn project_of(plan: &Plan, options: &ExportOptions) -> ExportedProject {
    ExportedProject::of(plan, options, &|_, _| true, &[]).unwrap()
}

fn plan(command: &str, env: &[(&str, &str)]) -> Plan {
    let env = env.iter().map(|(name, value)| ((*name).into(), (*value).into()));
    let process = ProcessPlan {
        name: ProcName::new("web").unwrap(),
        command: command.into(),
        shell: "/bin/sh".into(),
        port: Some(5000),
        stop_signal: nix::sys::signal::Signal::SIGTERM as i32,
        env: env.collect(),
        ..ProcessPlan::default()
    };
    Plan {
        backend: Backend::Native,
        session: "shop".into(),
        root: "/srv/shop".into(),
        env: vec![("PATH".into(), "/usr/bin:/bin".into())],
        grace_ms: 5000,
        processes: vec![process],
        ..Plan::default()
    }
}

fn files_of(format: ExportFormat, project: &ExportedProject) -> Vec<ExportedFile> {
    let options = ExportOptions { build: Some(".".to_owned()), ..ExportOptions::default() };
    export(format, project, &options).unwrap().files
}

/// The words of a value of systemd, read as `systemd.syntax(7)` and `systemd.service(5)` say.
fn systemd_words(value: &str) -> Vec<String> {
    let (mut words, mut chars) = (vec![], value.chars().peekable());
    while let Some(c) = chars.next() {
        if c == ' ' {
            continue;
        }
        let (mut word, mut quote) = (String::new(), None);
        let mut next = Some(c);
        while let Some(c) = next {
            match c {
                '"' | '\'' if quote.is_none() => quote = Some(c),
                _ if quote == Some(c) => quote = None,
                ' ' if quote.is_none() => break,
                '\\' => match chars.next().unwrap() {
                    'n' => word.push('\n'),
                    't' => word.push('\t'),
                    'x' => {
                        let digits: String = chars.by_ref().take(2).collect();
                        word.push(char::from(u8::from_str_radix(&digits, 16).unwrap()));
                    }
                    c => word.push(c),
                },
                c => word.push(c),
            }
            next = chars.next();
        }
        assert_eq!(quote, None, "an open quote in {value}");
        words.push(word.replace("%%", "%"));
    }
    words
}

/// The values of a key in a unit.
fn values<'a>(unit: &'a str, key: &str) -> Vec<&'a str> {
    unit.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix('=')).collect()
}

const HARD: &str = "a\"b'c $X ${Y} %n %% \\ ; # & \n é \t end";

fn text() -> impl Strategy<Value = String> {
    let hard = prop::sample::select(vec![
        "\"", "'", "$", "${X}", "$$", "%", "%n", "\\", "\n", " ;", " #", "é", "😀", "\t", "<", "&",
        ",", "=", "x", " ",
    ]);
    prop::collection::vec(hard, 0..12).prop_map(|parts| parts.concat())
}

/// A project of two processes that both have such a variable.
fn project_of_two((one, other): (&str, &str), name: &str, values: [&str; 2]) -> ExportedProject {
    let mut plan = plan("true", &[(name, values[0])]);
    plan.processes[0].name = ProcName::new(one).unwrap();
    let mut second = plan.processes[0].clone();
    second.name = ProcName::new(other).unwrap();
    second.env = vec![(name.into(), values[1].into())];
    plan.processes.push(second);
    project_of(&plan, &ExportOptions::default())
}

#[test]
fn secrets_of_one_name_and_different_values_are_kept_apart() {
    for format in [ExportFormat::Compose, ExportFormat::Kubernetes] {
        let text = |values| {
            files_of(format, &project_of_two(("web", "api"), "API_TOKEN", values))[0].text.clone()
        };
        let (same, different) = (text(["a", "a"]), text(["a", "b"]));
        assert!(same.contains("API_TOKEN") && !same.contains("WEB_API_TOKEN"), "{same}");
        assert!(
            ["WEB_API_TOKEN", "API_API_TOKEN"].iter().all(|own| different.contains(own)),
            "{different}"
        );
    }
}

#[test]
fn processes_that_would_have_one_name_there_are_refused() {
    let project = project_of_two(("web_app", "web-app"), "NAME", ["a", "b"]);
    let failed = export(ExportFormat::Kubernetes, &project, &ExportOptions::default());
    let why = failed.unwrap_err().to_string();
    assert!(why.contains("web_app and web-app would both be `web-app`"), "{why}");
}

#[test]
fn files_with_secrets_are_private() {
    let options = ExportOptions { with_secrets: true, ..ExportOptions::default() };
    for format in ExportFormat::ALL {
        for (name, is_private) in [("API_TOKEN", true), ("COLOUR", false)] {
            let project = project_of(&plan("true", &[(name, "x")]), &options);
            let files = export(format, &project, &options).unwrap().files;
            assert!(files.iter().all(|file| file.is_private == is_private), "{format} {name}");
        }
    }
}

#[test]
fn a_variable_that_no_shell_can_set_reaches_the_process_or_is_named() {
    for format in ExportFormat::ALL {
        let project = project("true", &[("a.b", "it's")]);
        let exported = export(format, &project, &ExportOptions::default()).unwrap();
        let text: String = exported.files.iter().map(|file| file.text.as_str()).collect();
        assert!(!text.contains("export a.b"), "{text}");
        let is_named = exported.gaps.iter().any(|gap| gap.key.starts_with("env"));
        let is_ignored = matches!(format, ExportFormat::Systemd | ExportFormat::Supervisord);
        assert_eq!(is_named, is_ignored, "{format}");
    }
}

proptest! {
    #[test]
    fn a_unit_of_systemd_has_the_same_command_and_variables(command in text(), value in text()) {
        let project = project(&command, &[("VALUE", &value)]);
        let files = files_of(ExportFormat::Systemd, &project);
        let unit = &files.iter().find(|file| file.name == "shop-web-1.service").unwrap().text;
        let [start] = values(unit, "ExecStart")[..] else { panic!("{unit}") };
        let argv: Vec<_> =
            systemd_words(start).iter().map(|word| word.replace("$$", "$")).collect();
        prop_assert_eq!(argv, ["/bin/sh", "-c", &command]);
        let env: Vec<_> = values(unit, "Environment").iter().flat_map(|line| systemd_words(line)).collect();
        prop_assert!(env.contains(&format!("VALUE={value}")), "{env:?}");
        prop_assert!(env.contains(&"PORT=5000".to_owned()) && env.contains(&"PS=web".to_owned()));
    }

    #[test]
    fn manifests_and_compose_files_are_yaml_with_the_same_values(command in text(), value in text()) {
        let project = project(&command, &[("VALUE", &value)]);
        for format in [ExportFormat::Compose, ExportFormat::Kubernetes] {
            let text = files_of(format, &project)[0].text.clone();
            let expected = serde_json::Value::from(value.replace('$', "$$")).to_string();
            let has = |wanted: &str| text.lines().any(|line| line.trim().trim_start_matches("- ").ends_with(wanted));
            let command = serde_json::Value::from(command.replace('$', "$$")).to_string();
            let plain = value.replace('$', "$$");
            prop_assert!(has(&format!(": {expected}")) || has(&format!(": {plain}")), "{text}");
            prop_assert!(text.contains(&command) || text.contains(&format!("\"-c\", {}]", project.processes[0].argv[2])), "{text}");
        }
    }

    #[test]
    fn any_text_is_one_scalar_of_yaml(value in text()) {
        let text = formats::yaml::map([("before", "a".into()), ("key", value.as_str().into()), ("after", "b".into())]).document();
        let events: Vec<_> = saphyr_parser::Parser::new_from_str(&text)
            .map(|event| event.unwrap().0)
            .filter_map(|event| match event {
                saphyr_parser::Event::Scalar(text, ..) => Some(text.into_owned()),
                _ => None,
            })
            .collect();
        prop_assert_eq!(events, ["before", "a", "key", &value, "after", "b"]);
    }
}

#[test]
fn supervisord_reads_the_same_words() {
    for command in ["a; b", "a ; b # c", "echo \"x\" 'y' \\ %d $X", "é ;", "x=1 ;y"] {
        let project = project(command, &[("VALUE", "a%b, c")]);
        let text = files_of(ExportFormat::Supervisord, &project)[0].text.clone();
        let [line] = values(&text, "command")[..] else { panic!("{text}") };
        assert!(!line.contains(" ;") && !line.contains(" #"), "a comment begins in {line}");
        let words = shell_words::split(&line.replace("%%", "%")).unwrap();
        assert_eq!(words, ["/bin/sh", "-c", command]);
        assert!(text.contains(r#"VALUE="a%%b, c""#), "{text}");
    }
}

#[test]
fn what_supervisord_can_not_quote_is_set_by_the_shell() {
    let project = project("printf %s \"$VALUE\"", &[("VALUE", HARD)]);
    let text = files_of(ExportFormat::Supervisord, &project)[0].text.clone();
    let [line] = values(&text, "command")[..] else { panic!("{text}") };
    assert!(!text.contains(",VALUE="), "{text}");
    let words = shell_words::split(&line.replace("%%", "%")).unwrap();
    let printed = std::process::Command::new(&words[0]).args(&words[1..]).output().unwrap();
    assert_eq!(String::from_utf8(printed.stdout).unwrap(), HARD);
}

#[test]
fn a_plain_procfile_has_everything_in_every_format() {
    let project = project("./web --port $PORT", &[]);
    for format in ExportFormat::ALL {
        let options = ExportOptions { build: Some(".".to_owned()), ..ExportOptions::default() };
        let exported = export(format, &project, &options).unwrap();
        assert_eq!(exported.gaps, [], "{format}");
        assert_eq!(exported.remarks, [] as [String; 0], "{format}");
    }
}

#[test]
fn what_a_format_can_not_express_is_a_comment_in_its_file_and_a_gap() {
    let log = Text { pattern: "up".into(), regex: false, any_case: false };
    let mut plan = plan("./web", &[]);
    plan.processes[0].rules.ready =
        vec![Check { probe: Probe::Log(log), timeout_ms: 1, every_ms: 1 }];
    plan.processes[0].rules.groups = vec!["back".into()];
    let project = project_of(&plan, &ExportOptions::default());
    for format in ExportFormat::ALL {
        let exported = export(format, &project, &ExportOptions::default()).unwrap();
        let keys: Vec<_> = exported.gaps.iter().map(|gap| gap.key).collect();
        assert_eq!(keys, ["ready = { log }", "groups"], "{format}");
        let text: String = exported.files.iter().map(|file| file.text.as_str()).collect();
        for gap in &exported.gaps {
            assert!(
                text.contains(gap.key) && text.contains(gap.why),
                "{format}: {gap:?} in {text}"
            );
        }
    }
}

#[test]
fn every_format_marks_its_files_and_sees_an_edit() {
    let project = project("./web", &[]);
    for format in ExportFormat::ALL {
        for file in files_of(format, &project) {
            assert_eq!(
                FileOrigin::of(&file.text),
                FileOrigin::Export,
                "{}: {}",
                file.name,
                file.text
            );
            let edited = format!("{}\n", file.text);
            assert_eq!(FileOrigin::of(&edited), FileOrigin::Edited, "{}", file.name);
        }
    }
    assert_eq!(FileOrigin::of("[Unit]\nDescription=mine\n"), FileOrigin::Other);
}

#[test]
fn secrets_are_written_only_on_request() {
    let plan = plan("./web", &[("API_TOKEN", "t0p"), ("DATABASE_URL", "postgres://u:t0p@db/x")]);
    for format in ExportFormat::ALL {
        for with_secrets in [false, true] {
            let options = ExportOptions { with_secrets, ..ExportOptions::default() };
            let project = project_of(&plan, &options);
            let exported = export(format, &project, &options).unwrap();
            let text: String = exported.files.iter().map(|file| file.text.as_str()).collect();
            assert_eq!(text.contains("t0p"), with_secrets, "{format}: {text}");
            assert!(text.contains("API_TOKEN"), "{format}: {text}");
        }
    }
}

/// The values that a reader of `key=value` lines finds, in the order of the lines.
fn ini_value(text: &str, key: &str) -> Vec<String> {
    values(text, key).iter().map(|value| value.replace("%%", "%")).collect()
}

/// The texts of the elements of this name in XML.
fn xml_texts(text: &str, tag: &str) -> Vec<String> {
    let begin = format!("<{tag}>");
    let parts = text.split(&begin).skip(1);
    let texts = parts.filter_map(|part| part.split("</").next());
    let decoded = |text: &str| text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
    texts.map(decoded).collect()
}

proptest! {
    #[test]
    fn what_a_line_format_holds_is_read_as_it_was_given_or_refused(
        command in text(), value in text(), dir in text(), user in text()
    ) {
        let mut plan = plan(&command, &[("VALUE", &value)]);
        plan.processes[0].cwd = Some(format!("/srv/{dir}").into());
        let user = format!("u{user}");
        let options = ExportOptions { user: Some(user.clone()), ..ExportOptions::default() };
        let project = project_of(&plan, &options);
        let (cwd, argv) = (format!("/srv/{dir}"), ["/bin/sh", "-c", &command].map(str::to_owned));
        for format in ExportFormat::ALL {
            let Ok(exported) = export(format, &project, &options) else {
                continue;
            };
            let all: String = exported.files.iter().map(|file| file.text.as_str()).collect();
            match format {
                ExportFormat::Systemd => {
                    prop_assert_eq!(ini_value(&all, "WorkingDirectory"), [cwd.clone()]);
                    prop_assert_eq!(ini_value(&all, "User"), [user.clone()]);
                }
                ExportFormat::Supervisord => {
                    prop_assert_eq!(ini_value(&all, "directory"), [cwd.clone()]);
                    prop_assert_eq!(ini_value(&all, "user"), [user.clone()]);
                }
                ExportFormat::Launchd => {
                    let strings = xml_texts(&all, "string");
                    prop_assert!(strings.contains(&cwd) && strings.contains(&user), "{all}");
                    prop_assert!(strings.contains(&command) && strings.contains(&value), "{all}");
                }
                ExportFormat::Upstart | ExportFormat::Runit => {
                    let is_runit = format == ExportFormat::Runit;
                    let file = exported.files.iter().find(|file| file.text.contains("\nexport PATH") || file.text.contains("    export PATH"));
                    let text = file.unwrap().text.trim_end().trim_end_matches("end script");
                    let words = |begin: &str, end: &str| {
                        let (_, rest) = text.split_once(begin).unwrap();
                        let rest = if end.is_empty() { rest } else { rest.split_once(end).unwrap().0 };
                        shell_words::split(rest.trim()).unwrap()
                    };
                    let (begin, end) =
                        if is_runit { ("\ncd ", " || exit 1\nexport PATH") } else { ("\nchdir ", "\nkill signal") };
                    prop_assert_eq!(words(begin, end), [cwd.clone()]);
                    let words = words("exec env ", "");
                    prop_assert!(words.contains(&format!("VALUE={value}")), "{words:?}");
                    prop_assert!(words.windows(3).any(|three| three == argv), "{words:?}");
                }
                // Their values are read back by the tests above.
                ExportFormat::Tmux | ExportFormat::Compose | ExportFormat::Kubernetes => {}
            }
        }
    }
}

#[test]
fn a_unit_refuses_what_would_begin_a_directive_and_names_it() {
    let unit = |app: &str, root: &str, user: &str| SupervisorUnit {
        app: app.to_owned(),
        tmo: "/bin/tmo".to_owned(),
        root: root.to_owned(),
        user: Some(user.to_owned()),
        ..SupervisorUnit::default()
    };
    for (app, root, user, what) in [
        ("shop", "/srv/a\nExecStartPre=+/bin/x", "www", "the directory"),
        ("shop", "/srv/a\\", "www", "the directory"),
        ("shop", "/srv/a ", "www", "the directory"),
        ("shop", "/srv/a", "www\nUser=root", "--user"),
        ("a\n[Service]", "/srv/a", "www", "--app"),
    ] {
        let unit = unit(app, root, user);
        let why = unit.write().unwrap_err().to_string();
        assert!(why.starts_with(what) && why.lines().count() == 1, "{why}");
    }
    let agent = |root| unit("shop", root, "").launch_agent("/log".to_owned());
    assert!(agent("/srv/a\n</string>").is_err() && agent("/srv/a").is_ok());
    let text = unit("shop", "/srv/ä b%", "www").write().unwrap().text;
    assert_eq!(values(&text, "WorkingDirectory"), ["/srv/ä b%%"]);
}
