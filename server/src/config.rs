//! The configuration file: keys, shops and limits. Where the store is and where to listen are facts of
//! the deployment and come from flags or the environment.
//!
//! ```toml
//! poll_seconds = 2
//!
//! [limits]
//! body_bytes = 1048576
//!
//! [[keys]]
//! shop = "default"
//! scopes = ["read"]
//! blake3 = "<64 hex digits, from `qianmian-server new-key`>"
//! ```

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use qianmian_live::backends::check_url;
use qianmian_live::people::state::MAX_EXPOSURES;
use qianmian_models::storage::versions::{DEFAULT_SHOP, check_name};
use serde::Deserialize;

use crate::auth::{Key, Keyring, Scope};
use crate::nearest;

/// The configuration file, as written. Every field has a default; an unknown one is an error.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Seconds between two looks at the store; 0.01 to 3600.
    pub poll_seconds: f64,
    /// Seconds that requests in flight are given to finish on shutdown; 0 to 3600.
    pub drain_seconds: f64,
    /// Lets everyone read `/metrics`, for a scraper without a key on a network of its own.
    pub open_metrics: bool,
    /// Where live state is kept.
    pub live: LiveConfig,
    /// What bounds the work of the whole process.
    pub limits: Limits,
    /// What bounds the work of one shop, by name.
    pub shops: BTreeMap<String, ShopConfig>,
    /// Who is let in; nobody needs a key where there is none.
    pub keys: Vec<KeyConfig>,
}

/// Where live state is kept, and for how long.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LiveConfig {
    /// A folder of this process alone; each shop gets one in it. Without it no live state is kept. With Redis
    /// it holds events only while Redis does not answer.
    pub folder: Option<PathBuf>,
    /// Seconds that an event is known for: its id, what it says of its user, and the event itself.
    pub ttl_seconds: u32,
    /// Where events go to stay; without it they are forgotten after the `ttl`.
    pub drain: Option<DrainConfig>,
    /// Where live state is kept in Redis, which several servers share; else it is in the folder.
    pub redis: Option<RedisConfig>,
}

/// Where events are drained to, and how often.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DrainConfig {
    /// A folder that stays; each shop gets one in it. Replicas that share a store share it.
    pub folder: PathBuf,
    /// Seconds that an event waits to be written out with others; 0.01 to 3600.
    #[serde(default = "drain_every")]
    pub every_seconds: f64,
}

fn drain_every() -> f64 {
    300.0
}

/// A Redis server or cluster, and how long to wait for it.
#[derive(Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RedisConfig {
    /// One server, or some nodes of a cluster. A URL with a password belongs into the environment.
    pub urls: Vec<String>,
    /// Whether it is a Redis Cluster.
    pub cluster: bool,
    /// Milliseconds that an answer waits for what is known of a person.
    pub timeout_ms: u64,
    /// Milliseconds that events and news of items wait to be taken in.
    pub append_timeout_ms: u64,
}

impl std::fmt::Debug for RedisConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedisConfig").field("urls", &self.urls.len()).field("cluster", &self.cluster).finish()
    }
}

/// Bounds of the whole process.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Longest body that is read.
    pub body_bytes: usize,
    /// Seconds for the body to arrive, and for the answer to be worked out.
    pub request_seconds: f64,
    /// Seconds for a request's headers to arrive; an idle connection is closed after as long.
    pub header_seconds: f64,
    /// Seconds that a client may take no byte of its answer before the connection is closed.
    pub stall_seconds: f64,
    /// Requests in flight; more are refused with 503.
    pub in_flight: usize,
    /// Open connections; more wait in the listen queue.
    pub connections: usize,
}

/// Bounds and choices of one shop.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ShopConfig {
    /// Requests of the shop in flight; more are refused with 503. Only the process bounds it by default.
    pub in_flight: Option<usize>,
    /// What is particular to a scene, by its name.
    pub scenes: BTreeMap<String, SceneConfig>,
}

/// What is particular to a scene. A scene that is not named has the defaults.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SceneConfig {
    /// An item that was shown to a person so often there, and left alone, comes after all others; 0 never minds.
    pub exposures: usize,
    /// Seconds that an exposure counts for; live state keeps it for no longer than `live.ttl_seconds`.
    pub exposure_window_seconds: u32,
}

/// One API key, by its hash.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyConfig {
    /// The shop that the key is for.
    #[serde(default = "default_shop")]
    pub shop: String,
    /// What it allows.
    pub scopes: Vec<Scope>,
    /// blake3 of the key, 64 hex digits.
    pub blake3: String,
}

