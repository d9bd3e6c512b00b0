//! The addresses at which browsers reach the processes of a run, while a server of `tmo web` shows it.

use std::time::Duration;

use crate::cli::runtime;
use crate::config::Env;
use crate::config::place::dirs::{Identity, runtime_base, state_base};
use crate::model::ProcName;
use crate::model::name::hostname::url;
use crate::model::plan::Plan;
use crate::sys::files;
use crate::web::server::command_socket;

/// The file with the port of the page, among the state directories.
pub(in crate::cli) const PORT_FILE: &str = "web-port";

/// The port of this user's page, whether it is served or not; `None` before it was served for the first time.
pub(in crate::cli) fn kept_port(env: &Env) -> Option<u16> {
    let text = files::read_plain(&state_base(env).join(PORT_FILE)).ok()?;
    std::str::from_utf8(&text).ok()?.trim().parse().ok()
}

/// The processes with their addresses; `None` if no server of `tmo web` shows the run.
#[derive(Debug, Default)]
pub(in crate::cli) struct Addresses(Option<Vec<NamedAddress>>);

/// The address of a process.
#[derive(Debug)]
struct NamedAddress {
    process: ProcName,
    url: String,
    /// Whether HTTP is answered there.
    has_page: bool,
}

impl Addresses {
    /// Those of a run that have a port.
    pub(in crate::cli) fn of(env: &Env, plan: &Plan) -> Self {
        let instance = Identity::of_socket(env, plan.socket.as_path()).id;
        let page = runtime::block_on(async { Ok(page_port(env, &instance).await) });
        let Ok(Some((page, answering))) = page else { return Self::default() };
        let all = plan.processes.iter().zip(plan.host_names());
        let all = all.filter(|(process, _)| !process.removed).filter_map(|(process, host)| {
            Some(NamedAddress {
                process: process.name.clone(),
                url: url(Some(&host), Some(page), process.port?),
                has_page: answering.contains(&host),
            })
        });
        Self(Some(all.collect()))
    }

    pub(in crate::cli) fn into_all(self) -> Option<Vec<(ProcName, String)>> {
        Some(self.0?.into_iter().map(|one| (one.process, one.url)).collect())
    }

    /// Those that have a page: that of `web` first, then the others in the order of the plan.
    pub(in crate::cli) fn into_pages(self) -> Vec<String> {
        let mut pages: Vec<_> = self.0.into_iter().flatten().filter(|one| one.has_page).collect();
        pages.sort_by_key(|one| one.process.entry() != "web");
        pages.into_iter().map(|one| one.url).collect()
    }

    /// Whether a server shows the run.
    pub(in crate::cli) const fn are_known(&self) -> bool {
        self.0.is_some()
    }

    /// That of a process, if it has a page.
    pub(in crate::cli) fn page(&self, name: &ProcName) -> Option<&str> {
        self.find(name).filter(|one| one.has_page).map(|one| &*one.url)
    }

    /// That of a process, whether it has a page or not.
    pub(in crate::cli) fn get(&self, name: &ProcName) -> Option<&str> {
        self.find(name).map(|one| &*one.url)
    }

    fn find(&self, name: &ProcName) -> Option<&NamedAddress> {
        self.0.iter().flatten().find(|known| known.process == *name)
    }
}

/// The port of a server that shows this instance, and the names at which HTTP is answered.
async fn page_port(env: &Env, instance: &str) -> Option<(u16, Vec<String>)> {
    /// A server that does not answer within this time is left out.
    const PATIENCE: Duration = Duration::from_millis(500);

    for (port, door) in command_socket::all(&runtime_base(env).join("web")) {
        let Ok(Ok(about)) = tokio::time::timeout(PATIENCE, command_socket::about(&door)).await
        else {
            continue;
        };
        if about.has_names && about.only.is_none_or(|only| only == instance) {
            return Some((
                port,
                command_socket::answering(&door, instance).await.unwrap_or_default(),
            ));
        }
    }
    None
}
