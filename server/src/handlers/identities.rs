//! `/identities`: which names are one person's; said, taken back, and looked at.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use qianmian_live::check;
use qianmian_live::identity::{Identity, Strength};
use qianmian_live::people::{
    self, AuditAction, AuditEntry, Described, IdentityStatus, LinkOutcome, LinkRequest, LinkStatus,
    MAX_LINKED, Member, Merged, UndoOutcome, UndoRequest,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::answer::{Moment, json};
use super::person::{IdentityRef, checked, too_many, wrong};
use crate::app::App;
use crate::extract::{JsonBody, PathId};
use crate::fields::{Id, Object, is_id, optional_id};
use crate::guard::Call;
use crate::live::now_ms;
use crate::problem::{Code, Problem};
use crate::request_id::RequestId;
use crate::telemetry::Linked;

/// Names that are one person's. At least one identity, or a `session_id`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = LinkRequest)]
pub struct LinkBody<'a> {
    /// Their user id, where the caller has one; else one is made up for those whom nobody knows.
    #[serde(borrow, default, deserialize_with = "optional_id")]
    user_id: Option<Id<'a>>,
    /// Names by which channels know them.
    #[serde(borrow, default)]
    #[schema(value_type = Vec<IdentityRef<'a>>, max_items = 64)]
    identities: Vec<Object<IdentityRef<'a>>>,
    /// The visit in which they were seen: an identity of the type `session`.
    #[serde(borrow, default, deserialize_with = "optional_id")]
    session_id: Option<Id<'a>>,
    /// Who says so; it stands in the audit trail.
    #[serde(borrow, default, deserialize_with = "optional_id")]
    source: Option<Id<'a>>,
}

/// What a link changed.
#[derive(Serialize, ToSchema)]
pub struct LinkResponse {
    #[schema(value_type = String)]
    request_id: RequestId,
    /// The user id that the person goes by; null where all that was named is shared.
    user_id: Option<String>,
    /// What was changed.
    #[schema(value_type = LinkStatusName)]
    status: LinkStatus,
    /// People who became part of the person.
    merges: Vec<MergeRef>,
    /// One for each of `identities`, in order, and for `session_id` after them.
    identities: Vec<LinkedIdentity>,
    /// Microseconds from reading the request's headers to writing this.
    took_us: u64,
}

/// A person who became part of another.
#[derive(Serialize, ToSchema)]
pub struct MergeRef {
    /// To take it back by.
    merge_id: String,
    /// The user id that they went by.
    user_id: String,
}

/// What an identity of a link is from now on.
#[derive(Serialize, ToSchema)]
pub struct LinkedIdentity {
    r#type: &'static str,
    #[schema(value_type = IdentityStatusName)]
    status: IdentityStatus,
}

/// What a link changed: the schema of the rules' own, which are kept free of HTTP.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LinkStatusName {
    /// A person was made of names that nobody had.
    Created,
    /// Identities became the person's, or became shared.
    Linked,
    /// People became one.
    Merged,
    /// Nothing; all of it was known.
    Unchanged,
}

/// What an identity is: the schema of the rules' own.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum IdentityStatusName {
    /// The person's, since now.
    Linked,
    /// The person's, as before or by a merge of this link.
    Known,
    /// Nobody's: several people have it.
    Shared,
}

