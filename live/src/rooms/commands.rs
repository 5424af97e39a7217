//! The commands of a show, and why one is refused.

use xxhash_rust::xxh3::xxh3_128;

use super::{Explaining, FlashSale, MAX_PRODUCTS, Product, Push, Room, RoomState, Visibility};
use crate::check::Fault;
use crate::counters::MAX_STOCK;

/// Longest time that a product is explained or a card shown, in milliseconds.
pub const MAX_SHOWN_MS: i64 = 24 * 3_600_000;
/// Longest flash sale, in milliseconds.
pub const MAX_SALE_MS: i64 = 7 * 86_400_000;

/// The reason why a command changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The room has no product with this item or number.
    #[error("`{0}` is not in this room")]
    NotInRoom(String),
    /// The room has as many products as it may.
    #[error("the room would have {0} products; at most {MAX_PRODUCTS}")]
    Full(usize),
    /// The command needs a room in another state.
    #[error("the room is {}; the command needs a room that is {needs}", state.name())]
    WrongState {
        /// Its state.
        state: RoomState,
        /// The state that it needs.
        needs: &'static str,
    },
    /// The room cannot go from one state to the other.
    #[error("a room that is {} cannot become {}", from.name(), to.name())]
    Transition {
        /// Its state.
        from: RoomState,
        /// The state that was asked for.
        to: RoomState,
    },
    /// The product is hidden.
    #[error("`{0}` is hidden: make it visible first")]
    OffShelf(String),
    /// The product cannot be sold now.
    #[error("`{0}` is not for sale now")]
    NotBuyable(String),
    /// The card of another product is shown.
    #[error("the card of `{item_id}` is shown until {until}: wait, or send `replace`")]
    PushRunning {
        /// The other item.
        item_id: String,
        /// Until when, unix milliseconds.
        until: i64,
    },
    /// The product has a flash sale that is not over.
    #[error("`{0}` has a flash sale that is not over: end it first")]
    SaleRunning(String),
    /// The product has no flash sale.
    #[error("`{0}` has no flash sale that could be ended")]
    NoSale(String),
    /// Another command was run with the same key.
    #[error("another command was run with this key: choose a key for each command")]
    KeyReused,
    /// A field is not allowed.
    #[error("{}: {}", .0.field, .0.reason)]
    Invalid(Fault),
}

impl From<Fault> for Refused {
    fn from(fault: Fault) -> Self {
        Self::Invalid(fault)
    }
}

/// Terms of a new flash sale.
#[derive(Debug, Clone, PartialEq)]
pub struct SaleTerms {
    /// First moment, unix milliseconds.
    pub opens_at: i64,
    /// First moment after it, unix milliseconds.
    pub closes_at: i64,
    /// Pieces for sale.
    pub quantity: u64,
    /// Most pieces of one person.
    pub per_person: Option<u64>,
    /// Price of a piece.
    pub price: Option<qianmian_money::Decimal>,
}

impl Room {
    /// Changes the state.
    ///
    /// # Errors
    /// [`Refused::Transition`].
    pub fn become_state(&mut self, to: RoomState) -> Result<(), Refused> {
        if !self.state.may_become(to) {
            return Err(Refused::Transition { from: self.state, to });
        }
        if to == RoomState::Ended || to == RoomState::Planned {
            (self.explaining, self.push) = (None, None);
        }
        self.state = to;
        Ok(())
    }

    /// Says that `item_id` is explained from `now` on, for `shown_ms` or until another one is; `None`: nothing is.
    ///
    /// # Errors
    /// The room is not live; it has no such product; the product is hidden; the time is not allowed.
    pub fn explain(&mut self, item_id: Option<&str>, shown_ms: Option<i64>, now: i64) -> Result<(), Refused> {
        self.require_live()?;
        let Some(item_id) = item_id else {
            self.explaining = None;
            return Ok(());
        };
        self.shown(item_id)?;
        let until = shown_ms.map(|ms| shown_until(now, ms)).transpose()?;
        self.explaining = Some(Explaining { item_id: item_id.to_owned(), since: now, until });
        Ok(())
    }

