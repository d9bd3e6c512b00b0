//! The names by which a browser reaches processes: `PROCESS.PROJECT.localhost`.

use std::collections::{HashMap, HashSet};

use super::ProcName;
use crate::model::plan::Plan;

/// Browsers resolve every name below this one to their own machine.
pub const ZONE: &str = ".localhost";
/// The most characters of a label of DNS.
const LONGEST: usize = 63;

/// What stands for a text in a host name: its ASCII letters, in lower case, and its digits, with a `-` for each
/// sequence of other characters between them. Never empty.
pub fn label(text: &str) -> String {
    let parts = text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|part| !part.is_empty());
    let mut label = parts.collect::<Vec<_>>().join("-").to_ascii_lowercase();
    label.truncate(LONGEST);
    let end = label.trim_end_matches('-').len();
    label.truncate(end);
    if label.is_empty() { "x".to_owned() } else { label }
}

/// A label like this one that is not taken: itself, or else with the first number that is free, from 2 on.
pub fn free(label: &str, is_taken: impl Fn(&str) -> bool) -> String {
    let mut all = (1..).map(|number| numbered(label, number));
    all.find(|label| !is_taken(label)).unwrap_or_default()
}

/// `web` with the number 2 is `web-2`; with 1, it is itself.
fn numbered(label: &str, number: u64) -> String {
    if number == 1 {
        return label.to_owned();
    }
    let end = format!("-{number}");
    let kept = label.get(..label.len().min(LONGEST - end.len())).unwrap_or_default();
    format!("{}{end}", kept.trim_end_matches('-'))
}

/// The host names of these processes of a project, in their order; of two that would have the same one, the later gets a
/// number.
pub fn host_names<'a>(project: &str, names: impl Iterator<Item = &'a ProcName>) -> Vec<String> {
    let mut taken = HashSet::new();
    // The numbers that were tried for a label are taken, however many processes have it.
    let mut tried: HashMap<String, u64> = HashMap::new();
    let names = names.map(|name| {
        let own = label(name.as_str());
        let number = tried.entry(own.clone()).or_default();
        let free = loop {
            *number += 1;
            let label = numbered(&own, *number);
            if taken.insert(label.clone()) {
                break label;
            }
        };
        format!("{free}.{project}{ZONE}")
    });
    names.collect()
}

impl Plan {
    /// The host names of its processes, in their order. A reload only appends processes, so that the names of a run never
    /// change. Empty for a run without names.
    pub fn host_names(&self) -> Vec<String> {
        let names = self.processes.iter().map(|process| &process.name);
        self.host.as_ref().map_or_else(Vec::new, |project| host_names(project, names))
    }

    /// The processes whose host name has a number, each with the earlier process that has the name without it.
    pub fn numbered_hosts(&self) -> Vec<[(&ProcName, String); 2]> {
        let names = self.processes.iter().map(|process| &process.name);
        let named: Vec<_> = names.zip(self.host_names()).collect();
        let holders: HashMap<_, _> =
            named.iter().map(|(name, host)| (host.as_str(), *name)).collect();
        let numbered = named.iter().filter_map(|(name, host)| {
            let (_, project) = host.split_once('.')?;
            let own = format!("{}.{project}", label(name.as_str()));
            let holder = (own != *host).then(|| holders.get(own.as_str()))??;
            Some([(*name, host.clone()), (*holder, own)])
        });
        numbered.collect()
    }
}

/// The address of a process, without a path: at its host name and the port of the page, if there is a page, or else at its
/// own port.
pub fn url(host: Option<&str>, page: Option<u16>, port: u16) -> String {
    match (host, page) {
        (Some(host), Some(page)) => format!("http://{host}:{page}"),
        (_, None) | (None, _) => format!("http://localhost:{port}"),
    }
}

/// Databases, caches and queues, by the usual names of their programs and of their processes.
const WITHOUT_PAGES: &str = "cache database db kafka mariadb mariadbd memcached mongo mongod mongodb mysql mysqld \
    postgres postgresql queue rabbitmq redis redis-server valkey valkey-server";

/// Whether no HTTP is expected of a program or process of this name. Such servers report a request as an error.
pub fn has_no_pages(name: &str) -> bool {
    WITHOUT_PAGES.split(' ').any(|one| one == name)
}

#[cfg(test)]
mod tests {
    use super::{LONGEST, free, label};
    use crate::model::ProcName;
    use crate::model::plan::{Plan, ProcessPlan};

    #[test]
    fn a_label_has_letters_digits_and_single_dashes() {
        for (text, expected) in [
            ("web", "web"),
            ("My_App", "my-app"),
            ("web#2", "web-2"),
            ("_a..b_", "a-b"),
            ("größe", "gr-e"),
            ("日本", "x"),
            ("", "x"),
        ] {
            assert_eq!(label(text), expected, "{text}");
        }
        assert_eq!(label(&format!("{}-b", "a".repeat(62))), "a".repeat(62));
    }

    #[test]
    fn of_two_processes_with_one_name_the_later_gets_a_number() {
        let process =
            |name| ProcessPlan { name: ProcName::new(name).unwrap(), ..Default::default() };
        let processes = ["my_app", "web#2", "my-app", "web-2", "My-App"].map(process).to_vec();
        let plan = Plan { host: Some("shop".to_owned()), processes, ..Plan::default() };
        let names = ["my-app", "web-2", "my-app-2", "web-2-2", "my-app-3"];
        assert_eq!(plan.host_names(), names.map(|name| format!("{name}.shop.localhost")));
        let numbered = plan.numbered_hosts();
        let numbered: Vec<_> =
            numbered.iter().map(|both| both.each_ref().map(|(name, _)| name.as_str())).collect();
        assert_eq!(numbered, [["my-app", "my_app"], ["web-2", "web#2"], ["My-App", "my_app"]]);
        assert_eq!(Plan { host: None, ..plan }.host_names(), [""; 0]);
    }

    proptest::proptest! {
        #[test]
        fn any_text_becomes_a_label_of_dns(text in ".{0,80}", taken in 0_usize..12) {
            let fits = |label: &str| {
                !label.is_empty()
                    && label.len() <= LONGEST
                    && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
                    && !label.starts_with('-')
                    && !label.ends_with('-')
            };
            let own = label(&text);
            proptest::prop_assert!(fits(&own), "{}", own);
            let seen = std::cell::Cell::new(0);
            let other = free(&own, |_| seen.replace(seen.get() + 1) < taken);
            proptest::prop_assert!(fits(&other), "{}", other);
        }
    }
}
