//! Popularity: baskets by window, and a decayed score.

use qianmian_models::index::popularity::{Popularity, SalesWindow};

use crate::dataset::Dataset;
use crate::orders::TimeKind;

/// Half-life of a sale in the score, in days (decision 12).
pub(super) const HALF_LIFE_DAYS: f64 = 14.0;

/// The popularity of every item. Without times every window holds all baskets.
pub fn learn(dataset: &Dataset) -> Popularity {
    let n = dataset.n_items();
    let (mut score, mut baskets) = (vec![0.0f32; n], vec![0u32; n]);
    let mut windows: [Vec<u32>; 3] = std::array::from_fn(|_| vec![0; n]);
    for line in dataset.lines() {
        let item = line.item as usize;
        score[item] += dataset.decay(line.at, HALF_LIFE_DAYS);
        baskets[item] += 1;
        for (counts, window) in windows.iter_mut().zip(SalesWindow::ALL) {
            let inside = dataset.until - line.at <= i64::from(window.days()) * 86_400;
            counts[item] += u32::from(inside || dataset.time_kind == TimeKind::None);
        }
    }
    Popularity::new(score, windows, baskets)
}
