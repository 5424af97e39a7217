//! Closed sets of names, for the document: taken from the tables by which the server reads requests.

use std::borrow::Cow;

use qianmian_live::event::EventType;
use qianmian_live::identity::IdentityType;
use qianmian_models::rules::rule::Because;
use qianmian_models::source::Source;
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::live::USER_STATE;

/// The type of an event.
pub struct EventTypeName;
/// The type of an identity.
pub struct IdentityTypeName;
/// A part of an answer that may not answer.
pub struct DegradedPart;
/// A candidate source.
pub struct SourceName;
/// Why a slate does not satisfy a rule.
pub struct BecauseName;

fn names_of(names: impl Iterator<Item = &'static str>, description: &str) -> RefOr<Schema> {
    let names = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(names));
    names.description(Some(description)).into()
}

macro_rules! closed_set {
    ($name:ident, $names:expr, $description:literal) => {
        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                names_of($names, $description)
            }
        }

        impl ToSchema for $name {
            fn name() -> Cow<'static, str> {
                Cow::Borrowed(stringify!($name))
            }
        }
    };
}

closed_set!(
    EventTypeName,
    (0..EventType::COUNT as u8).filter_map(EventType::of_number).map(EventType::name),
    "What happened. Names that GA4, Segment or WeChat give one of these are read, too."
);
closed_set!(IdentityTypeName, IdentityType::all().map(IdentityType::name), "The type of an identity.");
closed_set!(DegradedPart, [USER_STATE].into_iter(), "A part that did not answer: live state of users.");
closed_set!(
    SourceName,
    Source::ALL.into_iter().map(Source::name),
    "A candidate source; the documentation of `/recommend` describes each."
);
closed_set!(
    BecauseName,
    Because::ALL.into_iter().map(Because::name),
    "Why a slate does not satisfy a rule; the documentation of scenes describes each."
);
