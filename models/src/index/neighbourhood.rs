//! What user-kNN needs beside histories: a weight an item and a length a user. Derived when a snapshot is
//! opened, in one pass over the histories.

use crate::ids::{ItemIx, UserIx};
use crate::index::purchases::Purchases;
use crate::kernels::simd;

/// Inverse user frequency of items and the lengths of users' weighted histories.
#[derive(Debug, Clone, Default)]
pub struct Neighbourhood {
    item_weights: Vec<f32>,
    user_norms: Vec<f32>,
    repeat_rates: Vec<f32>,
    lines: Vec<f32>,
}

/// Buyers that the global repeat rate counts for in an item's.
const PRIOR_BUYERS: f32 = 10.0;

impl Neighbourhood {
    /// From both sides of the purchases.
    pub fn new(history: &Purchases, buyers: &Purchases) -> Self {
        let n_users = history.rows() as f32;
        let weight = |item: usize| ((n_users + 1.0) / (buyers.ixs(item as u32).len() as f32 + 1.0)).ln();
        let item_weights: Vec<f32> = (0..buyers.rows()).map(weight).collect();
        let norm = |user: usize| {
            let squares = history.ixs(user as u32).iter().map(|&item| item_weights[item as usize].powi(2));
            squares.sum::<f32>().sqrt().max(simd::SMALL)
        };
        let user_norms = (0..history.rows()).map(norm).collect();
        let lines = |user: usize| history.of(user as u32).map(|p| p.baskets as f32).sum();
        let lines = (0..history.rows()).map(lines).collect();
        Self { item_weights, user_norms, repeat_rates: repeat_rates(buyers), lines }
    }

    /// `ln((users + 1) / (buyers of item + 1))`; `0..`.
    pub fn item_weight(&self, item: ItemIx) -> f32 {
        self.item_weights[item as usize]
    }

    /// Share of the item's buyers who bought it again, smoothed towards the shop's; `0..=1`.
    pub fn repeat_rate(&self, item: ItemIx) -> f32 {
        self.repeat_rates[item as usize]
    }

    /// Items over all of the user's baskets, repeats counted; `0..`.
    pub fn lines(&self, user: UserIx) -> f32 {
        self.lines[user as usize]
    }

    /// Length of the user's weighted history, above zero.
    pub fn user_norm(&self, user: UserIx) -> f32 {
        self.user_norms[user as usize]
    }
}

fn repeat_rates(buyers: &Purchases) -> Vec<f32> {
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
