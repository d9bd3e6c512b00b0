//! Apps: programs from ZIP archives that become processes of a run.
//!
//! | file | holds |
//! |---|---|
//! | `zip.rs`, `zip/tree.rs` | checks and unpacks archives |
//! | `kind.rs` | the kinds of apps, and how each is run |
//! | `manifest.rs` | `apps.toml`: the apps of a project |
//! | `store.rs` | the directory of the apps; adds, updates and removes them, safe against interruption |
//! | `change.rs` | adds, updates and removes them as far as the states of the processes allow it |
//! | `install.rs` | builds the environment of an app |

pub mod change;
pub mod install;
pub mod kind;
pub mod manifest;
pub mod store;
pub mod zip;
