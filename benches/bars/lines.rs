//! Numbered lines, and what has become of them.

use memchr::memmem::Finder;

/// Length of a line with its newline.
pub(crate) const LENGTH: usize = 80;
/// Before each line: what no tool writes by itself.
pub(crate) const MARK: &[u8] = b"L=";
/// Between mark and filling: `003=00000017=`.
const NUMBERS: usize = 13;

/// Append the line of this number.
pub(crate) fn push(process: usize, number: usize, out: &mut Vec<u8>) {
    use std::io::Write as _;
    let start = out.len();
    write!(out, "L={process:03}={number:08}=").unwrap();
    out.resize(start + LENGTH - 1, b'x');
    out.push(b'\n');
}

/// What has become of the lines of one measurement.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Fate {
    pub(crate) lost: usize,
    pub(crate) doubled: usize,
    pub(crate) torn: usize,
    pub(crate) disordered: usize,
}

impl Fate {
    /// Whether every line came once, whole and in its place.
    pub(crate) fn good(self) -> bool {
        self == Self::default()
    }

    pub(crate) const fn add(&mut self, other: Self) {
        self.lost += other.lost;
        self.doubled += other.doubled;
        self.torn += other.torn;
        self.disordered += other.disordered;
    }
}

/// Look at what came out of so many processes that wrote so many lines each.
pub(crate) fn fate(outputs: &[Vec<u8>], processes: usize, count: usize) -> Fate {
    let mut seen = vec![vec![false; count]; processes];
    let mut last = vec![None; processes];
    let mut fate = Fate::default();
    let finder = Finder::new(MARK);
    for line in outputs.iter().flat_map(|output| output.split(|&b| b == b'\n')) {
        let Some(start) = finder.find(line) else { continue };
        // What a tool says itself may quote the last lines.
        if line[..start].starts_with(b"system") {
            continue;
        }
        let Some((process, number)) = whole(&line[start + MARK.len()..], processes, count) else {
            fate.torn += 1;
            continue;
        };
        if std::mem::replace(&mut seen[process][number], true) {
            fate.doubled += 1;
        } else if last[process].is_some_and(|last| last > number) {
            fate.disordered += 1;
        }
        last[process] = last[process].max(Some(number));
    }
    fate.lost = seen.iter().flatten().filter(|seen| !**seen).count();
    fate
}

/// Process and number of a line that is whole; escapes may follow it.
fn whole(rest: &[u8], processes: usize, count: usize) -> Option<(usize, usize)> {
    let number = |bytes: &[u8]| std::str::from_utf8(bytes).ok()?.parse::<usize>().ok();
    let filling = rest.get(NUMBERS..LENGTH - 1 - MARK.len())?;
    let found = (number(rest.get(..3)?)?, number(rest.get(4..NUMBERS - 1)?)?);
    let bare =
        filling.iter().all(|&b| b == b'x') && rest.get(LENGTH - 1 - MARK.len()) != Some(&b'x');
    (bare && found.0 < processes && found.1 < count).then_some(found)
}
