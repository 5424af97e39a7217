//! The meaning of rows: purchases, returns, guests, states, numbers and times.

use super::*;

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
    // If persons are numbered from 0, then 0 is a person.
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
fn ids_through_floats_are_whole_and_rounded_ones_are_refused() {
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
    assert_eq!((orders.lines[0].quantity, orders.lines[0].paid), (1100.0, 132_000_000));
    assert_eq!((orders.lines[1].quantity, orders.lines[1].paid), (2.0, 600));
    let comma = shop(
        "order_id;user_id;item_id;ordered_at;unit_price\n1;M;A;13.01.2024 10:05;10,50\n2;M;B;14.01.2024;1.200\n",
    );
    assert_eq!((comma.lines[0].paid, comma.lines[1].paid), (1_050, 120_000));
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
