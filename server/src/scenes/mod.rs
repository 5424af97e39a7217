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

use arc_swap::ArcSwap;

pub use compile::ActiveScene;
pub use document::{AboutName, CombineName, Preset, SceneDocument};
pub use rule_document::{ActionDocument, AttributeName, DayName, Quota, RuleDocument, WeeklyDocument};

use crate::document_fault::DocumentFault;
use crate::documents::{self, Documents, Read};
use crate::live::Live;
use crate::problem::Problem;

/// The kind of the documents.
pub const KIND: &str = "scene";
/// The scene whose rules hold in every scene.
pub const SHOP: &str = "shop";
/// The scenes of one shop.
pub struct Scenes {
    /// The tables of the configuration.
    configured: BTreeMap<String, SceneDocument>,
    table: ArcSwap<Table>,
    documents: Documents<SceneDocument>,
}

/// The compiled scenes.
struct Table {
    scenes: BTreeMap<String, Arc<ActiveScene>>,
    /// Every other scene.
    other: Arc<ActiveScene>,
}

impl Scenes {
    /// The scenes of the configuration, which was checked.
    pub fn new(configured: BTreeMap<String, SceneDocument>) -> Self {
        let table = ArcSwap::from_pointee(compile_all(&configured, &BTreeMap::new()));
        Self { configured, table, documents: Documents::new(KIND, read_document) }
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
    pub fn draft(&self, name: &str, document: &SceneDocument) -> Result<ActiveScene, DocumentFault> {
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
        let serve = |read: &BTreeMap<String, Read<SceneDocument>>| {
            self.table.store(Arc::new(compile_all(&self.configured, read)));
        };
        self.documents.read(live, serve).await
    }

    /// Follows changes for as long as it is polled.
    pub async fn follow(&self, live: &Live) {
        documents::follow(live, KIND, || self.read(live)).await;
    }
}

/// Reads and checks the body of a document.
fn read_document(body: &str) -> Result<SceneDocument, DocumentFault> {
    let document: SceneDocument =
        serde_json::from_str(body).map_err(|error| DocumentFault::new("scene", error.to_string()))?;
    ActiveScene::compile(&document)?;
    Ok(document)
}

/// Compiles all scenes; what cannot be compiled, which was checked before, is left out.
fn compile_all(
    configured: &BTreeMap<String, SceneDocument>,
    read: &BTreeMap<String, Read<SceneDocument>>,
) -> Table {
    let stored = read.iter().map(|(name, read)| (name, &read.document));
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
