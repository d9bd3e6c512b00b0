//! `tmo demo`: writes a small project with simulated processes, and starts it.

use std::io::{ErrorKind, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::args::DemoArgs;
use super::error::CliError;
use crate::model::shell::quoted;
use crate::sys::files;

/// The default directory of the project.
const DIR: &str = "output/demo";

/// The file that marks a directory as one that this command has written.
const MARK: &str = ".tmo-demo";

macro_rules! demo_files {
    ($($name:literal),*) => {
        [$(($name, include_str!(concat!("../../assets/demo/", $name)))),*]
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
pub(super) fn demo(args: &DemoArgs) -> Result<u8, CliError> {
    let dir = args.dir.clone().unwrap_or_else(|| PathBuf::from(DIR));
    write(&dir)?;
    let (place, shown) = (dir.display(), quoted_path(&dir));
    super::print(&format!(
        "The project is in {place}; commands for it are typed there: cd {shown}\n"
    ))?;
    let own = std::env::current_exe().map_err(CliError::io("can't find tmo itself"))?;
    let mut start = Command::new(crate::sys::program(&own));
    let error = start.arg("start").args(&args.start).current_dir(&dir).exec();
    Err(CliError::Io {
        what: format!("can't run {}", start.get_program().display()),
        source: error,
    })
}

fn quoted_path(path: &Path) -> String {
    quoted(&path.to_string_lossy())
}

fn write(dir: &Path) -> Result<(), CliError> {
    for dir in [dir.to_owned(), dir.join("bin")] {
        std::fs::create_dir_all(&dir).map_err(CliError::io(dir.display()))?;
        // A symbolic link could lead to files elsewhere, which would be replaced.
        if !dir.symlink_metadata().is_ok_and(|found| found.is_dir()) {
            return Err(CliError::Other(format!("{} is a link or not a directory", dir.display())));
        }
    }
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
        files::write_project(&mark, false).map_err(CliError::io(mark.display()))?;
    }
    for (name, text) in FILES {
        let path = dir.join(name);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(CliError::io(path.display())(error));
            }
            Err(_) | Ok(()) => {}
        }
        let mut file = files::write_project(&path, false).map_err(CliError::io(path.display()))?;
        file.write_all(text.as_bytes()).map_err(CliError::io(path.display()))?;
    }
    Ok(())
}
