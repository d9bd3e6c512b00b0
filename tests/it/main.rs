//! End-to-end tests: the real program, the real tmux, real processes.

#![expect(clippy::unwrap_used, reason = "a test that can't go on fails")]
#![expect(clippy::expect_used, reason = "a test that can't go on fails")]
#![expect(clippy::disallowed_methods, reason = "tests read the environment they run in")]
#![expect(clippy::format_collect, clippy::naive_bytecount, reason = "tests are to be read")]
#![expect(clippy::print_stderr, reason = "what a failed test leaves is shown")]

mod adopt;
mod api;
mod asking;
mod basics;
mod beside;
mod check;
mod commands;
mod completions;
mod config;
mod connect;
mod control;
mod directories;
mod doctor;
mod env_files;
mod environment;
mod examples;
mod exit_code;
mod failures;
mod faults;
mod flags;
mod force;
mod forwarded;
mod graph;
mod guides;
#[path = "../common/harness/mod.rs"]
mod harness;
mod history;
mod hostile;
mod inspection;
mod journal;
mod lines;
mod lookup;
mod lost_log;
mod mended;
mod metrics;
mod outside;
mod overmind;
mod owed;
mod parts;
mod places;
mod plain;
mod ports;
mod programs;
mod reached;
mod readiness;
mod reload;
mod review;
mod scale;
#[path = "../common/schema.rs"]
mod schema;
mod scripts;
mod send;
mod sessions;
mod settings;
mod setup;
mod shells;
mod sizes;
mod start_terminal;
mod strangers;
mod supervision;
mod tcp;
mod tmux;
mod trees;
mod trial;
mod untrusted;
mod versions;
mod view;
mod why;
