//! `tmo fleet install` onto hosts without tmo, also over connections that are cut.

use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::process::Command;

use crate::fleet::hosts::{Fleet, Host, Setup, must};
use crate::fleet::relay::{Cut, Relay};
use crate::harness::{Ran, eventually_or};
use crate::table::Table;

const PROCFILE: &str = "web: echo hello; exec sleep 1000\n";

const BARE: Setup<'_> = Setup { before: "", config: "", path: Some("/usr/bin:/bin") };

/// Where the program goes.
fn place(host: &Host) -> PathBuf {
    host.world.home().join(".local/bin/tmo")
}

/// The files where the program goes.
fn files(host: &Host) -> Vec<String> {
    let entries = place(host).parent().unwrap().read_dir().into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().display().to_string()).collect()
}

/// The pid of the supervisor of the run there, and the inode of its program.
fn supervisor(host: &Host) -> (u32, u64) {
    let pid = host.world.supervisor();
    (pid, std::fs::metadata(format!("/proc/{pid}/exe")).unwrap().ino())
}

pub(crate) fn install(_: u32, _: u64) -> Table {
    let hosts = ["a", "b"].map(|name| Host::new(name, PROCFILE, BARE));
    let fleet = Fleet::of(hosts.into());
    let [a, b] = &fleet.hosts[..] else { unreachable!() };
    let relay = Relay::new(b.port, std::time::Duration::ZERO);
    fleet.entry("a", a, a.port, "");
    fleet.entry("b", b, relay.port, "");
    // Without what debuggers read, the program is less than half as large.
    let own = fleet.here.path().join("tmo");
    must(Command::new("strip").arg("-o").arg(&own).arg(env!("CARGO_BIN_EXE_tmo")));
    let run = |words: &[&str]| {
        Ran::of(&fleet.here.command(&own).arg("fleet").args(words).output().unwrap())
    };
    let mut table = Table::default();
    let ran = run(&["ps"]);
    let says = ran.stdout.matches("there is no tmo; looked in its PATH").count() == 2
        && ran.stderr.contains("`tmo fleet install a b` puts it there");
    judge(&mut table, "without tmo", &ran, says, 3);

    let program = std::fs::read(&own).unwrap();
    let installed = format!("installed tmo {} as ~/.local/bin/tmo\n", env!("CARGO_PKG_VERSION"));
    let is_there = "has this program already, as ~/.local/bin/tmo\n";
    for how in [Cut::Closed, Cut::Reset] {
        relay.cut_after(program.len() / 2, how);
        let ran = run(&["install"]);
        let of_a = if how == Cut::Closed { &installed } else { is_there };
        let (first, second) = ran.stdout.split_once('\n').unwrap_or_default();
        let says =
            first == format!("a  {}", of_a.trim_end()) && second.starts_with("b  unreachable: ");
        judge(&mut table, &format!("{how:?} during the copy"), &ran, says && !relay.is_to_cut(), 3);
        let left = || files(b).is_empty().then_some(());
        eventually_or("nothing is left of the copy", left, || format!("{:?}", files(b)));
    }
    let ran = run(&["install"]);
    let says = ran.stdout == format!("a  {is_there}b  {installed}");
    judge(&mut table, "the next one", &ran, says, 0);
    let is_whole = [a, b].iter().all(|host| std::fs::read(place(host)).unwrap() == program);
    table.must("both have the program", is_whole, true);
    let ran = run(&["install"]);
    judge(&mut table, "once more", &ran, ran.stdout == format!("a  {is_there}b  {is_there}"), 0);

    fleet.ok(&["start"]);
    for host in [a, b] {
        host.world.wait_text("web", "hello");
    }
    let ran = run(&["ps"]);
    judge(&mut table, "ps", &ran, ran.stdout.matches("  running ").count() == 2, 0);
    let ran = run(&["logs", "-n", "1"]);
    let lines = ran.stdout.lines().filter(|line| line.ends_with("| hello"));
    judge(&mut table, "logs -n 1", &ran, lines.count() == 2, 0);

    // Another program, which does the same.
    let other = fleet.here.path().join("other");
    std::fs::write(&other, [&program[..], b"another"].concat()).unwrap();
    let before = [a, b].map(supervisor);
    let ran = run(&["install", "--from", &other.display().to_string()]);
    let says = ran.stdout == format!("a  {installed}b  {installed}");
    judge(&mut table, "while a run is there", &ran, says, 0);
    table.must(
        "the run has its supervisor and its program",
        before == [a, b].map(supervisor),
        true,
    );
    let is_new = |(host, (_, own)): (&Host, (u32, u64))| {
        std::fs::metadata(place(host)).unwrap().ino() != own && files(host) == ["tmo"]
    };
    table.must("the program is another one", [a, b].into_iter().zip(before).all(is_new), true);
    fleet.ok(&["restart", "a/web", "b/web"]);
    let lives = [a, b].map(|host| host.world.field("web", "lives").as_u64());
    table.must("its processes can be restarted", lives == [Some(2); 2], true);
    fleet.quit();
    table
}

fn judge(table: &mut Table, what: &str, ran: &Ran, is_right: bool, code: i32) {
    let is_right = is_right && ran.code == code;
    if !is_right {
        eprintln!("{what}: {ran:?}");
    }
    table.must(what, is_right, true);
}
