//! What was learned elsewhere, read into the vocabulary of a dataset.
//!
//! Ids are normalised as those of the orders. An id that the shop does not know is counted and left out, an
//! item or a user that the file lacks has no say from it; a number that is not finite, a vector of another
//! length or an id that comes twice is an error that names the file and the row.

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
use crate::dataset::Dataset;
use table::Ids;

/// Targets kept an item.
const TOP_N: usize = 100;

/// One thing brought.
#[derive(Debug, Clone)]
pub struct Brought {
    /// What is served.
    pub full: External,
    /// What the rehearsal sees.
    rehearsal: External,
    /// Where its rows went.
    pub summary: Summary,
}

/// What became of the files of one thing brought.
#[derive(Debug, Clone, Serialize)]
pub struct Summary {
    /// As its owner calls it.
    pub name: String,
    /// File by file.
    pub files: Vec<Account>,
    /// Whether the rehearsal sees something of its own.
    pub rehearsed_apart: bool,
}

/// What became of the rows of one file.
#[derive(Debug, Clone, Serialize)]
pub struct Account {
    /// The file.
    pub file: String,
    /// `items` or `users`.
    pub of: &'static str,
    /// Rows of the shop that the file speaks of.
    pub known: usize,
    /// Rows that the shop has.
    pub shop: usize,
    /// Rows of the file about ids that the shop does not know.
    pub unknown: usize,
    /// Length of a vector; absent for scores.
    pub dim: Option<usize>,
}

/// Reads all that the configuration names.
///
/// # Errors
/// Names the file, and the row where there is one.
pub fn read(config: &Config, dataset: &Dataset) -> anyhow::Result<Vec<Brought>> {
    let how = |column: &str| config.orders.normalise.get(column).copied();
    let reader = Reader { dataset, item_id: how("item_id"), user_id: how("user_id") };
    let one = |external: &crate::config::ExternalConfig| -> anyhow::Result<Brought> {
        let name = &external.name;
        let named = |knowledge| External { name: name.clone(), knowledge };
        let (full, mut files) =
            reader.read(&external.files()).with_context(|| format!("external {name:?}"))?;
        let rehearsal = match &external.rehearsal {
            None => full.clone(),
            Some(paths) => {
                let (knowledge, more) =
                    reader.read(paths).with_context(|| format!("external.rehearsal of {name:?}"))?;
                files.extend(more);
                knowledge
            }
        };
        let rehearsed_apart = external.rehearsal.is_some();
        let summary = Summary { name: name.clone(), files, rehearsed_apart };
        Ok(Brought { full: named(full), rehearsal: named(rehearsal), summary })
    };
    config.external.iter().map(one).collect()
}

/// What is served.
pub fn full(brought: &[Brought]) -> Vec<External> {
    brought.iter().map(|b| b.full.clone()).collect()
}

/// What the rehearsal sees.
pub fn rehearsed(brought: &[Brought]) -> Vec<External> {
    brought.iter().map(|b| b.rehearsal.clone()).collect()
}

struct Reader<'a> {
    dataset: &'a Dataset,
    item_id: Option<Normalise>,
    user_id: Option<Normalise>,
}

impl Reader<'_> {
    fn read(&self, files: &ExternalFiles) -> anyhow::Result<(Knowledge, Vec<Account>)> {
        let items = Ids { column: "item_id", known: &self.dataset.item_ids, how: self.item_id };
        if let Some(path) = &files.scores {
            let (lists, account) = self.scores(path, &items)?;
            return Ok((Knowledge::Scores(Scores::new(lists)?), vec![account]));
        }
        let path = files.items.as_ref().context("neither `items` nor `scores` is given")?;
        let (mut item_vectors, account) = vectors(path, "items", &items)?;
        let mut accounts = vec![account];
        let mut users = None;
        if let Some(path) = &files.users {
            let ids = Ids { column: "user_id", known: &self.dataset.user_ids, how: self.user_id };
            let (vectors, account) = vectors(path, "users", &ids)?;
            ensure!(
                account.dim == accounts[0].dim,
                "{} has vectors of {:?} numbers, those of the items have {:?}: they must share one space",
                path.display(),
                account.dim.unwrap_or(0),
                accounts[0].dim.unwrap_or(0)
            );
            accounts.push(account);
            users = Some(vectors);
        } else {
            // A user will be a sum of these: only directions are comparable.
            item_vectors.0.chunks_exact_mut(item_vectors.1).for_each(to_unit_length);
        }
        let factors = |(values, dim): (Vec<f32>, usize)| Factors::new(dim, values);
        Ok((Knowledge::Vectors { items: factors(item_vectors), users: users.map(factors) }, accounts))
    }

    fn scores(&self, path: &Path, ids: &Ids<'_>) -> anyhow::Result<(ItemLists, Account)> {
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
        let account = Account {
            file: path.display().to_string(),
            of: "items",
            known,
            shop: n_items,
            unknown,
            dim: None,
        };
        account.check()?;
        Ok((ItemLists::new("external scores", &lists)?, account))
    }
}

/// Vectors of all `ids.known`, row-major, and their length; zeros where the file has none.
fn vectors(path: &Path, of: &'static str, ids: &Ids<'_>) -> anyhow::Result<((Vec<f32>, usize), Account)> {
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
                ensure!(!std::mem::replace(&mut seen[ix], true), "{place}: the id comes a second time");
                values[ix * dim..][..dim].copy_from_slice(vector);
            }
        }
        Ok(())
    })?;
    let known = seen.iter().filter(|seen| **seen).count();
    let account = Account { file: path.display().to_string(), of, known, shop, unknown, dim: Some(dim) };
    account.check()?;
    Ok(((values, dim), account))
}

fn to_unit_length(vector: &mut [f32]) {
    let length = vector.iter().map(|v| v * v).sum::<f32>().sqrt();
    if length > 0.0 {
        vector.iter_mut().for_each(|v| *v /= length);
    }
}

impl Account {
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
        for account in &self.files {
            let Account { file, of, known, shop, unknown, dim } = account;
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
