//! All tests of the crate in one binary: common behaviors of the stores, and the guarantees of each module.

#![expect(clippy::unwrap_used, reason = "tests")]

mod behaviors;
mod chaos;
mod drain;
mod embedded;
mod one_id;
mod redis;
mod rewind;
mod support;
