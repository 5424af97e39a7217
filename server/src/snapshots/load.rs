//! Reads the store: `latest.json`, and the opening of a version. All of it blocks, so all of it runs on the blocking
//! pool; a panic there is a refusal, too.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::SystemTime;

use chrono::{DateTime, Utc};
use qianmian_models::consent::{ConsentPolicy, Consents};
use qianmian_models::error::Error;
use qianmian_models::overlay::Overlay;
use qianmian_models::rules::masks::Masks;
use qianmian_models::snapshot::Snapshot;
use qianmian_models::storage::artifact::Manifest;
use qianmian_models::storage::versions::ShopStore;
use qianmian_models::view::View;
use qianmian_models::warm::warm;
use tokio::task::spawn_blocking;

use crate::consents;
use crate::live::Live;

/// A model in memory.
pub struct Loaded {
    /// The trained model.
    pub snapshot: Snapshot,
    /// Item changes since training.
    pub overlay: Overlay,
    /// The users' consents, live decisions included.
    pub consents: Consents,
    /// Cached results of predicates over its items.
    pub masks: Masks,
    /// The trainer's manifest.
    pub manifest: Manifest,
    /// The time when it was opened.
    pub opened_at: DateTime<Utc>,
}

impl Loaded {
    /// The inputs of answers, as of `now` (unix seconds).
    pub fn view(&self, now: i64) -> View<'_> {
        let view = View::as_trained(&self.snapshot).with_overlay(&self.overlay).with_consents(&self.consents);
        view.with_masks(&self.masks).at(now)
    }

    /// The users' consents, together with live decisions.
    pub fn consents<'a>(&'a self, live: Option<&'a Live>) -> consents::Known<'a> {
        consents::Known { live, model: Some((&self.snapshot, &self.consents)) }
    }

    /// Time of training, unix seconds; 0 if the manifest has none.
    pub fn trained_at_seconds(&self) -> f64 {
        DateTime::parse_from_rfc3339(&self.snapshot.trained_at).map_or(0.0, |at| at.timestamp() as f64)
    }
}

/// The reason for which a version was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The version, if the store named one.
    pub version: Option<String>,
    /// The section at fault, if there is one.
    pub section: Option<String>,
    /// The fault.
    pub message: String,
    /// True if the store holds no such version.
    pub absent: bool,
    /// True if opening it panicked.
    pub panicked: bool,
}

impl Refusal {
    fn new(version: Option<String>, error: &Error) -> Self {
        let section = match error {
            Error::Checksum { section, .. }
            | Error::Length { section, .. }
            | Error::MissingSection { section }
            | Error::Malformed { section, .. } => Some(section.clone()),
            _ => None,
        };
        let absent = matches!(error, Error::NotFound { .. } | Error::Name { .. });
        Self { version, section, message: error.to_string(), absent, panicked: false }
    }

    fn panicked(version: Option<String>) -> Self {
        let message = "opening it panicked; the log has the backtrace".to_owned();
        Self { version, section: None, message, absent: false, panicked: true }
    }
}

/// Content of `latest.json`, and its time of writing: publishing a version again is a change, too.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Pointer {
    written_at: Option<SystemTime>,
    /// The version that it names, `None` before the first publish, or the reason for which it cannot be read.
    pub(super) version: Result<Option<String>, Refusal>,
}

/// Reads `latest.json`.
pub(super) async fn pointer(store: ShopStore) -> Pointer {
    let read = move || Pointer {
        // `latest.json` is replaced whole on every publish, so its time changes with each.
        written_at: std::fs::metadata(store.folder().join("latest.json"))
            .and_then(|file| file.modified())
            .ok(),
        version: match store.latest() {
            Ok(latest) => Ok(latest.map(|latest| latest.version)),
            Err(error) => Err(Refusal::new(None, &error)),
        },
    };
    let read = contained(None, move || Ok(read())).await;
    read.unwrap_or_else(|refusal| Pointer { written_at: None, version: Err(refusal) })
}

/// The version that `latest.json` names as the one before.
pub(super) async fn previous(store: ShopStore) -> Result<Option<String>, Refusal> {
    Ok(contained(None, move || store.latest()).await?.and_then(|latest| latest.previous))
}

/// True if the shop's folder exists.
pub(super) async fn exists(store: ShopStore) -> bool {
    contained(None, move || Ok(store.folder().is_dir())).await.unwrap_or(false)
}

/// Changes with any file of the version that `pointer` names: its name, length, times or permissions. 0 for none.
pub(super) async fn fingerprint(store: ShopStore, pointer: &Pointer) -> u64 {
    let Ok(Some(version)) = &pointer.version else { return 0 };
    let folder = store.folder().join(version);
    contained(None, move || Ok(fingerprint_of(&folder))).await.unwrap_or(0)
}

fn fingerprint_of(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let files: BTreeMap<_, _> = entries
        .filter_map(|entry| {
            let file = std::fs::metadata(entry.path()).ok()?;
            // Copying sets the time of change, and so does a change of permissions.
            let changed = (file.ctime(), file.ctime_nsec());
            Some((entry.file_name(), (file.len(), file.mtime(), file.mtime_nsec(), changed)))
        })
        .collect();
    let own = std::fs::metadata(folder).map(|folder| (folder.ctime(), folder.ctime_nsec())).ok();
    let mut hasher = DefaultHasher::new();
    (files, own).hash(&mut hasher);
    hasher.finish()
}

/// Opens, verifies and warms a version.
pub(super) async fn open(
    store: ShopStore,
    version: String,
    policy: ConsentPolicy,
) -> Result<Loaded, Refusal> {
    contained(Some(version.clone()), move || {
        let artifact = store.artifact(Some(&version))?;
        let snapshot = Snapshot::open(&artifact)?;
        warm(&snapshot);
        let overlay = Overlay::new(&snapshot.catalog);
        let consents = Consents::new(&snapshot.user_attributes, policy);
        let (masks, manifest) = (Masks::default(), artifact.manifest().clone());
        Ok(Loaded { snapshot, overlay, consents, masks, manifest, opened_at: Utc::now() })
    })
    .await
}

/// Runs `work` for `version` on the blocking pool; an error and a panic are refusals.
async fn contained<T: Send + 'static>(
    version: Option<String>,
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Refusal> {
    match spawn_blocking(work).await {
        Ok(done) => done.map_err(|error| Refusal::new(version, &error)),
        Err(_) => Err(Refusal::panicked(version)),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[tokio::test]
    async fn a_panic_is_a_refusal_and_a_damaged_section_is_named() {
        let work = || -> Result<(), Error> { panic!("on purpose") };
        let refusal = contained(Some("v1".to_owned()), work).await.unwrap_err();
        assert!(refusal.panicked && refusal.version.as_deref() == Some("v1"), "{refusal:?}");
        let missing = || -> Result<(), Error> { Err(Error::MissingSection { section: "users".to_owned() }) };
        let refusal = contained(None, missing).await.unwrap_err();
        assert_eq!((refusal.section.as_deref(), refusal.panicked), (Some("users"), false));
    }
}
