//! The answers of hosts, in the order of the inventory.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::pin::pin;
use std::time::Duration;

use futures_util::StreamExt as _;
use serde::Serialize;
use serde_json::Value;

use super::Fleet;
use super::hints::from_here;
use crate::cli::args::FleetCommand;
use crate::cli::error::CliError;
use crate::cli::output;
use crate::cli::output::progress::with_details;
use crate::fleet::call::Call;
use crate::fleet::call_error::{CallError, last_line};
use crate::fleet::caller::CallAnswer;
use crate::fleet::fan::{in_order, persistent};
use crate::fleet::host::Host;
use crate::fleet::inventory::Inventory;
use crate::fleet::names::Target;
use crate::model::untrusted::{cleaned, cleaned_json};

/// How often the line on a terminal that tells for whom it waits is looked at.
pub(super) const AGAIN: Duration = Duration::from_millis(500);

/// The most hosts that such a line, or an error, names.
const MOST_NAMED: usize = 5;

/// The exit code if a host did not answer.
const UNANSWERED: u8 = 3;

impl Fleet<'_> {
    /// Execute these words of tmo on a host; again, if it has refused the connection.
    pub(super) async fn call(
        &self,
        host: &Host,
        call: &Call,
        input: Option<&[u8]>,
    ) -> Result<CallAnswer, CallError> {
        let caller = self.caller();
        persistent(async || caller.call(host, call, input).await).await
    }

    /// Make a call of each. `done` gets the answers as those of [`Self::fan`].
    pub(super) async fn each<'t>(
        &self,
        targets: &'t [Target<'_>],
        call: impl Fn(&Target<'_>) -> Call,
        done: impl FnMut(&'t Target<'t>, Result<CallAnswer, CallError>) -> Result<(), CliError>,
    ) -> Result<(), CliError> {
        let work = async |target: &Target<'_>| self.call(target.host, &call(target), None).await;
        let size = |answer: &CallAnswer| answer.output.len();
        self.fan(targets, work, size, done).await
    }

    /// Do something with these hosts, 16 at a time. `done` gets the results in the same order, each as soon as it and those
    /// before it are there. `size` is the number of bytes of a result.
    pub(super) async fn fan<'t, R, E: From<CallError>>(
        &self,
        targets: &'t [Target<'_>],
        work: impl AsyncFn(&Target<'_>) -> Result<R, E>,
        size: impl Fn(&R) -> usize,
        mut done: impl FnMut(&'t Target<'t>, Result<R, E>) -> Result<(), CliError>,
    ) -> Result<(), CliError> {
        let names = targets.iter().map(|target| &target.host.name);
        let waiting: RefCell<BTreeSet<&String>> = RefCell::new(names.collect());
        let (work, waits) = (&work, &waiting);
        let results = in_order(
            targets,
            |target| async move {
                let result = if self.interrupt.is_set() {
                    Err(CallError::NotAsked.into())
                } else {
                    let result = self.interrupt.or(work(target)).await;
                    result.unwrap_or_else(|| Err(CallError::Interrupted.into()))
                };
                waits.borrow_mut().remove(&target.host.name);
                (target, result)
            },
            |(_, result)| result.as_ref().map_or(0, &size),
        );
        let mut results = pin!(results);
        let look = async || Some((some_of(waiting.borrow().iter().copied()), AGAIN));
        while let Some((target, result)) = with_details("waiting", results.next(), look).await {
            done(target, result)?;
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
#[derive(Debug)]
pub(super) struct Summary<'f> {
    inventory: &'f Inventory,
    /// What `--json` prints, if it was given.
    json: Option<Vec<HostAnswer>>,
    all: usize,
    /// Those that did not, what asks the first of them again, and what tries to reach one of them.
    unanswered: Vec<String>,
    again: Option<Vec<String>>,
    try_it: Option<String>,
    /// Those without a tmo that knows fleets.
    without_tmo: Vec<String>,
    /// Those that had not when the user ended the command.
    interrupted: Vec<String>,
    /// Those whose verb has failed.
    pub(super) failed: usize,
}

impl<'f> Summary<'f> {
    pub(super) fn new(fleet: &'f Fleet<'_>, is_json: bool) -> Self {
        let (inventory, json) = (&fleet.inventory, is_json.then(Vec::new));
        let (unanswered, interrupted, without_tmo) = (vec![], vec![], vec![]);
        Self {
            inventory,
            json,
            all: 0,
            unanswered,
            again: None,
            try_it: None,
            without_tmo,
            interrupted,
            failed: 0,
        }
    }

    /// Print this, unless JSON is printed.
    pub(super) fn print(&self, text: &str) -> Result<(), CliError> {
        if self.json.is_none() {
            output::print(text)?;
        }
        Ok(())
    }

    /// Add the answer of a host.
    pub(super) fn add(&mut self, target: &Target<'_>, answer: &Result<CallAnswer, CallError>) {
        if let Some(all) = &mut self.json {
            all.push(HostAnswer::of(self.inventory, target.host, answer));
        }
        match answer {
            Ok(answer) => self.answered(answer.code),
            Err(error) => self.unanswered(target, Some(error)),
        }
    }

    /// Add the answer, or the error, of what executes no tmo on a host; it does not count.
    pub(super) fn add_text(&mut self, name: &str, answer: Result<String, String>) {
        if let Some(all) = &mut self.json {
            let empty = HostAnswer { host: name.to_owned(), ..HostAnswer::default() };
            all.push(match answer {
                Ok(text) => HostAnswer { ok: true, answer: Some(text.into()), ..empty },
                Err(text) => HostAnswer { error: Some(text), ..empty },
            });
        }
    }

    /// Add a host that has answered.
    pub(super) fn answered(&mut self, code: u8) {
        self.all += 1;
        self.failed += usize::from(code != 0);
    }

    /// Add a host that has not, and why, if that is known.
    pub(super) fn unanswered(&mut self, target: &Target<'_>, error: Option<&CallError>) {
        let host = target.host;
        self.all += 1;
        if let Some(CallError::Interrupted | CallError::NotAsked) = error {
            self.interrupted.push(host.name.clone());
            return;
        }
        if let Some(CallError::NoTmo(_) | CallError::OldTmo) = error {
            self.without_tmo.push(host.name.clone());
            return;
        }
        self.unanswered.push(host.name.clone());
        self.again.get_or_insert_with(|| target.typed().collect());
        let is_unknown =
            |error: &CallError| error.to_string().contains("Could not resolve hostname");
        let try_it = host.ssh_name().map(|name| match error {
            Some(error) if is_unknown(error) => {
                format!("`ssh = \"…\"` below [host.{}] is the name that ssh knows, ", host.name)
            }
            _ => format!("`ssh {name} true` tries it, "),
        });
        self.try_it = self.try_it.take().or(try_it);
    }

    /// Why a verb has failed.
    pub(super) fn complaint(&self, host: &Host, answer: &CallAnswer) -> String {
        last_words(self.inventory, host, answer.code, &answer.error)
    }

    /// How many did not do it, for whatever reason.
    pub(super) fn failures(&self) -> usize {
        self.failed + self.silent()
    }

    /// How many have not answered.
    fn silent(&self) -> usize {
        self.unanswered.len() + self.without_tmo.len() + self.interrupted.len()
    }

    /// What a user types to have this verb carried out on these.
    pub(super) fn typed(&self, command: &FleetCommand, words: &[String]) -> String {
        format!("{} {}", self.inventory.command(), command.typed(words))
    }

    /// Print what the verb has written to standard error of its host though it was done, such as a warning.
    pub(super) fn warn_of(&self, host: &Host, shows_name: bool, answer: &CallAnswer) {
        let prefix = if shows_name { format!("{}: ", host.name) } else { String::new() };
        for line in answer.error.lines().filter(|line| !line.trim().is_empty()) {
            let line = line.strip_prefix("tmo: ").unwrap_or(line);
            output::warn(&format!("{prefix}{}", from_here(line, self.inventory, host)));
        }
    }

    /// Print the JSON, and say on standard error who did not answer; returns the exit code.
    pub(super) fn finish(&self, command: Option<&FleetCommand>) -> Result<u8, CliError> {
        if let Some(all) = &self.json {
            output::print_json(all)?;
        }
        if !self.interrupted.is_empty() {
            let (count, all) = (self.interrupted.len(), self.all);
            let names = some_of(self.interrupted.iter());
            output::warn(&format!("interrupted: {count} of {all} had not answered: {names}"));
        }
        if let Some(first) = self.unanswered.first() {
            let (count, all) = (self.unanswered.len(), self.all);
            let hosts = if all == 1 { "host" } else { "hosts" };
            let names = some_of(self.unanswered.iter());
            let try_it = self.try_it.as_deref().unwrap_or_default();
            let typed = self.inventory.command();
            let again = match (command, &self.again) {
                (Some(command), Some(words)) => self.typed(command, words),
                _ => format!("{typed} --hosts {first}"),
            };
            output::warn(&format!(
                "{count} of {all} {hosts} did not answer: {names}; {try_it}`{again}` asks it again"
            ));
        }
        if !self.without_tmo.is_empty() {
            let (count, all) = (self.without_tmo.len(), self.all);
            let names = some_of(self.without_tmo.iter());
            // Without words, it asks all hosts and leaves those alone that have it.
            let few = if count <= MOST_NAMED { self.without_tmo.join(" ") } else { String::new() };
            let install = format!("{} install {few}", self.inventory.command());
            let install = install.trim_end();
            output::warn(&format!(
                "{count} of {all} hosts have no tmo, or an old one: {names}; `{install}` puts it there"
            ));
        }
        Ok(if self.silent() > 0 { UNANSWERED } else { u8::from(self.failed > 0) })
    }
}

/// What `--json` prints for each host.
#[derive(Debug, Default, Serialize)]
struct HostAnswer {
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
    fn of(inventory: &Inventory, host: &Host, answer: &Result<CallAnswer, CallError>) -> Self {
        let mut all = Self { host: host.name.clone(), ..Self::default() };
        match answer {
            Err(error) => all.error = Some(error.to_string()),
            Ok(answer) => {
                all.ok = answer.code == 0;
                all.code = Some(answer.code);
                all.error =
                    (!all.ok).then(|| last_words(inventory, host, answer.code, &answer.error));
                let text = || Value::String(String::from_utf8_lossy(&answer.output).into_owned());
                let json = serde_json::from_slice(&answer.output).unwrap_or_else(|_| text());
                let json = cleaned_json(json);
                all.answer = Some(json).filter(|json| *json != Value::String(String::new()));
            }
        }
        all
    }
}

/// What is printed of a host that has not answered.
pub(super) fn no_answer(error: &CallError) -> String {
    match no_answer_status(error) {
        "unreachable" => format!("unreachable: {error}"),
        _ => error.to_string(),
    }
}

/// What a table shows as the state of a host that has not answered.
pub(super) const fn no_answer_status(error: &CallError) -> &'static str {
    match error {
        CallError::Interrupted | CallError::NotAsked => "-",
        CallError::NoTmo(_) | CallError::OldTmo => "no tmo",
        _ => "unreachable",
    }
}

/// The last message that a verb has written to standard error, without the name of the program and the lines of a file
/// that may follow it.
pub(super) fn last_words(inventory: &Inventory, host: &Host, code: u8, error: &str) -> String {
    let message = error.lines().rev().find(|line| line.starts_with("tmo: ")).map(cleaned);
    let last = message.or_else(|| last_line(error));
    let last = last.unwrap_or_else(|| format!("it ended with code {code}"));
    let last = last.strip_prefix("tmo: ").unwrap_or(&last);
    let last = last.replacen("nothing runs here", "nothing runs there", 1);
    from_here(&last, inventory, host)
}
