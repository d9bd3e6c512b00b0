//! Pages of the manual that are about files: their parts, as text for a terminal and for `man`.

use std::fmt::Write as _;

use crate::cli::output::fill::fill;

/// The indentation of what is said about a term.
const INDENT: &str = "    ";

/// A part of a page. Code within texts stands in backticks.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum PageBlock {
    Heading(String),
    Text(String),
    /// An item of a list.
    Bullet(String),
    /// A term, and what is said about it.
    Entry(String, String),
    /// Lines that are not filled.
    Code(Vec<String>),
}

/// The parts of a page of the documentation, without its title. A row of a table becomes an entry.
pub(super) fn markdown(page: &str) -> Vec<PageBlock> {
    let mut blocks = vec![];
    let mut header = vec![];
    let mut lines = page.lines();
    let mut is_continued = false;
    while let Some(line) = lines.next() {
        let goes_on = std::mem::replace(&mut is_continued, false);
        if line.starts_with("```") {
            let code = lines.by_ref().take_while(|line| !line.starts_with("```"));
            blocks.push(PageBlock::Code(code.map(str::to_owned).collect()));
        } else if let Some(title) = line.strip_prefix("## ") {
            blocks.push(PageBlock::Heading(inline(title)));
        } else if let Some(row) = line.strip_prefix("| ") {
            let cells: Vec<String> = row.trim_end_matches(" |").split(" | ").map(inline).collect();
            match (&*header, &*cells) {
                ([], _) => header = cells,
                (_, [term, text]) => blocks.push(PageBlock::Entry(term.clone(), text.clone())),
                (heads, [term, texts @ ..]) => {
                    let texts = heads.iter().skip(1).zip(texts);
                    let texts: Vec<_> =
                        texts.map(|(head, text)| format!("{head}: {text}")).collect();
                    blocks.push(PageBlock::Entry(term.clone(), texts.join("; ") + "."));
                }
                (_, []) => {}
            }
        } else if line.is_empty() || line.starts_with("# ") {
            header.clear();
        } else if let Some(text) = line.strip_prefix("- ") {
            blocks.push(PageBlock::Bullet(inline(text)));
            is_continued = true;
        } else if !line.starts_with("|--") {
            match blocks.last_mut() {
                Some(PageBlock::Text(text) | PageBlock::Bullet(text)) if goes_on => {
                    *text = format!("{text} {}", inline(line.trim_start()));
                }
                _ => blocks.push(PageBlock::Text(inline(line))),
            }
            is_continued = true;
        }
    }
    blocks
}

/// A text without emphasis and the addresses of links.
fn inline(text: &str) -> String {
    let text = text.replace("**", "");
    let mut parts = text.split("](");
    let mut shown = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        if let Some(label) = shown.rfind('[') {
            shown.remove(label);
            // A picture is its text.
            if shown[..label].ends_with('!') && shown[..label].trim() == "!" {
                shown.remove(label - 1);
            }
        }
        shown.push_str(part.split_once(')').map_or(part, |(_, behind)| behind));
    }
    shown
}

/// A page for a terminal, with bold headings and terms.
pub(super) fn text(blocks: &[PageBlock]) -> String {
    let mut lines: Vec<String> = vec![];
    for (at, block) in blocks.iter().enumerate() {
        let is_list = matches!(block, PageBlock::Bullet(_));
        if at > 0 && !(is_list && matches!(blocks[at - 1], PageBlock::Bullet(_))) {
            lines.push(String::new());
        }
        match block {
            PageBlock::Heading(title) => lines.push(format!("\x1b[1;4m{title}\x1b[0m")),
            PageBlock::Text(text) => fill(&mut lines, "", text),
            PageBlock::Bullet(text) => fill(&mut lines, "- ", text),
            PageBlock::Entry(term, text) => {
                lines.push(format!("\x1b[1m{term}\x1b[0m"));
                fill(&mut lines, INDENT, text);
            }
            PageBlock::Code(code) => {
                lines.extend(
                    code.iter().map(|line| format!("{INDENT}{line}").trim_end().to_owned()),
                );
            }
        }
    }
    lines.join("\n") + "\n"
}

