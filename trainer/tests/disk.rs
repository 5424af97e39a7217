//! A disk that fills up while an artifact is written: the run fails with the file's name, the published version stays,
//! and nothing half-written is left.
//!
//! The disk is a tmpfs of 16 MB in a mount namespace of its own, which needs `unshare` and permission to use it;
//! otherwise the tests are reported as skipped.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::support::{
    TRAINER, done, finished, folder, leftovers, names, opened, orders, quick_demo, shop, skipped,
};

/// Page size of a tmpfs, which stores files in whole pages.
const PAGE: u64 = 4096;
/// Room to write a manifest beside the old one.
const MANIFEST_PAGES: u64 = 4;

/// Publishes a tiny version on a small disk, fills the disk until `$FREE` pages are left, trains on the
/// demo shop, and copies the content of the disk to `$OUT`. Exits with the training's code.
const SCRIPT: &str = r#"
set -eu
mount -t tmpfs -o size=16m,mode=755 none "$DISK" || exit 100
"$TRAINER" train --orders "$TINY" --store "$DISK" >/dev/null 2>&1 || exit 101
used=$(df -k --output=avail "$DISK" | tail -1)
head -c $(( (used / 4 - FREE) * 4096 )) /dev/zero > "$DISK/filler"
code=0
"$TRAINER" train --config "$CONFIG" --store "$DISK" || code=$?
cp -a "$DISK/default" "$OUT"
exit $code
"#;

struct Disk {
    folder: tempfile::TempDir,
    config: PathBuf,
}

impl Disk {
    /// `None`, with a message, if no disk can be mounted.
    fn new() -> Option<Self> {
        let may = Command::new("unshare").args(["-rm", "mount", "-t", "tmpfs", "none", "/mnt"]).output();
        if !may.is_ok_and(|output| output.status.success()) {
            skipped("`unshare -rm mount -t tmpfs none /mnt` is not allowed here; a full disk is not tested");
            return None;
        }
        let folder = folder();
        orders(&folder.path().join("tiny.csv"), [("1", "ann", "tea", "2025-01-01")]);
        std::fs::create_dir(folder.path().join("disk")).unwrap();
        Some(Self { config: quick_demo(folder.path(), 1_000), folder })
    }

    /// Trains with this many free pages; returns the run's output and a copy of the store.
    fn train(&self, free_pages: u64) -> (Output, PathBuf) {
        let path = |name: &str| self.folder.path().join(name);
        let out = path(&format!("out-{free_pages}"));
        std::fs::create_dir(&out).unwrap();
        let mut command = Command::new("unshare");
        command
            .args(["-rm", "sh", "-c", SCRIPT])
            .envs([("TRAINER", Path::new(TRAINER)), ("DISK", &path("disk")), ("TINY", &path("tiny.csv"))])
            .envs([("CONFIG", &self.config), ("OUT", &out)])
            .env("FREE", free_pages.to_string());
        let output = finished(&mut command);
        assert!(output.status.code().is_some_and(|code| code < 100), "{output:?}");
        (output, out)
    }

    /// Size of an artifact of the demo shop, in pages.
    fn artifact_pages(&self) -> u64 {
        let store = self.folder.path().join("store");
        done(&args!["train", "--config", self.config, "--store", store]);
        let shop = shop(&store);
        let version = shop.folder().join(shop.latest().unwrap().unwrap().version);
        let sizes = std::fs::read_dir(version).unwrap().map(|file| file.unwrap().metadata().unwrap().len());
        sizes.map(|bytes| bytes.div_ceil(PAGE)).sum()
    }
}

/// Checks the state after a run on a full disk; returns the error.
fn check(output: &Output, store: &Path, versions: usize) -> String {
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    let error = said.lines().last().unwrap().to_owned();
    assert!(error.starts_with("error: ") && error.contains("No space left"), "{error}");
    assert_eq!(error.matches("No space left").count(), 1, "{error}");
    let shop = shop(store);
    let latest = shop.latest().unwrap().unwrap();
    assert_eq!(latest.previous, None, "the first version is still the published one");
    assert_eq!(opened(&shop.artifact(None).unwrap()).items.len(), 1);
    assert_eq!(leftovers(&shop), [""; 0], "{error}");
    assert_eq!(shop.versions().unwrap().len(), versions, "{error}");
    error
}

#[test]
fn full_disk_while_writing_sections_leaves_nothing_behind() {
    let Some(disk) = Disk::new() else { return };
    let whole = disk.artifact_pages();
    let mut files = std::collections::BTreeSet::new();
    for free_pages in [0, 2, whole / 4, whole / 2, whole - 2] {
        let (output, store) = disk.train(free_pages);
        let error = check(&output, &store, 1);
        let name = error.split(": ").find(|part| part.contains(".writing-")).unwrap();
        files.insert(name.rsplit('/').next().unwrap().to_owned());
    }
    // The last run has room for all sections, but not for the manifest.
    assert!(files.len() >= 3 && files.iter().any(|name| name.starts_with("manifest.")), "{files:?}");
}

#[test]
fn full_disk_before_the_verdict_keeps_the_old_pointer() {
    let Some(disk) = Disk::new() else { return };
    let (output, store) = disk.train(disk.artifact_pages());
    // The new version is complete and can be published when there is room.
    let error = check(&output, &store, 2);
    assert!(error.contains("manifest.new"), "{error}");
    for version in shop(&store).versions().unwrap() {
        opened(&shop(&store).artifact(Some(&version)).unwrap());
        assert!(!names(&shop(&store).folder().join(version)).contains(&"manifest.new".to_owned()));
    }
}

#[test]
fn disk_with_room_is_trained_on() {
    let Some(disk) = Disk::new() else { return };
    let (output, store) = disk.train(disk.artifact_pages() + MANIFEST_PAGES);
    assert!(output.status.success(), "{output:?}");
    assert!(opened(&shop(&store).artifact(None).unwrap()).items.len() > 500);
}
