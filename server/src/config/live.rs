//! The storage of live state, and its retention.

use std::path::PathBuf;

use qianmian_live::backends::check_url;
use serde::Deserialize;

use super::error::{ConfigError, milliseconds, seconds, value};

/// The storage of live state, and its retention.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LiveConfig {
    /// A folder that no other process uses, with a folder for each shop. Without it no live state is kept. With Redis
    /// it holds events only while Redis does not answer.
    pub folder: Option<PathBuf>,
    /// Seconds for which an event is remembered: its id, its effect on its user, and the event itself.
    pub ttl_seconds: u32,
    /// The drain of events; without it they are deleted after `ttl_seconds`.
    pub drain: Option<DrainConfig>,
    /// The Redis that several servers share; without it live state is in the folder.
    pub redis: Option<RedisConfig>,
}

/// The folder into which events are drained, and the interval.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DrainConfig {
    /// A durable folder, with a folder for each shop. Replicas that share a store share it.
    pub folder: PathBuf,
    /// Longest time that an event waits to be drained, in seconds; 0.01 to 3600.
    #[serde(default = "drain_every")]
    pub every_seconds: f64,
}

fn drain_every() -> f64 {
    300.0
}

/// A Redis server or cluster, and its timeouts.
#[derive(Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RedisConfig {
    /// One server, or some nodes of a cluster. A URL with a password belongs in the environment.
    pub urls: Vec<String>,
    /// True if it is a Redis Cluster.
    pub cluster: bool,
    /// Timeout in milliseconds of loading a person's state for an answer.
    pub timeout_ms: u64,
    /// Timeout in milliseconds of a write of events or of item changes.
    pub append_timeout_ms: u64,
}

impl std::fmt::Debug for RedisConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedisConfig").field("urls", &self.urls.len()).field("cluster", &self.cluster).finish()
    }
}

impl Default for LiveConfig {
    fn default() -> Self {
        Self { folder: None, ttl_seconds: 7 * 86_400, drain: None, redis: None }
    }
}

impl Default for RedisConfig {
    fn default() -> Self {
        Self { urls: Vec::new(), cluster: false, timeout_ms: 20, append_timeout_ms: 200 }
    }
}

impl LiveConfig {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        if !(60..=31_536_000).contains(&self.ttl_seconds) {
            return Err(value("live.ttl_seconds", "60 to 31536000 seconds", self.ttl_seconds));
        }
        if let Some(drain) = &self.drain {
            seconds("live.drain.every_seconds", drain.every_seconds, 0.01)?;
            if self.folder.is_none() {
                return Err(value("live.drain", "given together with `live.folder`", "without it"));
            }
        }
        self.redis.as_ref().map_or(Ok(()), |redis| self.check_redis(redis))
    }

    fn check_redis(&self, redis: &RedisConfig) -> Result<(), ConfigError> {
        if self.folder.is_none() {
            let expected = "a folder, for events while Redis does not answer";
            return Err(value("live.folder", expected, "not given, though `live.redis` is"));
        }
        if redis.urls.is_empty() || (redis.urls.len() > 1 && !redis.cluster) {
            let expected =
                "one URL, or with `cluster = true` those of some nodes, here or in QIANMIAN_REDIS_URL";
            return Err(value("live.redis.urls", expected, format!("{} URLs", redis.urls.len())));
        }
        for (n, url) in redis.urls.iter().enumerate() {
            // The value is not repeated: it may hold a password.
            check_url(url).map_err(|_| {
                let expected = "redis://[user:password@]host[:port][/db], without TLS, or unix:///path";
                value(format!("live.redis.urls[{n}]"), expected, "something else")
            })?;
        }
        milliseconds("live.redis.timeout_ms", redis.timeout_ms, 1_000)?;
        milliseconds("live.redis.append_timeout_ms", redis.append_timeout_ms, 4_000)
    }
}
