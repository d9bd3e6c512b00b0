//! The command line. The doc comments of the fields become the help, the man pages and the descriptions in
//! shell completions.
//!
//! Variables are named in the help, but not read here: env files may also set them, and each variable has
//! two names (`TMO_…` and `OVERMIND_…`), so `plan` resolves them.

mod changing;
mod fleet;
mod go_style;
mod help;
mod history;
mod looking;
mod mcp;
mod offline;
mod target;
#[cfg(test)]
mod tests;
mod topics;

use std::ffi::OsString;
use std::fmt::Write as _;
use std::time::Duration;

use clap::{ArgAction, Args as _, Command, FromArgMatches as _, Parser, Subcommand};

pub use changing::{
    ActArgs, AppArgs, AppDo, ConnectArgs, FailuresArgs, FailuresDo, NamesArgs, ReloadArgs,
    RestartArgs, RunArgs, ScaleArgs, SendArgs, SignalArgs, WatchArgs, WatchDo,
};
pub use fleet::{FLEET_VERBS, FleetArgs, FleetArgv, FleetCommand, FleetKind};
pub(super) use go_style::go_style;
pub(super) use help::fill;
pub use help::{command, short_help};
pub use history::{CrashAsk, CrashesArgs, EchoArgs, EventsArgs, LogsArgs, WhyArgs};
pub use looking::{
    FlagsArgs, LsArgs, OpenArgs, Order, PsArgs, ScreenArgs, ServerArgs, TopArgs, UiArgs, WAIT_FOR,
    WaitArgs, WaitFor, WebArgs, WebUserVerb, WebVerb,
};
pub use mcp::{McpAllowance, McpArgs, McpClient};
pub use offline::{
    CompletionsArgs, DemoArgs, ExportArgs, GraphArgs, ImportArgs, InitArgs, ManArgs, PreviewArgs,
    SetupArgs,
};
pub use target::ClientArgs;
pub(super) use topics::{TOPICS, Topic};

use crate::config::StartOptions;
use crate::model::units::parse_span;

/// Run the processes of a Procfile, each in a terminal of its own.
///
/// `tmo start` runs each line of ./Procfile in a terminal of its own, a window of a private tmux
/// server if tmux is installed, and shows their output merged, prefixed and coloured. Other
/// commands, run anywhere in the project, inspect or control the running processes.
#[derive(Debug, Clone, PartialEq, Eq, Parser)]
#[command(name = "tmo", version = tmo_api::api::version::FULL, disable_version_flag = true, max_term_width = 100)]
#[command(after_help = "\
Examples:
  tmo start                  run ./Procfile and show the merged log
  tmo start -l web,worker    run two of its processes
  tmo ps                     what is running?
  tmo restart web            stop it, start it again
  tmo connect web            its terminal: type, debug, leave with the keys it shows
  tmo logs web -n 50         its last 50 lines, even after it died
  tmo why                    what is wrong, or why did it end?
  tmo help tmo.toml          all keys of tmo.toml; also `tmo help procfile`, `fleet.toml`, `agents`")]
pub struct Args {
    /// Print the version.
    #[arg(short = 'v', short_alias = 'V', long, action = ArgAction::Version)]
    version: Option<bool>,
    /// What to do; without it the help is shown.
    #[command(subcommand)]
    pub verb: Option<Verb>,
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum Verb {
    /// Run the processes of the Procfile and show their output.
    #[command(
        visible_alias = "s",
        after_help = "\
Examples:
  tmo start                     run ./Procfile until Ctrl-C
  tmo start -f Procfile.dev     another Procfile; its directory is where the processes run
  tmo start --web=8080          also in a browser, at this port
  tmo start -- npm run dev      one command, without a Procfile
  tmo start --wait=web,60s      until web listens at its PORT, then in the background
  tmo start -D                  in the background; `tmo logs -n 100 -f` shows the log, `tmo quit` ends it
  tmo start -p 3000 -P 1        PORT=3000 for the first process, 3001 for the second
  tmo start --port-auto         separate ports for each project and worktree
  tmo start ../shop             the project in another directory
  TMO_LOG=debug tmo start       the supervisor logs to tmo.log, next to the run's log
  OVERMIND_PROCESSES=web tmo start

Each process gets PORT, PS (its name), TMO_SOCKET and, for each other process,
OVERMIND_PROCESS_<name>_PORT. ./.env and ./.tmo.env can also set variables.

Pipes and files get plain text. Terminals get colours unless NO_COLOR is set; CLICOLOR_FORCE=1
passes process output unchanged to pipes and files."
    )]
    Start(Box<StartOptions>),
    /// Check Procfile, tmo.toml, env files, settings and ports without running anything.
    #[command(after_help = "\
