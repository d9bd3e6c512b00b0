//! `tmo why`: explains why a process has ended, or does not come up.

mod fix;

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::crashes::{causes, headline, strong};
use crate::cli::args::{ClientArgs, values};
use crate::cli::output::table::terminal_width;
use crate::cli::project::check::planned;
use crate::cli::reach::instance::{Instance, tmo_only};
use crate::cli::reach::log::Source;
use crate::cli::{CliError, output, runtime};
use crate::crash::report::end_words;
use crate::crash::why::{About, Analysis, Explanation, LAST_LINES, Sources, Why, time_of_day};
use crate::journal::read::cursor::Position;
use crate::model::state::State;
use crate::model::text::cut;
use crate::model::text::untrusted::{cleaned_json, shown_line};
use crate::model::{ProcName, ProcessStatus};
use crate::view::paint::Stamp;

/// Explain what is wrong, or how the last run ended.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  tmo why                       what is wrong now, or how the last run ended
  tmo why web                   the same for web, with its last crash
  tmo why --json | jq -r '.causes[0].text'

Exits 0 if nothing is wrong; 1 if something is wrong, or if the log does not tell.")]
pub(in crate::cli) struct WhyArgs {
    /// The process.
    #[arg(value_name = "NAME", add = values::process())]
    name: Option<String>,
    /// Print the change to `tmo.toml` that mends it, as a patch for `git apply`.
    #[arg(long, conflicts_with = "json")]
    fix: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    client: ClientArgs,
}

/// Maximum number of causes.
const MOST_CAUSES: usize = 3;
/// How many characters of a last line are shown where there is no terminal.
const LONGEST_LINE: usize = 200;
/// Maximum number of other failing processes that are named.
const MOST_OTHERS: usize = 5;

/// Print the answer.
pub(in crate::cli) fn why(args: &WhyArgs) -> Result<u8, CliError> {
    let mut instance = Instance::find(&args.client)?;
    let (state, left) = runtime::block_on(state_of(&mut instance))?;
    let name = args.name.as_deref();
    let explanation = match state {
        Some(_) if !instance.has_files() => why_afar(&instance, args)?,
        state => explain(&instance, state, name)?,
    };
    let Some(left) = left else { return print(&instance, args, explanation) };
    if let Explanation::Well(_) = explanation {
        // It would say that the run is over.
        return Err(CliError::Other(left));
    }
    output::warn(&left);
    print(&instance, args, explanation).map(|code| code.max(1))
}

/// The explanation of a run that is elsewhere. What its answer does not say is derived: in a run that goes on, a process
/// has ended, waits, or has printed an error.
fn why_afar(instance: &Instance, args: &WhyArgs) -> Result<Explanation, CliError> {
    let name = args.name.as_deref();
    let asked = instance.ask(async |client| client.why(name).await);
    let answer = runtime::block_on(asked)?;
    let parsed = serde_json::from_value(cleaned_json(answer)).map_err(|error| {
        CliError::Other(format!("the answer of the other side can't be read: {error}"))
    });
    let mut explanation = parsed?;
    if let Explanation::Wrong(why) = &mut explanation {
        why.about = match (&why.state, why.exit_code.is_some() || why.signal.is_some()) {
            (_, true) => About::End { lived: None, earlier: false },
            (Some(_), false) => About::Waiting,
            (None, false) => About::Error,
        };
        // Only a command on that machine can show the report.
        why.report = why.report.take().filter(|_| args.json);
    }
    Ok(explanation)
}

/// Print this explanation; returns the exit code.
fn print(instance: &Instance, args: &WhyArgs, explanation: Explanation) -> Result<u8, CliError> {
    let mut answer = match explanation {
        Explanation::Wrong(answer) => answer,
        Explanation::Well(well) => {
            let printed = if args.fix {
                return Err(CliError::Other(format!("nothing to mend: {}", well.well)));
            } else if args.json {
                output::print_json(&well)?
            } else {
                output::print(&format!("{}\n", well.well))?
            };
            return Ok(if well.unwritable { 1 } else { printed });
        }
    };
    if args.fix {
        return fix::print(&directory(instance), &answer, &instance.flags());
    }
    let flags = instance.flags();
    let editor = instance.context.env.caller("EDITOR").and_then(OsStr::to_str);
    for cause in &mut answer.causes {
        let next = cause.next.take().map(|next| about_this_run(next, &flags));
        cause.next = next.map(|next| with_editor(next, editor));
    }
    let printed = if args.json {
        output::print_json(&answer)?
    } else {
        let color = Source::style(&instance.context.env, Stamp::None).mode.color();
        output::print_painted(&screen(&answer, color, &flags))?
    };
    Ok(if answer.wrong || answer.unwritable.is_some() { 1 } else { printed })
}

