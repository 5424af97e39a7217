//! Bundles: one item of a basket is hidden, the rest is the cart.

use qianmian_models::ids::{ItemIx, UserIx};
use qianmian_models::kernels::simd;
use qianmian_models::snapshot::Snapshot;
use rand::RngExt;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use rustc_hash::FxHashMap;

use super::pairs::{Association, Pairs};
use super::report::{Raw, Role, Task};
use super::{Bench, Future, every_nth};
use crate::dataset::is_known;

const METRICS: [&str; 7] = ["hr@1", "hr@3", "hr@5", "hr@10", "hr@20", "mrr@20", "ndcg@10"];
const HEADLINE: [&str; 3] = ["hr@5", "hr@10", "mrr@20"];
/// Slots of our own answer: more than are measured, so that ties at the cutoff are visible.
const DEPTH: usize = 50;
/// Most items of a basket that are hidden in turn, and most items of a cart.
const DRAWS: usize = 3;
const MAX_CART: usize = 20;
/// More carts than this are not measured; every n-th is.
const MAX_CARTS: usize = 10_000;

struct Case {
    user: Option<UserIx>,
    cart: Vec<ItemIx>,
    hidden: ItemIx,
}

/// Scores of items, which rank the hidden one.
type Scores = FxHashMap<ItemIx, f32>;

pub(super) fn measure(bench: &Bench<'_>) -> Option<Task> {
    let reference = bench.reference;
    let all = cases(reference, &bench.future);
    let of = all.len();
    let cases = every_nth(all, MAX_CARTS);
    let n_items = (0..reference.items.len() as u32).filter(|&i| reference.popularity.baskets(i) > 0).count();
    let mut raw: Vec<Raw> = Vec::new();
    for (n, subject) in bench.subjects.iter().enumerate() {
        raw.push(run(&subject.name, Role::of_subject(n), &cases, n_items, &|case: &Case| {
            subject.complements(&case.cart, DEPTH).into_iter().collect()
        }));
    }
    if let Some(ours) = bench.subjects.first() {
        let name = format!("{} + personal", ours.name);
        raw.push(run(&name, Role::Variant, &cases, n_items, &|case: &Case| {
            let found = match case.user {
                Some(user) => ours.personal_complements(&case.cart, user, DEPTH),
                None => ours.complements(&case.cart, DEPTH),
            };
            found.into_iter().collect()
        }));
    }
    if !bench.baselines {
        return Task::new("bundle", &METRICS, &HEADLINE, of, &raw);
    }
    let baseline = |name: &str, scores: &(dyn Fn(&Case) -> Scores + Sync)| {
        run(name, Role::Baseline, &cases, n_items, scores)
    };
    let sold: Scores = (0..reference.items.len() as u32)
        .filter(|&item| reference.popularity.baskets(item) > 0)
        .map(|item| (item, reference.popularity.baskets(item) as f32))
        .collect();
    raw.push(popularity(&cases, &sold, n_items));
    let pairs = Pairs::new(bench.past);
    for (name, by) in
        [("cosine", Association::Cosine), ("lift", Association::Lift), ("LLR", Association::Llr)]
    {
        raw.push(baseline(name, &|case| summed(&pairs, case, by)));
    }
    let vectors = Directions::new(reference);
    raw.push(baseline("ALS item vectors", &|case| vectors.scores(case)));
    Task::new("bundle", &METRICS, &HEADLINE, of, &raw)
}

/// Up to [`DRAWS`] cases a basket, of items that were sold before the window.
fn cases(reference: &Snapshot, future: &Future<'_>) -> Vec<Case> {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let lines: Vec<_> = future.lines().filter(|l| reference.popularity.baskets(l.item) > 0).collect();
    let mut cases = Vec::new();
    for basket in lines.chunk_by(|a, b| a.basket == b.basket).filter(|b| b.len() >= 2) {
        let mut items: Vec<ItemIx> = basket.iter().map(|l| l.item).collect();
        for draw in 0..DRAWS.min(items.len()) {
            let chosen = rng.random_range(draw..items.len());
            items.swap(draw, chosen);
            let hidden = items[draw];
            let cart = items.iter().copied().filter(|&i| i != hidden).take(MAX_CART).collect();
            let user = Some(&basket[0]).filter(|line| is_known(line)).map(|line| line.user);
            cases.push(Case { user, cart, hidden });
        }
    }
    cases
}

fn run(
    name: &str,
    role: Role,
    cases: &[Case],
    n_items: usize,
    scores: &(dyn Fn(&Case) -> Scores + Sync),
) -> Raw {
    let measure = |case: &Case| {
        let mut scores = scores(case);
        scores.retain(|item, _| !case.cart.contains(item));
        values(rank(&scores, case, n_items))
    };
    Raw { name: name.to_owned(), role, exposure: None, cases: cases.par_iter().map(measure).collect() }
}

