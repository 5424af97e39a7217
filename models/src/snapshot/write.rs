//! Writes a snapshot as an artifact: one section per index, and its facts in the manifest.

use super::names::{
    BASKET_EASE, CONTENT_NEIGHBORS, EASE, EASE_BY_TARGET, FOLD_IN, ITEM_FACTORS, ITEM_GRAPH, ITEM_LOOKUP,
    LIKELY_COLD, LIKELY_NEW, LIKELY_REPEAT, LOW_PASS, NEW_RANKER, RANKER, TRANSITIONS, USER_FACTORS,
    USER_GRAPH, USER_LOOKUP,
};
use super::{Embedding, Snapshot};
use crate::error::Result;
use crate::index::feature_schema::{LikelihoodColumn, RankColumn};
use crate::index::purchases::Direction;
use crate::index::{
    bundles, catalog, co_purchase, content, external, identities, localities, popularity, profile, rooms,
    similar_items, user_attributes, user_items,
};
use crate::storage::artifact::{ArtifactWriter, Manifest};

impl Snapshot {
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
        writer.section(similar_items::SECTION, &self.similar.batch()?)?;
        if let Some(user_knn) = &self.user_knn {
            writer.section(user_items::SECTION, &user_knn.batch()?)?;
        }
        if let Some(localities) = &self.localities {
            writer.section(localities::SECTION, &localities.batch()?)?;
        }
        if let Some(rooms) = &self.rooms {
            writer.section(rooms::SECTION, &rooms.batch()?)?;
        }
        for (slot, external) in self.external.iter().enumerate().take(external::SLOTS) {
            external.write(slot, writer)?;
        }
        let optional = [
            (EASE, &self.ease),
            (EASE_BY_TARGET, &self.ease_by_target),
            (TRANSITIONS, &self.transitions),
            (CONTENT_NEIGHBORS, &self.content_neighbors),
        ];
        for (name, lists) in optional {
            if let Some(lists) = lists {
                writer.section(name, &lists.batch(name)?)?;
            }
        }
        self.embedding.as_ref().map_or(Ok(()), |e| e.write(writer))
    }

    /// Adds to a manifest the facts that [`open`](Self::open) needs.
    pub fn describe(&self, manifest: &mut Manifest, n_baskets: u64) {
        manifest.data_until = self.data_until;
        manifest.currency = self.catalog.currency();
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
}

impl Embedding {
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
