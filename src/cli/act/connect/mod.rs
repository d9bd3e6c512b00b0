//! `tmo connect`: attach this terminal to a process.

mod client;
mod native;
mod waiting;

use std::ffi::OsStr;
use std::io::{self, IsTerminal as _, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::backend::tmux::attach::{Target, arguments, ask_windows, find_pane};
use crate::backend::tmux::version::{one_line, run_client};
use crate::cli::args::{ClientArgs, values};
use crate::cli::look::logs;
use crate::cli::reach::instance::{Instance, Server};
use crate::cli::{CliError, output, runtime};
use crate::client::address::Address;
use crate::client::overmind::OvermindClient;
use crate::config::env::Env;
use crate::config::options::truth;
use crate::model::ProcName;
use crate::model::name::nearest::several;
use crate::model::plan::Backend;
use crate::model::plan::detach_keys::DetachKeys;
use crate::model::state::{ProcessState, State, TmuxAddress};
use crate::model::text::untrusted::{is_active, shown};
use crate::model::text::{OsText, shell};
use crate::protocol::paths::PanePaths;
use crate::protocol::tmux_socket::is_unreachable;

/// Open the terminal of a process; without a name, of the first one.
#[derive(Default, clap::Args)]
#[command(after_help = "\
Examples:
  tmo connect web               type into it; leave with C-b d, or the keys it shows
  tmo connect -r web            look, but don't touch")]
pub(in crate::cli) struct ConnectArgs {
    /// The process; without a name, the first one.
    #[arg(value_name = "NAME", add = values::process())]
    name: Option<String>,
    /// Show the terminal, but send it no keys.
    #[arg(short = 'r', long)]
    read_only: bool,
    /// Keep the size of the process's terminal, even if this terminal has another size.
    #[arg(long)]
    keep_size: bool,
    /// Show no status line, and no keys in the title.
    #[arg(long, hide = true)]
    no_status: bool,
    /// The keys that leave a terminal of tmo's own, such as `ctrl-p,ctrl-q` (default ctrl-b,d). Those of a
    /// terminal of tmux are set in its own configuration.
    #[arg(long, value_name = "KEYS")]
    detach_keys: Option<DetachKeys>,
    /// Speak tmux's control mode (`tmux -CC`), for terminals that integrate tmux windows.
    #[arg(short = 'c', long, value_name = "BOOL", num_args = 0..=1, require_equals = true,
        default_missing_value = "true", value_parser = truth)]
    control_mode: Option<bool>,
    /// How long to wait for a process that is starting (10s, 2m; default 30s) before exiting with
    /// code 124.
    #[arg(long, value_name = "TIME")]
    timeout: Option<String>,
    /// Print the tmux command instead of running it.
    #[arg(long)]
    print: bool,
    #[command(flatten)]
    client: ClientArgs,
}

/// How many lines of the log go into the scroll-back before a terminal of tmo's own is shown.
const HISTORY: usize = 200;

/// The program to run.
enum Prepared {
    /// A tmux client that shows this process.
    Client(ProcName, Command),
    /// A command for a terminal that is a pane of the run: it makes the tmux client that shows the
    /// pane switch to this process.
    Switch(ProcName, Command),
    /// A program that replaces this one.
    Exec(Command),
    /// A terminal of tmo's own.
    Native(ProcName, native::Attach),
}

/// Show the process until the user detaches.
pub(in crate::cli) fn connect(args: &ConnectArgs) -> Result<u8, CliError> {
    let mut instance = Instance::find(&args.client)?;
    let control = instance.context.env.flag(args.control_mode, "CONTROL_MODE")?;
    let prepared = runtime::block_on(prepare(&mut instance, args, control))?;
    if args.print {
        return match &prepared {
            Prepared::Client(_, command)
            | Prepared::Switch(_, command)
            | Prepared::Exec(command) => output::print(&quoted(command)),
            Prepared::Native(name, _) => Err(not_in_tmux(name, "no tmux command shows it")),
        };
    }
    needs_terminal()?;
    if let Prepared::Exec(mut command) = prepared {
        return Err(cannot_run(&command)(command.exec()));
    }
    // Without its log it can be shown all the same.
    let log = |name: &ProcName| logs::last_lines(&instance, name, HISTORY).unwrap_or_default();
    runtime::block_on(async {
        let shown = prepared.show(&instance, log).await?;
        if let Some(name) = &shown.left {
            if shown.unsent > 0 {
                output::warn(&format!(
                    "{name} has not read all that was typed: {} bytes did not reach it",
                    shown.unsent
                ));
            }
            // The terminal may be gone.
            let _ = writeln!(io::stdout(), "{}", client::words(&instance, name).await);
        }
        Ok(shown.code)
    })
}