Examples:
  tmo check                     exits 1 if anything is wrong
  tmo check -f Procfile.dev -l web,worker
  tmo check --json | jq -r '.errors[].text'

All errors in tmo.toml are reported at once, with line and column.")]
    Check(Box<PreviewArgs>),
    /// Show the settings of each process, and where each comes from.
    #[command(after_help = "\
Examples:
  tmo config                    each process's keys, their values and their sources
  tmo config web -c web         web only, as if started with this flag
  tmo config --json | jq '.processes[].settings[] | select(.from != \"default\")'

Only the names of variables are shown.")]
    Config(Box<PreviewArgs>),
    /// Show the start order and the dependencies.
    #[command(after_help = "\
Examples:
  tmo graph                     numbered steps; processes in one step start together
  tmo graph web                 what `tmo start web` would run
  tmo graph --live              with the states of the current run
  tmo graph --dot | dot -Tsvg >graph.svg
  tmo graph --json | jq -r '.levels[] | join(\" \")'

A process waits until another one has started, is ready, or has completed (exit code 0).")]
    Graph(Box<GraphArgs>),
    /// Write a commented tmo.toml, and a Procfile if there is none.
    #[command(after_help = "\
Examples:
  tmo init                      ./tmo.toml with everything commented out, and its schema
  tmo init --with-flags         with patterns that are counted in the output
  tmo init --force              overwrite an existing tmo.toml

Without a Procfile it looks for Procfile.dev, bin/dev, package.json, manage.py, bin/rails and
config.ru, and shows what it has written. It executes nothing, and overwrites files only with
--force.")]
    Init(InitArgs),
    /// Take over the files of another tool: compose, process-compose, mprocs, pm2, supervisord, npm.
    #[command(after_help = "\
Examples:
  tmo import                        what there is here: compose.yaml, mprocs.yaml, package.json …
  tmo import compose.yaml --local   what is built from this project runs here, the rest in containers
  tmo import compose.yaml --local=web,worker
  tmo import ecosystem.config.js --run-js
  tmo import package.json --script dev --script worker
  tmo import pm2 -o -               show what would be written

The tools are compose, process-compose, mprocs, pm2, supervisord, package-json and foreman. The result is
a tmo.toml (a Procfile, if there is nothing to say but commands), in which each setting names the line it
comes from. What tmo can't do stands there as a comment, and is listed at the end. Passwords and the like
go to .env.imported.NAME, which only you can read. Nothing is run but, on request, a pm2 file.")]
    Import(ImportArgs),
    /// Write the project for another supervisor: systemd, compose, Kubernetes, tmux and others.
    #[command(after_help = "\
Examples:
  tmo export systemd -o units       a target and a unit for each process; then the command to type next
  tmo export systemd --supervisor   one unit that runs tmo itself, with the whole project below it
  tmo export compose --with-tmo     each container runs its process under tmo, with log, checks and why
  tmo export k8s | kubectl apply -f -
  tmo export tmux | sh              the same windows, without tmo
  tmo export systemd -o units -m web=2 --prune

Exported is what `tmo config` shows. What a format can't express stands as a comment in its file, and is
listed at the end; --strict makes that an error. Secrets are left out unless --with-secrets is given. Files
that tmo has not written, or that were edited since, are replaced only with --force.")]
    Export(Box<ExportArgs>),
    /// Write a small project that shows what tmo does, and run it.
    #[command(after_help = "\
