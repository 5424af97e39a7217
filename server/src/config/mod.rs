//! The configuration file: keys, shops, limits. Facts of the deployment (the store, the listen address) come from flags
//! or the environment.
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

mod cursors;
mod error;
mod keys;
mod limits;
mod live;
mod shop;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use qianmian_models::storage::versions::DEFAULT_SHOP;
use serde::Deserialize;

use crate::auth::Keyring;
use crate::cursor::CursorKey;
use crate::nearest;
pub use cursors::CursorConfig;
pub use error::{ConfigError, duration};
pub use keys::KeyConfig;
pub use limits::Limits;
pub use live::{DrainConfig, LiveConfig, RedisConfig};
pub use shop::ShopConfig;

use error::{origin, seconds, value};

/// The configuration file, as written. Every field has a default; an unknown one is an error.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Seconds between two checks of the store; 0.01 to 3600.
    pub poll_seconds: f64,
    /// Seconds for requests in flight, and then for the drain of events, on shutdown; 0 to 3600.
    pub drain_seconds: f64,
    /// Lets everyone read `/metrics`, for a scraper without a key in a network of its own.
    pub open_metrics: bool,
    /// Further host names of a server without keys, in addition to those of loopback. A POST under another name is
    /// refused, because a web page could have made a browser send it.
    pub allowed_hosts: Vec<String>,
    /// Web pages that may call the server from a browser.
    pub cors: CorsConfig,
    /// The key of cursors.
    pub cursors: CursorConfig,
    /// Storage of live state.
    pub live: LiveConfig,
    /// Bounds on the work of the whole process.
    pub limits: Limits,
    /// Bounds and choices of shops, by name.
    pub shops: BTreeMap<String, ShopConfig>,
    /// API keys; without any, callers need none.
    pub keys: Vec<KeyConfig>,
}

/// Web pages that may call the server from a browser.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CorsConfig {
    /// Their origins, such as `https://shop.example`, for every key. None by default: then browsers only let pages of
    /// the server itself read answers.
    pub origins: Vec<String>,
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
            allowed_hosts: Vec::new(),
            cors: CorsConfig::default(),
            cursors: CursorConfig::default(),
            live: LiveConfig::default(),
            limits: Limits::default(),
            shops: BTreeMap::new(),
            keys: Vec::new(),
        }
    }
}

impl Config {
    /// Reads and checks a file, or the defaults without one. `redis_urls`, from the environment, replace
    /// `live.redis.urls`.
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
        for (n, given) in self.cors.origins.iter().enumerate() {
            origin(&format!("cors.origins[{n}]"), given)?;
        }
        self.limits.check()?;
        self.live.check()?;
        self.shops.iter().try_for_each(|(name, shop)| shop.check(name))?;
        self.keyring()?;
        self.cursor_key()?;
        let names = self.shop_names();
        match self.shops.keys().find(|&name| !names.contains(name)) {
            Some(name) => Err(value(format!("shops.{name}"), "a shop that a key is for", "without a key")),
            None => Ok(()),
        }
    }

    /// The shops to serve: those of the keys, or `default` alone without keys.
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
    /// A key whose hash is not valid, that has no scopes, or that is listed twice.
    pub fn keyring(&self) -> Result<Keyring, ConfigError> {
        keys::keyring(&self.keys, &self.shop_names(), &self.limits)
    }

    /// The key of cursors; random if no secret is given.
    ///
    /// # Errors
    /// A secret that is too short or cannot be read.
    pub fn cursor_key(&self) -> Result<CursorKey, ConfigError> {
        self.cursors.key(&self.keys)
    }

    /// Every origin that may use any key.
    pub fn origins(&self) -> Vec<String> {
        let of_keys = self.keys.iter().flat_map(|key| &key.origins);
        self.cors.origins.iter().chain(of_keys).cloned().collect()
    }
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
            ("cors.origins = ['shop.example']".to_owned(), ["`cors.origins[0]`", "https://shop.example"]),
            (key.replace("scopes", "origins = ['https://x/y']\nscopes"), ["keys[0].origins[0]", "no path"]),
            ("drain_seconds = nan".to_owned(), ["`drain_seconds` is NaN", "0 to 3600"]),
            ("[limits]\nin_flight = 0".to_owned(), ["limits.in_flight", "at least 1"]),
            ("[shops.tea]".to_owned(), ["shops.tea", "without a key"]),
            (format!("{key}{key}"), ["keys[1].blake3", "listed twice"]),
            (key.replace("['read']", "[]"), ["keys[0].scopes", "at least one"]),
            (key.replace("'read'", "'read', 'storefront'"), ["keys[0].scopes", "`storefront` alone"]),
            (format!("{key}user_token_secrets = ['x']\n"), ["keys[0].user_token_secrets", "without it"]),
            (
                format!("{}user_token_secrets = ['short']\n", key.replace("read", "storefront")),
                ["keys[0].user_token_secrets` is 5 bytes", "at least 32"],
            ),
            (format!("{key}per_second = -1.0\n"), ["`keys[0].per_second` is -1", "0 for no limit"]),
            (
                "[limits]\nuser_per_second = nan".to_owned(),
                ["`limits.user_per_second` is NaN", "0.001 to 1000000"],
            ),
            (
                "[shops.default]\nunknown_consent.contact = 'no'".to_owned(),
                ["unknown variant `no`", "deny_if_recorded"],
            ),
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
    fn redis_from_the_environment_replaces_that_of_the_files() {
        let url = "redis://:hunter2@redis:6379".to_owned();
        let text = "[live]\nfolder = 'x'\n[live.redis]\nurls = ['redis://other']\ntimeout_ms = 9\n";
        let config = Config::parse_with(text, std::slice::from_ref(&url)).unwrap();
        let redis = config.live.redis.clone().unwrap();
        assert_eq!((redis.urls, redis.timeout_ms), (vec![url], 9));
        assert!(!format!("{config:?}").contains("hunter2"));
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
