//! `tmo export`: writes the project for another supervisor.

use std::io;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use serde::Serialize;

use crate::cli::args::values;
use crate::cli::error::CliError;
use crate::cli::output::{self, Versioned};
use crate::cli::project::input::Start;
use crate::cli::project::ports::names_port;
use crate::config::StartOptions;
use crate::config::load::find_program;
use crate::config::options::{BackendChoice, seconds};
use crate::export::{
    ExportFormat, ExportOptions, Exported, ExportedFile, ExportedProject, FileOrigin, Gap,
    SupervisorUnit, export,
};
use crate::model::ProcName;
use crate::model::plan::{Plan, ProcessPlan};
use crate::model::text::shell::quoted;
use crate::plan::explain;
use crate::sys::files::{self, ChosenBy, Whole};

/// Write the project for another supervisor: systemd, compose, Kubernetes, tmux and others.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  tmo export systemd -o units       a target and a unit for each process; then the command to type next
  tmo export systemd --supervisor   one unit that runs tmo itself, with the whole project below it
  tmo export compose --with-tmo     each container runs its process under tmo, with log, checks and why
  tmo export k8s | kubectl apply -f -
  tmo export tmux | sh              the same windows, without tmo
  tmo export systemd -o units -m web=2 --prune

Exported is what `tmo config` shows. What a format can't express stands as a comment in its file, and is
listed at the end; --strict makes that an error. Secrets are left out unless --with-secrets is given. Files
that tmo has not written, or that were edited since, are replaced only with --force.")]
pub(in crate::cli) struct ExportArgs {
    /// What to write: systemd, compose, kubernetes (k8s), tmux, supervisord, runit, launchd, upstart.
    #[arg(value_enum, value_name = "FORMAT", hide_possible_values = true)]
    format: ExportFormat,
    /// Where the files go; without it, they are printed.
    #[arg(short = 'o', long, value_name = "DIR", add = values::directory())]
    output: Option<PathBuf>,
    /// The name of the application, with which the names of units and services begin [default: that of the
    /// directory].
    #[arg(short = 'a', long, value_name = "NAME")]
    app: Option<String>,
    /// The user that the processes run as.
    #[arg(short = 'u', long)]
    user: Option<String>,
    /// The directory of logs, for supervisord, runit and launchd [default: log, in the working directory].
    #[arg(short = 'l', long, value_name = "DIR", add = values::directory())]
    log: Option<String>,
    /// The port of the first process.
    #[arg(short = 'p', long)]
    port: Option<u16>,
    /// How many instances of each process to run: `web=2,all=1`.
    #[arg(short = 'm', long, short_alias = 'c', alias = "concurrency", value_name = "NAME=N,…",
        add = values::formation())]
    formation: Option<String>,
    /// The Procfile.
    #[arg(short = 'f', long, value_name = "FILE", add = values::file())]
    procfile: Option<PathBuf>,
    /// The working directory of the processes.
    #[arg(short = 'd', long, value_name = "DIR", add = values::directory())]
    root: Option<PathBuf>,
    /// The same on the machine that the files are for, if it is another one there.
    #[arg(long, value_name = "DIR")]
    target_root: Option<String>,
    /// Seconds between the stop signal and SIGKILL.
    #[arg(short = 'T', long, value_name = "SECONDS", value_parser = seconds)]
    timeout: Option<Duration>,
    /// For systemd: units of your own manager (`systemctl --user`).
    #[arg(long)]
    user_units: bool,
    /// For systemd: one unit that runs tmo itself.
    #[arg(long)]
    supervisor: bool,
    /// With --supervisor: stopping the unit leaves the processes, and its next start takes them over.
    #[arg(long, requires = "supervisor")]
    keep: bool,
    /// For compose and kubernetes: run each process under tmo in its container.
    #[arg(long)]
    with_tmo: bool,
    /// Write the values of variables that look like secrets.
    #[arg(long)]
    with_secrets: bool,
    /// Exit with 1 if the format can't express something.
    #[arg(long)]
    strict: bool,
    /// Remove files of an earlier export that this one does not have.
    #[arg(long, requires = "output")]
    prune: bool,
    /// Replace files that tmo has not written, or that were edited since.
    #[arg(long, requires = "output")]
    force: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// How deep below its directory files of an export lie.
