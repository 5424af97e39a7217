//! The drain: events go from a real store to Parquet files, all of them, in order, each once.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type, TimestampMillisecondType};
use arrow_array::{Array, RecordBatch};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use qianmian_live::backends::Embedded;
use qianmian_live::event::Event;
use qianmian_live::identity::Identity;
use qianmian_live::log::drain::{Drain, DrainError, FILE_EVENTS, Lag};
use qianmian_live::log::{EventLog, Logged, Outcome, Rewind, Sweep};
use tempfile::TempDir;

use super::behaviors::{NOW, TTL, event, sweep_at};

const HOUR: i64 = 3_600_000;

/// A store and a folder to drain it into.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn store(&self) -> Embedded {
        Embedded::open(&self.0.path().join("store"), TTL).unwrap()
    }

    fn folder(&self) -> PathBuf {
        self.0.path().join("drained")
    }

    fn drain(&self) -> Drain {
        Drain::open(&self.folder()).unwrap()
    }
}

async fn append(store: &Embedded, ids: std::ops::Range<usize>, at: i64) {
    let ids: Vec<usize> = ids.collect();
    for ids in ids.chunks(8_192) {
        let events: Vec<Event> = ids.iter().map(|id| event(&id.to_string(), "view", "u", "a")).collect();
        store.append(events, at).await.unwrap();
    }
}

/// The files of a folder, by their names relative to it.
fn files(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false => found.push(path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned()),
            }
        }
    }
    found.sort_by_key(|name| name.rsplit_once('/').map(|(_, file)| file.to_owned()));
    found
}

fn rows(folder: &Path, name: &str) -> Vec<RecordBatch> {
    let file = File::open(folder.join(name)).unwrap();
    ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap().map(Result::unwrap).collect()
}

/// Number and id of every drained event, file by file.
pub fn drained(folder: &Path) -> Vec<(i64, String)> {
    let mut found = Vec::new();
    for batch in files(folder).iter().flat_map(|name| rows(folder, name)) {
        let numbers = batch["number"].as_primitive::<Int64Type>();
        let ids = batch["event_id"].as_string::<i32>();
        found.extend((0..batch.num_rows()).map(|row| (numbers.value(row), ids.value(row).to_owned())));
    }
    found
}

fn all(count: usize) -> Vec<(i64, String)> {
    (0..count).map(|n| (n as i64, n.to_string())).collect()
}

#[tokio::test]
async fn every_field_of_an_event_is_a_column() {
    let place = Place::new();
    let (store, drain) = (place.store(), place.drain());
    let mut first = event("1", "purchase", "u", "a");
    first.session_id = Some("s".to_owned());
    first.identity = Some(Identity::check("member_card", "c-1").unwrap());
    first.region = Some("north".to_owned());
    first.channel = Some("mini_program".to_owned());
    first.scene = Some("cart".to_owned());
    first.room_id = Some("r".to_owned());
    first.request_id = Some("q".to_owned());
    first.value = Some(9.5);
    store.append(vec![first.clone(), event("2", "view", "v", "b")], NOW).await.unwrap();
    assert_eq!(drain.pass(&store).await.unwrap(), 2);
    let name = "date=2023-11-14/hour=22/events-00000000000000000000.parquet";
    assert_eq!(files(&place.folder()), [name]);
    let batch = &rows(&place.folder(), name)[0];
    let text = |column: &str, row| {
        let column = batch[column].as_string::<i32>();
        column.is_valid(row).then(|| column.value(row).to_owned())
    };
    let time = |column: &str| batch[column].as_primitive::<TimestampMillisecondType>().value(0);
    assert_eq!((time("received_at"), time("occurred_at")), (NOW, first.occurred_at));
    // Every value in the JSON is in a column, too: no field is forgotten.
    let json: serde_json::Value = serde_json::from_slice(&first.encoded()).unwrap();
    for (field, value) in json.as_object().unwrap() {
        match field.as_str() {
            "occurred_at" => assert_eq!(batch.column_by_name(field).unwrap().null_count(), 0),
            "identity" => {
                assert_eq!(text("identity_type", 0).as_deref(), value["type"].as_str());
                assert_eq!(text("identity_value", 0).as_deref(), value["value"].as_str());
            }
            "value" => assert_eq!(batch[field.as_str()].as_primitive::<Float64Type>().value(0), 9.5),
            field => assert_eq!(text(field, 0).as_deref(), value.as_str(), "{field}"),
        }
    }
    assert_eq!((text("session_id", 1), text("user_id", 1)), (None, Some("v".to_owned())));
}

