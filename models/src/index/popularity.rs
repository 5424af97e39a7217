//! Popularity: each item's decayed sales score, counts by window, and the order by score.
//!
//! Section `popularity`: one row per item; `score` (baskets, halved for every half-life before the end of the data
//! window), `baskets_7d`, `baskets_30d`, `baskets_90d`, `baskets`, and `ranked`, a permutation: row `r` of it is the
//! item of rank `r` in the whole shop.

use std::sync::Arc;

use arrow_array::types::{Float32Type, UInt32Type};
use arrow_array::{ArrayRef, Float32Array, RecordBatch, UInt32Array};
use arrow_buffer::ScalarBuffer;

use crate::error::{Error, Result};
use crate::ids::ItemIx;
use crate::storage::section::{self, Section};

/// The section's name.
pub const SECTION: &str = "popularity";
/// A window before the end of the data over which baskets are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SalesWindow {
    /// The last 7 days.
    Days7,
    /// The last 30 days.
    Days30,
    /// The last 90 days.
    Days90,
}

impl SalesWindow {
    /// All windows, in the order of their columns.
    pub const ALL: [Self; 3] = [Self::Days7, Self::Days30, Self::Days90];

    /// Length of the window, days.
    pub const fn days(self) -> u32 {
        match self {
            Self::Days7 => 7,
            Self::Days30 => 30,
            Self::Days90 => 90,
        }
    }

    /// The column of the counts.
    const fn column(self) -> &'static str {
        match self {
            Self::Days7 => "baskets_7d",
            Self::Days30 => "baskets_30d",
            Self::Days90 => "baskets_90d",
        }
    }
}

/// Popularity of every item.
#[derive(Debug, Clone)]
pub struct Popularity {
    score: ScalarBuffer<f32>,
    windows: [ScalarBuffer<u32>; 3],
    baskets: ScalarBuffer<u32>,
    ranked: ScalarBuffer<u32>,
}

impl Popularity {
    /// From per-item columns, each of `n_items` rows; ties in `score` are broken by `baskets`, then row.
    pub fn new(score: Vec<f32>, windows: [Vec<u32>; 3], baskets: Vec<u32>) -> Self {
        let mut ranked: Vec<ItemIx> = (0..score.len() as u32).collect();
        ranked.sort_by(|&a, &b| {
            let (a, b) = (a as usize, b as usize);
            score[b].total_cmp(&score[a]).then(baskets[b].cmp(&baskets[a])).then(a.cmp(&b))
        });
        Self {
            score: score.into(),
            windows: windows.map(Into::into),
            baskets: baskets.into(),
            ranked: ranked.into(),
        }
    }

    /// All items, best selling first.
    pub fn ranked(&self) -> &[ItemIx] {
        &self.ranked
    }

    /// Decayed baskets of `item`; `0..`.
    pub fn score(&self, item: ItemIx) -> f32 {
        self.score[item as usize]
    }

    /// [`score`](Self::score) of every item.
    pub fn scores(&self) -> &[f32] {
        &self.score
    }

    /// Baskets with `item` in a window.
    pub fn baskets_within(&self, window: SalesWindow, item: ItemIx) -> u32 {
        self.windows[window as usize][item as usize]
    }

    /// Baskets with `item` in the whole data window.
    pub fn baskets(&self, item: ItemIx) -> u32 {
        self.baskets[item as usize]
    }

    pub(crate) fn batch(&self) -> Result<RecordBatch> {
        let counts =
            |values: &ScalarBuffer<u32>| Arc::new(UInt32Array::new(values.clone(), None)) as ArrayRef;
        let score = Arc::new(Float32Array::new(self.score.clone(), None)) as ArrayRef;
        let mut columns = vec![("score", score)];
        columns.extend(
            SalesWindow::ALL
                .iter()
                .zip(&self.windows)
                .map(|(window, values)| (window.column(), counts(values))),
        );
        columns.extend([("baskets", counts(&self.baskets)), ("ranked", counts(&self.ranked))]);
        section::batch(SECTION, columns)
    }

    pub(crate) fn open(section: &Section, n_items: usize) -> Result<Self> {
        section.expect_rows(n_items)?;
        let counts = |column: &str| section.primitive::<UInt32Type>(column);
        let ranked = counts("ranked")?;
        let mut seen = vec![false; n_items];
        for &item in ranked.iter() {
            if (item as usize) >= n_items || std::mem::replace(&mut seen[item as usize], true) {
                return Err(Error::malformed(SECTION, "`ranked` to name every item once", item));
            }
        }
        let score = section.primitive::<Float32Type>("score")?;
        if !score.iter().all(|s| s.is_finite()) {
            return Err(Error::malformed(SECTION, "finite scores", "a non-finite one"));
        }
        let [days_7, days_30, days_90] = SalesWindow::ALL.map(|window| counts(window.column()));
        let windows = [days_7?, days_30?, days_90?];
        Ok(Self { score, windows, baskets: counts("baskets")?, ranked })
    }
}
