//! Each system call that tmo makes is refused in turn, as old kernels and the seccomp profiles of containers do: a run works
//! all the same, or a command fails and says what the system refuses.

use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, ExitCode};

use nix::libc;

use crate::faults::cases::{self, Case};
use crate::faults::trial::{Ran, Trial};
use crate::table::Table;

/// A system call by its name.
type Call = (&'static str, libc::c_long);

macro_rules! calls {
    ($($name:ident)*) => { &[$((stringify!($name), libc::$name)),*] };
}

/// Those that a sandbox is known to refuse, or an old kernel to lack: one of them is tried each time.
const SUSPECTS: &[Call] = calls! {
    SYS_pidfd_open SYS_pidfd_send_signal SYS_waitid SYS_prctl SYS_splice SYS_inotify_init1
    SYS_inotify_add_watch SYS_close_range SYS_flock SYS_eventfd2 SYS_clone3 SYS_statx SYS_memfd_create
    SYS_faccessat2 SYS_renameat2 SYS_timerfd_create
};

/// All others that `strace` shows in a start, a restart, a stop, `ps`, `logs`, `screen`, `send`, `scale`,
/// `reload`, `why` and `quit`, over both kinds of terminals; without those that never fail on any system (`getpid`,
/// `umask`, `setsid` …), on which libraries rely.
const OTHERS: &[Call] = calls! {
    SYS_accept SYS_accept4 SYS_bind SYS_brk SYS_clone SYS_close SYS_connect SYS_dup
    SYS_epoll_create1 SYS_epoll_ctl SYS_execve SYS_fchmod SYS_fcntl
    SYS_fstat SYS_ftruncate SYS_futex SYS_getcwd SYS_getdents64
    SYS_getpriority SYS_getrandom SYS_getsockopt
    SYS_ioctl SYS_kill SYS_listen SYS_lseek SYS_madvise SYS_mknodat SYS_mmap
    SYS_mprotect SYS_munmap SYS_newfstatat SYS_openat SYS_pipe2 SYS_ppoll SYS_pread64
    SYS_prlimit64 SYS_pwrite64 SYS_read SYS_readlinkat SYS_readv SYS_recvfrom SYS_recvmsg
    SYS_rseq SYS_rt_sigaction SYS_rt_sigprocmask SYS_sched_getaffinity
    SYS_sendmsg SYS_sendto SYS_set_robust_list SYS_set_tid_address SYS_setpgid
    SYS_setsockopt SYS_shutdown SYS_sigaltstack SYS_socket SYS_socketpair SYS_uname
    SYS_unlinkat SYS_wait4 SYS_write SYS_writev
};

#[cfg(target_arch = "x86_64")]
const OF_THIS_MACHINE: &[Call] = calls! {
    SYS_access SYS_arch_prctl SYS_chmod SYS_dup2 SYS_mkdir SYS_poll
    SYS_readlink SYS_rename SYS_rmdir SYS_unlink SYS_vfork
};

#[cfg(not(target_arch = "x86_64"))]
const OF_THIS_MACHINE: &[Call] = &[];

pub(crate) fn prove(times: u32, seed: u64) -> Table {
    let all = [SUSPECTS, OTHERS, OF_THIS_MACHINE].concat();
    let calls = if times == crate::options::ALL { &all[..] } else { SUSPECTS };
    let mut cases = vec![];
    for &(constant, number) in calls {
        let name = constant.trim_start_matches("SYS_");
        for (errno, value) in [("EPERM", libc::EPERM), ("ENOSYS", libc::ENOSYS)] {
            for backend in ["tmux", "native"] {
                cases.push(Case::new(format!("{name} answers {errno}, {backend}"), move |t| {
                    t.choose_backend(backend);
                    attempt(t, name, (number, value));
                }));
            }
        }
    }
    for backend in ["tmux", "native"] {
        let name = format!("modes with setuid bits answer EPERM, {backend}");
        cases.push(Case::new(name, move |t| {
            t.choose_backend(backend);
            t.by = refusing([SETUID_BITS.into(), libc::EPERM.to_string()]);
            t.ok(["start", "-D"]);
            t.ok(["restart", "web"]);
            let doctor = t.run(["doctor"]);
            let none = "none that tmo needs is refused";
            t.check(doctor.stdout.contains(none), format!("doctor: {doctor:?}"));
            t.ok(["quit"]);
            t.by.clear();
            t.over();
        }));
    }
    cases::prove(cases, times, seed)
}

fn attempt(t: &mut Trial, name: &str, (number, errno): (libc::c_long, i32)) {
    t.by = refusing([number.to_string(), errno.to_string()]);
    let begins = |program: &str, args: &[&str]| {
        let mut command = Command::new(&t.by[0]);
        command.args(&t.by[1..]).arg(program).args(args);
        command.output().is_ok_and(|output| output.status.success())
    };
    let tmo = env!("CARGO_BIN_EXE_tmo");
    if !begins("sh", &["-c", "sleep 0; sleep 0 | cat"]) || !begins(tmo, &["--version"]) {
        return t.skip("no program runs without it");
    }
    if !t.world().is_native() && !begins("sh", &["-c", &probe_tmux(&t.at("probe"))]) {
        return t.skip("tmux does not run without it");
    }
    let ran = t.run(["start", "-D"]);
    let refusal = Refusal { name, words: std::io::Error::from_raw_os_error(errno).to_string() };
    if ran.code != 0 {
        refusal.check(t, "start -D", &ran);
        if ran.stderr.contains(&format!("`{name}`")) {
            let doctor = t.run(["doctor"]);
            let fails = doctor.stdout.lines().filter(|line| line.starts_with("FAIL"));
            let (own, others): (Vec<_>, Vec<_>) =
                fails.partition(|line| line.contains("system calls: "));
            let names = own.iter().any(|line| line.contains(name)) && others.is_empty();
            t.check(names, format!("doctor names the refused call: {doctor:?}"));
        }
        t.by.clear();
        // It may be up, and only refuse to be asked how it goes.
        if !t.world().living().is_empty() {
            t.ok(["quit"]);
        }
        return t.over();
    }
    // What runs can be used, or says why not.
    let commands: [&[&str]; 8] = [
        &["ps"],
        &["logs", "web"],
        &["restart", "web"],
        &["screen", "web"],
        &["stop", "worker"],
        &["scale", "web=2"],
        &["why"],
        &["quit"],
    ];
    let mut is_over = false;
    for words in commands {
        let ran = t.run(words);
        is_over = ran.code == 0;
        let is_fine = ran.code == 0 || words == ["why"] && ran.stderr.is_empty();
        if !is_fine {
            refusal.check(t, &words.join(" "), &ran);
        }
    }
    t.by.clear();
    let log = t.run(["logs"]).stdout;
    for untrue in ["signal 9", "tmux server is gone", "without a word", "was killed"] {
        t.check(!log.contains(untrue), format!("the log says {untrue:?}: {log}"));
    }
    if !is_over {
        t.ok(["quit"]);
    }
    t.over();
}

/// A script that succeeds if a tmux server starts and answers.
fn probe_tmux(socket: &Path) -> String {
    let tmux = format!("tmux -S {} -f /dev/null", socket.display());
    let answers = format!("{tmux} display-message -p answered | grep -q answered");
    format!("{tmux} new -d 'sleep 9' && {answers}; code=$?; {tmux} kill-server; exit $code")
}

/// The words before a command that is to run without a call.
fn refusing([what, errno]: [String; 2]) -> Vec<String> {
    let this = std::env::current_exe().unwrap().display().to_string();
    vec![this, "@refuse".into(), what, errno]
}

/// What a command must say if it fails.
struct Refusal<'a> {
    name: &'a str,
    words: String,
}

