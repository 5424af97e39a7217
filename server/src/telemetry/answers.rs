//! Metrics of answers: routes, and slates.

use metrics::{Counter, Histogram};
use qianmian_models::recommend::slate::{Filter, Slate};
use qianmian_models::source::Source;

/// Classes of HTTP statuses, in label order.
pub(super) const CLASSES: [&str; 4] = ["2xx", "3xx", "4xx", "5xx"];

/// Label values of the fallbacks of slates, in the order of `handlers::recommend::Fallback`.
pub const FALLBACK_NAMES: [&str; 4] = ["unknown_user", "no_history", "popularity", "empty_catalog"];

/// Metrics of one route.
pub struct RouteMetrics {
    pub(super) classes: [Counter; CLASSES.len()],
    pub(super) seconds: Histogram,
}

/// Metrics of `/recommend`.
pub struct SlateMetrics {
    pub(super) candidates: [Counter; Source::COUNT],
    pub(super) filtered: [Counter; Filter::COUNT],
    pub(super) served: [Counter; Source::COUNT],
    pub(super) fallbacks: [Counter; FALLBACK_NAMES.len()],
}

impl RouteMetrics {
    /// Counts one answer.
    pub fn record(&self, status: u16, seconds: f64) {
        let class = usize::from(status / 100).saturating_sub(2).min(CLASSES.len() - 1);
        self.classes[class].increment(1);
        self.seconds.record(seconds);
    }
}

impl SlateMetrics {
    /// Counts one slate and its fallback, an index of [`FALLBACK_NAMES`].
    pub fn record(&self, slate: &Slate, fallback: Option<usize>) {
        for (counter, &count) in self.candidates.iter().zip(&slate.proposed) {
            counter.increment(u64::from(count));
        }
        for (counter, &count) in self.filtered.iter().zip(&slate.filtered) {
            if count > 0 {
                counter.increment(u64::from(count));
            }
        }
        let mut served = [0u64; Source::COUNT];
        slate.items.iter().for_each(|item| served[item.source as usize] += 1);
        for (counter, count) in self.served.iter().zip(served) {
            counter.increment(count);
        }
        if let Some(counter) = fallback.and_then(|n| self.fallbacks.get(n)) {
            counter.increment(1);
        }
    }
}
