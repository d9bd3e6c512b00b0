//! Restarts after changes of files (`watch` in `tmo.toml`).

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::{World, eventually, procs};

/// Watched like the others: it shows that changes are noticed by now.
/// It waits for longer than the others do by default, so that they restart first.
const PROBE: &str = "\n[process.probe]\nwatch = { paths = \"probe.txt\", debounce = \"500ms\" }\n";

/// A run in a git repository with these processes, besides `probe`, and this `tmo.toml`.
fn started(procfile: &str, toml: &str) -> World {
    let world = World::new(&format!("{procfile}probe: exec sleep 1000\n"));
    world.write("tmo.toml", &format!("{toml}{PROBE}"));
    world.write("probe.txt", "0");
    world.write(".gitignore", "target\n*.log\n");
    let made = "mkdir -p src target && echo 1 >src/a.rs && echo 1 >target/x.rs && echo 1 >src/a.log \
                && git init -q . && git add -A && git -c user.name=x -c user.email=x@x commit -qm 1";
    assert_eq!(world.shell(made).code, 0);
    world.ok(["start", "-D"]);
    notices(&world);
    world
}

/// Wait until changes are noticed.
fn notices(world: &World) {
    world.wait_state("probe", "running");
    let before = lives(world, "probe");
    let mut written = None;
    eventually("a change is noticed", || {
        // Nothing is noticed before files are watched, nor while they go on changing.
        if written.is_none_or(|at: Instant| at.elapsed() > Duration::from_secs(2)) {
            world.write("probe.txt", &format!("{before} {written:?}"));
            written = Some(Instant::now());
        }
        (lives(world, "probe") > before).then_some(())
    });
}

fn lives(world: &World, name: &str) -> u64 {
    world.field(name, "lives").as_u64().unwrap_or(0)
}

#[track_caller]
fn has_lives(world: &World, name: &str, count: u64) {
    eventually(&format!("{name} has {count} lives"), || {
        let runs = world.field(name, "state") == "running";
        (runs && lives(world, name) >= count).then_some(())
    });
    assert_eq!(lives(world, name), count, "{}", world.ok(["logs", name]));
}

/// The texts of the changes of a process.
fn changes(world: &World, name: &str) -> Vec<String> {
    let events = world.ok(["events", "--json"]);
    let events = events.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let of = events.filter(|event| event["event"] == "changed" && event["name"] == name);
    of.map(|event| event["text"].as_str().unwrap().to_owned()).collect()
}

const WEB: &str = "web: echo up; exec sleep 1000\n";

#[test]
fn watch_restarts_once_after_a_checkout_of_a_thousand_files() {
    let world = started(WEB, "[process.web]\nwatch = { paths = \"src\", debounce = \"2s\" }\n");
    let commit = "git -c user.name=x -c user.email=x@x commit -qm";
    // Out of sight, because it may take longer than changes are collected for.
    let many = "mkdir -p target/n/$((i % 40)); echo 1 >target/n/$((i % 40))/$i.rs";
    let made = format!(
        "git checkout -qb many && i=0 && while [ $i -lt 1000 ]; do i=$((i+1)); {many}; done && \
         mv target/n src/n && git add -A && {commit} 2"
    );
    assert_eq!(world.shell(&made).code, 0);
    has_lives(&world, "web", 2);
    assert_eq!(world.shell("git checkout -q -").code, 0);
    has_lives(&world, "web", 3);
    assert_eq!(world.shell("git checkout -q many").code, 0);
    has_lives(&world, "web", 4);
    let changes = changes(&world, "web");
    assert!(changes.iter().all(|text| text.ends_with("(+999)")), "{changes:?}");
    world.ok(["quit"]);
}

#[test]
fn watch_restarts_once_for_each_way_to_save_and_not_for_the_same_content() {
    let world = started(WEB, "[process.web]\nwatch = [\"src/**/*.rs\"]\n");
    for (count, save) in [
        "echo 2 >src/tmp && mv src/tmp src/a.rs",
        ": >src/a.rs; echo 3 >src/a.rs",
        "echo x >src/.a.rs.swp; mv src/a.rs src/a.rs~; echo 4 >src/a.rs; rm src/a.rs~ src/.a.rs.swp",
        "mkdir -p src/new/deep && echo 1 >src/new/deep/b.rs",
        "rm -r src/new",
    ]
    .iter()
    .enumerate()
    {
        // What comes before is no change.
        assert_eq!(world.shell(&format!("touch src/a.rs; {save}")).code, 0);
        has_lives(&world, "web", u64::try_from(count).unwrap() + 2);
    }
    let expected = [
        "Changed: src/a.rs",
        "Changed: src/a.rs",
        "Changed: src/a.rs",
        "Changed: src/new/deep/b.rs",
        "Changed: src/new/deep/b.rs",
    ];
    assert_eq!(changes(&world, "web"), expected);
    world.ok(["quit"]);
}

