//! The rows read so far: purchases, returns and baskets, numbered by first appearance.

use super::dictionary::Dictionary;
use super::types::Line;

/// A return that waits for the purchase that it undoes.
#[derive(Debug, Clone, Copy)]
pub struct Return {
    /// As [`Line::at`].
    pub at: i64,
    /// As [`Line::user`]; never a guest.
    pub user: u32,
    /// As [`Line::item`].
    pub item: u32,
    /// Pieces, above zero.
    pub quantity: f32,
}

/// A purchase that did not last.
#[derive(Debug, Clone, Copy)]
pub struct Cancelled {
    /// As [`Line::user`].
    pub user: u32,
    /// As [`Line::item`].
    pub item: u32,
    /// As [`Line::at`].
    pub at: i64,
    /// As [`Line::basket`].
    pub basket: u32,
    /// As in [`Raw::states`].
    pub state: i64,
}

/// The state of a basket while reading.
#[derive(Debug, Clone, Copy)]
pub struct Basket {
    /// The earliest time of its lines.
    pub first: i64,
    /// The latest time of its lines.
    pub last: i64,
    /// Purchase rows.
    pub rows: u32,
    /// The state of its first line.
    pub state: i64,
    /// Lines of another state speak of it too.
    pub is_again: bool,
}

/// Purchases and returns of all files under the numbers of first appearance.
#[derive(Default)]
pub struct Raw {
    /// Purchase rows in reading order, at their own times.
    pub lines: Vec<Line>,
    /// By line, its state where lines may have several: the later one is right.
    pub states: Vec<i64>,
    /// Return rows of known users in reading order.
    pub returns: Vec<Return>,
    /// Returns of persons who turned out to be guests.
    pub returns_of_guests: u64,
    /// Purchase rows whose status says that they did not last.
    pub cancelled: Vec<Cancelled>,
    /// By number of first appearance.
    pub baskets: Vec<Basket>,
    /// Item ids.
    pub items: Dictionary,
    /// User ids.
    pub users: Dictionary,
    /// Channel names.
    pub channels: Dictionary,
    /// Store ids.
    pub stores: Dictionary,
    /// Ids of livestream rooms.
    pub rooms: Dictionary,
    /// Merchant ids.
    pub merchants: Dictionary,
}
