//! `/scenes`: the places where slates are shown, as people edit them.
//!
//! Every change makes a revision with who, when and why; `If-Match` names the revision that its author saw. From the
//! answer on this server makes slates by the new revision, every other one within a second.

mod edit;
mod preview;

use axum::response::Response;
use qianmian_live::documents::{Author, Document, MAX_DOCUMENTS};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};

use super::answer::json;
use super::revisions::{Change, author, check_name, raw, with_etag};
use crate::extract::PathId;
use crate::guard::Call;
use crate::problem::{Code, Problem};
use crate::request_id::RequestId;
use crate::scenes::{KIND, SceneDocument};

pub use edit::*;
pub use preview::*;

/// Who changes a scene, and why.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct EditQuery {
    /// Who, for the history: an account or a name; `api` by default.
    who: Option<String>,
    /// Why, for the history.
    why: Option<String>,
    /// Refuses a scene that has warnings.
    #[serde(default)]
    strict: bool,
}

impl EditQuery {
    fn author(&self) -> Author {
        author(self.who.as_deref(), self.why.as_deref())
    }
}

/// Scenes of the shop.
#[derive(Serialize, ToSchema)]
pub struct ScenesResponse {
    #[schema(value_type = String)]
    request_id: RequestId,
    /// In order of their names.
    scenes: Vec<SceneSummary>,
    /// Microseconds from reading the request's headers to writing this.
    took_us: u64,
}

/// A scene in a list.
#[derive(Serialize, ToSchema)]
pub struct SceneSummary {
    name: String,
    /// Where it is set up.
    origin: Origin,
    /// Its revision, if people edit it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    revision: Option<u64>,
    #[serde(flatten)]
    change: Option<Change>,
}

/// Where a scene is set up.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// By this API.
    Edited,
    /// In the server's configuration.
    Configuration,
}

/// A scene.
#[derive(Serialize, ToSchema)]
pub struct SceneResponse {
    #[schema(value_type = String)]
    request_id: RequestId,
    name: String,
    origin: Origin,
    /// Its revision; 0 if it is of the configuration.
    revision: u64,
    #[serde(flatten)]
    change: Option<Change>,
    /// The scene as it was written.
    #[schema(value_type = SceneDocument)]
    scene: Box<RawValue>,
    /// Microseconds from reading the request's headers to writing this.
    took_us: u64,
}

/// Revisions of a scene.
#[derive(Serialize, ToSchema)]
pub struct HistoryResponse {
    #[schema(value_type = String)]
    request_id: RequestId,
    name: String,
    /// Latest first; at most 32.
    revisions: Vec<SceneRevision>,
    /// Microseconds from reading the request's headers to writing this.
    took_us: u64,
}

/// A revision of a scene.
#[derive(Serialize, ToSchema)]
pub struct SceneRevision {
    revision: u64,
    #[serde(flatten)]
    change: Change,
    /// The revision that an undo restored.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    restores: Option<u64>,
    /// The scene as it was written; null if it was deleted.
    #[schema(value_type = Option<SceneDocument>)]
    scene: Option<Box<RawValue>>,
}

/// Scenes of the shop: those that people edit, and those of the configuration.
#[utoipa::path(get, path = "/scenes", operation_id = "list_scenes", tag = "scenes",
    responses((status = 200, description = "The scenes.", body = ScenesResponse)))]
pub async fn list(call: Call) -> Result<Response, Problem> {
    let edited = match call.shop.live_store() {
        Some(live) => live.documents(KIND, MAX_DOCUMENTS).await?,
        None => Vec::new(),
    };
    let is_edited = |name: &str| edited.iter().any(|scene| scene.name == name);
    let configured = call.shop.scenes.configured_names().filter(|name| !is_edited(name));
    let mut scenes: Vec<SceneSummary> = configured
        .map(|name| SceneSummary {
            name: name.to_owned(),
            origin: Origin::Configuration,
            revision: None,
            change: None,
        })
        .collect();
    scenes.extend(edited.into_iter().map(|scene| SceneSummary {
        name: scene.name,
        origin: Origin::Edited,
        revision: Some(scene.revision),
        change: Some(scene.author.into()),
    }));
    scenes.sort_by(|a, b| a.name.cmp(&b.name));
    let bytes = 128 + 160 * scenes.len();
    json(&ScenesResponse { request_id: call.id, scenes, took_us: call.took_us() }, bytes)
}

/// A scene as it was written. `ETag` is its revision.
#[utoipa::path(get, path = "/scenes/{name}", operation_id = "get_scene", tag = "scenes",
    params(("name" = String, Path)),
    responses((status = 200, description = "The scene.", body = SceneResponse)))]
pub async fn get(call: Call, PathId(name): PathId) -> Result<Response, Problem> {
    check_name(&name)?;
    let edited = match call.shop.live_store() {
        Some(live) => live.document(KIND, &name).await?,
        None => None,
    };
    let (origin, revision, change, scene) = match edited {
        Some(Document { revision, author, body, .. }) => {
            (Origin::Edited, revision, Some(author.into()), raw(body.unwrap_or_default())?)
        }
        None => {
            let configured = call.shop.scenes.configured(&name);
            let scene = configured.ok_or_else(|| Problem::new(Code::NotFound, "there is no such scene"))?;
            let text = serde_json::to_string(scene)
                .map_err(|_| Problem::new(Code::Internal, "the scene cannot be written"))?;
            (Origin::Configuration, 0, None, raw(text)?)
        }
    };
    let bytes = 512 + scene.get().len();
    let request_id = call.id;
    let response =
        SceneResponse { request_id, name, origin, revision, change, scene, took_us: call.took_us() };
    Ok(with_etag(json(&response, bytes)?, revision))
}

/// Revisions of a scene, latest first; also of a deleted one.
#[utoipa::path(get, path = "/scenes/{name}/history", operation_id = "scene_history", tag = "scenes",
    params(("name" = String, Path)),
    responses((status = 200, description = "The revisions.", body = HistoryResponse)))]
pub async fn history(call: Call, PathId(name): PathId) -> Result<Response, Problem> {
    check_name(&name)?;
    let revisions = call.shop.live()?.document_history(KIND, &name).await?;
    if revisions.is_empty() {
        return Err(Problem::new(Code::NotFound, "there is no such scene, and there never was"));
    }
    let revision = |document: Document| -> Result<SceneRevision, Problem> {
        let scene = document.body.map(raw).transpose()?;
        let (revision, restores) = (document.revision, document.restores);
        Ok(SceneRevision { revision, change: document.author.into(), restores, scene })
    };
    let revisions: Vec<SceneRevision> = revisions.into_iter().map(revision).collect::<Result<_, _>>()?;
    let took_us = call.took_us();
    json(&HistoryResponse { request_id: call.id, name, revisions, took_us }, 4_096)
}
