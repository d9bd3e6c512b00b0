//! `tmo setup`: installs man pages and completions where `man` and the shells look for them.
//!
//! It never edits the user's own files: if a shell needs a setting, the line is printed for copying.

mod boot;
pub(super) mod completions;
pub(super) mod doctor;
mod files;
mod hints;
pub mod man;
mod page;
pub(super) mod topics;

use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

use crate::cli::args::values;
use crate::cli::output::confirm::{can_ask, confirm};
use crate::cli::{CliError, output};
use crate::config::Env;
use files::{ExistingFile, File, Places};

/// Install man pages and completions; start a project with the machine.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  tmo setup --user              for you; says where it writes
  sudo tmo setup --system       for all users of this machine, below /usr/local
  tmo setup --user --overmind   with a link `overmind` beside tmo
  tmo setup --user --remove     removes these files again
  tmo setup --boot              the run of this project comes back after a reboot
  tmo setup --boot --remove     it no longer does

Without --user or --system it shows what --user would do, and asks. It never edits your own files:
a line that one of them needs is printed. After an upgrade, the same call replaces older files.")]
pub(in crate::cli) struct SetupArgs {
    /// Install for you, in `XDG_DATA_HOME` and `XDG_CONFIG_HOME` or their defaults in your home directory.
    #[arg(long, conflicts_with = "system")]
    user: bool,
    /// Install for all users of this machine, below /usr/local; needs root.
    #[arg(long)]
    system: bool,
    /// Install below this directory instead of /usr/local; needs --system.
    #[arg(long, value_name = "DIR", default_value = "/usr/local", requires = "system",
        hide_default_value = true, add = values::directory())]
    prefix: PathBuf,
    /// Also link `overmind` to tmo, in the directory of this program, with its completions.
    #[arg(long)]
    overmind: bool,
    /// Start the run of this project when the machine starts: by your systemd, or by launchd on macOS.
    #[arg(long, conflicts_with_all = ["user", "system", "overmind"])]
    boot: bool,
    /// With --boot: when the unit is stopped, the processes stay, and its next start takes them over.
    #[arg(long, requires = "boot", conflicts_with = "remove")]
    keep: bool,
    /// Remove the files that it wrote, if they are unmodified.
    #[arg(long)]
    remove: bool,
}

/// A usage error, in the style of the command-line parser.
const NOT_CHOSEN: &str = "nothing is written without --user (your home directory) or --system \
                          (/usr/local, as root)";

/// Install the files, or remove them.
pub(super) fn setup(args: &SetupArgs) -> Result<u8, CliError> {
    if args.boot {
        return boot::boot(args);
    }
    let env = Env::real();
    let places =
        if args.system { Places::below(&args.prefix.join("share")) } else { Places::user(&env)? };
    if !args.user && !args.system && !agreed(&places, args)? {
        return Err(CliError::Usage(NOT_CHOSEN.to_owned()));
    }
    let program = std::env::current_exe().map_err(CliError::io("can't find this program"))?;
    // With --remove, everything that any call may have written.
    let wanted = files::wanted(&places, &program, args.overmind || args.remove)?;
    let mut problems = Vec::new();
    let mut all: Vec<(&str, &Path)> = vec![];
    for file in &wanted {
        match if args.remove { remove(file, args) } else { write(file, args) } {
            Ok(Some(done)) => all.push((done, &file.path)),
            Ok(None) => {}
            Err(problem) => problems.push(problem),
        }
    }
    output::print(&summary(&all))?;
    if !problems.is_empty() {
        problems.dedup();
        return Err(CliError::Problems(problems.into_iter().map(Into::into).collect()));
    }
    if args.remove {
        return Ok(0);
    }
    for hint in hints::hints(&places, &program, &env, !args.system) {
        output::print(&format!("\n{hint}\n"))?;
    }
    Ok(0)
}

/// One line for each directory and what was done there. A single file is named.
fn summary(all: &[(&str, &Path)]) -> String {
    let mut text = String::new();
    for files in all.chunk_by(|(did, a), (do_, b)| did == do_ && a.parent() == b.parent()) {
        let (done, path) = files[0];
        // Writing to a string does not fail.
        let _ = match (files.len(), path.parent()) {
            (2.., Some(dir)) => writeln!(text, "{done} {} files in {}", files.len(), dir.display()),
            _ => writeln!(text, "{done} {}", path.display()),
        };
    }
    text
}

/// Show what `--user` would do and ask the user to confirm.
fn agreed(places: &Places, args: &SetupArgs) -> Result<bool, CliError> {
    let verb = if args.remove { "removes from" } else { "writes to" };
    output::print(&format!("tmo setup --user {verb}\n"))?;
    for (what, dir) in [
        ("man pages", &places.man),
        ("bash completions", &places.bash),
        ("zsh completions", &places.zsh),
        ("fish completions", &places.fish),
    ] {
        output::print(&format!("  {what:17} {}\n", dir.display()))?;
    }
    if can_ask() { confirm("Do it?") } else { Ok(false) }
}

/// The message for a file that can't be written or removed.
fn refused(file: &File, error: &io::Error, args: &SetupArgs) -> String {
    let denied = error.kind() == io::ErrorKind::PermissionDenied && args.system;
    // Report the directory: one line for all its files is enough.
    let path = file.path.parent().unwrap_or(&file.path);
    let hint = if denied { "; --system needs root (sudo), --user does not" } else { "" };
    format!("can't change {}: {}{hint}", path.display(), crate::sys::why(error))
}

/// The message for a file that is not tmo's, or was changed.
fn kept(file: &File, why: &str) -> String {
    format!("{} is left as it is: {why}", file.path.display())
}

fn write(file: &File, args: &SetupArgs) -> Result<Option<&'static str>, String> {
    let refused = |error| refused(file, &error, args);
    let done = match file.found().map_err(refused)? {
        ExistingFile::Same => return Ok(Some("unchanged")),
        ExistingFile::Strange => return Err(kept(file, "tmo has not written it; remove it first")),
        ExistingFile::Older => "replaced",
        ExistingFile::Nothing => "wrote",
    };
    file.write().map_err(refused)?;
    Ok(Some(done))
}

fn remove(file: &File, args: &SetupArgs) -> Result<Option<&'static str>, String> {
    let refused = |error| refused(file, &error, args);
    match file.found().map_err(refused)? {
        ExistingFile::Nothing => return Ok(None),
        ExistingFile::Older | ExistingFile::Strange => {
            return Err(kept(file, "it differs from what this tmo writes; remove it yourself"));
        }
        ExistingFile::Same => {}
    }
    std::fs::remove_file(&file.path).map_err(refused)?;
    Ok(Some("removed"))
}
