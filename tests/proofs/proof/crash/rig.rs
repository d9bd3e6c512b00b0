//! Four writers under tmo, and the controls that make them write and kill the parts around them.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::process::Stdio;
use std::time::{Duration, Instant};

use nix::sys::stat::Mode;

use crate::harness::{World, eventually_within, pause, procs};
use crate::lines::each_line;
use crate::proof::check::{Faults, Lines, Merged};
use crate::proof::programs;
use crate::random::Random;
use crate::table::Table;

/// The writers.
pub(super) const NAMES: [&str; 4] = ["alpha", "beta", "gamma", "delta"];
/// How long a burst may take.
const PATIENCE: Duration = Duration::from_secs(120);

pub(super) struct Rig<'a> {
    pub(super) world: &'a World,
    random: Random,
    gates: Vec<File>,
    acks: File,
    most: u64,
    began: Instant,
    lasted: Duration,
    pub(super) kills: u32,
    /// Kills of holders of terminals.
    pub(super) holders: u32,
    together: u32,
    guardians: u32,
}

/// A world with the writers; those that write `whole` lines end no burst within one.
pub(super) fn world(whole: bool) -> World {
    let procfile = NAMES.map(|name| {
        let command = programs::command(&format!("gated {name}"));
        format!("{name}: {command}\n")
    });
    let world =
        World::new(&procfile.concat()).env("TMO_LOG_PER_PROCESS", "0").env("TMO_LOG_TOTAL", "0");
    if whole { world.env("WHOLE_LINES", "1") } else { world }
}

impl<'a> Rig<'a> {
    /// `most` is the most KiB that a writer writes in a burst.
    pub(super) fn new(world: &'a World, seed: u64, most: u64) -> Self {
        let fifo = |name: &str| {
            let path = world.app().join(name);
            nix::unistd::mkfifo(&path, Mode::S_IRUSR | Mode::S_IWUSR).unwrap();
            let flags = nix::libc::O_NONBLOCK;
            File::options().read(true).write(true).custom_flags(flags).open(path).unwrap()
        };
        let gates = NAMES.iter().map(|name| fifo(&format!("gate.{name}"))).collect();
        let acks = fifo("acks");
        Self {
            random: Random::new(seed),
            gates,
            acks,
            most,
            began: Instant::now(),
            lasted: Duration::from_millis(300),
            kills: 0,
            holders: 0,
            together: 0,
            guardians: 0,
            world,
        }
    }

    /// Wait until all run; their pids.
    pub(super) fn ready(&self) -> Vec<u32> {
        NAMES.map(|name| self.world.wait_state(name, "running").unwrap()).into()
    }

    /// The pids of the first and only lives.
    pub(super) fn pids(&self) -> Vec<u32> {
        // Somebody may just be taking over.
        let state = eventually_within(PATIENCE, "somebody answers", || self.world.state());
        let of = |name: &str| {
            let all = state["processes"].as_array().unwrap();
            let process = all.iter().find(|process| process["name"] == name).unwrap();
            assert_eq!(process["lives"], 1);
            u32::try_from(process["pid"].as_u64().unwrap()).unwrap()
        };
        NAMES.map(of).into()
    }

    /// Let all write, each another amount.
    pub(super) fn burst(&mut self) {
        self.began = Instant::now();
        for gate in &mut self.gates {
            let kib = u32::try_from(self.most / 4 + self.random.below(self.most)).unwrap();
            gate.write_all(&kib.to_le_bytes()).unwrap();
        }
    }

    /// Wait until all have written what they were to write.
    pub(super) fn settle(&mut self) {
        for _ in NAMES {
            eventually_within(PATIENCE, "the writers are done", || {
                self.acks.read_exact(&mut [0]).ok()
            });
        }
        self.lasted = self.began.elapsed();
    }

    /// A moment within a burst, judged by the last one.
    pub(super) fn moment(&mut self) -> Duration {
        self.random.within(self.lasted)
    }

    /// How often to kill in this burst.
    pub(super) fn strikes(&mut self) -> u64 {
        1 + self.random.below(3)
    }

    /// Wait for a moment, then kill the supervisor, sometimes with its guardian, which is killed
    /// before it or just after it.
    pub(super) fn strike(&mut self) {
        let moment = self.random.within(self.lasted / 2);
        pause(moment);
        let supervisor =
            eventually_within(PATIENCE, "a supervisor is there", || self.world.part("supervise"));
        let guardian = self.world.part("guard");
        let choice = self.random.below(8);
        let mut victims = vec![supervisor];
        if let Some(guardian) = guardian.filter(|_| choice < 3) {
            victims.insert(usize::from(choice == 2), guardian);
            self.together += 1;
        }
        kill(&victims);
        if let Some(guardian) = guardian.filter(|_| choice == 3) {
            pause(moment);
            kill(&[guardian]);
            self.guardians += 1;
        }
        self.kills += 1;
    }

