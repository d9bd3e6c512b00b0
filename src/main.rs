//! tmo: parse, run, exit.
fn main() {}
