//! A measured model, queried in the indices of the dataset that it is measured on.

use qianmian_models::audience::{self, AudienceQuery};
use qianmian_models::ids::{ItemIx, UserIx, Vocabulary};
use qianmian_models::index::localities::Kind;
use qianmian_models::recommend::query::Query;
use qianmian_models::snapshot::Snapshot;
use qianmian_models::source::Evidence;
use qianmian_models::view::View;
use qianmian_models::{bundle, recommend};

use crate::dataset::Dataset;

/// The index of an item or user that is missing from the other vocabulary; it never matches.
const UNKNOWN: u32 = u32::MAX;

/// A model, and the translation between its indices and those of a dataset.
#[derive(Debug)]
pub struct Subject<'a> {
    /// Its name in tables.
    pub name: String,
    /// The model.
    pub snapshot: &'a Snapshot,
    /// `None` if it was learned from the dataset, whose indices it then shares.
    translation: Option<Translation>,
}

/// The model's index of each index of the dataset, and the reverse.
#[derive(Debug)]
struct Translation {
    items: Vec<u32>,
    users: Vec<u32>,
    items_back: Vec<u32>,
    users_back: Vec<u32>,
}

impl<'a> Subject<'a> {
    /// A model learned from the dataset that it is measured on.
    pub fn learned(name: impl Into<String>, snapshot: &'a Snapshot) -> Self {
        Self { name: name.into(), snapshot, translation: None }
    }

    /// A model with a vocabulary of its own.
    pub fn stored(name: impl Into<String>, snapshot: &'a Snapshot, dataset: &Dataset) -> Self {
        let (items, items_back) = translate(&dataset.item_ids, &snapshot.items);
        let (users, users_back) = translate(&dataset.user_ids, &snapshot.users);
        let translation = Translation { items, users, items_back, users_back };
        Self { name: name.into(), snapshot, translation: Some(translation) }
    }

