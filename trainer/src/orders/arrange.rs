//! From rows in reading order to clean lines: merge, net returns, cap giant baskets, renumber, sort.

use super::dictionary::Dictionary;
use super::raw::{Basket, Raw, Return};
use super::states;
use super::summary::Summary;
use super::types::{GUEST, Line, NONE_CODE, Orders, TimeKind};
use super::warnings::Code;
use qianmian_money::Money;
use rustc_hash::{FxHashMap, FxHashSet};

/// Quantities below this are rounding errors of subtraction.
const DUST: f64 = 1e-4;

/// Rows of one order id that span more time are probably several baskets.
const WIDE_BASKET_SECONDS: i64 = 7 * 86_400;

/// Turns the rows read into orders; also returns the new number of each old item number (`u32::MAX` for none).
/// Completes the counts of `summary`.
pub fn arrange(mut raw: Raw, mut summary: Summary, time_kind: TimeKind, cap: usize) -> (Orders, Vec<u32>) {
    warn_of_wide_baskets(&raw.baskets, time_kind, &mut summary);
    summary.replaced = states::replace(&mut raw);
    for line in &mut raw.lines {
        line.at = raw.baskets[line.basket as usize].first;
    }
    let first_items = first_items(&raw, cap);
    summary.merged = merge(&mut raw.lines);
    net(&mut raw.lines, std::mem::take(&mut raw.returns), &mut summary);
    let beyond_cap = split_beyond_cap(&mut raw.lines, &first_items, cap, &mut summary);
    summary.kept_lines = raw.lines.len() as u64;
    summary.guest_lines = raw.lines.iter().filter(|line| line.user == GUEST).count() as u64;
    renumber(raw, beyond_cap, summary, time_kind)
}

fn warn_of_wide_baskets(baskets: &[Basket], time_kind: TimeKind, summary: &mut Summary) {
    let wide = baskets
        .iter()
        .filter(|basket| basket.rows > 0 && basket.last - basket.first > WIDE_BASKET_SECONDS)
        .count();
    if wide > 0 && time_kind == TimeKind::Timestamps {
        let text = format!(
            "{wide} baskets span more than a week and were dated by their first line; \
             order ids may be used more than once"
        );
        summary.warn(Code::WideBaskets, wide as u64, text);
    }
}

/// The distinct items, in reading order, of baskets with more rows than `cap`. More than `cap` are kept, since
/// returns may remove some of the first.
fn first_items(raw: &Raw, cap: usize) -> FxHashMap<u32, Vec<u32>> {
    let mut items: FxHashMap<u32, (Vec<u32>, FxHashSet<u32>)> = FxHashMap::default();
    for line in &raw.lines {
        if raw.baskets[line.basket as usize].rows as usize > cap {
            let (order, seen) = items.entry(line.basket).or_default();
            if seen.insert(line.item) {
                order.push(line.item);
            }
        }
    }
    items.into_iter().map(|(basket, (order, _))| (basket, order)).collect()
}

/// Sums the rows of one item in one basket into one line; pieces without a price get the mean price of the others.
/// Leaves the lines sorted by (basket, item); returns the number of rows merged away.
fn merge(lines: &mut Vec<Line>) -> u64 {
    lines.sort_unstable_by_key(|line| (line.basket, line.item));
    let before = lines.len();
    let (mut kept, mut start) = (0, 0);
    while start < lines.len() {
        let first = lines[start];
        let same = |line: &&Line| line.basket == first.basket && line.item == first.item;
        let end = start + lines[start..].iter().take_while(same).count();
        lines[kept] = if end - start == 1 { first } else { sum(&lines[start..end]) };
        kept += 1;
        start = end;
    }
    lines.truncate(kept);
    (before - kept) as u64
}

