//! The terminals of processes on a page: one to type into, and screens to watch.

pub(crate) mod copy_mode;
pub mod pty;
pub(crate) mod screens;
pub(crate) mod socket;

pub(crate) use self::screens::{ScreenState, Terminal, Terminals, Typist, Typists};
