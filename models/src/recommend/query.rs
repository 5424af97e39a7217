//! The query, in dense indices; the caller resolves external ids.

use std::sync::Arc;

use crate::ids::{ItemIx, UserIx};
use crate::index::localities::LocalityIx;
use crate::rules::expression::Expression;
use crate::rules::expression::inputs::Asked;

/// A query for items to recommend to one person in one context.
#[derive(Debug, Clone, Default)]
pub struct Query {
    /// The person, if the model knows them.
    pub user: Option<UserIx>,
    /// Items that the person views, has in the cart or touched in this session; latest first. Never returned.
    pub recent: Vec<ItemIx>,
    /// Items that the person touched lately, each with its weight (`0..=1`), heaviest first. Unlike `recent`, they may
    /// be returned.
    pub touched: Vec<(ItemIx, f32)>,
    /// Items that the person bought since training, each with the time, unix seconds.
    pub bought: Vec<(ItemIx, i64)>,
    /// Items that were shown to the person often and ignored: demoted below all others.
    pub overexposed: Vec<ItemIx>,
    /// Trending items, each with its heat (`0..=1`; 1 lifts it as much as the best seller's popularity).
    pub trending: Vec<(ItemIx, f32)>,
    /// Items that must not be returned.
    pub exclude: Vec<ItemIx>,
    /// Items of earlier pages of the same list, in their order. Never returned; rules about slots go on from them.
    pub shown: Vec<ItemIx>,
    /// Leave out items that the person bought before.
    pub exclude_bought: bool,
    /// Length of the slate.
    pub count: usize,
    /// Store, city or channel of the person; its best sellers stand in for an unknown history.
    pub locality: Option<LocalityIx>,
    /// The only items that may be returned; `None` allows all.
    pub pool: Option<Vec<ItemIx>>,
    /// Predicates that every returned item satisfies.
    pub filters: Vec<Arc<Expression>>,
    /// Predicates with the factor that the score of items that satisfy them is multiplied by.
    pub boosts: Vec<(Arc<Expression>, f32)>,
    /// The request fields that the expressions of the query and of its scene read.
    pub asked: Asked,
}

impl Query {
    /// A plain query for a known user.
    pub fn for_user(user: UserIx, count: usize) -> Self {
        Self { user: Some(user), count, ..Self::default() }
    }
}
