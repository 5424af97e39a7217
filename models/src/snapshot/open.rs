//! A snapshot from an artifact: every section is verified and opened.

use serde::Deserialize;

use super::names::{
    BASKET_EASE, CONTENT_NEIGHBORS, EASE, EASE_BY_TARGET, FOLD_IN, ITEM_FACTORS, ITEM_GRAPH, ITEM_LOOKUP,
    LIKELY_COLD, LIKELY_NEW, LIKELY_REPEAT, LOW_PASS, NEW_RANKER, RANKER, TRANSITIONS, USER_FACTORS,
    USER_GRAPH, USER_LOOKUP,
};
use super::{Embedding, Snapshot};
use crate::blend::Blend;
use crate::error::{Error, Result};
use crate::ids::Vocabulary;
use crate::index::ann::Graph;
use crate::index::bundles::{self, Bundles};
use crate::index::catalog::{self, Catalog};
use crate::index::co_purchase::{self, CoPurchase};
use crate::index::content::{self, Content};
use crate::index::external::{self, External};
use crate::index::factors::{Factors, FoldIn};
use crate::index::feature_schema::{LikelihoodColumn, RankColumn};
use crate::index::identities::{self, Identities};
use crate::index::item_lists::ItemLists;
use crate::index::likelihood::{Horizon, Likelihood};
use crate::index::localities::{self, Localities};
use crate::index::popularity::{self, Popularity};
use crate::index::profile::{self, Profiles};
use crate::index::purchases::{Direction, Purchases};
use crate::index::repeats::Repeats;
use crate::index::rooms::{self, Rooms};
use crate::index::similar_items::{self, SimilarItems};
use crate::index::traits::Traits;
use crate::index::user_attributes::{self, UserAttributes};
use crate::index::user_items::{self, UserItems};
use crate::kernels::trees::Trees;
use crate::storage::artifact::Artifact;

/// The part of the manifest's `parameters` that serving needs.
#[derive(Deserialize)]
struct Serving {
    blend: Blend,
    #[serde(default)]
    fold_in_alpha: f32,
    likelihood: Option<Horizon>,
    /// Names of the external sources, by slot.
    #[serde(default)]
    external: Vec<String>,
}

