//! A board: a room as answers and streams show it, with what the model knows of its items.
//!
//! Cost: linear in the products; a board of 5,000 products takes a few milliseconds, and is made again only when its
//! document, the model, one of its items, the stock of a flash sale, or by the clock what is shown changes.

use std::fmt::Write as _;
use std::sync::Arc;

use qianmian_live::rooms::{FlashSale, Product, Room, RoomState, Visibility};
use qianmian_models::ids::ItemIx;
use qianmian_models::index::catalog::Text;
use qianmian_models::overlay::{Overlay, RoomOffer, RoomOffers};
use qianmian_models::view::View;
use qianmian_money::{Currency, Decimal, Money};
use rustc_hash::FxHashSet;
use serde::Serialize;
use utoipa::ToSchema;

use super::room::Known;
use crate::moment::Moment;

/// The sources of a board.
pub struct Inputs<'a> {
    /// The document and the stock of its flash sales.
    pub known: &'a Known,
    /// The model that answers and its overlay, if there is one.
    pub view: Option<View<'a>>,
    /// Unix milliseconds.
    pub now: i64,
}

/// A room as it is shown.
#[derive(Default)]
pub struct Board {
    /// Revision of the document.
    pub revision: u64,
    /// The room itself.
    pub head: Head,
    /// The document.
    pub room: Arc<Room>,
    /// Its products, in the order of the list, as those of the document.
    pub cards: Vec<Arc<Card>>,
    /// The products for answers in the room.
    pub selling: Selling,
    /// The moment from which on the clock changes it, unix milliseconds.
    pub(super) until: i64,
    /// Its sources.
    pub(super) version: u64,
    pub(super) model: Option<String>,
    pub(super) overlay_revision: u64,
    pub(super) items: FxHashSet<ItemIx>,
}

/// The products of a room, as indices of the model.
#[derive(Debug, Default)]
pub struct Selling {
    /// Prices and stock in the room.
    pub offers: RoomOffers,
    /// Visible products that can be bought, each with its place among the cards.
    pub pool: Vec<(ItemIx, usize)>,
    /// The product being explained, if it can be bought.
    pub explained: Option<ItemIx>,
}

/// The room itself.
#[derive(Debug, Clone, Default, PartialEq, Serialize, ToSchema)]
pub struct Head {
    room_id: String,
    title: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    anchor: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    merchant_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    channel: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, value_type = Option<String>, format = DateTime)]
    starts_at: Option<Moment>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, value_type = Option<String>, format = DateTime)]
    ends_at: Option<Moment>,
    /// Its state.
    #[schema(value_type = StateName)]
    pub state: RoomState,
    /// The product being explained; null if none is.
    explaining: Option<ExplainingCard>,
    /// The card that viewers see; null if there is none.
    push: Option<PushCard>,
}

/// The product being explained.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ExplainingCard {
    item_id: String,
    #[schema(value_type = String, format = DateTime)]
    since: Moment,
    /// Until when; absent: until another product is explained.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, value_type = Option<String>, format = DateTime)]
    until: Option<Moment>,
}

/// A card that viewers see.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct PushCard {
    item_id: String,
    /// Number of this push in the room, from 1: show the card once for each number.
    number: u64,
    #[schema(value_type = String, format = DateTime)]
    until: Moment,
}

/// A product of a room.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Card {
    /// The item.
    pub item_id: String,
    /// Its number in the room; never changes, and no other product gets it.
    pub number: u32,
    /// How far viewers see it.
    #[schema(value_type = VisibilityName)]
    pub visibility: Visibility,
    /// True if viewers can buy it now.
    pub buyable: bool,
    /// True if it is being explained.
    pub explained: bool,
    /// False if the model does not know the item.
    pub in_catalog: bool,
    /// Its title.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub title: Option<String>,
    /// Its picture.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub image_url: Option<String>,
    /// What it costs in the room now: by the open flash sale, the room, or the shop.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, value_type = f64)]
    pub price: Option<Decimal>,
    /// What it costs outside of the room.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, value_type = f64)]
    list_price: Option<Decimal>,
    /// Its own price in the room.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, value_type = f64)]
    room_price: Option<Decimal>,
    /// Pieces that can be sold now, where that is known; of the flash sale while it is open.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub stock: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    coupon_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    flash_sale: Option<SaleCard>,
}

/// A flash sale.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct SaleCard {
    state: SaleState,
    #[schema(value_type = String, format = DateTime)]
    opens_at: Moment,
    #[schema(value_type = String, format = DateTime)]
    closes_at: Moment,
    quantity: u64,
    /// Pieces that can be reserved.
    left: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    per_person: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, value_type = f64)]
    price: Option<Decimal>,
}

/// The state of a flash sale.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SaleState {
    /// It opens later.
    Planned,
    /// It is open, and has pieces left.
    Open,
    /// It is open, and all pieces are reserved or sold.
    SoldOut,
    /// It is over.
    Over,
}

