//! The candidate sources: the closed set of signals that propose and score candidates, in one table.
//!
//! A new source is a variant here, a row of the table, and a file in [`recommend::sources`](crate::recommend::sources).
//! Everything else (weights, evidence, metrics, the manifest) is indexed by this enum.

use serde::{Deserialize, Serialize};

/// The source of a candidate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Source {
    /// The user bought the item before (in an audience: the user bought this item before).
    Personal = 0,
    /// The item shares baskets with items that the user bought or views.
    CoPurchase = 1,
    /// The vectors of the user and the item have a large inner product.
    Factors = 2,
    /// The item sells well (in an audience: the user buys often).
    Popularity = 3,
    /// EASE regression on all that the user bought.
    Ease = 4,
    /// EASE regression on the user's purchases, weighted by recency.
    EaseRecent = 5,
    /// Users buy the item after the items that this user bought last.
    Transition = 6,
    /// Users with similar baskets buy the item.
    UserKnn = 7,
    /// Users with similar baskets bought the item lately.
    UserKnnRecent = 8,
    /// The item is close to the user's purchases in the low-pass embedding.
    LowPass = 9,
    /// The first source that was trained elsewhere.
    #[serde(rename = "external_1")]
    External1 = 10,
    /// The second source that was trained elsewhere.
    #[serde(rename = "external_2")]
    External2 = 11,
    /// The item's attributes resemble those of the user's items, and one of the two has no sales.
    Content = 12,
}

/// A row of the table of sources.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SourceSpec {
    /// The source.
    pub source: Source,
    /// Its name in answers, metrics, the manifest and configuration.
    pub name: &'static str,
    /// Its weight in `/recommend` before any is learned.
    pub recommend: f32,
    /// Its weight in `/audience` before any is learned; 0 for sources that propose no users.
    pub audience: f32,
}

const fn spec(source: Source, name: &'static str, recommend: f32, audience: f32) -> SourceSpec {
    SourceSpec { source, name, recommend, audience }
}

/// One value per source, indexed by [`Source`]: weights, or the scores that the sources gave a candidate (0 if one
/// did not propose it).
pub type Evidence = [f32; Source::COUNT];

impl Source {
    /// Number of sources.
    pub const COUNT: usize = 13;

    /// The table, in index order. The weights are starting points of the learner (`learn/blend.rs`); they order the
    /// answers of an artifact that had too little history to learn from.
    pub const TABLE: [SourceSpec; Self::COUNT] = [
        spec(Self::Personal, "personal", 1.0, 1.0),
        spec(Self::CoPurchase, "co_purchase", 0.1, 0.0),
        spec(Self::Factors, "factors", 0.2, 0.6),
        spec(Self::Popularity, "popularity", 0.05, 0.1),
        spec(Self::Ease, "ease", 0.2, 0.2),
        spec(Self::EaseRecent, "ease_recent", 0.2, 0.2),
        spec(Self::Transition, "transition", 0.1, 0.0),
        spec(Self::UserKnn, "user_knn", 0.1, 0.0),
        spec(Self::UserKnnRecent, "user_knn_recent", 0.1, 0.0),
        spec(Self::LowPass, "low_pass", 0.1, 0.0),
        spec(Self::External1, "external_1", 0.2, 0.2),
        spec(Self::External2, "external_2", 0.2, 0.2),
        spec(Self::Content, "content", 0.1, 0.0),
    ];

    /// All sources, in index order.
    pub const ALL: [Self; Self::COUNT] = {
        let mut all = [Self::Personal; Self::COUNT];
        let mut n = 0;
        while n < Self::COUNT {
            all[n] = Self::TABLE[n].source;
            assert!(all[n] as usize == n, "the table of sources must be in index order");
            n += 1;
        }
        all
    };

    /// The name in answers, metrics, the manifest and configuration.
    pub const fn name(self) -> &'static str {
        Self::TABLE[self as usize].name
    }

    /// The source of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|source| source.name() == name)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn names_of_the_table_are_those_of_json() {
        for source in Source::ALL {
            assert_eq!(serde_json::to_value(source).unwrap(), source.name());
            assert_eq!(Source::named(source.name()), Some(source));
        }
        assert_eq!(Source::named("nothing"), None);
    }
}
