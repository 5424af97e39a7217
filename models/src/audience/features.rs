//! What the likelihood models see of one user and one item: one function for training and for serving.

use crate::ids::{ItemIx, UserIx};
use crate::index::popularity::SalesWindow;
use crate::index::purchases::Purchase;
use crate::recommend::candidates::Candidate;
use crate::source::{Evidence, Source};
use crate::view::View;

/// Number of features.
pub const COUNT: usize = 41;
/// Where the baskets stand in which the user bought the goods; NaN where they did not.
pub const BOUGHT: usize = 11;
/// Where the decayed sales of the goods stand; NaN where there were none.
pub const SOLD: usize = 19;
/// A row of features.
pub type Features = [f32; COUNT];

const DAY: f32 = 86_400.0;
/// The sources that speak of people; each gives its raw score and its share of the best.
const SOURCES: [Source; 5] =
    [Source::Personal, Source::Factors, Source::Popularity, Source::Ease, Source::EaseRecent];
/// Windows in which an item's first-time buyers are counted, days.
const ACQUIRED_DAYS: [f32; 2] = [30.0, 90.0];

/// What the features need of the goods, gathered once a query.
#[derive(Debug, Clone)]
pub struct ItemFacts {
    at: i64,
    row: [f32; 12],
}

impl ItemFacts {
    /// Facts of an item; all are unknown for goods without sales.
    pub fn new(view: View<'_>, item: Option<ItemIx>) -> Self {
        let at = view.now;
        let Some(item) = item else { return Self { at, row: [f32::NAN; 12] } };
        let sold = |window| view.snapshot.popularity.baskets_within(window, item) as f32;
        let (week, month, quarter) =
            (sold(SalesWindow::Days7), sold(SalesWindow::Days30), sold(SalesWindow::Days90));
        let all = view.snapshot.popularity.baskets(item) as f32;
        let mut acquired = [0.0; 2];
        for purchase in view.snapshot.buyers.of(item) {
            let since = days(at, purchase.first_at);
            for (count, window) in acquired.iter_mut().zip(ACQUIRED_DAYS) {
                *count += f32::from(u8::from(since <= window));
            }
        }
        let row = [
            view.snapshot.popularity.score(item),
            week,
            month,
            quarter,
            all,
            (week + 1.0) / (month + 4.0),
            (month + 1.0) / (quarter + 3.0),
            (quarter + 1.0) / (all + 1.0),
            view.snapshot.neighbourhood.repeat_rate(item),
            view.snapshot.buyers.ixs(item).len() as f32,
            acquired[0],
            acquired[1],
        ];
        Self { at, row }
    }
}

/// The features of one candidate: its raw and its normalised evidence (`0..=1`), its blended score, and
/// what the user bought of the goods.
pub fn of(
    view: View<'_>,
    item: &ItemFacts,
    user: UserIx,
    candidate: &Candidate,
    normalised: &Evidence,
    blend: f32,
    bought: Option<Purchase>,
) -> Features {
    let mut row = [f32::NAN; COUNT];
    for (n, source) in SOURCES.into_iter().enumerate() {
        row[n] = candidate.evidence[source as usize];
        row[n + 5] = normalised[source as usize];
    }
    row[10] = blend;
    let (baskets, first_at, last_at) = view.snapshot.profiles.span(user);
    let baskets = baskets as f32;
    let (tenure, silent) = (days(item.at, first_at), days(item.at, last_at));
    if let Some(p) = bought {
        let (since, owned) = (days(item.at, p.last_at), days(item.at, p.first_at));
        let gap = p.mean_gap_days();
        row[BOUGHT] = p.baskets as f32;
        row[12] = since;
        row[13] = owned;
        row[14] = gap.unwrap_or(f32::NAN);
        row[15] = gap.map_or(f32::NAN, |gap| since / gap.max(1.0));
        row[16] = p.baskets as f32 / baskets.max(1.0);
        row[17] = p.baskets as f32 / owned.max(1.0);
        row[18] = since - silent;
    }
    row[SOLD..SOLD + 12].copy_from_slice(&item.row);
    let lines = view.snapshot.neighbourhood.lines(user);
    let items = view.snapshot.history.ixs(user).len() as f32;
    row[31] = baskets;
    row[32] = silent;
    row[33] = lines / baskets.max(1.0);
    row[34] = 1.0 - items / lines.max(1.0);
    row[35] = tenure;
    row[36] = 30.0 * baskets / tenure.max(30.0);
    row[37] = silent * (baskets - 1.0) / (tenure - silent).max(1.0);
    row[38] = items;
    row[39] = candidate.evidence[Source::External1 as usize];
    row[40] = candidate.evidence[Source::External2 as usize];
    row
}

fn days(at: i64, then: u32) -> f32 {
    (at - i64::from(then)).max(0) as f32 / DAY
}
