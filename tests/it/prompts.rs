//! Processes that wait for input at a prompt.

use serde_json::Value;

use crate::harness::{Terminal, World, eventually, procs};

/// Begins when the others have had time to be timed out.
const LATER: &str = "later: exec sleep 1000\n";
const LATER_TOML: &str = "[process.later]\nready = { delay = \"3s\" }\n";

fn events(world: &World) -> Vec<Value> {
    let events = world.ok(["events", "--json"]);
    let events = events.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    events.filter(|event| event["event"] == "prompt").collect()
}

fn waits_no_more(world: &World, name: &str) {
    eventually("it waits no more", || world.field(name, "prompt").is_null().then_some(()));
}

#[test]
fn a_process_that_asks_is_told_once_until_it_is_answered() {
    let world = World::new(
        "web: printf 'Your name: '; read name; echo \"hello $name\"; exec sleep 1000\n\
         secret: stty -echo; printf 'Secret: '; read x; exec sleep 1000\n\
         busy: printf 'Your name: '; exec sleep 1000\n",
    );
    world.ok(["start", "-D"]);
    world.ok(["wait", "web", "secret", "--for", "prompt"]);
    world.ok(["wait", "--for", "prompt"]);
    assert_eq!(world.field("web", "prompt")["text"], "Your name:");
    let ps = world.ok(["ps"]);
    assert!(ps.contains("waits for input: Your name:; `tmo connect web` answers it"), "{ps}");
    assert!(ps.contains("waits for input: Secret:; `tmo connect secret` answers it"), "{ps}");
    let why = world.run(["why", "web"]);
    assert_eq!(why.code, 1, "{why:?}");
    assert!(
        why.stdout.contains("  it waits for input: Your name:\n    $ tmo connect web\n"),
        "{why:?}"
    );
    let why = world.run(["why", "--json"]);
    let answer: Value = serde_json::from_str(&why.stdout).unwrap();
    assert_eq!((why.code, &answer["causes"][0]["kind"]), (1, &"waits-for-input".into()));
    let both = [&answer["process"], &answer["others"][0]].map(|name| name.as_str().unwrap());
    assert!(both.contains(&"web") && both.contains(&"secret"), "{answer}");
    assert!(world.field("busy", "prompt").is_null(), "nobody reads");
    let late = world.run(["wait", "busy", "--for", "prompt", "--timeout", "10ms"]);
    assert_eq!(late.code, 124);

    // What is being typed does not end it.
    world.ok(["send", "web", "An"]);
    eventually("what is typed is shown", || {
        String::from_utf8_lossy(&world.stream("web")).contains("name: An").then_some(())
    });
    world.ok(["wait", "web", "--for", "prompt"]);
    world.ok(["send", "web", "n", "--enter"]);
    waits_no_more(&world, "web");
    world.wait_text("web", "hello Ann");
    let told: Vec<_> = events(&world).into_iter().filter(|event| event["name"] == "web").collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0]["text"], "Waits for input: Your name:; `tmo connect web` answers it");
    let over = world.run(["wait", "web", "--for", "prompt", "--timeout", "10ms"]);
    assert_eq!(over.code, 124);
    world.ok(["quit"]);
}

#[test]
fn a_start_shows_who_waits_and_rings() {
    let world = World::new("web: printf 'Your name: '; read name; exec sleep 1000\n");
    let terminal = Terminal::open(&world, "a", 100, 24);
    let mut hook = world.command("tmux");
    hook.args(["-L", "test-a", "set-hook", "-g", "alert-bell", "set -g @rang yes"]);
    assert!(hook.status().unwrap().success());
    terminal.tmo("start");
    terminal.wait("web    | Waits for input: Your name:; `tmo connect web` answers it");
    eventually("the bell", || (terminal.ask("#{@rang}") == "yes").then_some(()));
    terminal.close();
    world.ok(["quit"]);
}

