//! A small tracer: runs a command and kills a part of the run at its n-th step.
//!
//! A step is a system call whose effect other processes can observe: writing, renaming, binding,
//! connecting, forking, signalling. The part is killed before the call is executed, so every moment between
//! two steps occurs once. The program calls itself for this (`trace …`), because only one thread can trace
//! a process, and because its exit releases all tracees.

use std::collections::HashSet;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, ExitCode};

use nix::libc;
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

/// What others could see.
const STEPS: &[libc::c_long] = &[
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_pwrite64,
    libc::SYS_sendto,
    libc::SYS_sendmsg,
    libc::SYS_renameat,
    libc::SYS_renameat2,
    libc::SYS_linkat,
    libc::SYS_unlinkat,
    libc::SYS_mkdirat,
    libc::SYS_mknodat,
    libc::SYS_symlinkat,
    libc::SYS_bind,
    libc::SYS_listen,
    libc::SYS_connect,
    libc::SYS_accept4,
    libc::SYS_clone,
    libc::SYS_clone3,
    libc::SYS_execve,
    libc::SYS_kill,
    libc::SYS_pidfd_send_signal,
    libc::SYS_ftruncate,
    libc::SYS_fchmod,
    libc::SYS_fchmodat,
    libc::SYS_flock,
    libc::SYS_setsid,
    libc::SYS_exit_group,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_rename,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_unlink,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_rmdir,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_mkdir,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_mknod,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_symlink,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_chmod,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_vfork,
];

/// What is traced and when it is struck.
struct Tracer {
    /// The verb of the part, until it has been found.
    verb: String,
    /// Its process id.
    victim: Option<Pid>,
    known: HashSet<Pid>,
    step: u64,
    counted: u64,
    signal: Signal,
    struck: bool,
}

/// `VERB|PID STEP SIGNAL COUNT-FILE COMMAND…`: the command's exit code; the number of steps that
/// were counted is written to the file.
pub(crate) fn run(words: &[String]) -> ExitCode {
    let [who, step, signal, file, program, args @ ..] = words else { return ExitCode::from(2) };
    let mut command = Command::new(program);
    command.args(args);
    let mut tracer = Tracer {
        verb: who.clone(),
        victim: who.parse().ok().map(Pid::from_raw),
        known: HashSet::new(),
        step: step.parse().unwrap(),
        counted: 0,
        signal: signal.parse().unwrap(),
        struck: false,
    };
    let child = tracer.begin(&mut command).unwrap();
    let code = tracer.follow(child);
    std::fs::write(file, tracer.counted.to_string()).unwrap();
    ExitCode::from(code)
}

/// Which system call begins, of a tracee that stands at one.
fn call(pid: Pid) -> Option<(libc::c_long, [u64; 6])> {
    let info = ptrace::syscall_info(pid).ok()?;
    if info.op != libc::PTRACE_SYSCALL_INFO_ENTRY {
        return None;
    }
    #[expect(unsafe_code, reason = "a union of the C library")]
    // SAFETY: the kernel has said by `op` which of its members it has filled.
    let entry = unsafe { info.u.entry };
    Some((libc::c_long::try_from(entry.nr).ok()?, entry.args))
}

fn is_step((number, args): (libc::c_long, [u64; 6])) -> bool {
    let creates = |flags: u64| flags & u64::try_from(libc::O_CREAT).unwrap() != 0;
    STEPS.contains(&number) || number == libc::SYS_openat && creates(args[2])
}

fn pid_of(child: &Child) -> Pid {
    Pid::from_raw(i32::try_from(child.id()).unwrap())
}

fn thread_of(pid: Pid) -> Option<Pid> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let group = status.lines().find_map(|line| line.strip_prefix("Tgid:"))?;
    group.trim().parse().ok().map(Pid::from_raw)
}