/// Makes names one person, from the next answer on.
#[utoipa::path(post, path = "/identities/link", operation_id = "link_identities", tag = "people", request_body = LinkBody<'_>,
    responses((status = 200, description = "What was changed.", body = LinkResponse),
        (status = 409, description = "They are two people, or would have too many identities; nothing was changed.",
            body = crate::problem::ProblemBody<'_>, content_type = "application/problem+json")))]
pub async fn link(call: Call, State(app): State<Arc<App>>, body: JsonBody) -> Result<Response, Problem> {
    let body: LinkBody<'_> = body.parse()?;
    let live = call.shop.live()?;
    let request = body.check(&call)?;
    let kinds: Vec<&'static str> = request.identities.iter().map(|identity| identity.kind().name()).collect();
    let linked = live.link(request).await.inspect_err(|problem| {
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
            user_id: kept("user_id", self.user_id.as_ref())?,
            identities,
            at: now_ms(),
            request_id: call.id.to_string(),
            source: kept("source", self.source.as_ref())?,
        })
    }
}

/// An id that is written down: it is bounded in bytes, too.
fn kept(field: &'static str, id: Option<&Id<'_>>) -> Result<Option<String>, Problem> {
    let kept = id.map(|id| check::id(field, id.as_str())).transpose();
    kept.map_err(|fault| Problem::new(Code::InvalidField, fault.reason).at_field(field))
}

/// A merge to be taken back.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = UndoRequest)]
pub struct UndoBody<'a> {
    /// The merge, as `/identities/link` or the audit trail names it.
    #[serde(borrow)]
    merge_id: Id<'a>,
    /// Who says so; it stands in the audit trail.
    #[serde(borrow, default, deserialize_with = "optional_id")]
    source: Option<Id<'a>>,
}

/// What became of it.
#[derive(Serialize, ToSchema)]
pub struct UndoResponse {
    #[schema(value_type = String)]
    request_id: RequestId,
    status: UndoStatus,
    /// The two people who are apart again: who stays, who left.
    user_ids: Vec<String>,
    /// Microseconds from reading the request's headers to writing this.
    took_us: u64,
}

/// What became of a merge that was to be taken back.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum UndoStatus {
    /// They are two people again.
    Undone,
    /// No such merge holds: it never did, or it was taken back before.
    Unchanged,
}

/// Takes a merge back: every name returns to whom it belonged before, with what was done under it.
#[utoipa::path(post, path = "/identities/undo", operation_id = "undo_merge", tag = "people", request_body = UndoBody<'_>,
    responses((status = 200, description = "What became of it.", body = UndoResponse)))]
pub async fn undo(call: Call, State(app): State<Arc<App>>, body: JsonBody) -> Result<Response, Problem> {
    let body: UndoBody<'_> = body.parse()?;
    let request = UndoRequest {
        merge_id: body.merge_id.as_str().to_owned(),
        at: now_ms(),
        request_id: call.id.to_string(),
        source: kept("source", body.source.as_ref())?,
    };
    let (status, user_ids) = match call.shop.live()?.undo(request).await? {
        UndoOutcome::Undone { user_id, parted } => {
            app.telemetry.links.record(Linked::Undone);
            (UndoStatus::Undone, vec![user_id, parted])
        }
        UndoOutcome::Unchanged => (UndoStatus::Unchanged, Vec::new()),
    };
    json(&UndoResponse { request_id: call.id, status, user_ids, took_us: call.took_us() }, 512)
}

/// Who a person is.
#[derive(Serialize, ToSchema)]
pub struct PersonResponse {
    #[schema(value_type = String)]
    request_id: RequestId,
    /// The user id that they go by.
    user_id: String,
    /// All user ids that are theirs, the one that they go by first.
    members: Vec<MemberRef>,
    /// Their identities, in the order in which they were linked.
    identities: Vec<PersonIdentity>,
    /// Who was linked, merged and parted, oldest first.
    audit: Vec<AuditLine>,
    /// Microseconds from reading the request's headers to writing this.
    took_us: u64,
}

/// A user id of a person.
#[derive(Serialize, ToSchema)]
pub struct MemberRef {
    user_id: String,
    /// Whether a caller gave it; else it was made up.
    given: bool,
    /// The merge by which it came to the person.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    merge_id: Option<String>,
    /// The user id that it was merged into.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    merged_into: Option<String>,
    /// When.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, value_type = String, format = DateTime)]
    merged_at: Option<Moment>,
}

/// An identity of a person.
#[derive(Serialize, ToSchema)]
pub struct PersonIdentity {
    r#type: &'static str,
    #[schema(value_type = StrengthName)]
    strength: Strength,
    /// Masked: the last four characters of a value of twelve or more, nothing of a shorter one.
    value: String,
    /// The user id that it was linked to.
    user_id: String,
    /// Since when.
    #[schema(value_type = String, format = DateTime)]
    since: Moment,
}

