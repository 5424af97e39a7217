//! Bounds on the work of the whole process.

use serde::Deserialize;

use super::error::{ConfigError, at_least_one, seconds};

/// Bounds on the work of the whole process.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Longest request body in bytes, as it arrives and unpacked.
    pub body_bytes: usize,
    /// Seconds for the body to arrive, and for the answer to be computed.
    pub request_seconds: f64,
    /// Seconds for a request's headers to arrive; an idle connection is closed after as long.
    pub header_seconds: f64,
    /// Seconds without a byte taken by the client before its connection is closed.
    pub stall_seconds: f64,
    /// Seconds that a request may wait for a processor; one that waited longer is refused with 503.
    pub queue_seconds: f64,
    /// Requests in flight; more are refused with 503.
    pub in_flight: usize,
    /// Open connections; more wait in the listen queue.
    pub connections: usize,
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
        }
    }
}

impl Limits {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        seconds("limits.request_seconds", self.request_seconds, 0.01)?;
        seconds("limits.header_seconds", self.header_seconds, 0.01)?;
        seconds("limits.stall_seconds", self.stall_seconds, 0.01)?;
        seconds("limits.queue_seconds", self.queue_seconds, 0.001)?;
        at_least_one("limits.body_bytes", Some(self.body_bytes))?;
        at_least_one("limits.in_flight", Some(self.in_flight))?;
        at_least_one("limits.connections", Some(self.connections))
    }
}
