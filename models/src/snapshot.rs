//! A snapshot: everything one artifact knows, opened and ready to be asked.
//!
//! Built in memory by the trainer or mapped from disk, it is the same type, so that what is evaluated is
//! what is served. It is immutable; a server shares one behind an `Arc` and swaps it whole.

use serde::{Deserialize, Serialize};

use crate::blend::Blend;
use crate::error::{Error, Result};
use crate::ids::{ItemIx, Vocabulary};
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
use crate::index::neighbourhood::Neighbourhood;
use crate::index::places::{self, Places};
use crate::index::popularity::{self, Popularity};
use crate::index::profile::{self, Profiles};
use crate::index::purchases::{Direction, Purchases};
use crate::index::traits::Traits;
use crate::index::user_attributes::{self, UserAttributes};
use crate::kernels::trees::Trees;
use crate::storage::artifact::{Artifact, ArtifactWriter, Manifest};

/// Everything one artifact knows.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// The version that answers name.
    pub version: String,
    /// When it was trained, RFC 3339.
    pub trained_at: String,
    /// The moment the model knows the world at, unix seconds.
    pub data_until: i64,
    /// Item ids.
    pub items: Vocabulary,
    /// User ids.
    pub users: Vocabulary,
    /// Item attributes.
    pub catalog: Catalog,
    /// What items are like, by their attributes.
    pub content: Content,
    /// User activity.
    pub profiles: Profiles,
    /// User attributes and consents.
    pub user_attributes: UserAttributes,
    /// Names by which channels know the users.
    pub identities: Identities,
    /// Item -> items of the same baskets.
    pub co_purchase: CoPurchase,
    /// Sets of items that real baskets hold together.
    pub bundles: Bundles,
    /// User -> items bought.
    pub history: Purchases,
    /// Item -> users who bought.
    pub buyers: Purchases,
    /// Item sales.
    pub popularity: Popularity,
    /// What sells where, absent where places do not tell people apart.
    pub places: Option<Places>,
    /// Item -> items by EASE over users, absent where there were no users to learn from.
    pub ease: Option<ItemLists>,
    /// The same weights by target: item -> items whose buyers tend to buy it.
    pub ease_by_target: Option<ItemLists>,
    /// Item -> items by EASE over baskets: what completes a cart.
    pub basket_ease: ItemLists,
    /// Item -> items bought after it, absent where no order of purchases is known.
    pub transitions: Option<ItemLists>,
    /// What user-kNN needs; derived from `history` and `buyers`.
    pub neighbourhood: Neighbourhood,
    /// What items have in common by their attributes; derived from `catalog`.
    pub traits: Traits,
    /// Vectors, absent where there were no users to learn from.
    pub embedding: Option<Embedding>,
    /// Low-pass item vectors, `n_items x dim`, absent where there were no users to learn from.
    pub low_pass: Option<Factors>,
    /// Item -> items that resemble it by what is written of both, one of the two never sold; absent where all
    /// items were sold.
    pub resembling: Option<ItemLists>,
    /// What was learned elsewhere, at most [`external::SLOTS`].
    pub external: Vec<External>,
    /// How much each source counts.
    pub blend: Blend,
    /// Orders the best of the blend, people -> goods; absent where the blend alone is better.
    pub ranker: Option<Trees>,
    /// The same for goods that the person did not buy before.
    pub new_ranker: Option<Trees>,
    /// How likely users are to buy, goods -> people; absent where nothing could be learned from what
    /// followed.
    pub likelihood: Option<Likelihood>,
}

/// Item and user vectors in one space, with their graphs where they are large enough to need one.
#[derive(Debug, Clone)]
pub struct Embedding {
    /// `n_items x dim`.
    pub items: Factors,
    /// `n_users x dim`.
    pub users: Factors,
    /// Solves for the vector of a user that training did not see.
    pub fold_in: FoldIn,
    /// Confidence added for one basket, of the fold-in.
    pub alpha: f32,
    /// Over `items`.
    pub item_graph: Option<Graph>,
    /// Over `users`.
    pub user_graph: Option<Graph>,
}

/// The part of the manifest's `parameters` that serving needs.
#[derive(Serialize, Deserialize)]
struct Serving {
    blend: Blend,
    #[serde(default)]
    fold_in_alpha: f32,
    likelihood: Option<Horizon>,
    /// Names of what was learned elsewhere, slot by slot.
    #[serde(default)]
    external: Vec<String>,
}

const RANKER: &str = "ranker";
const NEW_RANKER: &str = "new_ranker";
const LIKELY_REPEAT: &str = "likely_repeat";
const LIKELY_NEW: &str = "likely_new";
const LIKELY_COLD: &str = "likely_cold";
const EASE: &str = "ease";
const EASE_BY_TARGET: &str = "ease_by_target";
const BASKET_EASE: &str = "basket_ease";
const TRANSITIONS: &str = "transitions";
const LOW_PASS: &str = "low_pass";
const RESEMBLING: &str = "resembling";
const ITEM_LOOKUP: &str = "item_lookup";
const USER_LOOKUP: &str = "user_lookup";
const ITEM_FACTORS: &str = "item_factors";
const USER_FACTORS: &str = "user_factors";
const FOLD_IN: &str = "fold_in";
const ITEM_GRAPH: &str = "item_graph";
const USER_GRAPH: &str = "user_graph";

