//! `/recommend`: people -> items.

mod answer;
mod fill;
mod request;
mod room;
mod slate;

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;

use super::answer::{ModelRef, json};
use crate::app::{self, App};
use crate::context::LiveContext;
use crate::extract::{JsonBody, QueryString};
use crate::guard::Call;
use crate::live::USER_STATE;
use crate::problem::Problem;
use answer::RecommendResponse;
pub use answer::SlateAnswer;
use request::RecommendQuery;
pub use request::{Context, RecommendRequest, Visitor};
pub use slate::{Asked, Place};

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
    let context = request.context.as_ref();
    let visitor = Visitor::new(call, request.user.as_ref(), request.session_id.as_ref(), context)?;
    let asked = Asked::new(call, app, request, &visitor, context)?;
    // Before the model is taken: it is not held while something waits.
    let context = LiveContext::load(&call.shop, visitor.visit(request.personalize)).await;
    let model = call.shop.model()?;
    let (context, refused) = context.as_allowed(&call.shop, &model);
    app.telemetry.consents.made_anonymous(refused);
    if context.degraded().contains(&USER_STATE) {
        app.telemetry.degraded_user_state.increment(1);
    }
    let view = model.view(app::now());
    let place = Place { shop: &call.shop, view, context: &context, elsewhere: &[] };
    let (slate, _) = asked.ready(place).answer(app);
    let n_items = slate.items.len();
    let response = RecommendResponse {
        request_id: call.id,
        model: ModelRef::of(view.snapshot),
        degraded: context.degraded(),
        slate,
        took_us: call.took_us(),
    };
    json(&response, 512 + 256 * n_items)
}
