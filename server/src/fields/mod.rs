//! The types of request fields: each checks its bounds while it is read, so that an error names the very
//! element, and each declares the same bounds in the OpenAPI document.

mod amount;
pub mod card_fields;
mod count;
pub mod id;
mod names;
mod object;
mod params;
mod timestamp;

pub use amount::Amount;
pub use card_fields::{CardField, CardFields};
pub use count::Count;
pub use id::{Id, Ids, MAX_ID_CHARS, OwnedId, is_id, optional_id, optional_owned_id};
pub use names::{BecauseName, DegradedPart, EventTypeName, IdentityTypeName, SourceName};
pub use object::{Object, object, optional_object};
pub use params::Params;
pub use timestamp::Timestamp;

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn ids_may_hold_any_character() {
        let id: Id<'_> = serde_json::from_str("\"有机 a/b\"").unwrap();
        assert_eq!(id.as_str(), "有机 a/b");
        let id: Id<'_> = serde_json::from_str(r#""\ud83c\udf5a""#).unwrap();
        assert_eq!(id.as_str(), "🍚");
    }

    #[test]
    fn bounds_hold_at_their_edges() {
        let quoted = |n: usize| format!("\"{}\"", "牙".repeat(n));
        assert!(serde_json::from_str::<Id<'_>>(&quoted(256)).is_ok());
        assert!(serde_json::from_str::<Id<'_>>(&quoted(257)).is_err());
        assert!(serde_json::from_str::<Id<'_>>("\"\"").is_err());
        for (json, ok) in
            [("[]", false), ("[\"a\"]", true), ("[\"a\",\"a\"]", true), ("[\"a\",\"a\",\"b\"]", false)]
        {
            assert_eq!(serde_json::from_str::<Ids<'_, 1, 2>>(json).is_ok(), ok, "{json}");
        }
        for (json, ok) in [
            ("0", false),
            ("1", true),
            ("7", true),
            ("7.0", true),
            ("8", false),
            ("1.5", false),
            ("-1", false),
            ("\"1\"", false),
        ] {
            assert_eq!(serde_json::from_str::<Count<7>>(json).is_ok(), ok, "{json}");
        }
        let sizes = ["1", "2", "5.0", "6"].map(|json| serde_json::from_str::<Count<5, 2>>(json).is_ok());
        assert_eq!(sizes, [false, true, true, false]);
    }

    #[test]
    fn whole_numbers_are_ids_and_an_empty_string_is_none() {
        for (json, id) in
            [("7", "7"), ("-3", "-3"), ("3.0", "3"), ("18446744073709551615", "18446744073709551615")]
        {
            assert_eq!(serde_json::from_str::<Id<'_>>(json).unwrap().as_str(), id);
        }
        for json in ["3.5", "1e300", "true", "null", "[]"] {
            assert!(serde_json::from_str::<Id<'_>>(json).is_err(), "{json}");
        }
        #[derive(serde::Deserialize)]
        struct Visit<'a> {
            #[serde(borrow, default, deserialize_with = "optional_id")]
            id: Option<Id<'a>>,
        }
        for json in ["{}", r#"{"id":null}"#, r#"{"id":""}"#] {
            assert!(serde_json::from_str::<Visit<'_>>(json).unwrap().id.is_none(), "{json}");
        }
        let visit: Visit<'_> = serde_json::from_str(r#"{"id":"v"}"#).unwrap();
        assert_eq!(visit.id.unwrap().as_str(), "v");
    }

    #[test]
    fn a_moment_is_rfc_3339_or_unix_time() {
        let read = |json: &str| serde_json::from_str::<Timestamp>(json).map(|at| at.0).ok();
        let at = Some(1_764_311_111_000);
        for json in [
            "1764311111",
            "1764311111.0",
            "1764311111000",
            "\"1764311111000\"",
            "\"2025-11-28T06:25:11Z\"",
            "\"2025-11-28T14:25:11+08:00\"",
        ] {
            assert_eq!(read(json), at, "{json}");
        }
        assert_eq!(read("1764311111.25"), Some(1_764_311_111_250));
        for json in ["\"2025-11-28\"", "\"\"", "true", "1e300", "\"2025-11-28T06:25:11\""] {
            assert_eq!(read(json), None, "{json}");
        }
        let error = serde_json::from_str::<Timestamp>("{}").unwrap_err().to_string();
        assert!(error.contains("RFC 3339") && !error.contains("an id"), "{error}");
    }
}
