//! A missing module, file or variable.

use super::{Findings, last_lines, packages, quoted};
use crate::crash::cause::CauseKind;
use crate::crash::evidence::Evidence;
use crate::crash::expr::Expr;
use crate::model::ProcName;

/// The language in which a module is missing.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Language {
    Node,
    Python,
    Ruby,
    Java,
    Go,
    Perl,
    Php,
}

static MODULES: [(Expr, Language); 11] = [
    (Expr::new(r"Failed opening required '([^']+/vendor/autoload\.php)'"), Language::Php),
    (Expr::new(r"Cannot find module '([^']+)'"), Language::Node),
    (Expr::new(r"Cannot find package '([^']+)'"), Language::Node),
    (Expr::new(r"ModuleNotFoundError: No module named '?([^'\s]+)'?"), Language::Python),
    (Expr::new(r"No module named ([\w.]+)$"), Language::Python),
    (Expr::new(r"cannot load such file -- (\S+) \(LoadError\)"), Language::Ruby),
    (
        Expr::new(
            r"Could not find (?:gem ')?([\w.-]+)'?,? .*in (?:locally installed gems|any of the sources|rubygems)",
        ),
        Language::Ruby,
    ),
    (Expr::new(r"Could not find or load main class (\S+)"), Language::Java),
    (Expr::new(r"(?:ClassNotFoundException|NoClassDefFoundError): (\S+)"), Language::Java),
    (Expr::new(r"no required module provides package ([^\s;]+)"), Language::Go),
    (
        Expr::new(r"^Can't locate \S+ in @INC .*you may need to install the (\S+) module"),
        Language::Perl,
    ),
];

