//! The types of request fields: each checks its bounds while it is read, so that an error names the very
//! element, and says the same bounds in the OpenAPI document.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Unexpected, Visitor};
use utoipa::openapi::schema::{ArrayBuilder, KnownFormat, ObjectBuilder, SchemaFormat, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// Longest id that is read, in characters. A longer one than a model can hold is unknown, not wrong.
pub const MAX_ID_CHARS: usize = 256;

/// An outside id: 1 to 256 characters, borrowed from the request where it holds no escapes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Id<'a>(Cow<'a, str>);

impl Id<'_> {
    /// The id's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether `id` is as long as an id may be.
pub fn is_id(id: &str) -> bool {
    // Counting characters is needed only where there are more bytes than that.
    !id.is_empty() && (id.len() <= MAX_ID_CHARS || id.chars().count() <= MAX_ID_CHARS)
}

impl<'a> Id<'a> {
    fn check<E: Error>(id: Cow<'a, str>) -> Result<Self, E> {
        if is_id(&id) {
            return Ok(Self(id));
        }
        Err(E::invalid_length(id.chars().count(), &"an id of 1 to 256 characters"))
    }
}

impl<'a, 'de: 'a> Deserialize<'de> for Id<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct IdVisitor;
        impl<'de> Visitor<'de> for IdVisitor {
            type Value = Id<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an id, a string of 1 to 256 characters")
            }

            fn visit_borrowed_str<E: Error>(self, id: &'de str) -> Result<Id<'de>, E> {
                Id::check(Cow::Borrowed(id))
            }

            fn visit_str<E: Error>(self, id: &str) -> Result<Id<'de>, E> {
                Id::check(Cow::Owned(id.to_owned()))
            }

            fn visit_string<E: Error>(self, id: String) -> Result<Id<'de>, E> {
                Id::check(Cow::Owned(id))
            }
        }
        deserializer.deserialize_str(IdVisitor)
    }
}

/// An [`Id`] of its own, from a query string.
#[derive(Debug, Clone)]
pub struct OwnedId(String);

impl<'de> Deserialize<'de> for OwnedId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let id = Id::check::<D::Error>(Cow::Owned(String::deserialize(deserializer)?))?;
        Ok(Self(id.0.into_owned()))
    }
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

/// A whole number from `MIN` to `MAX`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Count<const MAX: u32, const MIN: u32 = 1>(u32);

impl<const MAX: u32, const MIN: u32> Count<MAX, MIN> {
    /// `count`, brought within `MIN` and `MAX`.
    pub const fn of(count: u32) -> Self {
        let count = if count > MAX { MAX } else { count };
        Self(if count < MIN { MIN } else { count })
    }

    /// The number.
    pub fn get(self) -> usize {
        self.0 as usize
    }
}

impl<'de, const MAX: u32, const MIN: u32> Deserialize<'de> for Count<MAX, MIN> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct CountVisitor<const MAX: u32, const MIN: u32>;
        impl<const MAX: u32, const MIN: u32> Visitor<'_> for CountVisitor<MAX, MIN> {
            type Value = Count<MAX, MIN>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a whole number from {MIN} to {MAX}")
            }

            fn visit_u64<E: Error>(self, count: u64) -> Result<Count<MAX, MIN>, E> {
                match u32::try_from(count) {
                    Ok(count) if (MIN..=MAX).contains(&count) => Ok(Count(count)),
                    _ => Err(E::invalid_value(Unexpected::Unsigned(count), &self)),
                }
            }

            fn visit_f64<E: Error>(self, count: f64) -> Result<Count<MAX, MIN>, E> {
                // JSON knows one kind of number: 20.0 is 20.
                if count.fract() == 0.0 && (f64::from(MIN)..=f64::from(MAX)).contains(&count) {
                    return Ok(Count(count as u32));
                }
                Err(E::invalid_value(Unexpected::Float(count), &self))
            }
        }
        deserializer.deserialize_u64(CountVisitor::<MAX, MIN>)
    }
}

/// Reads a `T` from an object only: left to themselves, structs are read from lists as well.
///
/// # Errors
/// Not an object, or not a `T`.
pub fn object<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<T, D::Error> {
    struct ObjectVisitor<T>(PhantomData<T>);
    impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
            T::deserialize(MapAccessDeserializer::new(map))
        }
    }
    deserializer.deserialize_map(ObjectVisitor(PhantomData))
}

/// An [`object`], or null.
///
/// # Errors
/// Neither.
pub fn optional_object<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    Ok(Option::<Object<T>>::deserialize(deserializer)?.map(|object| object.0))
}

/// A `T` that is read from an object only.
#[derive(Debug)]
pub struct Object<T>(pub T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        object(deserializer).map(Self)
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

impl<const MAX: u32, const MIN: u32> PartialSchema for Count<MAX, MIN> {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::Integer)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int32)))
            .minimum(Some(MIN))
            .maximum(Some(MAX))
            .into()
    }
}

impl<const MAX: u32, const MIN: u32> ToSchema for Count<MAX, MIN> {
    fn name() -> Cow<'static, str> {
        Cow::Owned(if MIN == 1 { format!("Count{MAX}") } else { format!("Count{MIN}To{MAX}") })
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn ids_are_borrowed_where_they_can_be() {
        let id: Id<'_> = serde_json::from_str("\"有机 a/b\"").unwrap();
        assert!(matches!(id.0, Cow::Borrowed("有机 a/b")));
        let id: Id<'_> = serde_json::from_str(r#""\ud83c\udf5a""#).unwrap();
        assert_eq!(id.as_str(), "🍚");
    }

    #[test]
    fn bounds_hold_at_their_edges() {
        let quoted = |n: usize| format!("\"{}\"", "牙".repeat(n));
        assert!(serde_json::from_str::<Id<'_>>(&quoted(256)).is_ok());
        assert!(serde_json::from_str::<Id<'_>>(&quoted(257)).is_err());
        assert!(serde_json::from_str::<Id<'_>>("\"\"").is_err());
        for (json, ok) in
            [("[]", false), ("[\"a\"]", true), ("[\"a\",\"a\"]", true), ("[\"a\",\"a\",\"b\"]", false)]
        {
            assert_eq!(serde_json::from_str::<Ids<'_, 1, 2>>(json).is_ok(), ok, "{json}");
        }
        for (json, ok) in [
            ("0", false),
            ("1", true),
            ("7", true),
            ("7.0", true),
            ("8", false),
            ("1.5", false),
            ("-1", false),
            ("\"1\"", false),
        ] {
            assert_eq!(serde_json::from_str::<Count<7>>(json).is_ok(), ok, "{json}");
        }
        let sizes = ["1", "2", "5.0", "6"].map(|json| serde_json::from_str::<Count<5, 2>>(json).is_ok());
        assert_eq!(sizes, [false, true, true, false]);
    }
}
