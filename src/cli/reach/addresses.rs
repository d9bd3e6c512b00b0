//! The addresses at which browsers reach the processes of a run, while a server of `tmo web` shows it.

use crate::cli::runtime;
use crate::config::Env;
use crate::config::dirs::instance_id;
use crate::model::ProcName;
use crate::model::hostname::url;
use crate::model::plan::Plan;

/// The processes with their addresses; `None` if no server of `tmo web` shows the run.
#[derive(Debug, Default)]
pub(in crate::cli) struct Addresses(Option<Vec<(ProcName, String)>>);

impl Addresses {
    /// Those of a run that have a port.
    pub(in crate::cli) fn of(env: &Env, plan: &Plan) -> Self {
        let instance = instance_id(env, plan.socket.as_path());
        let page = runtime::block_on(async { Ok(page_port(env, &instance).await) });
        let Ok(Some(page)) = page else { return Self::default() };
        let all = plan.processes.iter().zip(plan.host_names());
        let all = all.filter(|(process, _)| !process.removed).filter_map(|(process, host)| {
            Some((process.name.clone(), url(Some(&host), Some(page), process.port?)))
        });
        Self(Some(all.collect()))
    }

    /// All of them with their processes.
    #[cfg(feature = "ui")]
    pub(in crate::cli) fn into_all(self) -> Option<Vec<(ProcName, String)>> {
        self.0
    }

    /// All of them, in the order of the plan.
    pub(in crate::cli) fn into_urls(self) -> Vec<String> {
        self.0.into_iter().flatten().map(|(_, url)| url).collect()
    }

    /// That of a process.
    pub(in crate::cli) fn get(&self, name: &ProcName) -> Option<&str> {
        self.0
            .iter()
            .flatten()
            .find(|(known, _)| known == name)
            .map(|(_, address)| address.as_str())
    }
}

/// The port of a server that shows this instance: of one for it only, or else of one for all.
#[cfg(feature = "web")]
async fn page_port(env: &Env, instance: &str) -> Option<u16> {
    use std::time::Duration;

    use crate::config::dirs::runtime_base;
    use crate::web::door;

    /// A server that does not answer within this time is left out.
    const PATIENCE: Duration = Duration::from_millis(500);

    let mut for_all = None;
    for (port, door) in door::all(&runtime_base(env).join("web")) {
        let Ok(Ok(about)) = tokio::time::timeout(PATIENCE, door::about(&door)).await else {
            continue;
        };
        match about.only {
            _ if !about.has_names => {}
            Some(only) if only == instance => return Some(port),
            Some(_) => {}
            None => for_all = for_all.or(Some(port)),
        }
    }
    for_all
}

/// Built without the web interface.
#[cfg(not(feature = "web"))]
async fn page_port(_: &Env, _: &str) -> Option<u16> {
    None
}
