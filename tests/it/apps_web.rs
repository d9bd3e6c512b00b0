//! Uploads of apps to `tmo web`.

use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use crate::apps::apps;
use crate::archive::{Member, archive};
use crate::harness::procs::kill;
use crate::harness::{World, eventually, executable, files};
use crate::web::{Answer, Browser, Web};
use crate::web_server::link_in;

const LIMIT: usize = 50 << 20;
/// A program whose installation waits for a line.
const SLOW: [(&str, &str); 3] = [
    ("Gemfile", ""),
    ("run.sh", "#!/bin/sh\necho runs with $*\nexec sleep 1000\n"),
    ("README", "x"),
];

fn zip(files: &[(&str, &str)]) -> Vec<u8> {
    let members: Vec<_> = files.iter().map(|(name, text)| Member::new(name, *text)).collect();
    archive(&members)
}

fn plain() -> Vec<u8> {
    zip(&SLOW[1..])
}

fn upload(web: &Web<'_>, path: &str, bytes: &[u8]) -> Answer {
    let length = format!("Content-Length: {}\r\n", bytes.len());
    web.put(path, "application/zip", &length, bytes).unwrap()
}

/// A run with a fake `bundle` that installs until it is released.
fn world() -> World {
    let world = World::new("web: exec sleep 1000\n");
    let script = "while [ ! -e go ]; do sleep 0.05; done; echo bundled";
    let bin = world.path().join("bin");
    std::fs::create_dir(&bin).unwrap();
    let bundle = bin.join("bundle");
    executable(&bundle, &format!("#!/bin/sh\n{script}\n"));
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let world = world.env("PATH", &path);
    world.ok(["start", "-D", "--any-can-die"]);
    world
}

#[test]
fn an_upload_is_answered_while_the_app_is_still_being_installed() {
    let world = world();
    let web = Web::start(&world);
    let run = web.run();
    let answer =
        upload(&web, &format!("{run}/apps/My%20App?script=run.sh&arg=a&arg=b"), &zip(&SLOW));
    assert_eq!((answer.status, answer.json()), (202, json!({ "process": "My_App" })));
    world.wait_state("My_App", "installing");
    let lines = || web.get(&format!("{run}/api/lines?name=My_App&limit=50")).to_string();
    eventually("its log is there", || lines().contains("Installing My App").then_some(()));
    let running = upload(&web, &format!("{run}/apps/My%20App?update=1"), &zip(&SLOW));
    assert_eq!(running.status, 409, "{running:?}");
    std::fs::write(apps(&world).join("My_App/go"), "").unwrap();
    world.wait_state("My_App", "running");
    eventually("it runs", || lines().contains("runs with a b").then_some(()));
    assert!(lines().contains("[SUCCESS] Installation completed successfully!"));
    let list = web.get(&format!("{run}/apps"));
    assert_eq!(list["apps"][0]["name"], "My App", "{list}");
    assert_eq!(list["apps"][0]["installed"], true, "{list}");
    let removal = format!("POST {run}/apps/My%20App/remove");
    assert_eq!(web.ask(&removal).unwrap().status, 409);
    world.ok(["stop", "My_App"]);
    assert_eq!(web.ask(&removal).unwrap().status, 202);
    assert_eq!(web.get(&format!("{run}/apps")), json!({ "apps": [] }));
    web.end();
    world.ok(["quit"]);
    world.wait_empty();
}

#[test]
fn uploads_that_must_not_be_stored_are_refused_with_the_reason() {
    let world = world();
    let web = Web::start(&world);
    let run = web.run();
    let path = |name: &str| format!("{run}/apps/{name}?script=run.sh");
    let refused = |answer: Answer, status: u16, reason: &str| {
        assert_eq!(answer.status, status, "{answer:?}");
        assert!(answer.body.contains(reason), "{answer:?}");
    };
    refused(upload(&web, &path("web"), &plain()), 403, "not an app");
    refused(upload(&web, &format!("{run}/apps/a?update=1"), &plain()), 404, "there is no app");
    refused(upload(&web, &path("a%2Fb"), &plain()), 422, "can't be the name");
    refused(upload(&web, &format!("{run}/apps/a"), &plain()), 422, "does not contain `main.py`");
    refused(upload(&web, &path("a"), b"not a zip"), 422, "the file is not a ZIP archive");
    let hostile = zip(&[("run.sh", ""), ("../x", "")]);
    refused(upload(&web, &path("a"), &hostile), 422, "`../x`");
    refused(web.put(&path("a"), "application/json", "", b"").unwrap(), 415, "application/zip");
    // A body whose length exceeds the limit is not read.
    let length = format!("Content-Length: {}\r\n", LIMIT + 1);
    refused(web.put(&path("a"), "application/zip", &length, b"").unwrap(), 413, "50 MiB");
    let files = || files(&apps(&world)).into_iter().filter(|path| !path.ends_with(".lock"));
    assert_eq!(files().count(), 0, "{:?}", files().collect::<Vec<_>>());
    assert_eq!(upload(&web, &path("a"), &plain()).status, 202);
    refused(upload(&web, &path("a"), &plain()), 409, "already");
    world.wait_state("a", "running");
    web.end();
    world.ok(["quit"]);
    world.wait_empty();
}

