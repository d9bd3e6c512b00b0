//! Texts in lines that fit.

/// The columns of a help.
const WIDTH: usize = 80;

/// The text in lines that fit. Sentences are filled; what an example does is continued below its first word.
pub(in crate::cli) fn fitted(text: &str) -> String {
    let (mut lines, mut sentence) = (vec![], String::new());
    for line in text.lines() {
        if line.is_empty() || line.starts_with(' ') {
            fill(&mut lines, "", &std::mem::take(&mut sentence));
            if line.is_empty() {
                lines.push(String::new());
            }
            let (head, words) = line.split_at(column(line));
            fill(&mut lines, head, words);
            continue;
        }
        sentence = format!("{sentence} {line}");
        // It may go on in the next line.
        if line.ends_with(['.', ':']) {
            fill(&mut lines, "", &std::mem::take(&mut sentence));
        }
    }
    fill(&mut lines, "", &sentence);
    lines.join("\n")
}

/// Where the description of an example begins: behind two blanks, or at the first word.
fn column(line: &str) -> usize {
    let start = line.len() - line.trim_start().len();
    let behind = line[start..].find("  ").map(|at| start + at);
    let gap = |at: usize| at + line[at..].len() - line[at..].trim_start().len();
    // A command without a description is left as it is.
    behind.map_or(if start > 2 { start } else { line.len() }, gap)
}

/// Add lines with these words behind this head; further lines are indented as far.
pub(in crate::cli) fn fill(lines: &mut Vec<String>, head: &str, words: &str) {
    let width = |text: &str| text.chars().count();
    let indent = " ".repeat(width(head));
    let mut line = head.to_owned();
    for word in words.split_whitespace() {
        let is_first = width(&line) == width(head);
        if !is_first && width(&line) + 1 + width(word) > WIDTH {
            lines.push(std::mem::replace(&mut line, format!("{indent}{word}")));
        } else {
            line = if is_first { format!("{line}{word}") } else { format!("{line} {word}") };
        }
    }
    if !line.trim().is_empty() || words.is_empty() && !head.is_empty() {
        lines.push(line);
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::fitted;

    #[test]
    fn long_lines_are_continued_where_their_text_begins() {
        let text = "\
Examples:
  tmo one                       short
  tmo two                       what this does needs more columns than there are in a line
                                and what is below it does as well, so that it is continued
  tmo three | grep 'a command without a description is never broken, so that it can be copied'

It is a sentence that goes on in
the next line.
Another begins a line.";
        let expected = "\
Examples:
  tmo one                       short
  tmo two                       what this does needs more columns than there are
                                in a line
                                and what is below it does as well, so that it is
                                continued
  tmo three | grep 'a command without a description is never broken, so that it can be copied'

It is a sentence that goes on in the next line.
Another begins a line.";
        assert_eq!(fitted(text), expected);
    }
}
