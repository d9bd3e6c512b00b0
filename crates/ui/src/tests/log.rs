//! Moving in the log.

use std::time::Duration;

use pretty_assertions::assert_eq;

use super::{World, at, time};
use crate::draw::theme::Theme;
use crate::keys::Key;
use crate::keys::actions::ACTIONS;
use crate::model::terminal::prompt::Prompt;
use crate::state::msg::{Effect, Loaded, Mouse, Msg, Question};
use crate::state::prompt::Offer;

const PLAIN: Theme = Theme { color: false, ascii: false };

#[test]
fn the_log_follows_what_is_printed() {
    let mut world = World::with_lines((80, 12), 100);
    assert_eq!(world.shown(), (90..100).collect::<Vec<_>>());
    world.print(3);
    assert_eq!(world.shown(), (93..103).collect::<Vec<_>>());
    world.print(5000);
    assert_eq!(world.shown(), (5093..5103).collect::<Vec<_>>());
}

#[test]
fn a_scrolled_view_stays_where_it_is() {
    let mut world = World::with_lines((80, 12), 1000);
    world.key(Key::PageUp);
    let before = world.shown();
    assert_eq!(before, (981..991).collect::<Vec<_>>());
    world.print(100_000);
    assert_eq!(world.shown(), before);
    assert_eq!(world.ui.log.lines_below(), "+100009");
    world.key(Key::End);
    assert_eq!(world.shown().last(), Some(&100_999));
    assert_eq!(world.ui.log.lines_below(), "");
}

#[test]
fn every_line_can_be_reached() {
    let mut world = World::with_lines((80, 12), 500);
    let mut seen = vec![];
    for _ in 0..60 {
        seen.extend(world.shown());
        world.key(Key::PageUp);
    }
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen, (0..500).collect::<Vec<_>>());
    assert!(world.ui.log.is_at_top());
    for _ in 0..60 {
        world.key(Key::PageDown);
    }
    assert!(world.ui.log.follows(), "the end follows again");
    world.key(Key::Home);
    assert_eq!(world.shown()[0], 0);
}

#[test]
fn pages_that_are_not_loaded_yet_are_scrolled_later() {
    let mut quick = World::with_lines((80, 12), 1000);
    for _ in 0..20 {
        quick.key(Key::PageUp);
    }
    let mut slow = World::with_lines((80, 12), 1000);
    slow.answers = false;
    for _ in 0..20 {
        slow.key(Key::PageUp);
    }
    assert_ne!(slow.shown(), quick.shown());
    slow.answers = true;
    for effect in std::mem::take(&mut slow.unanswered) {
        slow.answer(effect);
    }
    assert_eq!(slow.shown(), quick.shown());
    // Whoever turns back meanwhile goes back from where that would have been.
    slow.answers = false;
    for key in [Key::PageUp; 20].into_iter().chain([Key::PageDown; 20]) {
        slow.key(key);
    }
    slow.answers = true;
    for effect in std::mem::take(&mut slow.unanswered) {
        slow.answer(effect);
    }
    assert_eq!(slow.shown(), quick.shown());
}

#[test]
fn the_current_line_keeps_its_row() {
    let mut world = World::with_lines((80, 12), 300);
    for _ in 0..5 {
        world.key(Key::PageUp);
    }
    world.key(Key::Tab);
    world.keys("kkk");
    let current = world.current().unwrap();
    for keys in ["w", "w", "T", "T", "z", "z", ">", "<"] {
        world.keys(keys);
        assert_eq!(world.current(), Some(current), "{keys}");
    }
    world.send(Msg::Resize(120, 12));
    assert_eq!(world.current(), Some(current));
}

#[test]
fn a_search_shows_the_nearest_match_and_its_neighbours() {
    let mut world = World::with_lines((80, 12), 1000);
    world.keys("/");
    world.keys("line .50$");
    assert_eq!(world.current().map(|(record, _)| record), Some(950));
    world.key(Key::Enter);
    world.keys("N");
    assert_eq!(world.current().map(|(record, _)| record), Some(850));
    world.keys("NNn");
    assert_eq!(world.current().map(|(record, _)| record), Some(750));
    for _ in 0..20 {
        world.keys("N");
    }
    assert_eq!(world.current().map(|(record, _)| record), Some(150));
    assert_eq!(world.ui.toast.as_ref().unwrap().text, "no earlier match");
    // Tab leaves only matching lines.
    world.keys("/");
    world.keys("line .50$");
    world.key(Key::Tab);
    world.key(Key::Enter);
    assert!(world.shown().iter().all(|record| record % 100 == 50), "{:?}", world.shown());
    world.key(Key::Esc);
    assert!(world.shown().windows(2).all(|pair| pair[0] + 1 == pair[1]));
}

