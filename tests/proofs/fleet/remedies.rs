//! Each thing that can be wrong with a host is said in one line, with what helps.

use std::path::Path;
use std::time::Duration;

use crate::fleet::hosts::{Fleet, Host, Setup};
use crate::fleet::relay::Relay;
use crate::harness::Ran;
use crate::table::Table;

const PROCFILE: &str = "web: exec sleep 1000\n";

/// How a case fails: the command, what the row or line of the host holds, and the exit code.
type Case<'a> = (&'a str, &'a [&'a str], &'a [&'a str], i32);

pub(crate) fn remedies(_: u32, _: u64) -> Table {
    let mut table = Table::default();
    let full = "mount -t tmpfs -o size=64k tmpfs \"$5/state\" && { cat /dev/zero > \"$5/state/full\" 2>/dev/null || :; }";
    let setups = [
        ("fine", Setup::default()),
        ("full", Setup { before: full, ..Setup::default() }),
        ("no-tmo", Setup { path: Some("/usr/bin:/bin"), ..Setup::default() }),
    ];
    let hosts = setups.map(|(name, setup)| Host::new(name, PROCFILE, setup));
    let fleet = Fleet::of(hosts.into());
    for host in &fleet.hosts {
        fleet.entry(&host.name, host, host.port, "");
    }
    let fine = &fleet.hosts[0];
    fleet.ok(&["start", "fine/"]);
    let file = |name: &str| fleet.here.path().join(name);
    // Names of one address and port share a connection.
    let relay = Relay::new(fine.port, Duration::ZERO);
    std::fs::write(file("no_hosts"), "").unwrap();
    let unknown = format!("UserKnownHostsFile {}", file("no_hosts").display());
    fleet.entry("unknown-key", fine, relay.port, &unknown);
    let key = std::fs::read_to_string(file("key.pub")).unwrap();
    std::fs::write(file("other_hosts"), format!("fine {key}")).unwrap();
    let changed = format!("UserKnownHostsFile {}", file("other_hosts").display());
    fleet.entry("changed-key", fine, relay.port, &changed);
    fleet.entry("other-user", fine, relay.port, "PubkeyAuthentication no");
    fleet.entry("refused", fine, 1, "");
    let command = "RemoteCommand echo something else\nRequestTTY force";
    fleet.entry("remote-command", fine, relay.port, command);
    fleet.alias("wrong-root", fine, fine.port, "");
    fleet.root("wrong-root", Path::new("/nonexistent"));
    let cases: &[Case<'_>] = &[
        (
            "unknown-key",
            &["ps"],
            &["Its key is not known here; `ssh unknown-key` shows it and asks"],
            3,
        ),
        (
            "changed-key",
            &["ps"],
            &["Its key has changed; `ssh changed-key` names the line of known_hosts"],
            3,
        ),
        (
            "other-user",
            &["ps"],
            &["Permission denied (publickey", "`ssh other-user true` tries it"],
            3,
        ),
        ("refused", &["ps"], &["Connection refused", "`ssh refused true` tries it"], 3),
        (
            "wrong-root",
            &["ps"],
            &["/nonexistent: no such file or directory; `root` in fleet.toml"],
            1,
        ),
        (
            "full",
            &["start"],
            &["full/  started", "no space left on device; the run goes on", "TMO_LOG_DIR"],
            0,
        ),
        (
            "no-tmo",
            &["ps"],
            &[
                "there is no tmo; looked in its PATH, ~/.local/bin",
                "`tmo fleet install` puts it there",
            ],
            3,
        ),
        ("remote-command", &["ps"], &["web "], 0),
    ];
    for (host, verb, texts, code) in cases {
        let ran = fleet.run(&[verb, &["--hosts", host][..]].concat());
        judge(&mut table, host, &ran, texts, *code);
    }
    // The control socket would have a path that is too long for a socket: each call connects for itself.
    let long = file(&"r".repeat(90));
    std::fs::create_dir(&long).unwrap();
    let mut ps = fleet.command(&["ps", "--hosts", "fine"]);
    let ran = Ran::of(&ps.env("XDG_RUNTIME_DIR", &long).output().unwrap());
    judge(&mut table, "long runtime path", &ran, &["web "], 0);
    fleet.ok(&["quit", "--hosts", "fine,full"]);
    fleet.hosts.iter().for_each(Host::wait_idle);
    table
}

/// All texts are in what is printed, and nothing else than a row or line for the host and the summary.
fn judge(table: &mut Table, what: &str, ran: &Ran, texts: &[&str], code: i32) {
    let all = format!("{}{}", ran.stdout, ran.stderr);
    let missing: Vec<_> = texts.iter().filter(|text| !all.contains(**text)).collect();
    let rows = ran.stdout.lines().filter(|line| !line.starts_with("HOST ")).count();
    // On a slow machine, that it waits is said, too.
    let errors = ran.stderr.lines().filter(|line| !line.starts_with("tmo: waiting"));
    let is_right = missing.is_empty() && ran.code == code && rows == 1 && errors.count() <= 1;
    if !is_right {
        eprintln!("{what}: {ran:?}");
    }
    table.must(
        what,
        if is_right { "right".to_owned() } else { format!("lacks {missing:?}") },
        "right",
    );
}