impl Snapshot {
    /// Opens and verifies every section of an artifact.
    ///
    /// # Errors
    /// Names the section that is missing, damaged or malformed.
    pub fn open(artifact: &Artifact) -> Result<Self> {
        let manifest = artifact.manifest();
        let serving: Serving = serde_json::from_value(manifest.parameters["serving"].clone())
            .map_err(|e| Error::malformed("manifest", "parameters.serving", e))?;
        let item_section = artifact.section(catalog::SECTION)?;
        let user_section = artifact.section(profile::SECTION)?;
        let items = Vocabulary::open(&item_section, "item_id", &artifact.section(ITEM_LOOKUP)?)?;
        let users = Vocabulary::open(&user_section, "user_id", &artifact.section(USER_LOOKUP)?)?;
        let (n_items, n_users) = (items.len(), users.len());
        let n_baskets = manifest.counts.get("baskets").copied().unwrap_or(0);
        let purchases = |direction: Direction, rows, other| {
            Purchases::open(direction, &artifact.section(direction.section())?, rows, other)
        };
        let history = purchases(Direction::History, n_users, n_items)?;
        let buyers = purchases(Direction::Buyers, n_items, n_users)?;
        let lists = |name: &str| -> Result<Option<ItemLists>> {
            artifact.has(name).then(|| ItemLists::open(&artifact.section(name)?, n_items)).transpose()
        };
        let ranker = |name: &str| -> Result<Option<Trees>> {
            let open = || Trees::open(&artifact.section(name)?, RankColumn::NAMES);
            artifact.has(name).then(open).transpose()
        };
        let co_purchase = CoPurchase::open(&artifact.section(co_purchase::SECTION)?, n_items, n_baskets)?;
        let catalog = Catalog::open(&item_section, manifest.currency)?;
        Ok(Self {
            version: manifest.version.clone(),
            trained_at: manifest.created_at.clone(),
            data_until: manifest.data_until,
            content: Content::open(
                &artifact.section(content::SECTION)?,
                &artifact.section(content::LOOKUP)?,
                n_items,
            )?,
            traits: Traits::new(&catalog, n_items),
            catalog,
            profiles: Profiles::open(&user_section)?,
            user_attributes: UserAttributes::open(&artifact.section(user_attributes::SECTION)?, n_users)?,
            identities: Identities::open(&artifact.section(identities::SECTION)?, n_users)?,
            bundles: Bundles::open(&artifact.section(bundles::SECTION)?, co_purchase.baskets_of())?,
            co_purchase,
            repeats: Repeats::new(&history, &buyers),
            similar: SimilarItems::open(&artifact.section(similar_items::SECTION)?, n_items)?,
            user_knn: {
                let open = || UserItems::open(&artifact.section(user_items::SECTION)?, n_users, n_items);
                artifact.has(user_items::SECTION).then(open).transpose()?
            },
            history,
            buyers,
            ease: lists(EASE)?,
            ease_by_target: lists(EASE_BY_TARGET)?,
            basket_ease: ItemLists::open(&artifact.section(BASKET_EASE)?, n_items)?,
            transitions: lists(TRANSITIONS)?,
            popularity: Popularity::open(&artifact.section(popularity::SECTION)?, n_items)?,
            localities: {
                let open = || Localities::open(&artifact.section(localities::SECTION)?, n_items);
                artifact.has(localities::SECTION).then(open).transpose()?
            },
            rooms: {
                let open = || Rooms::open(&artifact.section(rooms::SECTION)?, n_items);
                artifact.has(rooms::SECTION).then(open).transpose()?
            },
            embedding: Embedding::open(artifact, n_items, n_users, serving.fold_in_alpha)?,
            low_pass: {
                let open = || Factors::open(&artifact.section(LOW_PASS)?, n_items);
                artifact.has(LOW_PASS).then(open).transpose()?
            },
            content_neighbors: lists(CONTENT_NEIGHBORS)?,
            external: Self::open_external(artifact, &serving.external, [n_items, n_users])?,
            blend: serving.blend,
            ranker: ranker(RANKER)?,
            new_ranker: ranker(NEW_RANKER)?,
            likelihood: {
                let trees = |name| Trees::open(&artifact.section(name)?, LikelihoodColumn::NAMES);
                let open = |horizon| -> Result<Likelihood> {
                    let [repeat, new, cold] = [LIKELY_REPEAT, LIKELY_NEW, LIKELY_COLD].map(trees);
                    Ok(Likelihood { repeat: repeat?, new: new?, cold: cold?, horizon })
                };
                serving.likelihood.map(open).transpose()?
            },
            items,
            users,
        })
    }

    fn open_external(artifact: &Artifact, names: &[String], rows: [usize; 2]) -> Result<Vec<External>> {
        if names.len() > external::SLOTS {
            let expected = format!("at most {} external sources", external::SLOTS);
            return Err(Error::malformed("manifest", expected, names.len()));
        }
        names.iter().enumerate().map(|(slot, name)| External::open(artifact, slot, name, rows)).collect()
    }
}

impl Embedding {
    fn open(artifact: &Artifact, n_items: usize, n_users: usize, alpha: f32) -> Result<Option<Self>> {
        if !artifact.has(ITEM_FACTORS) {
            return Ok(None);
        }
        let items = Factors::open(&artifact.section(ITEM_FACTORS)?, n_items)?;
        let users = Factors::open(&artifact.section(USER_FACTORS)?, n_users)?;
        if items.dim() != users.dim() {
            return Err(Error::malformed(USER_FACTORS, format!("dim {}", items.dim()), users.dim()));
        }
        let graph = |name: &str, rows| -> Result<Option<Graph>> {
            artifact.has(name).then(|| Graph::open(&artifact.section(name)?, rows)).transpose()
        };
        Ok(Some(Self {
            fold_in: FoldIn::open(&artifact.section(FOLD_IN)?, items.dim(), alpha)?,
            alpha,
            item_graph: graph(ITEM_GRAPH, n_items)?,
            user_graph: graph(USER_GRAPH, n_users)?,
            items,
            users,
        }))
    }
}
