//! `[[external]]`: models learned elsewhere that take part as further sources.

use anyhow::ensure;
use qianmian_models::index::external::SLOTS;
use serde::Deserialize;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// One external model: an embedding (`items`, with `users` or without) or item-item `scores`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExternalConfig {
    /// Name of the model, chosen by its owner.
    pub name: String,
    /// Columns `item_id`, `vector`.
    pub items: Option<PathBuf>,
    /// Columns `user_id`, `vector`, in the space of `items`.
    pub users: Option<PathBuf>,
    /// Columns `item_id`, `target_item_id`, `score`.
    pub scores: Option<PathBuf>,
    /// The same model, learned without the months that are rehearsed. If absent, the rehearsal uses the served model
    /// and overrates it if it was learned from purchases of these months.
    pub rehearsal: Option<ExternalFiles>,
}

/// Parquet or Arrow IPC files.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExternalFiles {
    /// Columns `item_id`, `vector`.
    pub items: Option<PathBuf>,
    /// Columns `user_id`, `vector`.
    pub users: Option<PathBuf>,
    /// Columns `item_id`, `target_item_id`, `score`.
    pub scores: Option<PathBuf>,
}

impl ExternalConfig {
    /// The files of the served model.
    pub fn files(&self) -> ExternalFiles {
        ExternalFiles { items: self.items.clone(), users: self.users.clone(), scores: self.scores.clone() }
    }

    /// Resolves relative paths against `folder`.
    pub(super) fn resolve(&mut self, folder: &Path) {
        let rehearsal = self.rehearsal.iter_mut().flat_map(|r| [&mut r.items, &mut r.users, &mut r.scores]);
        for path in
            [&mut self.items, &mut self.users, &mut self.scores].into_iter().chain(rehearsal).flatten()
        {
            *path = folder.join(&path);
        }
    }
}

pub(super) fn check(externals: &[ExternalConfig]) -> anyhow::Result<()> {
    ensure!(
        externals.len() <= SLOTS,
        "external: {} are given, {SLOTS} can take part; join embeddings by concatenating their vectors",
        externals.len()
    );
    let mut names = BTreeSet::new();
    for external in externals {
        let name = &external.name;
        ensure!(!name.trim().is_empty() && names.insert(name), "external.name = {name:?}: give each its own");
        let kind = |files: &ExternalFiles| [&files.items, &files.users, &files.scores].map(Option::is_some);
        let served = kind(&external.files());
        ensure!(
            served[0] != served[2],
            "external {name:?}: give `items` (vectors, and `users` where there are any) or `scores`"
        );
        ensure!(!served[1] || served[0], "external {name:?}: `users` needs `items` in the same space");
        if let Some(rehearsal) = &external.rehearsal {
            ensure!(
                kind(rehearsal) == served,
                "external.rehearsal of {name:?}: name the same kinds of files as beside it"
            );
        }
    }
    Ok(())
}
