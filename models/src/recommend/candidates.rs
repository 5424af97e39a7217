//! Candidates while sources collect them: a dense slot per index, and the list of entries in order of first proposal.

use std::cell::Cell;

use crate::ids::ItemIx;
use crate::source::{Evidence, Source};

/// An item (in an audience: a user) that some source proposed.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Candidate {
    /// Raw source scores; 0 if a source did not score it.
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
///
/// Each thread reuses one across answers, because fresh memory of this size costs more than the work done in it.
/// Invariant: between answers all slots are 0.
#[derive(Debug, Default)]
pub struct Candidates {
    /// Position in `entries` plus one; 0 if there is none.
    slots: Vec<u32>,
    entries: Vec<(u32, Candidate)>,
}

/// Most entries whose memory a thread keeps, about 5 MB.
const MAX_KEPT: usize = 1 << 16;

thread_local! {
    /// Taken out while in use: if an answer panics, its leftovers are dropped with it.
    static OF_THREAD: Cell<Option<Candidates>> = const { Cell::new(None) };
}

impl Candidates {
    /// Lets `propose` collect candidates below `bound`, and runs `work` on them, in order of first proposal.
    pub fn with<R>(
        bound: usize,
        propose: impl FnOnce(&mut Self),
        work: impl FnOnce(&mut Vec<(u32, Candidate)>) -> R,
    ) -> R {
        let mut candidates = OF_THREAD.take().unwrap_or_default();
        if candidates.slots.len() < bound {
            candidates.slots.resize(bound, 0);
        }
        propose(&mut candidates);
        let Self { slots, entries } = &mut candidates;
        entries.iter().for_each(|(ix, _)| slots[*ix as usize] = 0);
        let result = work(entries);
        entries.clear();
        entries.shrink_to(MAX_KEPT);
        OF_THREAD.set(Some(candidates));
        result
    }

    /// The candidate `ix`; proposes it if no source did before.
    #[inline]
    pub fn propose(&mut self, ix: u32) -> &mut Candidate {
        let slot = &mut self.slots[ix as usize];
        if *slot == 0 {
            self.entries.push((ix, Candidate::default()));
            *slot = self.entries.len() as u32;
        }
        &mut self.entries[*slot as usize - 1].1
    }

    /// All candidates, for sources that score what others proposed.
    pub fn entries_mut(&mut self) -> &mut [(u32, Candidate)] {
        &mut self.entries
    }
}
