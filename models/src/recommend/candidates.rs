//! Candidates while sources collect them: a dense slot per index, and the list of entries in order of first proposal.

use crate::ids::ItemIx;
use crate::source::{Evidence, Source};

/// An item (in an audience: a user) that some source proposed.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Candidate {
    /// Raw source scores; 0 where a source did not score it.
    pub evidence: Evidence,
    /// The seed item that contributed most, and its contribution.
    pub seed: Option<(ItemIx, f32)>,
}

impl Candidate {
    /// Adds to a source's score.
    #[inline]
    pub fn add(&mut self, source: Source, score: f32) {
        self.evidence[source as usize] += score;
    }

    /// Adds what `seed` contributes to a source's score, and remembers the seed that contributed most.
    #[inline]
    pub fn contribute(&mut self, source: Source, seed: ItemIx, score: f32) {
        self.add(source, score);
        if self.seed.is_none_or(|(_, largest)| score > largest) {
            self.seed = Some((seed, score));
        }
    }
}

/// A map from dense index to [`Candidate`] in order of first proposal. Cost: one array access per look-up.
#[derive(Debug)]
pub struct Candidates {
    /// Position in `entries` plus one; 0 where there is none. A fresh zeroed array costs next to nothing: the
    /// operating system hands out zero pages, and only touched ones become real.
    slots: Vec<u32>,
    entries: Vec<(u32, Candidate)>,
}

impl Candidates {
    /// For indices below `bound`.
    pub fn new(bound: usize) -> Self {
        Self { slots: vec![0; bound], entries: Vec::with_capacity(1_024) }
    }

    /// The candidate `ix`; proposes it where no source did before.
    #[inline]
    pub fn propose(&mut self, ix: u32) -> &mut Candidate {
        let slot = &mut self.slots[ix as usize];
        if *slot == 0 {
            self.entries.push((ix, Candidate::default()));
            *slot = self.entries.len() as u32;
        }
        &mut self.entries[*slot as usize - 1].1
    }

    /// All candidates, in order of first proposal.
    pub fn into_entries(self) -> Vec<(u32, Candidate)> {
        self.entries
    }

    /// All candidates, for sources that score what others proposed.
    pub fn entries_mut(&mut self) -> &mut [(u32, Candidate)] {
        &mut self.entries
    }
}
