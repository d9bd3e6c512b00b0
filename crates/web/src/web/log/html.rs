//! A line of output as HTML, for scripts that put it into a page of their own.

use std::fmt::{Formatter, Write as _};

use serde::Deserializer as _;
use serde::de::{Error as _, SeqAccess, Visitor};

use crate::journal::history::{StyledText, TextColor};
use crate::model::terminal::sgr::Attribute;

/// The first 16 of the 256 colours; terminals agree on the others only.
const BASIC: [&str; 16] = [
    "#000000", "#cd0000", "#00cd00", "#cdcd00", "#0000ee", "#cd00cd", "#00cdcd", "#e5e5e5",
    "#7f7f7f", "#ff0000", "#00ff00", "#ffff00", "#5c5cff", "#ff00ff", "#00ffff", "#ffffff",
];
/// The steps of each component in the colour cube of the 256 colours.
const STEPS: [u8; 6] = [0, 95, 135, 175, 215, 255];

/// The `runs` of a line of the API as text and `span` elements, if this takes at most so many bytes; otherwise, or
/// without them, its text alone.
pub(crate) fn html(text: &str, runs: Option<&str>, most: usize) -> String {
    let mut html = String::new();
    let styled = runs.map(|runs| {
        let spans = Spans { html: &mut html, most };
        serde_json::Deserializer::from_str(runs).deserialize_seq(spans)
    });
    if !matches!(styled, Some(Ok(()))) {
        html = String::new();
        escape(text, &mut html);
    }
    html
}

/// Writes each run when it is read: all of a line at once may take many times as much memory as its text.
struct Spans<'a> {
    html: &'a mut String,
    most: usize,
}

impl<'de> Visitor<'de> for Spans<'_> {
    type Value = ();

    fn expecting(&self, to: &mut Formatter<'_>) -> std::fmt::Result {
        to.write_str("the runs of a line")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut runs: A) -> Result<(), A::Error> {
        while let Some(run) = runs.next_element::<StyledText>()? {
            write(&run, self.html);
            if self.html.len() > self.most {
                return Err(A::Error::custom("this is too much"));
            }
        }
        Ok(())
    }
}

fn write(run: &StyledText, html: &mut String) {
    let style = style(run);
    if style.is_empty() {
        return escape(&run.text, html);
    }
    // Colours and attributes are words of our own, which need no escape.
    let _ = write!(html, "<span style=\"{style}\">");
    escape(&run.text, html);
    html.push_str("</span>");
}

/// Append a text to a page.
pub(crate) fn escape(text: &str, html: &mut String) {
    for char in text.chars() {
        match char {
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '&' => html.push_str("&amp;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            other => html.push(other),
        }
    }
}

fn style(run: &StyledText) -> String {
    let [text, behind] = [&run.color, &run.background].map(|one| one.as_ref().and_then(color));
    let mut colors = [("color", text), ("background", behind)];
    if run.attributes.contains(&Attribute::Reversed) {
        let [(_, text), (_, behind)] = &mut colors;
        std::mem::swap(text, behind);
        text.get_or_insert_with(|| "Canvas".to_owned());
        behind.get_or_insert_with(|| "CanvasText".to_owned());
    }
    let colors = colors.into_iter().filter_map(|(name, color)| Some(format!("{name}:{}", color?)));
    let mut lines = vec![];
    let mut others = vec![];
    for attribute in &run.attributes {
        match attribute {
            Attribute::Bold => others.push("font-weight:bold"),
            Attribute::Dim => others.push("opacity:.6"),
            Attribute::Italic => others.push("font-style:italic"),
            Attribute::Hidden => others.push("visibility:hidden"),
            Attribute::Underlined => lines.push("underline"),
            Attribute::Struck => lines.push("line-through"),
            Attribute::Overlined => lines.push("overline"),
            Attribute::Blinking | Attribute::Reversed => {}
        }
    }
    let lines = (!lines.is_empty()).then(|| format!("text-decoration:{}", lines.join(" ")));
    colors.chain(others.into_iter().map(str::to_owned)).chain(lines).collect::<Vec<_>>().join(";")
}

/// A colour of the API in CSS; `None` if it is none.
fn color(color: &TextColor) -> Option<String> {
    let number = match color {
        TextColor::Number(number) => *number,
        TextColor::Exact(exact) => {
            let digits = exact.strip_prefix('#').filter(|_| exact.len() == 7)?;
            return digits.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| exact.clone());
        }
    };
    if let Some(basic) = BASIC.get(usize::from(number)) {
        return Some((*basic).to_owned());
    }
    let [red, green, blue] = if let Some(gray) = number.checked_sub(232) {
        [8 + 10 * gray; 3]
    } else {
        let cube = number - 16;
        [cube / 36, cube / 6 % 6, cube % 6].map(|step| STEPS[usize::from(step)])
    };
    Some(format!("#{red:02x}{green:02x}{blue:02x}"))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{TextColor, color, html};

    fn styled(runs: &Value) -> String {
        html("text", Some(&runs.to_string()), 1000)
    }

    #[test]
    fn text_is_escaped_and_styles_are_spans() {
        let runs = json!([
            { "text": "red", "color": 1, "attributes": ["bold"] }, { "text": " <b> & \"it's\"" },
        ]);
        let expected = "<span style=\"color:#cd0000;font-weight:bold\">red</span> &lt;b&gt; &amp; \
                        &quot;it&#39;s&quot;";
        assert_eq!(styled(&runs), expected);
        assert_eq!(html("<script>", None, 1000), "&lt;script&gt;");
        assert_eq!(html("", None, 1000), "");
        let lines = json!([{ "text": "x", "attributes": ["underlined", "struck"] }]);
        let expected = "<span style=\"text-decoration:underline line-through\">x</span>";
        assert_eq!(styled(&lines), expected);
        let reversed = json!([{ "text": "x", "color": 2, "attributes": ["reversed"] }]);
        let expected = "<span style=\"color:Canvas;background:#00cd00\">x</span>";
        assert_eq!(styled(&reversed), expected);
    }

    #[test]
    fn a_line_with_too_many_styles_is_its_text_alone() {
        let runs: Vec<_> = (0..100).map(|color| json!({ "text": "<", "color": color })).collect();
        assert_eq!(html("<<", Some(&json!(runs).to_string()), 1000), "&lt;&lt;");
        assert!(styled(&json!(runs[..10])).starts_with("<span"));
        assert_eq!(styled(&json!({ "runs": 1 })), "text", "these are no runs");
    }

    #[test]
    fn all_colours_have_their_form_in_css() {
        let of = |number: u8| color(&TextColor::Number(number)).unwrap();
        assert_eq!(
            [of(15), of(16), of(231), of(232), of(255)],
            ["#ffffff", "#000000", "#ffffff", "#080808", "#eeeeee"]
        );
        assert!((0..=255).all(|number| of(number).len() == 7));
        let exact = |text: &str| color(&TextColor::Exact(text.to_owned()));
        assert_eq!(exact("#12ab9f"), Some("#12ab9f".to_owned()));
        let hostile = ["#12345\"", "red;x:y", "#éé", "#ééé", ""];
        assert!(hostile.into_iter().all(|hostile| exact(hostile).is_none()));
    }
}
