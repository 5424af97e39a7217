//! Artifacts are open: pyarrow and polars read every section in place.
//!
//! `QIANMIAN_PYTHON` names an interpreter that has both; otherwise `python3` is tried.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{demo, done, folder, quick_demo, shop, skipped};
use serde_json::Value;

/// Lengths of the factors and of the low-pass vectors.
const LENGTH: usize = 64;
const LONG: usize = 128;

/// By section: its columns and their Arrow types.
const COLUMNS: &[(&str, &[(&str, &str)])] = &[
    ("basket_ease", ITEM_LISTS),
    ("bundles", &[("items", "list<item: struct<item: uint32>>"), ("baskets", "uint32"), ("score", "float")]),
    ("buyers", &[("purchases", "purchases of user")]),
    (
        "co_purchase",
        &[
            ("baskets", "uint32"),
            ("pairs", "list<item: struct<item: uint32, baskets: uint32, score: float>>"),
        ],
    ),
    ("content", &[("token", "string"), ("items", "list<item: struct<item: uint32>>")]),
    ("content_lookup", &[("row", "uint32")]),
    ("content_neighbors", ITEM_LISTS),
    ("ease", ITEM_LISTS),
    ("ease_by_target", ITEM_LISTS),
    ("fold_in", &[("vector", "vector")]),
    ("history", &[("purchases", "purchases of item")]),
    ("identities", &[("kinds", "list<item: string>"), ("values", "list<item: string>")]),
    ("item_factors", &[("vector", "vector")]),
    ("item_graph", GRAPH),
    ("item_lookup", &[("row", "uint32")]),
    (
        "items",
        &[
            ("item_id", "string"),
            ("title", "string"),
            ("category", "string"),
            ("brand", "string"),
            ("merchant_id", "string"),
            ("image_url", "string"),
            ("status", "string"),
            ("price", "int64"),
            ("cost", "int64"),
            ("stock", "uint32"),
            ("tags", "list<item: string>"),
            ("store_ids", "list<item: string>"),
            ("merchant_ids", "list<item: string>"),
        ],
    ),
    ("likely_cold", TREES),
    ("likely_new", TREES),
    ("likely_repeat", TREES),
    ("low_pass", &[("vector", "long vector")]),
    ("new_ranker", TREES),
    (
        "popularity",
        &[
            ("score", "float"),
            ("baskets_7d", "uint32"),
            ("baskets_30d", "uint32"),
            ("baskets_90d", "uint32"),
            ("baskets", "uint32"),
            ("ranked", "uint32"),
        ],
    ),
    ("ranker", TREES),
    (
        "rooms",
        &[
            ("room_id", "string"),
            ("baskets", "uint32"),
            ("units", "float"),
            ("amount", "int64"),
            ("first_at", "uint32"),
            ("last_at", "uint32"),
            ("items", "list<item: struct<item: uint32, weight: float>>"),
        ],
    ),
    ("similar", &[("items", "similar items")]),
    ("transitions", ITEM_LISTS),
    (
        "user_attributes",
        &[
            ("gender", "string"),
            ("city", "string"),
            ("birthday", "date32"),
            ("registered_at", "int64"),
            ("tags", "list<item: string>"),
            ("consent_contact", "bool"),
            ("consent_personalization", "bool"),
        ],
    ),
    ("user_factors", &[("vector", "vector")]),
    ("user_graph", GRAPH),
    ("user_knn", &[("items", "list<item: struct<item: uint32, score: uint16, recent: uint16>>")]),
    ("user_lookup", &[("row", "uint32")]),
    (
        "users",
        &[
            ("user_id", "string"),
            ("baskets", "uint32"),
            ("first_at", "uint32"),
            ("last_at", "uint32"),
            ("units", "float"),
            ("spend", "int64"),
            ("recency", "uint8"),
            ("frequency", "uint8"),
            ("monetary", "uint8"),
            ("channel", "string"),
        ],
    ),
];

