//! Livestream rooms: a document for each room, and the commands of a show as functions over it.
//!
//! A [`Room`] holds its products in the order of the list, and what the show does now: the product being explained and
//! the card being pushed. A command ([`commands`]) changes a room in memory or refuses with a precise reason; whoever runs
//! it writes the document by the revision that it read ([`crate::documents`]), so two assistants never overwrite each
//! other.
//!
//! Invariants: an item is in a room once; a product's number never changes and is never given to another item, not even
//! by an undo; a key of a command counts once among the latest [`MAX_KEYS`]. Cost: a command is linear in the products,
//! at most [`MAX_PRODUCTS`].

pub mod commands;
mod difference;
mod edit;
mod order;
mod undo;

use qianmian_money::Decimal;
use serde::{Deserialize, Serialize};

pub use difference::Difference;
pub use edit::{AddMode, Added, NewProduct, Patch};
pub use order::Order;

/// The kind of the documents.
pub const KIND: &str = "room";
/// Most products of a room.
pub const MAX_PRODUCTS: usize = 5_000;
/// Longest text of a title, a note or an address of a picture, in bytes.
pub const MAX_TEXT_BYTES: usize = 1_024;
/// Removed products whose numbers are remembered, so that they get them back.
const MAX_RETIRED: usize = MAX_PRODUCTS;
/// Keys of commands that a room remembers.
pub const MAX_KEYS: usize = 64;

/// The state of a room.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RoomState {
    /// The show has not begun.
    #[default]
    Planned,
    /// The show is on.
    Live,
    /// The show pauses.
    Paused,
    /// The show is over.
    Ended,
}

impl RoomState {
    /// The name in documents and answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Live => "live",
            Self::Paused => "paused",
            Self::Ended => "ended",
        }
    }

    /// True if a room may go from this state to `next`. An ended room may be planned again, for another show.
    pub fn may_become(self, next: Self) -> bool {
        use RoomState::{Ended, Live, Paused, Planned};
        self == next
            || matches!(
                (self, next),
                (Planned, Live | Ended) | (Live, Paused | Ended) | (Paused, Live | Ended) | (Ended, Planned)
            )
    }
}

/// The visibility of a product to viewers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Visibility {
    /// Not at all.
    Hidden,
    /// Shown, and for sale.
    #[default]
    Visible,
    /// Shown, and not for sale yet.
    VisibleNotBuyable,
}

/// The texts of a room.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Description {
    /// Its title.
    pub title: String,
    /// The person who presents it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub anchor: Option<String>,
    /// The seller.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merchant_id: Option<String>,
    /// The channel that streams it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
    /// The planned begin, unix milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub starts_at: Option<i64>,
    /// The planned end, unix milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends_at: Option<i64>,
}

/// A flash sale of one product. Its pieces are a [counter](crate::counters).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FlashSale {
    /// The name of the counter.
    pub counter: String,
    /// First moment of the sale, unix milliseconds.
    pub opens_at: i64,
    /// The sale is over from this moment on, unix milliseconds.
    pub closes_at: i64,
    /// Pieces for sale.
    pub quantity: u64,
    /// Most pieces of one person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_person: Option<u64>,
    /// Price of a piece, in the shop's currency; that of the room without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Decimal>,
}

impl FlashSale {
    /// True if it is open at `now` (unix milliseconds).
    pub fn is_open(&self, now: i64) -> bool {
        (self.opens_at..self.closes_at).contains(&now)
    }
}

/// A product of a room.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Product {
    /// The item.
    pub item_id: String,
    /// Its number in the room, as viewers see it, from 1.
    pub number: u32,
    /// Its visibility to viewers.
    #[serde(default)]
    pub visibility: Visibility,
    /// Its price in the room, in the shop's currency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room_price: Option<Decimal>,
    /// A coupon for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub coupon_id: Option<String>,
    /// Notes for those who run the show.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notes: Option<String>,
    /// Its title, where the catalog does not know the item.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Its picture, where the catalog does not know the item.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_url: Option<String>,
    /// Its flash sale, until another one replaces it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flash_sale: Option<FlashSale>,
}

/// The product being explained.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explaining {
    /// The item.
    pub item_id: String,
    /// Since when, unix milliseconds.
    pub since: i64,
    /// Until when, unix milliseconds; without it, until another one is explained.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<i64>,
}

/// A card that viewers see.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Push {
    /// The item.
    pub item_id: String,
    /// Number of this push in the room, from 1: viewers show a card for each number once.
    pub number: u64,
    /// Since when, unix milliseconds.
    pub at: i64,
    /// Until when the card is shown, unix milliseconds.
    pub until: i64,
}

/// A command that a room remembers by its key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Remembered {
    key: String,
    /// The content that two commands with one key must share.
    command: u64,
}

/// A room.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Room {
    /// Its texts.
    pub about: Description,
    /// Its state.
    pub state: RoomState,
    /// The time of its creation, unix milliseconds.
    pub created_at: i64,
    /// Its products, in the order of the list.
    pub products: Vec<Product>,
    /// The product being explained, even if its time is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    explaining: Option<Explaining>,
    /// The latest card, even if its time is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    push: Option<Push>,
    /// Name of the latest command, for the history.
    #[serde(default)]
    pub command: String,
    /// The highest number that was given to a product.
    #[serde(default)]
    last_number: u32,
    /// Number of flash sales so far.
    #[serde(default)]
    sales: u64,
    /// Number of cards pushed so far.
    #[serde(default)]
    pushes: u64,
    /// Removed products with their numbers, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    retired: Vec<(String, u32)>,
    /// Keys of the latest commands, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    keys: Vec<Remembered>,
}

impl Room {
    /// A room without products.
    pub fn new(about: Description, now: i64) -> Self {
        Self { about, created_at: now, ..Self::default() }
    }

    /// The product with this item.
    pub fn product(&self, item_id: &str) -> Option<&Product> {
        self.products.iter().find(|product| product.item_id == item_id)
    }

    /// The product explained at `now` (unix milliseconds).
    pub fn explaining(&self, now: i64) -> Option<&Explaining> {
        let explaining = self.explaining.as_ref()?;
        let is_on = self.state == RoomState::Live && explaining.until.is_none_or(|until| now < until);
        Some(explaining).filter(|_| is_on)
    }

    /// The card that viewers see at `now` (unix milliseconds).
    pub fn push(&self, now: i64) -> Option<&Push> {
        self.push.as_ref().filter(|push| self.state == RoomState::Live && now < push.until)
    }

    /// True if a command with this key was run; `command` says which.
    ///
    /// # Errors
    /// Another command was run with this key.
    pub fn has_run(&self, key: &str, command: u64) -> Result<bool, commands::Refused> {
        match self.keys.iter().find(|known| known.key == key) {
            None => Ok(false),
            Some(known) if known.command == command => Ok(true),
            Some(_) => Err(commands::Refused::KeyReused),
        }
    }

    /// Remembers the key of a command.
    pub fn remember(&mut self, key: &str, command: u64) {
        if self.keys.len() == MAX_KEYS {
            self.keys.remove(0);
        }
        self.keys.push(Remembered { key: key.to_owned(), command });
    }
}