impl std::fmt::Debug for KeyConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyConfig").field("shop", &self.shop).field("scopes", &self.scopes).finish()
    }
}

fn default_shop() -> String {
    DEFAULT_SHOP.to_owned()
}

impl Default for Config {
    fn default() -> Self {
        Self {
            poll_seconds: 2.0,
            drain_seconds: 20.0,
            open_metrics: false,
            live: LiveConfig::default(),
            limits: Limits::default(),
            shops: BTreeMap::new(),
            keys: Vec::new(),
        }
    }
}

impl Default for SceneConfig {
    fn default() -> Self {
        Self { exposures: 5, exposure_window_seconds: 86_400 }
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

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 1 << 20,
            request_seconds: 5.0,
            header_seconds: 30.0,
            stall_seconds: 30.0,
            in_flight: 1024,
            connections: 10_000,
        }
    }
}

/// Why a configuration is refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The operating system's answer.
        source: std::io::Error,
    },
    /// The file is not TOML of the expected shape.
    #[error("{}: {message}", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// What is wrong, with line and column, and the nearest known field.
        message: String,
    },
    /// A value is not one that the field may have.
    #[error("`{field}` is {got}, expected {expected}")]
    Value {
        /// Path of the field.
        field: String,
        /// What it may be.
        expected: String,
        /// What it is.
        got: String,
    },
}

impl Config {
    /// Reads and checks a file, or the defaults where there is none. `redis_urls`, from the environment, stand in
    /// place of `live.redis.urls`.
    ///
    /// # Errors
    /// See [`ConfigError`]; the message names the field and the nearest known one.
    pub fn read(path: Option<&Path>, redis_urls: &[String]) -> Result<Self, ConfigError> {
        let Some(path) = path else { return Self::parse_with("", redis_urls) };
        let text = std::fs::read_to_string(path)
            .map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
        Self::parse_with(&text, redis_urls).map_err(|error| match error {
            ConfigError::Parse { message, .. } => ConfigError::Parse { path: path.to_owned(), message },
            other => other,
        })
    }

    /// Reads and checks a file's text.
    ///
    /// # Errors
    /// As [`read`](Self::read), without the path.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        Self::parse_with(text, &[])
    }

    fn parse_with(text: &str, redis_urls: &[String]) -> Result<Self, ConfigError> {
        let mut config: Self = toml::from_str(text).map_err(|error| {
            let mut message = error.to_string();
            if let Some(name) = nearest::unknown_field(&message).and_then(|unknown| unknown.nearest) {
                message.push_str(&format!("did you mean `{name}`?"));
            }
            ConfigError::Parse { path: PathBuf::new(), message }
        })?;
        if !redis_urls.is_empty() {
            config.live.redis.get_or_insert_default().urls = redis_urls.to_vec();
        }
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<(), ConfigError> {
        seconds("poll_seconds", self.poll_seconds, 0.01)?;
        seconds("drain_seconds", self.drain_seconds, 0.0)?;
        seconds("limits.request_seconds", self.limits.request_seconds, 0.01)?;
        seconds("limits.header_seconds", self.limits.header_seconds, 0.01)?;
        seconds("limits.stall_seconds", self.limits.stall_seconds, 0.01)?;
        if !(60..=31_536_000).contains(&self.live.ttl_seconds) {
            return Err(value("live.ttl_seconds", "60 to 31536000 seconds", self.live.ttl_seconds));
        }
        if let Some(drain) = &self.live.drain {
            seconds("live.drain.every_seconds", drain.every_seconds, 0.01)?;
            if self.live.folder.is_none() {
                return Err(value("live.drain", "given together with `live.folder`", "without it"));
            }
        }
        if let Some(redis) = &self.live.redis {
            self.live.check_redis(redis)?;
        }
        at_least_one("limits.body_bytes", Some(self.limits.body_bytes))?;
        at_least_one("limits.in_flight", Some(self.limits.in_flight))?;
        at_least_one("limits.connections", Some(self.limits.connections))?;
        for (name, shop) in &self.shops {
            check_shop(&format!("shops.{name}"), name)?;
            at_least_one(&format!("shops.{name}.in_flight"), shop.in_flight)?;
            for (scene, config) in &shop.scenes {
                config.check(&format!("shops.{name}.scenes.{scene}"))?;
            }
        }
        self.keyring()?;
        let names = self.shop_names();
        match self.shops.keys().find(|&name| !names.contains(name)) {
            Some(name) => Err(value(format!("shops.{name}"), "a shop that a key is for", "without a key")),
            None => Ok(()),
        }
    }

    /// The shops to serve: those that keys are for, or `default` alone where there are no keys.
    pub fn shop_names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.keys.iter().map(|key| key.shop.clone()).collect();
        if names.is_empty() {
            names.push(default_shop());
        }
        names.sort_unstable();
        names.dedup();
        names
    }

    /// The keys; shops are numbered as in [`shop_names`](Self::shop_names).
    ///
    /// # Errors
    /// A key that is no hash, that allows nothing, or that is listed twice.
    pub fn keyring(&self) -> Result<Keyring, ConfigError> {
        let names = self.shop_names();
        let mut known = Vec::with_capacity(self.keys.len());
        let mut keys = Vec::with_capacity(self.keys.len());
        for (n, key) in self.keys.iter().enumerate() {
            check_shop(&format!("keys[{n}].shop"), &key.shop)?;
            if key.scopes.is_empty() {
                return Err(value(format!("keys[{n}].scopes"), "at least one scope", "empty"));
            }
            // What was written is not repeated: it may be the key itself, by mistake.
            let hash = blake3::Hash::from_hex(key.blake3.trim()).map_err(|_| {
                let expected = "64 hex digits, as `qianmian-server new-key` prints them";
                value(format!("keys[{n}].blake3"), expected, format!("{} characters long", key.blake3.len()))
            })?;
            if known.contains(&hash) {
                return Err(value(format!("keys[{n}].blake3"), "a key of its own", "listed twice"));
            }
            known.push(hash);
            let shop = names.iter().position(|name| *name == key.shop).unwrap_or_default();
            keys.push(Key::new(hash, shop, key.scopes.clone()));
        }
        Ok(Keyring::new(keys))
    }
}

