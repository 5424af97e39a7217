//! The search for the first slate, in the order of ranking, that meets a set of rules.
//!
//! Candidates that no rule tells apart are of one class, of which only the best free one is tried. A dead end is known by
//! what rules can still tell of it: how many of each class are used, and the classes in the slots that windows reach.

use std::ops::Range;

use rustc_hash::{FxHashMap, FxHashSet};
use xxhash_rust::xxh3::Xxh3;

use super::rule::Rule;

/// A slate being filled, from the first slot on.
pub struct Search<'r> {
    n: usize,
    len: usize,
    /// Slots that were filled before, by the first candidates.
    fixed: usize,
    rules: Vec<&'r Rule>,
    /// The pinned candidate of each slot.
    pins: Vec<Option<usize>>,
    /// By candidate: it has its slot, by a pin or from before.
    is_pinned: Vec<bool>,
    is_taken: Vec<bool>,
    /// By rule: members in the slate (mix), and members that are free.
    counts: Vec<(usize, usize)>,
    /// By rule: candidates of each value in the last slots (spacing).
    windows: Vec<Vec<usize>>,
    slate: Vec<usize>,
    steps: usize,
}

/// The classes of candidates.
struct Classes {
    of: Vec<u32>,
    /// The candidates of each class that are not pinned, best first.
    members: Vec<Vec<usize>>,
    /// The number of them in the slate.
    used: Vec<usize>,
    /// Slots before the next one that any window reaches.
    reach: usize,
    dead_ends: FxHashSet<u128>,
}

impl<'r> Search<'r> {
    /// A slate whose `slots` are empty; `None` where two rules pin one slot, or one candidate to two slots.
    pub fn new(n: usize, slots: &Range<usize>, rules: Vec<&'r Rule>) -> Option<Self> {
        let (fixed, len) = (slots.start, slots.end);
        let (mut pins, mut is_pinned) = (vec![None; len], vec![false; n]);
        is_pinned[..fixed].fill(true);
        for rule in &rules {
            if let Rule::Pin { slot, candidate } = rule {
                let is_free = pins[*slot].is_none() && !is_pinned[*candidate];
                if !is_free && pins[*slot] != Some(*candidate) {
                    return None;
                }
                (pins[*slot], is_pinned[*candidate]) = (Some(*candidate), true);
            }
        }
        let count = |rule: &&Rule| match rule {
            Rule::Mix { members, .. } => (0, members.iter().filter(|member| **member).count()),
            _ => (0, 0),
        };
        let window = |rule: &&Rule| match rule {
            Rule::Spacing { values, .. } => vec![0; values.count()],
            _ => Vec::new(),
        };
        let mut search = Self {
            n,
            len,
            fixed,
            pins,
            is_pinned,
            is_taken: vec![false; n],
            counts: rules.iter().map(count).collect(),
            windows: rules.iter().map(window).collect(),
            slate: Vec::with_capacity(len),
            rules,
            steps: 0,
        };
        (0..fixed).for_each(|candidate| search.place(candidate));
        Some(search)
    }

    /// Candidates that were tried by [`exhaustive`](Self::exhaustive).
    pub fn steps(&self) -> usize {
        self.steps
    }

    /// The slate.
    pub fn into_slate(self) -> Vec<usize> {
        self.slate
    }

    /// Fills every slot with the best candidate that fits; false at a dead end, from which nothing is taken back.
    pub fn greedy(&mut self) -> bool {
        let mut first_free = 0;
        while self.slate.len() < self.len {
            let next = match self.pins[self.slate.len()] {
                Some(pinned) => Some(pinned).filter(|&pinned| self.fits(pinned)),
                None => {
                    while self.is_taken.get(first_free) == Some(&true) {
                        first_free += 1;
                    }
                    (first_free..self.n).find(|&c| !self.is_taken[c] && !self.is_pinned[c] && self.fits(c))
                }
            };
            match next {
                Some(candidate) => self.place(candidate),
                None => return false,
            }
        }
        true
    }

    /// Searches all slates; `None` where `budget` candidates were tried without an answer.
    pub fn exhaustive(&mut self, budget: usize) -> Option<bool> {
        while self.slate.len() > self.fixed {
            self.take_back();
        }
        let mut classes = self.classes();
        self.fill(&mut classes, budget)
    }

    fn fill(&mut self, classes: &mut Classes, budget: usize) -> Option<bool> {
        let slot = self.slate.len();
        if slot == self.len {
            return Some(true);
        }
        let state = self.state(classes);
        if classes.dead_ends.contains(&state) {
            return Some(false);
        }
        for candidate in self.choices(classes, slot) {
            self.steps += 1;
            if self.steps > budget {
                return None;
            }
            if !self.fits(candidate) {
                continue;
            }
            let used = usize::from(!self.is_pinned[candidate]);
            let class = classes.of[candidate] as usize;
            self.place(candidate);
            classes.used[class] += used;
            match self.fill(classes, budget) {
                Some(false) => {}
                decided => return decided,
            }
            classes.used[class] -= used;
            self.take_back();
        }
        classes.dead_ends.insert(state);
        Some(false)
    }

