//! A flat HNSW graph (Malkov & Yashunin 2018) over the rows of [`Factors`], searched by inner product.
//!
//! Sections `item_graph`, `user_graph`: one row per vector; `level` (the highest layer it is on), `base`
//! (its neighbors on layer 0) and `upper` (a list of `{layer, row}` for the layers above). The trainer
//! builds it; here it is two arrays and a walk, without locks or allocation per candidate.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use arrow_array::types::{UInt8Type, UInt32Type};
use arrow_array::{ArrayRef, RecordBatch, UInt8Array, UInt32Array};
use arrow_buffer::{OffsetBuffer, ScalarBuffer};

use crate::error::{Error, Result};
use crate::index::factors::Factors;
use crate::kernels::simd;
use crate::kernels::topk::Scored;
use crate::storage::section::{self, Section};

/// Below this many multiplications a scan of every row beats a graph walk.
const SCAN_FLOPS: usize = 1 << 21;

/// The `k` rows of `factors` nearest to `query` by inner product, best first: by the graph if there is one and it is
/// cheaper, else exactly.
pub fn nearest(factors: &Factors, query: &[f32], k: usize, graph: Option<&Graph>) -> Vec<Scored> {
    match graph {
        Some(graph) if factors.scan_cost() > SCAN_FLOPS && k * 100 < factors.rows() => {
            graph.search(factors, query, k, (2 * k).max(64))
        }
        _ => factors.scan(query, k),
    }
}

/// A navigable graph over vectors.
#[derive(Debug, Clone)]
pub struct Graph {
    level: ScalarBuffer<u8>,
    entry: u32,
    base_offsets: OffsetBuffer<i32>,
    base: ScalarBuffer<u32>,
    upper_offsets: OffsetBuffer<i32>,
    upper_layer: ScalarBuffer<u32>,
    upper: ScalarBuffer<u32>,
}

/// A graph's links, to build it: for each row, for each layer from 0, the neighbors.
pub type Links = Vec<Vec<Vec<u32>>>;

impl Graph {
    /// From the links of every row. An isolated row has one empty layer.
    pub fn new(section: &str, links: &Links) -> Result<Self> {
        let base = |row: &Vec<Vec<u32>>| row.first().cloned().unwrap_or_default();
        let upper = |row: &Vec<Vec<u32>>| -> Vec<(u32, u32)> {
            let layers = row.iter().enumerate().skip(1);
            layers.flat_map(|(layer, rows)| rows.iter().map(move |&r| (layer as u32, r))).collect()
        };
        let uppers: Vec<(u32, u32)> = links.iter().flat_map(upper).collect();
        let level: Vec<u8> = links.iter().map(|row| row.len().saturating_sub(1).min(255) as u8).collect();
        Ok(Self {
            entry: entry(&level),
            level: level.into(),
            base_offsets: section::offsets(section, links.iter().map(|row| row.first().map_or(0, Vec::len)))?,
            base: links.iter().flat_map(base).collect(),
            upper_offsets: section::offsets(section, links.iter().map(|row| upper(row).len()))?,
            upper_layer: uppers.iter().map(|(layer, _)| *layer).collect(),
            upper: uppers.iter().map(|(_, row)| *row).collect(),
        })
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.level.len()
    }

    /// About the `k` best rows for `query`, best first; `ef >= k` rows are kept while walking.
    pub fn search(&self, factors: &Factors, query: &[f32], k: usize, ef: usize) -> Vec<Scored> {
        if self.rows() == 0 {
            return Vec::new();
        }
        simd::dispatch(
            #[inline(always)]
            || {
                let start = self.descend(factors, query);
                let mut found = self.walk(factors, query, start, ef.max(k));
                found.sort_unstable_by(Scored::best_first);
                found.truncate(k);
                found
            },
        )
    }

    #[inline(always)]
    fn descend(&self, factors: &Factors, query: &[f32]) -> Scored {
        let score = |ix: u32| Scored { score: simd::dot(query, factors.row(ix)), ix };
        let mut at = score(self.entry);
        for layer in (1..=u32::from(self.level[self.entry as usize])).rev() {
            loop {
                let range = section::range(&self.upper_offsets, at.ix);
                let next = range
                    .filter(|&n| self.upper_layer[n] == layer)
                    .map(|n| score(self.upper[n]))
                    .min_by(Scored::best_first);
                match next {
                    Some(next) if next.score > at.score => at = next,
                    _ => break,
                }
            }
        }
        at
    }

