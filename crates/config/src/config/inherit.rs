//! What processes inherit from the process that ran `tmo start`: umask, niceness, limits, ignored signals.
//! They are recorded here because the processes descend from the tmux server, which may be older than this
//! start.

use std::mem::MaybeUninit;

use nix::libc;
use nix::sys::signal::Signal;
use nix::sys::stat::{Mode, umask};

use crate::model::plan::Inherit;

/// Read them from this process. Must not run while other threads create files: the umask can only be read
/// by changing it.
pub fn inherit_here() -> Inherit {
    let mask = umask(Mode::from_bits_truncate(0o077));
    umask(mask);
    Inherit {
        umask: mask.bits() as u32,
        nice: rustix::process::getpriority_process(None).unwrap_or(0),
        limits: limits(),
        ignored: Signal::iterator()
            .filter(|&signal| handed_down(signal))
            .map(|s| s as i32)
            .collect(),
    }
}

/// Ensure that this process can access the files it creates, whatever the umask of its caller. Its own
/// children see the result in [`inherit_here`].
pub fn let_owner_in() {
    let mask = umask(Mode::from_bits_truncate(0o077));
    umask(mask & Mode::from_bits_truncate(0o077));
}

/// Every resource limit: number, soft, hard.
fn limits() -> Vec<(u32, u64, u64)> {
    // There are 16 of them on Linux and 9 on macOS; asking for one too many is harmless.
    (0..32)
        .filter_map(|resource| limit(resource).map(|(soft, hard)| (resource, soft, hard)))
        .collect()
}

#[expect(unsafe_code, reason = "the safe wrappers know only some of the limits of each system")]
fn limit(resource: u32) -> Option<(u64, u64)> {
    let mut found = MaybeUninit::<libc::rlimit>::uninit();
    // SAFETY: `found` is valid for one `rlimit`, which is all that the call writes; an unknown
    // resource is refused with EINVAL.
    let code = unsafe { libc::getrlimit(resource as _, found.as_mut_ptr()) };
    // SAFETY: the call succeeded, so it has filled in the structure.
    (code == 0)
        .then(|| unsafe { found.assume_init() })
        .map(|limit| (limit.rlim_cur, limit.rlim_max))
}

/// Whether children ignore this signal because the caller did.
///
/// Not SIGPIPE, which the Rust runtime ignores; and not SIGINT and SIGQUIT, which a shell ignores for
/// everything that it starts with `&`: a process would then not react to a request to stop.
fn handed_down(signal: Signal) -> bool {
    !matches!(signal, Signal::SIGPIPE | Signal::SIGINT | Signal::SIGQUIT) && is_ignored(signal)
}

/// Whether this process ignores a signal.
#[expect(unsafe_code, reason = "there is no safe way to ask for a disposition without changing it")]
pub fn is_ignored(signal: Signal) -> bool {
    let mut found = MaybeUninit::<libc::sigaction>::uninit();
    // SAFETY: with a null new action nothing is changed, and `found` is valid for the old one.
    let code = unsafe { libc::sigaction(signal as i32, std::ptr::null(), found.as_mut_ptr()) };
    // SAFETY: the call succeeded, so it has filled in the structure.
    code == 0 && unsafe { found.assume_init() }.sa_sigaction == libc::SIG_IGN
}

#[cfg(test)]
mod tests {
    use nix::sys::resource::{Resource, getrlimit};
    use nix::sys::signal::Signal;

    use super::{inherit_here, is_ignored};

    /// One single test, because reading the umask changes it briefly, which another thread would see.
    #[test]
    fn what_is_there_is_read_and_the_runtime_s_own_sigpipe_is_not_handed_down() {
        let inherit = inherit_here();
        assert_eq!(inherit.umask, inherit_here().umask);
        assert!(inherit.umask <= 0o777);
        let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        assert!(inherit.limits.contains(&(Resource::RLIMIT_NOFILE as u32, soft, hard)));
        assert!(inherit.limits.len() >= 8);
        assert!(is_ignored(Signal::SIGPIPE));
        assert!(!is_ignored(Signal::SIGUSR1));
        assert!(!inherit.ignored.contains(&(Signal::SIGPIPE as i32)));
    }
}
