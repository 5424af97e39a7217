//! One slate: a request that was checked, then its answer from a model.

use std::sync::Arc;

use qianmian_models::ids::ItemIx;
use qianmian_models::recommend::query::Query;
use qianmian_models::recommend::slate::Recommended;
use qianmian_models::recommend::{recommend, steer};
use qianmian_models::rules::expression::Expression;
use qianmian_models::source::Evidence;
use qianmian_models::view::View;

use super::answer::{SlateAnswer, UnmetRule, fallback, recommended_item};
use super::fill;
use super::request::{Context, RecommendRequest, Steering, Visitor, query};
use super::room;
use crate::app::{self, App, Shop};
use crate::context::LiveContext;
use crate::cursor::{Cursor, Owner};
use crate::fallback::Fallback;
use crate::guard::Call;
use crate::problem::Problem;
use crate::rooms::Board;
use crate::scenes::ActiveScene;

/// A request that was checked: nothing can fail from here on.
pub struct Asked<'r> {
    request: &'r RecommendRequest<'r>,
    context: Option<&'r Context<'r>>,
    scene: Arc<ActiveScene>,
    steering: Steering,
    cursor: Cursor,
    owner: Owner,
}

/// Where a slate is made.
#[derive(Clone, Copy)]
pub struct Place<'a, 'e> {
    /// The shop.
    pub shop: &'a Shop,
    /// Its model.
    pub view: View<'a>,
    /// The live state of the visitor, as they allow it.
    pub context: &'e LiveContext,
    /// Items that the same page shows beside the slate, and that it must not repeat.
    pub elsewhere: &'e [ItemIx],
}

impl<'r> Asked<'r> {
    /// Checks a request of `visitor`, who asks in `context`.
    ///
    /// # Errors
    /// A wrong expression, an absent parameter, a cursor that is not valid.
    pub fn new(
        call: &Call,
        app: &App,
        request: &'r RecommendRequest<'r>,
        visitor: &Visitor<'_>,
        context: Option<&'r Context<'r>>,
    ) -> Result<Self, Problem> {
        let scene = call.shop.scenes.get(request.scene_name());
        let steering = request.steering(&call.shop, context, &scene)?;
        let owner = app.cursors.owner(&call.shop.name, visitor.names(), request.scene_name());
        let open = |text: &str| app.cursors.open(owner, app::now(), text);
        let cursor = request.cursor.as_deref().map(open).transpose()?.unwrap_or_default();
        Ok(Self { request, context, scene, steering, cursor, owner })
    }

    /// True if the answer may be made for the person.
    pub fn is_personal(&self) -> bool {
        self.request.personalize
    }

    /// The question in the terms of a model.
    pub fn ready<'a, 'e>(self, place: Place<'a, 'e>) -> Ready<'r, 'a, 'e>
    where
        'r: 'a,
    {
        let Self { request, context: asked_in, scene, steering, cursor, owner } = self;
        let Place { shop, view, context, elsewhere } = place;
        let (room, outside) = match room::enter(shop, asked_in.and_then(Context::room_id), view) {
            Ok(room) => (room, None),
            Err(fallback) => (None, Some(fallback)),
        };
        let snapshot = view.snapshot;
        let personal = request.personalize && !context.is_anonymous();
        let mut unknown_item_ids = Vec::new();
        let (asked, steered) = ((request, personal), (steering, &*scene));
        let asked = query(snapshot, asked, asked_in, steered, &mut unknown_item_ids);
        let mut query = context.apply_to(snapshot, (request.scene_name(), &scene), asked);
        let known = |key: &u64| snapshot.items.by_key(*key);
        query.shown = cursor.shown.iter().filter_map(known).collect();
        query.exclude.extend(cursor.elsewhere.iter().filter_map(known).chain(elsewhere.iter().copied()));
        if let Some(room) = &room {
            room::limit(room, &mut query);
        }
        Ready { request, scene, cursor, owner, place, room, outside, query, unknown_item_ids }
    }
}

/// A question in the terms of a model.
pub struct Ready<'r, 'a, 'e> {
    request: &'r RecommendRequest<'r>,
    scene: Arc<ActiveScene>,
    cursor: Cursor,
    owner: Owner,
    place: Place<'a, 'e>,
    /// The livestream room that the visitor is in.
    room: Option<Arc<Board>>,
    /// Why the visitor is not in the room that they name.
    outside: Option<Fallback>,
    query: Query,
    unknown_item_ids: Vec<&'a str>,
}

impl<'a> Ready<'_, 'a, '_> {
    /// True if a condition holds for the visitor.
    pub fn holds(&self, condition: &Arc<Expression>) -> bool {
        condition.holds(&steer::inputs(self.place.view, &self.query))
    }

    /// These items in the order of ranking, without rules.
    pub fn ranked(self, mut items: Vec<ItemIx>) -> Vec<ItemIx> {
        items.sort_unstable();
        let query = Query { count: items.len(), pool: Some(items), exclude_bought: false, ..self.query };
        recommend(self.place.view, &query).items.iter().map(|slot| slot.item).collect()
    }

    /// The slate, and its items.
    pub fn answer(self, app: &App) -> (SlateAnswer<'a>, Vec<ItemIx>) {
        let Self { request, scene, cursor, owner, place, room, outside, query, unknown_item_ids } = self;
        let Place { shop, view, context, elsewhere } = place;
        let (view, snapshot) = (view.in_scene(&scene.scene), view.snapshot);
        let view = room.as_ref().map_or(view, |room| view.in_room(&room.selling.offers));
        let slate = recommend(view, &query);
        let (slots, filled_by) = match &room {
            Some(room) => (room::explained_first(view, room, &query, &slate), Vec::new()),
            None => fill::filled(shop, view, &scene, &query, &slate),
        };
        let left = query.count.saturating_sub(slots.len());
        let room_products = room.as_ref().map(|room| room::unknown_to_model(room, left));
        let fallback = outside.or_else(|| fallback(snapshot, context.names_person(), &query, &slate));
        app.telemetry.slates.record(&slate, fallback);
        let explained = (request.explain, request.fields.unwrap_or(scene.fields));
        let item = |(n, (item, weights)): (usize, &(Recommended, Evidence))| {
            let shown = recommended_item(place.view, (&query, weights), explained, n + 1, item);
            if room.is_some() { shown.offered(view, item.item, explained.1) } else { shown }
        };
        let items: Vec<ItemIx> = slots.iter().map(|(slot, _)| slot.item).collect();
        let next_cursor = (items.len() == query.count).then(|| {
            let key = |item: &ItemIx| snapshot.items.key(*item);
            let mut next = cursor;
            next.elsewhere.extend(elsewhere.iter().map(key));
            next.shown.extend(items.iter().map(key));
            app.cursors.seal(owner, app::now(), &next)
        });
        let answer = SlateAnswer {
            personalized: slate.personalized,
            fallback,
            unknown_item_ids,
            filled_by,
            unmet: slate.unmet.iter().map(UnmetRule::from).collect(),
            room_products: room_products.unwrap_or_default(),
            items: slots.iter().enumerate().map(item).collect(),
            next_cursor: next_cursor.flatten(),
        };
        (answer, items)
    }
}
