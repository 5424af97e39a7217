//! User tokens: the user that a storefront speaks for, signed by the shop's own server.
//!
//! A token is a JSON Web Token (RFC 7519) in compact form, signed with HMAC-SHA256 (`HS256`) by a secret that the
//! shop's server and this one share. Claims: `sub`, the user id; `exp`, the expiry, at most [`MAX_SECONDS`] ahead;
//! optionally `nbf` and `iat`. Other claims are ignored. No other algorithm is accepted, so there is nothing to
//! negotiate.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use hmac::{Hmac, KeyInit, Mac};
use qianmian_live::check::MAX_ID_BYTES;
use serde::Deserialize;
use sha2::Sha256;

/// Longest validity of a token, in seconds from now: it cannot be revoked.
pub const MAX_SECONDS: i64 = 86_400;
/// Fewest bytes of a secret (RFC 7518, 3.2).
pub const MIN_SECRET_BYTES: usize = 32;
/// Tolerated difference of the clocks of two servers, in seconds.
const LEEWAY_SECONDS: i64 = 60;
/// Longest token; one with a user id of 256 bytes has about 500.
const MAX_TOKEN_BYTES: usize = 4_096;
/// The header of tokens made by this server.
const HEADER: &str = r#"{"alg":"HS256","typ":"JWT"}"#;

/// The reason for which a token is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenFault {
    /// It is not a signed token.
    #[error("the user token is not a JSON Web Token with the claims `sub` and `exp`")]
    Malformed,
    /// It is signed with another algorithm.
    #[error("the user token must be signed with HS256")]
    Algorithm,
    /// Its signature does not match any secret of the key.
    #[error("the signature of the user token fits no secret of this key")]
    Signature,
    /// It has expired.
    #[error("the user token has expired; ask the shop's server for a new one")]
    Expired,
    /// It is not valid yet.
    #[error("the user token is not valid yet: the clocks of the servers differ")]
    NotYet,
    /// Its validity is too long.
    #[error("the user token is valid for more than a day; let it end earlier")]
    TooLong,
}

/// The secrets of one key; the first signs.
#[derive(Clone, Default)]
pub struct TokenSecrets(Vec<Box<str>>);

#[derive(Deserialize)]
struct Header<'a> {
    #[serde(borrow)]
    alg: &'a str,
}

#[derive(Deserialize)]
struct Claims {
    sub: String,
    exp: f64,
    #[serde(default)]
    nbf: Option<f64>,
}

impl std::fmt::Debug for TokenSecrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} secrets", self.0.len())
    }
}

impl TokenSecrets {
    /// From their texts, whose bytes are the secrets.
    pub fn new(secrets: impl IntoIterator<Item = String>) -> Self {
        Self(secrets.into_iter().map(String::into_boxed_str).collect())
    }

    /// The user of `token` at `now`, unix seconds.
    ///
    /// # Errors
    /// The reason for which it is refused.
    pub fn verify(&self, token: &str, now: i64) -> Result<String, TokenFault> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(TokenFault::Malformed);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(TokenFault::Malformed)?;
        let (header, claims) = signed.split_once('.').ok_or(TokenFault::Malformed)?;
        let decoded = |part: &str| BASE64.decode(part).map_err(|_| TokenFault::Malformed);
        let (header, signature) = (decoded(header)?, decoded(signature)?);
        let Header { alg } = serde_json::from_slice(&header).map_err(|_| TokenFault::Malformed)?;
        if alg != "HS256" {
            return Err(TokenFault::Algorithm);
        }
        // Compared in constant time, and before any claim is read.
        let fits = |secret: &str| mac(secret, signed).is_some_and(|mac| mac.verify_slice(&signature).is_ok());
        if !self.0.iter().any(|secret| fits(secret)) {
            return Err(TokenFault::Signature);
        }
        let claims: Claims = serde_json::from_slice(&decoded(claims)?).map_err(|_| TokenFault::Malformed)?;
        claims.check(now)
    }

    /// A token for `user_id`, valid for `time` from `now` (unix seconds) on; `None` without a secret.
    pub fn sign(&self, user_id: &str, now: i64, time: Duration) -> Option<String> {
        let exp = now.saturating_add(i64::try_from(time.as_secs()).unwrap_or(i64::MAX));
        let claims = serde_json::json!({"sub": user_id, "iat": now, "exp": exp}).to_string();
        let signed = format!("{}.{}", BASE64.encode(HEADER), BASE64.encode(claims));
        let signature = mac(self.0.first()?, &signed)?.finalize().into_bytes();
        Some(format!("{signed}.{}", BASE64.encode(signature)))
    }
}

