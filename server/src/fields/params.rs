//! The caller's own values, which expressions read as `params.name`.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use qianmian_models::rules::expression::inputs::Param;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// Most parameters of a request.
const MAX_PARAMS: usize = 32;
/// Longest name, in bytes.
const MAX_NAME: usize = 64;
/// Longest text, in bytes.
const MAX_TEXT: usize = 1_024;
/// Most elements of a list.
const MAX_LIST: usize = 256;

/// Values by name: texts, numbers, truth values, lists of texts or of numbers.
#[derive(Debug, Clone, Default)]
pub struct Params(pub BTreeMap<String, Param>);

impl<'de> Deserialize<'de> for Params {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ParamsVisitor;
        impl<'de> Visitor<'de> for ParamsVisitor {
            type Value = Params;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "an object of at most {MAX_PARAMS} values")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Params, A::Error> {
                let mut params = BTreeMap::new();
                while let Some(name) = map.next_key::<String>()? {
                    if params.len() == MAX_PARAMS || name.len() > MAX_NAME {
                        let bound =
                            format!("at most {MAX_PARAMS} parameters with names of at most {MAX_NAME} bytes");
                        return Err(A::Error::custom(bound));
                    }
                    params.insert(name, map.next_value::<OneParam>()?.0);
                }
                Ok(Params(params))
            }
        }
        deserializer.deserialize_map(ParamsVisitor)
    }
}

struct OneParam(Param);

impl<'de> Deserialize<'de> for OneParam {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OneVisitor).map(Self)
    }
}

struct OneVisitor;

impl<'de> Visitor<'de> for OneVisitor {
    type Value = Param;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, a number, a truth value, or a list of at most 256 texts or numbers")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Param, E> {
        Ok(Param::Bool(value))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Param, E> {
        Ok(Param::Number(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Param, E> {
        Ok(Param::Number(value as f64))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Param, E> {
        Ok(Param::Number(value as f64))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Param, E> {
        if value.len() > MAX_TEXT {
            return Err(E::custom(format!("a text of at most {MAX_TEXT} bytes")));
        }
        Ok(Param::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Param, A::Error> {
        let (mut texts, mut numbers) = (Vec::new(), Vec::new());
        while let Some(OneParam(value)) = seq.next_element()? {
            match value {
                Param::Text(text) if numbers.is_empty() => texts.push(text),
                Param::Number(number) if texts.is_empty() => numbers.push(number),
                _ => return Err(A::Error::custom("a list of texts alone or of numbers alone")),
            }
            if texts.len().max(numbers.len()) > MAX_LIST {
                return Err(A::Error::custom(format!("a list of at most {MAX_LIST} elements")));
            }
        }
        Ok(if numbers.is_empty() { Param::Texts(texts) } else { Param::Numbers(numbers) })
    }
}

impl PartialSchema for Params {
    fn schema() -> RefOr<Schema> {
        let object = ObjectBuilder::new().schema_type(Type::Object);
        let text = "Texts, numbers, truth values, and lists of at most 256 texts or numbers, by name.";
        object.description(Some(text)).max_properties(Some(MAX_PARAMS)).into()
    }
}

impl ToSchema for Params {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("Params")
    }
}
