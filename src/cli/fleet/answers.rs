//! The answers of hosts, in the order of the inventory.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::pin::pin;
use std::time::Duration;

use futures_util::StreamExt as _;
use serde::Serialize;
use serde_json::Value;

use super::Fleet;
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
use crate::model::text::untrusted::{cleaned, cleaned_json};

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
        self.fan(targets, work, |answer| answer.output.len(), done).await
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
        let work = &work;
        let waits = &waiting;
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

/// The first hosts, and how many more.
pub(super) fn some_of<'n>(names: impl IntoIterator<Item = &'n String>) -> String {
    output::first_names(names, MOST_NAMED, " and ")
}

/// How the hosts have answered.
#[derive(Debug)]
pub(super) struct Summary<'f> {
    inventory: &'f Inventory,
    /// What `--json` prints, if it was given.
    json: Option<Vec<HostAnswer>>,
    all: usize,
    /// Those that did not.
    silent: Vec<SilentHost>,
    /// Those whose verb has failed, and the exit code for that.
    pub(super) failed: usize,
    pub(super) failure: u8,
}

/// A host that has not answered.
#[derive(Debug)]
struct SilentHost {
    host: Host,
    /// What asks it again.
    words: Vec<String>,
    /// Why it has not, if that is known.
    error: Option<CallError>,
}

impl SilentHost {
    /// What tries to reach it.
    fn trial(&self) -> Option<String> {
        let ssh = self.host.ssh_name()?;
        let error = self.error.as_ref().map(CallError::to_string).unwrap_or_default();
        Some(if error.contains("Could not resolve hostname") {
            let name = &self.host.name;
            format!("`ssh = \"…\"` below [host.{name}] is the name that ssh knows, ")
        } else {
            format!("`ssh {ssh} true` tries it, ")
        })
    }
}

impl<'f> Summary<'f> {
    pub(super) fn new(inventory: &'f Inventory, is_json: bool) -> Self {
        let json = is_json.then(Vec::new);
        Self { inventory, json, all: 0, silent: vec![], failed: 0, failure: 1 }
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
            all.push(HostAnswer::new(self.inventory, target.host, answer));
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
        self.all += 1;
        let host = target.host.clone();
        self.silent.push(SilentHost {
            host,
            words: target.typed().collect(),
            error: error.cloned(),
        });
    }

    /// Why a verb has failed.
    pub(super) fn complaint(&self, host: &Host, answer: &CallAnswer) -> String {
        last_words(self.inventory, host, answer.code, &answer.error)
    }

    /// How many did not do it, for whatever reason.
    pub(super) fn failures(&self) -> usize {
        self.failed + self.silent.len()
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
        let all = self.all;
        let names = |hosts: &[&SilentHost]| some_of(hosts.iter().map(|silent| &silent.host.name));
        let is = |silent: &SilentHost, what: fn(&CallError) -> bool| {
            silent.error.as_ref().is_some_and(what)
        };
        let (interrupted, silent): (Vec<_>, Vec<_>) =
            self.silent.iter().partition(|silent| is(silent, CallError::is_interrupt));
        let (without_tmo, unreachable): (Vec<_>, Vec<_>) =
            silent.into_iter().partition(|silent| is(silent, CallError::lacks_tmo));
        if !interrupted.is_empty() {
            let count = interrupted.len();
            let names = names(&interrupted);
            output::warn(&format!("interrupted: {count} of {all} had not answered: {names}"));
        }
        if let Some(first) = unreachable.first() {
            let count = unreachable.len();
            let hosts = if all == 1 { "host" } else { "hosts" };
            let trial = unreachable.iter().find_map(|silent| silent.trial()).unwrap_or_default();
            let again = match command {
                Some(command) => self.typed(command, &first.words),
                None => format!("{} --hosts {}", self.inventory.command(), first.host.name),
            };
            output::warn(&format!(
                "{count} of {all} {hosts} did not answer: {}; {trial}`{again}` asks it again",
                names(&unreachable)
            ));
        }
        if !without_tmo.is_empty() {
            let count = without_tmo.len();
            let mut install = format!("{} install", self.inventory.command());
            // Without words, it asks all hosts and leaves those alone that have it.
            if count <= MOST_NAMED {
                install.extend(without_tmo.iter().map(|silent| format!(" {}", silent.host.name)));
            }
            output::warn(&format!(
                "{count} of {all} hosts have no tmo, or an old one: {}; `{install}` puts it there",
                names(&without_tmo)
            ));
        }
        Ok(match self.failed {
            _ if !self.silent.is_empty() => UNANSWERED,
            0 => 0,
            _ => self.failure,
        })
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
    fn new(inventory: &Inventory, host: &Host, answer: &Result<CallAnswer, CallError>) -> Self {
        let name = host.name.clone();
        let answer = match answer {
            Err(error) => {
                return Self { host: name, error: Some(error.to_string()), ..Self::default() };
            }
            Ok(answer) => answer,
        };
        let ok = answer.code == 0;
        let text = || Value::String(String::from_utf8_lossy(&answer.output).into_owned());
        let json = serde_json::from_slice(&answer.output).unwrap_or_else(|_| text());
        Self {
            host: name,
            ok,
            code: Some(answer.code),
            error: (!ok).then(|| last_words(inventory, host, answer.code, &answer.error)),
            answer: (!answer.output.is_empty()).then(|| cleaned_json(json)),
        }
    }
}

/// What is printed of a host that has not answered.
pub(super) fn no_answer(error: &CallError) -> String {
    let prefix = if error.is_interrupt() || error.lacks_tmo() { "" } else { "unreachable: " };
    format!("{prefix}{error}")
}

/// What is printed of a host that has not answered to an order: it may have carried that out.
pub(super) fn order_unanswered(error: &CallError) -> String {
    match error {
        CallError::Lost(_) => format!("{error}; the order may have been carried out"),
        CallError::Interrupted | CallError::Silent(_) => {
            // It may only be late.
            format!("{}; the order may still be carried out", no_answer(error))
        }
        _ => no_answer(error),
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

/// A text of tmo on this host in which the commands are as they are typed here: those between backquotes, and those behind
/// `$`. A command that `tmo fleet` does not have stays as it is.
pub(super) fn from_here(text: &str, inventory: &Inventory, host: &Host) -> String {
    let typed_here = |quoted: &str| {
        let words = shell_words::split(quoted).ok()?;
        let command = FleetCommand::of_host(words.strip_prefix(&["tmo".to_owned()])?)?;
        let mut names: Vec<_> =
            command.words.iter().map(|name| format!("{}/{name}", host.name)).collect();
        if names.is_empty() {
            names.push(format!("{}/", host.name));
        }
        Some(format!("{} {}", inventory.command(), command.typed(&names)))
    };
    let between = |(place, part): (usize, &str)| {
        let typed = (place % 2 == 1).then(|| typed_here(part)).flatten();
        typed.unwrap_or_else(|| part.to_owned())
    };
    let line = |line: &str| match line.trim_start().strip_prefix("$ ") {
        Some(command) => {
            let indent = &line[..line.len() - command.len()];
            format!("{indent}{}", typed_here(command).unwrap_or_else(|| command.to_owned()))
        }
        None => line.split('`').enumerate().map(between).collect::<Vec<_>>().join("`"),
    };
    text.split('\n').map(line).collect::<Vec<_>>().join("\n")
}
