//! Which user ids certainly belong to this user.

use std::sync::OnceLock;

/// Whether this is the user id of this process, and certainly of no other user.
///
/// In a user namespace, the kernel shows all unmapped users under one id, the overflow uid. A process that
/// runs under that very id can't distinguish them from itself.
pub fn is_own_uid(uid: u32) -> bool {
    static AMBIGUOUS: OnceLock<Option<u32>> = OnceLock::new();
    uid == nix::unistd::geteuid().as_raw() && *AMBIGUOUS.get_or_init(ambiguous) != Some(uid)
}

/// The overflow uid, if it may stand for several users.
fn ambiguous() -> Option<u32> {
    let map = super::files::read_kernel("/proc/self/uid_map").ok()?;
    let all = knows_all(&String::from_utf8_lossy(&map));
    let uid = super::files::read_kernel("/proc/sys/kernel/overflowuid").ok()?;
    let uid = String::from_utf8_lossy(&uid).trim().parse().ok();
    uid.filter(|_| !all)
}

/// Whether a map of user ids (`user_namespaces(7)`) covers all of them.
fn knows_all(map: &str) -> bool {
    let counts = map.lines().filter_map(|line| line.split_whitespace().nth(2)?.parse::<u64>().ok());
    counts.sum::<u64>() >= u64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::{is_own_uid, knows_all};

    #[test]
    fn own_uid_is_certain_where_all_users_are_known() {
        let me = nix::unistd::geteuid().as_raw();
        assert!(is_own_uid(me) && !is_own_uid(me + 1));
        assert!(knows_all("         0          0 4294967295\n"));
        assert!(knows_all("0 100000 65536\n65536 0 4294901759\n"));
        assert!(!knows_all("0 1000 1\n"));
        assert!(!knows_all("65534 3333 1\n"));
        assert!(!knows_all(""));
    }
}
