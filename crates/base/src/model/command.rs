//! Commands: the requests that a supervisor has accepted, and who sent them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::request::{Outcome, Request};
use super::text::untrusted::Untrusted;
use super::time::Timestamp;

/// How many commands are remembered.
const REMEMBERED: usize = 64;
/// The maximum number of words and of problems that are remembered for a command.
const MOST_WORDS: usize = 8;
/// The maximum length of each, in characters.
const LONGEST_WORD: usize = 100;

/// Who sends a request.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sender {
    /// In the words of the client: `command line`, `page (anna)`, `overmind client`.
    pub by: String,
    /// The idempotency key of the request, if it has one: a request with the same key is the same request, sent again.
    pub key: Option<String>,
}

/// A request to change something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Command {
    /// Its number, counted from 1 in a run.
    pub id: u64,
    /// Its idempotency key, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// `start`, `stop`, `restart`, `act`, `install`, `signal`, `scale`, `reload`, `quit` or `kill`.
    pub command: String,
    /// The names as requested, at most 8; empty means all processes.
    #[schema(value_type = Vec<String>)]
    pub names: Vec<Untrusted>,
    /// Who sent it, in the words of the client: `command line`, `page (anna)`, `overmind client`.
    #[schema(value_type = String)]
    pub by: Untrusted,
    /// When it was accepted; nanoseconds since the epoch.
    #[schema(value_type = u64)]
    pub at: Timestamp,
    /// What became of it.
    pub status: CommandStatus,
    /// When it was completed or had failed; nanoseconds since the epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u64>)]
    pub ended: Option<Timestamp>,
    /// Why it has failed, one line per process; at most 8.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<String>)]
    pub problems: Vec<Untrusted>,
}

/// The progress of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CommandStatus {
    /// It is being carried out.
    Pending,
    /// It is done.
    Completed,
    /// It was refused, or has failed at least in part.
    Failed,
    /// The supervisor was killed while it carried the command out, and its successor does not know the outcome.
    Unknown,
}

/// The latest commands of a run.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CommandHistory(Vec<Command>);

