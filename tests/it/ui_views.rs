//! What only the interface shows: `tmo start --ui`, prompts, the timeline, two lives compared.

use nix::libc::SIGTERM;

use crate::harness::procs;
use crate::harness::{Terminal, World, eventually};

/// A process that fails once the file `bad` exists, in a different way than it begins.
const APP: &str = "\
web: i=0; while :; do i=$((i+1)); echo GET /users $i; sleep 0.2; done
api: echo connecting; echo listening on port 5000; [ -e bad ] && { echo warn: no database url; echo fatal: no database; exit 3; }; printf 'pry> '; read answer; echo \"you said $answer\"; exec sleep 1000
";

fn app(failing: &str) -> World {
    let world = World::new(APP);
    world.write(
        "tmo.toml",
        &format!(
            "[process.api]
ready = {{ log = \"listening\" }}
{failing}"
        ),
    );
    world
}

/// The program with this verb.
fn program(world: &World, verb: &str) -> u32 {
    eventually("the program runs", || {
        let all = world.living();
        let is_it = |p: &&procs::Proc| p.args.get(1).is_some_and(|found| found == verb);
        all.iter().find(is_it).map(|p| p.pid)
    })
}

#[test]
fn the_interface_of_a_start_has_its_exit_code_and_its_last_words() {
    let world = app("");
    let terminal = Terminal::open(&world, "a", 80, 24);
    terminal.tmo("start --ui; echo it was $?");
    terminal.wait("? api       asks");
    // The run has a view, so another start is refused.
    assert_eq!(world.run(["start"]).code, 1);
    std::fs::write(world.app().join("bad"), "").unwrap();
    terminal.keys(["2", "r"]);
    terminal.wait("the run is over (exit 3)");
    terminal.wait("fatal: no database");
    terminal.keys(["q"]);
    terminal.wait("api exited with code 3");
    terminal.wait("fatal: no database");
    terminal.wait("it was 3");
    assert_eq!(terminal.ask("#{alternate_on}"), "0");
    terminal.close();
}

#[test]
fn a_signal_or_ctrl_c_in_the_interface_of_a_start_ends_the_run() {
    let world = World::new("web: echo up; exec sleep 1000\n");
    let terminal = Terminal::open(&world, "a", 80, 24);
    terminal.tmo("start --ui; echo it was $?");
    terminal.wait("● web");
    terminal.keys(["C-c"]);
    terminal.wait("stop all: s or Enter");
    terminal.keys(["C-c"]);
    terminal.wait("it was 0");
    assert!(terminal.screen().contains("the run is over (exit 0)"), "{}", terminal.screen());
    terminal.clear();
    terminal.tmo("start --ui; echo it was $?");
    terminal.wait("● web");
    procs::kill(program(&world, "start"), SIGTERM);
    terminal.wait("it was 0");
    assert_eq!(world.run(["ps"]).code, 1, "nothing runs");
    // Left, the run goes on, and another start becomes its view.
    terminal.clear();
    terminal.tmo("start --ui; echo it was $?");
    terminal.wait("● web");
    terminal.keys(["Q"]);
    terminal.wait("the run goes on");
    terminal.wait("it was 0");
    world.wait_state("web", "running");
    terminal.clear();
    terminal.tmo("start --ui; echo it was $?");
    terminal.wait("● web");
    world.ok(["detach"]);
    terminal.wait("it was 0");
    world.wait_state("web", "running");
    terminal.close();
    world.ok(["quit"]);
}

#[test]
fn the_interface_of_a_start_gives_the_processes_its_size() {
    // The trap is set before the first size is printed, so a later size is never missed.
    let world = World::new("web: trap 'stty size' WINCH; stty size; while :; do sleep 0.1; done\n");
    let terminal = Terminal::open(&world, "a", 100, 30);
    terminal.tmo("start --ui; echo it was $?");
    // A list of 26 columns, a rule, the name, the mark and the scroll bar.
    terminal.wait("28 64");
    terminal.resize(120, 20);
    terminal.wait("18 76");
    terminal.keys(["C-c", "C-c"]);
    // A terminal that is closed before the keys are read ends only the interface.
    terminal.wait("it was 0");
    terminal.close();
    world.wait_state_gone();
}

#[test]
fn what_waits_for_input_is_marked_and_its_prompt_is_shown() {
    let world = app("");
    world.ok(["start", "-D"]);
    let terminal = Terminal::open(&world, "a", 80, 24);
    terminal.tmo("ui api");
    terminal.wait("pry>");
    terminal.wait("? api       asks");
    terminal.wait("1 asks");
    terminal.keys(["2", "d"]);
    terminal.wait("It waits for input at this prompt: pry>");
    terminal.keys(["q"]);
    terminal.keys(["i"]);
    terminal.line("42");
    terminal.wait("pry> 42");
    terminal.wait("you said 42");
    terminal.wait("● api");
    terminal.keys(["Escape"]);
    terminal.wait_for("the prompt is closed", |screen| !screen.contains("lines to api"));
    terminal.keys(["Q"]);
    terminal.wait("the run goes on");
    terminal.close();
    world.ok(["quit"]);
}

#[test]
fn an_earlier_time_shows_how_everything_was() {
    let world = app("on_exit = \"ignore\"\n");
    world.ok(["start", "-D"]);
    world.wait_text("web", "users 3\n");
    std::fs::write(world.app().join("bad"), "").unwrap();
    world.ok(["restart", "api"]);
    world.wait_state("api", "exited");
    let terminal = Terminal::open(&world, "a", 80, 24);
    terminal.tmo("ui");
    terminal.wait("✖ api       exit 3");
    terminal.keys(["2", "H"]);
    terminal.wait("▲ start");
    terminal.wait_for("the crash is marked", |screen| {
        screen.lines().any(|line| line.starts_with(" api") && line.contains('✖'))
    });
    // Back to before the restart: the cursor follows a search.
    terminal.typed("/listening");
    terminal.keys(["Enter", "N", "N", "N", "N", "N", "N"]);
    terminal.wait("▶listening on port 5000");
    terminal.wait("1 of ");
    terminal.wait(" ago");
    terminal.wait("● api       running");
    // And the log follows the cursor.
    terminal.keys(["{"]);
    // Output of the same moment may come after the event.
    terminal.wait_for("the log is at the start", |screen| {
        screen.contains("▶Started with pid") || screen.contains("▶connecting")
    });
    terminal.keys(["End"]);
    terminal.wait("✖ api       exit 3");
    terminal.keys(["H"]);
    terminal.wait_for("the timeline is gone", |screen| !screen.contains("▲ start"));
    terminal.keys(["Q"]);
    terminal.wait("the run goes on");
    terminal.close();
    world.ok(["quit"]);
}

#[test]
fn a_failed_life_is_compared_with_the_last_good_one() {
    let world = app("on_exit = \"ignore\"\n");
    world.ok(["start", "-D"]);
    world.wait_text("api", "5000\n");
    let terminal = Terminal::open(&world, "a", 80, 24);
    terminal.tmo("ui api");
    terminal.wait("pry>");
    terminal.keys(["D"]);
    terminal.wait("There is nothing to compare with");
    terminal.keys(["q"]);
    // A second life like the first.
    world.ok(["restart", "api"]);
    terminal.keys(["D"]);
    terminal.wait("It has printed nothing that the good ones did not print too");
    terminal.keys(["q"]);
    std::fs::write(world.app().join("bad"), "").unwrap();
    world.ok(["restart", "api"]);
    world.wait_state("api", "exited");
    terminal.keys(["D"]);
    terminal.wait("first line unlike any of the good");
    terminal.wait("+ warn: no database url");
    terminal.wait("+ fatal: no database");
    assert!(!terminal.screen().contains("+ listening"));
    terminal.keys(["Enter"]);
    terminal.wait("▶warn: no database url");
    // Another failure of the same kind.
    world.ok(["start", "api"]);
    eventually("the second failure", || {
        let state = world.state()?;
        let api = state["processes"].as_array()?.iter().find(|one| one["name"] == "api")?;
        (api["lives"] == 4 && api["state"] == "exited").then_some(())
    });
    terminal.keys(["D"]);
    terminal.wait("It ended like the one before: api, started");
    terminal.wait("+ fatal: no database");
    terminal.keys(["q", "Q"]);
    terminal.wait("the run goes on");
    terminal.close();
    world.ok(["quit"]);
}
