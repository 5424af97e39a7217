//! The places of the demo shop: cities, stores with coordinates, livestream rooms, channels.

use super::dice::{Dice, Purpose, running_sums};
use super::kind_table::DEPARTMENTS;

/// The ways in which an order reaches the shop, in the order of [`CHANNELS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel {
    /// A WeChat mini program.
    MiniProgram,
    /// A livestream room.
    Livestream,
    /// A physical store.
    Store,
    /// The shop's own app.
    App,
    /// A flagship store on Tmall.
    Tmall,
}

/// All channels.
pub const CHANNELS: [Channel; 5] =
    [Channel::MiniProgram, Channel::Livestream, Channel::Store, Channel::App, Channel::Tmall];

impl Channel {
    /// The name in the `channel` column.
    pub fn name(self) -> &'static str {
        match self {
            Self::MiniProgram => "wechat_mini_program",
            Self::Livestream => "livestream",
            Self::Store => "store",
            Self::App => "app",
            Self::Tmall => "tmall",
        }
    }

    /// Probability that the buyer is not recognized here, so the basket has no user.
    pub fn guest_share(self) -> f32 {
        match self {
            Self::Store => 0.34,
            Self::MiniProgram => 0.07,
            Self::Livestream => 0.05,
            Self::Tmall => 0.04,
            Self::App => 0.02,
        }
    }
}

/// A city by name, latitude, longitude (degrees, WGS 84) and its weight among customers.
pub struct City {
    /// Its name.
    pub name: &'static str,
    /// Degrees north.
    pub lat: f32,
    /// Degrees east.
    pub lon: f32,
    weight: f32,
}

const fn city(name: &'static str, lat: f32, lon: f32, weight: f32) -> City {
    City { name, lat, lon, weight }
}

/// The cities that the shop serves.
pub const CITIES: [City; 20] = [
    city("上海", 31.2304, 121.4737, 10.0),
    city("北京", 39.9042, 116.4074, 9.0),
    city("深圳", 22.5431, 114.0579, 7.5),
    city("广州", 23.1291, 113.2644, 7.5),
    city("杭州", 30.2741, 120.1551, 6.0),
    city("成都", 30.5728, 104.0668, 6.0),
    city("重庆", 29.5630, 106.5516, 5.0),
    city("武汉", 30.5928, 114.3055, 5.0),
    city("南京", 32.0603, 118.7969, 4.5),
    city("苏州", 31.2990, 120.5853, 4.5),
    city("西安", 34.3416, 108.9398, 4.0),
    city("长沙", 28.2282, 112.9388, 3.5),
    city("天津", 39.0842, 117.2009, 3.0),
    city("郑州", 34.7466, 113.6254, 3.0),
    city("青岛", 36.0671, 120.3826, 2.5),
    city("厦门", 24.4798, 118.0894, 2.5),
    city("合肥", 31.8206, 117.2272, 2.5),
    city("沈阳", 41.8057, 123.4315, 2.0),
    city("昆明", 25.0389, 102.7183, 2.0),
    city("宁波", 29.8683, 121.544, 2.5),
];

const STREETS: [&str; 12] = [
    "人民路",
    "中山路",
    "解放路",
    "建设路",
    "和平路",
    "新华路",
    "滨江",
    "大学城",
    "万象",
    "天街",
    "科技园",
    "老城",
];

/// A physical store.
pub struct Store {
    /// Its name.
    pub title: String,
    /// Index into [`CITIES`].
    pub city: usize,
    /// Degrees north.
    pub lat: f32,
    /// Degrees east.
    pub lon: f32,
    /// The store carries the items whose `reach` is at least this; with 0, all items.
    pub least_reach: u8,
}

/// Stores and rooms of one shop.
pub struct Places {
    /// All stores; every city has at least one.
    pub stores: Vec<Store>,
    /// The department that each livestream room mostly shows.
    pub rooms: Vec<usize>,
    /// The stores of each city.
    city_stores: Vec<Vec<u16>>,
    city_sums: Vec<f32>,
}

