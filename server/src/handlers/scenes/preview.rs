//! `POST /scenes/{name}/preview`: a draft beside what is served, for named people and for a sample of all.
//!
//! People are those of the model, without what they did since: two previews of one draft are equal. Nothing is saved,
//! counted or logged.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::response::Response;
use qianmian_models::consent::Purpose;
use qianmian_models::ids::{ItemIx, UserIx};
use qianmian_models::recommend::query::Query;
use qianmian_models::recommend::recommend;
use qianmian_models::recommend::slate::Slate;
use qianmian_models::rules::expression::inputs::Asked;
use qianmian_models::view::View;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::edit::checked;
use crate::app::{self, App};
use crate::extract::{JsonBody, PathId};
use crate::fields::{Count, Id, Ids, Params};
use crate::guard::Call;
use crate::handlers::answer::json;
use crate::handlers::revisions::check_name;
use crate::handlers::steering;
use crate::problem::{Code, Problem};
use crate::request_id::RequestId;
use crate::scenes::lint::Warning;
use crate::scenes::{ActiveScene, SceneDocument};

/// Longest time for a sample; what was not reached by then is left out and the answer says how many were.
const MAX_TIME: Duration = Duration::from_secs(4);

/// A draft, and for whom.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PreviewRequest<'a> {
    /// The draft.
    scene: SceneDocument,
    /// Show the slates of these people.
    #[serde(borrow, default)]
    user_ids: Ids<'a, 0, 20>,
    /// Compare the slates of so many people, evenly spread over all.
    #[serde(default)]
    #[schema(nullable = false)]
    sample: Option<Count<10000>>,
    /// Length of the slates; that of each scene by default.
    #[serde(default)]
    #[schema(nullable = false)]
    count: Option<Count<200>>,
    /// What expressions read as `params.name`.
    #[serde(default)]
    params: Params,
}

/// A draft beside what is served.
#[derive(Serialize, ToSchema)]
pub struct PreviewResponse {
    #[schema(value_type = String)]
    request_id: RequestId,
    /// What is probably not meant.
    warnings: Vec<Warning>,
    /// The slates of the named people whom the model knows.
    people: Vec<PreviewPerson>,
    /// The difference over the sample, if one was asked for.
    sample: Option<PreviewSample>,
    /// Microseconds from reading the request's headers to writing this.
    took_us: u64,
}

/// The slates of one person.
#[derive(Serialize, ToSchema)]
pub struct PreviewPerson {
    user_id: String,
    /// By what is served.
    active: PreviewSlate,
    /// By the draft.
    draft: PreviewSlate,
}

/// A slate.
#[derive(Serialize, ToSchema)]
pub struct PreviewSlate {
    /// Best first.
    item_ids: Vec<String>,
    /// Names of the rules that it does not satisfy.
    unmet: Vec<String>,
}

/// The difference between the slates of many people.
#[derive(Serialize, ToSchema)]
pub struct PreviewSample {
    /// People compared.
    users: usize,
    /// Share of people whose slate changes; 0 to 1.
    changed: f64,
    /// Share of the served items that stay in the slate, wherever; 0 to 1.
    overlap: f64,
    /// By what is served.
    active: PreviewTotals,
    /// By the draft.
    draft: PreviewTotals,
}

/// Totals of many slates.
#[derive(Default, Serialize, ToSchema)]
pub struct PreviewTotals {
    /// Different items shown.
    items: usize,
    /// Slates without any item.
    empty: usize,
    /// Slates shorter than asked.
    short: usize,
    /// Slates that do not satisfy a rule, by its name.
    unmet: BTreeMap<String, usize>,
    #[serde(skip)]
    shown: BTreeSet<ItemIx>,
}

/// Slates by a draft beside those by what is served. Nothing is saved.
#[utoipa::path(post, path = "/scenes/{name}/preview", operation_id = "preview_scene", tag = "scenes",
    params(("name" = String, Path)), request_body = PreviewRequest<'_>,
    responses((status = 200, description = "Both, and the difference.", body = PreviewResponse)))]
