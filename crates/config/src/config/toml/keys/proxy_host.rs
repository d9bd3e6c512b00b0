//! `proxy_host`: the name by which requests through `tmo web` address a process.

use super::{At, Diagnostics, Key, Planned, ProcessKey, ProcessPlan, Table, Type};
use super::{json, key, value};

pub struct ProxyHost;

impl ProcessKey for ProxyHost {
    type Said = At<String>;
    const KEYS: &'static [Key] = &[key(
        "proxy_host",
        Type::Text,
        "The host name in the requests that reach it by its name through `tmo web`, followed by its \
         port: \"localhost\" for a program that refuses other names. By default it is the name that \
         the browser asked for.",
    )];
    const PLANNED: Planned = Some(|process| json!(process.rules.proxy_host));

    fn read(view: Table<'_, '_>, mistakes: &mut Diagnostics) -> Self::Said {
        let host = view.filled("proxy_host", mistakes)?;
        let fits = |c: char| c.is_ascii_alphanumeric() || ".-".contains(c);
        if !host.get_ref().chars().all(fits) {
            let why = "`proxy_host` is a host name without a port, such as \"localhost\"";
            mistakes.add(host.span(), why);
        }
        Some(host)
    }

    fn apply(said: &Self::Said, process: &mut ProcessPlan) {
        process.rules.proxy_host = value(said);
    }
}