impl Places {
    /// Stores and rooms for a number of users: a store for 250 and a room for 400, within bounds.
    pub fn new(seed: u64, users: u32) -> Self {
        let mut dice = Dice::new(seed, Purpose::Places, 0);
        let city_sums = running_sums(CITIES.iter().map(|c| c.weight));
        let n_stores = (users as usize / 250).clamp(CITIES.len(), 120);
        let n_rooms = (users as usize / 400).clamp(DEPARTMENTS.len(), 240);
        let mut city_stores = vec![Vec::new(); CITIES.len()];
        let mut stores = Vec::with_capacity(n_stores);
        for number in 0..n_stores {
            let city = if number < CITIES.len() { number } else { dice.cumulative(&city_sums) };
            let nth = city_stores[city].len();
            city_stores[city].push(number as u16);
            stores.push(store(city, nth, &mut dice));
        }
        let rooms = (0..n_rooms).map(|room| room % DEPARTMENTS.len()).collect();
        Self { stores, rooms, city_stores, city_sums }
    }

    /// The city of a random customer.
    pub fn some_city(&self, dice: &mut Dice) -> usize {
        dice.cumulative(&self.city_sums)
    }

    /// The store of a city that is nearest to a position.
    pub fn nearest_store(&self, city: usize, lat: f32, lon: f32) -> u16 {
        let squared = |&number: &u16| {
            let store = &self.stores[usize::from(number)];
            let east = (store.lon - lon) * lat.to_radians().cos();
            (store.lat - lat).powi(2) + east.powi(2)
        };
        let nearest = self.city_stores[city].iter().min_by(|a, b| squared(a).total_cmp(&squared(b)));
        nearest.copied().unwrap_or(0)
    }
}

fn store(city: usize, nth: usize, dice: &mut Dice) -> Store {
    let at = &CITIES[city];
    // Streets are assigned in turn, so no two stores of a city have the same name.
    let street = STREETS[(city * 5 + nth) % STREETS.len()];
    let round = nth / STREETS.len();
    let suffix = if round == 0 { String::new() } else { format!("{}号", round + 1) };
    let (format, least_reach) = *dice.pick(&[("旗舰店", 0), ("生活馆", 60), ("社区店", 120)]);
    Store {
        title: format!("{}{street}{suffix}{format}", at.name),
        city,
        lat: at.lat + 0.05 * dice.normal(),
        lon: at.lon + 0.06 * dice.normal(),
        least_reach,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_city_has_a_store_near_its_centre() {
        let places = Places::new(7, 1_000);
        for (number, city) in CITIES.iter().enumerate() {
            let store = &places.stores[usize::from(places.nearest_store(number, city.lat, city.lon))];
            assert_eq!(store.city, number);
            assert!((store.lat - city.lat).abs() < 0.4 && (store.lon - city.lon).abs() < 0.4);
        }
    }

    #[test]
    fn the_nearest_store_is_as_near_as_any_other_of_the_city() {
        let places = Places::new(7, 1_000_000);
        let (lat, lon) = (CITIES[0].lat + 0.03, CITIES[0].lon - 0.02);
        let distance = |s: &Store| (s.lat - lat).powi(2) + ((s.lon - lon) * lat.to_radians().cos()).powi(2);
        let nearest = distance(&places.stores[usize::from(places.nearest_store(0, lat, lon))]);
        let mut of_city: Vec<_> = places.stores.iter().filter(|s| s.city == 0).map(distance).collect();
        of_city.sort_by(f32::total_cmp);
        assert!(of_city.len() > 3 && nearest == of_city[0]);
    }

    #[test]
    fn store_titles_are_unique() {
        let places = Places::new(7, 1_000_000);
        let mut titles: Vec<_> = places.stores.iter().map(|s| &s.title).collect();
        titles.sort_unstable();
        titles.dedup();
        assert_eq!(titles.len(), places.stores.len());
    }
}
