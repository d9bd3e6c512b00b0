//! The local time of day.

use std::mem::MaybeUninit;

use nix::libc;

use super::clock;

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
    use super::time_of_day;

    #[test]
    fn it_agrees_with_another_clock() {
        let (first, text, second) = (jiff::Zoned::now(), time_of_day(), jiff::Zoned::now());
        let times = [first, second].map(|time| time.strftime("%H:%M:%S").to_string());
        assert!(times.contains(&text), "{text} is none of {times:?}");
    }
}
