//! All tests of the crate in one binary: the stores behave alike, and each module its own promises.

#![expect(clippy::unwrap_used, reason = "tests")]

mod behaviors;
mod chaos;
mod drain;
mod embedded;
mod one_id;
mod redis;
mod rewind;
mod support;
