//! The question of `/recommend`.

use std::borrow::Cow;
use std::sync::Arc;

use qianmian_live::people::state::DEFAULT_SCENE;
use qianmian_models::index::localities::{Kind, LocalityIx};
use qianmian_models::recommend::query::Query;
use qianmian_models::rules::expression::Expression;
use qianmian_models::rules::expression::inputs::Asked;
use qianmian_models::snapshot::Snapshot;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use crate::app::{self, Shop};
use crate::context::Visit;
use crate::fields::{
    CardFields, Count, Id, Ids, Object, OwnedId, Params, optional_id, optional_object, optional_owned_id,
};
use crate::guard::Call;
use crate::handlers::answer::resolve;
use crate::handlers::person::{self, UserRef, Who};
use crate::handlers::steering::{self, BoostRef};
use crate::problem::{Code, Problem};
use crate::scenes::ActiveScene;

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
    pub(super) session_id: Option<Id<'a>>,
    /// Where the slate is shown: the rules of this scene hold. Items that were shown to the person there often, and
    /// ignored, come last.
    #[serde(borrow, default, deserialize_with = "optional_id")]
    #[schema(default = "home")]
    scene: Option<Id<'a>>,
    /// Length of the slate; that of the scene by default, 20 where it has none.
    #[serde(default)]
    #[schema(nullable = false)]
    count: Option<Count<200>>,
    /// What the person does now.
    #[serde(borrow, default, deserialize_with = "optional_object")]
    pub(super) context: Option<Context<'a>>,
    /// Items that must not be returned.
    #[serde(borrow, default)]
    exclude_item_ids: Ids<'a, 0, 1000>,
    /// The only items that may be returned, where the caller limits them.
    #[serde(borrow, default)]
    #[schema(nullable = false)]
    allow_item_ids: Option<Ids<'a, 0, 5000>>,
    /// A predicate that every returned item satisfies: CEL over `item`, `user`, `context` and `params`.
    #[serde(borrow, default)]
    #[schema(value_type = Option<String>, max_length = 2048)]
    filter: Option<Cow<'a, str>>,
    /// Values that the expressions of the request and of its scene read as `params.name`.
    #[serde(default)]
    params: Params,
    /// Items whose scores are multiplied within the model's shortlist; factors of one item are multiplied.
    #[serde(borrow, default)]
    #[schema(value_type = Vec<BoostRef<'a>>, max_items = 20)]
    boosts: Vec<Object<BoostRef<'a>>>,
    /// What the answer carries of every item beside its id; by default all but `stock` and `tags`.
    #[serde(default)]
    #[schema(nullable = false)]
    pub(super) fields: Option<CardFields>,
    /// Leave out items that the person bought before; as the scene has it by default.
    #[serde(default)]
    #[schema(nullable = false)]
    exclude_bought: Option<bool>,
    /// `false` answers with best sellers, and ignores the person and the context.
    #[serde(default = "wanted")]
    #[schema(default = true)]
    pub(super) personalize: bool,
    /// Adds the score of every source to each item.
    #[serde(default)]
    pub(super) explain: bool,
    /// `next_cursor` of the page before: the list goes on with items that it did not show.
    #[serde(borrow, default)]
    #[schema(value_type = Option<String>, max_length = 10744)]
    pub(super) cursor: Option<Cow<'a, str>>,
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
    /// The livestream room that the person watches: only its products that can be bought are returned, at its prices,
    /// the one being explained first. The scene is `room`, unless another one is named.
    #[serde(borrow, default, deserialize_with = "optional_id")]
    room_id: Option<Id<'a>>,
}

impl<'a> Context<'a> {
    /// Somebody at this place who does nothing.
    pub fn at(channel: Option<Id<'a>>, region: Option<Id<'a>>) -> Self {
        Self { channel, region, ..Self::default() }
    }

    /// The livestream room that the person watches.
    pub fn room_id(&self) -> Option<&str> {
        self.room_id.as_ref().map(Id::as_str)
    }
}

/// The scene of rooms.
const ROOM_SCENE: &str = "room";

