//! Any bytes in every reader give an error or an account of every line, and never a panic.

use arrow_array::{ArrayRef, RecordBatch, StringArray};
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use qianmian_trainer::config::Config;
use qianmian_trainer::orders::{ReadOptions, draft, read};
use std::path::Path;
use std::sync::Arc;

use crate::orders_workbooks::{sheet, workbook};

/// 2026-01-01T00:00:00Z.
const NOW: i64 = 1_767_225_600;

/// Reads a file and checks the result.
fn check(folder: &Path, name: &str, bytes: &[u8], section: &str) {
    std::fs::write(folder.join(name), bytes).unwrap();
    let config = Config::parse(&section.replace("FILE", name), folder).unwrap();
    let options = ReadOptions { max_reject_ratio: 1.0, ..ReadOptions::new(NOW) };
    if let Ok(inputs) = read(&config, &options, &|_, _, _| {}) {
        let summary = &inputs.orders.summary;
        assert!(summary.adds_up(), "{summary}");
        assert!(inputs.orders.lines.iter().all(|line| line.quantity > 0.0));
        let is_plain = summary.understood.iter().all(|facts| facts.encoding.is_none());
        let is_text = [".csv", ".tsv", ".jsonl", ".txt"].iter().any(|end| name.ends_with(end));
        // Lines of old files end with a carriage return only.
        if is_text && is_plain && bytes.contains(&b'\n') {
            let lines = bytes.iter().filter(|byte| **byte == b'\n').count()
                + usize::from(bytes.last() != Some(&b'\n'));
            let lines = lines - usize::from(bytes.starts_with(b"\xef\xbb\xbf") && bytes.len() == 3);
            assert_eq!(summary.lines.total(), lines as u64, "{name}: {:?}", String::from_utf8_lossy(bytes));
        }
    }
    // Drafting a configuration for the file does not panic either.
    let _ = draft(&[folder.join(name)]);
}

/// Pieces of exports, good and bad.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    let words = [
        "order_id,user_id,item_id,ordered_at,quantity",
        "1,ann,tea,2024-01-02,1",
        ",",
        ";",
        "\t",
        "\n",
        "\r\n",
        "\"",
        "\\\"",
        "\"\"",
        "a",
        "订单",
        "=\"001\"",
        "2024-01-02",
        "45292.5",
        "1.2E+11",
        "{",
        "}",
        "[",
        "]",
        "{\"order_id\":1,\"item_id\":\"a\",\"ordered_at\":\"2024-01-01\"}",
        ":",
        "null",
        "[1,2]",
        "合计",
        "::",
        "|",
        " ",
        "-1",
        "1,5",
        "yes",
        "0",
        "purchase",
        "type",
        "1\u{1f}2",
    ];
    prop_oneof![
        8 => proptest::sample::select(words.to_vec()).prop_map(|word| word.as_bytes().to_vec()),
        1 => proptest::collection::vec(any::<u8>(), 0..6),
        1 => Just(vec![0u8]),
    ]
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(150))]

    #[test]
    fn no_text_makes_a_reader_panic_or_lose_a_line(pieces in proptest::collection::vec(piece(), 0..80), headed in any::<bool>()) {
        let mut bytes = if headed { b"order_id,user_id,item_id,ordered_at,quantity\n".to_vec() } else { Vec::new() };
        pieces.iter().for_each(|piece| bytes.extend(piece));
        let folder = tempfile::tempdir().unwrap();
        let orders = "[orders]\nfiles = [\"FILE\"]\n";
        for name in ["o.csv", "o.tsv", "o.jsonl", "o.parquet", "o.arrow", "o.xlsx"] {
            check(folder.path(), name, &bytes, orders);
        }
        for format in ["sequences", "baskets", "one_hot", "csv"] {
            check(folder.path(), "o.txt", &bytes, &format!("{orders}format = \"{format}\"\n"));
        }
        check(folder.path(), "o.csv", &bytes, &format!("{orders}split = \",\"\nbaskets = \"30m\"\n"));
        check(folder.path(), "e.csv", &bytes, "[events]\nfiles = [\"FILE\"]\n");
    }

    #[test]
    fn no_damage_makes_a_reader_panic(place in 0.0..1.0f64, byte in any::<u8>(), cut in any::<bool>()) {
        let text = |values: [&str; 2]| Arc::new(StringArray::from(values.to_vec())) as ArrayRef;
        let batch = RecordBatch::try_from_iter([
            ("order_id", text(["1", "2"])),
            ("item_id", text(["tea", "cup"])),
            ("ordered_at", text(["2024-01-01", "2024-01-02"])),
        ]).unwrap();
        let (mut parquet, mut arrow) = (Vec::new(), Vec::new());
        let mut writer = parquet::arrow::ArrowWriter::try_new(&mut parquet, batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        let mut writer = arrow_ipc::writer::FileWriter::try_new(&mut arrow, &batch.schema()).unwrap();
        writer.write(&batch).unwrap();
        writer.finish().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let book = workbook(&[("Sheet1", sheet("A1"))]);
        for (name, mut bytes) in [("o.parquet", parquet), ("o.arrow", arrow), ("o.xlsx", book)] {
            let at = (place * bytes.len() as f64) as usize;
            bytes[at] = byte;
            if cut {
                bytes.truncate(at);
            }
            check(folder.path(), name, &bytes, "[orders]\nfiles = [\"FILE\"]\n");
        }
    }
}
