//! Types that only the HTTP API uses, for answers and bodies.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::model::request::FlagMatches;

/// Why there is no other answer.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// One line: what failed, on what, what to do.
    pub error: String,
}

/// The part of the state that the server knows without asking the supervisor.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Alive {
    /// It takes over a run whose supervisor was killed; whatever else it is asked waits for that.
    pub taking_over: bool,
    /// It ends the run; whatever else it is asked is answered by the end.
    #[serde(default)]
    pub ending: bool,
}

/// What came of it that the views were told to go.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Detached {
    /// How many views there were.
    pub views: usize,
    /// All of them are gone.
    pub gone: bool,
}

/// Something to type.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Typed {
    /// What is typed; line breaks are typed as Enter, and there is no NUL in it.
    #[serde(default)]
    #[schema(pattern = "^[^\\u0000]*$")]
    pub text: String,
    /// Then Enter.
    #[serde(default)]
    pub enter: bool,
}

/// What a terminal shows.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Shown {
    /// Its lines, each with a newline.
    pub screen: String,
}

/// What the flags of a process have found of late.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Found {
    /// Each flag of it, in the order of `tmo.toml`.
    pub flags: Vec<FlagMatches>,
}
