//! Colours and attributes of text (SGR), tracked so that they can be continued on later lines.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A terminal colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Color {
    /// That of the terminal.
    #[default]
    Default,
    /// One of the 256 colours.
    Indexed(u8),
    /// Red, green, blue.
    Rgb(u8, u8, u8),
}

/// An attribute of text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Attribute {
    Bold,
    Dim,
    Italic,
    Underlined,
    Blinking,
    Reversed,
    Hidden,
    Struck,
    Overlined,
}

/// Attributes that are on or off: bit, the codes that set and reset it, and its name.
const FLAGS: [(u16, u8, u8, Attribute); 9] = [
    (1, 1, 22, Attribute::Bold),
    (1 << 1, 2, 22, Attribute::Dim),
    (1 << 2, 3, 23, Attribute::Italic),
    (1 << 3, 5, 25, Attribute::Blinking),
    (1 << 4, 6, 25, Attribute::Blinking),
    (1 << 5, 7, 27, Attribute::Reversed),
    (1 << 6, 8, 28, Attribute::Hidden),
    (1 << 7, 9, 29, Attribute::Struck),
    (1 << 8, 53, 55, Attribute::Overlined),
];

/// The style in effect at one point of a process's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sgr {
    foreground: Color,
    background: Color,
    line_color: Color,
    /// 0 none, 1 single, 2 double, 3 curly, 4 dotted, 5 dashed.
    underline: u8,
    flags: u16,
}

/// One parameter with its sub-parameters (`38:2::1:2:3`); an omitted number is 0.
#[derive(Clone, Copy)]
struct Group {
    numbers: [u16; 6],
    len: usize,
}

impl Group {
    fn parse(text: &[u8]) -> Self {
        let mut group = Self { numbers: [0; 6], len: 0 };
        for part in text.split(|&b| b == b':').take(6) {
            group.numbers[group.len] = part
                .iter()
                .fold(0u16, |n, b| n.saturating_mul(10).saturating_add(u16::from(b - b'0')));
            group.len += 1;
        }
        group
    }
}

impl Sgr {
    /// Whether no attribute and no colour is set.
    pub fn is_plain(&self) -> bool {
        *self == Self::default()
    }

    /// Reset all attributes and colours.
    pub fn reset(&mut self) {
        *self = Self::default();
    }

    /// Apply the parameters of a control sequence that ends in `m`. Private parameters are ignored.
    pub fn apply(&mut self, parameters: &[u8]) {
        if !parameters.iter().all(|b| matches!(b, b'0'..=b'9' | b';' | b':')) {
            return;
        }
        let mut groups = parameters.split(|&b| b == b';').map(Group::parse);
        while let Some(group) = groups.next() {
            match (group.numbers[0], group.len) {
                (code @ (38 | 48 | 58), 1) => {
                    let mut number = || groups.next().map(|group| group.numbers[0]);
                    let Some(color) = extended(&mut number) else { return };
                    self.paint(code, color);
                }
                (code @ (38 | 48 | 58), len) => {
                    // With six parts, the third is the colour space, which is ignored.
                    let skip = if len == 6 && group.numbers[1] == 2 { 3 } else { 2 };
                    let kind = [group.numbers[1]];
                    let mut parts = kind.iter().chain(&group.numbers[skip..len]).copied();
                    if let Some(color) = extended(&mut || parts.next()) {
                        self.paint(code, color);
                    }
                }
                (4, 2) => self.underline = u8::try_from(group.numbers[1]).map_or(1, |n| n.min(5)),
                (code, 1) => self.simple(code),
                (_, _) => {}
            }
        }
    }

    /// The colour of the text.
    pub fn foreground(&self) -> Color {
        self.foreground
    }

    /// The colour behind the text.
    pub fn background(&self) -> Color {
        self.background
    }

    pub fn attributes(&self) -> impl Iterator<Item = Attribute> {
        let on = FLAGS.into_iter().filter(|(bit, ..)| self.flags & bit != 0);
        let mut on: Vec<_> = on.map(|(.., attribute)| attribute).collect();
        // Slow and fast blinking are one attribute.
        on.dedup();
        on.into_iter().chain((self.underline > 0).then_some(Attribute::Underlined))
    }

    /// Whether a blank in this style is visible: it has a background, or a line through, above or below it.
    pub fn shows_blanks(&self) -> bool {
        const LINES: u16 = 1 << 5 | 1 << 7 | 1 << 8;
        self.background != Color::Default || self.underline > 0 || self.flags & LINES != 0
    }

