//! Later states of an order line: if exports overlap, the later state of a line replaces the earlier one. A line is
//! identified by its basket, item and time; its state is `updated_at`, else the number of its file.

use super::raw::Raw;
use rustc_hash::FxHashMap;

/// The identity of an order line: basket, item, time.
type Key = (u32, u32, i64);

/// Removes earlier states of lines that have a later one; returns the number of lines removed. Only baskets with
/// several states are examined.
pub fn replace(raw: &mut Raw) -> u64 {
    if raw.states.is_empty() {
        return 0;
    }
    let again: Vec<bool> = raw.baskets.iter().map(|basket| basket.is_again).collect();
    let mut last: FxHashMap<Key, i64> = FxHashMap::default();
    let mut see = |key: Key, state: i64| {
        if again[key.0 as usize] {
            let known = last.entry(key).or_insert(state);
            *known = (*known).max(state);
        }
    };
    for (line, &state) in raw.lines.iter().zip(&raw.states) {
        see((line.basket, line.item, line.at), state);
    }
    for cancelled in &raw.cancelled {
        see((cancelled.basket, cancelled.item, cancelled.at), cancelled.state);
    }
    if last.is_empty() {
        return 0;
    }
    let before = raw.lines.len();
    let states = std::mem::take(&mut raw.states);
    let mut state = states.iter();
    raw.lines.retain(|line| {
        let state = state.next().copied().unwrap_or(i64::MAX);
        last.get(&(line.basket, line.item, line.at)).is_none_or(|last| state >= *last)
    });
    (before - raw.lines.len()) as u64
}
