//! Calibration of the probabilities of audiences.
//!
//! Items are chosen by their sales before the window. Choosing items that sold in the window would select on the
//! outcome, and every probability would look too low.

use qianmian_models::index::likelihood::Horizon;
use rayon::prelude::*;
use rustc_hash::FxHashSet;

use super::super::calibration::{AudienceCalibration, Outcome};
use super::super::{Bench, DAY, every_nth};
use crate::dataset::is_known;
use crate::orders::TimeKind;

/// Fewest buyers before the window for an item to take part.
const MIN_BUYERS: usize = 10;
/// More items than this are not measured; every n-th is.
const MAX_ITEMS: usize = 1_000;
/// Users of each audience whose probability is compared.
const DEPTH: usize = 1_000;

/// Measures our model; `None` if it gives no probabilities, or if their period has another length than the window.
pub(in super::super) fn measure(bench: &Bench<'_>) -> Option<AudienceCalibration> {
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
        let found = ours.probabilities(*item, DEPTH, bench.past.until);
        let outcome = |(user, probability): (u32, f32)| Outcome {
            probability: f64::from(probability),
            happened: happened.contains(&(*item, user)),
        };
        found.into_iter().map(outcome).collect()
    };
    AudienceCalibration::new(&items.par_iter().map(audience).collect::<Vec<_>>())
}
