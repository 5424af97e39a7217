//! Small and unusual shops: every trained version can be opened, warmed and queried, and all its numbers are finite.

use chrono::Utc;
use proptest::prelude::*;
use qianmian_models::snapshot::Snapshot;
use qianmian_models::storage::versions::ShopStore;
use qianmian_trainer::config::Config;
use qianmian_trainer::dataset::Dataset;
use qianmian_trainer::orders::{ReadOptions, read};
use qianmian_trainer::progress::Reporter;
use qianmian_trainer::{gate, train};

use crate::support::folder;

/// 2030-01-01T00:00:00Z, after all generated orders.
const NOW: i64 = 1_893_456_000;

/// The size and seed of a generated shop.
#[derive(Debug, Clone)]
struct Shape {
    users: u32,
    items: u32,
    /// Most baskets of a user; 0 makes all buyers guests.
    baskets: u32,
    /// Most items of a basket.
    basket_items: u32,
    days: u32,
    seed: u64,
}

fn shapes() -> impl Strategy<Value = Shape> {
    let sizes = (1..=40u32, prop_oneof![1..=8u32, 1..=400u32], 0..=4u32, prop_oneof![1..=2u32, 1..=60u32]);
    (sizes, prop_oneof![Just(1u32), 1..=400u32], any::<u64>()).prop_map(
        |((users, items, baskets, basket_items), days, seed)| Shape {
            users,
            items,
            baskets,
            basket_items,
            days,
            seed,
        },
    )
}

impl Shape {
    /// Order lines as CSV; items, times and prices follow from the seed.
    fn orders(&self) -> String {
        let mut csv = "order_id,user_id,item_id,ordered_at,unit_price\n".to_owned();
        let mut state = self.seed;
        let mut draw = |n: u32| {
            // The generator of SplitMix64 (Steele, Lea & Flood 2014).
            state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mut z = state;
            z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            ((z ^ (z >> 31)) % u64::from(n)) as u32
        };
        for user in 0..self.users {
            for basket in 0..=draw(self.baskets.max(1)) {
                let at = i64::from(draw(self.days)) * 86_400 + 1_735_689_600;
                let at = chrono::DateTime::from_timestamp(at, 0).unwrap().format("%Y-%m-%d %H:%M:%S");
                for _ in 0..=draw(self.basket_items) {
                    let name = if self.baskets == 0 { String::new() } else { format!("u{user}") };
                    let (item, price) = (draw(self.items), draw(1_000));
                    csv.push_str(&format!("{user}-{basket},{name},i{item},{at},{price}\n"));
                }
            }
        }
        csv
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 20, failure_persistence: None, ..Default::default() })]

    #[test]
    fn every_small_shop_trains_publishes_and_answers(shape in shapes()) {
        let folder = folder();
        let path = folder.path().join("orders.csv");
        std::fs::write(&path, shape.orders()).unwrap();
        let mut config = Config::default();
        config.replace_orders(&[path]);
        let inputs = read(&config, &ReadOptions::new(NOW), &|_, _, _| ()).unwrap();
        let dataset = Dataset::new(inputs);
        let trained = train::learn(&dataset, &config.training, &Reporter::silent()).unwrap();
        let store = ShopStore::new(folder.path(), "default").unwrap();
        let _lock = store.lock().unwrap();
        let artifact = train::write(&trained, &dataset, &config, &store, Utc::now(), serde_json::Value::Null).unwrap();
        // Opens and warms the version: every section is read, and a slate, neighbors and an audience are computed.
        let version = artifact.manifest().version.clone();
        gate::publish(&store, &version, Some("a small shop"), Utc::now()).unwrap();
        let snapshot = Snapshot::open(&store.artifact(None).unwrap()).unwrap();
        prop_assert_eq!(snapshot.items.len(), dataset.n_items());
        let finite = |factors: &qianmian_models::index::factors::Factors| {
            (0..factors.rows() as u32).all(|row| factors.row(row).iter().all(|v| v.is_finite()))
        };
        prop_assert!(snapshot.low_pass.as_ref().is_none_or(finite));
        prop_assert!(snapshot.embedding.as_ref().is_none_or(|e| finite(&e.items) && finite(&e.users)));
        // A section that is missing has a reason.
        let left_out = &artifact.manifest().metrics.left_out;
        prop_assert_eq!(snapshot.low_pass.is_none(), left_out.contains_key("low_pass"));
        prop_assert_eq!(snapshot.embedding.is_none(), left_out.contains_key("item_factors"));
        prop_assert_eq!(snapshot.users.is_empty(), shape.baskets == 0);
    }
}

/// Regression test: a version of this shop was published although no server could open it; 4 members, 60 items.
#[test]
fn few_members_with_many_items_get_a_model_that_opens() {
    for (users, items) in [(1, 400), (4, 60), (8, 400), (2, 1)] {
        let shape = Shape { users, items, baskets: 4, basket_items: 40, days: 90, seed: 3 };
        let mut config = Config::default();
        let folder = folder();
        let path = folder.path().join("orders.csv");
        std::fs::write(&path, shape.orders()).unwrap();
        config.replace_orders(&[path]);
        let dataset = Dataset::new(read(&config, &ReadOptions::new(NOW), &|_, _, _| ()).unwrap());
        let trained = train::learn(&dataset, &config.training, &Reporter::silent()).unwrap();
        let low_pass = trained.snapshot.low_pass.as_ref().unwrap();
        let rows = 0..low_pass.rows() as u32;
        assert!(rows.clone().all(|row| low_pass.row(row).iter().all(|v| v.is_finite())), "{shape:?}");
        assert!(rows.clone().any(|row| low_pass.length(row) > 0.0), "{shape:?}");
    }
}
