//! `tmo fleet`: verbs of tmo on several hosts.

mod acts;
mod answers;
mod apply;
mod install;
mod lines;
mod shell;
mod tables;
mod texts;
pub(super) mod there;
pub(super) mod trust;
pub(super) mod verbs;

use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::pin::pin;

use tokio::signal::unix::SignalKind;
use tokio::sync::watch;

use self::answers::{AGAIN, Summary, some_of};
use self::verbs::{FleetArgs, FleetCommand, FleetKind};
use super::error::CliError;
use super::output;
use super::output::progress::with_details;
use super::runtime::{SignalSet, block_on, code_of};
use crate::config::Env;
use crate::config::load::Context;
use crate::config::place::dirs::{make_private_dir, state_base};
use crate::fleet::call::Call;
use crate::fleet::caller::Caller;
use crate::fleet::host::Host;
use crate::fleet::inventory::Inventory;
use crate::fleet::names::{HostWord, Target, targets};
use crate::fleet::place::HostPlaces;
use crate::fleet::{discover, procman};
use crate::model::state::{ProcessState, State};
use crate::sys::files::{Whole, write_whole};

/// What all verbs need.
struct Fleet<'a> {
    inventory: Inventory,
    places: &'a HostPlaces,
    env: &'a Env,
    args: &'a FleetArgs,
    interrupt: &'a Interrupt,
}

/// A verb, the hosts and processes that it is about, and how these answer.
struct Order<'a, 'f> {
    fleet: &'a Fleet<'a>,
    command: &'a FleetCommand,
    targets: &'a [Target<'a>],
    summary: &'a mut Summary<'f>,
}

/// The signal that has asked this command to end, once there is one.
struct Interrupt(watch::Sender<Option<SignalKind>>);

/// Do what was typed; returns the exit code.
pub(super) fn fleet(args: &FleetArgs) -> Result<u8, CliError> {
    let context = Context::here()?;
    let env = &context.env;
    let inventory = match args.config.as_ref().or(args.file.as_ref()) {
        Some(file) => procman::read_any(&context.start_dir, env, file)?,
        None if args.discover => discover::inventory(env)?,
        None => Inventory::nearest(&context.start_dir, env)?,
    };
    let command = args.verb.as_ref();
    if let Some(command) = command.filter(|command| command.kind == FleetKind::Own) {
        return trust::trust(&inventory, env, command.yes);
    }
    trust::check(&inventory, env)?;
    if command.is_some_and(|command| command.kind == FleetKind::Shell) {
        return block_on(shell::shell(args, inventory.flag.as_deref()));
    }
    let places = HostPlaces::of_command(env, args.persist)
        .map_err(CliError::io("can't tell where tmo is"))?;
    let interrupt = &Interrupt(watch::Sender::new(None));
    let fleet = Fleet { inventory, places: &places, env, args, interrupt };
    block_on(async {
        let done = interrupt.until_done(Box::pin(fleet.carry_out(command))).await;
        if let (false, Some(masters)) = (args.persist, &places.masters) {
            masters.end().await;
        }
        done
    })
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
    let words = parse_words(inventory, words, Some("--hosts"))?;
    let meant: BTreeSet<usize> = words.into_iter().flat_map(|word| word.hosts).collect();
    let mut place = 0..;
    inventory
        .hosts
        .retain(|_| place.next().is_some_and(|place| meant.is_empty() || meant.contains(&place)));
    Ok(())
}

/// The words of a command; `hosts_only` is what takes hosts and no processes.
fn parse_words(
    inventory: &Inventory,
    words: &[String],
    hosts_only: Option<&str>,
) -> Result<Vec<HostWord>, CliError> {
    let mut parsed = vec![];
    for word in words {
        let host = format!("{}/", word.strip_suffix('/').unwrap_or(word));
        let typed = if hosts_only.is_some() { &host } else { word };
        let found = HostWord::parse(typed, inventory)?;
        if let Some(what) = hosts_only.filter(|_| found.process.is_some()) {
            return Err(CliError::Usage(format!("{what} takes hosts, not `{word}`")));
        }
        parsed.push(found);
    }
    Ok(parsed)
}

