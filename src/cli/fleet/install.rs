//! `tmo fleet install`: puts the program of tmo onto hosts, which need nothing but a shell.

use std::fmt;
use std::io::Read as _;
use std::path::Path;

use super::answers::last_words;
use super::{Fleet, Order};
use crate::cli::error::CliError;
use crate::fleet::call::Call;
use crate::fleet::call_error::CallError;
use crate::fleet::fan::persistent;
use crate::fleet::host::Host;
use crate::fleet::inventory::digest;
use crate::fleet::names::Target;
use crate::model::text::untrusted::cleaned;
use crate::model::units;
use crate::sys::files::open_archive;

/// Where the program goes if the inventory does not tell.
const PLACE: &str = "~/.local/bin/tmo";

/// The largest program that is sent.
const LARGEST: u64 = 256 << 20;

/// The line before the answer; a login shell may print something before.
const BEGIN: &str = "tmo-host";

/// Tells what the host is, and the digest of what stands at `$0`.
const ASK: &str = "f=$0; case $f in \"~\"/*) f=$HOME${f#?};; esac; echo tmo-host; uname -s; uname -m; \
     { getconf GNU_LIBC_VERSION || echo -; } 2>/dev/null; \
     { sha256sum <\"$f\" || shasum -a 256 <\"$f\" || echo -; } 2>/dev/null | cut -d\" \" -f1";

/// Takes the program for `$0` from standard input; `$1` is its digest. It replaces what is there only if it has arrived whole
/// and runs. A message for a connection that was cut does not end it before it has removed the rest.
const TAKE: &str = "trap \"\" PIPE; f=$0; case $f in \"~\"/*) f=$HOME${f#?};; esac; n=$f.new-$$; umask 022; \
     mkdir -p \"${f%/*}\" && cat >\"$n\" && \
     case $({ sha256sum <\"$n\" || shasum -a 256 <\"$n\"; } 2>/dev/null) in $1*) ;; \
     *) echo it did not arrive whole >&2; false;; esac && \
     chmod 755 \"$n\" && \"$n\" --version && mv -f \"$n\" \"$f\" || { rm -f \"$n\"; exit 1; }";

/// A program of tmo that can be sent.
struct TmoProgram {
    bytes: Vec<u8>,
    /// Its SHA-256, in hex.
    digest: String,
    needs: Platform,
}

/// What a program needs, or a host has.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Platform {
    /// As `uname -s` names it.
    system: String,
    /// As `uname -m` names it on Linux.
    machine: String,
    /// The version of glibc; `None` if it needs none, or has none.
    glibc: Option<(u32, u32)>,
}

/// Why a host has not got the program.
#[derive(Debug, thiserror::Error)]
enum InstallError {
    #[error("unreachable: {0}")]
    Unreachable(#[from] CallError),
    #[error("failed: {0}")]
    Failed(String),
}

/// Install it on each host.
pub(super) async fn install(order: Order<'_, '_>) -> Result<(), CliError> {
    let Order { fleet, command, targets, summary } = order;
    let args = &command.install;
    let program = TmoProgram::read_file(args.from.as_ref().unwrap_or(&fleet.places.own))?;
    let width = targets.iter().map(|target| target.host.name.len()).max().unwrap_or(0);
    let work = async |target: &Target<'_>| {
        let host = target.host;
        let text = install_on(fleet, host, &program).await?;
        if !args.boot {
            return Ok(text);
        }
        let setup = Call::new(host, &["setup", "--boot"]);
        let answer = fleet.caller().call(host, &setup, None).await?;
        if answer.code != 0 {
            return Err(failed(fleet, host, answer.code, &answer.error));
        }
        Ok(format!("{text}; its run comes back after a reboot"))
    };
    // Nothing of what a host prints is kept but a line.
    let size = |_: &String| 0;
    fleet
        .fan(targets, work, size, |target, end| {
            let name = &target.host.name;
            match &end {
                Ok(_) => summary.answered(0),
                Err(InstallError::Failed(_)) => summary.answered(1),
                Err(InstallError::Unreachable(error)) => summary.unanswered(target, Some(error)),
            }
            let end = end.map_err(|error| error.to_string());
            let (Ok(text) | Err(text)) = &end;
            summary.print(&format!("{name:width$}  {text}\n"))?;
            summary.add_text(name, end);
            Ok(())
        })
        .await
}