Examples:
  tmo demo                      in output/demo, until Ctrl-C
  tmo demo -D                   in the background; `tmo web` then shows it
  tmo demo --dir /tmp/demo --ui
  tmo demo --web=8080           with its page at this port; -p is the PORT of its processes

Its processes are shell scripts that only print: they open no port and no connection. Further arguments
are passed to `tmo start`.")]
    Demo(DemoArgs),
    /// Print the JSON Schema of tmo.toml, for editors.
    #[command(after_help = "\
Examples:
  tmo schema >tmo.schema.json   then `#:schema ./tmo.schema.json` as the first line of tmo.toml")]
    Schema,
    /// Find out why tmo does not work here, and how to fix it.
    #[command(after_help = "\
Examples:
  tmo doctor                    one line for each finding: ok, note or FAIL
  tmo doctor --json | jq '.findings[] | select(.level == \"fail\")'
  tmo doctor -f Procfile.dev    check a start with these flags
  tmo doctor web                also what web needs: directory, program, script, environment

It runs a process as a start would, in tmux with your configuration on a temporary server of its
own or in a terminal without tmux, and changes nothing. It names which of them a start would use.
It runs no program of the project: tmux and the shell come from your own PATH, and checks that would
need the project's programs are listed as not tried. It shows the names of variables, not their
values; of a PATH, only the entries that differ. Exits 1 if anything fails.")]
    Doctor(Box<PreviewArgs>),
    /// Restart processes; without names, all of them.
    #[command(
        visible_alias = "r",
        after_help = "\
Examples:
  tmo restart web               returns when the new one runs
  tmo restart 'worker*'         by pattern
  tmo restart                   all"
    )]
    Restart(RestartArgs),
    /// Stop processes; without names, all of them. The run itself stays up.
    #[command(visible_aliases = ["interrupt", "i"], after_help = "\
Examples:
  tmo stop worker               returns when it and all it started are gone
  tmo restart worker            starts it again")]
    Stop(NamesArgs),
    /// Open the terminal of a process; without a name, of the first one.
    #[command(
        visible_alias = "c",
        after_help = "\
Examples:
  tmo connect web               type into it; leave with C-b d, or the keys it shows
  tmo connect -r web            look, but don't touch"
    )]
    Connect(ConnectArgs),
    /// Detach `tmo start` from its terminal; the processes keep running.
    #[command(after_help = "\
Examples:
  tmo detach                    from another terminal
  tmo start                     shows the log again, with what was missed")]
    Detach(ClientArgs),
    /// Stop everything, as Ctrl-C does.
    #[command(
        visible_alias = "q",
        after_help = "\
Examples:
  tmo quit                      returns when all processes are gone"
    )]
    Quit(ClientArgs),
    /// Kill everything at once, without a grace period.
    #[command(
        visible_alias = "k",
        after_help = "\
Examples:
  tmo kill                      SIGKILL every process, then exit"
    )]
    Kill(ClientArgs),
    /// Follow the merged log, from now on.
    #[command(after_help = "\
Examples:
  tmo echo                      everything
  tmo echo -n 20                the last 20 lines, then follow
  tmo echo web worker           only these")]
    Echo(EchoArgs),
    /// Print the log so far, including earlier runs.
    #[command(after_help = "\
Examples:
  tmo logs                      everything, merged
  tmo logs web -n 50            the last 50 lines of one process
  tmo logs -n 10 -f             the last 10 lines, then follow
  tmo logs --since 1h --grep 'error|panic' -i -C 3
  tmo logs api --around 'timeout' -C 5s      what all processes printed then
  tmo logs web --since-restart --json | jq -r .text

Times: 10m, 2h30m (ago), 14:05, 2026-11-20, 2026-11-20T14:05:00+01:00. The log survives
the end of a run, and a crash.

Lines appear as in a terminal: overwritten or erased text is left out, and --grep does not match it.
What a program draws on the whole screen is one line, 'full screen: tmo connect NAME'.
Pipes and files get plain text. --raw prints bytes as they were written, with all escape sequences;
CLICOLOR_FORCE=1 does the same for pipes and files, but keeps the names.")]
    Logs(LogsArgs),
    /// Print events: starts, exits, restarts.
    #[command(after_help = "\