/// The state of a room.
// The schema of the type of `live`, which is free of HTTP; a test holds the two equal.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum StateName {
    /// The show has not begun.
    Planned,
    /// The show is on.
    Live,
    /// The show pauses.
    Paused,
    /// The show is over.
    Ended,
}

/// How far viewers see a product.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum VisibilityName {
    /// Not at all.
    Hidden,
    /// Shown, and for sale.
    Visible,
    /// Shown, and not for sale yet.
    VisibleNotBuyable,
}

impl Board {
    /// The board of a room.
    pub fn make(id: &str, inputs: &Inputs<'_>) -> Self {
        let Inputs { known, view, now } = *inputs;
        // Before the items are read, so that a later change is seen.
        let overlay = view.map_or(0, overlay_revision);
        let room = &known.room;
        let mut board = Self {
            revision: known.revision,
            head: head(id, inputs),
            room: Arc::clone(room),
            until: next_change(inputs),
            version: known.version,
            model: view.map(|view| view.snapshot.version.clone()),
            overlay_revision: overlay,
            ..Self::default()
        };
        let explained = room.explaining(now).map(|explaining| explaining.item_id.as_str());
        let mut offers = Vec::new();
        for (place, product) in room.products.iter().enumerate() {
            let item = view.and_then(|view| view.snapshot.items.ix(&product.item_id));
            let is_explained = explained == Some(product.item_id.as_str());
            let card = card(inputs, view, (product, item), is_explained);
            if let (Some(item), Some(view)) = (item, view) {
                board.items.insert(item);
                let currency = view.snapshot.catalog.currency();
                offers.push((item, offer(inputs, currency, product, card.stock)));
                if card.buyable {
                    board.selling.pool.push((item, place));
                    board.selling.explained = board.selling.explained.or(is_explained.then_some(item));
                }
            }
            board.cards.push(Arc::new(card));
        }
        board.selling.offers = offers.into_iter().collect();
        board
    }

    /// True if a board made now would be the same.
    pub fn is_current(&self, known: &Known, view: Option<View<'_>>, now: i64) -> bool {
        if known.version != self.version || now >= self.until {
            return false;
        }
        let Some(view) = view else { return self.model.is_none() };
        if self.model.as_deref() != Some(view.snapshot.version.as_str()) {
            return false;
        }
        if overlay_revision(view) == self.overlay_revision {
            return true;
        }
        let changed = view.overlay.and_then(|overlay| overlay.changed_since(self.overlay_revision));
        changed.is_some_and(|(changed, _)| !changed.iter().any(|item| self.items.contains(item)))
    }

    /// The hash that a console compares with that of its own list: FNV-1a (32 bits) over the revision and a line for
    /// each product.
    pub fn hash(&self) -> u32 {
        let step = |hash: u32, byte: &u8| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
        self.lines().as_bytes().iter().fold(0x811c_9dc5, step)
    }

    /// The state as text: the revision, then a line for each product with number, item, visibility, buyable, explained,
    /// price and stock, separated by tabs; `-` for what is not known.
    fn lines(&self) -> String {
        let mut lines = format!("{}\n", self.revision);
        for card in &self.cards {
            let visibility = match card.visibility {
                Visibility::Hidden => "hidden",
                Visibility::Visible => "visible",
                Visibility::VisibleNotBuyable => "visible_not_buyable",
            };
            let known = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
            let price = known(card.price.map(|price| price.to_string()));
            let stock = known(card.stock.map(|stock| stock.to_string()));
            let flags = (u8::from(card.buyable), u8::from(card.explained));
            // Writing to a string does not fail.
            let _ = writeln!(
                lines,
                "{}\t{}\t{visibility}\t{}\t{}\t{price}\t{stock}",
                card.number, card.item_id, flags.0, flags.1
            );
        }
        lines
    }
}

/// Number of changes of items so far.
fn overlay_revision(view: View<'_>) -> u64 {
    view.overlay.map_or(0, Overlay::revision)
}

fn head(id: &str, inputs: &Inputs<'_>) -> Head {
    let (room, now) = (&inputs.known.room, inputs.now);
    let about = room.about.clone();
    Head {
        room_id: id.to_owned(),
        title: about.title,
        anchor: about.anchor,
        merchant_id: about.merchant_id,
        channel: about.channel,
        starts_at: about.starts_at.map(moment),
        ends_at: about.ends_at.map(moment),
        state: room.state,
        explaining: room.explaining(now).map(|explaining| ExplainingCard {
            item_id: explaining.item_id.clone(),
            since: moment(explaining.since),
            until: explaining.until.map(moment),
        }),
        push: room.push(now).map(|push| PushCard {
            item_id: push.item_id.clone(),
            number: push.number,
            until: moment(push.until),
        }),
    }
}

