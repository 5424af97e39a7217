//! The behaviors of counters, and known failures of other systems: each has a test by its name.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use qianmian_live::counters::{
    Counter, Counters, DefineOutcome, MovementKind, REMEMBER_MS, ReservationState, Reserve, ReserveOutcome,
};

use super::{NOW, Place, Store};

const TTL: i64 = 60_000;

pub async fn hold<P: Place>(new: impl Fn() -> P) {
    the_last_piece_is_sold_once(&new().open()).await;
    several_counters_are_reserved_all_or_none(&new().open()).await;
    a_crash_before_the_order_loses_no_stock(&new()).await;
    one_holder_cannot_drain_the_stock(&new().open()).await;
    concurrent_reservations_never_oversell(new().open()).await;
    a_repeated_key_reserves_once(&new()).await;
    a_finished_reservation_does_not_change(&new().open()).await;
    a_stock_cannot_fall_below_what_is_used(&new().open()).await;
    odd_requests_are_refused();
}

pub fn request(key: &str, holder: &str, lines: &[(&str, u64)], now: i64) -> Reserve {
    Reserve::check(key, holder, lines, TTL, now).unwrap()
}

async fn define(store: &impl Counters, counter: &str, stock: u64, per_holder: Option<u64>) {
    let defined = store.define_counter(counter, stock, per_holder, NOW).await.unwrap();
    assert!(matches!(defined, DefineOutcome::Defined(counter) if counter.stock == stock), "{defined:?}");
}

async fn reserve(store: &impl Counters, key: &str, holder: &str, lines: &[(&str, u64)]) -> ReserveOutcome {
    store.reserve(request(key, holder, lines, NOW)).await.unwrap()
}

fn is_held(outcome: &ReserveOutcome) -> bool {
    matches!(outcome, ReserveOutcome::Reserved { state: ReservationState::Held, repeated: false, .. })
}

async fn state(store: &impl Counters, counter: &str) -> (u64, u64, u64) {
    let counter = store.counter(counter).await.unwrap().unwrap();
    (counter.available(), counter.held, counter.confirmed)
}

/// `>=` in place of `>` sold one piece too many.
async fn the_last_piece_is_sold_once(store: &impl Store) {
    define(store, "sku", 3, None).await;
    assert!(is_held(&reserve(store, "1", "a", &[("sku", 2)]).await));
    let sold_out = ReserveOutcome::SoldOut { counter: "sku".to_owned(), available: 1 };
    assert_eq!(reserve(store, "2", "b", &[("sku", 2)]).await, sold_out);
    assert!(is_held(&reserve(store, "3", "b", &[("sku", 1)]).await));
    let sold_out = ReserveOutcome::SoldOut { counter: "sku".to_owned(), available: 0 };
    assert_eq!(reserve(store, "4", "c", &[("sku", 1)]).await, sold_out);
    assert_eq!(state(store, "sku").await, (0, 3, 0));
}

/// A rollback that was not atomic left some counters reserved.
async fn several_counters_are_reserved_all_or_none(store: &impl Store) {
    define(store, "a", 5, None).await;
    define(store, "b", 1, None).await;
    let sold_out = ReserveOutcome::SoldOut { counter: "b".to_owned(), available: 1 };
    assert_eq!(reserve(store, "1", "x", &[("a", 2), ("b", 2)]).await, sold_out);
    let unknown = ReserveOutcome::Unknown { counter: "c".to_owned() };
    assert_eq!(reserve(store, "1", "x", &[("a", 2), ("c", 1)]).await, unknown);
    assert_eq!((state(store, "a").await, state(store, "b").await), ((5, 0, 0), (1, 0, 0)));
    assert!(is_held(&reserve(store, "1", "x", &[("b", 1), ("a", 2)]).await));
    assert_eq!(store.release("1", NOW).await.unwrap(), Some(ReservationState::Released));
    assert_eq!((state(store, "a").await, state(store, "b").await), ((5, 0, 0), (1, 0, 0)));
}

/// A crash between the reservation and the order lost stock for ever.
async fn a_crash_before_the_order_loses_no_stock<P: Place>(place: &P) {
    let store = place.open();
    define(&store, "sku", 1, Some(1)).await;
    assert!(is_held(&reserve(&store, "1", "a", &[("sku", 1)]).await));
    drop(store);
    let store = place.open();
    assert_eq!(state(&store, "sku").await, (0, 1, 0));
    assert_eq!(store.expire(NOW + TTL - 1).await.unwrap(), 0);
    assert_eq!(store.expire(NOW + TTL).await.unwrap(), 1);
    assert_eq!(state(&store, "sku").await, (1, 0, 0));
    assert_eq!(store.confirm("1", NOW + TTL).await.unwrap(), Some(ReservationState::Expired), "too late");
    // Without anybody who calls `expire`: the next reservation finds the piece free, and so is its holder.
    let again = request("2", "a", &[("sku", 1)], NOW + TTL);
    assert!(is_held(&store.reserve(again).await.unwrap()));
    assert!(is_held(&store.reserve(request("3", "a", &[("sku", 1)], NOW + 2 * TTL)).await.unwrap()));
    let kinds: Vec<_> =
        store.movements("sku").await.unwrap().into_iter().map(|movement| movement.kind).collect();
    use MovementKind::{Defined, Expired, Reserved};
    assert_eq!(kinds, [Defined, Reserved, Expired, Reserved, Expired, Reserved]);
}