/// How editors write: what they do when a file is opened, typed in or closed, which must not count; how they save it;
/// and what is the same again.
const EDITORS: &[(&str, &str, &str, &str)] = &[
    (
        "vim",
        "echo x >src/.a.rs.swp; touch src/4913; rm src/4913; echo y >>src/.a.rs.swp; echo u >src/.a.rs.un~",
        "mv src/a.rs src/a.rs~; echo $n >src/a.rs; rm src/a.rs~",
        "rm src/.a.rs.swp",
    ),
    (
        "Emacs",
        "ln -s user@host.1:2 src/.#a.rs; echo x >'src/#a.rs#'",
        "cp src/a.rs src/a.rs~; rm 'src/#a.rs#'; echo $n >src/a.rs",
        "rm src/.#a.rs",
    ),
    (
        "JetBrains",
        "mkdir -p src/.idea; echo x >src/.idea/workspace.xml",
        "echo $n >src/a.rs___jb_tmp___; mv src/a.rs src/a.rs___jb_old___; \
         mv src/a.rs___jb_tmp___ src/a.rs; rm src/a.rs___jb_old___",
        "echo y >src/.idea/workspace.xml",
    ),
    (
        "VS Code",
        "mkdir -p src/.vscode; echo '{}' >src/.vscode/settings.json",
        ": >src/a.rs; echo $n >src/a.rs",
        ":",
    ),
    (
        "Kate",
        "echo x >src/.a.rs.kate-swp",
        "echo $n >src/a.rs.Xy12Zq; mv src/a.rs.Xy12Zq src/a.rs",
        "rm src/.a.rs.kate-swp",
    ),
    (
        "gedit",
        "echo x >src/.goutputstream-A1B2C3",
        "echo $n >src/.goutputstream-A1B2C3; mv src/.goutputstream-A1B2C3 src/a.rs",
        ":",
    ),
];

/// How other programs write.
const TOOLS: &[(&str, &str, &str, &str)] = &[
    ("sed -i", "echo x >src/sedAb12Cd", "sed -i \"1s/.*/$n/\" src/a.rs", "rm -f src/sedAb12Cd"),
    (
        "a formatter",
        "touch src/a.rs",
        "echo $n >src/a.rs",
        "cp src/a.rs src/b; cat src/b >src/a.rs; rm src/b",
    ),
    (
        "an agent",
        "echo x >src/a.rs.tmp.4711.1764500000000",
        "echo $n >src/a.rs.tmp.4712.1764500000001; mv src/a.rs.tmp.4712.1764500000001 src/a.rs",
        "rm src/a.rs.tmp.4711.1764500000000",
    ),
    (
        "Python",
        "mkdir -p src/__pycache__; echo x >src/__pycache__/a.pyc; touch src/.DS_Store",
        "echo $n >>src/a.rs",
        ":",
    ),
    (
        "git",
        "git status >/dev/null; git stash list",
        "echo $n >src/a.rs; git add -A; git commit -qm $n",
        "git gc -q",
    ),
];

fn only_what_is_saved_restarts(tools: &[(&str, &str, &str, &str)]) {
    let toml = "[process.web]\nwatch = [\"src/**/*\", \"src/**/*.rs\"]\n";
    let world = started(WEB, toml);
    assert_eq!(world.shell("git config user.name x && git config user.email x@x").code, 0);
    for (at, (tool, before, save, after)) in tools.iter().enumerate() {
        let expected = u64::try_from(at).unwrap() + 1;
        let no_change = |what: &str| {
            assert_eq!(world.shell(what).code, 0, "{tool}: {what}");
            notices(&world);
            assert_eq!(
                lives(&world, "web"),
                if what == *before { expected } else { expected + 1 },
                "{tool}: {what}"
            );
        };
        no_change(before);
        assert_eq!(world.shell(&format!("n=v{at}; {save}")).code, 0, "{tool}");
        has_lives(&world, "web", expected + 1);
        no_change(after);
    }
    world.ok(["quit"]);
}

#[test]
fn only_what_an_editor_saves_restarts_and_once() {
    only_what_is_saved_restarts(EDITORS);
}

#[test]
fn only_what_a_tool_saves_restarts_and_once() {
    only_what_is_saved_restarts(TOOLS);
}