impl CommandHistory {
    /// All, the oldest first.
    pub fn all(&self) -> &[Command] {
        &self.0
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The command with this idempotency key: its request is being sent again, maybe to another supervisor.
    pub fn resume(&mut self, key: &str) -> Option<u64> {
        // One that was refused is not the same request.
        let command = self.0.iter_mut().rev().find(|known| known.key.as_deref() == Some(key))?;
        if command.status == CommandStatus::Unknown {
            command.status = CommandStatus::Pending;
        }
        Some(command.id)
    }

    /// Record that a request was accepted; `None` for a change of the terminal's size, which is no command.
    pub fn begin(&mut self, request: &Request, from: Sender, now: Timestamp) -> Option<&Command> {
        let (command, names) = words(request)?;
        let Sender { by, key } = from;
        let id = self.0.last().map_or(1, |last| last.id + 1);
        self.0.push(Command {
            id,
            key,
            command: command.to_owned(),
            names: names.iter().take(MOST_WORDS).map(|name| cut(name)).collect(),
            by: cut(&by),
            at: now,
            status: CommandStatus::Pending,
            ended: None,
            problems: vec![],
        });
        let old = self.0.len().saturating_sub(REMEMBERED);
        self.0.drain(..old);
        self.0.last()
    }

    /// Record the outcome of the command with this number.
    pub fn end(&mut self, id: u64, outcome: &Outcome, now: Timestamp) {
        // A request that is sent again may find that its process was stopped since.
        let is_it = |known: &&mut Command| known.id == id && known.status == CommandStatus::Pending;
        let Some(command) = self.0.iter_mut().find(is_it) else { return };
        command.status = if outcome.ok { CommandStatus::Completed } else { CommandStatus::Failed };
        command.ended = Some(now);
        let problems = outcome.problems.iter().take(MOST_WORDS);
        command.problems = problems.map(|problem| cut(problem.raw())).collect();
    }

    /// A new supervisor has taken over: it does not know what has become of pending commands.
    pub fn adopt(&mut self) {
        for command in &mut self.0 {
            if command.status == CommandStatus::Pending {
                command.status = CommandStatus::Unknown;
            }
        }
    }
}

fn cut(text: &str) -> Untrusted {
    text.chars().take(LONGEST_WORD).collect::<String>().into()
}

/// The name of a command, and the names that it was requested for.
fn words(request: &Request) -> Option<(&'static str, Vec<String>)> {
    Some(match request {
        Request::Start { names, .. } => ("start", names.clone()),
        Request::Stop { names, .. } => ("stop", names.clone()),
        Request::Restart { names, .. } => ("restart", names.clone()),
        Request::Act { name, .. } => ("act", vec![name.clone()]),
        Request::Install { name, .. } => ("install", vec![name.clone()]),
        Request::Signal { names, .. } => ("signal", names.clone()),
        Request::Watch { names, on: false } => ("watch pause", names.clone()),
        Request::Watch { names, on: true } => ("watch resume", names.clone()),
        Request::Scale { counts } => {
            ("scale", counts.iter().map(|(name, count)| format!("{name}={count}")).collect())
        }
        Request::Reload { .. } => ("reload", vec![]),
        Request::Quit => ("quit", vec![]),
        Request::Kill => ("kill", vec![]),
        Request::Use { .. } | Request::Resize { .. } => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::{CommandHistory, CommandStatus, LONGEST_WORD, REMEMBERED, Sender};
    use crate::model::request::{ChangeOrder, Outcome, Request};
    use crate::model::time::Timestamp;

    fn restart(name: &str) -> Request {
        Request::Restart { names: vec![name.to_owned()], order: ChangeOrder::default() }
    }

    fn at(nanos: u64) -> Timestamp {
        Timestamp::from_nanos(nanos)
    }

    #[test]
    fn a_command_is_pending_until_it_has_ended() {
        let mut history = CommandHistory::default();
        let from = Sender { by: "page (anna)".to_owned(), key: Some("k1".to_owned()) };
        assert_eq!(history.begin(&restart("web"), from, at(1)).unwrap().id, 1);
        assert_eq!((history.resume("k1"), history.resume("k2")), (Some(1), None));
        let resize = Request::Resize { columns: 80, rows: 24 };
        assert!(history.begin(&resize, Sender::default(), at(2)).is_none());
        assert_eq!(history.begin(&Request::Quit, Sender::default(), at(3)).unwrap().id, 2);
        assert_eq!(history.all()[0].status, CommandStatus::Pending);
        history.end(1, &Outcome::done(vec![]), at(4));
        history.end(2, &Outcome::refused("busy".to_owned()), at(5));
        let [first, second] = history.all() else { panic!("{history:?}") };
        assert_eq!((first.status, first.ended), (CommandStatus::Completed, Some(at(4))));
        assert_eq!(
            (second.status, &*second.problems),
            (CommandStatus::Failed, &["busy".into()][..])
        );
        assert_eq!((&*first.names, &first.by), (&["web".into()][..], &"page (anna)".into()));
    }

    #[test]
    fn the_latest_commands_are_remembered_and_a_successor_does_not_wait_for_them() {
        let mut history = CommandHistory::default();
        for number in 0..100 {
            let from = Sender { by: "é".repeat(200), key: Some(number.to_string()) };
            history.begin(&restart("web"), from, at(number));
        }
        assert_eq!(history.all()[0].by.raw().chars().count(), LONGEST_WORD);
        let ids: Vec<_> = history.all().iter().map(|command| command.id).collect();
        assert_eq!(ids, (100 - REMEMBERED as u64 + 1..=100).collect::<Vec<_>>());
        history.adopt();
        assert!(history.all().iter().all(|command| command.status == CommandStatus::Unknown));
        // Its client repeats the request, and so learns the outcome.
        assert_eq!((history.resume("99"), history.resume("0")), (Some(100), None));
        assert_eq!(history.all().last().unwrap().status, CommandStatus::Pending);
    }
}
