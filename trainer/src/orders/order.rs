//! Decides whether the order of lines is the order of purchases in data without times.
//!
//! Lines of a sequence should be in order of time, but many public files hold sets, sorted by id or shuffled.
//! The order of rows without times is meaningful in data where people buy again, and meaningless in data where
//! each row stands alone. The decision is made from the data, because the ranking is learned from the last
//! purchases: if the last item is only the largest id, it learns the wrong thing.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rustc_hash::FxHashSet;

use super::types::{DAY_SECONDS, GUEST, Line, Orders, SEQUENCE_END, TimeKind};
use super::warnings::Code;

/// Smallest share of repeated (user, item) lines from which users are taken to buy again.
const REPEATS: f64 = 0.05;
/// Share of adjacent pairs in order of ids above which the lines count as sorted by id.
const SORTED: f64 = 0.97;
/// Fewest users, or adjacent pairs, with which an order is judged to be meaningless.
const MIN_USERS: usize = 200;
/// Fewest users with several times with which times are judged to be counts of each user's baskets.
const MIN_STARTS: usize = 50;
/// Last items of a user that are examined.
const MAX_ITEMS: usize = 30;
/// Users who are examined, evenly spaced.
const MAX_USERS: usize = 20_000;
/// Standard errors above which adjacent items are significantly more related than others.
const SURE: f64 = 3.0;

/// Decides the meaning of the times of `orders` and sets the times accordingly; adds a warning about a change.
pub fn settle(orders: &mut Orders) {
    let finding = match orders.time_kind {
        TimeKind::Timestamps => {
            let mut times = orders.all_lines().map(|line| line.at);
            let first = times.next();
            if orders.n_baskets > 1 && times.all(|at| Some(at) == first) {
                Some((TimeKind::None, "all orders carry the same time, so nothing is known of when"))
            } else if begin_together(orders) {
                let counted =
                    "most users begin at the first time of all, so times count each user's own baskets";
                Some((TimeKind::Steps, counted))
            } else {
                None
            }
        }
        TimeKind::Steps => unordered(orders).map(|finding| (TimeKind::None, finding)),
        TimeKind::None if orders.buy_again() => Some((
            TimeKind::Steps,
            "there are no times: the order of the rows is the order of each user's baskets",
        )),
        TimeKind::None => None,
    };
    let found = finding.is_some();
    if let Some((kind, finding)) = finding {
        orders.time_kind = kind;
        orders.summary.warn(Code::OrderOfBaskets, 0, finding);
    }
    match orders.time_kind {
        TimeKind::Steps if found => count_back(orders),
        TimeKind::None if !orders.user_ids.is_empty() => shuffle(orders),
        TimeKind::Timestamps | TimeKind::Steps | TimeKind::None => {}
    }
}

/// True if most users with several times begin on the very first day of the data: then times are numbers of each
/// user's orders, not a calendar.
fn begin_together(orders: &Orders) -> bool {
    let mut spans: Vec<(i64, i64)> = vec![(i64::MAX, i64::MIN); orders.user_ids.len()];
    for line in orders.all_lines().filter(|line| line.user != GUEST) {
        let span = &mut spans[line.user as usize];
        *span = (span.0.min(line.at), span.1.max(line.at));
    }
    spans.retain(|(first, last)| first < last);
    let first_of_all = spans.iter().map(|(first, _)| *first).min().unwrap_or(0);
    let on_first_day = spans.iter().filter(|(first, _)| first - first_of_all < DAY_SECONDS).count();
    spans.len() >= MIN_STARTS && 2 * on_first_day > spans.len()
}

impl Orders {
    /// True if users buy the same items again, as in most shops; false for data sets of ratings.
    pub fn buy_again(&self) -> bool {
        let known = self.all_lines().filter(|line| line.user != GUEST);
        let mut pairs: Vec<(u32, u32)> = known.map(|line| (line.user, line.item)).collect();
        let all = pairs.len();
        pairs.sort_unstable();
        pairs.dedup();
        all > 0 && (all - pairs.len()) as f64 >= REPEATS * all as f64
    }
}

/// Gives every user's last basket the time [`SEQUENCE_END`] and each earlier one a day less; guests' baskets get
/// [`SEQUENCE_END`].
fn count_back(orders: &mut Orders) {
    let mut user_of = vec![GUEST; orders.n_baskets as usize];
    orders.all_lines().for_each(|line| user_of[line.basket as usize] = line.user);
    let mut later = vec![0i64; orders.user_ids.len()];
    let mut at = vec![SEQUENCE_END; user_of.len()];
    for (basket, &user) in user_of.iter().enumerate().rev().filter(|(_, user)| **user != GUEST) {
        at[basket] -= later[user as usize] * DAY_SECONDS;
        later[user as usize] += 1;
    }
    number(orders, &at);
}

/// Shuffles the baskets, so that code that takes the first or last of them takes random ones.
fn shuffle(orders: &mut Orders) {
    let first = orders.all_lines().map(|line| line.at).min().unwrap_or(0);
    let mut at: Vec<i64> = (0..i64::from(orders.n_baskets)).map(|n| first + n).collect();
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    (1..at.len()).for_each(|n| at.swap(n, rng.random_range(0..=n)));
    number(orders, &at);
}

