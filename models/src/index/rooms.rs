//! Sales of livestream rooms, from the orders that name a room.
//!
//! Section `rooms`: one row per room in byte order; `room_id`, `baskets`, `units` (pieces, net of returns), `amount`
//! (minor units; lines without a price count 0), `first_at`, `last_at` (unix seconds) and a list `items` of `{item,
//! weight}`, the most sold first; a weight is a number of pieces. Absent if no order names a room.

use std::sync::Arc;

use arrow_array::types::{Float32Type, Int64Type, UInt32Type};
use arrow_array::{ArrayRef, Float32Array, Int64Array, RecordBatch, StringArray, UInt32Array};
use arrow_buffer::ScalarBuffer;
use qianmian_money::Money;

use crate::error::{Error, Result};
use crate::ids::ItemIx;
use crate::index::item_lists::ItemLists;
use crate::storage::section::{self, Section};

/// The section's name.
pub const SECTION: &str = "rooms";

/// The sales of one room.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RoomSales {
    /// The room.
    pub room_id: String,
    /// Baskets with a line of the room.
    pub baskets: u32,
    /// Pieces sold, net of returns.
    pub units: f32,
    /// Price of all pieces; lines without a price count 0.
    pub amount: Money,
    /// First sale, unix seconds.
    pub first_at: u32,
    /// Last sale, unix seconds.
    pub last_at: u32,
    /// Pieces by item, the most sold first.
    pub items: Vec<(ItemIx, f32)>,
}

/// The sales of every room that sold anything.
#[derive(Debug, Clone)]
pub struct Rooms {
    ids: StringArray,
    baskets: ScalarBuffer<u32>,
    units: ScalarBuffer<f32>,
    amount: ScalarBuffer<i64>,
    first_at: ScalarBuffer<u32>,
    last_at: ScalarBuffer<u32>,
    items: ItemLists,
}

impl Rooms {
    /// From one entry per room, in byte order of their ids.
    ///
    /// # Errors
    /// The ids do not rise, or a list is too long for its column.
    pub fn new(rooms: &[RoomSales]) -> Result<Self> {
        let items: Vec<Vec<(ItemIx, f32)>> = rooms.iter().map(|room| room.items.clone()).collect();
        let rooms = Self {
            ids: StringArray::from_iter_values(rooms.iter().map(|room| room.room_id.as_str())),
            baskets: rooms.iter().map(|room| room.baskets).collect(),
            units: rooms.iter().map(|room| room.units).collect(),
            amount: rooms.iter().map(|room| room.amount.minor()).collect(),
            first_at: rooms.iter().map(|room| room.first_at).collect(),
            last_at: rooms.iter().map(|room| room.last_at).collect(),
            items: ItemLists::new(SECTION, &items)?,
        };
        rooms.checked()
    }

    /// Number of rooms.
    pub fn len(&self) -> usize {
        self.baskets.len()
    }

    /// True if there is no room.
    pub fn is_empty(&self) -> bool {
        self.baskets.is_empty()
    }

    /// The sales of a room; `None` if no order names it. Cost: a bisection over the rooms.
    pub fn of(&self, room_id: &str) -> Option<RoomSales> {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low + (high - low) / 2;
            match self.ids.value(middle).cmp(room_id) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
                std::cmp::Ordering::Equal => return Some(self.at(middle)),
            }
        }
        None
    }

    fn at(&self, row: usize) -> RoomSales {
        RoomSales {
            room_id: self.ids.value(row).to_owned(),
            baskets: self.baskets[row],
            units: self.units[row],
            amount: Money::clamped(self.amount[row].into()),
            first_at: self.first_at[row],
            last_at: self.last_at[row],
            items: self.items.of(row as u32).collect(),
        }
    }

    fn checked(self) -> Result<Self> {
        let rise = (1..self.len()).all(|row| self.ids.value(row - 1) < self.ids.value(row));
        if rise { Ok(self) } else { Err(Error::malformed(SECTION, "distinct ids in byte order", "others")) }
    }

    pub(crate) fn batch(&self) -> Result<RecordBatch> {
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("room_id", Arc::new(self.ids.clone())),
            ("baskets", Arc::new(UInt32Array::new(self.baskets.clone(), None))),
            ("units", Arc::new(Float32Array::new(self.units.clone(), None))),
            ("amount", Arc::new(Int64Array::new(self.amount.clone(), None))),
            ("first_at", Arc::new(UInt32Array::new(self.first_at.clone(), None))),
            ("last_at", Arc::new(UInt32Array::new(self.last_at.clone(), None))),
            ("items", self.items.column(SECTION)?),
        ];
        section::batch(SECTION, columns)
    }

    pub(crate) fn open(section: &Section, n_items: usize) -> Result<Self> {
        let [baskets, first_at, last_at] =
            ["baskets", "first_at", "last_at"].map(|name| section.primitive::<UInt32Type>(name));
        let rooms = Self {
            ids: section.strings("room_id")?,
            baskets: baskets?,
            units: section.primitive::<Float32Type>("units")?,
            amount: section.primitive::<Int64Type>("amount")?,
            first_at: first_at?,
            last_at: last_at?,
            items: ItemLists::open_column(section, "items", n_items)?,
        };
        rooms.checked()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_room_is_found_by_its_id_after_a_round_trip() {
        let room = |id: &str, baskets| RoomSales {
            room_id: id.to_owned(),
            baskets,
            amount: Money::new(1_234).unwrap(),
            items: vec![(2, 3.0), (0, 1.0)],
            ..RoomSales::default()
        };
        let rooms = [room("r1", 1), room("r10", 2), room("直播间", 3)];
        let built = Rooms::new(&rooms).unwrap();
        let back = Rooms::open(&Section::in_memory(SECTION, built.batch().unwrap()), 3).unwrap();
        for room in &rooms {
            assert_eq!(back.of(&room.room_id).as_ref(), Some(room));
        }
        assert_eq!((back.len(), back.of("r2")), (3, None));
        assert!(
            Rooms::open(&Section::in_memory(SECTION, built.batch().unwrap()), 2).is_err(),
            "an unknown item"
        );
        assert!(
            Rooms::new(&[room("b", 1), room("a", 1)]).is_err()
                && Rooms::new(&[room("a", 1), room("a", 1)]).is_err()
        );
    }
}
