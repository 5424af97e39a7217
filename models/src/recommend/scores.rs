//! Scores of every item by source, filled by the sources. Each thread reuses one across answers.
//!
//! Invariant: between answers all scores are 0. A bit per item marks the touched ones, so that clearing costs as much
//! as the writes and does not depend on the size of the catalog. Every item that may be shown is a candidate; one that
//! no source touched has its popularity alone.
//!
//! Cost: 52 bytes per item and thread that answers, for the largest shop that the thread answered for.

use std::cell::Cell;

use crate::ids::ItemIx;
use crate::kernels::blocks::{Row, WIDTH};
use crate::source::{Evidence, Source};

/// Blocks of a word of bits.
const BLOCKS_PER_WORD: usize = u64::BITS as usize / WIDTH;

/// The scores of all items for one query.
#[derive(Debug, Default)]
pub struct Scores {
    /// By block of items and source.
    pub(super) blocks: Vec<[Row; Source::COUNT]>,
    /// One bit per item that a source scored, by block.
    pub(super) touched: Vec<u16>,
    /// One bit per item that may be ranked, by block.
    pub(super) allowed: Vec<u16>,
    /// The blended score of every item.
    pub(super) blended: Vec<Row>,
    /// The largest blended score of every block.
    pub(super) peaks: Vec<f32>,
    /// The largest score of every source among the items that may be ranked.
    pub(super) best: Evidence,
    /// Scores that each source added, by [`Source`].
    proposed: [u32; Source::COUNT],
}

thread_local! {
    /// Taken out while in use: if an answer panics, its leftovers are dropped with it.
    static OF_THREAD: Cell<Option<Box<Scores>>> = const { Cell::new(None) };
}

impl Scores {
    /// Runs `work` on empty scores of `n_items`, and clears them afterwards.
    pub fn with<R>(n_items: usize, work: impl FnOnce(&mut Self) -> R) -> R {
        let mut scores = OF_THREAD.take().unwrap_or_default();
        scores.resize(n_items);
        let result = work(&mut scores);
        scores.clear();
        OF_THREAD.set(Some(scores));
        result
    }

    fn resize(&mut self, n_items: usize) {
        let blocks = n_items.div_ceil(WIDTH);
        self.blocks.resize(blocks, [[0.0; WIDTH]; Source::COUNT]);
        self.touched.resize(blocks, 0);
        self.blended.resize(blocks, [0.0; WIDTH]);
        self.peaks.resize(blocks, 0.0);
        self.allowed.clear();
        self.allowed.resize(blocks, u16::MAX);
        if let (Some(last), rest @ 1..) = (self.allowed.last_mut(), n_items % WIDTH) {
            *last = (1 << rest) - 1;
        }
    }

    fn clear(&mut self) {
        let used = self.sources();
        for (block, touched) in self.blocks.iter_mut().zip(&mut self.touched) {
            if std::mem::take(touched) != 0 {
                used.iter().for_each(|&source| block[source] = [0.0; WIDTH]);
            }
        }
        self.proposed = [0; Source::COUNT];
    }

    /// Adds to a source's score of an item.
    #[inline]
    pub fn add(&mut self, source: Source, item: ItemIx, score: f32) {
        let (block, lane) = place(item);
        self.touched[block] |= 1 << lane;
        self.proposed[source as usize] += 1;
        self.blocks[block][source as usize][lane] += score;
    }

    /// Adds `factor` times the weights of a list of items to the scores of a source.
    pub fn add_list(&mut self, source: Source, (items, weights): (&[ItemIx], &[f32]), factor: f32) {
        self.proposed[source as usize] += items.len() as u32;
        for (&item, weight) in items.iter().zip(weights) {
            let (block, lane) = place(item);
            self.touched[block] |= 1 << lane;
            self.blocks[block][source as usize][lane] += factor * weight;
        }
    }

    /// [`add_list`](Self::add_list) for two sources in one pass over the list.
    pub fn add_list_twice(
        &mut self,
        sources: [Source; 2],
        (items, weights): (&[ItemIx], &[f32]),
        factors: [f32; 2],
    ) {
        let rows = sources.map(|source| source as usize);
        rows.into_iter().for_each(|row| self.proposed[row] += items.len() as u32);
        for (&item, weight) in items.iter().zip(weights) {
            let (block, lane) = place(item);
            self.touched[block] |= 1 << lane;
            let block = &mut self.blocks[block];
            block[rows[0]][lane] += factors[0] * weight;
            block[rows[1]][lane] += factors[1] * weight;
        }
    }

    /// Sources that scored an item, in index order.
    pub fn sources(&self) -> Vec<usize> {
        (0..Source::COUNT).filter(|&source| self.proposed[source] > 0).collect()
    }

    /// Scores that each source added.
    pub fn proposed(&self) -> [u32; Source::COUNT] {
        self.proposed
    }

    /// The scores of an item, by source.
    #[inline]
    pub fn of(&self, item: ItemIx) -> Evidence {
        let (block, lane) = place(item);
        std::array::from_fn(|source| self.blocks[block][source][lane])
    }

    /// Items that a source scored and that may be ranked, lowest index first.
    pub fn contenders(&self) -> impl Iterator<Item = ItemIx> + '_ {
        self.contender_bits().enumerate().flat_map(|(block, bits)| {
            (0..WIDTH)
                .filter(move |lane| bits >> lane & 1 == 1)
                .map(move |lane| (block * WIDTH + lane) as ItemIx)
        })
    }

    /// The bits of [`contenders`](Self::contenders), by block.
    pub(super) fn contender_bits(&self) -> impl Iterator<Item = u16> + '_ {
        self.touched.iter().zip(&self.allowed).map(|(touched, allowed)| touched & allowed)
    }

    /// True if a source scored the item.
    pub fn is_scored(&self, item: ItemIx) -> bool {
        let (block, lane) = place(item);
        self.touched[block] >> lane & 1 == 1
    }

    /// True if an item may still be ranked.
    pub fn is_allowed(&self, item: ItemIx) -> bool {
        let (block, lane) = place(item);
        self.allowed[block] >> lane & 1 == 1
    }

    /// Removes an item; returns false if it was removed before.
    pub fn forbid(&mut self, item: ItemIx) -> bool {
        let (block, lane) = place(item);
        let before = self.allowed[block];
        self.allowed[block] &= !(1 << lane);
        before != self.allowed[block]
    }

    /// Removes all items whose bit is not set in `words`; returns the number of those that a source had scored.
    pub fn keep_only(&mut self, words: &[u64]) -> u32 {
        let blocks =
            words.iter().flat_map(|word| (0..BLOCKS_PER_WORD).map(move |n| (word >> (n * WIDTH)) as u16));
        let mut removed = 0;
        for ((allowed, touched), bits) in self.allowed.iter_mut().zip(&self.touched).zip(blocks) {
            removed += (*allowed & touched & !bits).count_ones();
            *allowed &= bits;
        }
        removed
    }
}

/// Block and lane of an item.
#[inline(always)]
fn place(item: ItemIx) -> (usize, usize) {
    (item as usize / WIDTH, item as usize % WIDTH)
}
