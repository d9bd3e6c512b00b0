//! Where things are: the project and its files, the control socket, the directories of a run.

pub mod dirs;
pub mod git;
pub mod paths;
pub mod project;
pub mod socket;
