//! What sells where: popularity by store, city and channel, for people of whom nothing else is known.
//!
//! Section `places`: one row a place; `kind` (`store`, `city` or `channel`), `value` (the store's id, the
//! city's or the channel's name), `rest` and a list `items` of `{item, weight}`, heaviest first. A weight is
//! the item's decayed baskets in the place, shrunk towards the shop's and on the scale of `popularity.score`;
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
pub const SECTION: &str = "places";

/// A row of the section.
pub type PlaceIx = u32;

/// What kind of place, the nearest to the person first.
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

/// One place, to build [`Places`].
#[derive(Debug, Clone, PartialEq)]
pub struct Place {
    /// What kind of place.
    pub kind: Kind,
    /// Its id or name.
    pub value: String,
    /// What an item that is not listed has of its score in the shop; `0..=1`.
    pub rest: f32,
    /// Items by weight, heaviest first.
    pub items: Vec<(ItemIx, f32)>,
}

/// What sells in every place.
#[derive(Debug, Clone)]
pub struct Places {
    rows: FxHashMap<(Kind, String), PlaceIx>,
    kinds: StringArray,
    values: StringArray,
    rest: ScalarBuffer<f32>,
    items: ItemLists,
}

impl Places {
    /// From one entry a place; of two of the same name the last is found.
    pub fn new(places: &[Place]) -> Result<Self> {
        let items: Vec<Vec<(ItemIx, f32)>> = places.iter().map(|p| p.items.clone()).collect();
        let kinds = StringArray::from_iter_values(places.iter().map(|p| p.kind.name()));
        let values = StringArray::from_iter_values(places.iter().map(|p| p.value.as_str()));
        let rest = places.iter().map(|p| p.rest).collect();
        Self::joined(kinds, values, rest, ItemLists::new(SECTION, &items)?)
    }

    /// The row of a place, where it is known.
    pub fn ix(&self, kind: Kind, value: &str) -> Option<PlaceIx> {
        self.rows.get(&(kind, value.to_owned())).copied()
    }

    /// What sells in the place, best first.
    pub fn of(&self, place: PlaceIx) -> impl ExactSizeIterator<Item = (ItemIx, f32)> + '_ {
        self.items.of(place)
    }

    /// What an item that is not listed has of its score in the shop.
    pub fn rest(&self, place: PlaceIx) -> f32 {
        self.rest[place as usize]
    }

    /// Number of places.
    pub fn len(&self) -> usize {
        self.rest.len()
    }

    /// Whether no place is known.
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
            let kind = kind.ok_or_else(|| Error::malformed(SECTION, "a known kind of place", name))?;
            rows.insert((kind, value.unwrap_or_default().to_owned()), row as PlaceIx);
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
    fn a_place_is_found_by_kind_and_name_after_a_round_trip() {
        let place = |kind, value: &str, items| Place { kind, value: value.to_owned(), rest: 0.5, items };
        let places =
            [place(Kind::Store, "上海", vec![(2, 1.5), (0, 0.5)]), place(Kind::City, "上海", vec![(1, 2.0)])];
        let built = Places::new(&places).unwrap();
        let back = Places::open(&Section::in_memory(SECTION, built.batch().unwrap()), 3).unwrap();
        let city = back.ix(Kind::City, "上海").unwrap();
        assert_eq!(back.of(city).collect::<Vec<_>>(), [(1, 2.0)]);
        let store = back.ix(Kind::Store, "上海").unwrap();
        assert_eq!(back.of(store).collect::<Vec<_>>(), [(2, 1.5), (0, 0.5)]);
        assert_eq!((back.len(), back.rest(store)), (2, 0.5));
        assert!(back.ix(Kind::Channel, "上海").is_none());
        assert!(Places::open(&Section::in_memory(SECTION, built.batch().unwrap()), 2).is_err());
    }
}
