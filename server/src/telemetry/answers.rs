//! Metrics of answers: routes, and slates.

use metrics::{Counter, Histogram};
use qianmian_models::recommend::slate::{Filter, Slate};
use qianmian_models::source::Source;

use crate::fallback::Fallback;

/// Classes of HTTP statuses, in label order.
pub(super) const CLASSES: [&str; 4] = ["2xx", "3xx", "4xx", "5xx"];

/// Label values of [`ConsentMetrics`], in its order.
pub(super) const CONSENT_REASONS: [&str; 2] = ["no_contact_consent", "no_personalization_consent"];

/// Counts of people and answers affected by missing consent.
pub struct ConsentMetrics(pub(super) [Counter; CONSENT_REASONS.len()]);

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
    pub(super) fallbacks: [Counter; Fallback::ALL.len()],
}

impl ConsentMetrics {
    /// Counts candidates left out of an audience.
    pub fn left_out(&self, candidates: usize) {
        self.0[0].increment(candidates as u64);
    }

    /// Counts an answer that was made non-personal for lack of consent.
    pub fn made_anonymous(&self, was: bool) {
        self.0[1].increment(u64::from(was));
    }
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
    /// Counts one slate and its fallback.
    pub fn record(&self, slate: &Slate, fallback: Option<Fallback>) {
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
        if let Some(fallback) = fallback {
            self.fallbacks[fallback as usize].increment(1);
        }
    }
}
