//! Hosts, each a real `sshd` with its own processes, mounts, name and terminals; and the fleet that names them.

use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;

use crate::harness::procs::{self, Proc};
use crate::harness::{Ran, World, eventually, eventually_or, executable};

/// Becomes the first process of a host: its name, `sshd`, its configuration, a line to execute before.
const HOST: &str = r#"
hostname "$1" &&
mount -t devpts -o newinstance,ptmxmode=0666 devpts /dev/pts &&
mount --bind /dev/pts/ptmx /dev/ptmx &&
mkdir -p /run/sshd &&
eval "$4" &&
exec "$2" -D -e -f "$3"
"#;

/// The directory with tmo.
static TMO: LazyLock<String> =
    LazyLock::new(|| Path::new(env!("CARGO_BIN_EXE_tmo")).parent().unwrap().display().to_string());

/// sshd is started by its path.
fn sshd() -> Option<String> {
    let path = format!("{}:/usr/sbin:/usr/local/sbin", std::env::var("PATH").unwrap());
    Some(which::which_in("sshd", Some(path), "/").ok()?.display().to_string())
}

/// What is missing here for a host; `None` if nothing is.
pub(crate) fn missing() -> Option<String> {
    if !nix::unistd::geteuid().is_root() {
        return Some("only root can start hosts".to_owned());
    }
    for program in ["ssh", "ssh-keygen", "nsenter", "unshare", "hostname"] {
        if which::which(program).is_err() {
            return Some(format!("there is no {program}"));
        }
    }
    if sshd().is_none() {
        return Some("there is no sshd".to_owned());
    }
    let mut probe = Command::new("unshare");
    probe.args(["-mupf", "--kill-child", "--mount-proc", "sh", "-c", HOST]);
    let probe = probe.args(["sh", "probe", "true", "", "true"]).output().unwrap();
    let why = String::from_utf8_lossy(&probe.stderr).into_owned();
    (!probe.status.success()).then(|| format!("no namespaces for a host: {}", why.trim()))
}

/// Run a program to its end, which must be a success.
pub(crate) fn must(command: &mut Command) {
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Make a pair of keys.
fn key(path: &Path) {
    must(Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(path));
}

/// How a host differs from others.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Setup<'a> {
    /// Executed as root in the namespaces before sshd; `$5` is the directory of the world.
    pub(crate) before: &'a str,
    /// Lines of its `sshd_config`.
    pub(crate) config: &'a str,
    /// The `PATH` of what is executed there, in place of one with tmo.
    pub(crate) path: Option<&'a str>,
}

/// A host.
pub(crate) struct Host {
    pub(crate) name: String,
    pub(crate) port: u16,
    pub(crate) world: World,
    /// `unshare`, whose only child is the first process of the host.
    outer: Child,
}

impl Host {
    /// Start one with this Procfile.
    pub(crate) fn new(name: &str, procfile: &str, setup: Setup<'_>) -> Self {
        let world = World::new(procfile);
        let port = world.port(5);
        let at = |file: &str| world.path().join(file);
        key(&at("host_key"));
        let variables = world.variables().into_iter().filter(|(name, _)| name != "TERM");
        let variables = variables.map(|(name, value)| match (&*name, setup.path) {
            ("PATH", Some(path)) => format!("\"PATH={path}\""),
            ("PATH", None) => format!("\"PATH={}:{value}\"", *TMO),
            _ => format!("\"{name}={value}\""),
        });
        let variables: Vec<_> = variables.collect();
        let config = format!(
            "{}\nPort {port}\nListenAddress 127.0.0.1\nHostKey {}\nAuthorizedKeysFile {}\nPidFile none\n\
             UsePAM no\nStrictModes no\nSetEnv {}\n",
            setup.config,
            at("host_key").display(),
            at("authorized_keys").display(),
            variables.join(" ")
        );
        std::fs::write(at("sshd_config"), config).unwrap();
        let errors = std::fs::File::create(at("sshd.log")).unwrap();
        let mut outer = world.command("unshare");
        outer.args(["-mupf", "--kill-child", "--mount-proc", "sh", "-c", HOST, "sh", name]);
        outer.arg(sshd().unwrap()).arg(at("sshd_config")).arg(setup.before).arg(world.path());
        let outer = outer.stdout(Stdio::null()).stderr(errors).spawn().unwrap();
        Self { name: name.to_owned(), port, world, outer }
    }

    /// Wait until it accepts connections.
    fn wait(&self) {
        let log = || std::fs::read_to_string(self.world.path().join("sshd.log")).unwrap();
        eventually_or("sshd listens", || TcpStream::connect(("127.0.0.1", self.port)).ok(), log);
    }

