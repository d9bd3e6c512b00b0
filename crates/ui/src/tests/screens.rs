//! What is drawn.

use pretty_assertions::assert_eq;

use super::{World, time};
use crate::draw::theme::Theme;
use crate::figures::Figures;
use crate::keys::Key;
use crate::model::exit::End;
use crate::model::state::CrashLoop;
use crate::model::{Exit, ProcName, ProcessStatus};
use crate::state::msg::Msg;

const THEME: Theme = Theme { color: true, ascii: false };

fn shop(size: (u16, u16)) -> World {
    let mut world = World::new(size);
    let worker = &mut world.ui.list.processes[2];
    (worker.state, worker.pid) = (ProcessStatus::Exited, None);
    (worker.ends.exit, worker.since) = (Some(Exit::Code(1)), time(0));
    world.ui.list.processes[1].readiness.ready = Some(true);
    world.print_line("web", "GET /api/users 200");
    world.print_line("api", "slow \x1b[31mquery\x1b[0m: 812 ms");
    world.print_line("worker", "Error: connect ECONNREFUSED 127.0.0.1:5432");
    world
}

#[test]
fn the_overview() {
    let world = shop((80, 8));
    assert_eq!(
        world.screen(THEME),
        " shop  up <1 min  2 run  1 failed                              14:05:00  follow
▶ALL                      │ web    GET /api/users 200
 ● web       running    0s│ api    slow query: 812 ms
 ● api       running    0s│ worker Error: connect ECONNREFUSED 127.0.0.1:5432
 ✖ worker    exit 1     0s│
                          │
                          │
 ↑↓ select  Enter open  / find  p plain  : more                  q quit  ? keys
"
    );
}

#[test]
fn a_narrow_screen_shows_one_part() {
    let mut world = shop((40, 8));
    world.keys("3");
    let screen = world.screen(THEME);
    assert!(screen.contains("\n Error: connect ECONNREFUSED"), "{screen}");
    world.keys("0");
    world.key(Key::Tab);
}

#[test]
fn figures_are_shown_in_the_list_and_over_time() {
    let mut world = shop((80, 12));
    world.keys("m");
    for (cpu_percent, memory) in [(0.0, 30), (50.0, 40), (100.0, 80)] {
        let sample = |name: &str| Figures {
            name: ProcName::new(name).unwrap(),
            pid: 7,
            cpu_percent: Some(cpu_percent),
            cpu_seconds: 1.0,
            memory_bytes: memory << 20,
            processes: 2,
            threads: 9,
            files: None,
            listens: Some(if name == "web" { vec![5173, 24678] } else { vec![] }),
            output_bytes_per_second: Some(2000.0),
        };
        world.send(Msg::Figures(vec![sample("web"), sample("api")]));
    }
    let screen = world.screen(THEME);
    assert!(screen.contains("● web          100%   80M│"), "{screen}");
    assert!(screen.contains("✖ worker    exit 1"), "{screen}");
    let all = "all processes: 4 processes, 18 threads, prints 4.0 KB/s";
    assert!(screen.contains(all), "{screen}");
    assert!(screen.contains(&format!(" memory  160M {:>66}\n", "▃▄█")), "{screen}");
    assert!(screen.contains(&format!(" CPU     200% {:>66}\n", "▄█")), "{screen}");
    world.key(Key::Down);
    let screen = world.screen(THEME);
    let web = " web: 2 processes, 9 threads, prints 2.0 KB/s, listens on 5173, 24678\n";
    assert!(screen.contains(web), "{screen}");
    assert!(screen.contains(&format!(" CPU     100% {:>66}\n", "▄█")), "{screen}");
    world.keys("m");
    assert!(!world.screen(THEME).contains("memory"));
}

#[test]
fn the_header_says_where_in_the_log_the_screen_is() {
    let mut world = shop((80, 8));
    for line in 0..97 {
        world.print_line("web", &format!("line {line}"));
    }
    world.key(Key::Home);
    let screen = world.screen(THEME);
    assert!(screen.contains("  6%  +94 below (G)\n"), "{screen}");
    let bar: String = screen.lines().filter_map(|line| line.chars().nth(79)).collect();
    assert!(bar.contains("█░░░░░"), "{screen}");
    world.key(Key::PageUp);
    world.key(Key::End);
    assert!(world.screen(THEME).contains("  follow\n"));
}

#[test]
fn the_smallest_screens_say_so() {
    let world = shop((19, 4));
    assert_eq!(world.screen(THEME).lines().next(), Some("too small: 20 x 5"));
    for size in [(0, 0), (1, 1), (20, 5), (400, 200)] {
        shop(size).screen(THEME);
    }
}

#[test]
fn a_line_of_a_mebibyte_is_drawn() {
    let mut world = shop((80, 24));
    world.print_line("web", &"abc ".repeat(1 << 18));
    world.key(Key::PageUp);
    let screen = world.screen(THEME);
    assert!(screen.contains("abc abc"), "{screen}");
}

#[test]
fn the_end_of_the_run_is_announced() {
    let mut world = shop((80, 8));
    // The last lines were printed after the last news.
    world.lines.push(("web", "the last words".to_owned()));
    world.send(Msg::Ended(Box::new(End { code: 3, ..End::default() })));
    let screen = world.screen(THEME);
    assert!(screen.contains("the run is over (exit 3)"), "{screen}");
    assert!(!screen.contains("running"), "{screen}");
    assert!(screen.contains("the last words"), "{screen}");
    world.keys("q");
    assert_eq!(world.effects.len(), 1, "there is nothing to ask");
}

#[test]
fn a_crash_loop_is_a_state_of_its_own_in_the_list_and_in_the_summary() {
    let mut world = shop((80, 8));
    for times in [2, 3] {
        let api = &mut world.ui.list.processes[1];
        api.ends.crash_loop = Some(CrashLoop { times, last: time(0), until: Some(time(1000)) });
        let screen = world.screen(THEME);
        let is_loop = times == 3;
        assert_eq!(screen.contains("1 in a crash loop"), is_loop, "{screen}");
        assert_eq!(screen.contains(" crash loop ✖3│"), is_loop, "{screen}");
        assert_eq!(screen.contains(" ↻ api "), is_loop, "{screen}");
        assert_eq!(screen.contains("2 run"), !is_loop, "{screen}");
    }
    // Between two lives.
    let api = &mut world.ui.list.processes[1];
    (api.state, api.pid) = (ProcessStatus::Restarting, None);
    assert!(world.screen(THEME).contains(" crash loop ✖3│"));
    // Stable.
    let api = &mut world.ui.list.processes[1];
    api.ends.crash_loop = Some(CrashLoop { times: 3, last: time(0), until: Some(time(0)) });
    assert!(!world.screen(THEME).contains("crash loop"));
}
