//! Whole numbers with bounds.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, Unexpected, Visitor};
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, SchemaFormat, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// A whole number from `MIN` to `MAX`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Count<const MAX: u32, const MIN: u32 = 1>(u32);

impl<const MAX: u32, const MIN: u32> Count<MAX, MIN> {
    /// `count`, clamped to `MIN` and `MAX`.
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
                // JSON has one kind of number: 20.0 is 20.
                if count.fract() == 0.0 && (f64::from(MIN)..=f64::from(MAX)).contains(&count) {
                    return Ok(Count(count as u32));
                }
                Err(E::invalid_value(Unexpected::Float(count), &self))
            }
        }
        deserializer.deserialize_u64(CountVisitor::<MAX, MIN>)
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
