//! `tmo failures`: what is declared to mean that a process has failed.

use std::fmt::Write as _;
use std::io::Write;

use super::args::{FailuresArgs, FailuresDo};
use super::error::CliError;
use super::reload::reload_failures;
use crate::config::failures::{Failures, edit};
use crate::config::load::{Context, Loaded};
use crate::config::{Project, StartOptions};
use crate::model::{ProcName, nearest};

/// The project that a start typed here would be about.
struct Here {
    project: Project,
    /// Its entries.
    entries: Vec<ProcName>,
}

/// List, add or remove.
pub(super) fn failures(args: &FailuresArgs, out: &mut dyn Write) -> Result<u8, CliError> {
    let here = Here::find(args)?;
    let text = match (args.what, &args.name, &args.text) {
        (FailuresDo::List, _, Some(text)) => {
            return Err(CliError::Usage(format!("`{text}` is one too many; list takes a name")));
        }
        (FailuresDo::List, name, None) => here.list(name.as_deref(), args.json)?,
        (FailuresDo::Add, Some(name), Some(text)) => here.add(name, text)?,
        (FailuresDo::Remove, Some(name), Some(text)) => here.remove(name, text)?,
        // Whoever reads what was typed lets none of these pass.
        (FailuresDo::Add | FailuresDo::Remove, _, _) => {
            return Err(CliError::Usage("a name and a text are needed".to_owned()));
        }
    };
    let code = super::print(out, text.as_bytes())?;
    if args.what != FailuresDo::List
        && let Err(error) = reload_failures(&here.project)
    {
        super::warn(&format_args!("the run does not know of it yet: {error}"));
    }
    Ok(code)
}

impl Here {
    fn find(args: &FailuresArgs) -> Result<Self, CliError> {
        let context = Context::here()?;
        let typed = StartOptions { procfile: args.procfile.clone(), ..StartOptions::default() };
        let Loaded { project, procfile, .. } = context.load(&typed)?;
        // What is no name has no process either.
        let entries = procfile.entries.iter().filter_map(|entry| ProcName::new(&*entry.name).ok());
        Ok(Self { entries: entries.collect(), project })
    }

    /// An unknown name is a slip, but one that the file has can be asked for and removed.
    fn check(&self, name: &str, failures: &Failures) -> Result<(), CliError> {
        let entry = name.split('#').next().unwrap_or_default();
        let is_known = self.entries.iter().any(|known| known.as_str() == entry);
        if is_known || !failures.of(name).is_empty() {
            return Ok(());
        }
        Err(CliError::unknown(name, &self.entries))
    }

    fn list(&self, name: Option<&str>, json: bool) -> Result<String, CliError> {
        let (path, shown) = self.project.failures();
        let failures = Failures::read(&path, &shown)?;
        if let Some(name) = name {
            self.check(name, &failures)?;
        }
        let wanted = failures.only(name);
        if json {
            return Ok(wanted.to_json());
        }
        let width = wanted.all().map(|(name, _)| name.len()).max().unwrap_or(0);
        let mut list = String::new();
        for (name, texts) in wanted.all() {
            for text in texts {
                // A String takes everything.
                let _ = writeln!(list, "{name:width$}  {text}");
            }
        }
        if list.is_empty() {
            super::warn(&format_args!(
                "nothing is declared{} in {}; `tmo failures add NAME TEXT` does",
                name.map(|name| format!(" for {name}")).unwrap_or_default(),
                shown.display()
            ));
        }
        Ok(list)
    }

    fn add(&self, name: &str, text: &str) -> Result<String, CliError> {
        self.check(name, &Failures::default())?;
        let (path, shown) = self.project.failures();
        let (failures, is_new) = edit(&path, &shown, |failures| {
            let is_new = failures.add(name, text)?;
            Ok((is_new, is_new))
        })?;
        let what = if is_new { "added" } else { "was there already" };
        Ok(told(&shown, (name, text), what, &failures))
    }

    fn remove(&self, name: &str, text: &str) -> Result<String, CliError> {
        let (path, shown) = self.project.failures();
        self.check(name, &Failures::read(&path, &shown)?)?;
        let (failures, is_gone) = edit(&path, &shown, |failures| {
            let is_gone = failures.remove(name, text);
            Ok((is_gone, is_gone))
        })?;
        if is_gone {
            return Ok(told(&shown, (name, text), "removed", &failures));
        }
        let near = nearest::nearest(text, failures.of(name).iter().map(String::as_str));
        let near = near.map(|near| format!("; did you mean `{near}`?"));
        let near =
            near.unwrap_or_else(|| format!("; `tmo failures list {name}` shows what there is"));
        Err(CliError::Other(format!("`{text}` is not declared for {name}{near}")))
    }
}

/// What was done, and what stands there now.
fn told(
    shown: &std::path::Path,
    (name, text): (&str, &str),
    what: &str,
    failures: &Failures,
) -> String {
    let count = failures.of(name).len();
    format!("{name}: `{text}` {what}; {} has {count} for it\n", shown.display())
}
