//! `tmo import`: writes a `tmo.toml` from the files of another tool.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Serialize;

use crate::cli::args::values;
use crate::cli::error::CliError;
use crate::cli::output::confirm::{can_ask, confirm};
use crate::cli::output::{self, Versioned};
use crate::cli::project::check::{CheckArgs, check};
use crate::config::load::{Context, find_program};
use crate::config::toml;
use crate::import::{
    ImportError, ImportOptions, Imported, LocalServices, SecretsFile, SourceFiles, SourceFormat,
    Written, import,
};
use crate::model::name::glob;
use crate::model::text::untrusted::shown;
use crate::model::units;
use crate::sys::files::{self, ChosenBy, PROJECT_LIMIT, TOML_LIMIT, Whole};

/// Take over the files of another tool: compose, process-compose, mprocs, pm2, supervisord, npm.
#[derive(Default, clap::Args)]
#[command(after_help = "\
Examples:
  tmo import                        what there is here: compose.yaml, mprocs.yaml, package.json …
  tmo import compose.yaml --local   what is built from this project runs here, the rest in containers
  tmo import compose.yaml --local=web,worker
  tmo import ecosystem.config.js --run-js
  tmo import package.json --script dev --script worker
  tmo import pm2 -o -               show what would be written

The tools are compose, process-compose, mprocs, pm2, supervisord, package-json and foreman. The result is
a tmo.toml (a Procfile, if there is nothing to say but commands), in which each setting names the line it
comes from. What tmo can't do stands there as a comment, and is listed at the end. Passwords and the like
go to .env.imported.NAME, which only you can read. Nothing is run but, on request, a pm2 file.")]
pub(in crate::cli) struct ImportArgs {
    /// The file, or the tool whose file is looked for here; without it, whatever there is; - is standard input.
    #[arg(value_name = "FILE", add = values::file())]
    source: Option<PathBuf>,
    /// The tool that the file is for, if neither its name nor its content shows it.
    #[arg(long, value_enum, value_name = "TOOL", hide_possible_values = true)]
    from: Option<SourceFormat>,
    /// Where the result goes [default: tmo.toml beside the file]; - is standard output.
    #[arg(short = 'o', long, value_name = "FILE", add = values::file())]
    output: Option<PathBuf>,
    /// Add the processes that an existing tmo.toml lacks; what stands in it is not changed.
    #[arg(long)]
    merge: bool,
    /// Of a compose file: run these services here instead of in their containers; without names, those
    /// that are built from this project, or have a command and no image.
    #[arg(long, value_name = "SERVICES", num_args = 0.., require_equals = true, value_delimiter = ',')]
    local: Option<Vec<String>>,
    /// Of a package.json: the script to run; may be repeated.
    #[arg(long = "script", value_name = "NAME")]
    scripts: Vec<String>,
    /// Run a file that is a program (ecosystem.config.js) with node, without asking.
    #[arg(long)]
    run_js: bool,
    /// Exit with 1 if something could not be taken over.
    #[arg(long)]
    strict: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// The file that is written.
const TOML: &str = "tmo.toml";
/// Written instead if there is nothing to say but commands.
const PROCFILE: &str = "Procfile";
const GITIGNORE: &str = ".gitignore";
/// Written beside a tmo.toml, whose first line refers editors to it.
pub(super) const SCHEMA: &str = "tmo.schema.json";

/// The JSON document.
#[derive(Serialize)]
struct ImportDocument<'a> {
    /// What was written; `-` is standard output.
    file: String,
    /// What was read.
    sources: &'a [String],
    processes: Vec<&'a str>,
    /// What was not taken over.
    left: Vec<LeftDocument<'a>>,
}

#[derive(Serialize)]
struct LeftDocument<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    process: Option<&'a str>,
    file: &'a str,
    line: usize,
    what: &'a str,
    why: &'a str,
}