#[test]
fn time_limits_checks_and_changed_files_wait_for_the_answer() {
    let world = World::new(&format!(
        "web: printf 'Use port 3001? [Y/n] '; read x; echo up; exec sleep 1000\n\
         api: until [ -e ask ]; do sleep 0.05; done; printf 'Go on? '; read x; exec sleep 1000\n{LATER}",
    ));
    world.write("a.txt", "1");
    world.write(
        "tmo.toml",
        &format!(
            "[process.web]\nready = {{ log = \"up\", timeout = \"1s\" }}\n\
             [process.api]\nwatch = \"a.txt\"\n\
             live = {{ exec = \"! [ -e ask ]\", every = \"100ms\", failures = 5, action = \"restart\" }}\n\
             {LATER_TOML}"
        ),
    );
    world.ok(["start", "-D"]);
    world.ok(["wait", "web", "--for", "prompt"]);
    world.write("ask", "");
    world.ok(["wait", "api", "--for", "prompt"]);
    world.ok(["wait", "later", "--for", "ready"]);
    assert_eq!(world.field("web", "not_ready"), Value::Null);
    eventually("what it lacks is told", || {
        let missing = world.run(["wait", "web", "--for", "ready", "--timeout", "1s"]);
        missing.stderr.contains("web waits for input: Use port 3001? [Y/n];").then_some(())
    });
    assert_eq!(world.field("api", "lives"), 1, "{}", world.ok(["logs", "api"]));

    world.write("a.txt", "2");
    world.ok(["restart", "later"]);
    world.ok(["wait", "later", "--for", "ready"]);
    assert_eq!(world.field("api", "lives"), 1, "{}", world.ok(["logs", "api"]));
    world.shell("rm ask");
    world.ok(["send", "api", "x", "--enter"]);
    eventually("it is restarted for the file", || (world.field("api", "lives") == 2).then_some(()));
    world.ok(["send", "web", "y", "--enter"]);
    world.ok(["wait", "web", "--for", "ready"]);
    world.ok(["quit"]);
}

#[test]
fn a_process_says_what_its_prompts_are() {
    let world = World::new(&format!(
        "own: printf 'shop=# '; exec sleep 1000\nshell: printf '(Pdb) '; exec sleep 1000\n{LATER}"
    ));
    world.write(
        "tmo.toml",
        &format!("[process.own]\nprompt = '=#$'\n[process.shell]\nprompt = false\n{LATER_TOML}"),
    );
    world.ok(["start", "-D"]);
    world.ok(["wait", "own", "--for", "prompt"]);
    world.ok(["wait", "later", "--for", "ready"]);
    assert!(world.field("shell", "prompt").is_null());
    world.ok(["quit"]);
}

#[test]
fn a_prompt_with_room_for_a_menu_below_it_is_one() {
    // As prompt_toolkit draws it (ipdb, IPython): empty rows below, and the cursor goes up again.
    let rows = "\\r\\r\\n".repeat(8);
    let world = World::new(&format!(
        "web: printf 'begin\\n\\033[J\\033[32mipdb> \\033[0m{rows} \\b\\033[8A\\033[6C'; read x; echo went on; exec sleep 1000\n\
         busy: printf 'ipdb> {rows}\\033[7A'; exec sleep 1000\n"
    ));
    world.ok(["start", "-D"]);
    world.ok(["wait", "web", "--for", "prompt", "--timeout", "60s"]);
    assert_eq!(world.field("web", "prompt")["text"], "ipdb>");
    assert!(world.field("busy", "prompt").is_null(), "the cursor is elsewhere");
    world.ok(["send", "web", "c", "--enter"]);
    world.wait_text("web", "went on");
    waits_no_more(&world, "web");
    world.ok(["quit"]);
}

#[test]
fn a_prompt_outlives_the_supervisor() {
    let world =
        World::new("web: printf 'Your name: '; read name; echo \"hello $name\"; exec sleep 1000\n");
    world.ok(["start", "-D"]);
    world.ok(["wait", "web", "--for", "prompt"]);
    let since = world.field("web", "prompt")["since"].clone();
    let old = world.supervisor();
    procs::kill(old, 9);
    eventually("another takes over", || {
        (world.state()?["pid"].as_u64()? != u64::from(old)).then_some(())
    });
    world.ok(["wait", "web", "--for", "prompt"]);
    assert_eq!(world.field("web", "prompt")["since"], since);
    assert_eq!(events(&world).len(), 1);
    world.ok(["send", "web", "Ann", "--enter"]);
    waits_no_more(&world, "web");
    world.ok(["quit"]);
}

