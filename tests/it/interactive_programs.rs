//! Interactive programs in `tmo connect`, as far as they are installed.

use crate::harness::{Terminal, World, eventually};

/// Connect to the one process, which runs this program, if there is one.
fn with(program: &str, command: &str, test: impl FnOnce(&World, &Terminal<'_>)) {
    let world = World::new(&format!("web: {command}\n"));
    // A name may be there that stands for none.
    if world.shell(&format!("{program} --version")).code != 0 {
        eprintln!("SKIPPED: there is no {program}");
        return;
    }
    let mut view = world.start([""; 0]);
    world.wait_state("web", "running");
    let terminal = Terminal::open(&world, "a", 90, 24);
    terminal.tmo("connect web");
    terminal.wait_connected("C-b C-b d");
    test(&world, &terminal);
    terminal.close();
    // What it makes of an interrupt is its own affair.
    view.interrupt();
}

#[test]
fn pythons_debugger_takes_commands_in_connect() {
    let program = "x = 6\nprint('before')\nbreakpoint()\nprint('after', x)\nbreakpoint()\n";
    let command = "python3 -u app.py";
    let world = World::new(&format!("web: {command}\n"));
    if world.shell("python3 --version").code != 0 {
        eprintln!("SKIPPED: there is no python3");
        return;
    }
    world.write("app.py", program);
    let mut view = world.start([""; 0]);
    view.shows("| before\n");
    eventually("where it waits is in the table", || {
        world
            .ok(["ps"])
            .contains("waits for input: (Pdb); `tmo connect web` answers it")
            .then_some(())
    });
    let terminal = Terminal::open(&world, "a", 90, 24);
    terminal.tmo("connect web");
    terminal.wait("(Pdb)");
    terminal.line("p x * 7");
    terminal.wait("42");
    terminal.line("x = 'changed'");
    terminal.line("c");
    terminal.wait("after changed");
    view.shows("| after changed\n");
    // Its line editor: what was typed last comes back.
    terminal.line("p x + '!'");
    terminal.wait("'changed!'");
    terminal.close();
    view.interrupt();
}

#[test]
fn vim_edits_a_file_in_connect() {
    with("vim", "exec vim -u NONE -N note.txt", |world, terminal| {
        terminal.wait("~");
        terminal.typed("ihello from vim");
        terminal.keys(["Escape"]);
        terminal.line(":w");
        terminal.wait("written");
        assert_eq!(world.read("note.txt"), "hello from vim\n");
        // It has the whole terminal less the status line.
        terminal.resize(60, 18);
        eventually("it has the new size", || {
            let rows = if world.is_native() { "x18" } else { "x17" };
            crate::connect::size(world, "web").ends_with(rows).then_some(())
        });
    });
}

#[test]
fn redis_cli_edits_its_line_in_connect() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("s");
    let server = format!("redis-server --port 0 --unixsocket {} --save ''", socket.display());
    let client = format!("redis-cli -s {}", socket.display());
    let command = format!(
        "{server} --daemonize no >/dev/null & \
         until {client} ping >/dev/null 2>&1; do :; done; exec {client}"
    );
    with("redis-cli", &command, |_, terminal| {
        terminal.wait("/s>");
        terminal.line("set colour green");
        terminal.wait("OK");
        terminal.typed("get colourX");
        terminal.keys(["BSpace", "Enter"]);
        terminal.wait("\"green\"");
        terminal.keys(["Up"]);
        terminal.wait("> get colour");
        terminal.keys(["C-u"]);
    });
}
