//! `tmo fleet logs`, `events` and `echo`: lines of several hosts, merged by time.
//!
//! Each host has a stream of its own, `tmo logs --json` ([`host`]). If that breaks, the host is tried again, and its lines go on
//! behind the last one that arrived. Those that an engine lists come and go.

mod host;

use std::cell::{Cell, RefCell};
use std::future::pending;
use std::pin::pin;
use std::rc::Rc;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use futures_util::stream::{self, FuturesUnordered};
use serde::Serialize;
use tokio::sync::{Notify, Semaphore};
use tokio::time::{sleep, timeout};

use self::host::FollowedHost;
use super::{Fleet, Order, limit, parse_words};
use crate::cli::error::CliError;
use crate::cli::fleet::verbs::{FleetArgv, FleetCommand};
use crate::cli::output;
use crate::cli::output::stdout::{Stdout, goes_on, write};
use crate::cli::reach::log::Source;
use crate::cli::runtime::until;
use crate::cli::view::while_wanted;
use crate::fleet::fan::AT_ONCE;
use crate::fleet::host::{Host, Reach};
use crate::fleet::inventory::Inventory;
use crate::fleet::listing::HostList;
use crate::fleet::merge::Merge;
use crate::fleet::names::Target;
use crate::journal::history::Line;
use crate::model::text::untrusted;
use crate::model::time::{Timestamp, moment};
use crate::model::units;
use crate::sys::{clock as machine_clock, local};
use crate::view::formatter::{Form, Formatter, LogLine};
use crate::view::merged::Renderer;
use crate::view::paint::{Stamp, Style};

/// The most hosts whose lines are merged: each has an ssh of its own.
const MOST_HOSTS: usize = 64;

/// The most names of processes that one host may have.
const MOST_NAMES: usize = 2_000;

/// How long a stream may be silent before its host is asked whether it is there.
const SILENCE: Duration = Duration::from_secs(15);

/// The first and the longest pause before a host is tried again.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// How often the lists are asked, and how soon after a host was lost.
const RELIST_PAUSES: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(1));

/// How much is rendered before it is written.
const PAGE: usize = 64 << 10;

/// About how much memory a remark takes.
const REMARK: usize = 256;

/// Print the lines of each host.
pub(super) async fn lines(order: Order<'_, '_>) -> Result<(), CliError> {
    let Order { fleet, command, targets, summary } = order;
    if targets.len() > MOST_HOSTS {
        return Err(CliError::Usage(format!(
            "`tmo fleet {}` shows at most {MOST_HOSTS} hosts at once, and the fleet has {}; --hosts chooses some",
            command.verb,
            targets.len()
        )));
    }
    let lines = FleetLines::new(fleet, command, targets)?;
    let shown = async {
        lines.show().await?;
        for one in lines.hosts.borrow().iter() {
            match one.code.get() {
                Some(code) => summary.answered(code),
                None => summary.unanswered(&Target::whole(&one.host), None),
            }
        }
        Ok(())
    };
    // A signal ends the view, and that is no failure.
    let shown = fleet.interrupt.or(while_wanted(shown)).await;
    fleet.interrupt.settle();
    shown.unwrap_or(Ok(()))
}

/// A view of the lines of several hosts.
struct FleetLines<'a> {
    fleet: &'a Fleet<'a>,
    /// The words for hosts and processes.
    words: &'a [String],
    /// What the streams are asked for the first time.
    argv: FleetArgv,
    follows: bool,
    max_bytes: Option<u64>,
    merge: RefCell<Merge<FleetLine>>,
    /// Renders the lines unless they are shown as JSON.
    formatter: RefCell<Formatter>,
    /// All hosts of the view, by their places.
    hosts: RefCell<Vec<Rc<FollowedHost>>>,
    /// The lists of which some of them are.
    lists: Vec<&'a HostList>,
    /// Whether these list any hosts.
    lists_some: Cell<bool>,
    /// A host was left out, as there are too many.
    is_full: Cell<bool>,
    /// Something has arrived, or a stream has ended.
    news: Notify,
    /// Something was printed.
    room: Notify,
    /// A host that was listed has no stream any more.
    lost: Notify,
    opening: Semaphore,
}

/// A line of the view, as `--json` prints it.
#[derive(Serialize)]
struct FleetLine {
    host: String,
    #[serde(flatten)]
    text: FleetText,
}