#[test]
fn a_menu_of_arrow_keys_is_a_prompt_and_what_only_looks_like_one_is_not() {
    let keys = "stty -icanon -echo; printf";
    let wait = "dd bs=1 count=1 >key 2>&1; printf '\\033[?25hwent on\\n'; exec sleep 1000";
    let world = World::new(&format!(
        "clack: {keys} 'begin\\n\\033[?25l◆  Select a framework:\\n│  ● Vanilla\\n│  ○ Vue\\n└\\n'; {wait}\n\
         inquirer: {keys} '? Which (Use arrow keys)\\n❯ a\\n  b\\033[?25l'; {wait}\n\
         pause: {keys} 'Press any key to continue . . . '; {wait}\n\
         cursor: {keys} 'Which?\\n❯ a\\n  b\\n'; {wait}\n\
         progress: printf '\\033[?25lWhich?\\n❯ 75%%|███   |\\n'; exec sleep 1000\n\
         htop: {keys} '\\033[?1049h\\033[?25lWhich?\\n❯ a\\n'; {wait}\n\
         again: if [ -e first ]; then {keys} 'progress\\n❯ a\\n  b\\033[?25l'; {wait}; fi; \
         echo 'Errors found:'; touch first; exec sleep 1000\n{LATER}"
    ));
    world.write("tmo.toml", LATER_TOML);
    world.ok(["start", "-D"]);
    eventually("the first life has printed", || world.app().join("first").exists().then_some(()));
    world.ok(["restart", "again"]);
    for (name, text) in [
        ("clack", "◆  Select a framework:"),
        ("inquirer", "? Which (Use arrow keys)"),
        ("pause", "Press any key to continue . . ."),
    ] {
        world.ok(["wait", name, "--for", "prompt", "--timeout", "60s"]);
        assert_eq!(world.field(name, "prompt")["text"], text);
    }
    world.ok(["wait", "later", "--for", "ready"]);
    for name in ["cursor", "progress", "htop", "again"] {
        assert!(world.field(name, "prompt").is_null(), "{name}");
    }
    for name in ["clack", "inquirer", "pause"] {
        world.ok(["send", name, "x"]);
        world.wait_text(name, "went on");
        waits_no_more(&world, name);
    }
    world.ok(["quit"]);
}

/// A debugger: it lists a source line, and prints what it is given.
const DEBUGGER: &str = "web: echo 'raise boom'; printf '(Pdb) '; while IFS= read -r x; do \
    case \"$x\" in c) break;; esac; echo \"bo\"\"om $x\"; printf '(Pdb) '; done; sleep 1.5; \
    echo went on; read y; echo boom; exec sleep 1000\n";

#[test]
fn what_a_debugger_prints_is_no_failure() {
    let most =
        if std::env::var_os("TMO_TEST").is_some_and(|tier| tier == "full") { 1000 } else { 40 };
    let world = World::new(DEBUGGER);
    world.write("tmo.toml", "[[process.web.failure]]\npattern = \"boom\"\n");
    world.ok(["start", "-D"]);
    world.ok(["wait", "web", "--for", "prompt"]);
    for number in 1..=most {
        world.type_into("web", &number.to_string());
        eventually("its answer", || {
            let stream = world.stream("web");
            memchr::memmem::find(&stream, format!("boom {number}\r\n").as_bytes()).map(drop)
        });
    }
    world.ok(["wait", "web", "--for", "prompt"]);
    assert_eq!(world.field("web", "state"), "running", "{}", world.ok(["logs"]));
    let marked = world.ok(["logs", "--all-runs", "--json"]);
    assert!(marked.contains(r#""flag":"boom""#), "{marked}");
    // Afterwards it is one again.
    world.type_into("web", "c");
    world.wait_text("web", "went on");
    world.type_into("web", "");
    world.wait_state("web", "broken");
    world.ok(["quit"]);
}
