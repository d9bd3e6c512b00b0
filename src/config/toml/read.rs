//! From the tables of a file to values.

use std::path::PathBuf;

use ::toml::Spanned;
use ::toml::de::{DeTable, DeValue};

use super::probes;
use super::problem::Mistakes;
use super::shape::{At, View, number, scalar, size};
use super::table::{
    Args, Command, Dependency, LogTable, ProcessTable, RestartTable, StopTable,
    expression as check_expression,
};
use crate::model::expression;
use crate::model::limits::{EXPRESSION, EXPRESSION_BYTES, EXPRESSIONS};
use crate::model::plan::OnExit;
use crate::model::rules::{
    Action, Backoff, FailureAction, FailurePattern, Flag, FlagColor, Hooks, Milestone, Restart,
    Stage, StopAfter, Text,
};
use crate::model::signal::SignalName;
use crate::model::text::OsText;

/// `[log]`.
pub(super) fn log(view: View<'_, '_>) -> LogTable {
    let bytes = |key| view.of(key, size).map(Spanned::into_inner);
    LogTable {
        dir: view.text("dir").map(|dir| dir.into_inner().into()),
        per_process: bytes("per_process"),
        total: bytes("total"),
    }
}

/// `[hooks]`.
pub(super) fn hooks(view: View<'_, '_>, mistakes: &mut Mistakes) -> Hooks {
    let mut command = |key| Some(OsText::from(said(view, key, mistakes)?.into_inner()));
    let hooks = Hooks {
        on_crash: command("on_crash"),
        dependencies_ready: command("dependencies_ready"),
        main_started: command("main_started"),
        cleanup: command("cleanup"),
        stop_after: word(view, "stop_after", |word| match word {
            "dependencies_ready" => Some(StopAfter::DependenciesReady),
            "main_started" => Some(StopAfter::MainStarted),
            _ => None,
        })
        .map(Spanned::into_inner),
    };
    let awaited = match hooks.stop_after {
        Some(StopAfter::DependenciesReady) => ("dependencies_ready", &hooks.dependencies_ready),
        Some(StopAfter::MainStarted) => ("main_started", &hooks.main_started),
        None => return hooks,
    };
    if let ((name, None), Some(at)) = (awaited, view.get("stop_after")) {
        let text = format!("there is no hook `{name}` that the run could end after; add one");
        mistakes.add(at.span(), text);
    }
    hooks
}

/// `[process.NAME]` or `[defaults]`.
pub(super) fn process(view: View<'_, '_>, mistakes: &mut Mistakes) -> ProcessTable {
    let path = |at: Spanned<String>| Spanned::new(at.span(), PathBuf::from(at.into_inner()));
    let codes = |key| view.of(key, codes);
    ProcessTable {
        command: command(view, mistakes),
        args: view.of("args", |value| match value.as_str() {
            Some(text) => Some(Args::Text(text.to_owned())),
            None => Some(Args::Words(words(value)?)),
        }),
        display: view.text("display"),
        port: view.number("port"),
        depends_on: depends_on(view),
        cwd: view.text("cwd").map(path),
        env: env(view, mistakes),
        env_file: view.texts("env_file").into_iter().map(path).collect(),
        add_path: view.texts("add_path").into_iter().map(path).collect(),
        autostart: view.switch("autostart"),
        groups: groups(view, mistakes),
        shell: said(view, "shell", mistakes),
        phase: word(view, "phase", |word| match word {
            "dependency" => Some(Stage::Dependency),
            "main" => Some(Stage::Main),
            "cleanup" => Some(Stage::Cleanup),
            _ => None,
        }),
        ready: probes::ready(view, mistakes),
        live: probes::live(view, mistakes),
        restart: restart(view, mistakes),
        on_exit: word(view, "on_exit", |word| match word {
            "stop-all" => Some(OnExit::StopAll),
            "ignore" => Some(OnExit::Remain),
            "restart" => Some(OnExit::Restart),
            _ => None,
        }),
        success_exit_codes: codes("success_exit_codes"),
        soft_exit_codes: codes("soft_exit_codes"),
        stop: view
            .table("stop")
            .map(|stop| self::stop(*stop.get_ref(), mistakes))
            .unwrap_or_default(),
        failures: view
            .tables("failure")
            .into_iter()
            .filter_map(|item| failure(&item, mistakes))
            .collect(),
        flags: view.tables("flag").into_iter().filter_map(|item| flag(&item, mistakes)).collect(),
        notify: view.switch("notify"),
    }
}

