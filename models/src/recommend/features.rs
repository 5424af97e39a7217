//! The row of features that the ranker reads of one candidate: one function for training and for serving.

use crate::ids::ItemIx;
use crate::index::feature_schema::RankColumn;
use crate::index::popularity::SalesWindow;
use crate::index::purchases::Purchase;
use crate::index::traits::Taste;
use crate::recommend::query::Query;
use crate::recommend::shortlist::Contender;
use crate::source::Source;
use crate::view::View;

/// A row of features, by [`RankColumn`].
pub type Features = [f32; RankColumn::COUNT];

const _: () =
    assert!(RankColumn::Blend as usize == Source::COUNT, "a row begins with the scores of the sources");

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
    /// Facts of the query's user; NaN for an unknown user.
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
    let mut row = [f32::NAN; RankColumn::COUNT];
    row[..Source::COUNT].copy_from_slice(&ranked.evidence);
    let mut set = |column: RankColumn, value: f32| row[column as usize] = value;
    set(RankColumn::Blend, ranked.score);
    if let Some(p) = bought {
        let (since, owned, gap) = (days(user.at, p.last_at), days(user.at, p.first_at), p.mean_gap_days());
        set(RankColumn::PairBaskets, p.baskets as f32);
        set(RankColumn::PairDecayed, p.decayed);
        set(RankColumn::PairDaysSinceLast, since);
        set(RankColumn::PairDaysSinceFirst, owned);
        set(RankColumn::PairMeanGapDays, gap.unwrap_or(f32::NAN));
        set(RankColumn::PairOverdue, gap.map_or(f32::NAN, |gap| since / gap.max(1.0)));
        set(RankColumn::PairBasketShare, p.baskets as f32 / user.baskets.max(1.0));
        set(RankColumn::PairBasketsPerDay, p.baskets as f32 * owned.max(1.0).recip());
        set(RankColumn::PairDaysBeforeLastBasket, since - user.silent_days);
    }
    let sold = |window| snapshot.popularity.baskets_within(window, item) as f32;
    let (week, month, quarter) =
        (sold(SalesWindow::Days7), sold(SalesWindow::Days30), sold(SalesWindow::Days90));
    let all = snapshot.popularity.baskets(item) as f32;
    set(RankColumn::ItemPopularity, snapshot.popularity.score(item));
    set(RankColumn::ItemBaskets7d, week);
    set(RankColumn::ItemBaskets30d, month);
    set(RankColumn::ItemBaskets90d, quarter);
    set(RankColumn::ItemBaskets, all);
    set(RankColumn::ItemTrend7d, (week + 1.0) / (month + 4.0));
    set(RankColumn::ItemTrend30d, (month + 1.0) / (quarter + 3.0));
    set(RankColumn::ItemTrend90d, (quarter + 1.0) / (all + 1.0));
    set(RankColumn::ItemRepeatRate, snapshot.repeats.rate(item));
    set(RankColumn::ItemBuyers, snapshot.buyers.ixs(item).len() as f32);
    set(RankColumn::UserBaskets, user.baskets);
    set(RankColumn::UserSilentDays, user.silent_days);
    set(RankColumn::UserItemsPerBasket, user.items / user.baskets.max(1.0));
    set(RankColumn::UserRepeatShare, user.repeat_share);
    let [category, department, brand] = snapshot.traits.shares(&user.taste, item);
    set(RankColumn::TasteCategory, category);
    set(RankColumn::TasteDepartment, department);
    set(RankColumn::TasteBrand, brand);
    set(RankColumn::TastePrice, snapshot.traits.dearness(&user.taste, item));
    set(RankColumn::ContentRaw, ranked.content);
    row
}

fn days(at: i64, then: u32) -> f32 {
    (at - i64::from(then)).max(0) as f32 / DAY
}