const MOST_DEPTH: usize = 3;

/// The JSON document.
#[derive(Serialize)]
struct ExportDocument<'a> {
    /// Where they were written; `None`: nowhere.
    dir: Option<&'a Path>,
    files: &'a [ExportedFile],
    /// What the format can't express.
    gaps: &'a [Gap],
    remarks: &'a [String],
}

/// Write the files, or print them; 1 with `--strict` if the format can't express something.
pub(in crate::cli) fn export_project(args: &ExportArgs) -> Result<u8, CliError> {
    refuse_useless(args)?;
    let start = Start::gather(StartOptions {
        procfile: args.procfile.clone(),
        root: args.root.clone(),
        port: args.port,
        // Those of this worktree are for this machine only.
        port_auto: Some(false),
        formation: args.formation.clone(),
        timeout: args.timeout,
        // No terminal is opened, so tmux need not be there.
        backend: Some(BackendChoice::Native),
        ..StartOptions::default()
    })?;
    let plan = start.preview(&|name| find_program(&start.context, name))?;
    let exported =
        if args.supervisor { unit(args, &start, &plan)? } else { write(args, &start, &plan)? };
    let code = u8::from(args.strict && !exported.gaps.is_empty());
    if let Some(dir) = &args.output {
        save(args, dir, &exported)?;
    }
    if args.json {
        let Exported { files, gaps, remarks, .. } = &exported;
        let dir = args.output.as_deref();
        output::print_json(&Versioned::new(ExportDocument { dir, files, gaps, remarks }))?;
        return Ok(code);
    }
    if args.output.is_none() {
        output::print(&printed(&exported.files))?;
    }
    report(args, &exported);
    Ok(code)
}

/// A usage error for a flag that says nothing about this format.
fn refuse_useless(args: &ExportArgs) -> Result<(), CliError> {
    use ExportFormat::{Compose, Kubernetes, Systemd};
    let flags: [(bool, &str, &[ExportFormat]); 3] = [
        (args.supervisor, "--supervisor", &[Systemd]),
        (args.user_units, "--user-units", &[Systemd]),
        (args.with_tmo, "--with-tmo", &[Compose, Kubernetes]),
    ];
    for (_, flag, formats) in flags.into_iter().filter(|(is_given, ..)| *is_given) {
        if !formats.contains(&args.format) {
            let names: Vec<_> = formats.iter().map(|format| format.name()).collect();
            return Err(CliError::Usage(format!("{flag} is for {}", names.join(" and "))));
        }
    }
    Ok(())
}

/// The files of the format.
fn write(args: &ExportArgs, start: &Start, plan: &Plan) -> Result<Exported, CliError> {
    let root = start.project.root.as_path();
    let options = ExportOptions {
        app: args.app.clone(),
        user: args.user.clone(),
        log: args.log.clone(),
        root: args.target_root.clone(),
        user_units: args.user_units,
        with_secrets: args.with_secrets,
        with_tmo: args.with_tmo,
        build: build(root, args.output.as_deref()),
    };
    let is_served = |process: &ProcessPlan, port: u16| {
        let is_web = process.name.entry() == "web";
        is_web || process.has_own_port || names_port(process, &start.context.env, port)
    };
    let said = said_to_stop_all(start, plan)?;
    let project = ExportedProject::of(plan, &options, &is_served, &said)?;
    let mut exported = export(args.format, &project, &options)?;
    let secrets = project.secrets();
    if !secrets.is_empty() && !args.with_secrets {
        let names = secrets.join(", ");
        exported.remarks.push(format!("without their values: {names}; --with-secrets writes them"));
    }
    if args.with_tmo {
        let image = project.image(&options);
        exported.remarks.push(format!(
            "the image {image} needs tmo and the project: `COPY tmo /usr/local/bin/tmo` and `COPY . .` in its \
             Dockerfile; `docker build -t {image} .` makes it, and each machine needs it"
        ));
    }
    Ok(exported)
}

