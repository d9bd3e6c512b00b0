//! Linked git worktrees: ports of their own, without a flag.

use std::path::{Path, PathBuf};

use crate::harness::{Ran, World};

/// A project that needs no terminal of tmux, and a linked worktree of it, with the files that git makes.
fn with_linked(world: &World, name: &str) -> PathBuf {
    let linked = world.app().parent().unwrap().join(name);
    std::fs::create_dir_all(world.app().join(".git")).unwrap();
    std::fs::create_dir(&linked).unwrap();
    std::fs::copy(world.app().join("Procfile"), linked.join("Procfile")).unwrap();
    let text = format!("gitdir: {}/.git/worktrees/{name}\n", world.app().display());
    std::fs::write(linked.join(".git"), text).unwrap();
    linked
}

#[track_caller]
fn start(world: &World, at: &Path, more: &[&str]) -> String {
    let ran = Ran::of(&world.tmo(["start", "-D"]).args(more).current_dir(at).output().unwrap());
    assert_eq!(ran.code, 0, "{ran:?}");
    ran.stderr
}

#[track_caller]
fn quit(world: &World, at: &Path) {
    assert!(world.tmo(["quit"]).current_dir(at).status().unwrap().success());
}

/// The ports of its run.
#[track_caller]
fn ports(world: &World, at: &Path) -> Vec<u64> {
    let ran = world.tmo(["ps", "--json"]).current_dir(at).output().unwrap();
    let state: serde_json::Value = serde_json::from_slice(&ran.stdout).unwrap();
    let processes = state["processes"].as_array().unwrap();
    processes.iter().map(|process| process["port"].as_u64().unwrap()).collect()
}

#[test]
fn three_worktrees_run_side_by_side_and_have_the_same_ports_tomorrow() {
    let world = World::new("web: exec sleep 1000\napi: exec sleep 1000\n").with_default_ports();
    let app = world.app();
    let linked = [with_linked(&world, "fix-ui"), with_linked(&world, "spike")];
    let of_linked = || linked.each_ref().map(|at| ports(&world, at));
    // One of the linked comes first, and leaves 5000 to the main one.
    let told = linked.each_ref().map(|at| start(&world, at, &[]));
    assert_eq!(start(&world, &app, &[]), "");
    assert_eq!(ports(&world, &app), [5000, 5100]);
    let first = of_linked();
    for (told, ports) in told.iter().zip(&first) {
        let line = format!("tmo: ports of this worktree: web {}, api {}\n", ports[0], ports[1]);
        assert_eq!(*told, line);
    }
    let mut all: Vec<u64> = first.iter().flatten().copied().chain([5000, 5100]).collect();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), 6, "{first:?}");
    for at in linked.iter().rev() {
        quit(&world, at);
    }
    for at in linked.iter().rev() {
        start(&world, at, &[]);
    }
    assert_eq!(of_linked(), first, "in whatever order they start");
    linked.iter().chain([&app]).for_each(|at| quit(&world, at));
}

#[test]
fn what_names_a_port_or_acts_as_overmind_gets_no_other_one() {
    let world = World::new("web: exec sleep 1000\n").with_default_ports();
    let linked = with_linked(&world, "fix-ui");
    let of = |more: &[&str]| {
        let told = start(&world, &linked, more);
        let ports = ports(&world, &linked);
        quit(&world, &linked);
        (ports[0], told)
    };
    let none = String::new;
    assert_eq!(of(&["-p", "5000"]), (5000, none()));
    assert_eq!(of(&["--port-auto=false"]), (5000, none()));
    let write = |name: &str, text: &str| std::fs::write(linked.join(name), text).unwrap();
    let told = |variable| {
        format!(
            "tmo: ./.env sets {variable}, so this worktree has no ports of its own; remove it there\n"
        )
    };
    for variable in ["PORT", "OVERMIND_PORT"] {
        write(".env", &format!("{variable}=5000\n"));
        let (port, said) = of(&[]);
        // Another program on this machine may listen there.
        assert!(port == 5000 && said.starts_with(&told(variable)), "{said}");
        let (port, said) = of(&["-p", "5000"]);
        assert!(port == 5000 && !said.contains("worktree"), "the user has said so: {said}");
        assert_ne!(of(&["--port-auto"]).0, 5000);
    }
    write(".env", "");
    write("tmo.toml", "port_auto = false\n");
    assert_eq!(of(&[]), (5000, none()));
    write("tmo.toml", "[process.web]\nport = 5000\n");
    assert_eq!(of(&[]).0, 5000);
    write("tmo.toml", "");
    let overmind = world.path().join("overmind");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_tmo"), &overmind).unwrap();
    let mut command = world.command(&overmind);
    let ran = Ran::of(&command.args(["start", "-D"]).current_dir(&linked).output().unwrap());
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(ports(&world, &linked), [5000]);
    quit(&world, &linked);
}

#[test]
fn config_tells_that_a_port_is_that_of_a_worktree_and_an_export_has_none() {
    let world = World::new("web: exec serve -p $PORT\n").with_default_ports();
    let linked = with_linked(&world, "fix-ui");
    let shown = |args: &[&str]| {
        let ran = Ran::of(&world.tmo(args).current_dir(&linked).output().unwrap());
        assert_eq!(ran.code, 0, "{ran:?}");
        ran.stdout
    };
    let config = shown(&["config"]);
    let port = config.lines().find(|line| line.trim_start().starts_with("port ")).unwrap();
    assert!(port.ends_with("  a linked worktree") && !port.contains(" 5000 "), "{port}");
    assert!(shown(&["export", "systemd"]).contains("PORT=5000"));
    std::fs::write(linked.join("tmo.toml"), "port_auto = true\n").unwrap();
    let config = shown(&["config"]);
    let port = config.lines().find(|line| line.trim_start().starts_with("port ")).unwrap();
    assert!(port.ends_with("  ./tmo.toml:1"), "{port}");
}
