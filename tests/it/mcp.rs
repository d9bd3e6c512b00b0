//! `tmo mcp`, called by the client of the protocol's own library.

use std::path::Path;
use std::process::Stdio;

use rmcp::model::{CallToolRequestParams, ContentBlock, ReadResourceRequestParams};
use rmcp::service::RunningService;
use rmcp::{RoleClient, serve_client};
use serde_json::{Value, json};

use crate::harness::{World, eventually, procs};

type Client = RunningService<RoleClient, ()>;

/// A client, and the `tmo mcp` that it has started.
struct Agent {
    runtime: tokio::runtime::Runtime,
    client: Client,
    server: tokio::process::Child,
}

/// An answer to the call of a tool.
#[derive(Debug)]
struct Answer {
    is_error: bool,
    text: String,
}

impl Agent {
    fn new(world: &World, args: &[&str]) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let mut command = tokio::process::Command::from(world.tmo(["mcp"]));
        command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let (client, server) = runtime.block_on(async {
            let mut server = command.spawn().unwrap();
            let transport = (server.stdout.take().unwrap(), server.stdin.take().unwrap());
            (serve_client((), transport).await.unwrap(), server)
        });
        Self { runtime, client, server }
    }

    fn tools(&self) -> Value {
        json!(self.runtime.block_on(self.client.list_all_tools()).unwrap())
    }

    fn names(&self) -> Vec<String> {
        let tools = self.tools();
        tools
            .as_array()
            .unwrap()
            .iter()
            .map(|tool| tool["name"].as_str().unwrap().to_owned())
            .collect()
    }

    #[track_caller]
    fn call(&self, tool: &'static str, arguments: &Value) -> Answer {
        let mut params = CallToolRequestParams::new(tool);
        params.arguments = arguments.as_object().cloned();
        let result = self.runtime.block_on(self.client.call_tool(params)).unwrap();
        let [content] = &result.content[..] else { panic!("one text is expected: {result:?}") };
        let ContentBlock::Text(text) = content else { panic!("a text is expected: {result:?}") };
        Answer { is_error: result.is_error == Some(true), text: text.text.clone() }
    }

    /// What a tool answers that does not fail.
    #[track_caller]
    #[expect(clippy::needless_pass_by_value, reason = "it is written where it is passed")]
    fn ok(&self, tool: &'static str, arguments: Value) -> String {
        let answer = self.call(tool, &arguments);
        assert!(!answer.is_error, "{answer:?}");
        answer.text
    }

    fn resource(&self, uri: &str) -> String {
        let params = ReadResourceRequestParams::new(uri);
        let result = self.runtime.block_on(self.client.read_resource(params)).unwrap();
        json!(result)["contents"][0]["text"].as_str().unwrap().to_owned()
    }

    /// End as a client does, and see that the server ends, too.
    fn end(self) {
        let Self { runtime, client, mut server } = self;
        runtime.block_on(async {
            client.cancel().await.unwrap();
            assert!(server.wait().await.unwrap().success());
        });
    }
}

/// The place that the last line of an answer names for this flag.
fn place(answer: &str, flag: &str) -> Option<String> {
    let last = answer.lines().last().unwrap();
    let (_, rest) = last.split_once(&format!("`{flag} "))?;
    Some(rest.split('`').next().unwrap().to_owned())
}

/// Its lines of output without the last line.
fn lines(answer: &str) -> Vec<&str> {
    let mut lines: Vec<_> = answer.lines().collect();
    assert!(lines.pop().unwrap().starts_with("tmo: "), "{answer}");
    lines
}

#[test]
fn the_tools_are_described_as_they_always_were() {
    let world = World::new("web: exec sleep 1000\n");
    let agent = Agent::new(&world, &["--allow", "input"]);
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/golden/mcp.json");
    let text = format!("{}\n", serde_json::to_string_pretty(&agent.tools()).unwrap());
    if std::env::var_os("TMO_BLESS").is_some() {
        std::fs::write(&file, &text).unwrap();
    }
    let known = std::fs::read_to_string(file).unwrap_or_default();
    assert_eq!(text, known, "TMO_BLESS=1 commits what is meant");
    agent.end();
    let all = Agent::new(&world, &[]);
    let names = [
        "status", "start", "wait", "logs", "why", "restart", "stop", "reload", "screen", "crashes",
        "check", "act",
    ];
    assert_eq!(all.names(), names);
    all.end();
    let reading = Agent::new(&world, &["--read-only"]);
    assert_eq!(reading.names(), ["status", "wait", "logs", "why", "screen", "crashes", "check"]);
    let params = CallToolRequestParams::new("start");
    assert!(reading.runtime.block_on(reading.client.call_tool(params)).is_err());
    reading.end();
    assert!(world.living().is_empty());
}