Examples:
  tmo events                    of all runs still in the log
  tmo events -f --json          follow, for a script")]
    Events(EventsArgs),
    /// Explain what is wrong, or how the last run ended.
    #[command(after_help = "\
Examples:
  tmo why                       what is wrong now, or how the last run ended
  tmo why web                   the same for web, with its last crash
  tmo why --json | jq -r '.causes[0].text'

Exits 0 if nothing is wrong; 1 if something is wrong, or if the log does not tell.")]
    Why(WhyArgs),
    /// List crash reports, or show one.
    #[command(after_help = "\
Examples:
  tmo crashes                   all reports, newest last
  tmo crashes list web          of one process
  tmo crashes show              the newest, with what all processes printed around the end
  tmo crashes show web --json   the report file as it is")]
    Crashes(CrashesArgs),
    /// Show how often the flags of tmo.toml matched the output.
    #[command(after_help = "\
Examples:
  tmo flags                     of all processes
  tmo flags -C web              the last matching lines, with context
  tmo flags web --json          of one, for a script")]
    Flags(FlagsArgs),
    /// Wait until processes run, are ready, exit, print a line or listen on their port.
    #[command(after_help = "\
Examples:
  tmo wait                      until all are running
  tmo wait migrate --for exit   until it exits; tmo exits with its code
  tmo wait web --for log 'listening on' --timeout 30s
  tmo wait web --for port       until its PORT accepts connections

Exit codes: 0 condition met, 1 it can no longer be met, 124 timed out.")]
    Wait(WaitArgs),
    /// Send a signal to processes; without names, to all.
    #[command(after_help = "\
Examples:
  tmo signal USR1 web           to its process group
  tmo signal HUP")]
    Signal(SignalArgs),
    /// Pause and resume the restarts after changes of files, or show their state.
    #[command(after_help = "\
Examples:
  tmo watch                     which processes changed files restart
  tmo watch pause               none, for now: while rebasing, for instance
  tmo watch resume web          web again; what has changed meanwhile does not count
  tmo watch status --json | jq -r '.processes[] | select(.mode == \"held\").name'

`watch` in tmo.toml names the files of a process.")]
    Watch(WatchArgs),
    /// Run an action of tmo.toml, such as a migration, in the environment of its process.
    #[command(after_help = "\
Examples:
  tmo act                       which actions there are
  tmo act migrate               run it, show its output, exit with its code
  tmo act web.migrate           that of web, where another process has one, too
  tmo act reset-db --yes        without the question that `confirm = true` asks

In tmo.toml:
  [process.web.action.migrate]
  command = \"bin/rails db:migrate\"

It runs as a process of its own, web-migrate: `tmo logs web-migrate` shows its output later, and
`tmo connect web-migrate` opens its terminal. Ctrl-C stops it.")]
    Act(ActArgs),
    /// Change how many instances of a process run.
    #[command(after_help = "\
Examples:
  tmo scale worker=3            run worker, worker#2 and worker#3
  tmo scale worker=1 web=2
  tmo scale worker=0            the same as `tmo stop worker`

For this run only; `tmo start --formation worker=3` starts with three.")]
    Scale(ScaleArgs),
    /// Read Procfile, tmo.toml and env files again, and apply the changes.
    #[command(after_help = "\
Examples:
  tmo reload                    one line for each process: what was done
  tmo reload --dry-run          what would be done
  tmo reload --json | jq -r '.processes[] | select(.change == \"restarted\").name'

Processes whose command, directory, environment, shell or port changed are restarted; removed ones
are stopped, new ones started. Other changes apply at once, without a restart. Flags and variables
are those that the run was started with. If anything can't be read, nothing changes.")]
    Reload(ReloadArgs),
    /// Type into the terminal of a process.
    #[command(after_help = "\
Examples:
  tmo send web 'reload' --enter
  tmo send console - <script    line by line")]
    Send(SendArgs),
    /// Print the screen of a process.
    #[command(after_help = "\
