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
use crate::model::untrusted::shown;

/// Become the tmux client that shows the process; returns only if that fails.
pub(super) fn connect(args: &ConnectArgs) -> Result<u8, CliError> {
    let mut instance = Instance::find(&args.client)?;
    let control = match args.control_mode {
        Some(control) => control,
        None => instance.context.env.flag("CONTROL_MODE")?.unwrap_or(false),
    };
    let mut command = super::block_on(prepare(&mut instance, args, control))?;
    if args.print {
        return super::print(&mut std::io::stdout(), &quoted(&command));
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
        return foreign(instance, &address, args, control).await;
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
        let why = process.reason.clone().unwrap_or_else(|| match process.lives {
            0 => "it has not been started".into(),
            _ => "its window was closed".into(),
        });
        let text = format!("{name} has no terminal: {why}; `tmo restart {name}` opens one");
        return Err(CliError::Other(text));
    };
    let gone = || {
        let name = &process.name;
        CliError::Other(format!("the window of {name} is gone; `tmo restart {name}` opens one"))
    };
    if !is_server_name(&state.tmux.socket) || !is_pane(pane) {
        let text =
            format!("{}: what answers there names no tmux server of yours", instance.address());
        return Err(CliError::Other(text));
    }
    let mut ask = command(instance)?;
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
    let mut command = command(instance)?;
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
fn command(instance: &Instance) -> Result<Command, CliError> {
    let mut command = own_tmux(instance)?;
    // Without it, the run is of a session that has its runtime directories elsewhere.
    let Ok(plan) = instance.runtime.plan() else { return Ok(command) };
    match plan.env.iter().find(|(name, _)| name.as_bytes() == b"TMUX_TMPDIR") {
        Some((name, dir)) => command.env(&name.0, &dir.0),
        None => command.env_remove("TMUX_TMPDIR"),
    };
    Ok(command)
}

/// The tmux of the caller: an answer on a socket may name any program.
fn own_tmux(instance: &Instance) -> Result<Command, CliError> {
    let own = instance.own_path();
    let missing = || {
        let skipped = match own.skipped() {
            [] => "",
            _ => ", without its entries that are relative or lie in the project",
        };
        CliError::Other(format!("can't find tmux in your PATH{skipped}; `tmo doctor` tells more"))
    };
    own.find("tmux").map(Command::new).ok_or_else(missing)
}

/// Whether a tmux client that is told this name (`-L`) looks for its server in the user's own
/// directory. With a server elsewhere it would do what that says, to the point of running commands.
fn is_server_name(name: &str) -> bool {
    !name.is_empty() && !name.contains('/') && name != "." && name != ".."
}

/// Whether this is a pane as tmux names them (`%3`).
fn is_pane(pane: &str) -> bool {
    pane.strip_prefix('%').is_some_and(|number| {
        !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
    })
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
    if !is_server_name(&found.server) {
        let server = shown(&found.server);
        let text = format!("{address}: `{server}` is no name of a tmux server");
        return Err(CliError::Other(text));
    }
    let mut command = own_tmux(instance)?;
    if control {
        command.arg("-CC");
    }
    command.args(["-L", &found.server, "attach", "-t", &found.target]).env_remove("TMUX");
    Ok(command)
}
