//! `tmo export`: writes a project for another supervisor.
//!
//! [`ExportedProject`] is the resolved plan, free of what only tmo understands. A writer for each format turns it
//! into files. What a format can't express comes from one table (`gaps`), is written as a comment where one would
//! look for it, and is listed by the caller.
//!
//! Writing is pure: the same plan and options give the same bytes.

mod files;
mod format;
mod formats;
mod gaps;
mod project;
#[cfg(test)]
mod tests;

pub use self::files::{ExportedFile, FileOrigin};
pub use self::format::{ExportError, ExportFormat};
pub use self::formats::supervisor::SupervisorUnit;
pub use self::gaps::{Gap, gap_table};
pub use self::project::{ExportOptions, ExportedProject};
use crate::model::text::shell::quoted;

/// What was written.
#[derive(Debug)]
pub struct Exported {
    /// The files, in the order in which they are to be read.
    pub files: Vec<ExportedFile>,
    /// What the format can't express.
    pub gaps: Vec<Gap>,
    /// Other remarks for the user, one line each.
    pub remarks: Vec<String>,
    /// The command to type next; `{dir}` stands for the directory of the files.
    pub next: String,
}

/// Write the files of a format.
pub fn export(
    format: ExportFormat,
    project: &ExportedProject,
    options: &ExportOptions,
) -> Result<Exported, ExportError> {
    formats::plain::check(format, project)?;
    let mut remarks = vec![];
    let mut files = match format {
        format::ExportFormat::Systemd => formats::systemd::write(project, options),
        format::ExportFormat::Compose => formats::compose::write(project, options, &mut remarks)?,
        format::ExportFormat::Kubernetes => {
            formats::kubernetes::write(project, options, &mut remarks)?
        }
        format::ExportFormat::Tmux => formats::tmux::write(project),
        format::ExportFormat::Supervisord => formats::supervisord::write(project),
        format::ExportFormat::Runit => formats::init_systems::runit(project),
        format::ExportFormat::Launchd => formats::init_systems::launchd(project),
        format::ExportFormat::Upstart => formats::init_systems::upstart(project),
    };
    let has_secrets = options.with_secrets && !project.secrets().is_empty();
    for file in &mut files {
        file.is_private = has_secrets;
        file.sign(format);
    }
    let gaps = project.processes.iter().flat_map(|process| gaps::gaps_of(format, options, process));
    let next = next(format, project, options);
    Ok(Exported { files, gaps: gaps.collect(), remarks, next })
}

/// The command that puts the files to work.
fn next(format: ExportFormat, project: &ExportedProject, options: &ExportOptions) -> String {
    let (app, log) = (&project.app, quoted(&project.log));
    match format {
        format::ExportFormat::Systemd => {
            formats::systemd::next(&format!("{app}*"), &format!("{app}.target"), options.user_units)
        }
        format::ExportFormat::Compose if options.with_tmo => {
            format!("docker stack deploy -c {{dir}}/compose.yaml {app}")
        }
        format::ExportFormat::Compose => {
            "docker compose -f {dir}/compose.yaml up --build".to_owned()
        }
        format::ExportFormat::Kubernetes => format!("kubectl apply -f {{dir}}/{app}.yaml"),
        format::ExportFormat::Tmux => format!("sh {{dir}}/{app}.sh && tmux -L {app} attach"),
        format::ExportFormat::Supervisord => {
            format!("mkdir -p {log} && supervisord -n -c {{dir}}/{app}.conf")
        }
        format::ExportFormat::Runit => "runsvdir {dir}".to_owned(),
        format::ExportFormat::Launchd => {
            let agents = "~/Library/LaunchAgents";
            format!(
                "mkdir -p {log} && cp {{dir}}/{app}-*.plist {agents}/ && launchctl load -w {agents}/{app}-*.plist"
            )
        }
        format::ExportFormat::Upstart => {
            format!("cp {{dir}}/{app}*.conf /etc/init/ && start {app}")
        }
    }
}
