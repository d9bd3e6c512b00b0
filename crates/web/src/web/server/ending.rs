//! Why a server ends.

use tokio::sync::watch;

/// Why a server has ended, with its exit code, which reports this to the guardian.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The guardian is gone.
    Guardian = 0,
    /// Another server will replace it.
    Restart = 40,
    /// The run for which it was started is over.
    Run = 41,
    /// The user has stopped it.
    Asked = 42,
}

impl Ending {
    const ALL: [Self; 4] = [Self::Guardian, Self::Restart, Self::Run, Self::Asked];

    /// The exit code.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The ending with this exit code.
    pub fn of_code(code: i32) -> Option<Self> {
        Self::ALL.into_iter().find(|ending| i32::from(ending.code()) == code)
    }

    /// The word for it in frames to pages.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Guardian | Self::Run | Self::Asked => "shutdown",
            Self::Restart => "restart",
        }
    }
}

/// Wait for the end of the server; returns its reason.
pub(crate) async fn closed(closing: &mut watch::Receiver<Option<Ending>>) -> Ending {
    let why = closing.wait_for(Option::is_some).await;
    why.ok().and_then(|why| *why).unwrap_or(Ending::Guardian)
}