/// One person's repeated orders took the whole stock.
async fn one_holder_cannot_drain_the_stock(store: &impl Store) {
    define(store, "sku", 100, Some(2)).await;
    assert!(is_held(&reserve(store, "1", "a", &[("sku", 1)]).await));
    assert_eq!(store.confirm("1", NOW).await.unwrap(), Some(ReservationState::Confirmed));
    let over = |left| ReserveOutcome::OverLimit { counter: "sku".to_owned(), left };
    assert_eq!(reserve(store, "2", "a", &[("sku", 2)]).await, over(1));
    assert!(is_held(&reserve(store, "3", "a", &[("sku", 1)]).await));
    assert_eq!(reserve(store, "4", "a", &[("sku", 1)]).await, over(0));
    assert!(is_held(&reserve(store, "5", "b", &[("sku", 2)]).await), "others can");
    store.release("3", NOW).await.unwrap();
    assert!(is_held(&reserve(store, "6", "a", &[("sku", 1)]).await), "what is given back counts no more");
}

/// Read, modify, write in three steps sold one piece to several people.
async fn concurrent_reservations_never_oversell(store: impl Store) {
    let store = Arc::new(store);
    define(&*store, "sku", 50, None).await;
    let mut buyers = tokio::task::JoinSet::new();
    for buyer in 0..16 {
        let store = Arc::clone(&store);
        buyers.spawn(async move {
            let mut held = 0;
            for n in 0..10 {
                let key = format!("{buyer}-{n}");
                held += u64::from(is_held(&reserve(&*store, &key, "x", &[("sku", 1)]).await));
            }
            held
        });
    }
    let held: u64 = buyers.join_all().await.into_iter().sum();
    assert_eq!((held, state(&*store, "sku").await), (50, (0, 50, 0)));
}

async fn a_repeated_key_reserves_once<P: Place>(place: &P) {
    let store = place.open();
    define(&store, "sku", 10, None).await;
    assert!(is_held(&reserve(&store, "1", "a", &[("sku", 2)]).await));
    drop(store);
    let store = place.open();
    let repeated = reserve(&store, "1", "a", &[("sku", 2)]).await;
    let expected =
        ReserveOutcome::Reserved { state: ReservationState::Held, until: NOW + TTL, repeated: true };
    assert_eq!(repeated, expected);
    for (holder, lines) in [("b", [("sku", 2)]), ("a", [("sku", 3)])] {
        assert_eq!(reserve(&store, "1", holder, &lines).await, ReserveOutcome::KeyConflict);
    }
    assert_eq!(state(&store, "sku").await, (8, 2, 0));
    // A finished reservation is not made again, either.
    store.release("1", NOW).await.unwrap();
    let repeated = reserve(&store, "1", "a", &[("sku", 2)]).await;
    assert!(matches!(
        repeated,
        ReserveOutcome::Reserved { state: ReservationState::Released, repeated: true, .. }
    ));
    assert_eq!(state(&store, "sku").await, (10, 0, 0));
}

async fn a_finished_reservation_does_not_change(store: &impl Store) {
    define(store, "sku", 10, None).await;
    assert_eq!(store.confirm("none", NOW).await.unwrap(), None);
    assert_eq!(store.release("none", NOW).await.unwrap(), None);
    reserve(store, "1", "a", &[("sku", 2)]).await;
    reserve(store, "2", "a", &[("sku", 3)]).await;
    for _ in 0..2 {
        assert_eq!(store.confirm("1", NOW).await.unwrap(), Some(ReservationState::Confirmed));
        assert_eq!(store.release("2", NOW).await.unwrap(), Some(ReservationState::Released));
    }
    assert_eq!(store.release("1", NOW).await.unwrap(), Some(ReservationState::Confirmed));
    assert_eq!(store.confirm("2", NOW).await.unwrap(), Some(ReservationState::Released));
    assert_eq!(store.expire(NOW + 10 * TTL).await.unwrap(), 0);
    assert_eq!(state(store, "sku").await, (8, 0, 2));
}