#[tokio::test]
async fn each_hour_has_its_files() {
    let place = Place::new();
    let store = place.store();
    append(&store, 0..3, NOW).await;
    append(&store, 3..5, NOW + HOUR).await;
    // A clock that is behind does not end a file.
    append(&store, 5..6, NOW).await;
    append(&store, 6..7, NOW + 2 * HOUR).await;
    let drain = place.drain();
    assert_eq!(drain.pass(&store).await.unwrap(), 7);
    assert_eq!(drain.pass(&store).await.unwrap(), 0);
    append(&store, 7..8, NOW + 2 * HOUR).await;
    // Another process continues from the files alone.
    let drain = place.drain();
    assert_eq!(drain.next(), 7);
    assert_eq!(drain.pass(&store).await.unwrap(), 1);
    let names: Vec<String> = [("14/hour=22", 0), ("14/hour=23", 3), ("15/hour=00", 6), ("15/hour=00", 7)]
        .map(|(hour, first)| format!("date=2023-11-{hour}/events-{first:020}.parquet"))
        .into();
    assert_eq!(files(&place.folder()), names);
    assert_eq!(drained(&place.folder()), all(8));
}

#[tokio::test]
async fn a_file_is_full_at_its_bound() {
    let place = Place::new();
    let (store, drain) = (place.store(), place.drain());
    append(&store, 0..FILE_EVENTS + 500, NOW).await;
    assert_eq!(drain.lag(&store, NOW + 7).await.unwrap(), Lag { events: 100_500, age_ms: 7 });
    assert_eq!(drain.pass(&store).await.unwrap(), 100_500);
    assert_eq!(drain.lag(&store, NOW).await.unwrap(), Lag::default());
    let rows = |name: &String| rows(&place.folder(), name).iter().map(RecordBatch::num_rows).sum::<usize>();
    assert_eq!(files(&place.folder()).iter().map(rows).collect::<Vec<_>>(), [FILE_EVENTS, 500]);
    assert_eq!(drained(&place.folder()), all(FILE_EVENTS + 500));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_drains_write_each_event_once() {
    let place = Place::new();
    let store = std::sync::Arc::new(place.store());
    let drains = [place.drain(), place.drain(), place.drain()].map(std::sync::Arc::new);
    let mut total = 0;
    for round in 0..20 {
        append(&store, round * 50..(round + 1) * 50, NOW + round as i64 * HOUR / 4).await;
        let mut passes = tokio::task::JoinSet::new();
        for drain in &drains {
            let (store, drain) = (std::sync::Arc::clone(&store), std::sync::Arc::clone(drain));
            passes.spawn(async move { drain.pass(&*store).await.unwrap() });
        }
        total += passes.join_all().await.into_iter().sum::<u64>();
    }
    assert_eq!(total, 1_000);
    assert_eq!(drained(&place.folder()), all(1_000));
}

#[tokio::test]
async fn undrained_events_are_not_forgotten() {
    let place = Place::new();
    let (store, drain) = (place.store(), place.drain());
    append(&store, 0..2, NOW).await;
    drain.pass(&store).await.unwrap();
    append(&store, 2..4, NOW + 1).await;
    append(&store, 4..5, NOW + 3 * TTL).await;
    store.sweep(sweep_at(NOW)).await.unwrap();
    let sweep = |drain: &Drain| Sweep { keep_from: drain.next(), ..sweep_at(NOW + 3 * TTL) };
    assert_eq!(store.sweep(sweep(&drain)).await.unwrap(), 2, "only what is drained");
    drain.pass(&store).await.unwrap();
    assert_eq!(store.sweep(sweep(&drain)).await.unwrap(), 2);
    assert_eq!(drained(&place.folder()), all(5));
}

#[tokio::test]
async fn unfinished_files_are_ignored_and_removed_later() {
    let place = Place::new();
    let store = place.store();
    append(&store, 0..3, NOW).await;
    place.drain();
    let left = place.folder().join(".events-1-1-0.tmp");
    fs::write(&left, "half of a fi").unwrap();
    assert_eq!(place.drain().pass(&store).await.unwrap(), 3);
    assert!(left.exists(), "another process may be at it");
    let long_ago = std::time::SystemTime::now() - std::time::Duration::from_secs(4_000);
    File::options().write(true).open(&left).unwrap().set_modified(long_ago).unwrap();
    place.drain();
    assert_eq!(drained(&place.folder()), all(3));
    assert!(!left.exists());
}

#[tokio::test]
async fn a_failing_folder_loses_nothing() {
    let place = Place::new();
    let (store, drain) = (place.store(), place.drain());
    append(&store, 0..3, NOW).await;
    // Root may write everywhere, so removing permissions would have no effect; a file in the folder's place does.
    let aside = place.0.path().join("aside");
    fs::rename(place.folder(), &aside).unwrap();
    fs::write(place.folder(), "").unwrap();
    assert!(matches!(drain.pass(&store).await, Err(DrainError::Io { .. })));
    assert_eq!((drain.next(), drain.lag(&store, NOW).await.unwrap().events), (0, 3));
    fs::remove_file(place.folder()).unwrap();
    fs::rename(&aside, place.folder()).unwrap();
    assert_eq!(drain.pass(&store).await.unwrap(), 3);
    assert_eq!(drained(&place.folder()), all(3));
}

#[tokio::test]
async fn a_damaged_latest_file_is_named() {
    let place = Place::new();
    let store = place.store();
    append(&store, 0..3, NOW).await;
    place.drain().pass(&store).await.unwrap();
    let file = place.folder().join(&files(&place.folder())[0]);
    let whole = fs::read(&file).unwrap();
    for damaged in [&whole[..whole.len() / 2], b"", &whole[..whole.len() - 1]] {
        fs::write(&file, damaged).unwrap();
        let error = Drain::open(&place.folder()).err().unwrap().to_string();
        assert!(error.contains("events-00000000000000000000.parquet"), "{error}");
    }
    // The bytes are those of a drained file, but of another one.
    let other = file.with_file_name("events-00000000000000000007.parquet");
    fs::write(&other, &whole).unwrap();
    assert!(matches!(Drain::open(&place.folder()), Err(DrainError::Foreign { path }) if path == other));
}

#[tokio::test]
async fn a_store_begun_anew_continues_above_the_drain() {
    let place = Place::new();
    let store = place.store();
    append(&store, 0..3, NOW).await;
    place.drain().pass(&store).await.unwrap();
    drop(store);
    fs::remove_dir_all(place.0.path().join("store")).unwrap();
    let (store, drain) = (place.store(), place.drain());
    append(&store, 3..4, NOW).await;
    assert!(matches!(drain.pass(&store).await, Err(DrainError::BegunAnew { store: 1, drained: 3 })));
    drop(store);
    fs::remove_dir_all(place.0.path().join("store")).unwrap();
    let store = Embedded::open_from(&place.0.path().join("store"), TTL, drain.next()).unwrap();
    assert_eq!(drain.pass(&store).await.unwrap(), 0);
    append(&store, 3..5, NOW).await;
    assert_eq!(drain.pass(&store).await.unwrap(), 2);
    assert_eq!(drained(&place.folder()), all(5));
}

#[tokio::test]
async fn a_removed_folder_is_created_again_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    let (store, drain) = (place.store(), place.drain());
    append(&store, 0..3, NOW).await;
    drain.pass(&store).await.unwrap();
    fs::remove_dir_all(place.folder()).unwrap();
    append(&store, 3..5, NOW).await;
    assert_eq!(drain.pass(&store).await.unwrap(), 2);
    assert_eq!(drained(&place.folder()), all(5)[3..]);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let file = place.folder().join(&files(&place.folder())[0]);
    assert_eq!((mode(&file), mode(file.parent().unwrap()), mode(&place.folder())), (0o600, 0o700, 0o700));
}

