//! The arrangement of a slate: which candidate fills which slot, so that rules hold and the order of ranking is kept as
//! far as they allow.
//!
//! A slate may go on from earlier pages: the first candidates are then in the slots before those that are filled, and
//! spacing counts them.
//!
//! Candidates are numbered in the order of ranking, rules in the order of their priority. A rule is kept if and only if
//! it can be met together with all kept rules of higher priority; the slate has full length whatever the rules say. Of all
//! slates that meet the kept rules the result is the first in the order of ranking: in the first slot the best candidate
//! from which the rest can be filled, then the best for the second one, and so on.
//!
//! Cost: the first candidate that fits is right in nearly every slot, so a slate costs about `slots x rules`
//! comparisons. Where that leads to a dead end, a search with remembered dead ends decides; it is bounded by
//! [`MAX_STEPS`] (a rule that would need more counts as unmet and says so).

mod rule;
mod search;

use std::ops::Range;

pub use rule::{Rule, Values};
use search::Search;

/// Most candidates that are tried for slots, for one set of rules.
pub const MAX_STEPS: usize = 30_000;
/// Most candidates that are tried for a slate, for all sets of rules.
const MAX_TOTAL_STEPS: usize = 6 * MAX_STEPS;

/// A filled slate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrangement {
    /// The candidates, one a slot; those of earlier pages are first.
    pub order: Vec<usize>,
    /// The outcome of each rule.
    pub outcomes: Vec<Outcome>,
}

/// The outcome of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The slate satisfies it.
    Met,
    /// No slate of these candidates satisfies it.
    Impossible,
    /// No slate satisfies it and all kept rules of higher priority.
    Displaced,
    /// None was found within the bound of the search.
    Unknown,
}

/// Fills `slots` (the last at most `n`) with `n` candidates, of which the first are in the slots before.
pub fn arrange(n: usize, slots: Range<usize>, rules: &[Rule]) -> Arrangement {
    let slots = slots.start..slots.end.clamp(slots.start, n);
    let mut solver = Solver { n, slots, rules, steps: 0 };
    let all: Vec<usize> = (0..rules.len()).collect();
    let (order, kept, unknown) = match solver.solve(&all) {
        Solved::Found(order) => (order, all, Vec::new()),
        _ => solver.by_priority(),
    };
    let outcome = |n: usize| {
        if rules[n].holds(&order) {
            Outcome::Met
        } else if unknown.contains(&n) {
            Outcome::Unknown
        } else if matches!(solver_alone(&mut solver, n), Solved::None) {
            Outcome::Impossible
        } else {
            Outcome::Displaced
        }
    };
    debug_assert!(kept.iter().all(|&n| rules[n].holds(&order)));
    let outcomes = (0..rules.len()).map(outcome).collect();
    Arrangement { order, outcomes }
}

fn solver_alone(solver: &mut Solver<'_>, rule: usize) -> Solved {
    solver.solve(&[rule])
}

/// The answer to a set of rules.
enum Solved {
    Found(Vec<usize>),
    None,
    /// The bound of the search was reached.
    Unknown,
}

struct Solver<'r> {
    n: usize,
    slots: Range<usize>,
    rules: &'r [Rule],
    steps: usize,
}

impl Solver<'_> {
    /// The first slate that meets `kept`.
    fn solve(&mut self, kept: &[usize]) -> Solved {
        let active: Vec<&Rule> = kept.iter().map(|&n| &self.rules[n]).collect();
        if active.iter().any(|rule| rule.is_impossible(self.n, &self.slots)) {
            return Solved::None;
        }
        let Some(mut search) = Search::new(self.n, &self.slots, active) else { return Solved::None };
        if search.greedy() {
            return Solved::Found(search.into_slate());
        }
        let budget = MAX_STEPS.min(MAX_TOTAL_STEPS.saturating_sub(self.steps));
        let found = search.exhaustive(budget);
        self.steps += search.steps();
        match found {
            Some(true) => Solved::Found(search.into_slate()),
            Some(false) => Solved::None,
            None => Solved::Unknown,
        }
    }

    /// Keeps rules by priority while all kept ones can be met together: the slate, the kept rules, and the rules for which
    /// that is unknown. What can be met together with more rules can be met with fewer, so the next rule to leave out is
    /// found by halving.
    fn by_priority(&mut self) -> (Vec<usize>, Vec<usize>, Vec<usize>) {
        let (mut kept, mut unknown): (Vec<usize>, Vec<usize>) = (Vec::new(), Vec::new());
        let mut slate: Vec<usize> = (0..self.slots.end).collect();
        let mut rest: Vec<usize> =
            (0..self.rules.len()).filter(|&n| !self.rules[n].is_impossible(self.n, &self.slots)).collect();
        while !rest.is_empty() {
            // The first `low` rules of the rest can be kept, the first `high` cannot.
            let (mut low, mut high, mut is_unknown) = (0, rest.len() + 1, false);
            while low + 1 < high {
                let middle = if high > rest.len() { rest.len() } else { low.midpoint(high) };
                let tried: Vec<usize> = kept.iter().chain(&rest[..middle]).copied().collect();
                match self.solve(&tried) {
                    Solved::Found(found) => (low, slate) = (middle, found),
                    failed => (high, is_unknown) = (middle, matches!(failed, Solved::Unknown)),
                }
            }
            kept.extend(&rest[..low]);
            if is_unknown {
                unknown.extend(rest.get(low));
            }
            rest.drain(..(low + 1).min(rest.len()));
        }
        (slate, kept, unknown)
    }
}

#[cfg(test)]
mod tests;
