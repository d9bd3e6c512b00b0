//! The pages about a process, in the words of the commands that print the same.

use std::fmt::Write as _;
use std::rc::Rc;

use super::Shell;
use crate::cli::error::CliError;
use crate::cli::instance::Instance;
use crate::cli::why;
use crate::model::ProcName;
use crate::model::request::{FlagMatches, ProcessState};
use crate::model::units;
use crate::sys;
use crate::ui::state::msg::Tab;

impl Shell {
    /// The text of a page.
    pub(super) fn page(
        &self,
        tab: Tab,
        name: Option<ProcName>,
    ) -> impl Future<Output = Result<String, CliError>> + use<> {
        let instance = Rc::clone(&self.instance);
        let client = self.args.client.clone();
        let color = self.theme.color;
        let process = name.as_ref().and_then(|name| self.ui.list.get(name)).cloned();
        async move {
            match (tab, name) {
                (Tab::Why, name) => {
                    let work = move || {
                        let mut instance = Instance::find(&client)?;
                        why::page(&mut instance, name.as_ref().map(ProcName::as_str), color)
                    };
                    blocking(work).await
                }
                (Tab::Flags, Some(name)) => {
                    let flags = instance.ask(async |client| client.flags(name.as_str(), 20).await);
                    Ok(flags_page(process.as_ref(), &flags.await?))
                }
                (Tab::Screen, Some(name)) => {
                    instance.ask(async |client| client.screen(name.as_str(), true).await).await
                }
                (Tab::Tree, Some(_)) => Ok(tree_page(process.as_ref())),
                (Tab::Flags | Tab::Screen | Tab::Tree, None) => {
                    Ok("select a process first".to_owned())
                }
            }
        }
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, CliError> + Send + 'static,
) -> Result<T, CliError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(CliError::Other(error.to_string())),
    }
}

/// The flags of a process, each with its last matches.
fn flags_page(process: Option<&ProcessState>, found: &[FlagMatches]) -> String {
    let mut text = String::new();
    let flags = process.map(|process| process.flags.as_slice()).unwrap_or_default();
    for flag in flags {
        let target = flag.target.map_or(String::new(), |target| format!(" of at most {target}"));
        let exceeded = if flag.exceeded { "  too many" } else { "" };
        let _ = writeln!(text, "\x1b[1m{}\x1b[0m  {}{target}{exceeded}", flag.name, flag.count);
        let matches = found.iter().filter(|found| found.flag == flag.name);
        for one in matches.flat_map(|found| &found.matches) {
            let lines = one.before.iter().map(|line| (" ", line));
            let lines =
                lines.chain([(">", &one.line)]).chain(one.after.iter().map(|line| (" ", line)));
            for (mark, line) in lines {
                let _ = writeln!(text, "  {mark} {line}");
            }
            text.push('\n');
        }
    }
    if text.is_empty() { "it has no flags (`[flags]` in tmo.toml)".to_owned() } else { text }
}

/// The main process and what it has started.
fn tree_page(process: Option<&ProcessState>) -> String {
    let Some(pid) = process.and_then(|process| process.pid) else {
        return "it does not run".to_owned();
    };
    let Some(main) = sys::info(pid) else { return "it does not run".to_owned() };
    let all = sys::descendants(main.ppid);
    let mut text = format!("{:>8} {:>9} {:>8}  COMMAND\n", "PID", "MEMORY", "CPU");
    let mut open = vec![(pid, 0)];
    let mut listed = std::collections::HashSet::new();
    // Orphans were adopted by the shim.
    let orphans = all.iter().filter(|process| process.ppid == main.ppid && process.pid != pid);
    open.splice(0..0, orphans.map(|process| (process.pid, 0)));
    while let Some((pid, depth)) = open.pop() {
        if !listed.insert(pid) {
            continue;
        }
        let Some(process) = all.iter().find(|process| process.pid == pid) else { continue };
        let usage = sys::usage(pid).unwrap_or_default();
        let arguments = sys::arguments_of(pid).map(|words| words.join(" "));
        let command =
            arguments.filter(|words| !words.is_empty()).unwrap_or_else(|| process.comm.clone());
        let (memory, cpu) = (units::bytes(usage.resident), units::span(usage.cpu));
        let indent = "  ".repeat(depth);
        let _ = writeln!(text, "{pid:>8} {memory:>9} {cpu:>8}  {indent}{command}");
        let mut children: Vec<_> = all.iter().filter(|child| child.ppid == pid).collect();
        children.sort_by_key(|child| std::cmp::Reverse(child.pid));
        open.extend(children.into_iter().map(|child| (child.pid, depth + 1)));
    }
    text
}