static VARIABLES: [Expr; 10] = [
    // Python and Ruby, if the name is in capitals, as those of variables are.
    Expr::new(r"^KeyError: '([A-Z][A-Z0-9_]+)'"),
    Expr::new(r#"key not found: "([A-Z][A-Z0-9_]+)" \(KeyError\)"#),
    Expr::new(
        r"^\S+: (?:line )?(?:\d+: )?([A-Za-z_]\w*): (?:parameter (?:not set|null or not set)|unbound variable)",
    ),
    Expr::new(
        r"(?i)environment variable[ :`'\x22]+([A-Z][A-Z0-9_]+)[`'\x22]?.*(?:not (?:set|found|defined)|missing|required|unset|empty)",
    ),
    Expr::new(
        r"(?i)(?:missing|required|undefined|unset)\b.{0,20}\benv(?:ironment)?(?: var(?:iable)?s?)?[ :`'\x22]+([A-Z][A-Z0-9_]+)",
    ),
    Expr::new(
        r"\b([A-Z][A-Z0-9]*_[A-Z0-9_]+)[`'\x22]? (?:is not set|is not defined|is required|is missing|must be set|not set|environment variable)",
    ),
    Expr::new(r"Could not resolve placeholder '([^']+)'"),
    // prisma; and zod, alone or in the format of t3-env.
    Expr::new(r"Environment variable not found: ([A-Za-z_]\w*)"),
    Expr::new(
        r"^\s*(?:→ at ([A-Z][A-Z0-9_]+)$|([A-Z][A-Z0-9]*_[A-Z0-9_]+): \[ ?'(?:Required|Invalid))",
    ),
    Expr::new(r"(environment variable not found|NotPresent)"),
];

/// A file in a virtual environment of Python: the directory of the environment.
static VENV: Expr =
    Expr::new(r#"(?:^|[\s"'=])((?:[^\s"'=]*/)?[\w.-]*\bv?env[\w.-]*/)(?:bin|lib)/"#);

/// pydantic names the missing variable in the line before `REQUIRED`, zod in the line after `PATH`.
static SETTINGS: Expr = Expr::new(r"^\d+ validation errors? for \w*(?:Settings|Config|Env)\w*$");
static REQUIRED: Expr = Expr::new(r"^\s*Field required \[type=missing\b");
static PATH: Expr = Expr::new(r#"^\s*"path": \[$"#);
static IN_PATH: Expr = Expr::new(r#"^\s*"([A-Z][A-Z0-9_]+)"$"#);

/// Something of nothing was asked for, and the source of the program with the variable that is not set.
static OF_NOTHING: Expr = Expr::new(
    r"Cannot read propert(?:y|ies) .*\bof undefined|of undefined \(reading|'NoneType'|\bfor nil\b",
);
static SOURCE: Expr = Expr::new(
    r"^.*(?:process\.env(?:\.|\[['\x22])|ENV\[['\x22]|(?:environ\.get|getenv)\(['\x22])([A-Za-z_]\w*)(?:['\x22][\])])?[.\[)]",
);

static FILES: [Expr; 9] = [
    Expr::new(r"ENOENT: no such file or directory, \w+ '([^']+)'"),
    Expr::new(r"FileNotFoundError: .*No such file or directory: '([^']+)'"),
    Expr::new(r"can't open file '([^']+)'"),
    Expr::new(r"No such file or directory @ \w+ - (\S+)"),
    Expr::new(r"FileNotFoundException: (\S+)"),
    Expr::new(r"\b(?:open|stat|lstat|chdir|read) (\S+): no such file or directory"),
    Expr::new(
        r"^\S+: (?:line )?(?:\d+: )?(?:\.: )?(?:cannot (?:open|access|stat) )?'?([^:']+?)'?: No such file(?: or directory)?$",
    ),
    Expr::new(r"Unable to access jarfile (\S+)$"),
    Expr::new(r"(No such file or directory \(os error 2\)|NotFound, message: .No such file)"),
];

/// A `cd` that failed.
static DIRECTORY: Expr = Expr::new(
    r"^\S+: (?:line )?(?:\d+: )?cd: (?:can't cd to (.+)|([^:]+): No such file or directory)$",
);

pub(super) fn add_causes(found: &mut Findings<'_>) {
    modules(found);
    variables(found);
    files(found);
}

fn modules(found: &mut Findings<'_>) {
    for (expr, tongue) in &MODULES {
        let Some((at, line, name)) = found.last_group(expr) else { continue };
        // Names with these beginnings are files of the project; the others are so by its settings.
        let own = name.starts_with(['.', '/']);
        let alias = name.starts_with(['~', '#']) || name.starts_with("@/");
        let what = match tongue {
            Language::Java => "class",
            Language::Ruby if line.contains("Could not find") => "gem",
            Language::Go => "package",
            Language::Php => "file",
            Language::Node | Language::Python | Language::Ruby | Language::Perl => "module",
        };
        let mut text = format!("there is no {what} {}", found.evidence.shown_path(name));
        let next = match local(found, *tongue, name) {
            Some(path) => format!("ls {}", quoted(path)),
            None if alias => last_lines(found.evidence),
            None if *tongue == Language::Php => found.evidence.there("composer install"),
            None if own || *tongue == Language::Java => {
                format!("ls {}", quoted(folder(&found.evidence.path(name))))
            }
            None => {
                let install = install(found, *tongue, name, line);
                let there = install.map(|command| found.evidence.there(&command));
                there.unwrap_or_else(|| last_lines(found.evidence))
            }
        };
        let top = name.split('.').next().unwrap_or(name);
        let listed = found.evidence.facts.manifests.replace('_', "-");
        // Anybody may have published a package with the name of a file that is missing.
        let is_guess = next.contains(&format!("pip install {top}"))
            && !listed.contains(&top.replace('_', "-"));
        if is_guess {
            text = format!("{text}; if it is in a package: `{next}`");
        }
        let cause = found.add_line(86, at, CauseKind::MissingModule, text);
        cause.next = (!is_guess).then_some(next);
    }
}

/// The file or directory of the project that the name of a missing module begins with: the rest is missing there, or it
/// is not searched.
fn local<'e>(found: &Findings<'e>, tongue: Language, name: &str) -> Option<&'e str> {
    let (top, is_path) = match tongue {
        Language::Python => (name.split('.').next()?, true),
        // A package may have the name of a directory.
        Language::Node | Language::Ruby => (name.split('/').next()?, name.contains('/')),
        Language::Java | Language::Go | Language::Perl | Language::Php => return None,
    };
    let is_it = |path: &&String| {
        let file = path.rsplit('/').next().unwrap_or(path);
        file == top || tongue == Language::Python && file.strip_suffix(".py") == Some(top)
    };
    let evidence = found.evidence;
    let path = evidence.facts.own_files.iter().filter(|_| is_path).find(is_it)?;
    Some(evidence.shown_path(path))
}

/// The command that installs a module; `None` if nothing to install has it.
fn install(found: &Findings<'_>, tongue: Language, name: &str, line: &str) -> Option<String> {
    match tongue {
        Language::Python => pip(found, name),
        Language::Node if name.starts_with("node:") => None,
        Language::Node => {
            let parts = if name.starts_with('@') { 2 } else { 1 };
            let package = name.split('/').take(parts).collect::<Vec<_>>().join("/");
            let is_listed = found.evidence.facts.manifests.contains(&format!("\"{package}\""));
            let missing = if is_listed { String::new() } else { format!(" {}", quoted(&package)) };
            Some(format!("npm install{missing}"))
        }
        Language::Ruby if line.contains("LoadError") => {
            Some(format!("bundle add {}", quoted(&packages::of_ruby(name)?)))
        }
        Language::Ruby => Some("bundle install".to_owned()),
        Language::Go => Some("go mod tidy".to_owned()),
        Language::Perl => Some(format!("cpan {}", quoted(name))),
        Language::Java | Language::Php => None,
    }
}

/// The command that installs a Python module: with the pip of the virtual environment that ran.
fn pip(found: &Findings<'_>, name: &str) -> Option<String> {
    let evidence = found.evidence;
    let in_command = VENV.group(&evidence.command);
    let dir = in_command.or_else(|| found.last_group(&VENV).map(|(_, _, dir)| dir));
    let package = packages::of_python(name.split('.').next().unwrap_or(name))?;
    let plain = |text: &str| text.to_lowercase().replace(['_', '.'], "-");
    let is_listed = |listed: &String| plain(listed).contains(&plain(package));
    let listed = evidence.facts.requirements.as_ref().filter(|listed| is_listed(listed));
    let package = listed.map_or_else(|| quoted(package), |_| "-r requirements.txt".to_owned());
    let within = format!("{}/", evidence.cwd);
    Some(match dir {
        Some(dir) => {
            let dir = dir.strip_prefix(&within).unwrap_or(dir);
            format!("{} install {package}", quoted(&format!("{dir}bin/pip")))
        }
        None => format!("pip install {package}"),
    })
}

/// If a missing file is one of a virtual environment: what is missing, and the command that makes it.
pub(super) fn venv(evidence: &Evidence, file: &str) -> Option<(String, String)> {
    let dir = VENV.group(file)?.trim_end_matches('/');
    let dir = dir.strip_prefix("./").unwrap_or(dir);
    let dir = dir.strip_prefix(&format!("{}/", evidence.cwd)).unwrap_or(dir);
    let pip = format!("{dir}/bin/pip");
    let program = file.rsplit('/').next()?;
    let is_there = evidence.has(dir);
    let what = match &evidence.facts.requirements {
        Some(_) => "-r requirements.txt".to_owned(),
        None if ["activate", "python", "python3"].contains(&program) => "--upgrade pip".to_owned(),
        None => quoted(program),
    };
    let make =
        if is_there { String::new() } else { format!("python3 -m venv {} && ", quoted(dir)) };
    let next = evidence.there(&format!("{make}{} install {what}", quoted(&pip)));
    let text = if is_there {
        format!("there is no {program} in the virtual environment {}", evidence.path(dir))
    } else {
        format!("there is no virtual environment {}", evidence.path(dir))
    };
    Some((text, next))
}

/// The directory part of a path.
pub(super) fn folder(path: &str) -> &str {
    path.rsplit_once('/').map_or(".", |(folder, _)| folder)
}

/// How many lines before or after the message the source may be.
const NEAR: usize = 5;

fn variables(found: &mut Findings<'_>) {
    for expr in &VARIABLES {
        let Some((at, _, name)) = found.last_group(expr) else { continue };
        let named = name != "NotPresent"
            && name.chars().all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c));
        if named {
            not_set(found, at, name);
        } else {
            let text = "a variable that it needs is not set".to_owned();
            let next = Some("tmo run env".to_owned());
            found.add_line(84, at, CauseKind::MissingVariable, text).next = next;
        }
    }
    let text = |at: usize| found.lines().get(at).map_or("", |line| line.text.trim());
    let by_pydantic = || {
        let (settings, _) = found.last(&SETTINGS)?;
        let (at, _) = found.last(&REQUIRED).filter(|(at, _)| *at > settings + 1)?;
        let field = text(at - 1);
        let is_plain = field.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        is_plain.then(|| (at, field.to_ascii_uppercase()))
    };
    let by_zod = || {
        let (at, _) = found.last(&PATH)?;
        Some((at, IN_PATH.group(text(at + 1))?.to_owned()))
    };
    let by_source = || {
        let (at, _) = found.last(&OF_NOTHING)?;
        let near = at.saturating_sub(NEAR)..(at + NEAR).min(found.lines().len());
        let name = found.lines()[near].iter().find_map(|line| SOURCE.group(&line.text))?;
        Some((at, name.to_owned()))
    };
    if let Some((at, name)) = by_pydantic().or_else(by_zod).or_else(by_source) {
        not_set(found, at, &name);
    }
}

