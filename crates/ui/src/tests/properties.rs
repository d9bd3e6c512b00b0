//! Whatever happens, the interface is in order.

use proptest::prelude::*;

use super::World;
use crate::draw::theme::Theme;
use crate::keys::Key;
use crate::keys::actions::ACTIONS;
use crate::state::log::ScrollPosition;
use crate::state::msg::{Mouse, Msg};

#[derive(Debug, Clone)]
enum InterfaceStep {
    Key(Key),
    Letters(String),
    Resize(u16, u16),
    Print(usize),
    Long(usize),
    Mouse(Mouse),
}

fn step() -> impl Strategy<Value = InterfaceStep> {
    let keys: Vec<Key> = ACTIONS.iter().flat_map(|entry| entry.keys.iter().copied()).collect();
    let mouse = prop_oneof![
        (-3isize..4, 0u16..100, 0u16..40).prop_map(|(rows, x, y)| Mouse::Wheel(rows, x, y)),
        (0u16..100, 0u16..40).prop_map(|(x, y)| Mouse::Press(x, y)),
        (0u16..100, 0u16..40).prop_map(|(x, y)| Mouse::Drag(x, y)),
        (0u16..100, 0u16..40).prop_map(|(x, y)| Mouse::Release(x, y)),
    ];
    prop_oneof![
        8 => proptest::sample::select(keys).prop_map(InterfaceStep::Key),
        1 => "[a-z0-9 .$]{1,6}".prop_map(InterfaceStep::Letters),
        2 => (0u16..130, 0u16..45).prop_map(|(width, height)| InterfaceStep::Resize(width, height)),
        2 => (1usize..40).prop_map(InterfaceStep::Print),
        1 => (1usize..3000).prop_map(InterfaceStep::Long),
        2 => mouse.prop_map(InterfaceStep::Mouse),
    ]
}

/// What must hold after every step.
fn check(world: &World) {
    let log = &world.ui.log;
    let shown = log.visible_lines();
    assert!(shown.blank + shown.lines.len() <= log.rows, "no more than fit");
    let positions: Vec<_> = log.entries().iter().map(|entry| entry.position).collect();
    assert!(positions.windows(2).all(|pair| pair[0] < pair[1]), "in order, without repetition");
    for pair in shown.lines.windows(2) {
        let next_line = (pair[0].0, pair[0].1 + 1);
        assert!(pair[1] == next_line || pair[1] == (pair[0].0 + 1, 0), "without a gap: {pair:?}");
    }
    if let (ScrollPosition::At(_), Some(current)) = (log.view, log.current()) {
        let is_current = |place: &&(usize, usize)| {
            log.entry(**place).is_some_and(|entry| entry.position == current.position)
        };
        assert!(shown.lines.iter().any(|place| is_current(&place)), "the current line is visible");
    }
    let rows = world.ui.list.rows().count();
    assert!(world.ui.list.selected_row() <= rows);
    for theme in [Theme { color: true, ascii: false }, Theme { color: false, ascii: true }] {
        world.screen(theme);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn no_step_brings_it_out_of_order(
        lines in 0usize..200,
        steps in proptest::collection::vec(step(), 1..40),
    ) {
        let mut world = World::with_lines((80, 24), lines);
        for step in steps {
            match step {
                InterfaceStep::Key(key) => world.key(key),
                InterfaceStep::Letters(letters) => world.keys(&letters),
                InterfaceStep::Resize(width, height) => world.send(Msg::Resize(width, height)),
                InterfaceStep::Print(count) => world.print(count),
                InterfaceStep::Long(length) => world.print_line("api", &"x\u{301}日\t".repeat(length)),
                InterfaceStep::Mouse(mouse) => world.send(Msg::Mouse(mouse)),
            }
            check(&world);
        }
    }

    /// Without colours, nothing is lost: the text is the same.
    #[test]
    fn no_colour_carries_a_meaning_alone(steps in proptest::collection::vec(step(), 1..20)) {
        let mut world = World::with_lines((100, 24), 30);
        for step in steps {
            if let InterfaceStep::Key(key) = step {
                world.key(key);
            }
        }
        let with = world.screen(Theme { color: true, ascii: false });
        prop_assert_eq!(with, world.screen(Theme { color: false, ascii: false }));
    }
}