#[test]
fn an_upload_without_a_length_is_stopped_at_the_limit() {
    let world = world();
    let web = Web::start(&world);
    let path = format!("{}/apps/a?script=run.sh", web.run());
    let chunk = vec![b'x'; 1 << 20];
    let mut body = vec![];
    for _ in 0..50 {
        body.extend(format!("{:x}\r\n", chunk.len()).bytes());
        body.extend([&*chunk, b"\r\n"].concat());
    }
    body.extend(b"1\r\nx\r\n0\r\n\r\n");
    let answer = web.put(&path, "application/zip", "Transfer-Encoding: chunked\r\n", &body);
    assert_eq!(answer.unwrap().status, 413);
    let left = files(&apps(&world)).into_iter().filter(|path| !path.ends_with(".lock")).count();
    assert_eq!(left, 0);
    web.end();
    world.ok(["quit"]);
    world.wait_empty();
}

#[test]
fn a_web_server_that_is_killed_during_an_upload_leaves_nothing_in_part() {
    let world = world();
    let web = Web::start(&world);
    let path = format!("{}/apps/a?script=run.sh", web.run());
    let incoming = || files(&apps(&world)).iter().any(|p| p.display().to_string().contains(".in-"));
    std::thread::scope(|scope| {
        let sent = scope.spawn(|| {
            let more = "Content-Length: 1000\r\n";
            web.put(&path, "application/zip", more, b"the begin")
        });
        eventually("the upload has begun", || (apps(&world).exists() && incoming()).then_some(()));
        kill(web.server(), nix::libc::SIGKILL);
        assert!(sent.join().unwrap().is_none());
    });
    eventually("the next server answers", || web.ask("GET /runs").map(drop));
    let answer = upload(&web, &path, &plain());
    assert_eq!(answer.status, 202, "{answer:?}");
    world.wait_state("a", "running");
    assert!(!incoming());
    web.end();
    world.ok(["quit"]);
    world.wait_empty();
}

#[test]
fn a_session_limited_to_some_processes_can_neither_upload_nor_list_apps() {
    let world = world();
    let owner = Web::start(&world);
    let run = owner.run();
    let link = world.ok(["web", "--share", "web"]);
    let guest = Browser::log_in(&link_in(&link).unwrap());
    let kind = "Content-Type: application/zip\r\n";
    let put = guest.ask_with_headers(&format!("PUT {run}/apps/a?script=run.sh"), kind);
    assert_eq!(put.status, 403, "{put:?}");
    let listed = guest.ask(&format!("GET {run}/apps"));
    assert_eq!(listed.status, 403, "{listed:?}");
    assert_eq!(guest.ask(&format!("POST {run}/apps/web/remove")).status, 403);
    let none: Vec<Value> = vec![];
    assert_eq!(owner.get(&format!("{run}/apps"))["apps"], json!(none));
    owner.end();
    world.ok(["quit"]);
    world.wait_empty();
}

#[test]
fn fifty_mebibytes_are_not_too_large() {
    let world = world();
    let web = Web::start(&world);
    let path = format!("{}/apps/a?script=run.sh", web.run());
    let overhead = zip(&[("run.sh", SLOW[1].1), ("data", "")]).len();
    let data = "x".repeat(LIMIT - overhead);
    let bytes = zip(&[("run.sh", SLOW[1].1), ("data", &data)]);
    assert_eq!(bytes.len(), LIMIT);
    let answer = upload(&web, &path, &bytes);
    assert_eq!(answer.status, 202, "{answer:?}");
    world.wait_state("a", "running");
    let size = apps(&world).join("a/data").metadata().unwrap().len();
    assert_eq!(size, data.len() as u64);
    web.end();
    world.ok(["quit"]);
    world.wait_empty();
}