#[test]
fn watch_notices_what_it_names_and_leaves_out_other_checkouts() {
    let toml = "[process.web]\nwatch = [\"target/x.rs\", \".\"]\n[process.web.env]\nA = \"1\"\n\
                [process.worker]\nwatch = \".\"\n";
    let toml = toml
        .replace("\".\"]", "\"src\"]")
        .replace("watch = \".\"", "watch = [\"src\", \".claude\"]");
    let world = started("web: exec sleep 1000\nworker: exec sleep 1000\n", &toml);
    world.write("target/x.rs", "named");
    has_lives(&world, "web", 2);
    let made =
        "git worktree add -q .claude/worktrees/fix 2>&1 && echo x >.claude/worktrees/fix/new.rs";
    assert_eq!(world.shell(made).code, 0);
    notices(&world);
    assert_eq!((lives(&world, "web"), lives(&world, "worker")), (2, 1));
    world.ok(["quit"]);
}

#[test]
fn a_save_during_a_start_that_hangs_restarts_it_at_once() {
    let web = "web: grep -q hang src/a.rs || echo up; exec sleep 1000\n";
    let toml = "[process.web]\nwatch = \"src\"\nready = { log = \"up\", timeout = \"10min\" }\n";
    let world = started(web, toml);
    world.ok(["wait", "web", "--for", "ready"]);
    world.write("src/a.rs", "hang");
    has_lives(&world, "web", 2);
    world.write("src/a.rs", "mended");
    has_lives(&world, "web", 3);
    assert_eq!(world.run(["wait", "web", "--for", "ready", "--timeout", "60s"]).code, 0);
    world.ok(["quit"]);
}

#[test]
fn a_save_just_before_the_supervisor_is_killed_counts() {
    let toml = "[process.web]\nwatch = { paths = \"src\", debounce = \"2s\" }\n";
    let world = started(WEB, toml);
    let supervisor = world.supervisor();
    world.write("src/a.rs", "2");
    eventually("it is noticed", || {
        (world.field("web", "watch")["mode"] == "changed").then_some(())
    });
    assert_eq!(lives(&world, "web"), 1);
    procs::kill(supervisor, 9);
    has_lives(&world, "web", 2);
    assert_eq!(changes(&world, "web"), ["Changed: src/a.rs"]);
    world.ok(["quit"]);
}

#[test]
fn a_watched_path_may_come_later_and_check_names_it() {
    let world = started(WEB, "[process.web]\nwatch = [\"lib/**/*.rs\", \"target/**/*.rs\"]\n");
    let check = world.run(["check"]);
    assert_eq!(check.code, 0, "{check:?}");
    let text = format!("{}{}", check.stdout, check.stderr);
    assert!(text.contains("`lib/**/*.rs` is watched, but lib does not exist yet"), "{text}");
    assert!(text.contains("because git ignores target; name target itself"), "{text}");
    assert_eq!(world.shell("mkdir -p lib/x && echo 1 >lib/x/a.rs && echo 2 >target/x.rs").code, 0);
    has_lives(&world, "web", 2);
    assert_eq!(changes(&world, "web"), ["Changed: lib/x/a.rs"]);
    world.ok(["quit"]);
}

#[test]
fn a_stop_or_restart_ends_a_build_and_wait_says_what_runs() {
    let toml = "[process.web]\nwatch = { paths = \"src\", run = \"echo building; sleep 1000\" }\n\
                ready = { delay = \"100ms\" }\n";
    let world = started(WEB, toml);
    let builds = || {
        world.write("src/a.rs", &format!("{:?}", std::time::Instant::now()));
        eventually("it builds", || {
            (world.field("web", "watch")["mode"] == "building").then_some(())
        });
    };
    builds();
    let wait = world.run(["wait", "web", "--for", "ready", "--timeout", "1s"]);
    assert!(wait.code != 0 && wait.stderr.contains("its build runs"), "{wait:?}");
    let check = world.run(["check"]);
    assert!(check.code == 1 && check.stderr.contains("web: its build runs"), "{check:?}");
    world.ok(["restart", "web"]);
    let wait = world.run(["wait", "web", "--for", "ready", "--timeout", "60s"]);
    assert_eq!(wait.code, 1);
    assert!(wait.stderr.contains("failed: not restarted"), "{wait:?}");
    eventually("it is explained", || {
        let why = world.run(["why", "web"]);
        why.stdout.contains("ended by a restart; what runs is as before").then_some(())
    });
    builds();
    world.ok(["stop", "web"]);
    assert_eq!(world.field("web", "watch")["mode"], "watching");
    world.ok(["quit"]);
}

