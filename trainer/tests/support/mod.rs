//! Runs the real binary and inspects its results.

use std::cell::Cell;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{PoisonError, RwLock, RwLockWriteGuard};

use qianmian_models::snapshot::Snapshot;
use qianmian_models::storage::artifact::Artifact;
use qianmian_models::storage::versions::ShopStore;
use tempfile::TempDir;

/// The binary under test.
pub const TRAINER: &str = env!("CARGO_BIN_EXE_qianmian-trainer");

/// A temporary folder on the build's disk, where a sync really writes.
pub fn folder() -> TempDir {
    TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

/// The result of a run of the binary.
pub struct Said {
    /// True if it exited with 0.
    pub ok: bool,
    /// The exit code.
    pub code: Option<i32>,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

/// Held for reading while a test runs a trainer process, for writing while a test must be alone.
static PROCESSES: RwLock<()> = RwLock::new(());

thread_local! {
    /// True if this thread's test is running alone.
    static ALONE: Cell<bool> = const { Cell::new(false) };
}

/// Guard: while it exists, no other test runs a trainer process.
pub struct Alone {
    _lock: RwLockWriteGuard<'static, ()>,
}

/// Waits until no other test runs a trainer process. For tests that depend on the duration of a run.
pub fn alone() -> Alone {
    let _lock = PROCESSES.write().unwrap_or_else(PoisonError::into_inner);
    ALONE.set(true);
    Alone { _lock }
}

impl Drop for Alone {
    fn drop(&mut self) {
        ALONE.set(false);
    }
}

/// Runs a process to its end, in parallel with other tests' processes but never with a test that is [`alone`].
pub fn finished(command: &mut Command) -> Output {
    let _lock = (!ALONE.get()).then(|| PROCESSES.read().unwrap_or_else(PoisonError::into_inner));
    command.output().unwrap()
}

/// Runs the binary; no input may make it panic.
pub fn run<S: AsRef<std::ffi::OsStr>>(args: &[S]) -> Said {
    let output = finished(Command::new(TRAINER).args(args).stdin(Stdio::null()));
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let said = Said {
        ok: output.status.success(),
        code: output.status.code(),
        out: text(output.stdout),
        err: text(output.stderr),
    };
    assert!(output.status.code().is_some_and(|code| code < 4), "{}\n{}", output.status, said.err);
    assert!(!said.err.contains("panicked"), "{}", said.err);
    said
}

/// Runs the binary and expects success; returns standard output.
pub fn done<S: AsRef<std::ffi::OsStr>>(args: &[S]) -> String {
    let said = run(args);
    assert!(said.ok, "{}\n{}", said.out, said.err);
    said.out
}

/// Runs the binary and expects failure; returns standard error.
pub fn refused<S: AsRef<std::ffi::OsStr>>(args: &[S]) -> String {
    let said = run(args);
    assert!(!said.ok, "{}\n{}", said.out, said.err);
    said.err
}

/// Arguments of different types as text.
#[macro_export]
macro_rules! args {
    ($($arg:expr),* $(,)?) => { [$(std::ffi::OsStr::new(&$arg).to_owned()),*] };
}

/// Writes a demo shop of this many users into `folder/demo`; returns its configuration.
pub fn demo(folder: &Path, users: u32) -> PathBuf {
    let out = folder.join("demo");
    done(&args!["demo-data", "--out", out, "--users", users.to_string(), "--until", "2026-01-01"]);
    out.join("shop.toml")
}

/// The same without a rehearsal, for tests that train often.
pub fn quick_demo(folder: &Path, users: u32) -> PathBuf {
    let config = demo(folder, users);
    let text = std::fs::read_to_string(&config).unwrap() + "\n[training]\nrehearse = false\n";
    std::fs::write(&config, text).unwrap();
    config
}

/// Writes order lines with the canonical columns `order_id,user_id,item_id,ordered_at`.
pub fn orders<'a>(path: &Path, lines: impl IntoIterator<Item = (&'a str, &'a str, &'a str, &'a str)>) {
    let mut csv = csv::Writer::from_path(path).unwrap();
    csv.write_record(["order_id", "user_id", "item_id", "ordered_at"]).unwrap();
    lines.into_iter().for_each(|(order, user, item, at)| csv.write_record([order, user, item, at]).unwrap());
    csv.flush().unwrap();
}

/// The shop `default` of a store.
pub fn shop(store: &Path) -> ShopStore {
    ShopStore::new(store, "default").unwrap()
}

/// Opens an artifact as a server does: every section verified, every index opened.
pub fn opened(artifact: &Artifact) -> Snapshot {
    artifact.manifest().sections.keys().for_each(|name| drop(artifact.section(name).unwrap()));
    Snapshot::open(artifact).unwrap()
}

/// The published artifact of a store, opened.
pub fn served(store: &Path) -> Snapshot {
    opened(&shop(store).artifact(None).unwrap())
}

/// The names in a folder, in byte order.
pub fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort_unstable();
    names
}

/// Hidden leftovers of interrupted writers in a shop's folder.
pub fn leftovers(shop: &ShopStore) -> Vec<String> {
    names(shop.folder()).into_iter().filter(|name| name.starts_with('.') && name != ".lock").collect()
}

/// Reports that a test cannot run here, bypassing the test runner's capture of output.
pub fn skipped(why: &str) {
    let _ = writeln!(std::io::stderr(), "SKIPPED: {why}");
}
