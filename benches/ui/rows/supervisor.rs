//! What an open interface costs the supervisor.

use crate::common::harness::wait::pause;
use crate::options::Options;
use crate::process::cpu_ms;
use crate::programs::command;
use crate::shared::table::{Bar, Table};
use crate::stack::Stack;

const PROCESSES: usize = 20;

pub(super) fn measure(options: &Options, table: &mut Table) {
    let mut commands = vec![format!("{} 1000", command("print"))];
    commands.resize(PROCESSES, command("stay"));
    let stack = Stack::start(&commands);
    let pid = stack.supervisor();
    let time = options.seconds(10, 2);
    let spent = || {
        pause(options.seconds(1, 1));
        let before = cpu_ms(pid);
        pause(time);
        (cpu_ms(pid) - before) * 10.0 / time.as_secs_f64()
    };
    let row = |what: &str| {
        format!(
            "processor time of the supervisor in 10 s, 20 processes, 1,000 lines/s, {what} [ms]"
        )
    };
    for _ in 0..options.runs {
        table.value(&row("no interface"), Bar::Any, spent());
        let mut terminal = stack.opened();
        table.value(&row("interface open"), Bar::Any, spent());
        terminal.press("m", |screen| screen.contains('%'));
        table.value(&row("with figures"), Bar::Any, spent());
    }
}
