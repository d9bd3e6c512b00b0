//! `tmo init`: a `tmo.toml` to begin with.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};

use super::args::InitArgs;
use super::error::CliError;
use crate::config::StartOptions;
use crate::config::load::Context;
use crate::config::procfile::Entry;

const HEAD: &str = "\
# What tmo is to know of the processes besides their commands, which stay in the Procfile.
# Everything here is optional; take away a `# ` to have it. `tmo check` looks at it, `tmo config`
# shows what is in force, `tmo schema` describes each key.

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

/// Write it beside the Procfile, in no other one's place unless that is wanted.
pub(super) fn init(args: &InitArgs, out: &mut dyn Write) -> Result<u8, CliError> {
    let context = Context::here()?;
    let typed = StartOptions { procfile: args.procfile.clone(), ..StartOptions::default() };
    let (project, procfile) = context.procfile(&typed)?;
    let (path, shown) = project.toml();
    context.check_writable(&typed, (&path, &shown))?;
    let is_link = path.symlink_metadata().is_ok_and(|found| found.is_symlink());
    if is_link && args.force {
        // It is replaced, not what it leads to.
        std::fs::remove_file(&path).map_err(CliError::io(shown.display()))?;
    }
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).create_new(!args.force || is_link);
    let mut file = match options.open(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            let text = format!("{} is there already; --force replaces it", shown.display());
            return Err(CliError::Other(text));
        }
        opened => opened.map_err(CliError::io(shown.display()))?,
    };
    let text = text(&procfile.entries, args.with_flags);
    file.write_all(text.as_bytes()).map_err(CliError::io(shown.display()))?;
    let told = format!("{}; `tmo check` looks at it\n", shown.display());
    super::print(out, &told)
}

fn text(entries: &[Entry], with_flags: bool) -> String {
    let mut parts = vec![HEAD.to_owned()];
    for (at, entry) in entries.iter().enumerate() {
        parts.push(format!("\n[process.{}]\n{BODY}", entry.name));
        if let Some(before) = at.checked_sub(1).and_then(|before| entries.get(before)) {
            let line = format!("# depends_on = [\"{}\"]", before.name);
            parts.push(format!("{line:48}# it begins when that one is ready\n"));
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
            assert_eq!(toml.defaults.flags.len(), if with_flags { 4 } else { 0 });
            let used = |line: &str| match line.strip_prefix("# ") {
                Some(rest) if rest.starts_with('[') || rest.contains(" = ") => rest.to_owned(),
                Some(_) | None => line.to_owned(),
            };
            let all = text.lines().map(used).collect::<Vec<_>>().join("\n");
            let toml = toml::parse(&all, "tmo.toml").unwrap();
            assert!(toml.of("worker").ready.is_some() && !toml.of("worker").depends_on.is_empty());
        }
    }
}
