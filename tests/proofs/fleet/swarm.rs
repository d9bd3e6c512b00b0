//! A Docker Swarm of three nodes: an export with tmo in each container, and its tasks as the hosts of a fleet.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use regex::Regex;

use crate::fleet::engines::{self, Machine, PATH, PATIENCE, PROCFILE, ROOT};
use crate::fleet::hosts::must;
use crate::harness::{Ran, World, eventually_within};
use crate::table::Table;

/// Joins two machines, given their pids and their numbers, by a pair of devices.
const WIRE: &str = r#"
nsenter --net --target "$1" ip link add "n$4" type veth peer name "n$3" netns "$2" || exit
for side in "$1 $3 $4" "$2 $4 $3"; do
    set -- $side
    nsenter --net --target "$1" ip address add "10.77.0.$2/32" dev "n$3" &&
    nsenter --net --target "$1" ip link set "n$3" up &&
    nsenter --net --target "$1" ip route add "10.77.0.$3" dev "n$3" src "10.77.0.$2" || exit
done
"#;

/// Nodes named `n1`, `n2`, `n3`, of which the first is the manager.
struct Swarm {
    nodes: Vec<Option<Machine>>,
    here: World,
    cgroup: String,
}

impl Swarm {
    fn new() -> Self {
        let here = World::new(PROCFILE);
        here.write("Dockerfile", "FROM scratch\n");
        let dir = here.path().display().to_string();
        let cgroup = dir.replace('/', "-")[1..].to_owned();
        let node = |n: u32| {
            let line = format!(
                "PATH=$PATH:/usr/sbin:/sbin; dockerd -H unix://{dir}/n{n}.sock --data-root {dir}/data{n} --exec-root /run/docker{n} \
                 --pidfile /run/docker{n}.pid --cgroup-parent /{cgroup} --default-ulimit nofile=4096:4096 \
                 --default-ulimit nproc=4096:4096"
            );
            Some(Machine::new(&here, &format!("n{n}"), "true", &line))
        };
        let nodes: Vec<_> = (1..=3).map(node).collect();
        let manager = format!("unix://{dir}/n1.sock");
        let swarm = Self { nodes, here: here.env("DOCKER_HOST", &manager), cgroup };
        for (a, b) in [(1, 2), (1, 3), (2, 3)] {
            let pid = |n: usize| swarm.nodes[n - 1].as_ref().unwrap().pid().to_string();
            let words = [pid(a), pid(b), a.to_string(), b.to_string()];
            must(swarm.here.command("sh").args(["-c", WIRE, "sh"]).args(words));
        }
        let tar = engines::image(&swarm.here);
        for n in 1..=3 {
            let is_up = || swarm.on(n).arg("info").output().unwrap().status.success().then_some(());
            eventually_within(PATIENCE, "dockerd answers", is_up);
            let changes = [&format!("WORKDIR {ROOT}"), &format!("ENV {PATH}")];
            let import = ["--change", changes[0], "--change", changes[1]];
            must(swarm.on(n).arg("import").args(import).arg(&tar).arg("shop:latest"));
        }
        swarm.docker(&["swarm", "init", "--advertise-addr", "10.77.0.1"]);
        let token = swarm.docker(&["swarm", "join-token", "--quiet", "worker"]);
        for n in 2..=3 {
            let address = format!("10.77.0.{n}");
            let join = ["swarm", "join", "--advertise-addr", &address, "--token", token.trim()];
            must(swarm.on(n).args(join).arg("10.77.0.1:2377"));
        }
        swarm
    }

    /// docker on a node.
    fn on(&self, n: u32) -> Command {
        let mut docker = self.here.command("docker");
        docker.arg("-H").arg(format!("unix://{}/n{n}.sock", self.here.path().display()));
        docker
    }

    /// docker on the manager, as a user types it.
    #[track_caller]
    fn docker(&self, args: &[&str]) -> String {
        let ran = Ran::of(&self.here.command("docker").args(args).output().unwrap());
        assert_eq!(ran.code, 0, "{args:?}: {ran:?}");
        ran.stdout
    }

