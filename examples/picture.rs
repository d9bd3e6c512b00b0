//! Draws the text of a terminal (`tmux capture-pane -p -e`) as an SVG picture, for `shell/picture`.
//!
//!     picture TITLE COLUMNS <capture >picture.svg

use std::error::Error;
use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::num::NonZeroU16;

use vt100::{Cell, Color, Parser, Screen};

/// Size of a character cell, of the font, and of what surrounds the text, in pixels.
const CELL: (f32, f32) = (8.4, 19.0);
const FONT: f32 = 14.0;
const MARGIN: f32 = 18.0;
const TITLE_BAR: f32 = 36.0;

const FONTS: &str = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace";

const BACKGROUND: u32 = 0x1c_2128;
const FOREGROUND: u32 = 0xd5_dbe3;
const BAR: u32 = 0x2b_313a;
const BORDER: u32 = 0x44_4c56;
const TITLE: u32 = 0x9a_a4b0;
const DOTS: [u32; 3] = [0xe0_6c75, 0xe5_c07b, 0x8c_c27a];

/// Black, red, green, yellow, blue, magenta, cyan and white; then their bright variants.
const PALETTE: [u32; 16] = [
    0x3b_424d, 0xf0_7f86, 0x93_cc80, 0xe6_c27a, 0x78_b4f2, 0xc7_9bea, 0x69_c5ce, 0xd5_dbe3, //
    0x7d_8794, 0xff_9ba1, 0xb0_e09f, 0xf5_d898, 0x9c_cafb, 0xdc_b8f7, 0x8f_dde4, 0xf5_f7fa,
];

/// How a run of cells looks.
#[derive(PartialEq)]
struct Style {
    background: u32,
    /// The attributes of its `<text>`.
    attributes: String,
}

impl Style {
    fn of(cell: &Cell) -> Self {
        let mut colours = [rgb(cell.fgcolor(), FOREGROUND), rgb(cell.bgcolor(), BACKGROUND)];
        if cell.inverse() {
            colours.reverse();
        }
        let [foreground, background] = colours;
        let mut attributes = format!(" fill=\"#{foreground:06x}\"");
        for (on, attribute) in [
            (cell.bold(), " font-weight=\"bold\""),
            (cell.dim(), " fill-opacity=\"0.6\""),
            (cell.italic(), " font-style=\"italic\""),
            (cell.underline(), " text-decoration=\"underline\""),
        ] {
            if on {
                attributes.push_str(attribute);
            }
        }
        Self { background, attributes }
    }
}

