//! `tmo failures`: lists and edits the texts that mean failure of a process.

use std::path::PathBuf;

use super::reload::reload_failures;
use crate::cli::args::values;
use crate::cli::{CliError, output};
use crate::config::failures::{Declarations, DeclareError};
use crate::config::load::{Context, Loaded};
use crate::config::{Project, StartOptions};
use crate::model::ProcName;

/// Show or change the texts that mean failure.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  tmo failures list             all declared texts
  tmo failures list web --json
  tmo failures add web 'Error: EADDRINUSE'
  tmo failures remove web 'Error: EADDRINUSE'

They are in failure_declarations.json beside the Procfile. A process that prints one of its texts,
in upper or lower case, is stopped until it is started again. Changes apply to a live run.")]
pub(in crate::cli) struct FailuresArgs {
    /// What to do.
    #[arg(value_name = "DO")]
    what: FailuresDo,
    /// The process: an entry of the Procfile, or one of its instances.
    #[arg(value_name = "NAME", add = values::process(),
        required_if_eq_any([("what", "add"), ("what", "remove")]))]
    name: Option<String>,
    /// The text, which must be within one line.
    #[arg(value_name = "TEXT", required_if_eq_any([("what", "add"), ("what", "remove")]))]
    text: Option<String>,
    /// The list as JSON, as in the file.
    #[arg(long)]
    json: bool,
    /// The Procfile.
    #[arg(short = 'f', long, value_name = "FILE", add = values::file())]
    procfile: Option<PathBuf>,
}

/// What `tmo failures` does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(in crate::cli) enum FailuresDo {
    /// Show what is declared.
    List,
    /// Declare one more text.
    Add,
    /// Remove a declared text.
    Remove,
}

/// The widest column of names, so that a single long name does not shift all texts.
const WIDEST: usize = 40;

/// The project that a start typed here would use.
struct Here {
    project: Project,
    declared: Declarations,
}

/// List, add or remove.
pub(in crate::cli) fn failures(args: &FailuresArgs) -> Result<u8, CliError> {
    let here = Here::load(args)?;
    let text = match (args.what, &args.name, &args.text) {
        (FailuresDo::List, _, Some(text)) => {
            return Err(CliError::Usage(format!("`{text}` is one too many; list takes a name")));
        }
        (FailuresDo::List, name, None) => return here.print_list(name.as_deref(), args.json),
        (what, Some(name), Some(text)) => {
            let removes = what == FailuresDo::Remove;
            let edit = if removes { Declarations::remove } else { Declarations::add };
            let done = edit(&here.declared, name, text).map_err(refused)?;
            let has_become = match done.is_changed {
                _ if removes => "removed",
                true => "added",
                false => "is already there",
            };
            let file = here.declared.file.1.display();
            let count = done.failures.texts_of(name).len();
            format!("{name}: `{text}` {has_become}; {file} has {count} for it\n")
        }
        // The parser of the command line rules this out.
        (FailuresDo::Add | FailuresDo::Remove, _, _) => {
            return Err(CliError::Usage("a name and a text are needed".to_owned()));
        }
    };
    let code = output::print(&text)?;
    if let Err(error) = reload_failures(&here.project) {
        output::warn(&format_args!("the run does not know of it yet: {error}"));
    }
    Ok(code)
}

impl Here {
    fn load(args: &FailuresArgs) -> Result<Self, CliError> {
        let context = Context::here()?;
        let typed = StartOptions { procfile: args.procfile.clone(), ..StartOptions::default() };
        let Loaded { project, procfile, .. } = context.load(&typed)?;
        if args.what != FailuresDo::List {
            let (path, shown) = project.failures();
            context.check_writable(&typed, &path, &shown)?;
        }
        // An invalid name does not belong to a process.
        let entries = procfile.entries.iter().filter_map(|entry| ProcName::new(&*entry.name).ok());
        let declared = Declarations {
            file: project.failures(),
            toml: project.toml(),
            entries: entries.collect(),
        };
        Ok(Self { project, declared })
    }

    fn print_list(&self, name: Option<&str>, json: bool) -> Result<u8, CliError> {
        let wanted = self.declared.listed(name).map_err(refused)?;
        if json {
            return output::print(&wanted.to_json());
        }
        let elsewhere = self.declared.elsewhere(name).unwrap_or_else(|error| {
            output::warn(&format_args!("what it declares is not listed: {error}"));
            vec![]
        });
        let names = wanted.all().map(|(name, _)| name.len());
        let width = names.chain(elsewhere.iter().map(|(name, ..)| name.len())).max().unwrap_or(0);
        let width = width.min(WIDEST);
        if elsewhere.is_empty() && wanted.all().all(|(_, texts)| texts.is_empty()) {
            output::warn(&format_args!(
                "nothing is declared{} in {}; `tmo failures add NAME TEXT` adds one",
                name.map(|name| format!(" for {name}")).unwrap_or_default(),
                self.declared.file.1.display()
            ));
        }
        let own = wanted.all().flat_map(|(name, texts)| {
            texts.iter().map(move |text| format!("{name:width$}  {text}\n"))
        });
        let others = elsewhere
            .iter()
            .map(|(name, text, place)| format!("{name:width$}  {text}  ({place})\n"));
        output::print_each(own.chain(others))
    }
}

fn refused(error: DeclareError) -> CliError {
    match error {
        DeclareError::Unknown(unknown) => CliError::Unknown(unknown),
        DeclareError::Edit(error) => error.into(),
        error => CliError::Other(error.to_string()),
    }
}