/// The plain case, as a query string.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct RecommendQuery {
    /// The person; leave it out for an anonymous visitor.
    #[param(inline)]
    #[serde(default, deserialize_with = "optional_owned_id")]
    user_id: Option<OwnedId>,
    /// Where the slate is shown; `home` by default, `room` in a room.
    #[param(inline)]
    #[serde(default, deserialize_with = "optional_owned_id")]
    scene: Option<OwnedId>,
    /// The livestream room that the person watches.
    #[param(inline)]
    #[serde(default, deserialize_with = "optional_owned_id")]
    room_id: Option<OwnedId>,
    /// Length of the slate; that of the scene by default, 20 where it has none.
    #[param(inline)]
    count: Option<Count<200>>,
    /// Leave out items that the person bought before; as the scene has it by default.
    exclude_bought: Option<bool>,
    /// A predicate that every returned item satisfies.
    #[param(max_length = 2048)]
    filter: Option<String>,
    /// What the answer carries of every item, separated by commas, such as `title,price,stock`.
    fields: Option<String>,
    /// Adds the score of every source to each item.
    #[serde(default)]
    explain: bool,
    /// The session of the call.
    #[param(inline)]
    #[serde(default, deserialize_with = "optional_owned_id")]
    session_id: Option<OwnedId>,
    /// `next_cursor` of the page before.
    #[param(max_length = 10744)]
    cursor: Option<String>,
}

impl TryFrom<RecommendQuery> for RecommendRequest<'_> {
    type Error = Problem;

    fn try_from(query: RecommendQuery) -> Result<Self, Problem> {
        let no_field = |detail| Problem::new(Code::InvalidField, detail).at_field("fields");
        let fields = query.fields.as_deref().map(CardFields::listed).transpose().map_err(no_field)?;
        Ok(Self {
            user: query.user_id.map(|id| UserRef::of(id.into())),
            session_id: query.session_id.map(Id::from),
            scene: query.scene.map(Id::from),
            count: query.count,
            context: query.room_id.map(|id| Context { room_id: Some(id.into()), ..Context::default() }),
            exclude_item_ids: Ids::default(),
            allow_item_ids: None,
            filter: query.filter.map(Cow::Owned),
            params: Params::default(),
            boosts: Vec::new(),
            fields,
            exclude_bought: query.exclude_bought,
            personalize: true,
            explain: query.explain,
            cursor: query.cursor.map(Cow::Owned),
        })
    }
}

/// Who asks, in which context: of one call, or of a whole page.
pub struct Visitor<'v> {
    pub(super) who: Who<'v>,
    session_id: Option<&'v str>,
    /// What the person does now, where a slate does not say otherwise.
    context: Option<&'v Context<'v>>,
    is_storefront: bool,
}

impl<'v> Visitor<'v> {
    /// The visitor of a call.
    ///
    /// # Errors
    /// An invalid person; of a storefront, another one than that of its token.
    pub fn new(
        call: &'v Call,
        user: Option<&'v UserRef<'_>>,
        session_id: Option<&'v Id<'_>>,
        context: Option<&'v Context<'_>>,
    ) -> Result<Self, Problem> {
        Ok(Self {
            who: person::of_call(&call.caller, user)?,
            session_id: session_id.map(Id::as_str),
            context,
            is_storefront: call.is_storefront(),
        })
    }

    /// Whose live state is loaded: nobody's, unless the answer may be `personal`.
    pub fn visit(self, personal: bool) -> Visit<'v> {
        let named =
            |id: fn(&'v Context<'v>) -> &'v Option<Id<'v>>| id(self.context?).as_ref().map(Id::as_str);
        Visit {
            channel: named(|context| &context.channel),
            region: named(|context| &context.region),
            who: if personal { self.who } else { Who::default() },
            is_storefront: self.is_storefront,
            session_id: self.session_id.filter(|_| personal),
        }
    }

    /// The names that a cursor of the visitor is bound to.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let session = self.session_id.filter(|_| !self.who.is_named());
        self.who.names().chain(session.into_iter().flat_map(|id| ["session", id]))
    }
}

