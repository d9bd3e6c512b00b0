//! End-to-end tests: the real program, the real tmux, real processes. A new test goes into the file of its
//! feature; the index below tells which one. The name of a test is the promise, with its subject.

#![expect(clippy::unwrap_used, reason = "a test that can't go on fails")]
#![expect(clippy::expect_used, reason = "a test that can't go on fails")]
#![expect(clippy::disallowed_methods, reason = "tests read the environment they run in")]
#![expect(clippy::format_collect, clippy::naive_bytecount, reason = "tests are to be read")]
#![expect(clippy::print_stderr, reason = "what a failed test leaves is shown")]

// Start and stop.
mod backend; // what provides the terminals: tmux, or tmo itself where tmux is missing or too old
mod env_files; // variables of env files, and which programs must not see them
mod environment; // what a process finds: variables, umask, limits, directory
mod exit_code; // the exit code of `tmo start`, and the message that explains it
mod host_environment; // where tmo runs: HOME, TMPDIR, streams, signals, limits, containers
mod interrupted_start; // starts and ends that are killed, interrupted or blocked midway
mod left_out; // what `-l`, `-x` or names leave out of a start, and how it is started later
mod limits; // projects of absurd size: processes, patterns, variables, texts
mod procfile_commands; // a command reaches its shell byte for byte
mod project_files; // Procfile, env file or tmux.conf is a FIFO, device, link or huge
mod project_lookup; // which project a command works in: parents, `-d`, a moved project; `tmo init`
mod prompts; // processes that wait for input
mod start_again; // a start while the run is up; what a start in the background waits for
mod start_and_stop; // the main job in three tests: start, restart, stop, quit
mod start_settings; // flags, variables and defaults of `tmo start`; `--print-config`
mod start_with_command; // `tmo start --until-ready -- COMMAND`

// Supervision.
mod component_failures; // a killed sink, shim or pane; idle parts do not wake up
mod flags_and_hooks; // `[[flag]]`, `[hooks]`, event types, desktop notifications
mod hook_commands; // process trees of hooks, checks and stop commands
mod installation; // install commands: lives that count in no statistic, time limit, takeover
mod notify; // readiness, status and watchdog by report (`sd_notify`)
mod outbox; // crash reports, hooks and stop commands happen once despite kills
mod process_trees; // a stop ends the whole process tree
mod readiness; // readiness by port: who owns the listener
mod stopped_supervisor; // a supervisor stopped by SIGSTOP
mod supervision; // dependencies, probes, restarts, back-off, cleanup, skipped processes
mod takeover; // a new supervisor continues the run of a killed one; reused pids
mod watched_files; // `watch`: restarts after changes of files; `tmo watch`

// Log and terminal output.
mod journal; // the log on disk: bytes, segments, size limit, full disk
mod log_pages; // pages of the log in both directions, search in steps, styled lines
mod logs; // `tmo logs`: search, time ranges, JSON, paging, following
mod lost_log; // a log that was moved or replaced during a run
mod screen_model; // the model of a terminal's screen: recorded programs, snapshots
mod split_stderr; // standard error as a stream of its own
mod start_terminal; // messages of `tmo start` to a person; typed lines; attaching
mod terminal_output; // rendering of process output: colours, prompts, spinners, `--raw`
mod ui; // `tmo ui` in a real terminal
mod ui_views; // what only it shows: `start --ui`, prompts, the timeline, two lives compared
mod view; // the view: ^C, ^Z, hangup, closed pipes, window size

// Control socket and API.
mod api; // the HTTP API as a client sees it; golden answers
mod control_socket; // socket path, mode, overmind's protocol, concurrent commands
mod figures; // `tmo top`; the state of the run as it changes (`/api/watch`)
mod fleet; // `tmo fleet`: verbs on several hosts
mod fleet_apply; // `tmo fleet apply`: processes that a fleet gives to its hosts; procman's file
mod fleet_engine; // the tasks of an engine as hosts
mod fleet_install; // `tmo fleet install`: hosts without tmo, other machines, cut transfers
mod fleet_lines; // `tmo fleet logs`, `events`, `echo`: merged lines, lost hosts, clocks
mod forwarded_socket; // a socket forwarded from another machine (`ssh -L`)
mod metrics; // `GET /metrics`
mod run_lookup; // which run a command reaches: listeners in the way, spellings, taken TCP ports
mod shared_directory; // one project directory on two machines
mod tcp; // `-S tcp`: the token, proofs, other users, web pages
mod version_skew; // client and supervisor of different versions

