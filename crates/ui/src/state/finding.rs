//! Searching: from a typed expression to the match on the screen; and which entries of the log are shown.

use std::sync::Arc;
use std::time::Duration;

use regex::{Regex, RegexBuilder};

use super::Ui;
use super::list::List;
use super::log::ScrollPosition;
use super::msg::{Choice, Counted, Direction, Effect, Question, Search, SearchProgress, Target};
use crate::journal::read::cursor::Position;
use crate::journal::search::pattern::Pattern;
use crate::model::time::Timestamp;
use crate::model::{Condition, ProcName};

/// The way to an error, or to the start of a process.
#[derive(Debug)]
pub(super) struct Visit {
    ticket: u64,
    target: Target,
    direction: Direction,
    /// How many more of them the user wants to pass.
    more: u32,
    /// It is the way to the first error of this process, by its last start. Until that is found, the screen
    /// stays as it is.
    first_error_of: Option<Vec<String>>,
}

/// What counts as an error in a line, if nothing else is known.
const ERRORS: &str = r"(?i)\b(error|fatal|panic(ked)?|exception|traceback|critical|unhandled)\b";

impl Ui {
    /// Where a search begins, and the entry that does not count: the current line, or what is behind the
    /// screen.
    fn here(&self, direction: Direction, counts: bool) -> (Position, Option<Position>) {
        let end = Position { record: self.log.head, skip: 0 };
        let ScrollPosition::At(anchor) = self.log.view else { return (end, None) };
        let here = anchor.position;
        match direction {
            Direction::Up if counts => (self.log.position_after(here).unwrap_or(end), None),
            Direction::Up => (here, None),
            Direction::Down => (here, (!counts).then_some(here)),
        }
    }

    /// The expression in the prompt has changed: find the nearest match before the end of the screen.
    pub(super) fn find_typed(&mut self, text: &str, back: ScrollPosition) {
        let old = self.find.take();
        let (literal, filters) =
            old.as_ref().map_or((false, false), |find| (find.literal, find.filters));
        self.log.view = back;
        self.find = Find::new(text, literal);
        if let Some(find) = &mut self.find {
            find.filters = filters;
            self.search(Direction::Up, true);
        } else {
            self.effects.push(Effect::Ask(Question::StopSearch));
        }
    }

    /// Find the next match in this direction.
    pub(super) fn search(&mut self, direction: Direction, count: bool) {
        if !count && let Some(find) = self.find.as_mut().filter(|find| find.is_searching) {
            let is_first = find.count_ticket == find.ticket;
            if is_first || find.direction == direction {
                find.more += if direction == Direction::Down { 1 } else { -1 };
                return;
            }
            find.more = 0;
        }
        // The first match may be on the present line.
        let (from, except) = self.here(direction, count);
        let ticket = self.next_ticket();
        let names = self.list.chosen();
        let Some(find) = &mut self.find else { return self.say("/ begins a search") };
        (find.ticket, find.is_searching, find.direction) = (ticket, true, direction);
        if count {
            find.count_ticket = ticket;
        }
        let pattern = Some(find.pattern.clone());
        let choice = Choice { names, pattern, only_events: false };
        let (choice, target) = (Arc::new(choice), Target::Entries);
        let search = Search { ticket, from, except, direction, choice, target, count };
        self.effects.push(Effect::Ask(Question::Search(search)));
    }

    /// Find an error, or the start of a process, in this direction.
    pub(super) fn visit(&mut self, target: Target, direction: Direction) {
        if let Some(visit) = &mut self.visiting
            && (visit.target, visit.direction) == (target, direction)
        {
            visit.more += 1;
            return;
        }
        let (from, except) = self.here(direction, false);
        let names = self.list.chosen();
        self.begin_visit(target, direction, names, None, from, except);
    }

    /// Begin the way from a position, where an entry may not count.
    fn begin_visit(
        &mut self,
        target: Target,
        direction: Direction,
        names: Vec<String>,
        first_error_of: Option<Vec<String>>,
        from: Position,
        except: Option<Position>,
    ) {
        let ticket = self.next_ticket();
        let pattern = match target {
            Target::Starts => None,
            Target::Entries => Find::new(ERRORS, false).map(|find| find.pattern),
        };
        let choice = Arc::new(Choice { names, pattern, only_events: false });
        self.visiting = Some(Visit { ticket, target, direction, more: 0, first_error_of });
        let search = Search { ticket, from, except, direction, choice, target, count: false };
        self.effects.push(Effect::Ask(Question::Search(search)));
    }

