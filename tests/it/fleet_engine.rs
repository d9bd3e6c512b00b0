//! Hosts that an engine lists. A script stands in for docker: the names of its containers are those of hosts.

use std::path::Path;

use crate::fleet::{Fleet, assert_prints};
use crate::harness::{Ran, World, eventually, executable};

/// Prints the tasks and their history, and executes words in a container.
const DOCKER: &str = r#"#!/bin/sh
case $1 in
    stack)
        case "$*" in
            *desired-state=running*) exec cat "$HOSTS/@tasks" ;;
            *) exec cat "$HOSTS/@history" ;;
        esac ;;
    node) exec cat "$HOSTS/@nodes" ;;
    exec)
        name=$3
        shift 3
        [ -f "$HOSTS/@$name" ] || { echo "Error: No such container: $name" >&2; exit 1; }
        . "$HOSTS/@$name" ;;
esac
"#;

const TASKS: &str = "shop_web.1 shop_web.1.id1 localhost\nshop_web.2 shop_web.2.id2 n2\n";

/// Two tasks, on this machine and on the node `n2`, and a host without an engine.
fn stack() -> Fleet {
    let fleet = Fleet::named(&[("k9", "cam: exec sleep 1000\n")]);
    executable(&fleet.here.path().join("bin/docker"), DOCKER);
    let file = fleet.here.read("fleet.toml");
    fleet.here.write("fleet.toml", &format!("[hosts.shop]\nengine = \"swarm\"\n{file}"));
    fleet.host("n2", "exec sh -c \"$LINE\"\n");
    write(&fleet, "tasks", TASKS);
    write(&fleet, "history", "");
    write(&fleet, "nodes", "n2\tReady\nn3\tDown\n");
    fleet
}

fn write(fleet: &Fleet, name: &str, text: &str) {
    fleet.host(&format!("@{name}"), text);
}

/// A container in which this project is.
fn container(fleet: &Fleet, id: &str, procfile: &str) -> World {
    let world = World::new(procfile);
    let tmo = Path::new(env!("CARGO_BIN_EXE_tmo")).parent().unwrap().display();
    let variables = world.variables().into_iter().map(|(name, value)| match &*name {
        "PATH" => format!("'PATH={tmo}:{value}'"),
        _ => format!("'{name}={value}'"),
    });
    let variables = variables.collect::<Vec<_>>().join(" ");
    let app = world.app();
    write(fleet, id, &format!("cd '{}' && exec env -i {variables} \"$@\"\n", app.display()));
    world
}

#[test]
fn tasks_of_a_swarm_are_hosts() {
    let fleet = stack();
    let one = container(&fleet, "shop_web.1.id1", "web: exec sleep 1000\n");
    let _two = container(&fleet, "shop_web.2.id2", "web: exec sleep 1000\n");
    let started = fleet.ok(&["start"]);
    assert_eq!(started, "shop_web.1/  started\nshop_web.2/  started\nk9/          started\n");
    one.wait_state("web", "running");
    let hosts = fleet.ok(&[]);
    for row in ["docker exec -i shop_web.1.id1 ", "ssh n2 docker exec -i shop_web.2.id2 ", "ssh k9"]
    {
        assert!(hosts.contains(row), "{hosts}");
    }
    let table = fleet.ok(&["ps", "@shop"]);
    let names: Vec<_> = table.lines().skip(1).filter_map(|row| row.split(' ').next()).collect();
    assert_eq!(names, ["shop_web.1", "shop_web.2"]);
    assert_eq!(fleet.ok(&["restart", "shop/web"]).matches("web  restarted").count(), 2);
    fleet.ok(&["quit"]);
    one.wait_empty();
    // Nothing of it was executed without being allowed: the file names no command.
    assert_eq!(fleet.ok(&["trust"]), "it names no commands; nothing needs to be allowed\n");
}

