//! Evaluations with the real binary: the report, several windows, stored versions.

use std::path::{Path, PathBuf};

use crate::support::{demo, done, folder, quick_demo, refused, shop};
use serde_json::Value;

const WINDOW: &str = "2025-12-01";

fn json(path: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// A copy of the demo's configuration whose orders end before `day`.
fn until(config: &Path, day: &str) -> PathBuf {
    let folder = config.parent().unwrap();
    let name = format!("orders-until-{day}.csv");
    let packed = std::fs::File::open(folder.join("orders.csv.zst")).unwrap();
    let mut reader = csv::Reader::from_reader(zstd::Decoder::new(packed).unwrap());
    let header = reader.headers().unwrap().clone();
    let at = header.iter().position(|column| column == "ordered_at").unwrap();
    let mut writer = csv::Writer::from_path(folder.join(&name)).unwrap();
    writer.write_record(&header).unwrap();
    for row in reader.records().map(Result::unwrap).filter(|row| &row[at] < day) {
        writer.write_record(&row).unwrap();
    }
    writer.flush().unwrap();
    let text = std::fs::read_to_string(config).unwrap().replace("orders.csv.zst", &name);
    let path = folder.join(format!("until-{day}.toml"));
    std::fs::write(&path, text).unwrap();
    path
}

/// A demo shop, and a store with a version for each of `ends`, in their order, none of them published.
fn store_of(folder: &Path, ends: &[&str]) -> (PathBuf, PathBuf, Vec<String>) {
    let (config, store) = (quick_demo(folder, 1_000), folder.join("store"));
    let train = |end: &&str| {
        let before = shop(&store).versions().unwrap();
        done(&args!["train", "--config", until(&config, end), "--store", store, "--no-publish"]);
        shop(&store).versions().unwrap().into_iter().find(|version| !before.contains(version)).unwrap()
    };
    let versions = ends.iter().map(train).collect();
    (config, store, versions)
}

#[test]
fn a_report_is_self_contained_and_repeatable() {
    let folder = folder();
    let config = demo(folder.path(), 1_500);
    let items = config.parent().unwrap().join("items.csv");
    let text = std::fs::read_to_string(&items).unwrap();
    let hostile = text.lines().enumerate().map(|(n, line)| match (n, line.split_once(',')) {
        (1.., Some((id, rest))) => format!("{id},<script>alert(1)</script>{rest}\n"),
        _ => format!("{line}\n"),
    });
    std::fs::write(&items, hostile.collect::<String>()).unwrap();
    let path = folder.path().join("report of today.html");
    let figures = folder.path().join("figures.json");
    done(&args!["evaluate", "--config", config, "--from", WINDOW, "--report", path, "--json", figures]);
    let page = std::fs::read_to_string(&path).unwrap();
    assert!(page.starts_with("<!DOCTYPE html>\n<html lang=\"en\">"));
    for outside in ["<script", "<link", "<img", "src=", "url(", "@import", "http:", "https:"] {
        assert!(!page.contains(outside), "{outside}");
    }
    assert!(page.contains("&lt;script&gt;alert(1)"), "titles are shown, as text");
    assert!(page.contains(&format!("--report &#39;{}&#39;", path.display())), "the command, quoted");
    let orders = std::fs::read(config.parent().unwrap().join("orders.csv.zst")).unwrap();
    assert!(page.contains(&hash(&orders)), "the data by content");
    for section in ["recommend", "audience", "bundle", "examples", "repeat"] {
        assert!(page.contains(&format!("<section id=\"{section}\">")), "{section}");
    }
    for element in ["section", "figure", "svg", "table", "tr", "details", "ul", "ol", "div", "p"] {
        let opened =
            page.matches(&format!("<{element}>")).count() + page.matches(&format!("<{element} ")).count();
        assert_eq!(opened, page.matches(&format!("</{element}>")).count(), "{element}");
    }
    assert!(page.contains("Calibration of probabilities") && page.contains("What each source adds"));
    let calibration = &json(&figures)["calibration"];
    assert!(calibration["users"]["expected_error"].as_f64().unwrap() < 0.02, "{calibration}");
    let first = &calibration["first_100"];
    let ratio = first["predicted"].as_f64().unwrap() / first["realized"].as_f64().unwrap();
    assert!((0.5..2.0).contains(&ratio), "{calibration}");
    assert!(!page.contains("NaN") && !page.contains("inf,"));
}

fn hash(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex().to_string()
}

#[test]
fn windows_go_back_without_gaps_and_their_mean_is_of_all() {
    let folder = folder();
    let (config, path) = (quick_demo(folder.path(), 1_000), folder.path().join("figures.json"));
    done(&args!["evaluate", "--config", config, "--from", WINDOW, "--windows", "2", "--json", path]);
    let found = json(&path);
    let earlier = found["earlier"].as_array().unwrap();
    assert_eq!(earlier.len(), 1);
    assert_eq!(earlier[0]["window"]["to"], found["window"]["from"]);
    let rolled = &found["rolled"][0];
    assert_eq!(rolled["task"], "recommend");
    let windows = rolled["windows"].as_array().unwrap();
    for (n, metric) in rolled["metrics"].as_array().unwrap().iter().enumerate() {
        let mean: f64 = windows.iter().map(|w| w["ours"][n].as_f64().unwrap()).sum::<f64>() / 2.0;
        assert!((rolled["means"][0]["means"][n].as_f64().unwrap() - mean).abs() < 1e-12, "{metric}");
    }
    let said = refused(&args!["evaluate", "--config", config, "--from", WINDOW, "--windows", "24"]);
    assert!(said.contains("no data are left to learn from"), "{said}");
}

#[test]
fn a_stored_version_is_measured_like_a_trained_one() {
    let folder = folder();
    let (config, store, versions) = store_of(folder.path(), &[WINDOW]);
    let paths = ["stored.json", "trained.json"].map(|name| folder.path().join(name));
    let evaluate = args!["evaluate", "--config", config, "--from", WINDOW];
    let by_store = args!["--store", store, "--version", versions[0], "--json", paths[0]];
    done(&[&evaluate[..], &by_store].concat());
    done(&[&evaluate[..], &args!["--json", paths[1]]].concat());
    let [stored, trained] = paths.map(|path| json(&path));
    assert_eq!(stored["provenance"]["versions"], serde_json::json!(versions));
    for (stored, trained) in
        stored["tasks"].as_array().unwrap().iter().zip(trained["tasks"].as_array().unwrap())
    {
        assert_eq!(stored["cases"], trained["cases"]);
        let metrics = |task: &Value| task["methods"][0]["metrics"].as_array().unwrap().clone();
        for (a, b) in metrics(stored).iter().zip(metrics(trained)) {
            let (left, right) = (a["mean"].as_f64().unwrap(), b["mean"].as_f64().unwrap());
            // Each model is queried at the end of its data, hours apart, and numbers ids differently.
            assert!((left - right).abs() < 0.02 * (1.0 + right), "{}: {a} {b}", stored["name"]);
        }
    }
}

#[test]
fn versions_are_compared_unless_trained_on_the_window() {
    let folder = folder();
    let (config, store, versions) = store_of(folder.path(), &[WINDOW, "2025-06-01", "2025-12-10"]);
    let path = folder.path().join("figures.json");
    let evaluate = args!["evaluate", "--config", config, "--from", WINDOW, "--store", store];
    let pair = args!["--version", versions[0], "--against", versions[1], "--json", path];
    let said = done(&[&evaluate[..], &pair].concat());
    assert!(said.contains(&format!("over {}", versions[1])), "{said}");
    let found = json(&path);
    let rival = &found["tasks"][0]["methods"][1];
    assert_eq!((rival["name"].as_str(), rival["role"].as_str()), (Some(&versions[1][..]), Some("rival")));
    let ndcg = rival["metrics"].as_array().unwrap().iter().find(|m| m["name"] == "ndcg@10").unwrap();
    assert!(ndcg["versus"]["ratio"].as_f64().unwrap() > 1.0, "half a year of orders helps: {ndcg}");
    assert_eq!(ndcg["versus"]["other"], versions[1]);

    let (alone, beside) =
        (args!["--version", versions[2]], args!["--version", versions[0], "--against", versions[2]]);
    for seen in [&alone[..], &beside] {
        let said = refused(&[&evaluate[..], seen].concat());
        assert!(said.contains(&versions[2]) && said.contains("include those of the window"), "{said}");
    }
    let said = refused(&[&evaluate[..], &args!["--version", "nothing"]].concat());
    assert!(said.contains(&versions[0]), "the versions that are there: {said}");
}

#[test]
fn anonymous_visits_are_measured_beside_vmis_knn() {
    let folder = folder();
    let config = quick_demo(folder.path(), 1_000);
    let path = folder.path().join("sessions.json");
    done(&args!["evaluate", "--config", config, "--from", WINDOW, "--sessions", "--json", path]);
    let found = json(&path);
    let tasks = found["tasks"].as_array().unwrap();
    assert_eq!((tasks.len(), &tasks[0]["name"]), (1, &Value::from("session")));
    let names: Vec<&str> =
        tasks[0]["methods"].as_array().unwrap().iter().map(|m| m["name"].as_str().unwrap()).collect();
    assert!(names[0] == "qianmian" && names.iter().any(|name| name.starts_with("VMIS-kNN")), "{names:?}");
    let hits = |method: usize| tasks[0]["methods"][method]["metrics"][1]["mean"].as_f64().unwrap();
    assert!(
        tasks[0]["cases"].as_u64().unwrap() > 50 && hits(0) > hits(1),
        "worse than best sellers: {found}"
    );
}
