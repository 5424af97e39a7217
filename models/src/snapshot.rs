//! A snapshot: the contents of one artifact, opened for queries.
//!
//! Built in memory by the trainer or mapped from disk, it has the same type, so that the evaluated model is the served
//! one. It is immutable; a server shares one behind an `Arc` and swaps it whole.

mod names;
mod open;
mod write;

use crate::blend::Blend;
use crate::ids::{ItemIx, Vocabulary};
use crate::index::ann::Graph;
use crate::index::bundles::Bundles;
use crate::index::catalog::Catalog;
use crate::index::co_purchase::CoPurchase;
use crate::index::content::Content;
use crate::index::external::External;
use crate::index::factors::{Factors, FoldIn};
use crate::index::identities::Identities;
use crate::index::item_lists::ItemLists;
use crate::index::likelihood::Likelihood;
use crate::index::localities::Localities;
use crate::index::popularity::Popularity;
use crate::index::profile::Profiles;
use crate::index::purchases::Purchases;
use crate::index::repeats::Repeats;
use crate::index::rooms::Rooms;
use crate::index::similar_items::SimilarItems;
use crate::index::traits::Traits;
use crate::index::user_attributes::UserAttributes;
use crate::index::user_items::UserItems;
use crate::kernels::trees::Trees;

/// The contents of one artifact.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// The version, as named in answers.
    pub version: String,
    /// Time of training, RFC 3339.
    pub trained_at: String,
    /// The end of the data, unix seconds: the moment that the model describes.
    pub data_until: i64,
    /// Item ids.
    pub items: Vocabulary,
    /// User ids.
    pub users: Vocabulary,
    /// Item attributes.
    pub catalog: Catalog,
    /// Content similarity of items, from their attributes.
    pub content: Content,
    /// User activity.
    pub profiles: Profiles,
    /// User attributes and consents.
    pub user_attributes: UserAttributes,
    /// The users' ids in channels.
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
    /// Popularity by locality; absent if localities rank no better than the shop.
    pub localities: Option<Localities>,
    /// Sales of livestream rooms, absent if no order names a room.
    pub rooms: Option<Rooms>,
    /// Item -> items by EASE over users, absent if there were no users to learn from.
    pub ease: Option<ItemLists>,
    /// The same weights by target: item -> items whose buyers tend to buy it.
    pub ease_by_target: Option<ItemLists>,
    /// Item -> items by EASE over baskets: completes a cart.
    pub basket_ease: ItemLists,
    /// Item -> items bought after it, absent if no order of purchases is known.
    pub transitions: Option<ItemLists>,
    /// Repeat rates of items and repeat counts of users; derived from `history` and `buyers`.
    pub repeats: Repeats,
    /// Item -> similar items.
    pub similar: SimilarItems,
    /// User -> items that similar users buy, absent if there were no users to learn from.
    pub user_knn: Option<UserItems>,
    /// Category, department, brand and price of items as codes; derived from `catalog`.
    pub traits: Traits,
    /// Vectors, absent if there were no users to learn from.
    pub embedding: Option<Embedding>,
    /// Low-pass item vectors, `n_items x dim`, absent if there were no users to learn from.
    pub low_pass: Option<Factors>,
    /// Item -> items similar by content, one of the two never sold; absent if all items were sold.
    pub content_neighbors: Option<ItemLists>,
    /// External sources, at most [`crate::index::external::SLOTS`].
    pub external: Vec<External>,
    /// Weights of the sources.
    pub blend: Blend,
    /// Orders the best of the blend, people -> items; absent if the blend alone is better.
    pub ranker: Option<Trees>,
    /// The same for items that the person did not buy before.
    pub new_ranker: Option<Trees>,
    /// Purchase probabilities, items -> people; absent if there were too few later purchases to train on.
    pub likelihood: Option<Likelihood>,
}

/// Item and user vectors in one space, with their graphs if they are large enough to need one.
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

impl Snapshot {
    /// Rows of the known ids among `ids`, in order.
    pub fn item_ixs<'a>(&self, ids: impl IntoIterator<Item = &'a str>) -> Vec<ItemIx> {
        ids.into_iter().filter_map(|id| self.items.ix(id)).collect()
    }
}
