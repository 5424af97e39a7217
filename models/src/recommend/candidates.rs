//! Candidates under collection: dense slots while sources add to them, a plain list afterwards.

use crate::ids::ItemIx;
use crate::recommend::query::{Evidence, Source};

/// An item (or a user) that some source proposed.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Candidate {
    /// Raw source scores, 0 where a source has nothing to say.
    pub evidence: Evidence,
    /// The seed that argued most for it, and how much.
    pub because: Option<(ItemIx, f32)>,
}

impl Candidate {
    /// Adds to a source's score.
    #[inline]
    pub fn add(&mut self, source: Source, score: f32) {
        self.evidence[source as usize] += score;
    }

    /// Remembers `seed` when no other argued more.
    #[inline]
    pub fn argue(&mut self, seed: ItemIx, argument: f32) {
        if self.because.is_none_or(|(_, strongest)| argument > strongest) {
            self.because = Some((seed, argument));
        }
    }
}

/// A map from dense index to [`Candidate`] in order of first proposal: one array look-up an access.
#[derive(Debug)]
pub struct Candidates {
    /// Place in `entries` plus one; 0 where there is none. A fresh zeroed array costs next to nothing:
    /// the operating system hands out zero pages, and only touched ones become real.
    slots: Vec<u32>,
    entries: Vec<(u32, Candidate)>,
}

impl Candidates {
    /// For indices below `bound`.
    pub fn new(bound: usize) -> Self {
        Self { slots: vec![0; bound], entries: Vec::with_capacity(1_024) }
    }

    /// The candidate `ix`, proposed now if it was not before.
    #[inline]
    pub fn of(&mut self, ix: u32) -> &mut Candidate {
        let slot = &mut self.slots[ix as usize];
        if *slot == 0 {
            self.entries.push((ix, Candidate::default()));
            *slot = self.entries.len() as u32;
        }
        &mut self.entries[*slot as usize - 1].1
    }

    /// All of them, in order of first proposal.
    pub fn into_entries(self) -> Vec<(u32, Candidate)> {
        self.entries
    }

    /// All of them, to be completed in place.
    pub fn entries_mut(&mut self) -> &mut [(u32, Candidate)] {
        &mut self.entries
    }
}
