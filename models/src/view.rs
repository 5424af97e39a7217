//! A view: the inputs of an answer other than the query. The trained snapshot, item changes since training (overlay),
//! the scene where the answer is shown, and the moment to answer as of.
//!
//! Every answer is a pure function of a view and a query: [`recommend`](crate::recommend::recommend),
//! [`similar`](crate::similar::similar), [`bundle`](crate::bundle) and [`audience`](crate::audience::audience) take it
//! first. A view borrows all of its parts; copying it costs six words.

use qianmian_money::Money;

use crate::consent::{Consents, Purpose};
use crate::ids::{ItemIx, UserIx};
use crate::items::Items;
use crate::overlay::{Overlay, RoomOffers};
use crate::rules::masks::Masks;
use crate::scene::{self, Scene};
use crate::snapshot::Snapshot;

/// Seconds after the end of the data in which answers still follow the clock.
const MAX_AGE_SECONDS: i64 = 7 * 86_400;
/// Most by which [`View::widened`] multiplies.
const MAX_WIDENING: f64 = 10.0;

/// Snapshot, overlay, scene and moment of an answer.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct View<'a> {
    /// The trained model.
    pub snapshot: &'a Snapshot,
    /// Item changes since training; `None` uses the items as trained.
    pub overlay: Option<&'a Overlay>,
    /// Prices and stock of a livestream room, which override those of the shop.
    pub room: Option<&'a RoomOffers>,
    /// The users' consents; `None` allows everything.
    pub consents: Option<&'a Consents>,
    /// Settings of the place where the answer is shown.
    pub scene: &'a Scene,
    /// Cached results of predicates over the catalog; `None` evaluates them for every answer.
    pub masks: Option<&'a Masks>,
    /// The moment to answer as of, unix seconds: the clock, clamped between the end of the data and a week after it.
    /// The model describes the end of its data; beyond a week, recency features would leave their trained range.
    pub now: i64,
}

impl<'a> View<'a> {
    /// The view of a snapshot as it was trained, at the end of its data, in the default scene.
    pub fn as_trained(snapshot: &'a Snapshot) -> Self {
        Self {
            snapshot,
            overlay: None,
            room: None,
            consents: None,
            scene: &scene::DEFAULT,
            masks: None,
            now: snapshot.data_until,
        }
    }

    /// The same view at `now` (unix seconds), clamped to the end of the data and a week after it.
    pub fn at(self, now: i64) -> Self {
        let until = self.snapshot.data_until;
        Self { now: now.clamp(until, until.saturating_add(MAX_AGE_SECONDS)), ..self }
    }

    /// The same view with item changes; `overlay` must be built over this snapshot's catalog.
    pub fn with_overlay(self, overlay: &'a Overlay) -> Self {
        Self { overlay: Some(overlay), ..self }
    }

    /// The same view with consents; `consents` must be built over this snapshot's users.
    pub fn with_consents(self, consents: &'a Consents) -> Self {
        Self { consents: Some(consents), ..self }
    }

    /// The same view with cached predicates, which must be of this snapshot and overlay.
    pub fn with_masks(self, masks: &'a Masks) -> Self {
        Self { masks: Some(masks), ..self }
    }

    /// The same view inside a room.
    pub fn in_room(self, room: &'a RoomOffers) -> Self {
        Self { room: Some(room), ..self }
    }

    /// The same view in another scene.
    pub fn in_scene(self, scene: &'a Scene) -> Self {
        Self { scene, ..self }
    }

    /// True if `user` allows `purpose`: one test of a bit.
    #[inline]
    pub fn allows(&self, purpose: Purpose, user: UserIx) -> bool {
        self.consents.is_none_or(|consents| consents.allows(purpose, user))
    }

    /// Number of users to request so that about `wanted` of them may be contacted; at most [`MAX_WIDENING`] times
    /// `wanted`.
    pub(crate) fn widened(&self, wanted: usize) -> usize {
        let share = self.consents.map_or(1.0, |consents| consents.share(Purpose::Contact));
        (wanted as f64 / share.max(1.0 / MAX_WIDENING)).ceil() as usize
    }

    /// The items as they are now.
    pub fn items(&self) -> Items<'a> {
        Items { snapshot: self.snapshot, overlay: self.overlay, room: self.room }
    }

    /// The price of `item` now, in the currency of the catalog; `None` if unknown.
    pub fn price(&self, item: ItemIx) -> Option<Money> {
        self.items().price(item)
    }

    /// Pieces of `item` that can be sold now; `None` if unknown.
    pub fn stock(&self, item: ItemIx) -> Option<u32> {
        self.items().stock(item)
    }

    /// True if `item` may be shown: it is listed, and its stock is not known to be 0. One test of a bit outside of
    /// rooms.
    #[inline]
    pub fn on_sale(&self, item: ItemIx) -> bool {
        self.items().on_sale(item)
    }
}
