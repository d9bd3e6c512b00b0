//! Why a process has ended: the evidence, the diagnosis, and the report file.
//!
//! - [`evidence`]: everything known about an end; [`cause`]: what may have led to it
//! - [`diagnose`](mod@diagnose): derives the causes from the evidence, as a pure function
//! - [`reloader`]: the same for a running file watcher (nodemon, cargo-watch) whose program has failed
//! - [`life`]: finds lines and slices in the journal; `supervisor_events`: what tmo itself logged
//!   about a life; [`facts`]: asks the operating system
//! - [`compare`]: what a life printed that the last good one did not
//! - [`report`]: the crash report; [`record`] creates one, [`store`] saves, finds and lists them
//! - [`why`]: what is wrong in a run; [`access`]: this and the reports, for the control socket
//!
//! This module makes no decisions and blocks nothing: it reads the journal like any view.

pub mod access;
pub mod cause;
pub mod compare;
pub mod diagnose;
pub mod evidence;
mod expr;
pub mod facts;
pub mod life;
pub mod port_owner;
pub mod record;
pub mod reloader;
pub mod report;
pub mod store;
mod supervisor_events;
mod text;
pub mod why;

pub use cause::{Cause, CauseKind, Certainty, Clue, Fix};
pub use diagnose::diagnose;
pub use evidence::{Evidence, Facts, Holder, ListeningProcess, OutputLine, OwningRun, Trigger};
pub use life::{LifeSummary, Log};
pub use record::{CrashInput, examine};
pub use report::{CrashReport, notice};
pub use store::{Reports, Summary};
