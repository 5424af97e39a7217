//! people -> items for new users: the first basket of users without history; at most their locality is known.

use qianmian_models::ids::UserIx;
use qianmian_models::index::localities::Kind;
use rustc_hash::{FxHashMap, FxHashSet};

use super::report::{Raw, Role, Task};
use super::{Bench, recommend};
use crate::dataset::is_known;
use crate::metrics::{hit, ndcg, recall};

const METRICS: [&str; 3] = ["recall@10", "ndcg@10", "hr@10"];
const DEPTH: usize = 10;

/// The localities of a first basket, by kind, and its items.
struct Case<'a> {
    localities: Vec<(Kind, &'a str)>,
    basket: FxHashSet<u32>,
}

/// Users whose first basket is in the window.
pub(super) fn measure(bench: &Bench<'_>) -> Option<Task> {
    let cases = cases(bench);
    let mut raw = Vec::new();
    for (n, subject) in bench.subjects.iter().enumerate() {
        let slate = |localities: &[(Kind, &str)]| subject.new_user(localities, DEPTH, bench.past.until);
        raw.push(run(&subject.name, Role::of_subject(n), &cases, |case| slate(&case.localities)));
        if n == 0 {
            let without_place = slate(&[]);
            let name = format!("{} without the place", subject.name);
            raw.push(run(&name, Role::Variant, &cases, |_| without_place.clone()));
        }
    }
    let popular = recommend::popular(bench, DEPTH);
    raw.push(run("popularity 30 d", Role::Baseline, &cases, |_| popular.clone()));
    Task::new("new_users", &METRICS, &METRICS, cases.len(), &raw)
}

fn cases<'a>(bench: &'a Bench<'_>) -> Vec<Case<'a>> {
    let past = bench.past;
    let mut first: FxHashMap<UserIx, (u32, Case<'a>)> = FxHashMap::default();
    let is_new = |user| bench.reference.history.ixs(user).is_empty();
    for line in bench.future.lines().filter(|l| is_known(l) && is_new(l.user)) {
        let named = |kind| past.locality(kind, line).map(|code| (kind, past.locality_name(kind, code)));
        let case = || Case {
            localities: Kind::ALL.into_iter().filter_map(named).collect(),
            basket: FxHashSet::default(),
        };
        // Lines are in order of time.
        let (basket, case) = first.entry(line.user).or_insert_with(|| (line.basket, case()));
        if *basket == line.basket {
            case.basket.insert(line.item);
        }
    }
    let mut cases: Vec<_> = first.into_iter().collect();
    cases.sort_unstable_by_key(|(user, _)| *user);
    cases.into_iter().map(|(_, (_, case))| case).collect()
}

fn run(name: &str, role: Role, cases: &[Case<'_>], rank: impl Fn(&Case<'_>) -> Vec<u32>) -> Raw {
    let case = |case: &Case<'_>| {
        let (ranked, truth) = (rank(case), &case.basket);
        vec![recall(&ranked, truth, DEPTH), ndcg(&ranked, truth, DEPTH), hit(&ranked, truth, DEPTH)]
    };
    Raw { name: name.to_owned(), role, exposure: None, cases: cases.iter().map(case).collect() }
}
