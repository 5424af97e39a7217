//! Bounds on the work of the whole process.

use serde::Deserialize;

use super::error::{ConfigError, at_least_one, seconds, value};

/// Bounds on the work of the whole process.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Longest request body in bytes, as it arrives and decompressed.
    pub body_bytes: usize,
    /// Seconds for the body to arrive, and for the answer to be computed.
    pub request_seconds: f64,
    /// Seconds for a request's headers to arrive; an idle connection is closed after the same time.
    pub header_seconds: f64,
    /// Seconds without a byte accepted by the client before its connection is closed.
    pub stall_seconds: f64,
    /// Seconds that a request may wait for a processor; one that waited longer is refused with 503.
    pub queue_seconds: f64,
    /// Requests in flight; more are refused with 503.
    pub in_flight: usize,
    /// Open connections; more wait in the listen queue.
    pub connections: usize,
    /// Requests per second of each storefront key; 0 is no limit. Other keys have none unless their own entry sets one.
    pub storefront_per_second: f64,
    /// Burst of requests of a storefront key.
    pub storefront_burst: u32,
    /// Requests per second of each user, by their token; 0 is no limit.
    pub user_per_second: f64,
    /// Burst of requests of a user.
    pub user_burst: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 1 << 20,
            request_seconds: 5.0,
            header_seconds: 30.0,
            stall_seconds: 30.0,
            queue_seconds: 0.1,
            in_flight: 1024,
            connections: 10_000,
            storefront_per_second: 1_000.0,
            storefront_burst: 2_000,
            user_per_second: 5.0,
            user_burst: 50,
        }
    }
}

impl Limits {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        seconds("limits.request_seconds", self.request_seconds, 0.01)?;
        seconds("limits.header_seconds", self.header_seconds, 0.01)?;
        seconds("limits.stall_seconds", self.stall_seconds, 0.01)?;
        seconds("limits.queue_seconds", self.queue_seconds, 0.001)?;
        per_second("limits.storefront_per_second", self.storefront_per_second)?;
        per_second("limits.user_per_second", self.user_per_second)?;
        at_least_one("limits.body_bytes", Some(self.body_bytes))?;
        at_least_one("limits.in_flight", Some(self.in_flight))?;
        at_least_one("limits.connections", Some(self.connections))
    }
}

/// Checks a rate limit: 0.001 to 1,000,000 requests per second, or 0 for no limit.
pub(super) fn per_second(field: &str, got: f64) -> Result<(), ConfigError> {
    match got == 0.0 || (0.001..=1e6).contains(&got) {
        true => Ok(()),
        false => Err(value(field, "0.001 to 1000000 requests a second, or 0 for no limit", got)),
    }
}
