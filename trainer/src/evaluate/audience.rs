//! goods -> people: who buys an item in the window, ranked from before it.

use qianmian_models::audience::{self, AudienceQuery};
use qianmian_models::ids::{ItemIx, UserIx};
use qianmian_models::snapshot::Snapshot;
use qianmian_models::topk::TopK;
use rayon::prelude::*;
use rustc_hash::{FxHashMap, FxHashSet};

use super::Future;
use super::metrics::recall;
use super::report::{Raw, Task};
use crate::dataset::{Dataset, is_known};

const METRICS: [&str; 3] = ["recall@100", "lift@1%", "recall@100 new"];
/// Fewest buyers in the window for an item to be a case; fewest of a segment for it to count.
const MIN_BUYERS: usize = 10;
const MIN_SEGMENT: usize = 3;

type Cases = Vec<(ItemIx, FxHashSet<u32>)>;

pub(super) fn measure(snapshot: &Snapshot, past: &Dataset, future: &Future<'_>) -> Option<Task> {
    let seen = |user: u32| snapshot.history.of(user).len() > 0;
    let mut truth: FxHashMap<u32, FxHashSet<u32>> = FxHashMap::default();
    for line in future.lines().filter(|l| is_known(l) && seen(l.user) && snapshot.buyers.of(l.item).len() > 0)
    {
        truth.entry(line.item).or_default().insert(line.user);
    }
    let mut cases: Cases = truth.into_iter().filter(|(_, buyers)| buyers.len() >= MIN_BUYERS).collect();
    cases.sort_unstable_by_key(|(item, _)| *item);
    let n_users = (0..snapshot.users.len() as u32).filter(|&u| seen(u)).count();
    let percent = n_users.div_ceil(100);
    let depth = percent.max(200);
    let active = most_active(snapshot, depth + 4_000);
    let ours = |item: ItemIx, exclude_buyers: bool| -> Vec<UserIx> {
        let query = AudienceQuery { exclude_buyers, ..AudienceQuery::for_item(item, depth, past.until) };
        audience::audience(snapshot, &query).iter().map(|p| p.user).collect()
    };
    let shape = Shape { percent, n_users };
    let raw = [
        run("qianmian", snapshot, &cases, shape, ours),
        run("activity (RF)", snapshot, &cases, shape, |item, new| {
            fill(snapshot, item, new, vec![], &active, depth)
        }),
        run("personal frequency", snapshot, &cases, shape, |item, new| {
            let buyers = if new { vec![] } else { by_frequency(snapshot, item) };
            fill(snapshot, item, new, buyers, &active, depth)
        }),
        run("ALS dot", snapshot, &cases, shape, |item, new| {
            let near = nearest(snapshot, item, depth + snapshot.buyers.of(item).len());
            fill(snapshot, item, new, near, &active, depth)
        }),
    ];
    Task::new("audience", &METRICS, &raw)
}

#[derive(Clone, Copy)]
struct Shape {
    /// One hundredth of the users, rounded up.
    percent: usize,
    n_users: usize,
}

fn run(
    name: &'static str,
    snapshot: &Snapshot,
    cases: &Cases,
    shape: Shape,
    rank: impl Fn(ItemIx, bool) -> Vec<UserIx> + Sync,
) -> Raw {
    let case = |(item, truth): &(ItemIx, FxHashSet<u32>)| {
        let ranked = rank(*item, false);
        let buyers: FxHashSet<u32> = snapshot.buyers.ixs(*item).iter().copied().collect();
        let fresh: FxHashSet<u32> = truth.difference(&buyers).copied().collect();
        let share = recall(&ranked, truth, shape.percent);
        let lift = share * shape.n_users as f64 / shape.percent.max(1) as f64;
        let new = if fresh.len() < MIN_SEGMENT { f64::NAN } else { recall(&rank(*item, true), &fresh, 100) };
        vec![recall(&ranked, truth, 100), lift, new]
    };
    Raw { name, cases: cases.par_iter().map(case).collect() }
}

fn most_active(snapshot: &Snapshot, depth: usize) -> Vec<UserIx> {
    let mut top = TopK::new(depth);
    for user in 0..snapshot.users.len() as u32 {
        let (baskets, last_at) = snapshot.profiles.activity(user);
        let silent = (snapshot.data_until - i64::from(last_at)).max(0) as f32 / 86_400.0;
        top.push(user, (1.0 + baskets as f32).ln() * (-silent / 90.0).exp2());
    }
    top.into_sorted().iter().map(|s| s.ix).collect()
}

fn by_frequency(snapshot: &Snapshot, item: ItemIx) -> Vec<UserIx> {
    let mut buyers: Vec<_> = snapshot.buyers.of(item).collect();
    buyers.sort_by_key(|p| (std::cmp::Reverse((p.baskets, p.last_at)), p.ix));
    buyers.iter().map(|p| p.ix).collect()
}

fn nearest(snapshot: &Snapshot, item: ItemIx, k: usize) -> Vec<UserIx> {
    let Some(embedding) = &snapshot.embedding else { return Vec::new() };
    embedding.users.scan(embedding.items.row(item), k).iter().map(|s| s.ix).collect()
}

/// `head`, without buyers where only new ones are wanted, filled up with active users.
fn fill(
    snapshot: &Snapshot,
    item: ItemIx,
    new: bool,
    head: Vec<UserIx>,
    active: &[UserIx],
    depth: usize,
) -> Vec<UserIx> {
    let buyers: FxHashSet<u32> =
        if new { snapshot.buyers.ixs(item).iter().copied().collect() } else { FxHashSet::default() };
    let mut taken = buyers;
    head.into_iter().chain(active.iter().copied()).filter(|user| taken.insert(*user)).take(depth).collect()
}