    fn paint(&mut self, code: u16, color: Color) {
        match code {
            38 => self.foreground = color,
            48 => self.background = color,
            _ => self.line_color = color,
        }
    }

    fn simple(&mut self, code: u16) {
        let Ok(code) = u8::try_from(code) else { return };
        for (bit, set, reset, _) in FLAGS {
            if code == set {
                self.flags |= bit;
            } else if code == reset {
                self.flags &= !bit;
            }
        }
        match code {
            0 => self.reset(),
            4 => self.underline = 1,
            21 => self.underline = 2,
            24 => self.underline = 0,
            30..=37 => self.foreground = Color::Indexed(code - 30),
            39 => self.foreground = Color::Default,
            40..=47 => self.background = Color::Indexed(code - 40),
            49 => self.background = Color::Default,
            59 => self.line_color = Color::Default,
            90..=97 => self.foreground = Color::Indexed(code - 90 + 8),
            100..=107 => self.background = Color::Indexed(code - 100 + 8),
            _ => {}
        }
    }

    /// Append the shortest sequence that sets this style after a reset; nothing for the plain style.
    pub fn emit(&self, out: &mut Vec<u8>) {
        if self.is_plain() {
            return;
        }
        out.extend_from_slice(b"\x1b[");
        for (bit, code, ..) in FLAGS {
            if self.flags & bit != 0 {
                push(out, &[code]);
            }
        }
        match self.underline {
            0 => {}
            1 => push(out, &[4]),
            2 => push(out, &[21]),
            style => out.extend_from_slice(&[b'4', b':', b'0' + style, b';']),
        }
        color(out, self.foreground, 30);
        color(out, self.background, 40);
        line_color(out, self.line_color);
        if let Some(last) = out.last_mut() {
            *last = b'm';
        }
    }
}

/// Parse the colour specified by the numbers after 38, 48 or 58.
fn extended(next: &mut dyn FnMut() -> Option<u16>) -> Option<Color> {
    let mut byte = || u8::try_from(next()?).ok();
    match byte()? {
        5 => Some(Color::Indexed(byte()?)),
        2 => Some(Color::Rgb(byte()?, byte()?, byte()?)),
        _ => None,
    }
}

/// Append each number, followed by a semicolon.
fn push(out: &mut Vec<u8>, numbers: &[u8]) {
    for &number in numbers {
        if number >= 100 {
            out.push(b'0' + number / 100);
        }
        if number >= 10 {
            out.push(b'0' + number / 10 % 10);
        }
        out.extend_from_slice(&[b'0' + number % 10, b';']);
    }
}

fn color(out: &mut Vec<u8>, color: Color, base: u8) {
    match color {
        Color::Default => {}
        Color::Indexed(index @ 0..8) => push(out, &[base + index]),
        Color::Indexed(index @ 8..16) => push(out, &[base + 60 + index - 8]),
        Color::Indexed(index) => push(out, &[base + 8, 5, index]),
        Color::Rgb(r, g, b) => push(out, &[base + 8, 2, r, g, b]),
    }
}

