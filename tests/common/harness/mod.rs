//! A separate world for each test: directory, home, runtime directory, tmux sockets, and a mark in the
//! environment of everything started in it, by which leftover processes are found.

mod backend;
pub(crate) mod orphan_cleanup;
pub(crate) mod ports;
pub(crate) mod procs;
pub(crate) mod pty;
pub(crate) mod run_parts;
pub(crate) mod terminal;
pub(crate) mod wait;

use std::ffi::OsStr;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc;
use std::time::Duration;

pub(crate) use terminal::Terminal;
pub(crate) use wait::{NEVER_FLAKY, eventually, eventually_or, eventually_within, pause};

/// Whether this text has the message of a panic of tmo.
fn tells_panic(text: &str) -> bool {
    ["panicked at src/", "panicked at crates/"].iter().any(|panic| text.contains(panic))
}

#[test]
fn a_panic_in_any_crate_is_noticed() {
    let (sender, message) = mpsc::channel();
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| sender.send(info.to_string()).unwrap()));
    let panicked = std::panic::catch_unwind(|| tmo_base::testing::plan(&["no name"]));
    std::panic::set_hook(usual);
    assert!(panicked.is_err());
    assert!(message.iter().any(|message| tells_panic(&message)));
}

/// The variable that marks everything of one world.
pub(crate) const MARK: &str = "TMO_TEST_WORLD";

/// A project directory and all around it.
pub(crate) struct World {
    dir: tempfile::TempDir,
    ports: ports::Ports,
    pub(crate) extra: Vec<(String, String)>,
    /// A test that leaves something on purpose says so.
    pub(crate) spared: Vec<u32>,
}

impl World {
    /// A world with this Procfile.
    pub(crate) fn new(procfile: &str) -> Self {
        // Whoever runs the tests in the background of a shell without job control has them ignore
        // SIGINT, and what ignores it passes that on.
        tmo::sys::default_signals(&[nix::libc::SIGPIPE]);
        // Short: a tmux socket lies in it.
        let dir = tempfile::Builder::new().prefix("tw").tempdir_in("/tmp").unwrap();
        for name in ["app", "home", "run", "state", "tmux"] {
            std::fs::create_dir(dir.path().join(name)).unwrap();
        }
        let private = std::fs::Permissions::from_mode(0o700);
        std::fs::set_permissions(dir.path().join("run"), private).unwrap();
        let ports = ports::Ports::reserve();
        let mut extra = vec![("TMO_PORT".to_owned(), ports.at(0).to_string())];
        extra.extend(backend::chosen().map(|backend| ("TMO_BACKEND".to_owned(), backend)));
        let world = Self { dir, ports, extra, spared: vec![] };
        orphan_cleanup::watch(&world.mark(), &[world.dir.path()]);
        world.write("Procfile", procfile);
        world
    }

    /// Whether its processes have terminals of tmo's own.
    pub(crate) fn is_native(&self) -> bool {
        let backend = self.extra.iter().rfind(|(name, _)| name == "TMO_BACKEND");
        backend.is_some_and(|(_, backend)| backend == "native")
    }

    /// The port of the process at this place in the Procfile, which nothing else uses; those of its other
    /// instances follow. tmo gets the first one in `TMO_PORT`.
    pub(crate) fn port(&self, place: u16) -> u16 {
        self.ports.at(place)
    }

    /// The world without `TMO_PORT`, for tests of the default.
    pub(crate) fn with_default_ports(mut self) -> Self {
        self.extra.retain(|(name, _)| name != "TMO_PORT");
        self
    }

