//! The speed of a search without a match. Beside it: `tmo logs --grep`.

use std::process::Stdio;
use std::time::Instant;

use crate::chromium::Chromium;
use crate::options::Options;
use crate::shared::quantile;
use crate::shared::table::{Bar, Table, Who, ms};
use crate::stack::{end, float, open_log, with_journal};
use crate::web_server::WebServer;

const TEXT: &str = "Nowhere to be found";

pub(super) fn measure(options: &Options, table: &mut Table) {
    let chromium = Chromium::installed().unwrap();
    let world = with_journal(options.journal_mib);
    let web = WebServer::start(&world);
    let page = open_log(&chromium, &world, &web);
    let (mut in_page, mut in_command) = (vec![], vec![]);
    for _ in 0..options.count(5, 1) {
        let search = format!(
            "bench.time(() => {{ const input = document.querySelector('.find'); input.value = '{TEXT}'; \
             input.dispatchEvent(new KeyboardEvent('keydown', {{ key: 'Enter' }})); }}, \
             () => document.querySelector('.find-status').textContent.includes('no older match'))"
        );
        page.value("(document.querySelector('.find').value = '', document.querySelector('.find').dispatchEvent(new Event('input')), null)");
        page.value(&format!(
            "(document.querySelector('.find').value = '{TEXT}', document.querySelector('.find').dispatchEvent(new Event('input')), null)"
        ));
        page.until(
            "all are counted",
            "document.querySelector('.find-status').textContent === 'no match'",
        );
        in_page.push(float(&page, &search));
        let begun = Instant::now();
        let mut command = world.tmo(["logs", "--all-runs", "--grep", TEXT]);
        command.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
        in_command.push(ms(begun.elapsed()));
    }
    let mib = f64::from(options.journal_mib);
    let rate = |times: &mut Vec<f64>| mib * 1000.0 / quantile(times, 50).unwrap();
    let what = "search for what is not there; beside it: logs --grep [MiB/s]";
    table.of(Who::Tmo, what, Bar::Any, rate(&mut in_page));
    table.of(Who::Peer, what, Bar::Any, rate(&mut in_command));
    drop(page);
    end(&world, web);
}