/// Send the program, unless it is there or can't run there.
async fn install_on(
    fleet: &Fleet<'_>,
    host: &Host,
    program: &TmoProgram,
) -> Result<String, InstallError> {
    let caller = fleet.caller();
    let place = host.tmo.as_deref().unwrap_or(PLACE);
    let asked = persistent(async || caller.script(host, ASK, &[place], b"").await).await?;
    let Some((has, digest)) = Platform::of_host(&asked.output) else {
        return Err(failed(fleet, host, asked.code(), &asked.error));
    };
    if digest == program.digest {
        return Ok(format!("has this program already, as {place}"));
    }
    if !program.needs.runs_on(&has) {
        let needs = &program.needs;
        return Err(InstallError::Failed(format!(
            "it is {has}, and this program is for {needs}; `--from PROGRAM` takes one for it"
        )));
    }
    let taken = caller.script(host, TAKE, &[place, &program.digest], &program.bytes).await?;
    if taken.code() != 0 {
        return Err(failed(fleet, host, taken.code(), &taken.error));
    }
    let version = taken.output.lines().rev().find(|line| !line.trim().is_empty()).map(cleaned);
    Ok(format!("installed {} as {place}", version.unwrap_or_else(|| "tmo".to_owned())))
}

/// By what a program has printed to standard error of this host.
fn failed(fleet: &Fleet<'_>, host: &Host, code: u8, error: &str) -> InstallError {
    InstallError::Failed(last_words(&fleet.inventory, host, code, error))
}

impl TmoProgram {
    fn read_file(path: &Path) -> Result<Self, CliError> {
        let unreadable = |error| CliError::io(path.display())(error);
        let file = open_archive(path, LARGEST).map_err(unreadable)?.ok_or_else(|| {
            let text = format!("{} is larger than {}", path.display(), units::bytes(LARGEST));
            CliError::Other(text)
        })?;
        let mut bytes = vec![];
        file.take(LARGEST).read_to_end(&mut bytes).map_err(unreadable)?;
        let needs = Platform::of_program(&bytes).ok_or_else(|| {
            let path = path.display();
            CliError::Other(format!("{path} is no program; take `tmo` out of its archive"))
        })?;
        Ok(Self { digest: digest(&bytes), bytes, needs })
    }
}

impl Platform {
    /// What a program needs: by the head of an ELF or a Mach-O file, and the versions of glibc that it names.
    fn of_program(bytes: &[u8]) -> Option<Self> {
        let number = |at: usize| bytes.get(at).copied();
        let (system, machine) = match bytes.get(..4)? {
            b"\x7fELF" => (
                "Linux",
                // `e_machine` of little-endian files.
                match u16::from_le_bytes([number(18)?, number(19)?]) {
                    0x28 => "arm",
                    0x3e => "x86_64",
                    0xb7 => "aarch64",
                    0xf3 => "riscv64",
                    _ => return None,
                },
            ),
            // `cputype` behind the magic number.
            [0xcf, 0xfa, 0xed, 0xfe] => (
                "Darwin",
                match number(4)? {
                    0x07 => "x86_64",
                    0x0c => "aarch64",
                    _ => return None,
                },
            ),
            _ => return None,
        };
        let glibc = memchr::memmem::find_iter(bytes, "GLIBC_2.").filter_map(|at| {
            let digits = bytes[at + 8..].iter().take_while(|byte| byte.is_ascii_digit()).take(3);
            let digits: String = digits.map(|byte| char::from(*byte)).collect();
            Some((2, digits.parse().ok()?))
        });
        Some(Self { system: system.to_owned(), machine: machine.to_owned(), glibc: glibc.max() })
    }

