//! From streams to the index and back: what was printed is what is read.

use tmo::journal::Ingest;

use super::input::Input;
use super::world::{Found, World, finish, read_all, slugs};

/// However output comes and whoever dies meanwhile, every byte of it has one record, in order.
pub(crate) fn check(data: &[u8]) {
    let mut input = Input::new(data);
    let mut world = World::new(input.one_of(&[1 << 20, 100, 16, 1]));
    world.live(&mut input, u8::MAX);
    let mut ingest = world.open();
    finish(&mut ingest);
    let head = ingest.head();
    let ends = slugs().map(|(number, _)| ingest.indexed(number));
    for partial in &head.partials {
        let written = &world.written[usize::from(partial.stream.0) - 1];
        let line = &written
            [usize::try_from(partial.start).unwrap()..usize::try_from(partial.end).unwrap()];
        assert!(!line.is_empty() && !line.contains(&b'\n'));
        assert!(ends[usize::from(partial.stream.0) - 1] <= partial.start);
    }
    drop(ingest);
    let found = read_all(&world.dirs);
    complete(&found, &world.written, ends);
    for (which, end) in ends.into_iter().enumerate() {
        let left = &world.written[which][usize::try_from(end).unwrap()..];
        let line = left.iter().position(|b| *b == b'\n');
        assert!(line.is_none_or(|at| left.len() - at < 96), "a whole line has no record");
    }
    Ingest::conclude(&world.dirs, &slugs()).unwrap();
    let found = read_all(&world.dirs);
    complete(&found, &world.written, world.written.each_ref().map(|text| text.len() as u64));
    assert!(found.time.nanos() < 1 << 61);
}

/// Every byte up to these ends is there once, in order, as it was written.
fn complete(found: &Found, written: &[Vec<u8>; 2], ends: [u64; 2]) {
    assert_eq!(found.lost, 0);
    for (which, pieces) in found.pieces.iter().enumerate() {
        let mut at = 0;
        for (from, to, text) in pieces {
            assert_eq!(*from, at, "a hole, or a byte twice");
            at = *to;
            if let Some(text) = text {
                let range = usize::try_from(*from).unwrap()..usize::try_from(*to).unwrap();
                assert_eq!(text, &written[which][range]);
            }
        }
        assert_eq!(at, ends[which], "records up to there");
    }
}
