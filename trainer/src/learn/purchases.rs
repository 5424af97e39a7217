//! Purchase histories: every (user, item) with its counts and times.

use qianmian_models::error::Result;
use qianmian_models::index::purchases::{Direction, Purchase, Purchases};
use rayon::prelude::*;

use crate::dataset::{Dataset, is_known};

/// The history of every user, latest purchase first. `decayed` halves with every `half_life_days`.
pub fn learn(dataset: &Dataset, half_life_days: f64) -> Result<Purchases> {
    let mut bought: Vec<(u32, u32, u32)> = dataset
        .lines()
        .iter()
        .filter(|line| is_known(line))
        .map(|line| (line.user, line.item, line.at.clamp(0, i64::from(u32::MAX)) as u32))
        .collect();
    bought.par_sort_unstable();
    let mut entries: Vec<(u32, Purchase)> = Vec::new();
    for group in bought.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)) {
        let (user, item, first_at) = group[0];
        let decayed = group.iter().map(|&(_, _, at)| dataset.decay(i64::from(at), half_life_days)).sum();
        let last_at = group[group.len() - 1].2;
        entries.push((user, Purchase { ix: item, baskets: group.len() as u32, first_at, last_at, decayed }));
    }
    entries.par_sort_unstable_by_key(|(user, p)| (*user, std::cmp::Reverse(p.last_at), p.ix));
    let mut lengths = vec![0usize; dataset.n_users()];
    entries.iter().for_each(|(user, _)| lengths[*user as usize] += 1);
    let flat: Vec<Purchase> = entries.into_iter().map(|(_, purchase)| purchase).collect();
    Purchases::new(Direction::History, lengths, &flat)
}
