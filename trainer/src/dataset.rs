//! The dataset that learners read: order lines in dense indices, over one vocabulary of orders and catalog.
//!
//! Items of the catalog that were never bought are rows too: they can be found by their attributes, named in a filter
//! and sold later. Cutting a [`Dataset`] at a moment keeps the vocabulary, so that a model of the past and the later
//! purchases share dense indices.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use qianmian_models::index::catalog::{Attributes, Text};
use qianmian_models::index::external::External;
use qianmian_models::index::localities::Kind;
use qianmian_models::index::user_attributes::UserAttribute;
use qianmian_money::Currency;

use crate::config::TrainingConfig;
use crate::orders::{DAY_SECONDS, GUEST, Identity, Inputs, Item, Line, NONE_CODE, TimeKind, User};

/// Half-life of a purchase in days, if times are known (decision 12).
const HALF_LIFE_DAYS: f64 = 90.0;
/// The same in steps, if only the order is known: a factor of 0.8 per step (decision 17).
const HALF_LIFE_STEPS: f64 = 3.0;
/// The same for users who buy the same items again: old purchases matter for longer (decision 28).
const HALF_LIFE_REPEAT_STEPS: f64 = 6.6;

/// Order lines in dense indices, with the attributes of every item.
#[derive(Debug, Clone)]
pub struct Dataset {
    /// Outside ids of all items, in byte order.
    pub item_ids: Vec<String>,
    /// Attributes, one entry per item.
    pub attributes: Vec<Attributes>,
    /// The currency of all amounts.
    pub currency: Currency,
    /// Outside ids of all users, in byte order.
    pub user_ids: Vec<String>,
    /// Channel names, by code.
    pub channels: Vec<String>,
    /// Store ids, by code.
    stores: Vec<String>,
    /// Ids of livestream rooms, by code.
    rooms: Arc<Vec<String>>,
    /// Names of the cities that users live in, in byte order.
    cities: Vec<String>,
    /// City of every user, an index into `cities` or [`NONE_CODE`].
    user_cities: Vec<u16>,
    /// Attributes of every user, in vocabulary order.
    pub user_attributes: Arc<Vec<UserAttribute>>,
    /// Identities of every user, as `(type, value)`.
    pub identities: Arc<Vec<Vec<(String, String)>>>,
    /// Models learned elsewhere, in the same vocabulary.
    pub external: Arc<Vec<ExternalModel>>,
    /// Purchases, by (time, basket, item); lines beyond the basket cap come last, in the same order.
    lines: Vec<Line>,
    /// The first `n_paired` of `lines` count for co-purchase; lines beyond the basket cap do not.
    n_paired: usize,
    /// The meaning of the lines' times.
    pub time_kind: TimeKind,
    /// End of the data, exclusive: a second after the last line, or the moment of the cut; unix seconds.
    pub until: i64,
    /// True if users buy the same items again.
    repeats: bool,
}

/// A model learned elsewhere (`[[external]]`), in the dataset's indices.
#[derive(Debug, Clone)]
pub struct ExternalModel {
    /// The model that is served.
    pub served: External,
    /// The model that the rehearsal uses: the owner's version learned without the last months, else the served one.
    pub rehearsed: External,
}

impl Dataset {
    /// Joins orders and catalog.
    pub fn new(inputs: Inputs) -> Self {
        let orders = inputs.orders;
        let repeats = orders.buy_again();
        let mut catalog: BTreeMap<String, Attributes> =
            inputs.items.into_iter().map(|item| (item.item_id.clone(), attributes(item))).collect();
        for id in &orders.item_ids {
            catalog.entry(id.clone()).or_default();
        }
        let (item_ids, attributes): (Vec<String>, Vec<Attributes>) = catalog.into_iter().unzip();
        // Both lists are in byte order, so one pass over the joined list finds every id of the orders.
        let mut joined = item_ids.iter().enumerate();
        let rows: Vec<u32> = orders
            .item_ids
            .iter()
            .map(|id| joined.find(|(_, other)| *other == id).map_or(0, |(row, _)| row as u32))
            .collect();
        let n_paired = orders.lines.len();
        let mut lines = orders.lines;
        lines.extend(orders.beyond_cap);
        lines.iter_mut().for_each(|line| line.item = rows[line.item as usize]);
        let mut attributes = attributes;
        merchants(&lines, &orders.merchants, &mut attributes);
        let (cities, user_cities) = cities(&orders.user_ids, &inputs.users);
        let user_attributes = Arc::new(user_attributes(&orders.user_ids, inputs.users));
        let identities = Arc::new(identities(&orders.user_ids, inputs.identities));
        let until = lines.iter().map(|l| l.at).max().map_or(0, |at| at + 1);
        Self {
            item_ids,
            attributes,
            currency: inputs.currency,
            user_ids: orders.user_ids,
            channels: orders.channels,
            stores: orders.stores,
            rooms: Arc::new(orders.rooms),
            cities,
            user_cities,
            user_attributes,
            identities,
            external: Arc::default(),
            lines,
            n_paired,
            time_kind: orders.time_kind,
            until,
            repeats,
        }
    }

