//! A shim in a terminal of its own; the test acts as supervisor and tmux.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use nix::libc;
use rustix::event::{PollFd, PollFlags, Timespec};
use tmo::model::plan::{Inherit, LogPolicy, Stdin};
use tmo::model::{LifeId, ProcName};
use tmo::protocol::life::{LifeEntry, LifeEvent, LifeReader};
use tmo::protocol::paths::PanePaths;
use tmo::protocol::spec::{SPEC_VERSION, Spec, Want};
use tmo::sys;

/// Nothing here takes that long unless it is broken.
pub const LONG: Duration = Duration::from_secs(60);

/// What the terminal has received so far.
#[derive(Default)]
pub struct Screen {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    bytes: Vec<u8>,
    over: bool,
}

pub struct Pane {
    pub dir: tempfile::TempDir,
    pub paths: PanePaths,
    pub spec: Spec,
    pub screen: Arc<Screen>,
    pub master: Option<File>,
    shim: Child,
    bell: File,
    life: LifeReader,
    fresh: VecDeque<LifeEntry>,
    pub seen: Vec<LifeEntry>,
}

/// A spec that wants nothing yet; `$DIR` in the environment is the directory of the test.
pub fn spec(dir: &std::path::Path, command: &str) -> Spec {
    let path = std::env::vars_os().find(|(name, _)| name == "PATH").unwrap().1;
    Spec {
        version: SPEC_VERSION,
        generation: 1,
        name: ProcName::new("web").unwrap(),
        run: format!("test-{}", dir.file_name().unwrap().to_str().unwrap()),
        want: Want::Stop,
        life: None,
        kill: None,
        shell: "sh".into(),
        command: command.into(),
        argv: None,
        cwd: dir.into(),
        env: vec![("PATH".into(), path.into()), ("DIR".into(), dir.into())],
        stdin: Stdin::default(),
        no_terminal: false,
        split_stderr: false,
        term: None,
        notify: false,
        watchdog_ms: None,
        inherit: Inherit { umask: 0o022, ..Inherit::default() },
        stop_signal: libc::SIGINT,
        grace_ms: 600_000,
        known: 0,
        log: LogPolicy { dir: dir.into(), per_process: 0, total: 0, max_age_ms: 0 },
    }
}

impl Pane {
    /// A shim that has said `up`, with this command in its spec.
    pub fn open(command: &str) -> Self {
        Self::open_with(command, true)
    }

