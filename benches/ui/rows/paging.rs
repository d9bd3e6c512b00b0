//! From the key that scrolls by a page to the frame with the page.

use std::time::{Duration, Instant};

use crate::options::Options;
use crate::programs::LAST;
use crate::shared::table::{Bar, Table, Who};
use crate::stack::Stack;
use crate::terminal::Terminal;

const PAGE_UP: &str = "\x1b[5~";
const PAGE_DOWN: &str = "\x1b[6~";
/// A page has a few lines more.
const MOST_OF_A_PAGE: u32 = 30;

pub(super) fn measure(options: &Options, table: &mut Table) {
    let stack = Stack::with_journal(options.journal_mib);
    for _ in 0..options.runs {
        let mut terminal = stack.open();
        terminal.first(|screen| screen.contains(LAST));
        let pages = options.count(200, 20);
        let times: Vec<_> = (0..pages).filter_map(|_| page_up(&mut terminal)).collect();
        let bars = [Bar::AtMost(5.0), Bar::Any];
        table.times(Who::Tmo, "page up in the large journal → frame", bars, &times);
    }
}

/// Scroll up by a page; `None` if there is nothing above.
pub(super) fn page_up(terminal: &mut Terminal) -> Option<Duration> {
    let (first, last) = numbers(&terminal.screen())?;
    if first == 0 {
        return None;
    }
    let is_next = |screen: &str| {
        numbers(screen).is_some_and(|now| now.0 == 0 || now.1 < last && is_full(now))
    };
    Some(terminal.press(PAGE_UP, is_next))
}

/// Go to the beginning, and scroll down by pages for so long; returns how many there were.
pub(super) fn down_from_beginning(terminal: &mut Terminal, time: Duration) -> u32 {
    terminal.press("g", |screen| numbers(screen).is_some_and(|(first, _)| first == 0));
    let begun = Instant::now();
    let mut pages = 0;
    while begun.elapsed() < time {
        let Some((first, _)) = numbers(&terminal.screen()) else { break };
        if terminal.screen().contains(LAST) {
            break;
        }
        let is_next = |screen: &str| {
            let is_whole = |now| is_full(now) || screen.contains(LAST);
            numbers(screen).is_some_and(|now| now.0 > first && is_whole(now))
        };
        terminal.press(PAGE_DOWN, is_next);
        pages += 1;
    }
    pages
}

/// Whether all lines of a page have been loaded: before that, some rows are empty, and a key would find nothing
/// to scroll to.
const fn is_full((first, last): (u32, u32)) -> bool {
    last - first >= MOST_OF_A_PAGE
}

/// The numbers of the first and the last line of the log on the screen.
fn numbers(screen: &str) -> Option<(u32, u32)> {
    let number = |line: &str| {
        let (before, _) = line.split_once(" GET ")?;
        before.rsplit(' ').next()?.parse().ok()
    };
    let mut all = screen.lines().filter_map(number);
    let first = all.next()?;
    Some((first, all.next_back().unwrap_or(first)))
}