#[test]
fn a_task_that_was_replaced_is_explained_by_the_engine() {
    let fleet = stack();
    let one = container(&fleet, "shop_web.1.id1", "web: exec sleep 1000\n");
    let _two = container(&fleet, "shop_web.2.id2", "web: exec sleep 1000\n");
    fleet.ok(&["start"]);
    let history = "shop_web.2\tn2\tRunning\tRunning 3 s ago\n \\_ shop_web.2\tn3\tShutdown\tRunning 9 s ago\n";
    write(&fleet, "history", history);
    let told = "the node n3 is down\nshop_web.2 was on n3: it is lost with its node; now it is on n2 (Running 3 s ago)\n";
    let why = fleet.ok(&["why"]);
    assert!(why.starts_with(&format!("== shop\n{told}\n== shop_web.1\n")), "{why}");
    let of_host = fleet.ok(&["why", "k9"]);
    assert!(!of_host.contains("shop"), "{of_host}");
    let json: serde_json::Value = serde_json::from_str(&fleet.ok(&["why", "--json"])).unwrap();
    assert_eq!((&json[0]["host"], &json[0]["answer"]), (&"shop".into(), &told.into()));
    write(&fleet, "tasks", "shop_web.2 shop_web.2.id2 n2\nshop_web.1 shop_web.1.new\n");
    let ran = fleet.run(&["ps"]);
    let row = ran.stdout.lines().find(|row| row.starts_with("shop_web.1 ")).unwrap();
    assert!(ran.code == 3 && row.contains("without a word 3"), "{ran:?}");
    write(&fleet, "tasks", TASKS);
    fleet.ok(&["quit"]);
    one.wait_empty();
}

#[test]
fn an_engine_that_does_not_answer_is_named_and_the_other_hosts_do_their_part() {
    let fleet = stack();
    executable(
        &fleet.here.path().join("bin/docker"),
        "#!/bin/sh\necho 'Cannot connect to the Docker daemon' >&2\nexit 1\n",
    );
    fleet.ok(&["start", "k9"]);
    let ran = fleet.run(&["ps"]);
    assert!(ran.code == 3 && ran.stdout.contains("cam"), "{ran:?}");
    let row = ran.stdout.lines().nth(1).unwrap();
    assert!(row.starts_with("shop ") && row.contains("unreachable"), "{row}");
    assert!(row.ends_with("docker: Cannot connect to the Docker daemon"), "{row}");
    let connect = fleet.run(&["connect", "shop/web"]);
    assert!(connect.code == 3 && connect.stderr.contains("shop: docker: Cannot"), "{connect:?}");
    executable(&fleet.here.path().join("bin/docker"), DOCKER);
    write(&fleet, "tasks", "");
    let ran = fleet.run(&["ps"]);
    assert!(ran.code == 3 && ran.stdout.contains("it has no hosts now"), "{ran:?}");
    fleet.ok(&["quit", "k9"]);
    fleet.hosts[0].wait_empty();
}

#[test]
fn a_task_that_takes_the_place_of_another_is_followed_and_the_other_one_does_not_come_back() {
    let fleet = stack();
    let web = |word: &str| format!("web: echo {word}; exec sleep 1000\n");
    let one = container(&fleet, "shop_web.1.id1", &web("first"));
    let next = container(&fleet, "shop_web.1.id3", &web("second"));
    write(&fleet, "tasks", "shop_web.1 shop_web.1.id1 localhost\n");
    fleet.ok(&["start", "shop"]);
    let mut view = fleet.follow(&["logs", "-f", "shop"]);
    view.shows("first");
    next.ok(["start", "-D"]);
    write(&fleet, "tasks", "shop_web.1 shop_web.1.id3 localhost\n");
    one.ok(["quit"]);
    view.shows("shop_web.1 is no longer listed");
    view.shows("shop_web.1 is new; its lines follow");
    view.shows("second");
    // While the engine does not answer, nothing is known of either.
    let silent = "#!/bin/sh\n[ $1 = exec ] || echo x >>\"$HOSTS/@asked\"\nexit 1\n";
    executable(&fleet.here.path().join("bin/docker"), silent);
    next.ok(["quit"]);
    let asked = fleet.here.path().join("hosts/@asked");
    eventually("it is asked three times", || {
        std::fs::read_to_string(&asked).is_ok_and(|asked| asked.len() >= 6).then_some(())
    });
    let log = view.log();
    assert!(!log.contains("shop_web.1 does not answer: "), "{log}");
    assert_eq!(log.matches("is new").count(), 1, "{log}");
    assert_eq!(log.matches("second").count(), 1, "{log}");
    view.interrupt();
    one.wait_empty();
    next.wait_empty();
}

