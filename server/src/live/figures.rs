//! Figures of livestream rooms, as the follower of the log counts them.

use std::sync::{PoisonError, RwLockReadGuard};

use futures_util::StreamExt as _;
use futures_util::stream;
use qianmian_live::followers::RoomFigures;
use qianmian_live::people::{Name, People as _};

use super::{Live, now_ms};

/// Names whose person is looked for in one pass, and at once.
const RESOLVED: usize = 2_000;
const AT_ONCE: usize = 16;

impl Live {
    /// The figures of all rooms.
    pub fn room_figures(&self) -> RwLockReadGuard<'_, RoomFigures> {
        self.figures.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets all figures: the follower begins anew, and would count twice what it counts again.
    pub fn forget_room_figures(&self) {
        *self.figures.write().unwrap_or_else(PoisonError::into_inner) = RoomFigures::default();
    }

    /// Finds out whose the names are that watch rooms, so that a person counts once by whatever names they come.
    pub(super) async fn resolve_watchers(&self) {
        let now = now_ms();
        let due = self.room_figures().unresolved(now, RESOLVED);
        let found = stream::iter(due).map(|(name, watcher)| async move {
            let known = self.store.load(&[watcher.name()], now).await.ok()?;
            let leading = known.user_ids.first().map(|id| Name::User(id).fingerprint());
            Some((name, leading.unwrap_or(name)))
        });
        let found: Vec<Option<(u128, u128)>> = found.buffer_unordered(AT_ONCE).collect().await;
        let mut figures = self.figures.write().unwrap_or_else(PoisonError::into_inner);
        found.into_iter().flatten().for_each(|(name, person)| figures.resolve(name, person, now));
        figures.forget(now);
    }
}
