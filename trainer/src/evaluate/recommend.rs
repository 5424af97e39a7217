//! people -> items: the slate of a user, against the user's purchases in the window.

pub(super) mod ablation;
pub(super) mod examples;
mod exposure;
mod tifu_knn;
mod up_cf;

pub use ablation::{Ablation, SourceShare};
pub use examples::{Example, Shown};
pub use exposure::Exposure;

use qianmian_models::ids::{ItemIx, UserIx};
use qianmian_models::kernels::topk::TopK;
use qianmian_models::snapshot::Snapshot;
use rayon::prelude::*;
use rustc_hash::{FxHashMap, FxHashSet};

use self::exposure::ItemsOnSale;
use self::tifu_knn::TifuKnn;
use self::up_cf::UpCf;
use super::history::UserBaskets;
use super::report::{Raw, Role, Task};
use super::{Bench, DAY, affordable, every_nth};
use crate::dataset::{Dataset, is_known};
use crate::metrics::{hit, ndcg, recall};

/// Lengths of slates that are measured.
const LENGTHS: [usize; 5] = [1, 3, 5, 10, 20];
const METRICS: [&str; 21] = [
    "recall@1",
    "ndcg@1",
    "hr@1",
    "recall@3",
    "ndcg@3",
    "hr@3",
    "recall@5",
    "ndcg@5",
    "hr@5",
    "recall@10",
    "ndcg@10",
    "hr@10",
    "recall@20",
    "ndcg@20",
    "hr@20",
    "recall@10 repeat",
    "ndcg@10 repeat",
    "hr@10 repeat",
    "recall@10 new",
    "ndcg@10 new",
    "hr@10 new",
];
const HEADLINE: [&str; 6] = ["recall@10", "recall@20", "ndcg@10", "hr@10", "ndcg@10 repeat", "ndcg@10 new"];
const DEPTH: usize = 20;
/// Slots that exposure is counted over.
const SHOWN: usize = 10;
/// More users than this are not measured; every n-th is.
const MAX_USERS: usize = 25_000;
/// Bound of users times cases, as baselines search neighbors among all users; see [`affordable`].
const BUDGET: usize = 600_000_000;

/// Users with their purchases in the window.
pub(super) struct Cases {
    pub(super) users: Vec<(UserIx, FxHashSet<ItemIx>)>,
    /// Users before sampling.
    pub(super) of: usize,
}

impl Cases {
    /// Users seen before the window that buy in it.
    pub(super) fn new(bench: &Bench<'_>) -> Self {
        let mut truth: FxHashMap<u32, FxHashSet<u32>> = FxHashMap::default();
        let seen = |user: u32| !bench.reference.history.ixs(user).is_empty();
        for line in bench.future.lines().filter(|l| is_known(l) && seen(l.user)) {
            truth.entry(line.user).or_default().insert(line.item);
        }
        let of = truth.len();
        let mut users: Vec<_> = truth.into_iter().collect();
        users.sort_unstable_by_key(|(user, _)| *user);
        Self { users: every_nth(users, affordable(MAX_USERS, BUDGET, bench.past)), of }
    }
}

pub(super) fn measure(bench: &Bench<'_>, cases: &Cases) -> Option<Task> {
    let simple = SimpleBaselines::new(bench.reference, bench.past);
    let baskets = UserBaskets::new(bench.past);
    let on_sale = ItemsOnSale::new(bench.reference);
    let run =
        |name: &str, role: Role, rank: &Rank<'_>| run(name, role, bench.reference, cases, &on_sale, rank);
    let mut raw: Vec<Raw> = Vec::new();
    for (n, subject) in bench.subjects.iter().enumerate() {
        raw.push(run(&subject.name, Role::of_subject(n), &|user, new| {
            subject.recommend(user, new, DEPTH, bench.past.until)
        }));
    }
    if !bench.baselines {
        return Task::new("recommend", &METRICS, &HEADLINE, cases.of, &raw);
    }
    let baseline = |name: &str, head: &(dyn Fn(UserIx) -> Vec<ItemIx> + Sync)| {
        run(name, Role::Baseline, &|user, new| simple.fill(user, new, head(user)))
    };
    raw.push(baseline("popularity 30 d", &|_| Vec::new()));
    raw.push(baseline("personal frequency", &|user| simple.personal_frequency(user)));
    let up_cf = UpCf::new(bench.reference, &baskets);
    raw.push(baseline("UP-CF@r", &|user| simple.best(user, up_cf.scores(user))));
    drop(up_cf);
    let tifu_knn = TifuKnn::new(&baskets, bench.past.n_items());
    raw.push(baseline("TIFUKNN", &|user| simple.best(user, tifu_knn.scores(user))));
    raw.push(baseline("ALS", &|user| simple.als(user)));
    Task::new("recommend", &METRICS, &HEADLINE, cases.of, &raw)
}

/// The `count` best sellers of the last 30 days before the window.
pub(super) fn popular(bench: &Bench<'_>, count: usize) -> Vec<ItemIx> {
    let mut popular = SimpleBaselines::new(bench.reference, bench.past).popular;
    popular.truncate(count);
    popular
}

