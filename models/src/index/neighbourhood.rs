//! What user-kNN needs beside histories: a weight an item and a length a user. Derived when a snapshot is
//! opened, in one pass over the histories.

use crate::ids::{ItemIx, UserIx};
use crate::index::purchases::Purchases;
use crate::simd;

/// Inverse user frequency of items and the lengths of users' weighted histories.
#[derive(Debug, Clone, Default)]
pub struct Neighbourhood {
    item_weights: Vec<f32>,
    user_norms: Vec<f32>,
}

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
        Self { item_weights, user_norms }
    }

    /// `ln((users + 1) / (buyers of item + 1))`; `0..`.
    pub fn item_weight(&self, item: ItemIx) -> f32 {
        self.item_weights[item as usize]
    }

    /// Length of the user's weighted history, above zero.
    pub fn user_norm(&self, user: UserIx) -> f32 {
        self.user_norms[user as usize]
    }
}
