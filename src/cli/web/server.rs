//! `tmo server`: starts a project in the background and serves its page.

use std::path::PathBuf;

use tokio::signal::unix::SignalKind;

use super::open::{self, How};
use super::serving::{
    Browser, Listen, end_signals, farewell, greet, guardian_here, only_server, own_path,
};
use super::{WebArgs, people};
use crate::cli::args::values;
use crate::cli::error::CliError;
use crate::cli::reach::instance::{Instance, Server};
use crate::cli::reach::request;
use crate::cli::runtime::{self, SignalSet};
use crate::cli::{output, start};
use crate::config::StartOptions;
use crate::config::load::Context;
use crate::config::options::port;
use crate::model::name::role::Role;
use crate::model::request::Request;
use crate::web::server::command_socket;

/// Start a project in the background and show it in the browser; Ctrl-C ends both.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  tmo server                    starts the project here
  tmo server ../shop            starts the project in another directory
  tmo server --no-ui            opens no browser; NO_UI_LAUNCH=1 does the same

The page shows only this run and ends with it: by Ctrl-C here, `tmo quit`, or the button on the page.
If the run was started before, Ctrl-C ends only the page. If the terminal is closed, the run continues.")]
pub(in crate::cli) struct ServerArgs {
    /// The directory of the project; without it, the current one.
    #[arg(value_name = "PATH", add = values::directory())]
    path: Option<PathBuf>,
    /// Listen at this port (0: any free one) from now on, instead of at the one that the page has.
    #[arg(short, long, value_name = "PORT", value_parser = port)]
    port: Option<u16>,
    /// Open the page in a window without tabs, if Chromium, Chrome, Edge or Brave is installed.
    #[arg(long)]
    window: bool,
    /// Don't open the page in a browser.
    #[arg(long, visible_alias = "no-ui", conflicts_with = "window", overrides_with = "no_open")]
    no_open: bool,
    /// Accept API requests with the token in this file (`Authorization: Bearer`).
    #[arg(long, value_name = "FILE", requires = "role", add = values::file())]
    token_file: Option<PathBuf>,
    /// The role of the programs with the token.
    #[arg(long, value_enum, value_name = "ROLE", requires = "token_file")]
    role: Option<Role>,
    /// Have the terminals of the processes in tmux, as `tmo start --backend tmux`.
    #[arg(long)]
    overmind: bool,
}

/// Start the project, unless it runs, and serve its page until one of them ends.
pub(in crate::cli) fn server(args: &ServerArgs) -> Result<u8, CliError> {
    let context = Context::here()?;
    let dir = command_socket::dir(&context.env)?;
    let web = WebArgs {
        window: args.window,
        no_open: args.no_open,
        token_file: args.token_file.clone(),
        role: args.role,
        ..WebArgs::default()
    };
    let how = How::of(&web, Some(How::Browser), &context.env);
    if let Some(path) = args.path.as_ref().filter(|path| !context.start_dir.join(path).is_dir()) {
        return Err(CliError::Usage(format!(
            "there is no directory `{}`; `tmo quit` ends a run with its page, `tmo web --stop` the page alone",
            path.display()
        )));
    }
    // An absolute path is always taken for a directory, never for the name of a process.
    let path = args.path.as_ref().map(|path| context.start_dir.join(path).display().to_string());
    let names: Vec<_> = path.into_iter().collect();
    let mut typed: Vec<_> = ["tmo", "start", "-D"].map(Into::into).into();
    typed.extend(args.overmind.then(|| "--overmind".into()));
    typed.extend(names.iter().map(Into::into));
    let start_args = StartOptions {
        names,
        daemonize: Some(true),
        if_needed: true,
        overmind: args.overmind,
        ..StartOptions::default()
    };
    let access = people::access(&web, &context.env)?;
    runtime::block_on(only_server(&dir, None, &[]))?;
    let begun = start::in_background(start_args, typed)?;
    let run = begun.instance.run_by_plan();
    let Some(run) = run.filter(|run| begun.run.as_ref().is_none_or(|begun| begun == run)) else {
        return Err(CliError::Other("the run has ended already; see `tmo why`".to_owned()));
    };
    let instance = begun.instance.only_of(&run);
    let own = own_path(&context, Some(&instance));
    let browser = Browser { how, own, dir: dir.clone(), run: None, is_shared: false };
    let id = instance.identity.id.clone();
    let is_ours = begun.run.is_some();
    let end =
        if is_ours { "Ctrl-C ends the run, too." } else { "Ctrl-C ends the page, not the run." };
    let place = Listen { host: None, port: args.port };
    runtime::block_on(async {
        let guardian = guardian_here(&context.env, place, access, &dir)?.only(Some(id), Some(run));
        let watch = guardian.watch(ended(&instance, is_ours, end_signals()?));
        let (done, greeted) = tokio::join!(watch, greet(&guardian, &browser, end));
        open::remove_pages(&dir);
        let done = done.map_err(CliError::io("can't serve"))?;
        output::print(&format!("{}\n", farewell(done)))?;
        greeted.map(|()| 0)
    })
}

/// Completes when the user ends the page. Ctrl-C ends the run if this command has started it, and the page with
/// it. If the terminal is closed, the run continues.
async fn ended(instance: &Instance, is_ours: bool, mut signals: SignalSet) {
    let kind = signals.next().await;
    if kind == SignalKind::hangup() {
        return;
    }
    if !is_ours {
        let flags = instance.flags();
        let _ = output::print(&format!("the run goes on; `tmo quit{flags}` ends it\n"));
        return;
    }
    let _ = output::print("stopping the run\n");
    let quit = || request::request_of(instance, Server::Tmo, Request::Quit, true);
    let quitting = tokio::select! {
        done = quit() => done,
        // The second signal ends the run without grace, as in `tmo start`.
        _ = signals.next() => quit().await,
    };
    match quitting {
        // The page ends with the run.
        Ok(_) => _ = signals.next().await,
        Err(error) => output::warn(&error),
    }
}
