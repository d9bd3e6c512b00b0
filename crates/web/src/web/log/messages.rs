//! The messages of `/api/poll`: lines of the API of a run with ids and, if that is wanted, as HTML.
//!
//! They are made one by one from the text of the page: in output of which each character has its own colour, the runs of
//! a page would take hundreds of mebibytes as values.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::journal::read::cursor::Position;
use crate::model::request::API;
use crate::web::access::Scope;
use crate::web::log::html;

/// How many bytes of messages are in an answer, which has at least one.
const MOST_MESSAGE_BYTES: usize = 4 << 20;
/// The number of bits in a message id for the position within a record, which has at most about 1 MiB.
const SKIP_BITS: u32 = 21;

/// What is wanted of a page of lines.
#[derive(Debug)]
pub(crate) struct PageRequest<'a> {
    /// The id after which the page begins.
    pub(crate) last: u64,
    pub(crate) styles: bool,
    pub(crate) html: bool,
    pub(crate) scope: &'a Scope,
}

/// A page of lines, as the API of the run answers it.
#[derive(Deserialize)]
struct LinesPage<'a> {
    #[serde(borrow)]
    lines: Vec<&'a RawValue>,
    next: Option<String>,
    more: bool,
    reset: bool,
}

#[derive(Serialize)]
struct Message<'a> {
    #[serde(flatten)]
    line: BTreeMap<&'a str, &'a RawValue>,
    id: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    html: Option<String>,
}

impl PageRequest<'_> {
    /// The answer with the lines of this page, as JSON. Those for which there is no room are in the next one.
    pub(crate) fn answer(&self, page: &[u8]) -> serde_json::Result<Vec<u8>> {
        let page: LinesPage<'_> = serde_json::from_slice(page)?;
        let mut answer = format!("{{\"api\":{API},\"messages\":[").into_bytes();
        let (mut reached, mut is_cut) = (None, false);
        for line in &page.lines {
            let Some(message) = self.message(line)? else { continue };
            let length = answer.len();
            if reached.is_some() {
                answer.push(b',');
            }
            serde_json::to_writer(&mut answer, &message)?;
            is_cut = reached.is_some() && answer.len() > MOST_MESSAGE_BYTES;
            if is_cut {
                answer.truncate(length);
                break;
            }
            reached = Some(message.id);
        }
        let end = page.next.and_then(|cursor| cursor.parse().ok()).map(id_of);
        let next = if is_cut { reached } else { end };
        let next = next.or((!page.reset).then_some(self.last)).unwrap_or(0);
        let (more, reset) = (page.more || is_cut, page.reset);
        let end = format!("],\"last_message_id\":{next},\"more\":{more},\"reset\":{reset}}}");
        answer.extend(end.into_bytes());
        Ok(answer)
    }

    /// A line as a message; `None` if this session does not see it.
    fn message<'a>(&self, line: &'a RawValue) -> serde_json::Result<Option<Message<'a>>> {
        let mut line: BTreeMap<&'a str, &'a RawValue> = serde_json::from_str(line.get())?;
        let text = |key| line.get(key).and_then(|value| serde_json::from_str(value.get()).ok());
        let cursor = text("cursor").and_then(|cursor: String| cursor.parse().ok());
        // In the query of the page, the name of an entry selects all its instances.
        let is_seen = || text("name").is_some_and(|name: String| self.scope.has_process(&name));
        let Some(id) = cursor.map(id_of).filter(|_| self.scope.names().is_none() || is_seen())
        else {
            return Ok(None);
        };
        let html = self.html.then(|| {
            let runs = line.get("runs").map(|runs| runs.get());
            html::html(&text("text").unwrap_or_default(), runs, MOST_MESSAGE_BYTES)
        });
        if !self.styles {
            line.remove("runs");
        }
        Ok(Some(Message { line, id, html }))
    }
}

/// The message id of a position. Ids ascend, and 0 precedes them all. JavaScript can represent them exactly.
pub(crate) fn id_of(position: Position) -> u64 {
    let most = (1 << SKIP_BITS) - 1;
    (position.record << SKIP_BITS) + u64::from(position.skip.min(most)) + 1
}

/// The highest id that an entry before this record can have.
pub(crate) const fn last_id_before(record: u64) -> u64 {
    record << SKIP_BITS
}

