//! Properties of the generated shop, checked on its files alone.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::OnceLock;

use arrow_array::{Array, ArrayRef, StringArray};
use arrow_schema::DataType;
use chrono::NaiveDate;
use parquet::arrow::arrow_reader::ParquetRecordBatchReader;
use qianmian_trainer::demo_data::{DemoDataArgs, OrdersFormat, run};
use tempfile::TempDir;

fn args(out: &Path) -> DemoDataArgs {
    DemoDataArgs {
        out: out.to_owned(),
        users: 1_000,
        items: None,
        days: 360,
        until: NaiveDate::from_ymd_opt(2026, 1, 1).unwrap(),
        seed: 7,
        format: OrdersFormat::CsvZst,
        events: true,
        pictures: false,
    }
}

fn generated(change: impl FnOnce(&mut DemoDataArgs)) -> TempDir {
    let folder = TempDir::new().unwrap();
    let mut args = args(folder.path());
    change(&mut args);
    run(&args, |_| {}).unwrap();
    folder
}

fn files_of(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap());
    entries.map(|e| (e.file_name().into_string().unwrap(), std::fs::read(e.path()).unwrap())).collect()
}

fn text(folder: &Path, name: &str) -> String {
    let bytes = std::fs::read(folder.join(name)).unwrap();
    let plain = if name.ends_with(".zst") { zstd::decode_all(bytes.as_slice()).unwrap() } else { bytes };
    String::from_utf8(plain).unwrap()
}

type Row = BTreeMap<String, String>;

fn table(folder: &Path, name: &str) -> Vec<Row> {
    csv::Reader::from_reader(text(folder, name).as_bytes()).deserialize().map(|row| row.unwrap()).collect()
}

/// An order line that is not a return.
struct Purchase {
    order: String,
    /// Empty for a guest.
    user: String,
    item: String,
    date: NaiveDate,
}

/// The shop that the tests share, read back from its files.
struct Tables {
    lines: Vec<Row>,
    purchases: Vec<Purchase>,
    items: BTreeMap<String, Row>,
    users: Vec<Row>,
    identities: Vec<Row>,
}

impl Tables {
    /// A level of an item's category path, the department being 0 and the leaf 2.
    fn level(&self, item: &str, level: usize) -> &str {
        self.items[item]["category"].split('/').nth(level).unwrap()
    }

    fn baskets(&self) -> BTreeMap<&str, Vec<&Purchase>> {
        let mut baskets = BTreeMap::<_, Vec<_>>::new();
        for purchase in &self.purchases {
            baskets.entry(purchase.order.as_str()).or_default().push(purchase);
        }
        baskets
    }
}

fn shop() -> &'static Tables {
    static SHOP: OnceLock<Tables> = OnceLock::new();
    SHOP.get_or_init(|| {
        let folder = generated(|_| {});
        let lines = table(folder.path(), "orders.csv.zst");
        let bought = lines.iter().filter(|l| !l["quantity"].starts_with('-'));
        let purchases = bought.map(|l| Purchase {
            order: l["order_id"].clone(),
            user: l["user_id"].clone(),
            item: l["item_id"].clone(),
            date: l["ordered_at"][..10].parse().unwrap(),
        });
        let items = table(folder.path(), "items.csv").into_iter().map(|i| (i["item_id"].clone(), i));
        Tables {
            purchases: purchases.collect(),
            items: items.collect(),
            users: table(folder.path(), "users.csv"),
            identities: table(folder.path(), "identities.csv"),
            lines,
        }
    })
}

fn median(mut numbers: Vec<i64>) -> i64 {
    numbers.sort_unstable();
    numbers[numbers.len() / 2]
}

#[test]
fn pictures_are_data_urls_and_change_nothing_else() {
    let (plain, drawn) = (generated(|_| {}), generated(|args| args.pictures = true));
    let (plain, drawn) = (table(plain.path(), "items.csv"), table(drawn.path(), "items.csv"));
    assert_eq!(plain.len(), drawn.len());
    let mut different = BTreeSet::new();
    for (plain, mut drawn) in plain.into_iter().zip(drawn) {
        let picture = drawn.remove("image_url").unwrap();
        assert!(picture.starts_with("data:image/svg+xml,%3Csvg ") && picture.len() < 400, "{picture}");
        assert_eq!(plain, drawn);
        different.insert(picture);
    }
    assert!(different.len() > 100, "{}", different.len());
}

