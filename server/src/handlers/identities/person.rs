//! `GET /identities/{id}`: the identities of a person, with the audit trail.

use axum::response::Response;
use qianmian_live::identity::Strength;
use qianmian_live::people::{self, AuditAction, AuditEntry, Described, Member};
use serde::Serialize;
use utoipa::ToSchema;

use crate::extract::PathId;
use crate::fields::is_id;
use crate::guard::Call;
use crate::handlers::answer::{Moment, json};
use crate::problem::{Code, Problem};
use crate::request_id::RequestId;

/// The identities of a person.
#[derive(Serialize, ToSchema)]
pub struct PersonResponse {
    #[schema(value_type = String)]
    request_id: RequestId,
    /// Their main user id.
    user_id: String,
    /// All of their user ids, the main one first.
    members: Vec<MemberRef>,
    /// Their identities, in the order in which they were linked.
    identities: Vec<PersonIdentity>,
    /// Links, merges and undone merges, oldest first.
    audit: Vec<AuditLine>,
    /// Microseconds from reading the request's headers to writing this.
    took_us: u64,
}

/// A user id of a person.
#[derive(Serialize, ToSchema)]
pub struct MemberRef {
    user_id: String,
    /// True if a caller gave it; else it was generated.
    given: bool,
    /// The merge that added it to the person.
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

/// How reliable an identity is.
// The schema of the type of live state.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum StrengthName {
    /// Of exactly one person.
    Strong,
    /// Of one person until a second one is seen with it.
    Weak,
    /// Of several people.
    Shared,
}

/// An entry of the audit trail; fields that do not apply are absent.
#[derive(Serialize, ToSchema)]
pub struct AuditLine {
    #[schema(value_type = String, format = DateTime)]
    at: Moment,
    /// The request that did it.
    request_id: String,
    /// The system that said so, if the caller named one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    source: Option<String>,
    action: Action,
    /// Types of the identities concerned.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    types: Vec<&'static str>,
    /// The merge.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    merge_id: Option<String>,
    /// The user id that was merged or separated.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    user_id: Option<String>,
}

/// What happened.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Identities were added to the person.
    Linked,
    /// A person was merged into this one.
    Merged,
    /// A merge was undone.
    Undone,
    /// Identities were seen with somebody else, and identify nobody any more.
    Shared,
}

/// Lists the identities of a person, and how they came together.
#[utoipa::path(get, path = "/identities/{id}", operation_id = "identities", tag = "people",
    params(("id" = String, Path, description = "Any user id of theirs, percent-encoded.", min_length = 1, max_length = 256)),
    responses((status = 200, description = "The person; for a user id without links, that id alone.",
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
