//! Requests generated from the description of the API, valid and invalid.

use proptest::prelude::*;
use proptest::string::string_regex;
use proptest::test_runner::{Config, RngSeed, TestRunner};
use serde_json::{Value, json};

use super::malformed_input::{odd, odd_body, odd_header};
use super::raw_client::{Reply, Server, text};
use super::schema::Description;

/// Which requests are made up; another number makes up others.
const SEED: u64 = 7;
const SOUND: u32 = 250;
const HARMED: u32 = 500;

/// What can be asked.
#[derive(Debug, Clone)]
struct Operation {
    method: String,
    path: String,
    /// Name and shape of each word of the query.
    words: Vec<(String, Value)>,
    /// Shape of the body, and whether there must be one.
    body: Option<(Value, bool)>,
}

/// A request.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: Vec<String>,
    pub(crate) headers: Vec<Vec<u8>>,
    pub(crate) body: Vec<u8>,
    /// How much less of the body comes than is said.
    pub(crate) missing: usize,
    pub(crate) chunked: bool,
}

/// What is done to a request.
#[derive(Debug, Clone)]
enum Harm {
    Method(&'static str),
    Name(String),
    Path(&'static str),
    Query(String),
    Word(prop::sample::Index, String),
    Header(Vec<u8>),
    Headers(usize),
    Body(Vec<u8>),
    Cut(prop::sample::Index),
    Missing(usize),
    Chunked,
}

fn operations(description: &Description) -> Vec<Operation> {
    let mut all = vec![];
    for (path, methods) in description.0["paths"].as_object().unwrap() {
        for (method, said) in methods.as_object().unwrap() {
            let parameters = said["parameters"].as_array().unwrap().iter();
            let parameters = parameters.map(|parameter| description.resolve(parameter));
            let words = parameters
                .filter(|parameter| parameter["in"] == "query")
                .map(|word| (word["name"].as_str().unwrap().to_owned(), word["schema"].clone()));
            let shape = said.pointer("/requestBody/content/application~1json/schema");
            let must = said["requestBody"]["required"] == true;
            all.push(Operation {
                method: method.to_uppercase(),
                path: path.clone(),
                words: words.collect(),
                body: shape.map(|shape| (shape.clone(), must)),
            });
        }
    }
    all
}

/// Something of this shape.
fn of_shape(description: &Description, shape: &Value) -> BoxedStrategy<Value> {
    if shape["$ref"].as_str().is_some_and(|name| name.ends_with("/SignalName")) {
        let some = vec![json!("HUP"), json!("SIGUSR1"), json!("winch"), json!(15)];
        return prop::sample::select(some).boxed();
    }
    let shape = description.resolve(shape).clone();
    match shape["type"].as_str().unwrap() {
        "boolean" => any::<bool>().prop_map(Value::from).boxed(),
        "integer" => {
            let (least, most) = (shape["minimum"].as_u64(), shape["maximum"].as_u64());
            (least.unwrap_or(0)..=most.unwrap_or(100_000)).prop_map(Value::from).boxed()
        }
        "string" if shape["enum"].is_array() => {
            prop::sample::select(shape["enum"].as_array().unwrap().clone()).boxed()
        }
        "string" => {
            let pattern = shape["pattern"].as_str().unwrap_or("^[a-z#0-9*]{0,9}$");
            let pattern = pattern.trim_start_matches('^').trim_end_matches('$');
            string_regex(pattern).unwrap().prop_map(Value::from).boxed()
        }
        "array" => {
            let item = of_shape(description, &shape["items"]);
            prop::collection::vec(item, 0..3).prop_map(Value::from).boxed()
        }
        "object" if shape["additionalProperties"].is_object() => {
            let value = of_shape(description, &shape["additionalProperties"]);
            let name = prop::sample::select(vec!["web", "worker", "slow", "nosuch"]);
            let members = prop::collection::vec((name, value), 0..3);
            let object = |members: Vec<(&str, Value)>| {
                Value::Object(members.into_iter().map(|(k, v)| (k.to_owned(), v)).collect())
            };
            members.prop_map(object).boxed()
        }
        // Of anything: one that was made for this, among others.
        "object" if !shape["properties"].is_object() => {
            let members = prop::collection::vec(("[a-z]{1,9}", "[a-z]{0,9}"), 0..3);
            let object = |members: Vec<(String, String)>| members.into_iter().collect::<Value>();
            prop_oneof![2 => members.prop_map(object), 1 => Just(plan())].boxed()
        }
        "object" => {
            let required = shape["required"].as_array().cloned().unwrap_or_default();
            let members = shape["properties"].as_object().unwrap().iter().map(|(name, shape)| {
                let value = of_shape(description, shape);
                (Just(name.clone()), maybe(required.contains(&json!(name)), value))
            });
            let members = members.collect::<Vec<_>>().prop_map(|members| {
                let there = members.into_iter().filter_map(|(name, value)| Some((name, value?)));
                Value::Object(there.collect())
            });
            members.boxed()
        }
        other => panic!("no strategy for {other}"),
    }
}

/// A plan, which no description tells the shape of.
fn plan() -> Value {
    json!({
        "version": 1, "run": "r", "started": 1, "title": "app", "session": "app",
        "tmux_socket": "tmo-app-1", "tmux": "/tmux", "tmo": "/tmo", "root": "/app",
        "procfile": "Procfile", "socket": "/app/s", "socket_shown": "s", "apps": "/apps", "tmux_config": null,
        "env": [], "inherit": { "umask": 18, "nice": 0, "limits": [], "ignored": [] },
        "size": [80, 24], "grace_ms": 5000,
        "log": { "dir": "/j", "per_process": 0, "total": 0 },
        "name_width": 3, "formation_port_step": 100, "colors": [], "hooks": {}, "lines": [],
        "generation": 0, "processes": [],
    })
}

/// What may be left out, unless it must be there.
fn maybe(must: bool, value: BoxedStrategy<Value>) -> BoxedStrategy<Option<Value>> {
    if must { value.prop_map(Some).boxed() } else { prop::option::of(value).boxed() }
}

/// A value as a word of a query, often more than one.
fn word(name: &str, value: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let values = value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]);
    let pair = |value: &Value| {
        form_urlencoded::Serializer::new(String::new()).append_pair(name, &text(value)).finish()
    };
    values.iter().map(pair).collect()
}