/// Show the process until the user detaches, for a program that goes on afterwards.
pub(in crate::cli) async fn connect_from_ui(
    instance: &mut Instance,
    name: &ProcName,
    read_only: bool,
) -> Result<(), CliError> {
    let args = ConnectArgs { name: Some(name.to_string()), read_only, ..Default::default() };
    let prepared = prepare(instance, &args, false).await?;
    prepared.show(instance, |_| vec![]).await.map(drop)
}

/// How a process was shown.
struct Shown {
    /// What was shown on this terminal, which the user has left.
    left: Option<ProcName>,
    /// How many typed bytes did not reach it.
    unsent: usize,
    code: u8,
}

impl Prepared {
    /// Show the process until the user detaches; `log` is what stands above a terminal of tmo's own.
    async fn show(
        self,
        instance: &Instance,
        log: impl FnOnce(&ProcName) -> Vec<u8>,
    ) -> Result<Shown, CliError> {
        match self {
            Self::Exec(_) => Err(CliError::OvermindCannot),
            Self::Switch(name, mut command) => {
                // tmux identifies its client by the terminal.
                let ran = command.stdin(Stdio::inherit()).output().map_err(cannot_run(&command))?;
                let done = Shown { left: None, unsent: 0, code: 0 };
                ran.status.success().then_some(done).ok_or_else(|| not_switched(&name, &ran.stderr))
            }
            Self::Client(name, mut command) => {
                let shown = client::show(&mut command).await.map_err(cannot_run(&command))?;
                let code = shown.map_err(|words| refused(&instance.context.env, &name, &words))?;
                Ok(Shown { left: Some(name), unsent: 0, code })
            }
            Self::Native(name, attach) => {
                let ended = native::show_terminal(&attach, || log(&name)).await;
                let (ended, unsent) =
                    ended.map_err(CliError::io(format!("the terminal of {name}")))?;
                let code = match ended {
                    native::ConnectionEnd::Left => 0,
                    native::ConnectionEnd::Gone => client::exit_code(instance, &name),
                    native::ConnectionEnd::Signal(code) => code,
                };
                Ok(Shown { left: Some(name), unsent, code })
            }
        }
    }
}

fn cannot_run(command: &Command) -> impl FnOnce(io::Error) -> CliError + use<> {
    CliError::io(format!("can't run {}", command.get_program().display()))
}

fn needs_terminal() -> Result<(), CliError> {
    if std::io::stdin().is_terminal() {
        return Ok(());
    }
    let text = "connect needs a terminal; `tmo echo` and `tmo logs` show what is printed";
    Err(CliError::Other(text.to_owned()))
}

/// Why a pane of the run can't show another process: no client is connected to it, or tmux's own reason.
fn not_switched(name: &ProcName, words: &[u8]) -> CliError {
    let words = one_line(words);
    let why = match words.as_str() {
        "no current client" | "" => String::new(),
        words => format!(" ({words})"),
    };
    CliError::Other(format!(
        "this terminal is a pane of the run and can't show {name} inside itself{why}: type `tmo \
         connect {name}` in another terminal; in a terminal that is connected, tmux's own keys (C-b n, \
         C-b w) go from window to window"
    ))
}

/// The error if tmux can't show the process, with an alternative.
fn refused(env: &Env, name: &ProcName, words: &str) -> CliError {
    if !words.contains("terminal") {
        return CliError::Other(format!("tmux can't show {name}: {words}"));
    }
    let term = match env.caller("TERM") {
        Some(term) => format!("TERM={}", term.display()),
        None => "TERM is not set".to_owned(),
    };
    CliError::Other(format!(
        "tmux can't use this terminal ({term}): {words}; try `TERM=xterm-256color tmo connect \
         {name}`; without a terminal, `tmo screen {name}` shows it and `tmo send {name} TEXT \
         --enter` types into it"
    ))
}

/// The command as it would be typed.
fn quoted(command: &Command) -> String {
    let set = command.get_envs().filter_map(|(name, value)| {
        Some(format!("{}={}", name.display(), shell::quoted(&value?.to_string_lossy())))
    });
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let words = words.map(|word| shell::quoted(&word.to_string_lossy()));
    set.chain(words).collect::<Vec<_>>().join(" ") + "\n"
}

