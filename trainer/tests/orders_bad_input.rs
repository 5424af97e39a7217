//! Bad input ends in a clear error or a counted rejected row.

use qianmian_trainer::config::Config;
use qianmian_trainer::orders::{Code, Inputs, ReadOptions, Reason, Summary, read};
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// 2026-01-01T00:00:00Z.
const NOW: i64 = 1_767_225_600;
const HEADER: &str = "order_id,user_id,item_id,ordered_at,quantity,unit_price\n";

fn try_read(path: &Path, options: &ReadOptions) -> anyhow::Result<Inputs> {
    let mut config = Config::default();
    config.replace_orders(&[path.to_owned()]);
    read(&config, options, &|_, _, _| {})
}

fn file(name: &str, bytes: &[u8]) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    (folder, path)
}

/// The error of reading a file of these bytes.
fn error_of(name: &str, bytes: &[u8]) -> String {
    let (_folder, path) = file(name, bytes);
    format!("{:#}", try_read(&path, &ReadOptions::new(NOW)).unwrap_err())
}

/// Reads a CSV of these rows, however many are bad, and checks the account.
fn rows(rows: &str) -> Inputs {
    let (_folder, path) = file("orders.csv", format!("{HEADER}{rows}").as_bytes());
    let options = ReadOptions { max_reject_ratio: 1.0, ..ReadOptions::new(NOW) };
    let inputs = try_read(&path, &options).unwrap();
    assert!(inputs.orders.summary.adds_up(), "{}", inputs.orders.summary);
    inputs
}

fn good_rows(n: usize) -> String {
    (0..n).fold(String::new(), |mut text, i| {
        writeln!(text, "o{i},u{},i{},2025-01-02 03:04:05,1,2.5", i % 7, i % 11).unwrap();
        text
    })
}

/// All warnings, with their codes.
fn said(summary: &Summary) -> String {
    summary.warnings.iter().map(|warning| format!("{warning}\n")).collect()
}

fn assert_says(error: &str, words: &[&str]) {
    for word in words {
        assert!(error.contains(word), "{word:?} is not in: {error}");
    }
}

#[test]
fn an_empty_file_and_a_header_alone_are_errors() {
    assert_says(&error_of("orders.csv", b""), &["orders.csv is empty"]);
    assert_says(&error_of("orders.csv", b"\xef\xbb\xbf"), &["orders.csv is empty"]);
    assert_says(&error_of("orders.csv", HEADER.as_bytes()), &["orders.csv", "no rows"]);
    assert_says(&error_of("orders.jsonl", b"\n\n"), &["orders.jsonl"]);
}

#[test]
fn files_in_other_encodings_are_read_and_it_is_said() {
    let text =
        "order_id,item_id,ordered_at,备注\no1,绿茶,2025-01-01,谢谢惠顾\no2,红茶,2025-01-02,已付款发货\n";
    let (gbk, _, _) = encoding_rs::GB18030.encode(text);
    let (_folder, path) = file("a.csv", &gbk);
    let orders = try_read(&path, &ReadOptions::new(NOW)).unwrap().orders;
    assert_eq!(orders.item_ids, ["红茶", "绿茶"]);
    assert!(orders.summary.has(Code::FormatGuessed), "{}", orders.summary);
    let utf16: Vec<u8> =
        format!("\u{feff}{HEADER}{}", good_rows(2)).encode_utf16().flat_map(u16::to_le_bytes).collect();
    for bytes in [&utf16[..], &utf16[2..]] {
        let (_folder, path) = file("a.csv", bytes);
        assert_eq!(try_read(&path, &ReadOptions::new(NOW)).unwrap().orders.lines.len(), 2);
    }
    let (_folder, path) = file("a.csv", format!("\u{feff}{HEADER}{}", good_rows(2)).as_bytes());
    let orders = try_read(&path, &ReadOptions::new(NOW)).unwrap().orders;
    assert_eq!((orders.lines.len(), orders.summary.has(Code::FormatGuessed)), (2, false));
}

#[test]
fn a_broken_row_names_its_line_and_the_cure() {
    let mut bytes = format!("{HEADER}{}", "o,u1,茶杯面包,2025-01-02,1,1\n".repeat(20)).into_bytes();
    bytes.extend_from_slice(b"o9,u1,\xc3\xfb\xb3,2025-01-01,1,1\n");
    let error = error_of("orders.csv", &bytes);
    assert_says(&error, &["invalid UTF-8", "orders.csv:22", "encoding = \"gb18030\""]);
}

#[test]
fn a_missing_column_is_named_with_the_nearest_one() {
    let error = error_of("orders.csv", b"order_id,Thing Ids,ordered_at\no1,i1,2025-01-01\n");
    assert_says(
        &error,
        &["no column `item_id`", "Its columns are: order_id, Thing Ids, ordered_at", "columns = { item_id ="],
    );
}

