//! Every kind of export that shops really have, made here: what it becomes, and what is said of it.

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

/// Every line as `order-less` text: `user item quantity`.
fn lines(orders: &Orders) -> Vec<String> {
    let line = |line: &qianmian_trainer::orders::Line| {
        let user = if line.user == GUEST { "-" } else { &orders.user_ids[line.user as usize] };
        format!("{user} {} {}", orders.item_ids[line.item as usize], line.quantity)
    };
    orders.lines.iter().map(line).collect()
}

/// `n` rows `O,M,A,2024-01-DD` with more cells that `more` gives.
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

#[test]
fn spreadsheet_marks_are_no_part_of_ids() {
    let orders = shop(&format!("{HEADER}\n=\"0001\",'M1,=\"007\",2024-01-01\n`0002,M1\t,'008,2024-01-02\n"));
    assert_eq!((orders.item_ids.join(" "), orders.user_ids.join(" ")), ("007 008".into(), "M1".into()));
}

#[test]
fn totals_below_the_rows_are_passed_over() {
    let text = "交易时间,商户订单号,用户标识,商品名称,应结订单金额,交易状态\n\
        `2024-01-01 10:00:00,`O0,`u0,`A0,`10.00,`SUCCESS\n`2024-01-02 10:00:00,`O1,`u0,`A1,`11.00,`REFUND\n\
        总交易单数,应结订单总金额\n`2,`21.00\n";
    let orders = shop_with("time_zone = \"Asia/Shanghai\"", text);
    assert_eq!((orders.summary.kept_lines, orders.summary.cancelled, orders.summary.totals), (1, 1, 2));
    assert_eq!((lines(&orders), orders.lines[0].at), (vec!["u0 A0 1".to_owned()], 1_704_074_400));
}

#[test]
fn lines_before_the_header_are_counted() {
    let orders = shop(&format!("店铺报表\n导出时间：2024-02-01\n\n{HEADER}\n{}", rows(5, |_| String::new())));
    assert_eq!(
        (orders.summary.kept_lines, orders.summary.lines.before, orders.summary.lines.total()),
        (5, 3, 9)
    );
}

#[test]
fn baskets_stand_a_line_each() {
    let config = "[orders]\nfiles = [\"b.csv\"]\nformat = \"baskets\"\n";
    let text = b"shrimp,almonds,avocado\nburgers, meatballs\nchutney\n";
    let orders = try_shop(config, &[("b.csv", text)]).unwrap();
    assert_eq!((orders.n_baskets, orders.lines.len(), orders.user_ids.len()), (3, 6, 0));
    assert_eq!(orders.time_kind, TimeKind::None);
    assert!(orders.item_ids.contains(&"meatballs".to_owned()));
}

#[test]
fn one_hot_baskets_name_their_items_in_the_header() {
    let config = "[orders]\nfiles = [\"b.csv\"]\nformat = \"one_hot\"\n";
    let orders =
        try_shop(config, &[("b.csv", b"Feijao;Salada;Fritas\nNAO;SIM;NAO\nSIM;SIM;NAO\nNAO;2;SIM\n")])
            .unwrap();
    assert_eq!(
        (orders.n_baskets, lines(&orders).join(", ")),
        (3, "- Salada 1, - Feijao 1, - Salada 1, - Fritas 1, - Salada 2".into())
    );
}

#[test]
fn cancelled_orders_undo_nothing_and_returns_do() {
    let text = format!(
        "{HEADER},status\nO1,M,A,2024-01-01,交易成功\nO2,M,A,2024-01-02,交易关闭\nO3,M,B,2024-01-03,gone\n"
    );
    let orders = shop_with("cancelled_when = { status = \"^gone\" }", &text);
    assert_eq!(
        (lines(&orders), orders.summary.cancelled, orders.summary.returns),
        (vec!["M A 1".to_owned()], 2, 0)
    );
    let text = format!("{HEADER}\nO1,M,A,2024-01-01\nR1,M,A,2024-01-02\nO3,M,B,2024-01-03\n");
    let orders = shop_with("returned_when = { order_id = \"^R\" }", &text);
    assert_eq!(
        (lines(&orders), orders.summary.returns, orders.summary.netted_out),
        (vec!["M B 1".to_owned()], 1, 1)
    );
}