/// The answer as text, for a page of the interface, and the line of the log that is evidence for it.
pub(in crate::cli) fn page(
    instance: &mut Instance,
    name: Option<&str>,
    color: bool,
) -> Result<(String, Option<Position>), CliError> {
    let (state, _) = runtime::block_on(state_of(instance))?;
    match explain(instance, state, name)? {
        Explanation::Wrong(answer) => {
            let mut clues = answer.causes.iter().filter_map(|cause| cause.evidence.as_ref());
            let evidence = clues.find_map(|clue| clue.cursor.as_ref()?.parse().ok());
            Ok((screen(&answer, color, &instance.flags()), evidence))
        }
        Explanation::Well(well) => Ok((well.well, None)),
    }
}

fn explain(
    instance: &Instance,
    state: Option<State>,
    name: Option<&str>,
) -> Result<Explanation, CliError> {
    let fresh = if state.is_none() { planned(&instance.socket.path) } else { None };
    let fresh = fresh.transpose().unwrap_or_else(|error| {
        output::warn(&format!("a start is refused now: {error}; `tmo check` shows all"));
        None
    });
    let source = Source::of_instance(instance)?;
    let supervised = state.is_some() && instance.runtime.is_held();
    let index = || source.index_of(supervised);
    let plan = instance.runtime.plan().ok();
    let end = instance.last_run().and_then(|last| last.end);
    let root = directory(instance);
    let sources = Sources {
        dirs: &source.dirs,
        index: &index,
        reports: &source.reports,
        root: &root,
        end: end.as_ref(),
        fresh: fresh.as_ref(),
    };
    let analysis = Analysis::new(sources, plan, state)?;
    Ok(analysis.explain(name, &instance.flags())?)
}

/// The directory of the project.
fn directory(instance: &Instance) -> PathBuf {
    let root = instance.runtime.plan().ok().map(|plan| plan.root);
    let beside = || instance.socket.path.parent().unwrap_or(Path::new("/")).to_owned();
    root.or_else(|| instance.last_run()?.origin)
        .map_or_else(beside, |root| root.as_path().to_owned())
}

/// The state of the run, if there is one, or what is alive of one without a supervisor.
async fn state_of(instance: &mut Instance) -> Result<(Option<State>, Option<String>), CliError> {
    let state = match tmo_only(instance).await {
        // It may end just now.
        Ok(()) => instance.state().await,
        Err(error) => Err(error),
    };
    match state {
        Ok(state) => Ok((Some(state), None)),
        Err(CliError::NothingRuns { left, .. }) => Ok((None, left)),
        Err(error) => Err(error),
    }
}

/// A command that opens a file, with the line number in the syntax of this editor.
fn with_editor(next: String, editor: Option<&str>) -> String {
    let place = || {
        let (line, path) = next.strip_prefix("${EDITOR:-vi} +")?.split_once(' ')?;
        let program = editor?.split_whitespace().next()?.rsplit('/').next()?;
        // These take `file:line`, some with a flag that enables it.
        let flag = match program {
            "code" | "code-insiders" | "codium" | "cursor" | "windsurf" => "--goto ",
            "hx" | "helix" | "subl" | "zed" | "micro" => "",
            _ => return None,
        };
        // The line number goes inside the closing quote.
        let path = match path.strip_suffix('\'') {
            Some(path) => format!("{path}:{line}'"),
            None => format!("{path}:{line}"),
        };
        Some(format!("$EDITOR {flag}{path}"))
    };
    place().unwrap_or(next)
}

/// The next command to type, with the flags that select this run if it needs them.
fn about_this_run(next: String, flags: &str) -> String {
    let about_a_run = ["connect", "logs", "signal", "start", "stop", "watch", "why"];
    let verb = next.strip_prefix("tmo ").and_then(|rest| rest.split(' ').next());
    // The process that holds a port may belong to another run, which the command names already.
    let names_another = next.starts_with("tmo stop ") && next.contains(" -s ");
    if names_another || !verb.is_some_and(|verb| about_a_run.contains(&verb)) {
        return next;
    }
    next + flags
}

