//! Finds settings of a `tmo.toml` that have no effect in this plan, or an unexpected one.

use std::collections::HashMap;

use crate::config::Warning;
use crate::config::load::Loaded;
use crate::config::toml::Said as _;
use crate::model::plan::{OnExit, Plan, ProcessPlan};
use crate::model::rules::{Restart, Stage};

/// Variables that tmo always sets, overriding the process's own.
const TOLD: [&str; 6] =
    ["PORT", "PS", "TMO_SESSION", "TMO_PROCESS", "TMO_SOCKET", "OVERMIND_SOCKET"];

/// The name that precedes tmo's own log lines.
const OWN_NAME: &str = "system";

/// All oddities, in the order of the file.
pub fn oddities(loaded: &Loaded, plan: &Plan) -> Vec<Warning> {
    let toml = &loaded.toml;
    let mut odd = vec![];
    odd.extend(plan.present().any(|p| p.name.as_str() == OWN_NAME).then_some(Warning::OwnName));
    let mut tell = |at: &std::ops::Range<usize>, text: String| {
        odd.push(Warning::Toml { place: toml.source.place(at), text });
    };
    let cleans_up = |process: &ProcessPlan| process.rules.stage == Stage::Cleanup;
    if let Some(at) = toml.cleanup_hook.as_ref().filter(|_| !plan.present().any(cleans_up)) {
        let text =
            "the hook `cleanup` is run before the processes of phase cleanup, and there are none";
        tell(at, text.to_owned());
    }
    let mut begins: HashMap<&str, bool> = HashMap::new();
    for process in &plan.processes {
        *begins.entry(process.name.entry()).or_default() |= !process.waits;
    }
    let tables = toml.processes.iter().map(|(name, table)| (name.get_ref().as_str(), table));
    for (name, table) in [("", &toml.defaults)].into_iter().chain(tables) {
        for pair in &table.env.pairs {
            let variable = &pair.get_ref().0;
            let Some(word) = TOLD.iter().find(|word| *word == variable) else { continue };
            let todo = if *word == "PORT" { "; write `port = …` instead" } else { "" };
            tell(&pair.span(), format!("{word} is set by tmo{todo}"));
        }
        // Restart details are configured, but no restart policy.
        if let Some(at) = table.restart.at().filter(|_| table.restart.policy.is_none())
            && !name.is_empty()
            && let Some(process) = plan.processes.iter().find(|known| known.name.entry() == name)
            && process.on_exit != OnExit::Restart
            && process.rules.restart.as_ref().is_none_or(|restart| restart.when == Restart::No)
            && process.rules.live.is_none()
            && process.rules.failures.is_empty()
        {
            let text = format!(
                "`{name}` is not started again, since `restart` has no `policy`; say \
                 policy = \"on-failure\" or \"always\""
            );
            tell(&at, text);
        }
        if begins.get(name) != Some(&true) {
            continue;
        }
        for dependency in &table.depends_on {
            let on = &dependency.get_ref().on;
            if !begins.contains_key(on.as_str()) {
                let text = format!("`{name}` does not wait for `{on}`, which is left out");
                tell(&dependency.span(), text);
            }
        }
    }
    odd
}
