//! Benchmarks of the web interface in a real Chromium: latency of the page, and its costs.
//!
//! A page with a large journal is measured beside the same page with an empty one, a terminal beside
//! `tmo connect`, a search beside `tmo logs --grep`. All times end with the frame that shows the result.
//!
//! ```text
//! cargo bench --bench web
//! cargo bench --bench web -- --quick
//! cargo bench --bench web -- flood places --journal 1024
//! cargo bench --bench web -- --full --save
//! ```
//!
//! `--journal` is the size of the large journal in MiB. `--quick` uses small sizes and short floods: it checks that the
//! measurements work, but its figures are not meaningful. `--full` has a journal of 1 GiB and a flood of ten minutes.
//! Without Chromium, nothing is measured. A missed bar is only reported; the program fails only if a measurement can't
//! be finished.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a measurement that can't go on fails"
)]
#![expect(clippy::disallowed_methods, reason = "benches read the environment they run in")]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "figures are printed")]

#[expect(dead_code, reason = "the tests need more of it")]
#[path = "../../tests/browser/chromium.rs"]
mod chromium;
#[expect(dead_code, unused_imports, reason = "the tests need more of it")]
#[path = "../../tests/common/mod.rs"]
mod common;
#[expect(dead_code, reason = "the tests need more of it")]
#[path = "../../tests/browser/keys.rs"]
mod keys;
mod options;
#[expect(dead_code, reason = "the tests need more of it")]
#[path = "../../tests/browser/page.rs"]
mod page;
#[expect(dead_code, reason = "another bench needs more of it")]
#[path = "../ui/process.rs"]
mod process;
mod programs;
mod rows;
#[expect(dead_code, unused_imports, reason = "another bench needs more of it")]
#[path = "../shared/mod.rs"]
mod shared;
mod stack;
#[expect(dead_code, reason = "another bench needs more of it")]
#[path = "../ui/terminal.rs"]
mod terminal;
#[expect(dead_code, reason = "tests need more of it")]
#[path = "../../tests/common/web_server.rs"]
mod web_server;
#[path = "../../tests/browser/webdriver.rs"]
mod webdriver;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use chromium::Chromium;
use common::harness;
use options::{Options, Wanted};
use shared::table::Table;

fn main() -> ExitCode {
    let (program, words) = common::programs::called();
    if let Some(program) = program {
        return programs::run(&program, &words);
    }
    match Options::parse(&words) {
        Ok(Wanted::Run(options)) => measure(&options),
        Ok(Wanted::Nothing) => {
            println!("nothing is measured here: `cargo bench --bench web` does");
            ExitCode::SUCCESS
        }
        Err(why) => {
            eprintln!("web: {why}");
            ExitCode::from(2)
        }
    }
}

fn measure(options: &Options) -> ExitCode {
    // That there is no Chromium has been reported.
    if Chromium::installed().is_none() {
        return ExitCode::SUCCESS;
    }
    let about = shared::conditions(1).replace("Medians of 1 interleaved runs", "Measured");
    let mut table = Table::beside("peer");
    for row in &options.rows {
        eprintln!("{}", row.name());
        // If one measurement fails, the others are still made.
        if catch_unwind(AssertUnwindSafe(|| row.measure(options, &mut table))).is_err() {
            table.failed(row.name());
        }
    }
    let sizes = format!(
        "The large journal has {} MiB, a flood of 100,000 lines/s takes {} s. Each row says what is beside it.",
        options.journal_mib,
        options.flood.as_secs()
    );
    let report = format!("{about} {sizes}\n\n{table}");
    println!("{report}");
    if options.save {
        shared::save("web", &report, "benches/web/WHY.md");
    }
    if table.is_complete() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