#[test]
fn watch_leaves_out_what_git_ignores_and_the_files_of_git() {
    let world = started(WEB, "[process.web]\nwatch = { paths = \".\", ignore = \"probe.txt\" }\n");
    let before = lives(&world, "web");
    let made = "echo 2 >target/x.rs; mkdir target/y; echo 2 >target/y/z; echo 2 >src/a.log; \
                git tag x; touch src/a.rs; echo 2 >src/a.rs";
    assert_eq!(world.shell(made).code, 0);
    has_lives(&world, "web", before + 1);
    assert_eq!(changes(&world, "web").last().unwrap(), "Changed: src/a.rs");
    world.ok(["quit"]);
}

#[test]
fn watch_slows_down_a_process_that_restarts_itself_and_says_by_which_file() {
    let world = started(
        "web: date +%N >gen.txt; echo up; exec sleep 1000\n",
        "[process.web]\nwatch = \"gen.*\"\n",
    );
    eventually("it is held", || {
        // If it has written before it was watched.
        if lives(&world, "web") == 1 {
            world.write("gen.txt", "other");
        }
        // Each restart is held from the fourth on, so each of these sees the same pause or a later one.
        let note = world.field("web", "watch")["note"].as_str()?.to_owned();
        note.contains("each restart changes gen.txt: restarts are delayed").then_some(())
    });
    let count = lives(&world, "web");
    assert!(count >= 4);
    let text = "Each restart changes gen.txt: the next one waits 2 s";
    assert!(world.ok(["logs", "web"]).contains(text));
    eventually("it restarts all the same", || (lives(&world, "web") > count).then_some(()));
    world.ok(["quit"]);
}

#[test]
fn watch_keeps_the_process_whose_build_fails_and_why_shows_the_output() {
    let toml = "[process.web]\nwatch = { paths = \"src\", run = \"echo 'a.rs:3: no such thing'; \
                ! grep -q wrong src/a.rs\" }\n";
    let world = started(WEB, toml);
    let pid = world.wait_state("web", "running");
    world.write("src/a.rs", "wrong");
    let why = eventually("the failure is reported", || {
        let why = world.run(["why", "web"]);
        (why.code == 1).then_some(why.stdout)
    });
    assert!(why.contains("failed: exit status: 1; what runs is as before"), "{why}");
    assert!(why.contains("a.rs:3: no such thing"), "{why}");
    assert_eq!(world.wait_state("web", "running"), pid);
    let json: Value = serde_json::from_str(&world.ok(["watch", "--json"])).unwrap();
    assert_eq!((&json["api"], &json["processes"][0]["name"]), (&1.into(), &"web".into()));
    assert_eq!(json["processes"][0]["failure"]["lines"][0], "a.rs:3: no such thing");
    world.write("src/a.rs", "right");
    has_lives(&world, "web", 2);
    assert_eq!(world.run(["why", "web"]).code, 0);
    world.ok(["quit"]);
}

#[test]
fn watch_restarts_dependents_only_if_they_declare_it() {
    let world = started(
        "db: exec sleep 1000\nweb: exec sleep 1000\nworker: exec sleep 1000\n",
        "[process.db]\nwatch = \"src\"\n\
         [process.web]\ndepends_on = { db = { restart = true } }\n\
         [process.worker]\ndepends_on = [\"db\"]\n",
    );
    world.write("src/a.rs", "2");
    has_lives(&world, "db", 2);
    has_lives(&world, "web", 2);
    assert_eq!(lives(&world, "worker"), 1);
    world.ok(["quit"]);
}

#[test]
fn watch_starts_what_has_crashed_and_not_what_was_stopped() {
    let world = started(
        "web: grep -q right src/a.rs && exec sleep 1000\nworker: exec sleep 1000\n",
        "[defaults]\nwatch = \"src\"\n",
    );
    world.wait_state("web", "exited");
    world.ok(["stop", "worker"]);
    world.write("src/a.rs", "right");
    has_lives(&world, "web", 2);
    assert_eq!(world.field("worker", "state"), "stopped");
    world.ok(["quit"]);
}