impl Interrupt {
    /// Do it. The first signal ends what waits for hosts, and what they have answered is shown; a second one ends all.
    async fn until_done(
        &self,
        work: impl Future<Output = Result<u8, CliError>>,
    ) -> Result<u8, CliError> {
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
    }

    fn is_set(&self) -> bool {
        self.0.borrow().is_some()
    }

    /// The signal has ended what it was meant for: it is no failure.
    fn settle(&self) {
        self.0.send_replace(None);
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

impl<'a> Fleet<'a> {
    /// List the hosts of engines, find what is meant, let the verb do its part, and say how it went.
    async fn carry_out(mut self, command: Option<&FleetCommand>) -> Result<u8, CliError> {
        self.list_hosts().await?;
        limit(&mut self.inventory, &self.args.hosts)?;
        let kind = command.map(|command| command.kind);
        let typed = command.map(|command| &command.words[..]).unwrap_or_default();
        let takes_hosts =
            matches!(kind, None | Some(FleetKind::Table | FleetKind::Install | FleetKind::Exec));
        let words = parse_words(&self.inventory, typed, takes_hosts.then_some("this"))?;
        let targets = self.targets(&self.inventory, &words).await?;
        let is_json = !matches!(kind, None | Some(FleetKind::Lines | FleetKind::Terminal));
        let mut summary = Summary::new(&self.inventory, is_json && self.args.json);
        let Some((command, kind)) = command.zip(kind) else {
            tables::hosts(&self, &targets, &mut summary).await?;
            return summary.finish(None);
        };
        let order = Order { fleet: &self, command, targets: &targets, summary: &mut summary };
        match kind {
            FleetKind::Table => tables::rows(order).await?,
            FleetKind::Act(done) => acts::act(order, done).await?,
            FleetKind::Lines => lines::lines(order).await?,
            FleetKind::Text | FleetKind::Exec => texts::text(order).await?,
            FleetKind::Terminal => texts::open(order).await?,
            FleetKind::Install => install::install(order).await?,
            // They need no hosts.
            FleetKind::Own | FleetKind::Shell => {}
        }
        summary.finish(Some(command))
    }

    /// Add the hosts that engines list now.
    async fn list_hosts(&mut self) -> Result<(), CliError> {
        if self.inventory.lists.is_empty() {
            return Ok(());
        }
        let names: Vec<_> = self.inventory.lists.iter().map(|list| list.name.clone()).collect();
        let caller = self.caller();
        let listed = with_details("listing", self.inventory.add_listed(&caller), async || {
            Some((some_of(names.iter()), AGAIN))
        });
        self.interrupt.or(listed).await.ok_or_else(CliError::interrupted)
    }

    fn caller(&self) -> Caller<'a> {
        Caller { places: self.places, patience: self.args.patience }
    }

    /// What these words mean; hosts are asked for their processes only where that is needed.
    async fn targets<'i>(
        &self,
        inventory: &'i Inventory,
        words: &[HostWord],
    ) -> Result<Vec<Target<'i>>, CliError> {
        let unclear = words.iter().filter(|word| word.needs_processes());
        let places: BTreeSet<usize> = unclear.flat_map(|word| &word.hosts).copied().collect();
        let hosts: Vec<_> =
            places.into_iter().map(|place| Target::whole(&inventory.hosts[place])).collect();
        let mut known: HashMap<&String, Vec<ProcessState>> = HashMap::new();
        let ps = |target: &Target<'_>| Call::new(target.host, &["ps", "--json"]);
        self.each(&hosts, ps, |target, answer| {
            if let Ok(answer) = answer
                && let Ok(state) = serde_json::from_slice::<State>(&answer.output)
            {
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
        Ok(targets(inventory, words, has, &names.collect::<Vec<_>>())?)
    }
}
