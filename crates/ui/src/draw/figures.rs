//! Processor time and memory of the last minutes, of the selected process or of all together.

use ratatui_core::buffer::Buffer;
use ratatui_core::layout::Rect;

use super::cells::put;
use super::list::mebibytes;
use super::theme::Theme;
use crate::figures::series::{Point, Series};
use crate::figures::{Figures, named};
use crate::model::{ProcName, units};
use crate::state::Ui;

/// Columns before the bars: `memory  41M `.
const LABEL: u16 = 14;

pub(super) fn draw(ui: &Ui, figures: &Series, theme: Theme, area: Rect, buffer: &mut Buffer) {
    let name = ui.list.selected.as_ref();
    let points = figures.points(name);
    let line = |row| Rect { y: area.y + row, height: 1, ..area };
    let style = theme.strong();
    put(buffer, (area.x + 1, area.y), area.width - 1, &title(figures, name), style);
    let last = points.last().copied().unwrap_or_default();
    let memory: Vec<_> = points.iter().map(|point| point.memory_bytes).collect();
    let label = format!("memory {:>5}", mebibytes(last.memory_bytes));
    if area.height > 1 {
        lane(line(1), theme, &label, &memory, 0, buffer);
    }
    #[expect(clippy::cast_possible_truncation, reason = "a percentage for people")]
    #[expect(clippy::cast_sign_loss, reason = "it is not negative")]
    let cpu = |point: &Point| point.cpu_percent.map(|percent| percent.round() as u64);
    let percent = cpu(&last).map_or("-".to_owned(), |percent| format!("{percent}%"));
    let label = format!("CPU    {percent:>5}");
    if area.height > 2 {
        let cpu: Vec<_> = points.iter().map(|point| cpu(point).unwrap_or(0)).collect();
        // Less than a processor is not shown as much.
        lane(line(2), theme, &label, &cpu, 100, buffer);
    }
}

/// What the figures are about.
fn title(series: &Series, name: Option<&ProcName>) -> String {
    let subject = name.map_or("all processes", ProcName::as_str);
    let shown = series.lasts().filter(|figures| name.is_none_or(|name| figures.name == *name));
    let Some(total) = Figures::total(shown).filter(|total| total.processes > 0) else {
        return format!("{subject}: nothing runs");
    };
    let listens = match total.listens.as_deref().filter(|_| name.is_some()) {
        Some(ports @ [_, ..]) => format!(", listens on {}", named(ports)),
        _ => String::new(),
    };
    let threads = format!("{} thread{}", total.threads, if total.threads == 1 { "" } else { "s" });
    let processes = units::processes(total.processes as usize, "");
    let output = total.output_bytes_per_second.unwrap_or(0.0) / 1000.0;
    format!("{subject}: {processes}, {threads}, prints {output:.1} KB/s{listens}")
}

/// A bar for each second, the last one at the right; the highest is the largest number, but at least `full`.
fn lane(line: Rect, theme: Theme, label: &str, numbers: &[u64], full: u64, buffer: &mut Buffer) {
    put(buffer, (line.x + 1, line.y), LABEL, label, theme.dim());
    let columns = usize::from(line.width.saturating_sub(LABEL));
    let numbers = &numbers[numbers.len().saturating_sub(columns)..];
    let most = numbers.iter().copied().max().unwrap_or(0).max(full).max(1);
    let skipped = u16::try_from(columns - numbers.len()).unwrap_or(0);
    for (number, x) in numbers.iter().zip(line.x + LABEL + skipped..line.right()) {
        let eighths = usize::try_from(number.saturating_mul(8).div_ceil(most)).unwrap_or(8);
        if *number > 0 {
            put(buffer, (x, line.y), 1, theme.eighths(eighths), theme.strong());
        }
    }
}
