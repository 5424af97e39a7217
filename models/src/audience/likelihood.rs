//! How likely a user is to buy an item: ensembles of trees over the log-odds.

use serde::{Deserialize, Serialize};

use super::features::{BOUGHT, Features, SOLD};
use crate::kernels::trees::Trees;

/// The models of likelihood.
#[derive(Debug, Clone)]
pub struct Likelihood {
    /// For users who bought the item before.
    pub repeat: Trees,
    /// For users who did not.
    pub new: Trees,
    /// For goods that nobody bought yet: as likely as of established goods like them.
    pub launch: Trees,
    /// What the probability speaks of.
    pub horizon: Horizon,
}

/// Within what a probability says that the user buys.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Horizon {
    /// So many days from the end of the data.
    Days(f32),
    /// The user's next basket: where times are not known.
    NextBasket,
}

impl Likelihood {
    /// The probability of a purchase, `0..=1`, of each row.
    pub fn of(&self, rows: &[Features]) -> Vec<f32> {
        let mut probabilities = vec![0.0; rows.len()];
        for trees in [&self.launch, &self.new, &self.repeat] {
            let its: Vec<usize> =
                (0..rows.len()).filter(|&n| std::ptr::eq(self.model(&rows[n]), trees)).collect();
            let mut scores = vec![0.0f32; its.len()];
            trees.add_scores(&its.iter().map(|&n| rows[n]).collect::<Vec<_>>(), &mut scores);
            its.iter().zip(scores).for_each(|(&n, score)| probabilities[n] = 1.0 / (1.0 + (-score).exp()));
        }
        probabilities
    }

    fn model(&self, row: &Features) -> &Trees {
        match (row[SOLD].is_nan(), row[BOUGHT].is_nan()) {
            (true, _) => &self.launch,
            (false, true) => &self.new,
            (false, false) => &self.repeat,
        }
    }
}
