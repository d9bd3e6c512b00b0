//! A reader for the files of each tool.

pub(super) mod compose;
pub(super) mod foreman;
pub(super) mod ini;
pub(super) mod mprocs;
pub(super) mod npm;
pub(super) mod pm2;
pub(super) mod process_compose;
pub(super) mod supervisord;
