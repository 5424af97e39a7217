//! How likely a user is to buy an item: ensembles of trees over the log-odds.

use serde::{Deserialize, Serialize};

use super::features::{BOUGHT, Features, SOLD};
use crate::trees::Trees;

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
    /// The probability of a purchase, `0..=1`.
    pub fn of(&self, row: &Features) -> f32 {
        let trees = match (row[SOLD].is_nan(), row[BOUGHT].is_nan()) {
            (true, _) => &self.launch,
            (false, true) => &self.new,
            (false, false) => &self.repeat,
        };
        1.0 / (1.0 + (-trees.score(row)).exp())
    }
}
