//! `tmo connect`: attach this terminal to a process.

use std::ffi::OsStr;
use std::io::IsTerminal as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use super::args::ConnectArgs;
use super::error::CliError;
use super::instance::{Instance, Server};
use crate::backend::tmux::attach::{Target, arguments, ask_windows, window_of};
use crate::backend::tmux::version::answer;
use crate::control::address::Address;
use crate::control::overmind_client::OvermindClient;
use crate::model::request::{ProcessState, State};

/// Become the tmux client that shows the process; returns only if that fails.
pub(super) fn connect(args: &ConnectArgs) -> Result<u8, CliError> {
    let mut instance = Instance::find(&args.client)?;
    let control = match args.control_mode {
        Some(control) => control,
        None => instance.context.env.flag("CONTROL_MODE")?.unwrap_or(false),
    };
    let mut command = super::block_on(prepare(&mut instance, args, control))?;
    if args.print {
        return super::print(&mut std::io::stdout(), quoted(&command).as_bytes());
    }
    if !std::io::stdin().is_terminal() {
        let text = "connect needs a terminal; `tmo echo` and `tmo logs` show what is printed";
        return Err(CliError::Other(text.to_owned()));
    }
    let error = command.exec();
    Err(CliError::Io {
        what: format!("can't run {}", command.get_program().display()),
        source: error,
    })
}

/// The command as it could be typed.
fn quoted(command: &Command) -> String {
    let set = command.get_envs().filter_map(|(name, value)| {
        Some(format!("{}={}", name.display(), quote(&value?.to_string_lossy())))
    });
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let words = words.map(|word| quote(&word.to_string_lossy()));
    set.chain(words).collect::<Vec<_>>().join(" ") + "\n"
}

/// A word as a shell takes it.
fn quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:,@%+=".contains(c);
    if !word.is_empty() && word.chars().all(plain) && !word.starts_with('=') {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

async fn prepare(
    instance: &mut Instance,
    args: &ConnectArgs,
    control: bool,
) -> Result<Command, CliError> {
    if let Server::Overmind(address) = instance.server().await? {
        return foreign(&address, args, control).await;
    }
    instance.on_this_machine()?;
    let state = instance.state().await?;
    let process = choose(&state, args.name.as_deref())?;
    let Some(pane) = &process.pane else {
        let name = &process.name;
        if matches!(process.state.as_str(), "pending" | "starting") {
            let text = format!("{name} is just being started; try again in a moment");
            return Err(CliError::Other(text));
        }
        let why = process.reason.as_deref().unwrap_or(match process.lives {
            0 => "it has not been started",
            _ => "its window was closed",
        });
        let text = format!("{name} has no terminal: {why}; `tmo restart {name}` opens one");
        return Err(CliError::Other(text));
    };
    let gone = || {
        let name = &process.name;
        CliError::Other(format!("the window of {name} is gone; `tmo restart {name}` opens one"))
    };
    let mut ask = command(instance, &state)?;
    ask.args(ask_windows(&state.tmux.socket)).stdin(std::process::Stdio::null());
    let listed = answer(&mut ask.into()).await.map_err(CliError::io("can't ask tmux"))?;
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    let (window, never_start) = window_of(&listed, pane).ok_or_else(gone)?;
    let target = Target {
        socket: &state.tmux.socket,
        session: &state.tmux.session,
        pane,
        window,
        client: &format!("c-{}", std::process::id()),
        read_only: args.read_only,
        control,
        never_start,
    };
    let mut command = command(instance, &state)?;
    let inside = instance.context.env.caller("TMUX").is_some_and(|tmux| is_server(tmux, &target));
    if inside {
        // A client cannot be inside a pane of its own server; the one that is there goes on.
        command.arg("-L").arg(target.socket).args(["switch-client", "-t", pane]);
    } else {
        command.args(arguments(&target)).env_remove("TMUX");
    }
    Ok(command)
}

/// A tmux client; the directory of its sockets is that of the run, not that of this shell.
fn command(instance: &Instance, state: &State) -> Result<Command, CliError> {
    let mut command = Command::new(state.tmux.program.as_os_str());
    let plan = instance.runtime.plan()?;
    match plan.env.iter().find(|(name, _)| name.as_bytes() == b"TMUX_TMPDIR") {
        Some((name, dir)) => command.env(&name.0, &dir.0),
        None => command.env_remove("TMUX_TMPDIR"),
    };
    Ok(command)
}

/// `TMUX` holds `<socket>,<pid>,<session>`.
fn is_server(tmux: &OsStr, target: &Target<'_>) -> bool {
    let text = tmux.to_string_lossy();
    let socket = text.split(',').next().unwrap_or_default();
    Path::new(socket).file_name() == Some(OsStr::new(target.socket))
}

fn choose<'a>(state: &'a State, name: Option<&str>) -> Result<&'a ProcessState, CliError> {
    let none = || CliError::Other("there are no processes".to_owned());
    let Some(name) = name else { return state.processes.first().ok_or_else(none) };
    let exact = state.processes.iter().find(|p| p.name.as_str() == name);
    let found = exact.or_else(|| state.processes.iter().find(|p| p.name.matches(name)));
    found.ok_or_else(|| {
        let known: Vec<_> = state.processes.iter().map(|p| p.name.clone()).collect();
        CliError::unknown(name, &known)
    })
}

async fn foreign(
    address: &Address,
    args: &ConnectArgs,
    control: bool,
) -> Result<Command, CliError> {
    let client = OvermindClient::new(address);
    let found = client.connection(args.name.as_deref()).await?;
    let found = found.ok_or_else(|| {
        CliError::Other(format!("Unknown process name: {}", args.name.clone().unwrap_or_default()))
    })?;
    if found.server.contains('/') {
        let text = format!("{address}: `{}` is no name of a tmux server", found.server);
        return Err(CliError::Other(text));
    }
    let mut command = Command::new("tmux");
    if control {
        command.arg("-CC");
    }
    command.args(["-L", &found.server, "attach", "-t", &found.target]).env_remove("TMUX");
    Ok(command)
}
