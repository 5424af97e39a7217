//! The canonical columns of every table, and their rows as CSV.

use super::cart::{Line, NOWHERE};
use super::kind_table::{DEPARTMENTS, KINDS};
use super::places::CITIES;
use super::shop::Shop;
use super::shopper::Shopper;
use super::text::{degrees, digits, hex, time_of_day, yuan};

/// Columns of the orders.
pub const ORDERS: &str =
    "order_id,user_id,item_id,ordered_at,quantity,unit_price,channel,store_id,room_id,merchant_id,status\n";
/// Columns of the catalog, without the end of the line. `tags` and `store_ids` are lists separated by `|`.
pub const ITEMS: &str =
    "item_id,title,category,brand,merchant_id,price,cost,stock,launched_at,tags,status,store_ids";
/// Columns of the users. `tags` is a list separated by `|`.
pub const USERS: &str =
    "user_id,birthday,gender,city,lat,lon,registered_at,tags,consent_personalization,consent_contact\n";
/// Columns of the identities.
pub const IDENTITIES: &str = "user_id,type,value\n";
/// Columns of the stores.
pub const STORES: &str = "store_id,title,city,lat,lon\n";

/// Appends an item's id.
pub fn item_id(out: &mut Vec<u8>, shop: &Shop, item: u32) {
    out.push(b'P');
    digits(out, u64::from(shop.catalog.items[item as usize].sku), 7);
}

/// Appends a user's id.
pub fn user_id(out: &mut Vec<u8>, number: u32) {
    out.push(b'U');
    digits(out, u64::from(number), 8);
}

/// Appends an order's id: the day, then a number that reveals neither the user nor the sequence.
pub fn order_id(out: &mut Vec<u8>, shop: &Shop, line: &Line) {
    let date = shop.calendar.date_text(line.order_day as usize);
    // Letters in front keep tools from reading an id as a number.
    out.extend_from_slice(b"SO");
    out.extend(date.iter().filter(|&&c| c != b'-'));
    // An odd factor and an offset modulo 2^36 are a bijection of 24 bits of user and 12 bits of order.
    let number = u64::from(line.user) << 12 | u64::from(line.order);
    digits(out, number.wrapping_mul(0x5_DEEC_E66D).wrapping_add(0x7_3A51_94C3) & ((1 << 36) - 1), 11);
}

/// Appends a store's id, if it is one.
pub fn store_id(out: &mut Vec<u8>, store: u16) {
    if store != NOWHERE {
        out.extend_from_slice(b"ST");
        digits(out, u64::from(store) + 1, 3);
    }
}

/// Appends a livestream room's id, if it is one.
pub fn room_id(out: &mut Vec<u8>, room: u16) {
    if room != NOWHERE {
        out.extend_from_slice(b"LIVE");
        digits(out, u64::from(room) + 1, 3);
    }
}

/// Appends the id of the merchant that sells an item.
pub fn merchant_id(out: &mut Vec<u8>, shop: &Shop, item: u32) {
    let brand = shop.catalog.items[item as usize].brand;
    out.push(b'M');
    digits(out, u64::from(shop.catalog.brands[usize::from(brand)].merchant) + 1, 4);
}

/// Appends a time inside the window.
pub fn time(out: &mut Vec<u8>, shop: &Shop, at: i64) {
    let day = shop.calendar.day_of(at);
    out.extend_from_slice(shop.calendar.date_text(day));
    time_of_day(out, (at - shop.calendar.unix(day)) as u32);
}

/// Appends an order line. A return is a line of its own with status `paid` and a negative quantity; the status
/// `refunded` would cancel the whole purchase.
pub fn order(out: &mut Vec<u8>, shop: &Shop, line: &Line) {
    order_id(out, shop, line);
    out.push(b',');
    if !line.guest {
        user_id(out, line.user);
    }
    out.push(b',');
    item_id(out, shop, line.item);
    out.push(b',');
    time(out, shop, line.at);
    out.push(b',');
    if line.quantity < 0 {
        out.push(b'-');
    }
    digits(out, u64::from(line.quantity.unsigned_abs()), 1);
    out.push(b',');
    yuan(out, line.price_fen);
    out.push(b',');
    out.extend_from_slice(line.channel.name().as_bytes());
    out.push(b',');
    store_id(out, line.store);
    out.push(b',');
    room_id(out, line.room);
    out.push(b',');
    merchant_id(out, shop, line.item);
    out.extend_from_slice(b",paid\n");
}

