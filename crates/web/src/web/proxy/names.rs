//! Which process has which name.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock};

use tokio::sync::watch;

use crate::model::name::hostname::ZONE;
use crate::model::plan::ProcessPlan;
use crate::run::registry::{KnownRun, Standing};
use crate::web::locked;
use crate::web::proxy::upstream::{Service, Site, Upstream};
use crate::web::runs::{RunList, Runs};

/// The processes of all runs by their names.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// The list of runs; it is followed from the first request on.
    listing: OnceLock<watch::Receiver<RunList>>,
    known: Mutex<KnownNames>,
}

/// The names in one list of runs.
#[derive(Debug, Default)]
struct KnownNames {
    runs: RunList,
    by_name: HashMap<String, Arc<Upstream>>,
}

impl Names {
    /// The process with this name, or with the part of it below a project: `eu.web.shop.localhost` is `web` of `shop`,
    /// too.
    pub(super) async fn upstream(&self, runs: &Runs, name: &str) -> Option<Arc<Upstream>> {
        let name = own_part(name)?;
        let listing = self.listing.get_or_init(|| runs.follow());
        let now = Arc::clone(&listing.borrow());
        if let Some(found) = locked(&self.known).update(&now).get(name) {
            return Some(Arc::clone(found));
        }
        // A run that has just begun.
        let now = runs.listed().await.ok()?;
        locked(&self.known).update(&now).get(name).cloned()
    }

    /// The processes of this instance.
    pub(super) async fn upstreams_of(
        &self,
        runs: &Runs,
        instance: &str,
    ) -> Vec<(String, Arc<Upstream>)> {
        let Ok(now) = runs.listed().await else { return vec![] };
        let mut known = locked(&self.known);
        let all = known.update(&now).iter();
        let of_instance = all.filter(|(_, upstream)| upstream.service.instance == instance);
        of_instance.map(|(name, upstream)| (name.clone(), Arc::clone(upstream))).collect()
    }
}

impl KnownNames {
    /// The names in this list. What is still the same keeps its connections.
    fn update(&mut self, runs: &RunList) -> &HashMap<String, Arc<Upstream>> {
        if !Arc::ptr_eq(&self.runs, runs) {
            let before = std::mem::take(&mut self.by_name);
            self.by_name = runs.iter().flat_map(services).collect::<HashMap<_, _>>();
            for (name, upstream) in &mut self.by_name {
                if let Some(known) =
                    before.get(name).filter(|known| known.service == upstream.service)
                {
                    *upstream = Arc::clone(known);
                }
            }
            self.runs = Arc::clone(runs);
        }
        &self.by_name
    }
}

/// The last two labels below `localhost`.
fn own_part(name: &str) -> Option<&str> {
    let above = name.strip_suffix(ZONE)?;
    let mut dots = above.rmatch_indices('.').map(|(at, _)| at).skip(1);
    Some(&name[dots.next().map_or(0, |at| at + 1)..])
}

/// The processes of a run with their names.
fn services(known: &KnownRun) -> Vec<(String, Arc<Upstream>)> {
    let Some(plan) = known.plan.as_ref().filter(|_| known.standing == Standing::Held) else {
        return vec![];
    };
    let all = plan.host_names().into_iter().zip(&plan.processes);
    let present = all.filter(|(_, process)| !process.removed);
    let ports = plan.present().filter_map(|process| process.port).collect();
    let site = Arc::new(Site { project: plan.host.clone().unwrap_or_default(), ports });
    let service = |(name, process): (String, &ProcessPlan)| {
        let ports = process.port.into_iter().chain(process.rules.ports()).collect();
        let service = Service {
            instance: known.id.clone(),
            run: plan.run.clone(),
            process: process.name.clone(),
            ports,
            host: process.rules.proxy_host.clone(),
            lazy: process.rules.lazy,
            site: Arc::clone(&site),
        };
        (name, Arc::new(Upstream::new(service)))
    };
    present.map(service).collect()
}

#[cfg(test)]
mod tests {
    use super::own_part;

    #[test]
    fn a_name_below_that_of_a_process_is_the_process() {
        for (name, own) in [
            ("web.shop.localhost", "web.shop.localhost"),
            ("eu.web.shop.localhost", "web.shop.localhost"),
            ("a.b.web.shop.localhost", "web.shop.localhost"),
            ("shop.localhost", "shop.localhost"),
        ] {
            assert_eq!(own_part(name), Some(own));
        }
        assert_eq!(own_part("web.shop"), None);
    }
}
