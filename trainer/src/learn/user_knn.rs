//! User-kNN: for every user, the items that the most similar users buy.
//!
//! Users are similar by squared cosine over the items that both bought, each weighted by its inverse user frequency.
//! A neighbor's purchase is weighted by its age, once with a long half-life and once with a short one, because old
//! purchases of similar users are little evidence (decision 91).

use qianmian_models::error::Result;
use qianmian_models::index::purchases::Purchases;
use qianmian_models::index::user_items::{ScoredItem, UserItems};
use qianmian_models::kernels::topk::TopK;
use rayon::prelude::*;

use crate::config::TrainingConfig;
use crate::dataset::Dataset;
use crate::orders::TimeKind;

/// Similar users whose purchases count.
const NEIGHBORS: usize = 100;
/// Latest purchases of a user with which neighbors are searched.
const MAX_SEEDS: usize = 50;
/// Latest buyers of a seed that are compared: best sellers would otherwise cost a scan of all users.
const MAX_BUYERS: usize = 500;
/// Latest purchases of a neighbor that count.
const MAX_PURCHASES: usize = 200;
/// Items kept per user: those bought before, and those new to the user.
const KEPT: [usize; 2] = [40, 60];
/// Long and short half-life, in half-lives of histories: 90 and 10 days by the calendar.
const HALF_LIVES: [f64; 2] = [1.0, 1.0 / 9.0];
/// The same if only the order of purchases is known.
const HALF_LIVES_OF_STEPS: [f64; 2] = [2.0, 0.5];

/// The lists of `users`; the lists of all others are empty. `None` if no user has a neighbor with items to list.
/// `progress` is called with the number of users done since the last call.
pub fn learn(
    dataset: &Dataset,
    [history, buyers]: [&Purchases; 2],
    config: &TrainingConfig,
    users: &[u32],
    progress: &(dyn Fn(u64) + Sync),
) -> Result<Option<UserItems>> {
    let learner = Learner::new(dataset, [history, buyers], config);
    let learned: Vec<Vec<ScoredItem>> = users
        .par_iter()
        .map_init(
            || Scratch::new(history.rows(), buyers.rows()),
            |scratch, &user| {
                progress(1);
                learner.list(user, scratch)
            },
        )
        .collect();
    if learned.iter().all(Vec::is_empty) {
        return Ok(None);
    }
    let mut lists = vec![Vec::new(); history.rows()];
    users.iter().zip(learned).for_each(|(&user, list)| lists[user as usize] = list);
    UserItems::new(&lists).map(Some)
}

struct Learner<'a> {
    history: &'a Purchases,
    buyers: &'a Purchases,
    /// `ln((users + 1) / (buyers + 1))` per item.
    item_weights: Vec<f32>,
    /// Lengths of the users' weighted histories, above 0.
    user_norms: Vec<f32>,
    /// Weight of a purchase by the days since, for each half-life.
    decays: [Vec<f32>; 2],
    until: i64,
}

/// Sums that a thread reuses from user to user; all 0 between users.
struct Scratch {
    overlaps: Sums,
    items: [Sums; 2],
}

/// A dense array of sums, and the indices of those that are not 0.
struct Sums {
    sums: Vec<f32>,
    touched: Vec<u32>,
}

