//! The rows read so far: purchases, returns and baskets, numbered by first appearance.

use super::dictionary::Dictionary;
use super::types::Line;

/// A return that is not yet subtracted from its purchase.
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

/// A cancelled purchase.
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
    /// True if it also has lines of another state.
    pub is_again: bool,
}

/// Purchases and returns of all files, with ids numbered by first appearance.
#[derive(Default)]
pub struct Raw {
    /// Purchase rows in reading order, at their own times.
    pub lines: Vec<Line>,
    /// The state of each line, if lines may have several states; the latest one counts. Else empty.
    pub states: Vec<i64>,
    /// Return rows of known users in reading order.
    pub returns: Vec<Return>,
    /// Returns of user ids that were found to be guests.
    pub returns_of_guests: u64,
    /// Purchase rows with a status of cancelled or refunded.
    pub cancelled: Vec<Cancelled>,
    /// Baskets, numbered by first appearance.
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
