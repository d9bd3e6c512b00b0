//! `tmo why`: explains why a process has ended, or does not come up.

mod analysis;

use std::ffi::OsStr;
use std::fmt::Write as _;

use serde::Serialize;

use self::analysis::{Analysis, Answer};
use super::args::WhyArgs;
use super::crashes::causes;
use super::error::CliError;
use super::instance::Instance;
use super::log::Source;
use super::terminal::tmo_only;
use crate::journal::cursor::Position;
use crate::model::ProcName;
use crate::model::request::State;
use crate::model::untrusted::shown_line;
use crate::view::paint::Stamp;

/// Number of last lines shown: with the rest, they fit on one screen.
const LAST: usize = 10;
/// Maximum number of causes.
const MOST: usize = 3;
/// Maximum number of other failing processes that are named.
const MOST_OTHERS: usize = 5;

/// Print the answer.
pub(super) fn why(args: &WhyArgs) -> Result<u8, CliError> {
    let mut instance = Instance::find(&args.client)?;
    let state = super::block_on(state_of(&mut instance))?;
    if let Some(far) = &instance.far {
        return super::far::why(far, args.name.as_deref());
    }
    let source = Source::of_instance(&instance)?;
    let style = Source::style(&instance.context.env, Stamp::None);
    let analysis = Analysis::new(&instance, &source, state, style.mode.color())?;
    let answer = analysis.answer(args.name.as_deref())?;
    let flags = instance.flags();
    let Some(mut answer) = answer else {
        let text = analysis.all_is_well(args.name.as_deref(), &flags)?;
        if args.json {
            return super::print_json(&Well { api: crate::model::request::API, well: &text });
        }
        return super::print(&(text + "\n"));
    };
    let editor = instance.context.env.caller("EDITOR").and_then(OsStr::to_str);
    for cause in &mut answer.causes {
        let next = cause.next.take().map(|next| about_this_run(next, &flags));
        cause.next = next.map(|next| with_editor(next, editor));
    }
    let printed = if args.json {
        super::print_json(&answer)?
    } else {
        super::print_painted(&screen(&answer, style.mode.color(), &flags))?
    };
    Ok(if answer.wrong { 1 } else { printed })
}

/// The answer as text, for a page of the interface, and the line of the log that is evidence for it.
pub(super) fn page(
    instance: &mut Instance,
    name: Option<&str>,
    color: bool,
) -> Result<(String, Option<Position>), CliError> {
    let state = super::block_on(state_of(instance))?;
    let source = Source::of_instance(instance)?;
    let analysis = Analysis::new(instance, &source, state, color)?;
    let flags = instance.flags();
    match analysis.answer(name)? {
        Some(answer) => {
            let mut clues = answer.causes.iter().filter_map(|cause| cause.evidence.as_ref());
            let evidence = clues.find_map(|clue| clue.cursor.as_ref()?.parse().ok());
            Ok((screen(&answer, color, &flags), evidence))
        }
        None => Ok((analysis.all_is_well(name, &flags)?, None)),
    }
}

/// The state of the run, if there is one.
async fn state_of(instance: &mut Instance) -> Result<Option<State>, CliError> {
    match tmo_only(instance).await {
        Ok(()) => instance.state().await.map(Some),
        Err(CliError::NothingRuns(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The answer if nothing is wrong.
#[derive(Serialize)]
struct Well<'a> {
    api: u32,
    well: &'a str,
}

/// A command that opens a file, with the line number in the syntax of this editor.
fn with_editor(next: String, editor: Option<&str>) -> String {
    /// Editors that take `file:line`, with the flag that enables it.
    const OTHERS: [(&str, &str); 10] = [
        ("code", "--goto "),
        ("code-insiders", "--goto "),
        ("codium", "--goto "),
        ("cursor", "--goto "),
        ("windsurf", "--goto "),
        ("hx", ""),
        ("helix", ""),
        ("subl", ""),
        ("zed", ""),
        ("micro", ""),
    ];
    let place = || {
        let (line, path) = next.strip_prefix("${EDITOR:-vi} +")?.split_once(' ')?;
        let program = editor?.split_whitespace().next()?.rsplit('/').next()?;
        let (_, flag) = OTHERS.iter().find(|(name, _)| *name == program)?;
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
    let about_a_run = ["tmo logs ", "tmo why ", "tmo start ", "tmo stop "];
    // The process that holds a port may belong to another run, which the command names already.
    let names_another = next.starts_with("tmo stop ") && next.contains(" -s ");
    if names_another || !about_a_run.iter().any(|words| next.starts_with(words)) {
        return next;
    }
    next + flags
}

/// The complete answer, for one screen.
fn screen(answer: &Answer, color: bool, flags: &str) -> String {
    let mut text = answer.head.clone();
    if let Some(state) = &answer.state {
        // Writing to a string does not fail.
        let pid = state.pid.map_or(String::new(), |pid| format!(" (pid {pid})"));
        let _ = writeln!(text, "state of {}: {}{pid}", state.name, state.state);
    }
    text.push('\n');
    text += &causes(&answer.causes[..answer.causes.len().min(MOST)], color);
    let said = answer.last_logs.iter().rev().skip_while(|line| line.trim().is_empty());
    let mut last: Vec<&String> = said.take(LAST).collect();
    last.reverse();
    if !last.is_empty() {
        text.push_str("Its last lines:\n");
        for line in last {
            let _ = writeln!(text, "  {}", shown_line(line));
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
