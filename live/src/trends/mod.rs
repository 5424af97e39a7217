//! What is looked at and bought right now, by channel and region.
//!
//! Every event heats its item: by how much it says that somebody wants it, halved for every
//! [`HALF_LIFE_MS`] since. Scores are kept as of a common moment (forward decay: Cormode et al., "Forward
//! decay: a practical time decay model for streaming systems", ICDE 2009), so that late events need no care
//! and nothing is touched as time goes by. It is bounded: 512 places with 4,096 items each.

mod buyers;
mod follow;

use std::sync::Arc;

pub use buyers::{Did, RecentBuyers};
pub use follow::Follower;
use rustc_hash::FxHashMap;

use crate::event::Event;
use crate::user::interest;

/// An event counts half as much after this long, in milliseconds.
pub const HALF_LIFE_MS: i64 = 10 * 60 * 1000;
/// What happened longer ago, in milliseconds, is not looked at.
pub const WINDOW_MS: i64 = 60 * 60 * 1000;
/// Items of a place that are told, the hottest.
pub const MAX_TOLD: usize = 50;
/// Places and items of a place that are kept.
const MAX_PLACES: usize = 512;
const MAX_ITEMS: usize = 4_096;
/// So many fresh purchases (or as much interest) weigh as much as all that was known before.
const DOUBT: f64 = 20.0;
/// Scores are brought to a new moment after so many half-lives, long before they overflow.
const RENEW: i64 = 32;

/// Where: a channel and a region, either of which may be left open.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Place {
    /// The channel.
    pub channel: Option<Box<str>>,
    /// The region.
    pub region: Option<Box<str>>,
}

/// What trends, each item with its heat, `0..1`, hottest first.
pub type Hot = Arc<[(Box<str>, f32)]>;

/// What trends in every place.
#[derive(Debug, Clone, Default)]
pub struct HotPlaces(FxHashMap<Place, Hot>);

impl HotPlaces {
    /// Of the nearest place of which anything was heard: channel and region, the channel, the region, anywhere.
    pub fn nearest(&self, channel: Option<&str>, region: Option<&str>) -> Option<&Hot> {
        let places = [(channel, region), (channel, None), (None, region), (None, None)];
        places.into_iter().find_map(|(channel, region)| {
            self.0.get(&Place { channel: channel.map(Box::from), region: region.map(Box::from) })
        })
    }
}

/// The heat of every item in every place.
#[derive(Debug, Default)]
pub struct Trends {
    /// The moment that scores are as of, unix milliseconds.
    as_of: i64,
    places: FxHashMap<Place, FxHashMap<Box<str>, f64>>,
}

impl Trends {
    /// Heats the item of `event`, if it has one.
    pub fn add(&mut self, event: &Event) {
        let (interest, Some(item)) = (f64::from(interest(event.kind)), event.item_id.as_deref()) else {
            return;
        };
        let half_lives = (event.occurred_at - self.as_of) as f64 / HALF_LIFE_MS as f64;
        if interest == 0.0 || half_lives < -(RENEW as f64) {
            return;
        }
        if half_lives > RENEW as f64 {
            self.renew(event.occurred_at);
            return self.add(event);
        }
        let heat = interest * half_lives.exp2();
        let (channel, region) = (event.channel.as_deref(), event.region.as_deref());
        for place in levels(channel, region) {
            if self.places.len() >= MAX_PLACES && !self.places.contains_key(&place) {
                continue;
            }
            let items = self.places.entry(place).or_default();
            *items.entry(item.into()).or_default() += heat;
            if items.len() > MAX_ITEMS {
                cool(items);
            }
        }
    }

    /// What trends at `now` (unix milliseconds).
    pub fn hot(&mut self, now: i64) -> HotPlaces {
        if now - self.as_of > RENEW * HALF_LIFE_MS / 2 {
            self.renew(now);
        }
        let fade = (-((now - self.as_of) as f64) / HALF_LIFE_MS as f64).exp2();
        let hot = |place: &Place| (place.clone(), self.hot_in(place, fade));
        HotPlaces(self.places.keys().map(hot).collect())
    }

    /// A place's own heat, and that of all wider places as far as it has little of its own (Dirichlet smoothing).
    fn hot_in(&self, place: &Place, fade: f64) -> Hot {
        let mut shares: FxHashMap<&str, f64> = FxHashMap::default();
        let mut heard = 0.0;
        // From the widest on.
        for level in levels(place.channel.as_deref(), place.region.as_deref()) {
            let Some(items) = self.places.get(&level) else { continue };
            let total = fade * items.values().sum::<f64>();
            heard = f64::max(heard, total);
            let rest = DOUBT / (total + DOUBT);
            shares.values_mut().for_each(|share| *share *= rest);
            for (item, heat) in items {
                *shares.entry(item).or_default() += fade * heat / (total + DOUBT);
            }
        }
        let best = shares.values().copied().fold(0.0, f64::max);
        let certainty = heard / (heard + DOUBT);
        let mut hot: Vec<(Box<str>, f32)> = shares
            .into_iter()
            .map(|(item, share)| (item.into(), (certainty * share / best) as f32))
            .filter(|(_, heat)| *heat > 0.01)
            .collect();
        hot.sort_unstable_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        hot.truncate(MAX_TOLD);
        hot.into()
    }

