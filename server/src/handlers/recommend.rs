//! `/recommend`: people -> goods.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use qianmian_live::people::state::DEFAULT_SCENE;
use qianmian_models::ids::ItemIx;
use qianmian_models::index::places::{Kind, PlaceIx};
use qianmian_models::recommend;
use qianmian_models::recommend::query::Query;
use qianmian_models::recommend::slate::{Recommended, Slate};
use qianmian_models::snapshot::Snapshot;
use qianmian_models::source::{Evidence, Source};
use qianmian_models::view::View;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::answer::{
    Evidences, ModelRef, Reason, Reasons, bought_together, finite, json, resembles, resolve,
};
use super::card::{Bought, ItemCard};
use super::person::{UserRef, Who};
use crate::app::{self, App};
use crate::context::{LiveContext, Visit};
use crate::extract::{JsonBody, QueryString};
use crate::fields::{Count, Id, Ids, OwnedId, object, optional_id, optional_object, optional_owned_id};
use crate::guard::Call;
use crate::live::USER_STATE;
use crate::problem::Problem;
use crate::request_id::RequestId;

fn usual_count() -> Count<200> {
    Count::of(20)
}

fn wanted() -> bool {
    true
}

/// Which goods for this person, here, now?
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RecommendRequest<'a> {
    /// The person; leave it out for an anonymous visitor.
    #[serde(borrow, default, deserialize_with = "optional_object")]
    user: Option<UserRef<'a>>,
    /// The visit that the call belongs to: its events count, beside the person's.
    #[serde(borrow, default, deserialize_with = "optional_id")]
    session_id: Option<Id<'a>>,
    /// The place where the slate is shown: what was shown to the person there often, and left alone, comes
    /// after all others.
    #[serde(borrow, default, deserialize_with = "optional_id")]
    #[schema(default = "home")]
    scene: Option<Id<'a>>,
    /// Length of the slate.
    #[serde(default = "usual_count")]
    #[schema(default = 20)]
    count: Count<200>,
    /// What the person does right now.
    #[serde(borrow, default, deserialize_with = "object")]
    context: Context<'a>,
    /// Items that must not be returned.
    #[serde(borrow, default)]
    exclude_item_ids: Ids<'a, 0, 1000>,
    /// Leave out what the person bought before.
    #[serde(default)]
    exclude_bought: bool,
    /// `false` answers with best sellers, without a look at the person or the context.
    #[serde(default = "wanted")]
    #[schema(default = true)]
    personalize: bool,
    /// Adds to every item what each source said of it.
    #[serde(default)]
    explain: bool,
}

/// What the person does right now. Both lists are latest first; their items are not returned.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Context<'a> {
    /// Items looked at.
    #[serde(borrow, default)]
    item_ids: Ids<'a, 0, 100>,
    /// Items in the cart.
    #[serde(borrow, default)]
    cart: Ids<'a, 0, 100>,
    /// The store that the person is in. For a person without purchases, what sells there (else in the city,
    /// else in the channel) stands in, where the training found that such places tell people apart.
    #[serde(borrow, default, deserialize_with = "optional_id")]
    store_id: Option<Id<'a>>,
    /// The city that the person lives in.
    #[serde(borrow, default, deserialize_with = "optional_id")]
    city: Option<Id<'a>>,
    /// The channel that the person comes through; what trends there is lifted.
    #[serde(borrow, default, deserialize_with = "optional_id")]
    channel: Option<Id<'a>>,
    /// The region that the person is in, as events name regions; what trends there is lifted.
    #[serde(borrow, default, deserialize_with = "optional_id")]
    region: Option<Id<'a>>,
}

/// The same as a query string, for the plain case.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct RecommendQuery {
    /// The person; leave it out for an anonymous visitor.
    #[param(inline)]
    #[serde(default, deserialize_with = "optional_owned_id")]
    user_id: Option<OwnedId>,
    /// The place where the slate is shown; `home` where it is not given.
    #[param(inline)]
    #[serde(default, deserialize_with = "optional_owned_id")]
    scene: Option<OwnedId>,
    /// Length of the slate; 20 where it is not given.
    #[param(inline)]
    count: Option<Count<200>>,
    /// Leave out what the person bought before.
    #[serde(default)]
    exclude_bought: bool,
    /// Adds to every item what each source said of it.
    #[serde(default)]
    explain: bool,
}

