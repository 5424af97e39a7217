//! The rehearsal: a past to learn indexes from, and what users bought after it, to learn ranking on.
//!
//! With times, the past ends a month (at most a quarter of the data) before the data does, and the labels
//! are what users bought in that month: just what is asked of the model after training. Where a month has
//! few users, the ones before it are rehearsed too. Where only the order is known, the past ends a step before the
//! data does, for everybody. Where the last month is too thin, each user's last basket is held out instead; where
//! nothing is known of order, a fifth of what each user has, drawn at random.

use std::collections::BTreeMap;

use qianmian_models::audience::likelihood::Horizon;
use qianmian_models::index::places::Kind;
use qianmian_models::recommend::query::Query;
use qianmian_models::snapshot::Snapshot;
use qianmian_models::view::View;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rustc_hash::FxHashSet;

use crate::dataset::{Dataset, is_known};
use crate::orders::{Line, TimeKind};

/// A user and the items that they bought after the past.
pub type Label = (u32, Vec<u32>);

/// Somebody whom the past does not know, with what they bought first.
pub struct Newcomer {
    /// Where they were, by name, as far as it is known.
    pub places: Vec<(Kind, String)>,
    /// What they bought.
    pub items: Vec<u32>,
}

/// Fewer of the labels than this being bought before, people do not buy the same goods again.
const REPEATS: f64 = 0.01;

/// Whether people buy the same goods again: of what followed the pasts, not all is new to whom it is bought by.
/// Without a label, they may.
pub fn repeats(scenes: &[Scene]) -> bool {
    let (mut all, mut again) = (0usize, 0usize);
    for scene in scenes {
        for (user, items) in &scene.labels {
            all += items.len();
            again += items.len() - scene.not_bought(*user, items).len();
        }
    }
    all == 0 || again as f64 >= REPEATS * all as f64
}

impl Scene {
    /// The past, at its end.
    pub fn view(&self) -> View<'_> {
        View::as_trained(&self.snapshot)
    }

    /// Those of `items` that `user` did not buy in the past.
    pub fn not_bought(&self, user: u32, items: &[u32]) -> Vec<u32> {
        let bought: FxHashSet<u32> = self.snapshot.history.ixs(user).iter().copied().collect();
        items.iter().copied().filter(|item| !bought.contains(item)).collect()
    }

    /// What ranking is learned from: users with what they bought, and what they are asked with; `new` for
    /// goods that they did not buy before only.
    pub fn cases(&self, new: bool, count: usize) -> Vec<(Query, Vec<u32>)> {
        let case = |(user, items): &Label| {
            let items = if new { self.not_bought(*user, items) } else { items.clone() };
            let query = Query::for_user(*user, count);
            (!items.is_empty()).then_some((Query { exclude_bought: new, ..query }, items))
        };
        self.labels.iter().filter_map(case).collect()
    }
}

/// A past and its future.
pub struct Rehearsal {
    /// To learn indexes from.
    pub past: Dataset,
    /// Users known in the past, with what they bought after it.
    pub labels: Vec<Label>,
    /// The same by item.
    pub outcome: Outcome,
    /// Those who came after it; only by the calendar.
    pub newcomers: Vec<Newcomer>,
}

/// Who bought each item after the past.
pub struct Outcome {
    /// Of each user: whether what they bought is known, so that what is not here they did not buy.
    pub watched: Vec<bool>,
    /// Of each item: the watched users who bought it, in dense order.
    pub buyers: Vec<Vec<u32>>,
    /// What "after the past" means.
    pub horizon: Horizon,
}

/// A rehearsal whose past has been learned.
pub struct Scene {
    /// Everything learned from the past.
    pub snapshot: Snapshot,
    /// Users known in the past, with what they bought after it, in dense order.
    pub labels: Vec<Label>,
    /// The same by item.
    pub outcome: Outcome,
    /// Those who came after it.
    pub newcomers: Vec<Newcomer>,
}

