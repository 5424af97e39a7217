//! All indexes of one dataset, assembled into a snapshot: everything of an artifact except rankers and weights.
//!
//! Every number of an index is finite. If a learner cannot give finite numbers, or has nothing to learn from, its
//! section is left out, with the reason in [`Indexes::left_out`].

use std::collections::BTreeMap;

use qianmian_models::blend::Blend;
use qianmian_models::ids::Vocabulary;
use qianmian_models::index::bundles::Bundles;
use qianmian_models::index::catalog::Catalog;
use qianmian_models::index::content::Content;
use qianmian_models::index::factors::{Factors, FoldIn};
use qianmian_models::index::identities::Identities;
use qianmian_models::index::item_lists::ItemLists;
use qianmian_models::index::repeats::Repeats;
use qianmian_models::index::similar_items::SimilarItems;
use qianmian_models::index::traits::Traits;
use qianmian_models::index::user_attributes::UserAttributes;
use qianmian_models::snapshot::{Embedding, Snapshot};

use super::als::{self, AlsOptions};
use super::content_neighbors::ContentNeighbors;
use super::ease::{self, EaseOptions};
use super::low_pass::{self, LowPassOptions};
use super::matrix::Matrix;
use super::{co_purchase, popularity, profile, purchases, rooms, transitions};
use crate::config::TrainingConfig;
use crate::dataset::Dataset;
use crate::orders::Line;
use crate::progress::{Reporter, Stage};

/// Stages that [`learn`] reports.
pub const STEPS: usize = 9;
/// Rounds of subspace iteration of the low-pass embedding (decision 17).
const LOW_PASS_ROUNDS: usize = 4;
/// Conjugate-gradient steps per row and pass (decision 5).
const CG_STEPS: usize = 3;
/// The half-life of baskets in the basket regression, in half-lives of histories: items bought together change more
/// slowly than a user's needs (decision 14).
const BASKET_HALF_LIVES: f64 = 4.0;
/// Bound of items times neighbors cubed in the basket regressions: 200 neighbors up to 12,500 items, fewer beyond,
/// so that a large catalog does not take an hour (decision 14).
const BASKET_WORK: f64 = 1e11;
/// Neighbors that the bound leaves at least, unless fewer are configured (decision 14).
const MIN_NEIGHBORS: usize = 50;

/// Indexes learned from the catalog alone; the same for every past fold of a dataset.
pub struct CatalogIndexes {
    catalog: Catalog,
    /// Items by the tokens of their attributes.
    pub content: Content,
    traits: Traits,
}

impl CatalogIndexes {
    /// Learns the indexes of the items of `dataset`.
    pub fn new(dataset: &Dataset) -> anyhow::Result<Self> {
        let catalog = Catalog::new(&dataset.attributes, dataset.currency)?;
        let content = Content::new(&catalog, dataset.n_items())?;
        let traits = Traits::new(&catalog, dataset.n_items());
        Ok(Self { catalog, content, traits })
    }
}

/// The learned indexes, and the reasons for missing ones.
pub struct Indexes {
    /// A snapshot with default weights and without rankers, localities, bundles, graphs and external models.
    pub snapshot: Snapshot,
    /// Baskets counted for co-purchase.
    pub n_baskets: u64,
    /// Sections left out, with the reason.
    pub left_out: BTreeMap<String, String>,
}

/// Learns all indexes of `dataset`; `neighbors` must hold the neighbors of all its items without sales. Reports
/// [`STEPS`] stages.
pub fn learn(
    dataset: &Dataset,
    shared: &CatalogIndexes,
    neighbors: &ContentNeighbors,
    config: &TrainingConfig,
    reporter: &Reporter,
) -> anyhow::Result<Indexes> {
    let n_items = dataset.n_items();
    let mut left_out = BTreeMap::new();
    let stage = reporter.stage("co-purchase", n_items as u64);
    let (co_purchase, n_baskets) = co_purchase::learn(dataset, &|n| stage.advance(n))?;
    drop(stage);
    let stage = reporter.stage("histories", 2);
    let history = purchases::learn(dataset, dataset.half_life_days(config))?;
    stage.advance(1);
    let buyers = history.transposed(n_items)?;
    drop(stage);
    let stage = reporter.stage("popularity and profiles", 2);
    let popularity = popularity::learn(dataset);
    stage.advance(1);
    let profiles = profile::learn(dataset);
    drop(stage);
    let stage = reporter.stage("item regressions (EASE)", n_items as u64);
    let matrix = {
        let users = 0..history.rows() as u32;
        let triples = users.flat_map(|user| history.of(user).map(move |p| (user, p.ix, p.decayed)));
        Matrix::new(history.rows(), n_items, triples)
    };
    let ease = if history.rows() == 0 { None } else { Some(learn_ease(&matrix, config, &stage)?) };
    let ease_by_target = ease.as_ref().map(|e| e.transposed("ease_by_target")).transpose()?;
    drop(stage);
    let stage = reporter.stage("basket regressions", n_items as u64);
    let basket_ease = learn_basket_ease(dataset, config, &stage)?;
    drop(stage);
    let stage = reporter.stage("transitions", 1);
    let transitions = transitions::learn("transitions", dataset)?;
    drop(stage);
    let embedding = learn_vectors(&matrix, config, reporter, &mut left_out);
    let low_pass = learn_low_pass(&matrix, config, reporter, &mut left_out);
    drop(matrix);
    let _stage = reporter.stage("assemble", 1);
    let snapshot = Snapshot {
        version: String::new(),
        trained_at: String::new(),
        data_until: dataset.until,
        items: Vocabulary::new(&dataset.item_ids)?,
        users: Vocabulary::new(&dataset.user_ids)?,
        catalog: shared.catalog.clone(),
        content: shared.content.clone(),
        traits: shared.traits.clone(),
        content_neighbors: neighbors.lists(&popularity)?,
        profiles,
        user_attributes: UserAttributes::new(&dataset.user_attributes)?,
        identities: Identities::new(&dataset.identities)?,
        co_purchase,
        repeats: Repeats::new(&history, &buyers),
        similar: SimilarItems::none(n_items),
        user_knn: None,
        bundles: Bundles::none(n_items),
        history,
        buyers,
        ease,
        ease_by_target,
        basket_ease,
        transitions,
        popularity,
        localities: None,
        rooms: rooms::learn(dataset)?,
        embedding,
        low_pass,
        external: Vec::new(),
        blend: Blend::default(),
        ranker: None,
        new_ranker: None,
        likelihood: None,
    };
    Ok(Indexes { snapshot, n_baskets, left_out })
}

