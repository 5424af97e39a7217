//! `[training]`: parameters of the learners.

use anyhow::ensure;
use serde::{Deserialize, Serialize};

/// Parameters of the learners; the defaults are sound for most shops.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainingConfig {
    /// Length of user and item vectors; 1..=512.
    pub dim: usize,
    /// L2 penalty of the vectors; above zero.
    pub regularization: f32,
    /// Confidence that one basket adds; above zero.
    pub alpha: f32,
    /// ALS passes; 1..=200.
    pub iterations: usize,
    /// Half-life of a purchase in a user's history, in days; above zero. Default: 90 days; with only the order of
    /// purchases known, 3 steps, or 6.6 if users buy items again.
    pub half_life_days: Option<f64>,
    /// Items that each item is regressed on over users; 1..=512.
    #[serde(alias = "ease_neighbours")]
    pub ease_neighbors: usize,
    /// Ridge penalty of these regressions; above zero.
    pub ease_lambda: f32,
    /// Items that each item is regressed on over baskets; 1..=512.
    #[serde(alias = "basket_ease_neighbours")]
    pub basket_ease_neighbors: usize,
    /// Ridge penalty of these regressions; above zero.
    pub basket_ease_lambda: f32,
    /// Length of the low-pass vectors; 1..=512.
    pub low_pass_dim: usize,
    /// Number of items from which their vectors get an HNSW graph; below it, a scan is faster and exact.
    pub item_graph_min_rows: usize,
    /// The same for users. The default is higher: an audience asks for hundreds of users at once, for which a scan is
    /// faster up to larger sizes, and building a repeatable graph row by row takes minutes (decision 51).
    pub user_graph_min_rows: usize,
    /// Learn the ranking from the last months. Without it training takes a third of the time, and every source has its
    /// default weight.
    pub rehearse: bool,
    /// Seed of all random numbers.
    pub seed: u64,
}

impl Default for TrainingConfig {
    fn default() -> Self {
        Self {
            dim: 64,
            regularization: 8.0,
            alpha: 6.0,
            iterations: 12,
            half_life_days: None,
            ease_neighbors: 100,
            ease_lambda: 10.0,
            basket_ease_neighbors: 200,
            basket_ease_lambda: 10.0,
            low_pass_dim: 128,
            item_graph_min_rows: 50_000,
            user_graph_min_rows: 1_000_000,
            rehearse: true,
            seed: 7,
        }
    }
}

impl TrainingConfig {
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        let above_zero = |v: f32| v.is_finite() && v > 0.0;
        ensure!((1..=512).contains(&self.dim), "training.dim = {}: use 1 to 512", self.dim);
        ensure!(
            (1..=200).contains(&self.iterations),
            "training.iterations = {}: use 1 to 200",
            self.iterations
        );
        ensure!(
            above_zero(self.regularization),
            "training.regularization = {}: use a number above 0",
            self.regularization
        );
        ensure!(above_zero(self.alpha), "training.alpha = {}: use a number above 0", self.alpha);
        let lengths = [
            ("ease_neighbors", self.ease_neighbors),
            ("basket_ease_neighbors", self.basket_ease_neighbors),
            ("low_pass_dim", self.low_pass_dim),
        ];
        for (name, value) in lengths {
            ensure!((1..=512).contains(&value), "training.{name} = {value}: use 1 to 512");
        }
        let penalties = [("ease_lambda", self.ease_lambda), ("basket_ease_lambda", self.basket_ease_lambda)];
        for (name, value) in penalties {
            ensure!(above_zero(value), "training.{name} = {value}: use a number above 0");
        }
        if let Some(days) = self.half_life_days {
            let sound = days.is_finite() && days > 0.0;
            ensure!(sound, "training.half_life_days = {days}: use a number above 0");
        }
        Ok(())
    }
}