#[test]
fn the_same_seed_gives_the_same_bytes_on_any_number_of_threads() {
    let on_all = generated(|_| {});
    let one = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let on_one = one.install(|| generated(|_| {}));
    let files = files_of(on_all.path());
    assert_eq!(files.len(), 7, "{:?}", files.keys());
    assert!(files == files_of(on_one.path()));
}

#[test]
fn another_seed_gives_another_shop() {
    let (a, b) = (generated(|_| {}), generated(|args| args.seed = 8));
    for name in ["orders.csv.zst", "items.csv", "users.csv", "identities.csv", "stores.csv"] {
        assert_ne!(text(a.path(), name), text(b.path(), name), "{name}");
    }
}

#[test]
fn events_do_not_change_the_orders() {
    let (with, without) = (generated(|_| {}), generated(|args| args.events = false));
    assert!(text(with.path(), "events.csv.zst").lines().count() > 100);
    assert!(!without.path().join("events.csv.zst").exists());
    assert_eq!(text(with.path(), "orders.csv.zst"), text(without.path(), "orders.csv.zst"));
}

#[test]
fn every_table_has_the_canonical_columns() {
    let folder = generated(|_| {});
    let header = |name| text(folder.path(), name).lines().next().unwrap().to_owned();
    assert_eq!(
        header("orders.csv.zst"),
        "order_id,user_id,item_id,ordered_at,quantity,unit_price,channel,store_id,room_id,merchant_id,status"
    );
    assert_eq!(
        header("items.csv"),
        "item_id,title,category,brand,merchant_id,price,cost,stock,launched_at,tags,status,store_ids"
    );
    assert!(
        header("users.csv").starts_with("user_id,birthday,gender,city,lat,lon,registered_at,tags,consent")
    );
    assert_eq!(header("identities.csv"), "user_id,type,value");
    assert!(header("events.csv.zst").starts_with("event_id,type,occurred_at,user_id,session_id,item_id"));
}

#[test]
fn the_configuration_names_files_that_are_there() {
    let folder = generated(|_| {});
    let config: toml::Table = toml::from_str(&text(folder.path(), "shop.toml")).unwrap();
    let sections: BTreeSet<_> = config.keys().map(String::as_str).collect();
    assert_eq!(sections, BTreeSet::from(["orders", "items", "users", "identities"]));
    for table in config.values() {
        let file = table["files"][0].as_str().unwrap();
        assert!(folder.path().join(file).is_file(), "{file}");
    }
}

/// A column as text; times as milliseconds.
fn as_text(column: &ArrayRef) -> ArrayRef {
    let plain = match column.data_type() {
        DataType::Timestamp(..) => arrow_cast::cast(column, &DataType::Int64).unwrap(),
        _ => column.clone(),
    };
    arrow_cast::cast(&plain, &DataType::Utf8).unwrap()
}

#[test]
fn all_formats_hold_the_same_order_lines() {
    let zst = generated(|_| {});
    let csv = generated(|args| args.format = OrdersFormat::Csv);
    let parquet = generated(|args| args.format = OrdersFormat::Parquet);
    let plain = text(csv.path(), "orders.csv");
    assert_eq!(plain, text(zst.path(), "orders.csv.zst"));

    let file = std::fs::File::open(parquet.path().join("orders.parquet")).unwrap();
    let mut lines = plain.lines().skip(1);
    for batch in ParquetRecordBatchReader::try_new(file, 4_096).unwrap() {
        let batch = batch.unwrap();
        let columns: Vec<_> = batch.columns().iter().map(as_text).collect();
        for row in 0..batch.num_rows() {
            let of_csv: Vec<&str> = lines.next().unwrap().split(',').collect();
            for (number, column) in columns.iter().enumerate() {
                let column = column.as_any().downcast_ref::<StringArray>().unwrap();
                let value = if column.is_null(row) { "" } else { column.value(row) };
                match batch.schema().field(number).name().as_str() {
                    "unit_price" => {
                        assert_eq!(value.parse::<f64>().unwrap(), of_csv[number].parse::<f64>().unwrap());
                    }
                    "ordered_at" => {
                        let at = chrono::DateTime::parse_from_rfc3339(of_csv[number]).unwrap();
                        assert_eq!(value.parse::<i64>().unwrap(), at.timestamp_millis());
                    }
                    name => assert_eq!(value, of_csv[number], "{name}"),
                }
            }
        }
    }
    assert_eq!(lines.next(), None);
}

