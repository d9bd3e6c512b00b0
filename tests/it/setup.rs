//! `tmo setup`: the files that it writes, keeps and removes.

use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use crate::harness::{Ran, Terminal, World, files};

/// A world in whose PATH tmo is found, as after an installation.
fn world() -> (World, PathBuf) {
    let world = World::new("");
    let bin = world.home().join(".local/bin");
    std::fs::create_dir_all(&bin).unwrap();
    // By another process: a program that is open to be written can't be started.
    let copy = format!("cp {} {}", env!("CARGO_BIN_EXE_tmo"), bin.join("tmo").display());
    assert_eq!(world.shell(&copy).code, 0);
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    (world.env("PATH", &path), bin)
}

fn tmo(world: &World, args: &[&str]) -> Ran {
    let tmo = world.home().join(".local/bin/tmo");
    Ran::of(&world.command(tmo).args(args).output().unwrap())
}

fn below(world: &World, dir: &str) -> Vec<PathBuf> {
    files(&world.home().join(dir))
}

const USER: [&str; 5] = [
    ".local/share/bash-completion/completions/tmo",
    ".local/share/zsh/site-functions/_tmo",
    ".config/fish/completions/tmo.fish",
    ".local/share/man/man1/tmo-start.1",
    ".local/share/man/man5/tmo.toml.5",
];

#[test]
fn setup_for_a_user_writes_each_file_that_it_names_and_removes_them_again() {
    let (world, _) = world();
    let ran = tmo(&world, &["setup", "--user"]);
    assert_eq!((ran.code, &*ran.stderr), (0, ""), "{ran:?}");
    for name in USER {
        let path = world.home().join(name);
        let mode = path.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o644, "{name}");
    }
    let written = [below(&world, ".local/share"), below(&world, ".config")].concat();
    for path in &written {
        let dir = path.parent().unwrap().display().to_string();
        assert!(ran.stdout.contains(&dir), "{path:?} is not named");
    }
    assert_eq!(ran.stdout.matches("wrote ").count(), 6, "one line for each directory: {ran:?}");
    let again = tmo(&world, &["setup", "--user"]);
    assert_eq!(again.code, 0, "{again:?}");
    assert!(!again.stdout.contains("wrote"), "{again:?}");
    assert_eq!(again.stdout.matches("unchanged ").count(), 6, "{again:?}");
    let removed = tmo(&world, &["setup", "--user", "--remove"]);
    assert_eq!(removed.code, 0, "{removed:?}");
    assert_eq!(removed.stdout.matches("removed ").count(), 6, "{removed:?}");
    assert_eq!(below(&world, ".local/share").len() + below(&world, ".config").len(), 0);
    assert!(world.home().join(".local/bin/tmo").exists());
}