/// Uses colons, because a terminal that does not support 58 would read `58;5;1` as "blink, bold".
fn line_color(out: &mut Vec<u8>, color: Color) {
    let text = match color {
        Color::Default => return,
        Color::Indexed(index) => format!("58:5:{index};"),
        Color::Rgb(r, g, b) => format!("58:2::{r}:{g}:{b};"),
    };
    out.extend_from_slice(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use std::num::NonZero;

    use proptest::prelude::*;

    use super::Sgr;

    fn after(sequences: &[&str]) -> Sgr {
        let mut sgr = Sgr::default();
        for sequence in sequences {
            sgr.apply(sequence.as_bytes());
        }
        sgr
    }

    /// The style after all sequences in a text.
    fn fed(text: &[u8]) -> Sgr {
        let mut sgr = Sgr::default();
        for sequence in text.split(|&b| b == 0x1b) {
            let inside = sequence.strip_prefix(b"[").and_then(|inside| inside.strip_suffix(b"m"));
            sgr.apply(inside.unwrap_or(b"?"));
        }
        sgr
    }

    fn emitted(sgr: Sgr) -> String {
        let mut out = vec![];
        sgr.emit(&mut out);
        String::from_utf8(out).unwrap().replace('\x1b', "ESC")
    }

    #[test]
    fn emits_the_shortest_sequence() {
        for (sequences, expected) in [
            (&["1", "31"][..], "ESC[1;31m"),
            (&["1;2;3;4", ""], ""),
            (&["38;5;1"], "ESC[31m"),
            (&["38;5;9", "48:5:15"], "ESC[91;107m"),
            (&["38;5;200"], "ESC[38;5;200m"),
            (&["38:2::1:22:255"], "ESC[38;2;1;22;255m"),
            (&["38:2:1:22:255"], "ESC[38;2;1;22;255m"),
            (&["48;2;1;2;3", "49"], ""),
            (&["4:3", "58:5:9"], "ESC[4:3;58:5:9m"),
            (&["4:3", "4:0"], ""),
            (&["21", "9;53"], "ESC[9;53;21m"),
            (&["?4", ">4;1", "1 "], ""),
            (&["38;5;300;1"], ""),
            (&["1;38;7;31"], "ESC[1m"),
            (&["99999999;7"], "ESC[7m"),
        ] {
            assert_eq!(emitted(after(sequences)), expected, "{sequences:?}");
        }
    }

    fn parameter() -> impl Strategy<Value = String> {
        prop_oneof![
            4 => (0u16..110).prop_map(|n| n.to_string()),
            1 => Just(String::new()),
            2 => (prop::sample::select(vec![38, 48, 58]), any::<u8>())
                .prop_map(|(code, n)| format!("{code};5;{n}")),
            1 => (prop::sample::select(vec![38, 48, 58]), any::<u8>())
                .prop_map(|(code, n)| format!("{code}:5:{n}")),
            2 => (prop::sample::select(vec![38, 48, 58]), any::<(u8, u8, u8)>())
                .prop_map(|(code, (r, g, b))| format!("{code};2;{r};{g};{b}")),
            1 => (prop::sample::select(vec![38, 48, 58]), any::<(u8, u8, u8)>())
                .prop_map(|(code, (r, g, b))| format!("{code}:2::{r}:{g}:{b}")),
            1 => (0u8..6).prop_map(|style| format!("4:{style}")),
        ]
    }

    /// Parameters that the other terminal model supports, in the forms that it supports.
    fn common() -> impl Strategy<Value = String> {
        prop_oneof![
            6 => prop::sample::select(vec![0u16, 1, 3, 4, 7, 22, 23, 24, 27, 39, 49])
                .prop_map(|n| n.to_string()),
            4 => prop_oneof![30u16..38, 40u16..48, 90u16..98, 100u16..108].prop_map(|n| n.to_string()),
            2 => (prop::sample::select(vec![38, 48]), any::<u8>())
                .prop_map(|(code, n)| format!("{code};5;{n}")),
            2 => (prop::sample::select(vec![38, 48]), any::<(u8, u8, u8)>())
                .prop_map(|(code, (r, g, b))| format!("{code};2;{r};{g};{b}")),
            1 => (prop::sample::select(vec![38, 48]), any::<(u8, u8, u8)>())
                .prop_map(|(code, (r, g, b))| format!("{code}:2:{r}:{g}:{b}")),
        ]
    }

    fn cells(n: u16) -> NonZero<u16> {
        NonZero::new(n).unwrap()
    }

    fn drawn(bytes: &[u8]) -> vt100::Cell {
        let mut parser = vt100::Parser::new(cells(2), cells(20), 0);
        parser.process(bytes);
        parser.process(b"X");
        parser.screen().cell(0, 0).unwrap().clone()
    }

    proptest! {
        #[test]
        fn replaying_what_is_emitted_gives_the_state(params in prop::collection::vec(parameter(), 0..12)) {
            let sgr = after(&[&params.join(";")]);
            let mut out = vec![];
            sgr.emit(&mut out);
            prop_assert_eq!(fed(&out), sgr);
        }

        #[test]
        fn a_terminal_draws_the_same_after_it(params in prop::collection::vec(common(), 0..6)) {
            let sequence = format!("\x1b[{}m", params.join(";"));
            let sgr = fed(sequence.as_bytes());
            let mut out = vec![];
            sgr.emit(&mut out);
            prop_assert_eq!(drawn(&out), drawn(sequence.as_bytes()));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let mut sgr = Sgr::default();
            sgr.apply(&bytes);
        }
    }
}
