//! tmo runs the processes of a `Procfile`, one tmux window each, and loses nothing they print.

pub mod backend;
pub mod cli;
pub mod config;
pub mod control;
pub mod engine;
pub mod journal;
pub mod model;
pub mod pane;
pub mod plan;
pub mod supervisor;
pub mod sys;
pub mod view;
