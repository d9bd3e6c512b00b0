//! End-to-end tests: the real program, the real tmux, real processes.

#![expect(clippy::unwrap_used, reason = "a test that can't go on fails")]
#![expect(clippy::expect_used, reason = "a test that can't go on fails")]
#![expect(clippy::disallowed_methods, reason = "tests read the environment they run in")]
#![expect(clippy::format_collect, clippy::naive_bytecount, reason = "tests are to be read")]
#![expect(clippy::print_stderr, reason = "what a failed test leaves is shown")]

mod takeover;
mod api;
mod client_commands;
mod start_and_stop;
mod hook_commands;
mod check;
mod procfile_commands;
mod completions;
mod config;
mod connect;
mod control_socket;
mod directories;
mod doctor;
mod env_files;
mod environment;
mod example_project;
mod exit_code;
mod declared_failures;
mod damaged_run_files;
mod flags_and_hooks;
mod kill_and_cleanup;
mod forwarded_socket;
mod graph;
mod docs_guides;
#[path = "../common/harness/mod.rs"]
mod harness;
mod logs;
mod hostile_processes;
mod untrusted_project;
mod journal;
mod numbered_lines;
mod project_lookup;
mod lost_log;
mod overmind_bugs_fixed;
mod metrics;
mod project_files;
mod overmind;
mod outbox;
mod component_failures;
mod host_environment;
mod terminal_output;
mod ports;
mod interactive_programs;
mod run_lookup;
mod readiness;
mod reload;
mod interrupted_start;
mod scale;
#[path = "../common/schema.rs"]
mod schema;
mod docs_scripting;
mod send;
mod sessions;
mod start_settings;
mod setup;
mod shell_quoting;
mod limits;
mod start_terminal;
mod strangers;
mod supervision;
mod tcp;
mod tmux;
mod process_trees;
mod start_with_command;
mod terminal_escapes;
mod version_skew;
mod view;
mod why;
