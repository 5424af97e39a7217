//! Live state over HTTP once more, with what is kept in Redis.

#[path = "live.rs"]
#[expect(clippy::duplicate_mod, reason = "one suite runs over both stores")]
mod suite;