impl Refusal<'_> {
    fn check(&self, t: &mut Trial, words: &str, ran: &Ran) {
        let reason = self.words.split(" (os error").next().unwrap_or_default().to_lowercase();
        let said = ran.stderr.to_lowercase();
        // Many names of calls are words, too.
        let names = said.contains(&reason) || said.contains(&format!("`{}`", self.name));
        t.check(names, format!("`tmo {words}` does not name the refused call: {ran:?}"));
    }
}

/// `NUMBER ERRNO COMMAND…`: become the command, which the kernel refuses this system call from now on; instead of a
/// number, [`SETUID_BITS`].
pub(crate) fn run(words: &[String]) -> ExitCode {
    let [what, errno, program, args @ ..] = words else { return ExitCode::from(2) };
    let errno = errno.parse().unwrap();
    let mut filter = if what == SETUID_BITS {
        WITH_MODE.iter().flat_map(|call| refuse_setuid_bits(*call, errno)).collect()
    } else {
        refuse(what.parse().unwrap(), errno)
    };
    install(&mut filter);
    let error = Command::new(program).args(args).exec();
    // `execve` itself may be refused.
    eprintln!("{program}: {error}");
    ExitCode::from(126)
}

/// Refuse every mode with setuid or setgid bits, as `RestrictSUIDSGID=` of systemd does.
const SETUID_BITS: &str = "setuid-bits";
const WITH_MODE: &[(libc::c_long, u32)] = &[
    (libc::SYS_fchmod, 1),
    (libc::SYS_fchmodat, 2),
    (libc::SYS_mkdirat, 2),
    (libc::SYS_mknodat, 2),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_chmod, 1),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_mkdir, 1),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_mknod, 1),
];

