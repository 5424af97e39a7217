//! `/recommend`: people -> items.

mod answer;
mod fill;
mod request;

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use qianmian_models::recommend;
use qianmian_models::recommend::slate::Recommended;
use qianmian_models::source::Evidence;

use super::answer::{ModelRef, json};
use crate::app::{self, App};
use crate::context::LiveContext;
use crate::extract::{JsonBody, QueryString};
use crate::guard::Call;
use crate::live::USER_STATE;
use crate::problem::Problem;
pub use answer::SourceName;
use answer::{RecommendResponse, UnmetRule, fallback, recommended_item};
use request::{RecommendQuery, RecommendRequest, query};

/// Recommends items, for the plain case.
#[utoipa::path(get, path = "/recommend", operation_id = "recommend", tag = "people -> goods", params(RecommendQuery),
    responses((status = 200, description = "A slate.", body = RecommendResponse<'_>)))]
pub async fn get(
    call: Call,
    State(app): State<Arc<App>>,
    QueryString(query): QueryString<RecommendQuery>,
) -> Result<Response, Problem> {
    answer(&call, &app, &query.try_into()?).await
}

/// Recommends items for a person, in context.
#[utoipa::path(post, path = "/recommend", operation_id = "recommend_in_context", tag = "people -> goods", request_body = RecommendRequest<'_>,
    responses((status = 200, description = "A slate.", body = RecommendResponse<'_>)))]
pub async fn post(call: Call, State(app): State<Arc<App>>, body: JsonBody) -> Result<Response, Problem> {
    answer(&call, &app, &body.parse()?).await
}

async fn answer(call: &Call, app: &App, request: &RecommendRequest<'_>) -> Result<Response, Problem> {
    let name = request.scene_name();
    let scene = call.shop.scenes.get(name);
    let steering = request.steering(&call.shop, &scene)?;
    // Before the model is taken: it is not held while something waits.
    let context = LiveContext::load(&call.shop, request.visit(&call.caller)?).await;
    let model = call.shop.model()?;
    let (context, refused) = context.as_allowed(&call.shop, &model);
    let personal = request.personalize && !context.is_anonymous();
    app.telemetry.consents.made_anonymous(refused);
    if context.degraded().contains(&USER_STATE) {
        app.telemetry.degraded_user_state.increment(1);
    }
    let view = model.view(app::now()).in_scene(&scene.scene);
    let snapshot = view.snapshot;
    let mut unknown_item_ids = Vec::new();
    let asked = query(snapshot, (request, personal), (steering, &scene), &mut unknown_item_ids);
    let query = context.apply_to(snapshot, (name, &scene), asked);
    let slate = recommend::recommend(view, &query);
    let (slots, filled_by) = fill::filled(&call.shop, view, &scene, &query, &slate);
    let fields = request.fields.unwrap_or(scene.fields);
    let fallback = fallback(snapshot, context.names_person(), &query, &slate);
    app.telemetry.slates.record(&slate, fallback);
    let explained = (request.explain, fields);
    let item = |(n, (item, weights)): (usize, &(Recommended, Evidence))| {
        recommended_item(view, (&query, weights), explained, n + 1, item)
    };
    let response = RecommendResponse {
        request_id: call.id,
        model: ModelRef::of(snapshot),
        personalized: slate.personalized,
        degraded: context.degraded(),
        fallback,
        unknown_item_ids,
        filled_by,
        unmet: slate.unmet.iter().map(UnmetRule::from).collect(),
        items: slots.iter().enumerate().map(item).collect(),
        took_us: call.took_us(),
    };
    json(&response, 512 + 256 * slots.len())
}
