//! Moments: RFC 3339 with an offset, or unix time in seconds or milliseconds, as a number or as digits.

use std::borrow::Cow;
use std::fmt;

use chrono::DateTime;
use serde::de::{Deserialize, Deserializer, Error, Unexpected, Visitor};
use utoipa::openapi::schema::{ObjectBuilder, SchemaType, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// Smaller numbers are seconds, others milliseconds: as seconds this is the year 5138, as milliseconds March 1973.
const FIRST_MILLISECONDS: f64 = 1e11;
/// Largest magnitude that is read as milliseconds: the year 5138.
const MAX_MILLISECONDS: f64 = 1e14;

/// A moment, unix milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timestamp(pub i64);

impl Timestamp {
    fn of_number(number: f64) -> Option<Self> {
        let milliseconds = if number.abs() < FIRST_MILLISECONDS { number * 1e3 } else { number };
        (milliseconds.abs() <= MAX_MILLISECONDS).then(|| Self(milliseconds.round() as i64))
    }

    fn of_text(text: &str) -> Option<Self> {
        if let Ok(moment) = DateTime::parse_from_rfc3339(text) {
            return Some(Self(moment.timestamp_millis()));
        }
        let is_digits =
            !text.is_empty() && text.len() <= 15 && text.bytes().all(|byte| byte.is_ascii_digit());
        if is_digits { Self::of_number(text.parse().ok()?) } else { None }
    }

    /// RFC 3339 in UTC, to the millisecond.
    pub fn to_rfc3339(self) -> String {
        DateTime::from_timestamp_millis(self.0).unwrap_or_default().to_rfc3339()
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Moment;
        impl Visitor<'_> for Moment {
            type Value = Timestamp;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(
                    "a moment: RFC 3339 with an offset, such as 2026-11-22T08:30:00+08:00, or unix time in seconds or \
                     milliseconds",
                )
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Timestamp, E> {
                Timestamp::of_text(text).ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Timestamp, E> {
                self.visit_f64(number as f64)
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<Timestamp, E> {
                self.visit_f64(number as f64)
            }

            fn visit_f64<E: Error>(self, number: f64) -> Result<Timestamp, E> {
                Timestamp::of_number(number).ok_or_else(|| E::invalid_value(Unexpected::Float(number), &self))
            }
        }
        deserializer.deserialize_any(Moment)
    }
}

impl PartialSchema for Timestamp {
    fn schema() -> RefOr<Schema> {
        let types = SchemaType::from_iter([Type::String, Type::Number]);
        let description = "RFC 3339 with an offset, or unix time in seconds or milliseconds.";
        ObjectBuilder::new().schema_type(types).description(Some(description)).into()
    }
}

impl ToSchema for Timestamp {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("Timestamp")
    }
}
