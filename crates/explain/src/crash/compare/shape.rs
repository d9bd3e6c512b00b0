//! The shape of a line: what stays of it when everything is masked that differs each time it is printed, as
//! numbers, identifiers, quoted text. What tells one message from another is kept: words, the keys of a JSON
//! object, its message, the class of a status code.

/// A token of hexadecimal digits from this length on is an identifier, if it has a digit.
const HEX: usize = 6;
/// One without a digit, from this length on.
const HEX_WITHOUT_DIGIT: usize = 12;
/// A token with upper and lower case and several numbers in it, from this length on.
const MIXED: usize = 10;

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const UNITS: [&str; 26] = [
    "ns", "µs", "us", "ms", "s", "sec", "secs", "min", "m", "h", "d", "B", "kB", "KB", "MB", "GB",
    "TB", "KiB", "MiB", "GiB", "K", "M", "G", "k", "bytes", "%",
];
const METHODS: [&str; 7] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];

/// The keys whose text tells one message from another.
const TEXT_KEYS: [&str; 9] =
    ["msg", "message", "error", "err", "reason", "event", "type", "level", "severity"];
/// The keys whose number does.
const NUMBER_KEYS: [&str; 2] = ["level", "severity"];

pub(super) fn shape(line: &str) -> String {
    let line = line.trim();
    let mut shaper = Shaper { line, at: 0, shape: String::new(), word: "", key: "" };
    while shaper.step() {}
    shaper.shape
}

struct Shaper<'a> {
    line: &'a str,
    at: usize,
    shape: String,
    /// The last word or quoted text.
    word: &'a str,
    /// The key before a colon or an equals sign, if nothing but those came since.
    key: &'a str,
}

