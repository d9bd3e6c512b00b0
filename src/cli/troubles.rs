//! What does not come up in a run, and what did not in one that is over, as its log tells.

use serde::Deserialize;

use super::crashes::strong;
use super::instance::Instance;
use crate::crash::{Cause, Certainty, Kind};
use crate::model::ProcName;
use crate::model::plan::{Plan, ProcessPlan};
use crate::model::request::{ProcessState, State};
use crate::model::rules::Stage;

/// All of a run, in order.
#[derive(Debug, Default)]
pub(super) struct Troubles(Vec<Trouble>);

/// A process that was not ready in time, or was skipped.
#[derive(Debug)]
pub(super) struct Trouble {
    pub(super) name: ProcName,
    skipped: bool,
    why: String,
}

impl Troubles {
    /// Take in a line of the log of events.
    pub(super) fn read(&mut self, line: &[u8]) {
        #[derive(Deserialize)]
        struct Said {
            event: String,
            name: ProcName,
            #[serde(default)]
            text: String,
        }
        let Ok(Said { event, name, text }) = serde_json::from_slice(line) else { return };
        let (skipped, why) = match event.as_str() {
            "not-ready" => (false, text.strip_prefix("Not ready: ")),
            "skipped" => (true, text.strip_prefix("Skipped: ")),
            // It has come up after all, or comes up now.
            "ready" | "restarting" => return self.0.retain(|trouble| trouble.name != name),
            _ => return,
        };
        let why = why.unwrap_or(&text).to_owned();
        self.0.retain(|trouble| trouble.name != name);
        self.0.push(Trouble { name, skipped, why });
    }

    /// What the others followed from.
    pub(super) fn first(&self) -> Option<&Trouble> {
        self.0.first()
    }

    /// That of a process.
    pub(super) fn of(&self, name: &str) -> Option<&Trouble> {
        self.0.iter().find(|trouble| {
            // One that has ended explains itself by its end.
            trouble.name.matches(name) && (trouble.skipped || !trouble.why.starts_with("ended "))
        })
    }
}

impl Trouble {
    /// Who it is about, and what became of it.
    pub(super) fn head(&self, color: bool) -> String {
        let name = strong(self.name.as_str(), color);
        if self.skipped {
            format!("{name} was skipped in the last run\n")
        } else {
            format!("{name} did not become ready in the last run\n")
        }
    }

    /// Why.
    pub(super) fn cause(&self) -> Cause {
        let on = self.why.split(' ').next().unwrap_or_default();
        let (kind, next) = if self.skipped {
            (Kind::DependencyNotReady, format!("tmo why {on}"))
        } else {
            let logs = || format!("tmo logs {} -n 100", self.name);
            (Kind::ReadinessTimedOut, try_it(&self.why).unwrap_or_else(logs))
        };
        let (certainty, next) = (Certainty::Certain, Some(next));
        Cause { kind, certainty, text: self.why.clone(), evidence: None, place: None, next }
    }
}

/// What is told of one that may still become ready.
const NOT_YET: &str = "it is not ready yet: ";

/// What a person types to ask what a check has asked: its address or its command.
fn try_it(why: &str) -> Option<String> {
    let reported =
        ["it did not become ready: ", NOT_YET, "does not work: ", "broken: does not work: "];
    let why = reported.iter().find_map(|reported| why.strip_prefix(reported)).unwrap_or(why);
    if why.starts_with("http://") {
        let url = why.split(' ').next()?.trim_end_matches(':');
        return Some(format!("curl -i '{}'", url.replace('\'', "%27")));
    }
    let command = why.strip_prefix('`')?;
    let ends = ["` did not succeed", "` does not succeed", "`: exit status"];
    let end = ends.iter().find_map(|end| command.rfind(end))?;
    command.get(..end).filter(|command| !command.is_empty()).map(str::to_owned)
}

/// Tell who was skipped at the start of this run, which is a failure of it; an exit code.
pub(super) fn skipped(instance: &Instance, plan: &Plan) -> u8 {
    let waits = |process: &ProcessPlan| {
        process.rules.stage == Stage::Dependency || !process.rules.needs.is_empty()
    };
    if !plan.processes.iter().any(waits) {
        return 0;
    }
    // It may be over by now: then whoever asks is told so.
    let Ok(state) = super::block_on(instance.state()) else { return 0 };
    let mut code = 0;
    for process in state.processes.iter().filter(|process| process.state == "skipped") {
        let reason = process.reason.clone().unwrap_or_else(|| "skipped".into());
        super::warn(&format!("{}: {reason}; `tmo why {}` tells more", process.name, process.name));
        code = 1;
    }
    if code != 0 {
        let alive = state.processes.iter().filter(|process| process.pid.is_some());
        let names: Vec<_> = alive.map(|process| process.name.as_str()).collect();
        if !names.is_empty() {
            let runs = if names.len() == 1 { "goes" } else { "go" };
            let names = names.join(", ");
            super::warn(&format!("{names} {runs} on in the background; `tmo quit` ends the run"));
        }
    }
    code
}

