//! Answers recommendation, bundle and audience queries over HTTP from a hot-swapped model.
//!
//! | file | content |
//! |---|---|
//! | [`router`] | every route, with its access |
//! | [`screen`], [`guard`] | the layer in front of every route: head, scope, bounds, deadline, panics, metrics |
//! | [`handlers`] | the calls, a file for each URL |
//! | [`context`] | live state as the live part of a query |
//! | [`consents`] | the consents in force: live decisions over trained ones |
//! | [`scenes`] | the places where slates are shown, with their rules |
//! | [`cursor`] | the position of the next page of a list |
//! | [`halls`] | themed pages of sections |
//! | [`documents`], [`document_fault`] | what people edit, as this server read it; what is wrong with it |
//! | [`expressions`] | predicates of callers, compiled once |
//! | [`snapshots`] | the model that answers, and its replacement |
//! | [`live`] | live state: users' actions and item changes since training |
//! | [`app`] | state that all requests share |
//! | [`browsers`] | web pages as callers: cross-origin requests, compressed answers |
//! | [`serve`], [`connection`] | listener, connections, graceful shutdown |
//! | [`workers`] | supervised background tasks |
//! | [`auth`], [`user_token`], [`rate`] | keys, users of storefronts, rate limits |
//! | [`config`] | keys, shops, bounds |
//! | [`body`], [`extract`], [`fields`], [`nearest`] | reading requests strictly, with errors that help |
//! | [`problem`], [`openapi`], [`telemetry`], [`log`] | errors, the API's own description, metrics, log lines |
//!
//! A request: [`serve`] reads its head, [`router`] finds the route, [`guard`] checks the key and takes a
//! slot, a handler takes the shop's snapshot once, asks `qianmian-models`, and serializes the answer from
//! the snapshot's own strings. All waiting happens before or after the model is asked.

#![warn(missing_docs)]

pub mod app;
pub mod auth;
pub mod body;
pub mod browsers;
pub mod caught;
pub mod config;
pub mod connection;
pub mod consents;
pub mod context;
pub mod cursor;
pub mod document_fault;
pub mod documents;
pub mod drain;
pub mod expressions;
pub mod extract;
pub mod fallback;
pub mod fields;
pub mod guard;
pub mod halls;
pub mod handlers;
pub mod live;
pub mod log;
pub mod moment;
pub mod nearest;
pub mod openapi;
pub mod probes;
pub mod problem;
pub mod queue;
pub mod rate;
pub mod request_id;
pub mod rooms;
pub mod router;
pub mod scenes;
pub mod screen;
pub mod serve;
pub mod slots;
pub mod snapshots;
pub mod telemetry;
pub mod user_token;
pub mod workers;
