//! Unusual shops, trained and queried as by a server.

use std::path::Path;

use crate::support::{done, folder, orders, served};
use qianmian_models::audience::{AudienceQuery, audience};
use qianmian_models::recommend::query::Query;
use qianmian_models::recommend::recommend;
use qianmian_models::similar::similar;
use qianmian_models::snapshot::Snapshot;
use qianmian_models::view::View;

/// Trains on order lines with canonical columns, without a configuration.
fn trained<'a>(
    folder: &Path,
    lines: impl IntoIterator<Item = (&'a str, &'a str, &'a str, &'a str)>,
) -> Snapshot {
    let (path, store) = (folder.join("orders.csv"), folder.join("store"));
    orders(&path, lines);
    done(&args!["train", "--orders", path, "--store", store]);
    let snapshot = served(&store);
    ask_everything(&snapshot);
    snapshot
}

/// Queries every user and every item; answers have existing ids, each once, with finite scores.
fn ask_everything(snapshot: &Snapshot) {
    let check = |mut found: Vec<(u32, f32)>, rows: usize| {
        assert!(found.iter().all(|&(ix, score)| (ix as usize) < rows && score.is_finite()), "{found:?}");
        let n = found.len();
        found.sort_unstable_by_key(|&(ix, _)| ix);
        found.dedup_by_key(|&mut (ix, _)| ix);
        assert_eq!(found.len(), n);
    };
    let (items, users) = (snapshot.items.len(), snapshot.users.len());
    for user in 0..users as u32 {
        let slate = recommend(View::as_trained(snapshot), &Query::for_user(user, 20));
        assert!(!slate.items.is_empty());
        check(slate.items.iter().map(|i| (i.item, i.score)).collect(), items);
    }
    for item in 0..items as u32 {
        check(
            similar(View::as_trained(snapshot), &[item], 20).iter().map(|i| (i.item, i.score)).collect(),
            items,
        );
        let people = audience(View::as_trained(snapshot), &AudienceQuery::for_item(item, 20)).people;
        check(people.iter().map(|p| (p.user, p.score)).collect(), users);
    }
}

#[test]
fn canonical_columns_need_no_configuration() {
    let folder = folder();
    let lines = [
        ("1", "ann", "tea", "2025-01-01T08:00:00Z"),
        ("1", "ann", "cup", "2025-01-01T08:00:00Z"),
        ("2", "bob", "tea", "2025-01-05T08:00:00Z"),
        ("3", "", "cup", "2025-01-09T08:00:00Z"),
        ("3", "", "tea", "2025-01-09T08:00:00Z"),
    ];
    let snapshot = trained(folder.path(), lines);
    let pair = snapshot.co_purchase.pairs(snapshot.items.ix("tea").unwrap()).next().unwrap();
    assert_eq!((snapshot.items.id(pair.item), pair.baskets), ("cup", 2), "guests count for co-purchase");
    assert_eq!((snapshot.items.len(), snapshot.users.len()), (2, 2));
}

#[test]
fn a_shop_whose_users_all_ordered_once_is_trained() {
    let folder = folder();
    let numbers: Vec<[String; 3]> = (0..300).map(|n| [n, n % 97, n % 7].map(|n| n.to_string())).collect();
    let lines = numbers.iter().map(|[n, _, item]| (&n[..], &n[..], &item[..], "2025-01-01"));
    let snapshot = trained(folder.path(), lines);
    assert_eq!((snapshot.items.len(), snapshot.users.len()), (7, 300));
}

#[test]
fn a_shop_of_one_user_is_trained() {
    let folder = folder();
    let numbers: Vec<[String; 2]> = (0..40).map(|n| [n / 3, n % 11].map(|n| n.to_string())).collect();
    let lines = numbers.iter().map(|[order, item]| (&order[..], "ann", &item[..], "2025-01-01"));
    let snapshot = trained(folder.path(), lines);
    assert_eq!((snapshot.items.len(), snapshot.users.len()), (11, 1));
}

#[test]
fn a_shop_of_one_item_is_trained() {
    let folder = folder();
    let users: Vec<String> = (0..40).map(|n| n.to_string()).collect();
    let snapshot =
        trained(folder.path(), users.iter().map(|user| (&user[..], &user[..], "tea", "2025-01-01")));
    assert_eq!((snapshot.items.len(), snapshot.users.len()), (1, 40));
}

#[test]
fn one_line_is_enough_of_a_shop() {
    let folder = folder();
    let snapshot = trained(folder.path(), [("1", "ann", "tea", "2025-01-01")]);
    assert_eq!((snapshot.items.len(), snapshot.users.len()), (1, 1));
}

#[test]
fn ids_of_any_kind_survive_to_the_sections() {
    let long = "长".repeat(85) + "x";
    assert_eq!(long.len(), 256);
    let ids =
        [&long, "a/b//c", "../up", "two  words", "🍚👩‍👩‍👧", "quote\"comma,", "%2F&amp;", "café", "cafe\u{301}"];
    let folder = folder();
    let lines = (0..ids.len()).map(|n| ("1", ids[(n + 1) % ids.len()], ids[n], "2025-01-01"));
    let orders_of_their_own: Vec<String> = (0..ids.len()).map(|n| format!("order {n}")).collect();
    let lines =
        lines.zip(&orders_of_their_own).map(|((_, user, item, at), order)| (&order[..], user, item, at));
    let snapshot = trained(folder.path(), lines);
    assert_eq!((snapshot.items.len(), snapshot.users.len()), (ids.len(), ids.len()));
    for (n, id) in ids.iter().enumerate() {
        let user = snapshot.users.ix(ids[(n + 1) % ids.len()]).unwrap();
        let bought: Vec<&str> =
            snapshot.history.ixs(user).iter().map(|&item| snapshot.items.id(item)).collect();
        assert_eq!(bought, [*id]);
    }
}

#[test]
fn baskets_without_users_give_co_purchase_and_popularity() {
    let folder = folder();
    let (path, config, store) =
        (folder.path().join("groceries.csv"), folder.path().join("shop.toml"), folder.path().join("store"));
    // A byte order mark, as spreadsheets write it; every third basket has bread and butter.
    let rows: String = (0..90)
        .flat_map(|n| {
            [(n, if n % 3 == 0 { "面包" } else { "牛奶" }), (n, if n % 3 == 0 { "黄油" } else { "鸡蛋" })]
        })
        .map(|(order, goods)| format!("{order},{goods}\n"))
        .collect();
    std::fs::write(&path, format!("\u{feff}id,Goods\n{rows}")).unwrap();
    let text = "[orders]\nfiles = [\"groceries.csv\"]\ncolumns = { order_id = \"id\", item_id = \"Goods\" }\ntimeless = true\n";
    std::fs::write(&config, text).unwrap();
    done(&args!["train", "--config", config, "--store", store]);
    let snapshot = served(&store);
    ask_everything(&snapshot);
    assert_eq!((snapshot.items.len(), snapshot.users.len()), (4, 0));
    assert!(snapshot.embedding.is_none());
    let bread = snapshot.items.ix("面包").unwrap();
    let pairs: Vec<_> =
        snapshot.co_purchase.pairs(bread).map(|p| (snapshot.items.id(p.item), p.baskets)).collect();
    assert_eq!(pairs, [("黄油", 30)]);
    let slate = recommend(View::as_trained(&snapshot), &Query { user: None, ..Query::for_user(0, 2) });
    let shelf: Vec<&str> = slate.items.iter().map(|i| snapshot.items.id(i.item)).collect();
    assert!(shelf.contains(&"牛奶") && shelf.contains(&"鸡蛋"), "{shelf:?}");
}