#[test]
fn every_line_has_a_launched_item_inside_the_window() {
    let shop = shop();
    let users: BTreeSet<_> = shop.users.iter().map(|u| &u["user_id"]).collect();
    let mut seen = BTreeSet::new();
    for line in &shop.lines {
        let at = &line["ordered_at"];
        assert!(("2025-01-06T00:00:00Z".."2026-01-01").contains(&at.as_str()), "{at}");
        assert!(shop.items[&line["item_id"]]["launched_at"] <= *at);
        assert!(line["user_id"].is_empty() || users.contains(&line["user_id"]));
        assert!(seen.insert((&line["order_id"], &line["item_id"], line["quantity"].starts_with('-'))));
        assert_eq!(line["channel"] == "store", !line["store_id"].is_empty());
        assert_eq!(line["channel"] == "livestream", !line["room_id"].is_empty());
    }
}

#[test]
fn a_store_sells_only_what_it_carries() {
    let shop = shop();
    let in_stores: Vec<_> = shop.lines.iter().filter(|l| !l["store_id"].is_empty()).collect();
    assert!(in_stores.len() > 500, "{}", in_stores.len());
    for line in in_stores {
        let carrying = &shop.items[&line["item_id"]]["store_ids"];
        assert!(carrying.split('|').any(|store| store == line["store_id"]), "{line:?}");
    }
}

#[test]
fn guests_returns_and_channels_have_their_shares() {
    let (shop, n) = (shop(), shop().lines.len() as f64);
    let share = |is: &dyn Fn(&Row) -> bool| shop.lines.iter().filter(|l| is(l)).count() as f64 / n;
    let guests = share(&|l| l["user_id"].is_empty());
    assert!((0.07..0.13).contains(&guests), "{guests}");
    let returns = share(&|l| l["quantity"].starts_with('-'));
    assert!((0.012..0.03).contains(&returns), "{returns}");
    for (channel, low, high) in [
        ("wechat_mini_program", 0.25, 0.45),
        ("tmall", 0.14, 0.30),
        ("app", 0.11, 0.27),
        ("store", 0.10, 0.25),
        ("livestream", 0.04, 0.16),
    ] {
        let of_channel = share(&|l| l["channel"] == channel);
        assert!((low..high).contains(&of_channel), "{channel}: {of_channel}");
    }
}

#[test]
fn order_counts_and_basket_sizes_are_realistic() {
    let shop = shop();
    let mut orders = BTreeMap::<&str, i64>::new();
    for basket in shop.baskets().values().filter(|b| !b[0].user.is_empty()) {
        *orders.entry(&basket[0].user).or_default() += 1;
    }
    let most = *orders.values().max().unwrap();
    let typical = median(orders.into_values().collect());
    assert!((4..=8).contains(&typical), "{typical}");
    assert!(most >= 5 * typical, "{most}");
    let lines = shop.purchases.len() as f64 / shop.baskets().len() as f64;
    assert!((2.0..4.0).contains(&lines), "{lines}");
}