impl<'a> Shaper<'a> {
    fn rest(&self) -> &'a str {
        &self.line[self.at..]
    }

    fn follows_word(&self) -> bool {
        self.line[..self.at].chars().next_back().is_some_and(is_part)
    }

    /// Take the next token. Returns false at the end.
    fn step(&mut self) -> bool {
        let Some(first) = self.rest().chars().next() else { return false };
        if self.quoted(first) || self.number(first) {
            return true;
        }
        let rest = self.rest();
        let end = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
        if end == 0 {
            self.other(first);
        } else {
            self.token(&rest[..end]);
        }
        true
    }

    /// White space, of which any amount is one blank, and punctuation.
    fn other(&mut self, c: char) {
        self.at += c.len_utf8();
        if c.is_whitespace() {
            if !self.shape.ends_with(' ') {
                self.shape.push(' ');
            }
            return;
        }
        self.shape.push(c);
        self.key = if matches!(c, ':' | '=') { self.word } else { "" };
        self.word = "";
    }

    /// Text in quotes. An apostrophe within a word begins none.
    fn quoted(&mut self, quote: char) -> bool {
        if !matches!(quote, '"' | '\'' | '`') || self.follows_word() {
            return false;
        }
        let inside = &self.rest()[1..];
        let mut is_escaped = false;
        let end = inside.find(|c| {
            let is_end = c == quote && !is_escaped;
            is_escaped = c == '\\' && !is_escaped;
            is_end
        });
        let Some(end) = end else { return false };
        let text = &inside[..end];
        let after = &inside[end + 1..];
        self.at += end + 2;
        self.shape.push('"');
        if after.trim_start().starts_with(':') {
            // A key.
            self.shape.push_str(text);
            self.shape.push('"');
            self.word = text;
        } else if TEXT_KEYS.contains(&self.key) {
            self.shape.push_str(&shape(text));
            self.shape.push('"');
            self.word = "";
        } else {
            self.word = "";
        }
        self.key = "";
        true
    }

    /// A number with its sign and its unit, or several of them together, as `1m3s`.
    fn number(&mut self, first: char) -> bool {
        let digits = if first == '-' { &self.rest()[1..] } else { self.rest() };
        if self.follows_word() || !digits.starts_with(|c: char| c.is_ascii_digit()) {
            return false;
        }
        let token = &digits[..digits.find(|c| !is_part(c)).unwrap_or(digits.len())];
        if first != '-' && (is_identifier(token) || token.starts_with("0x")) {
            return false;
        }
        let is_digit = |c: char| c.is_ascii_digit();
        let whole = &digits[..digits.find(|c| !is_digit(c)).unwrap_or(digits.len())];
        let kept = self.meaning_of(whole, digits[whole.len()..].starts_with(is_part));
        let mut at = self.at + usize::from(first == '-');
        let mut has_unit = true;
        while has_unit && self.line[at..].starts_with(is_digit) {
            let rest = &self.line[at..];
            let is_number = |c: char| c.is_ascii_digit() || c == '.';
            let number =
                rest[..rest.find(|c| !is_number(c)).unwrap_or(rest.len())].trim_end_matches('.');
            at += number.len();
            let unit = unit(&self.line[at..]);
            has_unit = unit > 0;
            at += unit;
        }
        self.at = at;
        self.shape.push_str(kept.as_deref().unwrap_or("0"));
        (self.word, self.key) = ("", "");
        true
    }

    /// What has to be kept of a number: that it is the code of a failure, or of which class a status code is.
    fn meaning_of(&self, digits: &str, goes_on: bool) -> Option<String> {
        if NUMBER_KEYS.contains(&self.key) {
            return Some(digits.to_owned());
        }
        let before = self.line[..self.at].trim_end();
        let mut words = before.split([' ', '"', '\'', '=', ':', '[', '(']).rev();
        let mut words = words.by_ref().filter(|word| !word.is_empty());
        let last = words.next()?;
        let last_but_one = words.next().unwrap_or("");
        let is = |known: &[&str]| known.iter().any(|word| last.eq_ignore_ascii_case(word));
        let is_status = last.starts_with("HTTP/")
            || is(&["->", "status", "statusCode", "status_code"])
            || METHODS.contains(&last_but_one);
        if is_status && digits.len() == 3 && !goes_on {
            return Some(format!("{}xx", &digits[..1]));
        }
        (digits == "0" && is(&["code", "status", "exit", "rc"])).then(|| "zero".to_owned())
    }

    /// A word, or an identifier.
    fn token(&mut self, token: &'a str) {
        let key = std::mem::take(&mut self.key);
        self.word = token;
        let after = &self.rest()[token.len()..];
        if let Some(length) = before_host(self.rest()) {
            self.at += length;
            return self.shape.push('0');
        }
        self.at += token.len();
        let is_address = token
            .strip_prefix("0x")
            .is_some_and(|hex| !hex.is_empty() && hex.bytes().all(|b| b.is_ascii_hexdigit()));
        if is_address || is_identifier(token) {
            return self.shape.push('0');
        }
        if MONTHS.contains(&token) && self.is_in_date(after) {
            return self.shape.push_str("Mon");
        }
        if TEXT_KEYS.contains(&key) || !token.bytes().any(|byte| byte.is_ascii_digit()) {
            return self.shape.push_str(token);
        }
        let mut was_digit = false;
        for c in token.chars() {
            let is_digit = c.is_ascii_digit();
            if !is_digit {
                self.shape.push(c);
            } else if !was_digit {
                self.shape.push('0');
            }
            was_digit = is_digit;
        }
    }

    /// Whether a number is beside the name of a month.
    fn is_in_date(&self, after: &str) -> bool {
        let is_separator = |c: char| matches!(c, ' ' | '/' | '-');
        let before = self.shape.trim_end_matches(is_separator);
        let after = after.trim_start_matches(is_separator);
        before.ends_with('0') || after.starts_with(|c: char| c.is_ascii_digit())
    }
}

/// Whether it is a part of a word, number or identifier.
fn is_part(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '-' | '_')
}

/// Whether a token looks like nothing that a person has written.
fn is_identifier(token: &str) -> bool {
    let has_digit = token.bytes().any(|byte| byte.is_ascii_digit());
    let is_hex = token.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    if is_hex && token.bytes().any(|byte| byte.is_ascii_hexdigit()) {
        let digits_only = token.bytes().all(|byte| byte.is_ascii_digit());
        let least = if has_digit { HEX } else { HEX_WITHOUT_DIGIT };
        return !digits_only && token.len() >= least;
    }
    let numbers =
        token.split(|c: char| !c.is_ascii_digit()).filter(|part| !part.is_empty()).count();
    let has_cases = token.bytes().any(|byte| byte.is_ascii_lowercase())
        && token.bytes().any(|byte| byte.is_ascii_uppercase());
    token.len() >= MIXED && has_cases && numbers >= 2 && !token.contains('-')
}

/// The length of the unit at the beginning of a text, with a blank before it; 0 if there is none.
fn unit(text: &str) -> usize {
    let blank = usize::from(text.starts_with(' '));
    let unit = &text[blank..];
    let is_letter = |c: char| c.is_alphabetic() || c == '%';
    let end = unit.find(|c| !is_letter(c)).unwrap_or(unit.len());
    if UNITS.contains(&&unit[..end]) { blank + end } else { 0 }
}

