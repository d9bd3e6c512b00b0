//! `tmo fleet install`: the program of tmo on hosts that have none.

use std::path::PathBuf;

use crate::fleet::{Fleet, login};
use crate::harness::{World, executable};

/// A small program that says its version.
const SMALL: &str = "/usr/bin/true";

/// A login to this world without a tmo in its `PATH`.
fn bare_login(world: &World, shell: &str) -> String {
    let tmo = PathBuf::from(env!("CARGO_BIN_EXE_tmo"));
    login(world, shell).replace(&format!("{}:", tmo.parent().unwrap().display()), "")
}

fn place(world: &World) -> PathBuf {
    world.home().join(".local/bin/tmo")
}

#[test]
fn a_host_without_tmo_gets_it() {
    let fleet = Fleet::new(&["web: exec sleep 1000\n"; 2]);
    for (name, world) in ["a", "b"].into_iter().zip(&fleet.hosts) {
        fleet.host(name, &bare_login(world, "sh"));
    }
    let ran = fleet.run(&["ps"]);
    assert!(ran.code == 3 && ran.stdout.contains("there is no tmo"), "{ran:?}");
    let version = env!("CARGO_PKG_VERSION");
    assert!(ran.stderr.contains("`tmo fleet install a b` puts it there"), "{ran:?}");
    let both = |text: &str| format!("a  {text}\nb  {text}\n");
    let installed = format!("installed tmo {version} as ~/.local/bin/tmo");
    assert_eq!(fleet.ok(&["install"]), both(&installed));
    assert_eq!(fleet.ok(&["install"]), both("has this program already, as ~/.local/bin/tmo"));
    fleet.ok(&["start"]);
    assert_eq!(fleet.ok(&["ps"]).matches("running").count(), 2);
    fleet.ok(&["quit"]);
    fleet.hosts.iter().for_each(World::wait_empty);
}

#[test]
fn every_login_shell_installs_it() {
    let fleet = Fleet::new(&["web: exec sleep 1000\n"]);
    for shell in ["sh", "bash", "dash", "zsh", "fish", "tcsh", "csh", "ksh"] {
        if which::which(shell).is_err() {
            eprintln!("SKIPPED: there is no {shell}");
            continue;
        }
        fleet.hosts[0].without_fish_reading_manuals();
        fleet.host("a", &format!("echo Welcome; {}", bare_login(&fleet.hosts[0], shell)));
        let said = fleet.ok(&["install", "--from", SMALL]);
        assert!(said.ends_with(" as ~/.local/bin/tmo\n"), "{shell}: {said}");
        assert_eq!(std::fs::read(place(&fleet.hosts[0])).unwrap(), std::fs::read(SMALL).unwrap());
        std::fs::remove_file(place(&fleet.hosts[0])).unwrap();
    }
}

#[test]
fn what_can_not_be_installed_changes_nothing() {
    let fleet = Fleet::new(&["web: exec sleep 1000\n"]);
    let world = &fleet.hosts[0];
    let refused = |login: &str, text: &str| {
        fleet.host("a", login);
        let ran = fleet.run(&["install", "--from", SMALL]);
        assert!(ran.code == 1 && ran.stdout.contains(text), "{ran:?}");
        let dir = place(world).parent().unwrap().to_owned();
        assert!(!dir.exists() || dir.read_dir().unwrap().next().is_none(), "{ran:?}");
    };
    let login = bare_login(world, "sh");
    refused(&format!("head -c 1000 | ({login})"), "failed: it did not arrive whole");
    // Another machine.
    let bin = world.app().join("bin");
    std::fs::create_dir(&bin).unwrap();
    executable(&bin.join("uname"), "#!/bin/sh\n[ $1 = -s ] && echo Linux || echo m68k\n");
    let other = login.replace("'PATH=", &format!("'PATH={}:", bin.display()));
    refused(&other, "failed: it is Linux m68k");
    refused("echo no >&2; exit 1", "failed: no");
    fleet.host("a", "echo 'ssh: connect to host a port 22: Connection refused' >&2; exit 255");
    let ran = fleet.run(&["install", "--from", SMALL]);
    assert!(ran.code == 3 && ran.stdout.contains("unreachable: ssh: connect"), "{ran:?}");
    fleet.here.write("tmo.zip", "PK");
    let ran = fleet.run(&["install", "--from", "tmo.zip"]);
    assert!(
        ran.code == 1
            && ran.stderr.contains("tmo.zip is no program; take `tmo` out of its archive"),
        "{ran:?}"
    );
}

#[test]
fn a_host_may_need_longer_than_it_may_be_silent() {
    let fleet = Fleet::new(&["web: exec sleep 1000\n"]);
    let bin = fleet.hosts[0].app().join("bin");
    std::fs::create_dir(&bin).unwrap();
    let sha256sum = which::which("sha256sum").unwrap();
    let slow = format!("#!/bin/sh\nsleep 6\nexec {}\n", sha256sum.display());
    executable(&bin.join("sha256sum"), &slow);
    let login = bare_login(&fleet.hosts[0], "sh");
    fleet.host("a", &login.replace("'PATH=", &format!("'PATH={}:", bin.display())));
    let said = fleet.ok(&["install", "--from", SMALL, "--connect-timeout", "4s"]);
    assert!(said.ends_with(" as ~/.local/bin/tmo\n"), "{said}");
}

#[test]
fn the_run_of_a_host_comes_back_after_a_reboot() {
    let fleet = Fleet::new(&["web: exec sleep 1000\n"]);
    fleet.host("a", &bare_login(&fleet.hosts[0], "sh"));
    let said = fleet.ok(&["install", "--boot"]);
    assert!(said.ends_with("; its run comes back after a reboot\n"), "{said}");
    let units = fleet.hosts[0].home().join(".config/systemd/user");
    let unit = units.read_dir().unwrap().flatten().map(|entry| entry.path());
    let unit =
        unit.filter(|path| path.is_file()).map(|path| std::fs::read_to_string(path).unwrap());
    let text: String = unit.collect();
    assert!(text.contains(&place(&fleet.hosts[0]).display().to_string()), "{text}");
}