#[derive(Serialize)]
#[serde(untagged)]
enum FleetText {
    /// A line of the host's log.
    Log(Box<Line<'static>>),
    /// Something about its stream: a word for programs, and the text.
    Remark {
        #[serde(skip)]
        at: Timestamp,
        time: String,
        event: &'static str,
        text: String,
    },
}

impl<'a> FleetLines<'a> {
    fn new(
        fleet: &'a Fleet<'a>,
        command: &'a FleetCommand,
        targets: &[Target<'_>],
    ) -> Result<Self, CliError> {
        let mut argv = command.argv.clone();
        let max_bytes = argv.take("--max-bytes").and_then(|size| units::parse_bytes(&size));
        let has_times = argv.take("--timestamps").is_some() || command.verb == "events";
        let stamp = match command.verb {
            "echo" if has_times => Stamp::Clock,
            _ if has_times => Stamp::Date,
            _ => Stamp::None,
        };
        let bare = argv.take("--no-prefix").is_some();
        for flag in ["--since", "--until"] {
            if let Some(time) = argv.take(flag) {
                // As this machine means it.
                let time = moment(&time, &local::now());
                let time = time.map_err(|error| CliError::Usage(error.to_string()))?;
                argv = argv.and(&format!("{flag}={time}"));
            }
        }
        if command.verb == "events" {
            argv = argv.and("--events");
        } else if command.verb == "echo" {
            let lines = argv.take("--lines").unwrap_or_else(|| "0".to_owned());
            argv = argv.and("--follow").and(&format!("--lines={lines}"));
        }
        "logs".clone_into(&mut argv.verb);
        let follows = argv.has("--follow");
        let style = Style { bare, ..Source::style(fleet.env, stamp) };
        let formatter = Formatter::new(Form::Merged, Renderer::new(style, &[]));
        let now = (Instant::now(), machine_clock::now());
        let hosts = targets.iter().enumerate();
        let hosts = hosts.map(|(place, target)| FollowedHost::new(place, target, false));
        let hosts: Vec<_> = hosts.collect();
        let listed = targets.iter().filter(|_| follows).map(|target| target.host);
        let lists = fleet.inventory.lists_of(listed);
        Ok(Self {
            fleet,
            words: &command.words,
            argv: argv.and("--json").and("--until-input-ends"),
            follows,
            max_bytes,
            merge: RefCell::new(Merge::new(hosts.len(), follows.then_some(now))),
            formatter: RefCell::new(formatter),
            hosts: RefCell::new(hosts),
            lists_some: Cell::new(!lists.is_empty()),
            lists,
            is_full: Cell::new(false),
            news: Notify::new(),
            room: Notify::new(),
            lost: Notify::new(),
            opening: Semaphore::new(AT_ONCE),
        })
    }

    /// Show the lines until all have been shown; with `--follow`, until no host is left that may send some.
    async fn show(&self) -> Result<(), CliError> {
        let hosts = self.hosts.borrow().clone();
        let mut streams: FuturesUnordered<_> =
            hosts.into_iter().map(|one| self.host(one)).collect();
        let follows_lists = !self.lists.is_empty();
        let lists = stream::unfold((), async |()| Some((self.relisted().await, ())));
        let mut lists = pin!(lists);
        let hosts = async {
            while follows_lists || !streams.is_empty() {
                tokio::select! {
                    Some(()) = streams.next(), if !streams.is_empty() => {}
                    Some(new) = lists.next(), if follows_lists => {
                        streams.extend(new.into_iter().map(|one| self.host(one)));
                    }
                }
            }
            pending::<()>().await;
        };
        tokio::select! {
            () = hosts => Ok(()),
            printed = self.print() => printed,
        }
    }

    async fn print(&self) -> Result<(), CliError> {
        let mut out = tokio::io::stdout();
        let mut kept = self.max_bytes.map(|most| Stdout::new(Some(most)));
        loop {
            let is_over = !self.goes_on_without(None);
            let now = Instant::now();
            let mut page = vec![];
            while page.len() < PAGE
                && let Some(line) = { self.merge.borrow_mut().next(now) }
            {
                self.render(&line, &mut page);
            }
            let is_last = is_over && self.merge.borrow().is_empty();
            if is_last {
                self.formatter.borrow_mut().renderer.finish(&mut page);
            }
            if !page.is_empty() {
                self.room.notify_waiters();
                let written = match &mut kept {
                    Some(kept) => kept.put(&page),
                    None => write(&mut out, &page).await,
                };
                if !goes_on(written)? {
                    return Ok(());
                }
            }
            if is_last {
                return kept.map_or(Ok(()), |kept| kept.finish().map(drop));
            }
            if page.is_empty() {
                let due = self.merge.borrow().next_due().map(tokio::time::Instant::from_std);
                tokio::select! {
                    () = self.news.notified() => {}
                    () = until(due) => {}
                }
            }
        }
    }

    fn render(&self, line: &FleetLine, page: &mut Vec<u8>) {
        if self.fleet.args.json {
            // It has only strings and numbers, so this can't fail.
            let json = serde_json::to_string(line).unwrap_or_default();
            page.extend_from_slice(untrusted::json(&json).as_bytes());
            page.push(b'\n');
            return;
        }
        let mut formatter = self.formatter.borrow_mut();
        match &line.text {
            FleetText::Log(log) => {
                formatter.renderer.of_host(&line.host);
                formatter.show(LogLine::Sent(log), page);
            }
            FleetText::Remark { text, at, .. } => {
                formatter.renderer.message(text, false, *at, page);
            }
        }
    }

    /// Whether a host may still send something, or an engine list one, besides this host.
    fn goes_on_without(&self, host: Option<&FollowedHost>) -> bool {
        let is_other = |one: &FollowedHost| host.is_none_or(|host| host.place != one.place);
        let goes_on = |one: &Rc<FollowedHost>| one.goes_on.get() && is_other(one);
        self.lists_some.get() || self.hosts.borrow().iter().any(goes_on)
    }

    fn remark(&self, one: &FollowedHost, event: &'static str, text: String) {
        let at = machine_clock::now();
        let text = FleetText::Remark { at, time: at.to_string(), event, text };
        let line = FleetLine { host: one.host.name.clone(), text };
        // Right behind what the host has sent: later lines may be older than this moment.
        let after = Timestamp::EPOCH;
        self.merge.borrow_mut().add(one.place, after, REMARK, line, Instant::now());
        self.news.notify_one();
    }
}

impl FleetLines<'_> {
    /// Wait, ask the lists, and dismiss the hosts that they have no more; returns those that are new.
    async fn relisted(&self) -> Vec<Rc<FollowedHost>> {
        if timeout(RELIST_PAUSES.0, self.lost.notified()).await.is_ok() {
            sleep(RELIST_PAUSES.1).await;
        }
        let mut inventory = self.fleet.inventory.clone();
        let mut lists_some = false;
        for list in &self.lists {
            let is_of_list = |host: &Host| host.groups.first() == Some(&list.name);
            // Those of the beginning may be gone.
            inventory.hosts.retain(|host| !is_of_list(host));
            let Ok(listed) = list.listed(&self.fleet.caller()).await else {
                // While the engine does not answer, its hosts stay as they are.
                lists_some |= self.lists_some.get();
                continue;
            };
            lists_some |= !listed.is_empty();
            for one in self.hosts.borrow().iter() {
                if is_of_list(&one.host) && !listed.contains(&one.host) && !one.is_gone() {
                    one.leave();
                }
            }
            inventory.hosts.extend(listed);
        }
        // A word without a host now may have one when the lists are asked again.
        if limit(&mut inventory, &self.fleet.args.hosts).is_err() {
            inventory.hosts.clear();
        }
        self.lists_some.set(lists_some);
        self.news.notify_one();
        self.new_hosts(&inventory).await
    }

    /// The hosts of the inventory that the words of the view mean, and that it does not have.
    async fn new_hosts(&self, inventory: &Inventory) -> Vec<Rc<FollowedHost>> {
        // If it can't be told now which hosts are meant, the next listing may tell.
        let Ok(words) = parse_words(inventory, self.words, None) else { return vec![] };
        let targets = self.fleet.targets(inventory, &words).await.unwrap_or_default();
        let mut new = vec![];
        for target in targets {
            let mut hosts = self.hosts.borrow_mut();
            let mut followed = hosts.iter().filter(|one| !one.is_gone());
            let count = followed.clone().count();
            if matches!(target.host.reach, Reach::Nowhere(_))
                || followed.any(|one| one.host == *target.host)
            {
                continue;
            }
            if count == MOST_HOSTS {
                if !self.is_full.replace(true) {
                    output::warn(&format_args!(
                        "{} is not shown: at most {MOST_HOSTS} hosts are; --hosts chooses some",
                        target.host.name
                    ));
                }
                continue;
            }
            let one = FollowedHost::new(self.merge.borrow_mut().add_host(), &target, true);
            hosts.push(Rc::clone(&one));
            new.push(one);
        }
        new
    }
}
