//! The question of `/recommend`.

use qianmian_live::people::state::DEFAULT_SCENE;
use qianmian_models::index::localities::{Kind, LocalityIx};
use qianmian_models::recommend::query::Query;
use qianmian_models::snapshot::Snapshot;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use crate::context::Visit;
use crate::fields::{Count, Id, Ids, OwnedId, object, optional_id, optional_object, optional_owned_id};
use crate::guard::Caller;
use crate::handlers::answer::resolve;
use crate::handlers::person::{self, UserRef, Who};
use crate::problem::Problem;

fn usual_count() -> Count<200> {
    Count::of(20)
}

fn wanted() -> bool {
    true
}

/// Which items for this person, here and now?
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RecommendRequest<'a> {
    /// The person; leave it out for an anonymous visitor.
    #[serde(borrow, default, deserialize_with = "optional_object")]
    pub(super) user: Option<UserRef<'a>>,
    /// The session of the call: its events count beside the person's.
    #[serde(borrow, default, deserialize_with = "optional_id")]
    session_id: Option<Id<'a>>,
    /// Where the slate is shown. Items that were shown to the person there often, and ignored, come last.
    #[serde(borrow, default, deserialize_with = "optional_id")]
    #[schema(default = "home")]
    scene: Option<Id<'a>>,
    /// Length of the slate.
    #[serde(default = "usual_count")]
    #[schema(default = 20)]
    count: Count<200>,
    /// What the person does now.
    #[serde(borrow, default, deserialize_with = "object")]
    context: Context<'a>,
    /// Items that must not be returned.
    #[serde(borrow, default)]
    exclude_item_ids: Ids<'a, 0, 1000>,
    /// Leave out items that the person bought before.
    #[serde(default)]
    exclude_bought: bool,
    /// `false` answers with best sellers, and ignores the person and the context.
    #[serde(default = "wanted")]
    #[schema(default = true)]
    pub(super) personalize: bool,
    /// Adds the score of every source to each item.
    #[serde(default)]
    pub(super) explain: bool,
}

/// What the person does now. Both lists are latest first; their items are not returned.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Context<'a> {
    /// Items looked at.
    #[serde(borrow, default)]
    item_ids: Ids<'a, 0, 100>,
    /// Items in the cart.
    #[serde(borrow, default)]
    cart: Ids<'a, 0, 100>,
    /// The store that the person is in. For a person without purchases, its best sellers (else those of the city, else
    /// of the channel) stand in, if training found that such localities differ.
    #[serde(borrow, default, deserialize_with = "optional_id")]
    store_id: Option<Id<'a>>,
    /// The city that the person lives in.
    #[serde(borrow, default, deserialize_with = "optional_id")]
    city: Option<Id<'a>>,
    /// The channel of the person; items that trend there are lifted.
    #[serde(borrow, default, deserialize_with = "optional_id")]
    channel: Option<Id<'a>>,
    /// The region of the person, as events name regions; items that trend there are lifted.
    #[serde(borrow, default, deserialize_with = "optional_id")]
    region: Option<Id<'a>>,
}

/// The plain case, as a query string.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct RecommendQuery {
    /// The person; leave it out for an anonymous visitor.
    #[param(inline)]
    #[serde(default, deserialize_with = "optional_owned_id")]
    user_id: Option<OwnedId>,
    /// Where the slate is shown; `home` by default.
    #[param(inline)]
    #[serde(default, deserialize_with = "optional_owned_id")]
    scene: Option<OwnedId>,
    /// Length of the slate; 20 by default.
    #[param(inline)]
    count: Option<Count<200>>,
    /// Leave out items that the person bought before.
    #[serde(default)]
    exclude_bought: bool,
    /// Adds the score of every source to each item.
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

impl RecommendRequest<'_> {
    /// Whose context, and where.
    pub fn visit<'v>(&'v self, caller: &'v Caller) -> Result<Visit<'v>, Problem> {
        let who = person::of_call(caller, self.user.as_ref())?;
        Ok(Visit {
            who: if self.personalize { who } else { Who::default() },
            is_storefront: matches!(caller, Caller::Storefront(_)),
            session_id: self.session_id.as_ref().map(Id::as_str).filter(|_| self.personalize),
            scene: self.scene.as_ref().map_or(DEFAULT_SCENE, Id::as_str),
            channel: self.context.channel.as_ref().map(Id::as_str),
            region: self.context.region.as_ref().map(Id::as_str),
        })
    }
}

/// The question in the model's terms, without the context unless the answer may be `personal`; ids that the model does
/// not know go into `unknown`.
pub fn query<'r>(
    snapshot: &Snapshot,
    request: &'r RecommendRequest<'_>,
    personal: bool,
    unknown: &mut Vec<&'r str>,
) -> Query {
    let exclude = resolve(snapshot, request.exclude_item_ids.iter(), unknown);
    let count = request.count.get();
    if !personal {
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
fn locality(snapshot: &Snapshot, context: &Context<'_>) -> Option<LocalityIx> {
    let localities = snapshot.localities.as_ref()?;
    let named = |kind| match kind {
        Kind::Store => context.store_id.as_ref(),
        Kind::City => context.city.as_ref(),
        Kind::Channel => context.channel.as_ref(),
    };
    Kind::ALL.into_iter().find_map(|kind| localities.ix(kind, named(kind)?.as_str()))
}
