//! Server-sent events, and which language a client speaks.

use tmo::client::events::{Event, Parser};
use tmo::server::prefixed_stream::{Language, judge};

use super::input::Input;

/// Cuts change nothing, and what is read is what a reading line by line finds.
pub(crate) fn check(data: &[u8]) {
    let mut input = Input::new(data);
    let seed = input.bytes();
    let text = input.rest();
    let cuts = Input::new(seed).cuts(text.len());
    let (mut parser, mut events, mut from) = (Parser::default(), vec![], 0);
    for to in cuts {
        parser.feed(&text[from..to], &mut events).unwrap();
        from = to;
    }
    assert_eq!(events, plain(text));
    written(text);
    language(text);
}

fn plain(text: &[u8]) -> Vec<Event> {
    let text = String::from_utf8_lossy(text).replace("\r\n", "\n").replace('\r', "\n");
    let (mut events, mut name, mut data) = (vec![], String::new(), Vec::<String>::new());
    let end = text.rfind('\n').map_or(0, |at| at + 1);
    for line in text[..end].lines() {
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut name),
            "data" => data.push(value.to_owned()),
            "" if line.is_empty() => {
                if name.is_empty() {
                    "message".clone_into(&mut name);
                }
                let (name, data) = (std::mem::take(&mut name), std::mem::take(&mut data));
                if !data.is_empty() {
                    events.push(Event { name, data: data.join("\n") });
                }
            }
            _ => {}
        }
    }
    events
}

/// What stands in an event comes out of it.
fn written(text: &[u8]) {
    let text = String::from_utf8_lossy(text).replace('\r', "");
    let mut stream = "event: head\n".to_owned();
    for line in text.split('\n') {
        stream.extend(["data: ", line, "\n"]);
    }
    let mut events = vec![];
    Parser::default().feed(format!("{stream}\n").as_bytes(), &mut events).unwrap();
    assert_eq!(events, [Event { name: "head".to_owned(), data: text }]);
}

fn language(text: &[u8]) {
    let whole = judge(text);
    for cut in 0..text.len().min(16) {
        let part = judge(&text[..cut]);
        assert!(part.is_none() || part == whole, "more bytes change the language");
    }
    assert!(whole.is_some() || text.len() < 8, "it never gets clear");
    let word = text.split(|b| *b == b' ').next().unwrap_or(text);
    let known = ["status", "get-connection", "restart", "stop", "quit", "kill", "echo"];
    if known.iter().any(|known| word == known.as_bytes()) {
        assert_eq!(whole, Some(Language::Lines));
    }
}