    /// The same, perhaps with nobody reading the terminal.
    pub fn open_with(command: &str, read: bool) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("web.spec");
        let spec = spec(dir.path(), command);
        spec.write(&path).unwrap();
        let paths = PanePaths::beside(&path);
        nix::unistd::mkfifo(&paths.bell(), nix::sys::stat::Mode::S_IRWXU).unwrap();
        let bell = File::options()
            .read(true)
            .write(true)
            .custom_flags(libc::O_NONBLOCK)
            .open(paths.bell())
            .unwrap();
        let pty = nix::pty::openpty(None, None).unwrap();
        let shim = spawn(&path, pty.slave);
        let master = File::from(pty.master);
        let screen = Arc::<Screen>::default();
        if read {
            collect(master.try_clone().unwrap(), Arc::clone(&screen));
        }
        let life = LifeReader::new(&paths.life());
        let (fresh, seen) = (VecDeque::new(), vec![]);
        let master = Some(master);
        let mut pane = Self { dir, paths, spec, screen, master, shim, bell, life, fresh, seen };
        pane.expect("up", |event| matches!(event, LifeEvent::Up { .. }));
        pane
    }

    /// Another shim in another terminal, when the first has ended.
    pub fn reopen(&mut self) {
        let pty = nix::pty::openpty(None, None).unwrap();
        self.spec.want = Want::Stop;
        self.spec.write(&self.paths.spec()).unwrap();
        self.shim = spawn(&self.paths.spec(), pty.slave);
        let master = File::from(pty.master);
        collect(master.try_clone().unwrap(), Arc::clone(&self.screen));
        self.master = Some(master);
        self.expect("up", |event| matches!(event, LifeEvent::Up { .. }));
    }

    /// Change the spec and ring.
    pub fn set(&mut self, change: impl FnOnce(&mut Spec)) {
        change(&mut self.spec);
        self.spec.generation += 1;
        self.spec.write(&self.paths.spec()).unwrap();
        self.signal(libc::SIGUSR1);
    }

    /// Want this life.
    pub fn run(&mut self, life: u32) {
        self.set(|spec| {
            spec.want = Want::Run;
            spec.life = Some(LifeId::nth(life));
        });
    }

    pub fn signal(&self, signal: i32) {
        let pid = self.shim.id();
        let started = sys::start_time(pid).unwrap();
        assert!(sys::signal((pid, started).into(), signal).unwrap());
    }

    pub fn pid(&self) -> u32 {
        self.shim.id()
    }

    /// Wait for the next event of a kind; all until then are kept in `seen`.
    #[track_caller]
    pub fn expect(&mut self, what: &str, is: impl Fn(&LifeEvent) -> bool) -> LifeEntry {
        let until = Instant::now() + LONG;
        loop {
            self.fresh.extend(self.life.poll().unwrap());
            while let Some(entry) = self.fresh.pop_front() {
                self.seen.push(entry.clone());
                if is(&entry.event) {
                    return entry;
                }
            }
            let left = until.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "no `{what}` came: {:#?}\n{}", self.seen, self.screen.text());
            readable(&self.bell, left);
            let _ = self.bell.read(&mut [0; 64]);
        }
    }

    #[track_caller]
    pub fn start(&mut self, life: u32) -> u32 {
        self.run(life);
        self.started(life)
    }

    #[track_caller]
    pub fn started(&mut self, life: u32) -> u32 {
        let is = |event: &LifeEvent| matches!(event, LifeEvent::Start { life: l, .. } if l.number() == life);
        let entry = self.expect("start", is);
        let LifeEvent::Start { pid, .. } = entry.event else { panic!() };
        pid
    }

    #[track_caller]
    pub fn exit(&mut self) -> LifeEntry {
        self.expect("exit", |event| matches!(event, LifeEvent::Exit { .. }))
    }

    #[track_caller]
    pub fn end(&mut self) -> LifeEntry {
        self.expect("end", |event| matches!(event, LifeEvent::End { .. }))
    }

    /// Tell it to go, and wait until it has.
    #[track_caller]
    pub fn finish(&mut self) {
        self.set(|spec| spec.want = Want::End);
        self.expect("down", |event| matches!(event, LifeEvent::Down {}));
        assert!(self.shim.wait().unwrap().success());
    }

    #[track_caller]
    pub fn wait_shim(&mut self) -> std::process::ExitStatus {
        self.shim.wait().unwrap()
    }

    /// Type into the terminal.
    pub fn type_in(&mut self, text: &str) {
        self.master.as_mut().unwrap().write_all(text.as_bytes()).unwrap();
    }

    /// Let a reader begin whom [`Pane::open_with`] left out.
    pub fn read_on(&self) {
        collect(self.master.as_ref().unwrap().try_clone().unwrap(), Arc::clone(&self.screen));
    }

    /// Events so far, as one word each.
    pub fn words(&self) -> Vec<String> {
        let word = |entry: &LifeEntry| {
            let value = serde_json::to_value(entry).unwrap();
            value["event"].as_str().unwrap().to_owned()
        };
        self.seen.iter().map(word).collect()
    }

    /// The number in this file of the test's directory, once there is one.
    #[track_caller]
    pub fn number_in(&self, file: &str) -> u32 {
        let path = self.dir.path().join(file);
        let read = || std::fs::read_to_string(&path).ok()?.strip_suffix('\n')?.parse().ok();
        eventually(&format!("a number in {file}"), read)
    }

    pub fn text_of(&self, file: &str) -> String {
        std::fs::read_to_string(self.dir.path().join(file)).unwrap()
    }

    pub fn exists(&self, file: &str) -> bool {
        self.dir.path().join(file).exists()
    }
}