#[test]
fn returns_named_cancelled_are_doubtful() {
    let text = format!("{HEADER},quantity\nO1,M,A,2024-01-01,1\nO1,M,B,2024-01-01,1\nC2,M,A,2024-01-02,-1\n");
    let wrong = shop_with("cancelled_when = { order_id = \"^C\" }", &text);
    assert_raised(
        Code::CancelledRowsAreNegative,
        &wrong,
        &shop_with("returned_when = { order_id = \"^C\" }", &text),
    );
}

#[test]
fn row_filters_keep_and_drop_by_any_column() {
    let text = format!(
        "{HEADER},event_type,Title\nO1,M,A,2024-01-01,purchase,tea\nO1,M,B,2024-01-01,view,tea\nO1,M,,2024-01-01,purchase,Tip\n"
    );
    let options = "keep_when = { event_type = \"^purchase$\" }\ndrop_when = { Title = \"^Tip$\" }";
    let orders = shop_with(options, &text);
    assert_eq!(
        (lines(&orders), orders.summary.left_out, orders.summary.rejected),
        (vec!["M A 1".to_owned()], 2, 0)
    );
}

#[test]
fn statuses_of_many_languages_are_known_and_others_are_listed() {
    let statuses = ["交易成功", "退款成功", "bezahlt", "취소", "odd"];
    let orders = shop(&format!("{HEADER},status\n{}", rows(5, |i| format!(",{}", statuses[i]))));
    assert_eq!((orders.summary.kept_lines, orders.summary.cancelled), (3, 2));
    assert_eq!((orders.summary.statuses["odd"].rows, orders.summary.statuses["odd"].known), (1, false));
    let settled = shop_with(
        "statuses = { odd = \"cancelled\" }",
        &format!("{HEADER},status\n{}", rows(5, |i| format!(",{}", statuses[i]))),
    );
    assert_eq!(settled.summary.kept_lines, 2);
    assert_raised(Code::UnknownStatus, &orders, &settled);
}

#[test]
fn words_for_nobody_are_guests() {
    let users = ["NULL", "NA", "nan", "None", "\\N", "-", "匿名", "0", "M1", "M2"];
    let text = (0..10)
        .fold(format!("{HEADER}\n"), |text, i| text + &format!("O{i},{},P{},2024-01-01\n", users[i], i % 3));
    let orders = shop(&text);
    assert_eq!((orders.user_ids.join(" "), orders.summary.guest_lines), ("M1 M2".into(), 8));
    assert_raised(Code::GuestWords, &orders, &shop(&format!("{HEADER}\n{}", rows(9, |_| String::new()))));
    // Persons who are counted from 0 on are persons.
    let counted =
        (0..9).fold(format!("{HEADER}\n"), |text, i| text + &format!("O{i},{},P,2024-01-01\n", i % 3));
    assert_eq!(shop(&counted).user_ids.len(), 3);
}

#[test]
fn an_outsized_person_is_said_and_cured() {
    let mut text = format!("{HEADER}\n{}", rows(20, |_| String::new()));
    (0..200).for_each(|i| writeln!(text, "T{i},till,A{},2024-01-05", i % 7).unwrap());
    let wrong = shop(&text);
    let right = shop(&format!("{HEADER}\n{}", rows(20, |_| String::new())));
    assert_raised(Code::OutsizedPerson, &wrong, &right);
    let cured = shop_with("outsized = \"guest\"", &text);
    assert!(!cured.user_ids.contains(&"till".to_owned()) && cured.summary.guest_lines == 200);
    assert!(!shop_with("outsized = \"keep\"", &text).summary.has(Code::OutsizedPerson));
}