const ITEM_LISTS: &[(&str, &str)] = &[("targets", "list<item: struct<item: uint32, weight: float>>")];

const TREES: &[(&str, &str)] = &[
    ("tree", "uint32"),
    ("feature", "uint32"),
    ("threshold", "float"),
    ("left", "uint32"),
    ("right", "uint32"),
    ("value", "float"),
];

const GRAPH: &[(&str, &str)] = &[
    ("level", "uint8"),
    ("base", "list<item: struct<row: uint32>>"),
    ("upper", "list<item: struct<layer: uint32, row: uint32>>"),
];

/// The type as pyarrow writes it, without its `not null` marks.
fn arrow_type(short: &str) -> String {
    if let Some(other) = short.strip_prefix("purchases of ") {
        let fields =
            format!("{other}: uint32, baskets: uint32, first_at: uint32, last_at: uint32, decayed: float");
        return format!("list<item: struct<{fields}>>");
    }
    match short {
        "vector" => format!("fixed_size_list<item: float>[{LENGTH}]"),
        "long vector" => format!("fixed_size_list<item: float>[{LONG}]"),
        "date32" => "date32[day]".to_owned(),
        "similar items" => {
            let shares = ["co_purchase", "factors", "content", "external_1", "external_2"]
                .map(|s| format!(", {s}: uint16"));
            format!("list<item: struct<item: uint32{}>>", shares.concat())
        }
        other => other.to_owned(),
    }
}

/// The same type as polars writes it.
fn polars_type(short: &str) -> String {
    let fields = |text: &str| {
        let one = |field: &str| {
            let (name, kind) = field.split_once(": ").unwrap();
            format!("'{name}': {}", polars_type(kind))
        };
        text.split(", ").map(one).collect::<Vec<_>>().join(", ")
    };
    if let Some(length) =
        [("vector", LENGTH), ("long vector", LONG)].into_iter().find(|(name, _)| *name == short)
    {
        return format!("Array(Float32, shape=({},))", length.1);
    }
    let arrow = arrow_type(short);
    if let Some(inner) = arrow.strip_prefix("list<item: struct<").and_then(|t| t.strip_suffix(">>")) {
        return format!("List(Struct({{{}}}))", fields(inner));
    }
    match short {
        "string" => "String",
        "float" => "Float32",
        "uint8" => "UInt8",
        "uint16" => "UInt16",
        "uint32" => "UInt32",
        "int64" => "Int64",
        "date32" => "Date",
        "bool" => "Boolean",
        "list<item: string>" => "List(String)",
        other => panic!("no type of the table: {other}"),
    }
    .to_owned()
}

/// An interpreter that can import both libraries.
fn python() -> Option<PathBuf> {
    let named = std::env::var_os("QIANMIAN_PYTHON").map(PathBuf::from);
    let imports = |python: &PathBuf| {
        let output = Command::new(python).args(["-c", "import pyarrow, polars"]).output();
        output.is_ok_and(|output| output.status.success())
    };
    if let Some(python) = &named {
        assert!(imports(python), "QIANMIAN_PYTHON={} cannot import pyarrow and polars", python.display());
    }
    let found = named.or_else(|| Some(PathBuf::from("python3")).filter(imports));
    if found.is_none() {
        skipped(
            "no Python with pyarrow and polars; `make python` makes one: QIANMIAN_PYTHON=var/venv/bin/python",
        );
    }
    found
}

