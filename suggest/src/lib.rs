//! "Did you mean ...?": finds the known name that is most similar to an unknown one.
//!
//! Errors about unknown configuration fields, table columns, JSON fields, event types and identity types all use it,
//! so that a misspelling gets the same help everywhere. The work is bounded for any input.

#![warn(missing_docs)]

/// Names less similar than this are not suggested.
const MIN_SIMILARITY: f64 = 0.75;
/// Letters and digits of a name that are compared; the longest known name has 21.
const MAX_CHARS: usize = 64;

/// The name in `known` that is most similar to `name`, the last of equals; `None` if none is similar enough.
///
/// Cost: one comparison of at most 64 x 64 characters per known name.
pub fn nearest<'k>(name: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let name = folded(name);
    known
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(&name, &folded(candidate)), candidate))
        .filter(|(similarity, _)| *similarity >= MIN_SIMILARITY)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

/// Jaro-Winkler similarity of two names, `0..=1`; 1 for names that differ in case and separators only.
pub fn similarity(a: &str, b: &str) -> f64 {
    strsim::jaro_winkler(&folded(a), &folded(b))
}

/// Lowercase letters and digits, without separators.
fn folded(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).take(MAX_CHARS).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::{nearest, similarity};

    const KNOWN: [&str; 3] = ["item_id", "user_id", "ordered_at"];

    #[test]
    fn a_misspelled_name_gets_the_nearest_known_one() {
        assert_eq!(nearest("itmeId", KNOWN), Some("item_id"));
        assert_eq!(nearest("orderd at", KNOWN), Some("ordered_at"));
        assert_eq!(nearest("zzz", KNOWN), None);
        assert_eq!(nearest("", KNOWN), None);
    }

    #[test]
    fn case_and_separators_do_not_count() {
        assert_eq!(nearest("StockCode", ["stock_code", "Quantity"]), Some("stock_code"));
        assert_eq!(similarity("Ordered-At", "ordered_at"), 1.0);
    }

    #[test]
    fn a_name_of_a_megabyte_is_answered_at_once() {
        let started = std::time::Instant::now();
        assert_eq!(nearest(&"x".repeat(1 << 20), KNOWN), None);
        assert!(started.elapsed().as_millis() < 100);
    }
}
