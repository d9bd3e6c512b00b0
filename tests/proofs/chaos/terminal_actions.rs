//! Actions of a person in a terminal.

use std::time::{Duration, Instant};

use crate::chaos::action_log::now;
use crate::chaos::context::Context;
use crate::chaos::model::RunExpectation;
use crate::chaos::step::{TALK, TerminalAction, TerminalProgram};

/// A connection that is not there after so long has failed.
const CONNECTING: Duration = Duration::from_secs(2);

impl Context<'_> {
    pub(crate) fn typed(&mut self, slot: usize, typed: TerminalAction) {
        match typed {
            TerminalAction::Show(shown) => self.show_in(slot, shown),
            TerminalAction::Size(columns, rows) => self.terminal(slot).resize(columns, rows),
            TerminalAction::Hold => self.terminal(slot).keys(["C-s"]),
            TerminalAction::Release => self.terminal(slot).keys(["C-q"]),
            TerminalAction::Text => {
                if self.connected[slot] == Some(TALK) && self.is_connected(slot) {
                    self.terminal(slot).line("hello you");
                }
            }
            TerminalAction::Detach => {
                if self.is_connected(slot) {
                    self.terminal(slot).keys(["C-b", "d"]);
                }
            }
            TerminalAction::Interrupt => self.interrupt(slot),
            TerminalAction::Close => {
                if let Some(terminal) = self.terminals[slot].take() {
                    self.connected[slot] = None;
                    if self.model.supervision_uncertain {
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
            self.actions.abrupt_ends.push(now());
            self.model.ends(false, &[0, 130, 137]);
        }
        let into = self.connected[slot];
        into.inspect(|name| self.allow_holes(name));
        self.terminal(slot).keys(["C-c"]);
        // It may have begun anew meanwhile.
        into.inspect(|name| self.allow_holes(name));
    }

    fn show_in(&mut self, slot: usize, shown: TerminalProgram) {
        // Text typed during the start of a connection goes to its process.
        let connects = self.connected[slot].is_some() && self.typed[slot].elapsed() < CONNECTING;
        if connects || self.shows(slot) != "sh" {
            return;
        }
        self.terminal(slot).tmo(&shown.to_string());
        self.connected[slot] = None;
        self.typed[slot] = Instant::now();
        match shown {
            TerminalProgram::Start => {
                // It may or may not become the view, and begins a run if there is none.
                if self.model.certain() && self.model.course == RunExpectation::Down {
                    self.begun();
                    self.model.starts();
                    self.model.unsure();
                } else if !self.model.certain() {
                    self.disturb();
                }
            }
            TerminalProgram::Connect(name) => self.connected[slot] = Some(name),
            TerminalProgram::Echo | TerminalProgram::Follow => {}
        }
    }
}
