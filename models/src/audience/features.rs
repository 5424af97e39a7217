//! The input of the likelihood models for one user and one item: one function for training and for serving.

use crate::ids::{ItemIx, UserIx};
use crate::index::feature_schema::LikelihoodColumn as Column;
use crate::index::likelihood::Features;
use crate::index::popularity::SalesWindow;
use crate::index::purchases::Purchase;
use crate::recommend::candidates::Candidate;
use crate::source::{Evidence, Source};
use crate::view::View;

const DAY: f32 = 86_400.0;
/// The sources that score users, each with the columns of its raw score and of its share of the best.
const SOURCES: [(Source, Column, Column); 5] = [
    (Source::Personal, Column::Personal, Column::PersonalShare),
    (Source::Factors, Column::Factors, Column::FactorsShare),
    (Source::Popularity, Column::Activity, Column::ActivityShare),
    (Source::Ease, Column::Ease, Column::EaseShare),
    (Source::EaseRecent, Column::EaseRecent, Column::EaseRecentShare),
];
/// Windows in which an item's first-time buyers are counted, days.
const ACQUIRED_DAYS: [f32; 2] = [30.0, 90.0];

/// The item's part of the features, computed once per query.
#[derive(Debug, Clone)]
pub struct ItemFacts {
    at: i64,
    row: Features,
}

impl ItemFacts {
    /// Facts of an item; all are NaN for an item without sales.
    pub fn new(view: View<'_>, item: Option<ItemIx>) -> Self {
        let at = view.now;
        let Some(item) = item else { return Self { at, row: [f32::NAN; Column::COUNT] } };
        let snapshot = view.snapshot;
        let mut row = [f32::NAN; Column::COUNT];
        let mut set = |column: Column, value: f32| row[column as usize] = value;
        let sold = |window| snapshot.popularity.baskets_within(window, item) as f32;
        let (week, month, quarter) =
            (sold(SalesWindow::Days7), sold(SalesWindow::Days30), sold(SalesWindow::Days90));
        let all = snapshot.popularity.baskets(item) as f32;
        let mut acquired = [0.0; 2];
        for purchase in snapshot.buyers.of(item) {
            let since = days(at, purchase.first_at);
            for (count, window) in acquired.iter_mut().zip(ACQUIRED_DAYS) {
                *count += f32::from(u8::from(since <= window));
            }
        }
        set(Column::ItemPopularity, snapshot.popularity.score(item));
        set(Column::ItemBaskets7d, week);
        set(Column::ItemBaskets30d, month);
        set(Column::ItemBaskets90d, quarter);
        set(Column::ItemBaskets, all);
        set(Column::ItemTrend7d, (week + 1.0) / (month + 4.0));
        set(Column::ItemTrend30d, (month + 1.0) / (quarter + 3.0));
        set(Column::ItemTrend90d, (quarter + 1.0) / (all + 1.0));
        set(Column::ItemRepeatRate, snapshot.repeats.rate(item));
        set(Column::ItemBuyers, snapshot.buyers.ixs(item).len() as f32);
        set(Column::ItemNewBuyers30d, acquired[0]);
        set(Column::ItemNewBuyers90d, acquired[1]);
        Self { at, row }
    }
}

/// The features of one candidate: its raw and its normalized evidence (`0..=1`), its blended score, and the user's
/// purchases of the item.
pub fn row(
    view: View<'_>,
    item: &ItemFacts,
    user: UserIx,
    candidate: &Candidate,
    normalized: &Evidence,
    blend: f32,
    bought: Option<Purchase>,
) -> Features {
    let snapshot = view.snapshot;
    let mut row = item.row;
    let mut set = |column: Column, value: f32| row[column as usize] = value;
    for (source, raw, share) in SOURCES {
        set(raw, candidate.evidence[source as usize]);
        set(share, normalized[source as usize]);
    }
    set(Column::Blend, blend);
    let (baskets, first_at, last_at) = snapshot.profiles.span(user);
    let baskets = baskets as f32;
    let (tenure, silent) = (days(item.at, first_at), days(item.at, last_at));
    if let Some(p) = bought {
        let (since, owned) = (days(item.at, p.last_at), days(item.at, p.first_at));
        let gap = p.mean_gap_days();
        set(Column::PairBaskets, p.baskets as f32);
        set(Column::PairDaysSinceLast, since);
        set(Column::PairDaysSinceFirst, owned);
        set(Column::PairMeanGapDays, gap.unwrap_or(f32::NAN));
        set(Column::PairOverdue, gap.map_or(f32::NAN, |gap| since / gap.max(1.0)));
        set(Column::PairBasketShare, p.baskets as f32 / baskets.max(1.0));
        set(Column::PairBasketsPerDay, p.baskets as f32 / owned.max(1.0));
        set(Column::PairDaysBeforeLastBasket, since - silent);
    }
    let lines = snapshot.repeats.lines(user);
    let items = snapshot.history.ixs(user).len() as f32;
    set(Column::UserBaskets, baskets);
    set(Column::UserSilentDays, silent);
    set(Column::UserLinesPerBasket, lines / baskets.max(1.0));
    set(Column::UserRepeatShare, 1.0 - items / lines.max(1.0));
    set(Column::UserTenureDays, tenure);
    set(Column::UserBasketsPerMonth, 30.0 * baskets / tenure.max(30.0));
    set(Column::UserOverdue, silent * (baskets - 1.0) / (tenure - silent).max(1.0));
    set(Column::UserItems, items);
    set(Column::External1, candidate.evidence[Source::External1 as usize]);
    set(Column::External2, candidate.evidence[Source::External2 as usize]);
    row
}

fn days(at: i64, then: u32) -> f32 {
    (at - i64::from(then)).max(0) as f32 / DAY
}
