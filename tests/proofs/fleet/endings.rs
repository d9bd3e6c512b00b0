//! What is left after Ctrl-C and after the end of a run; and a terminal on a host.

use std::os::unix::process::CommandExt as _;
use std::process::Stdio;

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

use crate::fleet::hosts::{Fleet, Host};
use crate::harness::{Terminal, eventually, procs};
use crate::table::Table;

const PROCFILE: &str = "web: echo hello; while read x; do echo \"got $x\"; done\n";

/// What `exec` has started there.
fn sleeps(host: &Host) -> Vec<u32> {
    let all = host.processes().into_iter();
    all.filter(|process| process.args == ["sleep", "1000"]).map(|process| process.pid).collect()
}

/// Ctrl-C during commands that do not end.
pub(crate) fn interrupted(_: u32, _: u64) -> Table {
    let fleet = Fleet::new(2, PROCFILE, true);
    let mut table = Table::default();
    // A terminal sends the signal to all processes of the command; a program may send it to tmo alone.
    for (is_group, flags, kept) in [
        (true, &[][..], 2),
        (false, &[], 2),
        (true, &["--no-persist"], 0),
        (false, &["--no-persist"], 0),
    ] {
        fleet.end_kept();
        let words = [&["exec"][..], flags, &["--", "sleep", "1000"]].concat();
        let mut exec = fleet.command(&words);
        exec.process_group(0).stdout(Stdio::null()).stderr(Stdio::null());
        let mut exec = exec.spawn().unwrap();
        eventually("the command runs on all hosts", || {
            fleet.hosts.iter().all(|host| !sleeps(host).is_empty()).then_some(())
        });
        let pid = Pid::from_raw(i32::try_from(exec.id()).unwrap());
        if is_group {
            killpg(pid, Signal::SIGINT).unwrap();
        } else {
            kill(pid, Signal::SIGINT).unwrap();
        }
        let ended = eventually("it has ended", || exec.try_wait().unwrap());
        let what = format!("exec, Ctrl-C to {}", if is_group { "all" } else { "tmo" });
        let what = format!("{what} {}", flags.concat());
        table.must(format!("{what}: is a success"), ended.success(), false);
        fleet.wait_kept(kept);
        // As with ssh, a command without a terminal that neither reads nor prints goes on there.
        for pid in fleet.hosts.iter().flat_map(sleeps) {
            procs::kill(pid, 9);
        }
    }
    let terminal = Terminal::open(&fleet.here, "a", 90, 30);
    for (flags, kept) in [("", 1), (" --no-persist", 0)] {
        fleet.end_kept();
        terminal.clear();
        terminal.tmo(&format!("fleet logs -f a/{flags}; echo 'it is'  over"));
        terminal.wait("hello");
        terminal.keys(["C-c"]);
        terminal.wait("it is over");
        fleet.wait_kept(kept);
        let left = || {
            (!fleet.hosts[0].programs().iter().any(|p| p.args.contains(&"--follow".to_owned())))
                .then_some(())
        };
        eventually("no stream is left there", left);
    }
    terminal.close();
    fleet.quit();
    table
}

/// The terminal of a process, through `ssh -t`.
pub(crate) fn terminal(_: u32, _: u64) -> Table {
    let fleet = Fleet::new(2, PROCFILE, true);
    let terminal = Terminal::open(&fleet.here, "a", 90, 30);
    terminal.tmo("fleet connect b/web; echo 'it is'  over");
    terminal.wait("hello");
    terminal.line("abc");
    terminal.wait("got abc");
    terminal.resize(70, 20);
    terminal.line("def");
    terminal.wait("got def");
    terminal.keys(["C-b", "d"]);
    terminal.wait("it is over");
    terminal.clear();
    terminal.tmo("fleet ui a/; echo 'it is'  over");
    terminal.wait("web");
    terminal.keys(["q"]);
    terminal.wait("it is over");
    fleet.wait_kept(2);
    let printed = fleet.ok(&["logs", "b/web"]);
    let mut table = Table::default();
    table.must("typed lines in the log of the host", printed.matches("got ").count(), 2);
    terminal.close();
    fleet.quit();
    table
}