/// Import a source; 1 with `--strict` if something was left out, or if the result has mistakes.
pub(in crate::cli) fn import_project(args: &ImportArgs) -> Result<u8, CliError> {
    let source = locate(args)?;
    let imported = read_source(&source, args)?;
    let to = args.output.clone();
    if to.as_deref() == Some(Path::new("-")) {
        let written = imported.write(None);
        output::print(&written.toml)?;
        for file in &written.secrets {
            output::warn(&format!(
                "{} is not written; it would hold variables of {}",
                file.name,
                source.shown_path()
            ));
        }
        report_left(&imported);
        report_remarks(&imported)?;
        return Ok(code(args, &imported));
    }
    let file = write(&source, args, &imported)?;
    if args.json {
        let document = ImportDocument {
            file: file.display().to_string(),
            sources: &imported.files,
            processes: imported.processes.iter().map(|process| process.name.as_str()).collect(),
            left: left(&imported),
        };
        output::print_json(&Versioned::new(document))?;
        report_remarks(&imported)?;
        return Ok(code(args, &imported));
    }
    report_left(&imported);
    report_remarks(&imported)?;
    let is_here = source.dir.as_os_str().is_empty() && args.output.is_none();
    if !is_here {
        return Ok(code(args, &imported));
    }
    let checked = check(&CheckArgs::default())?;
    output::print("`tmo start` starts it, `tmo config` shows all settings\n")?;
    Ok(checked.max(code(args, &imported)))
}

/// `tmo import` of this file.
pub(super) fn import_file(source: PathBuf) -> Result<u8, CliError> {
    import_project(&ImportArgs { source: Some(source), ..ImportArgs::default() })
}

/// A file to import.
struct Source {
    /// Its directory, as it was typed; empty for the present one.
    dir: PathBuf,
    name: PathBuf,
    /// Its content, if it has been read: a pipe can be read once.
    content: Option<Vec<u8>>,
    format: SourceFormat,
}

impl Source {
    fn path(&self) -> PathBuf {
        self.dir.join(&self.name)
    }

    fn shown_path(&self) -> String {
        self.path().display().to_string()
    }

    /// It and the files that belong to it, none of which has been read by the import.
    fn files(&self) -> SourceFiles {
        let files = SourceFiles::new(&self.path());
        match &self.content {
            Some(content) => files.with_content(content.clone()),
            None => files,
        }
    }
}

/// The file to import: the one that is named, or what there is here.
fn locate(args: &ImportArgs) -> Result<Source, CliError> {
    let by_tool = args.source.as_deref().and_then(|source| {
        let word = source.to_str()?;
        (!source.exists()).then(|| <SourceFormat as clap::ValueEnum>::from_str(word, true).ok())?
    });
    let wanted = args.from.or(by_tool);
    if let Some(path) = args.source.as_deref().filter(|_| by_tool.is_none()) {
        let path = if path == Path::new("-") { Path::new("/dev/stdin") } else { path };
        let content =
            files::read_project(path, ChosenBy::User).map_err(CliError::io(path.display()))?;
        let format =
            wanted.or_else(|| SourceFormat::of_file(path, &String::from_utf8_lossy(&content)));
        let Some(format) = format else {
            let shown = path.display();
            return Err(CliError::Other(format!(
                "{shown}: neither its name nor its content shows which tool it is for; name the tool with --from"
            )));
        };
        // What a pipe names is here.
        let path = if files::is_descriptor(path) { Path::new("stdin") } else { path };
        let dir = path.parent().unwrap_or(Path::new("")).to_owned();
        let name = path.file_name().map(PathBuf::from).unwrap_or_default();
        return Ok(Source { dir, name, content: Some(content), format });
    }
    let mut found = SourceFormat::found_in(Path::new(""));
    found.retain(|(_, format)| wanted.is_none_or(|wanted| *format == wanted));
    let Some((name, format)) = found.first().copied() else {
        let what = wanted
            .map_or_else(|| "a tool that tmo knows".to_owned(), |format| format.title().to_owned());
        return Err(CliError::Other(format!(
            "there is no file of {what} here; name one: `tmo import FILE`"
        )));
    };
    if found.len() > 1 {
        let others: Vec<&str> = found.iter().skip(1).map(|(name, _)| *name).collect();
        let others = others.join(", ");
        output::warn(&format!(
            "{name} is imported; {others} can be added with `tmo import FILE --merge`"
        ));
    }
    Ok(Source { dir: PathBuf::new(), name: name.into(), content: None, format })
}

