//! The row of features that the ranker reads of one candidate: one function for training and for serving.

use crate::ids::ItemIx;
use crate::index::popularity::SalesWindow;
use crate::index::purchases::Purchase;
use crate::index::traits::Taste;
use crate::recommend::query::Query;
use crate::recommend::shortlist::Contender;
use crate::source::Source;
use crate::view::View;

/// Number of features.
pub const COUNT: usize = BLEND + 1 + FACTS;
/// Where the blended score stands in a row.
pub const BLEND: usize = Source::COUNT;
/// Facts of the user, the item and the two together, after the sources and the blend.
const FACTS: usize = 28;
/// A row of features.
pub type Features = [f32; COUNT];

const DAY: f32 = 86_400.0;

/// Facts of the user, gathered once per query.
#[derive(Debug, Clone)]
pub struct UserFacts {
    baskets: f32,
    silent_days: f32,
    items: f32,
    /// Share of the purchases that repeat an earlier one.
    repeat_share: f32,
    taste: Taste,
    at: i64,
}

impl UserFacts {
    /// Facts of the query's user; all are unknown where the user is.
    pub fn new(view: View<'_>, query: &Query) -> Self {
        let (snapshot, at) = (view.snapshot, view.now);
        let Some(user) = query.user else {
            return Self {
                baskets: 0.0,
                silent_days: f32::NAN,
                items: 0.0,
                repeat_share: f32::NAN,
                taste: Taste::default(),
                at,
            };
        };
        let (baskets, last_at) = snapshot.profiles.activity(user);
        let last_at = query
            .bought
            .iter()
            .fold(last_at, |last, &(item, at)| Purchase::first(item, at).last_at.max(last));
        let items = snapshot.history.ixs(user).len() as f32;
        let bought: u32 = snapshot.history.of(user).map(|p| p.baskets).sum();
        Self {
            baskets: baskets as f32,
            silent_days: days(at, last_at),
            items,
            repeat_share: 1.0 - items / (bought as f32).max(1.0),
            taste: snapshot.traits.taste(snapshot.history.of(user).map(|p| (p.ix, p.decayed))),
            at,
        }
    }
}

/// The row of one candidate of the blend's shortlist; `bought` is the user's purchases of it.
pub fn row(view: View<'_>, user: &UserFacts, ranked: &Contender, bought: Option<Purchase>) -> Features {
    let (snapshot, item): (_, ItemIx) = (view.snapshot, ranked.item);
    let mut row = [f32::NAN; COUNT];
    row[..Source::COUNT].copy_from_slice(&ranked.evidence);
    row[BLEND] = ranked.score;
    let facts = &mut row[BLEND + 1..];
    if let Some(p) = bought {
        let since = days(user.at, p.last_at);
        let gap = p.mean_gap_days();
        facts[0] = p.baskets as f32;
        facts[1] = p.decayed;
        facts[2] = since;
        facts[3] = days(user.at, p.first_at);
        facts[4] = gap.unwrap_or(f32::NAN);
        facts[5] = gap.map_or(f32::NAN, |gap| since / gap.max(1.0));
        facts[6] = p.baskets as f32 / user.baskets.max(1.0);
        // Baskets that could have held it since it was first bought.
        facts[7] = p.baskets as f32 * facts[3].max(1.0).recip();
        facts[8] = since - user.silent_days;
    }
    let sold = |window| snapshot.popularity.baskets_within(window, item) as f32;
    let (week, month, quarter) =
        (sold(SalesWindow::Days7), sold(SalesWindow::Days30), sold(SalesWindow::Days90));
    let all = snapshot.popularity.baskets(item) as f32;
    let buyers = snapshot.buyers.ixs(item).len() as f32;
    facts[9] = snapshot.popularity.score(item);
    facts[10] = week;
    facts[11] = month;
    facts[12] = quarter;
    facts[13] = all;
    facts[14] = (week + 1.0) / (month + 4.0);
    facts[15] = (month + 1.0) / (quarter + 3.0);
    facts[16] = (quarter + 1.0) / (all + 1.0);
    facts[17] = snapshot.neighbourhood.repeat_rate(item);
    facts[18] = buyers;
    facts[19] = user.baskets;
    facts[20] = user.silent_days;
    facts[21] = user.items / user.baskets.max(1.0);
    facts[22] = user.repeat_share;
    facts[23..26].copy_from_slice(&snapshot.traits.shares(&user.taste, item));
    facts[26] = snapshot.traits.dearness(&user.taste, item);
    // Raw, beside the normalized score: the best of an answer may hardly resemble the user's items.
    facts[27] = ranked.content;
    row
}

fn days(at: i64, then: u32) -> f32 {
    (at - i64::from(then)).max(0) as f32 / DAY
}
