//! items -> people: all users ranked by how likely they are to buy an item in the window.

mod baselines;
pub(super) mod calibration;

use qianmian_models::ids::{ItemIx, UserIx};
use qianmian_models::snapshot::Snapshot;
use rayon::prelude::*;
use rustc_hash::{FxHashMap, FxHashSet};

use self::baselines::Baselines;
pub(super) use self::baselines::most_active;
use super::pairs::Pairs;
use super::report::{Raw, Role, Task};
use super::{Bench, affordable, every_nth};
use crate::dataset::is_known;
use crate::metrics::{auc, ndcg, recall};

const METRICS: [&str; 13] = [
    "recall@50",
    "recall@100",
    "recall@200",
    "recall@500",
    "lift@1%",
    "ndcg@100",
    "auc",
    "recall@100 repeat",
    "ndcg@100 repeat",
    "auc repeat",
    "recall@100 new",
    "ndcg@100 new",
    "auc new",
];
const HEADLINE: [&str; 6] =
    ["recall@100", "lift@1%", "ndcg@100", "auc", "recall@100 repeat", "recall@100 new"];
/// Fewest buyers in the window for an item to be a case, and fewest of a kind (repeat, new) for its metrics.
const MIN_BUYERS: usize = 10;
const MIN_OF_KIND: usize = 3;
/// More items than this are not measured; every n-th is.
const MAX_ITEMS: usize = 2_000;
/// Bound of users times items, as every user is ranked for every item; see [`affordable`].
const BUDGET: usize = 80_000_000;
/// Users in each method's ranking; all others tie at the end.
const DEPTH: usize = 1_000;

type Cases = Vec<(ItemIx, FxHashSet<UserIx>)>;

pub(super) fn measure(bench: &Bench<'_>) -> Option<Task> {
    let reference = bench.reference;
    let (cases, of) = cases(bench);
    if cases.is_empty() {
        return None;
    }
    let seen = |user: &UserIx| !reference.history.ixs(*user).is_empty();
    let n_users = (0..reference.users.len() as u32).filter(seen).count();
    let shape = Shape { percent: n_users.div_ceil(100), n_users };
    let depth = shape.percent.max(DEPTH);
    let run = |name: &str, role: Role, rank: &Rank<'_>| run(name, role, reference, &cases, shape, rank);
    let mut raw: Vec<Raw> = Vec::new();
    for (n, subject) in bench.subjects.iter().enumerate() {
        raw.push(run(&subject.name, Role::of_subject(n), &|item, new| {
            subject.audience(item, new, depth, bench.past.until)
        }));
    }
    if !bench.baselines {
        return Task::new("audience", &METRICS, &HEADLINE, of, &raw);
    }
    let others = Baselines::new(reference, Pairs::new(bench.past), depth);
    let baselines: [(&str, &Rank<'_>); 5] = [
        ("activity (RF)", &|item, new| others.activity(item, new)),
        ("RFM tiers", &|item, new| others.rfm(item, new)),
        ("personal frequency", &|item, new| others.personal_frequency(item, new)),
        ("ALS dot", &|item, new| others.als(item, new)),
        ("co-purchase profile", &|item, new| others.co_purchase_profile(item, new)),
    ];
    raw.extend(baselines.map(|(name, rank)| run(name, Role::Baseline, rank)));
    Task::new("audience", &METRICS, &HEADLINE, of, &raw)
}

/// Items sold before the window with enough known buyers in it, and their number before sampling.
fn cases(bench: &Bench<'_>) -> (Cases, usize) {
    let reference = bench.reference;
    let seen = |user: u32| !reference.history.ixs(user).is_empty();
    let known = |item: u32| !reference.buyers.ixs(item).is_empty();
    let mut truth: FxHashMap<u32, FxHashSet<u32>> = FxHashMap::default();
    for line in bench.future.lines().filter(|l| is_known(l) && seen(l.user) && known(l.item)) {
        truth.entry(line.item).or_default().insert(line.user);
    }
    let mut cases: Cases = truth.into_iter().filter(|(_, buyers)| buyers.len() >= MIN_BUYERS).collect();
    cases.sort_unstable_by_key(|(item, _)| *item);
    let of = cases.len();
    (every_nth(cases, affordable(MAX_ITEMS, BUDGET, bench.past)), of)
}

/// Ranks users for an item, most likely buyers first; if the flag is true, without earlier buyers.
type Rank<'a> = dyn Fn(ItemIx, bool) -> Vec<UserIx> + Sync + 'a;

#[derive(Clone, Copy)]
struct Shape {
    /// One hundredth of the users, rounded up.
    percent: usize,
    n_users: usize,
}

fn run(name: &str, role: Role, reference: &Snapshot, cases: &Cases, shape: Shape, rank: &Rank<'_>) -> Raw {
    let case = |(item, truth): &(ItemIx, FxHashSet<UserIx>)| {
        let buyers: FxHashSet<u32> = reference.buyers.ixs(*item).iter().copied().collect();
        values(&buyers, truth, shape, &|new| rank(*item, new))
    };
    Raw { name: name.to_owned(), role, exposure: None, cases: cases.par_iter().map(case).collect() }
}

/// The values of [`METRICS`] for one item; NaN for a kind of buyers with too few.
fn values(
    buyers: &FxHashSet<UserIx>,
    truth: &FxHashSet<UserIx>,
    shape: Shape,
    rank: &dyn Fn(bool) -> Vec<UserIx>,
) -> Vec<f64> {
    let ranked = rank(false);
    let lift = recall(&ranked, truth, shape.percent) * shape.n_users as f64 / shape.percent.max(1) as f64;
    let mut values: Vec<f64> = [50, 100, 200, 500].map(|k| recall(&ranked, truth, k)).to_vec();
    values.extend([lift, ndcg(&ranked, truth, 100), auc(&ranked, truth, shape.n_users)]);
    let three = |ranked: &[u32], truth: &FxHashSet<u32>, universe: usize| {
        [recall(ranked, truth, 100), ndcg(ranked, truth, 100), auc(ranked, truth, universe)]
    };
    let (again, fresh): (FxHashSet<u32>, FxHashSet<u32>) =
        truth.iter().partition(|user| buyers.contains(*user));
    if again.len() < MIN_OF_KIND {
        values.extend([f64::NAN; 3]);
    } else {
        let list: Vec<u32> = ranked.iter().copied().filter(|user| buyers.contains(user)).collect();
        values.extend(three(&list, &again, buyers.len()));
    }
    if fresh.len() < MIN_OF_KIND {
        values.extend([f64::NAN; 3]);
    } else {
        values.extend(three(&rank(true), &fresh, shape.n_users - buyers.len()));
    }
    values
}
