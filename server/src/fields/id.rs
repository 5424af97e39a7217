//! External ids.
//!
//! Ids are strings. A whole number is read as its digits, because callers whose ids are numbers send them as such; the
//! OpenAPI document declares strings alone. An empty optional id counts as absent.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Unexpected, Visitor};
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// Longest id that is read, in characters. An id longer than a model can hold is unknown, not invalid.
pub const MAX_ID_CHARS: usize = 256;
/// Largest magnitude up to which every whole number is exact in JSON libraries.
const MAX_WHOLE: f64 = 9_007_199_254_740_992.0;

/// An outside id: 1 to 256 characters, borrowed from the request if it holds no escapes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Id<'a>(Cow<'a, str>);

impl Id<'_> {
    /// The id's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// True if `id` is as long as an id may be.
pub fn is_id(id: &str) -> bool {
    // Counting characters is needed only if there are more bytes than that.
    !id.is_empty() && (id.len() <= MAX_ID_CHARS || id.chars().count() <= MAX_ID_CHARS)
}

impl<'a> Id<'a> {
    /// A text that was checked.
    pub fn checked(text: &'a str) -> Self {
        Self(Cow::Borrowed(text))
    }

    fn check<E: Error>(id: Cow<'a, str>) -> Result<Self, E> {
        if is_id(&id) {
            return Ok(Self(id));
        }
        Err(E::invalid_length(id.chars().count(), &"an id of 1 to 256 characters"))
    }
}

/// Reads the text of an id, which may be empty here.
struct IdText;

impl<'de> Visitor<'de> for IdText {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an id, a string of 1 to 256 characters")
    }

    fn visit_borrowed_str<E: Error>(self, id: &'de str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Borrowed(id))
    }

    fn visit_str<E: Error>(self, id: &str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Owned(id.to_owned()))
    }

    fn visit_string<E: Error>(self, id: String) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Owned(id))
    }

    fn visit_u64<E: Error>(self, id: u64) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Owned(id.to_string()))
    }

    fn visit_i64<E: Error>(self, id: i64) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Owned(id.to_string()))
    }

    fn visit_f64<E: Error>(self, id: f64) -> Result<Cow<'de, str>, E> {
        if id.fract() == 0.0 && id.abs() <= MAX_WHOLE {
            return Ok(Cow::Owned((id as i64).to_string()));
        }
        Err(E::invalid_value(Unexpected::Float(id), &self))
    }
}

impl<'a, 'de: 'a> Deserialize<'de> for Id<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::check(deserializer.deserialize_any(IdText)?)
    }
}

/// An id that may be absent, null or empty.
///
/// # Errors
/// It is neither absent nor an id.
pub fn optional_id<'a, 'de: 'a, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Id<'a>>, D::Error> {
    struct MaybeEmpty<'a>(Cow<'a, str>);
    impl<'a, 'de: 'a> Deserialize<'de> for MaybeEmpty<'a> {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            deserializer.deserialize_any(IdText).map(Self)
        }
    }
    match Option::<MaybeEmpty<'a>>::deserialize(deserializer)? {
        Some(MaybeEmpty(text)) if !text.is_empty() => Id::check(text).map(Some),
        _ => Ok(None),
    }
}

/// An [`Id`] that owns its text, from a query string.
#[derive(Debug, Clone)]
pub struct OwnedId(String);

impl<'de> Deserialize<'de> for OwnedId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(Id::deserialize(deserializer)?.0.into_owned()))
    }
}

/// As [`optional_id`], from a query string.
///
/// # Errors
/// Not an id.
pub fn optional_owned_id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<OwnedId>, D::Error> {
    Ok(optional_id(deserializer)?.map(|id| OwnedId(id.0.into_owned())))
}

impl From<OwnedId> for Id<'_> {
    fn from(id: OwnedId) -> Self {
        Self(Cow::Owned(id.0))
    }
}

/// `MIN` to `MAX` ids.
#[derive(Debug, Clone, Default)]
pub struct Ids<'a, const MIN: usize, const MAX: usize>(Vec<Id<'a>>);

impl<'a, const MIN: usize, const MAX: usize> Ids<'a, MIN, MAX> {
    /// Texts that were checked.
    pub fn checked(texts: &'a [String]) -> Self {
        Self(texts.iter().map(|text| Id(Cow::Borrowed(text.as_str()))).collect())
    }

    /// The ids, as given.
    pub fn iter(&self) -> std::slice::Iter<'_, Id<'a>> {
        self.0.iter()
    }
}

impl<'a, 'de: 'a, const MIN: usize, const MAX: usize> Deserialize<'de> for Ids<'a, MIN, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct IdsVisitor<const MIN: usize, const MAX: usize>;
        impl<'de, const MIN: usize, const MAX: usize> Visitor<'de> for IdsVisitor<MIN, MAX> {
            type Value = Ids<'de, MIN, MAX>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a list of {MIN} to {MAX} ids")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut ids = Vec::with_capacity(seq.size_hint().unwrap_or(0).min(MAX));
                while let Some(id) = seq.next_element()? {
                    if ids.len() == MAX {
                        return Err(A::Error::invalid_length(MAX + 1, &self));
                    }
                    ids.push(id);
                }
                if ids.len() < MIN {
                    return Err(A::Error::invalid_length(ids.len(), &self));
                }
                Ok(Ids(ids))
            }
        }
        deserializer.deserialize_seq(IdsVisitor)
    }
}

impl PartialSchema for Id<'_> {
    fn schema() -> RefOr<Schema> {
        let text = ObjectBuilder::new().schema_type(Type::String);
        text.min_length(Some(1)).max_length(Some(MAX_ID_CHARS)).into()
    }
}

impl ToSchema for Id<'_> {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("Id")
    }
}

impl PartialSchema for OwnedId {
    fn schema() -> RefOr<Schema> {
        Id::schema()
    }
}

impl ToSchema for OwnedId {
    fn name() -> Cow<'static, str> {
        Id::name()
    }
}

impl<const MIN: usize, const MAX: usize> PartialSchema for Ids<'_, MIN, MAX> {
    fn schema() -> RefOr<Schema> {
        let least = (MIN > 0).then_some(MIN);
        ArrayBuilder::new().items(Id::schema()).min_items(least).max_items(Some(MAX)).into()
    }
}

impl<const MIN: usize, const MAX: usize> ToSchema for Ids<'_, MIN, MAX> {
    fn name() -> Cow<'static, str> {
        Cow::Owned(format!("Ids{MIN}To{MAX}"))
    }
}