impl<'r> RecommendRequest<'r> {
    /// The question of a section of a hall, which was checked.
    pub fn of_section(
        scene: &'r str,
        filter: Option<Cow<'r, str>>,
        item_ids: &'r [String],
        count: Option<usize>,
    ) -> Self {
        Self {
            user: None,
            session_id: None,
            scene: Some(Id::checked(scene)),
            count: count.map(|count| Count::of(u32::try_from(count).unwrap_or(u32::MAX))),
            context: None,
            exclude_item_ids: Ids::default(),
            allow_item_ids: (!item_ids.is_empty()).then(|| Ids::checked(item_ids)),
            filter,
            params: Params::default(),
            boosts: Vec::new(),
            fields: None,
            exclude_bought: None,
            personalize: true,
            explain: false,
            cursor: None,
        }
    }

    /// The first field that names the visitor, if one does.
    pub fn visitor_field(&self) -> Option<&'static str> {
        let session = self.session_id.as_ref().map(|_| "session_id");
        self.user.as_ref().map(|_| "user").or(session)
    }

    /// What the person does now.
    pub fn context(&self) -> Option<&Context<'r>> {
        self.context.as_ref()
    }

    /// Where the slate is shown.
    pub fn scene_name(&self) -> &str {
        let in_room = self.context.as_ref().is_some_and(|context| context.room_id.is_some());
        let default = if in_room { ROOM_SCENE } else { DEFAULT_SCENE };
        self.scene.as_ref().map_or(default, Id::as_str)
    }

    /// The expressions of the request, compiled, and what they read.
    ///
    /// # Errors
    /// `invalid_field` with what is wrong with an expression; `missing_field` for a parameter that is not given.
    pub fn steering(
        &self,
        shop: &Shop,
        context: Option<&Context<'_>>,
        scene: &ActiveScene,
    ) -> Result<Steering, Problem> {
        let params = &self.params.0;
        let filter = self.filter.as_deref().map(|source| steering::predicate(shop, "filter", source, params));
        steering::required(&scene.required_params, params)?;
        let text = |id: Option<&Id<'_>>| id.map(|id| id.as_str().to_owned()).unwrap_or_default();
        Ok(Steering {
            filters: filter.transpose()?.into_iter().collect(),
            boosts: steering::boosts(shop, &self.boosts, params)?,
            asked: Asked {
                scene: self.scene_name().to_owned(),
                channel: text(context.and_then(|context| context.channel.as_ref())),
                region: text(context.and_then(|context| context.region.as_ref())),
                store_id: text(context.and_then(|context| context.store_id.as_ref())),
                city: text(context.and_then(|context| context.city.as_ref())),
                at: app::now(),
                zone: scene.zone.clone(),
                params: params.clone(),
            },
        })
    }
}

/// The expressions of a request, and what they read.
pub struct Steering {
    filters: Vec<Arc<Expression>>,
    boosts: Vec<(Arc<Expression>, f32)>,
    asked: Asked,
}

/// The question in the model's terms, in `context` where the answer may be personal; ids that the model does not know go
/// into `unknown`.
pub fn query<'r>(
    snapshot: &Snapshot,
    (request, personal): (&'r RecommendRequest<'_>, bool),
    context: Option<&'r Context<'_>>,
    (steering, scene): (Steering, &ActiveScene),
    unknown: &mut Vec<&'r str>,
) -> Query {
    let Steering { filters, boosts, asked } = steering;
    let allowed = request.allow_item_ids.as_ref();
    let mut query = Query {
        exclude: resolve(snapshot, request.exclude_item_ids.iter(), unknown),
        pool: allowed.map(|ids| steering::pool(snapshot, ids, unknown)),
        count: request.count.map_or(scene.count, Count::get),
        filters,
        boosts,
        asked,
        ..Query::default()
    };
    if personal {
        query.exclude_bought = request.exclude_bought.unwrap_or(scene.exclude_bought);
        if let Some(context) = context {
            let seen = context.item_ids.iter().chain(context.cart.iter());
            query.recent = resolve(snapshot, seen, unknown);
            query.locality = locality(snapshot, context);
        }
    }
    query
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
