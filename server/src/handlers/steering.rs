//! The filters, boosts and pool that a request puts on its answer.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use qianmian_models::ids::ItemIx;
use qianmian_models::rules::expression::Expression;
use qianmian_models::rules::expression::inputs::Param;
use qianmian_models::snapshot::Snapshot;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::app::Shop;
use crate::fields::{Id, Ids, Object};
use crate::problem::{Code, Problem};

/// Most boosts of a request.
const MAX_BOOSTS: usize = 20;
/// Bounds of a factor.
const FACTORS: std::ops::RangeInclusive<f32> = 0.01..=100.0;

/// Items whose scores are multiplied.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BoostRef<'a> {
    /// A predicate: the items, and when.
    #[serde(borrow)]
    #[schema(value_type = String, max_length = 2048)]
    when: Cow<'a, str>,
    /// Above 1 lifts, below 1 lowers.
    #[schema(minimum = 0.01, maximum = 100.0)]
    factor: f32,
}

/// The predicate at `field`, checked to have all its parameters.
///
/// # Errors
/// `invalid_field`, or `missing_field` with the parameter.
pub fn predicate(
    shop: &Shop,
    field: &str,
    source: &str,
    params: &BTreeMap<String, Param>,
) -> Result<Arc<Expression>, Problem> {
    let expression = shop.expressions.get(field, source)?;
    if expression.reads().cost {
        let detail = "`item.cost` is not told to callers; rules of scenes may read it";
        return Err(Problem::new(Code::InvalidField, detail).at_field(field));
    }
    given(&expression, params)?;
    Ok(expression)
}

/// Checks that all parameters of an expression are given.
///
/// # Errors
/// `missing_field` with the first missing one.
pub fn given(expression: &Expression, params: &BTreeMap<String, Param>) -> Result<(), Problem> {
    let Some(name) = expression.params().iter().find(|name| !params.contains_key(*name)) else {
        return Ok(());
    };
    let detail = format!("`{}` reads the parameter `{name}`, which is not given", expression.source());
    Err(Problem::new(Code::MissingField, detail).at_field(format!("params.{name}")))
}

/// Checks that the parameters of a scene are given.
///
/// # Errors
/// `missing_field` with the first missing one.
pub fn required(names: &[String], params: &BTreeMap<String, Param>) -> Result<(), Problem> {
    let Some(name) = names.iter().find(|name| !params.contains_key(*name)) else { return Ok(()) };
    let detail = format!("the scene reads the parameter `{name}`, which is not given");
    Err(Problem::new(Code::MissingField, detail).at_field(format!("params.{name}")))
}

/// The boosts of a request.
///
/// # Errors
/// Too many, a factor out of bounds, or as for [`predicate`].
pub fn boosts(
    shop: &Shop,
    boosts: &[Object<BoostRef<'_>>],
    params: &BTreeMap<String, Param>,
) -> Result<Vec<(Arc<Expression>, f32)>, Problem> {
    if boosts.len() > MAX_BOOSTS {
        let detail = format!("at most {MAX_BOOSTS} boosts, not {}", boosts.len());
        return Err(Problem::new(Code::InvalidField, detail).at_field("boosts"));
    }
    let boost = |(n, Object(boost)): (usize, &Object<BoostRef<'_>>)| {
        if !FACTORS.contains(&boost.factor) {
            let detail =
                format!("a factor from {} to {}, not {}", FACTORS.start(), FACTORS.end(), boost.factor);
            return Err(Problem::new(Code::InvalidField, detail).at_field(format!("boosts[{n}].factor")));
        }
        Ok((predicate(shop, &format!("boosts[{n}].when"), &boost.when, params)?, boost.factor))
    };
    boosts.iter().enumerate().map(boost).collect()
}

/// Rows of the known items of a pool, each once; the unknown ones, each once, into `unknown`.
pub fn pool<'r, const MAX: usize>(
    snapshot: &Snapshot,
    ids: &'r Ids<'r, 0, MAX>,
    unknown: &mut Vec<&'r str>,
) -> Vec<ItemIx> {
    let mut told: HashSet<&str> = unknown.iter().copied().collect();
    let mut known = Vec::new();
    for id in ids.iter().map(Id::as_str) {
        match snapshot.items.ix(id) {
            Some(item) => known.push(item),
            None if told.insert(id) => unknown.push(id),
            None => {}
        }
    }
    known.sort_unstable();
    known.dedup();
    known
}
