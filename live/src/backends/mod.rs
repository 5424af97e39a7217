//! The stores: each implements the traits of [`log`](crate::log), [`people`](crate::people) and
//! [`items`](crate::items).
//!
//! One suite of behaviors (`live/tests/behaviors`) holds for all of them:
//! - what an append acknowledged is durable, and the next load knows it;
//! - an event counts once, however often it is sent within the store's `ttl`, across restarts too;
//! - what happened longer than the `ttl` ago is forgotten, so that the store does not grow without end.

mod embedded;
mod redis;

pub use embedded::Embedded;
pub use redis::{Redis, RedisOptions, check_url};
