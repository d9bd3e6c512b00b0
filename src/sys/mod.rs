//! What differs between operating systems, and the few calls that need `unsafe`.

pub mod clock;