    #[inline(always)]
    fn walk(&self, factors: &Factors, query: &[f32], start: Scored, ef: usize) -> Vec<Scored> {
        let mut seen = vec![0u64; self.rows().div_ceil(64)];
        let mut open = BinaryHeap::from([ByScore(start)]);
        let mut best = BinaryHeap::from([Reverse(ByScore(start))]);
        seen[start.ix as usize / 64] |= 1 << (start.ix % 64);
        while let Some(ByScore(at)) = open.pop() {
            let worst = best.peek().map_or(f32::NEG_INFINITY, |w| w.0.0.score);
            if best.len() >= ef && at.score < worst {
                break;
            }
            for &ix in &self.base[section::range(&self.base_offsets, at.ix)] {
                let (word, bit) = (ix as usize / 64, 1u64 << (ix % 64));
                if seen[word] & bit != 0 {
                    continue;
                }
                seen[word] |= bit;
                let next = ByScore(Scored { score: simd::dot(query, factors.row(ix)), ix });
                if best.len() < ef || best.peek().is_none_or(|w| next > w.0) {
                    open.push(next);
                    best.push(Reverse(next));
                    if best.len() > ef {
                        best.pop();
                    }
                }
            }
        }
        best.into_iter().map(|Reverse(ByScore(s))| s).collect()
    }

    pub(crate) fn batch(&self, name: &str) -> Result<RecordBatch> {
        let column =
            |values: &ScalarBuffer<u32>| Arc::new(UInt32Array::new(values.clone(), None)) as ArrayRef;
        let base = section::list_column(name, &self.base_offsets, vec![("row", column(&self.base))])?;
        let upper = vec![("layer", column(&self.upper_layer)), ("row", column(&self.upper))];
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("level", Arc::new(UInt8Array::new(self.level.clone(), None))),
            ("base", base),
            ("upper", section::list_column(name, &self.upper_offsets, upper)?),
        ];
        section::batch(name, columns)
    }

    pub(crate) fn open(section: &Section, rows: usize) -> Result<Self> {
        section.expect_rows(rows)?;
        let (base, upper) = (section.lists("base")?, section.lists("upper")?);
        let level = section.primitive::<UInt8Type>("level")?;
        let upper_layer = upper.primitive::<UInt32Type>("layer")?;
        if upper_layer.contains(&0) {
            return Err(Error::malformed(section.name(), "upper layers from 1", 0));
        }
        Ok(Self {
            entry: entry(&level),
            level,
            base: base.indices("row", rows)?,
            base_offsets: base.offsets,
            upper: upper.indices("row", rows)?,
            upper_layer,
            upper_offsets: upper.offsets,
        })
    }
}

/// The first row of the highest layer; 0 when there is no row.
fn entry(level: &[u8]) -> u32 {
    let rows = level.iter().enumerate();
    rows.max_by_key(|(row, level)| (**level, Reverse(*row))).map_or(0, |(row, _)| row as u32)
}

/// A max-heap entry: the best score is on top.
#[derive(Clone, Copy, PartialEq)]
struct ByScore(Scored);

impl Eq for ByScore {}

impl Ord for ByScore {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        Scored::best_first(&other.0, &self.0)
    }
}

impl PartialOrd for ByScore {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_walk_over_a_ring_reaches_the_best_rows() {
        // 64 unit vectors on a circle, each linked to its two neighbors on either side.
        let n = 64u32;
        let angle = |ix: u32| ix as f32 / n as f32 * std::f32::consts::TAU;
        let factors = Factors::new(2, (0..n).flat_map(|ix| [angle(ix).cos(), angle(ix).sin()]).collect());
        let links: Links =
            (0..n).map(|ix| vec![[1, 2, n - 1, n - 2].map(|d| (ix + d) % n).to_vec()]).collect();
        let graph = Graph::new("item_graph", &links).unwrap();
        let query = [angle(40).cos(), angle(40).sin()];
        assert_eq!(graph.search(&factors, &query, 5, 16), factors.scan(&query, 5));
        let section = Section::in_memory("item_graph", graph.batch("item_graph").unwrap());
        let back = Graph::open(&section, n as usize).unwrap();
        assert_eq!(back.search(&factors, &query, 5, 16), factors.scan(&query, 5));
        assert!(Graph::open(&section, 63).is_err());
    }
}
