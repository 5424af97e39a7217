//! The attributes of an item that an answer carries.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, SeqAccess, Visitor};
use serde::{Deserialize as De, Serialize};
use utoipa::openapi::schema::ArrayBuilder;
use utoipa::openapi::{Ref, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// An attribute of an item that an answer can carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, De, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CardField {
    /// Its name.
    Title,
    /// In the shop's currency, as it is now.
    Price,
    /// Its picture.
    ImageUrl,
    /// Its path of categories.
    Category,
    /// Its brand.
    Brand,
    /// Pieces that can be sold now.
    Stock,
    /// Its labels.
    Tags,
}

impl CardField {
    /// All of them, in the order of their declaration.
    const ALL: [Self; 7] =
        [Self::Title, Self::Price, Self::ImageUrl, Self::Category, Self::Brand, Self::Stock, Self::Tags];
}

/// A set of [`CardField`]s.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CardFields(u8);

impl Default for CardFields {
    /// All but stock and tags.
    fn default() -> Self {
        let usual =
            [CardField::Title, CardField::Price, CardField::ImageUrl, CardField::Category, CardField::Brand];
        usual.into_iter().collect()
    }
}

impl CardFields {
    /// True if `field` is in it.
    pub fn has(self, field: CardField) -> bool {
        self.0 >> field as u8 & 1 == 1
    }

    /// These and another one.
    pub fn and(self, field: CardField) -> Self {
        Self(self.0 | 1 << field as u8)
    }

    /// The fields of a list such as `title,price`.
    ///
    /// # Errors
    /// The first unknown name.
    pub fn listed(names: &str) -> Result<Self, String> {
        let named = |name: &str| {
            let read = serde_json::from_value(serde_json::Value::String(name.trim().to_owned()));
            read.map_err(|error: serde_json::Error| error.to_string())
        };
        names.split(',').filter(|name| !name.trim().is_empty()).map(named).collect()
    }
}

impl FromIterator<CardField> for CardFields {
    fn from_iter<I: IntoIterator<Item = CardField>>(fields: I) -> Self {
        Self(fields.into_iter().fold(0, |bits, field| bits | 1 << field as u8))
    }
}

impl Serialize for CardFields {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(CardField::ALL.into_iter().filter(|field| self.has(*field)))
    }
}

impl<'de> Deserialize<'de> for CardFields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FieldsVisitor;
        impl<'de> Visitor<'de> for FieldsVisitor {
            type Value = CardFields;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of fields of an item")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<CardFields, A::Error> {
                let mut bits = CardFields(0);
                while let Some(field) = seq.next_element::<CardField>()? {
                    bits.0 |= 1 << field as u8;
                }
                Ok(bits)
            }
        }
        deserializer.deserialize_seq(FieldsVisitor)
    }
}

impl PartialSchema for CardFields {
    fn schema() -> RefOr<Schema> {
        ArrayBuilder::new().items(Ref::from_schema_name("CardField")).max_items(Some(7)).into()
    }
}

impl ToSchema for CardFields {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("CardFields")
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push(("CardField".to_owned(), CardField::schema()));
    }
}
