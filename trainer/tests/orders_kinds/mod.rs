//! Kinds of exports that real shops have, written here: the resulting orders and the warnings.

mod meaning;
mod shapes;

use arrow_array::builder::{ListBuilder, StringBuilder};
use arrow_array::{ArrayRef, Float64Array, RecordBatch, StringArray};
use qianmian_trainer::config::Config;
use qianmian_trainer::orders::{Code, GUEST, Orders, ReadOptions, TimeKind, read};
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

/// 2026-01-01T00:00:00Z.
const NOW: i64 = 1_767_225_600;

/// Reads files under a configuration; its `[orders]` names them.
fn try_shop(config: &str, files: &[(&str, &[u8])]) -> anyhow::Result<Orders> {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
    read_in(folder.path(), config)
}

fn read_in(folder: &Path, config: &str) -> anyhow::Result<Orders> {
    let config = Config::parse(config, folder)?;
    let orders = read(&config, &ReadOptions::new(NOW), &|_, _, _| {})?.orders;
    assert!(orders.summary.adds_up(), "{}", orders.summary);
    Ok(orders)
}

/// One CSV file, with more lines of `[orders]`.
fn shop_with(options: &str, text: &str) -> Orders {
    let files: &[(&str, &[u8])] = &[("o.csv", text.as_bytes())];
    try_shop(&format!("[orders]\nfiles = [\"o.csv\"]\n{options}\n"), files).unwrap()
}

fn shop(text: &str) -> Orders {
    shop_with("", text)
}

/// Every line as text without its order: `user item quantity`.
fn lines(orders: &Orders) -> Vec<String> {
    let line = |line: &qianmian_trainer::orders::Line| {
        let user = if line.user == GUEST { "-" } else { &orders.user_ids[line.user as usize] };
        format!("{user} {} {}", orders.item_ids[line.item as usize], line.quantity)
    };
    orders.lines.iter().map(line).collect()
}

/// `n` rows `O,M,A,2024-01-DD` with further cells from `more`.
fn rows(n: usize, more: impl Fn(usize) -> String) -> String {
    (0..n).fold(String::new(), |mut text, i| {
        writeln!(text, "O{i},M{},A{},2024-01-{:02}{}", i / 2, i % 3, i + 1, more(i)).unwrap();
        text
    })
}

const HEADER: &str = "order_id,user_id,item_id,ordered_at";

/// A wrong file raises the warning, a right one does not.
fn assert_raised(code: Code, wrong: &Orders, right: &Orders) {
    assert!(wrong.summary.has(code), "{}", wrong.summary);
    assert!(!right.summary.has(code), "{}", right.summary);
}
