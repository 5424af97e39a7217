//! VMIS-kNN: items of the recent sessions most similar to the visit so far (Kersbergen, Sprangers and
//! Schelter, "Serenade: low-latency session-based recommendation in e-commerce at scale", SIGMOD 2022; after
//! VS-kNN of Ludewig and Jannach 2018).

use qianmian_models::ids::ItemIx;
use qianmian_models::kernels::topk::TopK;
use rustc_hash::{FxHashMap, FxHashSet};

/// Latest items of the visit that are compared.
const REACH: usize = 10;

/// Past sessions, by recency.
pub(super) struct VmisKnn {
    /// The oldest first.
    sessions: Vec<Vec<ItemIx>>,
    /// By item, the sessions with it, the latest first.
    of_item: Vec<Vec<u32>>,
    /// Sessions that are compared, and neighbors among them.
    sample: usize,
    neighbors: usize,
}

impl VmisKnn {
    /// Indexes sessions, the oldest first. A visit is compared with the `sample` latest sessions that share an item,
    /// and scored by the `neighbors` most similar ones.
    pub(super) fn new(sessions: Vec<Vec<ItemIx>>, n_items: usize, sample: usize, neighbors: usize) -> Self {
        let mut of_item: Vec<Vec<u32>> = vec![Vec::new(); n_items];
        for (session, items) in sessions.iter().enumerate().rev() {
            for &item in items {
                let holders = &mut of_item[item as usize];
                if holders.len() < sample && holders.last() != Some(&(session as u32)) {
                    holders.push(session as u32);
                }
            }
        }
        Self { sessions, of_item, sample, neighbors }
    }

    /// Scores of next items; `visit` has the latest item first.
    pub(super) fn scores(&self, visit: &[ItemIx]) -> FxHashMap<ItemIx, f32> {
        let mut scores = FxHashMap::default();
        for (session, similarity) in self.similar(visit) {
            let items: FxHashSet<ItemIx> = self.sessions[session as usize].iter().copied().collect();
            let Some(match_at) = visit.iter().take(REACH).position(|item| items.contains(item)) else {
                continue;
            };
            let weight = similarity * (1.0 - (match_at + 1) as f32 / REACH as f32);
            for item in items {
                *scores.entry(item).or_insert(0.0) += weight * self.rarity(item);
            }
        }
        scores
    }

    /// The sessions most similar to a visit, with their similarity.
    fn similar(&self, visit: &[ItemIx]) -> Vec<(u32, f32)> {
        let mut shared: FxHashMap<u32, f32> = FxHashMap::default();
        let mut seen = FxHashSet::default();
        for (n, &item) in visit.iter().enumerate().filter(|(_, item)| seen.insert(**item)) {
            let weight = (visit.len() - n) as f32 / visit.len() as f32;
            for &session in &self.of_item[item as usize] {
                *shared.entry(session).or_default() += weight;
            }
        }
        let mut recent: Vec<(u32, f32)> = shared.into_iter().collect();
        recent.sort_unstable_by_key(|(session, _)| std::cmp::Reverse(*session));
        recent.truncate(self.sample);
        let mut top = TopK::new(self.neighbors);
        recent.iter().for_each(|&(session, similarity)| top.push(session, similarity));
        top.into_sorted().iter().map(|s| (s.ix, s.score)).collect()
    }

    /// Inverse session frequency.
    fn rarity(&self, item: ItemIx) -> f32 {
        let holders = self.of_item[item as usize].len().max(1);
        (self.sessions.len() as f32 / holders as f32).ln()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn similar_and_recent_sessions_score_highest() {
        let sessions = vec![vec![0, 1, 2], vec![3, 4], vec![1, 5], vec![6, 7], vec![8]];
        let knn = VmisKnn::new(sessions, 9, 10, 10);
        let scores = knn.scores(&[1, 0]);
        // Session 0 shares both items (1 + 1/2), session 2 one (1); both match at the latest item.
        let rare = (5.0f32).ln();
        assert!((scores[&2] - 1.5 * 0.9 * rare).abs() < 1e-5 && (scores[&5] - 0.9 * rare).abs() < 1e-5);
        assert!(!scores.contains_key(&3) && !scores.contains_key(&8));
        assert!(knn.scores(&[]).is_empty());
    }

    #[test]
    fn only_latest_sessions_and_nearest_neighbors_count() {
        let sessions = vec![vec![0, 1], vec![0, 2], vec![0, 3]];
        let found = |sample, neighbors| {
            let mut items: Vec<u32> =
                VmisKnn::new(sessions.clone(), 4, sample, neighbors).scores(&[0]).into_keys().collect();
            items.sort_unstable();
            items
        };
        assert_eq!(found(2, 9), [0, 2, 3]);
        assert_eq!(found(9, 1).len(), 2);
    }
}
