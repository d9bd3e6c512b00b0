//! Completion in bash, zsh and fish: the scripts are glue that asks the program itself.
//!
//! A shell runs `tmo` with the variable `_TMO_COMPLETE` set and gets the candidates for the
//! word at the cursor. So commands and flags are never out of date, and names are those of the
//! running instance.

use std::ffi::OsStr;
use std::io::{self, Write};

use clap_complete::CompleteEnv;
use clap_complete::engine::CompletionCandidate;
use clap_complete::env::{Bash, EnvCompleter, Fish, Zsh};

use super::args::command;
use crate::config::StartOptions;
use crate::config::dirs::find_runtime_dir;
use crate::config::load::Context;
use crate::config::lookup::project_above;
use crate::config::project::client_socket;
use crate::engine::runtime::Runtime;

/// The variable by which a shell asks for candidates.
const VARIABLE: &str = "_TMO_COMPLETE";

/// A shell that can complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Shell {
    /// bash, 3.2 or later.
    Bash,
    /// zsh.
    Zsh,
    /// fish.
    Fish,
}

impl Shell {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Bash, Self::Zsh, Self::Fish];

    /// The name of the script where this shell looks for it.
    pub const fn file_name(self) -> &'static str {
        match self {
            Self::Bash => "tmo.bash",
            Self::Zsh => "_tmo",
            Self::Fish => "tmo.fish",
        }
    }

    fn completer(self) -> &'static dyn EnvCompleter {
        match self {
            Self::Bash => &Bash,
            Self::Zsh => &Zsh,
            Self::Fish => &Fish,
        }
    }
}

/// Answer a shell that asks for candidates; `false` if this is an ordinary start of the program.
///
/// Comes before everything else: a shell waits, and nothing may be printed beside the answer.
pub fn answer(args: impl IntoIterator<Item = std::ffi::OsString>) -> Result<bool, clap::Error> {
    let here = std::env::current_dir().ok();
    CompleteEnv::with_factory(command).var(VARIABLE).try_complete(args, here.as_deref())
}

/// Write the script of a shell.
pub fn write(shell: Shell, out: &mut dyn Write) -> io::Result<()> {
    let mut script = Vec::new();
    shell.completer().write_registration(VARIABLE, "tmo", "tmo", "tmo", &mut script)?;
    out.write_all(script.trim_ascii())?;
    out.write_all(b"\n")?;
    match shell {
        Shell::Zsh => out.write_all(ZSH_FIRST),
        Shell::Bash | Shell::Fish => Ok(()),
    }
}

/// zsh runs the file as the completer when it is wanted for the first time; without this, that
/// first time only defines what to do the next time.
const ZSH_FIRST: &[u8] = b"\
if [[ ${funcstack[1]} == _tmo ]]; then
    _clap_dynamic_completer_tmo
fi
";

/// Candidates for a process name.
pub(super) fn complete_name(current: &OsStr) -> Vec<CompletionCandidate> {
    let current = current.to_string_lossy();
    let fits = |name: &String| name.starts_with(&*current);
    names().into_iter().filter(fits).map(CompletionCandidate::new).collect()
}

/// Candidates for an entry and how many of it.
pub(super) fn complete_entry(current: &OsStr) -> Vec<CompletionCandidate> {
    let current = current.to_string_lossy();
    let entry = |name: String| format!("{}=", name.split('#').next().unwrap_or_default());
    let mut entries: Vec<String> = names().into_iter().map(entry).collect();
    entries.dedup();
    let fits = |entry: &String| entry.starts_with(&*current);
    entries.into_iter().filter(fits).map(CompletionCandidate::new).collect()
}

/// Candidates for a comma list of process names.
pub(super) fn complete_list(current: &OsStr) -> Vec<CompletionCandidate> {
    let current = current.to_string_lossy();
    let (before, last) = current.rsplit_once(',').map_or(("", &*current), |(b, last)| (b, last));
    let there: Vec<&str> = before.split(',').map(str::trim).collect();
    let fits = |name: &String| name.starts_with(last) && !there.contains(&name.as_str());
    let joined = |name| if before.is_empty() { name } else { format!("{before},{name}") };
    names().into_iter().filter(fits).map(joined).map(CompletionCandidate::new).collect()
}

/// The names of the processes here: those that run, else those of the Procfile in this directory,
/// or in the one whose instance a client here would talk to.
pub fn names() -> Vec<String> {
    let Ok(context) = Context::here() else { return Vec::new() };
    let Ok(socket) = client_socket(&context.start_dir, (None, None), &context.env) else {
        return vec![];
    };
    let beside =
        if socket.tcp.is_some() { Some(&*context.start_dir) } else { socket.path.parent() };
    let procfile = beside.map(|dir| dir.join("Procfile"));
    let socket = &socket.path;
    // Not from a directory that somebody else could write to.
    let runtime = find_runtime_dir(&context.env, socket).ok();
    if let Some(Ok(plan)) = runtime.map(|dir| Runtime::new(dir).plan()) {
        return plan.present().map(|process| process.name.to_string()).collect();
    }
    let nearest = StartOptions { procfile, ..StartOptions::default() };
    let loaded = context.load(&StartOptions::default()).or_else(|_| context.load(&nearest));
    let above = || {
        let procfile = project_above(&context.start_dir, &context.env)?.join("Procfile");
        let above = StartOptions { procfile: Some(procfile), ..StartOptions::default() };
        context.load(&above).ok()
    };
    let loaded = loaded.ok().or_else(above);
    let entries = loaded.map(|loaded| loaded.procfile.entries).unwrap_or_default();
    entries.into_iter().map(|entry| entry.name).collect()
}
