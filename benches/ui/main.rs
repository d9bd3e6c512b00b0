//! The terminal interface: how soon it shows what happens, and what it costs, beside mprocs.
//!
//! The real program runs in a terminal of its own, and what it draws is read as a terminal would read it. The
//! runs of one measurement are interleaved with those of what it is compared with, so the ratios hold on a busy
//! machine too.
//!
//! ```text
//! cargo bench --bench ui
//! cargo bench --bench ui -- --quick
//! cargo bench --bench ui -- keys search --runs 9 --journal 1024
//! cargo bench --bench ui -- --save
//! ```
//!
//! `--journal` is the size of the large journal in MiB. `--quick` measures everything once, with small sizes: it
//! shows that the measurements work, its figures say little. mprocs is measured if it is found on `PATH`. A
//! missed bar is reported; only a measurement that can't be finished makes the program fail.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a measurement that can't go on fails"
)]
#![expect(clippy::disallowed_methods, reason = "benches read the environment they run in")]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "figures are to be read")]

#[expect(dead_code, unused_imports, reason = "the tests need more of it")]
#[path = "../../tests/common/mod.rs"]
mod common;
mod mprocs;
mod options;
mod process;
mod programs;
mod rows;
#[expect(dead_code, unused_imports, reason = "another bench needs more of it")]
#[path = "../shared/mod.rs"]
mod shared;
mod stack;
mod terminal;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

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
            println!("nothing is measured here: `cargo bench --bench ui` does");
            ExitCode::SUCCESS
        }
        Err(why) => {
            eprintln!("ui: {why}");
            ExitCode::from(2)
        }
    }
}

fn measure(options: &Options) -> ExitCode {
    // A shell without job control has its background commands ignore SIGINT, which is inherited.
    tmo::sys::default_signals(&[nix::libc::SIGPIPE]);
    let about = shared::conditions(options.runs);
    let peer = mprocs::describe();
    let mut table = Table::beside("mprocs");
    for row in &options.rows {
        eprintln!("{}", row.name());
        // Whatever happens to one measurement, the others are made.
        if catch_unwind(AssertUnwindSafe(|| row.measure(options, &mut table))).is_err() {
            table.failed(row.name());
        }
    }
    shared::clear();
    let sizes = format!(
        "The large journal has {} MiB, the small one 1 MiB; the terminal has 120 × 40 cells. {peer}",
        options.journal_mib
    );
    let report = format!("{about} {sizes}\n\n{table}");
    println!("{report}");
    if options.save {
        shared::save("ui", &report, "benches/ui/WHY.md");
    }
    if table.is_complete() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
