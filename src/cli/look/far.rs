//! A run on another machine or in a container, reached through a forwarded socket: its journal is read
//! through its API, since its files are not here.
//!
//! Its answers are text from another machine: they are cleaned before they are shown.

use std::io::ErrorKind;

use serde_json::Value;

use crate::cli::args::{EchoArgs, LogsArgs, WhyArgs};
use crate::cli::error::CliError;
use crate::cli::output::outlet::reader_gone;
use crate::cli::output::stdout::{Stdout, goes_on, write};
use crate::cli::reach::instance::{Far, Instance};
use crate::cli::reach::log::Source;
use crate::cli::runtime;
use crate::cli::view::stop_signal;
use crate::client::{LinePage, Next};
use crate::crash::why::trouble::{asked, held_up};
use crate::crash::why::{About, Explanation, Well, well};
use crate::journal::Position;
use crate::journal::record::{EVENTS, Kind, Record};
use crate::journal::search::lines::Entry;
use crate::journal::search::select::Chosen;
use crate::model::moment::moment;
use crate::model::request::{API, ProcessState, State};
use crate::model::time::Timestamp;
use crate::model::untrusted::{cleaned, cleaned_json};
use crate::model::{Exit, LifeId};
use crate::sys::local;
use crate::view::form::Form;
use crate::view::merged::Renderer;
use crate::view::paint::{SYSTEM_COLOR, Style};

/// Lines per request: keeps an answer small even if every line is long.
const PAGE: usize = 200;

/// `tmo logs` and `tmo events`.
pub(in crate::cli) fn logs(
    instance: &Instance,
    far: &Far,
    args: &LogsArgs,
) -> Result<u8, CliError> {
    refuse_what_needs_files(far, args)?;
    let mut query = query(args)?;
    let mut shown = Shown::new(instance, far, args);
    let mut outlet = Stdout::new(args.max_bytes);
    runtime::block_on(async {
        let stop = stop_signal();
        tokio::pin!(stop);
        let mut first: Query =
            args.lines.map(|last| ("last", last.to_string())).into_iter().collect();
        let mut next = None;
        loop {
            let mut page = query.clone();
            page.append(&mut first);
            page.push(("limit", PAGE.to_string()));
            page.extend(next.iter().map(|next: &String| ("after", next.clone())));
            let page = encoded(&page);
            let asked = instance.ask(async |client| client.lines(&page).await);
            let LinePage { lines, next: behind, more } = tokio::select! {
                page = asked => page?,
                _ = &mut stop => return Ok(()),
            };
            if lines.len() > PAGE || (more && behind == next) {
                let text = "the other side returns other lines than those requested";
                return Err(CliError::Other(text.to_owned()));
            }
            let mut text = vec![];
            for line in lines {
                shown.show(line, &mut text);
            }
            put(&mut outlet, &text)?;
            next = behind;
            if !more {
                break;
            }
        }
        if args.follow {
            if !args.events {
                query.push(("lines", "true".to_owned()));
            }
            query.extend(next.map(|next| ("after", next)));
            follow(instance, query, &mut shown).await?;
        }
        Ok(())
    })?;
    let mut text = vec![];
    shown.finish(&mut text);
    put(&mut outlet, &text)?;
    outlet.finish()
}

/// `tmo echo`.
pub(in crate::cli) fn echo(
    instance: &Instance,
    far: &Far,
    args: &EchoArgs,
) -> Result<u8, CliError> {
    let (names, stream) = (args.names.clone(), args.stream);
    let logs = LogsArgs { names, stream, ..LogsArgs::default() };
    let mut shown = Shown::new(instance, far, &logs);
    let mut query = query(&logs)?;
    query.push(("lines", "true".to_owned()));
    query.extend(args.lines.map(|last| ("last", last.to_string())));
    runtime::block_on(follow(instance, query, &mut shown))?;
    Ok(0)
}

/// An error for options that need the files of the journal.
fn refuse_what_needs_files(far: &Far, args: &LogsArgs) -> Result<(), CliError> {
    let context = args.after_context.or(args.before_context).is_some() || args.context.is_some();
    let asked = [
        ("--raw", args.raw),
        ("--path", args.path),
        ("--around", args.around.is_some()),
        ("--run", args.run.is_some()),
        ("--since-restart", args.since_restart),
        ("-A, -B and -C", context),
    ];
    match asked.iter().find(|(_, asked)| *asked) {
        Some((flag, _)) => Err(far.lacks(&format!("{flag} needs its files"))),
        None => Ok(()),
    }
}

