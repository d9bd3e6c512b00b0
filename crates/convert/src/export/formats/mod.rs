//! A writer for each format, and what several of them share.

pub(super) mod checks;
pub(super) mod compose;
pub(super) mod container;
pub(super) mod init_systems;
pub(super) mod kubernetes;
pub(super) mod plain;
pub(super) mod supervisor;
pub(super) mod supervisord;
pub(super) mod systemd;
pub(super) mod tmux;
pub(super) mod yaml;
