//! Shows lines that a supervisor has sent, like those of a journal that is here.

use super::form::Form;
use super::merged::Renderer;
use super::paint::{SYSTEM_COLOR, Style};
use crate::api::history::Line;
use crate::journal::Position;
use crate::journal::record::EVENTS;
use crate::journal::search::entry::entry_of;
use crate::journal::search::lines::Entry;
use crate::journal::search::select::Chosen;
use crate::model::StreamNo;
use crate::model::request::ProcessState;
use crate::model::time::Timestamp;
use crate::model::untrusted::{self, cleaned};

/// Shows lines of the API.
#[derive(Debug)]
pub struct ApiLines {
    /// `None` for JSON.
    form: Option<Form>,
    /// The processes, in the order of their numbers.
    names: Vec<String>,
    /// Whether a line has been shown: nothing separates the first one.
    any: bool,
}

impl ApiLines {
    /// Lines of these processes in this style; `None` shows them as JSON.
    pub fn new(style: Option<Style>, processes: &[ProcessState]) -> Self {
        let names: Vec<String> =
            processes.iter().map(|process| cleaned(process.name.as_str())).collect();
        let form = style.map(|style| {
            let colors = processes.iter().map(|process| process.config.color);
            let named: Vec<_> = (1..)
                .map(StreamNo)
                .zip(&names)
                .zip(colors)
                .map(|((n, name), c)| (n, name.as_str(), c))
                .collect();
            Form::Merged(Box::new(Renderer::new(style, &named)))
        });
        Self { form, names, any: false }
    }

    /// Show a line between earlier runs and the one that began at this time.
    pub fn divide_at(&mut self, begin: Timestamp) {
        if let Some(Form::Merged(renderer)) = &mut self.form {
            renderer.divide_at(begin);
        }
    }

    /// The text of this line.
    pub fn show(&mut self, line: &Line<'_>) -> Vec<u8> {
        let mut out = vec![];
        let apart = std::mem::replace(&mut self.any, true) && line.apart;
        let stream = line.name.as_deref().map_or(EVENTS, |name| self.number(name));
        if let Some(form) = &mut self.form {
            if apart {
                form.show(Chosen::Break, &mut out);
            }
            let (record, text) = entry_of(line, stream);
            let (position, text) = (Position::default(), text.as_bytes());
            let entry = Entry { position, record, text, lost: line.lost };
            form.show(Chosen::Entry(entry, !line.context), &mut out);
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
        if let Some(form) = &mut self.form {
            form.finish(&mut out);
        }
        out
    }

    fn number(&mut self, name: &str) -> StreamNo {
        let known = self.names.iter().position(|known| known == name);
        let at = known.unwrap_or_else(|| {
            self.names.push(name.to_owned());
            self.names.len() - 1
        });
        let number = StreamNo(u16::try_from(at + 1).unwrap_or(u16::MAX));
        if known.is_none()
            && let Some(Form::Merged(renderer)) = &mut self.form
        {
            renderer.add(number, name, SYSTEM_COLOR);
        }
        number
    }
}
