//! The halls of a shop (专题场景馆): documents, compiled once when they change. A request takes one without a lock.

pub mod document;

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;

pub use document::{ActiveHall, HallDocument, Order, SectionDocument, Show, Texts};

use crate::documents::{self, Documents};
use crate::live::Live;
use crate::problem::Problem;

/// The kind of the documents.
pub const KIND: &str = "hall";

/// The halls of one shop.
pub struct Halls {
    documents: Documents<Arc<ActiveHall>>,
    table: ArcSwap<BTreeMap<String, Arc<ActiveHall>>>,
}

impl Default for Halls {
    fn default() -> Self {
        let parse = |body: &str| ActiveHall::read(body).map(Arc::new);
        Self { documents: Documents::new(KIND, parse), table: ArcSwap::default() }
    }
}

impl Halls {
    /// The hall of this name.
    pub fn get(&self, name: &str) -> Option<Arc<ActiveHall>> {
        self.table.load().get(name).cloned()
    }

    /// Reads what changed of the documents, and serves it.
    ///
    /// # Errors
    /// `live_unavailable`: what was served goes on.
    pub async fn read(&self, live: &Live) -> Result<(), Problem> {
        let serve = |read: &BTreeMap<String, documents::Read<Arc<ActiveHall>>>| {
            let halls = read.iter().map(|(name, read)| (name.clone(), Arc::clone(&read.document)));
            self.table.store(Arc::new(halls.collect()));
        };
        self.documents.read(live, serve).await
    }

    /// Follows changes for as long as it is polled.
    pub async fn follow(&self, live: &Live) {
        documents::follow(live, KIND, || self.read(live)).await;
    }
}
