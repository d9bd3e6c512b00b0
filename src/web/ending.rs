//! Why a server ends.

use tokio::sync::watch;

/// Why a server has ended, as its exit code says it to the guardian.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The guardian is gone.
    Guardian,
    /// Another server is to take its place.
    Restart,
    /// The run that it was started for is over.
    Run,
    /// The user ends it.
    Asked,
}

impl Ending {
    const ALL: [Self; 4] = [Self::Guardian, Self::Restart, Self::Run, Self::Asked];

    /// The exit code.
    pub const fn code(self) -> u8 {
        match self {
            Self::Guardian => 0,
            Self::Restart => 40,
            Self::Run => 41,
            Self::Asked => 42,
        }
    }

    /// The ending with this exit code.
    pub fn of_code(code: i32) -> Option<Self> {
        Self::ALL.into_iter().find(|ending| i32::from(ending.code()) == code)
    }

    /// What pages are told.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Guardian | Self::Run | Self::Asked => "shutdown",
            Self::Restart => "restart",
        }
    }
}

/// Returns when the server is to end, and why.
pub(super) async fn closed(closing: &mut watch::Receiver<Option<Ending>>) -> Ending {
    let why = closing.wait_for(Option::is_some).await;
    why.ok().and_then(|why| *why).unwrap_or(Ending::Guardian)
}