/// The length of what stands before the `@` of an e-mail address at the beginning of a text.
fn before_host(text: &str) -> Option<usize> {
    let is_local = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '+' | '-');
    let end = text.find(|c| !is_local(c))?;
    let host = text[end..].strip_prefix('@')?;
    let dot = host.find(|c: char| !(c.is_ascii_alphanumeric() || c == '-'))?;
    let is_host = dot > 0 && host[dot..].starts_with('.');
    (end > 0 && is_host && host[dot + 1..].starts_with(|c: char| c.is_ascii_alphabetic()))
        .then_some(end)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::shape;

    #[test]
    fn what_differs_each_time_has_one_shape() {
        for (one, other) in [
            ("GET /users/17 200 3.2ms", "GET /users/4711 200 12.75ms"),
            ("2026-11-21T14:05:28.310Z start", "2026-11-22T09:00:00.001Z start"),
            ("id 3f2a9c1e77 done", "id 0011223344556677 done"),
            (
                "job 123e4567-e89b-12d3-a456-426614174000",
                "job 00000000-0000-0000-0000-000000000001",
            ),
            ("loaded \"a b\" in 3 s", "loaded \"c\" in  12 s"),
            ("pid 12", "pid    9"),
            (".> app: shop:0x7f277363a210", ".> app: shop:0xc0000b4000"),
            ("invoice 12 for al.b@example.com", "invoice 13 for bob@example.com"),
            ("took 985.2µs", "took 1.203ms"),
            ("took 312 ms", "took 1.2 s"),
            ("990 kB free", "1.1 MB free"),
            ("up 59s", "up 1m3s"),
            ("offset -3", "offset 3"),
            ("Nov 30 12:00:00 up", "Dec 1 12:00:00 up"),
            ("[23/Nov/2026:10:00:00] up", "[01/Dec/2026:10:00:00] up"),
            ("search \"\\\"socks\\\" found\"", "search \"hats\""),
            ("couldn't open 'a.txt'", "couldn't open 'b.txt'"),
            ("Foo@7f31245a", "Foo@1b2c3d4"),
            ("token cxch8X7bhOPM", "token a2Tq9ZZb1bCd"),
            (
                r#"{"level":30,"time":1,"pid":7,"msg":"sent 12 in 3 ms"}"#,
                r#"{"level":30,"time":2,"pid":9,"msg":"sent 13 in 1.5 s"}"#,
            ),
        ] {
            assert_eq!(shape(one), shape(other));
        }
    }

    #[test]
    fn what_is_another_message_has_another_shape() {
        for (one, other) in [
            ("listening on port 5000", "could not listen on port 5000"),
            ("warn: DATABASE_URL is empty", "info: DATABASE_URL is set"),
            ("deadbeef", "facade"),
            ("can't reach the cache; it's slow", "can't reach the database; it's slow"),
            ("\"POST /order/1 HTTP/1.1\" 200 12", "\"POST /order/2 HTTP/1.1\" 500 12"),
            ("POST /order/1470 -> 200", "POST /order/1470 -> 500"),
            ("GET /users/17 200 3.2ms", "GET /users/17 404 3.2ms"),
            ("exited with code 0", "exited with code 1"),
            ("      \"type\": \"Error\",", "      \"message\": \"no secret\","),
            ("      \"message\": \"one\",", "      \"message\": \"two\","),
            (
                r#"{"level":30,"time":1,"msg":"config PAGE_SIZE=20"}"#,
                r#"{"level":30,"time":1,"msg":"database pool exhausted"}"#,
            ),
            (r#"{"level":30,"msg":"done"}"#, r#"{"level":50,"msg":"done"}"#),
            (r#"level=info msg="pool is up""#, r#"level=info msg="pool is down""#),
            ("ConnectionRefusedError", "ConnectionResetError"),
        ] {
            assert_ne!(shape(one), shape(other), "{one}");
        }
    }

    proptest! {
        #[test]
        fn any_line_has_a_shape(line in ".{0,80}") {
            let found = shape(&line);
            prop_assert!(!found.starts_with(' '));
        }

        #[test]
        fn other_numbers_have_the_same_shape(
            words in prop::collection::vec("[a-z]{3,6}e", 1..6),
            one in any::<u16>(),
            other in any::<u16>(),
        ) {
            let line = |number: u16| words.join(&format!(" {number} "));
            prop_assert_eq!(shape(&line(one)), shape(&line(other)));
        }
    }
}
