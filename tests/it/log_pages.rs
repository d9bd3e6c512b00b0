//! Pages of the log in both directions, search in steps, and styled lines, over the API.

use serde_json::{Value, json};

use crate::api::ask;
use crate::harness::World;

fn page(world: &World, query: &str) -> Value {
    let answer = ask(world, &format!("GET /api/lines?{query}"), "", "");
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

fn texts(page: &Value) -> Vec<String> {
    let lines = page["lines"].as_array().unwrap().iter();
    lines.map(|line| line["text"].as_str().unwrap_or_default().to_owned()).collect()
}

/// All pages, by `next` or `previous`, in the order of the log.
fn all(world: &World, query: &str, (word, begin): (&str, &str)) -> Vec<String> {
    let (mut all, mut cursor) = (vec![], begin.to_owned());
    loop {
        let at = if cursor.is_empty() { String::new() } else { format!("&{word}={cursor}") };
        let page = page(world, &format!("{query}{at}"));
        let found = texts(&page);
        if word == "before" {
            all.splice(0..0, found);
        } else {
            all.extend(found);
        }
        if page["more"] == false {
            return all;
        }
        let next = if word == "before" { &page["previous"] } else { &page["next"] };
        assert_ne!(next.as_str().unwrap(), cursor, "it goes on");
        next.as_str().unwrap().clone_into(&mut cursor);
    }
}

#[test]
fn pages_backwards_are_the_lines_of_the_pages_forwards() {
    let world = World::new(
        "web: for n in $(seq 1 300); do echo web $n; done; echo web ends; exec sleep 1000\n\
         db: for n in $(seq 1 300); do echo db $n; done; echo db ends; exec sleep 1000\n",
    );
    world.ok(["start", "-D"]);
    world.wait_text("web", "| web ends\n");
    world.wait_text("db", "| db ends\n");
    for query in ["limit=37", "name=web&limit=37", "limit=37&grep=7$", "grep=7$&step=true&limit=5"]
    {
        let forwards = all(&world, query, ("after", ""));
        assert!(forwards.len() > 20, "{query}: {forwards:?}");
        assert_eq!(all(&world, query, ("before", "end")), forwards, "{query}");
    }
    // The first page backwards is the end of the log, and its `next` what is new.
    let last = page(&world, "name=web&before=end&limit=3");
    assert_eq!(texts(&last), ["web 299", "web 300", "web ends"]);
    let next = last["next"].as_str().unwrap();
    assert_eq!(texts(&page(&world, &format!("name=web&after={next}"))), [""; 0]);
    let first = last["lines"][0]["cursor"].as_str().unwrap();
    let between = page(&world, &format!("name=web&before=end&after={first}"));
    assert_eq!(
        (texts(&between), &between["more"]),
        (vec!["web 300".into(), "web ends".into()], &json!(false))
    );
    assert_eq!(texts(&page(&world, "name=web&last=2&styles=true")), ["web 300", "web ends"]);
    world.ok(["quit"]);
}

#[test]
fn styled_lines_have_runs_and_a_colour_goes_on_in_the_next_line() {
    let world = World::new(
        "web: printf 'plain \\033[31mred\\nstill red\\033[0m off\\n\\033[1;44mx\\033[m\\n'; \
         exec sleep 1000\n",
    );
    world.ok(["start", "-D"]);
    world.wait_text("web", "| x\n");
    let found = page(&world, "name=web&before=end&limit=2&styles=true&types=process:log");
    let runs: Vec<_> =
        found["lines"].as_array().unwrap().iter().map(|line| &line["runs"]).collect();
    let expected = [
        json!([{ "text": "still red", "color": 1 }, { "text": " off" }]),
        json!([{ "text": "x", "background": 4, "attributes": ["bold"] }]),
    ];
    assert_eq!(runs, expected.each_ref());
    assert_eq!(texts(&found), ["still red off", "x"]);
    world.ok(["quit"]);
}

#[test]
fn the_last_matches_are_those_at_the_end_of_the_log() {
    let world = World::new("web: seq 1 3000; echo over; exec sleep 1000\n");
    world.ok(["start", "-D"]);
    world.wait_text("web", "| over\n");
    let ran = world.ok(["logs", "-n", "2", "--grep", "7$", "--no-prefix"]);
    assert_eq!(ran, "2987\n2997\n");
    let ran = world.ok(["logs", "-n", "1", "--grep", "^1000$", "-B", "1", "--no-prefix"]);
    assert_eq!(ran, "1000\n", "context does not count");
    let found = page(&world, "name=web&grep=7$&last=2");
    assert_eq!(texts(&found), ["2987", "2997"]);
    let none = world.ok(["logs", "-n", "2", "--grep", "no such line", "--no-prefix"]);
    assert_eq!(none, "");
    world.ok(["quit"]);
}

#[test]
fn the_output_over_time_is_all_that_was_printed() {
    let world = World::new(
        "web: seq 1 1000; exec sleep 1000\n\
         db: echo one; exec sleep 1000\n",
    );
    world.ok(["start", "-D"]);
    world.wait_text("web", "1000\n");
    world.wait_text("db", "one\n");
    let output = |query: &str| {
        let answer = ask(&world, &format!("GET /api/output?{query}"), "", "");
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    };
    let sums = |output: &Value| -> Vec<(String, u64)> {
        let processes = output["processes"].as_array().unwrap().iter();
        processes
            .map(|process| {
                let bytes = process["bytes"].as_array().unwrap().iter();
                let name = process["name"].as_str().unwrap().to_owned();
                (name, bytes.map(|bytes| bytes.as_u64().unwrap()).sum())
            })
            .collect()
    };
    let printed = |name: &str| world.stream(name).len() as u64;
    let all = output("parts=7");
    assert_eq!(all["estimated"], json!(false));
    assert_eq!(all["processes"][0]["bytes"].as_array().unwrap().len(), 7);
    let found = sums(&all);
    let names: Vec<_> = found.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["db", "web"]);
    // The markers between lives are not output.
    for (name, bytes) in &found {
        assert!(*bytes <= printed(name) && *bytes >= 4, "{name}: {bytes} of {}", printed(name));
    }
    assert!(found[1].1 >= 3893, "{found:?}");
    assert_eq!(sums(&output("name=db&parts=1")), [("db".to_owned(), found[0].1)]);
    assert_eq!(output("until=2026-01-01T00:00:00Z")["processes"], json!([]));
    world.ok(["quit"]);
}
