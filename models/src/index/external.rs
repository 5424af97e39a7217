//! External sources: item vectors (with or without user vectors) or item-item scores trained by others. They take part
//! in the training and in answers like any other source.
//!
//! Sections `external_1_items` and `external_1_users` (vectors as in [`factors`](super::factors), zeros for rows
//! without one), or `external_1_scores` ([`item_lists`](super::item_lists)); `external_2_*` likewise. Their names are
//! in the manifest.

use crate::error::{Error, Result};
use crate::ids::{ItemIx, UserIx};
use crate::index::factors::Factors;
use crate::index::item_lists::ItemLists;
use crate::source::Source;
use crate::storage::artifact::{Artifact, ArtifactWriter};

/// Most external sources; each is a [`Source`] of its own.
pub const SLOTS: usize = 2;

/// The sources of the slots, in order.
pub const SOURCES: [Source; SLOTS] = [Source::External1, Source::External2];

/// One external source.
#[derive(Debug, Clone)]
pub struct External {
    /// The name its owner gave it.
    pub name: String,
    /// Its vectors or scores.
    pub knowledge: Knowledge,
}

/// The content of an external source.
#[derive(Debug, Clone)]
pub enum Knowledge {
    /// Vectors in one space, scored by inner product.
    Vectors {
        /// `n_items x dim`.
        items: Factors,
        /// `n_users x dim`; without it, a user's vector is the weighted sum of their items' vectors.
        users: Option<Factors>,
    },
    /// Item -> items.
    Scores(Scores),
}

/// Item-item scores, read from either end.
#[derive(Debug, Clone)]
pub struct Scores {
    lists: ItemLists,
    /// Derived.
    by_target: ItemLists,
}

impl Scores {
    /// From lists of items recommended to the owners of each item.
    pub fn new(lists: ItemLists) -> Result<Self> {
        Ok(Self { by_target: lists.transposed("external scores by target")?, lists })
    }

    /// Items recommended to owners of `item`, with scores, best first.
    pub fn of(&self, item: ItemIx) -> impl ExactSizeIterator<Item = (ItemIx, f32)> + '_ {
        self.lists.of(item)
    }

    /// From each item to those recommended to its owners, highest score first.
    pub fn by_item(&self) -> &ItemLists {
        &self.lists
    }

    /// Items whose owners are recommended `item`, with scores, best first.
    pub fn for_target(&self, item: ItemIx) -> impl ExactSizeIterator<Item = (ItemIx, f32)> + '_ {
        self.by_target.of(item)
    }
}

const SECTIONS: [[&str; 3]; SLOTS] = [
    ["external_1_items", "external_1_users", "external_1_scores"],
    ["external_2_items", "external_2_users", "external_2_scores"],
];

impl External {
    /// The user's vector: the external one if there is one, else the weighted sum of the vectors of `seeds`; `None` if
    /// both are zero or the source has no vectors.
    pub fn vector(
        &self,
        user: Option<UserIx>,
        seeds: impl Iterator<Item = (ItemIx, f32)>,
    ) -> Option<(Vec<f32>, &Factors)> {
        let Knowledge::Vectors { items, users } = &self.knowledge else { return None };
        let known = |vector: &&[f32]| vector.iter().any(|v| *v != 0.0);
        if let Some(own) = users.as_ref().zip(user).map(|(users, user)| users.row(user)).filter(known) {
            return Some((own.to_vec(), items));
        }
        let mut sum = vec![0.0f32; items.dim()];
        for (item, weight) in seeds {
            sum.iter_mut().zip(items.row(item)).for_each(|(s, v)| *s += weight * v);
        }
        known(&sum.as_slice()).then_some((sum, items))
    }

    pub(crate) fn open(artifact: &Artifact, slot: usize, name: &str, rows: [usize; 2]) -> Result<Self> {
        let [n_items, n_users] = rows;
        let [items, users, scores] = SECTIONS[slot];
        let knowledge = if artifact.has(scores) {
            Knowledge::Scores(Scores::new(ItemLists::open(&artifact.section(scores)?, n_items)?)?)
        } else {
            let items = Factors::open(&artifact.section(items)?, n_items)?;
            let open = || Factors::open(&artifact.section(users)?, n_users);
            let users_vectors = artifact.has(users).then(open).transpose()?;
            if let Some(other) = users_vectors.as_ref().filter(|u| u.dim() != items.dim()) {
                return Err(Error::malformed(users, format!("dim {}", items.dim()), other.dim()));
            }
            Knowledge::Vectors { items, users: users_vectors }
        };
        Ok(Self { name: name.to_owned(), knowledge })
    }

    pub(crate) fn write(&self, slot: usize, writer: &mut ArtifactWriter) -> Result<()> {
        let [items_name, users_name, scores_name] = SECTIONS[slot];
        match &self.knowledge {
            Knowledge::Scores(scores) => writer.section(scores_name, &scores.lists.batch(scores_name)?)?,
            Knowledge::Vectors { items, users } => {
                writer.section(items_name, &items.batch(items_name)?)?;
                if let Some(users) = users {
                    writer.section(users_name, &users.batch(users_name)?)?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_user_without_a_vector_is_the_sum_of_what_they_bought() {
        let external = External {
            name: "two_tower".to_owned(),
            knowledge: Knowledge::Vectors {
                items: Factors::new(2, vec![1.0, 0.0, 0.0, 1.0]),
                users: Some(Factors::new(2, vec![0.0, 0.0, 3.0, 4.0])),
            },
        };
        let seeds = || [(0, 1.0), (1, 0.5)].into_iter();
        assert_eq!(external.vector(Some(1), seeds()).unwrap().0, [3.0, 4.0]);
        assert_eq!(external.vector(Some(0), seeds()).unwrap().0, [1.0, 0.5]);
        assert_eq!(external.vector(None, seeds()).unwrap().0, [1.0, 0.5]);
        assert!(external.vector(None, std::iter::empty()).is_none());
    }
}
