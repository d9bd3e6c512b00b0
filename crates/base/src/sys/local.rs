//! The local time.

use std::mem::MaybeUninit;
use std::path::Path;
use std::sync::LazyLock;

use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use nix::libc;

use super::clock;
use super::files::{self, ChosenBy};

/// The user's time zone, read once.
///
/// Without `TZ` it is the file `/etc/localtime`. jiff would look up the zone's name instead, and
/// for that list the whole database of zones, which takes longer than the rest of `tmo ps`.
pub fn zone() -> TimeZone {
    static ZONE: LazyLock<TimeZone> = LazyLock::new(|| {
        let path = Path::new("/etc/localtime");
        let file = || TimeZone::tzif("", &files::read_project(path, ChosenBy::Project).ok()?).ok();
        #[expect(clippy::disallowed_methods, reason = "jiff reads this variable by itself as well")]
        let chosen = std::env::var_os("TZ").is_some();
        if chosen { None } else { file() }.unwrap_or_else(TimeZone::system)
    });
    ZONE.clone()
}

/// The current local time.
pub fn now() -> Zoned {
    Timestamp::now().to_zoned(zone())
}

/// A time in this zone: `2026-01-02 14:05:02`.
pub fn date_and_time(time: crate::model::time::Timestamp, zone: &TimeZone) -> String {
    zone.to_datetime(time.utc()).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// The local time, `14:05:02`.
///
/// Uses the C library, which keeps memory small: there is one shim per process.
pub fn time_of_day() -> String {
    let seconds = clock::now().seconds();
    let seconds = seconds.try_into().unwrap_or_default();
    let mut fields = MaybeUninit::<libc::tm>::zeroed();
    #[expect(unsafe_code, reason = "the standard library knows no time zones")]
    // SAFETY: both pointers are valid for the call, and all-zero bytes are a valid `tm`, so it may
    // be read whether or not the call has filled it.
    let fields = unsafe {
        libc::localtime_r(&raw const seconds, fields.as_mut_ptr());
        fields.assume_init()
    };
    format!("{:02}:{:02}:{:02}", fields.tm_hour, fields.tm_min, fields.tm_sec)
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::{time_of_day, zone};

    #[test]
    fn the_zone_is_that_of_the_system() {
        let now = jiff::Timestamp::now();
        assert_eq!(zone().to_datetime(now), TimeZone::system().to_datetime(now));
    }

    #[test]
    fn it_agrees_with_another_clock() {
        let (first, text, second) = (super::now(), time_of_day(), super::now());
        let times = [first, second].map(|time| time.strftime("%H:%M:%S").to_string());
        assert!(times.contains(&text), "{text} is none of {times:?}");
    }
}
