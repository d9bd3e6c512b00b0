//! Ports for tests, below the range from which the system assigns ports.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering};

/// From here on, there are single ports.
const SINGLE: u16 = 20_200;
/// From here on, one in ten belongs to a test that takes hundreds of them.
pub(crate) const MANY: u16 = 12_100;
/// From here on, there are several in a row.
const ROWS: u16 = 10_000;

fn is_free(port: u16) -> bool {
    TcpListener::bind(("127.0.0.1", port)).is_ok()
}

/// So that two suites at once look in different places.
fn by_pid(places: u32) -> u16 {
    u16::try_from(std::process::id() % places).unwrap()
}

/// A port with nothing on it and on the one a hundred above, nor ten above those, and another one each
/// time. Who wants to listen on it right away asks the system for one instead, as another test may.
pub(crate) fn free_port() -> u16 {
    const APART: u16 = 130;
    static GIVEN: AtomicU16 = AtomicU16::new(0);
    let begin = SINGLE + by_pid(4500) + APART * GIVEN.fetch_add(1, Ordering::Relaxed);
    let all = |port: &u16| [0, 10, 20, 100, 110, 120].iter().all(|more| is_free(port + more));
    (begin..).step_by(7).find(all).unwrap()
}

/// So many ports in a row that nobody listens at.
pub(crate) fn in_a_row(count: u16) -> u16 {
    let begin = ROWS + by_pid(190) * 10;
    let all = |first: &u16| (*first..first + count).all(is_free);
    (begin..MANY).step_by(count.into()).find(all).unwrap()
}