#[test]
fn columns_are_found_by_their_names_and_it_is_said() {
    let (_folder, path) =
        file("a.csv", b"Order Number;Customer ID;StockCode;InvoiceDate\no1;u1;i1;2025-01-01\n");
    let summary = try_read(&path, &ReadOptions::new(NOW)).unwrap().orders.summary;
    assert_eq!(summary.kept_lines, 1);
    let said = said(&summary);
    assert_says(
        &said,
        &["order_id = Order Number", "item_id = StockCode", "columns_guessed", "format_guessed"],
    );
    let (_folder, path) = file("a.csv", format!("{HEADER}{}", good_rows(1)).as_bytes());
    assert!(!try_read(&path, &ReadOptions::new(NOW)).unwrap().orders.summary.has(Code::ColumnsGuessed));
}

#[test]
fn a_column_that_looks_misspelt_is_a_warning() {
    let (_folder, path) = file("a.csv", b"order_id,user_idd,item_id,ordered_at\no1,u1,i1,2025-01-01\n");
    let inputs = try_read(&path, &ReadOptions::new(NOW)).unwrap();
    assert_says(&said(&inputs.orders.summary), &["`user_id`", "guests'", "is it `user_idd`?", "no_users"]);
}

#[test]
fn a_million_duplicate_lines_are_one_line() {
    let text = "o1,u1,i1,2025-01-02,1,2.5\n".repeat(1_000_000);
    let summary = rows(&text).orders.summary;
    assert_eq!((summary.rows_read, summary.kept_lines, summary.duplicates), (1_000_000, 1, 999_999));
}

#[test]
fn a_giant_basket_is_capped_with_a_warning() {
    let text = (0..10_000).fold(String::new(), |mut text, i| {
        writeln!(text, "o1,u1,i{i},2025-01-02,1,2.5").unwrap();
        text
    });
    let orders = rows(&text).orders;
    assert_eq!((orders.lines.len(), orders.beyond_cap.len()), (200, 9_800));
    assert_eq!((orders.summary.capped_baskets, orders.summary.capped_lines), (1, 9_800));
    assert_says(&said(&orders.summary), &["1 baskets have more than 200 items"]);
    let kept: Vec<&str> = orders.lines.iter().map(|l| orders.item_ids[l.item as usize].as_str()).collect();
    assert!(kept.contains(&"i0") && kept.contains(&"i199") && !kept.contains(&"i200"));
}

#[test]
fn each_bad_row_has_its_reason() {
    let long = "x".repeat(257);
    let cases = [
        ("o1,u1,,2025-01-02,1,1".to_owned(), Reason::NoItem),
        (" ,u1,i1,2025-01-02,1,1".to_owned(), Reason::NoOrderId),
        (format!("o1,u1,{long},2025-01-02,1,1"), Reason::IdTooLong),
        (format!("o1,{long},i1,2025-01-02,1,1"), Reason::IdTooLong),
        (format!("{long},u1,i1,2025-01-02,1,1"), Reason::IdTooLong),
        ("o1,u1,i1,yesterday,1,1".to_owned(), Reason::UnparsableTime),
        ("o1,u1,i1,,1,1".to_owned(), Reason::UnparsableTime),
        ("o1,u1,i1,2026-01-03,1,1".to_owned(), Reason::FutureTime),
        ("o1,u1,i1,2025-01-02,1e308,1".to_owned(), Reason::BadQuantity),
        ("o1,u1,i1,2025-01-02,-1e308,1".to_owned(), Reason::BadQuantity),
        ("o1,u1,6.92E+11,2025-01-02,1,1".to_owned(), Reason::RoundedId),
        ("o1,u1,i1,2025-01-02,1".to_owned(), Reason::WrongColumnCount),
        ("o1,u1,i1,2025-01-02,1,1,1".to_owned(), Reason::WrongColumnCount),
    ];
    for (row, reason) in cases {
        let summary = rows(&format!("{}{row}\n", good_rows(3))).orders.summary;
        assert_eq!(summary.rejects, [(reason, 1)].into(), "{row}");
        assert_eq!(summary.kept_lines, 3, "{row}");
    }
}

#[test]
fn a_price_that_cannot_be_read_costs_no_purchase() {
    let summary = rows(&format!("{}p1,u1,i1,2025-01-02,1,free\np2,u1,i1,2025-01-02,1,inf\n", good_rows(3)))
        .orders
        .summary;
    assert_eq!((summary.kept_lines, summary.rejected), (5, 0));
    assert_says(&said(&summary), &["2 prices cannot be read", "free, inf", "unreadable_prices"]);
    assert!(!rows(&good_rows(3)).orders.summary.has(Code::UnreadablePrices));
}