/// One of some words.
pub(super) fn word<T>(view: View<'_, '_>, key: &str, read: impl Fn(&str) -> Option<T>) -> At<T> {
    view.of(key, |value| value.as_str().and_then(&read))
}

/// A text that must say something.
pub(super) fn said(view: View<'_, '_>, key: &str, mistakes: &mut Mistakes) -> At<String> {
    let text = view.text(key)?;
    if text.get_ref().trim().is_empty() {
        mistakes.add(text.span(), format!("`{key}` is empty; leave it out"));
        return None;
    }
    Some(text)
}

/// The first of these keys that is there; a second one is one too many.
pub(super) fn either<T>(
    view: View<'_, '_>,
    ways: [At<T>; 3],
    keys: [&str; 3],
    mistakes: &mut Mistakes,
) -> At<T> {
    let mut there = keys.iter().zip(ways).filter_map(|(key, way)| Some((key, way?)));
    let first = there.next();
    for (other, _) in there {
        if let (Some((first, _)), Some(span)) = (&first, view.key(other)) {
            mistakes.add(span, format!("`{other}` says the same as `{first}`; keep one of them"));
        }
    }
    first.map(|(_, value)| value)
}

fn words(value: &DeValue<'_>) -> Option<Vec<String>> {
    value.as_array()?.iter().map(|item| Some(item.get_ref().as_str()?.to_owned())).collect()
}

fn codes(value: &DeValue<'_>) -> Option<Vec<u8>> {
    let code = |item: &Spanned<DeValue<'_>>| u8::try_from(number(item.get_ref())?).ok();
    value.as_array()?.iter().map(code).collect()
}

fn command(view: View<'_, '_>, mistakes: &mut Mistakes) -> At<Command> {
    let command = view.of("command", |value| match value.as_str() {
        Some(line) => Some(Command::Shell(line.to_owned())),
        None => Some(Command::Words(words(value)?)),
    })?;
    let empty = match command.get_ref() {
        Command::Shell(line) => line.trim().is_empty(),
        Command::Words(words) => words.first().is_none_or(String::is_empty),
    };
    if empty {
        mistakes.add(command.span(), "`command` is empty; it is what is to be run");
    }
    Some(command)
}

fn depends_on(view: View<'_, '_>) -> Vec<Dependency> {
    let ready = |on| Dependency { on, until: Milestone::Ready };
    let Some(table) = view.table("depends_on") else {
        return view.texts("depends_on").into_iter().map(ready).collect();
    };
    let until = |value: &DeValue<'_>| match value.as_str()? {
        "started" => Some(Milestone::Started),
        "ready" => Some(Milestone::Ready),
        "completed" => Some(Milestone::Completed),
        _ => None,
    };
    in_order(table.get_ref().0)
        .filter_map(|(on, value)| Some(Dependency { on, until: until(value.get_ref())? }))
        .collect()
}

/// A table in the order in which it is written.
pub(super) fn in_order<'a, 'i>(
    table: &'a DeTable<'i>,
) -> impl Iterator<Item = (Spanned<String>, &'a Spanned<DeValue<'i>>)> {
    let mut all: Vec<_> = table
        .iter()
        .map(|(key, value)| (Spanned::new(key.span(), key.get_ref().clone().into_owned()), value))
        .collect();
    all.sort_by_key(|(key, _)| key.span().start);
    all.into_iter()
}

