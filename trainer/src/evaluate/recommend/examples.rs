//! Example users: purchases before the window, slate, purchases in the window.

use qianmian_models::ids::{ItemIx, UserIx};
use qianmian_models::index::catalog::Text;
use rayon::prelude::*;
use rustc_hash::FxHashSet;
use serde::Serialize;

use super::super::{Bench, every_nth};
use super::Cases;
use crate::metrics::ndcg;

/// Quantiles of the NDCG of slates at which example users are taken, so that none is picked by hand.
const QUANTILES: [f64; 5] = [0.95, 0.75, 0.5, 0.25, 0.05];
const SLOTS: usize = 10;
/// Items of the past that are shown.
const MAX_BEFORE: usize = 10;
/// Items of the window that are shown.
const MAX_BOUGHT: usize = 15;
/// More users than this are not considered; every n-th is.
const MAX_USERS: usize = 5_000;

/// One user.
#[derive(Debug, Serialize)]
pub struct Example {
    /// Outside id.
    pub user: String,
    /// Share of the users whose slates are worse; `0..=1`.
    pub quantile: f64,
    /// NDCG@10 of the slate.
    pub ndcg_10: f64,
    /// The user's last purchases before the window, latest first.
    pub before: Vec<Shown>,
    /// The slate, best first.
    pub slate: Vec<Shown>,
    /// The user's purchases in the window; items of the slate first.
    pub bought: Vec<Shown>,
    /// Number of distinct items bought in the window.
    pub bought_count: usize,
}

/// An item as the report shows it.
#[derive(Debug, Serialize)]
pub struct Shown {
    /// Outside id.
    pub item: String,
    /// Its title, if the catalog has one.
    pub title: Option<String>,
    /// True if the user bought it in the window and was shown it.
    pub hit: bool,
    /// True if the user had bought it before the window.
    pub bought_before: bool,
}

/// Users at [`QUANTILES`] of the NDCG of their slates.
pub(in super::super) fn choose(bench: &Bench<'_>, cases: &Cases) -> Vec<Example> {
    let Some(ours) = bench.subjects.first() else { return Vec::new() };
    let users = every_nth(cases.users.iter().collect(), MAX_USERS);
    let ranked = |case: &&(UserIx, FxHashSet<ItemIx>)| {
        let slate = ours.recommend(case.0, false, SLOTS, bench.past.until);
        (ndcg(&slate, &case.1, SLOTS), slate)
    };
    let slates: Vec<(f64, Vec<ItemIx>)> = users.par_iter().map(ranked).collect();
    let mut order: Vec<usize> = (0..users.len()).collect();
    order.sort_by(|&a, &b| slates[a].0.total_cmp(&slates[b].0).then(a.cmp(&b)));
    let mut picked: Vec<(f64, usize)> =
        QUANTILES.iter().filter_map(|&q| Some((q, *order.get((q * users.len() as f64) as usize)?))).collect();
    picked.dedup_by_key(|(_, n)| *n);
    let example = |(quantile, n): (f64, usize)| {
        let ((user, truth), (ndcg_10, slate)) = (users[n], &slates[n]);
        example(bench, *user, truth, slate, quantile, *ndcg_10)
    };
    picked.into_iter().map(example).collect()
}

fn example(
    bench: &Bench<'_>,
    user: UserIx,
    truth: &FxHashSet<ItemIx>,
    slate: &[ItemIx],
    quantile: f64,
    ndcg_10: f64,
) -> Example {
    let history = bench.reference.history.ixs(user);
    let shown = |item: &ItemIx| Shown {
        item: bench.past.item_ids.get(*item as usize).cloned().unwrap_or_default(),
        title: ((*item as usize) < bench.past.n_items())
            .then(|| bench.reference.catalog.text(*item, Text::Title).map(str::to_owned))
            .flatten(),
        hit: slate.contains(item) && truth.contains(item),
        bought_before: history.contains(item),
    };
    let mut bought: Vec<ItemIx> = truth.iter().copied().collect();
    bought.sort_unstable_by_key(|item| (!slate.contains(item), !history.contains(item), *item));
    Example {
        user: bench.past.user_ids[user as usize].clone(),
        quantile,
        ndcg_10,
        before: history.iter().take(MAX_BEFORE).map(shown).collect(),
        slate: slate.iter().map(shown).collect(),
        bought: bought.iter().take(MAX_BOUGHT).map(shown).collect(),
        bought_count: bought.len(),
    }
}