/// The directory with the Dockerfile, as a file in the directory of the export names it.
fn build(root: &Path, output: Option<&Path>) -> Option<String> {
    if !["Dockerfile", "Containerfile"].iter().any(|name| root.join(name).is_file()) {
        return None;
    }
    let Some(output) = output else { return Some(".".to_owned()) };
    let output = std::path::absolute(output).ok()?;
    let below = output
        .strip_prefix(root)
        .ok()
        .filter(|below| below.components().all(|part| matches!(part, Component::Normal(_))));
    Some(match below.map(|below| below.components().count()) {
        Some(0) => ".".to_owned(),
        Some(depth) => vec![".."; depth].join("/"),
        None => root.display().to_string(),
    })
}

/// The processes whose configuration says that their end stops all others, which is also the default.
fn said_to_stop_all(start: &Start, plan: &Plan) -> Result<Vec<ProcName>, CliError> {
    let (loaded, mut settings) = (start.context.load(&start.typed)?, start.settings()?);
    settings.spread_groups(&loaded)?;
    let says = |process: &&ProcessPlan| {
        let rows = explain(&loaded, &settings, plan, process);
        rows.iter()
            .any(|row| row.key == "on_exit" && row.value == "stop-all" && row.from != "default")
    };
    Ok(plan.present().filter(says).map(|process| process.name.clone()).collect())
}

/// The unit that runs tmo itself.
fn unit(args: &ExportArgs, start: &Start, plan: &Plan) -> Result<Exported, CliError> {
    let unit = supervisor_unit(start, plan)?;
    let unit = SupervisorUnit {
        app: args.app.clone().unwrap_or(unit.app),
        user: args.user.clone(),
        user_units: args.user_units,
        keep: args.keep,
        ..unit
    };
    Ok(unit.export()?)
}

/// What a unit that runs this project is made from.
pub(in crate::cli) fn supervisor_unit(
    start: &Start,
    plan: &Plan,
) -> Result<SupervisorUnit, CliError> {
    let text = |path: &Path| {
        path.to_str().map(str::to_owned).ok_or_else(|| {
            CliError::Other(format!("{} is not UTF-8, as a unit has to be", path.display()))
        })
    };
    let mut flags = vec![];
    if start.typed.procfile.is_some() {
        flags.extend(["-f".to_owned(), text(&start.project.procfile)?]);
    }
    let graces = plan.present().filter_map(|process| process.grace_ms);
    Ok(SupervisorUnit {
        app: plan.session.clone(),
        tmo: text(&start.tmo)?,
        root: text(&start.context.start_dir)?,
        flags,
        path: text(Path::new(&start.context.env.caller("PATH").unwrap_or_default()))?,
        stop_timeout_ms: graces.chain([plan.grace_ms]).max().unwrap_or_default(),
        ..SupervisorUnit::default()
    })
}

