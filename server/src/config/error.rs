//! The reason for which a configuration is refused, and the checks that fields share.

use std::path::PathBuf;
use std::time::Duration;

use qianmian_models::storage::versions::check_name;

use crate::nearest;

/// The reason for which a configuration is refused.
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
        /// The error, with line and column, and the nearest known field.
        message: String,
    },
    /// A field has a value that is not allowed.
    #[error("`{field}` is {got}, expected {expected}")]
    Value {
        /// Path of the field.
        field: String,
        /// The allowed values.
        expected: String,
        /// The given value.
        got: String,
    },
}

/// A number of seconds that was checked.
pub fn duration(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}

pub(super) fn seconds(field: &str, got: f64, least: f64) -> Result<(), ConfigError> {
    if (least..=3600.0).contains(&got) {
        return Ok(());
    }
    Err(value(field, format!("{least} to 3600 seconds"), got))
}

pub(super) fn milliseconds(field: &str, got: u64, most: u64) -> Result<(), ConfigError> {
    if (1..=most).contains(&got) {
        return Ok(());
    }
    Err(value(field, format!("1 to {most} milliseconds"), got))
}

pub(super) fn at_least_one(field: &str, got: Option<usize>) -> Result<(), ConfigError> {
    if got == Some(0) { Err(value(field, "at least 1", 0)) } else { Ok(()) }
}

pub(super) fn shop_name(field: &str, name: &str) -> Result<(), ConfigError> {
    let expected = "1 to 128 of A-Z a-z 0-9 . _ -, not beginning with a dot";
    check_name("shop", name).map_err(|_| value(field, expected, format!("`{}`", nearest::cut(name))))
}

/// An origin as browsers send it: `https://shop.example`, with the port unless it is the default.
pub(super) fn origin(field: &str, origin: &str) -> Result<(), ConfigError> {
    let host = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.:[]".contains(c);
    if host.is_some_and(|host| !host.is_empty() && host.chars().all(is_plain)) {
        return Ok(());
    }
    let expected =
        "an origin as browsers send it, such as https://shop.example: scheme and host in lower case, no path";
    Err(value(field, expected, format!("`{}`", nearest::cut(origin))))
}

pub(super) fn value(
    field: impl Into<String>,
    expected: impl Into<String>,
    got: impl std::fmt::Display,
) -> ConfigError {
    ConfigError::Value { field: field.into(), expected: expected.into(), got: got.to_string() }
}
