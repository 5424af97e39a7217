//! The known name nearest to an unknown one.
//!
//! Serde reports unknown fields in the same words for TOML, JSON and query strings; this parses the words, so that
//! requests and configuration files get the same help from one place.

use qianmian_suggest::nearest;

/// Longest piece of a caller's name that is repeated to them, in characters.
const MAX_ECHO: usize = 80;
/// Longest part of an error message that may hold a caller's text, in characters.
const MAX_MESSAGE_ECHO: usize = 180;

/// An unknown field, and the most similar known one, if there is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownField {
    /// The name that was given, cut to 80 characters.
    pub field: String,
    /// The most similar known name.
    pub nearest: Option<String>,
}

/// Reads serde's "unknown field `x`, expected one of `a`, `b`"; `None` for any other message.
pub fn unknown_field(message: &str) -> Option<UnknownField> {
    let (_, rest) = message.split_once("unknown field `")?;
    // The last occurrence: a caller's field name may hold the same words.
    let end = rest.rfind("`, expected").or_else(|| rest.rfind("`, there are no fields"))?;
    let known = rest[end + 1..].split('`').skip(1).step_by(2);
    let field = &rest[..end];
    let field = cut(field);
    let nearest = nearest(&field, known).map(str::to_owned);
    Some(UnknownField { field, nearest })
}

/// The beginning of a caller's text, short enough to repeat.
pub fn cut(text: &str) -> String {
    text.chars().take(MAX_ECHO).collect()
}

/// A message of serde with the caller's text shortened; the expected values stay whole.
pub fn shortened(message: &str) -> String {
    // The last occurrence: the caller's text may hold the same words.
    let (echo, expected) = message.split_at(message.rfind(", expected").unwrap_or(message.len()));
    match echo.char_indices().nth(MAX_MESSAGE_ECHO) {
        Some((end, _)) => format!("{} ...{expected}", &echo[..end]),
        None => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only its field names count")]
    struct Known {
        count: Option<u32>,
        item_ids: Option<u32>,
    }

    fn read(json: &str) -> UnknownField {
        unknown_field(&serde_json::from_str::<Known>(json).unwrap_err().to_string()).unwrap()
    }

    #[test]
    fn serdes_wording_is_read_back() {
        assert_eq!(read(r#"{"cuont":1}"#).nearest.as_deref(), Some("count"));
        assert_eq!(read(r#"{"itemIds":1}"#).nearest.as_deref(), Some("item_ids"));
        assert_eq!(read(r#"{"zzz":1}"#), UnknownField { field: "zzz".into(), nearest: None });
        let toml = toml::from_str::<Known>("cuont = 1").unwrap_err().to_string();
        assert_eq!(unknown_field(&toml).unwrap().nearest.as_deref(), Some("count"));
        assert_eq!(unknown_field("missing field `count`"), None);
    }

    #[test]
    fn a_field_name_made_to_confuse_is_only_repeated() {
        let odd = r#"{"x`, expected one of `y":1}"#;
        assert_eq!(read(odd).field, "x`, expected one of `y");
        assert_eq!(read(&format!("{{\"{}\":1}}", "名".repeat(1000))).field.chars().count(), MAX_ECHO);
    }

    #[test]
    fn long_texts_are_repeated_in_part() {
        let error = serde_json::from_str::<Known>(&format!("{{\"{}\":1}}", "x".repeat(1 << 20))).unwrap_err();
        let short = shortened(&error.to_string());
        assert!(
            short.len() < 300 && short.ends_with("expected `count` or `item_ids` at line 1 column 1048579"),
            "{short}"
        );
        assert_eq!(shortened("missing field `count`"), "missing field `count`");
        assert_eq!(shortened(&"牙".repeat(500)).chars().count(), MAX_MESSAGE_ECHO + 4);
    }
}