    /// Find the first error since the last start: of the chosen process, or of the one that failed last.
    pub(super) fn visit_first_error(&mut self) {
        let mut names = self.list.chosen();
        if names.is_empty() {
            let failed =
                self.list.processes.iter().filter(|one| one.condition() == Condition::Failed);
            let target = self.list.target().or(failed.max_by_key(|one| one.since));
            let Some(process) = target else {
                return self.say("no process has failed now; select one, then E");
            };
            names = vec![process.name.to_string()];
        }
        let end = Position { record: self.log.head, skip: 0 };
        self.look_for_first_error(names, end, None);
    }

    /// Find the last start before a position, then, from there, the first error.
    fn look_for_first_error(
        &mut self,
        names: Vec<String>,
        from: Position,
        start: Option<Position>,
    ) {
        let (target, direction) = match start {
            None => (Target::Starts, Direction::Up),
            Some(_) => (Target::Entries, Direction::Down),
        };
        self.begin_visit(target, direction, names.clone(), Some(names), from, start);
    }

    /// A search got further.
    pub(super) fn found(&mut self, found: &SearchProgress) {
        if let Some(visit) = self.visiting.take_if(|visit| visit.ticket == found.ticket) {
            return self.visited(visit, found);
        }
        let Some(find) = self.find.as_mut().filter(|find| find.ticket == found.ticket) else {
            return;
        };
        if let Some(hit) = found.hit {
            find.is_searching = false;
            find.hit = Some(hit);
            let direction = if find.more > 0 { Direction::Down } else { Direction::Up };
            let goes_on = find.more != 0;
            find.more -= find.more.signum();
            let more = std::mem::take(&mut find.more);
            self.log.go_to(hit);
            if goes_on {
                self.search(direction, false);
                if let Some(find) = &mut self.find {
                    find.more = more;
                }
            }
        } else if found.end {
            (find.is_searching, find.more) = (false, 0);
            let direction = find.direction;
            let text = match find.hit {
                Some(_) => format!("no {} match", in_words(direction)),
                None => format!("nothing matches {}", find.text),
            };
            if self.prompt.is_none() {
                self.say(text);
            }
        }
    }

    /// The search for an error or a start got further.
    fn visited(&mut self, visit: Visit, found: &SearchProgress) {
        let Some(hit) = found.hit else {
            if found.end {
                self.say(match (&visit.first_error_of, visit.target) {
                    (Some(names), Target::Entries) => {
                        format!("{}: no error since the last start", names.join(", "))
                    }
                    (_, Target::Entries) => format!("no {} error", in_words(visit.direction)),
                    (_, Target::Starts) => format!("no {} start", in_words(visit.direction)),
                });
            } else {
                self.visiting = Some(visit);
            }
            return;
        };
        let Visit { target, direction, more, first_error_of, .. } = visit;
        match (first_error_of, target) {
            (Some(names), Target::Starts) => {
                return self.look_for_first_error(names, hit, Some(hit));
            }
            (Some(names), Target::Entries) if self.list.chosen().is_empty() => {
                let name = names.first().and_then(|name| ProcName::new(name.as_str()).ok());
                self.open(name);
            }
            (Some(_) | None, _) => {}
        }
        self.log.go_to(hit);
        if more > 0 {
            self.visit(target, direction);
            if let Some(next) = &mut self.visiting {
                next.more = more - 1;
            }
        }
    }

    /// The counting of matches got further.
    pub(super) fn counted(&mut self, counted: Counted) {
        let Some(find) = &mut self.find else { return };
        if find.count_ticket != counted.ticket {
            return;
        }
        let room = MOST_MATCHES.saturating_sub(find.matches.len());
        find.matches.extend(counted.matches.into_iter().take(room));
        find.all_counted = counted.end;
    }
}

const fn in_words(direction: Direction) -> &'static str {
    match direction {
        Direction::Up => "earlier",
        Direction::Down => "later",
    }
}

/// How many matches are kept; beyond that they are only known to be more.
pub const MOST_MATCHES: usize = 10_000;

