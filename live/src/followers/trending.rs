//! Trending items by channel and region.
//!
//! Every event adds its type's interest to its item's heat, which halves every [`HALF_LIFE_MS`]. Heats are stored
//! relative to one reference moment (forward decay: Cormode et al., "Forward decay: a practical time decay model for
//! streaming systems", ICDE 2009), so that late events need no special case and decay needs no updates. It is bounded:
//! 512 localities with 4,096 items each.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::event::Event;

/// Half-life of an event's heat, in milliseconds.
pub const HALF_LIFE_MS: i64 = 10 * 60 * 1000;
/// Events older than this are ignored, in milliseconds.
pub const WINDOW_MS: i64 = 60 * 60 * 1000;
/// Most trending items of a locality.
pub const MAX_TRENDING: usize = 50;
/// Most localities, and most items of a locality.
const MAX_LOCALITIES: usize = 512;
const MAX_ITEMS: usize = 4_096;
/// Weight of the wider locality, in fresh purchases (the pseudo-count of the Dirichlet smoothing).
const PRIOR: f64 = 20.0;
/// Heats are rescaled to a new moment after this many half-lives, long before they overflow.
const RESCALE: i64 = 32;

/// A channel and a region; `None` means any.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Locality {
    /// The channel.
    pub channel: Option<Box<str>>,
    /// The region.
    pub region: Option<Box<str>>,
}

/// Trending items with their heat (`0..1`), hottest first.
pub type Trending = Arc<[(Box<str>, f32)]>;

/// The trending items of every locality.
#[derive(Debug, Clone, Default)]
pub struct TrendingByLocality(FxHashMap<Locality, Trending>);

impl TrendingByLocality {
    /// The trending items of the narrowest locality with any events: channel and region, channel, region, anywhere.
    pub fn nearest(&self, channel: Option<&str>, region: Option<&str>) -> Option<&Trending> {
        let localities = [(channel, region), (channel, None), (None, region), (None, None)];
        localities.into_iter().find_map(|(channel, region)| {
            self.0.get(&Locality { channel: channel.map(Box::from), region: region.map(Box::from) })
        })
    }
}

/// The heat of every item in every locality.
#[derive(Debug, Default)]
pub struct Heats {
    /// The moment that heats refer to, unix milliseconds.
    as_of: i64,
    localities: FxHashMap<Locality, FxHashMap<Box<str>, f64>>,
}

impl Heats {
    /// Adds the heat of an event to its item, if it has one.
    pub fn add(&mut self, event: &Event) {
        let (interest, Some(item)) = (f64::from(event.kind.interest()), event.item_id.as_deref()) else {
            return;
        };
        let half_lives = (event.occurred_at - self.as_of) as f64 / HALF_LIFE_MS as f64;
        if interest == 0.0 || half_lives < -(RESCALE as f64) {
            return;
        }
        if half_lives > RESCALE as f64 {
            self.rescale(event.occurred_at);
            return self.add(event);
        }
        let heat = interest * half_lives.exp2();
        let (channel, region) = (event.channel.as_deref(), event.region.as_deref());
        for locality in levels(channel, region) {
            if self.localities.len() >= MAX_LOCALITIES && !self.localities.contains_key(&locality) {
                continue;
            }
            let items = self.localities.entry(locality).or_default();
            *items.entry(item.into()).or_default() += heat;
            if items.len() > MAX_ITEMS {
                drop_colder_half(items);
            }
        }
    }

    /// The trending items at `now` (unix milliseconds).
    pub fn trending(&mut self, now: i64) -> TrendingByLocality {
        if now - self.as_of > RESCALE * HALF_LIFE_MS / 2 {
            self.rescale(now);
        }
        let fade = (-((now - self.as_of) as f64) / HALF_LIFE_MS as f64).exp2();
        let trending = |locality: &Locality| (locality.clone(), self.trending_in(locality, fade));
        TrendingByLocality(self.localities.keys().map(trending).collect())
    }

    /// The heat of a locality, smoothed with that of the wider ones (Dirichlet smoothing).
    fn trending_in(&self, locality: &Locality, fade: f64) -> Trending {
        let mut shares: FxHashMap<&str, f64> = FxHashMap::default();
        let mut largest = 0.0;
        // Widest first.
        for level in levels(locality.channel.as_deref(), locality.region.as_deref()) {
            let Some(items) = self.localities.get(&level) else { continue };
            let total = fade * items.values().sum::<f64>();
            largest = f64::max(largest, total);
            let rest = PRIOR / (total + PRIOR);
            shares.values_mut().for_each(|share| *share *= rest);
            for (item, heat) in items {
                *shares.entry(item).or_default() += fade * heat / (total + PRIOR);
            }
        }
        let best = shares.values().copied().fold(0.0, f64::max);
        let certainty = largest / (largest + PRIOR);
        let mut trending: Vec<(Box<str>, f32)> = shares
            .into_iter()
            .map(|(item, share)| (item.into(), (certainty * share / best) as f32))
            .filter(|(_, heat)| *heat > 0.01)
            .collect();
        trending.sort_unstable_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        trending.truncate(MAX_TRENDING);
        trending.into()
    }

