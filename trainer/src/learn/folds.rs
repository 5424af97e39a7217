//! Past folds: the training data of the rehearsal.
//!
//! A [`Split`] cuts the data into a past, from which indexes are learned, and the later purchases, the labels;
//! a [`PastFold`] is a split whose past was learned. The cut depends on the kind of times:
//!
//! | times | the past ends | labels |
//! |---|---|---|
//! | timestamps | a month (at most a quarter of the data) before the end; with few users, up to two earlier months too | purchases of that month |
//! | order only | a step before the end, for every user | purchases of the last step |
//! | fewer than 300 users by these rules | before each user's last basket | the last basket |
//! | none | - | a fifth of each user's baskets (or items), drawn at random |

use std::collections::BTreeMap;

use qianmian_models::index::likelihood::Horizon;
use qianmian_models::index::localities::Kind;
use qianmian_models::recommend::query::Query;
use qianmian_models::snapshot::Snapshot;
use qianmian_models::view::View;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rustc_hash::FxHashSet;

use crate::dataset::{Dataset, is_known};
use crate::orders::{Line, TimeKind};

/// Most users with labels, and most new users; every n-th user if there are more (decision 13).
const MAX_USERS: usize = 10_000;
/// With fewer users than this, last baskets are held out instead of months (decision 13).
const MIN_USERS: usize = 300;
/// With this many users no further month is cut (decision 13).
const ENOUGH_USERS: usize = 2_500;
/// Most months that are cut, the latest first (decision 13).
const MAX_MONTHS: i64 = 3;
/// Seconds of a month.
const MONTH: i64 = 30 * 86_400;
/// Without times, one in this many of a user's baskets (or items) is held out (decision 28).
const HELD_OUT_ONE_IN: usize = 5;
/// Share of labels bought before, below which users are taken not to buy again (decision 28).
const MIN_REPEAT_SHARE: f64 = 0.01;

/// A user and the items they bought after the past, ascending.
pub type Label = (u32, Vec<u32>);

/// The first basket of a user unknown in the past, or a basket of a guest.
pub struct NewUser {
    /// The known localities of the basket.
    pub localities: Vec<(Kind, String)>,
    /// The items of the basket.
    pub items: Vec<u32>,
}

/// A past and the purchases after it.
pub struct Split {
    /// The data that indexes are learned from.
    pub past: Dataset,
    /// Users known in the past, with their purchases after it.
    pub labels: Vec<Label>,
    /// The same by item, of all observed users.
    pub future: FutureBuyers,
    /// New users after the past; only if times are known.
    pub new_users: Vec<NewUser>,
}

/// The buyers of each item after the past.
pub struct FutureBuyers {
    /// By user: true if all their later purchases are known, so that an item not listed was not bought.
    pub observed: Vec<bool>,
    /// By item: the observed users who bought it, ascending.
    pub buyers: Vec<Vec<u32>>,
    /// The length of time after the past.
    pub horizon: Horizon,
}

/// A split whose past was learned.
pub struct PastFold {
    /// Everything learned from the past.
    pub snapshot: Snapshot,
    /// Users known in the past, with their purchases after it, in ascending order of the users.
    pub labels: Vec<Label>,
    /// The same by item, of all observed users.
    pub future: FutureBuyers,
    /// New users after the past.
    pub new_users: Vec<NewUser>,
}

impl PastFold {
    /// The view of the past, at its end.
    pub fn view(&self) -> View<'_> {
        View::as_trained(&self.snapshot)
    }

    /// The items that `user` did not buy in the past.
    pub fn not_bought(&self, user: u32, items: &[u32]) -> Vec<u32> {
        let bought: FxHashSet<u32> = self.snapshot.history.ixs(user).iter().copied().collect();
        items.iter().copied().filter(|item| !bought.contains(item)).collect()
    }

    /// Queries for `count` items with the purchases: of all items, or of items that are `new` to the user.
    pub fn cases(&self, new: bool, count: usize) -> Vec<(Query, Vec<u32>)> {
        let case = |(user, items): &Label| {
            let items = if new { self.not_bought(*user, items) } else { items.clone() };
            let query = Query::for_user(*user, count);
            (!items.is_empty()).then_some((Query { exclude_bought: new, ..query }, items))
        };
        self.labels.iter().filter_map(case).collect()
    }
}

