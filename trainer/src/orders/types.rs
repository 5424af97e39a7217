//! The types of cleaned orders: lines over dense indexes, and the other tables.

use super::summary::{Summary, TableSummary};
use qianmian_money::{Currency, Money};
use std::collections::BTreeMap;

/// `Line::user` of a basket without a user.
pub const GUEST: u32 = u32::MAX;

/// `Line::channel`, `Line::store`, `Line::room` and `Line::merchant` if the source has none.
pub const NONE_CODE: u16 = u16::MAX;

/// Seconds in a day, which is also one step of a sequence.
pub const DAY_SECONDS: i64 = 86_400;

/// 2020-01-01T00:00:00Z, the time of the last item of every sequence.
pub const SEQUENCE_END: i64 = 1_577_836_800;

/// One net purchase of one item in one basket. 40 bytes, so that ten million lines fit in 400 MB.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Line {
    /// Unix seconds, UTC: the earliest time of the basket's lines.
    /// Without times it is the number of the basket's first row (see [`TimeKind`]).
    pub at: i64,
    /// Dense, in order of `at`: `0..n_baskets`.
    pub basket: u32,
    /// Index into [`Orders::user_ids`], or [`GUEST`]. The same for all lines of a basket.
    pub user: u32,
    /// Index into [`Orders::item_ids`].
    pub item: u32,
    /// Pieces bought and not returned, above zero.
    pub quantity: f32,
    /// Price of all pieces, zero or more, as [`Money::packed`].
    pub paid: i64,
    /// Index into [`Orders::channels`], or [`NONE_CODE`].
    pub channel: u16,
    /// Index into [`Orders::stores`], or [`NONE_CODE`].
    pub store: u16,
    /// Index into [`Orders::rooms`], or [`NONE_CODE`].
    pub room: u16,
    /// Index into [`Orders::merchants`], or [`NONE_CODE`].
    pub merchant: u16,
}

impl Line {
    /// Price of all pieces, if it is known.
    pub fn paid(&self) -> Option<Money> {
        Money::unpacked(self.paid)
    }
}

/// The meaning of `Line::at`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TimeKind {
    /// Real times of purchase.
    Timestamps,
    /// Only the order of each user's baskets is known. One step is one day, counted back
    /// from [`SEQUENCE_END`], the time of every user's last basket. In sequence files each item is a basket.
    Steps,
    /// Times and order are unknown. `at` still orders baskets: guests' by row, users' at random.
    None,
}

/// Cleaned order history.
#[derive(Debug, Clone)]
pub struct Orders {
    /// Outside ids of the items that have a line, sorted by bytes; the position is the dense index.
    pub item_ids: Vec<String>,
    /// Outside ids of the users that have a line, sorted by bytes; the position is the dense index.
    pub user_ids: Vec<String>,
    /// Names of sales channels, in byte order.
    pub channels: Vec<String>,
    /// Ids of stores, in byte order.
    pub stores: Vec<String>,
    /// Ids of livestream rooms, in byte order.
    pub rooms: Vec<String>,
    /// Ids of merchants, in byte order.
    pub merchants: Vec<String>,
    /// Net purchases, sorted by (at, basket, item), at most one line per basket and item.
    /// The lines of a basket are adjacent.
    pub lines: Vec<Line>,
    /// Net purchases beyond the first `max_basket_items` items of a giant basket, in the same order.
    /// They count for users' histories but not for co-purchase, whose cost is quadratic in the basket size.
    /// Their items, users and baskets are in the vocabularies too.
    pub beyond_cap: Vec<Line>,
    /// Number of baskets in `lines`.
    pub n_baskets: u32,
    /// The meaning of `Line::at`.
    pub time_kind: TimeKind,
    /// Counts of all rows by outcome.
    pub summary: Summary,
}

impl Orders {
    /// Every net purchase, for histories and factors: `lines`, then `beyond_cap`.
    pub fn all_lines(&self) -> impl Iterator<Item = &Line> + Clone {
        self.lines.iter().chain(&self.beyond_cap)
    }
}

/// One item of the catalog. An absent value is `None` or empty, never a blank string.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Item {
    /// Outside id, normalized like the orders' item ids.
    pub item_id: String,
    /// Name as shown to shoppers.
    pub title: Option<String>,
    /// Path from the root, `a/b/c`.
    pub category: Option<String>,
    /// Brand name.
    pub brand: Option<String>,
    /// The seller that owns the item.
    pub merchant_id: Option<String>,
    /// Address of a picture.
    pub image_url: Option<String>,
    /// The status word of the source, such as `active`.
    pub status: Option<String>,
    /// Price of one piece, not negative.
    pub price: Option<Money>,
    /// Cost of one piece to the shop, not negative.
    pub cost: Option<Money>,
    /// Pieces that can be sold.
    pub stock: Option<u32>,
    /// Unix seconds, UTC.
    pub launched_at: Option<i64>,
    /// Free labels, in the source's order, without repeats.
    pub tags: Vec<String>,
    /// Stores that sell the item; empty if unknown.
    pub store_ids: Vec<String>,
}

/// One user of the users table.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct User {
    /// Outside id, normalized like the orders' user ids.
    pub user_id: String,
    /// Unix seconds of midnight UTC of the birthday.
    pub birthday: Option<i64>,
    /// The word of the source.
    pub gender: Option<String>,
    /// City of residence.
    pub city: Option<String>,
    /// Degrees north, -90..=90.
    pub lat: Option<f32>,
    /// Degrees east, -180..=180.
    pub lon: Option<f32>,
    /// Unix seconds, UTC.
    pub registered_at: Option<i64>,
    /// Free labels, in the source's order, without repeats.
    pub tags: Vec<String>,
    /// Consents, by the names of columns that start with `consent`; `None` for an empty cell. A cell that is neither a
    /// clear yes nor empty is `false`: consent is never assumed.
    pub consents: BTreeMap<String, Option<bool>>,
}

/// An identifier of a user in a channel.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Identity {
    /// Outside id, normalized like the orders' user ids.
    pub user_id: String,
    /// The `type` column: `wechat_unionid`, `phone_sha256`, `member_card` ...; `user_id` for an alias of the user.
    pub kind: String,
    /// The identifier within that kind.
    pub value: String,
}

/// The input data of a training run.
#[derive(Debug, Clone)]
pub struct Inputs {
    /// Cleaned order history.
    pub orders: Orders,
    /// The catalog, sorted by item id, one entry per id. May have items that were never bought.
    pub items: Vec<Item>,
    /// Users, sorted by id, one entry per id.
    pub users: Vec<User>,
    /// Identities, sorted by (kind, value), one entry per pair.
    pub identities: Vec<Identity>,
    /// The currency of all amounts.
    pub currency: Currency,
    /// Counts of the other tables' rows by outcome.
    pub tables: Vec<TableSummary>,
}

#[cfg(test)]
mod tests {
    use super::Line;

    #[test]
    fn a_line_takes_40_bytes() {
        assert_eq!(size_of::<Line>(), 40);
    }
}