/// Sets the time of every basket, and renumbers baskets in order of time.
fn number(orders: &mut Orders, at: &[i64]) {
    let mut order: Vec<u32> = (0..orders.n_baskets).collect();
    order.sort_by_key(|&basket| at[basket as usize]);
    let mut number = vec![0u32; order.len()];
    order.iter().zip(0..).for_each(|(&basket, new)| number[basket as usize] = new);
    for part in [&mut orders.lines, &mut orders.beyond_cap] {
        for line in part.iter_mut() {
            line.at = at[line.basket as usize];
            line.basket = number[line.basket as usize];
        }
        part.sort_unstable_by_key(|line| (line.basket, line.item));
    }
}

/// The reason why the order of sequences is meaningless; `None` if it is not.
fn unordered(orders: &Orders) -> Option<&'static str> {
    let sequences = Sequences::new(orders);
    if sequences.are_sorted(&orders.item_ids) {
        return Some("the items of the lines are sorted by id, so their order says nothing: lines are sets");
    }
    let shuffled = sequences.nearness_of_neighbors().is_some_and(|z| z < SURE);
    shuffled.then_some(
        "neighbors in a line have no more in common than other items of it, so the order says nothing: lines \
         are sets",
    )
}

/// The items of users in order, at most [`MAX_ITEMS`] each.
struct Sequences(Vec<Vec<u32>>);

impl Sequences {
    fn new(orders: &Orders) -> Self {
        let mut lines: Vec<&Line> = orders.all_lines().filter(|line| line.user != GUEST).collect();
        lines.sort_by_key(|line| (line.user, line.at, line.basket));
        let users: Vec<&[&Line]> = lines.chunk_by(|a, b| a.user == b.user).collect();
        let step = users.len().div_ceil(MAX_USERS).max(1);
        let items = |user: &&[&Line]| user.iter().rev().take(MAX_ITEMS).rev().map(|line| line.item).collect();
        Self(users.iter().step_by(step).map(items).collect())
    }

    /// True if nearly all adjacent items are in ascending, or in descending, order of ids: as numbers if all ids are
    /// numbers, else as text.
    fn are_sorted(&self, item_ids: &[String]) -> bool {
        let numbers: Option<Vec<u64>> = item_ids.iter().map(|id| id.parse().ok()).collect();
        // Dense indices are in the order of the ids as text.
        let key = |item: u32| numbers.as_ref().map_or(u64::from(item), |numbers| numbers[item as usize]);
        let pairs = self.0.iter().flat_map(|user| user.windows(2)).filter(|pair| pair[0] != pair[1]);
        let (mut all, mut rising) = (0usize, 0usize);
        for pair in pairs {
            all += 1;
            rising += usize::from(key(pair[0]) < key(pair[1]));
        }
        let share = rising as f64 / all.max(1) as f64;
        all >= MIN_USERS && !(1.0 - SORTED..=SORTED).contains(&share)
    }

    /// Compares adjacent items of a line with other pairs of the same line: the difference of the shares that also
    /// occur together in lines of other users, in standard errors over users. Near zero if lines have no order, as
    /// adjacent pairs are then like all others. `None` with too few users to tell.
    fn nearness_of_neighbors(&self) -> Option<f64> {
        let pair = |a: u32, b: u32| (a.min(b), a.max(b));
        let mut together: FxHashSet<(u32, u32)> = FxHashSet::default();
        for user in self.0.iter().step_by(2) {
            for (n, &a) in user.iter().enumerate() {
                together.extend(user[n + 1..].iter().map(|&b| pair(a, b)));
            }
        }
        let share = |pairs: &mut dyn Iterator<Item = (u32, u32)>| {
            let (mut all, mut known) = (0usize, 0usize);
            for (a, b) in pairs {
                all += 1;
                known += usize::from(together.contains(&pair(a, b)));
            }
            known as f64 / all as f64
        };
        let difference = |user: &Vec<u32>| {
            let near = share(&mut user.windows(2).map(|w| (w[0], w[1])));
            let far = share(
                &mut (0..user.len()).flat_map(|n| user[n + 1..].iter().skip(1).map(move |&b| (user[n], b))),
            );
            near - far
        };
        let judges = self.0.iter().skip(1).step_by(2).filter(|user| user.len() > 2);
        let differences: Vec<f64> = judges.map(difference).collect();
        if differences.len() < MIN_USERS {
            return None;
        }
        let n = differences.len() as f64;
        let mean = differences.iter().sum::<f64>() / n;
        let variance = differences.iter().map(|d| (d - mean).powi(2)).sum::<f64>() / n;
        Some(mean / (variance / n).sqrt().max(f64::MIN_POSITIVE))
    }
}

#[cfg(test)]
mod tests {
    use super::settle;
    use crate::orders::summary::Summary;
    use crate::orders::types::{DAY_SECONDS, Line, NONE_CODE, Orders, SEQUENCE_END, TimeKind};
    use qianmian_money::Money;