pub async fn preview(
    call: Call,
    State(app): State<Arc<App>>,
    PathId(name): PathId,
    body: JsonBody,
) -> Result<Response, Problem> {
    check_name(&name)?;
    let request: PreviewRequest<'_> = body.parse()?;
    let warnings = checked(&call.shop, &name, &request.scene)?;
    let draft = call.shop.scenes.draft(&name, &request.scene)?;
    let active = call.shop.scenes.get(&name);
    for scene in [&draft, &*active] {
        steering::required(&scene.required_params, &request.params.0)?;
    }
    let model = Arc::clone(&*call.shop.model()?);
    let named: Vec<(String, UserIx)> = request
        .user_ids
        .iter()
        .map(Id::as_str)
        .filter_map(|id| Some((id.to_owned(), model.snapshot.users.ix(id)?)))
        .collect();
    let asked = Asked { scene: name, at: app::now(), params: request.params.0, ..Asked::default() };
    let (count, sample) = (request.count.map(Count::get), request.sample.map(Count::get));
    // The semaphore is never closed.
    let permit = Arc::clone(&app.heavy).acquire_owned().await.ok();
    let work = move || {
        let _permit = permit;
        let compared =
            Compared { view: model.view(app::now()), active: &active, draft: &draft, asked, count };
        let people = named.into_iter().map(|(id, user)| compared.person(id, user)).collect();
        let sample = sample.map(|sample| compared.sample(sample));
        let took_us = call.took_us();
        json(&PreviewResponse { request_id: call.id, warnings, people, sample, took_us }, 4_096)
    };
    let failed = |_| Problem::new(Code::Internal, "the preview panicked");
    tokio::task::spawn_blocking(work).await.map_err(failed)?
}

/// Two scenes under comparison.
struct Compared<'a> {
    view: View<'a>,
    active: &'a ActiveScene,
    draft: &'a ActiveScene,
    asked: Asked,
    count: Option<usize>,
}

impl Compared<'_> {
    fn slate(&self, scene: &ActiveScene, user: UserIx) -> (Slate, usize) {
        let count = self.count.unwrap_or(scene.count);
        let asked = Asked { zone: scene.zone.clone(), ..self.asked.clone() };
        // People who do not allow personal answers get those of visitors, here too.
        let user = Some(user).filter(|&user| self.view.allows(Purpose::Personalization, user));
        let query = Query { asked, exclude_bought: scene.exclude_bought, user, count, ..Query::default() };
        (recommend(self.view.in_scene(&scene.scene), &query), count)
    }

    fn person(&self, user_id: String, user: UserIx) -> PreviewPerson {
        let slate = |scene| {
            let (slate, _) = self.slate(scene, user);
            let id = |item: ItemIx| self.view.snapshot.items.id(item).to_owned();
            PreviewSlate {
                item_ids: slate.items.iter().map(|slot| id(slot.item)).collect(),
                unmet: slate.unmet.iter().map(|unmet| unmet.rule.to_string()).collect(),
            }
        };
        PreviewPerson { user_id, active: slate(self.active), draft: slate(self.draft) }
    }

    /// Compares the slates of `wanted` people, evenly spread over all.
    fn sample(&self, wanted: usize) -> PreviewSample {
        let started = Instant::now();
        let n_users = self.view.snapshot.users.len();
        let (mut active, mut draft) = (PreviewTotals::default(), PreviewTotals::default());
        let (mut users, mut changed, mut stayed, mut served) = (0usize, 0usize, 0usize, 0usize);
        for n in 0..wanted.min(n_users) {
            if started.elapsed() > MAX_TIME {
                break;
            }
            let user = (n * n_users / wanted.min(n_users)) as UserIx;
            let before = active.add(self.slate(self.active, user));
            let after = draft.add(self.slate(self.draft, user));
            users += 1;
            changed += usize::from(before != after);
            stayed += before.iter().filter(|item| after.contains(item)).count();
            served += before.len();
        }
        let share = |part: usize, whole: usize| if whole > 0 { part as f64 / whole as f64 } else { 1.0 };
        let (changed, overlap) = (share(changed, users.max(1)), share(stayed, served));
        PreviewSample { users, changed, overlap, active, draft }
    }
}

impl PreviewTotals {
    /// Adds a slate; returns its items.
    fn add(&mut self, (slate, count): (Slate, usize)) -> Vec<ItemIx> {
        let items: Vec<ItemIx> = slate.items.iter().map(|slot| slot.item).collect();
        self.empty += usize::from(items.is_empty());
        self.short += usize::from(items.len() < count);
        self.shown.extend(&items);
        self.items = self.shown.len();
        for unmet in &slate.unmet {
            *self.unmet.entry(unmet.rule.to_string()).or_default() += 1;
        }
        items
    }
}
