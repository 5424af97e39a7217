//! Events beside orders: purchases missing from the orders count once, and browsing never counts.

use qianmian_trainer::config::Config;
use qianmian_trainer::orders::{EventSummary, GUEST, Inputs, ReadOptions, Reason, read};

/// 2026-01-01T00:00:00Z.
const NOW: i64 = 1_767_225_600;
const ORDERS: &str = "order_id,user_id,item_id,ordered_at,quantity,unit_price,status\n\
    1,ann,tea,2025-12-01 09:00:00,2,2.5,paid\n\
    2,bob,cup,2025-12-02 09:00:00,1,8,cancelled\n\
    3,,tea,2025-12-03 09:00:00,1,2.5,paid\n";
const HEADER: &str = "event_id,type,occurred_at,user_id,session_id,item_id,channel,value\n";
const CONFIG: &str = "[orders]\nfiles = [\"o.csv\"]\n[events]\nfiles = [\"e/*.csv\"]\n";

fn read_with(config: &str, orders: &str, files: &[(&str, String)]) -> anyhow::Result<Inputs> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("e")).unwrap();
    std::fs::write(folder.path().join("o.csv"), orders).unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join("e").join(name), text).unwrap();
    }
    let config = Config::parse(config, folder.path()).unwrap();
    read(&config, &ReadOptions { max_reject_ratio: 0.5, ..ReadOptions::new(NOW) }, &|_, _, _| {})
}

/// Reads the orders with these events; returns the result and the account of the events.
fn shop(events: &str) -> (Inputs, EventSummary) {
    let inputs = read_with(CONFIG, ORDERS, &[("a.csv", format!("{HEADER}{events}"))]).unwrap();
    let summary = &inputs.orders.summary;
    let account = summary.events.clone().unwrap();
    assert!(summary.adds_up() && account.adds_up(), "{summary}");
    (inputs, account)
}

/// Every line as `user item quantity` with its basket, in the order of time.
fn lines(inputs: &Inputs) -> Vec<(u32, String)> {
    let orders = &inputs.orders;
    let line = |l: &qianmian_trainer::orders::Line| {
        let user = if l.user == GUEST { "-" } else { &orders.user_ids[l.user as usize] };
        (l.basket, format!("{user} {} {}", orders.item_ids[l.item as usize], l.quantity))
    };
    orders.lines.iter().map(line).collect()
}

fn of(basket: u32, text: &str) -> (u32, String) {
    (basket, text.to_owned())
}

#[test]
fn what_is_bought_in_one_visit_within_a_minute_is_a_basket() {
    let (inputs, account) = shop(
        "1,purchase,2025-12-10T10:00:00Z,ann,s1,cup,app,8\n\
         2,purchase,2025-12-10T10:00:40.250Z,ann,s1,pot,app,20\n\
         3,purchase,2025-12-10T10:05:00Z,ann,s1,jug,app,9\n\
         4,purchase,2025-12-10T10:05:01Z,ann,s2,mug,app,\n\
         5,purchase,2025-12-11T10:00:00Z,,v9,cup,app,8\n",
    );
    assert_eq!((account.purchases, account.rows_read), (5, 5));
    let expected = [
        of(0, "ann tea 2"),
        of(1, "- tea 1"),
        of(2, "ann cup 1"),
        of(2, "ann pot 1"),
        of(3, "ann jug 1"),
        of(4, "ann mug 1"),
        of(5, "- cup 1"),
    ];
    assert_eq!(lines(&inputs), expected);
    let pot = inputs.orders.lines.iter().find(|l| inputs.orders.item_ids[l.item as usize] == "pot").unwrap();
    assert_eq!((pot.paid, inputs.orders.channels[pot.channel as usize].as_str()), (2_000, "app"));
}

