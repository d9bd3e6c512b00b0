//! Files for other supervisors.

use tmo::export::{
    ExportFormat, ExportOptions, Exported, ExportedFile, ExportedProject, SupervisorUnit, export,
};
use tmo::model::ProcName;
use tmo::model::plan::process_env::is_secret;
use tmo::model::plan::{Plan, ProcessPlan};

/// What the texts of a project begin with, so that each is quoted wherever quotes are possible.
const USUAL: &str = "a 'b";

/// Texts of a project are refused, or stand in the files where harmless ones stand: none begins a directive, a line, a
/// key or a word of its own. The texts end with the byte 255.
pub(crate) fn check(data: &[u8]) {
    let texts: Vec<_> = data.split(|byte| *byte == 255).map(String::from_utf8_lossy).collect();
    let texts: [&str; 7] = std::array::from_fn(|at| texts.get(at).map_or("", |text| text));
    // Secrets stand elsewhere.
    if is_secret("VALUE", texts[1]) {
        return;
    }
    for format in ExportFormat::ALL {
        if let Some(hostile) = files(format, texts) {
            let usual = files(format, [""; 7]).unwrap();
            assert_same(format, &hostile.files, &usual.files);
        }
    }
    let [root, user, app, ..] = texts;
    if let Some(hostile) = unit(root, user, app) {
        let usual = unit("", "", "").unwrap();
        assert_same(ExportFormat::Systemd, &hostile, &usual);
    }
}

fn assert_same(format: ExportFormat, hostile: &[ExportedFile], usual: &[ExportedFile]) {
    assert_eq!(hostile.len(), usual.len());
    for (hostile, usual) in hostile.iter().zip(usual) {
        let bones = [hostile, usual].map(|file| bones(format, &file.text));
        assert_eq!(bones[0], bones[1], "{format}: {}", hostile.text);
    }
}

/// A project with these texts in all places that a repository, or a flag, fills.
fn files(format: ExportFormat, texts: [&str; 7]) -> Option<Exported> {
    let [command, value, title, cwd, root, log, user] = texts.map(|text| format!("{USUAL}{text}"));
    let mut process = ProcessPlan {
        name: ProcName::new("web").unwrap(),
        command: command.clone().into(),
        shell: "/bin/sh".into(),
        cwd: Some(format!("/{cwd}").into()),
        port: Some(5000),
        env: vec![("VALUE".into(), value.into())],
        ..ProcessPlan::default()
    };
    process.rules.display = Some(title);
    process.rules.stop_command = Some(command.into());
    let plan = Plan {
        session: "shop".into(),
        root: format!("/{root}").into(),
        env: vec![("PATH".into(), "/bin".into())],
        processes: vec![process],
        ..Plan::default()
    };
    let options = ExportOptions {
        user: Some(user),
        log: Some(log),
        with_secrets: true,
        ..Default::default()
    };
    let project = ExportedProject::of(&plan, &options, &|_, _| false, &[]).unwrap();
    export(format, &project, &options).ok()
}

fn unit(root: &str, user: &str, app: &str) -> Option<Vec<ExportedFile>> {
    let unit = SupervisorUnit {
        app: format!("a{app}"),
        root: format!("/{root}"),
        user: Some(format!("u{user}")),
        tmo: "/bin/tmo".into(),
        ..SupervisorUnit::default()
    };
    Some(unit.export().ok()?.files)
}

/// What is left of a file without the values in it.
fn bones(format: ExportFormat, text: &str) -> Vec<String> {
    match format {
        ExportFormat::Systemd | ExportFormat::Supervisord => {
            // A line that ends in a backslash goes on in the next one.
            assert!(text.lines().all(|line| !line.ends_with('\\')), "{text}");
            let keys = text.split(['\n', '\r']).map(|line| match line.split_once('=') {
                Some((key, _)) => key,
                None if line.contains("Written by") => "# the mark",
                None => line,
            });
            keys.map(str::to_owned).collect()
        }
        ExportFormat::Compose | ExportFormat::Kubernetes => {
            let broken = ['\u{85}', '\u{2028}', '\u{2029}', '\r', '\0'];
            assert!(!text.contains(broken), "YAML 1.1 breaks a line there: {text}");
            let lines = text.lines().filter(|line| !line.contains("Written by"));
            let lines = lines.map(|line| line.split(": ").next().unwrap().to_owned());
            lines.filter(|line| !line.starts_with("# ")).collect()
        }
        ExportFormat::Launchd => {
            let tags = text.split('<').skip(1).filter_map(|part| part.split('>').next());
            let tags = tags.filter(|tag| !tag.starts_with("!--"));
            tags.map(str::to_owned).collect()
        }
        ExportFormat::Tmux | ExportFormat::Runit | ExportFormat::Upstart => {
            if format == ExportFormat::Upstart {
                assert!(text.matches("\nend script").count() < 2, "{text}");
            }
            vec![unquoted(text)]
        }
    }
}

/// A script without comments and without what stands in single quotes.
fn unquoted(text: &str) -> String {
    let (mut rest, mut bones) = (text, String::new());
    loop {
        let is_line_start = bones.is_empty() || bones.ends_with('\n');
        let Some(c) = rest.chars().next() else { return bones };
        if c == '#' && is_line_start {
            rest = rest.split_once('\n').map_or("", |(_, rest)| rest);
            bones.push_str("#\n");
        } else if let Some(inside) = rest.strip_prefix('\'') {
            rest = inside.split_once('\'').expect("the quote ends").1;
            // A quote within quotes.
            while let Some(inside) = rest.strip_prefix("\\''") {
                rest = inside.split_once('\'').expect("the quote ends").1;
            }
            bones.push('\'');
        } else {
            bones.push(c);
            rest = &rest[c.len_utf8()..];
        }
    }
}
