//! `restart` and `stop`: what follows the end of a process, and how it is ended.

use super::{
    At, COUNT, Diagnostics, Key, MILLIS, Planned, ProcessKey, ProcessPlan, ProcessTable, Said,
    Spanned, Table, Type, Value, json, key_rows, said_by_key, table_rows, value,
};
use crate::model::plan::OnExit;
use crate::model::plan::rules::{Backoff, Restart, RestartPolicy, Stage};
use crate::model::text::OsText;
use crate::model::units::written_span;

const POLICIES: &[&str] = &["no", "on-failure", "always"];

table_rows! { RestartTable, RESTART:
    policy: Restart {
        "policy", word, Type::Word(POLICIES), Some("\"no\""),
        "After which ends it is restarted: \"no\" (after none), \"on-failure\" or \"always\".";
    }
    delay_ms: u64 {
        "delay", time, Type::Time, Some("\"1s\""), "The pause before a restart.";
        "delay_ms", number, MILLIS, None, "The value of `delay`, in milliseconds.";
        "delay_seconds", seconds, COUNT, None, "The value of `delay`, in seconds.";
    }
    backoff: Backoff {
        "backoff", word, Type::Word(&["fixed", "exponential"]), Some("\"fixed\""),
        "How the pause changes from one failure to the next: \"fixed\" (not at all), or \
         \"exponential\" (it doubles, up to `max_delay`).";
    }
    max_delay_ms: u64 {
        "max_delay", time, Type::Time, Some("\"30s\""), "The longest pause.";
    }
    max_failures: u32 {
        "max_failures", number, COUNT, Some("10"),
        "After this many failures in a row the process is broken: it is not restarted any \
         more. With 0, tmo never gives up.";
        "max_consecutive_failures", number, COUNT, None, "Another name of `max_failures`.";
        "max_restarts", number, COUNT, None, "Another name of `max_failures`.";
    }
    stable_ms: u64 {
        "stable", time, Type::Time, Some("\"60s\""),
        "Running for this long resets the count of failures.";
        "failure_reset_seconds", seconds, COUNT, None, "The value of `stable`, in seconds.";
    }
}

pub struct Restarts;

impl ProcessKey for Restarts {
    /// A word alone is the policy.
    type Said = RestartTable;
    const KEYS: &'static [Key] = key_rows! {
        "restart", Type::Either(&[Type::Word(POLICIES), Type::Table(&[RESTART])]), Some("\"no\""),
            "When the process is restarted after it has ended by itself: \"no\", \"on-failure\" or \
             \"always\". A table sets the pauses and the limit, too; these also apply to restarts by `live` \
             and `failure`.";
    };
    const PLANNED: Planned = Some(|process| json!(process.rules.restart));

    fn planned_value(process: &ProcessPlan) -> Option<Value> {
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

    fn parse(view: Table<'_, '_>) -> Self::Said {
        match view.table("restart") {
            Some(table) => RestartTable::parse(table.into_inner()),
            None => RestartTable { policy: view.word("restart"), ..RestartTable::default() },
        }
    }

    fn check(table: &ProcessTable, mistakes: &Diagnostics) {
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

table_rows! { StopTable, STOP:
    signal: i32 {
        "signal", signal, Type::Text, Some("\"INT\""),
        "The signal that asks it to stop, such as \"TERM\".";
    }
    command: String {
        "command", filled, Type::Text, None,
        "A command to run before the signal is sent; the time it takes is part of the \
         timeout.";
    }
    timeout_ms: u64 {
        "timeout", time, Type::Time, Some("\"5s\""),
        "The time after which everything left is killed.";
    }
}

pub struct Stop;

impl ProcessKey for Stop {
    type Said = StopTable;
    const KEYS: &'static [Key] = key_rows! {
        "stop", Type::Table(&[STOP]), None,
            "How the process is stopped: the command runs, then the signal is sent, and after the timeout \
             everything left is killed.";
    };

    fn parse(view: Table<'_, '_>) -> Self::Said {
        let table = view.table("stop").map(Spanned::into_inner);
        table.map(StopTable::parse).unwrap_or_default()
    }

    fn apply(said: &Self::Said, process: &mut ProcessPlan) {
        process.rules.stop_command = value(&said.command).map(OsText::from);
    }
}