    const N_ITEMS: u32 = 60;

    /// One item per basket, each user's items in the given order.
    fn orders(users: &[Vec<u32>], time_kind: TimeKind) -> Orders {
        let mut lines = Vec::new();
        for (user, items) in users.iter().enumerate() {
            for (n, &item) in items.iter().enumerate() {
                let at = match time_kind {
                    TimeKind::Steps => SEQUENCE_END - (items.len() - 1 - n) as i64 * DAY_SECONDS,
                    TimeKind::None | TimeKind::Timestamps => lines.len() as i64,
                };
                let (basket, user) = (lines.len() as u32, user as u32);
                let ([channel, store, room, merchant], paid) = ([NONE_CODE; 4], Money::packed(None));
                lines.push(Line {
                    at,
                    basket,
                    user,
                    item,
                    quantity: 1.0,
                    paid,
                    channel,
                    store,
                    room,
                    merchant,
                });
            }
        }
        Orders {
            item_ids: (0..N_ITEMS).map(|n| n.to_string()).collect(),
            user_ids: (0..users.len()).map(|n| n.to_string()).collect(),
            channels: Vec::new(),
            stores: Vec::new(),
            rooms: Vec::new(),
            merchants: Vec::new(),
            n_baskets: lines.len() as u32,
            lines,
            beyond_cap: Vec::new(),
            time_kind,
            summary: Summary::default(),
        }
    }

    /// 2,000 users who each walk around a circle of items from a random start.
    fn walks() -> Vec<Vec<u32>> {
        (0..2_000u32).map(|user| (0..8).map(|n| (user * 7 + n * 2 + user % 3) % N_ITEMS).collect()).collect()
    }

    fn settled(users: &[Vec<u32>], time_kind: TimeKind) -> (TimeKind, usize) {
        let mut orders = orders(users, time_kind);
        settle(&mut orders);
        (orders.time_kind, orders.summary.warnings.len())
    }

    #[test]
    fn a_line_whose_neighbors_belong_together_keeps_its_order() {
        assert_eq!(settled(&walks(), TimeKind::Steps), (TimeKind::Steps, 0));
    }

    #[test]
    fn sorted_or_shuffled_lines_are_sets() {
        let mut sorted = walks();
        sorted.iter_mut().for_each(|line| line.sort_unstable());
        assert_eq!(settled(&sorted, TimeKind::Steps), (TimeKind::None, 1));
        let mut shuffled = walks();
        let mut state = 1u64;
        for line in &mut shuffled {
            for n in (1..line.len()).rev() {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                line.swap(n, (state >> 33) as usize % (n + 1));
            }
        }
        assert_eq!(settled(&shuffled, TimeKind::Steps), (TimeKind::None, 1));
    }

    #[test]
    fn rows_without_times_are_steps_or_a_set() {
        assert_eq!(settled(&[vec![0, 1, 2], vec![2, 1]], TimeKind::None), (TimeKind::None, 0));
        let mut again = orders(&[vec![0, 1, 0], vec![1, 1]], TimeKind::None);
        settle(&mut again);
        assert_eq!(again.time_kind, TimeKind::Steps);
        let steps: Vec<(u32, u32, i64)> =
            again.lines.iter().map(|l| (l.user, l.item, (l.at - SEQUENCE_END) / DAY_SECONDS)).collect();
        assert_eq!(steps, [(0, 0, -2), (0, 1, -1), (1, 1, -1), (0, 0, 0), (1, 1, 0)]);
        assert_eq!(again.lines.iter().map(|l| l.basket).collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
    }

    #[test]
    fn times_that_begin_alike_number_baskets() {
        let lengths = |user: u32| 2 + user as usize % 5;
        let users: Vec<Vec<u32>> = (0..100).map(|user| vec![user % N_ITEMS; lengths(user)]).collect();
        let mut counted = orders(&users, TimeKind::Timestamps);
        let mut n = 0;
        for (user, items) in users.iter().enumerate() {
            for step in 0..items.len() {
                counted.lines[n].at = (step as i64 + 1) * DAY_SECONDS;
                assert_eq!(counted.lines[n].user as usize, user);
                n += 1;
            }
        }
        settle(&mut counted);
        assert_eq!(counted.time_kind, TimeKind::Steps);
        let last = counted.lines.iter().filter(|line| line.at == SEQUENCE_END).count();
        assert_eq!(last, users.len(), "every user's last basket stands at the end");
        // The same users beginning one after the other are on a calendar.
        let mut calendar = orders(&users, TimeKind::Timestamps);
        calendar.lines.iter_mut().for_each(|line| line.at *= DAY_SECONDS);
        settle(&mut calendar);
        assert_eq!(calendar.time_kind, TimeKind::Timestamps);
    }

    #[test]
    fn one_time_for_all_orders_is_no_time() {
        let mut orders = orders(&[vec![0, 1], vec![2, 1]], TimeKind::Timestamps);
        orders.lines.iter_mut().for_each(|line| line.at = 86_400);
        settle(&mut orders);
        assert_eq!((orders.time_kind, orders.lines[0].at), (TimeKind::None, 86_400));
    }
}
