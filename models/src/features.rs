//! What the ranker sees of one candidate: one function for training and for serving.

use crate::candidates::Candidate;
use crate::ids::ItemIx;
use crate::index::purchases::Purchase;
use crate::query::{Query, Source};
use crate::snapshot::Snapshot;

/// Number of features.
pub const COUNT: usize = 32;
/// Where the blended score stands in a row.
pub const BLEND: usize = 8;
/// A row of features.
pub type Features = [f32; COUNT];

const DAY: f32 = 86_400.0;

/// What the features need of the user, gathered once a query.
#[derive(Debug, Clone)]
pub struct UserFacts {
    baskets: f32,
    silent_days: f32,
    items: f32,
    /// Purchases of items bought before, of all.
    repeat_share: f32,
    at: i64,
}

impl UserFacts {
    /// Of the query's user; an unknown user has no facts.
    pub fn new(snapshot: &Snapshot, query: &Query) -> Self {
        let Some(user) = query.user else {
            return Self {
                baskets: 0.0,
                silent_days: f32::NAN,
                items: 0.0,
                repeat_share: f32::NAN,
                at: query.at,
            };
        };
        let (baskets, last_at) = snapshot.profiles.activity(user);
        let items = snapshot.history.ixs(user).len() as f32;
        let bought: u32 = snapshot.history.of(user).map(|p| p.baskets).sum();
        Self {
            baskets: baskets as f32,
            silent_days: days(query.at, last_at),
            items,
            repeat_share: 1.0 - items / (bought as f32).max(1.0),
            at: query.at,
        }
    }
}

/// The features of one candidate. `evidence` of `candidate` is normalised, `blend` is its blended score,
/// `bought` what the user bought of it.
pub fn of(
    snapshot: &Snapshot,
    user: &UserFacts,
    item: ItemIx,
    candidate: &Candidate,
    blend: f32,
    bought: Option<Purchase>,
) -> Features {
    let mut row = [f32::NAN; COUNT];
    row[..Source::COUNT].copy_from_slice(&candidate.evidence);
    row[BLEND] = blend;
    if let Some(p) = bought {
        let since = days(user.at, p.last_at);
        let gap = p.mean_gap_days();
        row[9] = p.baskets as f32;
        row[10] = p.decayed;
        row[11] = since;
        row[12] = days(user.at, p.first_at);
        row[13] = gap.unwrap_or(f32::NAN);
        row[14] = gap.map_or(f32::NAN, |gap| since / gap.max(1.0));
        row[15] = p.baskets as f32 / user.baskets.max(1.0);
        // Baskets that could have held it since it was first bought.
        row[16] = p.baskets as f32 * row[12].max(1.0).recip();
        row[17] = since - user.silent_days;
    }
    let sold = |window| snapshot.popularity.baskets_within(window, item) as f32;
    let (week, month, quarter) = (sold(0), sold(1), sold(2));
    let all = snapshot.popularity.baskets(item) as f32;
    let buyers = snapshot.buyers.ixs(item).len() as f32;
    row[18] = snapshot.popularity.score(item);
    row[19] = week;
    row[20] = month;
    row[21] = quarter;
    row[22] = all;
    row[23] = (week + 1.0) / (month + 4.0);
    row[24] = (month + 1.0) / (quarter + 3.0);
    row[25] = (quarter + 1.0) / (all + 1.0);
    row[26] = snapshot.neighbourhood.repeat_rate(item);
    row[27] = buyers;
    row[28] = user.baskets;
    row[29] = user.silent_days;
    row[30] = user.items / user.baskets.max(1.0);
    row[31] = user.repeat_share;
    row
}

fn days(at: i64, then: u32) -> f32 {
    (at - i64::from(then)).max(0) as f32 / DAY
}