async fn prepare(
    instance: &mut Instance,
    args: &ConnectArgs,
    control: bool,
) -> Result<Prepared, CliError> {
    let server = instance.server().await?;
    // Typing into a process changes it, so this needs the right project.
    if !args.read_only {
        instance.refuse_other_project().await?;
    }
    if let Server::Overmind(address) = server {
        return foreign(instance, &address, args, control).await.map(Prepared::Exec);
    }
    instance.on_this_machine()?;
    let state = instance.state().await?;
    let process = choose(&state, args.name.as_deref())?;
    let name = process.name.clone();
    if process.config.no_terminal {
        return Err(CliError::Other(format!(
            "{name} has no terminal (`pty = false`); `tmo logs {name} -f` shows its output"
        )));
    }
    if state.backend == Backend::Native && control {
        let why = "control mode (--control-mode, TMO_CONTROL_MODE) needs tmux";
        return Err(not_in_tmux(&name, why));
    }
    let (state, pane) = waiting::terminal_of(instance, &name, args.timeout.as_deref()).await?;
    if state.backend == Backend::Native {
        return native_terminal(instance, name, &pane, args).await;
    }
    let Some(tmux) = state.tmux.filter(|tmux| is_server_name(&tmux.socket) && is_pane(&pane))
    else {
        let text = format!("{}: its listener names no tmux server of yours", instance.address());
        return Err(CliError::Other(text));
    };
    in_tmux(instance, name, &pane, &tmux, args, control).await
}

/// Show a window of this tmux server.
async fn in_tmux(
    instance: &Instance,
    name: ProcName,
    pane: &str,
    tmux: &TmuxAddress,
    args: &ConnectArgs,
    control: bool,
) -> Result<Prepared, CliError> {
    let listed = windows(instance, &name, tmux).await?;
    let found = find_pane(&listed, pane).ok_or_else(|| no_window(instance, &name))?;
    let mut command = command(instance)?;
    let env = &instance.context.env;
    let outer = env.caller("TMUX");
    if outer.is_some_and(|outer| is_server(outer, &tmux.socket)) {
        // A client can't run inside a pane of its own server, so switch the existing client.
        command.arg("-L").arg(&tmux.socket).args(["switch-client", "-t", pane]);
        return Ok(Prepared::Switch(name, command));
    }
    let prefix = client::prefix(command.get_program(), outer, found.prefix).await;
    let target = Target {
        socket: &tmux.socket,
        session: &tmux.session,
        pane,
        report: found,
        client: &format!("c-{}", std::process::id()),
        read_only: args.read_only,
        keeps_size: args.keep_size,
        no_status: args.no_status,
        control,
        prefix: &prefix,
        utf8: takes_utf8(env),
    };
    command.args(arguments(&target)).env_remove("TMUX");
    // A control-mode program needs all of tmux's output.
    Ok(if control { Prepared::Exec(command) } else { Prepared::Client(name, command) })
}

/// The windows of this tmux server, as it lists them.
async fn windows(
    instance: &Instance,
    name: &ProcName,
    tmux: &TmuxAddress,
) -> Result<String, CliError> {
    let list = async || {
        let mut ask = command(instance)?;
        ask.args(ask_windows(&tmux.socket));
        run_client(&mut ask.into(), None).await.map_err(CliError::io("can't ask tmux"))
    };
    let mut listed = list().await?;
    if is_unreachable(&one_line(&listed.stderr)) && instance.runtime.plan().is_ok() {
        // The supervisor needs tmux for this, and makes a lost socket of tmux again.
        let exactly = format!("={name}");
        instance.ask(async |client| client.screen(&exactly, false).await).await?;
        listed = list().await?;
    }
    Ok(String::from_utf8_lossy(&listed.stdout).into_owned())
}

fn not_in_tmux(name: &ProcName, why: &str) -> CliError {
    CliError::Other(format!("the terminal of {name} is tmo's own, not in tmux: {why}"))
}

/// Show a terminal of tmo's own.
async fn native_terminal(
    instance: &Instance,
    name: ProcName,
    pane: &str,
    args: &ConnectArgs,
) -> Result<Prepared, CliError> {
    let Ok(plan) = instance.runtime.plan() else {
        let dir = instance.runtime.dir().display();
        return Err(CliError::Other(format!(
            "the terminal of {name} is not in {dir}: the run belongs to another user, or to a session \
             with another XDG_RUNTIME_DIR; connect from there"
        )));
    };
    let keys = args.detach_keys.clone().or(plan.detach_keys).unwrap_or_default();
    let tmux = instance.own_path().find("tmux").unwrap_or_default();
    let outer = instance.context.env.caller("TMUX");
    let first_key = client::prefix(tmux.as_ref(), outer, &keys.first()).await;
    let attach = native::Attach {
        name: name.clone(),
        socket: PanePaths::of_slug(instance.runtime.dir(), pane).terminal(),
        read_only: args.read_only,
        keeps_size: args.keep_size,
        no_status: args.no_status,
        keys,
        first_key,
    };
    Ok(Prepared::Native(name, attach))
}

