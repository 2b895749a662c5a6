//! Measures linkable against the same system calls without a crate, and against other crates.
//!
//! `compare` measures times, `instructions` counts instructions in user space. Both write their
//! results to `benches/results`.

// Errors are those of the system, and end the program.
#![allow(clippy::missing_errors_doc)]

pub mod charts;
pub mod groups;
pub mod machine;
pub mod markdown;
pub mod methods;
pub mod output;
pub mod place;
pub mod race;
pub mod results;
pub mod summary;
pub mod volume;
