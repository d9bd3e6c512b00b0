//! A conversation in overmind's lines.

use tmo::api::line_buffer::LONGEST_LINE;
use tmo::api::overmind::{self, OvermindCommand};
use tmo::model::request::{ChangeOrder, Request};
use tmo::server::prefixed_stream::{Language, judge};

use super::input::Input;
use super::socket::{Asked, state, talk};

/// What is answered and asked for does not depend on cuts, and is what each line says.
pub(crate) fn check(data: &[u8]) {
    let mut input = Input::new(data);
    let seed = input.bytes();
    let text = said(&mut input);
    if judge(&text) == Some(Language::Http) {
        return;
    }
    let cuts = Input::new(seed).cuts(text.len());
    let mut from = 0;
    let pieces = cuts.iter().map(|&to| &text[std::mem::replace(&mut from, to)..to]);
    let pieces: Vec<&[u8]> = pieces.collect();
    let (answer, asked) = talk(&pieces);
    let (expected, wanted) = plain(&text);
    if wanted.contains(&Asked::Echo(true)) {
        // An echo of a run that is over ends the conversation, sooner or later.
        let asked = asked.strip_suffix(&[Asked::Echo(false)]).unwrap_or(&asked);
        assert!(wanted.starts_with(asked) && expected.starts_with(&answer));
        return;
    }
    assert_eq!(answer.escape_ascii().to_string(), expected.escape_ascii().to_string());
    assert_eq!(asked, wanted);
}

/// Lines of commands, or anything.
fn said(input: &mut Input<'_>) -> Vec<u8> {
    let (mut text, long) = (vec![], vec![b'x'; 20_000]);
    for _ in 0..input.byte() % 32 {
        let word: &[u8] = match input.byte() % 16 {
            0 => b"status\n",
            1 => b"get-connection",
            2 => b"restart",
            3 => b"stop",
            4 => b"quit\n",
            5 => b"kill\r\n",
            6 => b"echo\n",
            7 => b" ",
            8 => b" db",
            9 => b" web*",
            10 => b" web.2",
            11 => b"\n",
            12 => b"\0",
            13 => &long,
            _ => input.bytes(),
        };
        text.extend_from_slice(word);
    }
    text.extend_from_slice(input.rest());
    text
}

fn plain(text: &[u8]) -> (Vec<u8>, Vec<Asked>) {
    let (mut answer, mut asked, mut echo) = (vec![], vec![], false);
    let state = state();
    let ask = |request| Asked::Do(request, false, None);
    for line in text.split(|b| *b == b'\n') {
        // So long a line is cut off, or is answered if all of it was there in time; none is sent.
        if line.len() > LONGEST_LINE {
            break;
        }
        match overmind::parse(line) {
            Some(OvermindCommand::Status) => {
                answer.extend_from_slice(overmind::status(&state.processes).as_bytes());
                break;
            }
            Some(OvermindCommand::GetConnection(name)) => {
                let process = overmind::connected(&state, name.as_deref());
                answer.extend(overmind::connection(&state, process, None).as_bytes());
            }
            Some(OvermindCommand::Restart(patterns)) => {
                let names = overmind::matching(&state.processes, &patterns);
                asked.extend(
                    (!names.is_empty())
                        .then(|| ask(Request::Restart { names, order: ChangeOrder::Overmind })),
                );
            }
            Some(OvermindCommand::Stop(patterns)) => {
                let names = overmind::matching(&state.processes, &patterns);
                asked.extend(
                    (!names.is_empty())
                        .then(|| ask(Request::Stop { names, order: ChangeOrder::Overmind })),
                );
            }
            Some(OvermindCommand::Quit) => asked.push(ask(Request::Quit)),
            Some(OvermindCommand::Kill) => asked.push(ask(Request::Kill)),
            Some(OvermindCommand::Echo) if !echo => {
                asked.push(Asked::Echo(true));
                echo = true;
            }
            Some(OvermindCommand::Echo) | None => {}
        }
    }
    if echo {
        asked.push(Asked::Echo(false));
    }
    (answer, asked)
}