/// The error if the run's tmux does not list the window of a process.
fn no_window(instance: &Instance, name: &ProcName) -> CliError {
    CliError::Other(if instance.runtime.plan().is_ok() {
        format!("the window of {name} is gone; `tmo restart {name}` opens one")
    } else {
        // The socket directory of the run is known only to its own session.
        format!(
            "your tmux does not find the window of {name}: the run belongs to another user, or to a \
             session with another TMUX_TMPDIR or TMPDIR; connect from there"
        )
    })
}

/// Whether to write UTF-8 to a terminal of this locale. Without a locale, or with the C locale, the
/// terminal nearly always shows UTF-8; any other locale is the user's choice, which tmux reads itself.
fn takes_utf8(env: &Env) -> bool {
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(|name| env.caller(name));
    locale.is_none_or(|locale| ["C", "POSIX"].iter().any(|name| locale == *name))
}

/// A tmux client that uses the socket directory of the run, not that of this shell.
fn command(instance: &Instance) -> Result<Command, CliError> {
    let mut command = own_tmux(instance)?;
    // Without a plan, the run belongs to a session with other runtime directories.
    let Ok(plan) = instance.runtime.plan() else { return Ok(command) };
    match plan.caller_env().get(&OsText::from("TMUX_TMPDIR")) {
        Some(dir) => command.env("TMUX_TMPDIR", &dir.0),
        None => command.env_remove("TMUX_TMPDIR"),
    };
    Ok(command)
}

/// The caller's own tmux, because an answer on a socket may name any program.
fn own_tmux(instance: &Instance) -> Result<Command, CliError> {
    let own = instance.own_path();
    own.find("tmux").map(Command::new).ok_or_else(|| {
        let skipped = match own.skipped() {
            [] => "",
            _ => ", without its entries that are relative or lie in the project",
        };
        CliError::Other(format!("can't find tmux in your PATH{skipped}; `tmo doctor` tells more"))
    })
}

/// Whether `tmux -L` with this name uses the user's own socket directory. A server elsewhere could make the
/// client run commands.
fn is_server_name(name: &str) -> bool {
    !name.is_empty() && !name.contains('/') && name != "." && name != ".."
}

/// Whether this is a valid tmux pane id (`%3`).
fn is_pane(pane: &str) -> bool {
    pane.strip_prefix('%').is_some_and(|number| {
        !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
    })
}

/// Whether `TMUX` (`<socket>,<pid>,<session>`) names this server.
fn is_server(tmux: &OsStr, name: &str) -> bool {
    let text = tmux.to_string_lossy();
    let socket = text.split(',').next().unwrap_or_default();
    Path::new(socket).file_name() == Some(OsStr::new(name))
}

fn choose<'a>(state: &'a State, name: Option<&str>) -> Result<&'a ProcessState, CliError> {
    let none = || CliError::Other("there are no processes".to_owned());
    let Some(name) = name else { return state.processes.first().ok_or_else(none) };
    let all = &state.processes;
    let meant = ProcessState::chosen(&[name.to_owned()], all).map_err(CliError::Unknown)?;
    let exact = all.iter().find(|process| process.name.as_str() == name);
    // As with overmind, an entry means its first instance.
    if exact.is_none() && meant.len() > 1 && name.contains(['@', ',']) {
        return Err(CliError::Other(several(name, meant.iter().map(|process| &process.name))));
    }
    exact.or(meant.first().copied()).ok_or_else(none)
}

async fn foreign(
    instance: &Instance,
    address: &Address,
    args: &ConnectArgs,
    control: bool,
) -> Result<Command, CliError> {
    let client = OvermindClient::new(address);
    let found = client.connection(args.name.as_deref()).await?;
    let found = found.ok_or_else(|| {
        CliError::Other(format!("Unknown process name: {}", args.name.clone().unwrap_or_default()))
    })?;
    // tmux prints both names unescaped.
    let active = |name: &str| name.contains(is_active);
    if !is_server_name(&found.server) || active(&found.server) || active(&found.target) {
        let (server, target) = (shown(&found.server), shown(&found.target));
        let text =
            format!("{address}: `{server} {target}` does not name a window of a tmux server");
        return Err(CliError::Other(text));
    }
    let mut command = own_tmux(instance)?;
    if control {
        command.arg("-CC");
    }
    command.args(["-L", &found.server, "attach", "-t", &found.target]).env_remove("TMUX");
    Ok(command)
}
