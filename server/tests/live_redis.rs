//! Live state over HTTP once more, with Redis as the store.

#[path = "live.rs"]
#[expect(clippy::duplicate_mod, reason = "one suite runs over both stores")]
mod suite;
