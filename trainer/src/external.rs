//! External models: embeddings or item-item scores learned elsewhere, read into the vocabulary of a dataset.
//!
//! Ids are normalized as those of the orders. Ids that the shop does not know are counted and skipped; items and users
//! that a file lacks get no score from it. A number that is not finite, a vector of another length and a repeated id
//! are errors that name the file and the row.

mod table;

use std::fmt;
use std::path::Path;

use anyhow::{Context, ensure};
use qianmian_models::index::external::{External, Knowledge, Scores};
use qianmian_models::index::factors::Factors;
use qianmian_models::index::item_lists::ItemLists;
use qianmian_models::kernels::topk::TopK;
use serde::Serialize;

use crate::config::{Config, ExternalFiles, Normalise};
use crate::dataset::{Dataset, ExternalModel};
use table::Ids;

/// Targets kept per item (decision 23).
const TOP_N: usize = 100;

/// The match of one external model's files with the shop.
#[derive(Debug, Clone, Serialize)]
pub struct Summary {
    /// The model's name in the configuration.
    pub name: String,
    /// File by file.
    pub files: Vec<FileSummary>,
    /// True if the rehearsal uses files of its own.
    pub rehearsed_apart: bool,
}

/// The match of one file's rows with the shop.
#[derive(Debug, Clone, Serialize)]
pub struct FileSummary {
    /// The file.
    pub file: String,
    /// `items` or `users`.
    pub of: &'static str,
    /// Items or users of the shop that the file has.
    pub known: usize,
    /// Items or users that the shop has.
    pub shop: usize,
    /// Rows of the file whose ids the shop does not know.
    pub unknown: usize,
    /// Length of a vector; absent for scores.
    pub dim: Option<usize>,
}

/// Reads every external model of the configuration, with a summary of the match of its files with the shop.
///
/// # Errors
/// Errors name the file and, if the fault is in a row, the row.
pub fn read(config: &Config, dataset: &Dataset) -> anyhow::Result<Vec<(ExternalModel, Summary)>> {
    let how = |column: &str| config.orders.normalise.get(column).copied();
    let reader = Reader { dataset, item_id: how("item_id"), user_id: how("user_id") };
    let one = |external: &crate::config::ExternalConfig| -> anyhow::Result<(ExternalModel, Summary)> {
        let name = &external.name;
        let named = |knowledge| External { name: name.clone(), knowledge };
        let (served, mut files) =
            reader.read(&external.files()).with_context(|| format!("external {name:?}"))?;
        let rehearsed = match &external.rehearsal {
            None => served.clone(),
            Some(paths) => {
                let (knowledge, more) =
                    reader.read(paths).with_context(|| format!("external.rehearsal of {name:?}"))?;
                files.extend(more);
                knowledge
            }
        };
        let rehearsed_apart = external.rehearsal.is_some();
        let summary = Summary { name: name.clone(), files, rehearsed_apart };
        Ok((ExternalModel { served: named(served), rehearsed: named(rehearsed) }, summary))
    };
    config.external.iter().map(one).collect()
}

struct Reader<'a> {
    dataset: &'a Dataset,
    item_id: Option<Normalise>,
    user_id: Option<Normalise>,
}