    /// The best free candidate of each class, best first; in a pinned slot the pinned one.
    fn choices(&self, classes: &Classes, slot: usize) -> Vec<usize> {
        if let Some(pinned) = self.pins[slot] {
            return vec![pinned];
        }
        let heads = classes
            .members
            .iter()
            .zip(&classes.used)
            .filter_map(|(members, &used)| members.get(used).copied());
        let mut choices: Vec<usize> = heads.collect();
        choices.sort_unstable();
        choices
    }

    /// All that decides whether the slate can be completed.
    fn state(&self, classes: &Classes) -> u128 {
        let mut hash = Xxh3::new();
        hash.update(&(self.slate.len() as u64).to_le_bytes());
        classes.used.iter().for_each(|&used| hash.update(&(used as u16).to_le_bytes()));
        let from = self.slate.len().saturating_sub(classes.reach);
        self.slate[from..].iter().for_each(|&candidate| hash.update(&classes.of[candidate].to_le_bytes()));
        hash.digest128()
    }

    fn classes(&self) -> Classes {
        let mut numbers: FxHashMap<Vec<u32>, u32> = FxHashMap::default();
        let (mut of, mut members): (Vec<u32>, Vec<Vec<usize>>) = (Vec::new(), Vec::new());
        for candidate in 0..self.n {
            let mut signature = Vec::new();
            for rule in &self.rules {
                match rule {
                    Rule::Pin { .. } => {}
                    Rule::Mix { members, .. } => signature.push(u32::from(members[candidate])),
                    Rule::Spacing { values, .. } => {
                        let values = values.of(candidate);
                        signature.push(values.len() as u32);
                        signature.extend_from_slice(values);
                    }
                }
            }
            let class = *numbers.entry(signature).or_insert(members.len() as u32);
            if class as usize == members.len() {
                members.push(Vec::new());
            }
            of.push(class);
            if !self.is_pinned[candidate] {
                members[class as usize].push(candidate);
            }
        }
        let reach = self.rules.iter().map(|rule| match rule {
            Rule::Spacing { window, .. } => window - 1,
            _ => 0,
        });
        let (used, reach) = (vec![0; members.len()], reach.max().unwrap_or(0));
        Classes { of, members, used, reach, dead_ends: FxHashSet::default() }
    }

    /// True if no rule forbids `candidate` in the next slot, and none is impossible afterwards by counting.
    fn fits(&self, candidate: usize) -> bool {
        let slot = self.slate.len();
        self.rules.iter().enumerate().all(|(n, rule)| match rule {
            Rule::Pin { .. } => true,
            Rule::Mix { members, least, most, first } => {
                let slots = self.len.min(*first);
                if slot >= slots {
                    return true;
                }
                let is_member = usize::from(members[candidate]);
                let (used, free) = self.counts[n];
                let (used, free) = (used + is_member, free - is_member);
                // Free slots among the first ones, and candidates for them that are no members.
                let open = slots - 1 - slot;
                let others = self.n - self.slate.len() - 1 - free;
                let missing = least.saturating_sub(used);
                used <= *most && missing <= open.min(free) && open.saturating_sub(most - used) <= others
            }
            Rule::Spacing { values, most, .. } => {
                values.of(candidate).iter().all(|&value| self.windows[n][value as usize] < *most)
            }
        })
    }

    fn place(&mut self, candidate: usize) {
        let slot = self.slate.len();
        self.slate.push(candidate);
        self.is_taken[candidate] = true;
        for (n, rule) in self.rules.iter().enumerate() {
            match rule {
                Rule::Pin { .. } => {}
                Rule::Mix { members, first, .. } => {
                    if members[candidate] {
                        self.counts[n].0 += usize::from(slot < *first);
                        self.counts[n].1 -= 1;
                    }
                }
                Rule::Spacing { values, window, .. } => {
                    values.of(candidate).iter().for_each(|&value| self.windows[n][value as usize] += 1);
                    // The next slot's window begins after this one.
                    if let Some(left) = (slot + 1).checked_sub(*window) {
                        let left = values.of(self.slate[left]);
                        left.iter().for_each(|&value| self.windows[n][value as usize] -= 1);
                    }
                }
            }
        }
    }

    fn take_back(&mut self) {
        let Some(&candidate) = self.slate.last() else { return };
        let slot = self.slate.len() - 1;
        for (n, rule) in self.rules.iter().enumerate() {
            match rule {
                Rule::Pin { .. } => {}
                Rule::Mix { members, first, .. } => {
                    if members[candidate] {
                        self.counts[n].0 -= usize::from(slot < *first);
                        self.counts[n].1 += 1;
                    }
                }
                Rule::Spacing { values, window, .. } => {
                    if let Some(left) = (slot + 1).checked_sub(*window) {
                        let left = values.of(self.slate[left]);
                        left.iter().for_each(|&value| self.windows[n][value as usize] += 1);
                    }
                    values.of(candidate).iter().for_each(|&value| self.windows[n][value as usize] -= 1);
                }
            }
        }
        self.slate.pop();
        self.is_taken[candidate] = false;
    }
}
