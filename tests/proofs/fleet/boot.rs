//! A machine with systemd, in a container with a root of its own: tmo and the run come by `tmo fleet install --boot`.

use std::path::Path;
use std::process::Command;

use crate::fleet::engines::{self, PATIENCE, PROCFILE, Podman, ROOT};
use crate::fleet::hosts::must;
use crate::harness::{World, eventually_within};
use crate::table::Table;

/// What a user's own systemd needs.
const PACKAGES: &str = "--include=systemd-sysv,dbus,libpam-systemd";

/// With cgroups of version 1, systemd in a container never learns that a user's manager has ended.
const CGROUPS: &str = "umount -R /sys/fs/cgroup && mount -t cgroup2 cgroup2 /sys/fs/cgroup";

/// The root of a Debian with systemd, kept for the next time. It is the same as here, so that it has the libraries of the
/// program.
fn debian(world: &World) -> String {
    let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join("systemd.tar");
    let tar = world.path().join("debian.tar");
    if !kept.exists() {
        let release = std::fs::read_to_string("/etc/os-release").unwrap();
        let suite =
            release.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME=")).unwrap();
        let mut mmdebstrap = Command::new("mmdebstrap");
        mmdebstrap.args(["--quiet", "--variant=minbase", PACKAGES, suite]).arg(&tar);
        must(mmdebstrap.env("TMPDIR", world.path()));
        std::fs::create_dir_all(kept.parent().unwrap()).unwrap();
        must(Command::new("mv").arg(&tar).arg(&kept));
    }
    must(Command::new("cp").arg(&kept).arg(&tar));
    tar.display().to_string()
}

pub(crate) fn boot(times: u32, _: u64) -> Table {
    let mut table = Table::default();
    if engines::are_missing("boot", times, &["podman", "runc", "mmdebstrap", "ip", "nsenter"]) {
        return table;
    }
    let here = World::new(PROCFILE);
    let podman = Podman::new(&here, CGROUPS);
    let tar = debian(&here);
    let project = here.path().join("project");
    std::fs::create_dir_all(project.join(&ROOT[1..])).unwrap();
    std::fs::copy(here.app().join("Procfile"), project.join(&ROOT[1..]).join("Procfile")).unwrap();
    let owner = ["--owner=0", "--group=0"];
    must(
        Command::new("tar")
            .args(["--append", "-f", &tar])
            .args(owner)
            .arg("-C")
            .arg(&project)
            .arg(&ROOT[1..]),
    );
    podman.import(Path::new(&tar), "localhost/robot:latest");
    let run = ["run", "--detach", "--pull", "never", "--hostname", "robot", "--name", "robot"];
    let systemd = ["--systemd", "always", "localhost/robot", "/lib/systemd/systemd"];
    podman.ok(&[&run[..], &systemd].concat());
    let script = &podman.script;
    here.write(
        "fleet.toml",
        &format!(
            "[host.robot]\nroot = \"{ROOT}\"\n\
             via = [\"{script}\", \"exec\", \"-i\", \"robot\"]\ntty = [\"{script}\", \"exec\", \"-it\", \"robot\"]\n"
        ),
    );
    here.ok(["fleet", "trust", "--yes"]);
    let on = |words: &[&str]| {
        let exec = Command::new(script).args(["exec", "robot"]).args(words).output().unwrap();
        exec.status.success().then_some(())
    };
    let is_up = || on(&["systemctl", "is-active", "--quiet", "multi-user.target"]);
    eventually_within(PATIENCE, "systemd is up", is_up);
    podman.ok(&["exec", "robot", "loginctl", "enable-linger", "root"]);
    let installed = here.run(["fleet", "install", "--boot"]);
    table.must("install --boot", installed.code, 0);
    let reboot = || {
        podman.ok(&["exec", "robot", "touch", "/run/before"]);
        // A machine that does not shut down by itself is killed after that, which its log would show.
        podman.ok(&["restart", "--time", "300", "robot"]);
        eventually_within(PATIENCE, "it has booted", || on(&["test", "!", "-e", "/run/before"]));
        let ps = || here.run(["fleet", "ps"]);
        let both = || (ps().stdout.matches(" running ").count() == 2).then_some(());
        eventually_within(PATIENCE, "the run is there", both);
    };
    reboot();
    let count = |text: &str| {
        here.run(["fleet", "logs", "--all-runs", "robot/web"]).stdout.matches(text).count()
    };
    let prints = |boots| move || (count("line 1\n") == boots).then_some(());
    eventually_within(PATIENCE, "it prints", prints(1));
    reboot();
    eventually_within(PATIENCE, "it prints again, after what it has printed before", prints(2));
    let log = here.run(["fleet", "logs", "--all-runs", "robot/"]).stdout;
    table.must(
        "starts of web in the log after two boots",
        log.matches("robot/web    | Started").count(),
        2,
    );
    table.must("ends of web in it", log.matches("robot/web    | Ended by").count(), 1);
    table.must("first lines of web", log.matches("line 1\n").count(), 2);
    let why = here.run(["fleet", "why"]).stdout;
    table.must("why", why.trim().lines().last().unwrap_or_default(), "all processes are running");
    drop(podman);
    engines::remove_cgroups("libpod_parent");
    table
}
