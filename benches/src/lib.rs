//! Measures linkable against the bare system calls and against other crates.
//!
//! `compare` times them, `instructions` counts what they cost in user space. The tables that both
//! print are Markdown.

// They are the system's, and end the program.
#![allow(clippy::missing_errors_doc)]

pub mod groups;
#[allow(dead_code, unreachable_pub)]
#[path = "../../tests/common/kernel.rs"]
mod kernel;
pub mod methods;
pub mod place;
pub mod race;
pub mod report;
pub mod volume;