fn read_source(source: &Source, args: &ImportArgs) -> Result<Imported, CliError> {
    let output = args.output.clone().filter(|output| output != Path::new("-"));
    let mut options =
        ImportOptions { scripts: args.scripts.clone(), output, ..ImportOptions::default() };
    options.local = match args.local.as_deref() {
        None => LocalServices::None,
        Some([]) => LocalServices::Built,
        Some(names) => LocalServices::Named(names.to_vec()),
    };
    match import(source.format, &mut source.files(), &options) {
        Ok(imported) if !imported.built.is_empty() && args.local.is_none() => {
            let built = imported.built.join(", ");
            if can_ask() && !args.json {
                let question = format!(
                    "{built}: built from this project. Run here instead of in a container?"
                );
                if confirm(&question)? {
                    options.local = LocalServices::Built;
                    return Ok(import(source.format, &mut source.files(), &options)?);
                }
            } else {
                output::warn(&format!(
                    "in containers, though built from this project: {built}; --local runs them here"
                ));
            }
            Ok(imported)
        }
        Err(ImportError::Program { file }) => {
            let question = format!("{file} is a program. Run it with node to read its value?");
            let may_run = args.run_js || can_ask() && confirm(&question)?;
            if !may_run {
                return Err(ImportError::Program { file }.into());
            }
            let mut files = source.files().with_content(value_of_program(&source.path())?);
            Ok(import(source.format, &mut files, &options)?)
        }
        read => Ok(read?),
    }
}

/// The value of a JavaScript module, as JSON. What the module prints goes to standard error.
fn value_of_program(path: &Path) -> Result<Vec<u8>, CliError> {
    const SCRIPT: &str = "process.stdout.write = process.stderr.write.bind(process.stderr);
        const module_ = require(require('path').resolve(process.argv[1]));
        const json = Buffer.from(JSON.stringify(module_.default ?? module_));
        for (let at = 0; at < json.length;) at += require('fs').writeSync(1, json, at);
        process.exit(0)";
    let failed = |why: String| CliError::Other(format!("node {}: {why}", path.display()));
    let mut node = Command::new("node");
    node.args(["-e", SCRIPT]).arg(path).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = node.spawn().map_err(|error| match error.kind() {
        ErrorKind::NotFound => failed("node is not installed".to_owned()),
        _ => failed(error.to_string()),
    })?;
    let mut text = vec![];
    if let Some(stdout) = child.stdout.take() {
        stdout.take(PROJECT_LIMIT).read_to_end(&mut text).map_err(CliError::io("node"))?;
    }
    let status = child.wait().map_err(CliError::io("node"))?;
    if status.success() { Ok(text) } else { Err(failed(status.to_string())) }
}