#[test]
fn what_the_orders_tell_of_too_counts_once_and_as_they_say() {
    let (inputs, account) = shop(
        "1,purchase,2025-12-01T23:59:00Z,ann,s,tea,app,5\n\
         2,purchase,2025-12-02T09:00:00Z,bob,s,cup,app,8\n\
         3,purchase,2025-12-03T12:00:00Z,,s,tea,app,2\n\
         4,purchase,2025-12-04T09:00:00Z,ann,s,tea,app,2\n\
         5,purchase,2025-12-01T09:00:00Z,bob,s,tea,app,2\n",
    );
    // The cancelled cup stays cancelled. Another day, and another user, are other purchases.
    assert_eq!((account.in_orders, account.purchases), (3, 2));
    let expected = [of(0, "ann tea 2"), of(1, "bob tea 1"), of(2, "- tea 1"), of(3, "ann tea 1")];
    assert_eq!(lines(&inputs), expected);
}

#[test]
fn a_refund_gives_one_piece_back_and_browsing_is_no_purchase() {
    let (inputs, account) = shop(
        "1,view,2025-12-10T10:00:00Z,ann,s,cup,,\n\
         2,add_to_cart,2025-12-10T10:00:00Z,zoe,s,pot,,\n\
         3,favorite,2025-12-10T10:00:00Z,ann,s,cup,,\n\
         4,search,2025-12-10T10:00:00Z,ann,s,,,\n\
         5,refund,2025-12-10T10:00:00Z,ann,s,tea,,2.5\n\
         6,purchase,2025-12-11T10:00:00Z,eve,s,jug,,9\n\
         7,refund,2025-12-12T10:00:00Z,eve,s,jug,,9\n",
    );
    assert_eq!((account.unused, account.refunds, account.purchases), (4, 2, 1));
    assert_eq!(lines(&inputs), [of(0, "ann tea 1"), of(1, "- tea 1")]);
    assert_eq!((inputs.orders.user_ids, inputs.orders.summary.netted_out), (vec!["ann".to_owned()], 1));
}

#[test]
fn an_event_counts_once_over_all_files() {
    let first = format!("{HEADER}1,purchase,2025-12-10T10:00:00Z,ann,s,cup,,8\n");
    let second = format!("{first}2,purchase,2025-12-10T10:00:00Z,ann,s,pot,,8\n");
    let inputs = read_with(CONFIG, ORDERS, &[("a.csv", first), ("b.csv", second)]).unwrap();
    let account = inputs.orders.summary.events.clone().unwrap();
    assert_eq!((account.purchases, account.repeated, account.files.len()), (2, 1, 2));
    assert!(inputs.orders.summary.to_string().contains("repeated event ids"), "{}", inputs.orders.summary);
}

#[test]
fn bad_rows_are_rejected_by_reason_and_pseudo_items_left_out() {
    let config = CONFIG
        .replace("[events]", "exclude_items = \"^gift\"\nnormalise = { item_id = \"uppercase\" }\n[events]");
    let orders = ORDERS.replace("tea", "TEA");
    let events = format!(
        "{HEADER}1,purchase,2025-12-10T10:00:00Z,ann,s,gift_card,,8\n\
         2,purchase,yesterday,ann,s,cup,,8\n\
         3,purchase,2026-12-10T10:00:00Z,ann,s,cup,,8\n\
         4,purchase,2025-12-10T10:00:00Z,,,cup,,8\n\
         6,purchase,2025-12-10T10:00:00Z,ann,s,,,8\n\
         8,,2025-12-10T10:00:00Z,ann,s,cup,,8\n\
         9,purchase,2025-12-10T10:00:00Z,ann,s,cup,,8\n{}",
        "x,view,2025-12-10T10:00:00Z,ann,s,cup,,\n".repeat(8)
    );
    let inputs = read_with(&config, &orders, &[("a.csv", events)]).unwrap();
    let account = inputs.orders.summary.events.clone().unwrap();
    assert!(account.adds_up());
    assert_eq!((account.excluded, account.purchases, account.rejected), (1, 1, 5));
    let reasons = [
        (Reason::NoType, 1),
        (Reason::NoItem, 1),
        (Reason::NoId, 1),
        (Reason::UnparsableTime, 1),
        (Reason::FutureTime, 1),
    ];
    assert_eq!(account.rejects, reasons.into());
    assert!(inputs.orders.item_ids.contains(&"CUP".to_owned()));
}

