//! The same orders in every supported format, and the other tables.

use arrow_array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMillisecondArray};
use qianmian_money::Money;
use qianmian_trainer::config::Config;
use qianmian_trainer::orders::{
    GUEST, Identity, Inputs, NONE_CODE, Orders, ReadOptions, Reason, SEQUENCE_END, TimeKind, read,
};
use std::cell::Cell;
use std::path::Path;
use std::sync::Arc;

/// 2026-01-01T00:00:00Z.
const NOW: i64 = 1_767_225_600;
const CSV: &str = "order_id,user_id,item_id,ordered_at,quantity,unit_price,channel,store_id,status\n\
    1,ann,tea,2025-01-02 03:04:05,2,2.5,app,s1,paid\n\
    1,ann,cup,2025-01-02 03:04:05,1,8,app,s1,paid\n\
    2,,tea,2025-01-03 00:00:00,1,,store,,\n\
    3,bob,tea,2025-01-04 00:00:00,1,2.5,app,,refunded\n";

/// Reads with this configuration in a folder of these files.
fn shop(config: &str, files: &[(&str, &[u8])]) -> Inputs {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        std::fs::write(folder.path().join(name), bytes).unwrap();
    }
    read_in(folder.path(), config, 1.0)
}

fn read_in(folder: &Path, config: &str, max_reject_ratio: f64) -> Inputs {
    let config = Config::parse(config, folder).unwrap();
    let options = ReadOptions { max_reject_ratio, ..ReadOptions::new(NOW) };
    let inputs = read(&config, &options, &|_, _, _| {}).unwrap();
    assert!(inputs.orders.summary.adds_up(), "{}", inputs.orders.summary);
    inputs
}

/// Asserts that `orders` has the content of [`CSV`].
fn assert_is_the_shop(orders: &Orders) {
    assert_eq!((orders.item_ids.join(" "), orders.user_ids.join(" ")), ("cup tea".into(), "ann".into()));
    assert_eq!((orders.channels.join(" "), orders.stores.join(" ")), ("app store".into(), "s1".into()));
    assert_eq!((orders.n_baskets, orders.time_kind), (2, TimeKind::Timestamps));
    assert_eq!((orders.summary.cancelled, orders.lines.len()), (1, 3));
    let [cup, tea, guest] = [orders.lines[0], orders.lines[1], orders.lines[2]];
    assert_eq!((cup.at, cup.basket, cup.user, cup.item, cup.paid), (1_735_787_045, 0, 0, 0, 800));
    assert_eq!((tea.quantity, tea.item, tea.channel, tea.store), (2.0, 1, 0, 0));
    assert_eq!((guest.user, guest.basket, guest.channel, guest.store), (GUEST, 1, 1, NONE_CODE));
    assert!(guest.paid().is_none());
}

#[test]
fn csv_tsv_and_other_delimiters_say_the_same() {
    assert_is_the_shop(&shop("[orders]\nfiles = [\"o.csv\"]", &[("o.csv", CSV.as_bytes())]).orders);
    let tsv = CSV.replace(',', "\t");
    assert_is_the_shop(&shop("[orders]\nfiles = [\"o.tsv\"]", &[("o.tsv", tsv.as_bytes())]).orders);
    let config = "[orders]\nfiles = [\"o.txt\"]\nformat = \"csv\"\ndelimiter = \";\"";
    let crlf = CSV.replace(',', ";").replace('\n', "\r\n");
    assert_is_the_shop(&shop(config, &[("o.txt", crlf.as_bytes())]).orders);
}

#[test]
fn json_lines_say_the_same() {
    let mut lines = CSV.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let keys = lines.next().unwrap();
    let mut text = String::new();
    for cells in lines {
        let pairs = keys.iter().zip(cells).filter(|(_, cell)| !cell.is_empty());
        let object: serde_json::Map<_, _> =
            pairs.map(|(key, cell)| ((*key).to_owned(), serde_json::Value::from(cell))).collect();
        text += &serde_json::to_string(&object).unwrap();
        text.push('\n');
    }
    assert_is_the_shop(&shop("[orders]\nfiles = [\"o.jsonl\"]", &[("o.jsonl", text.as_bytes())]).orders);
}

