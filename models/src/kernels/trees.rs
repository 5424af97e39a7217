//! An ensemble of regression trees, flat, for ranking.
//!
//! Sections `ranker`, `likely_repeat`, `likely_new`: one row a node, trees one after another, a node before its children; `tree`,
//! `feature` (index into [`features`](crate::recommend::features)), `threshold`, `left`, `right` (rows; a leaf names
//! itself twice) and `value` (what a leaf adds). A feature at most the threshold goes left; NaN goes right.

use std::sync::Arc;

use arrow_array::types::{Float32Type, UInt32Type};
use arrow_array::{ArrayRef, Float32Array, RecordBatch, UInt32Array};

use crate::error::{Error, Result};
use crate::storage::section::{self, Section};

/// One node of a tree.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Node {
    /// Feature to compare; ignored in a leaf.
    pub feature: u32,
    /// Goes left when the feature is at most this.
    pub threshold: f32,
    /// Row of the left child; the node's own row in a leaf.
    pub left: u32,
    /// Row of the right child; the node's own row in a leaf.
    pub right: u32,
    /// What a leaf adds; 0 elsewhere.
    pub value: f32,
}

/// Trees whose leaves are summed.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Trees {
    nodes: Vec<Node>,
    /// First row of every tree.
    roots: Vec<u32>,
    /// Most steps from the root of every tree to a leaf.
    depths: Vec<u32>,
}

/// Rows that walk down a tree side by side.
const ABREAST: usize = 8;

impl Trees {
    /// Adds a tree whose children are numbered within it, the root being 0.
    pub fn push(&mut self, tree: &[Node]) {
        let root = self.nodes.len() as u32;
        self.roots.push(root);
        self.nodes.extend(tree.iter().map(|n| Node { left: n.left + root, right: n.right + root, ..*n }));
        self.depths.push(depth(tree, 0));
    }

    /// Number of trees.
    pub fn len(&self) -> usize {
        self.roots.len()
    }

    /// Whether there is no tree.
    pub fn is_empty(&self) -> bool {
        self.roots.is_empty()
    }

    /// The first `n` trees.
    pub fn truncate(&mut self, n: usize) {
        if let Some(&end) = self.roots.get(n) {
            self.roots.truncate(n);
            self.depths.truncate(n);
            self.nodes.truncate(end as usize);
        }
    }

    /// The sum of the leaves that `features` fall into.
    #[inline]
    pub fn score(&self, features: &[f32]) -> f32 {
        self.roots.iter().map(|&root| self.leaf(root, features)).sum()
    }

    /// Adds to every score the sum of the leaves that its row falls into: what [`score`](Self::score) gives, for many.
    ///
    /// Some rows walk abreast, without a branch, each as many steps as the tree is deep: whether a feature is below a
    /// threshold is a toss, and a processor that guesses wrong waits longer than all of them walk. A leaf leads to
    /// itself, so that who has arrived stays.
    pub fn add_scores<const N: usize>(&self, rows: &[[f32; N]], scores: &mut [f32]) {
        let (groups, rest) = rows.as_chunks::<ABREAST>();
        let (grouped, single) = scores[..rows.len()].split_at_mut(groups.len() * ABREAST);
        for (&root, &depth) in self.roots.iter().zip(&self.depths) {
            for (rows, scores) in groups.iter().zip(grouped.as_chunks_mut::<ABREAST>().0) {
                let mut at = [root; ABREAST];
                for _ in 0..depth {
                    for (at, row) in at.iter_mut().zip(rows) {
                        *at = self.next(*at, row);
                    }
                }
                scores.iter_mut().zip(at).for_each(|(score, at)| *score += self.nodes[at as usize].value);
            }
        }
        rest.iter().zip(single).for_each(|(row, score)| {
            *score = self.roots.iter().fold(*score, |sum, &root| sum + self.leaf(root, row))
        });
    }

    #[inline(always)]
    fn next(&self, at: u32, features: &[f32]) -> u32 {
        let node = &self.nodes[at as usize];
        let left = features[node.feature as usize] <= node.threshold;
        std::hint::select_unpredictable(left, node.left, node.right)
    }

    #[inline]
    fn leaf(&self, mut at: u32, features: &[f32]) -> f32 {
        loop {
            let node = &self.nodes[at as usize];
            if node.left == at {
                return node.value;
            }
            at = if features[node.feature as usize] <= node.threshold { node.left } else { node.right };
        }
    }