Examples:
  tmo screen web
  tmo screen web --color | less -R")]
    Screen(ScreenArgs),
    /// Open the page of a process in the browser; without a name, list the addresses of all.
    #[command(after_help = "\
Examples:
  tmo open web                  http://web.PROJECT.localhost:10000, while `tmo web` runs
  tmo open -n web               only print it
  tmo open                      the addresses of all processes
  tmo open --json | jq -r '.[].url'

Without `tmo web`, it is http://localhost and the PORT of the process.")]
    Open(OpenArgs),
    /// Clean up after a run that was killed entirely.
    #[command(after_help = "\
Examples:
  tmo cleanup                   says what it did; leaves a live run alone

It ends only processes marked as this run's, and removes only its files and sockets that nobody
listens on. The log is kept.")]
    Cleanup(ClientArgs),
    /// List all your runs.
    #[command(after_help = "\
Examples:
  tmo ls
  tmo ls --json | jq -r '.[].socket'")]
    Ls(LsArgs),
    /// Run a command in the environment of the env files, or of a process.
    #[command(
        visible_aliases = ["exec", "e"],
        disable_help_flag = true,
        after_help = "\
Examples:
  tmo run rails console         with what ./.env and ./.tmo.env set
  tmo run env                   print that environment
  tmo run --as web sh           a shell with what web gets, in its directory

Arguments after the command are passed to it. Without `--as`, PORT and PS are not set: the command
is not a process of the Procfile."
    )]
    Run(RunArgs),
    /// List the processes, their states and what they wait for.
    #[command(
        visible_alias = "status",
        after_help = "\
CPU and MEMORY are those of the process and everything that it has started. MEMORY is the share (PSS)
where the system provides it, as in `tmo top` and on the page of `tmo web`.

A `*` after a name means that its configuration, program or script has changed since it was started; the
lines below the table say what. `tmo restart --drifted` restarts just these processes.

Examples:
  tmo ps
  tmo ps --json | jq -r '.processes[] | select(.state == \"exited\").name'"
    )]
    Ps(PsArgs),
    /// Show what the processes use: CPU, memory, threads, open files, output.
    #[command(after_help = "\
One row per process, with everything that it has started; a new sample each second, until Ctrl-C or
the end of the run. CPU% is of one processor. MEMORY is the share (PSS) where the system provides it.

Examples:
  tmo top
  tmo top -n 1 --json | jq '.processes[] | {name, memory_bytes}'")]
    Top(TopArgs),
    /// Show the run in a full-screen interface: processes, the whole log, search, keys to act.
    #[command(after_help = "\
It needs nothing but the journal and the control socket, so it can be opened and left at any time, in
several terminals, and after the run. `?` shows its keys. Leaving it does not stop the run.

Examples:
  tmo ui
  tmo ui worker     opens the log of worker
  tmo ui --at 14:05 --grep 'error|refused'
                    begins with such lines of five past two
  tmo ui --keys     lists its keys")]
    Ui(UiArgs),
    /// Serve a page that shows all runs in a browser.
    #[command(after_help = "\
Examples:
  tmo web                       serves until Ctrl-C, and prints a link that logs in
  tmo web --link                prints another link for the running server
  tmo web --port 8080           listens at this port; fails if it is taken
  tmo web --open                also opens the page in the browser; --window: in its own window
  tmo web ../shop               shows only the run of that project
  tmo web --stop                stops the server; the runs continue
  tmo web --share web,api --for 2h
                                prints a read-only link to these two processes, for a colleague

  tmo web --public-url https://tmo.example.com
                                behind a proxy with TLS, for phones and colleagues
  tmo web user add anna --role operate
                                adds a user of that address; asks for a password
  tmo web user list             also: passwd NAME, remove NAME
  tmo web sessions              lists the sessions with user, role and last use
  tmo web logout 3f2a81c0       ends a session; --all ends all

The server listens only at this machine's loopback addresses. A link logs in once, within 5 minutes, and
only for the user who started the server. Runs don't depend on the server: start and stop it at any time.")]
    Web(WebArgs),
    /// Add programs from ZIP archives to the run, update and remove them.
    #[command(after_help = "\
