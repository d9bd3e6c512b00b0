//! The variables of env files reach the processes and no program of tmo's own.

use std::path::PathBuf;

use nix::sys::stat::Mode;

use crate::harness::{Ran, World, eventually, procs};

/// A FIFO that blocks every program that opens it.
fn fifo(world: &World) -> String {
    let path = world.app().join("fifo");
    nix::unistd::mkfifo(&path, Mode::S_IRWXU).unwrap();
    path.to_str().unwrap().to_owned()
}

/// The programs of a run that are tmo's own, tmux included, with their environments.
fn own_programs(world: &World) -> Vec<(String, Vec<String>)> {
    let is_own = |args: &[String]| {
        let verb = args.get(1).map(String::as_str).unwrap_or_default();
        ["guard", "supervise", "shim", "sink"].contains(&verb)
            || args.first().is_some_and(|program| program.ends_with("tmux"))
    };
    let own = world.living().into_iter().filter(|process| is_own(&process.args));
    let own = own.map(|p| (p.args.join(" "), procs::environment(p.pid)));
    // A child of the tmux server that has ended, or begins another program, has none any more.
    own.filter(|(_, environment)| !environment.is_empty()).collect()
}

#[test]
fn variables_of_env_files_reach_the_processes_and_no_program_of_tmos_own() {
    let world = World::new("web: true\n").with_tmux(|real| format!("exec {real} \"$@\"\n"));
    let fifo = fifo(&world);
    let app = world.app();
    let app = app.display();
    std::fs::create_dir(world.app().join("bin")).unwrap();
    world.write("bin/tmux", "#!/bin/sh\nexec sleep 1000\n");
    world.shell("chmod +x bin/tmux");
    // The loader, the C library and tmux open the files that these name.
    world.write(
        ".env",
        &format!(
            "LD_PRELOAD={fifo}\nTZ=:{fifo}\nLOCPATH={fifo}\nTERMINFO={fifo}\nTMUX_TMPDIR={app}/no\n\
             PATH={app}/bin:{}\nHOME={app}\nMINE=env file\n",
            std::env::var("PATH").unwrap()
        ),
    );
    world.ok(["start", "-D"]);
    let pid = world.wait_state("web", "running").unwrap();
    // It hangs in its loader, with the environment that it was executed with.
    eventually("the process has the variables", || {
        let environment = procs::environment(pid);
        let has = |pair: &str| environment.iter().any(|other| other == pair);
        (has(&format!("LD_PRELOAD={fifo}")) && has("MINE=env file")).then_some(())
    });
    let own = own_programs(&world);
    for part in ["guard", "supervise", "shim", "sink", "tmux"] {
        assert!(own.iter().any(|(args, _)| args.contains(part)), "{part}: {own:?}");
    }
    for (args, environment) in own {
        let app = format!("{}/", world.app().display());
        let bad = |pair: &&String| pair.contains(&fifo) || pair.contains(&app) || **pair == "MINE";
        assert_eq!(environment.iter().find(bad), None, "{args}");
    }
    world.ok(["quit"]);
    world.wait_empty();
}

/// Have tmux open a window that writes down its variables, as a person does.
#[track_caller]
fn window(world: &World, name: &str) -> String {
    let line = format!(
        "printf '<%s>' \"$MINE\" \"$HOME\" \"$TMO_TEST_KEPT\" >{name}.new; mv {name}.new {name}"
    );
    world.tmux(["new-window", "-d", "-n", name, "-t", "=app:", &line]);
    eventually("the window has written its variables", || {
        Some(world.read(name)).filter(|text| !text.is_empty())
    })
}

