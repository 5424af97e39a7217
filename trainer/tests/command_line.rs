//! The command line itself: help of each kind, completions, manual pages, ids for scripts, numbered stages.

use serde_json::Value;

use crate::support::{demo, done, folder, names, orders, run};

#[test]
fn predict_shows_the_help_of_a_kind() {
    for (kind, column) in [
        ("recommend", "user_id"),
        ("similar", "similar_item_id"),
        ("bundle", "cart_id"),
        ("audience", "user_id"),
    ] {
        let help = done(&args!["predict", kind, "--help"]);
        assert!(help.contains(&format!("predict {kind} --store")) && help.contains(column), "{help}");
        let knows_who_bought = matches!(kind, "recommend" | "audience");
        assert_eq!(help.contains("--exclude-bought"), knows_who_bought, "{help}");
    }
}

#[test]
fn completions_and_manual_pages_know_all_commands() {
    let folder = folder();
    for shell in ["bash", "zsh", "fish"] {
        let script = done(&args!["completions", shell]);
        assert!(script.contains("predict") && script.contains("older-than"), "{shell}");
    }
    let out = folder.path().join("man1");
    done(&args!["man", "--out", out]);
    let pages = names(&out);
    for page in ["qianmian-trainer.1", "qianmian-trainer-gc.1", "qianmian-trainer-predict-audience.1"] {
        assert!(pages.contains(&page.to_owned()), "{pages:?}");
    }
    assert!(std::fs::read_to_string(out.join("qianmian-trainer-gc.1")).unwrap().contains("dry"));
}

#[test]
fn examples_are_plain_ids_or_json_strings() {
    let folder = folder();
    let (path, store) = (folder.path().join("orders.csv"), folder.path().join("store"));
    orders(&path, [("1", "ann \"a\"", "tea", "2025-01-01"), ("2", "ann \"a\"", "tea", "2025-01-02")]);
    done(&args!["train", "--orders", path, "--store", store]);
    let ids = |more: &[&str]| {
        let inspect = args!["inspect", "--store", store, "--examples", "users"];
        done(&[&inspect[..], &more.iter().map(Into::into).collect::<Vec<_>>()].concat())
    };
    assert_eq!(ids(&[]), "ann \"a\"\n");
    assert_eq!(ids(&["--json"]), "\"ann \\\"a\\\"\"\n");
}

/// The step numbers of a run with a rehearsal have no gap.
#[test]
fn stages_are_numbered_to_the_last_one() {
    let folder = folder();
    let (config, store) = (demo(folder.path(), 1_000), folder.path().join("store"));
    let said = run(&args!["train", "--config", config, "--store", store]);
    assert!(said.ok, "{}", said.err);
    let stages: Vec<Value> = said
        .err
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .filter(|v: &Value| v["stage"].is_string())
        .collect();
    let numbered: Vec<&Value> = stages.iter().filter(|stage| !stage["step"].is_null()).collect();
    for (n, stage) in (1..).zip(&numbered) {
        assert_eq!(
            (stage["step"].as_u64(), stage["of"].as_u64()),
            (Some(n), Some(numbered.len() as u64)),
            "{stage}"
        );
    }
    let part = |name: &str| numbered.iter().filter(|stage| stage["part"] == name).count();
    assert!(
        part("rehearsal 1 of 3") == part("rehearsal 3 of 3") && part("rehearsal 1 of 3") > 5,
        "{stages:?}"
    );
    assert_eq!(numbered.last().unwrap()["stage"], "open, warm and publish");
    for name in ["read orders", "content neighbors", "write artifact"] {
        assert!(stages.iter().any(|stage| stage["stage"] == name), "{name}");
    }
}
