//! The answers of hosts, in the order of the inventory.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::pin::pin;
use std::time::Duration;

use futures_util::StreamExt as _;
use serde::Serialize;
use serde_json::Value;

use super::Fleet;
use crate::cli::error::CliError;
use crate::cli::output;
use crate::cli::output::progress::with_details;
use crate::fleet::call::Call;
use crate::fleet::call_error::CallError;
use crate::fleet::caller::CallAnswer;
use crate::fleet::fan::{in_order, persistent};
use crate::fleet::host::Host;
use crate::model::untrusted::{cleaned, cleaned_json};

/// How often the line on a terminal that tells for whom it waits is looked at.
pub(super) const AGAIN: Duration = Duration::from_millis(500);

/// The most hosts that such a line, or an error, names.
const MOST_NAMED: usize = 5;

/// The exit code if a host did not answer.
const UNANSWERED: u8 = 3;

impl Fleet<'_> {
    /// Make these calls; `inputs` are the standard inputs of hosts, by their names. `done` gets the answers as those of
    /// [`Self::fan`].
    pub(super) async fn each<T>(
        &self,
        calls: Vec<(T, &Host, Call)>,
        inputs: Option<&HashMap<String, String>>,
        mut done: impl FnMut(T, Result<CallAnswer, CallError>) -> Result<(), CliError>,
    ) -> Result<(), CliError> {
        let caller = self.caller();
        let calls = calls.into_iter().map(|(one, host, call)| ((one, call), host));
        let answer = async |(_, call): &(T, Call), host: &Host| {
            let input = inputs.and_then(|all| all.get(&host.name)).map(String::as_bytes);
            persistent(async || caller.call(host, call, input).await).await
        };
        let size = |answer: &Result<CallAnswer, _>| {
            answer.as_ref().map_or(0, |answer| answer.output.len())
        };
        self.fan(calls.collect(), answer, size, |(one, _), answer| done(one, answer)).await
    }

    /// Do something with these hosts, 16 at a time. `done` gets the results in the same order, each as soon as it and those
    /// before it are there. `size` is the number of bytes of a result.
    pub(super) async fn fan<T, R>(
        &self,
        all: Vec<(T, &Host)>,
        work: impl AsyncFn(&T, &Host) -> R,
        size: impl Fn(&R) -> usize,
        mut done: impl FnMut(T, R) -> Result<(), CliError>,
    ) -> Result<(), CliError> {
        let names = all.iter().map(|(_, host)| host.name.clone());
        let waiting: RefCell<BTreeSet<String>> = RefCell::new(names.collect());
        let (work, waits) = (&work, &waiting);
        let results = in_order(
            all,
            |(one, host)| async move {
                let result = work(&one, host).await;
                waits.borrow_mut().remove(&host.name);
                (one, result)
            },
            |(_, result)| size(result),
        );
        let mut results = pin!(results);
        let look = async || Some((some_of(waiting.borrow().iter()), AGAIN));
        while let Some((one, result)) = with_details("waiting", results.next(), look).await {
            done(one, result)?;
        }
        Ok(())
    }
}

/// The first ones, and how many more.
pub(super) fn some_of<'n>(names: impl ExactSizeIterator<Item = &'n String>) -> String {
    let more = names.len().saturating_sub(MOST_NAMED);
    let some: Vec<&str> = names.take(MOST_NAMED).map(String::as_str).collect();
    let some = some.join(", ");
    if more > 0 { format!("{some} and {more} more") } else { some }
}

/// How the hosts have answered.
#[derive(Debug, Default)]
pub(super) struct Summary {
    all: usize,
    /// Those that did not, and what tries to reach the first of them.
    unanswered: Vec<String>,
    try_it: Option<String>,
    /// Those whose verb has failed.
    pub(super) failed: usize,
}

impl Summary {
    /// Add a host that has answered.
    pub(super) fn answered(&mut self, code: u8) {
        self.all += 1;
        self.failed += usize::from(code != 0);
    }

