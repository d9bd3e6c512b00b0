//! Why a supervisor could not be asked.

use std::io;
use std::path::PathBuf;

use crate::client::address::Address;
use crate::model::Untrusted;
use crate::model::network::Mixed;
use crate::model::request::Unknown;
use crate::sys::why;

/// What to do where a supervisor says nothing.
const STOPPED: &str = "if somebody has stopped it, `kill -CONT` goes on with it, and `tmo kill` ends the \
                       run without it; if that socket is forwarded, its host may be out of reach";

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody answers there.
    #[error("dial {} {at}: connect: {}", at.network(), why(cause))]
    Dial {
        /// The address as it was given.
        at: Address,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// Somebody else listens there, who is not to be told anything.
    #[error(
        "the listener at {at} is user {owner}'s, not yours; run this as that user, or give another socket \
         with `-s`"
    )]
    Stranger {
        /// The address.
        at: Address,
        /// User id of whoever listens.
        owner: u32,
    },
    /// Somebody else listens there, and others than that user may have put the socket there: root is refused.
    #[error(
        "the listener at {at} is user {owner}'s, not yours, and others than that user can put a socket or a \
         link into {}; run this as that user (`sudo -u '#{owner}'`), or give another socket with `-s`",
        dir.display()
    )]
    SharedDirectory {
        /// The address.
        at: Address,
        /// User id of whoever listens.
        owner: u32,
        /// Where others may write.
        dir: PathBuf,
    },
    /// Address and token were set in different places.
    #[error(
        "TMO_TOKEN is not proven to {at}: {} set the token and {} the address; set network, socket and \
         token in the same place", mixed.token, mixed.address
    )]
    Mixed {
        /// The address.
        at: Address,
        /// The places.
        mixed: Mixed,
    },
    /// One of the two sides has not proven that it knows the token.
    #[error("no proof of the token at {at}: {why}")]
    Unproven {
        /// The address.
        at: Address,
        /// Why, and what to do.
        why: String,
    },
    /// It took the connection, and says nothing.
    #[error("the supervisor at {at} does not answer; {}", STOPPED)]
    Silent {
        /// The address.
        at: Address,
    },
    /// It took a request to do something, and says nothing.
    #[error(
        "the supervisor at {at} does not answer, and does what was asked for when it goes on; {}",
        STOPPED
    )]
    Pending {
        /// The address.
        at: Address,
    },
    /// It has been taking over the run for longer than a command waits.
    #[error(
        "the supervisor at {at} has been taking over the run for more than {} s; try again later, or \
         end the run without it by `tmo kill`", super::TAKEOVER_LIMIT.as_secs()
    )]
    TakingOver {
        /// The address.
        at: Address,
    },
    /// It took the connection and closed it again without a word.
    #[error(
        "the listener at {at} closes the connection without an answer; if that socket is forwarded \
         (`ssh -L`), nothing listens at its other end"
    )]
    Empty {
        /// The address.
        at: Address,
    },
    /// The connection ended before the answer came.
    #[error("the supervisor at {at} went away before it answered: {cause}")]
    Lost {
        /// The address.
        at: Address,
        /// How.
        cause: String,
    },
    /// Another run is there by now.
    #[error("the run that was at {at} is over, and another one is there by now")]
    OtherRun {
        /// The address.
        at: Address,
    },
    /// No process has that name.
    #[error("unknown process name: {}", .0.name)]
    Unknown(Unknown),
    /// The supervisor refused, for this reason.
    #[error("{reason}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// Why.
        reason: Untrusted,
    },
    /// The supervisor is of another version, and one of the two does not know what the other means.
    #[error(
        "the supervisor at {at} is tmo {runs} and this is tmo {ours}, which can't {can_not}; `tmo \
         quit`, then `tmo start`, makes them one"
    )]
    OtherVersion {
        /// The address.
        at: Address,
        /// Version of the supervisor.
        runs: String,
        /// Version of this program.
        ours: &'static str,
        /// What can't be done.
        can_not: String,
    },
    /// The answer cannot be read.
    #[error("the supervisor at {at} gave an answer that is not understood: {what}")]
    Garbled {
        /// The address.
        at: Address,
        /// What is wrong with it.
        what: String,
    },
}

impl ClientError {
    /// The same where something was asked for that is done when the supervisor goes on.
    #[must_use]
    pub fn after_request(self) -> Self {
        if let Self::Silent { at } = self { Self::Pending { at } } else { self }
    }
}