fn sum(rows: &[Line]) -> Line {
    let mut line = rows[0];
    let (mut pieces, mut priced, mut paid) = (0.0, 0.0, 0i128);
    for row in rows {
        let quantity = f64::from(row.quantity);
        pieces += quantity;
        if let Some(all) = row.paid() {
            priced += quantity;
            paid += i128::from(all.minor());
        }
        for (code, other) in [
            (&mut line.channel, row.channel),
            (&mut line.store, row.store),
            (&mut line.room, row.room),
            (&mut line.merchant, row.merchant),
        ] {
            if *code == NONE_CODE {
                *code = other;
            }
        }
    }
    line.quantity = pieces as f32;
    let of_all = |paid: Money| if priced < pieces { paid.scaled(pieces / priced) } else { paid };
    line.paid = Money::packed((priced > 0.0).then(|| of_all(Money::clamped(paid))));
    line
}

/// Subtracts each return, in order of time, from the most recent purchases of the same user and item that are not
/// later than the return. Removes lines with no piece left.
fn net(lines: &mut Vec<Line>, mut returns: Vec<Return>, summary: &mut Summary) {
    returns.sort_by_key(|back| back.at);
    let mut purchases: FxHashMap<(u32, u32), Vec<usize>> =
        returns.iter().map(|back| ((back.user, back.item), Vec::new())).collect();
    if purchases.is_empty() {
        return;
    }
    for (index, line) in lines.iter().enumerate() {
        if let Some(indexes) = purchases.get_mut(&(line.user, line.item)) {
            indexes.push(index);
        }
    }
    for indexes in purchases.values_mut() {
        indexes.sort_by_key(|&index| lines[index].at);
    }
    for back in &returns {
        let mut left = f64::from(back.quantity);
        for &index in purchases[&(back.user, back.item)].iter().rev() {
            let line = &mut lines[index];
            if line.at <= back.at && line.quantity > 0.0 && left > DUST {
                let undone = left.min(f64::from(line.quantity));
                left -= undone;
                let (before, rest) = (f64::from(line.quantity), f64::from(line.quantity) - undone);
                line.quantity = if rest > DUST { rest as f32 } else { 0.0 };
                line.paid = Money::packed(line.paid().map(|paid| paid.scaled(rest / before)));
            }
        }
        summary.returns_matched += u64::from(left < f64::from(back.quantity));
    }
    let before = lines.len();
    lines.retain(|line| line.quantity > 0.0);
    summary.netted_out = (before - lines.len()) as u64;
}

/// Removes and returns the lines of giant baskets beyond the first `cap` remaining items.
fn split_beyond_cap(
    lines: &mut Vec<Line>,
    first_items: &FxHashMap<u32, Vec<u32>>,
    cap: usize,
    summary: &mut Summary,
) -> Vec<Line> {
    let mut beyond = Vec::new();
    let mut out: FxHashSet<(u32, u32)> = FxHashSet::default();
    for (&basket, order) in first_items {
        // Lines are sorted by basket and item since they were merged.
        let start = lines.partition_point(|line| line.basket < basket);
        let end = lines.partition_point(|line| line.basket <= basket);
        let left: FxHashSet<u32> = lines[start..end].iter().map(|line| line.item).collect();
        if left.len() > cap {
            summary.capped_baskets += 1;
            let kept_order = order.iter().filter(|item| left.contains(item));
            out.extend(kept_order.skip(cap).map(|&item| (basket, item)));
        }
    }
    if !out.is_empty() {
        beyond.extend(lines.iter().filter(|line| out.contains(&(line.basket, line.item))));
        lines.retain(|line| !out.contains(&(line.basket, line.item)));
        summary.capped_lines = beyond.len() as u64;
        let text = format!(
            "{} baskets have more than {cap} items (max_basket_items); {} lines count for histories but not \
             for co-purchase",
            summary.capped_baskets, summary.capped_lines
        );
        summary.warn(Code::GiantBaskets, summary.capped_baskets, text);
    }
    beyond
}