    /// Set a variable for all commands from now on.
    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.extra.push((name.into(), value.into()));
        self
    }

    /// The world with a script in the place of tmux, given the real one.
    pub(crate) fn with_tmux(self, script: impl FnOnce(&str) -> String) -> Self {
        let bin = self.path().join("bin");
        std::fs::create_dir(&bin).unwrap();
        let real = self.shell("command -v tmux").stdout;
        let script = format!("#!/bin/sh\n{}", script(real.trim()));
        executable(&bin.join("tmux"), &script);
        let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
        let world = self.env("PATH", &path);
        if world.is_native() { world.env("TMO_BACKEND", "tmux") } else { world }
    }

    /// The project directory.
    pub(crate) fn app(&self) -> PathBuf {
        self.dir.path().join("app")
    }

    /// The home directory.
    pub(crate) fn home(&self) -> PathBuf {
        self.dir.path().join("home")
    }

    /// Keep fish from reading all man pages in the background, which it does until this directory
    /// exists, and which may outlive the test.
    pub(crate) fn without_fish_reading_manuals(&self) {
        let done = self.home().join(".local/share/fish/generated_completions");
        std::fs::create_dir_all(done).unwrap();
    }

    /// The world's directory.
    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// The runtime directory of the only instance.
    pub(crate) fn runtime(&self) -> PathBuf {
        let base = self.dir.path().join("run/tmo");
        // A start makes it only when it has read the project.
        eventually("there is one runtime directory", || {
            let mut dirs: Vec<_> =
                std::fs::read_dir(&base).ok()?.map(|entry| entry.unwrap().path()).collect();
            // The socket that stands in for an address on TCP.
            dirs.retain(|path| path.is_dir());
            dirs.pop().filter(|_| dirs.is_empty())
        })
    }

    /// The journal directory of the only instance.
    pub(crate) fn journal(&self) -> PathBuf {
        let base = self.dir.path().join("state/tmo");
        let mut dirs: Vec<_> =
            std::fs::read_dir(&base).unwrap().map(|entry| entry.unwrap().path()).collect();
        // Beside them are the records of last runs, and files of the user.
        dirs.retain(|dir| dir.is_dir() && !dir.ends_with("last-run"));
        assert_eq!(dirs.len(), 1, "{dirs:?}");
        dirs.pop().unwrap()
    }

    /// Write a file of the project.
    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.app().join(name), text).unwrap();
    }

    /// Read a file of the project; empty if it is not there.
    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read(self.app().join(name))
            .map_or(String::new(), |bytes| String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Any program in this world, with nothing of the real environment.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        // With a `PATH` to search, the standard library would fork this process, which costs far more
        // than `posix_spawn`.
        let (program, variables) = (program.as_ref(), self.variables());
        let path = variables.iter().rfind(|(name, _)| name == "PATH").map(|(_, path)| path);
        let found = which::which_in(program, path, self.app());
        let mut command = Command::new(found.as_deref().unwrap_or(Path::new(program)));
        command.env_clear().envs(variables).current_dir(self.app());
        command.stdin(Stdio::null());
        command
    }

    /// The variables of this world.
    pub(crate) fn variables(&self) -> Vec<(String, String)> {
        let at = |name: &str| self.dir.path().join(name).display().to_string();
        let mut all: Vec<(String, String)> = [
            ("PATH", std::env::var("PATH").unwrap()),
            ("HOME", at("home")),
            ("XDG_RUNTIME_DIR", at("run")),
            ("XDG_STATE_HOME", at("state")),
            ("TMUX_TMPDIR", at("tmux")),
            ("TERM", "xterm-256color".into()),
            ("LANG", "C.UTF-8".into()),
            (MARK, at("")),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into();
        all.extend(self.extra.iter().cloned());
        all
    }

    /// Copy tmo. A fork of another test could inherit a file that this process writes, and nobody can
    /// execute the copy as long as that is open.
    pub(crate) fn copy_program(&self, to: &Path) {
        let mut copy = self.command("cp");
        assert!(copy.arg(env!("CARGO_BIN_EXE_tmo")).arg(to).status().unwrap().success());
    }

    /// tmo with these arguments. A start in the background returns as soon as all is started; [`Self::tmo_as_typed`]
    /// waits for what a user waits for.
    pub(crate) fn tmo<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Command {
        let mut args: Vec<_> = args.into_iter().map(|arg| arg.as_ref().to_owned()).collect();
        let flags = args.iter().take_while(|arg| *arg != "--");
        let is_detached = flags.clone().any(|arg| arg == "-D" || arg == "--daemonize");
        let waits = flags.map(|arg| arg.to_string_lossy()).any(|arg| arg.starts_with("--wait"));
        if args.first().is_some_and(|verb| verb == "start") && is_detached && !waits {
            args.insert(1, "--no-wait".into());
        }
        self.tmo_as_typed(args)
    }

    /// tmo with exactly these arguments.
    pub(crate) fn tmo_as_typed<S: AsRef<OsStr>>(
        &self,
        args: impl IntoIterator<Item = S>,
    ) -> Command {
        let mut command = self.command(env!("CARGO_BIN_EXE_tmo"));
        command.args(args);
        command
    }

    /// Run tmo to its end.
    #[track_caller]
    pub(crate) fn run<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Ran {
        Ran::by(&mut self.tmo(args))
    }

    /// Run tmo to its end, which must be a success.
    #[track_caller]
    pub(crate) fn ok<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> String {
        let ran = self.run(args);
        assert_eq!(ran.code, 0, "{ran:?}");
        ran.stdout
    }

    /// `tmo start` with its output in a file of the project.
    pub(crate) fn start<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> View<'_> {
        self.start_into("log", args)
    }

    /// The same with a file of this name.
    pub(crate) fn start_into<S: AsRef<OsStr>>(
        &self,
        name: &str,
        args: impl IntoIterator<Item = S>,
    ) -> View<'_> {
        let args = args.into_iter().map(|arg| arg.as_ref().to_owned());
        self.view_into(name, std::iter::once("start".into()).chain(args))
    }

    /// A command that goes on, with its output in a file of this name.
    pub(crate) fn view_into<S: AsRef<OsStr>>(
        &self,
        name: &str,
        args: impl IntoIterator<Item = S>,
    ) -> View<'_> {
        let out = File::create(self.app().join(name)).unwrap();
        let mut command = self.tmo(args);
        let errors = File::create(self.app().join(format!("{name}.err"))).unwrap();
        let child = command.stdout(out).stderr(errors).spawn().unwrap();
        View { world: self, child, log: name.into() }
    }

    /// The state of the run, once there is one. `tmo ps` is asked only where the socket does not
    /// answer at once: most tests wait for a state, and a process for each look costs a lot.
    pub(crate) fn state(&self) -> Option<serde_json::Value> {
        self.state_by_api().or_else(|| {
            let ran = self.run(["ps", "--json"]);
            serde_json::from_str(&ran.stdout).ok()
        })
    }

    fn state_by_api(&self) -> Option<serde_json::Value> {
        let mut stream = UnixStream::connect(self.app().join(".overmind.sock")).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(2))).ok()?;
        stream
            .write_all(b"GET /api/state HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            .ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        head.starts_with("HTTP/1.1 200 ").then(|| serde_json::from_str(body).ok())?
    }

    /// One field of one process.
    pub(crate) fn field(&self, name: &str, field: &str) -> serde_json::Value {
        let Some(state) = self.state() else { return serde_json::Value::Null };
        let processes = state["processes"].as_array().unwrap().clone();
        let process = processes.into_iter().find(|p| p["name"] == name);
        process.map_or(serde_json::Value::Null, |p| p[field].clone())
    }

    /// Wait until this process is in this state; returns its pid.
    #[track_caller]
    pub(crate) fn wait_state(&self, name: &str, state: &str) -> Option<u32> {
        eventually(&format!("{name} is {state}"), || {
            (self.field(name, "state") == state).then_some(())
        });
        self.field(name, "pid").as_u64().map(|pid| u32::try_from(pid).unwrap())
    }

    /// Wait until no supervisor answers any more.
    #[track_caller]
    pub(crate) fn wait_state_gone(&self) {
        eventually(&format!("{NEVER_FLAKY} the run is over"), || {
            self.state().is_none().then_some(())
        });
    }

    /// Run a line of the shell to its end.
    #[track_caller]
    pub(crate) fn shell(&self, line: &str) -> Ran {
        Ran::by(self.command("sh").args(["-c", line]))
    }

    /// Type a line into the terminal of a process.
    #[track_caller]
    pub(crate) fn type_into(&self, name: &str, text: &str) {
        if self.is_native() {
            return self.type_into_holder(name, text);
        }
        let state = self.state().unwrap();
        let pane = self.field(name, "pane");
        let socket = state["tmux"]["socket"].as_str().unwrap().to_owned();
        let pane = pane.as_str().unwrap();
        let text = ["send-keys", "-t", pane, "-l", text];
        // Both in one call: a pause between them would make an unfinished line of the text.
        let enter = [";", "send-keys", "-t", pane, "Enter"];
        let mut command = self.command("tmux");
        command.args(["-L", &socket]).args(text).args(enter);
        assert!(command.status().unwrap().success());
        // tmux writes to a terminal after it has answered, but before it answers the next one. There is no next
        // one if the line has ended the run.
        let mut next = self.command("tmux");
        next.args(["-L", &socket, "display-message", "-p", ""]);
        next.output().unwrap();
    }

    /// The same without the supervisor, which may be stopped.
    fn type_into_holder(&self, name: &str, text: &str) {
        use tmo::protocol::paths::PanePaths;
        use tmo::protocol::terminal::{Frames, FromClient, FromHolder, Hello, VERSION};
        let name = tmo::model::ProcName::new(name).unwrap();
        let paths = PanePaths::new(&self.runtime(), &name);
        // Its holder may just have been replaced.
        let mut stream =
            eventually("a holder listens", || UnixStream::connect(paths.terminal()).ok());
        let (watches, read_only, follows_input) = (false, false, false);
        let hello = Hello { version: VERSION, size: None, watches, read_only, follows_input };
        let input = FromClient::Input(format!("{text}\r").into_bytes());
        let all = [FromClient::Hello(hello), input, FromClient::Typed];
        stream.write_all(&all.map(|frame| frame.encode()).concat()).unwrap();
        let mut frames = Frames::default();
        while frames.of_holder().unwrap() != Some(FromHolder::Typed) {
            let mut bytes = [0; 1024];
            // There is no answer if the line has ended the run, and with it the holder.
            let Ok(count @ 1..) = stream.read(&mut bytes) else { return };
            frames.add(&bytes[..count]);
        }
    }

    /// What marks everything of this world, as it stands in an environment.
    fn mark(&self) -> String {
        format!("{MARK}={}", self.dir.path().join("").display())
    }

    /// Process ids of everything that carries the mark of this world.
    pub(crate) fn living(&self) -> Vec<procs::Proc> {
        let me = std::process::id();
        procs::with_mark(&self.mark()).into_iter().filter(|p| p.pid != me).collect()
    }

    /// All that can be told of a view that does not do what it should.
    fn story(&self, log: &str) -> String {
        let living: String = self.living().iter().map(procs::describe).collect();
        let files = files(&self.runtime());
        let telling = |file: &&PathBuf| {
            file.extension().is_some_and(|end| ["life", "spec"].iter().any(|e| end == *e))
                || file.ends_with("state.json")
        };
        let reported = |file: &PathBuf| {
            let text = std::fs::read(file).unwrap_or_default();
            format!("{}:\n{}\n", file.display(), String::from_utf8_lossy(&text))
        };
        let reported: String = files.iter().filter(telling).map(reported).collect();
        let size = |file: &PathBuf| file.metadata().map_or(0, |found| found.len());
        let journal = self::files(&self.path().join("state"));
        let journal =
            journal.iter().map(|file| format!("{}: {} bytes\n", file.display(), size(file)));
        let journal: String = journal.collect();
        let shown = [self.read(log), self.read(&format!("{log}.err"))].join("\n");
        format!("{living}{files:?}\n{reported}\n{journal}\n{shown}")
    }

    /// The message of a panic in the output of commands, or of a part of a run that is there.
    fn panic_of_tmo(&self) -> Option<String> {
        let ours = std::fs::read_dir(self.app()).into_iter().flatten().flatten();
        let commands = ours
            .map(|entry| entry.path())
            .filter(|path| path.extension() == Some(OsStr::new("err")) && path.is_file());
        let parts = files(&self.path().join("run")).into_iter();
        let parts = parts.filter(|path| path.file_name() == Some(OsStr::new("stderr")));
        let texts = commands.chain(parts).filter_map(|path| std::fs::read_to_string(path).ok());
        texts.into_iter().find(|text| tells_panic(text))
    }

    /// The supervisor's and the guardian's process ids.
    pub(crate) fn supervisor(&self) -> u32 {
        self.part("supervise").expect("a supervisor")
    }

    /// The guardian's.
    pub(crate) fn guardian(&self) -> u32 {
        self.part("guard").expect("a guardian")
    }

    /// The process of this hidden verb.
    pub(crate) fn part(&self, verb: &str) -> Option<u32> {
        self.living().into_iter().find(|p| p.args.get(1).is_some_and(|a| a == verb)).map(|p| p.pid)
    }

    /// Supervisor and guardian answer, shims and sinks say that they are done, then they go, and
    /// so does a view that nobody has waited for: the last commands may have returned before.
    fn wait_supervisor_gone(&self) {
        let ending = |p: &procs::Proc| {
            let parts = ["supervise", "guard", "start", "shim", "sink"];
            p.args.get(1).is_some_and(|a| parts.contains(&a.as_str()))
                && !self.app().join(".overmind.sock").exists()
        };
        let pids: Vec<u32> = self.living().into_iter().filter(ending).map(|p| p.pid).collect();
        let gone = || pids.iter().all(|&pid| !procs::alive(pid)).then_some(());
        eventually(&format!("{NEVER_FLAKY} the supervisor is gone"), gone);
    }

    /// Wait until nothing that this world started is alive.
    #[track_caller]
    pub(crate) fn wait_empty(&self) {
        eventually(&format!("{NEVER_FLAKY} nothing is left"), || {
            let left = self.living();
            left.iter().all(|p| self.spared.contains(&p.pid)).then_some(())
        });
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if let Some(panic) = self.panic_of_tmo() {
            eprintln!("{NEVER_FLAKY} {panic}");
            assert!(std::thread::panicking(), "tmo has panicked");
        }
        if !std::thread::panicking() {
            self.wait_supervisor_gone();
        } else if std::env::var_os("TMO_TEST_KEEP").is_some() {
            // With all that lives in it, for whoever wants to look; they end it.
            self.dir.disable_cleanup(true);
            eprintln!("kept: {}", self.dir.path().display());
            return;
        }
        let spared = std::mem::take(&mut self.spared);
        let mut left = self.living();
        if left.iter().any(|p| !spared.contains(&p.pid)) {
            left = self.living();
            let _ = self.tmo(["kill"]).output();
        }
        if !left.is_empty() {
            for process in self.living() {
                procs::kill(process.pid, 9);
            }
        }
        left.retain(|p| !spared.contains(&p.pid));
        if std::thread::panicking() {
            eprintln!("left at the end: {left:#?}");
            for file in ["log", "log.err"] {
                eprintln!("-- {file}\n{}", self.read(file));
            }
            if let Ok(logs) = self.tmo(["logs", "-n", "40"]).output() {
                eprintln!("-- tmo logs\n{}", String::from_utf8_lossy(&logs.stdout));
            }
            return;
        }
        assert!(left.is_empty(), "{NEVER_FLAKY} left behind: {left:#?}");
        let sockets: Vec<_> = files(&self.dir.path().join("tmux"));
        assert!(
            spared.len() >= sockets.len(),
            "{NEVER_FLAKY} tmux sockets left behind: {sockets:?}"
        );
        let run = files(&self.dir.path().join("run"));
        let errors = run.iter().filter(|path| path.file_name() == Some(OsStr::new("stderr")));
        let errors: String = errors.filter_map(|path| std::fs::read_to_string(path).ok()).collect();
        assert!(run.is_empty(), "{NEVER_FLAKY} left in the runtime directory: {run:?}\n{errors}");
        assert!(
            !self.app().join(".overmind.sock").exists(),
            "{NEVER_FLAKY} the socket was left behind"
        );
    }
}