#[test]
fn wait_waits_for_what_a_change_makes_of_a_process() {
    let web = "web: [ -e src/bad ] && exit 3; exec sleep 1000\n";
    let toml = "[process.web]\nwatch = { paths = \"src\", debounce = \"2s\" }\nready = { delay = \"100ms\" }\n";
    let world = started(web, toml);
    let noticed = |lives_after: u64| {
        eventually("the change is noticed", || {
            let changed = world.field("web", "watch")["mode"] == "changed";
            (changed || lives(&world, "web") == lives_after).then_some(())
        });
    };
    let wait = || {
        let r = world.run(["wait", "web", "--for", "ready", "--timeout", "60s"]);
        eprintln!("{r:?} {}", world.ok(["ps", "--json"]));
        r.code
    };
    world.write("src/bad", "");
    noticed(2);
    assert_eq!((wait(), lives(&world, "web")), (1, 2));
    assert_eq!(world.shell("rm src/bad").code, 0);
    noticed(3);
    assert_eq!((wait(), lives(&world, "web")), (0, 3));
    // What is the same again when it counts has no effect, and is not waited for any longer.
    world.write("src/a.rs", "4");
    world.write("src/a.rs", "1\n");
    noticed(4);
    assert_eq!((wait(), lives(&world, "web")), (0, 3));
    assert_eq!(world.field("web", "watch")["mode"], "watching");
    world.ok(["quit"]);
}

#[test]
fn a_pause_of_watch_lasts_through_a_takeover_and_a_reload() {
    let world = started(WEB, "[process.web]\nwatch = \"src/*.rs\"\n");
    world.ok(["watch", "pause", "web"]);
    let supervisor = world.supervisor();
    procs::kill(supervisor, 9);
    eventually("another supervisor answers", || {
        world.state().is_some_and(|state| state["pid"] != supervisor).then_some(())
    });
    notices(&world);
    world.write("src/a.rs", "2");
    let toml = "[process.web]\nwatch = [\"src/*.rs\", \"src/*.txt\"]\n";
    world.write("tmo.toml", &format!("{toml}{PROBE}"));
    let ran = world.ok(["reload"]);
    assert!(ran.contains("web: policies changed (watch)"), "{ran}");
    notices(&world);
    assert!(world.ok(["watch"]).contains("paused"));
    assert!(world.ok(["ps"]).contains("watching is paused; `tmo watch resume web` resumes it"));
    assert_eq!(lives(&world, "web"), 1);
    world.ok(["watch", "resume"]);
    has_lives(&world, "web", 2);
    world.write("src/new.txt", "1");
    has_lives(&world, "web", 3);
    assert_eq!(changes(&world, "web"), ["Changed: src/a.rs", "Changed: src/new.txt"]);
    world.ok(["quit"]);
}

#[test]
fn watch_refuses_what_is_not_watched_and_needs_a_run() {
    let world = World::new("web: exec sleep 1000\n");
    let without = world.run(["watch"]);
    assert_eq!(without.code, 1);
    world.ok(["start", "-D"]);
    let none = world.run(["watch"]);
    assert!(none.code == 1 && none.stderr.contains("no file is watched"), "{}", none.stderr);
    let refused = world.run(["watch", "pause", "web"]);
    assert!(refused.stderr.contains("web has no `watch` in tmo.toml"), "{}", refused.stderr);
    let unknown = world.run(["watch", "pause", "wbe"]);
    assert!(unknown.stderr.contains("wbe"), "{}", unknown.stderr);
    world.ok(["quit"]);
}

#[test]
fn check_names_every_mistake_in_watch() {
    let world = World::new("web: exec sleep 1000\n");
    world.write(
        "tmo.toml",
        "[process.web.watch]\npaths = [\"scr\", \"/etc\", \"..\", \"a[\"]\nglob = \"x\"\nrun = \" \"\n\
         debounce = \"fast\"\nsignal = \"NOPE\"\n",
    );
    let ran = world.run(["check"]);
    assert_eq!(ran.code, 1);
    for text in [
        "`/etc` is not below the directory of the project",
        "`..` is not below the directory of the project",
        "`a[` is no valid pattern: unclosed character class",
        "unknown key `glob` of `watch`",
        "`run` is empty",
        "`debounce` must be a time",
        "unknown signal `NOPE`",
    ] {
        assert!(
            ran.stderr.contains(text) || ran.stdout.contains(text),
            "{text}: {}{}",
            ran.stdout,
            ran.stderr
        );
    }
}

#[test]
fn an_edit_that_is_taken_back_after_a_restart_has_read_it_restarts_again() {
    let toml = "[process.web]\nwatch = { paths = [\"src\"], debounce = \"2s\" }\n";
    let world = started("web: cat src/a.rs; exec sleep 1000\n", toml);
    world.write("src/a.rs", "2\n");
    world.ok(["restart", "web"]);
    world.wait_text("web", "| 2\n");
    world.write("src/a.rs", "1\n");
    eventually("what is on the disk runs", || {
        let log = world.ok(["logs", "web", "--no-prefix"]);
        let mut printed = log.lines().filter(|line| ["1", "2"].contains(line));
        (printed.next_back() == Some("1")).then_some(())
    });
    assert!(lives(&world, "web") >= 3);
    world.ok(["quit"]);
}