    /// Run tmo in its project directly, without ssh.
    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        let pid = self.outer.id();
        let kinds = [("mount", "mnt"), ("uts", "uts"), ("pid", "pid_for_children")];
        let mut command = self.world.command("nsenter");
        command.args(kinds.map(|(flag, file)| format!("--{flag}=/proc/{pid}/ns/{file}")));
        // As in a session of sshd.
        command.env("PATH", format!("{}:{}", *TMO, std::env::var("PATH").unwrap()));
        command.env_remove("TERM").args(["env", "-C"]).arg(self.world.app());
        Ran::of(&command.arg("tmo").args(args).output().unwrap())
    }

    /// All its processes but zombies.
    pub(crate) fn processes(&self) -> Vec<Proc> {
        let namespace = |path: String| std::fs::read_link(path).ok();
        let own = namespace(format!("/proc/{}/ns/pid_for_children", self.outer.id()));
        let Some(own) = own else { return vec![] };
        let is_in = |pid: u32| namespace(format!("/proc/{pid}/ns/pid")).is_some_and(|it| it == own);
        let mut all = all_processes();
        all.retain(|process| is_in(process.pid));
        all
    }

    /// Its processes but for those of sshd.
    pub(crate) fn programs(&self) -> Vec<Proc> {
        let mut all = self.processes();
        all.retain(|process| !process.args.first().is_some_and(|name| name.contains("sshd")));
        all
    }

    /// Wait until no process but sshd is left.
    #[track_caller]
    pub(crate) fn wait_idle(&self) {
        let left = || format!("{:?}", self.programs());
        eventually_or(
            &format!("nothing is left on {}", self.name),
            || self.programs().is_empty().then_some(()),
            left,
        );
    }

    /// Stop all processes, as if the machine hung: the kernel still accepts connections.
    pub(crate) fn freeze(&self) {
        eventually("all processes are stopped", || {
            let mut all = self.processes();
            all.retain(|process| procs::state(process.pid).is_some_and(|state| state != 'T'));
            for process in &all {
                procs::kill(process.pid, 19);
            }
            all.is_empty().then_some(())
        });
    }

    /// Continue them.
    pub(crate) fn thaw(&self) {
        for process in self.processes() {
            procs::kill(process.pid, 18);
        }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.world.path().join("sshd.log");
            eprintln!("-- sshd of {}\n{}", self.name, std::fs::read_to_string(log).unwrap());
        }
        // Its child ends with it, and with that all others.
        let all = self.processes();
        let _ = self.outer.kill();
        let _ = self.outer.wait();
        eventually("the host is gone", || {
            (!all.iter().any(|process| procs::alive(process.pid))).then_some(())
        });
    }
}

/// All processes but zombies.
fn all_processes() -> Vec<Proc> {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let living = pids.filter(|pid| procs::alive(*pid));
    living.map(|pid| Proc { pid, args: procs::args(pid) }).collect()
}

/// Hosts, and a directory with a `fleet.toml` for them.
pub(crate) struct Fleet {
    pub(crate) hosts: Vec<Host>,
    pub(crate) here: World,
}

impl Fleet {
    /// Hosts named `a`, `b`, … with this Procfile, each with a run if `is_started`.
    pub(crate) fn new(count: usize, procfile: &str, is_started: bool) -> Self {
        let names = ('a'..).map(String::from).take(count);
        let hosts = names.map(|name| Host::new(&name, procfile, Setup::default()));
        let fleet = Self::of(hosts.collect());
        for host in &fleet.hosts {
            fleet.entry(&host.name, host, host.port, "");
        }
        if is_started {
            fleet.ok(&["start"]);
        }
        fleet
    }

    /// These hosts, none of which is in the file yet.
    pub(crate) fn of(hosts: Vec<Host>) -> Self {
        let here = World::new("");
        let at = |name: &str| here.path().join(name);
        std::fs::create_dir(at("bin")).unwrap();
        let ssh = which::which("ssh").unwrap();
        let (ssh, config) = (ssh.display(), at("ssh_config"));
        // Only ssh knows when it ends, so where that counts it does not replace the script.
        let script = format!(
            "#!/bin/sh\n[ -z \"$COUNT_SSH\" ] && exec {ssh} -F {config} \"$@\"\n\
             echo + >> {count}\n{ssh} -F {config} \"$@\"\ncode=$?\necho - >> {count}\nexit $code\n",
            config = config.display(),
            count = at("count").display(),
        );
        executable(&at("bin/ssh"), &script);
        key(&at("key"));
        for file in ["ssh_config", "known_hosts"] {
            std::fs::write(at(file), "").unwrap();
        }
        for host in &hosts {
            std::fs::copy(at("key.pub"), host.world.path().join("authorized_keys")).unwrap();
            host.wait();
        }
        let path = format!("{}:{}", at("bin").display(), std::env::var("PATH").unwrap());
        let here = here.env("PATH", &path);
        for host in &hosts {
            trust(&here, host);
        }
        Self { hosts, here }
    }