Examples:
  tmo app add 'My App' --zip my-app.zip
                                a process My_App, which runs main.py
  tmo app add bot --zip bot.zip --script bot.js --arg --port --arg 80 --no-start
  tmo app update bot --zip bot-2.zip
                                replaces the files and keeps the settings; bot must be stopped
  tmo app remove bot            removes it and its files, after a confirmation
  tmo app list --json | jq -r '.apps[].process'

This runs the code of the archive under your account. Python programs get a virtual environment with the
packages of their requirements.txt, Node.js programs those of their package.json. An archive has at most
50 MiB. If the project is not running, its next start installs the new apps.")]
    App(AppArgs),
    /// Start a project in the background and show it in the browser; Ctrl-C ends both.
    #[command(after_help = "\
Examples:
  tmo server                    starts the project here
  tmo server ../shop            starts the project in another directory
  tmo server --no-ui            opens no browser; NO_UI_LAUNCH=1 does the same

The page shows only this run and ends with it: by Ctrl-C here, `tmo quit`, or the button on the page.
If the run was started before, Ctrl-C ends only the page. If the terminal is closed, the run continues.")]
    Server(ServerArgs),
    /// Show or change the texts that mean failure.
    #[command(after_help = "\
Examples:
  tmo failures list             all declared texts
  tmo failures list web --json
  tmo failures add web 'Error: EADDRINUSE'
  tmo failures remove web 'Error: EADDRINUSE'

They are in failure_declarations.json beside the Procfile. A process that prints one of its texts,
in upper or lower case, is stopped until it is started again. Changes apply to a live run.")]
    Failures(FailuresArgs),
    /// Give a coding agent the commands of tmo as tools, over standard input and output.
    #[command(after_help = "\
Examples:
  tmo mcp --print-config claude     what .mcp.json needs; also cursor, vscode, codex
  tmo mcp --read-only               only tools that change nothing
  tmo mcp --allow input             also tools that type into terminals and send signals

The program of the agent starts it, for the project in its directory. It speaks the Model Context
Protocol, holds nothing, and ends with the agent. Agents that call commands need no more than
`tmo help agents`.")]
    Mcp(McpArgs),
    /// Run these commands on several hosts at once, and show the answers as one.
    #[command(after_help = "\
Examples:
  tmo fleet                         the hosts: reached how, which tmo, clock, load, runs
  tmo fleet ps                      the processes of all
  tmo fleet restart k9/web          one process of one host
  tmo fleet restart '@arm' --batch 1 --until ready
  tmo fleet why                     what is wrong, and where
  tmo fleet connect k9/web          its terminal
  tmo web --fleet                   the runs of all on one page
  tmo fleet exec @arm -- git pull   a command in the directory of the project

A fleet.toml, here or above, names the hosts; `tmo help fleet.toml` has all of it:
  [host.k9]                       the name of the host in `k9/web`
  ssh = \"me@k9.lan\"              what your ssh calls it; default: the name
  root = \"~/robot\"               its project; default: the directory of this file
  groups = [\"arm\"]               `@arm` means all hosts of the group

Each is reached by your own ssh, and needs tmo (`tmo fleet install`). Exits 3 if a host did not answer.")]
    Fleet(FleetArgs),
    /// Install man pages and completions; start a project with the machine.
    #[command(after_help = "\
Examples:
  tmo setup --user              for you; says where it writes
  sudo tmo setup --system       for all users of this machine, below /usr/local
  tmo setup --user --overmind   with a link `overmind` beside tmo
  tmo setup --user --remove     removes these files again
  tmo setup --boot              the run of this project comes back after a reboot
  tmo setup --boot --remove     it no longer does

Without --user or --system it shows what --user would do, and asks. It never edits your own files:
a line that one of them needs is printed. After an upgrade, the same call replaces older files.")]
    Setup(SetupArgs),
    /// Print the completion script of a shell.
    #[command(after_help = "\
Examples:
  source <(tmo completions bash)               for this bash only
  tmo setup --user                             for every new bash, zsh and fish")]
    Completions(CompletionsArgs),
    /// Print a man page, or write all of them to a directory.
    #[command(after_help = "\
Examples:
  tmo man start | man -l -
  tmo man tmo.toml | man -l -
  tmo man --dir ~/.local/share/man/man1")]
    Man(ManArgs),
}