impl Reader<'_> {
    fn read(&self, files: &ExternalFiles) -> anyhow::Result<(Knowledge, Vec<FileSummary>)> {
        let items = Ids { column: "item_id", known: &self.dataset.item_ids, how: self.item_id };
        if let Some(path) = &files.scores {
            let (lists, summary) = self.scores(path, &items)?;
            return Ok((Knowledge::Scores(Scores::new(lists)?), vec![summary]));
        }
        let path = files.items.as_ref().context("neither `items` nor `scores` is given")?;
        let (mut item_vectors, summary) = vectors(path, "items", &items)?;
        let mut summaries = vec![summary];
        let mut users = None;
        if let Some(path) = &files.users {
            let ids = Ids { column: "user_id", known: &self.dataset.user_ids, how: self.user_id };
            let (vectors, summary) = vectors(path, "users", &ids)?;
            ensure!(
                summary.dim == summaries[0].dim,
                "{} has vectors of {:?} numbers, the item vectors have {:?}: users and items must share one space",
                path.display(),
                summary.dim.unwrap_or(0),
                summaries[0].dim.unwrap_or(0)
            );
            summaries.push(summary);
            users = Some(vectors);
        } else {
            // A user's vector will be a sum of item vectors, so these are scaled to unit length first.
            item_vectors.0.chunks_exact_mut(item_vectors.1).for_each(to_unit_length);
        }
        let factors = |(values, dim): (Vec<f32>, usize)| Factors::new(dim, values);
        Ok((Knowledge::Vectors { items: factors(item_vectors), users: users.map(factors) }, summaries))
    }

    fn scores(&self, path: &Path, ids: &Ids<'_>) -> anyhow::Result<(ItemLists, FileSummary)> {
        let n_items = self.dataset.n_items();
        let mut tops: Vec<TopK> = (0..n_items).map(|_| TopK::new(TOP_N)).collect();
        let mut unknown = 0;
        table::scores(path, ids, &mut |pair, score| match pair {
            Some((item, target)) if item != target && score > 0.0 => tops[item as usize].push(target, score),
            Some(_) => {}
            None => unknown += 1,
        })?;
        let list = |top: TopK| top.into_sorted().iter().map(|s| (s.ix, s.score)).collect();
        let lists: Vec<Vec<(u32, f32)>> = tops.into_iter().map(list).collect();
        let known = lists.iter().filter(|list| !list.is_empty()).count();
        let summary = FileSummary {
            file: path.display().to_string(),
            of: "items",
            known,
            shop: n_items,
            unknown,
            dim: None,
        };
        summary.check()?;
        Ok((ItemLists::new("external scores", &lists)?, summary))
    }
}

/// Vectors of all `ids.known`, row-major, and their length; zeros for ids that the file lacks.
fn vectors(path: &Path, of: &'static str, ids: &Ids<'_>) -> anyhow::Result<((Vec<f32>, usize), FileSummary)> {
    let shop = ids.known.len();
    let (mut values, mut dim, mut seen, mut unknown) = (Vec::new(), 0, vec![false; shop], 0);
    table::vectors(path, ids, &mut |ix, vector, place| {
        if dim == 0 {
            dim = vector.len();
            values = vec![0.0f32; shop * dim];
        }
        ensure!(
            vector.len() == dim && dim > 0,
            "{place}: the vector has {} numbers, the first one has {dim}",
            vector.len()
        );
        match ix {
            None => unknown += 1,
            Some(ix) => {
                let ix = ix as usize;
                ensure!(
                    !std::mem::replace(&mut seen[ix], true),
                    "{place}: the id is repeated; keep one row for each id"
                );
                values[ix * dim..][..dim].copy_from_slice(vector);
            }
        }
        Ok(())
    })?;
    let known = seen.iter().filter(|seen| **seen).count();
    let summary = FileSummary { file: path.display().to_string(), of, known, shop, unknown, dim: Some(dim) };
    summary.check()?;
    Ok(((values, dim), summary))
}

fn to_unit_length(vector: &mut [f32]) {
    let length = vector.iter().map(|v| v * v).sum::<f32>().sqrt();
    if length > 0.0 {
        vector.iter_mut().for_each(|v| *v /= length);
    }
}

impl FileSummary {
    fn check(&self) -> anyhow::Result<()> {
        ensure!(
            self.known > 0,
            "{}: none of its {} ids is one of the shop's {}; ids must be those of the orders",
            self.file,
            self.unknown,
            self.of
        );
        Ok(())
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for file_summary in &self.files {
            let FileSummary { file, of, known, shop, unknown, dim } = file_summary;
            let what = dim.map_or("scores".to_owned(), |dim| format!("{dim} numbers each"));
            writeln!(
                f,
                "{}: {known} of {shop} {of}, {what}; {unknown} rows of unknown ids ({file})",
                self.name
            )?;
        }
        if !self.rehearsed_apart {
            writeln!(
                f,
                "{}: the rehearsal sees these very files; if they were learned from purchases, give a \
                 `rehearsal` that was learned without the last months, or they are trusted too much",
                self.name
            )?;
        }
        Ok(())
    }
}