fn renumber(
    mut raw: Raw,
    mut beyond_cap: Vec<Line>,
    summary: Summary,
    time_kind: TimeKind,
) -> (Orders, Vec<u32>) {
    let mut lines = raw.lines;
    let (basket_of, n_baskets) = number_baskets(&lines, raw.baskets.len());
    raw.baskets = Vec::new();
    let all = || lines.iter().chain(&beyond_cap);
    let (item_ids, item_of) = sorted(raw.items, all().map(|line| line.item));
    let (user_ids, user_of) = sorted(raw.users, all().map(|line| line.user));
    let (channels, channel_of) = sorted(raw.channels, all().map(|line| u32::from(line.channel)));
    let (stores, store_of) = sorted(raw.stores, all().map(|line| u32::from(line.store)));
    let (rooms, room_of) = sorted(raw.rooms, all().map(|line| u32::from(line.room)));
    let (merchants, merchant_of) = sorted(raw.merchants, all().map(|line| u32::from(line.merchant)));
    let code = |map: &[u32], old: u16| map.get(usize::from(old)).map_or(NONE_CODE, |&new| new as u16);
    for part in [&mut lines, &mut beyond_cap] {
        for line in part.iter_mut() {
            line.basket = basket_of[line.basket as usize];
            line.item = item_of[line.item as usize];
            line.user = user_of.get(line.user as usize).copied().unwrap_or(GUEST);
            line.channel = code(&channel_of, line.channel);
            line.store = code(&store_of, line.store);
            line.room = code(&room_of, line.room);
            line.merchant = code(&merchant_of, line.merchant);
        }
        // Baskets are numbered by time, so this is also the order of `at`.
        part.sort_unstable_by_key(|line| (line.basket, line.item));
    }
    let orders = Orders {
        item_ids,
        user_ids,
        channels,
        stores,
        rooms,
        merchants,
        lines,
        beyond_cap,
        n_baskets,
        time_kind,
        summary,
    };
    (orders, item_of)
}

/// Numbers the baskets that have lines by (time, first appearance).
fn number_baskets(lines: &[Line], n_old: usize) -> (Vec<u32>, u32) {
    let mut order: Vec<(i64, u32)> = Vec::new();
    for line in lines {
        // The lines of a basket are adjacent.
        if order.last().is_none_or(|(_, basket)| *basket != line.basket) {
            order.push((line.at, line.basket));
        }
    }
    order.sort_unstable();
    let mut new_of_old = vec![u32::MAX; n_old];
    for (new, (_, old)) in order.iter().enumerate() {
        // There are no more new numbers than old ones, which are u32.
        new_of_old[*old as usize] = new as u32;
    }
    (new_of_old, order.len() as u32)
}

/// The used names, sorted, and the new number of each old number.
fn sorted(dictionary: Dictionary, used: impl Iterator<Item = u32>) -> (Vec<String>, Vec<u32>) {
    let mut is_used = vec![false; dictionary.len()];
    for old in used {
        // The number for a guest, or for no channel or store, is outside the dictionary, or no line has it.
        if let Some(is_used) = is_used.get_mut(old as usize) {
            *is_used = true;
        }
    }
    dictionary.into_sorted(|old| is_used[old as usize])
}

#[cfg(test)]
mod tests {
    use super::arrange;
    use crate::orders::raw::{Basket, Raw, Return};
    use crate::orders::summary::Summary;
    use crate::orders::types::{GUEST, Line, NONE_CODE, Orders, TimeKind};

    /// Purchases as (time, basket, user, item, quantity), returns as (time, user, item, quantity).
    fn run(rows: &[(i64, u32, u32, u32, f32)], backs: &[(i64, u32, u32, f32)], cap: usize) -> Orders {
        let mut raw = Raw::default();
        for name in [&b"c"[..], b"b", b"a"] {
            raw.items.code(name);
            raw.users.code(name);
        }
        for &(at, basket, user, item, quantity) in rows {
            while raw.baskets.len() <= basket as usize {
                let (state, is_again) = (0, false);
                raw.baskets.push(Basket { first: i64::MAX, last: i64::MIN, rows: 0, state, is_again });
            }
            let known = &mut raw.baskets[basket as usize];
            (known.first, known.last, known.rows) = (known.first.min(at), known.last.max(at), known.rows + 1);
            let [channel, store, room, merchant] = [NONE_CODE; 4];
            let paid = (100.0 * quantity * quantity) as i64;
            raw.lines.push(Line {
                at: 0,
                basket,
                user,
                item,
                quantity,
                paid,
                channel,
                store,
                room,
                merchant,
            });
        }
        for &(at, user, item, quantity) in backs {
            raw.returns.push(Return { at, user, item, quantity });
        }
        let rows_read = (rows.len() + backs.len()) as u64;
        let summary = Summary { rows_read, returns: backs.len() as u64, ..Summary::default() };
        let (orders, _) = arrange(raw, summary, TimeKind::Timestamps, cap);
        assert!(orders.summary.adds_up(), "{}", orders.summary);
        orders
    }