#[test]
fn unusual_but_valid_rows_are_kept() {
    let id = "面".repeat(85) + "x";
    let text = format!(
        "o 1/a,u 1,a b/c,2025-01-02,1,0\n😀,😀,😀,2025-01-02 10:00,2,\n{id},{id},{id},2026-01-01T23:00:00Z,,1\n\
         \"o,3\",,\"i\"\"3\",2025-01-02,0.5,1e9\n"
    );
    let orders = rows(&text).orders;
    assert_eq!(orders.lines.len(), 4, "{}", orders.summary);
    assert_eq!(orders.item_ids, ["a b/c", "i\"3", id.as_str(), "😀"]);
    assert_eq!(orders.summary.guest_lines, 1);
    assert!(orders.lines.iter().any(|line| line.paid().is_none()));
}

#[test]
fn one_row_is_enough() {
    let orders = rows("o1,u1,i1,2025-01-02,1,1\n").orders;
    assert_eq!((orders.lines.len(), orders.n_baskets), (1, 1));
    assert_eq!((orders.item_ids, orders.user_ids), (vec!["i1".to_owned()], vec!["u1".to_owned()]));
}

#[test]
fn nothing_but_returns_is_an_error_with_the_account() {
    let text = format!("{HEADER}o1,u1,i1,2025-01-02,-1,1\n");
    assert_says(&error_of("orders.csv", text.as_bytes()), &["no purchase remains", "returns"]);
}

#[test]
fn one_late_row_settles_an_ambiguous_time() {
    let mut text = HEADER.to_owned();
    for i in 0..5_000 {
        writeln!(text, "o{i},u1,i1,03/04/2024 10:00,1,1").unwrap();
    }
    assert_says(
        &error_of("orders.csv", text.as_bytes()),
        &["orders.csv:2", "03/04/2024", "orders.time_format"],
    );
    text.push_str("o,u1,i1,25/04/2024 10:00,1,1\n");
    let (_folder, path) = file("a.csv", text.as_bytes());
    let orders = try_read(&path, &ReadOptions::new(NOW)).unwrap().orders;
    // 2024-04-03T10:00:00Z.
    assert_eq!(orders.lines[0].at, 1_712_138_400);
    assert_says(orders.summary.time_format.as_deref().unwrap(), &["day first"]);
}

#[test]
fn times_of_no_known_pattern_ask_for_a_format() {
    let text = format!("{HEADER}o1,u1,i1,Tuesday,1,1\n");
    assert_says(&error_of("orders.csv", text.as_bytes()), &["orders.csv:2", "Tuesday", "orders.time_format"]);
}

#[test]
fn too_many_rejects_stop_and_leave_their_file() {
    let bad = "o1,u1,,2025-01-02,1,1\no1,u1,i1,2025-01-02,many,1\no2,u1,,2025-01-02,1,\"a,b\"\n";
    let (folder, path) = file("orders.csv", format!("{HEADER}{}{bad}", good_rows(10)).as_bytes());
    let rejects = folder.path().join("rejects.csv");
    let options = ReadOptions { rejects: Some(rejects.clone()), ..ReadOptions::new(NOW) };
    let error = format!("{:#}", try_read(&path, &options).unwrap_err());
    assert_says(
        &error,
        &["3 of 13 rows", "2 no item (first at", "orders.csv:12)", "1 bad quantity", "--max-reject-ratio"],
    );
    let written = std::fs::read_to_string(&rejects).unwrap();
    let lines: Vec<&str> = written.lines().collect();
    assert_eq!(lines[0], "file,line,reason,row");
    assert_says(lines[3], &["orders.csv,14,no item,", "\"o2,u1,,2025-01-02,1,\"\"a,b\"\"\""]);
    assert_eq!((lines.len(), std::fs::read_dir(folder.path()).unwrap().count()), (4, 2));
}

#[test]
fn a_reject_names_the_line_where_its_row_starts() {
    let text = format!("{HEADER}o1,u,\"i\n1\",2025-01-02,1,1\n\n\no2,u,,2025-01-02,1,1\n");
    assert_says(&error_of("orders.csv", text.as_bytes()), &["orders.csv:6"]);
    assert_says(&error_of("orders.csv", text.replace('\n', "\r\n").as_bytes()), &["orders.csv:6"]);
    let plain = format!("{HEADER}o1,u,i,2025-01-02,1,1\no2,u,,2025-01-02,1,1");
    assert_says(&error_of("orders.csv", plain.as_bytes()), &["orders.csv:3"]);
    assert_says(&error_of("orders.csv", plain.replace('\n', "\r\n").as_bytes()), &["orders.csv:3"]);
}

