//! The rules of an arrangement, in numbers of candidates and slots, and their truth for a slate.

use std::ops::Range;

use rustc_hash::FxHashMap;

/// A rule about the order of candidates. Slots count from 0.
#[derive(Debug, Clone)]
pub enum Rule {
    /// `candidate` is in `slot`.
    Pin {
        /// The slot.
        slot: usize,
        /// The candidate.
        candidate: usize,
    },
    /// Of the first slots, `least` to `most` hold members.
    Mix {
        /// True if each candidate is a member. Candidates that are in their slots already are none.
        members: Vec<bool>,
        /// Fewest members.
        least: usize,
        /// Most members.
        most: usize,
        /// Number of first slots; more than the slate has means all.
        first: usize,
    },
    /// No candidate from slot `from` on is more than the `most`th of a value in the `window` slots that end with it.
    Spacing {
        /// Values of each candidate.
        values: Values,
        /// Most candidates with the same value.
        most: usize,
        /// Slots of a window, at least 1.
        window: usize,
        /// The first slot that is checked; those before it are counted alone.
        from: usize,
    },
}

/// The values of each candidate, each once, numbered from 0.
#[derive(Debug, Clone, Default)]
pub struct Values {
    ends: Vec<usize>,
    values: Vec<u32>,
    count: usize,
}

impl Values {
    /// From the keys of each candidate's values; equal keys are one value.
    pub fn new(keys: impl IntoIterator<Item = Vec<u64>>) -> Self {
        let mut numbers: FxHashMap<u64, u32> = FxHashMap::default();
        let mut values = Self::default();
        for mut keys in keys {
            keys.sort_unstable();
            keys.dedup();
            for key in keys {
                let next = numbers.len() as u32;
                values.values.push(*numbers.entry(key).or_insert(next));
            }
            values.ends.push(values.values.len());
        }
        values.count = numbers.len();
        values
    }

    /// The values of a candidate.
    pub fn of(&self, candidate: usize) -> &[u32] {
        let start = if candidate == 0 { 0 } else { self.ends[candidate - 1] };
        &self.values[start..self.ends[candidate]]
    }

    /// Number of different values.
    pub fn count(&self) -> usize {
        self.count
    }
}

impl Rule {
    /// True if a slate satisfies the rule.
    pub fn holds(&self, slate: &[usize]) -> bool {
        match self {
            Self::Pin { slot, candidate } => slate.get(*slot) == Some(candidate),
            Self::Mix { least, most, .. } => (*least..=*most).contains(&self.measure(slate)),
            Self::Spacing { most, .. } => self.measure(slate) <= *most,
        }
    }

    /// What the rule limits, in a slate: members among the first slots; the largest number of candidates with one value in
    /// any window; the slot of the pinned candidate from 1 on, or 0.
    pub fn measure(&self, slate: &[usize]) -> usize {
        match self {
            Self::Pin { candidate, .. } => {
                slate.iter().position(|other| other == candidate).map_or(0, |slot| slot + 1)
            }
            Self::Mix { members, first, .. } => slate.iter().take(*first).filter(|&&c| members[c]).count(),
            Self::Spacing { values, window, from, .. } => {
                let (mut counts, mut largest) = (vec![0; values.count()], 0);
                for (slot, &candidate) in slate.iter().enumerate() {
                    if let Some(left) = slot.checked_sub(*window) {
                        values.of(slate[left]).iter().for_each(|&value| counts[value as usize] -= 1);
                    }
                    for &value in values.of(candidate) {
                        counts[value as usize] += 1;
                        if slot >= *from {
                            largest = largest.max(counts[value as usize]);
                        }
                    }
                }
                largest
            }
        }
    }

    /// True if counting alone shows that no slate whose `slots` are filled with `n` candidates satisfies the rule. The
    /// slots before them hold the first candidates.
    pub fn is_impossible(&self, n: usize, slots: &Range<usize>) -> bool {
        match self {
            Self::Pin { slot, candidate } => !slots.contains(slot) || !(slots.start..n).contains(candidate),
            Self::Mix { members, least, most, first } => {
                let open = slots.end.min(*first).saturating_sub(slots.start);
                let n_members = members[slots.start..].iter().filter(|member| **member).count();
                let others = n - slots.start - n_members;
                *least > open.min(n_members) || open.saturating_sub(others) > *most || least > most
            }
            Self::Spacing { values, most, window, .. } => {
                let len = slots.len();
                // Slots that candidates of one value can fill.
                let cap = most * (len / window) + (*most).min(len % window);
                let mut left = vec![cap; values.count()];
                let fillable = (slots.start..n).filter(|&candidate| match values.of(candidate) {
                    // Those with several values only make it harder.
                    [value] => {
                        left[*value as usize].checked_sub(1).inspect(|n| left[*value as usize] = *n).is_some()
                    }
                    _ => *most > 0 || values.of(candidate).is_empty(),
                });
                fillable.count() < len
            }
        }
    }
}