/// A shared store that came back older: the events from number 2 on are gone, and 2 to 4 are sent again.
struct CameBack(Embedded);

impl EventLog for CameBack {
    async fn append(&self, events: Vec<Event>, now: i64) -> Result<Vec<Outcome>, qianmian_live::StoreError> {
        self.0.append(events, now).await
    }

    async fn events(&self, from: u64, count: usize) -> Result<Vec<Logged>, qianmian_live::StoreError> {
        self.0.events(from, count).await
    }

    async fn next_number(&self) -> Result<u64, qianmian_live::StoreError> {
        self.0.next_number().await
    }

    async fn len_bound(&self) -> Result<u64, qianmian_live::StoreError> {
        self.0.len_bound().await
    }

    async fn last_rewind(&self) -> Result<Option<Rewind>, qianmian_live::StoreError> {
        Ok(Some(Rewind { before: 2, base: 1_000 }))
    }

    async fn sweep(&self, sweep: Sweep) -> Result<usize, qianmian_live::StoreError> {
        self.0.sweep(sweep).await
    }
}

#[tokio::test]
async fn an_event_lost_after_its_drain_is_not_drained_again() {
    let place = Place::new();
    let store = place.store();
    append(&store, 0..4, NOW).await;
    place.drain().pass(&store).await.unwrap();
    drop(store);
    fs::remove_dir_all(place.0.path().join("store")).unwrap();
    let store = CameBack(Embedded::open_from(&place.0.path().join("store"), TTL, 1_000).unwrap());
    append(&store.0, 2..6, NOW).await;
    let drain = place.drain();
    assert_eq!(drain.pass(&store).await.unwrap(), 2);
    let ids: Vec<String> = drained(&place.folder()).into_iter().map(|(_, id)| id).collect();
    assert_eq!(ids, ["0", "1", "2", "3", "4", "5"]);
    assert_eq!((drain.pass(&store).await.unwrap(), place.drain().next()), (0, 1_004));
}
