//! `tmo top`, `/api/figures`, and the state of the run as it changes (`/api/watch`).

use std::fmt::Display;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::os::unix::net::UnixStream;

use serde_json::{Value, json};

use crate::api::ask;
use crate::harness::ports::free_port;
use crate::harness::{Terminal, World, eventually};

const PROCFILE: &str = "busy: sh -c 'while :; do :; done' & while :; do echo line; sleep 0.02; done\n\
                        idle: exec sleep 1000\n";

#[test]
fn top_samples_what_each_process_and_its_children_use() {
    let world = World::new(PROCFILE);
    world.ok(["start", "-D"]);
    world.wait_text("busy", "| line\n");
    let samples = world.ok(["top", "-n", "2", "--json"]);
    let samples: Vec<Value> =
        samples.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(samples.len(), 2);
    for sample in &samples {
        let [busy, idle] = &sample["processes"].as_array().unwrap()[..] else { panic!("{sample}") };
        assert_eq!((&busy["name"], &idle["name"]), (&"busy".into(), &"idle".into()));
        let number = |of: &Value, what: &str| of[what].as_f64().unwrap();
        assert!(number(busy, "cpu_percent") > number(idle, "cpu_percent"), "{sample}");
        assert!(number(busy, "output_bytes_per_second") > 0.0, "{sample}");
        assert!(number(busy, "processes") >= 2.0, "{sample}");
        assert!(number(idle, "memory_bytes") > 0.0, "{sample}");
    }
    let table = world.ok(["top", "-n", "1"]);
    assert!(table.starts_with("PROCESS") && table.contains("\nall "), "{table}");
    assert_eq!(world.run(["top", "-n", "0"]).code, 2);
    world.ok(["quit"]);
    let ran = world.run(["top"]);
    assert!(ran.code == 1 && ran.stderr.contains("nothing runs here"), "{ran:?}");
}

#[test]
fn api_and_ps_tell_what_each_process_and_its_children_use() {
    let world = World::new(PROCFILE);
    world.ok(["start", "-D"]);
    world.wait_text("busy", "| line\n");
    let sample = || ask(&world, "GET /api/figures", "", "").json();
    let number = |of: &Value, what: &str| of[what].as_f64().unwrap_or(-1.0);
    let first = sample();
    assert_eq!(first["processes"][0]["cpu_percent"], Value::Null, "there was no earlier sample");
    // Clients share a sample, unless a second passes in between.
    eventually("two clients have the same sample", || (sample() == sample()).then_some(()));
    let later = eventually("a later sample", || {
        let later = sample();
        later["processes"][0]["cpu_percent"].is_number().then_some(later)
    });
    let [busy, idle] = &later["processes"].as_array().unwrap()[..] else { panic!("{later}") };
    assert!(number(busy, "cpu_percent") > number(idle, "cpu_percent"), "{later}");
    assert!(number(busy, "cpu_seconds") > number(&first["processes"][0], "cpu_seconds"), "{later}");
    assert!(number(busy, "output_bytes_per_second") > 0.0, "{later}");
    assert!(number(busy, "processes") >= 2.0 && idle["processes"] == 1, "{later}");
    let listed: Value = serde_json::from_str(&world.ok(["ps", "--json"])).unwrap();
    let [busy, idle] = [0, 1].map(|at| &listed["processes"][at]["figures"]);
    assert!(number(busy, "cpu_seconds") > number(idle, "cpu_seconds"), "{listed}");
    assert!(number(idle, "memory_bytes") > 0.0 && idle["threads"] == 1, "{listed}");
    assert_eq!(listed["api"], 1);
    // The table has the memory that all others have.
    eventually("the table has the same memory", || {
        let table = world.ok(["ps"]);
        let row: Vec<_> =
            table.lines().find(|row| row.starts_with("idle "))?.split_whitespace().collect();
        let sample = sample();
        let bytes = sample["processes"][1]["memory_bytes"].as_u64()?;
        let shown = [format!("{}KiB", bytes >> 10), format!("{}MiB", bytes >> 20)];
        shown.iter().any(|bytes| row.contains(&bytes.as_str())).then_some(())
    });
    world.ok(["stop", "idle"]);
    let stopped: Value = serde_json::from_str(&world.ok(["ps", "--json"])).unwrap();
    assert_eq!(stopped["processes"][1]["figures"], Value::Null);
    let metrics = || ask(&world, "GET /metrics", "", "").body;
    let value = |metrics: &str, name: &str, process: &str| {
        let line = format!("tmo_process_{name}{{process=\"{process}\"}} ");
        metrics.lines().find_map(|found| found.strip_prefix(&line)?.parse::<f64>().ok())
    };
    let text = eventually("a sample without the stopped process", || {
        let text = metrics();
        value(&text, "cpu_seconds_total", "idle").is_none().then_some(text)
    });
    assert!(value(&text, "cpu_seconds_total", "busy").is_some_and(|cpu| cpu > 0.0), "{text}");
    for name in ["memory_bytes", "processes", "threads", "open_files"] {
        assert!(value(&text, name, "busy").is_some_and(|value| value >= 1.0), "{name}: {text}");
    }
    world.ok(["quit"]);
}

