//! people -> items for cold items: measures if users who buy an item without sales before the window are shown it.
//! Slates exclude bought items, like the `new` slates of the task recommend.

use qianmian_models::ids::{ItemIx, UserIx};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use rustc_hash::{FxHashMap, FxHashSet};

use super::report::{Raw, Role, Task};
use super::{Bench, every_nth};
use crate::dataset::is_known;
use crate::metrics::{hit, ndcg, recall};

const METRICS: [&str; 5] =
    ["recall@20", "hr@20", "recall@20 among cold", "ndcg@20 among cold", "hr@20 among cold"];
const DEPTH: usize = 20;
/// Length of the slate from which the ranking of cold items is taken.
const LONG: usize = 200;
/// More users than this are not measured; every n-th is.
const MAX_USERS: usize = 5_000;

/// Users seen before the window that buy a cold item in it.
pub(super) fn measure(bench: &Bench<'_>) -> Option<Task> {
    let reference = bench.reference;
    let is_unsold = |item: ItemIx| reference.popularity.baskets(item) == 0;
    let mut truth: FxHashMap<UserIx, FxHashSet<ItemIx>> = FxHashMap::default();
    let seen = |user: UserIx| !reference.history.ixs(user).is_empty();
    for line in bench.future.lines().filter(|l| is_known(l) && seen(l.user) && is_unsold(l.item)) {
        truth.entry(line.user).or_default().insert(line.item);
    }
    let of = truth.len();
    let mut users: Vec<_> = truth.into_iter().collect();
    users.sort_unstable_by_key(|(user, _)| *user);
    let cases = every_nth(users, MAX_USERS);
    let run = |name: &str, role: Role, slates: &Slates<'_>| {
        let case = |(user, truth): &(UserIx, FxHashSet<ItemIx>)| {
            let [slate, cold] = slates(*user);
            let among = [recall, ndcg, hit].map(|metric| metric(&cold, truth, DEPTH));
            [vec![recall(&slate, truth, DEPTH), hit(&slate, truth, DEPTH)], among.to_vec()].concat()
        };
        Raw { name: name.to_owned(), role, exposure: None, cases: cases.par_iter().map(case).collect() }
    };
    let mut raw = Vec::new();
    for (n, subject) in bench.subjects.iter().enumerate() {
        raw.push(run(&subject.name, Role::of_subject(n), &|user| {
            let slate = |count| subject.recommend(user, true, count, bench.past.until);
            [slate(DEPTH), slate(LONG).into_iter().filter(|&item| is_unsold(item)).collect()]
        }));
    }
    let may_be_shown = |item: &ItemIx| is_unsold(*item) && reference.catalog.on_sale(*item);
    let cold: Vec<ItemIx> = (0..bench.past.n_items() as ItemIx).filter(may_be_shown).collect();
    raw.push(run("random cold items", Role::Baseline, &|user| {
        let mut drawn = cold.clone();
        let (drawn, _) = drawn.partial_shuffle(&mut ChaCha8Rng::seed_from_u64(user.into()), DEPTH);
        [drawn.to_vec(), drawn.to_vec()]
    }));
    Task::new("cold_items_shown", &METRICS, &METRICS, of, &raw)
}

/// Gives a user's slate, and the cold items of a slate of length [`LONG`].
type Slates<'a> = dyn Fn(UserIx) -> [Vec<ItemIx>; 2] + Sync + 'a;
