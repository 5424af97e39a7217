//! The live context at a moment: a user's touched, bought, unwanted and overexposed items.

use std::cmp::Reverse;

use rustc_hash::FxHashMap;

use super::{Class, Mark, UserState};
use crate::event::EventType;

/// Half-life of a touch, in milliseconds: the intent of a shopping session fades within a day.
pub const HALF_LIFE_MS: f64 = 6.0 * 3_600_000.0;
/// Least weight of a touch, however old it is.
const MIN_WEIGHT: f32 = 0.02;

/// The live context of a user at a moment.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LiveContext<'s> {
    /// Items with recent interest and their weight (`0..=1`), highest first.
    pub touched: Vec<(&'s str, f32)>,
    /// Items bought and not returned, with the time of purchase (unix milliseconds), latest first.
    pub bought: Vec<(&'s str, i64)>,
    /// Items returned or disliked, without interest since.
    pub unwanted: Vec<&'s str>,
}

impl UserState {
    /// The live context at `now` (unix milliseconds).
    pub fn context(&self, now: i64) -> LiveContext<'_> {
        let mut items: FxHashMap<&str, ItemMarks> = FxHashMap::default();
        for mark in self.marks.iter().filter(|mark| mark.class() != Class::Exposure) {
            items.entry(&mark.item_id).or_default().add(mark, now);
        }
        let mut context = LiveContext::default();
        let mut bought: Vec<(i64, &str)> = Vec::new();
        for (id, item) in items {
            if item.rejected_at >= item.wanted_at {
                context.unwanted.push(id);
                continue;
            }
            context.touched.push((id, item.interest));
            if item.bought_at > item.refunded_at {
                bought.push((item.bought_at, id));
            }
        }
        context.touched.sort_unstable_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(b.0)));
        context.unwanted.sort_unstable();
        bought.sort_unstable_by_key(|&(at, id)| (Reverse(at), id));
        context.bought = bought.into_iter().map(|(at, id)| (id, at)).collect();
        context
    }

    /// Items shown in `scene` at least `times` times since `from` (unix milliseconds) and not touched or bought
    /// since, in ascending order of id.
    pub fn overexposed(&self, scene: &str, times: usize, from: i64) -> Vec<&str> {
        let mut shown: FxHashMap<&str, Vec<i64>> = FxHashMap::default();
        for mark in self.marks.iter().filter(|m| m.class() == Class::Exposure && *m.scene == *scene) {
            if mark.at >= from {
                shown.entry(&mark.item_id).or_default().push(mark.at);
            }
        }
        for mark in self.marks.iter().filter(|m| m.class() != Class::Exposure) {
            if let Some(shown) = shown.get_mut(&*mark.item_id) {
                shown.retain(|&at| at > mark.at);
            }
        }
        let mut items: Vec<&str> =
            shown.into_iter().filter(|(_, shown)| shown.len() >= times.max(1)).map(|(id, _)| id).collect();
        items.sort_unstable();
        items
    }
}

/// The marks of one item, combined. A missing time is below every real one.
struct ItemMarks {
    interest: f32,
    wanted_at: i64,
    rejected_at: i64,
    bought_at: i64,
    refunded_at: i64,
}

impl Default for ItemMarks {
    fn default() -> Self {
        let never = i64::MIN;
        Self { interest: 0.0, wanted_at: 0, rejected_at: never, bought_at: never, refunded_at: never }
    }
}

impl ItemMarks {
    fn add(&mut self, mark: &Mark, now: i64) {
        match mark.kind {
            EventType::Refund => self.refunded_at = mark.at,
            EventType::Purchase => self.bought_at = mark.at,
            _ => {}
        }
        if matches!(mark.kind, EventType::Refund | EventType::Dislike) {
            self.rejected_at = self.rejected_at.max(mark.at);
            return;
        }
        self.wanted_at = self.wanted_at.max(mark.at);
        let age = (now - mark.at).max(0) as f64;
        let faded = mark.kind.interest() * (-age / HALF_LIFE_MS).exp2() as f32;
        self.interest = self.interest.max(faded).max(MIN_WEIGHT);
    }
}
