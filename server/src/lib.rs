//! Answers recommendation, bundle and audience queries over HTTP from a hot-swapped model.
//!
//! | file | what it is |
//! |---|---|
//! | [`router`] | every route, with who may call it |
//! | [`guard`] | what stands before every route: scope, bounds, deadline, panics, metrics |
//! | [`handlers`] | the calls, a file for each URL |
//! | [`snapshots`] | which model answers, and how it is replaced meanwhile |
//! | [`live`] | what changed since the model was trained: the latest of users and items |
//! | [`app`] | what every request shares |
//! | [`serve`] | connections, background tasks, graceful shutdown |
//! | [`auth`], [`config`] | keys, shops, bounds |
//! | [`extract`], [`fields`], [`nearest`] | reading requests strictly, with errors that help |
//! | [`problem`], [`openapi`], [`telemetry`] | how it fails, how it describes itself, how it is watched |
//!
//! A request: [`serve`] reads its headers, [`router`] finds the route, [`guard`] checks the key and takes a
//! place, a handler takes the shop's snapshot once, asks `qianmian-models`, and serialises the answer from
//! the snapshot's own strings. Everything that waits does so before or after the model is asked.

#![warn(missing_docs)]

pub mod app;
pub mod auth;
pub mod config;
pub mod drain;
pub mod extract;
pub mod fields;
pub mod guard;
pub mod handlers;
pub mod live;
pub mod nearest;
pub mod openapi;
pub mod problem;
pub mod request_id;
pub mod router;
pub mod serve;
pub mod slots;
pub mod snapshots;
pub mod stall;
pub mod telemetry;
