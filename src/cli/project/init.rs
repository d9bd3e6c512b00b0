//! `tmo init`: writes an initial `tmo.toml`, and a Procfile if there is none. Where another tool runs things, it is
//! `tmo import`.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::import::{SCHEMA, import_file, write_schema};
use super::propose::{self, LOOKED_FOR, Proposal, propose, without_procfile};
use crate::cli::args::values;
use crate::cli::{CliError, output};
use crate::config::StartOptions;
use crate::config::error::ConfigError;
use crate::config::load::Context;
use crate::config::place::project::project_above;
use crate::config::procfile::ProcfileEntry;
use crate::sys::files::{self, Whole};

/// Write a commented tmo.toml, and a Procfile if there is none.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  tmo init                      ./tmo.toml with everything commented out, and its schema
  tmo init --with-flags         with patterns that are counted in the output
  tmo init --force              overwrite an existing tmo.toml

Without a Procfile it looks for Procfile.dev, bin/dev, package.json, manage.py, bin/rails and
config.ru, and shows what it has written. It executes nothing, and overwrites files only with
--force.")]
pub(in crate::cli) struct InitArgs {
    /// Include flags: patterns whose matches in the output of every process are counted and kept.
    #[arg(long)]
    with_flags: bool,
    /// Replace an existing tmo.toml.
    #[arg(long)]
    force: bool,
    /// Write nothing; print a paragraph for the file of coding agents, such as AGENTS.md.
    #[arg(long, conflicts_with_all = ["with_flags", "force", "procfile"])]
    agents: bool,
    /// The Procfile; its directory is where the file goes.
    #[arg(short = 'f', long, value_name = "FILE", add = values::file())]
    procfile: Option<PathBuf>,
}

/// Print the JSON Schema of tmo.toml, for editors.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  tmo schema >tmo.schema.json   then `#:schema ./tmo.schema.json` as the first line of tmo.toml")]
pub(in crate::cli) struct SchemaArgs {}

const HEAD: &str = "\
#:schema ./tmo.schema.json
# The line above lets editors complete and check this file (taplo, Even Better TOML);
# `tmo schema >tmo.schema.json` renews that schema after an update of tmo.
#
# Settings of the processes; their commands stay in the Procfile. All of it is optional: remove the
# `# ` before a line to use it. `tmo help tmo.toml` describes each key, `tmo check` checks this file,
# `tmo config` shows the settings in force.

# [defaults]                        # for every process that says nothing else
# env_file = \".env.local\"
# stop = { signal = \"TERM\", timeout = \"10s\" }
";

const BODY: &str = "\
# ready = { port = true, timeout = \"30s\" }     # ready when its PORT takes connections
# restart = { policy = \"on-failure\", delay = \"1s\", backoff = \"exponential\" }
# on_exit = \"ignore\"                          # its end does not stop the others
";

const FLAGS: &str = r#"
# Counted and kept in the output of every process.

[[defaults.flag]]
name = "ready"
pattern = '(listening|ready|started)\b'
ignore_case = true
color = "green"

[[defaults.flag]]
name = "errors"
pattern = '\b(error|exception|panic|fatal)\b'
ignore_case = true
color = "red"
context_window = 5
target = 0

[[defaults.flag]]
name = "slow queries"
pattern = '\b\d{4,}(\.\d+)? ?ms\b'
color = "orange"
context_window = 2
target = 10

[[defaults.flag]]
name = "requests"
pattern = '\b(GET|POST|PUT|PATCH|DELETE) /'
color = "blue"
"#;

/// What a coding agent has to know before it looks for more.
const AGENTS: &str = "\
## Running this project

Its processes run under tmo. Don't start them yourself:

- `tmo start -D --if-needed` makes sure that they run, `tmo wait --for ready --timeout 60s` waits for them.
- `tmo why` says what is wrong, `tmo logs NAME --max-bytes 3k` shows the last output, `tmo ps` states and ports.
- After a change: `tmo restart NAME`. `tmo help agents` has the rest.
";

/// Write it beside the Procfile; replaces an existing file only on request.
pub(in crate::cli) fn init(args: &InitArgs) -> Result<u8, CliError> {
    if args.agents {
        return output::print(AGENTS);
    }
    let context = Context::here()?;
    let mut typed = StartOptions { procfile: args.procfile.clone(), ..StartOptions::default() };
    let mut reported = vec![];
    if let Some(taken) = take_over(&context, &typed, args)? {
        return Ok(taken);
    }
    let (project, procfile) = match context.procfile(&typed) {
        Err(ConfigError::Read { source, .. })
            if source.kind() == ErrorKind::NotFound && !context.names_procfile(&typed) =>
        {
            reported.push(begin(&context, &mut typed, args.force)?);
            context.procfile(&typed)?
        }
        read => read?,
    };
    let (path, shown) = project.toml();
    context.check_writable(&typed, &path, &shown)?;
    write_toml(&path, &shown, &text(&procfile.entries, args.with_flags), args.force)?;
    write_schema(&path.with_file_name(SCHEMA))?;
    let schema = shown.with_file_name(SCHEMA);
    reported.push(format!("{} (schema for editors: {})", shown.display(), schema.display()));
    let check = typed.procfile.map_or_else(String::new, |file| format!(" -f {}", file.display()));
    reported.push(format!("`tmo check{check}` checks it, `tmo start{check}` starts the run"));
    reported.push("for coding agents: `tmo init --agents >>AGENTS.md`".to_owned());
    output::print(&(reported.join("\n") + "\n"))
}