/// Gives the slate of a user, best first; if the flag is true, without bought items.
type Rank<'a> = dyn Fn(UserIx, bool) -> Vec<ItemIx> + Sync + 'a;

fn run(
    name: &str,
    role: Role,
    reference: &Snapshot,
    cases: &Cases,
    on_sale: &ItemsOnSale<'_>,
    rank: &Rank<'_>,
) -> Raw {
    let case = |(user, truth): &(UserIx, FxHashSet<ItemIx>)| {
        let ranked = rank(*user, false);
        let values = values(reference.history.ixs(*user), &ranked, truth, &|| rank(*user, true));
        (ranked, values)
    };
    let (lists, values): (Vec<Vec<ItemIx>>, Vec<Vec<f64>>) = cases.users.par_iter().map(case).unzip();
    let shown =
        cases.users.iter().zip(&lists).map(|((user, _), list)| (*user, &list[..list.len().min(SHOWN)]));
    Raw { name: name.to_owned(), role, exposure: Some(on_sale.exposure(shown)), cases: values }
}

/// The values of [`METRICS`] for one user; NaN for a kind of items that the user did not buy. `repeat` uses the
/// items of the slate bought before, `new` a slate that excludes them.
fn values(
    bought: &[ItemIx],
    ranked: &[ItemIx],
    truth: &FxHashSet<ItemIx>,
    new_slate: &dyn Fn() -> Vec<ItemIx>,
) -> Vec<f64> {
    let three = |ranked: &[u32], truth: &FxHashSet<u32>, k| {
        [recall(ranked, truth, k), ndcg(ranked, truth, k), hit(ranked, truth, k)]
    };
    let bought: FxHashSet<u32> = bought.iter().copied().collect();
    let (again, fresh): (FxHashSet<u32>, FxHashSet<u32>) = truth.iter().partition(|i| bought.contains(*i));
    let mut values: Vec<f64> = LENGTHS.iter().flat_map(|&k| three(ranked, truth, k)).collect();
    let list: Vec<u32> = ranked.iter().copied().filter(|item| bought.contains(item)).collect();
    values.extend(if again.is_empty() { [f64::NAN; 3] } else { three(&list, &again, 10) });
    values.extend(if fresh.is_empty() { [f64::NAN; 3] } else { three(&new_slate(), &fresh, 10) });
    values
}

/// The simple baselines, and the best sellers that fill up their slates.
struct SimpleBaselines<'a> {
    reference: &'a Snapshot,
    /// Items on sale that sold in the last 30 days, best sellers first.
    popular: Vec<ItemIx>,
}

impl<'a> SimpleBaselines<'a> {
    fn new(reference: &'a Snapshot, past: &Dataset) -> Self {
        let mut counts = vec![0u32; past.n_items()];
        let recent = past.lines().iter().filter(|l| past.until - l.at <= 30 * DAY);
        recent.for_each(|l| counts[l.item as usize] += 1);
        let on_sale = (0..past.n_items() as u32).filter(|&item| reference.catalog.on_sale(item));
        let mut popular: Vec<ItemIx> = on_sale.filter(|&item| counts[item as usize] > 0).collect();
        popular.sort_by_key(|&item| (std::cmp::Reverse(counts[item as usize]), item));
        Self { reference, popular }
    }

    /// The items of `head` that are on sale, filled up with best sellers.
    fn fill(&self, user: UserIx, new: bool, head: Vec<ItemIx>) -> Vec<ItemIx> {
        let bought = if new { self.reference.history.ixs(user) } else { &[] };
        let mut taken: FxHashSet<ItemIx> = bought.iter().copied().collect();
        let all = head.into_iter().chain(self.popular.iter().copied());
        let may = |item: &ItemIx| self.reference.catalog.on_sale(*item) && taken.insert(*item);
        all.filter(may).take(DEPTH).collect()
    }

    /// The user's items by frequency, then recency.
    fn personal_frequency(&self, user: UserIx) -> Vec<ItemIx> {
        let mut bought: Vec<_> = self.reference.history.of(user).collect();
        bought.sort_by_key(|p| (std::cmp::Reverse((p.baskets, p.last_at)), p.ix));
        bought.iter().map(|p| p.ix).collect()
    }

    /// Items by the inner product of their vector and the user's.
    fn als(&self, user: UserIx) -> Vec<ItemIx> {
        let Some(embedding) = &self.reference.embedding else { return Vec::new() };
        let near = embedding.items.scan(embedding.users.row(user), self.wanted(user));
        near.iter().map(|s| s.ix).collect()
    }

    /// The items with the best scores.
    fn best(&self, user: UserIx, scores: FxHashMap<ItemIx, f32>) -> Vec<ItemIx> {
        let mut top = TopK::new(self.wanted(user));
        scores.into_iter().for_each(|(item, score)| top.push(item, score));
        top.into_sorted().iter().map(|s| s.ix).collect()
    }

    /// Number of items to rank, so that enough are left after bought items and items off sale are removed.
    fn wanted(&self, user: UserIx) -> usize {
        10 * DEPTH + self.reference.history.ixs(user).len()
    }
}