/// True if users buy the same items again: at least one label in a hundred was bought before. True without labels.
pub fn buy_again(folds: &[PastFold]) -> bool {
    let (mut all, mut again) = (0usize, 0usize);
    for fold in folds {
        for (user, items) in &fold.labels {
            all += items.len();
            again += items.len() - fold.not_bought(*user, items).len();
        }
    }
    all == 0 || again as f64 >= MIN_REPEAT_SHARE * all as f64
}

impl Split {
    /// Cuts the data at one or more moments, the latest first; empty if no user bought twice. `seed` is for random
    /// choices.
    pub fn all(dataset: &Dataset, seed: u64) -> Vec<Self> {
        let by_time = match dataset.time_kind {
            TimeKind::Timestamps => Self::months(dataset),
            TimeKind::Steps => vec![Self::last_step(dataset)],
            TimeKind::None => Vec::new(),
        };
        if by_time.iter().map(|split| split.labels.len()).sum::<usize>() >= MIN_USERS {
            return by_time;
        }
        let one = match dataset.time_kind {
            TimeKind::None => Self::random_part(dataset, seed),
            TimeKind::Timestamps | TimeKind::Steps => Self::last_baskets(dataset),
        };
        one.into_iter().collect()
    }

    /// Cuts month after month, the latest first, until there are enough users or half of the data is used up.
    fn months(dataset: &Dataset) -> Vec<Self> {
        let span = dataset.until - dataset.from();
        let month = MONTH.min(span / 4);
        let (mut splits, mut users) = (Vec::new(), 0);
        for n in 0..MAX_MONTHS {
            if users >= ENOUGH_USERS || (n > 0 && (n + 1) * month > span / 2) {
                break;
            }
            let to = dataset.until - n * month;
            let horizon = Horizon::Days(month as f32 / 86_400.0);
            let split = Self::between(dataset, [to - month, to], horizon);
            users += split.labels.len();
            splits.push(split);
        }
        splits
    }

    /// Cuts before the last step of every user, not only of users with labels. Otherwise the past would hold the last
    /// step of the others, and users with labels would seem to have paused for a step.
    fn last_step(dataset: &Dataset) -> Self {
        let last = dataset.lines().iter().map(|l| l.at).max().unwrap_or(0);
        Self::between(dataset, [last, last + 1], Horizon::NextBasket)
    }

    /// Labels are the purchases in `[cut, to)` of users seen before `cut`.
    fn between(dataset: &Dataset, [cut, to]: [i64; 2], horizon: Horizon) -> Self {
        let past = dataset.before(cut);
        let mut seen = vec![false; dataset.n_users()];
        past.lines().iter().filter(|l| is_known(l)).for_each(|l| seen[l.user as usize] = true);
        let mut bought: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        let window = dataset.lines().iter().filter(|l| l.at >= cut && l.at < to);
        for line in window.filter(|l| is_known(l) && seen[l.user as usize]) {
            bought.entry(line.user).or_default().push(line.item);
        }
        let new_users = new_users(dataset, &seen, cut, to);
        let bought: Vec<Label> = bought.into_iter().map(|(user, items)| (user, sorted(items))).collect();
        let future = FutureBuyers::new(seen, &bought, dataset.n_items(), horizon);
        Self { past, labels: every_nth(bought), future, new_users }
    }

    /// Holds out the last basket of users who bought more than once.
    fn last_baskets(dataset: &Dataset) -> Option<Self> {
        let last = |user: &[&Line]| -> Vec<(u32, u32)> {
            let last = user[user.len() - 1].basket;
            let bought_before = user[0].basket != last;
            user.iter().filter(|l| bought_before && l.basket == last).map(|l| (l.basket, l.item)).collect()
        };
        Self::hold_out(dataset, last)
    }

