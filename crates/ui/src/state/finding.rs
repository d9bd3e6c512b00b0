//! Searching: from a typed expression to the match on the screen.

use std::sync::Arc;

use super::Ui;
use super::find::{Find, MOST_MATCHES};
use super::log::ScrollPosition;
use super::msg::{Choice, Counted, Direction, Effect, Question, Search, SearchProgress, Target};
use crate::journal::cursor::Position;
use crate::model::Condition;
use crate::model::ProcName;

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
        self.begin_visit((target, direction), names, None, from, except);
    }

    /// Begin the way from a position, where an entry may not count.
    fn begin_visit(
        &mut self,
        (target, direction): (Target, Direction),
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
        let what = match start {
            None => (Target::Starts, Direction::Up),
            Some(_) => (Target::Entries, Direction::Down),
        };
        self.begin_visit(what, names.clone(), Some(names), from, start);
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
