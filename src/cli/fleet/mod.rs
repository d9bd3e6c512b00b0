//! `tmo fleet`: verbs of tmo on several hosts.

mod acts;
mod answers;
mod apply;
mod hints;
mod hosts;
mod install;
mod lines;
mod shell;
mod tables;
mod terminal;
mod texts;
pub(super) mod there;
pub(super) mod trust;

use std::collections::HashMap;
use std::path::Path;
use std::pin::pin;

use tokio::signal::unix::SignalKind;
use tokio::sync::watch;

use self::answers::{AGAIN, some_of};
use super::args::{FleetArgs, FleetKind};
use super::error::CliError;
use super::output;
use super::output::progress::with_details;
use super::runtime::{SignalSet, block_on, code_of};
use crate::config::Env;
use crate::config::dirs::{make_private_dir, state_base};
use crate::config::load::Context;
use crate::fleet::call::Call;
use crate::fleet::caller::{CallAnswer, Caller};
use crate::fleet::discover;
use crate::fleet::host::Host;
use crate::fleet::inventory::Inventory;
use crate::fleet::names::{HostWord, NameError, Target, targets};
use crate::fleet::place::HostPlaces;
use crate::fleet::procman;
use crate::model::state::{ProcessState, State};
use crate::sys::files::{Whole, write_whole};

/// What all verbs need.
struct Fleet<'a> {
    inventory: Inventory,
    places: HostPlaces,
    env: Env,
    args: &'a FleetArgs,
    interrupt: Interrupt,
}

/// The signal that has asked this command to end, once there is one.
struct Interrupt(watch::Sender<Option<SignalKind>>);

/// Do what was typed; returns the exit code.
pub(super) fn fleet(args: &FleetArgs) -> Result<u8, CliError> {
    let context = Context::here()?;
    let (start_dir, env) = (context.start_dir, context.env);
    let mut inventory = match args.config.as_ref().or(args.file.as_ref()) {
        Some(file) => procman::read_any(&start_dir, &env, file)?,
        None if args.discover => discover::inventory(&env)?,
        None => Inventory::read(&start_dir, &env)?,
    };
    let kind = args.verb.as_ref().map(|command| command.kind);
    if kind == Some(FleetKind::Own) {
        let is_sure = args.verb.as_ref().is_some_and(|command| command.yes);
        return trust::trust(&inventory, &env, is_sure);
    }
    trust::check(&inventory, &env)?;
    if kind == Some(FleetKind::Shell) {
        return block_on(shell::shell(args, inventory.flag.as_deref()));
    }
    let places = HostPlaces::of_command(&env, args.persist)
        .map_err(CliError::io("can't tell where tmo is"))?;
    let interrupt = Interrupt(watch::Sender::new(None));
    if !inventory.lists.is_empty() {
        let caller = Caller { places: &places, patience: args.patience };
        let names: Vec<_> = inventory.lists.iter().map(|list| list.name.clone()).collect();
        let look = async || Some((some_of(names.iter()), AGAIN));
        let listed = with_details("listing", inventory.list(&caller), look);
        let code = interrupt.until_done(async {
            let listed = interrupt.or(listed).await;
            listed.map(|()| 0).ok_or_else(CliError::interrupted)
        })?;
        if code != 0 {
            return Ok(code);
        }
    }
    limit(&mut inventory, &args.hosts)?;
    let fleet = Fleet { inventory, places, env, args, interrupt };
    let code = match &args.verb {
        None => fleet.until_done(hosts::hosts(&fleet)),
        Some(command) => match command.kind {
            FleetKind::Table => fleet.until_done(tables::table(&fleet, command)),
            FleetKind::Act => fleet.until_done(acts::act(&fleet, command)),
            FleetKind::Lines => lines::lines(&fleet, command),
            FleetKind::Text | FleetKind::Exec => fleet.until_done(texts::text(&fleet, command)),
            FleetKind::Terminal => terminal::open(&fleet, command),
            FleetKind::Install => fleet.until_done(install::install(&fleet, command)),
            FleetKind::Own | FleetKind::Shell => Ok(0),
        },
    };
    if let (false, Some(masters)) = (args.persist, &fleet.places.masters) {
        block_on(async {
            masters.end().await;
            Ok(())
        })?;
    }
    code
}

/// Write a file below the state directory, for this user only.
fn write_state(file: &Path, content: &[u8], env: &Env) -> Result<(), CliError> {
    make_private_dir(&state_base(env))?;
    if let Some(dir) = file.parent() {
        make_private_dir(dir)?;
    }
    write_whole(file, content, Whole::WithMode(0o600)).map_err(CliError::io(file.display()))
}

