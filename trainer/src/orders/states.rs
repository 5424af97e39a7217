//! Later states of an order line: where exports overlap, what a later one says of a line replaces what an earlier one
//! said. A line is known by its order, item and time; the state is the line's `updated_at`, else the number of its file.

use super::raw::Raw;
use rustc_hash::FxHashMap;

/// An order line, whatever its state.
type Key = (u32, u32, i64);

/// Takes out earlier states of lines that have a later one; gives their number. Only baskets that more than one state
/// speaks of are looked at.
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
