//! A one-line hint on how to stop, printed at a user's first start.

use std::io;

use crate::cli::persona::Persona;
use crate::cli::project::warnings::print_warning;
use crate::config::Env;
use crate::config::dirs::{make_private_dir, state_base};
use crate::sys::files;
use crate::view::screen::is_terminal;

/// The file that records that this user has seen it, among the state directories.
const READ: &str = "greeted";

/// Print it once per user, on a terminal only.
pub(super) fn greet(env: &Env) {
    let read = is_terminal(io::stdin()) && is_terminal(io::stdout()) && is_terminal(io::stderr());
    if !read || Persona::here() == Persona::Overmind || !is_first(env) {
        return;
    }
    print_warning(
        &"Ctrl-C stops all processes; `tmo help`, in another terminal, lists the commands",
    );
}

/// Whether this is the first time. If that can't be recorded, it counts as a later one.
fn is_first(env: &Env) -> bool {
    let base = state_base(env);
    let file = base.join(READ);
    make_private_dir(&base).is_ok() && files::create_new(&file).is_ok()
}
