//! The scenes of a shop: documents that people edit, and tables of the configuration, compiled.
//!
//! Invariants: a request takes one compiled scene, without a lock, and keeps it; a scene is compiled once when it
//! changes; a document that cannot be compiled leaves in force what was there before it; a document precedes the table of
//! the configuration of the same name. The scene [`SHOP`] is no place: its filter and rules hold in every scene.
//!
//! Every server reads documents that changed, on any server, within a second ([`Scenes::follow`]).

pub mod compile;
pub mod document;
pub mod lint;
mod presets;
mod rule_document;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use qianmian_live::documents::MAX_DOCUMENTS;
use tokio::sync::Mutex;

pub use compile::ActiveScene;
pub use document::{AboutName, CombineName, Preset, SceneDocument, SceneFault};
pub use rule_document::{ActionDocument, AttributeName, DayName, Quota, RuleDocument, WeeklyDocument};

use crate::live::Live;
use crate::problem::Problem;

/// The kind of the documents.
pub const KIND: &str = "scene";
/// The scene whose rules hold in every scene.
pub const SHOP: &str = "shop";
/// Scenes are read again after this long, whatever the store says of changes.
const READ_AGAIN: Duration = Duration::from_secs(30);
/// Pause after a failed read.
const RETRY: Duration = Duration::from_millis(500);

/// The scenes of one shop.
pub struct Scenes {
    /// The tables of the configuration.
    configured: BTreeMap<String, SceneDocument>,
    table: ArcSwap<Table>,
    /// What was read of documents, held while they are read again.
    stored: Mutex<BTreeMap<String, Stored>>,
}

/// The compiled scenes.
struct Table {
    scenes: BTreeMap<String, Arc<ActiveScene>>,
    /// Every other scene.
    other: Arc<ActiveScene>,
}

/// A document as it was read.
#[derive(Debug, Clone)]
struct Stored {
    revision: u64,
    document: SceneDocument,
}

impl Scenes {
    /// The scenes of the configuration, which was checked.
    pub fn new(configured: BTreeMap<String, SceneDocument>) -> Self {
        let table = ArcSwap::from_pointee(compile_all(&configured, &BTreeMap::new()));
        Self { configured, table, stored: Mutex::default() }
    }

    /// The scene of this name; that of an unknown name has only the rules of the shop.
    pub fn get(&self, name: &str) -> Arc<ActiveScene> {
        let table = self.table.load();
        Arc::clone(table.scenes.get(name).unwrap_or(&table.other))
    }

    /// True if a scene of this name is set up.
    pub fn has(&self, name: &str) -> bool {
        self.table.load().scenes.contains_key(name)
    }

    /// A draft, compiled with the rules of the shop as they are.
    ///
    /// # Errors
    /// The first fault.
    pub fn draft(&self, name: &str, document: &SceneDocument) -> Result<ActiveScene, SceneFault> {
        let own = ActiveScene::compile(document)?;
        if name == SHOP {
            return Ok(own);
        }
        let shop = self.table.load().scenes.get(SHOP).cloned();
        Ok(match shop {
            Some(shop) => own.with_shop(&shop),
            None => own,
        })
    }

    /// The table of the configuration of this name.
    pub fn configured(&self, name: &str) -> Option<&SceneDocument> {
        self.configured.get(name)
    }

    /// Names of the configuration.
    pub fn configured_names(&self) -> impl Iterator<Item = &str> {
        self.configured.keys().map(String::as_str)
    }

    /// Reads what changed of the documents, and serves it.
    ///
    /// # Errors
    /// `live_unavailable`: what was served goes on.
    pub async fn read(&self, live: &Live) -> Result<(), Problem> {
        let mut stored = self.stored.lock().await;
        let listed = live.documents(KIND, MAX_DOCUMENTS).await?;
        let mut read: BTreeMap<String, Stored> = BTreeMap::new();
        let mut changed = listed.len() != stored.len();
        for scene in listed {
            let known = stored.get(&scene.name).filter(|known| known.revision == scene.revision);
            if let Some(known) = known {
                read.insert(scene.name, known.clone());
                continue;
            }
            changed = true;
            let Some(document) = live.document(KIND, &scene.name).await? else { continue };
            let body = document.body.unwrap_or_default();
            match read_document(&body) {
                Ok(parsed) => {
                    read.insert(scene.name, Stored { revision: document.revision, document: parsed });
                }
                Err(fault) => {
                    tracing::error!(
                        scene = scene.name,
                        revision = document.revision,
                        field = fault.field,
                        reason = fault.reason,
                        "a stored scene is not understood; the one before stays"
                    );
                    if let Some(before) = stored.get(&scene.name) {
                        let before = Stored { revision: document.revision, ..before.clone() };
                        read.insert(scene.name, before);
                    }
                }
            }
        }
        if changed {
            self.table.store(Arc::new(compile_all(&self.configured, &read)));
            *stored = read;
        }
        Ok(())
    }

    /// Follows changes for as long as it is polled.
    pub async fn follow(&self, live: &Live) {
        let mut changes = live.watch_documents(KIND);
        loop {
            changes.mark_unchanged();
            match self.read(live).await {
                Ok(()) => {
                    // Either way the documents are read again.
                    let _ = tokio::time::timeout(READ_AGAIN, changes.changed()).await;
                }
                Err(_) => tokio::time::sleep(RETRY).await,
            }
        }
    }
}

/// Reads and checks the body of a document.
fn read_document(body: &str) -> Result<SceneDocument, SceneFault> {
    let document: SceneDocument =
        serde_json::from_str(body).map_err(|error| SceneFault::new("scene", error.to_string()))?;
    ActiveScene::compile(&document)?;
    Ok(document)
}

/// Compiles all scenes; what cannot be compiled, which was checked before, is left out.
fn compile_all(configured: &BTreeMap<String, SceneDocument>, stored: &BTreeMap<String, Stored>) -> Table {
    let stored = stored.iter().map(|(name, stored)| (name, &stored.document));
    let documents: BTreeMap<&String, &SceneDocument> = configured.iter().chain(stored).collect();
    let shop = documents.get(&SHOP.to_owned()).and_then(|document| ActiveScene::compile(document).ok());
    let with_shop = |scene: ActiveScene| match &shop {
        Some(shop) => scene.with_shop(shop),
        None => scene,
    };
    let compile = |(&name, &document): (&&String, &&SceneDocument)| {
        let scene = ActiveScene::compile(document).ok()?;
        let scene = if name == SHOP { scene } else { with_shop(scene) };
        Some((name.clone(), Arc::new(scene)))
    };
    Table {
        scenes: documents.iter().filter_map(compile).collect(),
        other: Arc::new(with_shop(ActiveScene::default())),
    }
}