/// Users that labels are taken of; every n-th where there are more.
const MAX_USERS: usize = 5_000;
/// Fewer users than this in the last months make them too thin.
const MIN_USERS: usize = 300;
/// With so many users no further month is rehearsed.
const ENOUGH_USERS: usize = 2_500;
const MONTH: i64 = 30 * 86_400;
/// Where nothing is known of order, one in this many of a user's baskets (or items) is held out.
const HIDDEN: usize = 5;

/// Most months that are rehearsed, the last first; fewer where one has users enough.
const MAX_MONTHS: usize = 3;

impl Rehearsal {
    /// Cuts the data in one or more places; empty where no user bought twice. `seed` is of what is drawn.
    pub fn all(dataset: &Dataset, seed: u64) -> Vec<Self> {
        let by_time = match dataset.time_kind {
            TimeKind::Timestamps => Self::months(dataset),
            TimeKind::Steps => vec![Self::last_step(dataset)],
            TimeKind::None => Vec::new(),
        };
        if by_time.iter().map(|r| r.labels.len()).sum::<usize>() >= MIN_USERS {
            return by_time;
        }
        let one = match dataset.time_kind {
            TimeKind::None => Self::parts(dataset, seed),
            TimeKind::Timestamps | TimeKind::Steps => Self::last_baskets(dataset),
        };
        one.into_iter().collect()
    }

    /// The last months, until there are users enough or half of the data is used up.
    fn months(dataset: &Dataset) -> Vec<Self> {
        let span = dataset.until - dataset.from();
        let month = MONTH.min(span / 4);
        let (mut rehearsals, mut users) = (Vec::new(), 0);
        for n in 0..MAX_MONTHS as i64 {
            if users >= ENOUGH_USERS || (n > 0 && (n + 1) * month > span / 2) {
                break;
            }
            let to = dataset.until - n * month;
            let horizon = Horizon::Days(month as f32 / 86_400.0);
            let rehearsal = Self::between(dataset, [to - month, to], horizon);
            users += rehearsal.labels.len();
            rehearsals.push(rehearsal);
        }
        rehearsals
    }

    /// The last step of every user. Not only of those whose labels are learned from: the past would then know
    /// what the others did next, and those who were held out would look as if they had rested for a step.
    fn last_step(dataset: &Dataset) -> Self {
        let last = dataset.lines().iter().map(|l| l.at).max().unwrap_or(0);
        Self::between(dataset, [last, last + 1], Horizon::NextBasket)
    }

    /// What was bought from `cut` until `to`, by users seen before it.
    fn between(dataset: &Dataset, [cut, to]: [i64; 2], horizon: Horizon) -> Self {
        let past = dataset.before(cut);
        let mut seen = vec![false; dataset.n_users()];
        past.lines().iter().filter(|l| is_known(l)).for_each(|l| seen[l.user as usize] = true);
        let mut bought: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        let window = dataset.lines().iter().filter(|l| l.at >= cut && l.at < to);
        for line in window.filter(|l| is_known(l) && seen[l.user as usize]) {
            bought.entry(line.user).or_default().push(line.item);
        }
        let newcomers = newcomers(dataset, &seen, cut, to);
        let bought: Vec<Label> = bought.into_iter().map(|(user, items)| (user, sorted(items))).collect();
        let outcome = Outcome::new(seen, &bought, dataset.n_items(), horizon);
        Self { past, labels: every_nth(bought), outcome, newcomers }
    }

    /// Where only the order is known: the last basket of users who bought more than once.
    fn last_baskets(dataset: &Dataset) -> Option<Self> {
        let last = |user: &[&Line]| -> Vec<(u32, u32)> {
            let last = user[user.len() - 1].basket;
            let is_last = user[0].basket != last;
            user.iter().filter(|l| is_last && l.basket == last).map(|l| (l.basket, l.item)).collect()
        };
        Self::without(dataset, last)
    }