    /// What a host is, and the digest of its present program, from what [`ASK`] has printed.
    fn of_host(printed: &str) -> Option<(Self, String)> {
        let mut lines = printed.lines().map(|line| cleaned(line.trim()));
        lines.by_ref().find(|line| line == BEGIN)?;
        let system = lines.next()?;
        let machine = lines.next()?;
        let glibc = lines.next()?;
        let version = glibc.strip_prefix("glibc ").and_then(|version| version.split_once('.'));
        let number = |text: &str| text.split('.').next()?.parse().ok();
        let glibc = version.and_then(|(major, minor)| Some((number(major)?, number(minor)?)));
        let machine = match &*machine {
            "arm64" => "aarch64".to_owned(),
            "amd64" => "x86_64".to_owned(),
            arm if arm.starts_with("armv") => "arm".to_owned(),
            _ => machine,
        };
        Some((Self { system, machine, glibc }, lines.next().unwrap_or_default()))
    }

    /// Whether a program that needs this runs on such a host.
    fn runs_on(&self, host: &Self) -> bool {
        let is_same = self.system == host.system && self.machine == host.machine;
        is_same && self.glibc.is_none_or(|needed| host.glibc.is_some_and(|has| has >= needed))
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.system, self.machine)?;
        self.glibc.map_or(Ok(()), |(major, minor)| write!(f, " with glibc {major}.{minor}"))
    }
}

#[cfg(test)]
mod tests {
    use super::{ASK, Platform, TAKE, TmoProgram};

    fn platform(system: &str, machine: &str, glibc: Option<(u32, u32)>) -> Platform {
        Platform { system: system.to_owned(), machine: machine.to_owned(), glibc }
    }

    #[test]
    fn what_a_host_tells_is_read_behind_what_its_login_shell_prints() {
        let read = |printed: &str| Platform::of_host(printed).unwrap();
        assert_eq!(
            read("Welcome\ntmo-host\nLinux\nx86_64\nglibc 2.36\nabc\n"),
            (platform("Linux", "x86_64", Some((2, 36))), "abc".to_owned())
        );
        assert_eq!(
            read("tmo-host\r\nDarwin\r\narm64\r\n-\r\n-\r\n").0,
            platform("Darwin", "aarch64", None)
        );
        assert_eq!(read("tmo-host\nLinux\narmv7l\n-\n").0, platform("Linux", "arm", None));
        assert_eq!(Platform::of_host("tmo-host\nLinux\n"), None);
        assert_eq!(Platform::of_host(""), None);
    }

    #[test]
    fn a_program_runs_where_system_machine_and_library_are_right() {
        let own = TmoProgram::read_file(&std::env::current_exe().unwrap());
        assert_eq!(own.map_err(drop).unwrap().needs.machine, std::env::consts::ARCH);
        let host = platform("Linux", "x86_64", Some((2, 36)));
        for (needs, runs) in [
            (platform("Linux", "x86_64", None), true),
            (platform("Linux", "x86_64", Some((2, 36))), true),
            (platform("Linux", "x86_64", Some((2, 39))), false),
            (platform("Linux", "aarch64", None), false),
            (platform("Darwin", "x86_64", None), false),
        ] {
            assert_eq!(needs.runs_on(&host), runs, "{needs}");
        }
        let musl = platform("Linux", "x86_64", None);
        assert!(!platform("Linux", "x86_64", Some((2, 17))).runs_on(&musl), "no glibc there");
        assert_eq!(Platform::of_program(b"PK\x03\x04 an archive"), None);
        assert_eq!(Platform::of_program(b"\x7fELF"), None);
    }

    #[test]
    fn scripts_are_read_alike_by_every_login_shell() {
        for script in [ASK, TAKE] {
            assert!(!script.contains(['\'', '!', '\\', '\n']), "{script}");
        }
    }
}
