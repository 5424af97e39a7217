//! `/audience` (货找人): items -> people, as JSON or as a stream of lines.

mod answer;
mod lines;
mod request;

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use qianmian_models::audience;

use crate::app::{self, App};
use crate::context::reactions_since;
use crate::extract::JsonBody;
use crate::guard::Call;
use crate::live::Live;
use crate::problem::{Code, Problem};
use answer::{Audience, AudienceResponse, AudienceUser};
pub use lines::{MODEL_VERSION, NO_CONTACT_CONSENT, WITHIN_DAYS};
use request::AudienceRequest;

/// Finds people for items. With `Accept: application/x-ndjson` the answer is a stream, one person a
/// line, and headers name the request, the model and the horizon of the probabilities in days.
#[utoipa::path(post, path = "/audience", operation_id = "audience", tag = "goods -> people", request_body = AudienceRequest<'_>,
    responses((status = 200, description = "People, likeliest first.", content(
        (AudienceResponse<'_> = "application/json"), (AudienceUser<'_> = "application/x-ndjson")))))]
pub async fn post(
    call: Call,
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    body: JsonBody,
) -> Result<Response, Problem> {
    let request: AudienceRequest<'_> = body.parse()?;
    require_consents(call.shop.live_store().map(|live| &**live))?;
    let model = Arc::clone(&*call.shop.model()?);
    let (now, mut unknown) = (app::now(), Vec::new());
    let (mut query, off_sale) = request.query(model.view(now), &mut unknown)?;
    let unknown: Vec<String> = unknown.into_iter().map(str::to_owned).collect();
    let holdout = request.holdout.as_ref().map(|lot| (lot.share, lot.seed.as_str().to_owned()));
    let stream = lines::wanted(&headers);
    // The semaphore is never closed.
    let permit = Arc::clone(&app.heavy).acquire_owned().await.ok();
    let work = move || {
        // Released when the work is done, even if the caller has left.
        let _permit = permit;
        if let Some(live) = call.shop.live_store() {
            query.since = reactions_since(live, &model.snapshot, &query.items);
        }
        let view = model.view(now);
        let (now, found) = (view.now, audience::audience(view, &query));
        app.telemetry.consents.left_out(found.without_consent);
        let (prospects, without_consent) = (found.people, found.without_consent);
        let audience = Audience { model, query, now, off_sale, prospects, without_consent, holdout };
        if stream { Ok(lines::response(audience)) } else { audience.whole(&call, &unknown) }
    };
    let failed = |_| Problem::new(Code::Internal, "finding the audience panicked");
    tokio::task::spawn_blocking(work).await.map_err(failed)?
}

/// Fails while consents are unknown: after a start, until Redis has answered once.
fn require_consents(live: Option<&Live>) -> Result<(), Problem> {
    match live.is_none_or(Live::knows_consents) {
        true => Ok(()),
        false => Err(Problem::new(Code::LiveUnavailable, "consents are not known yet; ask again later")),
    }
}