    fn fleet(&self, args: &[&str]) -> Ran {
        self.here.run([&["fleet"], args].concat())
    }

    /// The rows of `tmo fleet ps` once they are so many and all run: each with its host and process.
    fn wait_running(&self, count: usize, is_so: impl Fn() -> bool) -> Vec<(String, String)> {
        let mut last = String::new();
        let rows = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            eventually_within(PATIENCE, "all run", || {
                let ran = self.fleet(&["ps"]);
                last = format!("{ran:?}");
                let rows = ran.stdout.lines().skip(1).map(|row| {
                    let mut cells = row.split_whitespace().map(str::to_owned);
                    let (host, process) = (cells.next()?, cells.next()?);
                    (cells.nth(1)? == "running").then_some((host, process))
                });
                let rows: Option<Vec<_>> = rows.collect();
                rows.filter(|rows| ran.code == 0 && rows.len() == count && is_so())
            })
        }));
        rows.unwrap_or_else(|_| panic!("not all of {count} run: {last}"))
    }

    /// The tasks that are to run: the name, the id and the node of each.
    fn tasks(&self) -> Vec<[String; 3]> {
        let format = "{{.Name}} {{.ID}} {{.Node}}";
        let words = ["stack", "ps", "shop", "--no-trunc", "--filter", "desired-state=running"];
        let printed = self.docker(&[&words[..], &["--format", format]].concat());
        let task = |line: &str| {
            let mut words = line.split(' ').map(str::to_owned);
            [(); 3].map(|()| words.next().unwrap_or_default())
        };
        printed.lines().map(task).collect()
    }

    /// The commands of tmo in a container of a node, but for those of its run.
    fn calls(&self, n: u32, container: &str) -> Vec<String> {
        let top = self.on(n).args(["top", container, "-eo", "pid,args"]).output().unwrap();
        let top = String::from_utf8_lossy(&top.stdout).into_owned();
        let is_call =
            |line: &&str| ["tmo logs", "tmo there"].iter().any(|call| line.contains(call));
        top.lines().filter(is_call).map(str::to_owned).collect()
    }
}

impl Drop for Swarm {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for n in 1..=3 {
                let log = self.here.path().join(format!("n{n}.log"));
                let log = std::fs::read_to_string(log).unwrap_or_default();
                let last: Vec<_> = log.lines().rev().take(10).collect();
                eprintln!("-- dockerd of n{n}, backwards\n{}", last.join("\n"));
            }
        }
        self.nodes.clear();
        engines::remove_cgroups(&self.cgroup);
    }
}

pub(crate) fn swarm(times: u32, _: u64) -> Table {
    let programs = ["docker", "dockerd", "containerd", "runc", "ip", "nsenter"];
    let mut table = Table::default();
    if engines::are_missing("swarm", times, &programs) {
        return table;
    }
    let mut swarm = Swarm::new();
    deploy(&swarm);
    let rows = swarm.wait_running(4, || true);
    let wanted = "shop_web.1/web shop_web.2/web shop_web.3/web shop_worker.1/worker";
    let found: Vec<_> = rows.iter().map(|(host, process)| format!("{host}/{process}")).collect();
    table.must("fleet ps: each task", found.join(" "), wanted);
    let nodes: BTreeSet<_> = swarm.tasks().into_iter().map(|[_, _, node]| node).collect();
    table.must("nodes that run a task", nodes.len(), 3);
    engines::verbs(&swarm.here, "shop_web.2", "shop_worker.1", &mut table);
    let why = swarm.fleet(&["why", "@shop"]).stdout;
    table.must("why: all run", why.matches("all processes are running").count(), 4);
    rolling(&swarm, &mut table);
    lost(&mut swarm, &mut table);
    swarm.docker(&["stack", "rm", "shop"]);
    table
}

