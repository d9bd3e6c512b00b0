//! `tmo open`: the pages of processes.

use serde::Serialize;

use super::WebArgs;
use super::open::{self, How};
use super::serving::own_path;
use crate::cli::args::{ClientArgs, values};
use crate::cli::error::CliError;
use crate::cli::output::table::table;
use crate::cli::reach::addresses::Addresses;
use crate::cli::reach::instance::Instance;
use crate::cli::{output, runtime};
use crate::model::name::hostname::{has_no_pages, url};
use crate::model::plan::ProcessPlan;
use crate::sys;
use crate::view::screen::is_terminal;

/// Open the page of a process in the browser; without a name, list the addresses of all.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  tmo open web                  http://web.PROJECT.localhost:10000, while `tmo web` runs
  tmo open -n web               only print it
  tmo open                      the addresses of all processes
  tmo open --json | jq -r '.[].url'

Without `tmo web`, it is http://localhost and the PORT of the process.")]
pub(in crate::cli) struct OpenArgs {
    /// The process; without it, the addresses of all are listed.
    #[arg(value_name = "NAME", add = values::process())]
    name: Option<String>,
    /// Only print the address; in a pipe, that of the port, as not every program finds a host below
    /// `localhost`.
    #[arg(short = 'n', long)]
    no_open: bool,
    /// With --no-open, print the address with the name of the process in a pipe, too.
    #[arg(id = "by_name", long = "name", requires = "no_open")]
    by_name: bool,
    /// Print the list as JSON.
    #[arg(long, conflicts_with = "name")]
    json: bool,
    #[command(flatten)]
    client: ClientArgs,
}

/// A process with its address.
#[derive(Serialize)]
struct ListedAddress<'a> {
    process: &'a str,
    url: String,
    /// Whether that is its name, and not only its port.
    named: bool,
}

/// Open the page of a process in the browser, or list the addresses of all.
pub(in crate::cli) fn open_process(args: &OpenArgs) -> Result<u8, CliError> {
    let mut instance = Instance::find(&args.client)?;
    runtime::block_on(async { instance.server().await.map(drop) })?;
    if !instance.runs_here() {
        return Err(CliError::Other(
            "the run is on another machine; `tmo open` opens only what runs here".to_owned(),
        ));
    }
    let plan = instance.runtime.plan()?;
    let env = &instance.context.env;
    let addresses = Addresses::of(env, &plan);
    let is_for_program =
        args.name.is_some() && args.no_open && !args.by_name && !is_terminal(std::io::stdout());
    let listed = |process: &ProcessPlan| {
        let named = addresses.get(&process.name).map(str::to_owned);
        let own = process.port.map(|port| url(None, None, port));
        let named = named.filter(|_| own.is_none() || !is_for_program);
        let is_named = named.is_some();
        Some((named.or(own)?, is_named))
    };
    let Some(name) = &args.name else {
        let ports: Vec<u16> = plan.present().filter_map(|process| process.port).collect();
        let mut other = sys::tcp_listeners(&ports);
        other.retain(|(_, by)| by.process.as_ref().is_some_and(|by| has_no_pages(&by.name)));
        let has_page = |process: &ProcessPlan| {
            if addresses.are_known() {
                return addresses.page(&process.name).is_some();
            }
            let is_other = other.iter().any(|(port, _)| process.port == Some(*port));
            !is_other && !has_no_pages(process.name.entry())
        };
        let all = plan.present().filter(|process| has_page(process)).filter_map(|process| {
            let (url, named) = listed(process)?;
            Some(ListedAddress { process: process.name.as_str(), url, named })
        });
        let all: Vec<_> = all.collect();
        if args.json {
            return output::print_json(&all);
        }
        let row = |one: &ListedAddress<'_>| [one.process.to_owned(), one.url.clone()];
        output::print(&table(["PROCESS", "ADDRESS"], all.iter().map(row)))?;
        if all.iter().any(|one| !one.named) {
            output::warn(&"no tmo web runs, so these are ports; `tmo web` gives names");
        }
        return Ok(0);
    };
    let Some(process) = plan.present().find(|process| process.is_meant(name)) else {
        return Err(CliError::unknown(name, plan.present().map(|process| &process.name)));
    };
    let Some((address, _)) = listed(process) else {
        return Err(CliError::Other(format!(
            "{name} has no PORT (--no-port), and no tmo web runs that would find where it listens"
        )));
    };
    output::print(&format!("{address}\n"))?;
    if !args.no_open {
        let opened = runtime::block_on(async { Ok(browse(&address, &instance).await) })?;
        if let Err(why) = opened {
            output::warn(&format!("{why}; open the address yourself"));
        }
    }
    Ok(0)
}

/// Open an address of this run in the browser, unless a variable forbids it; returns why that failed.
pub(in crate::cli) async fn browse(address: &str, instance: &Instance) -> Result<(), String> {
    let env = &instance.context.env;
    let Some(how) = How::of(&WebArgs::default(), Some(How::Browser), env) else { return Ok(()) };
    open::open_address(address, how, &own_path(&instance.context, Some(instance))).await
}
