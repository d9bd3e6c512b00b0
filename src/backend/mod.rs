//! The mechanism below the supervisor: terminals. It opens, pipes and shows; it decides nothing.

pub mod tmux;