type Query = Vec<(&'static str, String)>;

fn query(args: &LogsArgs) -> Result<Query, CliError> {
    let now = local::now();
    let mut query: Query = args.names.iter().map(|name| ("name", name.clone())).collect();
    for (key, time) in [("since", &args.since), ("until", &args.until)] {
        if let Some(text) = time {
            // In the time and zone of this machine.
            let time = moment(text, &now).map_err(|error| CliError::Usage(error.to_string()))?;
            query.push((key, time.to_string()));
        }
    }
    query.extend(args.stream.map(|stream| ("stream", stream.name().to_owned())));
    query.extend(args.grep.iter().map(|grep| ("grep", grep.clone())));
    let flags = [("ignore-case", args.ignore_case), ("invert", args.invert_match)];
    let flags = flags.into_iter().chain([("events", args.events)]);
    query.extend(flags.filter(|(_, set)| *set).map(|(key, _)| (key, "true".to_owned())));
    Ok(query)
}

fn encoded(query: &Query) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish()
}

/// Write this; `false` if the reader is gone.
async fn reaches(out: &mut tokio::io::Stdout, text: &[u8]) -> Result<bool, CliError> {
    match write(out, text).await {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        written => written.map(|()| true).map_err(CliError::io("the log")),
    }
}

/// After this many consecutive streams without an event `follow` gives up: a supervisor is rarely replaced
/// that often.
const MOST_FRUITLESS: u32 = 20;

/// Print new lines until the run ends, a signal arrives or the reader is gone.
async fn follow(instance: &Instance, query: Query, shown: &mut Shown) -> Result<(), CliError> {
    let (stop, unread) = (stop_signal(), reader_gone());
    tokio::pin!(stop, unread);
    let mut out = tokio::io::stdout();
    let mut after: Option<String> = None;
    let mut fruitless = 0;
    loop {
        let mut asked = query.clone();
        if let Some(after) = &after {
            asked.retain(|(key, _)| !["after", "last"].contains(key));
            asked.push(("after", after.clone()));
        }
        let asked = encoded(&asked);
        let asked = instance.ask(async |client| client.follow(&asked).await);
        let mut stream = tokio::select! {
            stream = asked => stream?,
            _ = &mut stop => return Ok(()),
        };
        let mut is_fruitless = true;
        loop {
            let next = tokio::select! {
                next = stream.next() => next,
                _ = &mut stop => return Ok(()),
                gone = &mut unread => return gone.map_err(CliError::io("a thread")),
            };
            let mut text = vec![];
            is_fruitless &= next.is_none();
            let over = match next {
                Some(Ok(Next::Line(line))) => {
                    let cursor = line.get("cursor").and_then(Value::as_str);
                    after = cursor.map(str::to_owned).or(after);
                    shown.show(line, &mut text);
                    false
                }
                Some(Ok(Next::End)) => {
                    shown.finish(&mut text);
                    true
                }
                Some(Err(error)) => return Err(error.into()),
                // The supervisor was replaced or the connection is gone: the next request shows which.
                None => break,
            };
            let goes_on = tokio::select! {
                written = reaches(&mut out, &text) => written?,
                _ = &mut stop => false,
            };
            if over || !goes_on {
                return Ok(());
            }
        }
        fruitless = if is_fruitless { fruitless + 1 } else { 0 };
        if fruitless >= MOST_FRUITLESS {
            let text = "the supervisor keeps closing the stream of events before it has sent one";
            return Err(CliError::Other(text.to_owned()));
        }
    }
}

fn put(outlet: &mut Stdout, text: &[u8]) -> Result<(), CliError> {
    goes_on(outlet.put(text)).map(drop)
}

/// How lines from the API are shown.
struct Shown {
    /// `None` for JSON.
    form: Option<Form>,
    /// The processes, in the order of their numbers.
    names: Vec<String>,
}

impl Shown {
    fn new(instance: &Instance, far: &Far, args: &LogsArgs) -> Self {
        let style = Source::style(&instance.context.env, args.stamp());
        let style = Style { bare: args.no_prefix, ..style };
        let names: Vec<String> =
            far.state.processes.iter().map(|process| cleaned(process.name.as_str())).collect();
        let form = if args.json {
            None
        } else {
            let colors = far.state.processes.iter().map(|process| process.color);
            let named: Vec<_> =
                (1..).zip(&names).zip(colors).map(|((n, name), c)| (n, name.as_str(), c)).collect();
            Some(Form::Merged(Box::new(Renderer::new(style, &named))))
        };
        Self { form, names }
    }

    /// Append the text of this line.
    fn show(&mut self, line: Value, out: &mut Vec<u8>) {
        let line = cleaned_json(line);
        if self.form.is_none() {
            out.extend_from_slice(line.to_string().as_bytes());
            return out.push(b'\n');
        }
        let stream = line["name"].as_str().map_or(EVENTS, |name| self.number(name));
        let (record, text) = record(&line, stream);
        if let Some(form) = &mut self.form {
            let (position, lost) = (Position::default(), line["lost"].as_u64().unwrap_or(0));
            let entry = Entry { position, record, text: text.as_bytes(), lost };
            form.show(Chosen::Entry(entry, true), out);
        }
    }