/// What happened to the process.
fn head(answer: &Why, color: bool) -> String {
    let name = strong(answer.process.as_str(), color);
    match answer.about {
        About::Waiting => {
            let Some(state) = &answer.state else { return String::new() };
            let pid = state.pid.map_or(String::new(), |pid| format!(" (pid {pid})"));
            let runs = state.state == ProcessStatus::Running;
            let wrong = if runs { ", but something is wrong" } else { "" };
            format!("{name} is {}{pid}{wrong}\n", state.state)
        }
        About::NotStarted => format!("{name} did not start in the last run\n"),
        About::Skipped => format!("{name} was skipped in the last run\n"),
        About::NotInstalled => format!("{name} was not installed in the last run\n"),
        About::NotReady => format!("{name} did not become ready in the last run\n"),
        About::Error => {
            let cause = answer.causes.first();
            let text = cause.map_or("", |cause| cause.text.as_str());
            let at = cause.and_then(|cause| cause.place.as_ref());
            let at = at.map_or(String::new(), |place| format!(" at {place}"));
            let clock = answer.timestamp.as_deref();
            let clock = clock.map_or(String::new(), |time| format!(" at {}", time_of_day(time)));
            if answer.wrong {
                format!(
                    "the program of {name} has failed{clock}: {text}{at}\n\
                     its watcher is running and waits for a change\n"
                )
            } else {
                format!("{name} is running; its last error{clock}: {text}{at}\n")
            }
        }
        About::End { lived, earlier } => {
            let timestamp = answer.timestamp.as_deref().unwrap_or_default();
            let end = end_words(answer.signal.as_deref(), answer.exit_code);
            let ended = headline(&answer.process, timestamp, &end, lived, color);
            let runs = answer.state.as_ref().is_some_and(|state| state.pid.is_some());
            let when = if earlier {
                "In an earlier run: ".to_owned()
            } else if runs {
                format!("{} is running again; its last failure:\n", answer.process)
            } else {
                String::new()
            };
            format!("{when}{ended}")
        }
    }
}

/// The complete answer, for one screen.
fn screen(answer: &Why, color: bool, flags: &str) -> String {
    let mut text = head(answer, color);
    if let Some(state) = answer.state.as_ref().filter(|_| answer.about != About::Waiting) {
        // Writing to a string does not fail.
        let pid = state.pid.map_or(String::new(), |pid| format!(" (pid {pid})"));
        let _ = writeln!(text, "state of {}: {}{pid}", state.name, state.state);
    }
    if let Some(ended) = &answer.run_ended {
        let is_earlier = matches!(answer.about, About::End { earlier: true, .. });
        let which = if is_earlier { "It was not part of the last run, which" } else { "The run" };
        let _ = writeln!(text, "{which} {ended}");
    }
    if let Some(unwritable) = &answer.unwritable {
        let _ = writeln!(text, "{}", shown_line(unwritable));
    }
    text.push('\n');
    text += &causes(&answer.causes[..answer.causes.len().min(MOST_CAUSES)], color);
    let said = answer.last_logs.iter().rev().skip_while(|line| line.trim().is_empty());
    let mut last: Vec<&String> = said.take(LAST_LINES).collect();
    last.reverse();
    if !last.is_empty() {
        let width = terminal_width().map_or(LONGEST_LINE, |width| width.saturating_sub(3));
        text.push_str("Its last lines:\n");
        for line in last {
            let _ = writeln!(text, "  {}", shown_line(&cut(line, width)));
        }
    }
    if !answer.others.is_empty() {
        let others: Vec<_> = answer.others.iter().take(MOST_OTHERS).map(ProcName::as_str).collect();
        let more = if answer.others.len() > MOST_OTHERS { " and others" } else { "" };
        text.push_str(if text.ends_with("\n\n") { "" } else { "\n" });
        let _ = writeln!(
            text,
            "Something is wrong with {}{more} too: `tmo why NAME{flags}`",
            others.join(", ")
        );
    }
    if answer.report.is_some() {
        let name = &answer.process;
        text.push_str(if text.ends_with("\n\n") { "" } else { "\n" });
        let _ = writeln!(text, "Output of the others: `tmo crashes show {name}{flags}`");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::with_editor;

    #[test]
    fn an_editor_gets_the_line_as_it_takes_it() {
        for (editor, next) in [
            (None, "${EDITOR:-vi} +4 a.py"),
            (Some("vim"), "${EDITOR:-vi} +4 a.py"),
            (Some("code --wait"), "$EDITOR --goto a.py:4"),
            (Some("/usr/bin/hx"), "$EDITOR a.py:4"),
        ] {
            assert_eq!(with_editor("${EDITOR:-vi} +4 a.py".into(), editor), next);
        }
        let quoted = with_editor("${EDITOR:-vi} +4 'my app/a.py'".into(), Some("code"));
        assert_eq!(quoted, "$EDITOR --goto 'my app/a.py:4'");
        assert_eq!(with_editor("tmo logs web".into(), Some("code")), "tmo logs web");
    }
}
