//! One case: a world, commands with a deadline, and the errors found.

use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

pub(crate) use crate::harness::{Ran, files};
use crate::harness::{World, pause, procs};
use crate::random::Random;

/// Within this time each command must return, on a busy machine too. It is less than the time a
/// test may take to wait for anything.
const RETURNS: Duration = Duration::from_secs(25);

/// Two processes: one counts, the other is quiet.
const PROCFILE: &str = "\
web: trap 'exit 0' INT TERM; i=0; echo up; while :; do i=$((i+1)); echo line $i; sleep 0.05; done
worker: echo up; exec sleep 1000
";

/// One case that is tried.
pub(crate) struct Trial {
    name: String,
    world: Option<World>,
    /// What every tmo is run by: another user, a limit.
    pub(crate) by: Vec<String>,
    /// tmo, and where it lies if it had to be put where others may run it.
    program: PathBuf,
    place: Option<tempfile::TempDir>,
    pub(crate) random: Random,
    commands: usize,
    mounts: Vec<PathBuf>,
    skipped: Option<String>,
    complaints: Vec<String>,
}

impl Trial {
    pub(crate) fn new(name: &str, seed: u64) -> Self {
        Self {
            name: name.to_owned(),
            world: Some(World::new(PROCFILE)),
            by: vec![],
            program: env!("CARGO_BIN_EXE_tmo").into(),
            place: None,
            random: Random::new(seed),
            commands: 0,
            mounts: vec![],
            skipped: None,
            complaints: vec![],
        }
    }

    /// The world of this case.
    pub(crate) fn world(&self) -> &World {
        self.world.as_ref().unwrap()
    }

    /// Set a variable for all commands from now on.
    pub(crate) fn env(&mut self, name: &str, value: &str) {
        self.world.as_mut().unwrap().extra.push((name.into(), value.into()));
    }

    /// Run over the terminals that a case with this name is about.
    pub(crate) fn choose_backend(&mut self, case: &str) {
        for backend in ["tmux", "native"] {
            if case.contains(backend) {
                self.env("TMO_BACKEND", backend);
            }
        }
    }

    /// A path in the world.
    pub(crate) fn at(&self, path: &str) -> PathBuf {
        self.world().path().join(path)
    }

    /// This case can't be tried here.
    pub(crate) fn skip(&mut self, why: impl Into<String>) {
        self.skipped = Some(why.into());
    }

    /// Something is wrong.
    pub(crate) fn complain(&mut self, what: impl Into<String>) {
        let what = what.into();
        eprintln!("{}: {what}", self.name);
        self.complaints.push(what);
    }

    /// Complain unless something is so.
    pub(crate) fn check(&mut self, so: bool, what: impl Into<String>) {
        if !so {
            self.complain(what);
        }
    }

    /// Wait until something is the case; a complaint if it never is.
    pub(crate) fn until<T>(
        &mut self,
        what: &str,
        mut look: impl FnMut(&mut Self) -> Option<T>,
    ) -> Option<T> {
        // What goes on after a complaint is for the sake of the end only.
        let patience = if self.complaints.is_empty() { RETURNS } else { RETURNS / 5 };
        let deadline = Instant::now() + patience;
        loop {
            if let Some(found) = look(self) {
                return Some(found);
            }
            if Instant::now() > deadline {
                self.complain(format!("in vain: {what}"));
                return None;
            }
            pause(Duration::from_millis(30));
        }
    }

    /// Run tmo to its end, whatever comes of it: in time, without a panic, and with proper words
    /// if it fails.
    pub(crate) fn run<S: AsRef<OsStr>>(&mut self, args: impl IntoIterator<Item = S>) -> Ran {
        let args: Vec<S> = args.into_iter().collect();
        let words: Vec<_> = args.iter().map(|a| a.as_ref().to_string_lossy()).collect();
        let words = words.join(" ");
        let mut command = self.command(&args);
        let Some(ran) = self.finish(&mut command, &words) else {
            return Ran { code: -1, stdout: String::new(), stderr: String::new() };
        };
        let proper = ran.stderr.lines().all(|line| line.starts_with("tmo: "));
        // What doctor finds is its output.
        let reported = ran.code == 0 || !ran.stderr.is_empty() || words == "doctor";
        self.check(ran.code >= 0 && proper && reported, format!("`tmo {words}`: {ran:?}"));
        if ran.code != 0 && std::env::var("FAULTS_SAID").is_ok() {
            eprintln!("{}: `tmo {words}` ({}): {}", self.name, ran.code, ran.stderr.trim_end());
        }
        ran
    }