/// The two commands, and the file of the fleet.
fn deploy(swarm: &Swarm) {
    let export = ["export", "compose", "--with-tmo", "-a", "shop", "-m", "web=3", "-o", "deploy"];
    let printed = swarm.here.ok(export);
    let ran = swarm.here.shell(engines::next(&printed));
    assert_eq!(ran.code, 0, "{ran:?}");
    let exec = format!(
        "\"docker\", \"-H\", \"unix://{}/{{3}}.sock\", \"exec\"",
        swarm.here.path().display()
    );
    swarm.here.write(
        "fleet.toml",
        &format!(
            "[hosts.shop]\nengine = \"swarm\"\nselect = \"shop\"\n\
             via = [{exec}, \"-i\", \"{{2}}\"]\ntty = [{exec}, \"-it\", \"{{2}}\"]\n"
        ),
    );
    swarm.here.ok(["fleet", "trust", "--yes"]);
}

/// Every task is replaced while its lines are followed.
fn rolling(swarm: &Swarm, table: &mut Table) {
    let before = swarm.tasks();
    let mut view = swarm.here.view_into("follow", ["fleet", "logs", "-f", "-n", "1", "@shop/web"]);
    let line = Regex::new(r"(?m)^(shop_web\.\d)/web +\| ([0-9a-f]{12}) line (\d+)$").unwrap();
    // The containers that a task has had, with the numbers of their lines.
    let seen = || {
        let mut seen = BTreeMap::<_, BTreeMap<_, Vec<u32>>>::new();
        for found in line.captures_iter(&view.log()) {
            let [task, container, number] = [1, 2, 3].map(|n| found[n].to_owned());
            let numbers = seen.entry(task).or_default().entry(container).or_default();
            numbers.push(number.parse().unwrap());
        }
        seen
    };
    eventually_within(PATIENCE, "all are followed", || (seen().len() == 3).then_some(()));
    swarm.docker(&["service", "update", "--force", "--detach", "shop_web"]);
    let is_new = |tasks: &[[String; 3]]| {
        let web = tasks.iter().filter(|task| task[0].starts_with("shop_web"));
        web.filter(|task| !before.iter().any(|old| old[1] == task[1])).count() == 3
    };
    let state =
        || swarm.docker(&["service", "inspect", "shop_web", "--format", "{{.UpdateStatus.State}}"]);
    swarm.wait_running(4, || state().trim() == "completed" && is_new(&swarm.tasks()));
    let is_followed =
        || seen().values().all(|of| of.len() >= 2 && of.values().all(|it| it.len() > 2));
    eventually_within(PATIENCE, "the lines of each new task are shown", || {
        is_followed().then_some(())
    });
    for (task, containers) in seen() {
        table.must(format!("{task}: containers whose lines are shown"), containers.len(), 2);
        let is_whole = |numbers: &Vec<u32>| numbers.windows(2).all(|two| two[1] == two[0] + 1);
        let whole = containers.values().filter(|numbers| is_whole(numbers)).count();
        table.must(format!("{task}: without hole and double"), whole, 2);
    }
    view.signal(2);
    view.end();
    for [name, id, node] in swarm.tasks() {
        let n = node[1..].parse().unwrap();
        let is_left = || swarm.calls(n, &format!("{name}.{id}")).is_empty().then_some(());
        eventually_within(PATIENCE, "no stream is left in the container", is_left);
    }
}

/// A node is lost.
fn lost(swarm: &mut Swarm, table: &mut Table) {
    let tasks = swarm.tasks();
    let is_there = |[name, _, node]: &&[String; 3]| name.starts_with("shop_web") && node != "n1";
    let [name, id, node] = tasks.iter().find(is_there).unwrap().clone();
    let n: usize = node[1..].parse().unwrap();
    swarm.nodes[n - 1] = None;
    let why = || swarm.fleet(&["why"]).stdout;
    let is_told = || why().contains(&format!("the node {node} is down")).then_some(());
    eventually_within(PATIENCE, "why names the node", is_told);
    swarm.wait_running(4, || {
        let now = swarm.tasks();
        now.iter().all(|task| task[2] != node)
            && now.iter().any(|task| task[0] == name && task[1] != id)
    });
    let why = why();
    let down = format!("the node {node} is down\n");
    table.must("why: the node is down", why.contains(&down), true);
    let lost = format!("{name} was on {node}: it is lost with its node; now it is on ");
    table.must("why: what ran on it, and where it is now", why.contains(&lost), true);
}