#[test]
fn tmux_windows_opened_by_hand_have_the_variables_of_env_files() {
    let world = World::new("web: exec sleep 1000\nlate: exec sleep 1000\n")
        .env("HOME", "/caller's $HOME")
        .env("TMO_TEST_KEPT", "caller");
    let value = "a\"b;c d~#{pid} $MINE \\n %H é";
    let home = "/env file";
    world.write(".env", &format!("MINE='{value}'\nHOME='{home}'\n"));
    world.ok(["start", "-D", "--any-can-die"]);
    world.wait_state("web", "running");
    let expected = format!("<{value}><{home}><caller>");
    assert_eq!(window(&world, "first"), expected);
    world.ok(["scale", "web=3"]);
    // A pane that is gone is opened anew.
    world.tmux(["kill-window", "-t", "=app:=late"]);
    world.wait_state("late", "stopped");
    world.ok(["restart", "late"]);
    world.wait_state("late", "running");
    assert_eq!(window(&world, "second"), expected);
    let own = own_programs(&world);
    assert_eq!(
        own.iter().filter(|(args, _)| args.split(' ').nth(1) == Some("shim")).count(),
        4,
        "{own:?}"
    );
    for (args, environment) in own {
        assert!(environment.iter().any(|pair| *pair == "HOME=/caller's $HOME"), "{args}");
        assert!(!environment.iter().any(|pair| pair.starts_with("MINE=")), "{args}");
        assert!(!args.contains("env file") && !args.contains("caller"), "{args}");
    }
    // The values are in files that no other user can read.
    for name in ["env.conf", "env-reset.conf"] {
        let file = world.runtime().join(name);
        let mode = std::os::unix::fs::PermissionsExt::mode(&file.metadata().unwrap().permissions());
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    world.ok(["quit"]);
    world.wait_empty();
    let left: Vec<PathBuf> = crate::harness::files(&world.path().join("run"));
    assert!(!left.iter().any(|file| file.ends_with("env.conf")), "{left:?}");
}

#[test]
fn tmux_comes_from_the_callers_path_and_from_an_env_file_only_if_missing_there() {
    let world = World::new("web: exec sleep 1000\n");
    let tmux = world.shell("command -v tmux").stdout;
    std::fs::create_dir(world.app().join("bin")).unwrap();
    std::os::unix::fs::symlink(tmux.trim(), world.app().join("bin/tmux")).unwrap();
    let bin = world.app().join("bin");
    world.write(".env", &format!("PATH={}:{}\n", bin.display(), std::env::var("PATH").unwrap()));
    let plan = |world: &World| {
        world.ok(["start", "-D"]);
        let text = std::fs::read_to_string(world.runtime().join("plan.json")).unwrap();
        world.ok(["quit"]);
        serde_json::from_str::<serde_json::Value>(&text).unwrap()["tmux"].clone()
    };
    assert_eq!(plan(&world), tmux.trim());
    let world = world.env("PATH", "/nonexistent");
    assert_eq!(plan(&world), bin.join("tmux").to_str().unwrap());
}

#[test]
fn a_start_waiting_for_a_hanging_tmux_ends_at_the_first_signal() {
    // The second kind has started a server before it hangs.
    for (args, signal, first) in [
        ("start -D", 2, ""),
        ("start -D", 15, ""),
        ("start", 2, ""),
        ("start", 15, ""),
        ("start -D", 2, "REAL \"$@\"\n"),
        ("start", 2, "REAL \"$@\"\n"),
    ] {
        // What the script has started is to end with it.
        let hangs = |real: &str| {
            let first = first.replace("REAL", real);
            format!(
                "[ \"$1\" = -V ] && exec {real} -V\n{first}echo >>asked\nsleep 1000\nsleep 1000\n"
            )
        };
        let world = World::new("web: exec sleep 1000\n");
        let asked = world.app().join("asked");
        let world = world.with_tmux(|real| hangs(real).replace("asked", asked.to_str().unwrap()));
        let child =
            world.tmo(args.split(' ')).stderr(std::process::Stdio::piped()).spawn().unwrap();
        eventually("tmux is asked", || asked.exists().then_some(()));
        procs::kill(child.id(), signal);
        let ran = Ran::end_of(child);
        if args == "start -D" {
            assert_eq!(ran.code, 130, "{ran:?}");
            assert!(ran.stderr.contains("interrupted while it was starting"), "{ran:?}");
        }
        world.wait_empty();
        assert!(!world.app().join(".overmind.sock").exists());
    }
}
