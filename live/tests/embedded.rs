//! The embedded store: the common behaviors, and its folder.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use qianmian_live::StoreError;
use qianmian_live::backends::Embedded;
use qianmian_live::log::{EventLog, Outcome, Sweep};
use qianmian_live::people::{Name, People};
use tempfile::TempDir;

use super::behaviors::{self, NOW, Place, TTL, event, sweep_at};

struct Folder(TempDir);

impl Place for Folder {
    type Store = Embedded;

    fn open(&self) -> Embedded {
        Embedded::open(self.0.path(), TTL).unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn embedded_store_behaves() {
    behaviors::hold(|| Folder(tempfile::tempdir().unwrap())).await;
}

#[tokio::test]
async fn removed_events_are_gone_and_later_ones_stay() {
    let folder = Folder(tempfile::tempdir().unwrap());
    let store = folder.open();
    assert_eq!(store.numbers().unwrap(), 0..0);
    let mut again = event("2", "view", "u", "a");
    again.occurred_at += 1;
    let events = vec![event("1", "view", "u", "a"), event("0", "view", "v", "a"), again];
    store.append(events.clone(), NOW).await.unwrap();
    let first = store.events(0, 2).await.unwrap();
    store.remove(first).await.unwrap();
    assert_eq!(store.numbers().unwrap(), 2..3);
    let state = async |user| store.load(&[Name::User(user)], NOW).await.unwrap().state;
    assert_eq!(state("u").await.marks().len(), 1, "it happened again since");
    assert!(state("v").await.is_empty());
    // Its id is free again: the store that keeps the event now knows its id.
    assert_eq!(store.append(events[..1].to_vec(), NOW).await.unwrap(), [Outcome::Accepted]);
    let rest = store.events(0, 9).await.unwrap();
    assert_eq!(rest.iter().map(|logged| logged.number).collect::<Vec<_>>(), [2, 3]);
    store.remove(rest).await.unwrap();
    assert!(state("u").await.is_empty() && store.events(0, 9).await.unwrap().is_empty());
}

#[test]
fn a_folder_has_one_owner() {
    let folder = Folder(tempfile::tempdir().unwrap());
    let first = folder.open();
    assert!(matches!(Embedded::open(folder.0.path(), TTL), Err(StoreError::Failed(_))));
    drop(first);
    folder.open();
}

#[test]
fn a_file_in_place_of_the_folder_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "no folder").unwrap();
    assert!(Embedded::open(&file, TTL).is_err());
}

#[tokio::test]
async fn an_id_is_free_again_after_the_ttl() {
    let folder = Folder(tempfile::tempdir().unwrap());
    let store = folder.open();
    let first = || vec![event("1", "view", "u", "a")];
    store.append(first(), NOW).await.unwrap();
    store.append(vec![event("2", "view", "u", "a")], NOW).await.unwrap();
    store.sweep(sweep_at(NOW)).await.unwrap();
    store.sweep(sweep_at(NOW + TTL)).await.unwrap();
    assert_eq!(store.append(first(), NOW + TTL).await.unwrap(), [Outcome::Accepted]);
}

#[tokio::test]
async fn a_clock_set_forward_and_back_frees_no_id() {
    let folder = Folder(tempfile::tempdir().unwrap());
    let first = || vec![event("1", "view", "u", "a")];
    let day = 86_400_000;
    let mut store = folder.open();
    for (n, wrong) in [10 * TTL, -10 * TTL].into_iter().enumerate() {
        let append = vec![event(&format!("wrong-{n}"), "view", "u", "a")];
        // The wall clock is wrong for an hour of six days that the store is open.
        store.append(first(), NOW + wrong).await.unwrap();
        store.append(append, NOW + wrong).await.unwrap();
        for at in [wrong, 0] {
            let sweep = Sweep { now: NOW + at, uptime_ms: day * (3 + n as i64), keep_from: u64::MAX };
            assert_eq!(store.sweep(sweep).await.unwrap(), 0, "nothing is older than six days");
        }
        assert_eq!(store.append(first(), NOW).await.unwrap(), [Outcome::Duplicate]);
    }
    // A restart with a wrong clock, too: the running time continues.
    drop(store);
    store = folder.open();
    let sweep = Sweep { now: NOW + 10 * TTL, uptime_ms: day / 2, keep_from: u64::MAX };
    assert_eq!(store.sweep(sweep).await.unwrap(), 0);
    assert_eq!(store.append(first(), NOW).await.unwrap(), [Outcome::Duplicate]);
    let sweep = Sweep { now: NOW, uptime_ms: 20 * day, keep_from: u64::MAX };
    assert!(store.sweep(sweep).await.unwrap() > 0, "in the end it is forgotten");
}

