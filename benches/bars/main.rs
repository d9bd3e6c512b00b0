//! Bars: how fast, how frugal and how complete tmo is, beside bare tmux and beside its peers.
//!
//! Everything is measured in one run, one contestant after the other (A B C A B C …), each in a
//! world of its own, so the ratios hold on a busy machine too.
//!
//! ```text
//! cargo bench --bench bars
//! cargo bench --bench bars -- latency throughput --runs 9
//! cargo bench --bench bars -- startup --tools tmo,floor,pm2
//! cargo bench --bench bars -- --save
//! ```
//!
//! The floor is bare tmux with `pipe-pane 'exec cat >> file'`. A peer is measured if it is found on
//! `PATH`; `benches/peers.sh` gets those that can be had. What hangs is given up after a while, said
//! to hang, and killed with all it has started. The figures are to be read; only lines lost by tmo
//! make the run fail.

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
mod contestants;
mod follow;
mod lines;
mod machine;
mod options;
mod programs;
mod reader;
mod rows;
mod running;
#[expect(dead_code, reason = "other benches need more of it")]
#[path = "../shared/mod.rs"]
mod shared;
mod table;
mod tool;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use common::harness::{procs, wait};
use options::{Options, Wanted};
use table::Table;

fn main() -> ExitCode {
    let (program, words) = common::programs::called();
    if let Some(program) = program {
        return programs::run(&program, &words);
    }
    match Options::parse(&words) {
        Ok(Wanted::Run(options)) => measure(&options),
        Ok(Wanted::Nothing) => {
            println!("nothing is measured here: `cargo bench --bench bars` does");
            ExitCode::SUCCESS
        }
        Err(why) => {
            eprintln!("bars: {why}");
            ExitCode::from(2)
        }
    }
}

fn measure(options: &Options) -> ExitCode {
    // Whoever runs it in the background of a shell without job control has all of them ignore
    // SIGINT.
    tmo::sys::default_signals(&[nix::libc::SIGPIPE]);
    let (tools, missing) = tool::find_all(&options.tools);
    let about = machine::describe(options.runs, &tools, &missing);
    let mut table = Table::new(&tools);
    for row in &options.rows {
        for run in 1..=options.runs {
            for (place, tool) in tools.iter().enumerate() {
                eprintln!("{} {run}/{}: {}", row.name(), options.runs, tool.name);
                // Whatever a peer does, the others are measured.
                let mut column = table.column(place);
                let measured = catch_unwind(AssertUnwindSafe(|| row.measure(tool, &mut column)));
                if measured.is_err() {
                    table.failed(format!("{}: {} broke off.", row.name(), tool.name));
                }
            }
        }
    }
    shared::clear();
    let report = format!("{about}\n{table}");
    println!("{report}");
    if options.save {
        shared::save("bars", &report, "benches/WHY.md");
    }
    if table.lost_by_tmo() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