    /// Wait for a moment, then kill the holder of a terminal.
    pub(super) fn strike_holder(&mut self) {
        let moment = self.random.within(self.lasted / 2);
        pause(moment);
        let name = NAMES[usize::try_from(self.random.below(4)).unwrap()];
        let holder =
            eventually_within(PATIENCE, "a holder is there", || self.world.pane_part("sink", name));
        kill(&[holder]);
        self.holders += 1;
    }

    /// Whether nobody is left who would start another supervisor.
    pub(super) fn orphaned(&self) -> bool {
        self.world.part("guard").is_none() && self.world.part("supervise").is_none()
    }

    pub(super) fn tell(&self, what: &str, table: &mut Table) {
        table.figure(format!("{what}: kills of the supervisor"), self.kills);
        table.figure("together with its guardian", self.together);
        table.figure("kills of the guardian alone", self.guardians);
    }

    /// How many lines each process says it has written.
    pub(super) fn written(&self) -> BTreeMap<String, u64> {
        let of = |name: &str| self.world.read(&format!("total.{name}")).parse().unwrap_or(u64::MAX);
        NAMES.iter().map(|name| ((*name).to_owned(), of(name))).collect()
    }

    /// The end of the last line of each process, as far as they have come.
    pub(super) fn last_lines(&self) -> Vec<Vec<u8>> {
        let last = |name: &&str| {
            let text = self.world.ok(["logs", "--no-prefix", "-n", "1", *name]);
            text.trim_end().as_bytes().to_vec()
        };
        NAMES.iter().map(last).collect()
    }

    /// The output of a command, piped into `take`.
    pub(super) fn run(&self, args: &[&str]) -> impl std::io::Read + use<> {
        let mut child =
            self.world.tmo(args).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
        Output { out: child.stdout.take().unwrap(), child }
    }

    pub(super) fn open(&self, name: &str) -> File {
        File::open(self.world.app().join(name)).unwrap()
    }

    /// Compare what the journal has of each process.
    pub(super) fn journal(&self) -> Faults {
        let written = self.written();
        let mut all = Faults::default();
        for name in NAMES {
            let mut lines = Lines::new(name);
            each_line(self.run(&["logs", "--no-prefix", name]), |line| _ = lines.take(line));
            all += lines.end(written[name]);
        }
        all
    }

    /// Compare the merged log.
    pub(super) fn merged(&self, text: impl std::io::Read, table: &mut Table) {
        let mut merged = Merged::new(&NAMES);
        merged.read(text);
        let started: u64 =
            NAMES.iter().map(|name| merged.count(&format!("{name}: Started with pid"))).sum();
        let exited: u64 = NAMES.iter().map(|name| merged.count(&format!("{name}: Exited"))).sum();
        if std::env::var("PROOF_SAID").is_ok() {
            eprintln!("{:#?}", merged.said);
        }
        merged.end(&self.written()).tell("merged", table);
        table.must("merged: starts told", started, NAMES.len());
        table.must("merged: exits told", exited, NAMES.len());
    }

    /// Compare what a terminal was sent.
    pub(super) fn on_screen(&self, raw: &[u8], table: &mut Table) {
        let mut plain = without_escapes(raw);
        // The terminal's echo of the key that ended it.
        if let Some(typed) = memchr::memmem::rfind(&plain, b"^C") {
            plain.drain(typed..typed + 2);
        }
        let mut merged = Merged::new(&NAMES);
        let from = memchr::memmem::find(&plain, b"system").unwrap_or(0);
        let to = memchr::memmem::rfind(&plain, b"ready>").unwrap_or(plain.len());
        merged.read(&plain[from..to]);
        merged.end(&self.written()).tell("on the terminal", table);
    }
}

/// SIGKILL, and wait until they are gone.
fn kill(pids: &[u32]) {
    for pid in pids {
        procs::kill(*pid, 9);
    }
    eventually_within(PATIENCE, "the killed are gone", || {
        (!pids.iter().any(|pid| procs::alive(*pid))).then_some(())
    });
}

/// A child's output; its end is waited for.
struct Output {
    child: std::process::Child,
    out: std::process::ChildStdout,
}

impl std::io::Read for Output {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.out.read(buffer)?;
        if read == 0 && !buffer.is_empty() {
            assert!(self.child.wait()?.success());
        }
        Ok(read)
    }
}

/// Text without control sequences.
fn without_escapes(raw: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(raw.len());
    let mut bytes = raw.iter().copied();
    while let Some(byte) = bytes.next() {
        if byte != 0x1b {
            plain.push(byte);
            continue;
        }
        match bytes.next() {
            Some(b'[') => _ = bytes.by_ref().find(|b| (0x40..=0x7e).contains(b)),
            Some(b']') => _ = bytes.by_ref().find(|&b| b == 7),
            Some(_) | None => {}
        }
    }
    plain
}