/// A request as the description says.
fn sound(description: &Description, operation: &Operation) -> BoxedStrategy<Call> {
    let words = operation
        .words
        .iter()
        .map(|(name, shape)| (Just(name.clone()), prop::option::of(of_shape(description, shape))));
    let query = words.collect::<Vec<_>>().prop_map(|words| {
        words.iter().flat_map(|(name, value)| value.iter().flat_map(|v| word(name, v))).collect()
    });
    let body = match &operation.body {
        None => Just(None).boxed(),
        Some((shape, must)) => maybe(*must, of_shape(description, shape)),
    };
    let name = prop::sample::select(vec!["web%231", "worker", "slow", "web.1", "nosuch"]);
    let operation = operation.clone();
    (query, body, name)
        .prop_map(move |(query, body, name)| Call {
            method: operation.method.clone(),
            path: operation.path.replace("{name}", name),
            query,
            headers: vec![b"content-type: application/json".to_vec()],
            body: body.map_or_else(Vec::new, |body| body.to_string().into_bytes()),
            missing: 0,
            chunked: false,
        })
        .boxed()
}

fn harm() -> BoxedStrategy<Harm> {
    // Whatever else stands there is no HTTP but one of overmind's lines.
    let methods =
        vec!["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE", "CONNECT"];
    let paths = vec!["/", "/x", "//", "/..", "/%00", "/%ff", "/start", "/stop/x", "?", "%"];
    let index = any::<prop::sample::Index>;
    prop_oneof![
        1 => prop::sample::select(methods).prop_map(Harm::Method),
        2 => odd().prop_map(Harm::Name),
        1 => prop::sample::select(paths).prop_map(Harm::Path),
        2 => odd().prop_map(Harm::Query),
        3 => (index(), odd()).prop_map(|(index, value)| Harm::Word(index, value)),
        3 => odd_header().prop_map(Harm::Header),
        1 => (1_usize..200).prop_map(Harm::Headers),
        4 => odd_body().prop_map(Harm::Body),
        1 => index().prop_map(Harm::Cut),
        1 => (1_usize..9).prop_map(Harm::Missing),
        1 => Just(Harm::Chunked),
    ]
    .boxed()
}

/// A request that is wrong somewhere, or odd.
fn harmed(description: &Description, operation: &Operation) -> BoxedStrategy<Call> {
    let operation = operation.clone();
    let harms = prop::collection::vec(harm(), 1..4);
    (sound(description, &operation), harms)
        .prop_map(move |(mut call, harms)| {
            for harm in harms {
                harm.apply(&mut call, &operation);
            }
            call
        })
        .boxed()
}