    /// Brings all scores to a new moment, and forgets what has cooled down.
    fn renew(&mut self, moment: i64) {
        let fade = (-((moment - self.as_of) as f64) / HALF_LIFE_MS as f64).exp2();
        self.as_of = moment;
        self.places.retain(|_, items| {
            items.retain(|_, heat| {
                *heat *= fade;
                *heat > 0.001
            });
            !items.is_empty()
        });
    }
}

/// The places that an event counts for, the widest first.
fn levels(channel: Option<&str>, region: Option<&str>) -> impl Iterator<Item = Place> {
    let place = |channel: Option<&str>, region: Option<&str>| Place {
        channel: channel.map(Box::from),
        region: region.map(Box::from),
    };
    let all = Some(place(None, None));
    let of_region = region.map(|_| place(None, region));
    let of_channel = channel.map(|_| place(channel, None));
    let of_both = channel.and(region).map(|_| place(channel, region));
    [all, of_region, of_channel, of_both].into_iter().flatten()
}

/// Forgets the cooler half.
fn cool(items: &mut FxHashMap<Box<str>, f64>) {
    let mut heats: Vec<f64> = items.values().copied().collect();
    let middle = heats.len() / 2;
    let (_, &mut median, _) = heats.select_nth_unstable_by(middle, f64::total_cmp);
    items.retain(|_, heat| *heat > median);
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::event::EventType;

    const NOW: i64 = 1_800_000_000_000;

    fn event(kind: EventType, item: &str, at: i64, channel: Option<&str>, region: Option<&str>) -> Event {
        Event {
            event_id: String::new(),
            kind,
            occurred_at: at,
            user_id: None,
            identity: None,
            session_id: None,
            item_id: Some(item.to_owned()),
            channel: channel.map(str::to_owned),
            region: region.map(str::to_owned),
            scene: None,
            room_id: None,
            request_id: None,
            value: None,
        }
    }

    fn purchases(trends: &mut Trends, item: &str, count: usize, at: i64, channel: Option<&str>) {
        for _ in 0..count {
            trends.add(&event(EventType::Purchase, item, at, channel, Some("north")));
        }
    }

    fn names(hot: &HotPlaces, channel: Option<&str>, region: Option<&str>) -> Vec<String> {
        hot.nearest(channel, region).unwrap().iter().map(|(item, _)| item.to_string()).collect()
    }

    #[test]
    fn what_is_bought_now_is_hotter_than_what_was_bought_an_hour_ago() {
        let mut trends = Trends::default();
        purchases(&mut trends, "now", 10, NOW, None);
        // Told late, and in any order.
        purchases(&mut trends, "then", 100, NOW - 6 * HALF_LIFE_MS, None);
        let hot = trends.hot(NOW);
        assert_eq!(names(&hot, None, None), ["now", "then"]);
        let heat: Vec<f32> = hot.nearest(None, None).unwrap().iter().map(|(_, heat)| *heat).collect();
        assert!((heat[1] / heat[0] - 100.0 / 64.0 / 10.0).abs() < 1e-3, "{heat:?}");
        let later = trends.hot(NOW + 100 * HALF_LIFE_MS);
        assert!(later.0.values().all(|hot| hot.is_empty()), "{later:?}");
    }

    #[test]
    fn every_channel_and_region_has_its_own_and_the_rest_of_the_others() {
        let mut trends = Trends::default();
        purchases(&mut trends, "app", 50, NOW, Some("app"));
        purchases(&mut trends, "live", 60, NOW, Some("live"));
        let hot = trends.hot(NOW);
        assert_eq!(names(&hot, Some("app"), None), ["app", "live"]);
        assert_eq!(names(&hot, Some("app"), Some("north")), ["app", "live"]);
        assert_eq!(names(&hot, None, Some("north")), ["live", "app"]);
        assert_eq!(names(&hot, Some("shop"), None), ["live", "app"], "nothing was heard of the shop");
        let of_app = hot.nearest(Some("app"), None).unwrap();
        assert!(of_app[1].1 < 0.5 * of_app[0].1, "what others buy counts less: {of_app:?}");
    }

    #[test]
    fn a_single_click_says_little() {
        let mut trends = Trends::default();
        trends.add(&event(EventType::Click, "one", NOW, None, None));
        trends.add(&event(EventType::Expose, "shown", NOW, None, None));
        let hot = trends.hot(NOW);
        let hot = hot.nearest(None, None).unwrap();
        assert_eq!(hot.len(), 1);
        assert!(hot[0].1 < 0.03, "{hot:?}");
    }

    #[test]
    fn it_stays_bounded_and_the_hottest_stay() {
        let mut trends = Trends::default();
        for n in 0..3 * MAX_ITEMS {
            trends.add(&event(EventType::View, &format!("i{n}"), NOW, Some(&format!("c{n}")), None));
            trends.add(&event(EventType::View, "hot", NOW, None, None));
        }
        assert!(trends.places.len() <= MAX_PLACES);
        assert!(trends.places.values().all(|items| items.len() <= MAX_ITEMS));
        assert_eq!(names(&trends.hot(NOW), None, None)[0], "hot");
    }

    #[test]
    fn an_event_from_another_age_does_no_harm() {
        let mut trends = Trends::default();
        trends.add(&event(EventType::View, "a", i64::MAX / 4, None, None));
        trends.add(&event(EventType::View, "b", 0, None, None));
        trends.add(&event(EventType::View, "c", i64::MIN / 4, None, None));
        assert!(trends.hot(NOW).0.values().all(|hot| hot.iter().all(|(_, heat)| (0.0..=1.0).contains(heat))));
    }
}
