//! The cart of a trip, from the channel to the checkout.

use super::dice::Dice;
use super::kind_table::{DEPARTMENTS, KINDS};
use super::kinds::Pace;
use super::places::{CHANNELS, Channel};
use super::shop::Shop;
use super::shopper::Shopper;

/// The value of `store` or `room` for none.
pub const NOWHERE: u16 = u16::MAX;
/// Orders of a user are numbered in 12 bits.
pub const MAX_ORDERS: u32 = 4_096;
/// Carts are at most this long.
const MAX_LINES: usize = 12;

/// One order line, in numbers.
#[derive(Clone, Copy, Debug)]
pub struct Line {
    /// Time of the line, Unix seconds; of a return, later than the order.
    pub at: i64,
    /// The day of the order, which is part of the order's id.
    pub order_day: u32,
    /// Number of the user.
    pub user: u32,
    /// Number of the order among the user's orders, below [`MAX_ORDERS`].
    pub order: u32,
    /// Index of the item.
    pub item: u32,
    /// Pieces; negative on a return.
    pub quantity: i32,
    /// Price of a piece in fen, as paid.
    pub price_fen: u32,
    /// The channel of the order.
    pub channel: Channel,
    /// The store, or [`NOWHERE`].
    pub store: u16,
    /// The livestream room, or [`NOWHERE`].
    pub room: u16,
    /// True if the buyer was not recognized.
    pub guest: bool,
}

/// The day, channel and place of a cart.
pub struct Trip {
    /// Day of the window.
    pub day: usize,
    /// Only items of at least this reach are on the shelves; 0 online.
    pub least_reach: u8,
    channel: Channel,
    store: u16,
    room: u16,
}

impl Trip {
    /// Draws a trip by the user's habits. A trip for a need seldom goes to a livestream.
    pub fn draw(shop: &Shop, who: &Shopper, day: usize, by_need: bool, dice: &mut Dice) -> Self {
        let drawn = CHANNELS[who.some_channel(dice)];
        let channel = if by_need && drawn == Channel::Livestream && dice.chance(0.7) {
            Channel::MiniProgram
        } else {
            drawn
        };
        let store = if channel == Channel::Store { who.store } else { NOWHERE };
        let room = if channel == Channel::Livestream { who.some_room(dice) } else { NOWHERE };
        let least_reach = shop.places.stores.get(usize::from(store)).map_or(0, |s| s.least_reach);
        Self { day, least_reach, channel, store, room }
    }

    /// Moves the order to the mini program, because the store does not carry the item.
    pub fn go_online(&mut self) {
        self.least_reach = 0;
        if self.channel == Channel::Store {
            (self.channel, self.store) = (Channel::MiniProgram, NOWHERE);
        }
    }

    /// A second of the day, UTC; the shop's time zone is UTC+8.
    fn second(&self, dice: &mut Dice) -> i64 {
        let (mean, spread) = match self.channel {
            Channel::Livestream => (21.0, 1.0),
            Channel::Store => (15.5, 2.8),
            _ if dice.chance(0.4) => (12.5, 2.5),
            _ => (20.5, 1.8),
        };
        let local = (mean + spread * dice.normal()).clamp(8.0, 23.99);
        ((local - 8.0) * 3_600.0) as i64
    }
}

/// The last purchase of a kind.
struct Bought {
    kind: usize,
    item: u32,
    day: usize,
}

/// A user's current cart, and the last purchase of each kind.
pub struct Cart<'a> {
    shop: &'a Shop,
    who: &'a Shopper,
    items: Vec<u32>,
    last: Vec<Bought>,
    orders: u32,
}

impl<'a> Cart<'a> {
    /// The empty cart of a user without purchases.
    pub fn new(shop: &'a Shop, who: &'a Shopper) -> Self {
        Self { shop, who, items: Vec::new(), last: Vec::new(), orders: 0 }
    }

    /// Orders placed so far.
    pub fn orders(&self) -> u32 {
        self.orders
    }

    /// Adds an item and, at random, its complements.
    pub fn add(&mut self, item: u32, trip: &Trip, dice: &mut Dice) {
        if !self.put(item, trip.day) {
            return;
        }
        let kind = usize::from(self.shop.catalog.items[item as usize].kind);
        for &(with, probability) in &self.shop.catalog.complements[kind] {
            let wanted = self.shop.calendar.demand(KINDS[with].season, trip.day).min(1.0);
            if self.who.cares_for(with) > 0.0 && dice.chance(probability * wanted) {
                let partner = self.shop.partner(item, with);
                let fits = self.shop.sells(partner, trip.day, trip.least_reach) && dice.chance(0.45);
                let other = if fits { Some(partner) } else { self.choose(with, trip, dice) };
                other.map(|other| self.put(other, trip.day));
            }
        }
    }