/// Write the result; returns the file, as it is shown.
fn write(source: &Source, args: &ImportArgs, imported: &Imported) -> Result<PathBuf, CliError> {
    let procfile = source.dir.join(PROCFILE);
    let toml = args.output.clone().unwrap_or_else(|| source.dir.join(TOML));
    let shown = toml.display().to_string();
    let has_procfile = procfile.symlink_metadata().is_ok();
    let plain =
        imported.procfile().filter(|_| args.output.is_none() && !has_procfile && !toml.exists());
    if let Some(text) = plain {
        create(&procfile, &text)?;
        let lines: Vec<String> = text.lines().map(|line| format!("  {line}\n")).collect();
        let from = source.shown_path();
        say(args, &format!("{} (from {from}):\n{}", procfile.display(), lines.concat()))?;
        return Ok(procfile);
    }
    if args.output.is_none() && toml.symlink_metadata().is_ok_and(|there| there.is_symlink()) {
        return Err(CliError::Other(format!("{shown} is a link; -o FILE names the file to write")));
    }
    let existing = files::if_there(files::read_project(&toml, ChosenBy::Project));
    let existing = existing.map_err(CliError::io(&shown))?;
    let existing = existing.map(|text| String::from_utf8_lossy(&text).into_owned());
    let (written, added) = new_text(args, imported, existing.as_deref(), &shown)?;
    let whole = existing.clone().unwrap_or_default() + &written.toml;
    // What can't be read back is not written.
    if whole.len() as u64 > TOML_LIMIT {
        let why = format!("{shown} would be larger than {}", units::bytes(TOML_LIMIT));
        return Err(CliError::Other(why));
    }
    toml::parse(&whole, &shown).map_err(crate::config::error::ConfigError::from)?;
    let made = secrets(&toml, &written)?;
    let how = if existing.is_some() { Whole::Replaced } else { Whole::New };
    if let Err(error) = files::write_whole(&toml, whole.as_bytes(), how) {
        made.forget();
        return Err(CliError::io(&shown)(error));
    }
    let mut schema = String::new();
    if existing.is_none() {
        let path = toml.with_file_name(SCHEMA);
        write_schema(&path)?;
        schema = format!(" (schema for editors: {})", path.display());
    }
    made.report(&toml, args)?;
    let from = imported.files.join(", ");
    let count = units::processes(added, if existing.is_some() { "added" } else { "" });
    say(args, &format!("{shown} (from {from}): {count}{schema}\n"))?;
    if has_procfile && args.output.is_none() {
        output::warn(&format!(
            "{} stays: its processes run beside these; of equal names, {TOML} has the command",
            procfile.display()
        ));
    }
    Ok(toml)
}

/// What is to be written behind the text that is there, and how many processes it has.
fn new_text(
    args: &ImportArgs,
    imported: &Imported,
    existing: Option<&str>,
    shown: &str,
) -> Result<(Written, usize), CliError> {
    let Some(text) = existing else {
        return Ok((imported.write(None), imported.processes.len()));
    };
    if !args.merge {
        return Err(CliError::Other(format!(
            "{shown} is there already; --merge adds the processes it lacks, -o FILE writes another file; remove it to \
             take all over anew"
        )));
    }
    let known = toml::parse(text, shown).map_err(crate::config::error::ConfigError::from)?;
    let is_new = |name: &str| known.table(name).is_none();
    let added = imported.processes.iter().filter(|process| is_new(&process.name)).count();
    Ok((imported.write(Some(&is_new)), added))
}

/// The files of secrets, each with the number of its variables, and whether it has just been written.
#[derive(Default)]
struct Secrets(Vec<(PathBuf, usize, bool)>);

/// Write the files of secrets, which may only be there already with the same content; all of them or none.
fn secrets(toml: &Path, written: &Written) -> Result<Secrets, CliError> {
    let mut made = Secrets::default();
    for SecretsFile { name, text } in &written.secrets {
        let path = toml.with_file_name(name);
        let is_new = match secret(&path, text) {
            Ok(is_new) => is_new,
            Err(error) => {
                made.forget();
                return Err(error);
            }
        };
        made.0.push((path, text.lines().count(), is_new));
    }
    Ok(made)
}

/// Write a file of secrets; `false` if it is there, with this content and for its owner only.
fn secret(path: &Path, text: &str) -> Result<bool, CliError> {
    let shown = path.display();
    match files::write_whole(path, text.as_bytes(), Whole::NewPrivate) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        written => return written.map(|()| true).map_err(CliError::io(&shown)),
    }
    let there = files::read_private(path, PROJECT_LIMIT);
    let there = there.map_err(|error| CliError::Other(error.to_string()))?;
    if there == text.as_bytes() {
        return Ok(false);
    }
    Err(CliError::Other(format!("{shown} is there already, with other variables; remove it first")))
}

impl Secrets {
    /// Remove those that have been written.
    fn forget(self) {
        for (path, ..) in self.0.iter().filter(|(.., is_new)| *is_new) {
            // The error that led here is the one to report.
            let _ = std::fs::remove_file(path);
        }
    }