    fn brief(orders: &Orders) -> Vec<(i64, u32, u32, u32, f32)> {
        orders.lines.iter().map(|l| (l.at, l.basket, l.user, l.item, l.quantity)).collect()
    }

    #[test]
    fn rows_of_one_item_and_basket_become_one_line() {
        let orders = run(&[(5, 0, 0, 0, 1.0), (4, 0, 0, 0, 3.0)], &[], 9);
        assert_eq!(brief(&orders), [(4, 0, 0, 0, 4.0)]);
        assert_eq!(orders.lines[0].paid, 1_000, "1 at 1.00 and 3 at 3.00");
        assert_eq!((orders.item_ids, orders.summary.merged), (vec!["c".to_owned()], 1));
    }

    #[test]
    fn a_return_undoes_the_most_recent_purchases_before_it() {
        let rows = [(1, 0, 0, 0, 2.0), (2, 1, 0, 0, 2.0), (9, 2, 0, 0, 2.0)];
        let orders = run(&rows, &[(5, 0, 0, 3.0)], 9);
        assert_eq!(brief(&orders), [(1, 0, 0, 0, 1.0), (9, 1, 0, 0, 2.0)]);
        assert_eq!(orders.lines[0].paid, 200, "half of 2 at 2.00");
        assert_eq!((orders.summary.netted_out, orders.summary.returns_matched), (1, 1));
        assert_eq!(orders.n_baskets, 2);
    }

    #[test]
    fn returns_of_others_or_of_nothing_undo_nothing() {
        let rows = [(1, 0, 0, 0, 2.0), (1, 1, GUEST, 0, 1.0)];
        let orders = run(&rows, &[(5, 1, 0, 1.0), (0, 0, 0, 1.0), (5, 0, 1, 1.0)], 9);
        assert_eq!((orders.lines.len(), orders.summary.returns_matched), (2, 0));
        assert_eq!(orders.summary.guest_lines, 1);
    }

    #[test]
    fn a_giant_basket_keeps_its_first_items_in_reading_order() {
        let orders = run(&[(1, 0, 0, 2, 1.0), (1, 0, 0, 0, 1.0), (1, 0, 0, 1, 1.0)], &[], 2);
        let names = |lines: &[Line]| -> Vec<String> {
            lines.iter().map(|line| orders.item_ids[line.item as usize].clone()).collect()
        };
        assert_eq!(
            (names(&orders.lines), names(&orders.beyond_cap)),
            (vec!["a".to_owned(), "c".to_owned()], vec!["b".to_owned()])
        );
        assert_eq!((orders.summary.capped_baskets, orders.summary.capped_lines), (1, 1));
    }

    #[test]
    fn baskets_are_numbered_by_time_and_only_used_ids_remain() {
        let rows = [(7, 0, 2, 1, 1.0), (3, 1, 1, 1, 1.0), (5, 2, 0, 2, 1.0)];
        let orders = run(&rows, &[(6, 0, 2, 1.0)], 9);
        assert_eq!(brief(&orders), [(3, 0, 1, 0, 1.0), (7, 1, 0, 0, 1.0)]);
        assert_eq!(
            (orders.item_ids, orders.user_ids),
            (vec!["b".to_owned()], vec!["a".to_owned(), "b".to_owned()])
        );
    }
}
