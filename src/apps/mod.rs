//! Apps: programs that come as a ZIP archive and become processes of a run.
//!
//! | file | holds |
//! |---|---|
//! | `zip.rs`, `zip/tree.rs` | which archives are accepted; how they are unpacked |
//! | `kind.rs` | what kind of program an app is, how it is run and installed |
//! | `manifest.rs` | `apps.toml`: the apps of a project |
//! | `store.rs` | the directory of the apps; adding, updating and removing one, in steps that can be interrupted |
//! | `install.rs` | the program that builds the environment of an app |

pub mod install;
pub mod kind;
pub mod manifest;
pub mod store;
pub mod zip;