/// A search.
#[derive(Debug)]
pub struct Find {
    /// What was typed.
    pub text: String,
    /// It is not meant as a regular expression.
    pub literal: bool,
    /// It is not a valid one, therefore searched as text.
    pub is_invalid: bool,
    /// Selects lines.
    pub pattern: Pattern,
    /// Finds the places in a line.
    pub places: Regex,
    /// Only matching lines are shown.
    pub filters: bool,
    /// The match that is shown.
    pub hit: Option<Position>,
    /// The ticket of the present search.
    pub ticket: u64,
    pub direction: Direction,
    /// The ticket of the search that also counts.
    pub count_ticket: u64,
    /// It is going on.
    pub is_searching: bool,
    /// How many matches further the user wants to go after this one; upwards if negative.
    pub more: i32,
    /// The matches counted so far.
    pub matches: Vec<Position>,
    /// All matches are counted.
    pub all_counted: bool,
}

impl Find {
    /// Look for this text: a regular expression, or just text if it is none. Upper case counts only if there
    /// is some.
    pub fn new(text: &str, literal: bool) -> Option<Self> {
        if text.is_empty() {
            return None;
        }
        let ignore_case = !text.chars().any(char::is_uppercase);
        let build = |text: &str| {
            let pattern = Pattern::new(text, ignore_case, false).ok()?;
            let places = RegexBuilder::new(text).case_insensitive(ignore_case).build().ok()?;
            Some((pattern, places))
        };
        let expression = if literal { None } else { build(text) };
        let is_invalid = expression.is_none() && !literal;
        let (pattern, places) = expression.or_else(|| build(&regex::escape(text)))?;
        Some(Self {
            text: text.to_owned(),
            literal,
            is_invalid,
            pattern,
            places,
            filters: false,
            hit: None,
            ticket: 0,
            direction: Direction::Up,
            count_ticket: 0,
            is_searching: false,
            more: 0,
            matches: vec![],
            all_counted: false,
        })
    }

    /// `2 of 218`, as far as it is known.
    pub fn words(&self) -> String {
        if self.count_ticket == 0 {
            return String::new();
        }
        let more = if self.all_counted { "" } else { "+" };
        let count = self.matches.len();
        if count >= MOST_MATCHES {
            return format!("{MOST_MATCHES}+ matches");
        }
        let number = self.hit.and_then(|hit| self.matches.binary_search(&hit).ok());
        match (number, self.hit, count) {
            (_, None, 0) if self.is_searching => "searching".to_owned(),
            (_, None, 0) => "no match".to_owned(),
            (Some(at), ..) => format!("{} of {count}{more}", at + 1),
            (None, ..) => format!("{count}{more} matches"),
        }
    }
}

/// What all processes printed around a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Around {
    /// The time of the line.
    pub time: Timestamp,
    /// How many seconds before and after it are of interest.
    pub seconds: u64,
}

impl Around {
    /// Whether a line of this time is of interest.
    pub fn contains(&self, time: Timestamp) -> bool {
        self.time.between(time) <= Duration::from_secs(self.seconds)
    }
}

/// What limits the log, besides the list and the search, and which entries are shown because of all of them.
#[derive(Debug, Default)]
pub struct LogFilter {
    /// The lines around one line are shown.
    pub around: Option<Around>,
    /// Only entries that are not output are shown.
    pub only_events: bool,
    /// Which entries are shown.
    pub(super) choice: Arc<Choice>,
    /// The expression that they match, and whether it is plain text.
    applied: Option<(String, bool)>,
}

impl LogFilter {
    /// Choose anew what is shown; false if that is as before.
    pub(super) fn choose(&mut self, list: &List, find: Option<&Find>) -> bool {
        let names = if self.around.is_some() { vec![] } else { list.chosen() };
        let filter = find.filter(|find| find.filters && self.around.is_none());
        let applied = filter.map(|find| (find.text.clone(), find.literal));
        let only_events = self.only_events && self.around.is_none();
        let old = &*self.choice;
        if names == old.names && applied == self.applied && only_events == old.only_events {
            return false;
        }
        self.applied = applied;
        let pattern = filter.map(|find| find.pattern.clone());
        self.choice = Arc::new(Choice { names, pattern, only_events });
        true
    }
}

#[cfg(test)]
mod tests {
    use super::Find;

    #[test]
    fn case_counts_only_if_typed_and_a_broken_expression_is_text() {
        let found = |text: &str, line: &str| Find::new(text, false).unwrap().places.is_match(line);
        assert!(found("error", "ERROR") && found("Error", "Error") && !found("Error", "error"));
        assert!(found("a.c", "abc") && found("a(", "x a( y") && !found("a(", "a"));
        let literal = Find::new("a.c", true).unwrap();
        assert!(!literal.places.is_match("abc") && literal.places.is_match("a.c"));
        assert!(Find::new("", false).is_none());
    }
}
