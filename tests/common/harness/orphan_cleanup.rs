//! Ends the worlds of a test runner that was killed, as by Ctrl-C.

use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{ChildStdin, Command, Stdio};
use std::sync::{LazyLock, Mutex};

/// Reads a line for each world until the runner is gone: its mark and its directories. Those whose first
/// directory is still there are ended: their processes may be stopped, so that only SIGKILL helps, and may
/// start others meanwhile.
const SCRIPT: &str = r#"
trap '' INT TERM HUP
worlds=()
while read -r world; do worlds+=("$world"); done
for world in "${worlds[@]}"; do
    read -r mark dirs <<<"$world"
    [ -d "${dirs%% *}" ] || continue
    while :; do
        living=
        for process in /proc/[0-9]*; do
            grep -qzxF "$mark" "$process/environ" && living="$living ${process#/proc/}"
        done
        [ -n "$living" ] || break
        kill -9 $living
    done
    rm -rf $dirs
done
"#;

static WARDEN: LazyLock<Mutex<ChildStdin>> = LazyLock::new(|| {
    let mut warden = Command::new("bash");
    // Not in the group of the runner, which Ctrl-C reaches as a whole.
    warden.args(["-c", SCRIPT]).process_group(0);
    let warden = warden.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    Mutex::new(warden.spawn().unwrap().stdin.take().unwrap())
});

/// Have a world ended if the runner is killed: all processes with this in their environment, `NAME=VALUE`,
/// and then these directories. The world is over once the first of them is gone.
pub(crate) fn watch(mark: &str, dirs: &[&Path]) {
    if std::env::var_os("TMO_TEST_KEEP").is_none() {
        let dirs: Vec<_> = dirs.iter().map(|dir| dir.to_str().unwrap()).collect();
        writeln!(WARDEN.lock().unwrap(), "{mark} {}", dirs.join(" ")).unwrap();
    }
}
