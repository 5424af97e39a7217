//! `/users/{id}/consent`: a person's consents.

use axum::response::Response;
use chrono::{DateTime, SecondsFormat};
use qianmian_models::consent::Purpose;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use super::answer::json;
use crate::consents::{self, Origin, Verdict};
use crate::extract::{JsonBody, PathId};
use crate::fields::is_id;
use crate::guard::Call;
use crate::live::Decision;
use crate::problem::{Code, Problem};
use crate::request_id::RequestId;
use crate::snapshots::Loaded;

/// What a person decides: at least one of the two. `null` takes a decision back: then what the model was trained on holds.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ConsentRequest {
    /// True if they may be contacted: have a place in audiences.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<bool>)]
    contact: Option<Option<bool>>,
    /// True if answers may be personal.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<bool>)]
    personalization: Option<Option<bool>>,
}

/// Distinguishes `null` from an absent field.
fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<bool>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// What a person allows.
#[derive(Serialize, ToSchema)]
pub struct ConsentResponse {
    #[schema(value_type = String)]
    request_id: RequestId,
    user_id: String,
    consents: ConsentsOf,
    /// Microseconds from reading the request's headers to writing this.
    took_us: u64,
}

/// What a person allows, by purpose.
#[derive(Serialize, ToSchema)]
pub struct ConsentsOf {
    /// To be contacted.
    contact: ConsentState,
    /// Personal answers.
    personalization: ConsentState,
}

/// A person's decision about a purpose, and who made it.
#[derive(Serialize, ToSchema)]
pub struct ConsentState {
    /// True if they do. A no under any of their user ids holds for all.
    allowed: bool,
    origin: ConsentOrigin,
    /// The user id that it was said under; absent if nobody said.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    user_id: Option<String>,
    /// When they decided, if they did since training.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = DateTime)]
    decided_at: Option<String>,
}

/// Where a consent comes from.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ConsentOrigin {
    /// A decision sent to this API.
    Live,
    /// The users table that the model was trained on.
    Trained,
    /// The configuration's rule for unknown consents.
    Default,
}

impl ConsentsOf {
    /// Of the person with these user ids.
    pub fn of(known: consents::Known<'_>, user_ids: &[String]) -> Self {
        let state = |purpose| ConsentState::of(known.verdict(purpose, user_ids));
        Self { contact: state(Purpose::Contact), personalization: state(Purpose::Personalization) }
    }
}

impl ConsentState {
    fn of(verdict: Verdict) -> Self {
        Self {
            allowed: verdict.allowed,
            origin: match verdict.origin {
                Origin::Live => ConsentOrigin::Live,
                Origin::Trained => ConsentOrigin::Trained,
                Origin::Default => ConsentOrigin::Default,
            },
            user_id: verdict.user_id,
            decided_at: verdict
                .at
                .and_then(DateTime::from_timestamp_millis)
                .map(|at| at.to_rfc3339_opts(SecondsFormat::Millis, true)),
        }
    }
}

/// Stores what a person allows. From the answer on it holds for every answer of this server, and a moment later for those of
/// all servers; it is durable, and models trained later do not change it.
#[utoipa::path(put, path = "/users/{id}/consent", operation_id = "set_consent", tag = "people",
    params(("id" = String, Path, description = "Any user id of theirs, percent-encoded.", min_length = 1, max_length = 256)),
    request_body = ConsentRequest,
    responses((status = 200, description = "What they allow now.", body = ConsentResponse)))]
pub async fn put(call: Call, PathId(id): PathId, body: JsonBody) -> Result<Response, Problem> {
    let user_id = checked(id)?;
    let ConsentRequest { contact, personalization } = body.parse()?;
    if contact.is_none() && personalization.is_none() {
        let detail = "missing field `contact`: decide about `contact`, `personalization` or both";
        return Err(Problem::new(Code::MissingField, detail).at_field("contact"));
    }
    let (live, decision) = (call.shop.live()?, Decision { contact, personalization });
    live.decide(&user_id, decision, |ids| call.shop.models.consent_news(ids)).await?;
    answer(&call, user_id)
}

/// Returns what a person allows.
#[utoipa::path(get, path = "/users/{id}/consent", operation_id = "consent", tag = "people",
    params(("id" = String, Path, description = "Any user id of theirs, percent-encoded.", min_length = 1, max_length = 256)),
    responses((status = 200, description = "What they allow.", body = ConsentResponse)))]
pub async fn get(call: Call, PathId(id): PathId) -> Result<Response, Problem> {
    answer(&call, checked(id)?)
}

fn checked(id: String) -> Result<String, Problem> {
    match is_id(&id) && id.len() <= qianmian_live::check::MAX_ID_BYTES {
        true => Ok(id),
        false => Err(Problem::new(Code::InvalidField, "an id has 1 to 256 bytes").at_field("id")),
    }
}

fn answer(call: &Call, user_id: String) -> Result<Response, Problem> {
    let model = call.shop.models.current();
    let consents = of_user(call, (*model).as_deref(), &user_id);
    json(&ConsentResponse { request_id: call.id, user_id, consents, took_us: call.took_us() }, 512)
}

/// The consents of the person with this user id. Without a model, purposes without a decision are not allowed.
pub fn of_user(call: &Call, model: Option<&Loaded>, user_id: &str) -> ConsentsOf {
    let live = call.shop.live_store().map(|live| &**live);
    let known = model.map_or(consents::Known { live, model: None }, |model| model.consents(live));
    ConsentsOf::of(known, &[user_id.to_owned()])
}
