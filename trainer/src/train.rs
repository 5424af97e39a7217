//! A training run: the order of the stages, from a dataset to a snapshot, and from a snapshot to a written artifact.
//!
//! First the rehearsal: indexes are learned from past folds; the purchases after them train the weights of the sources,
//! the rankers and the likelihoods, and select the localities that help. Then the indexes are learned from all data.

use std::collections::BTreeMap;
use std::path::Path;

use chrono::{DateTime, SecondsFormat, Utc};
use qianmian_models::blend::Blend;
use qianmian_models::ids::ItemIx;
use qianmian_models::index::likelihood::Likelihood;
use qianmian_models::index::localities::{Kind, Localities};
use qianmian_models::index::similar_items::SimilarItems;
use qianmian_models::kernels::trees::Trees;
use qianmian_models::similar::neighbors;
use qianmian_models::snapshot::Snapshot;
use qianmian_models::storage::artifact::{Artifact, ArtifactWriter, Manifest};
use qianmian_models::storage::metrics::{Metrics, Rehearsal};
use qianmian_models::storage::versions::ShopStore;
use rayon::prelude::*;

use crate::config::{Config, TrainingConfig};
use crate::dataset::Dataset;
use crate::learn::content_neighbors::ContentNeighbors;
use crate::learn::folds::{PastFold, Split};
use crate::learn::indexes::{self, CatalogIndexes, Indexes};
use crate::learn::{ann, bundles, likelihood, localities, ranking, user_knn};
use crate::progress::Reporter;

/// Sizes of bundles; each is a unit of work.
const BUNDLE_SIZES: u64 = 4;

/// A snapshot in memory and the contents of its manifest.
pub struct Trained {
    /// Everything that was learned.
    pub snapshot: Snapshot,
    /// Baskets counted for co-purchase.
    pub n_baskets: u64,
    /// Metrics of the rehearsal and the sections that were left out, for the manifest.
    pub metrics: Metrics,
    /// Sections left out, with the reason.
    pub left_out: BTreeMap<String, String>,
}

/// The models learned in the rehearsal.
#[derive(Default)]
struct Rehearsed {
    blend: Blend,
    ranker: Option<Trees>,
    new_ranker: Option<Trees>,
    likelihood: Option<Likelihood>,
    /// Kinds of localities that rank better than the whole shop.
    localities: Vec<Kind>,
    metrics: Option<Rehearsal>,
}

/// A training run with its past folds cut, so that the number of stages is known.
pub struct Training<'a> {
    dataset: &'a Dataset,
    config: &'a TrainingConfig,
    splits: Vec<Split>,
}

/// Learns everything from a dataset, with numbered stages.
pub fn learn(dataset: &Dataset, config: &TrainingConfig, reporter: &Reporter) -> anyhow::Result<Trained> {
    let training = Training::new(dataset, config, reporter);
    let steps = training.steps();
    training.learn(&reporter.plan(steps))
}

impl<'a> Training<'a> {
    /// Cuts the past folds.
    pub fn new(dataset: &'a Dataset, config: &'a TrainingConfig, reporter: &Reporter) -> Self {
        let _stage = reporter.stage("cut past folds", 0);
        let splits = if config.rehearse { Split::all(dataset, config.seed) } else { Vec::new() };
        Self { dataset, config, splits }
    }

    /// Stages that [`learn`](Self::learn) reports.
    pub fn steps(&self) -> usize {
        let ranking = if self.splits.is_empty() { 0 } else { ranking::STEPS + 2 };
        let graphs = self.graphs().iter().filter(|built| **built).count();
        (self.splits.len() + 1) * (indexes::STEPS + 2) + ranking + graphs + 3
    }

    /// True for items and for users if a graph is built. Below the configured sizes an exact scan is
    /// faster (decisions 4 and 51).
    fn graphs(&self) -> [bool; 2] {
        let n_users = self.dataset.n_users();
        let embedded = n_users > 0 && self.dataset.n_items() > 0;
        [
            embedded && self.dataset.n_items() >= self.config.item_graph_min_rows,
            embedded && n_users >= self.config.user_graph_min_rows,
        ]
    }

