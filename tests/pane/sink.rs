//! The sink as tmux runs it: a process with the output of a pane on its standard input.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tmo::journal::read::stream::{Read, StreamReader};
use tmo::journal::{Dirs, SegmentDir};
use tmo::model::plan::{Inherit, LogPolicy, Stdin};
use tmo::model::{LifeId, ProcName, text::OsText};
use tmo::protocol::paths::{PanePaths, spill_dir};
use tmo::protocol::spec::{SPEC_VERSION, Spec, Want};

const PATIENCE: Duration = Duration::from_secs(20);

/// The system calls that wait for a descriptor.
#[cfg(target_arch = "x86_64")]
const POLLS: [i64; 2] = [nix::libc::SYS_poll, nix::libc::SYS_ppoll];
#[cfg(not(target_arch = "x86_64"))]
const POLLS: [i64; 1] = [nix::libc::SYS_ppoll];

/// A runtime directory, a journal, and the sinks of one process.
struct Scene {
    dir: tempfile::TempDir,
    paths: PanePaths,
    journal: PathBuf,
    bell: File,
}

struct Sink {
    child: Child,
    input: Option<ChildStdin>,
}

impl Scene {
    fn new(per_process: u64) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let journal = dir.path().join("state/journal");
        Self::with_journal(dir, journal, per_process)
    }

    fn with_journal(dir: tempfile::TempDir, journal: PathBuf, per_process: u64) -> Self {
        fs::create_dir(dir.path().join("p")).unwrap();
        let name = ProcName::new("web#2").unwrap();
        let paths = PanePaths::new(dir.path(), &name);
        let spec = Spec {
            version: SPEC_VERSION,
            generation: 1,
            name,
            run: "run".to_owned(),
            want: Want::Run,
            life: Some(LifeId::FIRST),
            kill: None,
            shell: OsText::from("sh"),
            command: OsText::from("true"),
            argv: None,
            cwd: OsText::from("/"),
            env: vec![],
            stdin: Stdin::default(),
            no_terminal: false,
            split_stderr: false,
            term: None,
            notify: false,
            watchdog_ms: None,
            inherit: Inherit::default(),
            stop_signal: 2,
            grace_ms: 5000,
            known: 0,
            log: LogPolicy { dir: journal.clone().into(), per_process, total: 0, max_age_ms: 0 },
        };
        spec.write(&paths.spec()).unwrap();
        nix::unistd::mkfifo(&paths.bell(), nix::sys::stat::Mode::S_IRWXU).unwrap();
        let flags = nix::libc::O_NONBLOCK;
        let bell = File::options().read(true).custom_flags(flags).open(paths.bell()).unwrap();
        Self { dir, paths, journal, bell }
    }

    fn dirs(&self) -> Dirs {
        Dirs::new(&self.journal, Some(spill_dir(self.dir.path())))
    }

    fn sink(&self) -> Sink {
        self.sink_by(&mut Command::new(env!("CARGO_BIN_EXE_tmo")))
    }

    /// With a limit on the size of its files, in KiB: what a full disk looks like.
    fn limited_sink(&self, kib: u32) -> Sink {
        let mut shell = Command::new("bash");
        let program = env!("CARGO_BIN_EXE_tmo");
        shell.args(["-c", &format!("ulimit -f {kib}; exec \"$0\" \"$@\""), program]);
        self.sink_by(&mut shell)
    }

    fn sink_by(&self, command: &mut Command) -> Sink {
        let command = command.arg("sink").arg(self.paths.spec());
        let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
        let input = child.stdin.take();
        Sink { child, input }
    }

    /// Wait until the bell has rung this letter.
    fn heard(&mut self, letter: u8) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let mut byte = [0];
            match self.bell.read(&mut byte) {
                Ok(1) if byte[0] == letter => return,
                Ok(_) | Err(_) => {}
            }
            assert!(Instant::now() < deadline, "the bell never rang {}", letter as char);
            // A FIFO that nobody has opened yet is readable at once: the loop is short then.
            let mut fds = [PollFd::new(self.bell.as_fd(), PollFlags::POLLIN)];
            poll(&mut fds, PollTimeout::from(100u16)).unwrap();
        }
    }

    /// Wait until the stream has this many bytes, and read them; missing ones are left out.
    fn stream(&self, end: usize) -> Vec<u8> {
        let mut reader = StreamReader::open(&self.dirs(), "web.2");
        let deadline = Instant::now() + PATIENCE;
        while reader.end().unwrap() < end as u64 {
            assert!(Instant::now() < deadline, "{} of {end} bytes", reader.end().unwrap());
            std::thread::yield_now();
        }
        let (mut at, mut bytes, mut buffer) = (0, vec![], vec![0; 65_536]);
        loop {
            match reader.read_at(at, &mut buffer).unwrap() {
                Read::Bytes(read) => {
                    bytes.extend_from_slice(&buffer[..read]);
                    at += read as u64;
                }
                Read::Gap { next } => at = next,
                Read::End => return bytes,
            }
        }
    }
}

