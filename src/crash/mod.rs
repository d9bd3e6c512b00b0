//! Why a process has ended: what is known of it, what that comes to, and a file that keeps it.
//!
//! - [`evidence`]: all that is known of an end; [`cause`]: what may have led to it
//! - [`diagnose`](mod@diagnose): from the one to the other, as a pure function
//! - [`watcher`]: the same for a process that runs, below a program that starts it again
//! - [`life`]: finding lines and slices in the journal, by its index; `said`: what tmo said of a life;
//!   [`facts`]: asking the system
//! - [`report`]: the crash report; [`record`] makes one, [`store`] keeps them and finds them again
//!
//! It decides nothing and hinders nobody: it reads the journal as any view does.

pub mod cause;
pub mod diagnose;
pub mod evidence;
mod expr;
pub mod facts;
pub mod life;
pub mod record;
pub mod report;
mod said;
pub mod store;
mod text;
pub mod watcher;

pub use cause::{Cause, Certainty, Clue, Diagnosis, Kind};
pub use diagnose::diagnose;
pub use evidence::{Evidence, Facts, Holder, Line, Sender, Tenant, Trigger};
pub use life::{Lived, Log};
pub use record::{CrashInput, examine};
pub use report::{CrashReport, notice};