#[test]
fn a_host_that_is_one_too_many_for_a_view_is_named() {
    let fleet = stack();
    let one = container(&fleet, "shop_web.1.id1", "web: echo first; exec sleep 1000\n");
    let task = |number: usize| format!("shop_web.{number} shop_web.{number}.id1 localhost\n");
    write(&fleet, "tasks", &task(1));
    fleet.ok(&["start", "shop"]);
    let mut view = fleet.follow(&["logs", "-f", "shop"]);
    view.shows("first");
    write(&fleet, "tasks", &(1..=65).map(task).collect::<String>());
    view.shows("shop_web.64 does not answer");
    eventually("it says what it does not show", || {
        fleet
            .here
            .read("view.err")
            .contains("shop_web.65 is not shown: at most 64 hosts are")
            .then_some(())
    });
    view.interrupt();
    one.ok(["quit"]);
    one.wait_empty();
}

#[test]
fn commands_of_a_list_need_permission_and_are_shown() {
    let fleet = stack();
    let file = "[hosts.batch]\nlist = [\"sh\", \"-c\", \"echo node1; touch listed\"]\nvia = [\"sh\", \"-c\"]\n";
    fleet.here.write("fleet.toml", file);
    let ran = fleet.run(&["ps"]);
    assert!(ran.code == 1 && ran.stderr.contains("`tmo fleet trust` shows them"), "{ran:?}");
    let shown = fleet.ok(&["trust", "--yes"]);
    assert!(shown.contains("batch: [\"sh\", \"-c\", \"echo node1; touch listed\"]"), "{shown}");
    assert!(!fleet.here.path().join("listed").exists());
    std::fs::remove_file(fleet.here.app().join("Procfile")).unwrap();
    let checked = fleet.here.ok(["check"]);
    assert!(checked.contains("@batch"), "{checked}");
}

#[test]
fn the_manual_shows_what_is_printed() {
    let here = World::new("web: exec sleep 1000\n");
    here.write("Dockerfile", "FROM scratch\n");
    let export = "export compose --with-tmo -m web=2 -o deploy";
    let ran = here.run(export.split(' '));
    let of_shop =
        |text: &str| text.replace("app:latest", "shop:latest").replace("yaml app", "yaml shop");
    // Remarks come first on a terminal.
    let ran =
        Ran { stdout: of_shop(&ran.stderr) + &of_shop(&ran.stdout), stderr: String::new(), ..ran };
    assert_prints(&format!("tmo {export}"), &ran);
    let fleet = stack();
    let one = container(&fleet, "shop_web.1.id1", "web: exec sleep 1000\n");
    let two = container(&fleet, "shop_web.2.id2", "web: exec sleep 1000\n");
    fleet.ok(&["start", "shop"]);
    let ran = fleet.run(&["ps", "shop"]);
    // Without a port until something listens.
    let without =
        |text: String, world: &World| text.replace(&format!(" {} ", world.port(0)), " - ");
    let ran = Ran { stdout: without(without(ran.stdout, &one), &two), ..ran };
    assert_prints("tmo fleet ps shop", &ran);
    let history = "shop_web.1\tn2\tRunning\tRunning 9 seconds ago\n \\_ shop_web.1\tn3\tShutdown\tRunning 9 s ago\n";
    write(&fleet, "history", history);
    assert_prints("tmo fleet why", &fleet.run(&["why", "shop"]));
    fleet.ok(&["quit", "shop"]);
    one.wait_empty();
}