#[test]
fn an_agent_starts_a_project_waits_reads_and_asks_why() {
    let world = World::new(
        "web: echo up; exec sleep 1000\nworker: while true; do date +tick-%N; sleep 0.1; done\n",
    );
    let agent = Agent::new(&world, &[]);
    let none = agent.ok("status", json!({}));
    assert!(none.contains("nothing runs here") && none.contains("`tmo start`"), "{none}");
    let started = agent.ok("start", json!({}));
    assert!(started.starts_with("PROCESS  PID"), "{started}");
    assert_eq!(agent.ok("start", json!({})).lines().count(), 3, "it has an effect once");
    world.ok(["stop", "worker"]);
    let again = agent.ok("start", json!({}));
    assert!(again.contains("worker was stopped: started again"), "{again}");
    agent.ok("wait", json!({ "names": ["worker"], "log": "tick-[0-9]+" }));
    let late = agent.call("wait", &json!({ "names": ["web"], "for": "exit", "timeout": 1 }));
    assert!(late.is_error && late.text.starts_with("tmo: web is running after 1 s"), "{late:?}");
    assert_eq!(agent.ok("why", json!({})), "all processes are running");
    let typed = agent.call("wait", &json!({ "process": "web" }));
    assert!(typed.is_error && typed.text.contains("unknown field `process`"), "{typed:?}");
    let flag = agent.call("stop", &json!({ "names": ["--help"] }));
    assert!(flag.is_error && flag.text.contains("Unknown process name: --help"), "{flag:?}");
    // What does not come back is no success.
    world
        .write("Procfile", "web: echo 'Error: no database' >&2; exit 3\nworker: exec sleep 1000\n");
    assert!(agent.ok("reload", json!({ "dry_run": true })).contains("web: "));
    world.write("tmo.toml", "[process.web]\non_exit = \"ignore\"\n");
    agent.ok("reload", json!({}));
    let restarted = agent.call("restart", &json!({ "names": ["web"] }));
    assert!(restarted.is_error && restarted.text.contains("$ tmo why web"), "{restarted:?}");
    assert!(restarted.text.contains("Error: no database"), "{restarted:?}");
    eventually("its report is written", || {
        agent.ok("crashes", json!({})).contains("exit 3").then_some(())
    });
    assert!(agent.resource("tmo://why/web").contains("Error: no database"));
    assert!(agent.resource("tmo://graph").contains("worker"));
    let by = world.ok(["events", "--json"]);
    assert!(by.contains("agent (rmcp)"), "{by}");
    world.ok(["quit"]);
    agent.end();
}

#[test]
fn two_bounded_answers_have_every_line_once_also_over_the_death_of_the_supervisor() {
    const LINES: usize = 3000;
    let world = World::new(&format!("web: seq -f 'line %g' {LINES}; exec sleep 1000\n"));
    let agent = Agent::new(&world, &[]);
    agent.ok("start", json!({}));
    agent.ok("wait", json!({ "names": ["web"], "log": format!("line {LINES}$") }));
    let web = |more: Value| {
        let mut arguments = json!({ "names": ["web"], "max_bytes": 4000 });
        arguments.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let answer = agent.ok("logs", arguments);
        assert!(answer.len() <= 4000 + 1024, "{}", answer.len());
        answer
    };
    let newest = web(json!({}));
    assert!(lines(&newest).iter().any(|line| line.ends_with(&format!("line {LINES}"))), "{newest}");
    // Up to the first line.
    let (mut above, mut at) = (lines(&newest).len(), place(&newest, "--before"));
    let mut oldest = newest.clone();
    while let Some(before) = at {
        oldest = web(json!({ "before": before }));
        above += lines(&oldest).len();
        at = place(&oldest, "--before");
    }
    // Down again, while the supervisor is replaced.
    procs::kill(world.supervisor(), 9);
    let mut all: Vec<String> = lines(&oldest).into_iter().map(str::to_owned).collect();
    let mut after = place(&oldest, "--after").unwrap();
    loop {
        let page = web(json!({ "after": after }));
        all.extend(lines(&page).into_iter().map(str::to_owned));
        let is_all = !page.contains("there is more");
        after = place(&page, "--after").unwrap();
        if is_all {
            break;
        }
    }
    let numbers = all.iter().filter_map(|line| line.split_once("| line ")?.1.parse().ok());
    let numbers: Vec<usize> = numbers.collect();
    assert_eq!(numbers, (1..=LINES).collect::<Vec<_>>());
    assert!(above >= LINES, "{above}");
    assert_eq!(lines(&web(json!({ "after": after }))), Vec::<&str>::new());
    world.ok(["quit"]);
    agent.end();
}

