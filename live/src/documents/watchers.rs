//! Waiting for changes of documents.

use std::collections::hash_map::Entry;
use std::sync::{Mutex, PoisonError};

use rustc_hash::FxHashMap;
use tokio::sync::watch;

/// The receivers of changes, by kind.
#[derive(Default)]
pub(crate) struct Watchers(Mutex<FxHashMap<String, watch::Sender<u64>>>);

impl Watchers {
    pub(crate) fn subscribe(&self, kind: &str) -> watch::Receiver<u64> {
        let mut watchers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match watchers.entry(kind.to_owned()) {
            Entry::Occupied(entry) => entry.get().subscribe(),
            Entry::Vacant(entry) => entry.insert(watch::channel(0).0).subscribe(),
        }
    }

    /// Documents of this kind changed; of all kinds if `None`.
    pub(crate) fn notify(&self, kind: Option<&str>) {
        let watchers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let notified = watchers.iter().filter(|(name, _)| kind.is_none_or(|kind| kind == **name));
        notified.for_each(|(_, watcher)| watcher.send_modify(|count| *count = count.wrapping_add(1)));
    }
}