mod apps_web; // uploads of apps to `tmo web`
mod web; // `tmo web`, by the requests of a browser
mod web_access; // its access control: addresses, passwords, tokens, other users
mod web_fleet; // the page of a fleet: which requests are forwarded to a host
mod web_lazy; // processes that a request to their names starts
mod web_names; // processes by their names
mod web_scripts; // its paths under `/api/`
mod web_start; // how it is started, opened, restarted and ended
mod web_terminals; // terminals on pages: sizes, many pages, floods, ends
mod web_together; // killed web servers; several servers and `tmo connect` on one run

// Files of a run.
mod damaged_run_files; // removed, replaced or damaged files of a run: lock, state, plan, socket
mod directories; // log, crash-report and runtime directories
mod full_disk; // what is reported while and after a disk is full
mod kill_and_cleanup; // `tmo kill` and `tmo cleanup`; leftovers of a killed run
mod sessions; // sessions of one user with different runtime directories

// Security.
mod hostile_processes; // processes that attack their own files, bell, journal, shim
mod other_projects; // a project leads no command to the run of another project
mod other_users; // files and sockets of another user; root
mod terminal_escapes; // escape sequences in project files, answers and output
mod untrusted_project; // inspecting commands execute nothing of the project

// Commands.
mod actions; // `tmo act`
mod apps; // `tmo app`: programs from ZIP archives
mod causes; // `tmo why`: failures of beginners, each a file in causes/; `--fix`
mod check; // `tmo check`; ports that are taken
mod client_commands; // `wait`, `signal`, `send`, `screen`, `ps`, `events`, `ls`
mod completions; // completion in bash, zsh and fish
mod config; // `tmo config`, `tmo init`, errors in `tmo.toml`
mod connect; // `tmo connect` in a real terminal
mod connect_native; // the same without tmux: keys, modes, several clients
mod crash_api; // `/api/why` and `/api/crashes`
mod declared_failures; // `tmo failures` and `failure_declarations.json`
mod doctor; // `tmo doctor`
mod drift; // what has changed since a run has read it
mod graph; // `tmo graph`
mod mcp; // `tmo mcp`: tools for coding agents; `tmo help agents`
mod reload; // `tmo reload`
mod scale; // `tmo scale`
mod send; // `tmo send`: bytes, buffers, who can see the text
mod setup; // `tmo setup`
mod shell_quoting; // text that tmo quotes for a shell
mod why; // `tmo why` and `tmo crashes`
mod worktrees; // linked git worktrees: ports of their own

// Other programs and the documentation.
mod demo; // `tmo demo`
mod docs_agents; // the commands of `docs/AGENTS.md`
mod docs_guides; // examples of `docs/SUPERVISION.md` and `docs/COMING_FROM.md`
mod docs_scripting; // examples of `docs/SCRIPTING.md`
mod docs_transcripts; // the transcripts of all pages, `$ tmo …` with its output
mod documentation; // links, commands and files of all pages
mod example_project; // `examples/microservices`
mod export; // `tmo export`: files for other supervisors, and what their processes see
mod import; // `tmo import`: files of other tools in `tests/import`
mod interactive_programs; // debugger, editor and database client in `tmo connect`
mod overmind; // overmind's flags, commands and name
mod overmind_bugs_fixed; // bugs of overmind 2.5.1, as listed in `docs/OVERMIND.md`
mod tmux; // tmux: configuration, keys, windows, a broken or missing tmux

// The sources, and what is made of them.
mod ci; // `.ci/judge` on recorded outputs of `cargo test`
mod env_grammar; // env files, as `dotenvy` reads them
mod fuzz_seeds; // the fuzz targets on their seeds
mod generated; // man pages, descriptions and tables that are made of the sources
mod layers; // the order in the sources
mod procfile_corpus; // real Procfiles, as overmind reads them

// Shared helpers.
#[path = "../common/archive.rs"]
mod archive; // ZIP archives, also hostile ones
#[path = "../common/fleet_hosts.rs"]
mod fleet_hosts; // hosts, reached by a stand-in for ssh
#[path = "../common/harness/mod.rs"]
mod harness; // a world of its own for each test
mod numbered_lines; // numbered lines that show losses, duplicates and order
#[path = "../common/schema.rs"]
mod schema; // does JSON match the description of the API?
#[path = "../common/web_server.rs"]
mod web_server; // a running `tmo web`
