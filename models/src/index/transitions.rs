//! Transitions: constants shared by the learner of item -> next item and the source that reads it.
//!
//! Section `transitions` ([`item_lists`](super::item_lists)): the weight of `b` after `a` sums [`DECAY`] to the power
//! of the baskets between them, over pairs at most [`STEPS`] baskets apart (`docs/maths.md`).

/// Baskets ahead of an item in which its successors are counted, and last baskets of a user that have successors.
pub const STEPS: usize = 5;
/// Weight of a successor relative to one that is a basket nearer.
pub const DECAY: f32 = 0.7;
