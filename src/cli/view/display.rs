//! What a view shows the run with: the printer of the plain log, or the interface.

use crate::model::request::Head;
use crate::view::printer::Printer;

/// Says something to the user; in red if it is an error.
pub(in crate::cli) type Say = Box<dyn Fn(String, bool) + Send + Sync>;

/// Shows a run.
pub(in crate::cli) trait Display {
    /// The journal has got longer.
    fn head(&self, head: Head);
    /// Say something; in red if it is an error.
    fn say(&self, text: String, error: bool) {
        self.teller()(text, error);
    }
    /// The same, for tasks.
    fn teller(&self) -> Say;
}

impl Display for Printer {
    fn head(&self, head: Head) {
        Self::head(self, head);
    }

    fn teller(&self) -> Say {
        Box::new(Self::teller(self))
    }
}