    /// Add a host that has not, and why, if that is known.
    pub(super) fn unanswered(&mut self, host: &Host, error: Option<&CallError>) {
        self.all += 1;
        self.unanswered.push(host.name.clone());
        let try_it = match (error, host.ssh_name()) {
            (Some(CallError::NoTmo(_) | CallError::OldTmo), _) => {
                Some(format!("`tmo fleet install {}` puts tmo there, ", host.name))
            }
            (_, Some(name)) => Some(format!("`ssh {name} true` tries it, ")),
            (_, None) => None,
        };
        self.try_it = self.try_it.take().or(try_it);
    }

    /// How many did not do it, for whatever reason.
    pub(super) fn failures(&self) -> usize {
        self.failed + self.unanswered.len()
    }

    /// Say on standard error who did not answer; returns the exit code.
    pub(super) fn finish(&self, verb: &str) -> u8 {
        if let Some(first) = self.unanswered.first() {
            let (count, all) = (self.unanswered.len(), self.all);
            let hosts = if all == 1 { "host" } else { "hosts" };
            let names = some_of(self.unanswered.iter());
            let try_it = self.try_it.as_deref().unwrap_or_default();
            let again = match verb {
                "" => format!("`tmo fleet --hosts {first}` asks it again"),
                _ => format!("`tmo fleet {verb} {first}/` asks it again"),
            };
            output::warn(&format!(
                "{count} of {all} {hosts} did not answer: {names}; {try_it}{again}"
            ));
            return UNANSWERED;
        }
        u8::from(self.failed > 0)
    }
}

/// What `--json` prints for each host.
#[derive(Debug, Serialize)]
pub(super) struct HostAnswer {
    host: String,
    ok: bool,
    /// The exit code of the verb there.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<u8>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    /// What the verb printed: JSON, if it is that.
    #[serde(skip_serializing_if = "Option::is_none")]
    answer: Option<Value>,
}

impl HostAnswer {
    /// For a verb that executes no tmo there: this text is the answer, or the error.
    pub(super) fn of_text(name: &str, ok: bool, text: String) -> Self {
        let (error, answer) = if ok { (None, Some(text.into())) } else { (Some(text), None) };
        Self { host: name.to_owned(), ok, code: None, error, answer }
    }

    pub(super) fn of(host: &Host, answer: &Result<CallAnswer, CallError>) -> Self {
        let (name, ok) = (host.name.clone(), answer.as_ref().is_ok_and(|answer| answer.code == 0));
        let empty = Self { host: name, ok, code: None, error: None, answer: None };
        match answer {
            Err(error) => Self { error: Some(error.to_string()), ..empty },
            Ok(answer) => {
                let text = || Value::String(String::from_utf8_lossy(&answer.output).into_owned());
                let json = serde_json::from_slice(&answer.output).unwrap_or_else(|_| text());
                let json = cleaned_json(json);
                Self {
                    code: Some(answer.code),
                    error: (!ok).then(|| complaint(host, answer)),
                    answer: Some(json).filter(|json| *json != Value::String(String::new())),
                    ..empty
                }
            }
        }
    }
}

/// Why a verb has failed.
pub(super) fn complaint(host: &Host, answer: &CallAnswer) -> String {
    last_words(host, answer.code, &answer.error)
}

/// The last message that a verb has written to standard error, without the name of the program and the lines of a file
/// that may follow it.
pub(super) fn last_words(host: &Host, code: u8, error: &str) -> String {
    let mut lines = error.lines().rev().filter(|line| !line.trim().is_empty());
    let last = lines.clone().find(|line| line.starts_with("tmo: ")).or_else(|| lines.next());
    let last = last.map(|line| cleaned(line.strip_prefix("tmo: ").unwrap_or(line)));
    if last.as_ref().is_some_and(|last| last.starts_with("nothing runs here")) {
        return format!("nothing runs there; `tmo fleet start {}/` starts a run", host.name);
    }
    last.unwrap_or_else(|| format!("it ended with code {code}"))
}
