//! Whether the probabilities of audiences hold.
//!
//! Items are chosen by what was known before the window. To choose those that sold in it would be to choose
//! the lucky ones, and every promise would look too low.

use qianmian_models::audience::likelihood::Horizon;
use rayon::prelude::*;
use rustc_hash::FxHashSet;

use super::super::calibration::{Outcome, Promises};
use super::super::{Bench, DAY, every_nth};
use crate::dataset::is_known;
use crate::orders::TimeKind;

/// Fewest buyers before the window for an item to take part.
const MIN_BUYERS: usize = 10;
/// More items than this are not asked about; every n-th is.
const MAX_ITEMS: usize = 1_000;
/// Users of each audience whose promise is looked at.
const DEPTH: usize = 1_000;

/// Of our model; `None` where it promises nothing, or of another stretch of time than the window.
pub(in super::super) fn measure(bench: &Bench<'_>) -> Option<Promises> {
    let ours = bench.subjects.first()?;
    let window = bench.future.window;
    let same = match ours.snapshot.likelihood.as_ref()?.horizon {
        Horizon::Days(days) => (days - (window.to - window.from) as f32 / DAY as f32).abs() < 1.0,
        Horizon::NextBasket => bench.past.time_kind == TimeKind::Steps,
    };
    if !same {
        return None;
    }
    let happened: FxHashSet<(u32, u32)> = bench
        .future
        .dataset
        .lines()
        .iter()
        .filter(|l| is_known(l) && l.at >= window.from && l.at < window.to)
        .map(|l| (l.item, l.user))
        .collect();
    let known = |item: &u32| bench.reference.buyers.ixs(*item).len() >= MIN_BUYERS;
    let items = every_nth((0..bench.past.n_items() as u32).filter(known).collect(), MAX_ITEMS);
    let audience = |item: &u32| -> Vec<Outcome> {
        let found = ours.promises(*item, DEPTH, bench.past.until);
        let outcome = |(user, probability): (u32, f32)| Outcome {
            probability: f64::from(probability),
            happened: happened.contains(&(*item, user)),
        };
        found.into_iter().map(outcome).collect()
    };
    Promises::new(&items.par_iter().map(audience).collect::<Vec<_>>())
}
