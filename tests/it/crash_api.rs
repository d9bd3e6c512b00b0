//! `/api/why` and `/api/crashes`: what is wrong in a run, and its crash reports.

use std::os::unix::fs::symlink;

use serde_json::Value;

use crate::api::ask;
use crate::harness::{World, eventually};

const PROCFILE: &str = "web: echo 'KeyError: x'; exit 3\napi: echo ready; exec sleep 1000\n";

/// A run whose `web` has crashed twice, and which goes on.
fn crashed() -> World {
    let world = World::new(PROCFILE).env("SECRET", "hush");
    world.ok(["start", "-D", "--any-can-die"]);
    for crashes in 1..=2 {
        let listed =
            || (get(&world, "/api/crashes")["crashes"].as_array()?.len() == crashes).then_some(());
        eventually("there is a report", listed);
        if crashes == 1 {
            // It ends at once.
            world.run(["restart", "web"]);
        }
    }
    world.wait_state("web", "exited");
    world.wait_state("api", "running");
    world
}

fn get(world: &World, path: &str) -> Value {
    let answer = ask(world, &format!("GET {path}"), "", "");
    assert_eq!(answer.status, 200, "{path}: {answer:?}");
    answer.json()
}

fn printed(world: &World, args: &[&str]) -> Value {
    serde_json::from_str(&world.run([args, &["--json"]].concat()).stdout).unwrap()
}

#[test]
fn the_api_explains_what_tmo_why_explains() {
    let world = crashed();
    for (path, args) in [
        ("/api/why", &["why"][..]),
        ("/api/processes/web/why", &["why", "web"]),
        ("/api/processes/api/why", &["why", "api"]),
    ] {
        assert_eq!(get(&world, path), printed(&world, args), "{path}");
    }
    assert_eq!(get(&world, "/api/why")["process"], "web");
    assert_eq!(get(&world, "/api/processes/api/why")["well"], "nothing is wrong: api is running");
    let answer = ask(&world, "GET /api/processes/wbe/why", "", "");
    assert_eq!((answer.status, &answer.json()["unknown"]["nearest"]), (404, &"web".into()));
    world.ok(["quit"]);
}

#[test]
fn the_api_lists_and_shows_crash_reports() {
    let world = crashed();
    let listed = get(&world, "/api/crashes");
    let mut own = printed(&world, &["crashes"]);
    own.as_array_mut().unwrap().reverse();
    assert_eq!(listed["crashes"], own, "the newest first");
    let all = listed["crashes"].as_array().unwrap();
    assert_eq!(get(&world, "/api/crashes?last=1")["crashes"], Value::from(&all[..1]));
    assert_eq!(get(&world, "/api/crashes?name=w*&last=5")["crashes"], Value::from(&all[..]));
    assert_eq!(get(&world, "/api/crashes?name=api")["crashes"], Value::Array(vec![]));
    assert_eq!(ask(&world, "GET /api/crashes?name=wbe", "", "").status, 404);
    assert_eq!(ask(&world, "GET /api/crashes?last=x", "", "").status, 400);
    for one in all {
        let mut report = get(&world, &format!("/api/crashes/{}", one["id"].as_str().unwrap()));
        let text = report.to_string();
        assert!(text.contains("SECRET") && !text.contains("hush"), "{text}");
        assert_eq!(report.as_object_mut().unwrap().remove("api"), Some(1.into()));
        let file = std::fs::read(one["file"].as_str().unwrap()).unwrap();
        assert_eq!(report, serde_json::from_slice::<Value>(&file).unwrap());
    }
    world.ok(["quit"]);
}

#[test]
fn no_id_leads_out_of_the_directory_of_the_crash_reports() {
    let world = crashed();
    let dir = world.journal().join("crash-reports");
    let newest = get(&world, "/api/crashes?last=1")["crashes"][0]["file"].clone();
    let secret = world.app().join("web-2026-01-02T03-04-05Z.json");
    std::fs::copy(newest.as_str().unwrap(), &secret).unwrap();
    let outside = secret.with_extension("").display().to_string();
    let ids = [
        outside.replace('/', "%2F"),
        format!("..%2Fcrash-reports%2F{}", "web-2026-01-02T03-04-05Z"),
        "..".to_owned(),
        ".%2Fweb".to_owned(),
        "%00".to_owned(),
        "web%0Aweb".to_owned(),
        "web-2026-01-02T03-04-05Z".to_owned(),
        "web-2026-01-02T03-04-05Z.json".to_owned(),
        "x".repeat(5000),
    ];
    for id in ids {
        let answer = ask(&world, &format!("GET /api/crashes/{id}"), "", "");
        assert_eq!(answer.status, 404, "{id}: {answer:?}");
    }
    // A link in the directory that leads out of it.
    symlink(&secret, dir.join("web-2026-01-02T03-04-05Z.json")).unwrap();
    let answer = ask(&world, "GET /api/crashes/web-2026-01-02T03-04-05Z", "", "");
    assert_eq!(answer.status, 404, "{answer:?}");
    assert_eq!(get(&world, "/api/crashes")["crashes"].as_array().unwrap().len(), 2);
    // Something else in the place of a report.
    std::fs::write(dir.join("web-2026-01-02T03-04-06Z.json"), "{}").unwrap();
    let answer = ask(&world, "GET /api/crashes/web-2026-01-02T03-04-06Z", "", "");
    assert!(answer.status == 500 && answer.body.contains("no crash report"), "{answer:?}");
    world.ok(["quit"]);
}