fn not_set(found: &mut Findings<'_>, at: usize, name: &str) {
    let evidence = found.evidence;
    let example = evidence.facts.example.as_ref().filter(|example| example.sets(name));
    let (todo, next) = if let Some(example) = example {
        (format!("{} has it", example.name), format!("cp {} .env", example.name))
    } else if let Some(url) = url_of(evidence, name) {
        let todo = format!("complete `defaults.env.{name} = \"{url}\"` at the top of tmo.toml");
        (todo, "${EDITOR:-vi} tmo.toml".to_owned())
    } else {
        (format!("write `{name}=…` into .env"), "${EDITOR:-vi} .env".to_owned())
    };
    let text = format!(
        "the variable {name} is not set; {todo}; `tmo start` reads it, or `tmo reload` during the run"
    );
    found.add_line(84, at, CauseKind::MissingVariable, text).next = Some(next);
}

/// The address of a service of the run that this variable is usually for, to be completed.
fn url_of(evidence: &Evidence, variable: &str) -> Option<String> {
    let (names, scheme) = match variable {
        "DATABASE_URL" => (["db", "database", "postgres"], "postgresql"),
        "REDIS_URL" => (["redis", "cache", "broker"], "redis"),
        _ => return None,
    };
    let is_it = |(name, _): &&(ProcName, u16)| names.contains(&name.as_str());
    let assigned = evidence.assigned.iter().find(is_it);
    let known = evidence.others.iter().find(is_it).filter(|known| assigned != Some(*known));
    let placeholder = || Some(format!("{{{}.port}}", assigned?.0));
    let port = known.map(|(_, port)| port.to_string()).or_else(placeholder)?;
    Some(format!("{scheme}://localhost:{port}/…"))
}

fn files(found: &mut Findings<'_>) {
    if let Some((at, _, name)) = found.last_group(&DIRECTORY) {
        let text = format!("there is no directory {name}");
        let next = format!("ls -l {}", quoted(folder(name)));
        found.add_line(75, at, CauseKind::MissingFile, text).next = Some(next);
    }
    for expr in &FILES {
        let Some((at, _, name)) = found.last_group(expr) else { continue };
        let named = !name.contains(' ');
        let path = found.evidence.path(name);
        let (text, next) = if let Some(venv) = venv(found.evidence, name) {
            venv
        } else if named {
            (format!("there is no file {path}"), format!("ls -l {}", quoted(folder(&path))))
        } else {
            ("a file that it needs does not exist".to_owned(), last_lines(found.evidence))
        };
        found.add_line(74, at, CauseKind::MissingFile, text).next = Some(next);
    }
}
