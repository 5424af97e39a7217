//! The blend: a linear weight for every source, per kind of question.

use serde::{Deserialize, Serialize};

use crate::source::{Evidence, Source};

/// Weights of all sources. Each source's score is first divided by its best in the answer, so weights are comparable.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Blend {
    /// people -> items.
    pub recommend: Evidence,
    /// people -> items that they did not buy before.
    pub recommend_new: Evidence,
    /// people -> items, for visitors without a known user.
    pub recommend_visitor: Evidence,
    /// items -> people.
    pub audience: Evidence,
    /// Whether users buy the same items again. Where they do not, items that a user bought rank below all others.
    pub repeats: bool,
}

impl Default for Blend {
    fn default() -> Self {
        let recommend = Source::TABLE.map(|spec| spec.recommend);
        Self {
            recommend,
            recommend_new: recommend,
            recommend_visitor: recommend,
            repeats: true,
            audience: Source::TABLE.map(|spec| spec.audience),
        }
    }
}