async fn a_stock_cannot_fall_below_what_is_used(store: &impl Store) {
    define(store, "sku", 10, None).await;
    reserve(store, "1", "a", &[("sku", 4)]).await;
    store.confirm("1", NOW).await.unwrap();
    reserve(store, "2", "a", &[("sku", 3)]).await;
    let refused = store.define_counter("sku", 6, None, NOW).await.unwrap();
    assert_eq!(refused, DefineOutcome::BelowUsed { used: 7 });
    let defined = store.define_counter("sku", 7, Some(9), NOW).await.unwrap();
    let expected = Counter { stock: 7, per_holder: Some(9), held: 3, confirmed: 4 };
    assert_eq!(defined, DefineOutcome::Defined(expected));
    assert_eq!(store.counter("sku").await.unwrap(), Some(expected));
    assert_eq!(store.counter("none").await.unwrap(), None);
}

fn odd_requests_are_refused() {
    let field = |key, holder, lines: &[(&str, u64)], ttl| {
        Reserve::check(key, holder, lines, ttl, NOW).unwrap_err().field
    };
    assert_eq!(field("", "a", &[("x", 1)], TTL), "key");
    assert_eq!(field("k", "a\0b", &[("x", 1)], TTL), "holder");
    assert_eq!(field("k", "a", &[], TTL), "lines");
    assert_eq!(field("k", "a", &[("x", 0)], TTL), "lines");
    assert_eq!(field("k", "a", &[("x", u64::MAX)], TTL), "lines");
    assert_eq!(field("k", "a", &[("x", 1), ("x", 2)], TTL), "lines");
    assert_eq!(field("k", "a", &[("x", 1)], 0), "ttl_ms");
}

/// One step of the model test.
#[derive(Debug, Clone)]
enum Step {
    Define { counter: u8, stock: u64, limit: Option<u64> },
    Reserve { key: u8, holder: u8, lines: Vec<(u8, u64)> },
    Confirm(u8),
    Release(u8),
    Expire,
    Wait(i64),
}

fn step() -> impl Strategy<Value = Step> {
    let lines = prop::collection::btree_map(0u8..3, 1u64..4, 1..3).prop_map(|map| map.into_iter().collect());
    prop_oneof![
        2 => (0u8..3, 0u64..8, prop::option::of(1u64..4)).prop_map(|(counter, stock, limit)| Step::Define { counter, stock, limit }),
        6 => (0u8..10, 0u8..3, lines).prop_map(|(key, holder, lines)| Step::Reserve { key, holder, lines }),
        2 => (0u8..10).prop_map(Step::Confirm),
        2 => (0u8..10).prop_map(Step::Release),
        1 => Just(Step::Expire),
        2 => (1i64..TTL).prop_map(Step::Wait),
    ]
}

/// Counters and reservations in their simplest form.
#[derive(Default)]
struct Model {
    counters: BTreeMap<u8, (u64, Option<u64>)>,
    reservations: BTreeMap<u8, Reserved>,
}

#[derive(Clone)]
struct Reserved {
    holder: u8,
    lines: Vec<(u8, u64)>,
    until: i64,
    state: ReservationState,
}

impl Model {
    fn expire(&mut self, now: i64) -> usize {
        let held =
            |reserved: &&mut Reserved| reserved.state == ReservationState::Held && reserved.until <= now;
        let over: Vec<&mut Reserved> = self.reservations.values_mut().filter(held).collect();
        let count = over.len();
        over.into_iter().for_each(|reserved| reserved.state = ReservationState::Expired);
        count
    }

    /// Pieces in reservations of these states, of one holder or of all.
    fn pieces(&self, counter: u8, holder: Option<u8>, states: &[ReservationState]) -> u64 {
        let counts = |reserved: &&Reserved| {
            states.contains(&reserved.state) && holder.is_none_or(|holder| holder == reserved.holder)
        };
        let lines = self.reservations.values().filter(counts).flat_map(|reserved| &reserved.lines);
        lines.filter(|(line, _)| *line == counter).map(|(_, pieces)| pieces).sum()
    }

    fn reserve(&mut self, key: u8, holder: u8, lines: &[(u8, u64)], now: i64) -> ReserveOutcome {
        use ReservationState::{Confirmed, Held};
        if let Some(known) = self.reservations.get(&key) {
            if (known.holder, &known.lines[..]) != (holder, lines) {
                return ReserveOutcome::KeyConflict;
            }
            return ReserveOutcome::Reserved { state: known.state, until: known.until, repeated: true };
        }
        for (counter, pieces) in lines {
            let name = counter.to_string();
            let Some((stock, limit)) = self.counters.get(counter) else {
                return ReserveOutcome::Unknown { counter: name };
            };
            let available = stock - self.pieces(*counter, None, &[Held, Confirmed]);
            if *pieces > available {
                return ReserveOutcome::SoldOut { counter: name, available };
            }
            let owned = self.pieces(*counter, Some(holder), &[Held, Confirmed]);
            if let Some(limit) = limit
                && owned + pieces > *limit
            {
                return ReserveOutcome::OverLimit { counter: name, left: limit.saturating_sub(owned) };
            }
        }
        let reserved = Reserved { holder, lines: lines.to_vec(), until: now + TTL, state: Held };
        self.reservations.insert(key, reserved);
        ReserveOutcome::Reserved { state: Held, until: now + TTL, repeated: false }
    }