/// A step of a filter: the operation, how many steps to skip if a condition holds and if not, the operand.
fn step(operation: u32, holds: u8, fails: u8, k: u32) -> libc::sock_filter {
    libc::sock_filter { code: u16::try_from(operation).unwrap(), jt: holds, jf: fails, k }
}

const LOAD: u32 = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
const IF_EQUAL: u32 = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
const IF_ANY_BIT: u32 = libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K;
const ANSWER: u32 = libc::BPF_RET | libc::BPF_K;

/// Answer this call with this error. The number of the call is the first word of `seccomp_data`.
fn refuse(number: u32, errno: u32) -> Vec<libc::sock_filter> {
    vec![
        step(LOAD, 0, 0, 0),
        step(IF_EQUAL, 0, 1, number),
        step(ANSWER, 0, 0, libc::SECCOMP_RET_ERRNO | errno),
    ]
}

fn refuse_setuid_bits(
    (number, argument): (libc::c_long, u32),
    errno: u32,
) -> Vec<libc::sock_filter> {
    let low_word = if cfg!(target_endian = "little") { 0 } else { 4 };
    vec![
        step(LOAD, 0, 0, 0),
        step(IF_EQUAL, 0, 3, u32::try_from(number).unwrap()),
        step(LOAD, 0, 0, 16 + 8 * argument + low_word),
        step(IF_ANY_BIT, 0, 1, libc::S_ISUID | libc::S_ISGID),
        step(ANSWER, 0, 0, libc::SECCOMP_RET_ERRNO | errno),
    ]
}

/// Install a seccomp filter of these steps, which permits all else.
fn install(program: &mut Vec<libc::sock_filter>) {
    program.push(step(ANSWER, 0, 0, libc::SECCOMP_RET_ALLOW));
    let len = u16::try_from(program.len()).unwrap();
    let filter = libc::sock_fprog { len, filter: program.as_mut_ptr() };
    #[expect(unsafe_code, reason = "no safe wrapper installs a filter")]
    // SAFETY: the kernel copies the program, which lives until then.
    let done = unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
            && libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const filter) == 0
    };
    assert!(done, "no filter: {}", std::io::Error::last_os_error());
}
