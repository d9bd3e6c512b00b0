//! The merged log: turns records of the journal into the bytes for a terminal or a pipe.

use std::collections::HashMap;

use super::paint::{self, Mode, Prefix, SYSTEM, SYSTEM_COLOR, Style};
use super::recent::Recent;
use super::rows::UnfinishedRow;
use crate::journal::history::Line;
use crate::journal::read::stream::StreamReader;
use crate::journal::read::words::{gap, is_later_start, record_words, removed};
use crate::journal::record::{CONTINUES, DRAWN, EVENTS, Kind, Record, TO_BE_CONTINUED};
use crate::journal::search::entry::entry_of;
use crate::journal::segment::Dirs;
use crate::journal::streams::{Stream, Streams};
use crate::model::event::{Logged, What};
use crate::model::state::ProcessState;
use crate::model::text::untrusted;
use crate::model::time::Timestamp;
use crate::model::{ProcName, StreamNo};
use crate::sys::local;

/// An unfinished line at the end of a stream.
#[derive(Debug, Clone, Copy)]
pub struct Unfinished<'a> {
    pub stream: StreamNo,
    /// The bytes from the beginning of the line (or from [`Renderer::wanted_from`]) to `end`.
    pub text: &'a [u8],
    /// The offset after the last of them.
    pub end: u64,
    /// The time to show in the prefix.
    pub time: Timestamp,
}

/// Renders a merged log.
///
/// It receives records in merged order and keeps only the unfinished line of each process.
#[derive(Debug)]
pub struct Renderer {
    pub(super) style: Style,
    pub(super) lanes: Vec<Lane>,
    /// The lane whose unfinished line is the last row of the output.
    pub(super) row: Option<usize>,
    /// The lane whose unfinished line was removed to make room for other output.
    pub(super) resume: Option<usize>,
    /// Which lanes the last rows belong to.
    pub(super) recent: Recent,
    /// Total bytes of unfinished lines held back.
    pub(super) holding: usize,
    /// The time of the record or message that is being rendered.
    pub(super) clock: Timestamp,
    numbers: HashMap<StreamNo, usize>,
    width: usize,
    system: Prefix,
    /// The journal in which to look up processes that were not known at the start.
    journal: Option<Dirs>,
    /// What stands before the names of processes of the next lines that were sent.
    host: String,
    /// The streams of processes whose lines were sent: they have no numbers.
    sent: HashMap<String, StreamNo>,
    /// When the newest run began, until that is shown, and whether older records have been shown.
    newest_run: Option<(Timestamp, bool)>,
}

/// One process of a merged log.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) prefix: Prefix,
    /// In `Mode::Exact`: the bytes of the unfinished line.
    pub(super) held: Vec<u8>,
    /// In the other modes: the unfinished line.
    pub(super) row: UnfinishedRow,
    /// The line before was ended without a newline. If only a line break follows, it belongs to
    /// that line and is not an empty line of its own.
    pub(super) orphan: bool,
    name: String,
    color: u8,
    /// The offset after the last byte taken.
    at: u64,
    /// Bytes from this offset on were shown before their record arrived.
    ahead: Option<u64>,
    /// Its last life was an installation, so the next one starts the program.
    is_installed: bool,
}

impl Lane {
    fn new(name: &str, color: u8, prefix: Prefix, mode: Mode) -> Self {
        Self {
            prefix,
            held: Vec::new(),
            row: UnfinishedRow::new(mode.terminal()),
            orphan: false,
            name: name.to_owned(),
            color,
            at: 0,
            ahead: None,
            is_installed: false,
        }
    }

    /// Whether there is an unfinished line.
    pub(super) fn begun(&self) -> bool {
        !self.held.is_empty() || self.row.line.is_begun()
    }
}

/// Longer events are not shown.
const LONGEST_EVENT: usize = 1 << 20;