impl SceneConfig {
    fn check(&self, field: &str) -> Result<(), ConfigError> {
        if self.exposures > MAX_EXPOSURES {
            let expected = format!("0 to {MAX_EXPOSURES}");
            return Err(value(format!("{field}.exposures"), expected, self.exposures));
        }
        let window = self.exposure_window_seconds;
        if !(1..=31_536_000).contains(&window) {
            return Err(value(format!("{field}.exposure_window_seconds"), "1 to 31536000 seconds", window));
        }
        Ok(())
    }
}

impl LiveConfig {
    fn check_redis(&self, redis: &RedisConfig) -> Result<(), ConfigError> {
        if self.folder.is_none() {
            let expected = "a folder, for events that Redis does not take in at once";
            return Err(value("live.folder", expected, "not given, though `live.redis` is"));
        }
        if redis.urls.is_empty() || (redis.urls.len() > 1 && !redis.cluster) {
            let expected =
                "one URL, or with `cluster = true` those of some nodes, here or in QIANMIAN_REDIS_URL";
            return Err(value("live.redis.urls", expected, format!("{} URLs", redis.urls.len())));
        }
        for (n, url) in redis.urls.iter().enumerate() {
            // What was written is not repeated: it may hold a password.
            check_url(url).map_err(|_| {
                let expected = "redis://[user:password@]host[:port][/db], without TLS, or unix:///path";
                value(format!("live.redis.urls[{n}]"), expected, "something else")
            })?;
        }
        milliseconds("live.redis.timeout_ms", redis.timeout_ms, 1_000)?;
        milliseconds("live.redis.append_timeout_ms", redis.append_timeout_ms, 4_000)
    }
}

/// A number of seconds that was checked.
pub fn duration(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}

fn seconds(field: &str, got: f64, least: f64) -> Result<(), ConfigError> {
    if (least..=3600.0).contains(&got) {
        return Ok(());
    }
    Err(value(field, format!("{least} to 3600 seconds"), got))
}

fn milliseconds(field: &str, got: u64, most: u64) -> Result<(), ConfigError> {
    if (1..=most).contains(&got) {
        return Ok(());
    }
    Err(value(field, format!("1 to {most} milliseconds"), got))
}

fn at_least_one(field: &str, got: Option<usize>) -> Result<(), ConfigError> {
    if got == Some(0) { Err(value(field, "at least 1", 0)) } else { Ok(()) }
}

fn check_shop(field: &str, name: &str) -> Result<(), ConfigError> {
    let expected = "1 to 128 of A-Z a-z 0-9 . _ -, not beginning with a dot";
    check_name("shop", name).map_err(|_| value(field, expected, format!("`{}`", nearest::cut(name))))
}