    /// Holds out a random part of each user's baskets or, of a user with one basket, of its items.
    fn random_part(dataset: &Dataset, seed: u64) -> Option<Self> {
        let part = |user: &[&Line]| -> Vec<(u32, u32)> {
            let mut rng = ChaCha8Rng::seed_from_u64(seed ^ (u64::from(user[0].user) << 32));
            let one_basket = user[0].basket == user[user.len() - 1].basket;
            let unit = |l: &Line| if one_basket { l.item } else { l.basket };
            let mut units: Vec<u32> = user.iter().map(|l| unit(l)).collect();
            units.dedup();
            let all = units.len();
            let held_out = if all < 2 { 0 } else { (all / HELD_OUT_ONE_IN).max(1) };
            (0..held_out).for_each(|n| units.swap(n, rng.random_range(n..all)));
            let held_out = &units[..held_out];
            user.iter().filter(|l| held_out.contains(&unit(l))).map(|l| (l.basket, l.item)).collect()
        };
        Self::hold_out(dataset, part)
    }

    /// Holds out the lines, named by basket and item, that `choose` takes from a user's lines in order of time.
    fn hold_out(dataset: &Dataset, choose: impl Fn(&[&Line]) -> Vec<(u32, u32)>) -> Option<Self> {
        let mut lines: Vec<_> = dataset.lines().iter().filter(|l| is_known(l)).collect();
        lines.sort_by_key(|l| (l.user, l.at, l.basket, l.item));
        let users = lines.chunk_by(|a, b| a.user == b.user);
        let chosen = users.map(|user| (user[0].user, choose(user))).filter(|(_, lines)| !lines.is_empty());
        let chosen = every_nth(chosen.collect());
        let taken: FxHashSet<(u32, u32)> = chosen.iter().flat_map(|(_, lines)| lines).copied().collect();
        let labels: Vec<Label> = chosen
            .iter()
            .map(|(user, lines)| (*user, sorted(lines.iter().map(|(_, item)| *item).collect())))
            .collect();
        let mut observed = vec![false; dataset.n_users()];
        labels.iter().for_each(|(user, _)| observed[*user as usize] = true);
        let future = FutureBuyers::new(observed, &labels, dataset.n_items(), Horizon::NextBasket);
        let past = || dataset.only(|l| !is_known(l) || !taken.contains(&(l.basket, l.item)));
        (!labels.is_empty()).then(|| Self { past: past(), labels, future, new_users: Vec::new() })
    }
}

impl FutureBuyers {
    fn new(observed: Vec<bool>, labels: &[Label], n_items: usize, horizon: Horizon) -> Self {
        let mut buyers = vec![Vec::new(); n_items];
        for (user, items) in labels {
            for &item in items {
                let list: &mut Vec<u32> = &mut buyers[item as usize];
                if list.last() != Some(user) {
                    list.push(*user);
                }
            }
        }
        Self { observed, buyers, horizon }
    }
}

/// The baskets of guests in `[cut, to)` and the first one of every user not `seen` before, at most [`MAX_USERS`].
fn new_users(dataset: &Dataset, seen: &[bool], cut: i64, to: i64) -> Vec<NewUser> {
    let mut seen = seen.to_vec();
    let mut baskets: Vec<&[Line]> = dataset.baskets().filter(|b| b[0].at >= cut && b[0].at < to).collect();
    // Baskets are numbered by time.
    baskets.retain(|b| !is_known(&b[0]) || !std::mem::replace(&mut seen[b[0].user as usize], true));
    let new_user = |basket: &[Line]| NewUser {
        localities: Kind::ALL
            .into_iter()
            .filter_map(|kind| {
                let code = dataset.locality(kind, &basket[0])?;
                Some((kind, dataset.locality_name(kind, code).to_owned()))
            })
            .collect(),
        items: basket.iter().map(|line| line.item).collect(),
    };
    every_nth(baskets).into_iter().map(new_user).collect()
}

/// At most [`MAX_USERS`], evenly spaced.
fn every_nth<T>(all: Vec<T>) -> Vec<T> {
    let step = all.len().div_ceil(MAX_USERS).max(1);
    all.into_iter().step_by(step).collect()
}

fn sorted(mut items: Vec<u32>) -> Vec<u32> {
    items.sort_unstable();
    items.dedup();
    items
}
