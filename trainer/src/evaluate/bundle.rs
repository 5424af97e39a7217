//! Bundles: one item of a basket is hidden, the rest is the cart.

use qianmian_models::bundle;
use qianmian_models::ids::{ItemIx, UserIx};
use qianmian_models::snapshot::Snapshot;
use rand::RngExt;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::Future;
use super::report::{Raw, Task};
use crate::dataset::{Dataset, is_known};

const METRICS: [&str; 3] = ["hr@5", "hr@10", "mrr@20"];
const DEPTH: usize = 20;
const DRAWS: usize = 3;
const MAX_CART: usize = 20;

struct Case {
    user: Option<UserIx>,
    cart: Vec<ItemIx>,
    hidden: ItemIx,
}

pub(super) fn measure(snapshot: &Snapshot, _past: &Dataset, future: &Future<'_>) -> Option<Task> {
    let cases = cases(snapshot, future);
    let popular = snapshot.popularity.ranked();
    let ours =
        |case: &Case| bundle::complements(snapshot, &case.cart, DEPTH).iter().map(|c| c.item).collect();
    let personal = |case: &Case| match case.user {
        Some(user) => {
            let complements = bundle::personal_complements(snapshot, &case.cart, user, DEPTH);
            complements.iter().map(|c| c.item).collect()
        }
        None => ours(case),
    };
    let popularity =
        |case: &Case| popular.iter().copied().filter(|item| !case.cart.contains(item)).take(DEPTH).collect();
    let raw = [
        run("qianmian", &cases, ours),
        run("qianmian + personal", &cases, personal),
        run("popularity", &cases, popularity),
    ];
    Task::new("bundle", &METRICS, &raw)
}

/// Up to three draws a basket, of items that were sold before the window.
fn cases(snapshot: &Snapshot, future: &Future<'_>) -> Vec<Case> {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let lines: Vec<_> = future.lines().filter(|l| snapshot.popularity.baskets(l.item) > 0).collect();
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

fn run(name: &'static str, cases: &[Case], rank: impl Fn(&Case) -> Vec<ItemIx> + Sync) -> Raw {
    let measure = |case: &Case| {
        let place = rank(case).iter().position(|&item| item == case.hidden);
        let within = |k: usize| f64::from(u8::from(place.is_some_and(|p| p < k)));
        vec![within(5), within(10), place.map_or(0.0, |p| 1.0 / (p + 1) as f64)]
    };
    Raw { name, cases: cases.par_iter().map(measure).collect() }
}
