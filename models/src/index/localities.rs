//! Popularity by store, city and channel, for people of whom nothing else is known.
//!
//! Section `localities`: one row per locality; `kind` (`store`, `city` or `channel`), `value` (the store's id, the
//! city's or the channel's name), `rest` and a list `items` of `{item, weight}`, heaviest first. A weight is
//! the item's decayed baskets in the locality, shrunk towards the shop's and on the scale of `popularity.score`;
//! an item that is not listed weighs `rest` times its `popularity.score`.

use std::sync::Arc;

use arrow_array::types::Float32Type;
use arrow_array::{ArrayRef, Float32Array, RecordBatch, StringArray};
use arrow_buffer::ScalarBuffer;
use rustc_hash::FxHashMap;

use crate::error::{Error, Result};
use crate::ids::ItemIx;
use crate::index::item_lists::ItemLists;
use crate::storage::section::{self, Section};

/// The section's name.
pub const SECTION: &str = "localities";

/// A row of the section.
pub type LocalityIx = u32;

/// Kinds of localities, the nearest to the person first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// A store.
    Store,
    /// The city that the buyer lives in.
    City,
    /// A sales channel.
    Channel,
}

impl Kind {
    /// All of them, the nearest first.
    pub const ALL: [Self; 3] = [Self::Store, Self::City, Self::Channel];

    /// The name in the section, in requests and in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Store => "store",
            Self::City => "city",
            Self::Channel => "channel",
        }
    }
}

/// One locality, to build [`Localities`].
#[derive(Debug, Clone, PartialEq)]
pub struct Locality {
    /// Its kind.
    pub kind: Kind,
    /// Its id or name.
    pub value: String,
    /// Weight of an unlisted item, as a share of its `popularity.score`; `0..=1`.
    pub rest: f32,
    /// Items by weight, heaviest first.
    pub items: Vec<(ItemIx, f32)>,
}

/// Popularity in every locality.
#[derive(Debug, Clone)]
pub struct Localities {
    rows: FxHashMap<(Kind, String), LocalityIx>,
    kinds: StringArray,
    values: StringArray,
    rest: ScalarBuffer<f32>,
    items: ItemLists,
}

impl Localities {
    /// From one entry per locality; of two of the same name the last is found.
    pub fn new(localities: &[Locality]) -> Result<Self> {
        let items: Vec<Vec<(ItemIx, f32)>> = localities.iter().map(|p| p.items.clone()).collect();
        let kinds = StringArray::from_iter_values(localities.iter().map(|p| p.kind.name()));
        let values = StringArray::from_iter_values(localities.iter().map(|p| p.value.as_str()));
        let rest = localities.iter().map(|p| p.rest).collect();
        Self::joined(kinds, values, rest, ItemLists::new(SECTION, &items)?)
    }

    /// The row of a locality; `None` if unknown.
    pub fn ix(&self, kind: Kind, value: &str) -> Option<LocalityIx> {
        self.rows.get(&(kind, value.to_owned())).copied()
    }

    /// Items of the locality with their weights, best first.
    pub fn of(&self, locality: LocalityIx) -> impl ExactSizeIterator<Item = (ItemIx, f32)> + '_ {
        self.items.of(locality)
    }

    /// Weight of an unlisted item, as a share of its `popularity.score`; `0..=1`.
    pub fn rest(&self, locality: LocalityIx) -> f32 {
        self.rest[locality as usize]
    }

    /// Number of localities.
    pub fn len(&self) -> usize {
        self.rest.len()
    }

    /// True if no locality is known.
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    fn joined(
        kinds: StringArray,
        values: StringArray,
        rest: ScalarBuffer<f32>,
        items: ItemLists,
    ) -> Result<Self> {
        let mut rows = FxHashMap::default();
        for (row, (kind, value)) in kinds.iter().zip(values.iter()).enumerate() {
            let name = kind.unwrap_or_default();
            let kind = Kind::ALL.into_iter().find(|k| k.name() == name);
            let kind = kind.ok_or_else(|| Error::malformed(SECTION, "a known kind of locality", name))?;
            rows.insert((kind, value.unwrap_or_default().to_owned()), row as LocalityIx);
        }
        Ok(Self { rows, kinds, values, rest, items })
    }

    pub(crate) fn batch(&self) -> Result<RecordBatch> {
        let mut columns: Vec<(&str, ArrayRef)> = vec![
            ("kind", Arc::new(self.kinds.clone())),
            ("value", Arc::new(self.values.clone())),
            ("rest", Arc::new(Float32Array::new(self.rest.clone(), None))),
        ];
        columns.push(("items", self.items.column(SECTION)?));
        section::batch(SECTION, columns)
    }

    pub(crate) fn open(section: &Section, n_items: usize) -> Result<Self> {
        let rest = section.primitive::<Float32Type>("rest")?;
        if !rest.iter().all(|r| r.is_finite()) {
            return Err(Error::malformed(SECTION, "finite `rest`", "a non-finite one"));
        }
        let items = ItemLists::open_column(section, "items", n_items)?;
        Self::joined(section.strings("kind")?, section.strings("value")?, rest, items)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_locality_is_found_by_kind_and_name_after_a_round_trip() {
        let locality =
            |kind, value: &str, items| Locality { kind, value: value.to_owned(), rest: 0.5, items };
        let localities = [
            locality(Kind::Store, "上海", vec![(2, 1.5), (0, 0.5)]),
            locality(Kind::City, "上海", vec![(1, 2.0)]),
        ];
        let built = Localities::new(&localities).unwrap();
        let back = Localities::open(&Section::in_memory(SECTION, built.batch().unwrap()), 3).unwrap();
        let city = back.ix(Kind::City, "上海").unwrap();
        assert_eq!(back.of(city).collect::<Vec<_>>(), [(1, 2.0)]);
        let store = back.ix(Kind::Store, "上海").unwrap();
        assert_eq!(back.of(store).collect::<Vec<_>>(), [(2, 1.5), (0, 0.5)]);
        assert_eq!((back.len(), back.rest(store)), (2, 0.5));
        assert!(back.ix(Kind::Channel, "上海").is_none());
        assert!(Localities::open(&Section::in_memory(SECTION, built.batch().unwrap()), 2).is_err());
    }
}