    /// Fills the cart by browsing. A trip for a need ends sooner.
    pub fn fill(&mut self, trip: &Trip, by_need: bool, dice: &mut Dice) {
        let sizes: &[f32] =
            if by_need { &[0.3, 0.65, 0.85, 0.95, 1.0] } else { &[0.17, 0.45, 0.7, 0.86, 0.95, 1.0] };
        let sale = self.shop.calendar.price_factor(trip.day) < 0.85;
        let size = 1 + dice.cumulative(sizes) + usize::from(sale);
        for _ in 0..3 * size {
            if self.items.len() >= size {
                break;
            }
            let department = match self.shop.places.rooms.get(usize::from(trip.room)) {
                Some(&of_room) if dice.chance(0.7) => of_room,
                _ => self.who.some_department(dice),
            };
            let kind = self.shop.some_kind(self.who, department, trip.day, dice);
            let Some(kind) = kind.filter(|&kind| !self.has_enough(kind, trip.day, dice)) else { continue };
            if let Some(item) = self.choose(kind, trip, dice) {
                self.add(item, trip, dice);
            }
        }
    }

    /// Appends a line for each item and its return, if any, and empties the cart.
    pub fn check_out(&mut self, trip: &Trip, dice: &mut Dice, lines: &mut Vec<Line>) {
        if self.items.is_empty() {
            return;
        }
        let at = self.shop.calendar.unix(trip.day) + trip.second(dice);
        let guest = dice.chance(trip.channel.guest_share());
        let first = lines.len();
        for &item in &self.items {
            lines.push(Line {
                at,
                order_day: trip.day as u32,
                user: self.who.number,
                order: self.orders,
                item,
                quantity: self.quantity(item, dice),
                price_fen: self.price_fen(item, trip, dice),
                channel: trip.channel,
                store: trip.store,
                room: trip.room,
                guest,
            });
        }
        for number in first..lines.len() {
            if let Some(back) = self.returned(lines[number], dice) {
                lines.push(back);
            }
        }
        self.orders += 1;
        self.items.clear();
    }

    /// Puts an item into the cart, unless it is there or the cart is full.
    fn put(&mut self, item: u32, day: usize) -> bool {
        if self.items.len() >= MAX_LINES || self.items.contains(&item) {
            return false;
        }
        self.items.push(item);
        let kind = usize::from(self.shop.catalog.items[item as usize].kind);
        match self.last.iter_mut().find(|last| last.kind == kind) {
            Some(last) => (last.item, last.day) = (item, day),
            None => self.last.push(Bought { kind, item, day }),
        }
        true
    }

    /// True if the user has enough of a kind: durable kinds are hardly bought twice, and others hardly before they run
    /// out.
    fn has_enough(&self, kind: usize, day: usize, dice: &mut Dice) -> bool {
        let Some(last) = self.last.iter().find(|last| last.kind == kind) else { return false };
        match KINDS[kind].pace {
            Pace::Once => dice.chance(0.95),
            Pace::Cycle(days) => ((day - last.day) as f32) < 0.7 * days && dice.chance(0.9),
            Pace::Whim => false,
        }
    }

    /// An item of a kind: the one bought last, by loyalty, or another one by taste.
    fn choose(&self, kind: usize, trip: &Trip, dice: &mut Dice) -> Option<u32> {
        if let Some(last) = self.last.iter().find(|last| last.kind == kind)
            && dice.chance(self.who.loyalty)
            && self.shop.sells(last.item, trip.day, trip.least_reach)
        {
            return Some(last.item);
        }
        self.shop.some_item(self.who, kind, trip.day, trip.least_reach, dice)
    }

    fn quantity(&self, item: u32, dice: &mut Dice) -> i32 {
        let kind = &KINDS[usize::from(self.shop.catalog.items[item as usize].kind)];
        match kind.pace {
            Pace::Once => 1,
            Pace::Cycle(_) | Pace::Whim => 1 + dice.cumulative(&[0.78, 0.94, 1.0]) as i32,
        }
    }

    /// The list price less the discounts of the day and the channel, in tens of fen.
    fn price_fen(&self, item: u32, trip: &Trip, dice: &mut Dice) -> u32 {
        let list = self.shop.catalog.items[item as usize].price_fen as f32;
        let channel = match trip.channel {
            Channel::Livestream => 0.88,
            Channel::Tmall => 0.97,
            _ => 1.0,
        };
        let coupon = if dice.chance(0.12) { 0.9 } else { 1.0 };
        let paid = list * self.shop.calendar.price_factor(trip.day) * channel * coupon;
        (paid / 10.0).round() as u32 * 10
    }

    /// The return of a line, if it is within the window. Guests return nothing, since their orders are anonymous.
    fn returned(&self, line: Line, dice: &mut Dice) -> Option<Line> {
        let kind = &KINDS[usize::from(self.shop.catalog.items[line.item as usize].kind)];
        let risk = match (kind.pace, DEPARTMENTS[kind.department].name) {
            (_, "服饰运动") => 0.08,
            (Pace::Once, _) => 0.05,
            _ => 0.019,
        };
        if line.guest || !dice.chance(risk) {
            return None;
        }
        let at = line.at + 86_400 + (dice.unit() * 9.0 * 86_400.0) as i64;
        (at < self.shop.calendar.end_unix()).then_some(Line { at, quantity: -line.quantity, ..line })
    }
}