fn env(view: View<'_, '_>, mistakes: &mut Mistakes) -> Vec<Spanned<(String, String)>> {
    let mut found = vec![];
    if let Some(table) = view.table("env") {
        for (key, value) in in_order(table.get_ref().0) {
            let Some(text) = scalar(value.get_ref()) else { continue };
            let (span, key) = (key.span(), key.into_inner());
            found.push(Spanned::new(span, (key, text)));
        }
    } else {
        for item in view.texts("env") {
            let (span, text) = (item.span(), item.into_inner());
            match text.split_once('=') {
                Some((key, value)) => {
                    found.push(Spanned::new(span, (key.to_owned(), value.to_owned())));
                }
                None => mistakes.add(span, format!("write it as \"{text}=value\"")),
            }
        }
    }
    for pair in &found {
        let name = &pair.get_ref().0;
        if name.is_empty() || name.contains(['=', '\0']) {
            mistakes.add(pair.span(), format!("\"{name}\" can't be the name of a variable"));
        }
    }
    found
}

fn groups(view: View<'_, '_>, mistakes: &mut Mistakes) -> Vec<Spanned<String>> {
    let all: Vec<_> = view.text("group").into_iter().chain(view.texts("groups")).collect();
    let word = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    for group in &all {
        let name = group.get_ref();
        if name.is_empty() || !name.chars().all(word) {
            let text = "a group has a name of letters, digits, `_`, `-` and `.`";
            mistakes.add(group.span(), format!("\"{name}\": {text}"));
        }
    }
    all
}

fn restart(view: View<'_, '_>, mistakes: &mut Mistakes) -> RestartTable {
    let policy = |word: &str| match word {
        "no" => Some(Restart::No),
        "on-failure" => Some(Restart::OnFailure),
        "always" => Some(Restart::Always),
        _ => None,
    };
    let Some(table) = view.table("restart") else {
        return RestartTable { policy: word(view, "restart", policy), ..RestartTable::default() };
    };
    let table = *table.get_ref();
    let seconds = |key| table.of(key, |value| number(value)?.checked_mul(1000));
    let delays = [table.time("delay"), table.number("delay_ms"), seconds("delay_seconds")];
    let most = ["max_failures", "max_consecutive_failures", "max_restarts"];
    let stable = [table.time("stable"), seconds("failure_reset_seconds"), None];
    RestartTable {
        policy: word(table, "policy", policy),
        delay_ms: either(table, delays, ["delay", "delay_ms", "delay_seconds"], mistakes),
        backoff: word(table, "backoff", |word| match word {
            "fixed" => Some(Backoff::Fixed),
            "exponential" => Some(Backoff::Exponential),
            _ => None,
        }),
        max_delay_ms: table.time("max_delay"),
        max_failures: either(table, most.map(|key| table.number(key)), most, mistakes),
        stable_ms: either(table, stable, ["stable", "failure_reset_seconds", ""], mistakes),
    }
}

fn stop(view: View<'_, '_>, mistakes: &mut Mistakes) -> StopTable {
    let signal = view.text("signal").and_then(|text| match text.get_ref().parse::<SignalName>() {
        Ok(signal) => Some(Spanned::new(text.span(), signal.number())),
        Err(error) => {
            mistakes.add(text.span(), error.to_string());
            None
        }
    });
    let timeout_ms = view.time("timeout");
    StopTable { signal, command: said(view, "command", mistakes), timeout_ms }
}