/// Appends an item of the catalog, without the end of the line.
pub fn item(out: &mut Vec<u8>, shop: &Shop, number: u32) {
    let item = &shop.catalog.items[number as usize];
    let kind = &KINDS[usize::from(item.kind)];
    let department = &DEPARTMENTS[kind.department];
    let days = shop.calendar.days() as i32;
    item_id(out, shop, number);
    let path = [department.name, kind.group, kind.leaf].join("/");
    for text in [&item.title, &path, &shop.catalog.brands[usize::from(item.brand)].name] {
        out.push(b',');
        out.extend_from_slice(text.as_bytes());
    }
    out.push(b',');
    merchant_id(out, shop, number);
    out.push(b',');
    yuan(out, item.price_fen);
    out.push(b',');
    yuan(out, item.cost_fen);
    out.push(b',');
    digits(out, u64::from(item.stock(days)), 1);
    out.push(b',');
    out.extend_from_slice(shop.calendar.date(item.launched).to_string().as_bytes());
    out.extend_from_slice(b"T00:00:00Z,");
    out.extend_from_slice(department.styles[usize::from(item.style)].as_bytes());
    if days - item.launched < 60 {
        out.extend_from_slice("|新品".as_bytes());
    }
    out.extend_from_slice(if item.is_gone(days) { b",discontinued," } else { b",active," });
    let carrying = (0u16..).zip(&shop.places.stores).filter(|(_, s)| item.reach >= s.least_reach);
    for (nth, (store, _)) in carrying.enumerate() {
        if nth > 0 {
            out.push(b'|');
        }
        store_id(out, store);
    }
}

/// Appends a user.
pub fn user(out: &mut Vec<u8>, shop: &Shop, who: &Shopper) {
    user_id(out, who.number);
    out.push(b',');
    out.extend_from_slice(shop.calendar.date(-who.age_days).to_string().as_bytes());
    out.extend_from_slice(if who.female { b",female," } else { b",male," });
    out.extend_from_slice(CITIES[who.city].name.as_bytes());
    out.push(b',');
    degrees(out, who.lat);
    out.push(b',');
    degrees(out, who.lon);
    out.push(b',');
    out.extend_from_slice(shop.calendar.date(who.registered).to_string().as_bytes());
    out.extend_from_slice(b"T00:00:00Z,");
    let known = [(who.known_by.card, "持卡会员"), (who.baby, "有宝宝"), (who.cat, "养猫"), (who.dog, "养狗")];
    for (nth, (_, tag)) in known.iter().filter(|(is, _)| *is).enumerate() {
        if nth > 0 {
            out.push(b'|');
        }
        out.extend_from_slice(tag.as_bytes());
    }
    for consent in [who.allows_personalization, who.allows_contact] {
        out.extend_from_slice(if consent { b",true" } else { b",false" });
    }
    out.push(b'\n');
}

/// Appends a user's identities and returns how many there are. The values look like those of the
/// real systems but are drawn from the seed: none is derived from a phone number.
pub fn identities(out: &mut Vec<u8>, shop: &Shop, who: &Shopper) -> u64 {
    let known = who.known_by;
    // Every user has an identity: a member card, if there is no other.
    let card = known.card || !(known.wechat || known.phone);
    let kinds = [(known.wechat, "wechat_unionid"), (known.phone, "phone_sha256"), (card, "member_card")];
    let mut rows = 0;
    for (_, kind) in kinds.iter().filter(|(is, _)| *is) {
        let mut hasher = blake3::Hasher::new_derive_key("qianmian demo-data identities v1");
        hasher.update(&shop.seed.to_le_bytes()).update(&who.number.to_le_bytes()).update(kind.as_bytes());
        let value = hasher.finalize();
        user_id(out, who.number);
        out.push(b',');
        out.extend_from_slice(kind.as_bytes());
        out.push(b',');
        match *kind {
            "wechat_unionid" => {
                out.push(b'o');
                hex(out, &value.as_bytes()[..14]);
            }
            "phone_sha256" => hex(out, value.as_bytes()),
            _ => {
                out.extend_from_slice(b"MC");
                hex(out, &value.as_bytes()[..8]);
            }
        }
        out.push(b'\n');
        rows += 1;
    }
    rows
}

/// Appends a store.
pub fn store(out: &mut Vec<u8>, shop: &Shop, number: u16) {
    let store = &shop.places.stores[usize::from(number)];
    store_id(out, number);
    for text in [&store.title, CITIES[store.city].name] {
        out.push(b',');
        out.extend_from_slice(text.as_bytes());
    }
    for place in [store.lat, store.lon] {
        out.push(b',');
        degrees(out, place);
    }
    out.push(b'\n');
}