#[test]
fn complements_are_bought_together_more_than_by_chance() {
    let shop = shop();
    let leaves = |basket: &Vec<&Purchase>| basket.iter().map(|p| shop.level(&p.item, 2)).collect();
    let baskets: Vec<BTreeSet<&str>> = shop.baskets().values().map(leaves).collect();
    let count = |of: &[&str]| baskets.iter().filter(|b| of.iter().all(|l| b.contains(l))).count() as f64;
    let lift = |a, b| count(&[a, b]) * baskets.len() as f64 / (count(&[a]) * count(&[b]));
    for (a, b) in [("牙刷", "牙膏"), ("面粉", "酵母"), ("火锅底料", "肥牛羊肉卷"), ("咖啡", "咖啡伴侣")]
    {
        assert!(count(&[a, b]) >= 20.0, "{a} + {b}: {}", count(&[a, b]));
        assert!(lift(a, b) > 3.0, "{a} + {b}: {}", lift(a, b));
    }
    assert!(lift("抽纸", "牙膏") < 2.0, "no complements: {}", lift("抽纸", "牙膏"));
}

#[test]
fn nappies_are_bought_again_about_every_three_weeks() {
    let shop = shop();
    let mut days = BTreeMap::<&str, BTreeSet<NaiveDate>>::new();
    for p in shop.purchases.iter().filter(|p| !p.user.is_empty() && shop.level(&p.item, 2) == "纸尿裤") {
        days.entry(&p.user).or_default().insert(p.date);
    }
    let mut gaps = Vec::new();
    for of_user in days.values() {
        gaps.extend(of_user.iter().zip(of_user.iter().skip(1)).map(|(a, b)| (*b - *a).num_days()));
    }
    assert!(gaps.len() > 100, "{}", gaps.len());
    let typical = median(gaps);
    assert!((18..=25).contains(&typical), "{typical}");
}

#[test]
fn goods_of_a_season_sell_in_it() {
    let shop = shop();
    let sold = |leaf: &str, from: &str, to: &str| {
        let (from, to): (NaiveDate, NaiveDate) = (from.parse().unwrap(), to.parse().unwrap());
        let of_leaf = shop.purchases.iter().filter(|p| shop.level(&p.item, 2) == leaf);
        of_leaf.filter(|p| (from..to).contains(&p.date)).count()
    };
    assert!(sold("防晒霜", "2025-06-01", "2025-09-01") > 3 * sold("防晒霜", "2025-01-06", "2025-04-01"));
    assert!(sold("火锅底料", "2025-11-01", "2026-01-01") > 3 * sold("火锅底料", "2025-06-01", "2025-08-01"));
    // The Mid-Autumn Festival of 2025 fell on 6 October.
    assert!(sold("月饼", "2025-09-08", "2025-10-07") > 20);
    assert_eq!(sold("月饼", "2025-10-07", "2026-01-01"), 0);
}

#[test]
fn the_eleventh_of_november_is_the_busiest_day() {
    let shop = shop();
    let mut orders = BTreeMap::<NaiveDate, usize>::new();
    for basket in shop.baskets().values() {
        *orders.entry(basket[0].date).or_default() += 1;
    }
    let busiest = orders.iter().max_by_key(|(_, n)| **n).unwrap().0;
    assert_eq!(busiest.to_string(), "2025-11-11");
}

#[test]
fn tastes_beat_popularity_which_beats_chance() {
    let shop = shop();
    let split: NaiveDate = "2025-12-02".parse().unwrap();
    let known = || shop.purchases.iter().filter(|p| !p.user.is_empty());
    let mut popular = BTreeMap::<&str, f64>::new();
    for p in shop.purchases.iter().filter(|p| p.date < split && (split - p.date).num_days() <= 60) {
        *popular.entry(&p.item).or_default() += 1.0;
    }
    let mut before = BTreeMap::<&str, Vec<&Purchase>>::new();
    for p in known().filter(|p| p.date < split) {
        before.entry(&p.user).or_default().push(p);
    }
    let mut after = BTreeMap::<&str, BTreeSet<&str>>::new();
    for p in known().filter(|p| p.date >= split && before.contains_key(p.user.as_str())) {
        after.entry(&p.user).or_default().insert(&p.item);
    }
    assert!(after.len() > 200, "{}", after.len());

    // Hits among ten popular items, weighted by the person's history.
    let hits = |weight: &dyn Fn(&[&Purchase], &str) -> f64| -> usize {
        let of_user = |(user, truth): (&&str, &BTreeSet<&str>)| {
            let mut scored: Vec<(f64, &str)> =
                popular.iter().map(|(item, n)| (n * weight(&before[user], item), *item)).collect();
            scored.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
            scored.iter().take(10).filter(|(_, item)| truth.contains(item)).count()
        };
        after.iter().map(of_user).sum()
    };
    let by_popularity = hits(&|_, _| 1.0);
    let by_department = hits(&|bought, item| {
        let same = |p: &&&Purchase| shop.level(&p.item, 0) == shop.level(item, 0);
        0.05 + bought.iter().filter(same).count() as f64
    });
    let by_history = hits(&|bought, item| 0.01 + bought.iter().filter(|p| p.item == item).count() as f64);
    let by_chance = 10 * after.values().map(BTreeSet::len).sum::<usize>() / shop.items.len();
    assert!(by_popularity > 3 * by_chance, "popularity {by_popularity}, chance {by_chance}");
    assert!(2 * by_department > 3 * by_popularity, "departments {by_department}, popularity {by_popularity}");
    assert!(by_history > 2 * by_popularity, "history {by_history}, popularity {by_popularity}");
}

