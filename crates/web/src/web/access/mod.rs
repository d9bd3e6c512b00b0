//! Who may do what: links and passwords, sessions with their rights, and the gate that each request passes.

pub(crate) mod cookie;
pub(crate) mod gate;
pub(crate) mod login;
pub mod options;
pub(crate) mod password;
pub(crate) mod proof;
pub(crate) mod rights;
pub(crate) mod sessions;
pub(crate) mod throttle;
pub(crate) mod user_check;
pub mod users;
pub(crate) mod visitor;