impl<'a> Learner<'a> {
    fn new(dataset: &Dataset, [history, buyers]: [&'a Purchases; 2], config: &TrainingConfig) -> Self {
        let n_users = history.rows() as f32;
        let weight = |item: usize| ((n_users + 1.0) / (buyers.ixs(item as u32).len() as f32 + 1.0)).ln();
        let item_weights: Vec<f32> = (0..buyers.rows()).map(weight).collect();
        let norm = |user: usize| {
            let squares = history.ixs(user as u32).iter().map(|&item| item_weights[item as usize].powi(2));
            squares.sum::<f32>().sqrt().max(f32::MIN_POSITIVE.sqrt())
        };
        let user_norms = (0..history.rows()).map(norm).collect();
        let days = ((dataset.until - dataset.from()).max(0) / DAY) as usize + 1;
        let half_life = dataset.half_life_days(config);
        let half_lives = match dataset.time_kind {
            TimeKind::Steps => HALF_LIVES_OF_STEPS,
            TimeKind::Timestamps | TimeKind::None => HALF_LIVES,
        };
        let decays = half_lives.map(|factor| {
            let of_day = |day: usize| dataset.decay(dataset.until - day as i64 * DAY, factor * half_life);
            (0..days).map(of_day).collect()
        });
        Self { history, buyers, item_weights, user_norms, decays, until: dataset.until }
    }

    fn list(&self, user: u32, scratch: &mut Scratch) -> Vec<ScoredItem> {
        for neighbor in self.neighbors(user, &mut scratch.overlaps) {
            let similarity = neighbor.score * neighbor.score;
            for purchase in self.history.of(neighbor.ix).take(MAX_PURCHASES) {
                let day = ((self.until - i64::from(purchase.last_at)).max(0) / DAY) as usize;
                let weight = similarity * self.item_weights[purchase.ix as usize];
                for (sums, decay) in scratch.items.iter_mut().zip(&self.decays) {
                    sums.add(purchase.ix, weight * decay[day.min(decay.len() - 1)]);
                }
            }
        }
        let best = scratch.items.each_ref().map(Sums::best);
        let share =
            |n: usize, item: u32| scratch.items[n].sums[item as usize] / best[n].max(f32::MIN_POSITIVE);
        let mut bought: Vec<u32> = self.history.ixs(user).to_vec();
        bought.sort_unstable();
        let mut tops = KEPT.map(TopK::new);
        for &item in &scratch.items[0].touched {
            let is_new = bought.binary_search(&item).is_err();
            tops[usize::from(is_new)].push(item, share(0, item) + share(1, item));
        }
        let kept = tops.into_iter().flat_map(TopK::into_sorted).filter(|scored| scored.score > 0.0);
        let scored =
            kept.map(|s| ScoredItem { item: s.ix, score: share(0, s.ix), recent: share(1, s.ix) }).collect();
        scratch.items.iter_mut().for_each(Sums::clear);
        scored
    }

    /// The users most similar to `user`, with their cosines times the length of the user's history.
    fn neighbors(&self, user: u32, overlaps: &mut Sums) -> Vec<qianmian_models::kernels::topk::Scored> {
        for &seed in self.history.ixs(user).iter().take(MAX_SEEDS) {
            let weight = self.item_weights[seed as usize].powi(2);
            for &buyer in self.buyers.ixs(seed).iter().take(MAX_BUYERS) {
                overlaps.add(buyer, weight);
            }
        }
        let mut top = TopK::new(NEIGHBORS);
        for &other in overlaps.touched.iter().filter(|&&other| other != user) {
            top.push(other, overlaps.sums[other as usize] / self.user_norms[other as usize]);
        }
        overlaps.clear();
        top.into_sorted()
    }
}

/// Seconds of a day.
const DAY: i64 = 86_400;

impl Scratch {
    fn new(n_users: usize, n_items: usize) -> Self {
        Self { overlaps: Sums::new(n_users), items: [Sums::new(n_items), Sums::new(n_items)] }
    }
}

impl Sums {
    fn new(n: usize) -> Self {
        Self { sums: vec![0.0; n], touched: Vec::new() }
    }

    #[inline]
    fn add(&mut self, ix: u32, weight: f32) {
        let sum = &mut self.sums[ix as usize];
        if *sum == 0.0 {
            self.touched.push(ix);
        }
        *sum += weight;
    }

    fn best(&self) -> f32 {
        self.touched.iter().fold(0.0, |best, &ix| self.sums[ix as usize].max(best))
    }

    fn clear(&mut self) {
        self.touched.drain(..).for_each(|ix| self.sums[ix as usize] = 0.0);
    }
}
