//! `restart`: when a process is restarted after it has ended, and after which delays.

use super::{
    At, COUNT, Diagnostics, Key, MILLIS, Planned, ProcessKey, ProcessPlan, ProcessTable, Said,
    Spanned, Table, Type, Value, json, key, said_by_key, value,
};
use crate::config::toml::validate::number;
use crate::model::plan::OnExit;
use crate::model::rules::{Backoff, Restart, RestartPolicy, Stage};
use crate::model::units::written_span;

const POLICIES: &[&str] = &["no", "on-failure", "always"];

/// `restart` as a table.
const TABLE: &[Key] = &[
    key(
        "policy",
        Type::Word(POLICIES),
        "After which ends it is restarted: \"no\" (after none), \"on-failure\" or \"always\".",
    )
    .or("\"no\""),
    key("delay", Type::Time, "The pause before a restart.").or("\"1s\""),
    key("delay_ms", MILLIS, "The value of `delay`, in milliseconds."),
    key("delay_seconds", COUNT, "The value of `delay`, in seconds."),
    key(
        "backoff",
        Type::Word(&["fixed", "exponential"]),
        "How the pause changes from one failure to the next: \"fixed\" (not at all), or \
         \"exponential\" (it doubles, up to `max_delay`).",
    )
    .or("\"fixed\""),
    key("max_delay", Type::Time, "The longest pause.").or("\"30s\""),
    key(
        "max_failures",
        COUNT,
        "After this many failures in a row the process is broken: it is not restarted any \
         more. With 0, tmo never gives up.",
    )
    .or("10"),
    key("max_consecutive_failures", COUNT, "Another name of `max_failures`."),
    key("max_restarts", COUNT, "Another name of `max_failures`."),
    key("stable", Type::Time, "Running for this long resets the count of failures.").or("\"60s\""),
    key("failure_reset_seconds", COUNT, "The value of `stable`, in seconds."),
];

/// `restart`; a word alone is the policy.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RestartTable {
    /// Which exits cause a restart.
    pub policy: At<Restart>,
    /// The delay before it.
    pub delay_ms: At<u64>,
    /// How the delays grow.
    pub backoff: At<Backoff>,
    /// The longest delay.
    pub max_delay_ms: At<u64>,
    /// Maximum number of consecutive failures.
    pub max_failures: At<u32>,
    /// How long a life must last to reset the count of failures.
    pub stable_ms: At<u64>,
}

said_by_key!(RestartTable: policy delay_ms backoff max_delay_ms max_failures stable_ms);

pub struct Restarts;

impl ProcessKey for Restarts {
    type Said = RestartTable;
    const KEYS: &'static [Key] = &[key(
        "restart",
        Type::Either(&[Type::Word(POLICIES), Type::Table(&[TABLE])]),
        "When the process is restarted after it has ended by itself: \"no\", \"on-failure\" \
         or \"always\". A table sets the pauses and the limit, too; these also apply to \
         restarts by `live` and `failure`.",
    )
    .or("\"no\"")];
    const PLANNED: Planned = Some(|process| json!(process.rules.restart));

    fn shown(process: &ProcessPlan) -> Option<Value> {
        let policy = process.rules.restart.as_ref()?;
        Some(json!({
            "policy": policy.when,
            "delay": written_span(policy.delay_ms),
            "backoff": policy.backoff,
            "max_delay": written_span(policy.max_delay_ms),
            "max_failures": policy.max_failures,
            "stable": written_span(policy.stable_ms),
        }))
    }

    fn read(view: Table<'_, '_>, mistakes: &mut Diagnostics) -> Self::Said {
        let Some(table) = view.table("restart").map(Spanned::into_inner) else {
            return RestartTable { policy: view.word("restart"), ..RestartTable::default() };
        };
        let seconds = |key| table.of(key, |value| number(value)?.checked_mul(1000));
        let delays = [table.time("delay"), table.number("delay_ms"), seconds("delay_seconds")];
        let most = ["max_failures", "max_consecutive_failures", "max_restarts"];
        let stable = [table.time("stable"), seconds("failure_reset_seconds")];
        RestartTable {
            policy: table.word("policy"),
            delay_ms: table.either(delays, ["delay", "delay_ms", "delay_seconds"], mistakes),
            backoff: table.word("backoff"),
            max_delay_ms: table.time("max_delay"),
            max_failures: table.either(most.map(|key| table.number(key)), most, mistakes),
            stable_ms: table.either(stable, ["stable", "failure_reset_seconds"], mistakes),
        }
    }

    fn check(table: &ProcessTable, mistakes: &mut Diagnostics) {
        let restart = &table.restart;
        let policy = restart.policy.as_ref();
        let end = table.on_exit.as_ref().filter(|end| *end.get_ref() == OnExit::Restart);
        if let Some(end) = end
            && policy.is_some_and(|policy| *policy.get_ref() == Restart::No)
        {
            let text = "`on_exit = \"restart\"` and `restart = \"no\"` contradict each other; \
                        leave one of them out";
            mistakes.add(end.span(), text);
        }
        if let (Some(delay), Some(most)) = (&restart.delay_ms, &restart.max_delay_ms)
            && delay.get_ref() > most.get_ref()
        {
            mistakes.add(delay.span(), "the first pause is longer than `max_delay`; raise that");
        }
        let for_ever = policy.filter(|policy| *policy.get_ref() == Restart::Always);
        let for_ever = for_ever.map(Spanned::span).or(end.map(Spanned::span));
        let Some(at) = for_ever else { return };
        if table.ends_ready() {
            let text = "it is ready when it has ended (`exit`), so it can't be started again after \
                        each end; use \"on-failure\"";
            mistakes.add(at, text);
        } else if table.stage() == Stage::Cleanup {
            let text = "a process of phase cleanup has to end; use \"on-failure\" or \"no\"";
            mistakes.add(at, text);
        }
    }
}

impl RestartTable {
    /// The resulting policy, given `on_exit` from flags or else from the file; `None` if `on_exit` alone
    /// decides.
    pub fn policy(
        &self,
        by_flag: Option<OnExit>,
        by_file: Option<OnExit>,
    ) -> Option<RestartPolicy> {
        self.at()?;
        let policy = value(&self.policy);
        let when = match (by_flag, policy, by_file) {
            (Some(OnExit::Restart), _, _) | (None, None, Some(OnExit::Restart)) => Restart::Always,
            // The delays and the limit also apply to restarts by `live` and `failure`.
            (Some(OnExit::Remain | OnExit::StopAll) | None, when, _) => when.unwrap_or_default(),
        };
        let usual = RestartPolicy::default();
        let delay_ms = value(&self.delay_ms).unwrap_or(usual.delay_ms);
        Some(RestartPolicy {
            when,
            delay_ms,
            backoff: value(&self.backoff).unwrap_or_default(),
            max_delay_ms: value(&self.max_delay_ms).unwrap_or(usual.max_delay_ms.max(delay_ms)),
            max_failures: value(&self.max_failures).unwrap_or(usual.max_failures),
            stable_ms: value(&self.stable_ms).unwrap_or(usual.stable_ms),
        })
    }
}