    pub(crate) fn batch(&self, name: &str) -> Result<RecordBatch> {
        let column = |of: fn(&Node) -> u32| {
            Arc::new(UInt32Array::from_iter_values(self.nodes.iter().map(of))) as ArrayRef
        };
        let real = |of: fn(&Node) -> f32| {
            Arc::new(Float32Array::from_iter_values(self.nodes.iter().map(of))) as ArrayRef
        };
        let mut tree = Vec::with_capacity(self.nodes.len());
        for (n, &root) in self.roots.iter().enumerate() {
            let end = self.roots.get(n + 1).map_or(self.nodes.len(), |&r| r as usize);
            tree.extend(std::iter::repeat_n(n as u32, end - root as usize));
        }
        let columns = vec![
            ("tree", Arc::new(UInt32Array::from(tree)) as ArrayRef),
            ("feature", column(|n| n.feature)),
            ("threshold", real(|n| n.threshold)),
            ("left", column(|n| n.left)),
            ("right", column(|n| n.right)),
            ("value", real(|n| n.value)),
        ];
        section::batch(name, columns)
    }

    /// Reads the trees; a walk down any of them is sure to end, because children come after their parent.
    pub(crate) fn open(section: &Section, n_features: usize) -> Result<Self> {
        let count = |name: &str| section.primitive::<UInt32Type>(name);
        let (tree, feature, left, right) =
            (count("tree")?, count("feature")?, count("left")?, count("right")?);
        let (threshold, value) =
            (section.primitive::<Float32Type>("threshold")?, section.primitive::<Float32Type>("value")?);
        let mut trees = Self::default();
        for row in 0..section.rows() {
            let node = Node {
                feature: feature[row],
                threshold: threshold[row],
                left: left[row],
                right: right[row],
                value: value[row],
            };
            let child = |c: u32| (c as usize) > row && tree.get(c as usize) == Some(&tree[row]);
            let leaf = node.left as usize == row && node.right as usize == row && node.value.is_finite();
            let split = child(node.left) && child(node.right) && (node.feature as usize) < n_features;
            if !(leaf || split) {
                return Err(Error::malformed(
                    section.name(),
                    "a leaf, or two later nodes of the same tree",
                    format!("row {row}"),
                ));
            }
            if row == 0 || tree[row] != tree[row - 1] {
                trees.roots.push(row as u32);
            }
            trees.nodes.push(node);
        }
        let ends = trees.roots.iter().skip(1).copied().chain([trees.nodes.len() as u32]);
        let tree = |(&root, end): (&u32, u32)| depth(&trees.nodes[root as usize..end as usize], root);
        trees.depths = trees.roots.iter().zip(ends).map(tree).collect();
        Ok(trees)
    }
}

/// Most steps from the root of a tree, whose first node has the number `root`, to a leaf.
fn depth(tree: &[Node], root: u32) -> u32 {
    let mut depths = vec![0; tree.len()];
    for (n, node) in tree.iter().enumerate() {
        // Children stand after their parent, so that one pass is enough; a leaf is its own.
        for child in [node.left, node.right].map(|child| child.saturating_sub(root) as usize) {
            if child > n && child < tree.len() {
                depths[child] = depths[n] + 1;
            }
        }
    }
    depths.into_iter().max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn stump(threshold: f32, low: f32, high: f32) -> Vec<Node> {
        let leaf = |at, value| Node { feature: 0, threshold: 0.0, left: at, right: at, value };
        vec![Node { feature: 1, threshold, left: 1, right: 2, value: 0.0 }, leaf(1, low), leaf(2, high)]
    }

    #[test]
    fn scores_sum_over_trees_and_survive_a_section() {
        let mut trees = Trees::default();
        trees.push(&stump(0.5, 1.0, 2.0));
        trees.push(&stump(1.5, 10.0, 20.0));
        let back = Trees::open(&Section::in_memory("ranker", trees.batch("ranker").unwrap()), 2).unwrap();
        for (x, want) in [(0.0, 11.0), (1.0, 12.0), (2.0, 22.0), (f32::NAN, 22.0)] {
            assert_eq!(back.score(&[9.0, x]), want);
        }
        let rows: Vec<[f32; 2]> = (0..19).map(|n| [9.0, n as f32 / 8.0]).collect();
        let mut scores = vec![0.5; 19];
        back.add_scores(&rows, &mut scores);
        let want: Vec<f32> = rows.iter().map(|row| 0.5 + back.score(row)).collect();
        assert_eq!(scores, want);
        trees.truncate(1);
        assert_eq!((trees.len(), trees.score(&[9.0, 2.0])), (1, 2.0));
    }

    #[test]
    fn a_loop_or_an_unknown_feature_is_refused() {
        let mut trees = Trees::default();
        trees.push(&stump(0.5, 1.0, 2.0));
        assert!(Trees::open(&Section::in_memory("ranker", trees.batch("ranker").unwrap()), 1).is_err());
        let mut looped = stump(0.5, 1.0, 2.0);
        looped[1] = Node { feature: 0, threshold: 0.0, left: 0, right: 2, value: 0.0 };
        let mut trees = Trees::default();
        trees.push(&looped);
        assert!(Trees::open(&Section::in_memory("ranker", trees.batch("ranker").unwrap()), 2).is_err());
    }
}
