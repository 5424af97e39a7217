//! Data sets without times or order, as most public ones are.

use std::fmt::Write;
use std::path::Path;

use crate::support::{done, folder, served, shop};
use qianmian_models::recommend::query::Query;
use qianmian_models::recommend::recommend;
use qianmian_models::recommend::slate::Filter;
use qianmian_models::snapshot::Snapshot;
use qianmian_models::view::View;

const USERS: u32 = 800;
/// Items of each of the two tastes.
const ITEMS: u32 = 30;

/// The items of a user: about ten random ones of their taste and one of the other, sorted.
fn items(user: u32) -> Vec<u32> {
    let mut state = u64::from(user) + 1;
    let mut draw = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as u32 % ITEMS
    };
    draw();
    let taste = user % 2;
    let mut items: Vec<u32> = (0..12).map(|_| taste * ITEMS + draw()).collect();
    items.push((1 - taste) * ITEMS + draw());
    items.sort_unstable();
    items.dedup();
    items
}

/// The same data in one of the formats of files.
fn write(shape: &str, folder: &Path) -> String {
    let mut text = String::new();
    if shape != "sequences" {
        text.push_str("order_id,user_id,item_id\n");
    }
    for user in 0..USERS {
        let items = items(user);
        if shape == "sequences" {
            let words: Vec<String> = items.iter().map(u32::to_string).collect();
            writeln!(text, "{user} {}", words.join(" ")).unwrap();
        }
        for (n, item) in items.iter().enumerate().filter(|_| shape != "sequences") {
            let order = if shape == "an order a user" { user } else { user * 100 + n as u32 };
            writeln!(text, "{order},{user},{item}").unwrap();
        }
    }
    let file = folder.join("facts.csv");
    std::fs::write(&file, text).unwrap();
    let format = if shape == "sequences" { "format = \"sequences\"\n" } else { "" };
    format!("[orders]\nfiles = [\"facts.csv\"]\n{format}[training]\ndim = 8\niterations = 3\n")
}

/// Number of items of the user's taste among the first ten of the slate.
fn of_taste(snapshot: &Snapshot, user: u32, exclude_bought: bool) -> usize {
    let known = snapshot.users.ix(&user.to_string());
    let query = Query { user: known, exclude_bought, count: 10, ..Query::default() };
    let slate = recommend(View::as_trained(snapshot), &query);
    let had = items(user);
    let item = |ix: u32| -> u32 { snapshot.items.id(ix).parse().unwrap() };
    let offered: Vec<u32> = slate.items.iter().map(|r| item(r.item)).collect();
    assert!(offered.iter().all(|item| !had.contains(item)), "{user} has one of {offered:?}");
    offered.iter().filter(|item| *item / ITEMS == user % 2).count()
}

#[test]
fn unordered_sets_teach_the_ranking_in_every_format() {
    for shape in ["an order a row", "an order a user", "sequences"] {
        let folder = folder();
        let config = folder.path().join("shop.toml");
        std::fs::write(&config, write(shape, folder.path())).unwrap();
        let store = folder.path().join("store");
        let said = done(&args!["train", "--config", config, "--store", store]);
        let why = if shape == "sequences" { "sorted by id" } else { "no column `ordered_at`" };
        assert!(said.contains(why), "{shape}: {said}");
        let artifact = shop(&store).artifact(None).unwrap();
        let rehearsal = artifact.manifest().metrics.rehearsal.as_ref().unwrap();
        assert_eq!(rehearsal.users, USERS as u64, "{shape}: {rehearsal:?}");
        let ndcg = rehearsal.recommend_new_ndcg_10;
        assert!(ndcg.blend.unwrap() > 1.3 * ndcg.popularity_held_out.unwrap(), "{shape}: {ndcg:?}");
        let snapshot = served(&store);
        assert!(!snapshot.blend.repeats, "{shape}: nobody has anything twice");
        for exclude_bought in [true, false] {
            let hits: usize = (0..100).map(|user| of_taste(&snapshot, user, exclude_bought)).sum();
            assert!(hits > 950, "{shape}: {hits} of 1000 of the user's taste");
        }
    }
}

#[test]
fn bought_items_come_last_where_users_do_not_buy_again() {
    let folder = folder();
    let config = folder.path().join("shop.toml");
    std::fs::write(&config, write("an order a row", folder.path())).unwrap();
    let store = folder.path().join("store");
    done(&args!["train", "--config", config, "--store", store]);
    let snapshot = served(&store);
    for user in 0..20u32 {
        let query = Query {
            user: snapshot.users.ix(&user.to_string()),
            count: 2 * ITEMS as usize,
            ..Query::default()
        };
        let slate = recommend(View::as_trained(&snapshot), &query);
        let had = items(user);
        let is_had: Vec<bool> =
            slate.items.iter().map(|r| had.contains(&snapshot.items.id(r.item).parse().unwrap())).collect();
        assert_eq!(slate.items.len(), 2 * ITEMS as usize, "everything is offered");
        assert!(is_had.windows(2).all(|pair| pair[0] <= pair[1]), "{user}: {is_had:?}");
        assert!(slate.items.windows(2).all(|pair| pair[0].score >= pair[1].score));
        assert_eq!(slate.filtered, [0; Filter::COUNT], "nothing is filtered");
    }
}