/// EASE over the items of users; users with long histories count less.
fn learn_ease(matrix: &Matrix, config: &TrainingConfig, stage: &Stage) -> anyhow::Result<ItemLists> {
    let ones =
        (0..matrix.n_rows()).flat_map(|row| matrix.row(row).iter().map(move |&(c, _)| (row as u32, c, 1.0)));
    let x = Matrix::new(matrix.n_rows(), matrix.n_columns(), ones);
    let weights: Vec<f32> =
        (0..x.n_rows()).map(|row| (x.row(row).len().max(1) as f32).sqrt().recip()).collect();
    let options = EaseOptions { neighbors: config.ease_neighbors, lambda: config.ease_lambda };
    Ok(ease::learn("ease", &x, &weights, options, &|n| stage.advance(n))?)
}

/// EASE over the items of baskets; large baskets and old ones count less.
fn learn_basket_ease(dataset: &Dataset, config: &TrainingConfig, stage: &Stage) -> anyhow::Result<ItemLists> {
    let baskets: Vec<&[Line]> = dataset.baskets().filter(|b| b.len() > 1).collect();
    let cells =
        baskets.iter().enumerate().flat_map(|(row, b)| b.iter().map(move |l| (row as u32, l.item, 1.0)));
    let x = Matrix::new(baskets.len(), dataset.n_items(), cells);
    let half_life = BASKET_HALF_LIVES * dataset.half_life_days(config);
    let weight = |b: &&[Line]| dataset.decay(b[0].at, half_life) / ((b.len() - 1) as f32).sqrt();
    let weights: Vec<f32> = baskets.iter().map(weight).collect();
    let affordable = (BASKET_WORK / dataset.n_items().max(1) as f64).cbrt() as usize;
    let neighbors = config.basket_ease_neighbors.min(affordable.max(MIN_NEIGHBORS));
    let options = EaseOptions { neighbors, lambda: config.basket_ease_lambda };
    Ok(ease::learn("basket_ease", &x, &weights, options, &|n| stage.advance(n))?)
}

/// ALS vectors of users and items, without graphs.
fn learn_vectors(
    matrix: &Matrix,
    config: &TrainingConfig,
    reporter: &Reporter,
    left_out: &mut BTreeMap<String, String>,
) -> Option<Embedding> {
    let options = als_options(config);
    let stage = reporter.stage("vectors (ALS)", 2 * options.iterations as u64);
    if matrix.n_rows() == 0 || matrix.n_columns() == 0 {
        left_out.insert("item_factors".to_owned(), NO_USERS.to_owned());
        return None;
    }
    let learned = als::learn(matrix, &options, &|n| stage.advance(n));
    let gram = als::gram(&learned.columns, options.regularization);
    let values = |a: ndarray::Array2<f32>| a.into_raw_vec_and_offset().0;
    let (items, users) = (values(learned.columns), values(learned.rows));
    if !all_finite(&items) || !all_finite(&users) || !all_finite(&gram) {
        left_out.insert("item_factors".to_owned(), NOT_FINITE.to_owned());
        return None;
    }
    Some(Embedding {
        item_graph: None,
        user_graph: None,
        fold_in: FoldIn::new(Factors::new(options.dim, gram), options.alpha),
        alpha: options.alpha,
        items: Factors::new(options.dim, items),
        users: Factors::new(options.dim, users),
    })
}

/// The low-pass vectors of items.
fn learn_low_pass(
    matrix: &Matrix,
    config: &TrainingConfig,
    reporter: &Reporter,
    left_out: &mut BTreeMap<String, String>,
) -> Option<Factors> {
    let options = LowPassOptions { dim: config.low_pass_dim, rounds: LOW_PASS_ROUNDS, seed: config.seed };
    let stage = reporter.stage("low-pass vectors", options.rounds as u64);
    if matrix.n_rows() == 0 || matrix.n_columns() == 0 {
        left_out.insert("low_pass".to_owned(), NO_USERS.to_owned());
        return None;
    }
    let vectors = low_pass::learn(matrix, &options, &|n| stage.advance(n));
    let dim = vectors.ncols();
    let values = vectors.into_raw_vec_and_offset().0;
    if !all_finite(&values) {
        left_out.insert("low_pass".to_owned(), NOT_FINITE.to_owned());
        return None;
    }
    Some(Factors::new(dim, values))
}

const NO_USERS: &str = "no known user bought anything, so there is nothing to learn from";
const NOT_FINITE: &str = "the learner did not find finite numbers for these data";

fn all_finite(values: &[f32]) -> bool {
    values.iter().all(|v| v.is_finite())
}

/// The options of the ALS vectors.
pub fn als_options(config: &TrainingConfig) -> AlsOptions {
    AlsOptions {
        dim: config.dim,
        regularization: config.regularization,
        alpha: config.alpha,
        iterations: config.iterations,
        cg_steps: CG_STEPS,
        seed: config.seed,
    }
}
