//! API keys, by their hashes.

use serde::Deserialize;

use super::error::{ConfigError, origin, shop_name, value};
use crate::auth::{Key, Keyring, Scope};

/// One API key, by its hash.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyConfig {
    /// The shop that the key is for.
    #[serde(default = "super::default_shop")]
    pub shop: String,
    /// What it allows.
    pub scopes: Vec<Scope>,
    /// blake3 of the key, 64 hex digits.
    pub blake3: String,
    /// Web pages that may use the key in a browser, beside those of `cors.origins`.
    #[serde(default)]
    pub origins: Vec<String>,
}

impl std::fmt::Debug for KeyConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyConfig").field("shop", &self.shop).field("scopes", &self.scopes).finish()
    }
}

/// The keys, for shops numbered as in `shops`.
///
/// # Errors
/// A key that is no hash, that allows nothing, or that is listed twice.
pub(super) fn keyring(keys: &[KeyConfig], shops: &[String]) -> Result<Keyring, ConfigError> {
    let mut hashes = Vec::with_capacity(keys.len());
    let mut checked = Vec::with_capacity(keys.len());
    for (n, key) in keys.iter().enumerate() {
        shop_name(&format!("keys[{n}].shop"), &key.shop)?;
        if key.scopes.is_empty() {
            return Err(value(format!("keys[{n}].scopes"), "at least one scope", "empty"));
        }
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
        checked.push(Key::new(hash, shop, key.scopes.clone()).with_origins(&key.origins));
    }
    Ok(Keyring::new(checked))
}
