//! An ensemble of regression trees, for ranking.
//!
//! Sections `ranker`, `likely_repeat`, `likely_new`: one row per node, trees one after another, a node before its
//! children; `tree`, `feature` (a column of the row of features, whose names are the section's metadata `features`),
//! `threshold`, `left`, `right` (rows; a leaf names itself twice) and `value` (what a leaf adds). A feature at most the
//! threshold goes left; NaN goes right.
//!
//! In memory a tree is a list of splits and a list of leaves (QuickScorer; Lucchese et al., SIGIR 2015). Every leaf has
//! one bit; a false split clears the bits of the leaves on its left, and the lowest bit that remains is the leaf of a
//! row. No split depends on the one before, so that `score` evaluates each split for 32 rows at once. A tree has at
//! most [`MAX_LEAVES`] leaves: opening a section with more is an error.

mod score;

use std::sync::Arc;

use arrow_array::types::{Float32Type, UInt32Type};
use arrow_array::{ArrayRef, Float32Array, RecordBatch, UInt32Array};

use crate::error::{Error, Result};
use crate::storage::section::{self, Section};

/// Most leaves of a tree: one bit of a `u32` each.
pub const MAX_LEAVES: usize = 32;
/// Metadata of the section: the names of the columns.
const FEATURES: &str = "features";
const MAX_NODES: usize = 2 * MAX_LEAVES - 1;

/// One node of a tree, as it is grown and stored.
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
    /// The value that a leaf adds; 0 in other nodes.
    pub value: f32,
}

impl Node {
    /// A leaf at row `at` that adds `value`.
    pub fn leaf(at: u32, value: f32) -> Self {
        Self { feature: 0, threshold: 0.0, left: at, right: at, value }
    }
}

/// An inner node of a tree, as it is evaluated.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Split {
    feature: u32,
    threshold: f32,
    /// The leaves that remain where the feature is above the threshold or NaN: all but those on the left.
    keep: u32,
}

/// Trees whose leaves are summed.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Trees {
    /// Tree after tree; within one, a split before those below it, and the left side before the right.
    splits: Vec<Split>,
    /// One past the last split of every tree.
    ends: Vec<u32>,
    /// Leaves of every tree from left to right, one more than its splits; zeros after them.
    leaves: Vec<[f32; MAX_LEAVES]>,
}

impl Trees {
    /// Adds a tree whose children are numbered within it, the root being 0. Panics when it has more than
    /// [`MAX_LEAVES`] leaves or is no tree.
    pub fn push(&mut self, tree: &[Node]) {
        assert!(self.add(tree), "a tree of at most {MAX_LEAVES} leaves");
    }

    /// Adds a tree; adds nothing and returns false when `tree` is none or too large.
    fn add(&mut self, tree: &[Node]) -> bool {
        let mut growing = Growing { tree, visited: 0, splits: Vec::new(), leaves: Vec::new() };
        let fits = tree.len() <= MAX_NODES && growing.descend(0).is_some();
        // Every node once makes a tree of `n` splits and `n + 1` leaves.
        let whole = fits && growing.visited.count_ones() as usize == tree.len();
        if whole {
            let mut leaves = [0.0; MAX_LEAVES];
            leaves[..growing.leaves.len()].copy_from_slice(&growing.leaves);
            self.splits.append(&mut growing.splits);
            self.ends.push(self.splits.len() as u32);
            self.leaves.push(leaves);
        }
        whole
    }

    /// Number of trees.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// True if there is no tree.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The first `n` trees.
    pub fn truncate(&mut self, n: usize) {
        self.ends.truncate(n);
        self.leaves.truncate(n);
        self.splits.truncate(self.ends.last().map_or(0, |&end| end as usize));
    }

    /// Adds all trees of `other`, their leaves times `factor`.
    pub fn extend(&mut self, other: &Self, factor: f32) {
        for (splits, leaves) in other.iter() {
            self.splits.extend_from_slice(splits);
            self.ends.push(self.splits.len() as u32);
            self.leaves.push(leaves.map(|value| factor * value));
        }
    }