#[test]
fn the_configuration_of_a_client_is_printed_and_nothing_is_written() {
    let world = World::new("web: true\n");
    for (client, place) in
        [("claude", ".mcp.json"), ("cursor", ".cursor/mcp.json"), ("vscode", ".vscode/mcp.json")]
    {
        let ran = world.run(["mcp", "--print-config", client, "--read-only"]);
        let config: Value = serde_json::from_str(&ran.stdout).unwrap();
        let servers = config.get("mcpServers").or(config.get("servers")).unwrap();
        assert_eq!(servers["tmo"]["args"], json!(["mcp", "--read-only"]));
        assert!(ran.stderr.contains(place), "{ran:?}");
    }
    let codex = world.ok(["mcp", "--print-config", "codex"]);
    assert!(codex.starts_with("[mcp_servers.tmo]\ncommand = \""), "{codex}");
    assert_eq!(std::fs::read_dir(world.app()).unwrap().count(), 1);
}

/// What is wrong with a schema by the rules of the APIs that are offered tools: plain objects, each with its properties,
/// and none of the words that one of them refuses a whole request for.
fn complaints(schema: &Value, at: &str, all: &mut Vec<String>) {
    let words = ["type", "description", "properties", "required", "items", "enum"];
    let object = schema.as_object().unwrap();
    let unknown = object.keys().filter(|word| !words.contains(&word.as_str()));
    all.extend(unknown.map(|word| format!("{at}: `{word}`")));
    let kind = object.get("type").and_then(Value::as_str).unwrap_or_default();
    match kind {
        "object" => match object.get("properties").and_then(Value::as_object) {
            Some(properties) => {
                for (name, schema) in properties {
                    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
                    if name.len() > 64 || !name.chars().all(is_plain) {
                        all.push(format!("{at}: the name {name}"));
                    }
                    complaints(schema, &format!("{at}.{name}"), all);
                }
                let required = object.get("required").and_then(Value::as_array);
                let mut required = required.into_iter().flatten().filter_map(Value::as_str);
                if !required.all(|name| properties.contains_key(name)) {
                    all.push(format!("{at}: what is required is no property"));
                }
            }
            None => all.push(format!("{at}: no properties")),
        },
        "array" => match object.get("items") {
            Some(items) => complaints(items, &format!("{at}[]"), all),
            None => all.push(format!("{at}: no items")),
        },
        "string" => {
            let words = object.get("enum").map(|words| words.as_array().unwrap());
            let is_wrong = words.is_some_and(|words| !words.iter().all(Value::is_string));
            all.extend(is_wrong.then(|| format!("{at}: an enum has only texts")));
        }
        "integer" | "number" | "boolean" => {}
        other => all.push(format!("{at}: the type `{other}`")),
    }
}

#[test]
fn every_tool_is_described_in_words_that_all_models_are_offered_tools_with() {
    let world = World::new("web: exec sleep 1000\n");
    let agent = Agent::new(&world, &["--allow", "input,actions"]);
    let mut all = vec![];
    for tool in agent.tools().as_array().unwrap() {
        let name = tool["name"].as_str().unwrap();
        assert_eq!(tool["inputSchema"]["type"], "object", "{name}");
        assert!(!tool["description"].as_str().unwrap().is_empty(), "{name}");
        complaints(&tool["inputSchema"], name, &mut all);
    }
    assert_eq!(all, Vec::<String>::new());
    agent.end();
}