/// The first moment after `now` at which the clock changes what is shown.
fn next_change(inputs: &Inputs<'_>) -> i64 {
    let (room, now) = (&inputs.known.room, inputs.now);
    let shown =
        [room.explaining(now).and_then(|explaining| explaining.until), room.push(now).map(|p| p.until)];
    let sales = room.products.iter().filter_map(|product| product.flash_sale.as_ref());
    let edges = sales.flat_map(|sale| [sale.opens_at, sale.closes_at]);
    shown.into_iter().flatten().chain(edges).filter(|&at| at > now).min().unwrap_or(i64::MAX)
}

/// Pieces left of the open flash sale; all of them until its counter was read.
fn left(inputs: &Inputs<'_>, sale: &FlashSale) -> u64 {
    inputs.known.stock.get(&sale.counter).map_or(sale.quantity, qianmian_live::counters::Counter::available)
}

fn offer(inputs: &Inputs<'_>, currency: Currency, product: &Product, stock: Option<u32>) -> RoomOffer {
    let sale = product.flash_sale.as_ref().filter(|sale| sale.is_open(inputs.now));
    let price = sale.and_then(|sale| sale.price).or(product.room_price);
    RoomOffer {
        price: price.and_then(|price| currency.nearest(price)),
        stock: stock.filter(|_| sale.is_some()),
    }
}

fn card(
    inputs: &Inputs<'_>,
    view: Option<View<'_>>,
    (product, item): (&Product, Option<ItemIx>),
    explained: bool,
) -> Card {
    let known = view.zip(item);
    let text =
        |text| known.and_then(|(view, item)| view.snapshot.catalog.text(item, text)).map(str::to_owned);
    let shop_price: Option<Money> = known.and_then(|(view, item)| view.price(item));
    let list_price =
        known.zip(shop_price).map(|((view, _), price)| view.snapshot.catalog.currency().decimal(price));
    let shop_stock = known.and_then(|(view, item)| view.stock(item));
    let listed = known.is_none_or(|(view, item)| view.on_sale(item));
    let open = product.flash_sale.as_ref().filter(|sale| sale.is_open(inputs.now));
    let sale_left = open.map(|sale| u32::try_from(left(inputs, sale)).unwrap_or(u32::MAX - 1));
    let stock = match (sale_left, shop_stock) {
        (Some(left), Some(stock)) => Some(left.min(stock)),
        (left, stock) => left.or(stock),
    };
    let buyable = product.visibility == Visibility::Visible && listed && stock != Some(0);
    Card {
        item_id: product.item_id.clone(),
        number: product.number,
        visibility: product.visibility,
        buyable,
        explained,
        in_catalog: item.is_some(),
        title: text(Text::Title).or_else(|| product.title.clone()),
        image_url: text(Text::ImageUrl).or_else(|| product.image_url.clone()),
        price: open.and_then(|sale| sale.price).or(product.room_price).or(list_price),
        list_price,
        room_price: product.room_price,
        stock,
        coupon_id: product.coupon_id.clone(),
        flash_sale: product.flash_sale.as_ref().map(|sale| sale_card(inputs, sale)),
    }
}

fn sale_card(inputs: &Inputs<'_>, sale: &FlashSale) -> SaleCard {
    let left = left(inputs, sale);
    let state = match sale {
        sale if sale.is_open(inputs.now) && left == 0 => SaleState::SoldOut,
        sale if sale.is_open(inputs.now) => SaleState::Open,
        sale if inputs.now < sale.opens_at => SaleState::Planned,
        _ => SaleState::Over,
    };
    SaleCard {
        state,
        opens_at: moment(sale.opens_at),
        closes_at: moment(sale.closes_at),
        quantity: sale.quantity,
        left,
        per_person: sale.per_person,
        price: sale.price,
    }
}

fn moment(ms: i64) -> Moment {
    Moment(ms.div_euclid(1_000))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn schemas_have_the_names_of_documents() {
        let name = |value: serde_json::Value| value.as_str().unwrap().to_owned();
        for (state, schema) in [
            (RoomState::Planned, StateName::Planned),
            (RoomState::Live, StateName::Live),
            (RoomState::Paused, StateName::Paused),
            (RoomState::Ended, StateName::Ended),
        ] {
            assert_eq!(name(serde_json::to_value(state).unwrap()), state.name());
            assert_eq!(name(serde_json::to_value(schema).unwrap()), state.name());
        }
        for (visibility, schema) in [
            (Visibility::Hidden, VisibilityName::Hidden),
            (Visibility::Visible, VisibilityName::Visible),
            (Visibility::VisibleNotBuyable, VisibilityName::VisibleNotBuyable),
        ] {
            assert_eq!(serde_json::to_value(visibility).unwrap(), serde_json::to_value(schema).unwrap());
        }
    }
}
