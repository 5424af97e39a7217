//! The server's tests: one binary, one file per subject.
//!
//! Most of them start a server inside this process; `binary`, `chaos` and `outage` start the program itself.

#![expect(clippy::unwrap_used, reason = "tests")]

mod process;
mod scenes;
mod steering;
mod support;

mod answers;
mod binary;
mod browsers;
mod chaos;
mod consent;
mod console;
mod context;
mod cursors;
mod document;
mod documents;
mod drain;
mod halls;
mod identities;
mod keys;
mod live;
mod live_redis;
mod outage;
mod pages;
mod probes;
mod problems;
mod replicas;
mod rooms;
mod rooms_redis;
mod storefront;
mod swaps;
mod swaps_and_changes;
