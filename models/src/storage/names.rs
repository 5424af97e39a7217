//! Names of shops and versions, which become folders.

use crate::error::{Error, Result};

/// Refuses names that are not one plain path component: 1 to 128 of `A-Z a-z 0-9 . _ -`, no leading dot.
pub fn check_name(field: &'static str, name: &str) -> Result<()> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if !name.is_empty() && name.len() <= 128 && !name.starts_with('.') && name.chars().all(plain) {
        return Ok(());
    }
    let got = name.chars().take(80).collect();
    Err(Error::Name { field, got, expected: "1 to 128 of A-Z a-z 0-9 . _ -, not beginning with a dot" })
}
