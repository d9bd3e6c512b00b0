//! `tmo graph`: the start order, with and without a run.

use pretty_assertions::assert_eq;
use serde_json::Value;
use tmo::model::plan::Plan;
use tmo::model::time::Timestamp;
use tmo::plan::order;
use tmo::supervisor::Supervisor;

use crate::harness::World;

const TOML: &str = "\
[process]
db = { command = 'exec sleep 1000', phase = 'dependency', ready = { delay = '1ms' } }
migrate = { command = 'true' }
tool = { command = 'exec sleep 1000', autostart = false }
web = { command = 'exec sleep 1000', depends_on = { migrate = 'completed', tool = 'started' } }
console = { command = 'exec sleep 1000', autostart = false, depends_on = ['web'] }
end = { command = 'true', phase = 'cleanup' }
";

const SHOWN: &str = "   PROCESS  PHASE       WAITS FOR
1  db       dependency  -
                        ready by delay 1 ms
2  migrate  main        db (ready)
   tool     main        db (ready)
3  web      main        migrate (completed), tool (started)
At the end, before the dependencies are stopped:
1  end      cleanup     -
Only when asked for:
   console  main        web (ready)
";

fn world() -> World {
    let world = World::new("");
    std::fs::remove_file(world.app().join("Procfile")).unwrap();
    world.write("tmo.toml", TOML);
    world
}

#[test]
fn graph_shows_the_start_order_without_a_run() {
    let world = world();
    assert_eq!(world.ok(["graph"]), SHOWN);
    let reported: Value = serde_json::from_str(&world.ok(["graph", "--json"])).unwrap();
    assert_eq!(reported["levels"].to_string(), r#"[["db"],["migrate","tool"],["web"]]"#);
    assert!(reported["processes"][0].get("state").is_none(), "{reported}");
    assert!(world.ok(["graph", "--dot"]).contains("\"migrate\" -> \"web\" [label=\"completed\"];"));
    let reported: Value = serde_json::from_str(&world.ok(["graph", "tool", "--json"])).unwrap();
    assert_eq!(reported["on_demand"].to_string(), r#"["migrate","web","console"]"#);
    let ran = world.run(["graph", "--live"]);
    assert!(ran.code == 1 && ran.stdout.is_empty() && !ran.stderr.is_empty(), "{ran:?}");
    assert_eq!(world.run(["graph", "--live", "--dot"]).code, 2);
    world.wait_empty();
}

#[test]
fn graph_shows_the_supervisors_order_and_states() {
    let world = world();
    world.ok(["start", "-D"]);
    world.wait_state("web", "running");
    let plan = std::fs::read(world.runtime().join("plan.json")).unwrap();
    let plan: Plan = serde_json::from_slice(&plan).unwrap();
    let place = |name| plan.processes.iter().position(|process| process.name == name).unwrap();
    for (step, proc) in order(&plan).iter().zip(&Supervisor::new(&plan, Timestamp::EPOCH).procs) {
        let waits: Vec<_> =
            step.waits.iter().map(|wait| (place(wait.on.clone()), wait.until)).collect();
        let needs: Vec<_> = proc.needs.iter().map(|(on, until)| (on.place(), *until)).collect();
        assert_eq!(waits, needs, "{}", step.name);
    }
    let text = world.ok(["graph", "--live"]);
    for row in [
        "   PROCESS  PHASE       STATE    WAITS FOR\n1  db       dependency  running  -\n",
        "2  migrate  main        exited   db (ready)\n   tool     main        running  db (ready)\n",
        "1  end      cleanup     stopped  -\n",
        "   console  main        stopped  web (ready)\n",
    ] {
        assert!(text.contains(row), "{row}{text}");
    }
    let reported: Value = serde_json::from_str(&world.ok(["graph", "--live", "--json"])).unwrap();
    assert_eq!(reported["processes"][1]["state"]["state"], "exited");
    world.ok(["quit"]);
}