#[test]
fn ids_through_floats_are_whole_again_and_rounded_ones_are_refused() {
    let right = shop(&format!("{HEADER}\n1000,17000,23000,2024-01-01\n"));
    let wrong =
        shop(&format!("{HEADER}\n1000.0,17000.0,23000.0,2024-01-01\n1000.0,17000.0,23001.0,2024-01-02\n"));
    assert_eq!((wrong.user_ids.join(" "), wrong.item_ids.join(" ")), ("17000".into(), "23000 23001".into()));
    assert_raised(Code::IdsThroughFloat, &wrong, &right);
    let mixed = shop(&format!("{HEADER}\n1,M1,23000.0,2024-01-01\n2,M1,A-7,2024-01-02\n"));
    assert_raised(Code::IdsEndInPointZero, &mixed, &right);
    let config = "[orders]\nfiles = [\"o.csv\"]\n";
    let text = format!("{HEADER}\n1.23457E+11,M0,6.92E+11,2024-01-01\n1.23457E+17,M0,6.92E+12,2024-01-02\n");
    let error = try_shop(config, &[("o.csv", text.as_bytes())]).unwrap_err().to_string();
    assert!(
        error.contains("2 of 2 rows") && error.contains("spreadsheet") && error.contains("as text"),
        "{error}"
    );
    let one = format!("{HEADER}\n{}X,M,6.92E+11,2024-01-02\n", rows(31, |_| String::new()).repeat(4));
    let orders = try_shop(config, &[("o.csv", one.as_bytes())]).unwrap();
    assert_raised(Code::IdsRounded, &orders, &right);
}

#[test]
fn equal_lines_are_pieces_where_no_quantity_is_written() {
    let text =
        format!("{HEADER}\nO1,M1,A,2024-01-01\nO1,M1,A,2024-01-01\nO1,M1,B,2024-01-01\nO2,M2,A,2024-01-02\n");
    let orders = shop(&text);
    assert_eq!(lines(&orders), ["M1 A 2", "M1 B 1", "M2 A 1"]);
    assert_raised(Code::EqualLines, &orders, &shop(&format!("{HEADER}\n{}", rows(4, |_| String::new()))));
    assert_eq!(lines(&shop_with("equal_lines = \"duplicates\"", &text)), ["M1 A 1", "M1 B 1", "M2 A 1"]);
    // With a quantity, and in another file, they are one purchase.
    let with = format!("{HEADER},quantity\nO1,M1,A,2024-01-01,1\nO1,M1,A,2024-01-01,1\n");
    assert_eq!((lines(&shop(&with)), shop(&with).summary.duplicates), (vec!["M1 A 1".to_owned()], 1));
    let line_ids = format!("line_id,{HEADER},quantity\n1,O1,M1,A,2024-01-01,1\n2,O1,M1,A,2024-01-01,1\n");
    assert_eq!(lines(&shop(&line_ids)), ["M1 A 2"]);
}

#[test]
fn equal_lines_of_two_files_are_one_purchase() {
    let text =
        format!("{HEADER}\nO1,M1,A,2024-01-01\nO1,M1,A,2024-01-01\nO1,M1,B,2024-01-01\nO2,M2,A,2024-01-02\n");
    let two =
        try_shop("[orders]\nfiles = [\"*.csv\"]", &[("a.csv", text.as_bytes()), ("b.csv", text.as_bytes())])
            .unwrap();
    assert_eq!(
        (lines(&two), two.summary.duplicates),
        (vec!["M1 A 2".to_owned(), "M1 B 1".into(), "M2 A 1".into()], 4)
    );
}

#[test]
fn later_exports_replace_earlier_states() {
    let a = format!(
        "{HEADER},status,quantity\nO1,M1,A,2024-01-01,paid,1\nO2,M2,B,2024-01-02,paid,1\nO3,M2,C,2024-01-03,paid,1\n"
    );
    let b = format!("{HEADER},status,quantity\nO1,M1,A,2024-01-01,refunded,1\nO2,M2,B,2024-01-02,paid,3\n");
    let both = try_shop(
        "[orders]\nfiles = [\"a.csv\", \"b.csv\"]",
        &[("a.csv", a.as_bytes()), ("b.csv", b.as_bytes())],
    )
    .unwrap();
    assert_eq!((lines(&both), both.summary.replaced), (vec!["M2 B 3".to_owned(), "M2 C 1".into()], 2));
    assert_raised(Code::LaterStates, &both, &shop(&a));
    let updated = format!(
        "{HEADER},quantity,updated_at\nO1,M,A,2024-01-01,5,2024-03-01\nO1,M,A,2024-01-01,1,2024-02-01\n"
    );
    assert_eq!(lines(&shop(&updated)), ["M A 5"]);
}

