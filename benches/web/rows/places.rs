//! From a key or a click to the frame that shows another place of a large journal. Beside it: the same in a small
//! one.

use super::times;
use crate::chromium::Chromium;
use crate::options::Options;
use crate::page::Page;
use crate::shared::table::{Bar, Table, Who};
use crate::stack::{end, float, open_log, with_journal};
use crate::web_server::WebServer;

/// A click on the scroll bar, at a share of its height.
fn drag(share: f64) -> String {
    format!(
        "((bar, box) => [['pointerdown', 1], ['pointerup', 0]].forEach(([type, buttons]) => bar.dispatchEvent(\
         new PointerEvent(type, {{ pointerId: 1, buttons, clientX: box.left + 5, clientY: box.top + box.height * {share}, bubbles: true }}))))\
         (document.querySelector('.scrollbar'), document.querySelector('.scrollbar').getBoundingClientRect())"
    )
}

/// The time until other lines are visible, with these words if there are any.
fn until_moved(page: &Page, act: &str, shows: &str) -> f64 {
    float(
        page,
        &format!(
            "((before) => bench.time(() => {act}, () => {{ const seen = probe.visible(); return seen.length > 10 && \
             seen.join() !== before && seen.some((line) => line.includes('{shows}')); }}))(probe.visible().join())"
        ),
    )
}

pub(super) fn measure(options: &Options, table: &mut Table) {
    for (who, mib) in [(Who::Tmo, options.journal_mib), (Who::Peer, 1)] {
        let chromium = Chromium::installed().unwrap();
        let world = with_journal(mib);
        let web = WebServer::start(&world);
        let page = open_log(&chromium, &world, &web);
        // Capturing fails for a pointer without a real device.
        page.value("(Element.prototype.setPointerCapture = () => {}, null)");
        let (mut ends, mut places, mut pages) = (vec![], vec![], vec![]);
        for round in 0..options.count(20, 3) {
            ends.push(until_moved(&page, "bench.press('Home')", "000000000 GET"));
            let share = f64::from(u32::try_from(round * 37 % 90 + 5).unwrap()) / 100.0;
            places.push(until_moved(&page, &drag(share), "GET"));
            for _ in 0..5 {
                pages.push(until_moved(&page, "bench.press('PageDown')", "GET"));
                pages.push(until_moved(&page, "bench.press('PageUp')", "GET"));
            }
            ends.push(until_moved(&page, "bench.press('End')", "at "));
        }
        let bars = [Bar::AtMost(200.0), Bar::Any];
        times(table, who, "Home and End → frame; beside it: journal of 1 MiB", bars, &ends);
        times(
            table,
            who,
            "click on the scroll bar → frame; beside it: journal of 1 MiB",
            bars,
            &places,
        );
        times(table, who, "page up and down → frame; beside it: journal of 1 MiB", bars, &pages);
        let heap = f64::from(u32::try_from(page.heap() >> 10).unwrap()) / 1024.0;
        let what = "the same: JavaScript heap after all of that [MiB]";
        table.of(who, what, Bar::Below(50.0), heap);
        drop(page);
        end(&world, web);
    }
}