    fn number(&mut self, name: &str) -> u16 {
        let known = self.names.iter().position(|known| known == name);
        let at = known.unwrap_or_else(|| {
            self.names.push(name.to_owned());
            self.names.len() - 1
        });
        let number = u16::try_from(at + 1).unwrap_or(u16::MAX);
        if known.is_none()
            && let Some(Form::Merged(renderer)) = &mut self.form
        {
            renderer.add(number, name, SYSTEM_COLOR);
        }
        number
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        if let Some(form) = &mut self.form {
            form.finish(out);
        }
    }
}

/// The record and the text of a line from the API.
fn record(line: &Value, stream: u16) -> (Record, String) {
    let number = |key: &str| {
        let number = line[key].as_u64().and_then(|number| u32::try_from(number).ok());
        number.unwrap_or(0)
    };
    let byte = |key: &str| line[key].as_u64().and_then(|number| u8::try_from(number).ok());
    let time = line["time"].as_str().and_then(|time| time.parse::<Timestamp>().ok());
    let exit = byte("code").map(Exit::Code).or(byte("signal").map(Exit::Signal));
    let (kind, value) = match line["event"].as_str() {
        None => (Kind::Text, 0),
        Some("start") => (Kind::Start, number("pid")),
        Some("exit") => (Kind::Exit, exit.unwrap_or(Exit::Code(0)).pack()),
        Some("end-of-life") => (Kind::End, 0),
        Some("gap") => (Kind::Gap, 0),
        Some(_) => (Kind::Event, 0),
    };
    let text = match kind {
        Kind::Text => line["text"].as_str().unwrap_or_default().to_owned() + "\n",
        Kind::Event => format!("{line}\n"),
        Kind::Start | Kind::Exit | Kind::End | Kind::Gap => String::new(),
    };
    let bytes = u32::try_from(text.len()).unwrap_or(u32::MAX);
    let len = if kind == Kind::Gap { number("bytes") } else { bytes };
    let lines = u32::from(kind == Kind::Text);
    let stream = if kind == Kind::Event { EVENTS } else { stream };
    let record = Record {
        time: time.unwrap_or_default(),
        offset: 0,
        len,
        lines,
        life: line["life"].as_u64().and_then(|life| LifeId::new(life.try_into().ok()?)),
        seq: 0,
        value,
        stream,
        kind,
        flags: 0,
    };
    (record, text)
}

/// `tmo why` of a run in this state.
pub(in crate::cli) fn why(
    instance: &Instance,
    state: &State,
    args: &WhyArgs,
) -> Result<Explanation, CliError> {
    let name = args.name.as_deref();
    let asked = instance.ask(async |client| client.why(name).await);
    match runtime::block_on(asked)? {
        Some(answer) => explanation(answer, args.json),
        None => why_of_state(instance, state, name),
    }
}

/// Parse the answer. What it does not say is derived: in a run that goes on, a process has ended, waits, or has
/// printed an error.
fn explanation(answer: Value, json: bool) -> Result<Explanation, CliError> {
    let parsed = serde_json::from_value(cleaned_json(answer)).map_err(|error| {
        CliError::Other(format!("the answer of the other side can't be read: {error}"))
    });
    let mut explanation = parsed?;
    if let Explanation::Wrong(why) = &mut explanation {
        why.about = match (&why.state, why.exit_code.is_some() || why.signal.is_some()) {
            (_, true) => About::End { lived: None, earlier: false },
            (Some(_), false) => About::Waiting,
            (None, false) => About::Error,
        };
        // Only a command on that machine can show the report.
        why.report = why.report.take().filter(|_| json);
    }
    Ok(explanation)
}

/// `tmo why` of a supervisor whose version can't explain: the state shows whether something is wrong; the cause
/// is only in the journal.
fn why_of_state(
    instance: &Instance,
    state: &State,
    name: Option<&str>,
) -> Result<Explanation, CliError> {
    let asked = asked(&state.processes, name)?;
    let is_ill = |process: &&&ProcessState| {
        process.state.has_failed_or_exited() && !process.finished
            || held_up(process, &state.processes).is_some()
    };
    let Some(process) = asked.iter().find(is_ill) else {
        return Ok(Explanation::Well(Well {
            unwritable: false,
            api: API,
            well: well(&asked, name.is_some()),
            run_ended: None,
        }));
    };
    let (name, state) = (process.name.as_str(), &process.state);
    let why = format!("{name} is {state}, and its log tells why: `tmo why {name}`");
    Err(match &instance.far {
        Some(far) => far.lacks(&why),
        None => CliError::Other(format!("{why} on the machine of the run")),
    })
}