#[test]
fn free_lines_can_be_left_out() {
    let text = format!("{HEADER},unit_price\nO1,M,A,2024-01-01,¥50\nO1,M,GIFT,2024-01-01,¥0.00\n");
    let (counted, dropped) = (shop(&text), shop_with("free_lines = \"drop\"", &text));
    assert_eq!((counted.lines.len(), dropped.lines.len(), dropped.summary.free), (2, 1, 1));
    assert_raised(Code::FreeLines, &counted, &dropped);
}

#[test]
fn values_of_first_lines_hold_for_their_order() {
    let text = format!(
        "{HEADER},status\n#1,a,S1,2024-01-02,paid\n#1,,S2,,\n#2,b,S1,2024-01-03,refunded\n#2,,S3,,\n#3,,S1,2024-01-04,paid\n"
    );
    let orders = shop(&text);
    assert_eq!(
        (lines(&orders), orders.n_baskets, orders.summary.cancelled),
        (vec!["a S1 1".to_owned(), "a S2 1".into(), "- S1 1".into()], 2, 2)
    );
    assert_raised(
        Code::FilledDown,
        &orders,
        &shop_with("fill_down = [\"user_id\", \"status\", \"ordered_at\"]", &text),
    );
    // Merged cells leave the order's id blank too.
    let merged = shop(&format!("{HEADER}\nO1,a,S1,2024-01-02\n,,S2,\nO2,b,S1,2024-01-03\n,,S3,\n"));
    assert_eq!(lines(&merged), ["a S1 1", "a S2 1", "b S1 1", "b S3 1"]);
}

#[test]
fn orders_that_name_their_person_here_and_there_are_said() {
    let text = format!(
        "{HEADER}\nO1,a,S1,2024-01-02\nO1,a,S3,2024-01-02\nO1,,S2,2024-01-02\nO2,b,S1,2024-01-02\nO2,b,S2,2024-01-02\n"
    );
    assert_raised(
        Code::PersonOnSomeLines,
        &shop(&text),
        &shop(&format!("{HEADER}\n{}", rows(3, |_| String::new()))),
    );
}

#[test]
fn lists_in_cells_become_lines() {
    let text = "order_id,user_id,skus,ordered_at\nO0,M0,\"A0,B0,C1\",2024-01-01\nO1,M0,\"A1,B0,C1\",2024-01-02\nO2,M1,\"A0,B1,C1\",2024-01-03\n";
    let orders = shop(text);
    assert_eq!((orders.lines.len(), orders.item_ids.join(" ")), (9, "A0 A1 B0 B1 C1".into()));
    assert_raised(Code::ListsSplit, &orders, &shop_with("split = \",\"", text));
    let doubtful = text.replace("skus", "item_id");
    assert_raised(Code::ItemsLookLikeLists, &shop(&doubtful), &shop_with("split = \",\"", &doubtful));
    let pieces = "order_id,user_id,item_id,quantity,ordered_at\nO0,M0,A|B,2|3,2024-01-01\n";
    assert_eq!(lines(&shop_with("split = \"|\"", pieces)), ["M0 A 2", "M0 B 3"]);
}

#[test]
fn items_in_numbered_columns_are_a_line_each() {
    let text = "Member,Date,Item 1,Item 2,Item 3\nM0,2024-01-01,tea,cup,\nM1,2024-01-02,pot,,\n";
    let orders =
        shop_with("columns = { user_id = \"Member\", item_id = \"Item *\", ordered_at = \"Date\" }", text);
    assert_eq!(
        (lines(&orders), orders.n_baskets),
        (vec!["M0 cup 1".to_owned(), "M0 tea 1".into(), "M1 pot 1".into()], 2)
    );
}