    /// The model at a moment, unix seconds.
    fn view(&self, at: i64) -> View<'a> {
        View::as_trained(self.snapshot).at(at)
    }

    /// The slate of a user, best first; a user that the model does not know is treated as anonymous.
    pub fn recommend(&self, user: UserIx, exclude_bought: bool, count: usize, at: i64) -> Vec<ItemIx> {
        let user = self.translation.as_ref().map_or(user, |t| t.users[user as usize]);
        let user = (user != UNKNOWN).then_some(user);
        let query = Query { user, exclude_bought, count, ..Query::default() };
        let slate = recommend::recommend(self.view(at), &query);
        slate.items.iter().map(|found| self.item_back(found.item)).collect()
    }

    /// The slate of a new user at the first of `localities` that the model knows.
    pub fn new_user(&self, localities: &[(Kind, &str)], count: usize, at: i64) -> Vec<ItemIx> {
        let known = self.snapshot.localities.as_ref();
        let locality =
            known.and_then(|known| localities.iter().find_map(|&(kind, name)| known.ix(kind, name)));
        let query = Query { count, locality, ..Query::default() };
        let slate = recommend::recommend(self.view(at), &query);
        slate.items.iter().map(|item| self.item_back(item.item)).collect()
    }

    /// The slate of an anonymous visit, with scores, best first; `visit` has the latest item first.
    pub fn visit(&self, visit: &[ItemIx], count: usize, at: i64) -> Vec<(ItemIx, f32)> {
        let recent = visit.iter().filter_map(|&item| self.item(item)).collect();
        let query = Query { recent, count, ..Query::default() };
        let slate = recommend::recommend(self.view(at), &query);
        slate.items.iter().map(|found| (self.item_back(found.item), found.score)).collect()
    }

    /// The candidates of a user, with each source's score divided by its best.
    pub fn evidence(&self, user: UserIx, count: usize, at: i64) -> Vec<(ItemIx, Evidence)> {
        let user = self.translation.as_ref().map_or(user, |t| t.users[user as usize]);
        let query = Query { user: (user != UNKNOWN).then_some(user), count, ..Query::default() };
        let found = recommend::evidence(self.view(at), &query);
        found.iter().map(|(item, candidate)| (self.item_back(*item), candidate.evidence)).collect()
    }

    /// The audience of an item, most likely buyers first; empty for an item that the model does not know.
    pub fn audience(&self, item: ItemIx, exclude_buyers: bool, count: usize, at: i64) -> Vec<UserIx> {
        self.prospects(item, exclude_buyers, count, at).into_iter().map(|(user, _)| user).collect()
    }

    /// The same with the probability of a purchase; empty if the model gives none.
    pub fn probabilities(&self, item: ItemIx, count: usize, at: i64) -> Vec<(UserIx, f32)> {
        if self.snapshot.likelihood.is_none() {
            return Vec::new();
        }
        self.prospects(item, false, count, at)
    }

    /// The audience of an item with its scores.
    fn prospects(&self, item: ItemIx, exclude_buyers: bool, count: usize, at: i64) -> Vec<(UserIx, f32)> {
        let Some(item) = self.item(item) else { return Vec::new() };
        let query = AudienceQuery { exclude_buyers, ..AudienceQuery::for_item(item, count) };
        let found = audience::audience(self.view(at), &query).people;
        let back = |user: UserIx| self.translation.as_ref().map_or(user, |t| t.users_back[user as usize]);
        found.iter().map(|prospect| (back(prospect.user), prospect.score)).collect()
    }

    /// The complements of a cart, with scores, best first.
    pub fn complements(&self, cart: &[ItemIx], count: usize) -> Vec<(ItemIx, f32)> {
        let cart: Vec<ItemIx> = cart.iter().filter_map(|&item| self.item(item)).collect();
        if cart.is_empty() {
            return Vec::new();
        }
        let found = bundle::complements(View::as_trained(self.snapshot), &cart, count);
        found.iter().map(|c| (self.item_back(c.item), c.score)).collect()
    }

    /// The same for the cart's user, with the personal term.
    pub fn personal_complements(&self, cart: &[ItemIx], user: UserIx, count: usize) -> Vec<(ItemIx, f32)> {
        let known: Vec<ItemIx> = cart.iter().filter_map(|&item| self.item(item)).collect();
        let user = self.translation.as_ref().map_or(user, |t| t.users[user as usize]);
        if user == UNKNOWN || known.is_empty() {
            return self.complements(cart, count);
        }
        let person = Query::for_user(user, count);
        let found = bundle::personal_complements(View::as_trained(self.snapshot), &known, &person, count);
        found.iter().map(|c| (self.item_back(c.item), c.score)).collect()
    }

    /// True if any user of the dataset is known to the model.
    pub fn knows_any_user(&self) -> bool {
        self.translation.as_ref().is_none_or(|t| t.users.iter().any(|&user| user != UNKNOWN))
    }

    fn item(&self, item: ItemIx) -> Option<ItemIx> {
        let item = self.translation.as_ref().map_or(item, |t| t.items[item as usize]);
        (item != UNKNOWN).then_some(item)
    }

    fn item_back(&self, item: ItemIx) -> ItemIx {
        self.translation.as_ref().map_or(item, |t| t.items_back[item as usize])
    }
}

fn translate(ids: &[String], vocabulary: &Vocabulary) -> (Vec<u32>, Vec<u32>) {
    let there: Vec<u32> = ids.iter().map(|id| vocabulary.ix(id).unwrap_or(UNKNOWN)).collect();
    let mut back = vec![UNKNOWN; vocabulary.len()];
    for (ix, &other) in there.iter().enumerate().filter(|(_, other)| **other != UNKNOWN) {
        back[other as usize] = ix as u32;
    }
    (there, back)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn indices_are_translated_by_id_and_unknown_stays_unknown() {
        let ids = ["a", "c", "d"].map(str::to_owned);
        let (there, back) = translate(&ids, &Vocabulary::new(&["b", "c", "d"]).unwrap());
        assert_eq!(there, [UNKNOWN, 1, 2]);
        assert_eq!(back, [UNKNOWN, 1, 2]);
    }
}