/// The position with this id; `None` for 0.
pub(crate) fn position_of(id: u64) -> Option<Position> {
    let id = id.checked_sub(1)?;
    let skip = u32::try_from(id & ((1 << SKIP_BITS) - 1)).unwrap_or(u32::MAX);
    Some(Position { record: id >> SKIP_BITS, skip })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{MOST_MESSAGE_BYTES, PageRequest, id_of, last_id_before, position_of};
    use crate::journal::read::cursor::Position;
    use crate::web::access::Scope;

    /// A page of lines at records 7, 8 …
    fn page(lines: &[Value], more: bool) -> Vec<u8> {
        let lines: Vec<_> = lines
            .iter()
            .zip(7..)
            .map(|(line, record)| {
                let mut line = line.clone();
                line["cursor"] = Position { record, skip: 0 }.to_string().into();
                line
            })
            .collect();
        let next = lines.last().map(|line| line["cursor"].clone());
        let page = json!({ "lines": lines, "next": next, "more": more, "reset": false });
        page.to_string().into_bytes()
    }

    fn answered(request: &PageRequest<'_>, page: &[u8]) -> Value {
        serde_json::from_slice(&request.answer(page).unwrap()).unwrap()
    }

    /// A line of so many characters, each with a colour of its own.
    fn colourful(chars: usize) -> Value {
        let runs: Vec<_> = (0..chars).map(|at| json!({ "text": "x", "color": at % 256 })).collect();
        json!({ "name": "web", "text": "x".repeat(chars), "runs": runs })
    }

    #[test]
    fn lines_have_ids_and_what_else_is_wanted() {
        let line = json!({ "name": "web", "text": "<b>", "runs": [{ "text": "<b>", "color": 1 }] });
        let page = page(&[line.clone(), json!({ "name": "db", "text": "up" })], false);
        let [all, web] =
            [Scope::All, Scope::Processes { run: "r".into(), names: vec!["web".into()] }];
        let wanted = |styles, html, scope| PageRequest { last: 3, styles, html, scope };
        let ids = [7, 8].map(|record| id_of(Position { record, skip: 0 }));
        let plain = answered(&wanted(false, false, &all), &page);
        let db = json!({ "name": "db", "text": "up", "cursor": "8.0", "id": ids[1] });
        let first = json!({ "name": "web", "text": "<b>", "cursor": "7.0", "id": ids[0] });
        assert_eq!(plain["messages"], json!([first, db]));
        assert_eq!((&plain["last_message_id"], &plain["more"]), (&json!(ids[1]), &json!(false)));
        let both = answered(&wanted(true, true, &web), &page);
        assert_eq!(both["messages"].as_array().unwrap().len(), 1);
        assert_eq!(both["messages"][0]["runs"], line["runs"]);
        assert_eq!(both["messages"][0]["html"], "<span style=\"color:#cd0000\">&lt;b&gt;</span>");
        assert_eq!(both["last_message_id"], ids[1], "of what it does not see, too");
        let none = br#"{"lines":[],"next":null,"more":false,"reset":false}"#;
        assert_eq!(answered(&wanted(false, false, &all), none)["last_message_id"], 3);
    }

    #[test]
    fn an_answer_ends_where_styles_make_it_too_large() {
        let lines = vec![colourful(20_000); 8];
        let wanted = PageRequest { last: 0, styles: true, html: true, scope: &Scope::All };
        let mut received = 0;
        while received < lines.len() {
            let answer = wanted.answer(&page(&lines[received..], false)).unwrap();
            assert!(answer.len() < MOST_MESSAGE_BYTES + 1000, "{} bytes", answer.len());
            let answer: Value = serde_json::from_slice(&answer).unwrap();
            let count = answer["messages"].as_array().unwrap().len();
            assert!(answer["messages"][count - 1]["html"].as_str().unwrap().contains("<span"));
            assert_eq!(answer["last_message_id"], answer["messages"][count - 1]["id"]);
            received += count;
            assert!(count > 0 && answer["more"] == (received < lines.len()), "{received}");
        }
        // A line that is too large by itself has no styles as HTML.
        let wanted = PageRequest { styles: false, ..wanted };
        let answer = answered(&wanted, &page(&[colourful(200_000)], false));
        assert_eq!(answer["messages"][0]["html"], "x".repeat(200_000));
        assert_eq!(answer["more"], false);
    }

    #[test]
    fn styles_take_little_memory() {
        let page = page(&[colourful(10_000), colourful(100_000)], false);
        let wanted = PageRequest { last: 0, styles: false, html: true, scope: &Scope::All };
        let used = allocation_counter::measure(|| _ = wanted.answer(&page));
        // As values, the runs would take more than 70 MiB.
        assert!(used.bytes_max < 4 * MOST_MESSAGE_BYTES as u64, "{used:?}");
    }

    #[test]
    fn ids_ascend_and_lead_back() {
        let places = [(0, 0), (0, 7), (1, 0), (1, 1 << 20), (2, 0), (1 << 31, 5)];
        let places = places.map(|(record, skip)| Position { record, skip });
        let ids = places.map(id_of);
        assert!(ids.is_sorted() && ids[0] > 0 && ids[5] < 1 << 53, "{ids:?}");
        assert_eq!(ids.map(|id| position_of(id).unwrap()), places);
        assert_eq!(position_of(0), None);
        // All that the last record of a journal may hold comes before the next one.
        let end = Position { record: 3, skip: u32::MAX };
        assert_eq!(id_of(end), last_id_before(4));
        assert!(last_id_before(4) < id_of(Position { record: 4, skip: 0 }));
    }
}
