//! The actions of a user in a terminal.

use std::time::{Duration, Instant};

use crate::book::now;
use crate::model::Course;
use crate::stage::Stage;
use crate::step::{Shown, TALK, Typed};

/// A connection that is not there after so long does not come.
const CONNECTING: Duration = Duration::from_secs(2);

impl Stage<'_> {
    pub(crate) fn typed(&mut self, slot: usize, typed: Typed) {
        match typed {
            Typed::Show(shown) => self.show_in(slot, shown),
            Typed::Size(columns, rows) => self.terminal(slot).resize(columns, rows),
            Typed::Hold => self.terminal(slot).keys(["C-s"]),
            Typed::Release => self.terminal(slot).keys(["C-q"]),
            Typed::Text => {
                if self.connected[slot] == Some(TALK) && self.shows(slot).starts_with("tmux") {
                    self.terminal(slot).line("hello you");
                }
            }
            Typed::Detach => {
                if self.connected[slot].is_some() && self.shows(slot).starts_with("tmux") {
                    self.terminal(slot).keys(["C-b", "d"]);
                }
            }
            Typed::Interrupt => self.interrupt(slot),
            Typed::Close => {
                if let Some(terminal) = self.terminals[slot].take() {
                    self.connected[slot] = None;
                    if self.model.shaky {
                        // Its view might have been about to save the run.
                        self.abandoned = true;
                    }
                    terminal.close();
                }
            }
        }
    }

    /// ^C ends the run of a view, an echo, or a process that it is connected to.
    fn interrupt(&mut self, slot: usize) {
        if self.terminals[slot].is_none() {
            return;
        }
        let shown = self.shows(slot);
        if shown == "tmo" || shown.starts_with("tmux") {
            self.disturb();
            self.book.rough.push(now());
            self.model.ends(false, &[0, 130, 137]);
        }
        let into = self.connected[slot];
        into.inspect(|name| self.excuse_holes(name));
        self.terminal(slot).keys(["C-c"]);
        // It may have begun anew meanwhile.
        into.inspect(|name| self.excuse_holes(name));
    }

    fn show_in(&mut self, slot: usize, shown: Shown) {
        // What is typed while somebody is about to be connected is typed to that process.
        let connects = self.connected[slot].is_some() && self.typed[slot].elapsed() < CONNECTING;
        if connects || self.shows(slot) != "sh" {
            return;
        }
        self.terminal(slot).tmo(&shown.to_string());
        self.connected[slot] = None;
        self.typed[slot] = Instant::now();
        match shown {
            Shown::Start => {
                // It may or may not become the view, and begins a run if there is none.
                if self.model.certain() && self.model.course == Course::Down {
                    self.begun();
                    self.model.starts();
                    self.model.unsure();
                } else if !self.model.certain() {
                    self.disturb();
                }
            }
            Shown::Connect(name) => self.connected[slot] = Some(name),
            Shown::Echo | Shown::Follow => {}
        }
    }
}
