//! Identities: the ids of a user in channels.

mod types;

use std::fmt;

use serde::{Deserialize, Serialize};
pub use types::{IdentityType, Strength};

use crate::check::{Fault, MAX_ID_BYTES};

/// Last characters of a value that are shown, if it is long enough to stay secret.
const SHOWN: usize = 4;
/// Fewest characters of a value of which some are shown.
const LONG: usize = 12;

/// An id of a user in a channel. Its value never reaches a log: [`fmt::Debug`] masks it.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Identity {
    #[serde(rename = "type")]
    kind: IdentityType,
    value: String,
}

impl Identity {
    /// Checks a type and a value as a caller sends them. Digests become lower case.
    ///
    /// # Errors
    /// An unknown type, with the nearest known one; a value that is empty, too long, not a digest if the type
    /// requires one, or that looks like a phone number or an e-mail address.
    pub fn check(kind: &str, value: &str) -> Result<Self, Fault> {
        let kind = IdentityType::named(kind).ok_or_else(|| unknown_type(kind))?;
        if !(1..=MAX_ID_BYTES).contains(&value.len()) {
            return Err(Fault::new("value", format!("1 to {MAX_ID_BYTES} bytes, not {}", value.len())));
        }
        if looks_like_email(value) {
            let reason = "this looks like an e-mail address; send its SHA-256 as `email_sha256`";
            return Err(Fault::new("value", reason));
        }
        if looks_like_phone(value) {
            let reason = "this looks like a phone number; send its SHA-256 as `phone_sha256`";
            return Err(Fault::new("value", reason));
        }
        if !kind.is_digest() {
            return Ok(Self { kind, value: value.to_owned() });
        }
        if value.len() != 64 || !value.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(Fault::new("value", "a SHA-256 in hex: 64 digits"));
        }
        Ok(Self { kind, value: value.to_ascii_lowercase() })
    }

    /// The identity of a visit.
    pub(crate) fn session(id: &str) -> Self {
        Self { kind: IdentityType::Session, value: id.to_owned() }
    }

    /// Its type.
    pub fn kind(&self) -> IdentityType {
        self.kind
    }

    /// Its value, for storing and comparing; [`masked`](Self::masked) is for showing.
    pub fn value(&self) -> &str {
        &self.value
    }

    /// The part of the value that may be shown: the last four characters of twelve or more, else none.
    pub fn masked(&self) -> String {
        let characters = self.value.chars().count();
        let hidden = if characters < LONG { characters } else { characters - SHOWN };
        let shown: String = self.value.chars().skip(hidden).collect();
        format!("…{shown}")
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind.name(), self.masked())
    }
}

fn unknown_type(name: &str) -> Fault {
    let shown: String = name.chars().take(80).collect();
    let nearest = qianmian_suggest::nearest(name, IdentityType::names());
    let reason = match nearest {
        Some(nearest) => format!("unknown type `{shown}`; did you mean `{nearest}`?"),
        None => format!(
            "unknown type `{shown}`; known are {}",
            IdentityType::names().collect::<Vec<_>>().join(", ")
        ),
    };
    Fault { field: "type", reason, nearest }
}

fn looks_like_email(value: &str) -> bool {
    let Some((name, domain)) = value.trim().rsplit_once(['@', '＠']) else { return false };
    let dotted = domain.split_once('.').is_some_and(|(host, zone)| !host.is_empty() && !zone.is_empty());
    !name.is_empty() && dotted
}

/// True if a value may be a phone number: written as one (`+`, brackets), or a Chinese mobile number with or without
/// its country code. Other strings of digits may be card or account numbers.
fn looks_like_phone(value: &str) -> bool {
    let value = value.trim();
    let value = value.strip_prefix("tel:").unwrap_or(value);
    let (mut digits, mut written_as_phone) = (String::new(), false);
    for c in value.chars() {
        match c {
            '0'..='9' => digits.push(c),
            '０'..='９' => digits.push(char::from(b'0' + (c as u32 - '０' as u32) as u8)),
            '+' | '＋' if digits.is_empty() => written_as_phone = true,
            '(' | ')' | '（' | '）' => written_as_phone = true,
            ' ' | '-' | '.' | '/' | '　' | '－' | '\u{a0}' => {}
            _ => return false,
        }
    }
    let national = digits.strip_prefix("0086").or(digits.strip_prefix("86")).filter(|rest| rest.len() == 11);
    let mobile = national.unwrap_or(&digits);
    let is_mobile =
        mobile.len() == 11 && mobile.starts_with('1') && matches!(mobile.as_bytes()[1], b'3'..=b'9');
    is_mobile || (written_as_phone && (7..=15).contains(&digits.len()))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn raw_phone_numbers_and_addresses_are_refused() {
        for kind in IdentityType::all() {
            for raw in [
                "13800138000",
                "+8613800138000",
                "86 138 0013 8000",
                "138-0013-8000",
                "１３８００１３８０００",
                "tel:+14155550100",
                "(415) 555-0100",
                "+44 20 7946 0958",
            ] {
                let fault = Identity::check(kind.name(), raw).unwrap_err();
                assert_eq!(fault.field, "value");
                assert!(
                    fault.reason.contains("phone_sha256") && !fault.reason.contains("138"),
                    "{}",
                    fault.reason
                );
            }
            for raw in ["a.b@example.com", " Z@x.co.uk", "李＠例子.中国"] {
                let fault = Identity::check(kind.name(), raw).unwrap_err();
                assert!(
                    fault.reason.contains("email_sha256") && !fault.reason.contains(raw),
                    "{}",
                    fault.reason
                );
            }
        }
    }

    #[test]
    fn card_numbers_are_not_phone_numbers() {
        for value in
            ["10023456", "6222021234567890", "88001234567", "MC-0042", "oABC@wx", "2026.11.22", "12345678901"]
        {
            assert!(Identity::check("member_card", value).is_ok(), "{value}");
        }
    }

    #[test]
    fn digests_are_checked_and_lowercased() {
        let digest = "AB".repeat(32);
        assert_eq!(Identity::check("phone_sha256", &digest).unwrap().value(), "ab".repeat(32));
        assert_eq!(Identity::check("Phone_SHA256", &digest).unwrap().kind(), IdentityType::PhoneSha256);
        for wrong in ["ab", &"zz".repeat(32), &"ab".repeat(33)] {
            assert_eq!(Identity::check("email_sha256", wrong).unwrap_err().field, "value");
        }
    }

    #[test]
    fn odd_types_and_values_are_refused() {
        assert_eq!(Identity::check("wechat_union", "x").unwrap_err().nearest, Some("wechat_unionid"));
        assert_eq!(Identity::check("phone", "x").unwrap_err().field, "type");
        assert!(Identity::check(&"名".repeat(10_000), "x").unwrap_err().reason.len() < 600);
        assert_eq!(Identity::check("cookie", "").unwrap_err().field, "value");
        assert!(Identity::check("cookie", &"x".repeat(256)).is_ok());
        assert_eq!(Identity::check("cookie", &"x".repeat(257)).unwrap_err().field, "value");
    }

    #[test]
    fn a_shown_value_is_masked() {
        let long = Identity::check("device_id", "abcdefgh1234").unwrap();
        let short = Identity::check("member_card", "MC-0042").unwrap();
        assert_eq!((long.masked().as_str(), short.masked().as_str()), ("…1234", "…"));
        assert_eq!(format!("{long:?} {short:?}"), "device_id:…1234 member_card:…");
    }
}
