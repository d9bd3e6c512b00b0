//! The texts shown for records that are not output: starts, exits, gaps and events.

use crate::model::event::Logged;
use crate::model::{Exit, LifeId};
use crate::record::{Kind, Record};

/// Whether this record is the start of a life after the first one.
pub fn is_later_start(record: &Record) -> bool {
    record.kind == Kind::Start && record.life > Some(LifeId::FIRST)
}

/// The text for a start, which may be one of many (`again`), an exit or a gap.
pub fn record_words(record: &Record, again: bool) -> Option<String> {
    match record.kind {
        Kind::Start => {
            // Both lines are derived from this one record. A separate event of the supervisor would come
            // too late for the first: after output of the new life.
            let verb = if again { "Restarting...\nRestarted" } else { "Started" };
            Some(match record.value {
                // Its life file is gone, so only the output reveals that it started.
                0 => format!("{verb}; its pid is not known"),
                pid => format!("{verb} with pid {pid}..."),
            })
        }
        Kind::Exit => match record.exit()? {
            // A signal that asks to end is no failure.
            exit @ Exit::Signal(1 | 2 | 15) => Some(format!("Ended by {exit}")),
            exit @ Exit::Signal(_) => Some(format!("Killed by {exit}")),
            exit @ Exit::Code(_) => Some(format!("Exited with {exit}")),
        },
        Kind::Gap => Some(gap(u64::from(record.len))),
        Kind::End | Kind::Text | Kind::Event => None,
    }
}

/// The text for a record that is not output, and the process that an event is about; `None` if
/// there is no text. `text` is the JSON of an event.
pub fn entry_words(record: &Record, text: &[u8]) -> Option<(Option<String>, String)> {
    if record.kind != Kind::Event {
        return record_words(record, is_later_start(record)).map(|words| (None, words));
    }
    let event = Logged::from_json(text)?;
    Some((event.name().map(ToString::to_string), event.text()?))
}

/// The text for a record that is not output, as a search looks at it: without output that it repeats.
pub fn searched_words(record: &Record, text: &[u8]) -> Option<String> {
    if record.kind == Kind::Event {
        return Logged::from_json(text)?.searched();
    }
    record_words(record, is_later_start(record))
}

/// The line that stands for what a program draws in the alternate screen of its terminal.
pub fn full_screen(name: &str) -> String {
    format!("full screen: tmo connect {name}\n")
}

/// The text for this many bytes that a limit of the log has deleted.
pub fn removed(bytes: u64) -> String {
    let unit = if bytes == 1 { "byte" } else { "bytes" };
    format!("... {bytes} {unit} of output removed by the limit")
}

/// The text for a gap of this many bytes; 0 if the number is unknown.
pub fn gap(bytes: u64) -> String {
    match bytes {
        0 => "... output may be missing here".to_owned(),
        1 => "... 1 byte of output lost here".to_owned(),
        _ => format!("... {bytes} bytes of output lost here"),
    }
}

#[cfg(test)]
mod tests {
    use super::record_words;
    use crate::model::time::Timestamp;
    use crate::model::{LifeId, StreamNo};
    use crate::record::{Kind, Record};

    #[test]
    fn a_start_whose_pid_is_not_known_has_none() {
        let (kind, life, value) = (Kind::Start, Some(LifeId::nth(2)), 7);
        let (time, offset, len, lines, seq, stream, flags) = (0, 0, 0, 0, 0, 0, 0);
        let mut record = Record {
            time: Timestamp::from_nanos(time),
            offset,
            len,
            lines,
            life,
            seq,
            value,
            stream: StreamNo(stream),
            kind,
            flags,
        };
        assert_eq!(record_words(&record, true).unwrap(), "Restarting...\nRestarted with pid 7...");
        record.value = 0;
        assert_eq!(
            record_words(&record, true).unwrap(),
            "Restarting...\nRestarted; its pid is not known"
        );
    }
}
