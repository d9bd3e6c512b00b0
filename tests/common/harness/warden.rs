//! Ends the worlds of a test runner that was killed, for example by Ctrl-C, and cannot clean up itself.

use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{ChildStdin, Command, Stdio};
use std::sync::{LazyLock, Mutex};

/// Reads the directories of worlds until the runner is gone. Those that are still there are ended: their
/// processes may be stopped, so that only SIGKILL helps, and may start others meanwhile.
const SCRIPT: &str = r#"
trap '' INT TERM HUP
while read -r world; do worlds="$worlds $world"; done
for world in $worlds; do
    [ -d "$world" ] || continue
    while :; do
        living=
        for process in /proc/[0-9]*; do
            grep -qzxF "TMO_TEST_WORLD=$world/" "$process/environ" && living="$living ${process#/proc/}"
        done
        [ -n "$living" ] || break
        kill -9 $living
    done
    rm -rf "$world"
done
"#;

static WARDEN: LazyLock<Mutex<ChildStdin>> = LazyLock::new(|| {
    let mut warden = Command::new("bash");
    // Not in the group of the runner, which Ctrl-C reaches as a whole.
    warden.args(["-c", SCRIPT]).process_group(0);
    let warden = warden.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    Mutex::new(warden.spawn().unwrap().stdin.take().unwrap())
});

/// Have this world ended if the runner is killed.
pub(super) fn watch(world: &Path) {
    if std::env::var_os("TMO_TEST_KEEP").is_none() {
        writeln!(WARDEN.lock().unwrap(), "{}", world.display()).unwrap();
    }
}
