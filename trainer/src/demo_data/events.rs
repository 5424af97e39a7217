//! Events of the days before the last orders: exposures, clicks, views, carts.

use super::cart::Line;
use super::dice::Dice;
use super::places::Channel;
use super::rows::{item_id, room_id, time, user_id};
use super::shop::Shop;
use super::shopper::Shopper;
use super::text::{digits, yuan};

/// Columns of the events.
pub const EVENTS: &str = "event_id,type,occurred_at,user_id,session_id,item_id,channel,scene,room_id,value\n";

/// Events are written for orders of this many last days.
const DAYS: i64 = 7;

/// Writes one user's events.
pub struct EventLog<'a> {
    shop: &'a Shop,
    who: &'a Shopper,
    written: u64,
}

impl<'a> EventLog<'a> {
    /// An empty log.
    pub fn new(shop: &'a Shop, who: &'a Shopper) -> Self {
        Self { shop, who, written: 0 }
    }

    /// Appends the events of the user's order lines and returns their number. Guests and returns have no events;
    /// purchases in a store have only the purchase event.
    pub fn write(mut self, out: &mut Vec<u8>, lines: &[Line], dice: &mut Dice) -> u64 {
        let from = self.shop.calendar.end_unix() - DAYS * 86_400;
        for line in lines.iter().filter(|l| l.at >= from && !l.guest && l.quantity > 0) {
            if line.channel != Channel::Store {
                self.seen(out, line, dice);
            }
            self.row(out, line, "purchase", line.item, line.at);
        }
        self.written
    }

    /// Appends the events before a purchase: other items of the kind are shown and perhaps viewed, then this one.
    fn seen(&mut self, out: &mut Vec<u8>, line: &Line, dice: &mut Dice) {
        let kind = usize::from(self.shop.catalog.items[line.item as usize].kind);
        let day = self.shop.calendar.day_of(line.at);
        for before in (1..=dice.below(4) as i64).rev() {
            let Some(other) = self.shop.some_item(self.who, kind, day, 0, dice) else { continue };
            self.row(out, line, "expose", other, line.at - 60 * (before + 3));
            if dice.chance(0.4) {
                self.row(out, line, "view", other, line.at - 60 * (before + 3) + 20);
            }
        }
        self.row(out, line, "expose", line.item, line.at - 150);
        self.row(out, line, "click", line.item, line.at - 140);
        self.row(out, line, "view", line.item, line.at - 135);
        self.row(out, line, "add_to_cart", line.item, line.at - 90);
    }

    fn row(&mut self, out: &mut Vec<u8>, line: &Line, kind: &str, item: u32, at: i64) {
        // Browsing that began before the window gets the time of its first second.
        let at = at.max(self.shop.calendar.unix(0));
        out.push(b'E');
        digits(out, u64::from(self.who.number), 8);
        digits(out, self.written, 5);
        out.push(b',');
        out.extend_from_slice(kind.as_bytes());
        out.push(b',');
        time(out, self.shop, at);
        out.push(b',');
        user_id(out, self.who.number);
        out.extend_from_slice(b",S");
        digits(out, u64::from(self.who.number), 8);
        digits(out, u64::from(line.order), 4);
        out.push(b',');
        item_id(out, self.shop, item);
        out.push(b',');
        out.extend_from_slice(line.channel.name().as_bytes());
        out.extend_from_slice(match (kind, line.channel) {
            ("purchase", _) => b",,".as_slice(),
            (_, Channel::Livestream) => b",room,",
            ("expose" | "click", _) => b",home,",
            _ => b",product,",
        });
        room_id(out, line.room);
        out.push(b',');
        if kind == "purchase" {
            yuan(out, line.price_fen * line.quantity.unsigned_abs());
        }
        out.push(b'\n');
        self.written += 1;
    }
}
