//! The example configurations on the real files that they were written for.
//!
//! The files are not part of the project. Set `QIANMIAN_DATA` to their folder; without it they are
//! expected in `../shared/data` beside the workspace. Skipped tests are reported.

use qianmian_money::Money;
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
        crate::support::skipped(&format!(
            "{} is not there; set QIANMIAN_DATA to the folder of the real files",
            path.display()
        ));
        return None;
    }
    let mut config = Config::load(&root.join(format!("examples/{name}.toml"))).unwrap();
    config.replace_orders(&[path]);
    let inputs = read(&config, &ReadOptions::new(NOW), &|_, _, _| {}).unwrap();
    check(&inputs.orders);
    Some(inputs)
}

/// Asserts the invariants of all orders.
fn check(orders: &Orders) {
    assert!(orders.summary.adds_up(), "{}", orders.summary);
    assert!(orders.item_ids.is_sorted() && orders.user_ids.is_sorted());
    assert!(orders.lines.is_sorted_by_key(|line| (line.at, line.basket, line.item)));
    assert!(orders.lines.windows(2).all(|w| (w[0].basket, w[0].item) != (w[1].basket, w[1].item)));
    assert_eq!(orders.lines.last().map(|line| line.basket + 1), Some(orders.n_baskets));
    for line in &orders.lines {
        assert!(line.quantity > 0.0 && line.paid().is_none_or(|paid| paid >= Money::ZERO));
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
    let (orders, summary) = (&inputs.orders, &inputs.orders.summary);
    // Counted by an independent program; the two lines of a negative price are returns of guests.
    assert_eq!((summary.rows_read, summary.kept_lines, summary.capped_lines), (431_673, 389_836, 21_396));
    assert_eq!((summary.duplicates, summary.merged, summary.excluded), (3_621, 3_549, 2_502));
    assert_eq!((summary.returns, summary.returns_of_guests, summary.returns_matched), (8_479, 1_319, 6_162));
    assert_eq!((summary.netted_out, summary.rejected, summary.capped_baskets), (2_290, 0, 180));
    assert_eq!((orders.item_ids.len(), orders.user_ids.len(), orders.n_baskets), (3_769, 3_963, 16_729));
    assert_eq!(orders.time_kind, TimeKind::Timestamps);
    let pieces: f64 = orders.all_lines().map(|line| f64::from(line.quantity)).sum();
    assert_eq!(pieces, 4_398_729.0);
    // Customer numbers have no `.0`, codes are in upper case, and each item has one title.
    assert!(orders.user_ids.binary_search(&"17850".to_owned()).is_ok());
    assert!(orders.item_ids.iter().all(|id| *id == id.to_uppercase() && id != "POST"));
    assert_eq!(item(&inputs, "85123A").title.as_deref(), Some("WHITE HANGING HEART T-LIGHT HOLDER"));
    assert_eq!(inputs.items.len(), orders.item_ids.len());
}

#[test]
fn superstore_reads_with_chinese_columns_and_line_totals() {
    let Some(inputs) = example("superstore_zh", "superstore_zh.csv.zst") else { return };
    let (orders, summary) = (&inputs.orders, &inputs.orders.summary);
    assert_eq!((summary.rows_read, summary.kept_lines, summary.merged), (10_000, 9_995, 5));
    // The 2,773 order ids are used by several customers each, on different days.
    assert_eq!((orders.item_ids.len(), orders.user_ids.len(), orders.n_baskets), (1_955, 790, 4_979));
    let scissors = item(&inputs, "办公用-用品-10002717");
    assert_eq!(scissors.title.as_deref(), Some("Fiskars 剪刀, 蓝色"));
    assert_eq!(scissors.category.as_deref(), Some("办公用品/用品"));
    let user = orders.user_ids.binary_search(&"曾惠-14485".to_owned()).unwrap();
    let ix = orders.item_ids.binary_search(&scissors.item_id).unwrap();
    let line = orders.lines.iter().find(|l| l.user as usize == user && l.item as usize == ix).unwrap();
    // 2017-04-27 in China; 129.696 for two.
    assert_eq!((line.at, line.quantity, line.paid), (1_493_222_400, 2.0, 12_970));
}

#[test]
fn groceries_read_without_users_and_times() {
    let Some(inputs) = example("groceries_zh", "groceries_zh.csv.zst") else { return };
    let orders = &inputs.orders;
    assert_eq!((orders.summary.rows_read, orders.summary.kept_lines), (43_367, 43_367));
    assert_eq!((orders.item_ids.len(), orders.user_ids.len(), orders.n_baskets), (169, 0, 9_835));
    assert_eq!(orders.time_kind, TimeKind::None);
    assert_eq!(item(&inputs, "柑橘类水果").title.as_deref(), Some("柑橘类水果"));
}

#[test]
fn beauty_sequences_read_as_steps() {
    let Some(inputs) = example("beauty_sequences", "beauty_sequences.txt.zst") else { return };
    let orders = &inputs.orders;
    assert_eq!((orders.summary.rows_read, orders.summary.kept_lines), (198_502, 198_502));
    assert_eq!((orders.item_ids.len(), orders.user_ids.len(), orders.n_baskets), (12_101, 22_363, 198_502));
    assert_eq!(orders.time_kind, TimeKind::Steps);
    // The first line of the file is user 1 with the items 1 to 5.
    let user = orders.user_ids.binary_search(&"1".to_owned()).unwrap();
    let of_user: Vec<(i64, &str)> = (orders.lines.iter().filter(|line| line.user as usize == user))
        .map(|line| ((line.at - SEQUENCE_END) / 86_400, orders.item_ids[line.item as usize].as_str()))
        .collect();
    assert_eq!(of_user, [(-4, "1"), (-3, "2"), (-2, "3"), (-1, "4"), (0, "5")]);
}
