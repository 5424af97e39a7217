//! Live state over HTTP once more, with what is kept in Redis.

#[path = "live.rs"]
mod suite;