    /// Add a name of a host to the file, and to the configuration of ssh with these options.
    pub(crate) fn entry(&self, name: &str, host: &Host, port: u16, options: &str) {
        self.alias(name, host, port, options);
        self.root(name, &host.world.app());
    }

    /// Add a name of a host to the configuration of ssh.
    pub(crate) fn alias(&self, name: &str, host: &Host, port: u16, options: &str) {
        let at = |file: &str| self.here.path().join(file).display().to_string();
        // The first value of an option counts.
        append(
            &self.here.path().join("ssh_config"),
            &format!(
                "Host {name}\n{options}\nHostName 127.0.0.1\nPort {port}\nUser root\nIdentityFile {}\n\
                 IdentitiesOnly yes\nHostKeyAlias {}\nUserKnownHostsFile {}\n\
                 GlobalKnownHostsFile /dev/null\nStrictHostKeyChecking yes\n",
                at("key"),
                host.name,
                at("known_hosts")
            ),
        );
    }

    /// Name a host in `fleet.toml`.
    pub(crate) fn root(&self, name: &str, root: &Path) {
        append(
            &self.here.app().join("fleet.toml"),
            &format!("[host.{name}]\nroot = \"{}\"\n", root.display()),
        );
    }

    /// The words of a command.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        self.here.tmo([&["fleet"], args].concat())
    }

    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        Ran::of(&self.command(args).output().unwrap())
    }

    #[track_caller]
    pub(crate) fn ok(&self, args: &[&str]) -> String {
        let ran = self.run(args);
        assert_eq!(ran.code, 0, "{args:?}: {ran:?}");
        ran.stdout
    }

    /// The `ssh` processes here: those that keep a connection, and all others.
    pub(crate) fn clients(&self) -> (Vec<Proc>, Vec<Proc>) {
        let name = |process: &Proc| process.args.first().cloned().unwrap_or_default();
        // What keeps a connection calls itself by the path of its socket, and so has lost the environment.
        let dir = format!("ssh: {}", self.here.path().join("").display());
        let all = all_processes().into_iter();
        let kept = all.filter(|process| name(process).starts_with(&dir)).collect();
        let others = self.here.living().into_iter();
        let others = others.filter(|process| name(process).ends_with("ssh")).collect();
        (kept, others)
    }

    /// Wait until only `ssh` processes that keep a connection are left, and so many.
    #[track_caller]
    pub(crate) fn wait_kept(&self, count: usize) {
        let is_so = || {
            let (kept, others) = self.clients();
            (kept.len() == count && others.is_empty()).then_some(())
        };
        let what = format!("{count} connections are kept, and no other ssh is left");
        eventually_or(&what, is_so, || format!("{:?}", self.clients()));
    }

    /// End the connections that tmo keeps.
    pub(crate) fn end_kept(&self) {
        let is_of_tmo =
            |process: &&Proc| process.args.first().is_some_and(|word| word.contains("/cm-"));
        for process in self.clients().0.iter().filter(is_of_tmo) {
            procs::kill(process.pid, 15);
        }
    }

    /// End the runs, and wait until nothing but sshd is left on the hosts.
    #[track_caller]
    pub(crate) fn quit(&self) {
        self.ok(&["quit"]);
        self.hosts.iter().for_each(Host::wait_idle);
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        // Connections that are kept end with their hosts.
        self.hosts.clear();
        if !std::thread::panicking() {
            self.wait_kept(0);
            self.here.wait_empty();
        }
    }
}

/// Have ssh know the key of a host.
fn trust(here: &World, host: &Host) {
    let key = std::fs::read_to_string(host.world.path().join("host_key.pub")).unwrap();
    append(&here.path().join("known_hosts"), &format!("{} {key}", host.name));
}

/// Add text to a file.
pub(crate) fn append(path: &Path, text: &str) {
    use std::io::Write as _;
    let mut file = std::fs::OpenOptions::new();
    let mut file = file.append(true).create(true).open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}