/// Why something that has not ended is not as it should be, if it is not.
pub(super) fn held_up(process: &ProcessState, state: &State) -> Option<Cause> {
    let known = |text: &str| {
        let names = state.processes.iter().map(|other| other.name.as_str());
        let mut named = names.filter(|name| text.starts_with(&format!("{name} ")));
        named.next_back().map(str::to_owned)
    };
    let skipped = process.reason.as_ref().and_then(|reason| reason.raw().strip_prefix("skipped: "));
    let (kind, text, of) = if let Some(why) = skipped {
        (Kind::DependencyNotReady, why.to_owned(), known(why))
    } else if let Some(reason) = &process.reason {
        let kind = if process.state == "running" { Kind::NotLive } else { Kind::Other };
        (kind, reason.raw().to_owned(), None)
    } else if let Some(why) = process.not_ready.as_ref().filter(|_| process.state == "running") {
        (Kind::ReadinessTimedOut, format!("it did not become ready: {}", why.raw()), None)
    } else if let Some(lacks) = process.lacks.first() {
        (Kind::Other, format!("{NOT_YET}{}", lacks.raw()), None)
    } else {
        let first = process.awaits.first()?.to_string();
        let names: Vec<_> = process.awaits.iter().map(ToString::to_string).collect();
        (Kind::DependencyNotReady, format!("it waits for {}", names.join(", ")), Some(first))
    };
    let next = match of {
        Some(name) => format!("tmo why {name}"),
        None => try_it(&text).unwrap_or_else(|| format!("tmo logs {}", process.name)),
    };
    let (certainty, next) = (Certainty::Certain, Some(next));
    Some(Cause { kind, certainty, text, evidence: None, place: None, next })
}

#[cfg(test)]
mod tests {
    use super::{Troubles, try_it};

    #[test]
    fn what_was_asked_in_vain_is_what_to_try() {
        for (why, next) in [
            (
                "http://[::1]:80/x did not answer well within 3 s",
                Some("curl -i 'http://[::1]:80/x'"),
            ),
            ("does not work: http://a:80/gone: 404 Not Found", Some("curl -i 'http://a:80/gone'")),
            ("`echo `id`; exit 4` did not succeed within 1 s", Some("echo `id`; exit 4")),
            ("does not work: `test -e b`: exit status: 1", Some("test -e b")),
            ("`curl -f http://a:80/x` did not succeed within 1 s", Some("curl -f http://a:80/x")),
            (
                "it did not become ready: http://a/x did not answer well",
                Some("curl -i 'http://a/x'"),
            ),
            (
                "it is not ready yet: `pg_isready` does not succeed: exit status: 2",
                Some("pg_isready"),
            ),
            ("did not print `Local: http://a:80` within 1 s", None),
            ("broken: printed `no http://a:80 here`", None),
            ("did not print `listening` within 1 s", None),
            ("did not listen on 127.0.0.1:1 within 1 s", None),
            ("`", None),
        ] {
            assert_eq!(try_it(why).as_deref(), next, "{why}");
        }
    }

    #[test]
    fn the_first_of_those_that_lasted_is_told() {
        let mut troubles = Troubles::default();
        for line in [
            r#"{"event":"not-ready","name":"slow","text":"Not ready: did not print `up` within 1 s"}"#,
            r#"{"event":"not-ready","name":"db","text":"Not ready: did not listen"}"#,
            r#"{"event":"skipped","name":"web","text":"Skipped: db is not ready: did not listen"}"#,
            r#"{"event":"ready","name":"slow","text":"Ready"}"#,
            r#"{"event":"lifecycle:error","text":"The start failed: db is not ready"}"#,
            "no JSON",
        ] {
            troubles.read(line.as_bytes());
        }
        assert_eq!(troubles.first().map(|trouble| trouble.name.as_str()), Some("db"));
        assert!(troubles.of("slow").is_none());
        let cause = troubles.of("web").unwrap().cause();
        assert_eq!(cause.text, "db is not ready: did not listen");
        assert_eq!(cause.next.as_deref(), Some("tmo why db"));
    }

    #[test]
    fn what_has_ended_explains_itself() {
        let mut troubles = Troubles::default();
        let line = r#"{"event":"not-ready","name":"db","text":"Not ready: ended with code 3"}"#;
        troubles.read(line.as_bytes());
        assert!(troubles.of("db").is_none());
        assert!(troubles.first().is_some());
    }
}
