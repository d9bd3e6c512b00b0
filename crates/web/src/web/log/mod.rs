//! The log: as it changes, as text and as messages for scripts.

pub(crate) mod download;
pub(crate) mod html;
pub(crate) mod live;
pub(crate) mod messages;
pub(crate) mod text;
pub(crate) mod tickets;

pub(crate) use self::tickets::Tickets;
