//! What lies over the log: help, pages about a process, a whole line, questions.

use super::msg::{ProcessPage, Tab};
use crate::journal::cursor::Position;
use crate::keys::actions::OnProcess;
use crate::model::ProcName;

/// Something over the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Overlay {
    /// The keys; scrolled by this many rows.
    Help(usize),
    /// A page about a process.
    Details(Details),
    /// A whole line.
    Line(Details),
    /// Whether to leave the run going, or to stop it; the second is selected.
    Quit(bool),
    /// Whether to do this.
    Confirm(OnProcess),
    /// Whether to run the action of this process.
    Act(ProcName),
}

/// Text that can be scrolled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Details {
    /// Which page it is.
    pub tab: Tab,
    /// The process that it is about.
    pub name: Option<ProcName>,
    /// The text, with SGR sequences; `None` while it is awaited.
    pub text: Option<String>,
    /// The line of the log to which Enter leads.
    pub leads_to: Option<Position>,
    /// How many rows are hidden at the top.
    pub top: usize,
}

impl Details {
    /// A page that is awaited.
    pub const fn awaited(tab: Tab, name: Option<ProcName>) -> Self {
        Self { tab, name, text: None, leads_to: None, top: 0 }
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.text.as_ref().map_or(1, |text| text.lines().count())
    }
}

impl Overlay {
    /// Scroll by this many rows, up if negative.
    pub fn scroll(&mut self, rows: isize) {
        match self {
            Self::Help(top) => *top = top.saturating_add_signed(rows),
            Self::Details(page) | Self::Line(page) => {
                let last = page.rows().saturating_sub(1);
                page.top = page.top.saturating_add_signed(rows).min(last);
            }
            Self::Quit(_) | Self::Confirm(_) | Self::Act(_) => {}
        }
    }

    /// The text of a page has arrived.
    pub fn set_page(&mut self, page: ProcessPage) {
        if let Self::Details(details) = self
            && (details.tab, &details.name) == (page.tab, &page.name)
        {
            (details.text, details.leads_to) = (Some(page.text), page.leads_to);
        }
    }
}
