//! The stores: each implements the traits of [`log`](crate::log), [`people`](crate::people) and
//! [`items`](crate::items).
//!
//! One suite of behaviors (`live/tests/behaviors`) holds for all of them:
//! - an acknowledged append is durable, and the next load sees it;
//! - an event counts once, however often it is sent within the store's `ttl`, across restarts too;
//! - data older than the `ttl` is removed, so that the store does not grow without end.

mod embedded;
mod redis;

pub use embedded::Embedded;
pub use redis::{Redis, RedisOptions, check_url};