#[test]
fn nested_json_gives_a_line_for_each_element() {
    let order = |n: u32| {
        format!(
            "{{\"id\": \"O{n}\", \"customer\": {{\"id\": \"M{n}\"}}, \"created_at\": \"2024-01-0{n}T10:00:00+08:00\", \
             \"line_items\": [{{\"sku\": \"A\", \"quantity\": 1, \"price\": \"9.50\"}}, {{\"sku\": \"B\", \"quantity\": 2}}]}}"
        )
    };
    let json_lines = format!("{}\n{}\n", order(1), order(2));
    let array = format!("[\n {},\n {}\n]\n", order(1), order(2).replace(", ", ",\n"));
    let answer = format!("{{\"code\": 0, \"data\": {{\"orders\": [{}, {}]}}}}", order(1), order(2));
    for text in [json_lines, array, answer] {
        let orders = try_shop("[orders]\nfiles = [\"o.json\"]", &[("o.json", text.as_bytes())]).unwrap();
        assert_eq!(lines(&orders), ["M1 A 1", "M1 B 2", "M2 A 1", "M2 B 2"], "{text}");
        assert_eq!((orders.lines[0].unit_price, orders.n_baskets), (9.5, 2));
    }
}

#[test]
fn lists_of_parquet_and_arrow_give_a_line_for_each_element() {
    let mut items = ListBuilder::new(StringBuilder::new());
    for basket in [&["tea", "cup"][..], &["tea"]] {
        basket.iter().for_each(|item| items.values().append_value(item));
        items.append(true);
    }
    let text = |values: [&str; 2]| Arc::new(StringArray::from(values.to_vec())) as ArrayRef;
    let batch = RecordBatch::try_from_iter([
        ("order_id", text(["1", "2"])),
        ("user_id", Arc::new(Float64Array::from(vec![17000.0, 17001.0])) as ArrayRef),
        ("item_id", Arc::new(items.finish()) as ArrayRef),
        ("ordered_at", text(["2024-01-01", "2024-01-02"])),
    ])
    .unwrap();
    let (mut parquet, mut file, mut stream) = (Vec::new(), Vec::new(), Vec::new());
    let mut writer = parquet::arrow::ArrowWriter::try_new(&mut parquet, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    let mut writer = arrow_ipc::writer::FileWriter::try_new(&mut file, &batch.schema()).unwrap();
    writer.write(&batch).unwrap();
    writer.finish().unwrap();
    let mut writer = arrow_ipc::writer::StreamWriter::try_new(&mut stream, &batch.schema()).unwrap();
    writer.write(&batch).unwrap();
    writer.finish().unwrap();
    for (name, bytes) in [("o.parquet", parquet), ("o.arrow", file), ("s.arrow", stream)] {
        let orders = try_shop(&format!("[orders]\nfiles = [\"{name}\"]"), &[(name, &bytes)]).unwrap();
        assert_eq!(lines(&orders), ["17000 cup 1", "17000 tea 1", "17001 tea 1"], "{name}");
    }
}

#[test]
fn folders_of_hive_are_columns() {
    let row = |n: u32| format!("order_id,user_id,item_id\nO{n},M1,A\n");
    let (one, two) = (row(1), row(2));
    let files: &[(&str, &[u8])] =
        &[("d/date=2024-01-01/p.csv", one.as_bytes()), ("d/date=2024-01-02/p.csv", two.as_bytes())];
    let orders =
        try_shop("[orders]\nfiles = [\"d/**/*.csv\"]\ncolumns = { ordered_at = \"date\" }", files).unwrap();
    assert_eq!(orders.lines.iter().map(|line| line.at).collect::<Vec<_>>(), [1_704_067_200, 1_704_153_600]);
}

#[test]
fn columns_may_have_alternatives_and_drift_between_files() {
    let text = "order_id,user_id,sku,name,ordered_at\nO0,M0,,Tea,2024-01-01\nO1,M0,S1,Cup,2024-01-02\n";
    assert_eq!(
        lines(&shop_with("columns = { item_id = [\"sku\", \"name\"] }", text)),
        ["M0 Tea 1", "M0 S1 1"]
    );
    let files: &[(&str, &[u8])] = &[
        ("1.csv", "订单号,会员号,商品,时间\nO0,M0,A0,2024-01-01\n".as_bytes()),
        ("2.csv", "订单编号,会员号,商品,时间\nQ0,M0,A0,2024-02-01\n".as_bytes()),
    ];
    let config = "[orders]\nfiles = [\"*.csv\"]\ncolumns = { order_id = [\"订单号\", \"订单编号\"], user_id = \"会员号\", item_id = \"商品\", ordered_at = \"时间\" }";
    assert_eq!(try_shop(config, files).unwrap().n_baskets, 2);
}

#[test]
fn a_column_that_one_file_lacks_is_said() {
    let with = format!("{HEADER},status\nO1,M,A,2024-01-01,cancelled\nO2,M,A,2024-01-02,paid\n");
    let without = format!("{HEADER}\nO3,M,A,2024-01-03\n");
    let config = "[orders]\nfiles = [\"*.csv\"]";
    let wrong = try_shop(config, &[("a.csv", with.as_bytes()), ("b.csv", without.as_bytes())]).unwrap();
    assert_raised(Code::ColumnMissingInFile, &wrong, &shop(&with));
    assert_eq!((wrong.summary.kept_lines, wrong.summary.cancelled), (2, 1));
}

#[test]
fn without_order_ids_a_persons_day_is_a_basket() {
    let text = "Member_number,Date,itemDescription\n1000,2024-01-01,a\n1000,2024-01-01,b\n1000,2024-01-02,c\n1001,2024-01-02,a\n";
    let orders = shop(text);
    assert_eq!((orders.n_baskets, orders.lines.len()), (3, 4));
    assert_raised(Code::NoOrderIds, &orders, &shop_with("baskets = \"day\"", text));
    let visits =
        "user_id,item_id,ordered_at\nM,a,2024-01-01 10:00\nM,b,2024-01-01 10:20\nM,c,2024-01-01 15:00\n";
    assert_eq!(shop_with("baskets = \"30m\"", visits).n_baskets, 2);
}

#[test]
fn numbers_are_read_as_shops_write_them() {
    let orders = shop(&format!(
        "{HEADER},quantity,unit_price\nO1,M,A,2024-01-01,\"1,100\",\"¥1,200.00\"\nO2,M,B,2024-01-02,2件,3元\n"
    ));
    assert_eq!((orders.lines[0].quantity, orders.lines[0].unit_price), (1100.0, 1200.0));
    assert_eq!((orders.lines[1].quantity, orders.lines[1].unit_price), (2.0, 3.0));
    let comma = shop(
        "order_id;user_id;item_id;ordered_at;unit_price\n1;M;A;13.01.2024 10:05;10,50\n2;M;B;14.01.2024;1.200\n",
    );
    assert_eq!((comma.lines[0].unit_price, comma.lines[1].unit_price), (10.5, 1200.0));
    assert_raised(Code::DecimalComma, &comma, &orders);
}

#[test]
fn amounts_below_zero_are_returns() {
    let text = format!(
        "{HEADER},quantity,line_total\nO1,M1,A,2024-01-01,1,10\nO2,M1,B,2024-01-02,1,10\nR1,M1,A,2024-01-03,1,-10\n"
    );
    let orders = shop(&text);
    assert_eq!(
        (lines(&orders), orders.summary.returns, orders.summary.netted_out),
        (vec!["M1 B 1".to_owned()], 1, 1)
    );
    assert_raised(Code::NegativeAmounts, &orders, &shop(&text.replace(",-10", ",10")));
}

#[test]
fn times_are_read_as_exports_write_them() {
    let at = |header: &str, value: &str| {
        let orders = shop(&format!("order_id,user_id,item_id,{header}\nO1,M1,A,{value}\n"));
        orders.lines[0].at
    };
    // 2024-01-01T08:15:00Z.
    let expected = 1_704_096_900;
    for value in [
        "2024年1月1日 8时15分",
        "2024-01-01 星期一 上午8:15",
        "01-Jan-24 8:15",
        "2024-01-01T08:15:00Z",
        "1.7040969E+12",
    ] {
        assert_eq!(at("ordered_at", value), expected, "{value}");
    }
    assert_eq!(at("date,time", "2024-01-01,08:15"), expected);
    assert_eq!(at("日期,时间", "2024/1/1,8:15"), expected);
    assert_eq!(at("ordered_at", "2024-01-01 08"), expected - 900);
    let serial = shop(&format!("{HEADER}\nO1,M1,A,45292.40\nO2,M1,A,45293.5\n"));
    assert_eq!(serial.lines[0].at, 1_704_101_760);
    assert_raised(
        Code::SpreadsheetDays,
        &serial,
        &shop(&format!("{HEADER}\n{}", rows(2, |_| String::new()))),
    );
    let rounded = shop(&format!("{HEADER}\nO1,M1,A,1.43322E+12\n"));
    assert_raised(Code::TimesRounded, &rounded, &serial);
}

#[test]
fn each_file_may_have_its_own_style_of_dates() {
    let file = |date: &str| format!("{HEADER}\nO{},M,A,{date}\n", date.len());
    let (a, b, c) = (file("25/04/2024"), file("2024-04-26"), file("1/4/2024"));
    let files: &[(&str, &[u8])] =
        &[("a.csv", a.as_bytes()), ("b.csv", b.as_bytes()), ("c.csv", c.as_bytes())];
    let orders = try_shop("[orders]\nfiles = [\"*.csv\"]", files).unwrap();
    // The third is the first of April, as the first file has its day first.
    assert_eq!(orders.lines[0].at, 1_711_929_600);
}

#[test]
fn files_without_a_header_say_how_to_name_their_columns() {
    let text = "1::1193::5::978300760\n1::1194::5::978301160\n2::1195::4::978301560\n";
    let config = "[orders]\nfiles = [\"r.dat\"]\n";
    let error = try_shop(config, &[("r.dat", text.as_bytes())]).unwrap_err().to_string();
    assert!(
        error.contains("looks like data") && error.contains("header = false") && error.contains("1193"),
        "{error}"
    );
    let named = format!("{config}columns = {{ user_id = \"1\", item_id = \"2\", ordered_at = \"4\" }}\n");
    assert_eq!(try_shop(&named, &[("r.dat", text.as_bytes())]).unwrap().lines.len(), 3);
    let given = format!("{config}header = [\"user_id\", \"item_id\", \"rating\", \"ordered_at\"]\n");
    assert_eq!(try_shop(&given, &[("r.dat", text.as_bytes())]).unwrap().user_ids.len(), 2);
    let spaces = " 00001 20210101  A   10.77\n 00002 20210102  B   11.77\n";
    let named = "columns = { user_id = \"1\", ordered_at = \"2\", item_id = \"3\", line_total = \"4\" }";
    let orders =
        try_shop(&format!("[orders]\nfiles = [\"l.txt\"]\n{named}"), &[("l.txt", spaces.as_bytes())])
            .unwrap();
    assert_eq!(lines(&orders), ["00001 A 1", "00002 B 1"]);
}

#[test]
fn trailing_delimiters_and_backslash_quotes_are_read() {
    let orders = shop(&format!("{HEADER}\n{}", rows(4, |_| ",".to_owned())));
    assert_eq!(orders.lines.len(), 4);
    let quoted =
        format!("{HEADER},title\nO1,M1,A,2024-01-01,\"5\\\" pipe, long\"\nO2,M1,B,2024-01-02,\"x\"\n");
    assert_eq!(shop(&quoted).lines.len(), 2);
}

#[test]
fn what_holds_for_all_baskets_is_doubtful() {
    let single = (0..40)
        .fold(format!("{HEADER}\n"), |text, i| text + &format!("O{i},M{},A{},2024-01-02\n", i % 9, i % 5));
    let fine = (0..40).fold(format!("{HEADER}\n"), |text, i| {
        text + &format!("O{},M{},A{},2024-01-02\n", i / 2, i / 4, i % 5)
    });
    assert_raised(Code::OneLineBaskets, &shop(&single), &shop(&fine));
    let one = (0..60)
        .fold(format!("{HEADER}\n"), |text, i| text + &format!("O{},M,A{},2024-01-02\n", i / 2, i % 5));
    assert_raised(Code::OnePerson, &shop(&one), &shop(&fine));
    let each = (0..60)
        .fold(format!("{HEADER}\n"), |text, i| text + &format!("O{0},M{0},A{1},2024-01-02\n", i / 2, i % 5));
    assert_raised(Code::OneBasketEach, &shop(&each), &shop(&fine));
}
