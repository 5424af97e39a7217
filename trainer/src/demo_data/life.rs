//! The purchases of a user: trip after trip through the window.
//!
//! Trips have two causes. *Needs* are kinds that run out: each comes due every cycle and causes a trip. *Browsing*
//! trips arrive by the shop's traffic and the user's activity. Every trip buys the needs that are due or nearly due,
//! fills the basket by taste, and adds complements.

use super::cart::{Cart, Line, MAX_ORDERS, Trip};
use super::dice::Dice;
use super::kind_table::KINDS;
use super::kinds::Pace;
use super::shop::Shop;
use super::shopper::Shopper;

/// Probability that a need is bought in this shop, not elsewhere.
const ADHERENCE: f32 = 0.86;
/// Needs that come due within this share of their cycle are bought on any trip.
const AHEAD: f32 = 0.1;

/// A kind that runs out.
struct Need {
    kind: usize,
    item: u32,
    cycle: f32,
    /// The day, with its fraction, on which it runs out.
    due: f32,
    /// True if the next purchase of it is in this shop.
    decided: bool,
}

/// The simulation of one user over the window.
pub struct Life<'a> {
    shop: &'a Shop,
    who: &'a Shopper,
    dice: &'a mut Dice,
    needs: Vec<Need>,
    cart: Cart<'a>,
}

impl<'a> Life<'a> {
    /// Starts at the beginning of the window.
    pub fn new(shop: &'a Shop, who: &'a Shopper, dice: &'a mut Dice) -> Self {
        Self { shop, who, dice, needs: Vec::new(), cart: Cart::new(shop, who) }
    }

    /// Simulates the window and appends all order lines, sorted by order.
    pub fn live(mut self, lines: &mut Vec<Line>) {
        let first = self.who.registered.max(0) as usize;
        let end = (self.who.leaves.max(0) as usize).min(self.shop.calendar.days());
        if first >= end {
            return;
        }
        self.take_up_needs(first);
        let mut browsing = self.browsing_days(first, end).into_iter().peekable();
        while self.cart.orders() < MAX_ORDERS {
            let due = self.next_due(end);
            let day = match (browsing.peek().copied(), due) {
                (Some(browse), Some(need)) if need < browse => need,
                (Some(browse), _) => {
                    browsing.next();
                    browse
                }
                (None, Some(need)) => need,
                (None, None) => return,
            };
            self.shop_on(day, due == Some(day), lines);
        }
    }

    /// Chooses the user's needs, as many as their activity allows.
    fn take_up_needs(&mut self, first: usize) {
        let mut budget = 1.8 * self.who.activity + if self.who.baby { 18.0 } else { 0.0 };
        for _ in 0..10 {
            let department = self.who.some_department(self.dice);
            let Some(kind) = self.shop.some_kind(self.who, department, first, self.dice) else { continue };
            let Pace::Cycle(days) = KINDS[kind].pace else { continue };
            let yearly = 365.0 / days;
            if self.needs.iter().any(|n| n.kind == kind) || !self.dice.chance(budget / yearly) {
                continue;
            }
            let Some(item) = self.shop.some_item(self.who, kind, first, 0, self.dice) else { continue };
            budget -= yearly;
            let cycle = days * self.dice.log_normal(1.0, 0.12);
            let due = first as f32 + cycle * self.dice.unit();
            self.needs.push(Need { kind, item, cycle, due, decided: false });
        }
    }

    /// The days of browsing trips, ascending; by the shop's traffic.
    fn browsing_days(&mut self, first: usize, end: usize) -> Vec<usize> {
        let calendar = &self.shop.calendar;
        let mean = 365.0 / (3.0 * self.who.activity);
        let until = calendar.traffic_before(end);
        let mut days = Vec::new();
        let mut at = calendar.traffic_before(first);
        // A user registers on the first trip.
        at += self.dice.waiting(if self.who.registered >= 0 { mean.min(10.0) } else { mean });
        while at < until {
            days.push(calendar.day_at_traffic(at));
            at += self.dice.waiting(mean);
        }
        days.dedup();
        days
    }

    /// The day before `end` on which the next need comes due and is bought here. Needs that are
    /// bought elsewhere, or not wanted in this season, wait another cycle.
    fn next_due(&mut self, end: usize) -> Option<usize> {
        loop {
            let next = self.needs.iter().enumerate().min_by(|(_, a), (_, b)| a.due.total_cmp(&b.due));
            let (number, day) = next.map(|(number, need)| (number, need.due as usize))?;
            if day >= end {
                return None;
            }
            let need = &mut self.needs[number];
            let wanted = self.shop.calendar.demand(KINDS[need.kind].season, day).min(1.0);
            if need.decided || self.dice.chance(ADHERENCE * wanted) {
                need.decided = true;
                return Some(day);
            }
            need.due += need.cycle;
        }
    }

    /// One trip: needs that are due, then browsing, then checkout.
    fn shop_on(&mut self, day: usize, by_need: bool, lines: &mut Vec<Line>) {
        let mut trip = Trip::draw(self.shop, self.who, day, by_need, self.dice);
        for number in 0..self.needs.len() {
            let need = &self.needs[number];
            if need.due < (day + 1) as f32 + AHEAD * need.cycle {
                self.buy_need(number, &mut trip);
            }
        }
        self.cart.fill(&trip, by_need, self.dice);
        self.cart.check_out(&trip, self.dice, lines);
    }

    /// Puts a need into the cart, mostly the usual item, and sets when it is due again.
    fn buy_need(&mut self, number: usize, trip: &mut Trip) {
        let need = &mut self.needs[number];
        if !self.shop.sells(need.item, trip.day, trip.least_reach) {
            trip.go_online();
        }
        let fresh = self.shop.some_item(self.who, need.kind, trip.day, trip.least_reach, self.dice);
        let item = match fresh {
            Some(other) if !self.shop.sells(need.item, trip.day, 0) || self.dice.chance(0.03) => {
                need.item = other;
                other
            }
            Some(other) if self.dice.chance(0.12) => other,
            _ => need.item,
        };
        need.due = trip.day as f32 + (need.cycle * (1.0 + 0.1 * self.dice.normal())).max(3.0);
        need.decided = false;
        self.cart.add(item, trip, self.dice);
    }
}