/// Keep only the hosts of `--hosts`, if it was given.
fn limit(inventory: &mut Inventory, words: &[String]) -> Result<(), CliError> {
    let meant = places(inventory, words, "--hosts")?;
    let mut place = 0..;
    inventory
        .hosts
        .retain(|_| words.is_empty() || place.next().is_some_and(|place| meant.contains(&place)));
    Ok(())
}

/// The places of the hosts that these words mean; `what` takes them.
fn places(inventory: &Inventory, words: &[String], what: &str) -> Result<Vec<usize>, CliError> {
    let mut meant = vec![];
    for word in words {
        let host = word.strip_suffix('/').unwrap_or(word);
        let HostWord::On { hosts, process: None } = HostWord::read(&format!("{host}/"), inventory)?
        else {
            return Err(CliError::Usage(format!("{what} takes hosts, not `{word}`")));
        };
        meant.extend(hosts);
    }
    Ok(meant)
}

impl Interrupt {
    /// Do it. The first signal ends what waits for hosts, and what they have answered is shown; a second one ends all.
    fn until_done(&self, work: impl Future<Output = Result<u8, CliError>>) -> Result<u8, CliError> {
        block_on(async {
            let mut signals =
                SignalSet::of_end_and(&[]).map_err(CliError::io("can't wait for signals"))?;
            let mut work = pin!(work);
            loop {
                tokio::select! {
                    done = &mut work => {
                        let Some(signal) = *self.0.borrow() else { return done };
                        if let Err(error) = done {
                            output::warn(&error);
                        }
                        return Ok(code_of(signal));
                    }
                    signal = signals.next() => {
                        if self.0.send_replace(Some(signal)).is_some() {
                            return Ok(code_of(signal));
                        }
                    }
                }
            }
        })
    }

    fn is_set(&self) -> bool {
        self.0.borrow().is_some()
    }

    /// Wait for this; `None` if a signal has come before it is done.
    async fn or<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let mut signal = self.0.subscribe();
        tokio::select! {
            biased;
            _ = signal.wait_for(Option::is_some) => None,
            done = work => Some(done),
        }
    }
}

impl Fleet<'_> {
    fn until_done(&self, work: impl Future<Output = Result<u8, CliError>>) -> Result<u8, CliError> {
        self.interrupt.until_done(work)
    }

    fn caller(&self) -> Caller<'_> {
        Caller { places: &self.places, patience: self.args.patience }
    }

    /// What the words of a command mean; hosts are asked for their processes only where that is needed.
    async fn targets(&self, words: &[String]) -> Result<Vec<Target<'_>>, CliError> {
        self.targets_in(&self.inventory, words).await
    }

    /// The same in an inventory whose hosts were listed anew.
    async fn targets_in<'i>(
        &self,
        inventory: &'i Inventory,
        words: &[String],
    ) -> Result<Vec<Target<'i>>, CliError> {
        let words: Vec<_> = words
            .iter()
            .map(|word| HostWord::read(word, inventory))
            .collect::<Result<_, NameError>>()?;
        let mut known: HashMap<&String, Vec<ProcessState>> = HashMap::new();
        let mut asked: Vec<usize> = words
            .iter()
            .filter(|word| word.needs_processes())
            .flat_map(|word| word.hosts(inventory))
            .collect();
        asked.sort_unstable();
        asked.dedup();
        let asked = asked.into_iter().map(|place| Target::whole(&inventory.hosts[place]));
        let asked: Vec<_> = asked.collect();
        let ps = |target: &Target<'_>| Call::of(target.host, &["ps", "--json"]);
        self.each(&asked, ps, |target, answer| {
            let read = |answer: CallAnswer| serde_json::from_slice::<State>(&answer.output).ok();
            if let Some(state) = answer.ok().and_then(read) {
                known.insert(&target.host.name, state.processes);
            }
            Ok(())
        })
        .await?;
        if self.interrupt.is_set() {
            return Err(CliError::interrupted());
        }
        let has = |host: &Host, word: &str| {
            // `NAME=3` of `scale`.
            let word = word.split('=').next().unwrap_or(word);
            known.get(&host.name).map(|all| all.iter().any(|process| process.is_meant(word)))
        };
        let names = known.values().flatten().map(|process| process.name.as_str());
        Ok(targets(inventory, &words, has, &names.collect::<Vec<_>>())?)
    }

    /// The targets of hosts alone.
    fn hosts(&self, words: &[String]) -> Result<Vec<Target<'_>>, CliError> {
        let meant = places(&self.inventory, words, "this")?;
        let all = self.inventory.hosts.iter().enumerate();
        let is_meant = |place: &usize| words.is_empty() || meant.contains(place);
        let hosts = all.filter(|(place, _)| is_meant(place)).map(|(_, host)| Target::whole(host));
        Ok(hosts.collect())
    }
}
