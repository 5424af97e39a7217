//! Live state as the live part of a query: a person's actions since training, trending items, recent buyers.
//!
//! All waiting for the live store is here, before the model is taken; then the same context serves `/recommend` and
//! `/bundle`. `/audience` works in the other direction, with everyone's reactions to its items.

use qianmian_live::followers::{Reaction, Trending};
use qianmian_live::people::Known;
use qianmian_models::audience::Since;
use qianmian_models::consent::Purpose;
use qianmian_models::ids::ItemIx;
use qianmian_models::recommend::query::Query;
use qianmian_models::snapshot::Snapshot;

use crate::app::Shop;
use crate::handlers::person::{Who, bought_as, in_model};
use crate::live::{Live, USER_STATE, now_ms};
use crate::scenes::ActiveScene;
use crate::snapshots::Loaded;

/// Most items touched since training that represent a person, in addition to their purchases.
const MAX_TOUCHED: usize = 20;

/// The person and the place of a call.
#[derive(Debug)]
pub struct Visit<'a> {
    /// The person, if the call names one.
    pub who: Who<'a>,
    /// True if a storefront calls.
    pub is_storefront: bool,
    /// The session.
    pub session_id: Option<&'a str>,
    /// The person's channel.
    pub channel: Option<&'a str>,
    /// The person's region.
    pub region: Option<&'a str>,
}

/// The live state of a visit.
pub struct LiveContext {
    known: Known,
    /// True if the call names a person.
    names_person: bool,
    /// True if the call names a person or a session.
    named: bool,
    /// True if the person and their current session must be ignored.
    is_anonymous: bool,
    degraded: &'static [&'static str],
    trending: Option<Trending>,
    /// The moment of the call, unix milliseconds.
    now: i64,
}

impl LiveContext {
    /// Loads it from the shop's live store in one call; empty without one.
    pub async fn load(shop: &Shop, visit: Visit<'_>) -> Self {
        let now = now_ms();
        let names_person = visit.who.is_named();
        let named = names_person || visit.session_id.is_some();
        let (mut known, degraded) = visit.who.known(shop, visit.session_id, now).await;
        if visit.is_storefront && !names_person && !known.user_ids.is_empty() {
            // The session belongs to a user; without the user's token, it must not identify them.
            known = Known::default();
        }
        let trending = shop.live_store().and_then(|live| live.trending(visit.channel, visit.region));
        Self { known, names_person, named, is_anonymous: false, degraded, trending, now }
    }

    /// The same context, without the person if they refuse personal answers; and true if they refuse.
    pub fn as_allowed(self, shop: &Shop, model: &Loaded) -> (Self, bool) {
        if !self.named {
            return (self, false);
        }
        let live = shop.live_store().map(|live| &**live);
        let consents = model.consents(live);
        // The owner of the identities is unknown while the shared store does not answer.
        let unresolved = self.known.partial && self.known.user_ids.is_empty();
        let unknown = live.is_some_and(|live| !live.knows_consents())
            || unresolved && consents.anyone_refuses(Purpose::Personalization);
        if unknown {
            return (self.without_person(&[USER_STATE]), false);
        }
        match consents.verdict(Purpose::Personalization, &self.known.user_ids).allowed {
            true => (self, false),
            false => (self.without_person(&[]), true),
        }
    }

    /// The same context without the person.
    pub fn anonymous(&self) -> Self {
        let (trending, now) = (self.trending.clone(), self.now);
        let known = Known::default();
        let degraded = &[];
        Self { known, names_person: false, named: false, is_anonymous: true, degraded, trending, now }
    }

    fn without_person(self, degraded: &'static [&'static str]) -> Self {
        Self {
            known: Known::default(),
            names_person: false,
            named: false,
            is_anonymous: true,
            degraded,
            ..self
        }
    }

    /// True if the person and their current session must be ignored.
    pub fn is_anonymous(&self) -> bool {
        self.is_anonymous
    }

    /// True if the answer is for a named person.
    pub fn names_person(&self) -> bool {
        self.names_person
    }

    /// Parts that did not answer.
    pub fn degraded(&self) -> &'static [&'static str] {
        self.degraded
    }

    /// `query` with this context, for an answer shown in `scene`, given with its name. The person in the model is the
    /// one of their user ids with most history; purchases under their other ids count as bought and touched.
    pub fn apply_to(
        &self,
        snapshot: &Snapshot,
        (name, scene): (&str, &ActiveScene),
        mut query: Query,
    ) -> Query {
        let known = |id: &str| snapshot.items.ix(id);
        let state = &self.known.state;
        let recent = state.context(self.now);
        let touched = recent.touched.iter().filter_map(|(id, weight)| Some((known(id)?, *weight)));
        query.touched = touched.take(MAX_TOUCHED).collect();
        query.exclude.extend(recent.unwanted.iter().filter_map(|id| known(id)));
        let (user, others) = in_model(snapshot, &self.known.user_ids);
        query.user = user;
        let history = user.map_or(&[][..], |user| snapshot.history.ixs(user));
        let bought = recent.bought.iter().filter_map(|(id, at)| Some((known(id)?, at / 1_000)));
        // Purchases in the training data are in the history already.
        query.bought =
            bought.filter(|(item, at)| *at > snapshot.data_until || !history.contains(item)).collect();
        for (item, weight, at) in bought_as(snapshot, &others) {
            query.bought.push((item, at));
            if !query.touched.iter().any(|&(touched, _)| touched == item) {
                query.touched.push((item, weight));
            }
        }
        query.touched.sort_by(|a, b| b.1.total_cmp(&a.1));
        if scene.exposures > 0 {
            let from = self.now - i64::from(scene.exposure_window_seconds) * 1_000;
            let overexposed = state.overexposed(name, scene.exposures, from);
            query.overexposed = overexposed.into_iter().filter_map(known).collect();
        }
        let trending = self.trending.iter().flat_map(|trending| trending.iter());
        query.trending = trending.filter_map(|(id, heat)| Some((known(id)?, *heat))).collect();
        query
    }
}

/// Reactions to `items` since the end of the model's data, of people in the model, ordered by person.
pub fn reactions_since(live: &Live, snapshot: &Snapshot, items: &[ItemIx]) -> Vec<Since> {
    let ids: Vec<&str> = items.iter().map(|&item| snapshot.items.id(item)).collect();
    let mut since = Vec::new();
    live.reactions(&ids, |n, user, reaction| {
        let bought_at = match reaction {
            Reaction::Bought(at) => Some(at / 1_000),
            Reaction::Rejected => None,
        };
        let is_new = bought_at.is_none_or(|at| at > snapshot.data_until);
        if let Some(user) = snapshot.users.ix(user).filter(|_| is_new) {
            since.push(Since { item: items[n], user, bought_at });
        }
    });
    since.sort_unstable_by_key(|since| (since.user, since.item));
    since
}
