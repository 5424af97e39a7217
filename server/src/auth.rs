//! API keys: a caller's scopes and shop.
//!
//! A key is 32 random bytes, so its plain blake3 hash cannot be inverted; the configuration holds only the hash.
//! A caller's key is hashed and compared with every known hash in constant time, without an early exit, so
//! that the duration reveals nothing. Neither keys nor their hashes are logged.
//!
//! A key with the scope [`Storefront`](Scope::Storefront) is public: everyone with the mini-program can read it. Only
//! routes that the router marks accept it, and it speaks for the user of a [user token](crate::user_token) alone.

use std::time::Duration;

use axum::http::{HeaderMap, header};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::rate::{Bucket, Clock, Rate, UserBuckets};
use crate::user_token::{TokenFault, TokenSecrets};

/// What a key allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Ask for recommendations, bundles, audiences, profiles.
    Read,
    /// Send events and links of identities.
    Events,
    /// Change the live state of items; read and correct identities.
    Write,
    /// Change which model is served; read metrics.
    Admin,
    /// In the hands of everyone, such as in a mini-program: the own slate and the own events of the user that a user token
    /// names, and anonymous ones.
    Storefront,
}

impl Scope {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Read, Self::Events, Self::Write, Self::Admin, Self::Storefront];
    /// The scopes of servers and people of the shop.
    pub const OF_SERVERS: [Self; 4] = [Self::Read, Self::Events, Self::Write, Self::Admin];

    /// The name in configuration and answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Events => "events",
            Self::Write => "write",
            Self::Admin => "admin",
            Self::Storefront => "storefront",
        }
    }
}

/// A known key: its hash, its shop, its scopes.
#[derive(Debug)]
pub struct Key {
    hash: blake3::Hash,
    shop: usize,
    scopes: Vec<Scope>,
    /// Origins of web pages that may use it.
    origins: Vec<String>,
    /// Secrets of the user tokens that may come with it.
    tokens: TokenSecrets,
    limits: KeyLimits,
    bucket: Bucket,
}

/// Limits of the requests with a key; `None` is no limit.
#[derive(Debug, Clone, Copy, Default)]
pub struct KeyLimits {
    /// Limit of the key.
    pub key: Option<Rate>,
    /// Limit of each user whose token comes with it.
    pub user: Option<Rate>,
}

/// The permissions of a caller's key.
#[derive(Debug, Clone, Copy)]
pub struct Grant<'k> {
    /// The number of the key, and the key; `None` if the server has no keys.
    key: Option<(usize, &'k Key)>,
    /// Number of the shop.
    pub shop: usize,
    /// Scopes inside that shop.
    pub scopes: &'k [Scope],
    /// Origins of web pages that may use the key, in addition to those of the configuration.
    pub origins: &'k [String],
}

/// The reason for which a caller is denied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denied {
    /// No `Authorization: Bearer` header.
    MissingKey,
    /// The key is not known.
    UnknownKey,
}

/// All known keys. Without any, everyone has all permissions in shop 0.
#[derive(Default)]
pub struct Keyring {
    keys: Vec<Key>,
}

impl Key {
    /// A key by the hash that the configuration holds, for shop number `shop`.
    pub fn new(hash: blake3::Hash, shop: usize, scopes: Vec<Scope>) -> Self {
        let (tokens, limits, bucket) = (TokenSecrets::default(), KeyLimits::default(), Bucket::default());
        Self { hash, shop, scopes, origins: Vec::new(), tokens, limits, bucket }
    }

    /// The key, with the secrets of its user tokens and its limits.
    pub fn limited(mut self, tokens: TokenSecrets, limits: KeyLimits) -> Self {
        (self.tokens, self.limits) = (tokens, limits);
        self
    }

    /// The key, usable by web pages of these origins, too.
    pub fn with_origins(mut self, origins: &[String]) -> Self {
        self.origins = origins.to_vec();
        self
    }
}

impl Keyring {
    /// From the known keys.
    pub fn new(keys: Vec<Key>) -> Self {
        Self { keys }
    }

    /// True if there are no keys, so that callers need none.
    pub fn is_open(&self) -> bool {
        self.keys.is_empty()
    }

