//! `init` and `train` on files without a configuration.

use serde_json::Value;

use crate::support::{done, folder, refused, shop};

/// The output of `init` for a file, and the configuration that it writes.
fn init(name: &str, bytes: &[u8]) -> (String, String) {
    let folder = folder();
    let (path, out) = (folder.path().join(name), folder.path().join("shop.toml"));
    std::fs::write(&path, bytes).unwrap();
    let said = done(&args!["init", path, "--out", out]);
    let text = std::fs::read_to_string(&out).unwrap();
    // The configuration reads the same lines without a guess about columns.
    let store = folder.path().join("store");
    let account = folder.path().join("account.json");
    done(&args!["train", "--config", out, "--store", store, "--account", account]);
    let account: Value = serde_json::from_str(&std::fs::read_to_string(&account).unwrap()).unwrap();
    let kept = said.lines().find(|line| line.starts_with("  kept")).unwrap();
    assert_eq!(kept.split_whitespace().last().unwrap(), account["kept_lines"].to_string(), "{said}");
    let codes: Vec<&str> =
        account["warnings"].as_array().unwrap().iter().map(|w| w["code"].as_str().unwrap()).collect();
    assert!(!codes.contains(&"columns_guessed") && !codes.contains(&"no_order_ids"), "{codes:?}");
    (said, text)
}

#[test]
fn an_export_in_chinese_is_described() {
    let text = "订单编号,买家会员名,商家编码,订单付款时间,购买数量,价格,订单状态\n\
        SO1,M1,001,2024-01-10 10:05:00,1,10,交易成功\nSO1,M1,006,2024-01-10 10:05:00,2,11,交易成功\n\
        SO2,M2,001,2024-01-11 10:05:00,1,10,交易关闭\nSO3,M3,002,2024-01-12 10:05:00,1,12,奇怪\n";
    let (said, config) = init("orders.csv", &encoding_rs::GB18030.encode(text).0);
    assert!(
        config.contains("encoding = \"gb18030\"") && config.contains("order_id = \"订单编号\""),
        "{config}"
    );
    assert!(
        config.contains("\"交易关闭\" = \"cancelled\"")
            && config.contains("statuses = { \"奇怪\" = \"bought\" }"),
        "{config}"
    );
    assert!(said.contains("order SO1 of M1: 1 x 001 for 10, 2024-01-10T10:05:00Z"), "{said}");
}

#[test]
fn event_logs_baskets_and_one_hot_files_are_told() {
    let log = "event_time,event_type,product_id,user_id,user_session\n2024-01-01 10:00:00,view,P1,U0,s0\n\
        2024-01-01 10:01:00,purchase,P2,U0,s0\n2024-01-02 10:01:00,purchase,P1,U1,s1\n";
    assert!(init("log.csv", log.as_bytes()).1.contains("[events]"));
    let headless: String = (0..40)
        .map(|i| {
            format!("{},{},7,{},15115{:05}\n", i % 5, 2_268_300 + i % 9, ["pv", "buy", "cart"][i % 3], i * 97)
        })
        .collect();
    let config = init("UserBehavior.csv", headless.as_bytes()).1;
    assert!(
        config.contains("header = false")
            && config.contains("type = \"4\"")
            && config.contains("occurred_at = \"5\""),
        "{config}"
    );
    let baskets = "shrimp,almonds,avocado\nburgers,meatballs,eggs\nchutney\nturkey,avocado\nmineral water,milk,energy bar\n\
        shrimp,milk\neggs,almonds,burgers,tea\navocado\n";
    assert!(init("b.csv", baskets.as_bytes()).1.contains("format = \"baskets\""));
    let one_hot = "Feijao;Salada;Fritas\nNAO;SIM;NAO\nSIM;SIM;NAO\nNAO;SIM;SIM\n";
    assert!(init("h.csv", one_hot.as_bytes()).1.contains("format = \"one_hot\""));
}

#[test]
fn choices_that_the_content_told_are_written_down() {
    let text = "Order Number;Customer ID;SKU;Title;Date;Price\nO1;M1;;Tea;13.01.2024;10,50\nO1;;S2;Cup;;9,00\nO2;M2;S2;Cup;14.01.2024;9,00\n";
    let config = init("orders.csv", text.as_bytes()).1;
    for line in [
        "delimiter = \";\"",
        "decimal = \",\"",
        "item_id = [\"SKU\", \"Title\"]",
        "fill_down = [\"user_id\", \"ordered_at\"]",
    ] {
        assert!(config.contains(line), "{line} is not in\n{config}");
    }
}

#[test]
fn strict_runs_refuse_guesses() {
    let folder = folder();
    let (path, store) = (folder.path().join("o.csv"), folder.path().join("store"));
    std::fs::write(&path, "Order Number,Customer ID,SKU,Date\nO1,M1,a,2024-01-02\nO2,M1,b,2024-01-03\n")
        .unwrap();
    let said = refused(&args!["train", "--orders", path, "--store", store, "--strict"]);
    assert!(said.contains("--strict") && said.contains("columns_guessed"), "{said}");
    let said = done(&args!["train", "--orders", path, "--store", store]);
    assert!(said.contains("order_id = Order Number (by its name)"), "{said}");
    assert_eq!(shop(&store).versions().unwrap().len(), 1);
    std::fs::write(&path, "order_id,user_id,item_id,ordered_at\nO1,M1,a,2024-01-02\nO2,M1,b,2024-01-03\n")
        .unwrap();
    done(&args!["train", "--orders", path, "--store", store, "--strict"]);
}

#[test]
fn a_configuration_that_is_there_is_not_replaced() {
    let folder = folder();
    let (path, out) = (folder.path().join("o.csv"), folder.path().join("shop.toml"));
    std::fs::write(&path, "order_id,user_id,item_id,ordered_at\nO1,M1,a,2024-01-02\n").unwrap();
    std::fs::write(&out, "shop = \"mine\"\n").unwrap();
    assert!(refused(&args!["init", path, "--out", out]).contains("--force"));
    assert_eq!(std::fs::read_to_string(&out).unwrap(), "shop = \"mine\"\n");
    done(&args!["init", path, "--out", out, "--force"]);
}