impl From<RecommendQuery> for RecommendRequest<'_> {
    fn from(query: RecommendQuery) -> Self {
        Self {
            user: query.user_id.map(|id| UserRef::of(id.into())),
            session_id: None,
            scene: query.scene.map(Id::from),
            count: query.count.unwrap_or_else(usual_count),
            context: Context::default(),
            exclude_item_ids: Ids::default(),
            exclude_bought: query.exclude_bought,
            personalize: true,
            explain: query.explain,
        }
    }
}

/// A slate.
#[derive(Serialize, ToSchema)]
pub struct RecommendResponse<'a> {
    /// Ties later events to this slate.
    #[schema(value_type = String)]
    request_id: RequestId,
    model: ModelRef<'a>,
    /// Whether anything of the person (purchases or context) went into it.
    personalized: bool,
    /// Parts that could not be asked; empty when all is well.
    degraded: &'a [&'a str],
    /// What the answer fell back to, where it could not be what was asked.
    fallback: Option<Fallback>,
    /// Ids of the request that the model does not know.
    unknown_item_ids: Vec<&'a str>,
    /// Best first.
    items: Vec<RecommendedItem<'a>>,
    /// Microseconds from reading the request's headers to writing this.
    took_us: u64,
}

/// Why a slate is not as personal as was asked. The order is that of the metric's labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Fallback {
    /// Neither the model nor live state knows the user; context, where given, was still used.
    UnknownUser,
    /// Nothing of the user's purchases or context leads anywhere: best sellers.
    NoHistory,
    /// Nobody was named, or personalisation was not wanted: best sellers.
    Popularity,
    /// The model holds no items.
    EmptyCatalog,
}

/// One item of a slate.
#[derive(Serialize, ToSchema)]
pub struct RecommendedItem<'a> {
    #[serde(flatten)]
    card: ItemCard<'a>,
    /// Position, from 1.
    rank: usize,
    /// Comparable within one answer; higher is better.
    score: f32,
    /// The source that contributed most.
    #[schema(value_type = SourceName)]
    source: Source,
    /// Strongest first.
    #[schema(value_type = Vec<Reason<'a>>)]
    reasons: Reasons<'a>,
    /// What each source said, when asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    evidence: Option<Evidences>,
}

/// A candidate source: the schema of `models`' own, which is kept free of HTTP. A test holds the two equal.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SourceName {
    /// Bought before.
    Personal,
    /// Shares baskets.
    CoPurchase,
    /// To their taste.
    Factors,
    /// Sells well.
    Popularity,
    /// Follows from all that they bought.
    Ease,
    /// Follows from what they bought lately.
    EaseRecent,
    /// Is bought after what they bought last.
    Transition,
    /// Bought by people like them.
    UserKnn,
    /// Lies in the smooth directions of what they bought.
    LowPass,
    /// The first source that was learned elsewhere.
    #[serde(rename = "external_1")]
    External1,
    /// The second one.
    #[serde(rename = "external_2")]
    External2,
    /// Resembles what they bought or look at, by what is written of it.
    Content,
}