#[test]
fn setup_keeps_files_that_others_have_written_or_changed() {
    let (world, bin) = world();
    let [bash, zsh, fish, page, _] = USER.map(|name| world.home().join(name));
    let put = |path: &Path, text: &str| {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    put(&bash, "# my own\n");
    let target = world.home().join("dotfiles");
    put(&target, "linked\n");
    std::fs::create_dir_all(zsh.parent().unwrap()).unwrap();
    symlink(&target, &zsh).unwrap();
    put(&fish, "complete --arguments (_TMO_COMPLETE=fish tmo) # of an earlier tmo\n");
    std::fs::write(bin.join("overmind"), "another program").unwrap();
    let ran = tmo(&world, &["setup", "--user", "--overmind"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    for path in [&bash, &zsh, &bin.join("overmind")] {
        let kept = format!("{} is left as it is", path.display());
        assert!(ran.stderr.contains(&kept), "{ran:?}");
    }
    assert_eq!(std::fs::read_to_string(&bash).unwrap(), "# my own\n");
    assert_eq!(std::fs::read_to_string(&target).unwrap(), "linked\n");
    assert!(ran.stdout.contains(&format!("replaced {}\n", fish.display())), "{ran:?}");
    // The others were written all the same; one of them is changed then.
    let text = std::fs::read_to_string(&page).unwrap();
    std::fs::write(&page, text + "a note\n").unwrap();
    let ran = tmo(&world, &["setup", "--user", "--remove"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stderr.contains(&format!("{} is left as it is", page.display())), "{ran:?}");
    assert!(page.exists() && bash.exists() && zsh.exists() && bin.join("overmind").exists());
    assert!(!fish.exists());
}

#[test]
fn setup_links_overmind_beside_the_program_on_request() {
    let (world, bin) = world();
    assert_eq!(tmo(&world, &["setup", "--user"]).code, 0);
    assert!(!bin.join("overmind").exists());
    let ran = tmo(&world, &["setup", "--user", "--overmind"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(std::fs::read_link(bin.join("overmind")).unwrap(), Path::new("tmo"));
    let completion = world.home().join(".local/share/bash-completion/completions/overmind");
    assert!(completion.is_file());
    let version = world.shell("overmind --version").stdout;
    assert!(version.starts_with("Overmind version"), "{version}");
    assert_eq!(tmo(&world, &["setup", "--user", "--remove"]).code, 0);
    assert!(!completion.exists() && bin.join("overmind").symlink_metadata().is_err());
}

#[test]
fn setup_for_all_users_writes_below_a_prefix_and_reports_an_unwritable_one() {
    let (world, _) = world();
    let prefix = world.path().join("usr");
    let args = ["setup", "--system", "--prefix", prefix.to_str().unwrap()];
    assert_eq!(tmo(&world, &args).code, 0);
    for name in [
        "share/man/man1/tmo.1",
        "share/man/man5/tmo-procfile.5",
        "share/bash-completion/completions/tmo",
        "share/zsh/site-functions/_tmo",
        "share/fish/vendor_completions.d/tmo.fish",
    ] {
        assert!(prefix.join(name).is_file(), "{name}");
    }
    // Where nobody may write, root included.
    let ran = tmo(&world, &["setup", "--system", "--prefix", "/proc/tmo"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stderr.contains("can't change /proc/tmo/share/man/man1"), "{ran:?}");
    assert_eq!(tmo(&world, &["setup", "--user", "--system"]).code, 2);
}

#[test]
fn setup_without_flags_shows_its_plan_and_prompts_only_on_a_terminal() {
    let (world, _) = world();
    let ran = tmo(&world, &["setup"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    let man = world.home().join(".local/share/man");
    assert!(ran.stdout.contains(&man.display().to_string()), "{ran:?}");
    assert!(ran.stderr.contains("--user") && ran.stderr.contains("--system"), "{ran:?}");
    assert!(!man.exists());
    let terminal = Terminal::open(&world, "setup", 140, 60);
    terminal.line("tmo setup");
    terminal.wait("[y/N]");
    terminal.line("n");
    terminal.wait("nothing is written");
    assert!(!man.exists());
    terminal.line("clear; tmo setup");
    terminal.wait("[y/N]");
    terminal.line("y");
    terminal.wait("wrote");
    assert!(man.join("man1/tmo.1").is_file());
}

#[test]
fn bash_completion_and_fish_find_the_files_of_setup() {
    let (world, _) = world();
    assert_eq!(tmo(&world, &["setup", "--user", "--overmind"]).code, 0);
    let loader = "/usr/share/bash-completion/bash_completion";
    world.without_fish_reading_manuals();
    for (shell, ready) in [("bash --norc", loader), ("fish --private", "")] {
        let name = shell.split(' ').next().unwrap();
        let there = world.shell(&format!("command -v {name}")).stdout.contains('/');
        if !there || !(ready.is_empty() || Path::new(ready).is_file()) {
            eprintln!("SKIPPED: there is no {name} with completions");
            continue;
        }
        let terminal = Terminal::open(&world, name, 100, 24);
        terminal.line(&format!("exec {shell}"));
        terminal.line(&if ready.is_empty() { "true".into() } else { format!("source {ready}") });
        terminal.line("printf 'no%s\\n' w");
        terminal.wait("now\n");
        for program in ["overmind", "tmo"] {
            terminal.typed(&format!("{program} resta"));
            terminal.keys(["Tab"]);
            terminal.wait(&format!("{program} restart"));
            terminal.keys(["C-u"]);
        }
        terminal.close();
        let _ = std::fs::remove_file(world.path().join("run/fish_universal_variables.notifier"));
    }
    world.wait_empty();
}

#[test]
#[cfg(target_os = "linux")]
fn a_project_starts_with_the_machine_until_that_is_removed() {
    let world = World::new("web: sleep 1000\n");
    let units = world.home().join(".config/systemd/user");
    let unit = units.join("tmo-app.service");
    let link = units.join("default.target.wants/tmo-app.service");
    let out = world.ok(["setup", "--boot"]);
    assert!(out.contains("systemctl --user start tmo-app\n"), "{out}");
    let text = std::fs::read_to_string(&unit).unwrap();
    let dir = world.app().display().to_string();
    for line in
        [format!("WorkingDirectory={dir}"), "KillMode=mixed".into(), "Restart=on-failure".into()]
    {
        assert!(text.lines().any(|one| one == line), "{line} in {text}");
    }
    assert!(text.contains("\" \"start\"\n") && text.contains("\" \"quit\"\n"), "{text}");
    assert_eq!(std::fs::canonicalize(&link).unwrap(), std::fs::canonicalize(&unit).unwrap());
    // The same again, then for stopping without an end.
    world.ok(["setup", "--boot"]);
    assert_eq!(std::fs::read_to_string(&unit).unwrap(), text);
    world.ok(["setup", "--boot", "--keep"]);
    assert!(std::fs::read_to_string(&unit).unwrap().contains("KillMode=process\n"));

    // Another project of the same name does not take its place.
    let other = world.path().join("other/app");
    std::fs::create_dir_all(&other).unwrap();
    std::fs::write(other.join("Procfile"), "web: sleep 1\n").unwrap();
    let refused = world.tmo(["setup", "--boot"]).current_dir(&other).output().unwrap();
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        !refused.status.success() && said.contains("another project of the same name"),
        "{said}"
    );

    world.ok(["setup", "--boot", "--remove"]);
    assert!(!unit.exists() && link.symlink_metadata().is_err());
    let again = world.run(["setup", "--boot", "--remove"]);
    assert!(again.stderr.contains("does not start with the machine"), "{}", again.stderr);
}
