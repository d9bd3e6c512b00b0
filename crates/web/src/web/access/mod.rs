//! Who may do what: links and passwords, sessions with their rights, and the gate that each request passes.

pub(crate) mod browser;
pub(crate) mod gate;
pub(crate) mod login;
pub mod options;
pub(crate) mod password;
pub(crate) mod proof;
pub(crate) mod rights;
pub(crate) mod sessions;
pub(crate) mod throttle;
pub mod users;

pub(crate) use self::browser::Visitor;
pub(crate) use self::gate::{Authentication, Need, ServerNames, Site, bearer, judge};
pub(crate) use self::rights::{Grant, ProvenSession, Role, Scope};
pub(crate) use self::sessions::{LoginError, NewLink, Session, SessionEntry, Sessions};
pub(crate) use self::users::{KnownUser, Users, UsersError, is_name};
