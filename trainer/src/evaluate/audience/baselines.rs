//! The baselines of audiences.

use std::cmp::Reverse;

use qianmian_models::ids::{ItemIx, UserIx};
use qianmian_models::kernels::topk::TopK;
use qianmian_models::snapshot::Snapshot;
use rustc_hash::{FxHashMap, FxHashSet};

use super::super::pairs::{Association, Pairs};

/// The baselines over one past; every list is filled up with active users to `depth`.
pub(super) struct Baselines<'a> {
    reference: &'a Snapshot,
    pairs: Pairs,
    depth: usize,
    /// All users by activity, most active first.
    active: Vec<UserIx>,
    /// All users by the sum of their recency, frequency and monetary tiers, then by activity.
    tiers: Vec<UserIx>,
}

impl<'a> Baselines<'a> {
    pub(super) fn new(reference: &'a Snapshot, pairs: Pairs, depth: usize) -> Self {
        let users = || (0..reference.users.len() as u32).filter(|&u| !reference.history.ixs(u).is_empty());
        let activity: FxHashMap<UserIx, f32> =
            users().map(|user| (user, activity(reference, user))).collect();
        let sorted = |tiers: &dyn Fn(UserIx) -> u32| {
            let mut sorted: Vec<UserIx> = users().collect();
            sorted.sort_by(|a, b| {
                tiers(*b).cmp(&tiers(*a)).then(activity[b].total_cmp(&activity[a])).then(a.cmp(b))
            });
            sorted
        };
        let tiers = |user| reference.profiles.of(user).rfm.iter().map(|&tier| u32::from(tier)).sum();
        Self { reference, pairs, depth, active: sorted(&|_| 0), tiers: sorted(&tiers) }
    }

    /// The most active users, the same for every item.
    pub(super) fn activity(&self, item: ItemIx, new: bool) -> Vec<UserIx> {
        self.fill(item, new, Vec::new())
    }

    /// The users in the highest recency, frequency and monetary tiers, the same for every item.
    pub(super) fn rfm(&self, item: ItemIx, new: bool) -> Vec<UserIx> {
        self.fill(item, new, self.tiers.clone())
    }

    /// The item's buyers by frequency, then recency.
    pub(super) fn personal_frequency(&self, item: ItemIx, new: bool) -> Vec<UserIx> {
        let mut buyers: Vec<_> = self.reference.buyers.of(item).collect();
        buyers.sort_by_key(|p| (Reverse((p.baskets, p.last_at)), p.ix));
        self.fill(item, new, buyers.iter().map(|p| p.ix).collect())
    }

    /// Users by the inner product of their vector and the item's.
    pub(super) fn als(&self, item: ItemIx, new: bool) -> Vec<UserIx> {
        let Some(embedding) = &self.reference.embedding else { return self.activity(item, new) };
        let wanted = self.depth + if new { self.reference.buyers.ixs(item).len() } else { 0 };
        let near = embedding.users.scan(embedding.items.row(item), wanted);
        self.fill(item, new, near.iter().map(|s| s.ix).collect())
    }

    /// Users by the sum of the co-purchase cosines between the item and those they bought.
    pub(super) fn co_purchase_profile(&self, item: ItemIx, new: bool) -> Vec<UserIx> {
        let mut scores = vec![0.0f32; self.reference.users.len()];
        let itself = std::iter::once((item, 1.0));
        for (other, cosine) in self.pairs.scored(item, Association::Cosine).chain(itself) {
            self.reference.buyers.ixs(other).iter().for_each(|&user| scores[user as usize] += cosine);
        }
        let wanted = self.depth + if new { self.reference.buyers.ixs(item).len() } else { 0 };
        let mut top = TopK::new(wanted);
        for (user, &score) in scores.iter().enumerate().filter(|(_, score)| **score > 0.0) {
            top.push(user as u32, score);
        }
        self.fill(item, new, top.into_sorted().iter().map(|s| s.ix).collect())
    }

    /// `head`, without earlier buyers if only `new` ones are wanted, filled up with active users.
    fn fill(&self, item: ItemIx, new: bool, head: Vec<UserIx>) -> Vec<UserIx> {
        let mut taken: FxHashSet<u32> = if new {
            self.reference.buyers.ixs(item).iter().copied().collect()
        } else {
            FxHashSet::default()
        };
        let all = head.into_iter().chain(self.active.iter().copied());
        all.filter(|user| taken.insert(*user)).take(self.depth).collect()
    }
}

/// The `count` most active users, best first.
pub fn most_active(reference: &Snapshot, count: usize) -> Vec<UserIx> {
    let mut top = TopK::new(count);
    for user in (0..reference.users.len() as u32).filter(|&u| !reference.history.ixs(u).is_empty()) {
        top.push(user, activity(reference, user));
    }
    top.into_sorted().iter().map(|s| s.ix).collect()
}

/// Log of a user's baskets, halved for every 90 days without a purchase.
fn activity(reference: &Snapshot, user: UserIx) -> f32 {
    let (baskets, last_at) = reference.profiles.activity(user);
    let idle_days = (reference.data_until - i64::from(last_at)).max(0) as f32 / 86_400.0;
    (1.0 + baskets as f32).ln() * (-idle_days / 90.0).exp2()
}