impl Claims {
    /// The user, if the claims hold at `now`.
    fn check(self, now: i64) -> Result<String, TokenFault> {
        if !(1..=MAX_ID_BYTES).contains(&self.sub.len()) {
            return Err(TokenFault::Malformed);
        }
        // Times in JWTs may have fractions.
        let (exp, nbf) = (self.exp as i64, self.nbf.unwrap_or(0.0) as i64);
        if exp <= now.saturating_sub(LEEWAY_SECONDS) {
            Err(TokenFault::Expired)
        } else if exp > now.saturating_add(MAX_SECONDS + LEEWAY_SECONDS) {
            Err(TokenFault::TooLong)
        } else if nbf > now.saturating_add(LEEWAY_SECONDS) {
            Err(TokenFault::NotYet)
        } else {
            Ok(self.sub)
        }
    }
}

fn mac(secret: &str, signed: &str) -> Option<Hmac<Sha256>> {
    // HMAC accepts a key of any length.
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).ok()?;
    mac.update(signed.as_bytes());
    Some(mac)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    const NOW: i64 = 1_800_000_000;

    fn secrets(secret: &str) -> TokenSecrets {
        TokenSecrets::new([secret.to_owned()])
    }

    /// A token with this header and these claims, signed as it should be.
    fn token(header: &str, claims: &str) -> String {
        let signed = format!("{}.{}", BASE64.encode(header), BASE64.encode(claims));
        let signature = mac("secret", &signed).unwrap().finalize().into_bytes();
        format!("{signed}.{}", BASE64.encode(signature))
    }

    #[test]
    fn tokens_of_other_programs_are_verified() {
        // Made by: printf '%s' "$signed" | openssl dgst -sha256 -hmac secret -binary | basenc --base64url | tr -d =
        let token = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ1MSIsImV4cCI6MTgwMDAwMDYwMH0.Ngf8UP2P6Ms5Tjxfu9_atjEPjZXMkEwpb7bX_LWsBXk";
        assert_eq!(secrets("secret").verify(token, NOW).unwrap(), "u1");
    }

    #[test]
    fn a_signed_token_names_its_user_until_it_ends() {
        let (first, second) = (secrets("first"), secrets("second"));
        let token = second.sign("用户 1", NOW, Duration::from_secs(600)).unwrap();
        assert_eq!(second.verify(&token, NOW).unwrap(), "用户 1");
        assert_eq!(second.verify(&token, NOW + 659).unwrap(), "用户 1", "clocks differ a little");
        assert_eq!(second.verify(&token, NOW + 660), Err(TokenFault::Expired));
        assert_eq!(first.verify(&token, NOW), Err(TokenFault::Signature));
        let both = TokenSecrets::new(["first".to_owned(), "second".to_owned()]);
        assert!(both.verify(&token, NOW).is_ok(), "an old secret is valid beside the new one");
        assert_eq!(TokenSecrets::default().verify(&token, NOW), Err(TokenFault::Signature));
    }

    #[test]
    fn forged_and_odd_tokens_are_refused() {
        let of = secrets("secret");
        let header = r#"{"alg":"HS256"}"#;
        let good = token(header, r#"{"sub":"u","exp":1800000600.5,"iss":"shop"}"#);
        assert_eq!(of.verify(&good, NOW).unwrap(), "u");
        let (signed, signature) = good.rsplit_once('.').unwrap();
        let mut other = signature.to_owned().into_bytes();
        other[3] ^= 1;
        let other = String::from_utf8(other).unwrap();
        for (wrong, fault) in [
            (format!("{signed}.{other}"), TokenFault::Signature),
            (format!("{signed}."), TokenFault::Signature),
            (signed.to_owned(), TokenFault::Malformed),
            (String::new(), TokenFault::Malformed),
            (".".repeat(9), TokenFault::Malformed),
            ("a".repeat(10_000), TokenFault::Malformed),
            (token(r#"{"alg":"none"}"#, r#"{"sub":"u","exp":1800000600}"#), TokenFault::Algorithm),
            (token(r#"{"alg":"HS512"}"#, r#"{"sub":"u","exp":1800000600}"#), TokenFault::Algorithm),
            (token(header, r#"{"sub":"u"}"#), TokenFault::Malformed),
            (token(header, r#"{"exp":1800000600}"#), TokenFault::Malformed),
            (token(header, r#"{"sub":"","exp":1800000600}"#), TokenFault::Malformed),
            (token(header, r#"{"sub":7,"exp":1800000600}"#), TokenFault::Malformed),
            (token(header, r#"{"sub":"u","exp":1e300}"#), TokenFault::TooLong),
            (token(header, r#"{"sub":"u","exp":1800090000}"#), TokenFault::TooLong),
            (token(header, r#"{"sub":"u","exp":1800000600,"nbf":1800000100}"#), TokenFault::NotYet),
        ] {
            assert_eq!(of.verify(&wrong, NOW), Err(fault), "{wrong}");
        }
    }
}
