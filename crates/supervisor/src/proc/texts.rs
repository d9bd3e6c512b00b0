//! Serializes the processes of a run, of which usually only a few have changed since the last time.
//!
//! The state of the run is saved before each effect. With a hundred processes, most of the supervisor's time at a start
//! would go into texts that are the same as before.

use std::cell::RefCell;

use serde::Serializer;
use serde::ser::{self, SerializeSeq as _};
use serde_json::value::RawValue;

use super::Proc;

thread_local! {
    /// Each process as it was serialized last, by its place.
    static LAST: RefCell<Vec<(Proc, Box<RawValue>)>> = const { RefCell::new(vec![]) };
}

/// Serialize the processes for JSON, as `serde` does without this function.
pub(crate) fn serialize<S: Serializer>(procs: &[Proc], serializer: S) -> Result<S::Ok, S::Error> {
    LAST.with_borrow_mut(|last| {
        let mut list = serializer.serialize_seq(Some(procs.len()))?;
        for (place, proc) in procs.iter().enumerate() {
            list.serialize_element(text_of(proc, place, last)?)?;
        }
        list.end()
    })
}

/// The text of the process at this place. The places are visited in ascending order.
fn text_of<'a, E: ser::Error>(
    proc: &Proc,
    place: usize,
    last: &'a mut Vec<(Proc, Box<RawValue>)>,
) -> Result<&'a RawValue, E> {
    if last.get(place).is_none_or(|(old, _)| old != proc) {
        let text = serde_json::value::to_raw_value(proc).map_err(E::custom)?;
        let fresh = (proc.clone(), text);
        match last.get_mut(place) {
            Some(old) => *old = fresh,
            None => last.push(fresh),
        }
    }
    Ok(&last[place].1)
}

#[cfg(test)]
mod tests {
    use crate::model::time::Timestamp;
    use crate::model::{Exit, LifeId};
    use crate::{Proc, Supervisor};
    use tmo_base::testing::plan;

    #[test]
    fn what_has_changed_is_serialized_anew() {
        let mut machine = Supervisor::new(&plan(&["a", "b", "c"]), Timestamp::EPOCH);
        let is_whole = |machine: &Supervisor| {
            let all = serde_json::to_value(machine).unwrap();
            assert_eq!(all["procs"], serde_json::to_value(&machine.procs).unwrap());
        };
        is_whole(&machine);
        machine.procs[1].last.exit = Some(Exit::Code(7));
        is_whole(&machine);
        machine.procs.truncate(1);
        is_whole(&machine);
    }

    #[test]
    fn the_parts_of_a_process_are_saved_at_its_own_level() {
        let mut proc = Supervisor::new(&plan(&["a"]), Timestamp::EPOCH).procs.remove(0);
        proc.marks.request_stop(Some(LifeId::FIRST));
        proc.failures.count(Timestamp::from_nanos(5));
        proc.last.exit = Some(Exit::Signal(9));
        proc.exit_stats.count(Exit::Signal(9), true);
        let text = serde_json::to_string(&proc).unwrap();
        for pair in [r#""told":1"#, r#""failures":1"#, r#""last_exit":{"signal":9}"#, r#""came":0"#]
        {
            assert!(text.contains(pair), "{pair}: {text}");
        }
        let read: Proc = serde_json::from_str(&text).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), text);
    }
}
