//! What live state says to a query: who the person is, what they did lately, what they have seen enough of, what
//! trends.

use qianmian_live::followers::Trending;
use qianmian_live::people::Known;
use qianmian_models::recommend::query::Query;
use qianmian_models::snapshot::Snapshot;

use super::person::{Who, bought_as, in_model};
use crate::app::Shop;
use crate::config::SceneConfig;
use crate::live::now_ms;

/// Items touched lately that stand for a person beside their purchases.
const MAX_TOUCHED: usize = 20;

/// Who asks, and where.
#[derive(Debug)]
pub struct Asks<'a> {
    /// The person, where one is named.
    pub who: Who<'a>,
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
    /// Where the answer is shown, and how that place is configured.
    place: (&'a str, SceneConfig),
    hot: Option<Trending>,
    /// When it was asked, unix milliseconds.
    now: i64,
}

impl<'a> Lately<'a> {
    /// Asks the shop's live state, where it is kept, in one call.
    pub async fn load(shop: &Shop, asks: Asks<'a>) -> Self {
        let (now, place) = (now_ms(), (asks.scene, shop.scene(asks.scene)));
        let (known, degraded) = asks.who.known(shop, asks.session_id, now).await;
        let hot = shop.live_store().and_then(|live| live.trending(asks.channel, asks.region));
        Self { known, degraded, place, hot, now }
    }

    /// What could not be asked.
    pub fn degraded(&self) -> &'static [&'static str] {
        self.degraded
    }

    /// `query`, knowing all this: in the model, the person is the user id that it knows best, and what they bought
    /// under others is bought and touched, too.
    pub fn told_to(&self, snapshot: &Snapshot, mut query: Query) -> Query {
        let known = |id: &str| snapshot.items.ix(id);
        let state = &self.known.state;
        let lately = state.context(self.now);
        let touched = lately.touched.iter().filter_map(|(id, weight)| Some((known(id)?, *weight)));
        query.touched = touched.take(MAX_TOUCHED).collect();
        query.exclude.extend(lately.unwanted.iter().filter_map(|id| known(id)));
        let (user, others) = in_model(snapshot, &self.known.user_ids);
        query.user = user;
        let history = user.map_or(&[][..], |user| snapshot.history.ixs(user));
        let bought = lately.bought.iter().filter_map(|(id, at)| Some((known(id)?, at / 1_000)));
        // What the model learned of is not told to it again.
        query.bought =
            bought.filter(|(item, at)| *at > snapshot.data_until || !history.contains(item)).collect();
        for (item, weight, at) in bought_as(snapshot, &others) {
            query.bought.push((item, at));
            if !query.touched.iter().any(|&(touched, _)| touched == item) {
                query.touched.push((item, weight));
            }
        }
        query.touched.sort_by(|a, b| b.1.total_cmp(&a.1));
        let (scene, config) = &self.place;
        if config.exposures > 0 {
            let from = self.now - i64::from(config.exposure_window_seconds) * 1_000;
            let overexposed = state.overexposed(scene, config.exposures, from);
            query.overexposed = overexposed.into_iter().filter_map(known).collect();
        }
        let hot = self.hot.iter().flat_map(|hot| hot.iter());
        query.trending = hot.filter_map(|(id, heat)| Some((known(id)?, *heat))).collect();
        query
    }
}
