//! Sessions: the next item of an anonymous visit.
//!
//! Every tenth user is left out of training. If only the order of each user's items is known, a visit is the whole
//! history of such a user before the window, and the next item is the user's item in the window. Otherwise a visit is
//! a basket in the window, of such a user, a guest or a new user, with its items in random order: every prefix is a
//! case, and the item after it is the next item.

mod vmis_knn;

use qianmian_models::ids::ItemIx;
use qianmian_models::kernels::topk::TopK;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use rustc_hash::FxHashMap;

use self::vmis_knn::VmisKnn;
use super::pairs::{Association, Pairs};
use super::report::{Raw, Role, Task};
use super::{Bench, every_nth};
use crate::dataset::{Dataset, is_known};
use crate::orders::TimeKind;

const METRICS: [&str; 3] = ["hr@10", "hr@20", "mrr@20"];
const DEPTH: usize = 20;
/// More cases than this are not measured; every n-th is.
const MAX_CASES: usize = 20_000;
/// Most cases of one visit.
const MAX_OF_VISIT: usize = 10;
/// One user in this many is left out.
const LEFT_OUT_ONE_IN: u32 = 10;

/// A visit so far and the next item.
struct Case {
    /// The latest item first.
    visit: Vec<ItemIx>,
    next: ItemIx,
}

/// True if a user is left out of training.
pub(super) fn is_left_out(user: u32) -> bool {
    user % LEFT_OUT_ONE_IN == LEFT_OUT_ONE_IN - 1
}

/// The task, for a model learned without the users left out.
pub(super) fn measure(bench: &Bench<'_>) -> Option<Task> {
    let all = cases(bench);
    let of = all.len();
    let cases = every_nth(all, MAX_CASES);
    let at = bench.past.until;
    let mut raw = Vec::new();
    for (n, subject) in bench.subjects.iter().enumerate() {
        let rank = |case: &Case| ids(subject.visit(&case.visit, DEPTH, at));
        raw.push(run(&subject.name, Role::of_subject(n), &cases, &rank));
    }
    let popular = super::recommend::popular(bench, DEPTH + MAX_OF_VISIT);
    raw.push(run("popularity 30 d", Role::Baseline, &cases, &|case| {
        without_visit(case, popular.iter().copied())
    }));
    // In sequences every basket is one item, so there are no pairs to count.
    if bench.past.time_kind != TimeKind::Steps {
        let pairs = Pairs::new(bench.past);
        raw.push(run("cosine", Role::Baseline, &cases, &|case| {
            let mut scores: FxHashMap<ItemIx, f32> = FxHashMap::default();
            for &item in &case.visit {
                pairs
                    .scored(item, Association::Cosine)
                    .for_each(|(other, score)| *scores.entry(other).or_default() += score);
            }
            best(case, scores)
        }));
    }
    for (sample, neighbors) in [(500, 100), (5_000, 500)] {
        let knn = VmisKnn::new(sessions(bench.past), bench.past.n_items(), sample, neighbors);
        let name = format!("VMIS-kNN m {sample} k {neighbors}");
        raw.push(run(&name, Role::Baseline, &cases, &|case| best(case, knn.scores(&case.visit))));
    }
    Task::new("session", &METRICS, &METRICS, of, &raw)
}

/// Past sessions, the oldest first: a user's whole history if only the order is known, else baskets.
fn sessions(past: &Dataset) -> Vec<Vec<ItemIx>> {
    let items = |lines: &[&crate::orders::Line]| lines.iter().map(|l| l.item).collect();
    let mut lines: Vec<_> = past.lines().iter().collect();
    if past.time_kind == TimeKind::Steps {
        lines.retain(|line| is_known(line));
        lines.sort_by_key(|l| (l.user, l.at));
        return lines.chunk_by(|a, b| a.user == b.user).map(items).collect();
    }
    lines.sort_by_key(|l| (l.at, l.basket));
    lines.chunk_by(|a, b| a.basket == b.basket).filter(|b| b.len() > 1).map(items).collect()
}

fn cases(bench: &Bench<'_>) -> Vec<Case> {
    let is_sold = |item: ItemIx| bench.reference.popularity.baskets(item) > 0;
    if bench.past.time_kind == TimeKind::Steps {
        return sequences(bench, is_sold);
    }
    let is_anonymous = |user: u32| {
        user == crate::orders::GUEST || is_left_out(user) || bench.reference.history.ixs(user).is_empty()
    };
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let lines: Vec<_> = bench.future.lines().filter(|l| is_sold(l.item) && is_anonymous(l.user)).collect();
    let mut cases = Vec::new();
    for basket in lines.chunk_by(|a, b| a.basket == b.basket) {
        let mut items: Vec<ItemIx> = basket.iter().map(|l| l.item).collect();
        items.shuffle(&mut rng);
        for n in 1..items.len().min(MAX_OF_VISIT + 1) {
            cases.push(Case { visit: items[..n].iter().rev().copied().collect(), next: items[n] });
        }
    }
    cases
}

fn sequences(bench: &Bench<'_>, is_sold: impl Fn(ItemIx) -> bool) -> Vec<Case> {
    let mut before: FxHashMap<u32, Vec<(i64, ItemIx)>> = FxHashMap::default();
    let dataset = bench.future.dataset;
    let left_out = dataset.lines().iter().filter(|l| is_known(l) && is_left_out(l.user) && is_sold(l.item));
    for line in left_out.filter(|l| l.at < bench.future.window.from) {
        before.entry(line.user).or_default().push((line.at, line.item));
    }
    let mut cases = Vec::new();
    for line in bench.future.lines().filter(|l| is_known(l) && is_left_out(l.user)) {
        if let Some(mut visit) = before.remove(&line.user) {
            visit.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
            cases.push(Case { visit: visit.into_iter().map(|(_, item)| item).collect(), next: line.item });
        }
    }
    cases
}

fn run(name: &str, role: Role, cases: &[Case], rank: &(dyn Fn(&Case) -> Vec<ItemIx> + Sync)) -> Raw {
    let measure = |case: &Case| {
        let found = rank(case).iter().take(DEPTH).position(|item| *item == case.next);
        let within = |k: usize| f64::from(u8::from(found.is_some_and(|rank| rank < k)));
        vec![within(10), within(DEPTH), found.map_or(0.0, |rank| 1.0 / (rank + 1) as f64)]
    };
    Raw { name: name.to_owned(), role, exposure: None, cases: cases.par_iter().map(measure).collect() }
}

fn ids(scored: Vec<(ItemIx, f32)>) -> Vec<ItemIx> {
    scored.into_iter().map(|(item, _)| item).collect()
}

fn best(case: &Case, mut scores: FxHashMap<ItemIx, f32>) -> Vec<ItemIx> {
    scores.retain(|item, _| !case.visit.contains(item));
    let mut top = TopK::new(DEPTH);
    scores.into_iter().for_each(|(item, score)| top.push(item, score));
    top.into_sorted().iter().map(|s| s.ix).collect()
}

fn without_visit(case: &Case, items: impl Iterator<Item = ItemIx>) -> Vec<ItemIx> {
    items.filter(|item| !case.visit.contains(item)).take(DEPTH).collect()
}