#[test]
fn names_of_an_agent_can_only_be_names() {
    let world = World::new("web: echo '-> ready'; exec sleep 1000\n");
    for dir in ["other", "sub/other"] {
        std::fs::create_dir_all(world.app().join(dir)).unwrap();
        world.write(&format!("{dir}/Procfile"), "x: touch started; exec sleep 1000\n");
    }
    let agent = Agent::new(&world, &["--allow", "input"]);
    let path = world.app().join("other").display().to_string();
    for name in [&path, "./other", "sub/other", "..", ".", "", "other", "*", "web*", "web,*"] {
        for tool in ["start", "restart", "stop", "wait", "logs"] {
            let answer = agent.call(tool, &json!({ "names": [name] }));
            assert!(answer.is_error, "{tool} {name}: {answer:?}");
        }
        assert!(agent.call("screen", &json!({ "name": name })).is_error);
        assert!(agent.call("crashes", &json!({ "file": name })).is_error);
    }
    assert!(!world.app().join("other/started").exists());
    assert!(!world.app().join("sub/other/started").exists());
    agent.ok("start", json!({}));
    agent.ok("wait", json!({ "names": ["web"], "log": "-> ready" }));
    assert!(agent.ok("logs", json!({ "grep": "-> ready" })).contains("| -> ready"));
    world.ok(["quit"]);

    // Also where there is no project.
    std::fs::remove_file(world.app().join("Procfile")).unwrap();
    assert!(agent.call("start", &json!({ "names": ["other"] })).is_error);
    assert!(!world.app().join("other/started").exists());
    agent.end();
}

#[test]
fn an_agent_runs_actions_and_only_with_permission_those_with_confirm() {
    let world = World::new("web: exec sleep 1000\n");
    world.write(
        "tmo.toml",
        "[action.migrate]\ncommand = \"echo migrated; exit ${CODE:-0}\"\n\
         [action.fail]\ncommand = \"echo no; exit 3\"\n\
         [action.wipe]\ncommand = \"echo wiped\"\nconfirm = true\n",
    );
    let agent = Agent::new(&world, &[]);
    agent.ok("start", json!({}));
    let list = agent.ok("act", json!({}));
    assert!(list.contains("migrate") && list.contains("wipe"), "{list}");
    assert_eq!(agent.ok("act", json!({ "name": "migrate" })), "migrated");
    let failed = agent.call("act", &json!({ "name": "fail" }));
    assert!(failed.is_error && failed.text.contains("no"), "{failed:?}");
    for (tool, arguments) in [
        ("act", json!({ "name": "wipe" })),
        ("act", json!({ "name": "--yes" })),
        ("start", json!({ "names": ["wipe"] })),
        ("restart", json!({ "names": ["wipe"] })),
    ] {
        let refused = agent.call(tool, &arguments);
        assert!(refused.is_error, "{refused:?}");
        let is_told = refused.text.contains("`tmo mcp --allow actions`")
            || refused.text.contains("wipe has to be confirmed")
            || arguments["name"] == "--yes";
        assert!(is_told && !refused.text.contains("--yes runs"), "{refused:?}");
    }
    assert!(!world.ok(["logs"]).contains("wiped"));
    agent.end();
    let trusted = Agent::new(&world, &["--allow", "actions"]);
    assert!(!trusted.names().contains(&"send".to_owned()));
    assert_eq!(trusted.ok("act", json!({ "name": "wipe" })), "wiped");
    trusted.end();
    world.ok(["quit"]);
}

#[test]
fn an_answer_names_the_processes_that_follow_and_a_crash_is_shown_by_its_file() {
    let world = World::new("web: exec sleep 1000\nmigrate: test -e go\napi: exec sleep 1000\n");
    world.write(
        "tmo.toml",
        "[process.migrate]\nready = { exit = 0 }\non_exit = \"ignore\"\n\
         [process.api]\ndepends_on = { migrate = \"completed\" }\n",
    );
    let agent = Agent::new(&world, &[]);
    assert!(agent.call("start", &json!({})).is_error);
    world.wait_state("api", "skipped");
    let file = eventually("its report is written", || {
        let list = agent.ok("crashes", json!({}));
        list.split_whitespace().find(|word| word.contains("Z.json")).map(str::to_owned)
    });
    assert!(agent.ok("crashes", json!({ "file": file })).contains("test -e go"));
    world.write("go", "");
    let answer = agent.ok("restart", json!({ "names": ["migrate"] }));
    assert!(answer.starts_with("tmo: followers: api, skipped before; `tmo wait api"), "{answer}");
    assert!(answer.contains("PROCESS  PID"), "{answer}");
    agent.ok("wait", json!({ "names": ["api"] }));
    world.ok(["quit"]);
    agent.end();
}
