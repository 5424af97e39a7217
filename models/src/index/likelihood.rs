//! Likelihood: the probability that a user buys an item, from trees over the log-odds.
//!
//! Sections `likely_repeat`, `likely_new`, `likely_cold`: trees over the [`LikelihoodColumn`]s.

use serde::{Deserialize, Serialize};

use crate::index::feature_schema::LikelihoodColumn;
use crate::kernels::trees::Trees;

/// A row of features.
pub type Features = [f32; LikelihoodColumn::COUNT];

/// The models of likelihood, by kind of user and item.
#[derive(Debug, Clone)]
pub struct Likelihood {
    /// For users who bought the item before.
    pub repeat: Trees,
    /// For users who did not.
    pub new: Trees,
    /// For items without sales; trained on established items as if they had none.
    pub cold: Trees,
    /// The horizon of the probabilities.
    pub horizon: Horizon,
}

/// The time within which the purchase is predicted.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Horizon {
    /// Days from the end of the data.
    Days(f32),
    /// The user's next basket: used if times are not known.
    NextBasket,
}

impl Likelihood {
    /// The probability of a purchase, `0..=1`, of each row.
    pub fn of(&self, rows: &[Features]) -> Vec<f32> {
        let mut probabilities = vec![0.0; rows.len()];
        for trees in [&self.cold, &self.new, &self.repeat] {
            let its: Vec<usize> =
                (0..rows.len()).filter(|&n| std::ptr::eq(self.model(&rows[n]), trees)).collect();
            let mut scores = vec![0.0f32; its.len()];
            trees.add_scores(&its.iter().map(|&n| rows[n]).collect::<Vec<_>>(), &mut scores);
            its.iter().zip(scores).for_each(|(&n, score)| probabilities[n] = 1.0 / (1.0 + (-score).exp()));
        }
        probabilities
    }

    fn model(&self, row: &Features) -> &Trees {
        let is_unknown = |column: LikelihoodColumn| row[column as usize].is_nan();
        match (is_unknown(LikelihoodColumn::ItemPopularity), is_unknown(LikelihoodColumn::PairBaskets)) {
            (true, _) => &self.cold,
            (false, true) => &self.new,
            (false, false) => &self.repeat,
        }
    }
}