impl Sink {
    fn write(&mut self, bytes: &[u8]) {
        self.input.as_mut().unwrap().write_all(bytes).unwrap();
    }

    /// Wait until it sleeps in one of these system calls.
    fn waits_in(&self, calls: &[i64]) {
        let until = Instant::now() + PATIENCE;
        let file = format!("/proc/{}/syscall", self.child.id());
        loop {
            let now = fs::read_to_string(&file).unwrap();
            let call = now.split(' ').next().and_then(|number| number.parse().ok());
            if call.is_some_and(|call: i64| calls.contains(&call)) {
                return;
            }
            assert!(Instant::now() < until, "it does not wait, but is at {now}");
            std::thread::yield_now();
        }
    }

    fn end(mut self) {
        drop(self.input.take());
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        // After `end` it is gone, and this does nothing.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn sample(length: usize) -> Vec<u8> {
    // Every byte there is: NUL, CR LF, what is no UTF-8; and a line of more than a mebibyte.
    let mut bytes: Vec<u8> = (0..=255u8).cycle().take(length).collect();
    bytes.extend_from_slice(b"\r\n");
    bytes.extend(std::iter::repeat_n(b'x', (1 << 20) + 100));
    bytes.push(b'\n');
    bytes
}

#[test]
fn bytes_arrive_unchanged_over_many_segments() {
    let mut scene = Scene::new(256 << 10);
    let mut sink = scene.sink();
    scene.heard(b'S');
    let bytes = sample(1_000_000);
    for piece in bytes.chunks(50_000) {
        sink.write(piece);
    }
    scene.heard(b'd');
    sink.end();
    assert!(scene.stream(bytes.len()) == bytes, "the stream differs from what was written");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&scene.journal), 0o700);
    let files: Vec<PathBuf> =
        fs::read_dir(&scene.journal).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(files.len() > 20, "segments of 64 KiB and more, each with its times");
    assert!(files.iter().all(|path| mode(path) == 0o600));
    let mut reader = StreamReader::open(&scene.dirs(), "web.2");
    let mut byte = [0];
    reader.read_at(0, &mut byte).unwrap();
    let now = tmo::sys::clock::now();
    let time = reader.time_of(bytes.len() as u64).unwrap();
    assert!(time <= now && now.since(time).as_secs() < 20);
}

#[test]
fn a_second_sink_waits_and_continues_after_the_first() {
    let mut scene = Scene::new(1 << 20);
    let mut first = scene.sink();
    scene.heard(b'S');
    let mut second = scene.sink();
    second.write(b"second\n");
    first.write(b"first\n");
    scene.heard(b'd');
    assert_eq!(scene.stream(6), b"first\n", "the second waits");
    first.write(b"last words of the first\n");
    first.end();
    scene.heard(b'S');
    scene.heard(b'd');
    second.end();
    assert_eq!(scene.stream(37), b"first\nlast words of the first\nsecond\n");
    assert_eq!(scene.bell.read(&mut [0; 64]).unwrap(), 1, "the last word");
    assert_eq!(scene.bell.read(&mut [0; 64]).unwrap(), 0, "then nobody holds the bell");
}

