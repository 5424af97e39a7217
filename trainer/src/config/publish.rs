//! `[publish]`: the gate before a publish.

use anyhow::ensure;
use serde::{Deserialize, Serialize};

/// Options of the gate before a publish.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PublishConfig {
    /// The largest allowed NDCG loss of a new version, as a share of the served version's NDCG; `0..=1`.
    pub tolerance: f64,
}

impl Default for PublishConfig {
    fn default() -> Self {
        Self { tolerance: 0.05 }
    }
}

impl PublishConfig {
    pub(super) fn check(&self) -> anyhow::Result<()> {
        ensure!(
            (0.0..=1.0).contains(&self.tolerance),
            "publish.tolerance = {}: use 0 to 1, such as 0.05 for 5 %",
            self.tolerance
        );
        Ok(())
    }
}
