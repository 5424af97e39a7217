//! Livestream rooms over HTTP once more, with what is kept in Redis.

#[path = "rooms.rs"]
#[expect(clippy::duplicate_mod, reason = "one suite runs over both stores")]
mod suite;

#[path = "room_replicas.rs"]
mod replicas;
