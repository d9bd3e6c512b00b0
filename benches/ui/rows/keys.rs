//! From a key to the frame that shows what it has done.

use std::time::Duration;

use super::search;
use crate::common::harness::wait::pause;
use crate::mprocs::{self, Mprocs};
use crate::options::Options;
use crate::shared::table::{Bar, Table, Who};
use crate::stack::Stack;
use crate::terminal::Terminal;

const IN_A_FLOOD: &str = "key → frame while 100,000 lines/s are printed";
const IN_A_SEARCH: &str = "key → frame while the large journal is searched";
const BARS: [Bar; 2] = [Bar::Any, Bar::Below(30.0)];
/// So many searches are begun at most, to press keys while they go on.
const SEARCHES: u32 = 1000;

pub(super) fn measure(options: &Options, table: &mut Table) {
    let times = options.count(100, 10);
    let flood = Stack::printing(100_000);
    let peer = Mprocs::printing(100_000);
    for _ in 0..options.runs {
        let mut terminal = flood.opened();
        let help = (0..times).flat_map(|number| help(&mut terminal, number)).collect::<Vec<_>>();
        table.times(Who::Tmo, &format!("{IN_A_FLOOD}: help"), BARS, &help);
        let select = (0..times).flat_map(|number| select(&mut terminal, number));
        let select = select.collect::<Vec<_>>();
        table.times(Who::Tmo, &format!("{IN_A_FLOOD}: select"), BARS, &select);
        if let Some(peer) = &peer {
            let mut terminal = peer.opened();
            let select = (0..times).flat_map(|number| mprocs::select(&mut terminal, number));
            let select = select.collect::<Vec<_>>();
            table.times(Who::Peer, &format!("{IN_A_FLOOD}: select"), BARS, &select);
        }
    }
    drop((flood, peer));
    let large = Stack::with_journal(options.journal_mib);
    for _ in 0..options.runs {
        table.times(Who::Tmo, IN_A_SEARCH, BARS, &in_searches(&large, times));
    }
}

/// Open the help and close it.
pub(super) fn help(terminal: &mut Terminal, number: u32) -> [Duration; 2] {
    let is_open = |screen: &str| screen.contains("Moving");
    pause(between(number));
    let opened = terminal.press("?", is_open);
    pause(between(number + 1));
    [opened, terminal.press("q", |screen| !is_open(screen))]
}

/// Select the first process, and all of them again; the last line names the keys for what is selected.
pub(super) fn select(terminal: &mut Terminal, number: u32) -> [Duration; 2] {
    let is_one = |screen: &str| screen.contains("r restart");
    pause(between(number));
    let one = terminal.press("j", is_one);
    pause(between(number + 1));
    [one, terminal.press("k", |screen| !is_one(screen))]
}

/// Different times, so that keys do not always come at the same place between two frames.
pub(crate) fn between(number: u32) -> Duration {
    Duration::from_millis(u64::from(5 + number * 7 % 31))
}

/// Press so many keys while a search goes on; more than one search is needed for that.
fn in_searches(stack: &Stack, times: u32) -> Vec<Duration> {
    let mut terminal = stack.opened();
    let mut all = vec![];
    for _ in 0..SEARCHES {
        search::begin(&mut terminal);
        while terminal.screen().contains("searching") && all.len() < times as usize {
            let keys = press_help(&mut terminal);
            // Only the last line of the screen shows that the search went on meanwhile; the help hides it.
            if terminal.screen().contains("searching") {
                all.extend(keys);
            }
        }
        search::end(&mut terminal);
        if all.len() >= times as usize {
            break;
        }
    }
    assert!(!all.is_empty(), "no search takes as long as a key");
    all
}

/// Open the help and close it at once.
pub(super) fn press_help(terminal: &mut Terminal) -> [Duration; 2] {
    let is_open = |screen: &str| screen.contains("Moving");
    [terminal.press("?", is_open), terminal.press("q", |screen| !is_open(screen))]
}
