//! The order of the stages, from a dataset to a snapshot, and from a snapshot to a published artifact.

use std::path::Path;

use chrono::{DateTime, SecondsFormat, Utc};
use qianmian_models::audience::likelihood::Likelihood;
use qianmian_models::blend::Blend;
use qianmian_models::ids::Vocabulary;
use qianmian_models::index::bundles::Bundles;
use qianmian_models::index::catalog::Catalog;
use qianmian_models::index::content::Content;
use qianmian_models::index::factors::{Factors, FoldIn};
use qianmian_models::index::item_lists::ItemLists;
use qianmian_models::index::neighbourhood::Neighbourhood;
use qianmian_models::index::places::Kind;
use qianmian_models::index::traits::Traits;
use qianmian_models::kernels::trees::Trees;
use qianmian_models::snapshot::{Embedding, Snapshot};
use qianmian_models::storage::artifact::{Artifact, ArtifactWriter, Manifest};
use qianmian_models::storage::versions::ShopStore;

use crate::config::{Config, TrainingConfig};
use crate::dataset::Dataset;
use crate::external;
use crate::learn::als::{self, AlsOptions};
use crate::learn::ease::{self, EaseOptions};
use crate::learn::goods::{self, Goods};
use crate::learn::low_pass::LowPassOptions;
use crate::learn::matrix::Matrix;
use crate::learn::rehearsal::{Rehearsal, Scene};
use crate::learn::{
    ann, bundles, co_purchase, likelihood, low_pass, places, popularity, profile, purchases, resembling,
    transitions,
};
use crate::orders::Line;
use crate::progress::{Reporter, Stage};

/// Rounds that find the low-pass embedding.
const LOW_PASS_ROUNDS: usize = 4;

/// Items times neighbours cubed of the basket regressions: 200 neighbours up to 12,500 items, fewer beyond, so
/// that a large catalogue does not take an hour.
const BASKET_WORK: f64 = 1e11;
/// What they never go below, unless configured.
const MIN_NEIGHBOURS: usize = 50;

/// A snapshot in memory and what its manifest will say of it.
pub struct Trained {
    /// Ready to be asked.
    pub snapshot: Snapshot,
    /// Baskets that co-purchase was counted over.
    pub n_baskets: u64,
    /// What the rehearsal measured, for the manifest.
    pub metrics: serde_json::Value,
}

/// What a rehearsal taught.
struct Rehearsed {
    blend: Blend,
    ranker: Option<Trees>,
    new_ranker: Option<Trees>,
    likelihood: Option<Likelihood>,
    /// Kinds of places that tell people apart.
    places: Vec<Kind>,
    metrics: serde_json::Value,
}

/// Learns everything from a dataset: how much each source counts from a rehearsal on the last months,
/// then all indexes from all of it.
pub fn learn(dataset: &Dataset, config: &TrainingConfig, reporter: &Reporter) -> anyhow::Result<Trained> {
    let rehearsed = rehearse(dataset, config, reporter)?;
    let mut trained = learn_indexes(dataset, config, reporter)?;
    let popularity = &trained.snapshot.popularity;
    trained.snapshot.places = places::learn(dataset, popularity, &rehearsed.places)?;
    trained.snapshot.external = external::full(&dataset.external);
    trained.snapshot.blend = rehearsed.blend;
    trained.snapshot.ranker = rehearsed.ranker;
    trained.snapshot.new_ranker = rehearsed.new_ranker;
    trained.snapshot.likelihood = rehearsed.likelihood;
    let stage = reporter.stage("bundles", 4);
    let mined = bundles::learn(dataset, &trained.snapshot.co_purchase, &|n| stage.advance(n))?;
    trained.snapshot.bundles = mined;
    drop(stage);
    trained.metrics = serde_json::json!({ "rehearsal": rehearsed.metrics });
    Ok(trained)
}

/// Learns the indexes of one or more pasts, then from what came after them how much each source counts and
/// how the best candidates are ordered.
fn rehearse(dataset: &Dataset, config: &TrainingConfig, reporter: &Reporter) -> anyhow::Result<Rehearsed> {
    let scene = |rehearsal: Rehearsal| -> anyhow::Result<Scene> {
        let mut snapshot = learn_indexes(&rehearsal.past, config, reporter)?.snapshot;
        snapshot.places = places::learn(&rehearsal.past, &snapshot.popularity, &Kind::ALL)?;
        snapshot.external = external::rehearsed(&dataset.external);
        let Rehearsal { labels, outcome, newcomers, .. } = rehearsal;
        Ok(Scene { snapshot, labels, outcome, newcomers })
    };
    let rehearsals = if config.rehearse { Rehearsal::all(dataset, config.seed) } else { Vec::new() };
    let mut scenes = rehearsals.into_iter().map(scene).collect::<anyhow::Result<Vec<_>>>()?;
    let Some(learned) = goods::learn(&mut scenes, config.seed, reporter) else {
        let (blend, places, metrics) = (Blend::default(), Vec::new(), serde_json::Value::Null);
        return Ok(Rehearsed { blend, ranker: None, new_ranker: None, likelihood: None, places, metrics });
    };
    let stage = reporter.stage("likelihood", 0);
    let likely = likelihood::learn(&scenes, config.seed, &|n| stage.advance(n));
    let worth = places::worth(&scenes);
    let Goods { blend, audience, visitor, any, new } = learned;
    let metrics = serde_json::json!({
        "users": scenes.iter().map(|s| s.labels.len()).sum::<usize>(),
        "recommend_ndcg_10": any.metrics(),
        "recommend_new_ndcg_10": new.metrics(),
        "recommend_visitor_ndcg_10": visitor,
        "audience_recall_ndcg_100": audience,
        "audience_log_loss": likely.metrics,
        "newcomers": worth,
    });
    let (likelihood, places) = (likely.likelihood, places::kept(&worth));
    Ok(Rehearsed {
        blend,
        ranker: any.ranked.trees,
        new_ranker: new.ranked.trees,
        likelihood,
        places,
        metrics,
    })
}

