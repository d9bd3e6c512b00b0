//! The project of a command: what a start reads and resolves, and the commands that show or make it.

pub(super) mod check;
pub(super) mod command;
pub(super) mod config;
pub(super) mod demo;
pub(super) mod drift;
pub(super) mod export;
mod hostname;
pub(super) mod import;
pub(super) mod init;
pub(super) mod input;
pub(super) mod ports;
pub(super) mod propose;
pub(super) mod resolve;
pub(super) mod tmux;