/// The popularity baseline. Its scores are the same for every cart, so they are sorted once.
fn popularity(cases: &[Case], sold: &Scores, n_items: usize) -> Raw {
    let mut sorted: Vec<f32> = sold.values().copied().collect();
    sorted.sort_by(f32::total_cmp);
    let above = |score: f32| sorted.len() - sorted.partition_point(|&s| s <= score);
    let ties = |score: f32| sorted.len() - sorted.partition_point(|&s| s < score) - above(score);
    let measure = |case: &Case| {
        let score = |item: &ItemIx| sold.get(item).copied().unwrap_or(0.0);
        let own = score(&case.hidden);
        let in_cart = |matches: &dyn Fn(f32) -> bool| case.cart.iter().filter(|i| matches(score(i))).count();
        let better = above(own) - in_cart(&|s| s > own);
        let tied = ties(own) - in_cart(&|s| s == own) - 1;
        values((better as f64 + tied as f64 / 2.0).min(n_items as f64))
    };
    let cases = cases.par_iter().map(measure).collect();
    Raw { name: "popularity".to_owned(), role: Role::Baseline, exposure: None, cases }
}

/// The rank of the hidden item, from 0: the number of items with a higher score, plus half of the other items with
/// the same score. Items without a score tie at the end.
fn rank(scores: &Scores, case: &Case, n_items: usize) -> f64 {
    let (better, ties) = match scores.get(&case.hidden) {
        Some(own) => {
            let better = scores.values().filter(|score| *score > own).count();
            (better, scores.values().filter(|score| *score == own).count() - 1)
        }
        None => (scores.len(), n_items.saturating_sub(scores.len() + case.cart.len() + 1)),
    };
    better as f64 + ties as f64 / 2.0
}

/// The values of [`METRICS`] for an item at `rank`.
fn values(rank: f64) -> Vec<f64> {
    let within = |k: f64| f64::from(u8::from(rank < k));
    vec![
        within(1.0),
        within(3.0),
        within(5.0),
        within(10.0),
        within(20.0),
        within(20.0) / (rank + 1.0),
        within(10.0) / (rank + 2.0).log2(),
    ]
}

/// The sum of the pair scores over the cart.
fn summed(pairs: &Pairs, case: &Case, by: Association) -> Scores {
    let mut scores = Scores::default();
    for &seed in &case.cart {
        pairs.scored(seed, by).for_each(|(item, score)| *scores.entry(item).or_default() += score);
    }
    scores
}

/// Item vectors, normalized to length one.
struct Directions {
    dim: usize,
    values: Vec<f32>,
}

impl Directions {
    fn new(reference: &Snapshot) -> Self {
        let Some(embedding) = &reference.embedding else { return Self { dim: 0, values: Vec::new() } };
        let mut values = Vec::with_capacity(embedding.items.rows() * embedding.items.dim());
        for item in 0..embedding.items.rows() as u32 {
            let row = embedding.items.row(item);
            let length = row.iter().map(|x| x * x).sum::<f32>().sqrt().max(1e-12);
            values.extend(row.iter().map(|x| x / length));
        }
        Self { dim: embedding.items.dim(), values }
    }

    /// Items by the cosine of their vector with the sum of the cart's.
    fn scores(&self, case: &Case) -> Scores {
        if self.dim == 0 {
            return Scores::default();
        }
        let row = |item: usize| &self.values[item * self.dim..(item + 1) * self.dim];
        let mut sum = vec![0.0f32; self.dim];
        for &item in &case.cart {
            sum.iter_mut().zip(row(item as usize)).for_each(|(s, x)| *s += x);
        }
        let scores = simd::dispatch(
            #[inline(always)]
            || -> Vec<f32> { self.values.chunks_exact(self.dim).map(|x| simd::dot(&sum, x)).collect() },
        );
        scores.into_iter().enumerate().map(|(item, score)| (item as u32, score)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_the_ties_rank_before_the_hidden_item() {
        let case = Case { user: None, cart: vec![8, 9], hidden: 1 };
        let scores = |list: &[(u32, f32)]| list.iter().copied().collect::<Scores>();
        assert_eq!(rank(&scores(&[(0, 3.0), (1, 2.0), (2, 2.0), (3, 2.0), (4, 1.0)]), &case, 10), 2.0);
        assert_eq!(rank(&scores(&[(0, 3.0), (2, 2.0)]), &case, 10), 2.0 + 5.0 / 2.0);
    }

    #[test]
    fn values_of_the_third_rank() {
        assert_eq!(values(2.0), [0.0, 1.0, 1.0, 1.0, 1.0, 1.0 / 3.0, 0.5]);
        assert_eq!(values(20.0), [0.0; 7]);
    }
}