/// A shell command that listens on these ports of an address until it is ended.
fn listen(address: &str, ports: impl Display) -> String {
    format!(
        "perl -MIO::Socket::IP -e '@s = map {{ IO::Socket::IP->new(LocalHost => \"{address}\", \
         LocalPort => $_, Listen => 9, ReuseAddr => 1) or die \"$!\\n\" }} @ARGV; sleep 1000' {ports}"
    )
}

/// What a process listens on is in all figures, and its port and its note in the table are these.
fn wait_ports(world: &World, name: &str, listens: &Value, (port, note): (&str, &str)) {
    let of = |json: &Value| {
        let mut all = json["processes"].as_array().unwrap().iter();
        all.find(|process| process["name"] == name).unwrap_or(&Value::Null).clone()
    };
    let parsed = |text: String| of(&serde_json::from_str(&text).unwrap());
    eventually(&format!("{name} listens on {listens}"), || {
        let listed = parsed(world.ok(["ps", "--json"]))["figures"].clone();
        (listed["listens"] == *listens).then_some(())
    });
    assert_eq!(parsed(world.ok(["top", "-n", "1", "--json"]))["listens"], *listens);
    eventually("a client of the API reads it too", || {
        let sample = of(&ask(world, "GET /api/figures", "", "").json());
        (sample["listens"] == *listens).then_some(())
    });
    let table = world.ok(["ps"]);
    let row = table.lines().find(|row| row.starts_with(&format!("{name} "))).unwrap();
    let cells: Vec<_> = row.split_whitespace().collect();
    assert_eq!((cells[6], &cells[9..].join(" ")[..]), (port, note), "{table}");
}

#[test]
fn ports_are_those_that_a_process_tree_listens_on() {
    let mut ports = [free_port(), free_port(), free_port()];
    ports.sort_unstable();
    let [one, two, three] = ports;
    let v6 = if TcpListener::bind("[::1]:0").is_ok() { "::1" } else { "127.0.0.1" };
    let all = [
        format!("own: exec {}", listen("127.0.0.1", "$PORT")),
        format!("other: {} & wait", listen(v6, "$(cat port)")),
        format!("several: exec {}", listen("127.0.0.1", format!("{three} $PORT {two}"))),
        "none: exec sleep 1000\noutside: exec sleep 1000 # $PORT\nidle: exec sleep 1000\n"
            .to_owned(),
    ];
    let world = World::new(&all.join("\n"));
    let _container = TcpListener::bind(("127.0.0.1", world.port(4))).unwrap();
    let _other = TcpListener::bind(("127.0.0.1", world.port(5))).unwrap();
    world.write("port", &one.to_string());
    world.ok(["start", "-D"]);
    let told = |at| world.port(at).to_string();
    wait_ports(&world, "own", &json!([world.port(0)]), (&told(0), ""));
    wait_ports(&world, "other", &json!([one]), (&one.to_string(), ""));
    let note = format!("also listens on {two}, {three}");
    wait_ports(&world, "several", &json!([world.port(2), two, three]), (&told(2), &note));
    wait_ports(&world, "none", &json!([]), ("-", ""));
    let pid = std::process::id();
    let this = std::env::current_exe().unwrap();
    let this = this.file_name().unwrap().to_str().unwrap();
    let taken = format!("{this} (pid {pid}) listens on its port {}", told(4));
    wait_ports(&world, "outside", &Value::Null, ("-", &taken));
    // Nothing shows that it is to listen.
    wait_ports(&world, "idle", &Value::Null, (&told(5), ""));
    assert_eq!(world.field("other", "port"), world.port(1), "the port that it was told");
    let free = free_port();
    world.write("port", &free.to_string());
    world.ok(["restart", "other"]);
    wait_ports(&world, "other", &json!([free]), (&free.to_string(), ""));
    world.ok(["stop", "own"]);
    let table = world.ok(["ps"]);
    let row = table.lines().find(|row| row.starts_with("own ")).unwrap();
    assert_eq!(row.split_whitespace().nth(6), Some("-"), "{table}");
    world.ok(["quit"]);
}