    /// Learns the ranking from the past folds, then all indexes from all data. Reports
    /// [`steps`](Self::steps) stages.
    pub fn learn(mut self, reporter: &Reporter) -> anyhow::Result<Trained> {
        let (dataset, config, splits) = (self.dataset, self.config, std::mem::take(&mut self.splits));
        let cold = cold_items(dataset, &splits);
        let stage = reporter.stage("content neighbors", cold.len() as u64);
        let shared = CatalogIndexes::new(dataset)?;
        let neighbors =
            ContentNeighbors::new(&shared.content, &cold, dataset.n_items(), &|n| stage.advance(n));
        drop(stage);
        let index = |dataset: &Dataset, reporter: &Reporter| {
            indexes::learn(dataset, &shared, &neighbors, config, reporter)
        };
        let rehearsed = rehearse(dataset, splits, config, reporter, &index)?;
        let reporter = &reporter.part("all data");
        let Indexes { mut snapshot, n_baskets, left_out } = index(dataset, reporter)?;
        self.build_graphs(&mut snapshot, reporter)?;
        let users: Vec<u32> = (0..dataset.n_users() as u32).collect();
        learn_user_knn(dataset, &mut snapshot, config, &users, reporter)?;
        snapshot.localities = learn_localities(dataset, &snapshot, &rehearsed.localities, reporter)?;
        snapshot.external = dataset.external.iter().map(|model| model.served.clone()).collect();
        learn_similar(&mut snapshot, reporter)?;
        snapshot.blend = rehearsed.blend;
        snapshot.ranker = rehearsed.ranker;
        snapshot.new_ranker = rehearsed.new_ranker;
        snapshot.likelihood = rehearsed.likelihood;
        let stage = reporter.stage("bundles", BUNDLE_SIZES);
        snapshot.bundles = bundles::learn(dataset, &snapshot.co_purchase, &|n| stage.advance(n))?;
        drop(stage);
        let rehearsal = rehearsed.metrics;
        let metrics = Metrics { rehearsal, left_out: left_out.clone(), ..Metrics::default() };
        Ok(Trained { snapshot, n_baskets, metrics, left_out })
    }

    /// Builds the graphs of the served model. The rehearsal needs none.
    fn build_graphs(&self, snapshot: &mut Snapshot, reporter: &Reporter) -> anyhow::Result<()> {
        let [items, users] = self.graphs();
        if items {
            let stage = reporter.stage("item graph (HNSW)", self.dataset.n_items() as u64);
            if let Some(embedding) = &mut snapshot.embedding {
                let graph = ann::learn("item_graph", &embedding.items, &|n| stage.advance(n))?;
                embedding.item_graph = Some(graph);
            }
        }
        if users {
            let stage = reporter.stage("user graph (HNSW)", self.dataset.n_users() as u64);
            if let Some(embedding) = &mut snapshot.embedding {
                let graph = ann::learn("user_graph", &embedding.users, &|n| stage.advance(n))?;
                embedding.user_graph = Some(graph);
            }
        }
        Ok(())
    }
}

/// Learns the neighbors of all items from the other indexes of the snapshot.
fn learn_similar(snapshot: &mut Snapshot, reporter: &Reporter) -> anyhow::Result<()> {
    let stage = reporter.stage("similar items", snapshot.items.len() as u64);
    let of = |item: ItemIx| {
        let list = neighbors::of(snapshot, item);
        stage.advance(1);
        list
    };
    let lists: Vec<_> = (0..snapshot.items.len() as ItemIx).into_par_iter().map(of).collect();
    snapshot.similar = SimilarItems::new(&lists)?;
    Ok(())
}

/// Learns the lists of user-kNN of `users`.
fn learn_user_knn(
    dataset: &Dataset,
    snapshot: &mut Snapshot,
    config: &TrainingConfig,
    users: &[u32],
    reporter: &Reporter,
) -> anyhow::Result<()> {
    let stage = reporter.stage("similar users", users.len() as u64);
    let purchases = [&snapshot.history, &snapshot.buyers];
    snapshot.user_knn = user_knn::learn(dataset, purchases, config, users, &|n| stage.advance(n))?;
    Ok(())
}

fn learn_localities(
    dataset: &Dataset,
    snapshot: &Snapshot,
    kinds: &[Kind],
    reporter: &Reporter,
) -> anyhow::Result<Option<Localities>> {
    let _stage = reporter.stage("localities", 1);
    Ok(localities::learn(dataset, &snapshot.popularity, kinds)?)
}