    /// The permissions of the caller who sent `headers`.
    ///
    /// # Errors
    /// The reason for the denial.
    pub fn check(&self, headers: &HeaderMap) -> Result<Grant<'_>, Denied> {
        if self.is_open() {
            return Ok(Grant { key: None, shop: 0, scopes: &Scope::ALL, origins: &[] });
        }
        self.check_key(bearer(headers).ok_or(Denied::MissingKey)?)
    }

    /// The permissions of the caller who sent this key.
    ///
    /// # Errors
    /// The key is not known.
    pub fn check_key(&self, key: &[u8]) -> Result<Grant<'_>, Denied> {
        let hash = blake3::hash(key);
        let mut found = None;
        for (n, key) in self.keys.iter().enumerate() {
            // `blake3::Hash` compares in constant time.
            if key.hash == hash {
                found = Some((n, key));
            }
        }
        let (n, key) = found.ok_or(Denied::UnknownKey)?;
        Ok(Grant { key: Some((n, key)), shop: key.shop, scopes: &key.scopes, origins: &key.origins })
    }
}

impl Grant<'_> {
    /// Takes one request from the limit of the key.
    ///
    /// # Errors
    /// The time until one is free.
    pub fn take(&self, now: Clock) -> Result<(), Duration> {
        match self.key {
            Some((_, Key { limits: KeyLimits { key: Some(rate), .. }, bucket, .. })) => {
                bucket.take(*rate, now)
            }
            _ => Ok(()),
        }
    }

    /// Takes one request from the limit of the key's user.
    ///
    /// # Errors
    /// The time until one is free.
    pub fn take_of_user(&self, users: &UserBuckets, user_id: &str, now: Clock) -> Result<(), Duration> {
        match self.key {
            Some((n, Key { limits: KeyLimits { user: Some(rate), .. }, .. })) => {
                users.take(n, user_id, *rate, now)
            }
            _ => Ok(()),
        }
    }

    /// The user of a token that came with the key, at `now`, unix seconds.
    ///
    /// # Errors
    /// The reason for which the token is refused.
    pub fn user(&self, token: &str, now: i64) -> Result<String, TokenFault> {
        match self.key {
            Some((_, key)) => key.tokens.verify(token, now),
            None => Err(TokenFault::Signature),
        }
    }
}

fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let value = headers.get(header::AUTHORIZATION)?.as_bytes();
    let (scheme, token) = value.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| token.trim_ascii())
}

/// A new key as text, to be shown to its holder once, and its hash for the configuration.
///
/// # Errors
/// The operating system gives no randomness.
pub fn new_key() -> Result<(String, blake3::Hash), getrandom::Error> {
    let key = new_secret("qm_")?;
    let hash = blake3::hash(key.as_bytes());
    Ok((key, hash))
}

/// 32 random bytes as text after `prefix`.
///
/// # Errors
/// The operating system gives no randomness.
pub fn new_secret(prefix: &str) -> Result<String, getrandom::Error> {
    let mut bytes = [0u8; 32];
    getrandom::fill(&mut bytes)?;
    let digits = bytes.iter().map(|byte| format!("{byte:02x}"));
    Ok(std::iter::once(prefix.to_owned()).chain(digits).collect())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn headers(value: &str) -> HeaderMap {
        [(header::AUTHORIZATION, value.parse().unwrap())].into_iter().collect()
    }

    #[test]
    fn a_key_opens_its_own_shop_with_its_own_scopes() {
        let (one, one_hash) = new_key().unwrap();
        let (two, two_hash) = new_key().unwrap();
        let ring = Keyring::new(vec![
            Key::new(one_hash, 0, vec![Scope::Read]),
            Key::new(two_hash, 1, vec![Scope::Admin]),
        ]);
        let grant = ring.check(&headers(&format!("Bearer {one}"))).unwrap();
        assert_eq!((grant.shop, grant.scopes), (0, &[Scope::Read][..]));
        let grant = ring.check(&headers(&format!("bearer {two} "))).unwrap();
        assert_eq!((grant.shop, grant.scopes), (1, &[Scope::Admin][..]));
    }

    #[test]
    fn anything_else_is_denied() {
        let (key, hash) = new_key().unwrap();
        let ring = Keyring::new(vec![Key::new(hash, 0, vec![Scope::Read])]);
        assert_eq!(ring.check(&HeaderMap::new()).unwrap_err(), Denied::MissingKey);
        assert_eq!(ring.check(&headers(&format!("Basic {key}"))).unwrap_err(), Denied::MissingKey);
        assert_eq!(ring.check(&headers("Bearer")).unwrap_err(), Denied::MissingKey);
        assert_eq!(ring.check(&headers("Bearer ")).unwrap_err(), Denied::UnknownKey);
        assert_eq!(ring.check(&headers(&format!("Bearer {hash}"))).unwrap_err(), Denied::UnknownKey);
        assert_eq!(ring.check(&headers(&format!("Bearer {key}0"))).unwrap_err(), Denied::UnknownKey);
    }

    #[test]
    fn without_keys_everyone_is_let_in() {
        assert_eq!(Keyring::default().check(&HeaderMap::new()).unwrap().scopes, Scope::ALL);
    }
}