/// Import the files of another tool if there is neither a Procfile nor anything to propose one for, unless they have
/// nothing but commands, which [`begin`] writes into a Procfile.
fn take_over(
    context: &Context,
    typed: &StartOptions,
    args: &InitArgs,
) -> Result<Option<u8>, CliError> {
    let dir = &context.start_dir;
    let has_procfile = context.project(typed)?.procfile.symlink_metadata().is_ok();
    let is_named = typed.procfile.is_some() || context.names_procfile(typed);
    if has_procfile
        || is_named
        || propose(dir).is_some()
        || project_above(dir, &context.env).is_some()
    {
        return Ok(None);
    }
    match propose::for_init(dir)? {
        Some((source, imported)) if imported.procfile().is_none() && !args.force => {
            import_file(source).map(Some)
        }
        _ => Ok(None),
    }
}

pub(in crate::cli) fn print_schema(_: &SchemaArgs) -> Result<u8, CliError> {
    output::print_json(&crate::config::toml::schema())
}

/// Find or write a Procfile if there is none; returns a message for the user.
fn begin(context: &Context, typed: &mut StartOptions, force: bool) -> Result<String, CliError> {
    let dir = &context.start_dir;
    if let Some(above) = project_above(dir, &context.env) {
        let text = format!("{} is a project already: run `tmo init` there", above.display());
        return Err(CliError::Other(text));
    }
    let Some(proposal) = propose(dir).or_else(|| imported(dir)) else {
        return Err(CliError::Other(format!(
            "nothing in {} shows what to write a Procfile for (looked for {LOOKED_FOR}); {}",
            dir.display(),
            without_procfile(dir)
        )));
    };
    let project = context.project(typed)?;
    let (toml, shown) = project.toml();
    if !force && toml.symlink_metadata().is_ok() {
        return Err(there_already(&shown));
    }
    match proposal {
        Proposal::Use(name) => {
            typed.procfile = Some(PathBuf::from(name));
            Ok(format!("{name} is there: it is used as it is"))
        }
        Proposal::Write { procfile, from } => {
            let shown = project.procfile_shown.display();
            files::write_whole(&project.procfile, procfile.as_bytes(), Whole::New)
                .map_err(CliError::io(&shown))?;
            let entries: Vec<String> = procfile.lines().map(|line| format!("  {line}")).collect();
            Ok(format!("{shown} (from {}):\n{}", from.join(" and "), entries.join("\n")))
        }
    }
}

/// The commands that another tool runs here.
fn imported(dir: &Path) -> Option<Proposal> {
    let (source, imported) = propose::for_init(dir).ok()??;
    let procfile = imported.procfile()?;
    for remark in &imported.remarks {
        output::warn(remark);
    }
    Some(Proposal::Write { procfile, from: vec![source.display().to_string()] })
}

fn write_toml(path: &Path, shown: &Path, text: &str, force: bool) -> Result<(), CliError> {
    let is_link = path.symlink_metadata().is_ok_and(|found| found.is_symlink());
    if is_link && force {
        // Replace the link, not its target.
        std::fs::remove_file(path).map_err(CliError::io(shown.display()))?;
    }
    let how = if force && path.exists() { Whole::Replaced } else { Whole::New };
    match files::write_whole(path, text.as_bytes(), how) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Err(there_already(shown)),
        written => written.map_err(CliError::io(shown.display())),
    }
}

fn there_already(shown: &Path) -> CliError {
    CliError::Other(format!("{} is there already; --force replaces it", shown.display()))
}

fn text(entries: &[ProcfileEntry], with_flags: bool) -> String {
    let mut parts = vec![HEAD.to_owned()];
    for (at, entry) in entries.iter().enumerate() {
        parts.push(format!("\n[process.{}]\n{BODY}", entry.name));
        if let Some(before) = at.checked_sub(1).and_then(|before| entries.get(before)) {
            let line = format!("# depends_on = [\"{}\"]", before.name);
            parts.push(format!("{line:48}# after that one is ready: give it a `ready` too\n"));
        }
    }
    parts.extend(with_flags.then(|| FLAGS.to_owned()));
    parts.concat()
}

#[cfg(test)]
mod tests {
    use super::text;
    use crate::config::{procfile, toml};

    #[test]
    fn what_it_writes_can_be_read_also_without_the_comment_signs() {
        let entries = procfile::parse(b"web: w\nworker: k\n", "Procfile").unwrap().entries;
        for with_flags in [false, true] {
            let text = text(&entries, with_flags);
            let toml = toml::parse(&text, "tmo.toml").unwrap();
            assert_eq!(toml.processes.len(), 2);
            assert_eq!(toml.defaults.flag.len(), if with_flags { 4 } else { 0 });
            let used = |line: &str| match line.strip_prefix("# ") {
                Some(rest) if rest.starts_with('[') || rest.contains(" = ") => rest.to_owned(),
                Some(_) | None => line.to_owned(),
            };
            let all = text.lines().map(used).collect::<Vec<_>>().join("\n");
            let toml = toml::parse(&all, "tmo.toml").unwrap();
            assert!(
                toml.table_of("worker").ready.is_some()
                    && !toml.table_of("worker").depends_on.is_empty()
            );
        }
    }
}