/// Write a program that can be executed at once. A fork of another test could inherit a file that this process
/// writes, and no file that is open for writing can be executed: so another process writes it.
pub(crate) fn executable(path: &Path, text: &str) {
    let write = "cat > \"$0\" && chmod 755 \"$0\"";
    let mut writer = Command::new("/bin/sh");
    writer.args(["-c", write]).arg(path).stdin(Stdio::piped());
    let mut writer = writer.spawn().unwrap();
    writer.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    assert!(writer.wait().unwrap().success(), "{}", path.display());
}

/// Everything below a directory that is no directory.
pub(crate) fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = vec![];
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            found.extend(files(&entry.path()));
        } else {
            found.push(entry.path());
        }
    }
    found
}

/// A finished command.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    /// Run a command to its end.
    #[track_caller]
    pub(crate) fn by(command: &mut Command) -> Self {
        Self::end_of(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
    }

    /// Wait for the end of a command, and of its output.
    #[track_caller]
    pub(crate) fn end_of(child: Child) -> Self {
        let (pid, (sender, ended)) = (child.id(), mpsc::channel());
        std::thread::spawn(move || sender.send(child.wait_with_output()));
        let Ok(output) = ended.recv_timeout(wait::HANG) else {
            let hanging = procs::describe(&procs::Proc { pid, args: procs::args(pid) });
            procs::kill(pid, 9);
            panic!("{NEVER_FLAKY} a command hangs: {hanging}");
        };
        Self::of(&output.unwrap())
    }

    pub(crate) fn of(output: &Output) -> Self {
        use std::os::unix::process::ExitStatusExt as _;
        let signal = output.status.signal().map_or(-1, |s| -s);
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!tells_panic(&stderr), "{NEVER_FLAKY} {stderr}");
        Self {
            code: output.status.code().unwrap_or(signal),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr,
        }
    }
}