impl Snapshot {
    /// Opens and verifies every section of an artifact.
    ///
    /// # Errors
    /// Names the section that is missing, damaged or not as the format says.
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
        let catalog = Catalog::open(&item_section)?;
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
            neighbourhood: Neighbourhood::new(&history, &buyers),
            history,
            buyers,
            ease: lists(EASE)?,
            ease_by_target: lists(EASE_BY_TARGET)?,
            basket_ease: ItemLists::open(&artifact.section(BASKET_EASE)?, n_items)?,
            transitions: lists(TRANSITIONS)?,
            popularity: Popularity::open(&artifact.section(popularity::SECTION)?, n_items)?,
            places: {
                let open = || Places::open(&artifact.section(places::SECTION)?, n_items);
                artifact.has(places::SECTION).then(open).transpose()?
            },
            embedding: Embedding::open(artifact, n_items, n_users, serving.fold_in_alpha)?,
            low_pass: {
                let open = || Factors::open(&artifact.section(LOW_PASS)?, n_items);
                artifact.has(LOW_PASS).then(open).transpose()?
            },
            resembling: lists(RESEMBLING)?,
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

    /// Writes every section into `writer`; the caller finishes it with the manifest that
    /// [`describe`](Self::describe) completed.
    pub fn write(&self, writer: &mut ArtifactWriter) -> Result<()> {
        writer.section(catalog::SECTION, &self.catalog.batch(&self.items)?)?;
        writer.section(ITEM_LOOKUP, &self.items.lookup_batch()?)?;
        writer.section(content::SECTION, &self.content.batch()?)?;
        writer.section(content::LOOKUP, &self.content.lookup_batch()?)?;
        writer.section(profile::SECTION, &self.profiles.batch(&self.users)?)?;
        writer.section(user_attributes::SECTION, &self.user_attributes.batch()?)?;
        writer.section(identities::SECTION, &self.identities.batch()?)?;
        writer.section(USER_LOOKUP, &self.users.lookup_batch()?)?;
        writer.section(co_purchase::SECTION, &self.co_purchase.batch()?)?;
        writer.section(bundles::SECTION, &self.bundles.batch()?)?;
        writer.section(Direction::History.section(), &self.history.batch()?)?;
        writer.section(Direction::Buyers.section(), &self.buyers.batch()?)?;
        writer.section(popularity::SECTION, &self.popularity.batch()?)?;
        writer.section(BASKET_EASE, &self.basket_ease.batch(BASKET_EASE)?)?;
        for (name, ranker) in [(RANKER, &self.ranker), (NEW_RANKER, &self.new_ranker)] {
            if let Some(ranker) = ranker {
                writer.section(name, &ranker.batch(name, RankColumn::NAMES)?)?;
            }
        }
        if let Some(likelihood) = &self.likelihood {
            let likely = [
                (LIKELY_REPEAT, &likelihood.repeat),
                (LIKELY_NEW, &likelihood.new),
                (LIKELY_COLD, &likelihood.cold),
            ];
            for (name, trees) in likely {
                writer.section(name, &trees.batch(name, LikelihoodColumn::NAMES)?)?;
            }
        }
        if let Some(low_pass) = &self.low_pass {
            writer.section(LOW_PASS, &low_pass.batch(LOW_PASS)?)?;
        }
        if let Some(places) = &self.places {
            writer.section(places::SECTION, &places.batch()?)?;
        }
        for (slot, external) in self.external.iter().enumerate().take(external::SLOTS) {
            external.write(slot, writer)?;
        }
        let optional = [
            (EASE, &self.ease),
            (EASE_BY_TARGET, &self.ease_by_target),
            (TRANSITIONS, &self.transitions),
            (RESEMBLING, &self.resembling),
        ];
        for (name, lists) in optional {
            if let Some(lists) = lists {
                writer.section(name, &lists.batch(name)?)?;
            }
        }
        self.embedding.as_ref().map_or(Ok(()), |e| e.write(writer))
    }

    /// Puts into a manifest what [`open`](Self::open) will need from it.
    pub fn describe(&self, manifest: &mut Manifest, n_baskets: u64) {
        manifest.data_until = self.data_until;
        for (name, count) in
            [("items", self.items.len() as u64), ("users", self.users.len() as u64), ("baskets", n_baskets)]
        {
            manifest.counts.insert(name.to_owned(), count);
        }
        let serving = serde_json::json!({
            "blend": self.blend,
            "fold_in_alpha": self.embedding.as_ref().map_or(0.0, |e| e.alpha),
            "likelihood": self.likelihood.as_ref().map(|l| l.horizon),
            "external": self.external.iter().map(|e| &e.name).collect::<Vec<_>>(),
        });
        if !manifest.parameters.is_object() {
            manifest.parameters = serde_json::json!({});
        }
        manifest.parameters["serving"] = serving;
    }

    /// Rows of the known ids among `ids`, in order.
    pub fn item_ixs<'a>(&self, ids: impl IntoIterator<Item = &'a str>) -> Vec<ItemIx> {
        ids.into_iter().filter_map(|id| self.items.ix(id)).collect()
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

    fn write(&self, writer: &mut ArtifactWriter) -> Result<()> {
        writer.section(ITEM_FACTORS, &self.items.batch(ITEM_FACTORS)?)?;
        writer.section(USER_FACTORS, &self.users.batch(USER_FACTORS)?)?;
        writer.section(FOLD_IN, &self.fold_in.gram().batch(FOLD_IN)?)?;
        for (name, graph) in [(ITEM_GRAPH, &self.item_graph), (USER_GRAPH, &self.user_graph)] {
            if let Some(graph) = graph {
                writer.section(name, &graph.batch(name)?)?;
            }
        }
        Ok(())
    }
}
