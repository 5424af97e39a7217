//! `POST /identities/link`: links the identities of one person.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use qianmian_live::identity::Identity;
use qianmian_live::people::{IdentityStatus, LinkOutcome, LinkRequest, LinkStatus, MAX_LINKED, Merged};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::stored_id;
use crate::app::App;
use crate::extract::JsonBody;
use crate::fields::{Id, Object, optional_id};
use crate::guard::Call;
use crate::handlers::answer::json;
use crate::handlers::person::{IdentityRef, checked, too_many, wrong};
use crate::live::now_ms;
use crate::problem::{Code, Problem};
use crate::request_id::RequestId;
use crate::telemetry::Linked;

/// Identities of one person. At least one, or a `session_id`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = LinkRequest)]
pub struct LinkBody<'a> {
    /// Their user id, if the caller has one; else unknown people get a generated one.
    #[serde(borrow, default, deserialize_with = "optional_id")]
    user_id: Option<Id<'a>>,
    /// Identities by which channels know them.
    #[serde(borrow, default)]
    #[schema(value_type = Vec<IdentityRef<'a>>, max_items = 64)]
    identities: Vec<Object<IdentityRef<'a>>>,
    /// The session in which they were seen: an identity of the type `session`.
    #[serde(borrow, default, deserialize_with = "optional_id")]
    session_id: Option<Id<'a>>,
    /// The system that says so, for the audit trail.
    #[serde(borrow, default, deserialize_with = "optional_id")]
    source: Option<Id<'a>>,
}

/// The outcome of a link.
#[derive(Serialize, ToSchema)]
pub struct LinkResponse {
    #[schema(value_type = String)]
    request_id: RequestId,
    /// The person's main user id; null if all identities of the link are shared.
    user_id: Option<String>,
    /// What changed.
    #[schema(value_type = LinkStatusName)]
    status: LinkStatus,
    /// People who were merged into the person.
    merges: Vec<MergeRef>,
    /// One for each of `identities`, in order, and for `session_id` after them.
    identities: Vec<LinkedIdentity>,
    /// Microseconds from reading the request's headers to writing this.
    took_us: u64,
}

/// A person who was merged into another.
#[derive(Serialize, ToSchema)]
pub struct MergeRef {
    /// The merge, for `/identities/undo`.
    merge_id: String,
    /// Their main user id until then.
    user_id: String,
}

/// The state of an identity after a link.
#[derive(Serialize, ToSchema)]
pub struct LinkedIdentity {
    r#type: &'static str,
    #[schema(value_type = IdentityStatusName)]
    status: IdentityStatus,
}

/// The outcome of a link.
// The schema of the type of live state, which is free of HTTP.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LinkStatusName {
    /// A person was created from identities that nobody had.
    Created,
    /// Identities were added to the person, or became shared.
    Linked,
    /// People became one.
    Merged,
    /// Nothing; everything was known.
    Unchanged,
}

/// The state of an identity.
// The schema of the type of live state.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum IdentityStatusName {
    /// Added to the person now.
    Linked,
    /// The person's before, or by a merge of this link.
    Known,
    /// Of no single person: several people have it.
    Shared,
}

/// Links identities to one person, from the next answer on.
#[utoipa::path(post, path = "/identities/link", operation_id = "link_identities", tag = "people", request_body = LinkBody<'_>,
    responses((status = 200, description = "What changed.", body = LinkResponse),
        (status = 409, description = "The identities are of two people, or would be too many; nothing was changed.",
            body = crate::problem::ProblemBody<'_>, content_type = "application/problem+json")))]
pub async fn link(call: Call, State(app): State<Arc<App>>, body: JsonBody) -> Result<Response, Problem> {
    let body: LinkBody<'_> = body.parse()?;
    let live = call.shop.live()?;
    let request = body.check(&call)?;
    let kinds: Vec<&'static str> = request.identities.iter().map(|identity| identity.kind().name()).collect();
    let model = call.shop.models.current();
    let in_model = |id: &str| (*model).as_ref().is_some_and(|model| model.snapshot.users.ix(id).is_some());
    let linked =
        live.link(request, in_model, |ids| call.shop.models.consent_news(ids)).await.inspect_err(|problem| {
            if problem.code().status() == StatusCode::CONFLICT {
                app.telemetry.links.record(Linked::Refused);
            }
        });
    let LinkOutcome { user_id, status, merges, identities } = linked?;
    app.telemetry.links.record(Linked::of(status));
    let merge = |merged: Merged| MergeRef { merge_id: merged.merge_id, user_id: merged.user_id };
    let response = LinkResponse {
        request_id: call.id,
        user_id,
        status,
        merges: merges.into_iter().map(merge).collect(),
        identities: kinds
            .into_iter()
            .zip(identities)
            .map(|(r#type, status)| LinkedIdentity { r#type, status })
            .collect(),
        took_us: call.took_us(),
    };
    json(&response, 512)
}

impl LinkBody<'_> {
    fn check(&self, call: &Call) -> Result<LinkRequest, Problem> {
        let mut identities = match self.identities.len() {
            ..=MAX_LINKED => checked("identities", &self.identities)?,
            count => return Err(too_many("identities", count, MAX_LINKED)),
        };
        if let Some(id) = &self.session_id {
            let session = Identity::check("session", id.as_str()).map_err(|fault| {
                let problem = wrong("session_id", fault);
                Problem::new(problem.code(), problem.detail().to_owned()).at_field("session_id")
            })?;
            identities.push(session);
        }
        if identities.is_empty() {
            let detail = "missing field `identities`: name at least one, or a `session_id`";
            return Err(Problem::new(Code::MissingField, detail).at_field("identities"));
        }
        Ok(LinkRequest {
            user_id: stored_id("user_id", self.user_id.as_ref())?,
            identities,
            at: now_ms(),
            request_id: call.id.to_string(),
            source: stored_id("source", self.source.as_ref())?,
        })
    }
}
