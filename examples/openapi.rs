//! Writes the description of the API to stdout, for `shell/generate`.

use std::io::Write as _;

fn main() -> std::io::Result<()> {
    writeln!(std::io::stdout(), "{}", tmo::server::http::description())
}
