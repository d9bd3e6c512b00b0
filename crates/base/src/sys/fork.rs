//! A forked child that waits at a gate until it is released to become its command.

use std::io::{self, PipeReader, PipeWriter, Read as _, Write as _};

use nix::libc;
use nix::sys::signal::{SigSet, SigmaskHow};
use nix::sys::stat::Mode;
use nix::unistd::{ForkResult, Pid};

/// Why a child could not become its command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The status that a shell reports for it: 127 for not found, 126 for anything else.
    pub status: u8,
    /// What failed and why.
    pub message: String,
}

/// A forked child in a process group of its own that waits for [`Held::release`].
///
/// If it is dropped instead, the child exits without having done anything.
#[derive(Debug)]
pub struct Held {
    /// Its process id, also its process group.
    pub pid: u32,
    gate: PipeWriter,
    report: PipeReader,
}

/// Reports, once the child has ended, whether it ever became its command.
#[derive(Debug)]
pub struct Report(PipeReader);

/// Fork a child that runs `become_command` when it is released.
///
/// All signals are blocked while it waits and when `become_command` is called, so no signal handler of this
/// process can run in the child. `become_command` returns only on failure.
pub fn hold(become_command: impl FnOnce() -> Failure) -> io::Result<Held> {
    let (gate_read, gate) = io::pipe()?;
    let (report, report_write) = io::pipe()?;
    let Some(child) = fork()? else {
        drop((gate, report));
        end_child(wait_and_become(gate_read, report_write, become_command))
    };
    // Parent and child both call it, so it is done whichever runs first.
    let _ = nix::unistd::setpgid(child, child);
    Ok(Held { pid: child.as_raw().unsigned_abs(), gate, report })
}

/// Fork this process; `None` in the child, in which all signals are blocked.
fn fork() -> io::Result<Option<Pid>> {
    let mask = SigSet::all().thread_swap_mask(SigmaskHow::SIG_SETMASK)?;
    #[expect(unsafe_code, reason = "fork")]
    // SAFETY: a shim has one thread, so the child may do anything its parent may.
    let forked = unsafe { nix::unistd::fork() };
    let child = match forked {
        Ok(ForkResult::Child) => return Ok(None),
        Ok(ForkResult::Parent { child }) => Ok(Some(child)),
        Err(error) => Err(error.into()),
    };
    mask.thread_set_mask()?;
    child
}

fn end_child(status: u8) -> ! {
    #[expect(unsafe_code, reason = "no exit handler of the parent may run in the child")]
    // SAFETY: ends the process at once.
    unsafe {
        libc::_exit(status.into())
    }
}

fn wait_and_become(
    mut gate: PipeReader,
    mut report: PipeWriter,
    become_command: impl FnOnce() -> Failure,
) -> u8 {
    let _ = nix::unistd::setpgid(Pid::from_raw(0), Pid::from_raw(0));
    if gate.read_exact(&mut [0]).is_err() {
        return 0; // dropped, or the parent is gone: the command must not run
    }
    drop(gate);
    let failure = become_command();
    let _ = report.write_all(failure.message.as_bytes());
    let _ = io::stderr().write_all(format!("tmo: {}\n", failure.message).as_bytes());
    failure.status
}

impl Held {
    /// Let the child become its command.
    pub fn release(mut self) -> io::Result<Report> {
        self.gate.write_all(b"g")?;
        Ok(Report(self.report))
    }
}

impl Report {
    /// Why it never became its command. Call this only after the child has ended: it blocks otherwise.
    pub fn failure(mut self) -> Option<String> {
        let mut text = Vec::new();
        self.0.read_to_end(&mut text).ok()?;
        (!text.is_empty()).then(|| String::from_utf8_lossy(&text).into_owned())
    }
}

/// Fork a child that does this work, in a session of its own and without a terminal, and exits with its result.
/// It keeps only these file descriptors. Returns its process id.
///
/// It shares the memory of this process until one of the two changes it, so it costs less than a program of its own.
pub fn detached(keep: &[i32], work: impl FnOnce() -> u8) -> io::Result<u32> {
    let Some(child) = fork()? else {
        // No signal handler of this process may run in the child.
        super::default_signals(&[]);
        let _ = super::unblock_signals();
        let _ = nix::unistd::setsid();
        let _ = detach_standard_streams();
        let _ = super::close_inherited(keep);
        end_child(work())
    };
    Ok(child.as_raw().unsigned_abs())
}

/// Replace the standard streams with `/dev/null`.
fn detach_standard_streams() -> io::Result<()> {
    let null = super::files::open_null()?;
    rustix::stdio::dup2_stdin(&null)?;
    rustix::stdio::dup2_stdout(&null)?;
    rustix::stdio::dup2_stderr(&null)?;
    Ok(())
}

/// Set the file mode creation mask.
pub fn umask(bits: u32) {
    nix::sys::stat::umask(Mode::from_bits_truncate((bits & 0o777).cast()));
}

/// Set a resource limit, or as close to it as this process is permitted.
pub fn limit(resource: u32, soft: u64, hard: u64) -> io::Result<()> {
    let set = |soft: u64, hard: u64| {
        let limits = libc::rlimit { rlim_cur: soft, rlim_max: hard };
        #[expect(unsafe_code, reason = "the safe wrappers know resources by name only")]
        // SAFETY: the structure is only read.
        let done = unsafe { libc::setrlimit(resource.cast(), &raw const limits) };
        if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    };
    let Err(error) = set(soft, hard) else { return Ok(()) };
    let mut now = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    #[expect(unsafe_code, reason = "the safe wrappers know resources by name only")]
    // SAFETY: the structure is writable.
    let known = unsafe { libc::getrlimit(resource.cast(), &raw mut now) } == 0;
    if !known {
        return Err(error);
    }
    set(soft.min(now.rlim_max), hard.min(now.rlim_max))
}

/// Resource numbers and modes have different types in different C libraries.
trait Cast<T> {
    fn cast(self) -> T;
}

impl Cast<u32> for u32 {
    fn cast(self) -> u32 {
        self
    }
}

impl Cast<u16> for u32 {
    fn cast(self) -> u16 {
        u16::try_from(self).unwrap_or(u16::MAX)
    }
}

impl Cast<i32> for u32 {
    fn cast(self) -> i32 {
        i32::try_from(self).unwrap_or(-1)
    }
}