    /// Number of items.
    pub fn n_items(&self) -> usize {
        self.item_ids.len()
    }

    /// Number of users.
    pub fn n_users(&self) -> usize {
        self.user_ids.len()
    }

    /// All purchases.
    pub fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// The purchases that count for co-purchase, grouped by basket.
    pub fn baskets(&self) -> impl Iterator<Item = &[Line]> {
        self.lines[..self.n_paired].chunk_by(|a, b| a.basket == b.basket)
    }

    /// The earliest purchase, unix seconds.
    pub fn from(&self) -> i64 {
        self.lines.iter().map(|l| l.at).min().unwrap_or(0)
    }

    /// The purchases before `at`, in the same vocabulary; `at` becomes the end of the data.
    pub fn before(&self, at: i64) -> Self {
        Self { until: at, ..self.only(|line| line.at < at) }
    }

    /// The purchases that `keep` accepts, in the same vocabulary; the end of the data stays.
    pub fn only(&self, keep: impl Fn(&Line) -> bool) -> Self {
        let lines: Vec<Line> = self.lines.iter().filter(|l| keep(l)).copied().collect();
        let n_paired = self.lines[..self.n_paired].iter().filter(|l| keep(l)).count();
        Self { lines, n_paired, ..self.clone_vocabulary() }
    }

    /// The purchases of guests and of users that `is_left_out` does not name.
    pub fn without_users(&self, is_left_out: impl Fn(u32) -> bool) -> Self {
        self.only(|line| !is_known(line) || !is_left_out(line.user))
    }

    /// The purchases in `[from, to)` that count for co-purchase.
    pub fn between(&self, from: i64, to: i64) -> impl Iterator<Item = &Line> {
        self.lines[..self.n_paired].iter().filter(move |l| l.at >= from && l.at < to)
    }

    fn clone_vocabulary(&self) -> Self {
        Self {
            item_ids: self.item_ids.clone(),
            attributes: self.attributes.clone(),
            currency: self.currency,
            user_ids: self.user_ids.clone(),
            channels: self.channels.clone(),
            stores: self.stores.clone(),
            rooms: Arc::clone(&self.rooms),
            cities: self.cities.clone(),
            user_cities: self.user_cities.clone(),
            user_attributes: Arc::clone(&self.user_attributes),
            identities: Arc::clone(&self.identities),
            external: Arc::clone(&self.external),
            lines: Vec::new(),
            n_paired: 0,
            time_kind: self.time_kind,
            until: self.until,
            repeats: self.repeats,
        }
    }

    /// The locality of a purchase, as a code within `kind`; `None` if it is unknown.
    pub fn locality(&self, kind: Kind, line: &Line) -> Option<u16> {
        let code = match kind {
            Kind::Store => line.store,
            Kind::City => self.user_cities.get(line.user as usize).copied().unwrap_or(NONE_CODE),
            Kind::Channel => line.channel,
        };
        (code != NONE_CODE).then_some(code)
    }

    /// The name behind a code of [`locality`](Self::locality).
    pub fn locality_name(&self, kind: Kind, code: u16) -> &str {
        let names = match kind {
            Kind::Store => &self.stores,
            Kind::City => &self.cities,
            Kind::Channel => &self.channels,
        };
        &names[code as usize]
    }

    /// The id of a room by its code.
    pub fn room_id(&self, code: u16) -> &str {
        &self.rooms[code as usize]
    }

    /// Half-life of a purchase in a user's history, in days: as configured, else a default for the kind of times.
    pub fn half_life_days(&self, config: &TrainingConfig) -> f64 {
        config.half_life_days.unwrap_or(match self.time_kind {
            TimeKind::Timestamps => HALF_LIFE_DAYS,
            TimeKind::Steps if self.repeats => HALF_LIFE_REPEAT_STEPS,
            TimeKind::Steps => HALF_LIFE_STEPS,
            TimeKind::None => f64::INFINITY,
        })
    }