/// A pattern, looked at.
pub(super) fn pattern(
    at: &Spanned<String>,
    (regex, any_case): (bool, bool),
    mistakes: &mut Mistakes,
) -> Text {
    let text = Text { pattern: at.get_ref().clone(), regex, any_case };
    if text.pattern.is_empty() {
        mistakes.add(at.span(), "an empty pattern is in every line; say what to look for");
    }
    if !regex || mistakes.is_over() {
        return text;
    }
    let Some(size) = expression::size(&text) else {
        mistakes.add_last(
            at.span(),
            format!(
                "the expression is too large when it is compiled; {EXPRESSION} characters and \
                 ranges of characters are possible, all repetitions written out (\\w has a \
                 thousand), and {EXPRESSION_BYTES} bytes"
            ),
        );
        return text;
    };
    if !mistakes.has_room_for(size) {
        let text = format!(
            "the expressions of this file are too large together; {EXPRESSIONS} characters and \
             ranges of characters are possible, all repetitions written out"
        );
        mistakes.add_last(at.span(), text);
    } else if let Err(error) = check_expression(&text) {
        let message = error.to_string();
        let why = message.lines().last().unwrap_or_default().trim_start_matches("error: ");
        mistakes.add(at.span(), format!("this is no regular expression: {why}"));
    }
    text
}

fn failure(
    item: &Spanned<View<'_, '_>>,
    mistakes: &mut Mistakes,
) -> Option<Spanned<FailurePattern>> {
    let view = *item.get_ref();
    let regex = view.switch("regex").is_some_and(Spanned::into_inner);
    let any_case = view.switch("ignore_case").map_or(!regex, Spanned::into_inner);
    let Some(at) = view.text("pattern") else {
        if view.get("pattern").is_none() {
            mistakes.add(item.span(), "a failure needs a `pattern`: the text to look for");
        }
        return None;
    };
    let action = word(view, "action", |word| match word {
        "break" => Some(FailureAction::Break),
        "restart" => Some(FailureAction::Restart),
        _ => None,
    });
    let failure = FailurePattern {
        text: pattern(&at, (regex, any_case), mistakes),
        action: action.map(Spanned::into_inner).unwrap_or_default(),
    };
    Some(Spanned::new(at.span(), failure))
}

fn flag(item: &Spanned<View<'_, '_>>, mistakes: &mut Mistakes) -> Option<Spanned<Flag>> {
    let view = *item.get_ref();
    for (key, what) in [("name", "which `tmo flags` shows"), ("pattern", "a regular expression")] {
        if view.get(key).is_none() {
            mistakes.add(item.span(), format!("a flag needs a `{key}`, {what}"));
        }
    }
    let any_case = view.switch("ignore_case").is_some_and(Spanned::into_inner);
    let windows = ["context_window", "context_window_size", ""];
    let targets = ["target", "target_count", ""];
    let context = either(view, windows.map(|key| view.number(key)), windows, mistakes);
    let target = either(view, targets.map(|key| view.number(key)), targets, mistakes);
    let (name, on_match) = (said(view, "name", mistakes), said(view, "on_match", mistakes));
    let (name, at) = (name?, view.text("pattern")?);
    let flag = Flag {
        text: pattern(&at, (true, any_case), mistakes),
        color: word(view, "color", color).map(Spanned::into_inner).unwrap_or_default(),
        context: context.map(Spanned::into_inner).unwrap_or_default(),
        target: target.map(Spanned::into_inner),
        on_match: on_match.map(|command| command.into_inner().into()),
        notify: view.switch("notify").is_some_and(Spanned::into_inner),
        every_ms: view.time("every").map_or(Flag::EVERY_MS, Spanned::into_inner),
        action: word(view, "action", action).map_or(Action::Notify, Spanned::into_inner),
        name: name.get_ref().clone(),
    };
    Some(Spanned::new(name.span(), flag))
}

fn color(word: &str) -> Option<FlagColor> {
    match word {
        "green" => Some(FlagColor::Green),
        "red" => Some(FlagColor::Red),
        "yellow" => Some(FlagColor::Yellow),
        "blue" => Some(FlagColor::Blue),
        "purple" => Some(FlagColor::Purple),
        "orange" => Some(FlagColor::Orange),
        _ => None,
    }
}

/// What follows something that was seen.
pub(super) fn action(word: &str) -> Option<Action> {
    match word {
        "restart" => Some(Action::Restart),
        "break" => Some(Action::Break),
        "notify" => Some(Action::Notify),
        _ => None,
    }
}