/// Recommends items, for the plain case.
#[utoipa::path(get, path = "/recommend", operation_id = "recommend", tag = "people -> goods", params(RecommendQuery),
    responses((status = 200, description = "A slate.", body = RecommendResponse<'_>)))]
pub async fn get(
    call: Call,
    State(app): State<Arc<App>>,
    QueryString(query): QueryString<RecommendQuery>,
) -> Result<Response, Problem> {
    answer(&call, &app, &query.into()).await
}

/// Recommends items for a person, in context.
#[utoipa::path(post, path = "/recommend", operation_id = "recommend_in_context", tag = "people -> goods", request_body = RecommendRequest<'_>,
    responses((status = 200, description = "A slate.", body = RecommendResponse<'_>)))]
pub async fn post(call: Call, State(app): State<Arc<App>>, body: JsonBody) -> Result<Response, Problem> {
    answer(&call, &app, &body.parse()?).await
}

async fn answer(call: &Call, app: &App, request: &RecommendRequest<'_>) -> Result<Response, Problem> {
    // Before the model is taken: it is not held while something waits.
    let context = LiveContext::load(&call.shop, request.visit()?).await;
    if context.degraded().contains(&USER_STATE) {
        app.telemetry.degraded_user_state.increment(1);
    }
    let model = call.shop.model()?;
    let view = model.view(app::now());
    let snapshot = view.snapshot;
    let mut unknown_item_ids = Vec::new();
    let query = context.apply_to(snapshot, query(snapshot, request, &mut unknown_item_ids));
    let slate = recommend::recommend(view, &query);
    let fallback = fallback(snapshot, request, &query, &slate);
    app.telemetry.slates.record(&slate, fallback.map(|fallback| fallback as usize));
    let item = |(n, item)| recommended_item(view, (&query, &slate.weights), request.explain, n + 1, item);
    let response = RecommendResponse {
        request_id: call.id,
        model: ModelRef::of(snapshot),
        personalized: slate.personalized,
        degraded: context.degraded(),
        fallback,
        unknown_item_ids,
        items: slate.items.iter().enumerate().map(item).collect(),
        took_us: call.took_us(),
    };
    json(&response, 512 + 256 * slate.items.len())
}

impl RecommendRequest<'_> {
    /// Whose context, and where.
    fn visit(&self) -> Result<Visit<'_>, Problem> {
        let who = self.user.as_ref().map(UserRef::who).transpose()?;
        Ok(Visit {
            who: who.filter(|_| self.personalize).unwrap_or_else(Who::default),
            session_id: self.session_id.as_ref().map(Id::as_str).filter(|_| self.personalize),
            scene: self.scene.as_ref().map_or(DEFAULT_SCENE, Id::as_str),
            channel: self.context.channel.as_ref().map(Id::as_str),
            region: self.context.region.as_ref().map(Id::as_str),
        })
    }
}

fn query<'r>(snapshot: &Snapshot, request: &'r RecommendRequest<'_>, unknown: &mut Vec<&'r str>) -> Query {
    let exclude = resolve(snapshot, request.exclude_item_ids.iter(), unknown);
    let count = request.count.get();
    if !request.personalize {
        return Query { exclude, count, ..Query::default() };
    }
    let seen = request.context.item_ids.iter().chain(request.context.cart.iter());
    Query {
        recent: resolve(snapshot, seen, unknown),
        exclude,
        exclude_bought: request.exclude_bought,
        count,
        locality: locality(snapshot, &request.context),
        ..Query::default()
    }
}

/// The narrowest locality of the context that the model knows.
fn locality(snapshot: &Snapshot, context: &Context<'_>) -> Option<PlaceIx> {
    let places = snapshot.places.as_ref()?;
    let named = |kind| match kind {
        Kind::Store => context.store_id.as_ref(),
        Kind::City => context.city.as_ref(),
        Kind::Channel => context.channel.as_ref(),
    };
    Kind::ALL.into_iter().find_map(|kind| places.ix(kind, named(kind)?.as_str()))
}

fn fallback(
    snapshot: &Snapshot,
    request: &RecommendRequest<'_>,
    query: &Query,
    slate: &Slate,
) -> Option<Fallback> {
    let named = request.personalize && request.user.is_some();
    let is_live = slate.personalized && !query.touched.is_empty();
    if snapshot.items.is_empty() {
        Some(Fallback::EmptyCatalog)
    } else if named && query.user.is_none() && !is_live {
        Some(Fallback::UnknownUser)
    } else if slate.personalized {
        None
    } else if named || !query.recent.is_empty() {
        Some(Fallback::NoHistory)
    } else {
        Some(Fallback::Popularity)
    }
}

fn recommended_item<'s>(
    view: View<'s>,
    (query, weights): (&Query, &Evidence),
    explain: bool,
    rank: usize,
    item: &Recommended,
) -> RecommendedItem<'s> {
    let snapshot = view.snapshot;
    RecommendedItem {
        card: ItemCard::of(view, item.item),
        rank,
        score: finite(item.score),
        source: item.source,
        reasons: Reasons::of(&item.evidence, weights, |source| match source {
            Source::Personal => bought_before(view, query, item.item),
            Source::CoPurchase | Source::Ease | Source::EaseRecent | Source::Transition => {
                item.seed.map(|other| bought_together(snapshot, other))
            }
            Source::Factors | Source::UserKnn | Source::LowPass | Source::External1 | Source::External2 => {
                Some(Reason::Taste)
            }
            Source::Content => item.seed.map(|other| resembles(snapshot, other)),
            Source::Popularity => Some(Reason::Popular),
        }),
        evidence: explain.then(|| Evidences::from(&item.evidence)),
    }
}

/// That the person of `query` bought `item`, if they did: as the model knows, or since.
fn bought_before<'a>(view: View<'_>, query: &Query, item: ItemIx) -> Option<Reason<'a>> {
    let snapshot = view.snapshot;
    let mut bought = Bought::default();
    let n = query.user.and_then(|user| snapshot.history.ixs(user).iter().position(|&known| known == item));
    if let Some((user, n)) = query.user.zip(n) {
        snapshot.history.of(user).nth(n).iter().for_each(|purchase| bought.add(purchase, view.now));
    }
    query.bought.iter().filter(|(known, _)| *known == item).for_each(|&(_, at)| bought.add_since(at));
    bought.reason()
}
