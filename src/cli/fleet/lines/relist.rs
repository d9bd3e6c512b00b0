//! Hosts that are listed while a view follows the others.

use std::rc::Rc;
use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::host::FollowedHost;
use super::{FleetLines, MOST_HOSTS};
use crate::cli::fleet::limit;
use crate::cli::output;
use crate::fleet::host::{Host, Reach};
use crate::fleet::inventory::Inventory;

/// How often the lists are asked, and how soon after a host was lost.
const PAUSES: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(1));

impl FleetLines<'_> {
    /// Wait, ask the lists, and dismiss the hosts that they have no more; returns those that are new.
    pub(super) async fn relisted(&self) -> Vec<Rc<FollowedHost>> {
        if timeout(PAUSES.0, self.lost.notified()).await.is_ok() {
            sleep(PAUSES.1).await;
        }
        let mut inventory = self.fleet.inventory.clone();
        let mut lists_some = false;
        for list in &self.lists {
            let is_of_list = |host: &Host| host.groups.first() == Some(&list.name);
            // Those of the beginning may be gone.
            inventory.hosts.retain(|host| !is_of_list(host));
            let Ok(listed) = list.listed(&self.fleet.caller()).await else {
                // While the engine does not answer, its hosts stay as they are.
                lists_some |= self.lists_some.get();
                continue;
            };
            lists_some |= !listed.is_empty();
            for one in self.hosts.borrow().iter() {
                if is_of_list(&one.host) && !listed.contains(&one.host) && !one.is_gone() {
                    one.leave();
                }
            }
            inventory.hosts.extend(listed);
        }
        // A word without a host now may have one when the lists are asked again.
        if limit(&mut inventory, &self.fleet.args.hosts).is_err() {
            inventory.hosts.clear();
        }
        match (self.lists_some.replace(lists_some), lists_some) {
            (true, false) => self.less(),
            (false, true) => self.going.set(self.going.get() + 1),
            _ => {}
        }
        self.new_hosts(&inventory).await
    }

    /// The hosts of the inventory that the words of the view mean, and that it does not have.
    async fn new_hosts(&self, inventory: &Inventory) -> Vec<Rc<FollowedHost>> {
        // If it can't be told now which hosts are meant, the next listing may tell.
        let targets = self.fleet.targets_in(inventory, self.words).await.unwrap_or_default();
        let mut new = vec![];
        for target in targets {
            let mut hosts = self.hosts.borrow_mut();
            let is_known = |one: &Rc<FollowedHost>| one.host == *target.host && !one.is_gone();
            let followed = hosts.iter().filter(|one| !one.is_gone()).count();
            if matches!(target.host.reach, Reach::Nowhere(_)) || hosts.iter().any(is_known) {
                continue;
            }
            if followed == MOST_HOSTS {
                if !self.is_full.replace(true) {
                    output::warn(&format_args!(
                        "{} is not shown: at most {MOST_HOSTS} hosts are; --hosts chooses some",
                        target.host.name
                    ));
                }
                continue;
            }
            let one = FollowedHost::of(self.merge.borrow_mut().add_host(), target, true);
            hosts.push(Rc::clone(&one));
            self.going.set(self.going.get() + 1);
            new.push(one);
        }
        new
    }
}