    /// Where nothing is known of order: some of each user's baskets, or of the items of the only one.
    fn parts(dataset: &Dataset, seed: u64) -> Option<Self> {
        let part = |user: &[&Line]| -> Vec<(u32, u32)> {
            let mut rng = ChaCha8Rng::seed_from_u64(seed ^ (u64::from(user[0].user) << 32));
            let one_basket = user[0].basket == user[user.len() - 1].basket;
            let mut units: Vec<u32> =
                user.iter().map(|l| if one_basket { l.item } else { l.basket }).collect();
            units.dedup();
            let all = units.len();
            let hidden = if all < 2 { 0 } else { (all / HIDDEN).max(1) };
            (0..hidden).for_each(|n| units.swap(n, rng.random_range(n..all)));
            let hidden = &units[..hidden];
            let is_hidden = |l: &&&Line| hidden.contains(if one_basket { &l.item } else { &l.basket });
            user.iter().filter(is_hidden).map(|l| (l.basket, l.item)).collect()
        };
        Self::without(dataset, part)
    }

    /// Holds back the lines, named by basket and item, that `hidden` chooses of all the lines of a user, which
    /// are in order of time.
    fn without(dataset: &Dataset, hidden: impl Fn(&[&Line]) -> Vec<(u32, u32)>) -> Option<Self> {
        let mut lines: Vec<_> = dataset.lines().iter().filter(|l| is_known(l)).collect();
        lines.sort_by_key(|l| (l.user, l.at, l.basket, l.item));
        let users = lines.chunk_by(|a, b| a.user == b.user);
        let chosen = users.map(|user| (user[0].user, hidden(user))).filter(|(_, lines)| !lines.is_empty());
        let chosen = every_nth(chosen.collect());
        let taken: FxHashSet<(u32, u32)> = chosen.iter().flat_map(|(_, lines)| lines).copied().collect();
        let labels: Vec<Label> = chosen
            .iter()
            .map(|(user, lines)| (*user, sorted(lines.iter().map(|(_, item)| *item).collect())))
            .collect();
        let mut watched = vec![false; dataset.n_users()];
        labels.iter().for_each(|(user, _)| watched[*user as usize] = true);
        let outcome = Outcome::new(watched, &labels, dataset.n_items(), Horizon::NextBasket);
        let past = || dataset.only(|l| !is_known(l) || !taken.contains(&(l.basket, l.item)));
        (!labels.is_empty()).then(|| Self { past: past(), labels, outcome, newcomers: Vec::new() })
    }
}

impl Outcome {
    fn new(watched: Vec<bool>, labels: &[Label], n_items: usize, horizon: Horizon) -> Self {
        let mut buyers = vec![Vec::new(); n_items];
        for (user, items) in labels {
            for &item in items {
                let list: &mut Vec<u32> = &mut buyers[item as usize];
                if list.last() != Some(user) {
                    list.push(*user);
                }
            }
        }
        Self { watched, buyers, horizon }
    }
}

/// The baskets of guests, and the first one of every user who was not `seen`, from `cut` until `to`; every
/// n-th where there are more than [`MAX_USERS`].
fn newcomers(dataset: &Dataset, seen: &[bool], cut: i64, to: i64) -> Vec<Newcomer> {
    let mut seen = seen.to_vec();
    let mut baskets: Vec<&[Line]> = dataset.baskets().filter(|b| b[0].at >= cut && b[0].at < to).collect();
    // Baskets are numbered by time.
    baskets.retain(|b| !is_known(&b[0]) || !std::mem::replace(&mut seen[b[0].user as usize], true));
    let step = baskets.len().div_ceil(MAX_USERS).max(1);
    let newcomer = |basket: &&[Line]| Newcomer {
        places: Kind::ALL
            .into_iter()
            .filter_map(|kind| {
                let code = dataset.place(kind, &basket[0])?;
                Some((kind, dataset.place_name(kind, code).to_owned()))
            })
            .collect(),
        items: basket.iter().map(|line| line.item).collect(),
    };
    baskets.iter().step_by(step).map(newcomer).collect()
}

/// Evenly drawn, [`MAX_USERS`] at most.
fn every_nth<T>(all: Vec<T>) -> Vec<T> {
    let step = all.len().div_ceil(MAX_USERS).max(1);
    all.into_iter().step_by(step).collect()
}

fn sorted(mut items: Vec<u32>) -> Vec<u32> {
    items.sort_unstable();
    items.dedup();
    items
}