#[test]
fn parquet_says_the_same() {
    let text = |values: [Option<&str>; 4]| Arc::new(StringArray::from(values.to_vec())) as ArrayRef;
    let times = [1_735_787_045_000, 1_735_787_045_000, 1_735_862_400_000, 1_735_948_800_000];
    let times = TimestampMillisecondArray::from(times.to_vec()).with_timezone("Asia/Shanghai");
    let prices = Float64Array::from(vec![Some(2.5), Some(8.0), None, Some(2.5)]);
    let batch = RecordBatch::try_from_iter([
        ("order_id", Arc::new(Int64Array::from(vec![1, 1, 2, 3])) as ArrayRef),
        ("user_id", text([Some("ann"), Some("ann"), None, Some("bob")])),
        ("item_id", text(["tea", "cup", "tea", "tea"].map(Some))),
        ("ordered_at", Arc::new(times)),
        ("quantity", Arc::new(Float64Array::from(vec![2.0, 1.0, 1.0, 1.0]))),
        ("unit_price", Arc::new(prices)),
        ("channel", text(["app", "app", "store", "app"].map(Some))),
        ("store_id", text([Some("s1"), Some("s1"), None, None])),
        ("status", text([Some("paid"), Some("paid"), None, Some("refunded")])),
    ])
    .unwrap();
    let mut bytes = Vec::new();
    let mut writer = parquet::arrow::ArrowWriter::try_new(&mut bytes, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    let files: &[(&str, &[u8])] = &[("o.parquet", &bytes)];
    assert_is_the_shop(&shop("[orders]\nfiles = [\"*.parquet\"]", files).orders);
    for end in (0..bytes.len()).step_by(7) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("o.parquet"), &bytes[..end]).unwrap();
        let config = Config::parse("[orders]\nfiles = [\"o.parquet\"]", folder.path()).unwrap();
        assert!(read(&config, &ReadOptions::new(NOW), &|_, _, _| {}).is_err(), "cut at {end}");
    }
}

#[test]
fn overlapping_files_are_one_history() {
    let packed = zstd::encode_all(CSV.as_bytes(), 3).unwrap();
    let files: &[(&str, &[u8])] = &[("a.csv", CSV.as_bytes()), ("b.csv.zst", &packed), ("c.txt", b"no")];
    let orders = shop("[orders]\nfiles = [\"*.csv*\", \"a.csv\"]", files).orders;
    assert_is_the_shop(&orders);
    assert_eq!((orders.summary.files.len(), orders.summary.duplicates), (2, 4));
}

#[test]
fn totals_returns_and_formats_follow_the_configuration() {
    let config = "[orders]\nfiles = [\"o.csv\"]\ntime_format = \"%d/%m/%Y\"\ntime_zone = \"+08:00\"\n\
        columns = { item_id = \"SKU\", line_total = \"Total\", ordered_at = \"Day\" }\n\
        returned_when = { order_id = \"^C\" }\nexclude_items = \"^post\"\nnormalise = { item_id = \"uppercase\" }\n";
    let csv = "order_id,user_id,SKU,Day,quantity,Total\n\
        1,ann,tea,03/04/2024,4,10\n2,ann,TEA,04/04/2024,1,9\nC3,ann,Tea,05/04/2024,2,18\n4,ann,postage,03/04/2024,1,1\n";
    let orders = shop(config, &[("o.csv", csv.as_bytes())]).orders;
    assert_eq!((orders.item_ids.join(" "), orders.lines.len()), ("TEA".into(), 1));
    // 2024-04-02T16:00:00Z; the return undid the second purchase and a piece of the first.
    let line = orders.lines[0];
    assert_eq!((line.at, line.quantity, line.paid), (1_712_073_600, 3.0, 750));
    let summary = &orders.summary;
    assert_eq!((summary.excluded, summary.returns, summary.netted_out), (1, 1, 1));
}

#[test]
fn sequences_count_steps_back_from_their_end() {
    let config = "[orders]\nfiles = [\"s.txt\"]\nformat = \"sequences\"";
    let orders = shop(config, &[("s.txt", b"u1 a b a\nu2 b\n\nu1 c\nu3\n")]).orders;
    assert_eq!((orders.time_kind, orders.n_baskets, orders.lines.len()), (TimeKind::Steps, 4, 4));
    let of_u1: Vec<(i64, &str)> = (orders.lines.iter().filter(|line| line.user == 0))
        .map(|line| ((line.at - SEQUENCE_END) / 86_400, orders.item_ids[line.item as usize].as_str()))
        .collect();
    assert_eq!(of_u1, [(-2, "a"), (-1, "b"), (0, "a")]);
    assert_eq!(orders.summary.rejects, [(Reason::NoItem, 1), (Reason::RepeatedUser, 1)].into());
}

#[test]
fn timeless_orders_keep_the_order_of_the_files() {
    let config = "[orders]\nfiles = [\"o.csv\"]\ntimeless = true";
    let orders = shop(config, &[("o.csv", b"order_id,item_id\n9,b\n1,a\n9,a\n")]).orders;
    let lines: Vec<(i64, u32, u32)> = orders.lines.iter().map(|l| (l.at, l.basket, l.item)).collect();
    assert_eq!((orders.time_kind, lines), (TimeKind::None, vec![(0, 0, 0), (0, 0, 1), (1, 1, 0)]));
}

