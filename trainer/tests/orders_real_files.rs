//! The example configurations on the real files that they were written for.
//!
//! The files are not part of the project. Set `QIANMIAN_DATA` to their folder; without it they are
//! looked for in `../shared/data` beside the workspace, and the tests say loudly when they are skipped.

#![expect(clippy::unwrap_used, reason = "tests")]

use qianmian_trainer::config::Config;
use qianmian_trainer::orders::{GUEST, Inputs, Item, Orders, ReadOptions, SEQUENCE_END, TimeKind, read};
use std::path::{Path, PathBuf};

/// 2026-01-01T00:00:00Z.
const NOW: i64 = 1_767_225_600;

/// The inputs of `examples/NAME.toml` with its file replaced by the real one.
fn example(name: &str, file: &str) -> Option<Inputs> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let folder = std::env::var_os("QIANMIAN_DATA").map_or_else(|| root.join("../shared/data"), PathBuf::from);
    let path = folder.join(file);
    if !path.exists() {
        eprintln!(
            "SKIPPED: {} is not there; set QIANMIAN_DATA to the folder of the real files",
            path.display()
        );
        return None;
    }
    let mut config = Config::load(&root.join(format!("examples/{name}.toml"))).unwrap();
    config.replace_orders(&[path]);
    let inputs = read(&config, &ReadOptions::new(NOW), &|_, _, _| {}).unwrap();
    eprintln!("{name}\n{}", inputs.orders.summary);
    check(&inputs.orders);
    Some(inputs)
}

/// What holds for any orders.
fn check(orders: &Orders) {
    assert!(orders.summary.adds_up(), "{}", orders.summary);
    assert!(orders.item_ids.is_sorted() && orders.user_ids.is_sorted());
    assert!(orders.lines.is_sorted_by_key(|line| (line.at, line.basket, line.item)));
    assert!(orders.lines.windows(2).all(|w| (w[0].basket, w[0].item) != (w[1].basket, w[1].item)));
    assert_eq!(orders.lines.last().map(|line| line.basket + 1), Some(orders.n_baskets));
    for line in &orders.lines {
        assert!(line.quantity > 0.0 && (line.unit_price.is_nan() || line.unit_price >= 0.0));
        assert!((line.item as usize) < orders.item_ids.len());
        assert!(line.user == GUEST || (line.user as usize) < orders.user_ids.len());
    }
}

fn item<'a>(inputs: &'a Inputs, id: &str) -> &'a Item {
    inputs.items.iter().find(|item| item.item_id == id).unwrap()
}

#[test]
fn online_retail_reads_as_it_is() {
    let Some(inputs) = example("online_retail", "online_retail.csv.zst") else { return };
    let orders = &inputs.orders;
    assert_eq!(orders.summary.rows_read, 431_673);
    assert_eq!(orders.time_kind, TimeKind::Timestamps);
    eprintln!(
        "{} items {} users {} baskets; {:?}",
        orders.item_ids.len(),
        orders.user_ids.len(),
        orders.n_baskets,
        item(&inputs, "85123A")
    );
}

#[test]
fn superstore_reads_with_chinese_columns_and_line_totals() {
    let Some(inputs) = example("superstore_zh", "superstore_zh.csv.zst") else { return };
    assert_eq!(inputs.orders.summary.rows_read, 10_000);
    let orders = &inputs.orders;
    eprintln!(
        "{} items {} users {} baskets; {:?} {:?}",
        orders.item_ids.len(),
        orders.user_ids.len(),
        orders.n_baskets,
        inputs.items[0],
        orders.lines[0]
    );
}

#[test]
fn groceries_read_without_users_and_times() {
    let Some(inputs) = example("groceries_zh", "groceries_zh.csv.zst") else { return };
    assert_eq!(inputs.orders.summary.rows_read, 43_367);
    let orders = &inputs.orders;
    eprintln!(
        "{} items {} users {} baskets; {:?} {:?}",
        orders.item_ids.len(),
        orders.user_ids.len(),
        orders.n_baskets,
        inputs.items[0],
        orders.lines[0]
    );
}

#[test]
fn beauty_sequences_read_as_steps() {
    let Some(inputs) = example("beauty_sequences", "beauty_sequences.txt.zst") else { return };
    assert_eq!(inputs.orders.summary.rows_read, 198_502);
    let orders = &inputs.orders;
    eprintln!(
        "{} items {} users {} baskets; {:?} {:?}",
        orders.item_ids.len(),
        orders.user_ids.len(),
        orders.n_baskets,
        orders.lines.last(),
        orders.lines[0]
    );
    assert_eq!(orders.lines.last().unwrap().at, SEQUENCE_END);
}
