//! `/similar`: items like these items.

use axum::response::Response;
use qianmian_models::similar;
use qianmian_models::source::Source;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::answer::{EmptyReason, ModelRef, finite, json, resolve};
use super::card::ItemCard;
use super::recommend::SourceName;
use crate::app;
use crate::extract::JsonBody;
use crate::fields::{Count, Ids};
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
}

fn usual_count() -> Count<200> {
    Count::of(20)
}

/// Items like those of the request.
#[derive(Serialize, ToSchema)]
pub struct SimilarResponse<'a> {
    #[schema(value_type = String)]
    request_id: RequestId,
    model: ModelRef<'a>,
    /// Why there are none, if there are none.
    empty_reason: Option<EmptyReason>,
    /// Ids of the request that the model does not know.
    unknown_item_ids: Vec<&'a str>,
    /// Most alike first.
    items: Vec<SimilarItem<'a>>,
    /// Microseconds from reading the request's headers to writing this.
    took_us: u64,
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
    let model = call.shop.model()?;
    let view = model.view(app::now());
    let snapshot = view.snapshot;
    let mut unknown_item_ids = Vec::new();
    let asked = resolve(snapshot, request.item_ids.iter(), &mut unknown_item_ids);
    let ranked =
        if asked.is_empty() { Vec::new() } else { similar::similar(view, &asked, request.count.get()) };
    let items: Vec<SimilarItem<'_>> = ranked
        .iter()
        .enumerate()
        .map(|(n, ranked)| SimilarItem {
            card: ItemCard::of(view, ranked.item),
            rank: n + 1,
            score: finite(ranked.score),
            source: ranked.source,
            because_item_id: ranked.because.map(|item| snapshot.items.id(item)),
        })
        .collect();
    let response = SimilarResponse {
        request_id: call.id,
        model: ModelRef::of(snapshot),
        empty_reason: EmptyReason::of(&asked, items.len()),
        unknown_item_ids,
        items,
        took_us: call.took_us(),
    };
    json(&response, 512 + 200 * ranked.len())
}
