//! What live state says to a query: what the person did lately, what they have seen enough of, what trends.

use qianmian_live::store::{Known, Name};
use qianmian_live::trends::Hot;
use qianmian_models::query::Query;
use qianmian_models::snapshot::Snapshot;

use crate::app::Shop;
use crate::config::SceneConfig;
use crate::live::{USER_STATE, now_ms};

/// Items touched lately that stand for a person beside their purchases.
const MAX_TOUCHED: usize = 20;

/// Who asks, and where.
#[derive(Debug, Clone, Copy)]
pub struct Asks<'a> {
    /// The person.
    pub user_id: Option<&'a str>,
    /// The visit.
    pub session_id: Option<&'a str>,
    /// Where the answer is shown.
    pub scene: &'a str,
    /// Through which channel they come.
    pub channel: Option<&'a str>,
    /// In which region they are.
    pub region: Option<&'a str>,
}

/// What live state knows of who asks, and of where.
pub struct Lately<'a> {
    known: Known,
    degraded: &'static [&'static str],
    asks: Asks<'a>,
    scene: SceneConfig,
    hot: Option<Hot>,
    /// When it was asked, unix milliseconds.
    now: i64,
}

impl<'a> Lately<'a> {
    /// Asks the shop's live state, where it is kept, in one call.
    pub async fn load(shop: &Shop, asks: &Asks<'a>) -> Self {
        let (now, scene) = (now_ms(), shop.scene(asks.scene));
        let mut lately = Self { known: Known::default(), degraded: &[], asks: *asks, scene, hot: None, now };
        let Some(live) = shop.kept() else { return lately };
        lately.hot = live.hot(asks.channel, asks.region);
        let (user, session) = (asks.user_id.map(Name::User), asks.session_id.map(Name::Session));
        let names: Vec<Name<'_>> = user.into_iter().chain(session).collect();
        if names.is_empty() {
            return lately;
        }
        match live.user(&names, now).await {
            Some(known) => lately.known = known,
            None => lately.degraded = &[USER_STATE],
        }
        lately
    }

    /// What could not be asked.
    pub fn degraded(&self) -> &'static [&'static str] {
        self.degraded
    }

    /// `query`, knowing all this.
    pub fn told_to(&self, snapshot: &Snapshot, mut query: Query) -> Query {
        let known = |id: &str| snapshot.items.ix(id);
        let state = &self.known.state;
        let lately = state.lately(self.now);
        let touched = lately.touched.iter().filter_map(|(id, weight)| Some((known(id)?, *weight)));
        query.touched = touched.take(MAX_TOUCHED).collect();
        let bought = lately.bought.iter().filter_map(|(id, at)| Some((known(id)?, at / 1_000)));
        query.bought = bought.collect();
        query.exclude.extend(lately.unwanted.iter().filter_map(|id| known(id)));
        if self.scene.exposures > 0 {
            let from = self.now - i64::from(self.scene.exposure_window_seconds) * 1_000;
            let tired = state.overexposed(self.asks.scene, self.scene.exposures, from);
            query.tired = tired.into_iter().filter_map(known).collect();
        }
        let hot = self.hot.iter().flat_map(|hot| hot.iter());
        query.trending = hot.filter_map(|(id, heat)| Some((known(id)?, *heat))).collect();
        query
    }
}
