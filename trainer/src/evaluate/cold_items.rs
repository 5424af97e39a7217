//! items -> people for cold items: the buyers of items without sales before the window, found by attributes.

use qianmian_models::ids::{ItemIx, UserIx};
use rayon::prelude::*;
use rustc_hash::{FxHashMap, FxHashSet};

use super::Bench;
use super::audience;
use super::report::{Raw, Role, Task};
use crate::dataset::is_known;
use crate::metrics::{ndcg, recall};

const METRICS: [&str; 3] = ["recall@50", "recall@100", "ndcg@100"];
const DEPTH: usize = 100;
/// Fewest buyers in the window for an item to be a case.
const MIN_BUYERS: usize = 3;

/// Items whose first sale is in the window.
pub(super) fn measure(bench: &Bench<'_>) -> Option<Task> {
    let (history, buyers) = (&bench.reference.history, &bench.reference.buyers);
    let mut truth: FxHashMap<ItemIx, FxHashSet<UserIx>> = FxHashMap::default();
    let is_case = |user, item| !history.ixs(user).is_empty() && buyers.ixs(item).is_empty();
    for line in bench.future.lines().filter(|l| is_known(l) && is_case(l.user, l.item)) {
        truth.entry(line.item).or_default().insert(line.user);
    }
    let mut cases: Vec<_> = truth.into_iter().filter(|(_, buyers)| buyers.len() >= MIN_BUYERS).collect();
    cases.sort_unstable_by_key(|(item, _)| *item);
    let mut raw = Vec::new();
    for (n, subject) in bench.subjects.iter().enumerate() {
        let rank = |item| subject.audience(item, false, DEPTH, bench.past.until);
        raw.push(run(&subject.name, Role::of_subject(n), &cases, &rank));
    }
    let active = audience::most_active(bench.reference, DEPTH);
    raw.push(run("activity (RF)", Role::Baseline, &cases, &|_| active.clone()));
    Task::new("cold_items", &METRICS, &METRICS, cases.len(), &raw)
}

fn run(
    name: &str,
    role: Role,
    cases: &[(ItemIx, FxHashSet<UserIx>)],
    rank: &(dyn Fn(ItemIx) -> Vec<UserIx> + Sync),
) -> Raw {
    let case = |(item, truth): &(ItemIx, FxHashSet<UserIx>)| {
        let ranked = rank(*item);
        vec![recall(&ranked, truth, 50), recall(&ranked, truth, DEPTH), ndcg(&ranked, truth, DEPTH)]
    };
    Raw { name: name.to_owned(), role, exposure: None, cases: cases.par_iter().map(case).collect() }
}
