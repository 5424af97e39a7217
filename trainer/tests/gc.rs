//! Retention: `gc` removes old versions, never one that is needed.

use std::path::Path;

use qianmian_models::storage::artifact::{ArtifactWriter, Manifest};

use crate::support::{TRAINER, done, finished, folder, leftovers, names, refused, shop};

/// Writes an empty version that was created on a day of January 2026.
fn version(store: &Path, day: u32, parent: Option<&str>) -> String {
    let name = format!("v{day:02}");
    let mut manifest = Manifest::new(&name, format!("2026-01-{day:02}T00:00:00Z"));
    manifest.parent = parent.map(str::to_owned);
    ArtifactWriter::create(shop(store).folder(), &name).unwrap().finish(manifest).unwrap();
    name
}

fn point(store: &Path, version: &str, previous: &str) {
    let json = serde_json::json!({"version": version, "previous": previous});
    std::fs::write(shop(store).folder().join("latest.json"), json.to_string()).unwrap();
}

#[test]
fn old_versions_go_and_needed_ones_stay() {
    let folder = folder();
    let store = folder.path().join("store");
    for day in 1..=8 {
        version(&store, day, (day == 4).then_some("v02"));
    }
    point(&store, "v04", "v03");
    let gc = |more: &[&str]| {
        let args =
            [&args!["gc", "--store", store][..], &more.iter().map(Into::into).collect::<Vec<_>>()].concat();
        done(&args)
    };
    let planned = gc(&["--keep", "2", "--older-than", "1d", "--dry-run"]);
    assert!(
        planned.contains("would remove version v06") && planned.contains("5 of 8 versions stay"),
        "{planned}"
    );
    assert_eq!(shop(&store).versions().unwrap().len(), 8);
    let said = gc(&["--keep", "2", "--older-than", "1d"]);
    assert!(said.contains("removed version v01"), "{said}");
    // The two newest, the one to serve, the one to roll back to, and the parent of the one to serve.
    assert_eq!(shop(&store).versions().unwrap(), ["v02", "v03", "v04", "v07", "v08"]);
    assert_eq!(leftovers(&shop(&store)), [""; 0]);
    assert!(gc(&["--keep", "1", "--older-than", "3650d"]).contains("5 of 5 versions stay"));
}

#[test]
fn an_interrupted_removal_is_completed_by_the_next_writer() {
    let folder = folder();
    let store = folder.path().join("store");
    version(&store, 1, None);
    std::fs::rename(shop(&store).folder().join("v01"), shop(&store).folder().join(".removing-v01")).unwrap();
    assert_eq!(shop(&store).versions().unwrap(), [""; 0]);
    done(&args!["gc", "--store", store]);
    assert_eq!(leftovers(&shop(&store)), [""; 0]);
}

#[test]
fn gc_of_a_missing_shop_removes_and_creates_nothing() {
    let folder = folder();
    assert!(done(&args!["gc", "--store", folder.path(), "--shop", "tea"]).contains("nothing to remove"));
    assert_eq!(names(folder.path()), [""; 0]);
    assert!(refused(&args!["gc", "--store", folder.path(), "--older-than", "soon"]).contains("14d"));
    assert!(refused(&args!["gc", "--store", folder.path(), "--keep", "0"]).contains("--keep"));
}

#[test]
fn the_environment_names_store_and_shop() {
    let folder = folder();
    let mut command = std::process::Command::new(TRAINER);
    command.arg("gc").env("QIANMIAN_STORE", folder.path()).env("QIANMIAN_SHOP", "tea");
    let output = finished(&mut command);
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && said.contains(&format!("{}/tea", folder.path().display())), "{said}");
}