    fn finish(&mut self, key: u8, state: ReservationState) -> Option<ReservationState> {
        let known = self.reservations.get_mut(&key)?;
        if known.state == ReservationState::Held {
            known.state = state;
        }
        Some(known.state)
    }
}

/// Any sequence of calls gives the results of the model, and the movements add up to the counters.
pub fn counters_agree_with_a_model<P: Place>(new: impl Fn() -> P, cases: u32) {
    let runtime = tokio::runtime::Handle::current();
    let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
    let run = |steps: Vec<Step>| {
        let store = new().open();
        tokio::task::block_in_place(|| runtime.block_on(follow_model(&store, steps)));
        Ok(())
    };
    runner.run(&prop::collection::vec(step(), 1..60), run).unwrap();
}

async fn follow_model(store: &impl Store, steps: Vec<Step>) {
    use ReservationState::{Confirmed, Held, Released};
    let (mut model, mut now) = (Model::default(), NOW);
    for step in &steps {
        match step {
            Step::Wait(milliseconds) => now += milliseconds,
            Step::Expire => assert_eq!(store.expire(now).await.unwrap(), model.expire(now)),
            Step::Define { counter, stock, limit } => {
                model.expire(now);
                let used = model.pieces(*counter, None, &[Held, Confirmed]);
                let outcome = store.define_counter(&counter.to_string(), *stock, *limit, now).await.unwrap();
                if *stock < used {
                    assert_eq!(outcome, DefineOutcome::BelowUsed { used });
                } else {
                    assert!(matches!(outcome, DefineOutcome::Defined(_)));
                    model.counters.insert(*counter, (*stock, *limit));
                }
            }
            Step::Reserve { key, holder, lines } => {
                model.expire(now);
                let named: Vec<(String, u64)> =
                    lines.iter().map(|(name, n)| (name.to_string(), *n)).collect();
                let named: Vec<(&str, u64)> = named.iter().map(|(name, n)| (name.as_str(), *n)).collect();
                let request = request(&key.to_string(), &holder.to_string(), &named, now);
                let outcome = store.reserve(request).await.unwrap();
                assert_eq!(outcome, model.reserve(*key, *holder, lines, now), "{step:?} of {steps:?}");
            }
            Step::Confirm(key) => {
                model.expire(now);
                assert_eq!(
                    store.confirm(&key.to_string(), now).await.unwrap(),
                    model.finish(*key, Confirmed)
                );
            }
            Step::Release(key) => {
                model.expire(now);
                assert_eq!(store.release(&key.to_string(), now).await.unwrap(), model.finish(*key, Released));
            }
        }
    }
    store.expire(now).await.unwrap();
    model.expire(now);
    for (counter, (stock, per_holder)) in &model.counters {
        let (held, confirmed) =
            (model.pieces(*counter, None, &[Held]), model.pieces(*counter, None, &[Confirmed]));
        let expected = Counter { stock: *stock, per_holder: *per_holder, held, confirmed };
        let name = counter.to_string();
        assert_eq!(store.counter(&name).await.unwrap(), Some(expected));
        assert_eq!(replay(store, &name).await, (held, confirmed), "the movements of {name} add up");
    }
}

/// Pieces held and confirmed, from a counter's movements.
pub async fn replay(store: &impl Counters, counter: &str) -> (u64, u64) {
    let (mut held, mut confirmed) = (0, 0);
    for movement in store.movements(counter).await.unwrap() {
        match movement.kind {
            MovementKind::Defined => {}
            MovementKind::Reserved => held += movement.pieces,
            MovementKind::Confirmed => {
                (held, confirmed) = (held - movement.pieces, confirmed + movement.pieces)
            }
            MovementKind::Released | MovementKind::Expired => held -= movement.pieces,
        }
    }
    (held, confirmed)
}

/// Old keys are forgotten, so that a store does not grow without end.
pub async fn old_keys_are_forgotten(store: &impl Counters) {
    store.define_counter("sku", 10, None, NOW).await.unwrap();
    let first = store.reserve(request("1", "a", &[("sku", 1)], NOW)).await.unwrap();
    store.release("1", NOW).await.unwrap();
    store.expire(NOW + TTL + REMEMBER_MS).await.unwrap();
    let later = NOW + TTL + REMEMBER_MS;
    let again = store.reserve(request("1", "a", &[("sku", 1)], later)).await.unwrap();
    assert!(is_held(&first) && is_held(&again));
}
