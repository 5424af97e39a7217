//! Refused input, with errors that name the cure; and the summary of every row.

use std::path::Path;

use crate::support::{done, folder, names, orders, refused, run, shop};
use serde_json::Value;

/// Trains on a file of this text and expects a refusal.
fn refused_file(name: &str, bytes: &[u8]) -> String {
    let folder = folder();
    let (path, store) = (folder.path().join(name), folder.path().join("store"));
    std::fs::write(&path, bytes).unwrap();
    let said = refused(&args!["train", "--orders", path, "--store", store]);
    assert!(!store.exists(), "a refused run leaves nothing behind: {:?}", names(&store));
    said
}

#[test]
fn a_run_without_orders_says_how_to_name_them() {
    let folder = folder();
    let said = refused(&args!["train", "--store", folder.path()]);
    assert!(said.contains("--orders PATH") && said.contains("[orders] files"), "{said}");
    let said =
        refused(&args!["train", "--store", folder.path(), "--orders", folder.path().join("oders.csv")]);
    assert!(said.contains("no file matches"), "{said}");
}

#[test]
fn a_misspelled_field_names_the_nearest_one() {
    let folder = folder();
    let config = folder.path().join("shop.toml");
    std::fs::write(&config, "shop = \"a\"\n[training]\nregularisation = 3.0\n").unwrap();
    let said = refused(&args!["train", "--config", config, "--store", folder.path()]);
    assert!(said.contains("shop.toml: line 3") && said.contains("did you mean `regularization`?"), "{said}");
    std::fs::write(&config, "[training]\niterations = 0\n").unwrap();
    let said = refused(&args!["train", "--config", config, "--store", folder.path()]);
    assert!(said.contains("training.iterations = 0: use 1 to 200"), "{said}");
}

#[test]
fn a_missing_store_says_how_to_fill_it() {
    let folder = folder();
    let store = folder.path().join("nowhere");
    for command in [&args!["inspect"][..], &args!["rollback"], &args!["publish", "v1"]] {
        let said = refused(&[command, &args!["--store", store]].concat());
        assert!(said.contains("nowhere/default") && said.contains("qianmian-trainer train"), "{said}");
        assert!(!store.exists(), "looking for a version creates no store");
    }
}

#[test]
fn an_unknown_version_names_the_existing_ones() {
    let folder = folder();
    let (path, store) = (folder.path().join("orders.csv"), folder.path().join("store"));
    orders(&path, [("1", "ann", "tea", "2025-01-01")]);
    done(&args!["train", "--orders", path, "--store", store]);
    let version = shop(&store).versions().unwrap().remove(0);
    for command in ["publish", "inspect"] {
        let said = refused(&args![command, "20200101T000000Z", "--store", store]);
        assert!(said.contains("`20200101T000000Z`") && said.contains(&version), "{said}");
    }
    let said = refused(&args!["publish", "../../etc", "--store", store]);
    assert!(said.contains("not allowed"), "{said}");
    let said = refused(&args!["rollback", "--store", store]);
    assert!(said.contains(&version) && said.contains("qianmian-trainer publish"), "{said}");
}

#[test]
fn a_missing_column_names_itself_and_the_nearest_one() {
    let said = refused_file("orders.csv", b"order_id,Thingie,ordered_at\n1,tea,2025-01-01\n");
    assert!(said.contains("item_id") && said.contains("Thingie"), "{said}");
}

#[test]
fn files_without_orders_are_refused_with_a_cure() {
    assert!(refused_file("orders.csv", b"").contains("is empty"));
    assert!(refused_file("orders.csv", b"order_id,item_id,ordered_at\n").contains("no rows"));
}

#[test]
fn a_file_that_is_cut_short_is_refused_by_name() {
    let text: String = (0..5_000).map(|n| format!("{n},{},2025-01-01\n", n * 7919 % 1_000)).collect();
    let whole = zstd::encode_all(format!("order_id,item_id,ordered_at\n{text}").as_bytes(), 3).unwrap();
    let said = refused_file("cut.csv.zst", &whole[..whole.len() / 2]);
    assert!(said.contains("cut.csv.zst"), "{said}");
}

#[test]
fn too_many_rejects_stop_the_run_before_anything_is_written() {
    let folder = folder();
    let (path, store) = (folder.path().join("orders.csv"), folder.path().join("store"));
    orders(&path, [("1", "ann", "tea", "2025-01-01"), ("2", "bob", "cup", "yesterday")]);
    let said = refused(&args!["train", "--orders", path, "--store", store]);
    assert!(said.contains("--max-reject-ratio"), "{said}");
    assert!(!store.exists());
    done(&args!["train", "--orders", path, "--store", store, "--max-reject-ratio", "0.5"]);
}

