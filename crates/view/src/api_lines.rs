//! Shows lines that a supervisor has sent, like those of a journal that is here.

use std::collections::HashMap;

use super::merged::Renderer;
use super::paint::{SYSTEM, SYSTEM_COLOR, Style};
use crate::journal::history::Line;
use crate::journal::record::EVENTS;
use crate::journal::search::entry::entry_of;
use crate::model::StreamNo;
use crate::model::state::ProcessState;
use crate::model::text::untrusted;
use crate::model::text::untrusted::cleaned;
use crate::model::time::Timestamp;

/// Shows lines of the API.
#[derive(Debug)]
pub struct ApiLines {
    /// `None` for JSON.
    renderer: Option<Box<Renderer>>,
    /// The processes and their numbers.
    numbers: HashMap<String, StreamNo>,
    /// `HOST/` for lines of a host of a fleet.
    host: String,
    /// Whether a line has been shown: nothing separates the first one.
    any: bool,
}

impl ApiLines {
    /// Lines of these processes in this style; `None` shows them as JSON.
    pub fn new(style: Option<Style>, processes: &[ProcessState]) -> Self {
        let renderer = style.map(|style| Box::new(Renderer::new(style, &[])));
        let mut lines = Self { renderer, numbers: HashMap::new(), host: String::new(), any: false };
        lines.know(processes);
        lines
    }

    /// Give these processes their colours, and room for their names.
    pub fn know(&mut self, processes: &[ProcessState]) {
        if !self.host.is_empty() {
            self.number(SYSTEM, SYSTEM_COLOR);
        }
        for process in processes {
            self.number(&cleaned(process.name.as_str()), process.config.color);
        }
    }

    /// The next lines and processes are those of this host of a fleet.
    pub fn of_host(&mut self, host: &str) {
        self.host = format!("{host}/");
        if let Some(renderer) = &mut self.renderer {
            renderer.of_host(&self.host);
        }
    }

    /// The text of a message that is not in a log.
    pub fn message(&mut self, text: &str, time: Timestamp) -> Vec<u8> {
        let mut out = vec![];
        if let Some(renderer) = &mut self.renderer {
            renderer.message(text, false, time, &mut out);
        }
        out
    }

    /// Show a line between earlier runs and the one that began at this time.
    pub fn divide_at(&mut self, begin: Timestamp) {
        if let Some(renderer) = &mut self.renderer {
            renderer.divide_at(begin);
        }
    }

    /// The text of this line.
    pub fn show(&mut self, line: &Line<'_>) -> Vec<u8> {
        let mut out = vec![];
        let apart = std::mem::replace(&mut self.any, true) && line.apart;
        let stream = match line.name.as_deref() {
            Some(name) => self.number(name, SYSTEM_COLOR),
            None if self.host.is_empty() => EVENTS,
            None => self.number(SYSTEM, SYSTEM_COLOR),
        };
        if let Some(renderer) = &mut self.renderer {
            if apart {
                renderer.separate(&mut out);
            }
            let (record, text) = entry_of(line, stream);
            renderer.render(&record, text.as_bytes(), line.lost, &mut out);
        } else {
            // It has only strings and numbers, so this can't fail.
            let json = serde_json::to_string(&Line { apart, ..line.clone() }).unwrap_or_default();
            out.extend_from_slice(untrusted::json(&json).as_bytes());
            out.push(b'\n');
        }
        out
    }

    /// The text that is still pending at the end.
    pub fn finish(&mut self) -> Vec<u8> {
        let mut out = vec![];
        if let Some(renderer) = &mut self.renderer {
            renderer.finish(&mut out);
        }
        out
    }

    /// The number of the process with this name.
    fn number(&mut self, name: &str, color: u8) -> StreamNo {
        let name = format!("{}{name}", self.host);
        if let Some(number) = self.numbers.get(&name) {
            return *number;
        }
        let number = StreamNo(u16::try_from(self.numbers.len() + 1).unwrap_or(u16::MAX));
        if let Some(renderer) = &mut self.renderer {
            renderer.add(number, &name, color);
        }
        self.numbers.insert(name, number);
        number
    }
}