impl Pane {
    /// End what the shim, which is gone, has left of this run.
    pub fn kill_orphans(&self, run: &str) -> sys::OrphanReport {
        let (run, process) = (run.to_owned(), self.spec.name.to_string());
        let shim = self.shim.id();
        let (mains, known) = (vec![], vec![]);
        sys::kill_orphans(&sys::Orphans { run, process, shim, mains, known, witnessed: true })
    }
}

impl Drop for Pane {
    fn drop(&mut self) {
        let _ = self.shim.kill();
        let _ = self.shim.wait();
        self.kill_orphans(&self.spec.run);
    }
}

impl Screen {
    /// Wait until the terminal has received this; all bytes so far.
    #[track_caller]
    pub fn wait_for(&self, text: &str) -> Vec<u8> {
        let has = |state: &State| memchr::memmem::find(&state.bytes, text.as_bytes()).is_some();
        self.wait(text, has)
    }

    /// Wait until these bytes satisfy it.
    #[track_caller]
    pub fn wait_until(&self, what: &str, is: impl Fn(&[u8]) -> bool) -> Vec<u8> {
        self.wait(what, |state| is(&state.bytes))
    }

    #[track_caller]
    fn wait(&self, what: &str, is: impl Fn(&State) -> bool) -> Vec<u8> {
        let until = Instant::now() + LONG;
        let mut state = self.state.lock().unwrap();
        while !is(&state) {
            let left = until.saturating_duration_since(Instant::now());
            let text = state.bytes.escape_ascii().to_string();
            assert!(!left.is_zero() && !state.over, "no `{what}` in {text}");
            state = self.changed.wait_timeout(state, left).unwrap().0;
        }
        state.bytes.clone()
    }

    pub fn text(&self) -> String {
        self.state.lock().unwrap().bytes.escape_ascii().to_string()
    }
}

/// Wait for a condition that announces itself by nothing.
#[track_caller]
pub fn eventually<T>(what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + LONG;
    loop {
        if let Some(found) = probe() {
            return found;
        }
        assert!(Instant::now() < until, "never: {what}");
        rustix::event::poll(&mut [], Some(&Timespec { tv_sec: 0, tv_nsec: 2_000_000 })).unwrap();
    }
}

/// Whether a process with this number does anything.
pub fn lives(pid: u32) -> bool {
    sys::info(pid).is_some_and(|process| process.alive())
}

fn readable(fd: &File, time: Duration) {
    let mut fds = [PollFd::from_borrowed_fd(fd.as_fd(), PollFlags::IN)];
    let time = Timespec { tv_sec: time.as_secs().try_into().unwrap(), tv_nsec: 0 };
    let _ = rustix::event::poll(&mut fds, Some(&time));
}

fn collect(mut master: File, screen: Arc<Screen>) {
    std::thread::spawn(move || {
        let mut bytes = [0; 4096];
        loop {
            let count = master.read(&mut bytes).unwrap_or(0);
            let mut state = screen.state.lock().unwrap();
            state.bytes.extend_from_slice(&bytes[..count]);
            state.over = count == 0;
            screen.changed.notify_all();
            if count == 0 {
                return;
            }
        }
    });
}

fn spawn(spec: &std::path::Path, tty: OwnedFd) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tmo"));
    command.arg("shim").arg(spec).env_clear();
    command.env("TERM", "test-term").env("TMUX", "/tmp/x,1,0").env("TMUX_PANE", "%7");
    command.stdin(tty.try_clone().unwrap()).stdout(tty.try_clone().unwrap()).stderr(tty);
    let leaked = File::open("/dev/null").unwrap();
    #[expect(unsafe_code, reason = "what tmux does between fork and exec")]
    // SAFETY: plain system calls, nothing is allocated.
    unsafe {
        command.pre_exec(move || {
            rustix::process::setsid()?;
            rustix::process::ioctl_tiocsctty(rustix::stdio::stdin())?;
            // Something that the starter forgot to close.
            rustix::io::fcntl_setfd(&leaked, rustix::io::FdFlags::empty())?;
            assert!(leaked.as_raw_fd() > 2);
            Ok(())
        });
    }
    command.spawn().unwrap()
}
