//! Checks the body of an answer: it parses, has no more results than asked for, and no duplicates.
//!
//! Costs one pass over the JSON and a sort of the ids: about 5 us for 20 items, paid by the generator.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::questions::CallKind;

/// A fault of a 2xx answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Flaw {
    /// The body is not the JSON of this call.
    Unreadable,
    /// It has a result twice.
    Duplicate,
    /// More results than asked for.
    TooMany,
}

/// The facts of a valid answer.
#[derive(Debug, PartialEq, Eq)]
pub struct Checked<'a> {
    /// `model.version`; `None` if the answer has none.
    pub version: Option<Cow<'a, str>>,
    /// True if there are fewer results than asked for; normal if the catalog or the audience is small.
    pub is_short: bool,
}

#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow)]
    model: Option<Model<'a>>,
    #[serde(borrow, alias = "users", alias = "complements")]
    items: Vec<Row<'a>>,
}

#[derive(Deserialize)]
struct Model<'a> {
    #[serde(borrow)]
    version: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Row<'a> {
    #[serde(borrow, alias = "user_id")]
    item_id: Cow<'a, str>,
}

/// Checks the body of a 2xx answer to a call that asked for `count` results.
///
/// # Errors
/// The first flaw.
pub fn check(kind: CallKind, count: usize, body: &[u8]) -> Result<Checked<'_>, Flaw> {
    let (version, rows) = match kind {
        CallKind::Health => return Ok(Checked { version: None, is_short: false }),
        CallKind::AudienceLines => (None, lines(body)?),
        _ => {
            let answer: Answer<'_> = serde_json::from_slice(body).map_err(|_| Flaw::Unreadable)?;
            (answer.model.map(|model| model.version), answer.items)
        }
    };
    let mut ids: Vec<&str> = rows.iter().map(|row| row.item_id.as_ref()).collect();
    if ids.len() > count {
        return Err(Flaw::TooMany);
    }
    ids.sort_unstable();
    if ids.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(Flaw::Duplicate);
    }
    Ok(Checked { version, is_short: ids.len() < count })
}

fn lines(body: &[u8]) -> Result<Vec<Row<'_>>, Flaw> {
    let lines = body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines.map(|line| serde_json::from_slice(line).map_err(|_| Flaw::Unreadable)).collect()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn good_answers_of_every_kind_pass() {
        let slate = r#"{"model":{"version":"v\u0031"},"items":[{"item_id":"a","rank":1},{"item_id":"b"}]}"#;
        let checked = check(CallKind::Recommend, 2, slate.as_bytes()).unwrap();
        assert_eq!(checked, Checked { version: Some("v1".into()), is_short: false });
        assert!(check(CallKind::Similar, 3, slate.as_bytes()).unwrap().is_short);
        let people = br#"{"users":[{"user_id":"u","reasons":[{"item_id":"a"}]}]}"#;
        assert_eq!(check(CallKind::Audience, 1, people).unwrap().version, None);
        let cart = br#"{"complements":[{"item_id":"a","with_item_id":"b"}],"bundles":[]}"#;
        assert!(!check(CallKind::Bundle, 1, cart).unwrap().is_short);
        let lines = b"{\"user_id\":\"u\"}\n{\"user_id\":\"v\"}\n";
        assert!(!check(CallKind::AudienceLines, 2, lines).unwrap().is_short);
        assert!(check(CallKind::Health, 0, b"anything").is_ok());
    }

    #[test]
    fn each_flaw_is_named() {
        let twice = br#"{"items":[{"item_id":"a"},{"item_id":"b"},{"item_id":"a"}]}"#;
        for (count, body, flaw) in [
            (3, &twice[..], Flaw::Duplicate),
            (2, &twice[..], Flaw::TooMany),
            (3, &b"<html>"[..], Flaw::Unreadable),
            (3, &b""[..], Flaw::Unreadable),
            (3, &br#"{"status":"ok"}"#[..], Flaw::Unreadable),
        ] {
            assert_eq!(check(CallKind::Recommend, count, body), Err(flaw));
        }
        let cut = check(CallKind::AudienceLines, 9, b"{\"user_id\":\"u\"}\n{\"user");
        assert_eq!(cut, Err(Flaw::Unreadable));
    }
}
