//! Fleets over real `sshd`s: each host is one in its own namespaces of processes, mounts and names. `tests/it/fleet.rs` tests
//! `tmo fleet` with a script in place of ssh. Others are over container engines: a Docker Swarm, podman, a machine with systemd in
//! a container; these run only in full.
//!
//! `cargo test` runs a short version. The full one:
//!
//! ```text
//! cargo test --test proofs -- fleet all
//! cargo test --test proofs -- fleet cuts --times 200
//! cargo test --test proofs -- fleet swarm
//! ```
//!
//! Only root on Linux with `sshd` can run them; otherwise they are skipped, or fail with `TMO_SSHD=required`. Where an engine is
//! missing, its part is skipped, or fails with `TMO_ENGINES=required`.

mod boot;
mod cuts;
mod endings;
mod engines;
mod hosts;
mod install;
mod kube;
mod reach;
mod relay;
mod remedies;
mod swarm;
mod verbs;

use std::process::ExitCode;

use crate::common::options::{self, ALL};

/// Name, how often in full, how often in short, what is done.
const PARTS: &[(&str, u32, u32, options::Work)] = &[
    ("verbs", ALL, 1, verbs::verbs),
    ("frozen", ALL, 1, reach::frozen),
    ("many", ALL, 1, reach::many),
    ("cuts", 50, 4, cuts::cuts),
    ("remedies", ALL, 1, remedies::remedies),
    ("install", ALL, 1, install::install),
    ("interrupted", ALL, 1, endings::interrupted),
    ("terminal", ALL, 1, endings::terminal),
    ("speed", 20, 0, reach::speed),
    ("swarm", 1, 0, swarm::swarm),
    ("kube", 1, 0, kube::kube),
    ("boot", 1, 0, boot::boot),
];

pub(crate) fn run(words: &[String]) -> ExitCode {
    let is_list = words.iter().any(|word| word == "--list");
    if let Some(why) = hosts::missing().filter(|_| !is_list) {
        println!("fleet: SKIPPED: {why}");
        let is_required = std::env::var_os("TMO_SSHD").is_some_and(|how| how == "required");
        return ExitCode::from(u8::from(is_required));
    }
    options::run("fleet", words, PARTS, true)
}