fn learn_indexes(dataset: &Dataset, config: &TrainingConfig, reporter: &Reporter) -> anyhow::Result<Trained> {
    let stage = reporter.stage("co-purchase", dataset.n_items() as u64);
    let (co_purchase, n_baskets) = co_purchase::learn(dataset, &|n| stage.advance(n))?;
    drop(stage);
    let stage = reporter.stage("histories", 2);
    let history = purchases::learn(dataset, config.half_life(dataset))?;
    stage.advance(1);
    let buyers = history.transposed(dataset.n_items())?;
    drop(stage);
    let stage = reporter.stage("popularity, profiles", 2);
    let popularity = popularity::learn(dataset);
    stage.advance(1);
    let profiles = profile::learn(dataset);
    drop(stage);
    let matrix = {
        let users = 0..history.rows() as u32;
        let triples = users.flat_map(|user| history.of(user).map(move |p| (user, p.ix, p.decayed)));
        Matrix::new(history.rows(), dataset.n_items(), triples)
    };
    let stage = reporter.stage("item regressions (EASE)", dataset.n_items() as u64);
    let ease = if history.rows() == 0 { None } else { Some(learn_ease(&matrix, config, &stage)?) };
    drop(stage);
    let ease_by_target = ease.as_ref().map(|e| e.transposed("ease_by_target")).transpose()?;
    let stage = reporter.stage("basket regressions", dataset.n_items() as u64);
    let basket_ease = learn_basket_ease(dataset, config, &stage)?;
    drop(stage);
    let stage = reporter.stage("transitions", 1);
    let transitions = transitions::learn("transitions", dataset)?;
    drop(stage);
    let embedding = embed(&matrix, config, reporter)?;
    let low_pass = smooth(&matrix, config, reporter);
    let catalog = Catalog::new(&dataset.attributes);
    let content = Content::new(&catalog, dataset.n_items())?;
    let resembling = resembling::learn(&content, &catalog, &popularity, dataset.n_items())?;
    let snapshot = Snapshot {
        version: String::new(),
        trained_at: String::new(),
        data_until: dataset.until,
        items: Vocabulary::new(&dataset.item_ids)?,
        users: Vocabulary::new(&dataset.user_ids)?,
        content,
        traits: Traits::new(&catalog, dataset.n_items()),
        catalog,
        profiles,
        co_purchase,
        neighbourhood: Neighbourhood::new(&history, &buyers),
        // Mined once, from all of the data: no rehearsal asks for them.
        bundles: Bundles::none(dataset.n_items()),
        history,
        buyers,
        ease,
        ease_by_target,
        basket_ease,
        transitions,
        popularity,
        places: None,
        embedding,
        low_pass,
        resembling,
        external: Vec::new(),
        blend: Blend::default(),
        ranker: None,
        new_ranker: None,
        likelihood: None,
    };
    Ok(Trained { snapshot, n_baskets, metrics: serde_json::Value::Null })
}

/// EASE over who bought what, users of long histories counting less.
fn learn_ease(matrix: &Matrix, config: &TrainingConfig, stage: &Stage) -> anyhow::Result<ItemLists> {
    let ones =
        (0..matrix.n_rows()).flat_map(|row| matrix.row(row).iter().map(move |&(c, _)| (row as u32, c, 1.0)));
    let x = Matrix::new(matrix.n_rows(), matrix.n_columns(), ones);
    let weights: Vec<f32> =
        (0..x.n_rows()).map(|row| (x.row(row).len().max(1) as f32).sqrt().recip()).collect();
    let options = EaseOptions { neighbours: config.ease_neighbours, lambda: config.ease_lambda };
    Ok(ease::learn("ease", &x, &weights, options, &|n| stage.advance(n))?)
}

