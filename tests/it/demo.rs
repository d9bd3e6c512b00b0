//! `tmo demo`.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use pretty_assertions::assert_eq;

use crate::harness::{World, eventually};

#[test]
fn the_demo_is_written_runs_and_leaves_nothing_running() {
    let world = World::new("");
    world.ok(["demo", "-D"]);
    let dir = world.app().join("output/demo");
    let socket = dir.join(".overmind.sock");
    let socket = socket.to_str().unwrap();
    let states = || world.ok(["ps", "--json", "--socket", socket]);
    eventually("one has failed, and the web server is ready", || {
        let listed: serde_json::Value = serde_json::from_str(&states()).unwrap();
        let state = |name: &str| {
            let all = listed["processes"].as_array().unwrap();
            all.iter().find(|process| process["name"] == name).unwrap().clone()
        };
        (state("api")["state"] == "exited" && state("web")["ready"] == true).then_some(())
    });
    let why = world.run(["why", "api", "--socket", socket]).stdout;
    assert!(why.contains("EADDRINUSE"), "{why}");
    world.ok(["quit", "--socket", socket]);
    world.wait_empty();
}

#[test]
fn the_demo_takes_no_directory_in_which_others_could_replace_its_programs() {
    let world = World::new("");
    let demo = |dir: &Path| world.run(["demo", "--dir", dir.to_str().unwrap(), "--print-config"]);
    let mode = |dir: &Path, mode: u32| {
        std::fs::set_permissions(dir, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    let above = world.app().join("open");
    let dir = above.join("demo");
    std::fs::create_dir_all(dir.join("bin")).unwrap();
    std::fs::write(dir.join(".tmo-demo"), "").unwrap();
    let refused = |case: &str, why: &str| {
        let ran = demo(&dir);
        assert!(ran.code == 1 && ran.stderr.contains(why), "{case}: {ran:?}");
        assert!(!dir.join("bin/web").exists(), "{case}");
    };
    for (at, bits) in [(&dir, 0o777), (&dir, 0o775), (&dir.join("bin"), 0o777), (&above, 0o777)] {
        mode(at, bits);
        refused(&format!("{} {bits:o}", at.display()), "can be written by other users");
        refused("advice", &format!("`chmod go-w {}`", at.display()));
        mode(at, 0o755);
    }
    // Like /tmp.
    mode(&above, 0o1777);
    if nix::unistd::geteuid().is_root() {
        for at in [&dir, &dir.join("bin"), &above] {
            std::os::unix::fs::chown(at, Some(65534), None).unwrap();
            refused(&at.display().to_string(), "belongs to another user");
            std::os::unix::fs::chown(at, Some(0), None).unwrap();
        }
    } else {
        eprintln!("SKIPPED: only root can act as another user");
    }
    let ran = demo(&dir);
    assert_eq!(ran.code, 0, "{ran:?}");
}

#[test]
fn the_demo_replaces_only_what_is_its_own() {
    let world = World::new("web: exec sleep 1000\n");
    let (own, taken) = (world.app().join("own"), world.app());
    let demo = |dir: &Path| world.run(["demo", "--dir", dir.to_str().unwrap(), "--print-config"]);
    assert_eq!(demo(&own).code, 0);
    std::fs::write(own.join("bin/web"), "echo changed\n").unwrap();
    assert_eq!(demo(&own).code, 0);
    assert!(!std::fs::read_to_string(own.join("bin/web")).unwrap().contains("changed"));
    let refused = demo(&taken);
    assert_eq!(refused.code, 1);
    assert!(refused.stderr.contains("not from `tmo demo`"), "{}", refused.stderr);
    assert_eq!(world.read("Procfile"), "web: exec sleep 1000\n");
    // Other files stay unchanged, even if a link leads to them.
    std::fs::remove_file(own.join("Procfile")).unwrap();
    std::os::unix::fs::symlink(taken.join("Procfile"), own.join("Procfile")).unwrap();
    assert_eq!(demo(&own).code, 0);
    assert_eq!(world.read("Procfile"), "web: exec sleep 1000\n");
}
