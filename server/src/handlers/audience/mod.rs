//! `/audience` (货找人): goods -> people, as JSON or as a stream of lines.

mod answer;
mod lines;
mod request;

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use qianmian_live::followers::Reaction;
use qianmian_models::audience::{self, Since};
use qianmian_models::ids::ItemIx;
use qianmian_models::snapshot::Snapshot;

use crate::app::{self, App};
use crate::extract::JsonBody;
use crate::guard::Call;
use crate::live::Live;
use crate::problem::{Code, Problem};
use answer::{Audience, AudienceResponse, AudienceUser};
pub use lines::{MODEL_VERSION, WITHIN_DAYS};
use request::AudienceRequest;

/// Finds the people for goods. With `Accept: application/x-ndjson` the answer is a stream, one person a
/// line, and the headers name the request, the model and the days that probabilities speak of.
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
    let model = Arc::clone(&*call.shop.model()?);
    let (now, mut unknown) = (app::now(), Vec::new());
    let (mut query, off_sale) = request.query(model.view(now), &mut unknown)?;
    let unknown: Vec<String> = unknown.into_iter().map(str::to_owned).collect();
    let holdout = request.holdout.as_ref().map(|lot| (lot.share, lot.seed.as_str().to_owned()));
    let stream = lines::wanted(&headers);
    // The semaphore is never closed.
    let place = Arc::clone(&app.heavy).acquire_owned().await.ok();
    let work = move || {
        // Given back when the work is done, even if nobody waits for it any more.
        let _place = place;
        if let Some(live) = call.shop.live_store() {
            query.since = since(live, &model.snapshot, &query.items);
        }
        let view = model.view(now);
        let (now, prospects) = (view.now, audience::audience(view, &query));
        let audience = Audience { model, query, now, off_sale, prospects, holdout };
        if stream { Ok(lines::response(audience)) } else { audience.whole(&call, &unknown) }
    };
    let failed = |_| Problem::new(Code::Internal, "finding the audience panicked");
    tokio::task::spawn_blocking(work).await.map_err(failed)?
}

/// What people whom the model knows did about `items` after the end of its data, in order of the people.
fn since(live: &Live, snapshot: &Snapshot, items: &[ItemIx]) -> Vec<Since> {
    let ids: Vec<&str> = items.iter().map(|&item| snapshot.items.id(item)).collect();
    let mut since = Vec::new();
    live.reactions(&ids, |n, user, reaction| {
        let bought_at = match reaction {
            Reaction::Bought(at) => Some(at / 1_000),
            Reaction::Rejected => None,
        };
        let is_news = bought_at.is_none_or(|at| at > snapshot.data_until);
        if let Some(user) = snapshot.users.ix(user).filter(|_| is_news) {
            since.push(Since { item: items[n], user, bought_at });
        }
    });
    since.sort_unstable_by_key(|since| (since.user, since.item));
    since
}