fn value(field: impl Into<String>, expected: impl Into<String>, got: impl std::fmt::Display) -> ConfigError {
    ConfigError::Value { field: field.into(), expected: expected.into(), got: got.to_string() }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn refused(text: &str) -> String {
        Config::parse(text).unwrap_err().to_string()
    }

    #[test]
    fn an_empty_file_is_the_default_shop_without_keys() {
        let config = Config::parse("").unwrap();
        assert_eq!(config.shop_names(), ["default"]);
        assert!(config.keyring().unwrap().is_open());
    }

    #[test]
    fn keys_name_the_shops() {
        let (a, b) = ("a".repeat(64), "b".repeat(64));
        let config = Config::parse(&format!(
            "poll_seconds = 1\n[shops.tea]\nin_flight = 5\n\
             [[keys]]\nshop = 'tea'\nscopes = ['read']\nblake3 = '{a}'\n\
             [[keys]]\nshop = 'rice'\nscopes = ['read', 'admin']\nblake3 = '{b}'\n"
        ))
        .unwrap();
        assert_eq!(config.shop_names(), ["rice", "tea"]);
        assert!(!config.keyring().unwrap().is_open());
        assert_eq!(config.shops["tea"].in_flight, Some(5));
    }

    #[test]
    fn what_is_wrong_is_named_and_the_cure_with_it() {
        let a = "a".repeat(64);
        let key = format!("[[keys]]\nscopes = ['read']\nblake3 = '{a}'\n");
        for (text, parts) in [
            ("pol_seconds = 1".to_owned(), ["unknown field `pol_seconds`", "did you mean `poll_seconds`?"]),
            ("[limits]\nbody = 1".to_owned(), ["unknown field `body`", "did you mean `body_bytes`?"]),
            ("poll_seconds = 0".to_owned(), ["`poll_seconds` is 0", "0.01 to 3600"]),
            ("[live.drain]\nfolder = 'x'".to_owned(), ["`live.drain`", "`live.folder`"]),
            ("[live]\nttl_seconds = 1".to_owned(), ["`live.ttl_seconds` is 1", "60 to 31536000"]),
            ("[live]\nredis.urls = ['redis://x']".to_owned(), ["`live.folder`", "a folder"]),
            ("[live]\nfolder = 'x'\n[live.redis]".to_owned(), ["`live.redis.urls`", "QIANMIAN_REDIS_URL"]),
            (
                "[live]\nfolder = 'x'\n[live.redis]\nurls = ['redis://x']\ntimeout_ms = 0".to_owned(),
                ["`live.redis.timeout_ms` is 0", "1 to 1000"],
            ),
            ("drain_seconds = nan".to_owned(), ["`drain_seconds` is NaN", "0 to 3600"]),
            ("[limits]\nin_flight = 0".to_owned(), ["limits.in_flight", "at least 1"]),
            ("[shops.tea]".to_owned(), ["shops.tea", "without a key"]),
            (format!("{key}{key}"), ["keys[1].blake3", "listed twice"]),
            (key.replace("['read']", "[]"), ["keys[0].scopes", "at least one"]),
            (key.replace("'read'", "'reed'"), ["unknown variant `reed`", "`read`"]),
            (key.replace("scopes", "shop = '../x'\nscopes"), ["keys[0].shop", "not beginning with a dot"]),
        ] {
            let message = refused(&text);
            for part in parts {
                assert!(message.contains(part), "{message:?} lacks {part:?}");
            }
        }
    }

    #[test]
    fn a_redis_of_the_environment_stands_in_place_of_the_files_and_is_never_repeated() {
        let url = "redis://:secret@redis:6379".to_owned();
        let text = "[live]\nfolder = 'x'\n[live.redis]\nurls = ['redis://other']\ntimeout_ms = 9\n";
        let config = Config::parse_with(text, std::slice::from_ref(&url)).unwrap();
        let redis = config.live.redis.clone().unwrap();
        assert_eq!((redis.urls, redis.timeout_ms), (vec![url], 9));
        assert!(!format!("{config:?}").contains("secret"));
        let message = refused("[live]\nfolder = 'x'\n[live.redis]\nurls = ['redis:/:secret@x']\n");
        assert!(message.contains("live.redis.urls[0]") && !message.contains("secret"), "{message}");
    }

    #[test]
    fn a_key_written_in_place_of_its_hash_is_not_repeated() {
        let message = refused("[[keys]]\nscopes = ['read']\nblake3 = 'qm_secret'\n");
        assert!(message.contains("keys[0].blake3") && message.contains("new-key"), "{message}");
        assert!(!message.contains("secret"), "{message}");
    }
}