#[test]
fn a_sink_replaced_before_its_turn_exits_silently() {
    for (late, copied) in [(false, false), (true, false), (true, true)] {
        let mut scene = Scene::new(1 << 30);
        // It has its number, and begins when its successor is at work.
        let mut shell = Command::new("sh");
        let go = scene.dir.path().join("go");
        nix::unistd::mkfifo(&go, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let line = format!("read x <{}; exec \"$0\" \"$@\"", go.display());
        let mut old = scene.sink_by(shell.args(["-c", &line, env!("CARGO_BIN_EXE_tmo")]));
        let mut new = scene.sink();
        scene.heard(b'S');
        new.write(b"second\n");
        old.write(b"first\n");
        if !late {
            drop(old.input.take());
        }
        fs::write(&go, "\n").unwrap();
        if late {
            // It is replaced while it waits.
            old.waits_in(&[nix::libc::SYS_flock]);
            // What tmux was just starting holds a copy of the pipe.
            let copy = old.input.as_ref().filter(|_| copied);
            let copy = copy.map(|input| input.as_fd().try_clone_to_owned().unwrap());
            drop(old.input.take());
            new.end();
            if copied {
                old.waits_in(&POLLS);
            }
            drop(copy);
            old.end();
        } else {
            old.end();
            new.write(b"third\n");
            new.end();
        }
        let all: &[u8] = if late { b"second\n" } else { b"second\nthird\n" };
        assert_eq!(scene.stream(all.len()), all);
        let logs = fs::read_dir(&scene.journal).unwrap().flatten();
        let logs = logs.filter(|entry| entry.path().extension().is_some_and(|e| e == "log"));
        let bytes: u64 = logs.map(|entry| entry.metadata().unwrap().len()).sum();
        assert_eq!(bytes, all.len() as u64);
    }
}

#[test]
fn signals_of_a_terminal_do_not_end_a_sink() {
    let mut scene = Scene::new(1 << 20);
    let mut sink = scene.sink();
    scene.heard(b'S');
    let pid = Pid::from_raw(i32::try_from(sink.child.id()).unwrap());
    for signal in
        [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGQUIT, Signal::SIGTSTP]
    {
        kill(pid, signal).unwrap();
    }
    sink.write(b"still there\n");
    assert_eq!(scene.stream(12), b"still there\n");
    sink.end();
}

#[test]
fn a_sink_spills_at_a_file_size_limit_without_loss() {
    let mut scene = Scene::new(0);
    let mut sink = scene.limited_sink(100);
    scene.heard(b'S');
    let bytes = sample(300_000);
    sink.write(&bytes[..300_000]);
    sink.end();
    let got = scene.stream(300_000);
    assert!(got == bytes[..300_000], "{} of 300000 bytes", got.len());
    assert!(fs::read_dir(spill_dir(scene.dir.path())).unwrap().count() > 0);
}

#[test]
fn a_sink_spills_the_newest_output_when_the_log_directory_is_unwritable() {
    let dir = tempfile::tempdir().unwrap();
    let blocked = dir.path().join("file");
    fs::write(&blocked, "").unwrap();
    let journal = blocked.join("journal");
    let mut scene = Scene::with_journal(dir, journal, 0);
    let mut sink = scene.sink();
    scene.heard(b'S');
    let bytes = sample(3_000_000);
    sink.write(&bytes);
    sink.end();
    let got = scene.stream(bytes.len());
    assert!(bytes.ends_with(&got), "the newest bytes are kept");
    assert!(got.len() > 500_000 && got.len() < 1_300_000, "a mebibyte of them: {}", got.len());
    let mut reader = StreamReader::open(&scene.dirs(), "web.2");
    let start = reader.start().unwrap();
    reader.read_at(start, &mut [0]).unwrap();
    assert_eq!(reader.segment().unwrap().place, SegmentDir::Spill);
}

#[test]
fn a_sink_retries_a_full_disk() {
    let dir = tempfile::tempdir().unwrap();
    let mount = dir.path().join("small");
    fs::create_dir(&mount).unwrap();
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=256k,mode=700", "tmo-test"])
        .arg(&mount)
        .stderr(Stdio::null())
        .status();
    if !mounted.is_ok_and(|status| status.success()) {
        println!("SKIPPED: a small file system can be mounted by root only");
        return;
    }
    let unmount = Unmount(mount.clone());
    let mut scene = Scene::with_journal(dir, mount.join("journal"), 0);
    fs::create_dir(mount.join("journal")).unwrap();
    let ballast = mount.join("ballast");
    fs::write(&ballast, vec![0; 100_000]).unwrap();
    let mut sink = scene.sink();
    scene.heard(b'S');
    let bytes = sample(2_500_000);
    sink.write(&bytes[..400_000]);
    let got = scene.stream(400_000);
    assert!(got == bytes[..400_000], "{} of 400000 bytes", got.len());
    let on_disk = || fs::read_dir(mount.join("journal")).unwrap().count();
    let before = on_disk();
    fs::remove_file(&ballast).unwrap();
    // At the beginning of its second spill segment it asks the disk again.
    sink.write(&bytes[400_000..1_000_000]);
    sink.end();
    assert!(scene.stream(1_000_000) == bytes[..1_000_000]);
    assert!(on_disk() > before, "the disk has taken more");
    drop(unmount);
}

struct Unmount(PathBuf);

impl Drop for Unmount {
    fn drop(&mut self) {
        let _ = Command::new("umount").args(["-l"]).arg(&self.0).status();
    }
}

#[test]
fn a_sink_uses_little_memory() {
    if cfg!(not(target_os = "linux")) {
        println!("SKIPPED: memory is measured on Linux only");
        return;
    }
    let mut scene = Scene::new(1 << 20);
    let mut sink = scene.sink();
    scene.heard(b'S');
    sink.write(&sample(1_000_000));
    scene.stream(1_000_000);
    let path = format!("/proc/{}/smaps_rollup", sink.child.id());
    let text = fs::read_to_string(path).unwrap();
    let kib = |key: &str| -> u64 {
        let line = text.lines().find(|line| line.starts_with(key)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    };
    let private = kib("Private_Dirty:");
    println!("private memory of a sink: {private} KiB");
    // What is not optimised has more data of its own.
    let most = if cfg!(debug_assertions) { 2048 } else { 512 };
    assert!(private < most, "{private} KiB");
    sink.end();
}

#[test]
fn a_sink_without_a_spec_reports_it_and_exits() {
    let output = Command::new(env!("CARGO_BIN_EXE_tmo"))
        .args(["sink", "/nowhere/p/web.spec"])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("/nowhere/p/web.spec"), "{text}");
}

#[test]
fn a_sink_creates_a_missing_bell_with_mode_0600() {
    let scene = Scene::new(1 << 20);
    fs::remove_file(scene.paths.bell()).unwrap();
    let mut sink = scene.sink();
    sink.write(b"x\n");
    scene.stream(2);
    assert_eq!(fs::metadata(scene.paths.bell()).unwrap().mode() & 0o777, 0o600);
    sink.end();
}