#[test]
fn tab_in_an_empty_prompt_is_about_the_last_expression() {
    let mut world = World::with_lines((80, 12), 1000);
    world.keys("/line .50$");
    world.key(Key::Enter);
    world.keys("/");
    world.key(Key::Tab);
    assert_eq!(world.ui.prompt.as_ref().unwrap().text(), "line .50$");
    world.key(Key::Enter);
    assert!(world.shown().iter().all(|record| record % 100 == 50), "{:?}", world.shown());
}

#[test]
fn giving_up_a_search_returns_to_where_it_began() {
    let mut world = World::with_lines((80, 12), 1000);
    world.keys("/line 5$");
    assert_eq!(world.current().map(|(record, _)| record), Some(5));
    world.key(Key::Esc);
    assert!(world.ui.log.follows());
    assert_eq!(world.shown().last(), Some(&999));
    assert!(world.ui.find.is_none() && world.ui.prompt.is_none());
}

#[test]
fn answers_to_old_questions_change_nothing() {
    let mut world = World::with_lines((80, 12), 100);
    world.answers = false;
    world.keys("g");
    let Some(Effect::Ask(Question::Load(ticket, load, _))) = world.unanswered.pop() else {
        unreachable!()
    };
    let before = world.shown();
    let parts = (None, None);
    world.send(Msg::Loaded(Loaded { ticket: ticket - 1, load, from: at(0), head: 100, parts }));
    assert_eq!(world.shown(), before);
}

#[test]
fn a_journal_that_can_t_be_read_is_read_again_once_it_grows() {
    let mut world = World::with_lines((80, 12), 100);
    world.answers = false;
    world.keys("g");
    assert!(matches!(world.unanswered.pop(), Some(Effect::Ask(Question::Load(..)))));
    world.send(Msg::Unreadable("input/output error".to_owned()));
    assert!(world.ui.toast.as_ref().unwrap().text.contains("input/output error"));
    let is_load = |effect: &Effect| matches!(effect, Effect::Ask(Question::Load(..)));
    assert!(!world.unanswered.iter().any(is_load), "not at once");
    world.answers = true;
    world.print(1);
    world.key(Key::End);
    assert_eq!(world.shown().last(), Some(&100));
}

#[test]
fn one_process_is_shown_alone_and_all_of_them_again() {
    let mut world = World::new((80, 12));
    for number in 0..50 {
        world.print_line(if number % 2 == 0 { "web" } else { "api" }, &format!("{number}"));
    }
    world.key(Key::Down);
    world.key(Key::Enter);
    assert!(world.shown().iter().all(|record| record % 2 == 0));
    world.key(Key::Down);
    assert!(world.shown().iter().all(|record| record % 2 == 1), "the selection goes along");
    world.keys("0");
    assert_eq!(world.shown(), (40..50).collect::<Vec<_>>());
    world.keys("oap");
    world.key(Key::Enter);
    assert!(world.shown().iter().all(|record| record % 2 == 1));
}

#[test]
fn visiting_errors_goes_in_both_directions() {
    let mut world = World::with_lines((80, 12), 50);
    world.print_line("api", "Error: broken");
    world.print(50);
    world.print_line("api", "panic: too");
    world.print(50);
    let current = |world: &World| world.current().map(|(record, _)| record);
    world.keys("[");
    assert_eq!(current(&world), Some(101));
    world.keys("[");
    assert_eq!(current(&world), Some(50));
    world.keys("]");
    assert_eq!(current(&world), Some(101));
    world.keys("]");
    assert_eq!(world.ui.toast.as_ref().unwrap().text, "no later error");
}

#[test]
fn every_action_can_be_chosen_by_its_name() {
    let mut world = World::with_lines((80, 12), 10);
    for entry in ACTIONS {
        world.ui.prompt = None;
        world.keys(":");
        world.keys(entry.name);
        let is_it =
            |offer: &Offer| matches!(offer, Offer::Action(offered) if offered.name == entry.name);
        assert!(world.ui.offers().unwrap().iter().any(is_it), "{}", entry.name);
    }
}

#[test]
fn a_search_that_is_given_up_on_a_smaller_screen_returns_too() {
    let mut world = World::with_lines((80, 40), 200);
    world.key(Key::PageUp);
    world.keys("/line 5$");
    world.send(Msg::Resize(80, 10));
    world.key(Key::Esc);
    assert!(!world.shown().is_empty() && world.shown().len() <= 8, "{:?}", world.shown());
}

