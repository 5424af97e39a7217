//! Repeat rates of items and repeat counts of users. Derived when a snapshot is opened, in one pass over the histories.
//!
//! Cost: 4 bytes per item and per user.

use crate::ids::{ItemIx, UserIx};
use crate::index::purchases::Purchases;

/// Weight of the shop's repeat rate in an item's, as a number of buyers.
const PRIOR_BUYERS: f32 = 10.0;

/// Repeat rates of items, and the lengths of users' histories with repeats.
#[derive(Debug, Clone, Default)]
pub struct Repeats {
    rates: Vec<f32>,
    lines: Vec<f32>,
}

impl Repeats {
    /// From both sides of the purchases.
    pub fn new(history: &Purchases, buyers: &Purchases) -> Self {
        let lines = |user: usize| history.of(user as u32).map(|p| p.baskets as f32).sum();
        Self { rates: rates(buyers), lines: (0..history.rows()).map(lines).collect() }
    }

    /// Share of the item's buyers who bought it again, smoothed towards the shop's; `0..=1`.
    pub fn rate(&self, item: ItemIx) -> f32 {
        self.rates[item as usize]
    }

    /// Items over all of the user's baskets, repeats counted; `0..`.
    pub fn lines(&self, user: UserIx) -> f32 {
        self.lines[user as usize]
    }
}

fn rates(buyers: &Purchases) -> Vec<f32> {
    let counts = |item: usize| {
        let again = buyers.of(item as u32).filter(|p| p.baskets > 1).count();
        (again as f32, buyers.ixs(item as u32).len() as f32)
    };
    let per_item: Vec<(f32, f32)> = (0..buyers.rows()).map(counts).collect();
    let (again, all) =
        per_item.iter().fold((0.0f64, 0.0f64), |sum, c| (sum.0 + f64::from(c.0), sum.1 + f64::from(c.1)));
    let shop = if all > 0.0 { (again / all) as f32 } else { 0.0 };
    per_item.iter().map(|(again, all)| (again + PRIOR_BUYERS * shop) / (all + PRIOR_BUYERS)).collect()
}
