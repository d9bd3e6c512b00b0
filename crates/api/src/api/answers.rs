//! Types that only the HTTP API uses, for answers and bodies.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::model::command::Command;
use crate::model::state::FlagMatches;

/// Why the request failed.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// One line: what failed, on what, what to do.
    pub error: String,
}

/// The part of the state that the server knows without asking the supervisor.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Alive {
    /// It is taking over a run whose supervisor was killed; other requests wait for that.
    pub taking_over: bool,
    /// It is ending the run; other requests are answered at the end.
    #[serde(default)]
    pub ending: bool,
}

/// The result of detaching the views.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Detached {
    /// How many views there were.
    pub views: usize,
    /// All of them are gone.
    pub gone: bool,
}

/// Text to type.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Typed)]
pub struct TypingRequest {
    /// The text; line breaks are typed as Enter, and NUL is not allowed.
    #[serde(default)]
    #[schema(pattern = "^[^\\u0000]*$")]
    pub text: String,
    /// Then Enter.
    #[serde(default)]
    pub enter: bool,
}

/// The latest requests to change something.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Commands {
    /// The oldest first.
    pub commands: Vec<Command>,
}

/// Recent matches of the flags of a process.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Found)]
pub struct RecentMatches {
    /// Each flag of it, in the order of `tmo.toml`.
    pub flags: Vec<FlagMatches>,
}