    /// Shows the card of `item_id` for `shown_ms`. The card of the same item may be pushed again at once; that of
    /// another one only after its time, or with `replace`.
    ///
    /// # Errors
    /// As [`explain`](Self::explain); the product is not for sale; another card is shown.
    pub fn push_card(
        &mut self,
        item_id: &str,
        shown_ms: i64,
        replace: bool,
        now: i64,
    ) -> Result<u64, Refused> {
        self.require_live()?;
        if self.shown(item_id)?.visibility == Visibility::VisibleNotBuyable {
            return Err(Refused::NotBuyable(item_id.to_owned()));
        }
        let until = shown_until(now, shown_ms)?;
        if let Some(other) = self.push(now).filter(|other| other.item_id != item_id && !replace) {
            return Err(Refused::PushRunning { item_id: other.item_id.clone(), until: other.until });
        }
        self.pushes += 1;
        self.push = Some(Push { item_id: item_id.to_owned(), number: self.pushes, at: now, until });
        Ok(self.pushes)
    }

    /// Gives `item_id` a flash sale; returns it, with the name of the counter that holds its pieces.
    ///
    /// # Errors
    /// The room ended; it has no such product; the product has a sale that is not over; a term is not allowed.
    pub fn start_sale(&mut self, item_id: &str, terms: SaleTerms, now: i64) -> Result<FlashSale, Refused> {
        if self.state == RoomState::Ended {
            return Err(Refused::WrongState { state: self.state, needs: "planned, live or paused" });
        }
        check_terms(&terms, now)?;
        let number = self.sales + 1;
        let counter = sale_counter(item_id, self.created_at, number);
        let product = self.product_mut(item_id)?;
        if product.flash_sale.as_ref().is_some_and(|sale| now < sale.closes_at) {
            return Err(Refused::SaleRunning(item_id.to_owned()));
        }
        let SaleTerms { opens_at, closes_at, quantity, per_person, price } = terms;
        let sale = FlashSale { counter, opens_at, closes_at, quantity, per_person, price };
        product.flash_sale = Some(sale.clone());
        self.sales = number;
        Ok(sale)
    }

    /// Ends the flash sale of `item_id` at `now`, or calls it off before it opens.
    ///
    /// # Errors
    /// The room has no such product, or the product no sale that is not over.
    pub fn end_sale(&mut self, item_id: &str, now: i64) -> Result<(), Refused> {
        let product = self.product_mut(item_id)?;
        match &mut product.flash_sale {
            Some(sale) if now < sale.opens_at => product.flash_sale = None,
            Some(sale) if now < sale.closes_at => sale.closes_at = now,
            _ => return Err(Refused::NoSale(item_id.to_owned())),
        }
        Ok(())
    }

    pub(super) fn product_mut(&mut self, item_id: &str) -> Result<&mut Product, Refused> {
        let found = self.products.iter_mut().find(|product| product.item_id == item_id);
        found.ok_or_else(|| Refused::NotInRoom(item_id.to_owned()))
    }

    fn require_live(&self) -> Result<(), Refused> {
        match self.state {
            RoomState::Live => Ok(()),
            state => Err(Refused::WrongState { state, needs: "live" }),
        }
    }

    /// The product with this item, if viewers see it.
    fn shown(&self, item_id: &str) -> Result<&Product, Refused> {
        let product = self.product(item_id).ok_or_else(|| Refused::NotInRoom(item_id.to_owned()))?;
        match product.visibility {
            Visibility::Hidden => Err(Refused::OffShelf(item_id.to_owned())),
            _ => Ok(product),
        }
    }
}

/// The name of a sale's counter: of no other sale, not even of a room that was deleted and made again.
fn sale_counter(item_id: &str, created_at: i64, number: u64) -> String {
    let mut bytes = item_id.as_bytes().to_vec();
    bytes.extend_from_slice(&created_at.to_le_bytes());
    format!("sale-{:032x}-{number}", xxh3_128(&bytes))
}

fn shown_until(now: i64, shown_ms: i64) -> Result<i64, Refused> {
    match (1..=MAX_SHOWN_MS).contains(&shown_ms) {
        true => Ok(now.saturating_add(shown_ms)),
        false => Err(Fault::new("ttl_seconds", "1 second to 24 hours").into()),
    }
}

fn check_terms(terms: &SaleTerms, now: i64) -> Result<(), Refused> {
    if terms.closes_at <= terms.opens_at || terms.closes_at.saturating_sub(terms.opens_at) > MAX_SALE_MS {
        return Err(Fault::new("closes_at", "after `opens_at`, by at most 7 days").into());
    }
    if terms.closes_at <= now {
        return Err(Fault::new("closes_at", "in the future").into());
    }
    if !(1..=MAX_STOCK).contains(&terms.quantity) {
        return Err(Fault::new("quantity", "at least one piece").into());
    }
    if terms.per_person == Some(0) {
        return Err(Fault::new("per_person", "at least one piece, or no limit").into());
    }
    Ok(())
}