/// A running `tmo start`, or another command that goes on.
pub(crate) struct View<'a> {
    world: &'a World,
    pub(crate) child: Child,
    log: String,
}

impl View<'_> {
    /// What it has shown so far.
    pub(crate) fn log(&self) -> String {
        self.world.read(&self.log)
    }

    /// What it has complained about so far.
    pub(crate) fn errors(&self) -> String {
        self.world.read(&format!("{}.err", self.log))
    }

    /// Wait until the log holds this.
    #[track_caller]
    pub(crate) fn shows(&self, text: &str) {
        let shown = || self.log().contains(text).then_some(());
        eventually_or(&format!("the log shows {text:?}"), shown, || self.world.story(&self.log));
    }

    /// Send it a signal.
    pub(crate) fn signal(&self, signal: i32) {
        procs::kill(self.child.id(), signal);
    }

    /// Wait for its end.
    #[track_caller]
    pub(crate) fn end(&mut self) -> ExitStatus {
        let story = || self.world.story(&self.log);
        let what = format!("{NEVER_FLAKY} the view ends");
        eventually_or(&what, || self.child.try_wait().unwrap(), story)
    }

    /// Send it a signal until it has ended: one that follows another one in an instant does not count.
    #[track_caller]
    pub(crate) fn press_until_over(&mut self, signal: i32) -> ExitStatus {
        let story = || self.world.story(&self.log);
        let press = || {
            procs::kill(self.child.id(), signal);
            self.child.try_wait().unwrap()
        };
        eventually_or(&format!("{NEVER_FLAKY} the view ends"), press, story)
    }

    /// Wait for its end and return its exit code.
    #[track_caller]
    pub(crate) fn code(&mut self) -> i32 {
        self.end().code().expect("an exit code")
    }

    /// Ctrl-C, and wait for the end.
    #[track_caller]
    pub(crate) fn interrupt(&mut self) -> i32 {
        self.signal(2);
        self.code()
    }
}
