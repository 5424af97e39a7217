//! `[training]`: what is learned, and how.

use anyhow::ensure;
use serde::{Deserialize, Serialize};

use crate::learn::als::AlsOptions;
use crate::learn::ann;

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
    /// From so many items on, their vectors get an HNSW graph; below, a scan is faster and exact.
    pub item_graph_min_rows: usize,
    /// The same of users. An audience asks for hundreds of users at once, where a scan stays ahead for
    /// longer, and rows are inserted one by one to be repeatable, so a graph of millions takes its time.
    pub user_graph_min_rows: usize,
    /// Learn the order of answers from the last months. Without it training takes a third of the time, and
    /// every source counts by default.
    pub rehearse: bool,
    /// Of everything that is drawn at random.
    pub seed: u64,
}

impl Default for TrainingConfig {
    fn default() -> Self {
        let als = AlsOptions::default();
        Self {
            dim: als.dim,
            regularization: als.regularization,
            alpha: als.alpha,
            iterations: als.iterations,
            item_graph_min_rows: ann::MIN_ITEMS,
            user_graph_min_rows: ann::MIN_USERS,
            rehearse: true,
            seed: als.seed,
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
        Ok(())
    }
}
