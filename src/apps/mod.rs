//! Apps: programs from ZIP archives that become processes of a run.
//!
//! | file | holds |
//! |---|---|
//! | `zip.rs`, `zip/tree.rs` | checks and unpacks archives |
//! | `kind.rs` | the kinds of apps, and how each is run |
//! | `manifest.rs` | `apps.toml`: the apps of a project |
//! | `store.rs` | the directory of the apps; adds, updates and removes them, safe against interruption |
//! | `install.rs` | builds the environment of an app |

pub mod install;
pub mod kind;
pub mod manifest;
pub mod store;
pub mod zip;
