//! people -> goods: what a user buys in the window, ranked from before it.

use qianmian_models::query::Query;
use qianmian_models::snapshot::Snapshot;
use qianmian_models::topk::TopK;
use qianmian_models::{ids::UserIx, pipeline};
use rayon::prelude::*;
use rustc_hash::{FxHashMap, FxHashSet};

use super::metrics::{hit, ndcg, recall};
use super::report::{Raw, Task};
use super::{DAY, Future};
use crate::dataset::{Dataset, is_known};

const METRICS: [&str; 6] = ["recall@10", "recall@20", "ndcg@10", "hr@10", "ndcg@10 repeat", "ndcg@10 new"];
const DEPTH: usize = 20;

type Cases = Vec<(UserIx, FxHashSet<u32>)>;

pub(super) fn measure(snapshot: &Snapshot, past: &Dataset, future: &Future<'_>) -> Option<Task> {
    let mut truth: FxHashMap<u32, FxHashSet<u32>> = FxHashMap::default();
    for line in future.lines().filter(|l| is_known(l) && snapshot.history.of(l.user).len() > 0) {
        truth.entry(line.user).or_default().insert(line.item);
    }
    let mut cases: Cases = truth.into_iter().collect();
    cases.sort_unstable_by_key(|(user, _)| *user);
    let popular = recently_popular(past);
    let ours = |user| {
        let slate = pipeline::recommend(snapshot, &Query::for_user(user, DEPTH, past.until));
        slate.items.iter().map(|r| r.item).collect()
    };
    let raw = [
        run("qianmian", snapshot, &cases, ours),
        run("popularity 30 d", snapshot, &cases, |_| popular.clone()),
        run("personal frequency", snapshot, &cases, |user| personal_frequency(snapshot, &popular, user)),
    ];
    Task::new("recommend", &METRICS, &raw)
}

fn run(
    name: &'static str,
    snapshot: &Snapshot,
    cases: &Cases,
    rank: impl Fn(UserIx) -> Vec<u32> + Sync,
) -> Raw {
    let case = |(user, truth): &(UserIx, FxHashSet<u32>)| {
        let ranked = rank(*user);
        let bought: FxHashSet<u32> = snapshot.history.ixs(*user).iter().copied().collect();
        let part = |repeat: bool| {
            let wanted: FxHashSet<u32> =
                truth.iter().copied().filter(|i| bought.contains(i) == repeat).collect();
            let list: Vec<u32> = ranked.iter().copied().filter(|i| bought.contains(i) == repeat).collect();
            if wanted.is_empty() { f64::NAN } else { ndcg(&list, &wanted, 10) }
        };
        vec![
            recall(&ranked, truth, 10),
            recall(&ranked, truth, 20),
            ndcg(&ranked, truth, 10),
            hit(&ranked, truth, 10),
            part(true),
            part(false),
        ]
    };
    Raw { name, cases: cases.par_iter().map(case).collect() }
}

/// Items by baskets in the last 30 days before the cut.
pub(super) fn recently_popular(past: &Dataset) -> Vec<u32> {
    let mut counts = vec![0u32; past.n_items()];
    past.lines().iter().filter(|l| past.until - l.at <= 30 * DAY).for_each(|l| counts[l.item as usize] += 1);
    let mut top = TopK::new(DEPTH);
    counts.iter().enumerate().for_each(|(item, &n)| top.push(item as u32, n as f32));
    top.into_sorted().iter().map(|s| s.ix).collect()
}

/// The user's items by how often, then how lately they bought them; filled up with what is popular.
fn personal_frequency(snapshot: &Snapshot, popular: &[u32], user: UserIx) -> Vec<u32> {
    let mut bought: Vec<_> = snapshot.history.of(user).collect();
    bought.sort_by_key(|p| (std::cmp::Reverse((p.baskets, p.last_at)), p.ix));
    let mut ranked: Vec<u32> = bought.iter().map(|p| p.ix).take(DEPTH).collect();
    for &item in popular {
        if ranked.len() < DEPTH && !ranked.contains(&item) {
            ranked.push(item);
        }
    }
    ranked
}
