use proptest::prelude::*;

use super::cursor::{pieces, written};
use super::{EPOCH, SECOND};
use crate::model::event::{Event, InstallProblem, What};
use crate::model::exit::End;
use crate::model::{LifeId, ProcName, StreamNo};
use crate::read::index::IndexReader;
use crate::search::landmark::{Landmark, LandmarkEvent, Landmarks};

fn all(place: &super::Place, step: impl Fn(u64) -> u64) -> Vec<Landmark> {
    let mut index = IndexReader::open(&place.dirs);
    let mut landmarks = Landmarks::new(&place.dirs);
    let (mut all, mut end) = (vec![], index.len().unwrap());
    while end > 0 {
        let found = landmarks.before(&mut index, end, step(end)).unwrap();
        assert!(found.records.start < end && found.records.end == end);
        all.splice(0..0, found.landmarks);
        end = found.records.start;
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn steps_of_any_size_find_the_same(pieces in pieces(), step in 1u64..9) {
        let place = written(&pieces, 200);
        prop_assert_eq!(all(&place, |_| 0), all(&place, |end| end.saturating_sub(step)));
    }
}

#[test]
fn starts_and_events_are_landmarks_and_output_is_not() {
    let place = super::Place::new();
    let (mut sink, mut ingest) = (place.sink(1, 1 << 20), place.ingest());
    let web = ProcName::new("web").unwrap();
    let mut event = |at: u64, event: Event| {
        ingest.event(EPOCH + at * SECOND, event.to_json().as_bytes()).unwrap();
    };
    event(0, Event::of_process(&web, What::Ready));
    event(1, Event::of_process(&web, What::MainStarted { skipped: vec![] }));
    event(2, Event::of_process(&web, What::Interrupting));
    event(3, Event::of_run(What::End { run: "1".to_owned(), end: End::default() }));
    let failed = |why| What::InstallFailed { life: LifeId::FIRST, why };
    event(4, Event::of_process(&web, failed(InstallProblem::TimedOut { limit_ms: 1 })));
    event(5, Event::of_process(&web, failed(InstallProblem::Interrupted)));
    sink.append(EPOCH + 6 * SECOND, b"line\n");
    ingest.wake(StreamNo(1), u64::MAX).unwrap();
    let found: Vec<_> = all(&place, |_| 0)
        .into_iter()
        .map(|landmark| ((landmark.time.since(EPOCH)).as_secs(), landmark.name, landmark.what))
        .collect();
    let of_web = || Some("web".to_owned());
    assert_eq!(
        found,
        [
            (0, of_web(), LandmarkEvent::Ready),
            (2, of_web(), LandmarkEvent::Asked),
            (3, None, LandmarkEvent::RunEnded),
            (4, of_web(), LandmarkEvent::Failed)
        ]
    );
}