/// The groups in which `--help` lists the commands, those of every day first.
const GROUPS: [(&str, &[&str]); 8] = [
    ("Every day", &["start", "ps", "logs", "restart", "stop", "connect", "why", "quit"]),
    (
        "The run",
        &[
            "ui", "web", "open", "server", "top", "reload", "scale", "app", "detach", "kill",
            "cleanup", "ls",
        ],
    ),
    ("Several hosts", &["fleet"]),
    ("Coding agents", &["mcp"]),
    ("The log", &["echo", "events", "crashes", "flags", "failures"]),
    ("A process", &["act", "send", "screen", "signal", "wait", "watch", "run"]),
    (
        "The project",
        &["demo", "init", "import", "export", "check", "config", "graph", "schema", "doctor"],
    ),
    ("tmo itself", &["setup", "completions", "man", "help"]),
];

/// The help of the program, with the commands in groups: clap would list them all together. In short, only the
/// commands of every day are described.
fn grouped(command: Command, is_short: bool) -> Command {
    let mut list = String::new();
    let described = if is_short { 1 } else { GROUPS.len() };
    for (title, names) in &GROUPS[..described] {
        let _ = writeln!(list, "{title}:");
        for name in *names {
            let about = command.find_subcommand(name).and_then(Command::get_about);
            let about = about.map_or_else(|| "Show help".to_owned(), ToString::to_string);
            let _ = writeln!(list, "  {name:<12} {about}");
        }
        list.push('\n');
    }
    if is_short {
        list.push_str("More, as `tmo --help` describes:\n");
        for (title, names) in &GROUPS[described..] {
            let _ = writeln!(list, "  {title:<12} {}", names.join(", "));
        }
        list.push('\n');
    }
    let list = help::fitted(&list) + "\n";
    let head = "{about-with-newline}\n{usage-heading} {usage}\n\n";
    command.help_template(format!("{head}{list}Options:\n{{options}}{{after-help}}"))
}

/// Read a command line, its first word being the name of the program.
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Args, clap::Error> {
    let args: Vec<OsString> = args.into_iter().collect();
    parse_start(&args).map_or_else(|| parse_any(args), Ok)
}

fn parse_any(args: Vec<OsString>) -> Result<Args, clap::Error> {
    let bare = help::bare_command();
    let args: Vec<OsString> = go_style(&bare, args);
    let mut matches = bare.try_get_matches_from(&args).or_else(|_| {
        // A help, or an error that quotes it.
        command().try_get_matches_from(&args)
    })?;
    Args::from_arg_matches_mut(&mut matches)
}

/// A correct `tmo start`. To define all commands takes several times as long as to define one.
fn parse_start(args: &[OsString]) -> Option<Args> {
    let [_, verb, flags @ ..] = args else { return None };
    let is_short = |word: &OsString| {
        let word = word.as_encoded_bytes();
        word.len() <= 2 || !word.starts_with(b"-") || word.starts_with(b"--")
    };
    // Longer words behind one dash depend on the flags of all commands (`go_style`).
    if !["start", "s"].iter().any(|name| verb == name) || !flags.iter().all(is_short) {
        return None;
    }
    let start = go_style::as_in_go(StartOptions::augment_args(Command::new("start")));
    let mut matches = start.no_binary_name(true).try_get_matches_from(flags).ok()?;
    let start = StartOptions::from_arg_matches_mut(&mut matches).ok()?;
    Some(Args { version: None, verb: Some(Verb::Start(Box::new(start))) })
}

/// A time with its unit.
fn span(text: &str) -> Result<Duration, &'static str> {
    parse_span(text).ok_or("a time like 90s, 30m or 2h is needed")
}