#[test]
fn every_user_has_identities_and_none_is_a_phone_number() {
    let shop = shop();
    let mut of_user = BTreeMap::<&str, usize>::new();
    let mut pairs = BTreeSet::new();
    for identity in &shop.identities {
        *of_user.entry(&identity["user_id"]).or_default() += 1;
        assert!(pairs.insert((&identity["type"], &identity["value"])));
        let value = &identity["value"];
        match identity["type"].as_str() {
            "phone_sha256" => assert!(value.len() == 64 && value.bytes().all(|c| c.is_ascii_hexdigit())),
            "wechat_unionid" => assert!(value.len() == 29 && value.starts_with('o')),
            "member_card" => assert!(value.starts_with("MC")),
            other => panic!("unknown identity type {other}"),
        }
    }
    assert_eq!(of_user.len(), shop.users.len());
    assert!(of_user.values().filter(|&&n| n > 1).count() > shop.users.len() / 2);
}

#[test]
fn numbers_out_of_range_are_refused_by_name() {
    let folder = TempDir::new().unwrap();
    let refused = |change: &dyn Fn(&mut DemoDataArgs)| {
        let mut args = args(folder.path());
        change(&mut args);
        run(&args, |_| {}).unwrap_err().to_string()
    };
    assert_eq!(refused(&|a| a.users = 999), "--users 999: use 1,000 to 10,000,000");
    assert_eq!(refused(&|a| a.items = Some(10)), "--items 10: use 500 to 500,000");
    assert_eq!(refused(&|a| a.days = 0), "--days 0: use 30 to 3,650");
    assert_eq!(refused(&|a| a.until = NaiveDate::MAX), "--until +262142-12-31: use a year from 2000 to 2100");
    assert_eq!(files_of(folder.path()).len(), 0);
}

#[test]
fn progress_ends_at_all_users() {
    let folder = TempDir::new().unwrap();
    let mut seen = Vec::new();
    let summary = run(&args(folder.path()), |p| seen.push(p)).unwrap();
    let last = seen.last().unwrap();
    assert_eq!((last.users_done, last.users_total, last.lines), (1_000, 1_000, summary.lines));
    let orders = summary.files.iter().find(|f| f.name == "orders.csv.zst").unwrap();
    assert_eq!(orders.rows as usize, text(folder.path(), "orders.csv.zst").lines().count() - 1);
    assert_eq!(orders.rows, summary.lines);
}

/// `/dev/full` refuses every byte, as a full disk does.
#[cfg(target_os = "linux")]
#[test]
fn full_disk_names_the_file_and_leaves_no_old_configuration() {
    let folder = generated(|_| {});
    std::os::unix::fs::symlink("/dev/full", folder.path().join("orders.csv.tmp")).unwrap();
    let mut args = args(folder.path());
    args.format = OrdersFormat::Csv;
    let error = format!("{:#}", run(&args, |_| {}).unwrap_err());
    assert!(error.contains("orders.csv.tmp") && error.contains("No space left"), "{error}");
    assert!(!folder.path().join("orders.csv").exists());
    assert!(!folder.path().join("shop.toml").exists());
}