    /// Each tree's splits and leaves.
    fn iter(&self) -> impl Iterator<Item = (&[Split], &[f32; MAX_LEAVES])> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        let splits = starts.zip(&self.ends).map(|(start, &end)| &self.splits[start as usize..end as usize]);
        splits.zip(&self.leaves)
    }

    pub(crate) fn batch(&self, name: &str, features: &[&str]) -> Result<RecordBatch> {
        let (mut tree, mut nodes) = (Vec::new(), Vec::new());
        for (n, (splits, leaves)) in self.iter().enumerate() {
            append_nodes(&mut splits.iter(), &leaves[..=splits.len()], &mut nodes);
            tree.resize(nodes.len(), n as u32);
        }
        let column =
            |of: fn(&Node) -> u32| Arc::new(UInt32Array::from_iter_values(nodes.iter().map(of))) as ArrayRef;
        let real =
            |of: fn(&Node) -> f32| Arc::new(Float32Array::from_iter_values(nodes.iter().map(of))) as ArrayRef;
        let columns = vec![
            ("tree", Arc::new(UInt32Array::from(tree)) as ArrayRef),
            ("feature", column(|n| n.feature)),
            ("threshold", real(|n| n.threshold)),
            ("left", column(|n| n.left)),
            ("right", column(|n| n.right)),
            ("value", real(|n| n.value)),
        ];
        section::batch_with(name, columns, &[(FEATURES, features)])
    }

    /// Reads trees over rows of the columns `features`.
    ///
    /// # Errors
    /// [`Error::Malformed`] with both lists if the trees were trained on other columns; with the row if a tree there is
    /// invalid: a loop, a node of another tree, an unknown feature, a leaf that is NaN, or more than [`MAX_LEAVES`]
    /// leaves.
    pub(crate) fn open(section: &Section, features: &[&str]) -> Result<Self> {
        section.expect_names(FEATURES, features)?;
        let count = |name: &str| section.primitive::<UInt32Type>(name);
        let (tree, feature, left, right) =
            (count("tree")?, count("feature")?, count("left")?, count("right")?);
        let (threshold, value) =
            (section.primitive::<Float32Type>("threshold")?, section.primitive::<Float32Type>("value")?);
        let mut trees = Self::default();
        let mut root = 0;
        for rows in tree.chunk_by(|a, b| a == b) {
            // A child before the root wraps around to a number that no tree has.
            let node = |row: usize| Node {
                feature: feature[row],
                threshold: threshold[row],
                left: left[row].wrapping_sub(root as u32),
                right: right[row].wrapping_sub(root as u32),
                value: value[row],
            };
            let nodes: Vec<Node> = (root..root + rows.len()).map(node).collect();
            let known = nodes.iter().all(|n| (n.feature as usize) < features.len() && n.value.is_finite());
            if !(known && trees.add(&nodes)) {
                return Err(Error::malformed(
                    section.name(),
                    format!("trees of at most {MAX_LEAVES} leaves, from their root down"),
                    format!("the one from row {root}"),
                ));
            }
            root += rows.len();
        }
        Ok(trees)
    }
}

/// A tree during its conversion from nodes to splits and leaves.
struct Growing<'t> {
    tree: &'t [Node],
    /// A bit for each node that was met; at most [`MAX_NODES`] fit.
    visited: u64,
    splits: Vec<Split>,
    leaves: Vec<f32>,
}

impl Growing<'_> {
    /// Appends the subtree of node `at`; `None` if a node is met twice or is missing, so that it ends on any input.
    fn descend(&mut self, at: u32) -> Option<()> {
        let node = *self.tree.get(at as usize)?;
        let seen = self.visited;
        self.visited |= 1 << at;
        if seen == self.visited {
            return None;
        }
        if node.left == at && node.right == at {
            self.leaves.push(node.value);
            return Some(());
        }
        let (split, first) = (self.splits.len(), self.leaves.len());
        self.splits.push(Split { feature: node.feature, threshold: node.threshold, keep: 0 });
        self.descend(node.left)?;
        self.splits[split].keep = !(first..self.leaves.len()).fold(0, |left, leaf| left | 1 << leaf);
        self.descend(node.right)
    }
}