impl Renderer {
    /// A renderer for these processes: stream number, name, colour.
    pub fn new(style: Style, names: &[(StreamNo, &str, u8)]) -> Self {
        let width = paint::name_width(names.iter().map(|(_, name, _)| *name));
        let width = width.max(style.name_width);
        let system = Prefix::new(&style, width, SYSTEM, SYSTEM_COLOR);
        let mut renderer = Self {
            style,
            lanes: Vec::with_capacity(names.len()),
            row: None,
            resume: None,
            recent: Recent::default(),
            holding: 0,
            clock: Timestamp::EPOCH,
            numbers: HashMap::with_capacity(names.len()),
            width,
            system,
            journal: None,
            host: String::new(),
            sent: HashMap::new(),
            newest_run: None,
        };
        for &(stream, name, color) in names {
            renderer.add(stream, name, color);
        }
        renderer
    }

    /// A renderer for these processes of a journal, in which it looks up unknown ones when their output arrives.
    pub fn of_journal<'a>(
        style: Style,
        dirs: &Dirs,
        streams: impl IntoIterator<Item = &'a Stream>,
    ) -> Self {
        let names = streams.into_iter().map(|s| (s.number, s.name.as_str(), s.color));
        let renderer = Self::new(style, &names.collect::<Vec<_>>());
        Self { journal: Some(dirs.clone()), ..renderer }
    }

    /// Add a process, or change the colour of a known one. The name column grows if necessary.
    pub fn add(&mut self, stream: StreamNo, name: &str, color: u8) {
        let wider = name.len() > self.width;
        self.width = self.width.max(name.len());
        let prefix = Prefix::new(&self.style, self.width, name, color);
        if let Some(&lane) = self.numbers.get(&stream) {
            let lane = &mut self.lanes[lane];
            name.clone_into(&mut lane.name);
            lane.color = color;
            lane.prefix = prefix;
        } else {
            self.numbers.insert(stream, self.lanes.len());
            self.lanes.push(Lane::new(name, color, prefix, self.style.mode));
        }
        if wider {
            self.system = Prefix::new(&self.style, self.width, SYSTEM, SYSTEM_COLOR);
            for lane in &mut self.lanes {
                lane.prefix = Prefix::new(&self.style, self.width, &lane.name, lane.color);
            }
        }
    }

    /// Set the new width of the terminal.
    pub fn resize(&mut self, columns: u16) {
        self.style.columns = columns;
    }

    /// Set the title of the terminal, if the output supports escape sequences. The terminal saves
    /// the old title for [`Renderer::title_before`].
    pub fn title(&self, title: &str, program: &str, out: &mut Vec<u8>) {
        if self.style.mode == (Mode::Terminal { color: true }) {
            let title: String = title.chars().filter(|c| !untrusted::is_active(*c)).collect();
            out.extend_from_slice(format!("\x1b[22;0t\x1b]0;{title} | {program}\x07").as_bytes());
        }
    }

    /// Restore the previous title of the terminal.
    pub fn title_before(&self, out: &mut Vec<u8>) {
        if self.style.mode == (Mode::Terminal { color: true }) {
            out.extend_from_slice(b"\x1b[23;0t");
        }
    }

    /// Show the output of a program that is not a process of the journal, in pieces of any size.
    pub fn pass(&mut self, text: &[u8], out: &mut Vec<u8>) {
        if self.style.mode == Mode::Exact {
            return out.extend_from_slice(text);
        }
        let lane = self.lane(StreamNo::default());
        self.row_text(lane, text, out);
    }

    /// The next lines that were sent, and the next processes, are those of this host of a fleet.
    pub fn of_host(&mut self, host: &str) {
        self.host = format!("{host}/");
    }

    /// Give processes whose lines will be sent their colours, and room for their names.
    pub fn add_senders(&mut self, processes: &[ProcessState]) {
        if !self.host.is_empty() {
            self.sender(SYSTEM, SYSTEM_COLOR);
        }
        for process in processes {
            self.sender(&untrusted::cleaned(process.name.as_str()), process.config.color);
        }
    }

    /// The stream of the process with this name.
    fn sender(&mut self, name: &str, color: u8) -> StreamNo {
        let name = format!("{}{name}", self.host);
        if let Some(stream) = self.sent.get(&name) {
            return *stream;
        }
        let stream = StreamNo(u16::try_from(self.sent.len() + 1).unwrap_or(u16::MAX));
        self.add(stream, &name, color);
        self.sent.insert(name, stream);
        stream
    }

    /// Render a line that another supervisor has sent.
    pub(super) fn render_sent(&mut self, line: &Line<'_>, out: &mut Vec<u8>) {
        let stream = match line.name.as_deref() {
            None if self.host.is_empty() => EVENTS,
            name => self.sender(name.unwrap_or(SYSTEM), SYSTEM_COLOR),
        };
        let (record, text) = entry_of(line, stream);
        self.render(&record, text.as_bytes(), line.lost, out);
    }

    /// Show a line between earlier runs and the newest one, which began at this time.
    pub fn divide_at(&mut self, begin: Timestamp) {
        self.newest_run = Some((begin, false));
    }

    /// Render this record and append it to `out`. `text` has its bytes if it is text or an event; `lost` bytes before
    /// it were deleted by retention.
    pub fn render(&mut self, record: &Record, text: &[u8], lost: u64, out: &mut Vec<u8>) {
        self.clock = record.time;
        if let Some((begin, is_behind_others)) = self.newest_run {
            if record.time < begin {
                self.newest_run = Some((begin, true));
            } else {
                self.newest_run = None;
                if is_behind_others {
                    self.finish(out);
                    let time = local::date_and_time(begin, &local::zone());
                    out.extend_from_slice(format!("── run of {time} ──\n").as_bytes());
                }
            }
        }
        if record.kind == Kind::Event {
            return self.event(text, out);
        }
        let lane = self.lane(record.stream);
        if record.kind == Kind::Text {
            return self.text(lane, record, text, lost, out);
        }
        self.end_line(lane, out);
        self.show_empty(lane, out);
        self.lanes[lane].at = self.lanes[lane].at.max(record.end());
        if lost > 0 {
            self.say(Some(lane), &self.missing(record, lost), false, out);
        }
        if record.kind == Kind::Start {
            self.lanes[lane].row.line.reset();
        }
        // An empty gap exists only to report the loss before it.
        let reported = record.kind == Kind::Gap && record.len == 0 && lost > 0;
        let again = is_later_start(record) && !self.lanes[lane].is_installed;
        self.lanes[lane].is_installed &= record.kind != Kind::Start;
        if !reported && let Some(text) = record_words(record, again) {
            self.say(Some(lane), &text, false, out);
        }
    }

    /// Show an unfinished line in its present state, on a terminal.
    ///
    /// All records before that line must have been rendered. Its own record may come later and then
    /// only adds what is not shown yet.
    pub fn partial(&mut self, tail: Unfinished<'_>, out: &mut Vec<u8>) {
        let index = self.lane(tail.stream);
        let begin = tail.end.saturating_sub(tail.text.len() as u64);
        let at = self.lanes[index].at;
        if !self.style.mode.terminal() || tail.end < at {
            return;
        }
        self.clock = tail.time;
        if at < begin {
            self.end_line(index, out);
        }
        let lane = &mut self.lanes[index];
        if tail.end > at {
            lane.ahead.get_or_insert(begin.max(at));
            lane.at = tail.end;
        }
        let known = usize::try_from(at.saturating_sub(begin)).unwrap_or(usize::MAX);
        self.row_text(index, tail.text.get(known..).unwrap_or_default(), out);
        self.row_show(index, out);
    }

    /// The first offset from which [`Renderer::partial`] still needs the unfinished line that
    /// begins at `start`. Earlier bytes need not be read again.
    pub fn wanted_from(&self, stream: StreamNo, start: u64) -> u64 {
        self.numbers.get(&stream).map_or(start, |&lane| start.max(self.lanes[lane].at))
    }

    /// Print a message of the system that is not a record of the journal, possibly several lines; `error` if it reports
    /// a failure.
    pub fn message(&mut self, text: &str, error: bool, time: Timestamp, out: &mut Vec<u8>) {
        self.clock = time;
        self.say(None, text, error, out);
    }

    /// End the output: show all unfinished and empty lines and leave the cursor at the beginning of
    /// a row.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        for lane in 0..self.lanes.len() {
            self.end_line(lane, out);
            self.show_empty(lane, out);
        }
        self.end_row(out);
    }

    /// Show that lines were left out here.
    pub(super) fn separate(&mut self, out: &mut Vec<u8>) {
        self.finish(out);
        out.extend_from_slice(b"--\n");
    }

    /// Leave the cursor at the beginning of a row, below the unfinished line.
    pub fn settle(&mut self, out: &mut Vec<u8>) {
        self.restore(out);
        self.end_row(out);
    }

    /// How many rows of a process are among the last rows, where they are easy to see.
    pub fn recent_rows(&self, name: &str) -> usize {
        let lane = self.lanes.iter().position(|lane| lane.name == name);
        lane.map_or(0, |lane| self.recent.rows_of(lane))
    }

    pub(super) fn put_prefix(&mut self, lane: usize, out: &mut Vec<u8>) {
        out.extend_from_slice(self.lanes[lane].prefix.at(self.clock, &self.style.zone));
    }

    fn lane(&mut self, stream: StreamNo) -> usize {
        if let Some(&lane) = self.numbers.get(&stream) {
            return lane;
        }
        let known = self.journal.as_ref().and_then(|dirs| Streams::open(dirs).ok());
        match known.as_ref().and_then(|streams| streams.get(stream)) {
            Some(Stream { name, color, .. }) => self.add(stream, name.as_str(), *color),
            None => self.add(stream, &format!("#{stream}"), SYSTEM_COLOR),
        }
        self.lanes.len() - 1
    }

    fn named(&mut self, name: &str) -> Option<usize> {
        let known = self.lanes.iter().position(|lane| lane.name == name);
        known.or_else(|| {
            let streams = Streams::open(self.journal.as_ref()?).ok()?;
            let stream = streams.all().iter().find(|stream| stream.name.as_str() == name)?;
            Some(self.lane(stream.number))
        })
    }

    fn text(&mut self, lane: usize, record: &Record, text: &[u8], lost: u64, out: &mut Vec<u8>) {
        self.begin_record(lane, record, lost, out);
        let fresh = self.not_ahead(lane, text);
        if self.style.mode == Mode::Exact {
            self.pipe_text(lane, fresh, out);
        } else {
            self.row_text(lane, fresh, out);
        }
        let (drawn, exact) = (record.flags & DRAWN != 0, self.style.mode == Mode::Exact);
        if drawn && !exact {
            // The text is not that of the record, so its length says nothing about offsets.
            self.lanes[lane].at = record.offset;
        }
        // In overmind's bytes, the line in which a drawing ends goes on.
        let goes_on = record.flags & TO_BE_CONTINUED != 0 || (drawn && exact);
        let over = !goes_on && self.lanes[lane].ahead.is_none();
        if over && self.lanes[lane].begun() {
            self.end_line(lane, out);
            self.lanes[lane].orphan = true;
        }
    }

    fn begin_record(&mut self, index: usize, record: &Record, lost: u64, out: &mut Vec<u8>) {
        let continues = record.flags & CONTINUES != 0;
        let begin = record.offset;
        let lane = &self.lanes[index];
        let shown_early = lane.ahead.is_some_and(|ahead| ahead <= begin) && begin < lane.at;
        let early = shown_early && lost == 0;
        // The line in which a drawing has ended.
        let adjoins = self.style.mode == Mode::Exact && begin == lane.at;
        let goes_on = early || ((continues || adjoins) && lane.ahead.is_none() && lost == 0);
        if !goes_on {
            self.end_line(index, out);
        }
        let lane = &mut self.lanes[index];
        lane.orphan &= continues;
        lane.ahead = early.then_some(begin);
        if !early {
            lane.at = begin;
        }
        if lost > 0 {
            self.say(Some(index), &self.missing(record, lost), false, out);
        }
    }

    /// The part of a record's text that was not shown before the record arrived.
    fn not_ahead<'a>(&mut self, lane: usize, text: &'a [u8]) -> &'a [u8] {
        let lane = &mut self.lanes[lane];
        let ahead = lane.ahead.unwrap_or(lane.at);
        let known = usize::try_from(lane.at - ahead).unwrap_or(usize::MAX).min(text.len());
        let reached = ahead.saturating_add(text.len() as u64);
        lane.ahead = (reached < lane.at).then_some(reached);
        lane.at = lane.at.max(reached);
        &text[known..]
    }

    /// End the unfinished line of a lane, if there is one.
    fn end_line(&mut self, lane: usize, out: &mut Vec<u8>) {
        self.lanes[lane].ahead = None;
        self.lanes[lane].row.line.abandon();
        if !self.lanes[lane].begun() && self.row != Some(lane) {
            return;
        }
        if self.style.mode == Mode::Exact {
            self.pipe_end(lane, out);
        } else {
            self.row_left(lane, out);
        }
    }

    /// The text for this many bytes before a record that no file has. Only a limit deletes what a stream begins with.
    fn missing(&self, record: &Record, bytes: u64) -> String {
        let begins = |dirs: &Dirs| {
            let slug = Streams::open(dirs).ok()?.slug(record.stream)?;
            StreamReader::open(dirs, &slug).begins_in_segment_of(record.offset).ok()
        };
        let is_removed = self.journal.as_ref().and_then(begins).unwrap_or(false);
        if is_removed { removed(bytes) } else { gap(bytes) }
    }

    /// Print a message of the supervisor about a process or about itself.
    fn say(&mut self, lane: Option<usize>, text: &str, error: bool, out: &mut Vec<u8>) {
        if self.style.bare {
            return;
        }
        self.make_room(out);
        for line in text.lines() {
            let prefix = match lane {
                Some(lane) => &mut self.lanes[lane].prefix,
                None => &mut self.system,
            };
            out.extend_from_slice(prefix.at(self.clock, &self.style.zone));
            let clean: String = line.chars().filter(|c| !untrusted::is_active(*c)).collect();
            paint::message(self.style.mode, clean.as_bytes(), error, out);
            self.recent.add(usize::MAX, 1);
        }
    }

    fn event(&mut self, text: &[u8], out: &mut Vec<u8>) {
        if text.len() > LONGEST_EVENT {
            return;
        }
        for line in text.split(|&b| b == b'\n') {
            let Some(event) = Logged::from_json(line) else { continue };
            let Some(text) = event.text() else { continue };
            let name = event.name().map_or(SYSTEM, ProcName::as_str);
            let lane = match event.name() {
                None if self.host.is_empty() => None,
                _ => self.named(&format!("{}{name}", self.host)),
            };
            if let (Some(lane), Some(What::Installed { .. })) = (lane, event.what()) {
                self.lanes[lane].is_installed = true;
            }
            self.say(lane, &text, event.is_error(), out);
        }
    }
}

/// Prepare a text of several lines for a terminal: keep its colours if wanted, and remove every
/// other escape sequence.
pub fn cleaned(text: &[u8], color: bool) -> String {
    let style = Style { bare: true, ..Style::new(Mode::Terminal { color }) };
    let (mut renderer, mut shown) = (Renderer::new(style, &[]), vec![]);
    renderer.pass(text, &mut shown);
    renderer.finish(&mut shown);
    String::from_utf8_lossy(&shown).into_owned()
}

#[cfg(test)]
mod tests;
