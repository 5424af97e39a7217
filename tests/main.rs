//! Tests that need the server and the trainer: what the one writes, the other reads, and both answer alike.

#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "../server/tests/support/mod.rs"]
mod support;

mod agreement;
mod drained_events;
mod questions;
mod shop;