impl Harm {
    fn apply(self, call: &mut Call, operation: &Operation) {
        match self {
            Self::Method(method) => method.clone_into(&mut call.method),
            Self::Name(name) => call.path = operation.path.replace("{name}", &name),
            Self::Path(more) => call.path.push_str(more),
            Self::Query(word) => call.query.push(word),
            Self::Word(index, value) if !operation.words.is_empty() => {
                let (name, _) = index.get(&operation.words);
                call.query.push(format!("{name}={value}"));
            }
            Self::Header(header) => call.headers.push(header),
            Self::Headers(count) => {
                call.headers.extend((0..count).map(|at| format!("x-{at}: y").into_bytes()));
            }
            Self::Body(body) => call.body = body,
            Self::Cut(at) if !call.body.is_empty() => call.body.truncate(at.index(call.body.len())),
            // There is nothing that it could be done to.
            Self::Word(..) | Self::Cut(_) => {}
            Self::Missing(missing) => call.missing = missing,
            Self::Chunked => call.chunked = true,
        }
    }
}

/// Make up requests, and look at what each is answered.
fn attack(
    cases: u32,
    of: fn(&Description, &Operation) -> BoxedStrategy<Call>,
    look: fn(&Description, &Call, &Reply) -> Result<(), String>,
) {
    let description = Description::new(&tmo_server::http::description());
    let calls =
        operations(&description).iter().map(|one| of(&description, one)).collect::<Vec<_>>();
    let calls = prop::sample::select(calls).prop_flat_map(|calls| calls);
    let config = Config {
        cases,
        rng_seed: RngSeed::Fixed(SEED),
        failure_persistence: None,
        max_shrink_time: 10_000,
        ..Config::default()
    };
    let server = Server::begin();
    let tried = TestRunner::new(config).run(&calls, |call| {
        let reported = |why: &str, reply: &dyn std::fmt::Debug| {
            let text = text(&call);
            let text = text.get(..2000).unwrap_or(&text).escape_ascii().to_string();
            TestCaseError::fail(format!("{why}\n{text}\n{reply:?}"))
        };
        let reply = server.ask(&call).map_err(|why| reported(&why, &""))?;
        look(&description, &call, &reply).map_err(|why| reported(&why, &reply))?;
        server.lives().map_err(TestCaseError::fail)
    });
    if let Err(error) = tried {
        panic!("with SEED {SEED}: {error}");
    }
}

/// What must be so of every answer.
fn is_described(description: &Description, call: &Call, reply: &Reply) -> Result<(), String> {
    let path = call.path.split('?').next().unwrap_or_default();
    let Some(kind) = &reply.kind else {
        // Not HTTP, or too much of it: answered before anything of ours has seen it.
        let bare = [400, 414, 431].contains(&reply.status) && reply.body.is_empty();
        return if bare || call.method == "HEAD" {
            Ok(())
        } else {
            Err("a bare answer".to_owned())
        };
    };
    if call.method == "HEAD" {
        return if reply.status < 500 { Ok(()) } else { Err("an error of ours".to_owned()) };
    }
    if kind == "text/event-stream" {
        let response = description.response(&call.method, path, reply.status);
        let there = response.is_some_and(|response| response["content"].get(kind).is_some());
        return if there { Ok(()) } else { Err("a stream where none is described".to_owned()) };
    }
    if kind.starts_with("text/plain") {
        let response = description.response(&call.method, path, reply.status);
        let there = response.is_some_and(|response| response["content"].get(kind).is_some());
        return if there { Ok(()) } else { Err("a text where none is described".to_owned()) };
    }
    let body: Value = serde_json::from_slice(&reply.body).map_err(|error| error.to_string())?;
    if reply.status >= 400 {
        let reason = body["error"].as_str().or_else(|| body["problems"][0].as_str());
        if reason.is_none_or(str::is_empty) {
            return Err("no reason".to_owned());
        }
    }
    // Asked for in words of a later version, any path may say so.
    let later = call.headers.iter().any(|header| header.starts_with(b"tmo-api"));
    if later && reply.status == 400 {
        return Ok(());
    }
    if path == "/api/openapi.json" && reply.status == 200 {
        return Ok(());
    }
    description.answers(&call.method, path, reply.status, &body)
}

#[test]
fn the_sample_plan_is_a_valid_plan() {
    assert!(serde_json::from_value::<tmo_base::model::plan::Plan>(plan()).is_ok());
}

#[test]
fn requests_that_match_the_description_get_the_described_answer() {
    attack(SOUND, sound, |description, call, reply| {
        if reply.status == 400 {
            return Err("refused, though it is as described".to_owned());
        }
        is_described(description, call, reply)
    });
}

#[test]
fn arbitrary_requests_get_a_described_answer() {
    attack(HARMED, harmed, is_described);
}
