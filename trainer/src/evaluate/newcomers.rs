//! people -> goods for newcomers: what somebody buys first of whom nothing is known but where they are.

use qianmian_models::index::places::{Kind, PlaceIx};
use qianmian_models::query::Query;
use qianmian_models::snapshot::Snapshot;
use qianmian_models::{ids::UserIx, pipeline};
use rayon::prelude::*;
use rustc_hash::{FxHashMap, FxHashSet};

use super::Future;
use super::metrics::{hit, ndcg, recall};
use super::recommend::recently_popular;
use super::report::{Raw, Task};
use crate::dataset::{Dataset, is_known};

const METRICS: [&str; 3] = ["recall@10", "ndcg@10", "hr@10"];
const DEPTH: usize = 10;

type Cases = Vec<(Option<PlaceIx>, FxHashSet<u32>)>;

/// Users whose first basket is in the window.
pub(super) fn measure(snapshot: &Snapshot, past: &Dataset, future: &Future<'_>) -> Option<Task> {
    let mut first: FxHashMap<UserIx, (u32, Option<PlaceIx>, FxHashSet<u32>)> = FxHashMap::default();
    for line in future.lines().filter(|l| is_known(l) && snapshot.history.ixs(l.user).is_empty()) {
        let place = || {
            let places = snapshot.places.as_ref()?;
            let named = |kind| past.place(kind, line).map(|code| past.place_name(kind, code));
            Kind::ALL.into_iter().find_map(|kind| places.ix(kind, named(kind)?))
        };
        // Lines come by time.
        let basket = first.entry(line.user).or_insert_with(|| (line.basket, place(), FxHashSet::default()));
        if basket.0 == line.basket {
            basket.2.insert(line.item);
        }
    }
    let mut cases: Vec<_> = first.into_iter().collect();
    cases.sort_unstable_by_key(|(user, _)| *user);
    let cases: Cases = cases.into_iter().map(|(_, (_, place, items))| (place, items)).collect();
    let ours = |place| -> Vec<u32> {
        let query = Query { count: DEPTH, at: past.until, place, ..Query::default() };
        pipeline::recommend(snapshot, &query).items.iter().map(|r| r.item).collect()
    };
    let popular = recently_popular(past);
    let raw = [
        run("qianmian", &cases, ours),
        run("without the place", &cases, |_| ours(None)),
        run("popularity 30 d", &cases, |_| popular.clone()),
    ];
    Task::new("newcomers", &METRICS, &raw)
}

fn run(name: &'static str, cases: &Cases, rank: impl Fn(Option<PlaceIx>) -> Vec<u32> + Sync) -> Raw {
    let case = |(place, truth): &(Option<PlaceIx>, FxHashSet<u32>)| {
        let ranked = rank(*place);
        vec![recall(&ranked, truth, DEPTH), ndcg(&ranked, truth, DEPTH), hit(&ranked, truth, DEPTH)]
    };
    Raw { name, cases: cases.par_iter().map(case).collect() }
}
