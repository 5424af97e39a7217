//! Exact counts of many itemsets at once.
//!
//! Each set is counted in the baskets of its rarest item. For each rarest item, its baskets are scanned once and give
//! every other item a row of bits, one per basket; the count of a set is the number of bits that the rows of its items
//! have in common. Cost: the sum of squared basket sizes, and a 64th of an item's baskets for every set. Memory of a
//! thread: the baskets of one item times the items of its sets, in bits.

use rayon::prelude::*;

use super::Items;
use crate::learn::co_purchase::Baskets;

/// The number of baskets that hold each set. `baskets_of[i]` is the number of baskets that hold item `i`.
pub fn count(baskets: &Baskets, baskets_of: &[u32], sets: &[Items]) -> Vec<u32> {
    let rarest = |set: &Items| {
        let items = set.as_slice().iter().copied();
        items.min_by_key(|&item| (baskets_of[item as usize], item)).unwrap_or(0)
    };
    let mut by_rarest: Vec<(u32, u32)> = sets.iter().zip(0..).map(|(set, n)| (rarest(set), n)).collect();
    by_rarest.par_sort_unstable();
    let groups: Vec<&[(u32, u32)]> = by_rarest.chunk_by(|a, b| a.0 == b.0).collect();
    let counted: Vec<Vec<(u32, u32)>> = groups
        .par_iter()
        .map_init(
            || Bits::new(baskets_of.len()),
            |bits, group| {
                let of_group = || group.iter().map(|&(_, n)| &sets[n as usize]);
                bits.fill(baskets, group[0].0, of_group());
                let counts = of_group().map(|set| bits.shared(set, group[0].0));
                let counts = group.iter().map(|&(_, n)| n).zip(counts).collect();
                bits.clear(of_group());
                counts
            },
        )
        .collect();
    let mut counts = vec![0; sets.len()];
    counted.into_iter().flatten().for_each(|(n, count)| counts[n as usize] = count);
    counts
}

/// One bit for each basket of one item and each other item of its sets.
struct Bits {
    /// The row of bits of each item; [`NONE`] for items without one.
    slots: Vec<u32>,
    /// Rows of bits, one bit per basket.
    words: Vec<u64>,
    /// Words per row.
    width: usize,
}

const NONE: u32 = u32::MAX;

impl Bits {
    fn new(n_items: usize) -> Self {
        Self { slots: vec![NONE; n_items], words: Vec::new(), width: 0 }
    }

    fn fill<'s>(&mut self, baskets: &Baskets, anchor: u32, sets: impl Iterator<Item = &'s Items>) {
        let held_in = baskets.of_item.row(anchor as usize);
        let mut rows = 0;
        for &item in sets.flat_map(|set| set.as_slice()).filter(|&&item| item != anchor) {
            let slot = &mut self.slots[item as usize];
            if *slot == NONE {
                *slot = rows;
                rows += 1;
            }
        }
        self.width = held_in.len().div_ceil(64);
        self.words.clear();
        self.words.resize(rows as usize * self.width, 0);
        for (n, &basket) in held_in.iter().enumerate() {
            for &item in baskets.of_basket.row(basket as usize) {
                let slot = self.slots[item as usize];
                if slot != NONE {
                    self.words[slot as usize * self.width + n / 64] |= 1 << (n % 64);
                }
            }
        }
    }

    fn shared(&self, set: &Items, anchor: u32) -> u32 {
        let row = |&item: &u32| {
            let start = self.slots[item as usize] as usize * self.width;
            &self.words[start..start + self.width]
        };
        let rows: Vec<&[u64]> = set.as_slice().iter().filter(|&&item| item != anchor).map(row).collect();
        (0..self.width).map(|word| rows.iter().fold(u64::MAX, |all, row| all & row[word]).count_ones()).sum()
    }

    fn clear<'s>(&mut self, sets: impl Iterator<Item = &'s Items>) {
        sets.flat_map(|set| set.as_slice()).for_each(|&item| self.slots[item as usize] = NONE);
    }
}