    /// Rescales all heats to a new moment and drops cold items.
    fn rescale(&mut self, moment: i64) {
        let fade = (-((moment - self.as_of) as f64) / HALF_LIFE_MS as f64).exp2();
        self.as_of = moment;
        self.localities.retain(|_, items| {
            items.retain(|_, heat| {
                *heat *= fade;
                *heat > 0.001
            });
            !items.is_empty()
        });
    }
}

/// The localities that an event counts for, widest first.
fn levels(channel: Option<&str>, region: Option<&str>) -> impl Iterator<Item = Locality> {
    let locality = |channel: Option<&str>, region: Option<&str>| Locality {
        channel: channel.map(Box::from),
        region: region.map(Box::from),
    };
    let all = Some(locality(None, None));
    let of_region = region.map(|_| locality(None, region));
    let of_channel = channel.map(|_| locality(channel, None));
    let of_both = channel.and(region).map(|_| locality(channel, region));
    [all, of_region, of_channel, of_both].into_iter().flatten()
}

/// Drops the colder half.
fn drop_colder_half(items: &mut FxHashMap<Box<str>, f64>) {
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
            storefront: false,
        }
    }

    fn purchases(heats: &mut Heats, item: &str, count: usize, at: i64, channel: Option<&str>) {
        for _ in 0..count {
            heats.add(&event(EventType::Purchase, item, at, channel, Some("north")));
        }
    }

    fn names(hot: &TrendingByLocality, channel: Option<&str>, region: Option<&str>) -> Vec<String> {
        hot.nearest(channel, region).unwrap().iter().map(|(item, _)| item.to_string()).collect()
    }

    #[test]
    fn heat_halves_with_time() {
        let mut heats = Heats::default();
        purchases(&mut heats, "now", 10, NOW, None);
        // Late and out of order.
        purchases(&mut heats, "then", 100, NOW - 6 * HALF_LIFE_MS, None);
        let hot = heats.trending(NOW);
        assert_eq!(names(&hot, None, None), ["now", "then"]);
        let heat: Vec<f32> = hot.nearest(None, None).unwrap().iter().map(|(_, heat)| *heat).collect();
        assert!((heat[1] / heat[0] - 100.0 / 64.0 / 10.0).abs() < 1e-3, "{heat:?}");
        let later = heats.trending(NOW + 100 * HALF_LIFE_MS);
        assert!(later.0.values().all(|hot| hot.is_empty()), "{later:?}");
    }

    #[test]
    fn each_locality_has_its_own_trends() {
        let mut heats = Heats::default();
        purchases(&mut heats, "app", 50, NOW, Some("app"));
        purchases(&mut heats, "live", 60, NOW, Some("live"));
        let hot = heats.trending(NOW);
        assert_eq!(names(&hot, Some("app"), None), ["app", "live"]);
        assert_eq!(names(&hot, Some("app"), Some("north")), ["app", "live"]);
        assert_eq!(names(&hot, None, Some("north")), ["live", "app"]);
        assert_eq!(names(&hot, Some("shop"), None), ["live", "app"], "no events in this channel");
        let of_app = hot.nearest(Some("app"), None).unwrap();
        assert!(of_app[1].1 < 0.5 * of_app[0].1, "other channels count less: {of_app:?}");
    }

    #[test]
    fn a_single_click_adds_little_heat() {
        let mut heats = Heats::default();
        heats.add(&event(EventType::Click, "one", NOW, None, None));
        heats.add(&event(EventType::Expose, "shown", NOW, None, None));
        let hot = heats.trending(NOW);
        let hot = hot.nearest(None, None).unwrap();
        assert_eq!(hot.len(), 1);
        assert!(hot[0].1 < 0.03, "{hot:?}");
    }

    #[test]
    fn the_hottest_items_are_kept() {
        let mut heats = Heats::default();
        for n in 0..3 * MAX_ITEMS {
            heats.add(&event(EventType::View, &format!("i{n}"), NOW, Some(&format!("c{n}")), None));
            heats.add(&event(EventType::View, "hot", NOW, None, None));
        }
        assert!(heats.localities.len() <= MAX_LOCALITIES);
        assert!(heats.localities.values().all(|items| items.len() <= MAX_ITEMS));
        assert_eq!(names(&heats.trending(NOW), None, None)[0], "hot");
    }

    #[test]
    fn absurd_times_are_harmless() {
        let mut heats = Heats::default();
        heats.add(&event(EventType::View, "a", i64::MAX / 4, None, None));
        heats.add(&event(EventType::View, "b", 0, None, None));
        heats.add(&event(EventType::View, "c", i64::MIN / 4, None, None));
        assert!(
            heats.trending(NOW).0.values().all(|hot| hot.iter().all(|(_, heat)| (0.0..=1.0).contains(heat)))
        );
    }
}