    fn report(&self, toml: &Path, args: &ImportArgs) -> Result<(), CliError> {
        for (path, count, _) in &self.0 {
            let s = if *count == 1 { "" } else { "s" };
            let shown = path.display();
            say(args, &format!("{shown}: {count} variable{s}, readable by you only\n"))?;
        }
        let ignored = files::read_project(&toml.with_file_name(GITIGNORE), ChosenBy::Project);
        let ignored = ignored.unwrap_or_default();
        let ignored = String::from_utf8_lossy(&ignored);
        let mut names = self.0.iter().filter_map(|(path, ..)| path.file_name()?.to_str());
        if !names.all(|name| is_ignored(&ignored, name)) {
            output::warn(&format!(
                "keep the variables out of git: add `.env.imported*` to {GITIGNORE}"
            ));
        }
        Ok(())
    }
}

/// Whether the lines of a `.gitignore` exclude a file beside it; the last one that names it decides.
fn is_ignored(gitignore: &str, name: &str) -> bool {
    let lines = gitignore.lines().rev().map(str::trim_end).filter(|line| !line.starts_with('#'));
    let deciding =
        lines.map(|line| (line, line.strip_prefix('!').unwrap_or(line))).find(|(_, of)| {
            glob(of.strip_prefix("**/").or_else(|| of.strip_prefix('/')).unwrap_or(of), name)
        });
    deciding.is_some_and(|(line, _)| !line.starts_with('!'))
}

fn create(path: &Path, text: &str) -> Result<(), CliError> {
    files::write_whole(path, text.as_bytes(), Whole::New).map_err(CliError::io(path.display()))
}

/// Tell what was done, unless JSON is wanted.
fn say(args: &ImportArgs, text: &str) -> Result<(), CliError> {
    if !args.json {
        output::print(text)?;
    }
    Ok(())
}

fn left(imported: &Imported) -> Vec<LeftDocument<'_>> {
    let left = imported.all_left().map(|(process, left)| LeftDocument {
        process,
        file: &left.place.file,
        line: left.place.line,
        what: &left.what,
        why: &left.why,
    });
    left.collect()
}

fn report_left(imported: &Imported) {
    // What several processes share is told once.
    let mut processes: HashMap<_, Vec<&str>> = HashMap::new();
    for LeftDocument { process, file, line, what, why } in left(imported) {
        processes.entry((file, line, what, why)).or_default().extend(process);
    }
    for LeftDocument { file, line, what, why, .. } in left(imported) {
        let Some(names) = processes.remove(&(file, line, what, why)) else { continue };
        let of = if names.is_empty() { String::new() } else { names.join(", ") + ": " };
        output::warn(&shown(&format!("not taken over: {file}:{line}: {of}{what}: {why}")));
    }
}

/// What to know of the result; also that containers need a program which is not installed, and what runs their
/// services without it.
fn report_remarks(imported: &Imported) -> Result<(), CliError> {
    for remark in &imported.remarks {
        output::warn(remark);
    }
    let context = Context::here()?;
    if imported.contained.is_empty() || find_program(&context, OsStr::new("docker")).is_some() {
        return Ok(());
    }
    let all: Vec<&str> =
        imported.local.iter().chain(&imported.contained).map(String::as_str).collect();
    output::warn(&format!(
        "docker, which {} would run in, is not installed; `tmo import --local={}` runs them here, if the compose file \
         gives each a `command`",
        imported.contained.join(", "),
        all.join(",")
    ));
    Ok(())
}

fn code(args: &ImportArgs, imported: &Imported) -> u8 {
    u8::from(args.strict && imported.all_left().next().is_some())
}

/// Write the schema that the first line of the tmo.toml names. An existing one is kept.
pub(super) fn write_schema(path: &Path) -> Result<(), CliError> {
    match create(path, &output::json(&toml::schema())?) {
        Err(CliError::Io { source, .. }) if source.kind() == ErrorKind::AlreadyExists => Ok(()),
        written => written,
    }
}