/// Appends the nodes of the tree with the next of `splits` at its root, over `leaves`.
fn append_nodes(splits: &mut std::slice::Iter<'_, Split>, leaves: &[f32], nodes: &mut Vec<Node>) {
    let at = nodes.len();
    nodes.push(Node::leaf(at as u32, leaves[0]));
    if leaves.len() == 1 {
        return;
    }
    let Some(split) = splits.next() else { return };
    let (left, right) = leaves.split_at(split.keep.count_zeros() as usize);
    append_nodes(splits, left, nodes);
    let middle = nodes.len() as u32;
    append_nodes(splits, right, nodes);
    let Split { feature, threshold, .. } = *split;
    nodes[at] = Node { feature, threshold, left: at as u32 + 1, right: middle, value: 0.0 };
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn stump(threshold: f32, low: f32, high: f32) -> Vec<Node> {
        let split = Node { feature: 1, threshold, left: 1, right: 2, value: 0.0 };
        vec![split, Node::leaf(1, low), Node::leaf(2, high)]
    }

    /// A tree that puts leaf after leaf on the right.
    fn chain(leaves: u32) -> Vec<Node> {
        let level = |n: u32| {
            let split =
                Node { feature: 0, threshold: n as f32, left: 2 * n + 1, right: 2 * n + 2, value: 0.0 };
            [split, Node::leaf(2 * n + 1, n as f32)]
        };
        let last = 2 * (leaves - 1);
        (0..leaves - 1).flat_map(level).chain([Node::leaf(last, leaves as f32)]).collect()
    }

    const NAMES: [&str; 2] = ["a", "b"];

    fn reopened(trees: &Trees) -> Result<Trees> {
        Trees::open(&Section::in_memory("ranker", trees.batch("ranker", &NAMES).unwrap()), &NAMES)
    }

    /// A section of these nodes, which may not be a valid tree.
    fn section_of(nodes: &[Node]) -> Section {
        let count =
            |of: fn(&Node) -> u32| Arc::new(UInt32Array::from_iter_values(nodes.iter().map(of))) as ArrayRef;
        let real =
            |of: fn(&Node) -> f32| Arc::new(Float32Array::from_iter_values(nodes.iter().map(of))) as ArrayRef;
        let columns = vec![
            ("tree", count(|_| 7)),
            ("feature", count(|n| n.feature)),
            ("threshold", real(|n| n.threshold)),
            ("left", count(|n| n.left)),
            ("right", count(|n| n.right)),
            ("value", real(|n| n.value)),
        ];
        Section::in_memory("ranker", section::batch_with("ranker", columns, &[(FEATURES, &NAMES)]).unwrap())
    }

    #[test]
    fn scores_sum_over_trees_and_survive_a_section() {
        let mut trees = Trees::default();
        trees.push(&stump(0.5, 1.0, 2.0));
        trees.push(&[Node::leaf(0, 0.25)]);
        trees.push(&stump(1.5, 10.0, 20.0));
        let back = reopened(&trees).unwrap();
        assert_eq!(back, trees);
        for (x, want) in [(0.0, 11.25), (1.0, 12.25), (2.0, 22.25), (f32::NAN, 22.25)] {
            assert_eq!(back.score(&[9.0, x]), want);
        }
        trees.truncate(1);
        assert_eq!((trees.len(), trees.score(&[9.0, 2.0])), (1, 2.0));
    }

    #[test]
    fn all_leaves_of_the_largest_tree_are_reached() {
        let mut trees = Trees::default();
        trees.push(&chain(MAX_LEAVES as u32));
        let back = reopened(&trees).unwrap();
        for n in 0..31 {
            assert_eq!(back.score(&[n as f32]), n as f32);
        }
        assert_eq!(back.score(&[31.0]), 32.0);
    }

    #[test]
    fn trees_over_other_columns_are_refused_with_both_lists() {
        let mut trees = Trees::default();
        trees.push(&stump(0.5, 1.0, 2.0));
        let section = Section::in_memory("ranker", trees.batch("ranker", &["a", "c"]).unwrap());
        let error = Trees::open(&section, &NAMES).unwrap_err().to_string();
        assert!(error.contains("a, b") && error.contains("a, c"), "{error}");
        let unnamed = section::batch("ranker", Vec::new());
        assert!(
            unnamed.is_err() || Trees::open(&Section::in_memory("ranker", unnamed.unwrap()), &NAMES).is_err()
        );
    }

    #[test]
    fn nodes_that_form_no_tree_are_refused() {
        let bad = |change: fn(&mut Vec<Node>)| {
            let mut nodes = stump(0.5, 1.0, 2.0);
            change(&mut nodes);
            Trees::open(&section_of(&nodes), &NAMES).is_err()
        };
        assert!(!bad(|_| ()));
        assert!(bad(|nodes| nodes[0].feature = 2), "an unknown feature");
        assert!(bad(|nodes| nodes[1] = Node { left: 0, ..nodes[1] }), "a loop");
        assert!(bad(|nodes| nodes[0].right = 9), "a child that is not there");
        assert!(bad(|nodes| nodes[0].right = 1), "a node with two parents");
        assert!(bad(|nodes| nodes[2].value = f32::NAN), "a leaf that is no number");
        assert!(bad(|nodes| *nodes = chain(33)), "too many leaves");
        // Both children of each node are the next one: 2^61 ways down.
        let nested = |n: u32| Node { feature: 0, threshold: 0.0, left: n + 1, right: n + 1, value: 0.0 };
        let nodes: Vec<Node> = (0..61).map(nested).chain([Node::leaf(61, 1.0)]).collect();
        assert!(Trees::open(&section_of(&nodes), &NAMES).is_err());
    }
}