/// Every kind of row.
const ROWS: &str = "\
order_id,user_id,item_id,ordered_at,quantity,unit_price,status
1,ann,tea,2025-01-01T08:00:00Z,2,3.5,paid
1,ann,tea,2025-01-01T08:00:00Z,2,3.5,paid
1,ann,tea,2025-01-01T08:00:00Z,1,3.0,paid
1,ann,cup,2025-01-01T08:00:00Z,1,9,paid
2,ann,cup,2025-01-03T08:00:00Z,-1,9,paid
3,bob,tea,2025-01-04T08:00:00Z,0,3.5,paid
4,bob,tea,2025-01-05T08:00:00Z,1,3.5,cancelled
5,bob,POST,2025-01-05T08:00:00Z,1,4,paid
6,,tea,2025-01-06T08:00:00Z,1,3.5,paid
7,bob,a,2025-01-07T08:00:00Z,1,1,paid
7,bob,b,2025-01-07T08:00:00Z,1,1,paid
7,bob,c,2025-01-07T08:00:00Z,1,1,paid
8,bob,,2025-01-08T08:00:00Z,1,1,paid
9,bob,tea,soon,1,1,paid
10,bob,tea,2025-01-08T08:00:00Z,1e308,1,paid
11,bob,tea,2025-01-08T08:00:00Z,many,1,paid
12,bob,tea,2099-01-08T08:00:00Z,1,1,paid
";

/// Trains on [`ROWS`] and returns the row counts in the manifest.
fn account(folder: &Path) -> Value {
    let (config, store) = (folder.join("shop.toml"), folder.join("store"));
    std::fs::write(folder.join("orders.csv"), ROWS).unwrap();
    let text = "[orders]\nfiles = [\"orders.csv\"]\nexclude_items = \"^POST$\"\nmax_basket_items = 2\n";
    std::fs::write(&config, text).unwrap();
    let rejects = folder.join("rejects.csv");
    let said = run(&args![
        "train",
        "--config",
        config,
        "--store",
        store,
        "--rejects",
        rejects,
        "--max-reject-ratio",
        "0.5"
    ]);
    assert!(said.ok, "{}{}", said.out, said.err);
    assert!(said.out.contains("rows read") && said.out.contains("exact duplicates"), "{}", said.out);
    shop(&store).artifact(None).unwrap().manifest().parameters["data"].clone()
}

#[test]
fn the_summary_counts_every_row_once() {
    let folder = folder();
    let account = account(folder.path());
    let count = |name: &str| account[name].as_u64().unwrap();
    let parts = [
        ("kept_lines", 4),
        ("duplicates", 1),
        ("merged", 1),
        ("returns", 1),
        ("netted_out", 1),
        ("excluded", 1),
        ("cancelled", 1),
        ("zero_quantity", 1),
        ("capped_lines", 1),
        ("rejected", 5),
    ];
    for (name, expected) in parts {
        assert_eq!(count(name), expected, "{name}: {account}");
    }
    assert_eq!(count("rows_read"), ROWS.lines().count() as u64 - 1);
    assert_eq!(count("rows_read"), parts.iter().map(|(_, n)| n).sum::<u64>());
    let codes: Vec<&str> =
        account["warnings"].as_array().unwrap().iter().map(|w| w["code"].as_str().unwrap()).collect();
    assert_eq!(codes, ["giant_baskets"], "{account}");
    assert_eq!(account["lines"]["rows"].as_u64().unwrap(), count("rows_read"));
}

#[test]
fn rejects_have_their_line_and_reason() {
    let folder = folder();
    account(folder.path());
    let mut rejects = csv::Reader::from_path(folder.path().join("rejects.csv")).unwrap();
    let rows: Vec<csv::StringRecord> = rejects.records().map(|row| row.unwrap()).collect();
    let filed: Vec<(&str, &str)> = rows.iter().map(|row| (&row[1], &row[2])).collect();
    let expected = [
        ("14", "no item"),
        ("15", "unparsable time"),
        ("16", "bad quantity"),
        ("17", "bad quantity"),
        ("18", "time in the future"),
    ];
    assert_eq!(filed, expected);
    assert!(rows.iter().all(|row| row[0].ends_with("orders.csv") && row[3].contains("bob")), "{rows:?}");
}
