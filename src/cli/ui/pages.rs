//! The pages about a process, in the words of the commands that print the same.

use std::fmt::Write as _;
use std::rc::Rc;
use std::time::Duration;

use super::shell::Shell;
use crate::cli::error::CliError;
use crate::cli::look::why;
use crate::cli::reach::instance::Instance;
use crate::cli::reach::log::{Source, unreadable};
use crate::crash::Log;
use crate::crash::compare::{Comparison, Life, Shape, compare};
use crate::journal::read::cursor::Position;
use crate::model::state::{FlagMatches, ProcessState};
use crate::model::{Exit, ProcName, units};
use crate::sys::{self, local};
use crate::ui::state::msg::Tab;

/// A life that ended within this time has left out much that others print.
const SHORT: Duration = Duration::from_secs(30);
/// How many lines are listed that are missing in a life.
const MOST_MISSING: usize = 10;
/// How many indented lines are listed below one that is not.
const MOST_INDENTED: usize = 3;

impl Shell {
    /// The text of a page.
    pub(super) fn page(
        &self,
        tab: Tab,
        name: Option<ProcName>,
    ) -> impl Future<Output = Result<(String, Option<Position>), CliError>> + use<> {
        let instance = Rc::clone(&self.instance);
        let color = self.theme.color;
        let process = name.as_ref().and_then(|name| self.ui.list.get(name)).cloned();
        let prompt = process.as_ref().and_then(|process| process.prompt.clone());
        async move {
            match (tab, name) {
                (Tab::Why, name) => {
                    let mut instance = Instance::clone(&instance);
                    let (text, leads_to) = blocking(move || {
                        why::page(&mut instance, name.as_ref().map(ProcName::as_str), color)
                    })
                    .await?;
                    let Some(prompt) = prompt else { return Ok((text, leads_to)) };
                    // It is not well, whatever its state says.
                    let text = if text.starts_with("nothing is wrong") { "" } else { &text };
                    let asks = format!(
                        "It waits for input at this prompt: {}\n\
                         i types a line into it; c connects this terminal with it.",
                        prompt.text
                    );
                    Ok((format!("{asks}\n\n{text}"), leads_to))
                }
                (Tab::Compare, Some(name)) => {
                    let instance = Instance::clone(&instance);
                    blocking(move || compare_page(&instance, &name, color)).await
                }
                (Tab::Flags, Some(name)) => {
                    let flags = instance.ask(async |client| client.flags(name.as_str(), 20).await);
                    Ok((flags_page(process.as_ref(), &flags.await?), None))
                }
                (Tab::Screen, Some(name)) => {
                    let screen =
                        instance.ask(async |client| client.screen(name.as_str(), true).await);
                    Ok((screen.await?, None))
                }
                (Tab::Tree, Some(_)) => Ok((tree_page(process.as_ref()), None)),
                (Tab::Compare | Tab::Flags | Tab::Screen | Tab::Tree, None) => {
                    Ok(("select a process first".to_owned(), None))
                }
            }
        }
    }
}

pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, CliError> + Send + 'static,
) -> Result<T, CliError> {
    tokio::task::spawn_blocking(work).await?
}

