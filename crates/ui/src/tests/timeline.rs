//! The timeline.

use std::time::Duration;

use pretty_assertions::assert_eq;

use super::{World, time};
use crate::draw::theme::Theme;
use crate::journal::search::landmark::{Landmark, LandmarkEvent};
use crate::keys::Key;
use crate::model::{Exit, LifeId, ProcessStatus};
use crate::state::timeline::Period;

const PLAIN: Theme = Theme { color: false, ascii: true };

/// `web` is ready, crashes and starts again; `worker` is stopped. One record takes one millisecond.
fn shop() -> World {
    let mut world = World::with_lines((80, 24), 600);
    let mark = |record, name: &str, what| Landmark {
        record,
        time: time(record),
        name: (!name.is_empty()).then(|| name.to_owned()),
        what,
    };
    world.marks = vec![
        mark(0, "", LandmarkEvent::RunBegan),
        mark(1, "web", LandmarkEvent::Started(Some(LifeId::FIRST))),
        mark(2, "worker", LandmarkEvent::Started(Some(LifeId::FIRST))),
        mark(100, "web", LandmarkEvent::Ready),
        mark(300, "web", LandmarkEvent::Exited(Exit::Code(1))),
        mark(301, "web", LandmarkEvent::Started(Some(LifeId::nth(2)))),
        mark(400, "worker", LandmarkEvent::Asked),
        mark(401, "worker", LandmarkEvent::Exited(Exit::Signal(15))),
    ];
    world.keys("H");
    world
}

fn states(world: &World) -> Vec<ProcessStatus> {
    let processes = &world.ui.list.processes;
    processes.iter().map(|process| world.ui.state_shown(process).state.clone()).collect()
}

#[test]
fn an_earlier_time_shows_the_states_and_the_log_of_that_time() {
    use ProcessStatus::{Exited, Running, Stopped};
    let mut world = shop();
    assert_eq!(states(&world), [Running, Running, Running], "now");
    // Backwards from one turning point to the next.
    let mut seen = vec![];
    for _ in 0..6 {
        world.keys("{");
        let record = world.ui.log.current().unwrap().position.record;
        let [web, _, worker] = <[_; 3]>::try_from(states(&world)).unwrap();
        seen.push((record, web, worker));
    }
    assert_eq!(
        seen,
        [
            (401, Running, Stopped),
            (301, Running, Running),
            (300, Exited, Running),
            (100, Running, Running),
            (2, Running, Running),
            (1, Running, Stopped),
        ]
    );
    assert_eq!(world.ui.timeline.as_ref().unwrap().cursor, Some(time(1)));
    world.key(Key::End);
    assert!(world.ui.log.follows());
    assert_eq!(states(&world), [Running, Running, Running]);
    world.keys("H");
    assert!(world.ui.timeline.is_none());
}

#[test]
fn the_cursor_follows_the_log_and_the_log_follows_the_cursor() {
    let mut world = shop();
    world.key(Key::PageUp);
    let cursor = |world: &World| world.ui.timeline.as_ref().unwrap().cursor;
    let current = |world: &World| world.ui.log.current().map(|entry| entry.time);
    assert!(cursor(&world).is_some());
    assert_eq!(cursor(&world), current(&world));
    for key in [Key::Left, Key::Left, Key::Right, Key::Home] {
        world.key(key);
        let (cursor, current) = (cursor(&world).unwrap(), current(&world).unwrap());
        assert!(cursor.between(current) < Duration::from_millis(1), "{key:?}");
    }
}

#[test]
fn zooming_keeps_the_cursor_inside_and_ends_at_the_ends_of_the_journal() {
    let mut world = shop();
    world.keys("{{{");
    let whole = world.ui.timeline.as_ref().unwrap().period;
    for _ in 0..4 {
        world.keys("+");
        let timeline = world.ui.timeline.as_ref().unwrap();
        let Period { from, until } = timeline.period;
        let cursor = timeline.cursor.unwrap();
        assert!(from <= cursor && cursor <= until);
    }
    assert!(world.ui.timeline.as_ref().unwrap().period.length() < whole.length() / 10);
    world.keys("----------");
    let period = world.ui.timeline.as_ref().unwrap().period;
    assert!(period.from <= whole.from && whole.until <= period.until);
    assert!(period.length() <= whole.length() + Duration::from_millis(2), "{period:?} {whole:?}");
}

#[test]
fn lanes_show_what_happened_to_each_process() {
    let world = shop();
    let screen = world.screen(PLAIN);
    let lanes: Vec<_> = screen.lines().rev().skip(1).take(4).collect();
    let [axis, worker, api, web] = lanes[..] else { panic!("{screen}") };
    assert!(web.starts_with(" web    ^") && web.contains('x') && web.contains('o'), "{screen}");
    assert_eq!(api, " api");
    assert!(!worker.contains('x') && worker.contains('#'), "{screen}");
    assert!(axis.contains("x failed"), "{screen}");
}

#[test]
fn a_small_screen_has_one_lane() {
    for size in [(40, 10), (20, 6), (20, 5)] {
        let mut world = World::with_lines(size, 10);
        world.keys("H");
        world.keys("{+");
        world.key(Key::Left);
        world.screen(PLAIN);
    }
}
