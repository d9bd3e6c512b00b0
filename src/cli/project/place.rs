//! Chooses the directory of a start: the current one, a named one, or that of the project above.

use std::path::{Path, PathBuf};

use super::warnings::print_warning;
use crate::cli::error::CliError;
use crate::cli::persona::Persona;
use crate::config::load::Context;
use crate::config::place::paths::absolute;
use crate::config::place::project::{is_project, project_above};
use crate::config::{Env, StartOptions};
use crate::model::network::Network;

/// Where a start was typed, if it uses another directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) struct StartDirectory {
    pub(in crate::cli) dir: PathBuf,
    /// The first word named the directory to work in.
    pub(in crate::cli) named: bool,
}

/// The directory to use, with its env files, and where the command was typed if that differs. In that case,
/// relative paths among the arguments are made absolute.
pub(in crate::cli) fn place(
    context: Context,
    args: &mut StartOptions,
) -> Result<(Context, Option<StartDirectory>), CliError> {
    if Persona::here() == Persona::Overmind {
        return Ok((context, None));
    }
    let here = context.start_dir.clone();
    let named = named(&context, args)?;
    // A command runs where it was typed, whatever is above.
    let found = || if args.is_command() { None } else { found(&context, args) };
    let Some(dir) = named.clone().or_else(found) else {
        return Ok((context, None));
    };
    let typed = StartDirectory { dir: here, named: named.is_some() };
    typed.apply(args, &context.env)?;
    if dir == typed.dir {
        return Ok((context, None));
    }
    if named.is_none() {
        print_warning(&format!("no Procfile here; working in {}", dir.display()));
    }
    Ok((Context::of_other_dir(dir, Env::real()), Some(typed)))
}

impl StartDirectory {
    /// Resolve relative paths against the directory in which they were typed, and remove the named
    /// directory from the process names.
    pub(in crate::cli) fn apply(&self, args: &mut StartOptions, env: &Env) -> Result<(), CliError> {
        if self.named && !args.names.is_empty() {
            args.names.remove(0);
        }
        let from_here = |path: &mut Option<PathBuf>| {
            if let Some(path) = path {
                *path = absolute(&self.dir, path);
            }
        };
        from_here(&mut args.procfile);
        from_here(&mut args.root);
        from_here(&mut args.tmux_config);
        let network = args.network.clone().map_or_else(|| env.text("NETWORK"), |n| Ok(Some(n)))?;
        if network.is_none_or(|name| Network::parse(&name) == Some(Network::Unix)) {
            from_here(&mut args.socket);
        }
        if let Some(shell) = &mut args.shell
            && shell.to_string_lossy().contains('/')
        {
            *shell = absolute(&self.dir, Path::new(shell)).into_os_string();
        }
        Ok(())
    }
}

/// The directory that the first word names: a path, or the name of a project's directory if there is no
/// project here.
fn named(context: &Context, args: &StartOptions) -> Result<Option<PathBuf>, CliError> {
    let Some(word) = args.names.first().filter(|_| !args.by_name) else { return Ok(None) };
    let (here, env) = (&*context.start_dir, &context.env);
    let dir = absolute(here, Path::new(word));
    let path = word.contains('/') || [".", ".."].contains(&word.as_str());
    if path && !dir.is_dir() {
        return Err(CliError::Usage(format!(
            "`{word}` is neither the name of a process nor a directory"
        )));
    }
    // A link may lead anywhere; to follow it, the user types `NAME/`.
    let is_dir = dir.symlink_metadata().is_ok_and(|found| found.is_dir());
    let meant = path || is_dir && is_project(&dir, env) && !is_project(here, env);
    Ok(meant.then_some(dir))
}

/// The directory of the project to start if none is named and there is none here.
fn found(context: &Context, args: &StartOptions) -> Option<PathBuf> {
    let (here, env) = (&context.start_dir, &context.env);
    if args.procfile.is_some() || env.path("PROCFILE").is_some() || is_project(here, env) {
        return None;
    }
    match &args.root {
        Some(root) => Some(absolute(here, root)).filter(|root| is_project(root, env)),
        None => project_above(here, env),
    }
}