/// What the last life of a process printed that the last good one did not, and where the first such line is.
fn compare_page(
    instance: &Instance,
    name: &ProcName,
    color: bool,
) -> Result<(String, Option<Position>), CliError> {
    let source = Source::of_instance(instance)?;
    let supervised = instance.runtime.is_held();
    let log =
        Log::with_index(&source.dirs, 0, || source.index_of(supervised)).map_err(unreadable)?;
    let Comparison { life, good, new, missing, alike, is_cut } =
        &compare(&log, name).map_err(unreadable)?;
    let Some(life) = life else { return Ok((format!("{name} has not run"), None)) };
    let Some(last_good) = good.first() else {
        let text = format!(
            "{}\n\nThere is nothing to compare with: {name} has no earlier life that became ready, ran for \
             a minute or ended with success. One that failed counts if it had run for 20 s.",
            life_words(name, life)
        );
        return Ok((text, None));
    };
    let styled = |sgr: &str, text: &str| {
        if color { format!("\x1b[{sgr}m{text}\x1b[0m") } else { text.to_owned() }
    };
    let mut text = format!("{}\nagainst {}\n", life_words(name, life), life_words(name, last_good));
    match good.len() {
        0 | 1 => {}
        2 => text.push_str("and the good one before it\n"),
        more => {
            let _ = writeln!(text, "and the {} good ones before it", more - 1);
        }
    }
    if last_good.failed {
        text.push_str("(good until shortly before its end; there is no better one)\n");
    }
    if *is_cut {
        text.push_str("(of each, only the first 8 MiB or 100,000 lines)\n");
    }
    if let Some(before) = alike {
        let ended = if life.exit.is_some() { "It ended" } else { "It prints" };
        let before = life_words(name, before);
        let _ =
            writeln!(text, "\n{}", styled("1", &format!("{ended} like the one before: {before}")));
    }
    // What a life that ended at once did not come to is no news.
    let lasted = life.lasted().unwrap_or(Duration::MAX);
    let missing = if lasted < SHORT { &[] } else { &missing[..missing.len().min(MOST_MISSING)] };
    let Some(first) = new.first() else {
        text.push_str("\nIt has printed nothing that the good ones did not print too.\n");
        list(&mut text, "missing now", missing, |line| styled("2", &format!("- {line}")));
        return Ok((text, None));
    };
    let time = local::zone().to_datetime(first.time.utc()).strftime("%H:%M:%S%.3f");
    let lives = if good.len() == 1 { "the good life" } else { "the good lives" };
    let _ = write!(text, "\nfirst line unlike any of {lives}, at {time}:\n");
    let _ = writeln!(text, "  {}", styled("1", &first.text));
    list(&mut text, "new", new, |line| styled("31", &format!("+ {line}")));
    list(&mut text, "missing now", missing, |line| styled("2", &format!("- {line}")));
    Ok((text, Some(first.at)))
}

/// A list of lines, each with how often there was one like it.
fn list(text: &mut String, title: &str, shapes: &[Shape], line: impl Fn(&str) -> String) {
    if shapes.is_empty() {
        return;
    }
    let _ = write!(text, "\n{title}:\n");
    let mut indented = 0;
    for (at, shape) in shapes.iter().enumerate() {
        // The lines of a traceback, for instance.
        indented = if shape.text.starts_with([' ', '\t']) { indented + 1 } else { 0 };
        if indented > MOST_INDENTED {
            let next = shapes.get(at + 1);
            if next.is_none_or(|next| !next.text.starts_with([' ', '\t'])) {
                let hidden = indented - MOST_INDENTED;
                let lines = if hidden == 1 { "line" } else { "lines" };
                let _ =
                    writeln!(text, "{}", line(&format!("    … {hidden} more indented {lines}")));
            }
            continue;
        }
        let count = if shape.count == 1 { String::new() } else { format!("   × {}", shape.count) };
        let _ = writeln!(text, "{}{count}", line(&shape.text));
    }
}

/// `web, started 14:02:07 (life 3), exit 1 after 41 s`.
fn life_words(name: &ProcName, life: &Life) -> String {
    let started = local::zone().to_datetime(life.started.utc()).strftime("%b %d %H:%M:%S");
    let number = life.life.number();
    let ready = if life.became_ready { ", was ready" } else { "" };
    let how = match life.exit {
        None => "runs".to_owned(),
        Some(_) if life.was_asked_to_end && !life.failed => "stopped".to_owned(),
        Some(Exit::Code(code)) => format!("exit {code}"),
        Some(exit @ Exit::Signal(_)) => exit.word(),
    };
    let lasted = life.lasted().map(|lasted| format!(" after {}", units::span(lasted)));
    let end = format!("{how}{}", lasted.unwrap_or_default());
    format!("{name}, started {started} (life {number}): {end}{ready}")
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
    let entry = process.map_or("NAME", |process| process.name.entry());
    if text.is_empty() {
        format!("it has no flags; `[[process.{entry}.flag]]` in tmo.toml describes one")
    } else {
        text
    }
}

/// The main process and what it has started.
fn tree_page(process: Option<&ProcessState>) -> String {
    let Some(pid) = process.and_then(|process| process.pid) else {
        return "not running".to_owned();
    };
    let Some(main) = sys::info(pid) else { return "not running".to_owned() };
    let all = sys::descendants_of_shim(main.ppid);
    let mut text = format!("{:>8} {:>9} {:>8}  COMMAND\n", "PID", "MEMORY", "CPU");
    // Orphans were adopted by the shim.
    let orphans = all.iter().filter(|process| process.ppid == main.ppid && process.pid != pid);
    let mut open: Vec<_> = orphans.map(|process| (process.pid, 0)).chain([(pid, 0)]).collect();
    let mut listed = std::collections::HashSet::new();
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
