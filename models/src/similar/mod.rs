//! Items similar to given items, from the neighbors of each stored in training ([`neighbors`]).
//!
//! With several items, their lists add up. The answer to the same query with a smaller count is a prefix.

pub mod neighbors;

use rustc_hash::FxHashMap;

use crate::ids::ItemIx;
use crate::index::similar_items;
use crate::kernels::topk::TopK;
use crate::source::{Evidence, Source};
use crate::view::View;

/// An item that resembles those asked about.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Similar {
    /// The item.
    pub item: ItemIx,
    /// Comparable within one answer; higher is better.
    pub score: f32,
    /// The source that contributed most.
    pub source: Source,
    /// The given item that contributed most by co-purchase, attributes or an external
    /// source; `None` if no item did.
    pub because: Option<ItemIx>,
}

/// At most `count` items similar to `items`, best first; none of `items`, none off sale.
pub fn similar(view: View<'_>, items: &[ItemIx], count: usize) -> Vec<Similar> {
    similar_where(view, items, count, |_| true)
}

/// The same, restricted to items for which `may_return` is true.
pub fn similar_where(
    view: View<'_>,
    items: &[ItemIx],
    count: usize,
    may_return: impl Fn(ItemIx) -> bool,
) -> Vec<Similar> {
    match items {
        [item] => {
            let lists = &view.snapshot.similar;
            let shown = lists.of(*item).filter(|(other, _)| view.on_sale(*other) && may_return(*other));
            shown.take(count).map(|(other, evidence)| Found::of(*item, &evidence).similar(other)).collect()
        }
        _ => to_several(view, items, count, may_return),
    }
}

fn to_several(
    view: View<'_>,
    items: &[ItemIx],
    count: usize,
    may_return: impl Fn(ItemIx) -> bool,
) -> Vec<Similar> {
    let mut found: FxHashMap<ItemIx, Found> = FxHashMap::default();
    for &item in items {
        for (other, evidence) in view.snapshot.similar.of(item) {
            let one = Found::of(item, &evidence);
            found.entry(other).and_modify(|found| found.add(&one)).or_insert(one);
        }
    }
    let mut top = TopK::new(count);
    for (&other, found) in &found {
        if !items.contains(&other) && view.on_sale(other) && may_return(other) {
            top.push(other, similar_items::score(&found.evidence));
        }
    }
    top.into_sorted().iter().map(|scored| found[&scored.ix].similar(scored.ix)).collect()
}

/// The evidence for an item, and the given item that contributed most.
#[derive(Debug, Clone, Copy)]
struct Found {
    evidence: Evidence,
    because: Option<(ItemIx, f32)>,
}

impl Found {
    /// Nearness by vectors is no reason; co-purchase, attributes and external scores are.
    fn of(asked: ItemIx, evidence: &Evidence) -> Self {
        let of_item = [Source::CoPurchase, Source::Content, Source::External1, Source::External2];
        let largest = of_item.iter().map(|source| evidence[*source as usize]).fold(0.0, f32::max);
        Self { evidence: *evidence, because: (largest > 0.0).then_some((asked, largest)) }
    }

    fn add(&mut self, other: &Self) {
        self.evidence.iter_mut().zip(other.evidence).for_each(|(sum, more)| *sum += more);
        let largest = |found: &Self| found.because.map_or(0.0, |(_, largest)| largest);
        if largest(other) > largest(self) {
            self.because = other.because;
        }
    }

    fn similar(&self, item: ItemIx) -> Similar {
        let share = |&(source, weight): &(Source, f32)| self.evidence[source as usize] * weight;
        let strongest = similar_items::SOURCES.iter().rev().max_by(|a, b| share(a).total_cmp(&share(b)));
        Similar {
            item,
            score: similar_items::score(&self.evidence),
            source: strongest.map_or(Source::CoPurchase, |(source, _)| *source),
            because: self.because.map(|(item, _)| item),
        }
    }
}