impl Tracer {
    /// Start the command; its end is seen among those of all that are traced.
    fn begin(&mut self, command: &mut Command) -> io::Result<Pid> {
        let options = Options::PTRACE_O_TRACESYSGOOD
            | Options::PTRACE_O_TRACECLONE
            | Options::PTRACE_O_TRACEFORK
            | Options::PTRACE_O_TRACEVFORK
            | Options::PTRACE_O_TRACEEXEC;
        if let Some(victim) = self.victim {
            for thread in std::fs::read_dir(format!("/proc/{victim}/task"))?.flatten() {
                let name = thread.file_name().to_string_lossy().into_owned();
                let thread = Pid::from_raw(name.parse().unwrap());
                ptrace::seize(thread, options)?;
                ptrace::interrupt(thread)?;
                self.known.insert(thread);
            }
            return Ok(pid_of(&command.spawn()?));
        }
        #[expect(unsafe_code, reason = "only the child itself can ask to be traced")]
        // SAFETY: one system call, which may be made after a fork.
        unsafe {
            command.pre_exec(|| Ok(ptrace::traceme()?));
        }
        let pid = pid_of(&command.spawn()?);
        // It stops when it has become its command.
        waitpid(pid, None)?;
        ptrace::setoptions(pid, options)?;
        self.known.insert(pid);
        self.look_at(pid);
        self.go_on(pid, None);
        Ok(pid)
    }

    /// Follow all of them until the command itself has ended; its exit code.
    fn follow(&mut self, child: Pid) -> u8 {
        loop {
            match waitpid(None, Some(WaitPidFlag::__WALL)).unwrap() {
                WaitStatus::Exited(pid, code) if pid == child => {
                    return u8::try_from(code).unwrap();
                }
                WaitStatus::Signaled(pid, signal, _) if pid == child => {
                    eprintln!("tmo: ended by {signal}");
                    return 128 + u8::try_from(signal as i32).unwrap();
                }
                WaitStatus::PtraceSyscall(pid) => {
                    if call(pid).is_some_and(is_step) {
                        self.take_step(pid);
                    }
                    self.go_on(pid, None);
                }
                WaitStatus::PtraceEvent(pid, _, event) => {
                    if event == libc::PTRACE_EVENT_EXEC {
                        self.look_at(pid);
                    }
                    self.known.insert(pid);
                    self.go_on(pid, None);
                }
                // The first stop of one that was forked is nobody's signal.
                WaitStatus::Stopped(pid, Signal::SIGSTOP) if self.known.insert(pid) => {
                    self.go_on(pid, None);
                }
                WaitStatus::Stopped(pid, signal) => self.go_on(pid, Some(signal)),
                WaitStatus::Exited(..)
                | WaitStatus::Signaled(..)
                | WaitStatus::Continued(_)
                | WaitStatus::StillAlive => {}
            }
        }
    }

    /// Is this the one?
    fn look_at(&mut self, pid: Pid) {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let mut words = line.split(|&b| b == 0);
        let program = words.next().unwrap_or_default();
        let tmux = self.verb == "tmux" && program.ends_with(b"/tmux") && words.clone().count() > 4;
        if self.victim.is_none() && (tmux || words.next() == Some(self.verb.as_bytes())) {
            self.victim = Some(pid);
        }
    }

    fn take_step(&mut self, pid: Pid) {
        self.counted += 1;
        if self.counted == self.step && !self.struck {
            self.struck = true;
            let _ = kill(thread_of(pid).unwrap_or(pid), self.signal);
        }
    }

    /// Let one that stands go on: to its next step, to its next fork, or for good.
    fn go_on(&self, pid: Pid, signal: Option<Signal>) {
        let ours = self.victim.is_some() && thread_of(pid) == self.victim;
        // It may have been killed by now.
        let _ = match self.victim {
            None => ptrace::cont(pid, signal),
            Some(_) if ours && !self.struck => ptrace::syscall(pid, signal),
            Some(_) => ptrace::detach(pid, signal),
        };
    }
}
