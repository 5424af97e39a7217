//! The shape of files: headers, lists, nested values, folders, columns.

use super::*;

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
        assert_eq!((orders.lines[0].paid, orders.n_baskets), (950, 2));
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
fn equal_baskets_of_guests_are_several() {
    let read = |format: &str, text: &str| {
        let config = format!("[orders]\nfiles = [\"b.csv\"]\nformat = \"{format}\"\n");
        let orders = try_shop(&config, &[("b.csv", text.as_bytes())]).unwrap();
        (orders.n_baskets, orders.lines.len(), orders.summary.duplicates)
    };
    assert_eq!(read("baskets", "tea,milk\ntea,milk\nbread,tea\ntea,milk\n"), (4, 8, 0));
    assert_eq!(read("one_hot", "tea,milk,bread\n1,1,0\n1,1,0\n0,1,1\n1,1,0\n"), (4, 8, 0));
}

#[test]
fn lines_written_alike_belong_to_their_own_orders() {
    let text = format!(
        "{HEADER}\nO1,a,S1,2024-01-02\n,,S2,\nO2,b,S1,2024-01-03\n,,S2,\nO3,a,S3,2024-01-04\n,,S2,\n"
    );
    let orders = shop(&text);
    assert_eq!(lines(&orders), ["a S1 1", "a S2 1", "b S1 1", "b S2 1", "a S2 1", "a S3 1"]);
    assert_eq!((orders.n_baskets, orders.summary.duplicates), (3, 0));
}

#[test]
fn units_in_brackets_are_no_part_of_a_column_name() {
    let text = "订单编号,销售日期,扫码销售时间,单品编码,销量(千克),销售单价（元/千克）,销售类型\n\
        O0,2024-01-01,09:15:07,A0,0.5,7.60,销售\nO1,2024-01-01,09:17:27,A1,1.5,3.20,销售\n\
        O2,2024-01-02,10:00:00,A0,0.5,7.60,退货\n";
    let orders = shop(text);
    assert_eq!(lines(&orders), ["- A0 0.5", "- A1 1.5"]);
    assert_eq!((orders.lines[0].at, orders.summary.cancelled), (1_704_100_507, 1));
}

#[test]
fn columns_whose_names_differ_by_case_alone_are_refused() {
    let text =
        "order_id,user_id,item_id,Item_ID,ordered_at\nO0,M0,A0,B0,2024-01-01\nO1,M0,A1,B0,2024-01-02\n";
    let error =
        try_shop("[orders]\nfiles = [\"o.csv\"]\n", &[("o.csv", text.as_bytes())]).unwrap_err().to_string();
    assert!(error.contains("two columns `item_id` and `Item_ID`"), "{error}");
}
