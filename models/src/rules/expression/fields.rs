//! The fields that expressions read, in one table for each object: name, type, and how it is read.

use qianmian_money::Money;

use super::value::{Texts, Value};
use crate::ids::ItemIx;
use crate::index::catalog::Text;
use crate::index::popularity::SalesWindow;
use crate::items::Items;
use crate::rules::expression::inputs::{Inputs, MAX_LOCAL_HOUR};

/// The type of a part of an expression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// A truth value.
    Bool,
    /// A number.
    Number,
    /// A text.
    Text,
    /// A list of texts.
    Texts,
    /// A list of numbers.
    Numbers,
    /// Known when the request is: a parameter.
    Any,
}

impl Type {
    /// The name in errors.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bool => "a truth value",
            Self::Number => "a number",
            Self::Text => "a text",
            Self::Texts => "a list of texts",
            Self::Numbers => "a list of numbers",
            Self::Any => "any value",
        }
    }

    /// True if a value of this type may stand where `wanted` is.
    pub fn fits(self, wanted: Self) -> bool {
        self == wanted || self == Self::Any || wanted == Self::Any
    }
}

/// A field of `item`.
pub struct ItemField {
    /// Its name.
    pub name: &'static str,
    /// Its type.
    pub kind: Type,
    /// True if it changes between two models.
    pub live: bool,
    pub(super) read: for<'a> fn(Items<'a>, ItemIx) -> Value<'a>,
}

/// A field of `user` or `context`.
pub struct RequestField {
    /// Its name, with the object.
    pub name: &'static str,
    /// Its type.
    pub kind: Type,
    pub(super) read: for<'a> fn(&'a Inputs<'_>) -> Value<'a>,
}

macro_rules! item_text {
    ($name:literal, $text:ident) => {
        ItemField {
            name: $name,
            kind: Type::Text,
            live: false,
            read: |items, item| {
                Value::Text(items.snapshot.catalog.text(item, Text::$text).unwrap_or_default())
            },
        }
    };
}

macro_rules! item_number {
    ($name:literal, $read:expr) => {
        ItemField { name: $name, kind: Type::Number, live: false, read: $read }
    };
}

fn sales<'a>(items: Items<'a>, item: ItemIx, window: SalesWindow) -> Value<'a> {
    Value::Number(items.snapshot.popularity.baskets_within(window, item).into())
}

/// An amount in units of the shop's currency.
fn units(items: Items<'_>, amount: Money) -> f64 {
    items.snapshot.catalog.currency().units(amount)
}

/// Share of the best seller's decayed sales, `0..=1`.
fn popularity<'a>(items: Items<'a>, item: ItemIx) -> Value<'a> {
    let popularity = &items.snapshot.popularity;
    let best = popularity.ranked().first().map_or(0.0, |&best| popularity.score(best));
    Value::Number(if best > 0.0 { f64::from(popularity.score(item) / best) } else { 0.0 })
}

/// The fields of `item`.
pub const ITEM: [ItemField; 17] = [
    ItemField {
        name: "id",
        kind: Type::Text,
        live: false,
        read: |items, item| Value::Text(items.snapshot.items.id(item)),
    },
    item_text!("title", Title),
    item_text!("category", Category),
    item_text!("brand", Brand),
    item_text!("merchant_id", MerchantId),
    item_text!("image_url", ImageUrl),
    ItemField {
        name: "tags",
        kind: Type::Texts,
        live: false,
        read: |items, item| Value::Texts(Texts::Tags(items, item)),
    },
    ItemField {
        name: "store_ids",
        kind: Type::Texts,
        live: false,
        read: |items, item| Value::Texts(Texts::Stores(items, item)),
    },
    ItemField {
        name: "price",
        kind: Type::Number,
        live: true,
        read: |items, item| Value::number(items.price(item).map(|price| units(items, price))),
    },
    ItemField {
        name: "stock",
        kind: Type::Number,
        live: true,
        read: |items, item| Value::number(items.stock(item).map(f64::from)),
    },
    ItemField {
        name: "is_new",
        kind: Type::Bool,
        live: false,
        read: |items, item| Value::Bool(items.snapshot.popularity.baskets(item) == 0),
    },
    item_number!("popularity", popularity),
    item_number!("sales", |items, item| Value::Number(items.snapshot.popularity.baskets(item).into())),
    item_number!("sales_7d", |items, item| sales(items, item, SalesWindow::Days7)),
    item_number!("sales_30d", |items, item| sales(items, item, SalesWindow::Days30)),
    item_number!("sales_90d", |items, item| sales(items, item, SalesWindow::Days90)),
    item_number!("cost", |items, item| {
        Value::number(items.snapshot.catalog.cost(item).map(|cost| units(items, cost)))
    }),
];

macro_rules! request {
    ($name:literal, $kind:ident, $read:expr) => {
        RequestField { name: $name, kind: Type::$kind, read: $read }
    };
}

/// The fields of `user` and of `context`.
pub const REQUEST: [RequestField; 15] = [
    request!("user.known", Bool, |inputs| Value::Bool(inputs.user.is_some())),
    request!("user.tags", Texts, |inputs| Value::Texts(Texts::Slice(inputs.tags()))),
    request!("user.gender", Text, |inputs| Value::Text(inputs.gender())),
    request!("user.city", Text, |inputs| Value::Text(inputs.city())),
    request!("user.channel", Text, |inputs| Value::Text(inputs.usual_channel())),
    request!("user.baskets", Number, |inputs| Value::Number(inputs.baskets())),
    request!("user.days_since_last", Number, |inputs| Value::number(inputs.days_since_last())),
    request!("user.days_to_birthday", Number, |inputs| Value::number(inputs.days_to_birthday())),
    request!("context.scene", Text, |inputs| Value::Text(&inputs.asked.scene)),
    request!("context.channel", Text, |inputs| Value::Text(&inputs.asked.channel)),
    request!("context.region", Text, |inputs| Value::Text(&inputs.asked.region)),
    request!("context.store_id", Text, |inputs| Value::Text(&inputs.asked.store_id)),
    request!("context.city", Text, |inputs| Value::Text(&inputs.asked.city)),
    request!("context.hour", Number, |inputs| Value::Number(f64::from(inputs.hour().min(MAX_LOCAL_HOUR)))),
    request!("context.weekday", Number, |inputs| Value::Number(f64::from(inputs.weekday()))),
];