#[test]
fn purchases_can_be_left_to_the_orders() {
    let events = format!("{HEADER}1,purchase,2025-12-10T10:00:00Z,ann,s,cup,,8\n");
    let inputs = read_with(&format!("{CONFIG}purchases = false\n"), ORDERS, &[("a.csv", events)]).unwrap();
    let account = inputs.orders.summary.events.clone().unwrap();
    assert_eq!((account.unused, inputs.orders.lines.len()), (1, 2));
}

#[test]
fn orders_without_times_have_no_place_for_events() {
    let events = vec![("a.csv", format!("{HEADER}1,view,2025-12-10T10:00:00Z,ann,s,cup,,\n"))];
    let config = CONFIG.replace("[events]", "timeless = true\n[events]");
    let error = read_with(&config, "order_id,user_id,item_id\n1,ann,tea\n", &events).unwrap_err();
    assert!(error.to_string().contains("[events]"), "{error}");
}

#[test]
fn an_event_log_alone_is_a_source() {
    let log = "event_time,event_type,product_id,user_id,user_session\n\
        2024-01-01 10:00:00,view,P1,U0,s0\n2024-01-01 10:01:00,purchase,P2,U0,s0\n\
        2024-01-01 10:01:10,purchase,P3,U0,s0\n2024-01-02 10:00:00,cart,P1,U1,s1\n2024-01-02 10:00:00,purchase,P1,U1,s1\n";
    let config = "[events]\nfiles = [\"e/*.csv\"]\n";
    let inputs = read_with(config, ORDERS, &[("log.csv", log.to_owned())]).unwrap();
    assert_eq!(lines(&inputs), [of(0, "U0 P2 1"), of(0, "U0 P3 1"), of(1, "U1 P1 1")]);
    let account = inputs.orders.summary.events.clone().unwrap();
    assert_eq!((account.purchases, account.unused, account.types["view"]), (3, 2, 1));
    let error =
        read_with(config, ORDERS, &[("log.csv", log.replace("purchase", "view"))]).unwrap_err().to_string();
    assert!(error.contains("no purchase remains") && error.contains("view 4"), "{error}");
}

#[test]
fn purchases_of_storefronts_count_only_without_orders() {
    let header = "event_id,type,occurred_at,user_id,item_id,storefront\n";
    let rows = "1,purchase,2025-12-10T10:00:00Z,eve,cup,true\n2,refund,2025-12-10T10:00:00Z,ann,tea,true\n\
        3,purchase,2025-12-01T10:00:00Z,ann,tea,true\n4,purchase,2025-12-10T10:00:00Z,bob,cup,false\n";
    let files = [("a.csv", format!("{header}{rows}"))];
    let inputs = read_with(CONFIG, ORDERS, &files).unwrap();
    let account = inputs.orders.summary.events.clone().unwrap();
    assert!(account.adds_up() && account.to_string().contains("of storefronts, left to orders"), "{account}");
    assert_eq!((account.unconfirmed, account.purchases, account.refunds, account.in_orders), (3, 1, 0, 0));
    assert_eq!(lines(&inputs), [of(0, "ann tea 2"), of(1, "- tea 1"), of(2, "bob cup 1")]);
    let alone = "[events]\nfiles = [\"e/*.csv\"]\n";
    let inputs = read_with(alone, ORDERS, &files).unwrap();
    assert_eq!(inputs.orders.summary.events.unwrap().unconfirmed, 0, "events are the only source");
}