#[test]
fn a_missing_file_names_the_nearest_one() {
    let (folder, _) = file("orders.csv.zst", b"x");
    let error =
        format!("{:#}", try_read(&folder.path().join("order.csv.zst"), &ReadOptions::new(NOW)).unwrap_err());
    assert_says(&error, &["no file matches", "the nearest name", "`orders.csv.zst`"]);
    let error = format!("{:#}", try_read(folder.path(), &ReadOptions::new(NOW)).unwrap_err());
    assert_says(&error, &["is a folder", "*.csv.zst"]);
    assert_says(&error_of("orders.txt", b"x"), &["orders.txt", "item_id"]);
}

#[test]
fn every_cut_of_a_packed_file_is_an_error() {
    let text = format!("{HEADER}{}", good_rows(100));
    let zstd = zstd::encode_all(text.as_bytes(), 3).unwrap();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(text.as_bytes()).unwrap();
    for (name, packed) in [("orders.csv.zst", zstd), ("orders.csv.gz", gzip.finish().unwrap())] {
        let (_folder, path) = file(name, &packed);
        assert_eq!(try_read(&path, &ReadOptions::new(NOW)).unwrap().orders.summary.rows_read, 100);
        for end in 0..packed.len() {
            assert_says(&error_of(name, &packed[..end]), &[name]);
        }
        let middle = packed.len() / 2;
        assert_says(&error_of(name, &packed[..middle]), &["cut off or damaged"]);
    }
}

#[test]
fn a_quote_that_is_never_closed_costs_its_own_line_alone() {
    let text = format!("{HEADER}o,u,\"i,2025-01-02,1,1\n{}", good_rows(500));
    let (_folder, path) = file("orders.csv", text.as_bytes());
    let summary = try_read(&path, &ReadOptions::new(NOW)).unwrap().orders.summary;
    assert_eq!((summary.rows_read, summary.lines.rows, summary.lines.total()), (501, 501, 502));
    assert!(summary.has(Code::StrayQuotes));
}

#[test]
fn json_lines_reject_what_is_no_object_of_plain_values() {
    let good =
        "{\"order_id\":7,\"item_id\":\"i\",\"ordered_at\":\"2025-01-02T00:00:00Z\",\"user_id\":null}\n";
    let text =
        format!("{good}{good}\n{{\"order_id\":\n[]\n{{\"order_id\":8,\"item_id\":{{}},\"ordered_at\":1}}\n");
    let (_folder, path) = file("a.jsonl", text.as_bytes());
    let options = ReadOptions { max_reject_ratio: 1.0, ..ReadOptions::new(NOW) };
    let summary = try_read(&path, &options).unwrap().orders.summary;
    assert_eq!((summary.rows_read, summary.kept_lines, summary.merged), (5, 1, 1));
    assert_eq!(summary.rejects, [(Reason::MalformedJson, 2), (Reason::NotPlain, 1)].into());
}

#[test]
fn a_file_that_is_no_parquet_or_is_cut_is_an_error() {
    assert_says(&error_of("orders.parquet", b"not parquet at all"), &["orders.parquet", "no Parquet file"]);
    assert_says(&error_of("orders.parquet", b"PAR1"), &["orders.parquet"]);
}

#[test]
fn more_rows_than_allowed_are_an_error() {
    let (_folder, path) = file("a.csv", format!("{HEADER}{}", good_rows(3)).as_bytes());
    let options = ReadOptions { max_lines: 2, ..ReadOptions::new(NOW) };
    assert_says(&format!("{:#}", try_read(&path, &options).unwrap_err()), &["more than 2 rows"]);
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(200))]

    /// Errors are fine, a panic or an account that does not add up is not.
    #[test]
    fn no_cells_make_it_panic_or_lose_a_row(
        cells in proptest::collection::vec("[a-c0-9eE:/ .,\"\n-]{0,12}|2025-01-0[1-9]|-?[0-3]|\\PC{0,5}", 0..60),
        json in proptest::bool::ANY,
    ) {
        let name = if json { "a.jsonl" } else { "a.csv" };
        let text = match json {
            true => cells.iter().fold(String::new(), |text, cell| {
                format!("{text}{{\"order_id\":\"1\",\"item_id\":{cell:?},\"ordered_at\":\"2025-01-01\",\"quantity\":{cell}}}\n")
            }),
            false => cells.chunks(6).fold(HEADER.to_owned(), |text, row| text + &row.join(",") + "\n"),
        };
        let (_folder, path) = file(name, text.as_bytes());
        let options = ReadOptions { max_reject_ratio: 1.0, ..ReadOptions::new(NOW) };
        if let Ok(inputs) = try_read(&path, &options) {
            proptest::prop_assert!(inputs.orders.summary.adds_up());
            proptest::prop_assert!(inputs.orders.lines.iter().all(|line| line.quantity > 0.0));
        }
    }
}
