//! API keys, by their hashes.

use serde::Deserialize;

use std::path::PathBuf;

use super::error::{ConfigError, origin, shop_name, value};
use super::limits::Limits;
use crate::auth::{Key, KeyLimits, Keyring, Scope};
use crate::rate::Rate;
use crate::user_token::{MIN_SECRET_BYTES, TokenSecrets};

/// One API key, by its hash.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyConfig {
    /// The shop that the key is for.
    #[serde(default = "super::default_shop")]
    pub shop: String,
    /// The scopes of the key.
    pub scopes: Vec<Scope>,
    /// blake3 of the key, 64 hex digits.
    pub blake3: String,
    /// Web pages that may use the key in a browser, in addition to those of `cors.origins`.
    #[serde(default)]
    pub origins: Vec<String>,
    /// For a storefront key: secrets by which the shop's server signs user tokens. All are valid, so that they can be
    /// replaced one by one.
    #[serde(default)]
    pub user_token_secrets: Vec<String>,
    /// A file with further such secrets, one per line, such as a mounted secret.
    #[serde(default)]
    pub user_token_secret_file: Option<PathBuf>,
    /// Requests per second, instead of the limit in `limits`; 0 is no limit.
    #[serde(default)]
    pub per_second: Option<f64>,
    /// Burst of requests, instead of the number in `limits`.
    #[serde(default)]
    pub burst: Option<u32>,
}

impl std::fmt::Debug for KeyConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyConfig").field("shop", &self.shop).field("scopes", &self.scopes).finish()
    }
}

/// The keys, for shops numbered as in `shops`.
///
/// # Errors
/// A key whose hash is not valid, that has no scopes, or that is listed twice.
pub(super) fn keyring(keys: &[KeyConfig], shops: &[String], limits: &Limits) -> Result<Keyring, ConfigError> {
    let mut hashes = Vec::with_capacity(keys.len());
    let mut checked = Vec::with_capacity(keys.len());
    for (n, key) in keys.iter().enumerate() {
        shop_name(&format!("keys[{n}].shop"), &key.shop)?;
        if key.scopes.is_empty() {
            return Err(value(format!("keys[{n}].scopes"), "at least one scope", "empty"));
        }
        let is_storefront = key.check_storefront(n)?;
        for (m, given) in key.origins.iter().enumerate() {
            origin(&format!("keys[{n}].origins[{m}]"), given)?;
        }
        // The value is not repeated: it may be the key itself, by mistake.
        let hash = blake3::Hash::from_hex(key.blake3.trim()).map_err(|_| {
            let expected = "64 hex digits, as `qianmian-server new-key` prints them";
            value(format!("keys[{n}].blake3"), expected, format!("{} characters long", key.blake3.len()))
        })?;
        if hashes.contains(&hash) {
            return Err(value(format!("keys[{n}].blake3"), "a key of its own", "listed twice"));
        }
        hashes.push(hash);
        let shop = shops.iter().position(|name| *name == key.shop).unwrap_or_default();
        let tokens = TokenSecrets::new(key.secrets(n)?);
        let key_limits = key.limits(n, limits, is_storefront)?;
        let checked_key = Key::new(hash, shop, key.scopes.clone()).with_origins(&key.origins);
        checked.push(checked_key.limited(tokens, key_limits));
    }
    Ok(Keyring::new(checked))
}

impl KeyConfig {
    /// True if it is a storefront key. Such a key is public, so it has no other scope, and only such a key accepts user
    /// tokens.
    fn check_storefront(&self, n: usize) -> Result<bool, ConfigError> {
        let is_storefront = self.scopes.contains(&Scope::Storefront);
        if is_storefront && self.scopes.len() > 1 {
            let expected = "`storefront` alone: everyone can read such a key";
            return Err(value(format!("keys[{n}].scopes"), expected, "together with other scopes"));
        }
        if !is_storefront && (!self.user_token_secrets.is_empty() || self.user_token_secret_file.is_some()) {
            let field = format!("keys[{n}].user_token_secrets");
            return Err(value(field, "given with the scope `storefront`", "given without it"));
        }
        Ok(is_storefront)
    }

    /// The secrets of the configuration and of the file.
    pub(super) fn secrets(&self, n: usize) -> Result<Vec<String>, ConfigError> {
        let mut secrets = self.user_token_secrets.clone();
        if let Some(path) = &self.user_token_secret_file {
            let text = std::fs::read_to_string(path)
                .map_err(|source| ConfigError::Read { path: path.clone(), source })?;
            secrets.extend(text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned));
        }
        // The value is not repeated.
        match secrets.iter().find(|secret| secret.len() < MIN_SECRET_BYTES) {
            Some(short) => {
                let expected =
                    format!("secrets of at least {MIN_SECRET_BYTES} bytes, as `new-key` prints them");
                Err(value(
                    format!("keys[{n}].user_token_secrets"),
                    expected,
                    format!("{} bytes", short.len()),
                ))
            }
            None => Ok(secrets),
        }
    }

    fn limits(&self, n: usize, limits: &Limits, is_storefront: bool) -> Result<KeyLimits, ConfigError> {
        let (per_second, burst) = match is_storefront {
            true => (limits.storefront_per_second, limits.storefront_burst),
            false => (0.0, limits.storefront_burst),
        };
        let per_second = self.per_second.unwrap_or(per_second);
        super::limits::per_second(&format!("keys[{n}].per_second"), per_second)?;
        let user = Rate::new(limits.user_per_second, limits.user_burst).filter(|_| is_storefront);
        Ok(KeyLimits { key: Rate::new(per_second, self.burst.unwrap_or(burst)), user })
    }
}
