//! Amounts of money, rooms and merchants, from files to the published artifact.

use std::path::{Path, PathBuf};

use crate::support::{done, folder, served, shop};
use qianmian_models::snapshot::Snapshot;
use qianmian_money::{Currency, Money};

const ORDERS: &str = "order_id,user_id,item_id,ordered_at,quantity,unit_price,room_id,merchant_id\n\
    1,ann,tea,2025-01-01,3,131072.01,r1,m1\n\
    1,ann,cup,2025-01-01,3,3.3333333333333335,r1,m2\n\
    2,bob,tea,2025-01-02,2,19.99,,m2\n\
    2,bob,cup,2025-01-02,1,,直播间,m2\n\
    3,bob,tea,2025-01-03,-1,19.99,,m2\n\
    4,cat,pot,2025-01-04,1,0.1,r1,\n";
const ITEMS: &str = "item_id,price,cost\ntea,131072.01,99999.99\ncup,12.345,\npot,,0\n";

/// Writes a configuration of these orders and items, with the lines `more`.
fn written(folder: &Path, more: &str) -> PathBuf {
    std::fs::write(folder.join("orders.csv"), ORDERS).unwrap();
    std::fs::write(folder.join("items.csv"), ITEMS).unwrap();
    let config = folder.join("shop.toml");
    let text = format!("{more}\n[orders]\nfiles = [\"orders.csv\"]\n[items]\nfiles = [\"items.csv\"]\n");
    std::fs::write(&config, text).unwrap();
    config
}

fn spend(snapshot: &Snapshot, user: &str) -> i64 {
    snapshot.profiles.of(snapshot.users.ix(user).unwrap()).spend.minor()
}

#[test]
fn amounts_are_exact_from_files_to_the_artifact() {
    let folder = folder();
    let store = folder.path().join("store");
    let said = done(&args!["train", "--config", written(folder.path(), ""), "--store", store]);
    assert!(said.contains("1 prices and costs of items have more decimals than CNY has (2)"), "{said}");
    assert!(
        said.contains("1 lines have a price with more decimals than CNY has (2), such as 3.333"),
        "{said}"
    );
    let snapshot = served(&store);
    let catalog = &snapshot.catalog;
    assert_eq!(catalog.currency(), Currency::default());
    let of = |id: &str| snapshot.items.ix(id).unwrap();
    assert_eq!(catalog.price(of("tea")), Money::new(13_107_201));
    assert_eq!((catalog.cost(of("tea")), catalog.cost(of("cup"))), (Money::new(9_999_999), None));
    assert_eq!((catalog.price(of("cup")), catalog.price(of("pot"))), (Money::new(1_235), None));
    assert_eq!(catalog.cost(of("pot")), Some(Money::ZERO), "a cost of nothing is known");
    // 3 x 131072.01, and 3 x 3.33.. rounded once; of bob's two pieces one came back.
    assert_eq!(spend(&snapshot, "ann"), 39_321_603 + 1_000);
    assert_eq!((spend(&snapshot, "bob"), spend(&snapshot, "cat")), (1_999, 10));
}

#[test]
fn the_shops_currency_sets_the_minor_unit() {
    let folder = folder();
    let store = folder.path().join("store");
    let config = written(folder.path(), "[currency]\ncode = \"JPY\"");
    let said = done(&args!["train", "--config", config, "--store", store]);
    assert!(said.contains("more decimals than JPY has (0)"), "{said}");
    let (snapshot, artifact) = (served(&store), shop(&store).artifact(None).unwrap());
    let yen = Currency::new("JPY", None).unwrap();
    assert_eq!((snapshot.catalog.currency(), artifact.manifest().currency), (yen, yen));
    assert_eq!(snapshot.catalog.price(snapshot.items.ix("tea").unwrap()), Money::new(131_072));
    assert_eq!(spend(&snapshot, "ann"), 393_216 + 10);
}

#[test]
fn rooms_and_merchants_of_lines_reach_the_artifact() {
    let folder = folder();
    let store = folder.path().join("store");
    let said = done(&args!["train", "--config", written(folder.path(), ""), "--store", store]);
    let count =
        |line: &str| said.lines().find(|l| l.starts_with(line)).unwrap().split_whitespace().last().unwrap();
    assert_eq!(
        (count("purchase rows that name a room"), count("purchase rows that name a merchant")),
        ("4", "4")
    );
    let snapshot = served(&store);
    let of = |id: &str| snapshot.items.ix(id).unwrap();
    let merchants = |id: &str| snapshot.catalog.merchant_ids(of(id)).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(
        (merchants("tea"), merchants("cup")),
        (vec!["m1".to_owned(), "m2".to_owned()], vec!["m2".to_owned()])
    );
    assert!(merchants("pot").is_empty());
    let rooms = snapshot.rooms.as_ref().unwrap();
    let r1 = rooms.of("r1").unwrap();
    assert_eq!((rooms.len(), r1.baskets, r1.units), (2, 2, 7.0));
    assert_eq!(r1.amount.minor(), 39_321_603 + 1_000 + 10);
    assert_eq!(r1.items, [(of("cup"), 3.0), (of("tea"), 3.0), (of("pot"), 1.0)]);
    let other = rooms.of("直播间").unwrap();
    assert_eq!((other.units, other.amount), (1.0, Money::ZERO), "a line without a price counts 0");
}

#[test]
fn orders_without_rooms_have_no_section_of_them() {
    let folder = folder();
    let (path, store) = (folder.path().join("orders.csv"), folder.path().join("store"));
    crate::support::orders(&path, [("1", "ann", "tea", "2025-01-01"), ("1", "ann", "cup", "2025-01-01")]);
    done(&args!["train", "--orders", path, "--store", store]);
    assert!(served(&store).rooms.is_none());
}
