//! Any damaged byte is refused with the section's name, and never a panic.
#![expect(clippy::unwrap_used, reason = "tests")]

use crate::support;
use std::os::unix::fs::FileExt;
use std::path::Path;

use qianmian_models::error::Error;
use qianmian_models::snapshot::Snapshot;
use qianmian_models::storage::artifact::Artifact;
use qianmian_models::storage::versions::ShopStore;

fn open(folder: &Path) -> Result<Snapshot, Error> {
    Snapshot::open(&Artifact::open(folder)?)
}

fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn every_flipped_byte_of_every_file_is_refused() {
    const WORKERS: usize = 4;
    let flipped: usize = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..WORKERS).map(|n| scope.spawn(move || flip_bytes(n, WORKERS))).collect();
        workers.into_iter().map(|worker| worker.join().unwrap()).sum()
    });
    assert!(flipped > 20_000, "only {flipped} bytes were tried");
}

/// Flips every `step`-th byte from `first` on, in an artifact of its own; another bit for every byte, so
/// that all eight are tried many times over.
fn flip_bytes(first: usize, step: usize) -> usize {
    let root = tempfile::tempdir().unwrap();
    let store = ShopStore::new(root.path(), "shop").unwrap();
    support::write(&store, "v1");
    let folder = store.folder().join("v1");
    open(&folder).unwrap();
    let mut flipped = 0;
    for path in files(&folder) {
        let bytes = std::fs::read(&path).unwrap();
        let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
        for at in (first..bytes.len()).step_by(step) {
            file.write_all_at(&[bytes[at] ^ (1 << (at / step % 8))], at as u64).unwrap();
            let error = open(&folder).expect_err("a flipped byte was accepted").to_string();
            let stem = path.file_stem().unwrap().to_str().unwrap();
            assert!(error.contains(stem), "{stem}: {error}");
            file.write_all_at(&bytes[at..=at], at as u64).unwrap();
            flipped += 1;
        }
    }
    open(&folder).unwrap();
    flipped
}

#[test]
fn every_truncation_and_extension_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let store = ShopStore::new(root.path(), "shop").unwrap();
    support::write(&store, "v1");
    let folder = store.folder().join("v1");
    for file in files(&folder) {
        let bytes = std::fs::read(&file).unwrap();
        let cut = std::fs::OpenOptions::new().write(true).open(&file).unwrap();
        for keep in (0..bytes.len()).rev() {
            cut.set_len(keep as u64).unwrap();
            assert!(open(&folder).is_err(), "{} cut to {keep}", file.display());
        }
        std::fs::write(&file, [&bytes[..], &[0]].concat()).unwrap();
        assert!(open(&folder).is_err(), "{} extended", file.display());
        std::fs::remove_file(&file).unwrap();
        assert!(open(&folder).is_err(), "{} removed", file.display());
        std::fs::write(&file, &bytes).unwrap();
    }
    open(&folder).unwrap();
}

#[test]
fn sections_of_two_artifacts_do_not_mix() {
    let root = tempfile::tempdir().unwrap();
    let store = ShopStore::new(root.path(), "shop").unwrap();
    support::write(&store, "v1");
    support::write(&store, "v2");
    std::fs::rename(store.folder().join("v2"), store.folder().join("v3")).unwrap();
    assert!(matches!(open(&store.folder().join("v3")), Err(Error::Malformed { .. })));
}