    /// tmo, run by what runs it.
    fn command<S: AsRef<OsStr>>(&self, args: &[S]) -> Command {
        let tmo = &self.program;
        let mut command = match self.by.split_first() {
            None => self.world().command(tmo),
            Some((first, rest)) => {
                let mut command = self.world().command(first);
                command.args(rest).arg(tmo);
                command
            }
        };
        command.args(args);
        command
    }

    /// Run something to its end; nothing if it does not come to one.
    fn finish(&mut self, command: &mut Command, words: &str) -> Option<Ran> {
        self.commands += 1;
        let file = |what: &str| self.at(&format!("{what}.{}", self.commands));
        let (out, errors) = (file("out"), file("err"));
        command.stdout(File::create(&out).unwrap()).stderr(File::create(&errors).unwrap());
        let mut child = command.spawn().unwrap();
        let status = self.until(&format!("`tmo {words}` returns"), |_| child.try_wait().unwrap());
        if status.is_none() {
            for process in self.world().living() {
                eprintln!("{}", procs::describe(&process));
            }
            child.kill().unwrap();
            child.wait().unwrap();
        }
        let read = |path: &Path| std::fs::read(path).unwrap();
        let status = status?;
        Some(Ran::of(&Output { status, stdout: read(&out), stderr: read(&errors) }))
    }

    /// Run tmo, which must succeed.
    pub(crate) fn ok<const N: usize>(&mut self, args: [&str; N]) -> String {
        let ran = self.run(args);
        self.check(ran.code == 0, format!("`tmo {}`: {ran:?}", args.join(" ")));
        ran.stdout
    }

    /// Run tmo, which must fail, and say so in one line.
    pub(crate) fn refused<const N: usize>(&mut self, args: [&str; N]) -> String {
        let ran = self.run(args);
        // A start also mentions a dead socket that it replaces.
        let mentions = |line: &&str| line.ends_with("was left by an abandoned run; replaced it");
        let one = ran.stderr.lines().filter(|line| !mentions(line)).count() == 1;
        self.check(ran.code > 0 && one, format!("`tmo {}`: {ran:?}", args.join(" ")));
        ran.stderr
    }

    /// The pid of a process, once it runs.
    pub(crate) fn pid(&mut self, name: &str) -> Option<u32> {
        self.until(&format!("{name} runs"), |trial| {
            let state = trial.run(["ps", "--json"]).stdout;
            let state: serde_json::Value = serde_json::from_str(&state).ok()?;
            let all = state["processes"].as_array()?.clone();
            let process = all.into_iter().find(|process| process["name"] == name)?;
            (process["state"] == "running").then_some(())?;
            u32::try_from(process["pid"].as_u64()?).ok()
        })
    }

    /// Start in the background; the pids of both processes.
    pub(crate) fn start(&mut self) -> [u32; 2] {
        self.ok(["start", "-D"]);
        ["web", "worker"].map(|name| self.pid(name).unwrap())
    }

    /// Complain unless all of these live.
    pub(crate) fn unhurt(&mut self, pids: &[u32]) {
        let dead: Vec<_> = pids.iter().filter(|pid| !procs::alive(**pid)).collect();
        self.check(dead.is_empty(), format!("what ran is dead: {dead:?}"));
    }

    /// Everything works: what is printed is logged, a restart restarts, what is shown is right.
    pub(crate) fn works(&mut self) {
        let old = self.pid("web");
        self.grows();
        self.ok(["restart", "web"]);
        let new = self.pid("web");
        self.check(old != new, "the restart has changed nothing");
        self.grows();
        self.ok(["stop", "worker"]);
        self.ok(["restart", "worker"]);
        self.pid("worker");
    }

    /// The log of the counting process grows.
    pub(crate) fn grows(&mut self) {
        let before = self.run(["logs", "web"]).stdout;
        self.until("the log grows", |trial| {
            let now = trial.run(["logs", "web"]).stdout;
            (now.len() > before.len() || now.lines().last() != before.lines().last()).then_some(())
        });
    }

    /// Ask for the end, which must come, with nothing left.
    pub(crate) fn quit(&mut self) {
        self.look_for_panics();
        self.ok(["quit"]);
        self.over();
    }

    /// Nothing is left of the run.
    pub(crate) fn over(&mut self) {
        let ended = |trial: &mut Self| trial.world().living().is_empty().then_some(());
        if self.until("nothing lives", ended).is_none() {
            let living: String = self.world().living().iter().map(procs::describe).collect();
            self.complain(format!("what lives: {living}"));
        }
        for dir in ["run", "tmux", "app"] {
            let left = files(&self.at(dir));
            let left: Vec<_> = left
                .iter()
                .filter(|path| {
                    let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
                    // A tmux that can't make its server leaves its own lock, and nobody knows where.
                    !["Procfile", "filler"].contains(&name)
                        && path.extension() != Some(OsStr::new("lock"))
                })
                .collect();
            self.check(left.is_empty(), format!("left behind: {left:?}"));
        }
    }

