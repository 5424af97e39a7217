//! External models take part, and bad files are refused by row.
//!
//! `QIANMIAN_PYTHON` names an interpreter with numpy and pyarrow; else `python3` is tried.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use crate::support::{demo, done, folder, orders, refused, served, skipped};
use arrow_array::types::Float32Type;
use arrow_array::{ArrayRef, Float64Array, ListArray, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;
use qianmian_models::index::external::Knowledge;
use qianmian_models::recommend::query::Query;
use qianmian_models::recommend::recommend;
use qianmian_models::source::Source;
use qianmian_models::view::View;

/// Four users who buy two items each; nobody has bought `e`, which only an external model can propose.
fn tiny(folder: &Path, external: &str) -> PathBuf {
    let lines = ["1 u1 a", "1 u1 b", "2 u2 a", "2 u2 b", "3 u3 c", "3 u3 d", "4 u4 c", "4 u4 d", "5 u4 e"];
    let parts = lines.map(|line| {
        let mut parts = line.split(' ');
        (parts.next().unwrap(), parts.next().unwrap(), parts.next().unwrap(), "2025-01-01 00:00:00")
    });
    orders(&folder.join("orders.csv"), parts);
    let config = folder.join("shop.toml");
    let text = format!("[orders]\nfiles = [\"orders.csv\"]\n[training]\ndim = 2\n{external}");
    std::fs::write(&config, text).unwrap();
    config
}

fn write(path: &Path, columns: Vec<(&str, ArrayRef)>) {
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut writer = ArrowWriter::try_new(File::create(path).unwrap(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

fn texts(values: &[&str]) -> ArrayRef {
    Arc::new(StringArray::from(values.to_vec()))
}

fn vectors(path: &Path, column: &str, rows: &[(&str, Vec<f32>)]) {
    let lists = rows.iter().map(|(_, vector)| Some(vector.iter().copied().map(Some)));
    let lists = Arc::new(ListArray::from_iter_primitive::<Float32Type, _, _>(lists));
    let ids: Vec<&str> = rows.iter().map(|(id, _)| *id).collect();
    write(path, vec![(column, texts(&ids)), ("vector", lists)]);
}

fn train(config: &Path, store: &Path) -> String {
    done(&args!["train", "--config", config, "--store", store])
}

#[test]
fn item_vectors_propose_items_of_the_same_direction() {
    let folder = folder();
    let config = tiny(folder.path(), "[[external]]\nname = \"titles\"\nitems = \"items.parquet\"\n");
    let rows = [("a", vec![2.0, 0.0]), ("e", vec![9.0, 1.0]), ("c", vec![0.0, 3.0]), ("zz", vec![1.0, 1.0])];
    vectors(&folder.path().join("items.parquet"), "item_id", &rows);
    let said = train(&config, &folder.path().join("store"));
    assert!(said.contains("titles: 3 of 5 items, 2 numbers each; 1 rows of unknown ids"), "{said}");
    assert!(said.contains("the rehearsal sees these very files"), "{said}");
    let snapshot = served(&folder.path().join("store"));
    let user = snapshot.users.ix("u1").unwrap();
    let slate = recommend(View::as_trained(&snapshot), &Query::for_user(user, 5));
    let found = slate.items.iter().find(|r| snapshot.items.id(r.item) == "e").unwrap();
    assert!(found.evidence[Source::External1 as usize] > 0.9, "{found:?}");
    assert_eq!(snapshot.external[0].name, "titles");
}

#[test]
fn scores_propose_their_targets() {
    let folder = folder();
    let config = tiny(folder.path(), "[[external]]\nname = \"partner\"\nscores = \"scores.parquet\"\n");
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("item_id", texts(&["a", "a", "b", "nobody"])),
        ("target_item_id", texts(&["e", "c", "a", "a"])),
        ("score", Arc::new(Float64Array::from(vec![5.0, -1.0, 1.0, 1.0]))),
    ];
    write(&folder.path().join("scores.parquet"), columns);
    train(&config, &folder.path().join("store"));
    let snapshot = served(&folder.path().join("store"));
    let Knowledge::Scores(scores) = &snapshot.external[0].knowledge else { panic!("scores were given") };
    let a = snapshot.items.ix("a").unwrap();
    assert_eq!(scores.of(a).collect::<Vec<_>>(), [(snapshot.items.ix("e").unwrap(), 5.0)]);
    let query = Query { recent: vec![a], count: 5, ..Query::default() };
    let slate = recommend(View::as_trained(&snapshot), &query);
    let found = slate.items.iter().find(|r| snapshot.items.id(r.item) == "e").unwrap();
    assert_eq!((found.evidence[Source::External1 as usize], found.seed), (1.0, Some(a)));
}

#[test]
fn bad_files_are_refused_with_file_and_row() {
    let folder = folder();
    let path = |name: &str| folder.path().join(name);
    let refuse = |external: &str| {
        let config = tiny(folder.path(), external);
        refused(&args!["train", "--config", config, "--store", folder.path().join("store")])
    };
    let items = "[[external]]\nname = \"x\"\nitems = \"items.parquet\"\n";
    let said = |rows: &[(&str, Vec<f32>)]| {
        vectors(&path("items.parquet"), "item_id", rows);
        refuse(items)
    };
    let error = said(&[("a", vec![1.0, 2.0]), ("b", vec![1.0, f32::NAN])]);
    assert!(error.contains("items.parquet, row 2") && error.contains("not finite"), "{error}");
    let error = said(&[("a", vec![1.0, 2.0]), ("b", vec![1.0])]);
    assert!(error.contains("row 2: the vector has 1 numbers, the first one has 2"), "{error}");
    let error = said(&[("a", vec![1.0]), ("a", vec![1.0])]);
    assert!(error.contains("row 2: the id is repeated"), "{error}");
    let error = said(&[("A", vec![1.0])]);
    assert!(error.contains("none of its 1 ids"), "{error}");
    vectors(&path("items.parquet"), "sku", &[("a", vec![1.0])]);
    let error = refuse(items);
    assert!(error.contains("no column `item_id` (there are: sku, vector)"), "{error}");
    vectors(&path("items.parquet"), "item_id", &[("a", vec![1.0, 2.0])]);
    vectors(&path("users.parquet"), "user_id", &[("u1", vec![1.0])]);
    let error = refuse(&format!("{items}users = \"users.parquet\"\n"));
    assert!(error.contains("must share one space"), "{error}");
    std::fs::write(path("items.parquet"), "item_id,vector\n").unwrap();
    let error = refuse(items);
    assert!(error.contains("neither a Parquet nor an Arrow IPC"), "{error}");
    let error = refuse("[[external]]\nname = \"x\"\nusers = \"users.parquet\"\n");
    assert!(error.contains("external \"x\": give `items`"), "{error}");
}

/// An interpreter that has numpy and pyarrow.
fn python() -> Option<PathBuf> {
    let named = std::env::var_os("QIANMIAN_PYTHON").map(PathBuf::from);
    let python = named.unwrap_or_else(|| PathBuf::from("python3"));
    let output = Command::new(&python).args(["-c", "import numpy, pyarrow"]).output().ok()?;
    output.status.success().then_some(python)
}

#[test]
fn the_example_of_the_docs_runs_and_takes_part() {
    let Some(python) = python() else {
        return skipped("no python3 with numpy and pyarrow; set QIANMIAN_PYTHON to one that has them");
    };
    let folder = folder();
    let config = demo(folder.path(), 1_000);
    let docs = include_str!("../../docs/bring-your-own.md");
    let script = docs.split("```python\n").nth(1).unwrap().split("```").next().unwrap();
    let shop = config.parent().unwrap();
    let output = Command::new(&python)
        .args(["-c", script])
        .args([shop.join("orders.csv.zst"), shop.join("two_tower")])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let section = docs.split("```toml\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, format!("{text}\n{section}\n")).unwrap();
    let said = train(&config, &folder.path().join("store"));
    assert!(
        said.contains("two_tower: ") && said.contains("16 numbers each; 0 rows of unknown ids"),
        "{said}"
    );
    let snapshot = served(&folder.path().join("store"));
    let user = (0..1_000u32).find(|&u| snapshot.history.of(u).len() > 3).unwrap();
    let slate = recommend(View::as_trained(&snapshot), &Query::for_user(user, 20));
    assert!(slate.items.iter().any(|r| r.evidence[Source::External1 as usize] > 0.0));
}