/// EASE over baskets: large baskets count less, and so do old ones.
fn learn_basket_ease(dataset: &Dataset, config: &TrainingConfig, stage: &Stage) -> anyhow::Result<ItemLists> {
    let baskets: Vec<&[Line]> = dataset.baskets().filter(|b| b.len() > 1).collect();
    let cells =
        baskets.iter().enumerate().flat_map(|(row, b)| b.iter().map(move |l| (row as u32, l.item, 1.0)));
    let x = Matrix::new(baskets.len(), dataset.n_items(), cells);
    let half_life = 4.0 * config.half_life(dataset);
    let weight = |b: &&[Line]| dataset.decay(b[0].at, half_life) / ((b.len() - 1) as f32).sqrt();
    let weights: Vec<f32> = baskets.iter().map(weight).collect();
    let affordable = (BASKET_WORK / dataset.n_items().max(1) as f64).cbrt() as usize;
    let neighbours = config.basket_ease_neighbours.min(affordable.max(MIN_NEIGHBOURS));
    let options = EaseOptions { neighbours, lambda: config.basket_ease_lambda };
    Ok(ease::learn("basket_ease", &x, &weights, options, &|n| stage.advance(n))?)
}

/// Vectors of both sides, or none where there is nobody to learn from.
fn embed(matrix: &Matrix, config: &TrainingConfig, reporter: &Reporter) -> anyhow::Result<Option<Embedding>> {
    if matrix.n_rows() == 0 || matrix.n_columns() == 0 {
        return Ok(None);
    }
    let options = config.als();
    let stage = reporter.stage("vectors (ALS)", 2 * options.iterations as u64);
    let learned = als::learn(matrix, &options, &|n| stage.advance(n));
    drop(stage);
    let gram = als::gram(&learned.columns, options.regularization);
    let factors = |a: ndarray::Array2<f32>| Factors::new(options.dim, a.into_raw_vec_and_offset().0);
    let (items, users) = (factors(learned.columns), factors(learned.rows));
    let graph = |name: &'static str, section, factors: &Factors, min_rows: usize| -> anyhow::Result<_> {
        let needed = factors.rows() >= min_rows;
        let build = || {
            let stage = reporter.stage(name, factors.rows() as u64);
            ann::learn(section, factors, &|n| stage.advance(n))
        };
        Ok(needed.then(build).transpose()?)
    };
    Ok(Some(Embedding {
        item_graph: graph("item graph (HNSW)", "item_graph", &items, config.item_graph_min_rows)?,
        user_graph: graph("user graph (HNSW)", "user_graph", &users, config.user_graph_min_rows)?,
        fold_in: FoldIn::new(Factors::new(options.dim, gram), options.alpha),
        alpha: options.alpha,
        items,
        users,
    }))
}

/// The smooth directions of who bought what, or none where there is nobody to learn from.
fn smooth(matrix: &Matrix, config: &TrainingConfig, reporter: &Reporter) -> Option<Factors> {
    if matrix.n_rows() == 0 || matrix.n_columns() == 0 {
        return None;
    }
    let options = LowPassOptions { dim: config.low_pass_dim, rounds: LOW_PASS_ROUNDS, seed: config.seed };
    let stage = reporter.stage("low-pass vectors", options.rounds as u64);
    let vectors = low_pass::learn(matrix, &options, &|n| stage.advance(n));
    Some(Factors::new(vectors.ncols(), vectors.into_raw_vec_and_offset().0))
}

/// Writes a trained snapshot as a new version of a shop; it is complete, but not yet published. The
/// caller holds the store's lock.
pub fn write(
    trained: &Trained,
    dataset: &Dataset,
    config: &Config,
    store: &ShopStore,
    now: DateTime<Utc>,
    extra: serde_json::Value,
) -> anyhow::Result<Artifact> {
    let mut manifest =
        Manifest::new(free_version(store.folder(), now), now.to_rfc3339_opts(SecondsFormat::Secs, true));
    manifest.parent = store.latest()?.map(|latest| latest.version);
    manifest.data_from = dataset.from();
    manifest.metrics = trained.metrics.clone();
    manifest.parameters =
        serde_json::json!({ "training": config.training, "publish": config.publish, "data": extra });
    manifest.counts.insert("lines".to_owned(), dataset.lines().len() as u64);
    trained.snapshot.describe(&mut manifest, trained.n_baskets);
    let mut writer = ArtifactWriter::create(store.folder(), &manifest.version)?;
    trained.snapshot.write(&mut writer)?;
    Ok(writer.finish(manifest)?)
}

/// A version named by the time, made unique within the shop.
fn free_version(folder: &Path, now: DateTime<Utc>) -> String {
    let base = now.format("%Y%m%dT%H%M%SZ").to_string();
    let taken = |name: &str| folder.join(name).exists();
    if !taken(&base) {
        return base;
    }
    (2..).map(|n| format!("{base}-{n}")).find(|name| !taken(name)).unwrap_or(base)
}

impl TrainingConfig {
    /// The options of the vectors.
    pub fn als(&self) -> AlsOptions {
        AlsOptions {
            dim: self.dim,
            regularization: self.regularization,
            alpha: self.alpha,
            iterations: self.iterations,
            seed: self.seed,
            ..AlsOptions::default()
        }
    }
}