#[tokio::test]
async fn stray_files_among_the_tables_are_moved_aside() {
    let folder = Folder(tempfile::tempdir().unwrap());
    let store = folder.open();
    store.append(vec![event("1", "view", "u", "a")], NOW).await.unwrap();
    drop(store);
    let root = folder.0.path();
    let mut places = vec![root.to_owned(), root.join("keyspaces")];
    places.extend(std::fs::read_dir(root.join("keyspaces")).unwrap().map(|entry| entry.unwrap().path()));
    places.extend(places.clone()[2..].iter().map(|keyspace| keyspace.join("tables")));
    for place in places.iter().filter(|place| place.is_dir()) {
        for name in [".nfs000012", ".DS_Store", "note.txt", "7.tmp", "old.jnl"] {
            std::fs::write(place.join(name), "mine").unwrap();
        }
        std::fs::create_dir_all(place.join("lost+found")).unwrap();
        std::fs::create_dir_all(place.join("9.jnl")).unwrap();
        let store = Embedded::open(root, TTL).unwrap();
        assert_eq!(store.events(0, 9).await.unwrap().len(), 1, "{}", place.display());
        for path in store.stray_files() {
            assert!(path.exists() && path.starts_with(root.join("stray")), "{}", path.display());
        }
    }
    let store = Embedded::open(root, TTL).unwrap();
    assert!(store.stray_files().is_empty(), "{:?}", store.stray_files());
}

#[test]
fn only_the_owner_may_enter_the_folder() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("live/default");
    drop(Embedded::open(&folder, TTL).unwrap());
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&folder), mode(&parent.path().join("live"))), (0o700, 0o700));
}

#[tokio::test]
async fn keys_of_finished_reservations_are_forgotten() {
    let folder = Folder(tempfile::tempdir().unwrap());
    behaviors::counters::old_keys_are_forgotten(&folder.open()).await;
}

/// A file system of a given size, in memory; `None` if it cannot be mounted.
struct SmallDisk(TempDir);

impl SmallDisk {
    fn mount(megabytes: u32) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let size = format!("size={megabytes}m");
        let mut mount = std::process::Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(folder.path());
        let mounted = mount.stderr(std::process::Stdio::null()).status().is_ok_and(|status| status.success());
        mounted.then_some(Self(folder))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_heals_without_a_restart() {
    let Some(disk) = SmallDisk::mount(120) else {
        eprintln!("SKIPPED a_full_disk_heals_without_a_restart: only root may mount a small file system");
        return;
    };
    let folder = disk.0.path().join("live");
    let store = Embedded::open(&folder, TTL).unwrap();
    let ballast = disk.0.path().join("ballast");
    let mut acknowledged = 0;
    let batch = |first: usize| {
        (first..first + 200)
            .map(|n| event(&n.to_string(), "view", &format!("u{n}"), "item"))
            .collect::<Vec<_>>()
    };
    store.append(batch(0), NOW).await.unwrap();
    acknowledged += 200;
    // Everything that is left.
    let mut file = std::fs::File::create(&ballast).unwrap();
    while std::io::Write::write_all(&mut file, &[7; 1 << 16]).is_ok() {}
    drop(file);
    while store.append(batch(acknowledged), NOW).await.is_ok() {
        acknowledged += 200;
        assert!(acknowledged < 2_000_000, "the disk never fills up");
    }
    // The answer to the first failed call may come a moment before the state is known.
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    assert!(!store.is_writable());
    assert!(store.append(batch(acknowledged), NOW).await.is_err(), "it is refused at once, not waited for");
    let known = store.load(&[Name::User("u7")], NOW).await.unwrap();
    assert_eq!(known.state.marks().len(), 1, "reads go on");
    std::fs::remove_file(&ballast).unwrap();
    let freed = std::time::Instant::now();
    while store.append(batch(acknowledged), NOW).await.is_err() {
        assert!(freed.elapsed().as_secs() < 5, "events are accepted within five seconds");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert!(store.is_writable());
    eprintln!("a full disk: accepted again after {} ms", freed.elapsed().as_millis());
    drop(store);
    let store = Embedded::open(&folder, TTL).unwrap();
    let log = store.events(0, usize::MAX).await.unwrap();
    let ids: std::collections::HashSet<&str> =
        log.iter().map(|logged| logged.event.event_id.as_str()).collect();
    assert_eq!(ids.len(), log.len(), "nothing is doubled");
    assert!((0..acknowledged + 200).all(|n| ids.contains(n.to_string().as_str())), "nothing is lost");
}