/// The content of every section of a version as read by both libraries.
fn read(python: &Path, version: &Path) -> Value {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/read_sections.py");
    let output = Command::new(python).arg(script).arg(version).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The columns of a section, by name, as a library names their types.
fn columns(seen: &Value, types: impl Fn(&str) -> String) -> Vec<(String, String)> {
    let text = |(name, kind): (&String, &Value)| (name.clone(), types(kind.as_str().unwrap()));
    let mut columns: Vec<_> = seen["columns"].as_object().unwrap().iter().map(text).collect();
    columns.sort_unstable();
    columns
}

#[test]
fn pyarrow_and_polars_read_every_section_in_place() {
    let Some(python) = python() else { return };
    let folder = folder();
    let (config, store) = (demo(folder.path(), 1_000), folder.path().join("store"));
    let text = std::fs::read_to_string(&config).unwrap()
        + "\n[training]\nitem_graph_min_rows = 100\nuser_graph_min_rows = 100\n";
    std::fs::write(&config, text).unwrap();
    done(&args!["train", "--config", config, "--store", store]);
    let artifact = shop(&store).artifact(None).unwrap();
    let manifest = artifact.manifest();
    // Separate trees for items new to the user are kept only if they rank better.
    let is_written = |name: &str| name != "new_ranker" || manifest.sections.contains_key(name);
    let written: Vec<_> = COLUMNS.iter().filter(|(name, _)| is_written(name)).collect();
    assert!(
        manifest.sections.keys().eq(written.iter().map(|(name, _)| name)),
        "{:?}",
        manifest.sections.keys()
    );
    let seen = read(&python, &shop(&store).folder().join(&manifest.version));

    for &&(name, expected) in &written {
        let (pyarrow, polars, entry) =
            (&seen[name]["pyarrow"], &seen[name]["polars"], &manifest.sections[name]);
        let table = |types: fn(&str) -> String| {
            let mut columns: Vec<_> =
                expected.iter().map(|(c, kind)| ((*c).to_owned(), types(kind))).collect();
            columns.sort_unstable();
            columns
        };
        assert_eq!(columns(pyarrow, |kind| kind.replace(" not null", "")), table(arrow_type), "{name}");
        assert_eq!(columns(polars, str::to_owned), table(polars_type), "{name}");
        assert_eq!((&pyarrow["rows"], &polars["rows"]), (&entry.rows.into(), &entry.rows.into()), "{name}");
        assert_eq!(pyarrow["batches"], 1, "{name}");
        assert_eq!(pyarrow["nulls"], 0, "{name}");
        assert_eq!(pyarrow["copied_bytes"], 0, "{name} is mapped, not copied");
        assert_eq!(pyarrow["aligned"], true, "{name} begins on 64 bytes");
        assert_eq!(pyarrow["last"], polars["last"], "{name}: both read the same last row");
    }
}

#[test]
fn python_reads_the_lists_and_ids_of_the_snapshot() {
    let Some(python) = python() else { return };
    let folder = folder();
    let (config, store) = (quick_demo(folder.path(), 1_000), folder.path().join("store"));
    done(&args!["train", "--config", config, "--store", store]);
    let snapshot = crate::support::served(&store);
    let seen = read(&python, &shop(&store).folder().join(&snapshot.version));
    let last = |section: &str, column: &str| seen[section]["pyarrow"]["last"][0][column].clone();

    let (item, user) = (snapshot.items.len() as u32 - 1, snapshot.users.len() as u32 - 1);
    assert_eq!(last("items", "item_id"), snapshot.items.id(item));
    assert_eq!(last("users", "user_id"), snapshot.users.id(user));
    // serde_json may be off by the last bit of a double, so numbers are compared as f32, their type in the section.
    let number = |value: &Value| value.as_f64().unwrap() as f32;
    let purchases = last("history", "purchases");
    assert!(snapshot.history.of(user).len() > 0);
    assert_eq!(purchases.as_array().unwrap().len(), snapshot.history.of(user).len());
    for (there, here) in purchases.as_array().unwrap().iter().zip(snapshot.history.of(user)) {
        let counts = ["item", "baskets", "first_at", "last_at"].map(|field| there[field].as_u64().unwrap());
        assert_eq!(counts, [here.ix, here.baskets, here.first_at, here.last_at].map(u64::from));
        assert_eq!(number(&there["decayed"]), here.decayed);
    }
    let vector: Vec<f32> = last("item_factors", "vector").as_array().unwrap().iter().map(number).collect();
    assert_eq!(vector, snapshot.embedding.unwrap().items.row(item));
}