    /// Whether anything has panicked, by what was written anywhere.
    pub(crate) fn look_for_panics(&mut self) {
        for path in files(self.world().path()) {
            let is_file = path.symlink_metadata().is_ok_and(|meta| meta.is_file());
            let text = if is_file { std::fs::read(&path).unwrap_or_default() } else { vec![] };
            if let Some(at) = memchr::memmem::find(&text, b"panicked at") {
                let end = text.len().min(at + 300);
                let words = String::from_utf8_lossy(&text[at..end]).into_owned();
                self.complain(format!("{}: {words}", path.display()));
            }
        }
    }

    /// Kill some parts of the run, and wait until they are gone.
    pub(crate) fn kill(&mut self, pids: &[u32]) {
        for pid in pids {
            procs::kill(*pid, 9);
        }
        self.until("the killed are gone", |_| {
            (!pids.iter().any(|pid| procs::alive(*pid))).then_some(())
        });
    }

    /// Kill guardian and supervisor.
    pub(crate) fn kill_both(&mut self) {
        let pids = [self.world().guardian(), self.world().supervisor()];
        self.kill(&pids);
    }

    /// A small file system of its own at this place; nothing if there can be none.
    pub(crate) fn mount(&mut self, path: &str, size: &str) -> Option<PathBuf> {
        let at = self.at(path);
        let options = format!("size={size},mode=700");
        let mut command = Command::new("mount");
        command.args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(&at);
        let mounted = crate::faults::disk::has_own_mounts()
            && command.output().is_ok_and(|output| output.status.success());
        if !mounted {
            self.skip("no file system can be mounted here");
            return None;
        }
        self.mounts.push(at.clone());
        Some(at)
    }

    /// Everything from now on is done by a user who is not root; nothing if there is none.
    pub(crate) fn as_plain_user(&mut self) -> Option<()> {
        static NEXT: AtomicU32 = AtomicU32::new(61_000);
        if !nix::unistd::geteuid().is_root() {
            return Some(());
        }
        let uid = NEXT.fetch_add(1, Ordering::Relaxed);
        let by =
            ["setpriv", &format!("--reuid={uid}"), &format!("--regid={uid}"), "--clear-groups"];
        let open = || std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(self.world().path(), open()).unwrap();
        // Where it was built may be closed to others.
        let place = tempfile::tempdir().unwrap();
        std::fs::set_permissions(place.path(), open()).unwrap();
        let program = place.path().join("tmo");
        std::fs::copy(env!("CARGO_BIN_EXE_tmo"), &program).unwrap();
        let works = Command::new(by[0]).args(&by[1..]).arg(&program).arg("--version").output();
        if !works.is_ok_and(|output| output.status.success()) {
            self.skip("there is no other user who may run tmo");
            return None;
        }
        self.by = by.iter().map(|&word| word.to_owned()).collect();
        (self.program, self.place) = (program, Some(place));
        for dir in ["", "app", "app/Procfile", "home", "run", "state", "tmux"] {
            std::os::unix::fs::chown(self.at(dir), Some(uid), Some(uid)).unwrap();
        }
        Some(())
    }

    /// End the case: why it was skipped, what was wrong, how many commands there were.
    pub(crate) fn close(mut self) -> (Option<String>, Vec<String>, usize) {
        self.look_for_panics();
        // Whatever a complaint has left.
        let left = self.world().living();
        if !left.is_empty() {
            if self.complaints.is_empty() {
                self.complain(format!("left behind: {left:?}"));
            }
            for process in left {
                procs::kill(process.pid, 9);
            }
            self.until("all is killed", |t| t.world().living().is_empty().then_some(()));
        }
        for at in std::mem::take(&mut self.mounts) {
            let unmounted = Command::new("umount").arg("-l").arg(&at).status();
            self.check(unmounted.is_ok_and(|status| status.success()), "umount");
        }
        if self.complaints.is_empty() {
            return (self.skipped.take(), vec![], self.commands);
        }
        for dir in ["run", "tmux", "app"] {
            for path in files(&self.at(dir)) {
                let _ = std::fs::remove_file(path);
            }
        }
        (None, std::mem::take(&mut self.complaints), self.commands)
    }
}