    /// Weight, at the end of the data, of a purchase at `at` (unix seconds); `0..=1`, 1 without times.
    pub fn decay(&self, at: i64, half_life_days: f64) -> f32 {
        if self.time_kind == TimeKind::None {
            return 1.0;
        }
        let days = (self.until - at).max(0) as f64 / 86_400.0;
        (-days / half_life_days).exp2() as f32
    }
}

/// True if a line has a known user.
pub fn is_known(line: &Line) -> bool {
    line.user != GUEST
}

/// The channel of a line as an index; `None` if it has none.
pub fn channel_ix(line: &Line) -> Option<usize> {
    (line.channel != NONE_CODE).then_some(line.channel as usize)
}

/// Sets each item's merchants from its order lines: by pieces sold, most first, then in byte order.
fn merchants(lines: &[Line], ids: &[String], attributes: &mut [Attributes]) {
    let mut pieces: BTreeMap<(u32, u16), f64> = BTreeMap::new();
    for line in lines.iter().filter(|line| line.merchant != NONE_CODE) {
        *pieces.entry((line.item, line.merchant)).or_default() += f64::from(line.quantity);
    }
    let mut of_items: BTreeMap<u32, Vec<(u16, f64)>> = BTreeMap::new();
    for ((item, merchant), pieces) in pieces {
        of_items.entry(item).or_default().push((merchant, pieces));
    }
    for (item, mut of_item) in of_items {
        of_item.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        let names = of_item.iter().map(|(merchant, _)| ids[*merchant as usize].clone());
        attributes[item as usize].merchant_ids = names.collect();
    }
}

/// The names of the cities of `users`, and the city code of each of `user_ids`. Both lists of users are in byte order.
fn cities(user_ids: &[String], users: &[User]) -> (Vec<String>, Vec<u16>) {
    let known: BTreeSet<&str> = users.iter().filter_map(|user| user.city.as_deref()).collect();
    let names: Vec<&str> = known.into_iter().take(NONE_CODE as usize).collect();
    let code = |id: &String| -> Option<u16> {
        let user = users.binary_search_by(|user| user.user_id.cmp(id)).ok()?;
        names.binary_search(&users[user].city.as_deref()?).ok().map(|code| code as u16)
    };
    let codes = user_ids.iter().map(|id| code(id).unwrap_or(NONE_CODE)).collect();
    (names.into_iter().map(str::to_owned).collect(), codes)
}

/// The attributes of every one of `user_ids`; unknown if the users table has no row. Both lists are in byte order.
fn user_attributes(user_ids: &[String], users: Vec<User>) -> Vec<UserAttribute> {
    let mut attributes = vec![UserAttribute::default(); user_ids.len()];
    for user in users {
        let Ok(row) = user_ids.binary_search(&user.user_id) else { continue };
        let days = user.birthday.map(|at| at.div_euclid(DAY_SECONDS));
        attributes[row] = UserAttribute {
            gender: user.gender.unwrap_or_default(),
            city: user.city.unwrap_or_default(),
            birthday: days.and_then(|days| i32::try_from(days).ok()),
            registered_at: user.registered_at,
            tags: user.tags,
            consents: user.consents.into_iter().collect(),
        };
    }
    attributes
}

/// The identities of every one of `user_ids`, in order of type and value.
fn identities(user_ids: &[String], identities: Vec<Identity>) -> Vec<Vec<(String, String)>> {
    let mut of_users = vec![Vec::new(); user_ids.len()];
    for identity in identities {
        if let Ok(row) = user_ids.binary_search(&identity.user_id) {
            of_users[row].push((identity.kind, identity.value));
        }
    }
    of_users
}

fn attributes(item: Item) -> Attributes {
    let mut out =
        Attributes { price: item.price, cost: item.cost, stock: item.stock, ..Attributes::default() };
    (out.tags, out.store_ids) = (item.tags, item.store_ids);
    let texts = [
        (Text::Title, item.title),
        (Text::Category, item.category),
        (Text::Brand, item.brand),
        (Text::MerchantId, item.merchant_id),
        (Text::ImageUrl, item.image_url),
        (Text::Status, item.status),
    ];
    for (text, value) in texts {
        *out.text_mut(text) = value.unwrap_or_default();
    }
    out
}