#[test]
fn one_order_id_of_two_users_is_two_baskets() {
    let csv =
        b"order_id,user_id,item_id,ordered_at\n1,ann,a,2025-01-01\n1,bob,a,2025-01-01\n1,ann,b,2025-01-01\n";
    let orders = shop("[orders]\nfiles = [\"o.csv\"]", &[("o.csv", csv)]).orders;
    assert_eq!((orders.n_baskets, orders.lines.len()), (2, 3));
}

#[test]
fn a_catalogue_out_of_the_orders_takes_the_most_frequent_value() {
    let config = "[orders]\nfiles = [\"o.csv\"]\nnormalise = { item_id = \"lowercase\" }\n\
        [items]\nfrom_orders = true\ncolumns = { title = \"Name\", category = [\"c1\", \"c2\"] }";
    let csv = b"order_id,user_id,item_id,ordered_at,status,Name,c1,c2\n\
        1,u,A,2025-01-01,paid,Tee,food,tea\n2,u,a,2025-01-01,paid, Tea ,food,tea\n3,u,a,2025-01-01,paid,Tea,food,\n\
        4,u,b,2025-01-01,paid,,,\n5,u,c,2025-01-01,refunded,Gone,x,y\n";
    let items = shop(config, &[("o.csv", csv)]).items;
    assert_eq!(items.iter().map(|item| item.item_id.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!((items[0].title.as_deref(), items[0].category.as_deref()), (Some("Tea"), Some("food/tea")));
    // The status is the order's and not the item's.
    assert_eq!((&items[1].title, &items[0].status), (&None, &None));
}

#[test]
fn the_tables_beside_the_orders_are_typed_and_accounted_for() {
    let config = "[orders]\nfiles = [\"o.csv\"]\n[items]\nfiles = [\"items.csv\"]\n\
        [users]\nfiles = [\"users.jsonl\"]\n[identities]\nfiles = [\"ids.csv\"]";
    let items = b"item_id,title,price,launched_at,tags,store_ids\ntea, Green ,2.5,2024-01-01,a|b|a,s1;s2\n\
        tea,Later,1,2024-01-01,,\nnew,,,,,\nbad,x,NaN,,,\n,x,,,,\n";
    let users = "{\"user_id\":\"ann\",\"birthday\":\"1990-05-01\",\"lat\":31.2,\"lon\":121.5,\"tags\":[\"vip\"],\
        \"consent_marketing\":true,\"consent_sms\":null}\n{\"user_id\":\"far\",\"lat\":91}\n";
    let ids =
        "user_id,type,value\nann,member_card,1\nann,phone_sha256,x\nbob,member_card,1\n,member_card,2\n";
    let files: &[(&str, &[u8])] = &[
        ("o.csv", CSV.as_bytes()),
        ("items.csv", items),
        ("users.jsonl", users.as_bytes()),
        ("ids.csv", ids.as_bytes()),
    ];
    let inputs = shop(config, files);
    let tea = &inputs.items[1];
    assert_eq!(
        (tea.title.as_deref(), tea.price, tea.launched_at),
        (Some("Green"), Money::new(250), Some(1_704_067_200))
    );
    assert_eq!((tea.tags.join(" "), tea.store_ids.join(" ")), ("a b".into(), "s1 s2".into()));
    let ann = &inputs.users[0];
    assert_eq!((ann.birthday, ann.lat, ann.tags.join(" ")), (Some(641_520_000), Some(31.2), "vip".into()));
    let consents = [("consent_marketing".to_owned(), Some(true)), ("consent_sms".to_owned(), None)];
    assert_eq!(ann.consents, consents.into());
    let card = Identity { user_id: "ann".into(), kind: "member_card".into(), value: "1".into() };
    assert_eq!((inputs.identities.len(), &inputs.identities[0]), (2, &card));
    let account: Vec<_> =
        inputs.tables.iter().map(|t| (t.table, t.rows_read, t.kept, t.repeated, t.rejected)).collect();
    assert_eq!(account, [("items", 5, 2, 1, 2), ("users", 2, 1, 0, 1), ("identities", 4, 2, 1, 1)]);
}

#[test]
fn progress_ends_at_all_bytes_and_all_rows() {
    let folder = tempfile::tempdir().unwrap();
    let text = "order_id,item_id\n".to_owned() + &"1,a\n2,a\n".repeat(20_000);
    std::fs::write(folder.path().join("o.csv"), &text).unwrap();
    let config = Config::parse("[orders]\nfiles = [\"o.csv\"]\ntimeless = true", folder.path()).unwrap();
    let (calls, last) = (Cell::new(0), Cell::new((0, 0, 0)));
    let progress = |read, total, rows| {
        calls.set(calls.get() + 1);
        last.set((read, total, rows));
    };
    read(&config, &ReadOptions::new(NOW), &progress).unwrap();
    assert_eq!(last.get(), (text.len() as u64, text.len() as u64, 40_000));
    assert!(calls.get() > 2);
}