/// How much an identity says: the schema of the rules' own.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum StrengthName {
    /// One person and nobody else.
    Strong,
    /// One person as long as no second one is seen with it.
    Weak,
    /// Several people.
    Shared,
}

/// A line of the audit trail. What a field does not apply to goes without it.
#[derive(Serialize, ToSchema)]
pub struct AuditLine {
    #[schema(value_type = String, format = DateTime)]
    at: Moment,
    /// The request that did it.
    request_id: String,
    /// Who said so, where the caller told.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    source: Option<String>,
    action: Action,
    /// Types of the identities, where it was about some.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    types: Vec<&'static str>,
    /// The merge.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    merge_id: Option<String>,
    /// The user id that was merged, or is on its own again.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    user_id: Option<String>,
}

/// What was done.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Identities became the person's.
    Linked,
    /// A person became part of this one.
    Merged,
    /// A merge was taken back.
    Undone,
    /// Identities were seen with somebody else, and speak for nobody any more.
    Shared,
}

/// Tells which names are a person's, and how that came about.
#[utoipa::path(get, path = "/identities/{id}", operation_id = "identities", tag = "people",
    params(("id" = String, Path, description = "Any user id of theirs, percent-encoded.", min_length = 1, max_length = 256)),
    responses((status = 200, description = "The person; of a user id that nothing was linked to, nothing but that id.",
        body = PersonResponse)))]
pub async fn get(call: Call, PathId(id): PathId) -> Result<Response, Problem> {
    if !is_id(&id) {
        return Err(Problem::new(Code::InvalidField, "an id has 1 to 256 characters").at_field("id"));
    }
    let Described { person, audit } = call.shop.live()?.person(&id).await?;
    let response = PersonResponse {
        request_id: call.id,
        user_id: person.user_id().to_owned(),
        identities: person.identities.iter().map(PersonIdentity::of).collect(),
        members: person.members.into_iter().map(MemberRef::of).collect(),
        audit: audit.into_iter().map(AuditLine::of).collect(),
        took_us: call.took_us(),
    };
    json(&response, 512 + 160 * (response.identities.len() + response.audit.len()))
}

impl MemberRef {
    fn of(member: Member) -> Self {
        let merge = member.merge.as_ref();
        Self {
            merge_id: merge.map(|merge| merge.id.clone()),
            merged_into: merge.map(|merge| merge.into.clone()),
            merged_at: merge.map(|merge| moment(merge.at)),
            user_id: member.user_id,
            given: member.given,
        }
    }
}

impl PersonIdentity {
    fn of(linked: &people::Linked) -> Self {
        let kind = linked.identity.kind();
        Self {
            r#type: kind.name(),
            strength: kind.strength(),
            value: linked.identity.masked(),
            user_id: linked.of.clone(),
            since: moment(linked.since),
        }
    }
}

impl AuditLine {
    fn of(entry: AuditEntry) -> Self {
        let (action, types, merge_id, user_id) = match entry.action {
            AuditAction::Linked { types } => (Action::Linked, types, None, None),
            AuditAction::Shared { types } => (Action::Shared, types, None, None),
            AuditAction::Merged { merge_id, user_id, .. } => {
                (Action::Merged, Vec::new(), Some(merge_id), Some(user_id))
            }
            AuditAction::Undone { merge_id, user_id } => {
                (Action::Undone, Vec::new(), Some(merge_id), Some(user_id))
            }
        };
        Self {
            at: moment(entry.at),
            request_id: entry.request_id,
            source: entry.source,
            action,
            types: types.into_iter().map(|kind| kind.name()).collect(),
            merge_id,
            user_id,
        }
    }
}

/// A moment of unix milliseconds.
fn moment(milliseconds: i64) -> Moment {
    Moment(milliseconds.div_euclid(1_000))
}
