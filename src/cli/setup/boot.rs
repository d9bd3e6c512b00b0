//! `tmo setup --boot`: the run of this project comes back when the machine does.
//!
//! On Linux a unit of the user's systemd, elsewhere an agent of launchd. It is switched on by the link that
//! `systemctl enable` would make, so it needs no running manager.

use std::io::ErrorKind;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::SetupArgs;
use crate::cli::project::export::supervisor_unit;
use crate::cli::project::input::Start;
use crate::cli::{CliError, output};
use crate::config::load::find_program;
use crate::config::options::BackendChoice;
use crate::config::{Env, StartOptions};
use crate::export::{ExportedFile, FileOrigin, SupervisorUnit};
use crate::model::text::shell::quoted;
use crate::sys::files::{self, ChosenBy, Whole};

/// Where systemd keeps which users have a manager without being logged in.
const LINGER: &str = "/var/lib/systemd/linger";

/// Write the unit of this project, or remove it.
pub(super) fn boot(args: &SetupArgs) -> Result<u8, CliError> {
    let start = Start::gather(StartOptions {
        // No terminal is opened, so tmux need not be there.
        backend: Some(BackendChoice::Native),
        ..StartOptions::default()
    })?;
    let plan = start.preview(&|name| find_program(&start.context, name))?;
    let unit = supervisor_unit(&start, &plan)?;
    let unit = SupervisorUnit {
        app: format!("tmo-{}", unit.app),
        user_units: true,
        keep: args.keep,
        ..unit
    };
    let place = BootPlace::of_unit(&Env::real(), &unit)?;
    let file = match &place.link {
        Some(_) => unit.write()?,
        // Beside LaunchAgents.
        None => unit.launch_agent(place.file.with_file_name("../Logs").display().to_string())?,
    };
    refuse_other(&place, &file)?;
    if args.remove { remove(&place) } else { write(&place, &unit, &file) }
}

/// Where the unit of a project lies.
struct BootPlace {
    file: PathBuf,
    /// The link that switches it on, if one is needed.
    link: Option<PathBuf>,
}

impl BootPlace {
    fn of_unit(env: &Env, unit: &SupervisorUnit) -> Result<Self, CliError> {
        let no_home = || CliError::Other("HOME is not set to a directory; set it".to_owned());
        if cfg!(target_os = "macos") {
            let home = env.caller("HOME").ok_or_else(no_home)?;
            let file =
                Path::new(home).join("Library/LaunchAgents").join(format!("{}.plist", unit.app));
            return Ok(Self { file, link: None });
        }
        let dir = env.caller_dir_or("XDG_CONFIG_HOME", ".config").ok_or_else(no_home)?;
        let (dir, name) = (dir.join("systemd/user"), format!("{}.service", unit.app));
        Ok(Self { file: dir.join(&name), link: Some(dir.join("default.target.wants").join(name)) })
    }

    fn text(&self) -> Result<Option<String>, CliError> {
        let text = files::if_there(files::read_project(&self.file, ChosenBy::User));
        let text = text.map_err(CliError::io(self.file.display()))?;
        Ok(text.map(|text| String::from_utf8_lossy(&text).into_owned()))
    }
}

/// An error if what is there is of another project, or not tmo's.
fn refuse_other(place: &BootPlace, file: &ExportedFile) -> Result<(), CliError> {
    let Some(text) = place.text()? else { return Ok(()) };
    let shown = place.file.display();
    if FileOrigin::of(&text) != FileOrigin::Export {
        return Err(CliError::Other(format!(
            "{shown} was not written by tmo, or was edited; remove it first"
        )));
    }
    let directory =
        |text: &str| text.lines().find(|line| line.contains("WorkingDirectory")).map(str::to_owned);
    if directory(&text) != directory(&file.text) {
        return Err(CliError::Other(format!(
            "{shown} starts another project of the same name; `tmo export systemd --supervisor --user-units -a NAME` \
             writes a unit with another name"
        )));
    }
    Ok(())
}

fn write(place: &BootPlace, unit: &SupervisorUnit, file: &ExportedFile) -> Result<u8, CliError> {
    let shown = place.file.display();
    for path in [Some(&place.file), place.link.as_ref()].into_iter().flatten() {
        if let Some(dir) = path.parent() {
            std::fs::create_dir_all(dir).map_err(CliError::io(dir.display()))?;
        }
    }
    files::write_whole(&place.file, file.text.as_bytes(), Whole::WithMode(0o644))
        .map_err(CliError::io(&shown))?;
    output::print(&format!("{shown}: starts this project when the machine starts\n"))?;
    let Some(link) = &place.link else {
        return output::print(&format!("now: launchctl load -w {}\n", quoted(&shown.to_string())));
    };
    match symlink(&place.file, link) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        linked => linked.map_err(CliError::io(link.display()))?,
    }
    reload();
    output::print(&format!("now: systemctl --user start {}\n", unit.app))?;
    if !lingers() {
        output::print(
            "systemd starts it at your first login and stops it at your last logout; `loginctl enable-linger` makes \
             that the start and the end of the machine\n",
        )?;
    }
    Ok(0)
}

fn remove(place: &BootPlace) -> Result<u8, CliError> {
    let shown = place.file.display();
    if place.text()?.is_none() {
        return Err(CliError::Other(format!(
            "there is no {shown}: this project does not start with the machine"
        )));
    }
    for path in [place.link.as_ref(), Some(&place.file)].into_iter().flatten() {
        match std::fs::remove_file(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            removed => removed.map_err(CliError::io(path.display()))?,
        }
    }
    if place.link.is_some() {
        reload();
    }
    output::print(&format!("removed {shown}; a run that it has started goes on\n"))
}

/// Tell the user's manager, if one runs.
fn reload() {
    let mut systemctl = Command::new("systemctl");
    systemctl.args(["--user", "daemon-reload"]);
    systemctl.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    // A manager that starts later reads the files then.
    let _ = systemctl.status();
}

/// Whether the user's manager runs without a login.
fn lingers() -> bool {
    let user = nix::unistd::User::from_uid(nix::unistd::getuid());
    user.ok().flatten().is_some_and(|user| Path::new(LINGER).join(user.name).exists())
}
