//! Values of expressions: borrowed while they are evaluated, owned where they are kept.

use xxhash_rust::xxh3::Xxh3;

use crate::ids::ItemIx;
use crate::items::Items;

/// A value, borrowed from the expression, the request or the catalog.
#[derive(Debug, Clone, Copy)]
pub enum Value<'a> {
    /// Unknown: an absent price or parameter, or the wrong type in a parameter.
    Missing,
    /// A truth value.
    Bool(bool),
    /// A number; never NaN.
    Number(f64),
    /// A text; an unknown one is empty.
    Text(&'a str),
    /// A list of texts.
    Texts(Texts<'a>),
    /// A list of numbers.
    Numbers(&'a [f64]),
}

/// A list of texts, wherever they are.
#[derive(Debug, Clone, Copy)]
pub enum Texts<'a> {
    /// In the expression or the request.
    Slice(&'a [String]),
    /// The tags of an item.
    Tags(Items<'a>, ItemIx),
    /// The stores of an item.
    Stores(Items<'a>, ItemIx),
}

/// A value that is kept.
#[derive(Debug, Clone, PartialEq)]
pub enum Owned {
    /// Unknown.
    Missing,
    /// A truth value.
    Bool(bool),
    /// A number.
    Number(f64),
    /// A text.
    Text(String),
    /// A list of texts.
    Texts(Vec<String>),
    /// A list of numbers.
    Numbers(Vec<f64>),
}

impl<'a> Texts<'a> {
    /// True if `holds` is true for any text.
    pub fn any(self, holds: impl FnMut(&'a str) -> bool) -> bool {
        match self {
            Self::Slice(texts) => texts.iter().map(String::as_str).any(holds),
            Self::Tags(items, item) => items.snapshot.catalog.tags(item).any(holds),
            Self::Stores(items, item) => items.snapshot.catalog.store_ids(item).any(holds),
        }
    }

    /// Number of texts.
    pub fn len(self) -> usize {
        match self {
            Self::Slice(texts) => texts.len(),
            Self::Tags(items, item) => items.snapshot.catalog.tags(item).len(),
            Self::Stores(items, item) => items.snapshot.catalog.store_ids(item).len(),
        }
    }
}

impl Value<'_> {
    /// The number, or missing where it is none.
    pub fn number(number: Option<f64>) -> Self {
        number.filter(|number| !number.is_nan()).map_or(Self::Missing, Value::Number)
    }

    /// A copy that may be kept.
    pub fn to_owned(self) -> Owned {
        match self {
            Self::Missing => Owned::Missing,
            Self::Bool(value) => Owned::Bool(value),
            Self::Number(value) => Owned::Number(value),
            Self::Text(value) => Owned::Text(value.to_owned()),
            Self::Numbers(values) => Owned::Numbers(values.to_vec()),
            Self::Texts(texts) => {
                let mut values = Vec::with_capacity(texts.len());
                texts.any(|text| {
                    values.push(text.to_owned());
                    false
                });
                Owned::Texts(values)
            }
        }
    }
}

impl Owned {
    /// The value, borrowed.
    pub fn borrowed(&self) -> Value<'_> {
        match self {
            Self::Missing => Value::Missing,
            Self::Bool(value) => Value::Bool(*value),
            Self::Number(value) => Value::Number(*value),
            Self::Text(value) => Value::Text(value),
            Self::Texts(values) => Value::Texts(Texts::Slice(values)),
            Self::Numbers(values) => Value::Numbers(values),
        }
    }

    /// Adds the value to a hash; different values add different bytes.
    pub fn hash_into(&self, hash: &mut Xxh3) {
        let mut text = |value: &str| {
            hash.update(&(value.len() as u64).to_le_bytes());
            hash.update(value.as_bytes());
        };
        match self {
            Self::Missing => hash.update(&[0]),
            Self::Bool(value) => hash.update(&[1, u8::from(*value)]),
            Self::Number(value) => {
                hash.update(&[2]);
                hash.update(&value.to_bits().to_le_bytes());
            }
            Self::Text(value) => {
                text("t");
                text(value);
            }
            Self::Texts(values) => {
                text("ts");
                text(&values.len().to_string());
                values.iter().for_each(|value| text(value));
            }
            Self::Numbers(values) => {
                hash.update(&[5]);
                hash.update(&(values.len() as u64).to_le_bytes());
                values.iter().for_each(|value| hash.update(&value.to_bits().to_le_bytes()));
            }
        }
    }
}