/// Write the files to a directory, none of them if one there is somebody else's.
fn save(args: &ExportArgs, dir: &Path, exported: &Exported) -> Result<(), CliError> {
    let mut problems = vec![];
    for file in &exported.files {
        let path = dir.join(&file.name);
        let why = match origin(&path)? {
            None | Some(FileOrigin::Export) => continue,
            Some(FileOrigin::Edited) => "was edited since it was exported",
            Some(FileOrigin::Other) => "was not written by tmo export",
        };
        if !args.force {
            problems.push(format!("{} {why}; --force replaces it", path.display()));
        }
    }
    if !problems.is_empty() {
        return Err(CliError::Problems(problems.into_iter().map(Into::into).collect()));
    }
    for file in &exported.files {
        let path = dir.join(&file.name);
        let failed = || CliError::io(path.display());
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).map_err(failed())?;
        }
        let mode = match (file.is_private, file.is_program) {
            (true, false) => 0o600,
            (true, true) => 0o700,
            (false, true) => 0o755,
            (false, false) => 0o644,
        };
        files::write_whole(&path, file.text.as_bytes(), Whole::WithMode(mode)).map_err(failed())?;
    }
    prune(args, dir, exported)
}

/// Who has written the file there, if there is one.
fn origin(path: &Path) -> Result<Option<FileOrigin>, CliError> {
    let text = files::if_there(files::read_project(path, ChosenBy::User));
    let text = text.map_err(CliError::io(path.display()))?;
    Ok(text.map(|text| FileOrigin::of(&String::from_utf8_lossy(&text))))
}

/// Remove, or name, the files of an earlier export that this one does not have.
fn prune(args: &ExportArgs, dir: &Path, exported: &Exported) -> Result<(), CliError> {
    let is_new = |path: &Path| exported.files.iter().any(|file| dir.join(&file.name) == path);
    for path in files_below(dir)? {
        if is_new(&path) || origin(&path).ok().flatten() != Some(FileOrigin::Export) {
            continue;
        }
        let shown = path.display();
        if args.prune {
            std::fs::remove_file(&path).map_err(CliError::io(&shown))?;
            // Only an empty one can be removed.
            let _ = path.parent().map(std::fs::remove_dir);
            output::warn(&format!("{shown} of an earlier export is removed"));
        } else {
            output::warn(&format!("{shown} is of an earlier export; --prune removes it"));
        }
    }
    Ok(())
}

fn files_below(dir: &Path) -> Result<Vec<PathBuf>, CliError> {
    let (mut found, mut open) = (vec![], vec![(dir.to_owned(), 0)]);
    while let Some((dir, depth)) = open.pop() {
        let failed = || CliError::io(dir.display());
        for entry in std::fs::read_dir(&dir).map_err(failed())? {
            let entry = entry.map_err(failed())?;
            match entry.file_type() {
                Ok(kind) if kind.is_dir() && depth < MOST_DEPTH => {
                    open.push((entry.path(), depth + 1));
                }
                Ok(kind) if kind.is_file() => found.push(entry.path()),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(failed()(error)),
            }
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// One file as it is; several with their names between them.
fn printed(files: &[ExportedFile]) -> String {
    match files {
        [file] => file.text.clone(),
        files => {
            let parts = files.iter().flat_map(|file| ["--- # ", &file.name, "\n", &file.text]);
            parts.collect()
        }
    }
}

/// Tell what can't be expressed, and what to type next.
fn report(args: &ExportArgs, exported: &Exported) {
    let mut told: Vec<(&Gap, Vec<&str>)> = vec![];
    for gap in &exported.gaps {
        match told.iter_mut().find(|(other, _)| (other.key, other.why) == (gap.key, gap.why)) {
            Some((_, processes)) => processes.push(&gap.process),
            None => told.push((gap, vec![&gap.process])),
        }
    }
    for (gap, processes) in told {
        output::warn(&format!(
            "not exported: {} of {}: {}",
            gap.key,
            processes.join(", "),
            gap.why
        ));
    }
    for remark in &exported.remarks {
        output::warn(remark);
    }
    if let Some(dir) = &args.output {
        let count = exported.files.len();
        let s = if count == 1 { "" } else { "s" };
        let next = exported.next.replace("{dir}", &quoted(&dir.display().to_string()));
        let text = format!("{count} file{s} in {}; next:\n\n  {next}\n", dir.display());
        // Who can't read it has the files.
        let _ = output::print(&text);
    }
}