/// A page for `man`.
pub(super) fn roff(
    (name, section): (&str, u8),
    about: &str,
    blocks: &[PageBlock],
    see: &str,
) -> String {
    let version = env!("CARGO_PKG_VERSION");
    let mut page = format!(
        ".ie \\n(.g .ds Aq \\(aq\n.el .ds Aq '\n.TH {name} {section}  \"tmo {version}\" \"The tmo manual\"\n\
         .SH NAME\n{} \\- {}\n.SH DESCRIPTION\n",
        literal(name),
        literal(about)
    );
    for block in blocks {
        // Writing to a string does not fail.
        let _ = match block {
            PageBlock::Heading(title) => writeln!(page, ".SH {}", bold_code(title)),
            PageBlock::Text(text) => writeln!(page, ".PP\n{}", bold_code(text)),
            PageBlock::Bullet(text) => writeln!(page, ".IP \\(bu 2\n{}", bold_code(text)),
            PageBlock::Entry(term, text) => {
                writeln!(
                    page,
                    ".TP\n\\fB{}\\fR\n{}",
                    literal(&term.replace('`', "")),
                    bold_code(text)
                )
            }
            PageBlock::Code(code) => {
                let lines: Vec<_> = code.iter().map(|line| literal(line) + "\n").collect();
                writeln!(page, ".PP\n.RS 4\n.nf\n{}.fi\n.RE", lines.concat())
            }
        };
    }
    let _ = writeln!(page, ".SH SEE ALSO\n{}", literal(see));
    page
}

/// A text with its code in bold.
fn bold_code(text: &str) -> String {
    let part = |(at, part): (usize, &str)| match at % 2 {
        0 => literal(part),
        _ => format!("\\fB{}\\fR", literal(part)),
    };
    text.split('`').enumerate().map(part).collect()
}

/// A line escaped for roff.
pub(super) fn literal(line: &str) -> String {
    let escaped = line.replace('\\', "\\e").replace('-', "\\-").replace('\'', "\\(aq");
    if escaped.starts_with('.') { format!("\\&{escaped}") } else { escaped }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::PageBlock::{Bullet, Code, Entry, Heading, Text};
    use super::{inline, literal, markdown, roff, text};

    const PAGE: &str = "\
# Title

A text with `code` and
[a link](X.md#there).

## Part

| word | meaning |
|---|---|
| `a` | first |

| word | here | there |
|---|---|---|
| b | 1 | 2 |
- one
  goes on
- **two**
```toml
.x = 'y'
```
";

    #[test]
    fn a_page_of_the_documentation_is_read() {
        let owned = str::to_owned;
        let expected = [
            Text(owned("A text with `code` and a link.")),
            Heading(owned("Part")),
            Entry(owned("`a`"), owned("first")),
            Entry(owned("b"), owned("here: 1; there: 2.")),
            Bullet(owned("one goes on")),
            Bullet(owned("two")),
            Code(vec![owned(".x = 'y'")]),
        ];
        assert_eq!(markdown(PAGE), expected);
        assert_eq!(inline("[a](b) and [c](d) [e]"), "a and c [e]");
    }

    #[test]
    fn a_page_is_laid_out_for_terminals_and_for_man() {
        let shown = anstream::adapter::strip_str(&text(&markdown(PAGE))).to_string();
        let expected = "A text with `code` and a link.\n\nPart\n\n`a`\n    first\n\nb\n    here: 1; there: 2.\n\
            \n- one goes on\n- two\n\n    .x = 'y'\n";
        assert_eq!(shown, expected);
        let page = roff(("x-y", 5), "a", &markdown(PAGE), "tmo(1)");
        for part in [
            ".TH x-y 5 ",
            "x\\-y \\- a\n",
            ".PP\nA text with \\fBcode\\fR and a link.\n",
            ".TP\n\\fBa\\fR\nfirst\n",
            ".nf\n\\&.x = \\(aqy\\(aq\n.fi\n",
        ] {
            assert!(page.contains(part), "{part} in {page}");
        }
    }

    #[test]
    fn roff_sees_no_request_in_an_example() {
        assert_eq!(literal(".x 'a-\\'"), "\\&.x \\(aqa\\-\\e\\(aq");
    }
}
