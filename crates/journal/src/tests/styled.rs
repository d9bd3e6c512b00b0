use super::{EPOCH, Place, SECOND};
use crate::model::StreamNo;
use crate::model::terminal::sgr::{Attribute, Color};
use crate::read::cursor::{Filter, Position};
use crate::read::index::IndexReader;
use crate::search::page::{Pager, Want};
use crate::search::styled::{Row, Styles};

/// A row with its colours: `text` plain, `1:text` in colour 1.
fn shown(rows: &[Row]) -> String {
    let run = |run: &super::super::search::styled::Run| match run.style.foreground() {
        Color::Indexed(color) => format!("{color}:{}", run.text),
        Color::Default | Color::Rgb(..) => run.text.clone(),
    };
    let row = |row: &Row| row.iter().map(run).collect::<Vec<_>>().join("|");
    rows.iter().map(row).collect::<Vec<_>>().join(" / ")
}

fn all(place: &Place, from: usize) -> Vec<String> {
    let mut pager =
        Pager::new(IndexReader::open(&place.dirs), Filter::only(vec![StreamNo(1), StreamNo(2)]));
    let step = pager.down(Position::default(), u64::MAX, &Want::entries(99)).unwrap();
    let mut styles = Styles::new(&place.dirs);
    let rows = |kept: &crate::search::select::Kept| styles.rows(&kept.entry()).unwrap();
    step.entries[from..].iter().map(rows).map(|rows| shown(&rows)).collect()
}

#[test]
fn a_colour_stays_on_until_it_is_switched_off_wherever_a_page_begins() {
    let place = Place::new();
    let (mut web, mut db) = (place.sink(1, 1 << 20), place.sink(2, 1 << 20));
    let mut ingest = place.ingest();
    for (at, text) in
        ["plain \x1b[31mred\n", "red too\n", "red\x1b[m off\n", "\x1b[32mgreen\x1b[39m\tx\r\n"]
            .iter()
            .enumerate()
    {
        let time = EPOCH + at as u64 * SECOND;
        web.append(time, text.as_bytes());
        db.append(time, b"db\n");
        ingest.wake(StreamNo(1), u64::MAX).unwrap();
        ingest.wake(StreamNo(2), u64::MAX).unwrap();
    }
    let lines = ["plain |1:red", "db", "1:red too", "db", "1:red| off", "db", "2:green|\tx", "db"];
    for from in 0..lines.len() {
        assert_eq!(all(&place, from), lines[from..], "from {from}");
    }
}

#[test]
fn a_line_drawn_in_several_rows_has_all_of_them() {
    let place = Place::new();
    let mut web = place.sink(1, 1 << 20);
    web.append(EPOCH, b"one\x1b[1A\r\x1b[Ktwo\nold\rnew\n");
    place.ingest().wake(StreamNo(1), u64::MAX).unwrap();
    assert_eq!(all(&place, 0), ["one / two", "new"]);
}

#[test]
fn attributes_have_names() {
    let place = Place::new();
    let mut web = place.sink(1, 1 << 20);
    web.append(EPOCH, b"\x1b[1;4;7;9;38;2;1;2;3;44mx\x1b[mrest\n");
    place.ingest().wake(StreamNo(1), u64::MAX).unwrap();
    let mut pager = Pager::new(IndexReader::open(&place.dirs), Filter::all());
    let step = pager.down(Position::default(), u64::MAX, &Want::entries(9)).unwrap();
    let rows = Styles::new(&place.dirs).rows(&step.entries[0].entry()).unwrap();
    let style = rows[0][0].style;
    assert_eq!((style.foreground(), style.background()), (Color::Rgb(1, 2, 3), Color::Indexed(4)));
    let names: Vec<_> = style.attributes().collect();
    let expected = [Attribute::Bold, Attribute::Reversed, Attribute::Struck, Attribute::Underlined];
    assert_eq!(names, expected);
    assert!(rows[0][1].style.is_plain());
}
