//! All integration tests of the trainer in one binary, so that they link once.
//!
//! Most run the real binary ([`support`]). A test that depends on the duration of a run calls [`support::alone`]
//! first; a test that needs a disk of its own mounts it in a namespace of a child process.
#![expect(clippy::unwrap_used, reason = "tests")]

#[macro_use]
mod support;

mod amounts;
mod command_line;
mod cures;
mod demo_data;
#[cfg(target_os = "linux")]
mod disk;
mod evaluate;
mod external;
mod gate;
mod gc;
#[cfg(unix)]
mod kill;
mod layers;
mod orders_bad_input;
mod orders_bytes;
mod orders_events;
mod orders_formats;
mod orders_init;
mod orders_kinds;
mod orders_real_files;
mod orders_workbooks;
mod predict;
mod readers;
mod self_tuning;
mod sets;
mod shops;
mod small_shops;
mod train;
