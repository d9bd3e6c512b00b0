//! Errors of a request to a supervisor.

use std::io;
use std::path::PathBuf;

use crate::client::address::Address;
use crate::model::Untrusted;
use crate::model::network::Mixed;
use crate::model::request::Unknown;
use crate::sys::why;

/// Advice for a supervisor that does not answer.
const STOPPED: &str = "if it was suspended (SIGSTOP), `kill -CONT` resumes it; `tmo kill` ends the \
                       run without it; if that socket is forwarded, its host may be out of reach";

/// Why a request failed.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The connection failed.
    #[error("dial {} {at}: connect: {}", at.network(), why(cause))]
    Dial {
        /// The address as it was given.
        at: Address,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// The listener belongs to another user, so nothing is sent to it.
    #[error(
        "the listener at {at} is user {owner}'s, not yours; run this as that user, or give another socket \
         with `-s`"
    )]
    Stranger {
        at: Address,
        /// User id of the listener.
        owner: u32,
    },
    /// The listener belongs to another user, and other users can write to the socket's directory, so root
    /// does not contact it.
    #[error(
        "the listener at {at} is user {owner}'s, not yours, and other users too can put a socket or a \
         link into {}; run this as that user (`sudo -u '#{owner}'`), or give another socket with `-s`",
        dir.display()
    )]
    SharedDirectory {
        at: Address,
        /// User id of the listener.
        owner: u32,
        /// The directory that others can write to.
        dir: PathBuf,
    },
    /// Address and token were set in different places.
    #[error(
        "TMO_TOKEN is not used at {at}: {} set the token and {} the address; set network, socket and \
         token in the same place", mixed.token, mixed.address
    )]
    Mixed {
        at: Address,
        /// The sources.
        mixed: Mixed,
    },
    /// One side has not proven that it knows the token.
    #[error("no proof of the token at {at}: {why}")]
    Unproven {
        at: Address,
        /// Why, and the remedy.
        why: String,
    },
    /// It accepted the connection but does not answer.
    #[error("the supervisor at {at} does not answer; {}", STOPPED)]
    Silent { at: Address },
    /// It accepted a request that changes something, but does not answer.
    #[error(
        "the supervisor at {at} does not answer, but carries out the request when it resumes; {}",
        STOPPED
    )]
    Pending { at: Address },
    /// It has been taking over the run for longer than a command waits.
    #[error(
        "the supervisor at {at} has been taking over the run for more than {} s; try again later, or \
         end the run without it by `tmo kill`", super::TAKEOVER_LIMIT.as_secs()
    )]
    TakingOver { at: Address },
    /// It accepted the connection and closed it without an answer.
    #[error(
        "the listener at {at} closes the connection without an answer; if that socket is forwarded \
         (`ssh -L`), nothing listens at its other end"
    )]
    Empty { at: Address },
    /// The connection ended before the answer arrived.
    #[error("the supervisor at {at} went away before it answered: {cause}")]
    Lost {
        at: Address,
        /// The error.
        cause: String,
    },
    /// Another run has replaced the expected one.
    #[error("the run that was at {at} is over, and another one is there by now")]
    OtherRun { at: Address },
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
    /// The supervisor is another version, and one side does not understand the other.
    #[error(
        "the supervisor at {at} is tmo {runs}, and this tmo {ours} can't {can_not}; `tmo quit`, \
         then `tmo start`, makes both the same version"
    )]
    OtherVersion {
        at: Address,
        /// Version of the supervisor.
        runs: String,
        /// Version of this program.
        ours: &'static str,
        /// The operation that is not possible.
        can_not: String,
    },
    /// A page of the journal has too many lines, or would never be followed by the last one.
    #[error("the other side returns other lines than those requested")]
    OtherLines,
    /// The answer is invalid.
    #[error("the supervisor at {at} gave an answer that is not understood: {what}")]
    Garbled {
        at: Address,
        /// What is wrong with it.
        what: String,
    },
}

impl ClientError {
    /// The same error, after a request that the supervisor will carry out once it continues.
    #[must_use]
    pub fn after_request(self) -> Self {
        if let Self::Silent { at } = self { Self::Pending { at } } else { self }
    }
}