#[test]
fn top_draws_over_its_table_on_a_terminal_and_ends_with_the_run() {
    let world = World::new("web: exec sleep 1000\n");
    world.ok(["start", "-D"]);
    world.wait_state("web", "running");
    let terminal = Terminal::open(&world, "a", 60, 12);
    terminal.tmo("top -n 3; echo it is over");
    terminal.wait("\nit is over");
    let shown = terminal.screen();
    assert_eq!(shown.matches("PROCESS").count(), 1, "{shown}");
    terminal.tmo("top; echo so is the run");
    terminal.wait_for("two tables", |shown| shown.matches("PROCESS").count() == 2);
    world.ok(["quit"]);
    terminal.wait("\nso is the run");
    terminal.close();
}

/// The events of `/api/watch`, each with its data.
struct Watch(BufReader<UnixStream>);

impl Watch {
    fn open(world: &World) -> Self {
        let mut stream = UnixStream::connect(world.app().join(".overmind.sock")).unwrap();
        write!(stream, "GET /api/watch HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
        Self(BufReader::new(stream))
    }

    fn next(&mut self) -> Option<(String, Value)> {
        let mut kind = None;
        loop {
            let mut line = String::new();
            if self.0.read_line(&mut line).unwrap() == 0 {
                return None;
            }
            if let Some(name) = line.strip_prefix("event: ") {
                kind = Some(name.trim().to_owned());
            } else if let (Some(data), Some(kind)) = (line.strip_prefix("data: "), kind.take()) {
                return Some((kind, serde_json::from_str(data).unwrap()));
            }
        }
    }

    /// The next event about this process, which must be one that fits.
    fn until(&mut self, fits: impl Fn(&Value) -> bool) -> Value {
        loop {
            let (kind, data) = self.next().expect("the stream goes on");
            if kind == "process" && fits(&data) {
                return data;
            }
        }
    }
}

#[test]
fn watch_streams_the_processes_that_change() {
    let world = World::new("web: exec sleep 1000\nchatty: while :; do echo x; sleep 0.02; done\n");
    world.ok(["start", "-D"]);
    world.wait_state("web", "running");
    world.wait_state("chatty", "running");
    let mut watch = Watch::open(&world);
    let (kind, state) = watch.next().unwrap();
    assert_eq!(kind, "state");
    assert_eq!(state["processes"].as_array().unwrap().len(), 2);
    world.ok(["stop", "web"]);
    let web = watch.until(|process| process["state"] == "stopped");
    assert_eq!(web["name"], "web", "output alone is no change");
    world.ok(["start", "web"]);
    let web = watch.until(|process| process["state"] == "running");
    assert_eq!((&web["name"], &web["lives"]), (&"web".into(), &2.into()));
    world.ok(["scale", "web=2"]);
    eventually("the new instance", || {
        let (kind, data) = watch.next().unwrap();
        (kind == "state" && data["processes"].as_array().unwrap().len() == 3).then_some(())
    });
    world.ok(["quit"]);
    let mut last = String::new();
    while let Some((kind, _)) = watch.next() {
        last = kind;
    }
    assert_eq!(last, "end");
}
