//! Measured figures of a version: the gate decides by them, and `GET /models` shows them.
//!
//! They are the manifest's `metrics`. NDCG and recall are means over users, 0 to 1. A figure that could not be measured
//! is null. Fields written by a later version of the program are kept when a verdict is added.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Everything that was measured of a version.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Metrics {
    /// Quality of the learned ranking on purchases that the rehearsed indexes had not seen; `None` without a rehearsal.
    #[serde(default)]
    pub rehearsal: Option<Rehearsal>,
    /// Sections that a learner left out, with the reason.
    #[serde(default)]
    pub left_out: BTreeMap<String, String>,
    /// Decisions of the gate, the latest last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub publish: Vec<Verdict>,
    /// The search of `train --tune`, as the trainer wrote it; no decision depends on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tuning: Option<Value>,
    /// Fields that this program does not know.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

/// The quality of the learned ranking on purchases after the rehearsal folds.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Rehearsal {
    /// Users whose purchases were the labels.
    pub users: u64,
    /// Slates of all items.
    pub recommend_ndcg_10: RankingQuality,
    /// Slates of items that are new to the user; equal to the former if all items are new, or too few.
    pub recommend_new_ndcg_10: RankingQuality,
    /// NDCG@10 of the weights for visitors; null if there were too few to learn from.
    pub recommend_visitor_ndcg_10: Option<f64>,
    /// Mean of recall and NDCG at 100 of the learned audience weights, over the items that they were learned on.
    pub audience_recall_ndcg_100: Option<f64>,
    /// Log loss of the probability models; null if there were too few purchases to train them.
    pub audience_log_loss: Option<LogLosses>,
    /// Kinds of localities with enough new users.
    #[serde(default)]
    pub localities: Vec<LocalityLift>,
}

/// NDCG@10 of one way to rank, and of its baselines.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct RankingQuality {
    /// The weights, on the users that they were learned on.
    pub blend: Option<f64>,
    /// The weights, on users that the trees were not learned from; 0 if there were too few users to learn trees.
    pub blend_held_out: Option<f64>,
    /// The trees, on the same users.
    pub ranker_held_out: Option<f64>,
    /// Best sellers of the last 30 days, on the same users.
    pub popularity_held_out: Option<f64>,
}

impl RankingQuality {
    /// NDCG@10 of the better of trees and weights on held-out users; `None` if nothing was held out.
    pub fn held_out(&self) -> Option<f64> {
        let figures = [self.ranker_held_out, self.blend_held_out].into_iter().flatten();
        figures.filter(|figure| *figure > 0.0).reduce(f64::max)
    }
}

/// Log losses of the three probability models.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct LogLosses {
    /// Of users who bought the item before.
    pub repeat: LogLoss,
    /// Of other users.
    pub new: LogLoss,
    /// Of items without sales.
    pub cold: LogLoss,
}

/// Calibration of a probability model.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct LogLoss {
    /// Mean over users and items, in nats, on users that it was not learned from; lower is better.
    pub log_loss: Option<f64>,
    /// Corrections of the log-odds at the heads of its lists, one per rehearsed month except the first, latest first.
    pub drift: Vec<f32>,
}

/// Quality of a kind of locality as a ranking of new users' first baskets.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct LocalityLift {
    /// `store`, `city` or `channel`.
    pub kind: String,
    /// New users whose locality was known.
    pub new_users: u64,
    /// NDCG@10 of the locality's best sellers.
    pub locality_ndcg_10: f64,
    /// NDCG@10 of the shop's best sellers.
    pub shop_ndcg_10: f64,
    /// True if the difference is above twice its standard error.
    pub kept: bool,
}

/// The gate's decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// No objection.
    Passed,
    /// Published in spite of objections, for the given reason.
    Forced,
    /// Not published.
    Refused,
}

/// A decision with its figures.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// The decision.
    pub outcome: Outcome,
    /// Time of the decision, RFC 3339 UTC.
    pub at: String,
    /// The version's NDCG@10 on held-out users, if its training rehearsed.
    pub ndcg_10: Option<f64>,
    /// NDCG@10 of best sellers on the same users.
    pub popularity_ndcg_10: Option<f64>,
    /// The version served at that time, if it was another one.
    pub served: Option<Served>,
    /// Share of the served version's figure that may be lost, 0 to 1.
    pub tolerance: f64,
    /// Objections to the version.
    pub objections: Vec<String>,
    /// Comparisons that were not possible, each with its reason.
    pub notes: Vec<String>,
    /// The reason for forcing it.
    pub reason: Option<String>,
}

/// The version that a new one is compared with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Served {
    /// Its name.
    pub version: String,
    /// Its NDCG@10 on its own held-out users.
    pub ndcg_10: Option<f64>,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let figure = |value: Option<f64>| value.map_or_else(|| "none".to_owned(), |v| format!("{v:.4}"));
        write!(f, "recommend ndcg@10, held out: {}", figure(self.ndcg_10))?;
        if let Some(served) = &self.served {
            write!(f, "; of {}, served before: {}", served.version, figure(served.ndcg_10))?;
        }
        write!(f, "; of best sellers: {}", figure(self.popularity_ndcg_10))?;
        self.notes.iter().try_for_each(|note| write!(f, "\nnot compared: {note}"))?;
        if let Some(reason) = &self.reason {
            write!(f, "\nforced ({reason}) against: {}", self.objections.join("; "))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn figures_that_are_no_numbers_read_as_none() {
        let quality =
            RankingQuality { blend: Some(f64::NAN), ranker_held_out: Some(0.2), ..Default::default() };
        let metrics = Metrics {
            rehearsal: Some(Rehearsal { recommend_ndcg_10: quality, ..Rehearsal::default() }),
            ..Metrics::default()
        };
        let back: Metrics = serde_json::from_str(&serde_json::to_string(&metrics).unwrap()).unwrap();
        let quality = back.rehearsal.unwrap().recommend_ndcg_10;
        assert_eq!((quality.blend, quality.held_out()), (None, Some(0.2)));
        assert_eq!(RankingQuality { blend_held_out: Some(0.0), ..Default::default() }.held_out(), None);
    }

    #[test]
    fn unknown_fields_survive_a_record() {
        let text = r#"{"rehearsal":null,"left_out":{},"later":{"a":1}}"#;
        let metrics: Metrics = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&metrics).unwrap(), text);
    }
}