/// A colour of the terminal as `0xRRGGBB`.
fn rgb(color: Color, default: u32) -> u32 {
    let pack = |r: u8, g: u8, b: u8| u32::from_be_bytes([0, r, g, b]);
    match color {
        Color::Default => default,
        Color::Idx(index @ 0..16) => PALETTE[usize::from(index)],
        // A cube of 6×6×6 colours, then 24 shades of grey.
        Color::Idx(index @ 16..232) => {
            let level = |n: u8| if n == 0 { 0 } else { 55 + 40 * n };
            let index = index - 16;
            pack(level(index / 36), level(index / 6 % 6), level(index % 6))
        }
        Color::Idx(index) => {
            let grey = 8 + 10 * (index - 232);
            pack(grey, grey, grey)
        }
        Color::Rgb(r, g, b) => pack(r, g, b),
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// A sign is drawn by itself: fonts that have it differ in its width.
fn is_sign(text: &str) -> bool {
    text.chars().next().is_some_and(|c| !c.is_ascii() && !c.is_alphanumeric())
}

/// The part of a cell that a block or a rule fills (left, top, width and height, from 0 to 1), and how opaque
/// it is. As text there would be gaps between them, and fonts differ in their height.
fn filled(text: &str) -> Option<([f32; 4], f32)> {
    let character = text.chars().next()?;
    Some(match character {
        '▁'..='█' => {
            let eighths = u8::try_from(u32::from(character) - u32::from('▁') + 1).ok()?;
            let height = f32::from(eighths) / 8.0;
            ([0.0, 1.0 - height, 1.0, height], 1.0)
        }
        '░' => ([0.0, 0.0, 1.0, 1.0], 0.25),
        '│' => ([0.43, 0.0, 0.14, 1.0], 1.0),
        '─' => ([0.0, 0.47, 1.0, 0.06], 1.0),
        _ => return None,
    })
}

/// Neighbouring cells of one style: the first column, the columns that they take, and their text.
struct Run {
    style: Style,
    column: u16,
    columns: u16,
    text: String,
}

fn runs(screen: &Screen, row: u16, columns: u16) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for column in 0..columns {
        let Some(cell) = screen.cell(row, column) else { break };
        // The second half of a wide character belongs to the first.
        if cell.is_wide_continuation() {
            continue;
        }
        let (style, width) = (Style::of(cell), if cell.is_wide() { 2 } else { 1 });
        let text = if cell.has_contents() { cell.contents() } else { " " };
        match runs.last_mut() {
            Some(run) if run.style == style && !is_sign(text) && !is_sign(&run.text) => {
                run.columns += width;
                run.text.push_str(text);
            }
            _ => runs.push(Run { style, column, columns: width, text: text.into() }),
        }
    }
    runs
}

fn draw_rectangle(svg: &mut String, place: [f32; 4], attributes: &str) -> std::fmt::Result {
    let [x, y, width, height] = place;
    writeln!(
        svg,
        r#"<rect x="{x:.1}" y="{y:.1}" width="{width:.1}" height="{height:.1}"{attributes}/>"#
    )
}

/// Draw the run as a `<text>` of exactly the width of its columns, so that columns align in every font.
fn draw_run(svg: &mut String, run: &Run, top: f32) -> std::fmt::Result {
    let x = MARGIN + f32::from(run.column) * CELL.0;
    let width = f32::from(run.columns) * CELL.0;
    let attributes = &run.style.attributes;
    if run.style.background != BACKGROUND {
        let fill = format!(" fill=\"#{:06x}\"", run.style.background);
        draw_rectangle(svg, [x, top, width, CELL.1], &fill)?;
    }
    if let Some(([left, above, wide, high], opacity)) = filled(&run.text) {
        let part = [x + left * width, top + above * CELL.1, wide * width, high * CELL.1];
        return draw_rectangle(svg, part, &format!("{attributes} opacity=\"{opacity}\""));
    }
    let text = run.text.trim_matches(' ');
    if text.is_empty() {
        return Ok(());
    }
    let blanks = |rest: &str| f32::from(u16::try_from(run.text.len() - rest.len()).unwrap_or(0));
    let left = blanks(run.text.trim_start_matches(' ')) * CELL.0;
    let right = blanks(run.text.trim_end_matches(' ')) * CELL.0;
    let (x, y, width) = (x + left, top + 0.74 * CELL.1, width - left - right);
    let text = escape(text);
    writeln!(
        svg,
        r#"<text x="{x:.1}" y="{y:.1}" textLength="{width:.1}" xml:space="preserve"{attributes}>{text}</text>"#
    )
}

fn draw(title: &str, screen: &Screen) -> Result<String, std::fmt::Error> {
    let (rows, columns) = screen.size();
    let width = 2.0 * MARGIN + f32::from(columns.get()) * CELL.0;
    let height = TITLE_BAR + 1.6 * MARGIN + f32::from(rows.get()) * CELL.1;
    let (title, middle, bar) = (escape(title), width / 2.0, TITLE_BAR);
    let (inner_width, inner_height, below_bar) = (width - 1.0, height - 1.0, TITLE_BAR + 0.5);

    let mut svg = format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0} {height:.0}" width="{width:.0}" height="{height:.0}" role="img" aria-label="{title}">
<clipPath id="window"><rect width="{width:.0}" height="{height:.0}" rx="10"/></clipPath>
<g clip-path="url(#window)">
<rect width="100%" height="100%" fill="#{BACKGROUND:06x}"/>
<rect width="100%" height="{bar}" fill="#{BAR:06x}"/>
<path d="M0 {below_bar}H{width:.0}" stroke="#{BORDER:06x}"/>
</g>
<rect x="0.5" y="0.5" width="{inner_width:.0}" height="{inner_height:.0}" rx="9.5" fill="none" stroke="#{BORDER:06x}"/>
"##
    );
    for (x, fill) in [20, 40, 60].into_iter().zip(DOTS) {
        writeln!(svg, r##"<circle cx="{x}" cy="18" r="6" fill="#{fill:06x}"/>"##)?;
    }
    writeln!(svg, r#"<g font-family="{FONTS}" font-size="{FONT}" shape-rendering="crispEdges">"#)?;
    writeln!(
        svg,
        r##"<text x="{middle}" y="23" text-anchor="middle" fill="#{TITLE:06x}">{title}</text>"##
    )?;
    for row in 0..rows.get() {
        let top = TITLE_BAR + 0.8 * MARGIN + f32::from(row) * CELL.1;
        for run in runs(screen, row, columns.get()) {
            draw_run(&mut svg, &run, top)?;
        }
    }
    svg.push_str("</g>\n</svg>\n");
    Ok(svg)
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(title), Some(columns)) = (arguments.next(), arguments.next()) else {
        return Err("usage: picture TITLE COLUMNS <capture >picture.svg".into());
    };
    let mut capture = String::new();
    std::io::stdin().read_to_string(&mut capture)?;
    let lines: Vec<&str> = capture.trim_end().lines().collect();

    let rows = NonZeroU16::try_from(u16::try_from(lines.len())?)?;
    let mut parser = Parser::new(rows, columns.parse()?, 0);
    parser.process(lines.join("\r\n").as_bytes());
    std::io::stdout().write_all(draw(&title, parser.screen())?.as_bytes())?;
    Ok(())
}
