//! The key of cursors.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::error::{ConfigError, value};
use super::keys::KeyConfig;
use crate::auth::new_secret;
use crate::cursor::CursorKey;
use crate::user_token::MIN_SECRET_BYTES;

/// The secret that cursors are signed by; servers that answer for each other share it.
#[derive(Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CursorConfig {
    /// The secret.
    pub secret: Option<String>,
    /// A file that holds it, such as a mounted secret.
    pub secret_file: Option<PathBuf>,
}

impl std::fmt::Debug for CursorConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CursorConfig").field("secret_file", &self.secret_file).finish_non_exhaustive()
    }
}

impl CursorConfig {
    /// The key: from the secret; else from those of user tokens, which all servers share, too; else random, so that
    /// cursors are valid on this server alone and until it ends.
    ///
    /// # Errors
    /// The file cannot be read, or a secret is too short.
    pub(super) fn key(&self, keys: &[KeyConfig]) -> Result<CursorKey, ConfigError> {
        if let Some(secret) = self.configured()? {
            return Ok(CursorKey::new(&secret));
        }
        let mut shared = Vec::new();
        for (n, key) in keys.iter().enumerate() {
            shared.extend(key.secrets(n)?);
        }
        shared.sort_unstable();
        if !shared.is_empty() {
            return Ok(CursorKey::new(&shared.join("\n")));
        }
        let random = new_secret("").map_err(|error| {
            value("cursors.secret", "given where the operating system has no randomness", error)
        })?;
        Ok(CursorKey::new(&random))
    }

    fn configured(&self) -> Result<Option<String>, ConfigError> {
        let read = |path: &Path| {
            std::fs::read_to_string(path)
                .map(|text| text.trim().to_owned())
                .map_err(|source| ConfigError::Read { path: path.to_owned(), source })
        };
        let secret = match (&self.secret, &self.secret_file) {
            (Some(secret), None) => secret.clone(),
            (None, Some(path)) => read(path)?,
            (None, None) => return Ok(None),
            (Some(_), Some(_)) => {
                return Err(value("cursors.secret_file", "absent beside `cursors.secret`", "given"));
            }
        };
        if secret.len() < MIN_SECRET_BYTES {
            // The value is not repeated.
            let expected = format!("at least {MIN_SECRET_BYTES} bytes, as `new-key` prints secrets");
            return Err(value("cursors.secret", expected, format!("{} bytes", secret.len())));
        }
        Ok(Some(secret))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use crate::config::Config;
    use crate::cursor::Cursor;

    /// True if servers with these configurations read each other's cursors.
    fn share(a: &str, b: &str) -> bool {
        let [a, b] = [a, b].map(|text| Config::parse(text).unwrap().cursor_key().unwrap());
        let owner = a.owner("shop", std::iter::empty(), "home");
        let text = a.seal(owner, 0, &Cursor::default()).unwrap();
        b.open(owner, 0, &text).is_ok()
    }

    #[test]
    fn servers_with_one_secret_share_cursors() {
        let secret = "[cursors]\nsecret = '0123456789012345678901234567890123456789'\n";
        assert!(share(secret, secret));
        assert!(!share(secret, &secret.replace('9', "8")));
        assert!(!share("", ""), "without a secret the key is random");
        let key = |secret: &str| {
            let hash = "0".repeat(64);
            format!(
                "[[keys]]\nscopes = ['storefront']\nblake3 = '{hash}'\nuser_token_secrets = ['{secret}']\n"
            )
        };
        let (one, other) = (key(&"a".repeat(32)), key(&"b".repeat(32)));
        assert!(share(&one, &one) && !share(&one, &other));
        assert!(share(&format!("{secret}{one}"), &format!("{secret}{other}")), "the secret precedes");
    }

    #[test]
    fn a_short_secret_is_refused_and_not_repeated() {
        let message = Config::parse("[cursors]\nsecret = 'hunter2'\n").unwrap_err().to_string();
        assert!(message.contains("cursors.secret") && !message.contains("hunter2"), "{message}");
        let secret = "0123456789012345678901234567890123456789";
        let config = Config::parse(&format!("[cursors]\nsecret = '{secret}'\n")).unwrap();
        assert!(!format!("{config:?}").contains(secret));
    }
}
