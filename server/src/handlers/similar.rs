//! `/similar`: items similar to given items.

use std::borrow::Cow;
use std::sync::Arc;

use axum::response::Response;
use qianmian_models::ids::ItemIx;
use qianmian_models::recommend::query::Query;
use qianmian_models::recommend::steer;
use qianmian_models::rules::expression::{Expression, inputs};
use qianmian_models::rules::masks::Mask;
use qianmian_models::similar;
use qianmian_models::source::Source;
use qianmian_models::view::View;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::answer::{EmptyReason, ModelRef, finite, json, resolve};
use super::card::ItemCard;
use super::steering;
use crate::app;
use crate::extract::JsonBody;
use crate::fields::{CardFields, Count, Ids, Params, SourceName};
use crate::guard::Call;
use crate::problem::Problem;
use crate::request_id::RequestId;

/// Which items are like these?
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SimilarRequest<'a> {
    /// The items; they are not returned themselves.
    #[serde(borrow)]
    item_ids: Ids<'a, 1, 100>,
    /// Length of the answer.
    #[serde(default = "usual_count")]
    #[schema(default = 20)]
    count: Count<200>,
    /// Items that must not be returned.
    #[serde(borrow, default)]
    exclude_item_ids: Ids<'a, 0, 1000>,
    /// The only items that may be returned, where the caller limits them.
    #[serde(borrow, default)]
    #[schema(nullable = false)]
    allow_item_ids: Option<Ids<'a, 0, 5000>>,
    /// A predicate that every returned item satisfies: CEL over `item` and `params`.
    #[serde(borrow, default)]
    #[schema(value_type = Option<String>, max_length = 2048)]
    filter: Option<Cow<'a, str>>,
    /// Values that the filter reads as `params.name`.
    #[serde(default)]
    params: Params,
    /// What the answer carries of every item beside its id; by default all but `stock` and `tags`.
    #[serde(default)]
    #[schema(nullable = false)]
    fields: Option<CardFields>,
}

fn usual_count() -> Count<200> {
    Count::of(20)
}

/// Similar items with the call that asked for them.
#[derive(Serialize, ToSchema)]
pub struct SimilarResponse<'a> {
    #[schema(value_type = String)]
    request_id: RequestId,
    model: ModelRef<'a>,
    #[serde(flatten)]
    similar: SimilarAnswer<'a>,
    /// Microseconds from reading the request's headers to writing this.
    took_us: u64,
}

/// Items like those of the request.
#[derive(Serialize, ToSchema)]
pub struct SimilarAnswer<'a> {
    /// Why there are none, if there are none.
    empty_reason: Option<EmptyReason>,
    /// Ids of the request that the model does not know.
    unknown_item_ids: Vec<&'a str>,
    /// Most alike first.
    items: Vec<SimilarItem<'a>>,
}

/// One similar item.
#[derive(Serialize, ToSchema)]
pub struct SimilarItem<'a> {
    #[serde(flatten)]
    card: ItemCard<'a>,
    /// Position, from 1.
    rank: usize,
    /// Comparable within one answer; higher is more alike.
    score: f32,
    /// The source that contributed most.
    #[schema(value_type = SourceName)]
    source: Source,
    /// The item of the request that contributed most, if one did.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    because_item_id: Option<&'a str>,
}

/// Finds items like these items.
#[utoipa::path(post, path = "/similar", operation_id = "similar", tag = "goods -> goods", request_body = SimilarRequest<'_>,
    responses((status = 200, description = "Similar items.", body = SimilarResponse<'_>)))]
pub async fn post(call: Call, body: JsonBody) -> Result<Response, Problem> {
    let request: SimilarRequest<'_> = body.parse()?;
    let asked = Asked::new(&call, &request)?;
    let model = call.shop.model()?;
    let view = model.view(app::now());
    let (similar, items) = asked.answer(view, &[]);
    let response = SimilarResponse {
        request_id: call.id,
        model: ModelRef::of(view.snapshot),
        similar,
        took_us: call.took_us(),
    };
    json(&response, 512 + 200 * items.len())
}

/// A request that was checked: nothing can fail from here on.
pub struct Asked<'r> {
    request: &'r SimilarRequest<'r>,
    filter: Option<Arc<Expression>>,
}

impl<'r> Asked<'r> {
    /// Checks a request.
    ///
    /// # Errors
    /// A wrong filter, or a parameter that it reads and that is absent.
    pub fn new(call: &Call, request: &'r SimilarRequest<'r>) -> Result<Self, Problem> {
        let compile = |source: &str| steering::predicate(&call.shop, "filter", source, &request.params.0);
        Ok(Self { request, filter: request.filter.as_deref().map(compile).transpose()? })
    }

    /// The answer, without the items that the same page shows `elsewhere`; and its items.
    pub fn answer<'a>(self, view: View<'a>, elsewhere: &[ItemIx]) -> (SimilarAnswer<'a>, Vec<ItemIx>)
    where
        'r: 'a,
    {
        let Self { request, filter } = self;
        let snapshot = view.snapshot;
        let mut unknown_item_ids = Vec::new();
        let asked = resolve(snapshot, request.item_ids.iter(), &mut unknown_item_ids);
        let excluded = resolve(snapshot, request.exclude_item_ids.iter(), &mut unknown_item_ids);
        let allowed = request.allow_item_ids.as_ref();
        let pool = allowed.map(|ids| steering::pool(snapshot, ids, &mut unknown_item_ids));
        let query = Query {
            asked: inputs::Asked {
                at: app::now(),
                params: request.params.0.clone(),
                ..inputs::Asked::default()
            },
            ..Query::default()
        };
        let inputs = steer::inputs(view, &query);
        let filter: Option<Arc<Mask>> = filter.map(|filter| steer::over_catalog(view, &filter, &inputs));
        let may_return = |item| {
            !excluded.contains(&item)
                && !elsewhere.contains(&item)
                && filter.as_ref().is_none_or(|mask| mask.holds(item))
                && pool.as_ref().is_none_or(|pool| pool.binary_search(&item).is_ok())
        };
        let ranked = match asked.is_empty() {
            true => Vec::new(),
            false => similar::similar_where(view, &asked, request.count.get(), may_return),
        };
        let fields = request.fields.unwrap_or_default();
        let item = |(n, ranked): (usize, &similar::Similar)| SimilarItem {
            card: ItemCard::with(view, ranked.item, fields),
            rank: n + 1,
            score: finite(ranked.score),
            source: ranked.source,
            because_item_id: ranked.because.map(|item| snapshot.items.id(item)),
        };
        let items: Vec<SimilarItem<'a>> = ranked.iter().enumerate().map(item).collect();
        let empty_reason = EmptyReason::of(&asked, items.len());
        let shown = ranked.iter().map(|ranked| ranked.item).collect();
        (SimilarAnswer { empty_reason, unknown_item_ids, items }, shown)
    }
}