/// The items without sales in the dataset or in one of the pasts, ascending.
fn cold_items(dataset: &Dataset, splits: &[Split]) -> Vec<ItemIx> {
    let mut is_cold = vec![false; dataset.n_items()];
    for past in splits.iter().map(|split| &split.past).chain([dataset]) {
        let mut sold = vec![false; dataset.n_items()];
        past.lines().iter().for_each(|line| sold[line.item as usize] = true);
        is_cold.iter_mut().zip(sold).for_each(|(cold, sold)| *cold |= !sold);
    }
    (0..).zip(is_cold).filter(|(_, cold)| *cold).map(|(item, _)| item).collect()
}

/// Learns the indexes of past folds, then the ranking from the purchases after them.
fn rehearse(
    dataset: &Dataset,
    splits: Vec<Split>,
    config: &TrainingConfig,
    reporter: &Reporter,
    index: &dyn Fn(&Dataset, &Reporter) -> anyhow::Result<Indexes>,
) -> anyhow::Result<Rehearsed> {
    let n = splits.len();
    let mut folds = Vec::with_capacity(n);
    for (number, split) in (1..).zip(splits) {
        let Split { past, labels, future, new_users } = split;
        let reporter = reporter.part(format!("rehearsal {number} of {n}"));
        let mut snapshot = index(&past, &reporter)?.snapshot;
        let users: Vec<u32> = labels.iter().map(|(user, _)| *user).collect();
        learn_user_knn(&past, &mut snapshot, config, &users, &reporter)?;
        snapshot.localities = learn_localities(&past, &snapshot, &Kind::ALL, &reporter)?;
        snapshot.external = dataset.external.iter().map(|model| model.rehearsed.clone()).collect();
        folds.push(PastFold { snapshot, labels, future, new_users });
    }
    let Some(rankings) = ranking::learn(&mut folds, config.seed, reporter) else {
        return Ok(Rehearsed::default());
    };
    let stage = reporter.stage("likelihood", likelihood::max_trees(&folds));
    let likely = likelihood::learn(&folds, config.seed, &|n| stage.advance(n));
    drop(stage);
    let stage = reporter.stage("place lifts", 1);
    let lifts = localities::lifts(&folds);
    drop(stage);
    let metrics = Rehearsal {
        users: folds.iter().map(|fold| fold.labels.len() as u64).sum(),
        recommend_ndcg_10: rankings.all.quality(),
        recommend_new_ndcg_10: rankings.new.quality(),
        recommend_visitor_ndcg_10: rankings.visitor_ndcg,
        audience_recall_ndcg_100: Some(rankings.audience_score),
        audience_log_loss: likely.losses,
        localities: lifts.clone(),
    };
    Ok(Rehearsed {
        blend: rankings.blend,
        ranker: rankings.all.ranker.trees,
        new_ranker: rankings.new.ranker.trees,
        likelihood: likely.likelihood,
        localities: localities::kept(&lifts),
        metrics: Some(metrics),
    })
}

/// Writes a trained snapshot as a new version of a shop: complete, but not yet published. The caller holds the store's
/// lock.
pub fn write(
    trained: &Trained,
    dataset: &Dataset,
    config: &Config,
    store: &ShopStore,
    now: DateTime<Utc>,
    input: serde_json::Value,
) -> anyhow::Result<Artifact> {
    let mut manifest =
        Manifest::new(free_version(store.folder(), now), now.to_rfc3339_opts(SecondsFormat::Secs, true));
    manifest.parent = store.latest()?.map(|latest| latest.version);
    manifest.data_from = dataset.from();
    manifest.metrics = trained.metrics.clone();
    manifest.parameters =
        serde_json::json!({ "training": config.training, "publish": config.publish, "data": input });
    manifest.counts.insert("lines".to_owned(), dataset.lines().len() as u64);
    trained.snapshot.describe(&mut manifest, trained.n_baskets);
    let mut writer = ArtifactWriter::create(store.folder(), &manifest.version)?;
    trained.snapshot.write(&mut writer)?;
    Ok(writer.finish(manifest)?)
}

/// A version name from the time, unique within the shop.
fn free_version(folder: &Path, now: DateTime<Utc>) -> String {
    let base = now.format("%Y%m%dT%H%M%SZ").to_string();
    let taken = |name: &str| folder.join(name).exists();
    if !taken(&base) {
        return base;
    }
    (2..).map(|n| format!("{base}-{n}")).find(|name| !taken(name)).unwrap_or(base)
}