#[test]
fn an_unfinished_line_is_shown_after_the_others_until_it_has_an_end() {
    let mut world = World::with_lines((80, 12), 100);
    world.prompt = Some(("web", "name?".to_owned()));
    world.announce();
    assert!(!world.screen(PLAIN).contains("name?"), "not at once");
    world.wait(Duration::from_millis(150));
    assert!(world.screen(PLAIN).lines().nth(10).unwrap().ends_with(" web    name?"));
    world.prompt = Some(("web", "name? Bo".to_owned()));
    world.announce();
    world.wait(Duration::from_secs(3));
    assert!(world.screen(PLAIN).contains("name? Bo"));

    // While its end is being loaded, the line stays.
    world.answers = false;
    world.prompt = None;
    world.print_line("web", "name? Bob");
    assert!(world.screen(PLAIN).contains("name? Bo\n"));
    world.answers = true;
    for effect in std::mem::take(&mut world.unanswered) {
        world.answer(effect);
    }
    let screen = world.screen(PLAIN);
    assert!(screen.contains("name? Bob\n") && !screen.contains("name? Bo\n"), "{screen}");
}

#[test]
fn a_process_that_waits_for_input_has_a_sign() {
    let mut world = World::with_lines((80, 12), 10);
    world.passed = Duration::from_secs(300);
    let mut processes = world.ui.list.processes.clone();
    processes[0].prompt = Some(Prompt { text: "name?".into(), since: time(10), again: false });
    world.ui.list.set(processes);
    world.send(Msg::Alarm);
    let screen = world.screen(PLAIN);
    assert!(screen.contains("? web       asks       5m"), "{screen}");
}

#[test]
fn a_filter_without_a_match_says_so() {
    let mut world = World::with_lines((80, 12), 100);
    world.keys("/nowhere");
    world.key(Key::Tab);
    world.key(Key::Enter);
    let screen = world.screen(PLAIN);
    assert!(screen.contains("no line matches nowhere"), "{screen}");
}

#[test]
fn a_letter_answers_whether_the_run_goes_on() {
    let effects = |is_owned: bool, keys: &str| {
        let mut world = World::with_lines((80, 12), 100);
        world.ui.run.is_owned = is_owned;
        world.keys(keys);
        world.effects
    };
    assert!(matches!(effects(true, "qs")[..], [Effect::StopAll]));
    assert!(matches!(effects(true, "ql")[..], [Effect::Leave]));
    assert!(matches!(effects(true, "qq")[..], [Effect::Leave]));
    assert!(effects(true, "qx").is_empty() && effects(true, "qj").is_empty());
    // Who only looks at a run leaves it as it is.
    assert!(matches!(effects(false, "q")[..], [Effect::Leave]));
}

#[test]
fn the_current_line_is_never_an_unfinished_one() {
    let mut world = World::with_lines((80, 12), 100);
    world.prompt = Some(("web", ">".to_owned()));
    world.announce();
    world.wait(Duration::from_millis(150));
    world.key(Key::Tab);
    for keys in ["j", "k", "jj", "jjj"] {
        world.keys(keys);
        let current = world.ui.log.current().map(|entry| entry.position.record);
        assert!(current.is_some_and(|record| record < 100), "{keys}: {current:?}");
    }
    world.send(Msg::Mouse(Mouse::Press(40, 10)));
    assert!(world.ui.log.current().unwrap().position.record < 100);
    world.key(Key::PageUp);
    world.key(Key::PageDown);
    world.key(Key::PageDown);
    assert!(world.ui.log.follows());
    assert_eq!(world.shown().last(), Some(&u64::MAX));
}

#[test]
fn keys_typed_ahead_of_a_search_count() {
    let mut world = World::with_lines((80, 12), 1000);
    world.answers = false;
    world.keys("/");
    world.keys("line .50$");
    world.key(Key::Enter);
    world.keys("NNNn");
    world.answers = true;
    // The answers come late.
    for effect in std::mem::take(&mut world.unanswered) {
        world.answer(effect);
    }
    assert_eq!(world.current().map(|(record, _)| record), Some(750));
    world.print_line("web", "error 1");
    world.print_line("web", "error 2");
    world.print_line("web", "error 3");
    world.key(Key::End);
    world.answers = false;
    world.keys("[[[");
    world.answers = true;
    for effect in std::mem::take(&mut world.unanswered) {
        world.answer(effect);
    }
    assert_eq!(world.current().map(|(record, _)| record), Some(1000));
}
