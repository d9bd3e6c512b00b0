//! `tmo demo`: writes a small project with simulated processes, and starts it.

use std::ffi::OsString;
use std::fs::DirBuilder;
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cli::args::values;
use crate::cli::{CliError, output};
use crate::model::text::shell::quoted;
use crate::sys::{files, is_own_uid};

/// Write a small project that shows what tmo does, and run it.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  tmo demo                      in output/demo, until Ctrl-C
  tmo demo -D                   in the background; `tmo web` then shows it
  tmo demo --dir /tmp/demo --ui
  tmo demo --web=8080           with its page at this port; -p is the PORT of its processes

Its processes are shell scripts that only print: they open no port and no connection. Further arguments
are passed to `tmo start`.")]
pub(in crate::cli) struct DemoArgs {
    /// The directory to write it into [default: output/demo].
    #[arg(long, value_name = "DIR", add = values::file())]
    dir: Option<PathBuf>,
    /// Arguments of `tmo start`.
    #[arg(value_name = "ARGUMENTS", trailing_var_arg = true, allow_hyphen_values = true)]
    start: Vec<OsString>,
}

/// The default directory of the project.
const DIR: &str = "output/demo";

/// The mode of its directories.
const MODE: u32 = 0o755;

/// The file that marks a directory as one that this command has written.
const MARK: &str = ".tmo-demo";

macro_rules! demo_files {
    ($($name:literal),*) => {
        [$(($name, include_str!(concat!("../../../assets/demo/", $name)))),*]
    };
}

const FILES: [(&str, &str); 9] = demo_files![
    "Procfile",
    "tmo.toml",
    "bin/database",
    "bin/web",
    "bin/api",
    "bin/worker",
    "bin/mailer",
    "bin/assets",
    "bin/console"
];

/// Write the project and run it.
pub(in crate::cli) fn demo(args: &DemoArgs) -> Result<u8, CliError> {
    let dir = args.dir.clone().unwrap_or_else(|| PathBuf::from(DIR));
    let real = write(&dir)?;
    let (place, shown) = (dir.display(), quoted_path(&dir));
    output::print(&format!(
        "The project is in {place}; run other commands for it in that directory: cd {shown}\n"
    ))?;
    let own = std::env::current_exe().map_err(CliError::io("can't find tmo itself"))?;
    let mut start = Command::new(crate::sys::program(&own));
    let error = start.arg("start").args(&args.start).current_dir(&real).exec();
    Err(CliError::io(format!("can't run {}", start.get_program().display()))(error))
}

fn quoted_path(path: &Path) -> String {
    quoted(&path.to_string_lossy())
}

/// Refuse a directory whose files other users could replace before they are executed. As in the search for a project,
/// a directory above may be open to a group.
fn refuse_others(real: &Path) -> Result<(), CliError> {
    let above: Vec<_> = real.ancestors().collect();
    for (at, above) in above.into_iter().enumerate().rev() {
        let found = above.symlink_metadata().map_err(CliError::io(above.display()))?;
        let (owner, mode) = (found.uid(), found.mode());
        let is_open = if at == 0 {
            mode & 0o022 != 0
        } else {
            // In a directory such as /tmp, files of this user stay its own.
            mode & 0o1002 == 0o002
        };
        let (shown, quoted) = (above.display(), quoted_path(above));
        let why = if !is_own_uid(owner) && (at == 0 || owner != 0) {
            format!("{shown} belongs to another user, who could replace the programs of the demo; ")
        } else if is_open {
            format!(
                "{shown} can be written by other users, who could replace the programs of the demo; \
                 `chmod go-w {quoted}` prevents that, or "
            )
        } else {
            continue;
        };
        return Err(CliError::Other(format!("{why}give it another directory with --dir")));
    }
    Ok(())
}

/// Create a directory that only this user can change; returns its path without links.
fn make_own(dir: &Path) -> Result<PathBuf, CliError> {
    let failed = || CliError::io(dir.display());
    DirBuilder::new().recursive(true).mode(MODE).create(dir).map_err(failed())?;
    // A symbolic link could lead to files elsewhere, which would be replaced.
    if !dir.symlink_metadata().is_ok_and(|found| found.is_dir()) {
        return Err(CliError::Other(format!("{} is a link or not a directory", dir.display())));
    }
    let real = dir.canonicalize().map_err(failed())?;
    refuse_others(&real)?;
    Ok(real)
}

/// Write the project; returns its directory as it was checked: a link on the way to it may lead elsewhere later.
fn write(dir: &Path) -> Result<PathBuf, CliError> {
    let dir = make_own(dir)?;
    make_own(&dir.join("bin"))?;
    let mark = dir.join(MARK);
    let is_ours = mark.symlink_metadata().is_ok_and(|found| found.is_file());
    if !is_ours {
        let taken = FILES.iter().map(|(name, _)| dir.join(name));
        if let Some(path) = taken.into_iter().find(|path| path.symlink_metadata().is_ok()) {
            return Err(CliError::Other(format!(
                "{} is there, and not from `tmo demo`: give it another directory with --dir",
                path.display()
            )));
        }
        files::write_project(&mark).map_err(CliError::io(mark.display()))?;
    }
    for (name, text) in FILES {
        let path = dir.join(name);
        files::if_there(std::fs::remove_file(&path)).map_err(CliError::io(path.display()))?;
        let mut file = files::write_project(&path).map_err(CliError::io(path.display()))?;
        file.write_all(text.as_bytes()).map_err(CliError::io(path.display()))?;
    }
    Ok(dir)
}
