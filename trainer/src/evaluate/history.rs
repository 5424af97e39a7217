//! Every user's baskets in order of time, for the baselines that read them.

use crate::dataset::{Dataset, is_known};

/// The baskets of every user, oldest first.
pub(super) struct UserBaskets {
    /// Start of each user's baskets in `baskets`; one more entry for the end.
    users: Vec<usize>,
    /// Start of each basket's items in `items`; one more entry for the end.
    baskets: Vec<usize>,
    items: Vec<u32>,
}

impl UserBaskets {
    /// Collects the baskets of every user of `dataset`.
    pub(super) fn new(dataset: &Dataset) -> Self {
        let mut lines: Vec<_> =
            dataset.lines().iter().filter(|l| is_known(l)).map(|l| (l.user, l.basket, l.item)).collect();
        lines.sort_unstable();
        let mut found = Self { users: vec![0], baskets: vec![0], items: Vec::with_capacity(lines.len()) };
        let mut rest = lines.chunk_by(|a, b| a.0 == b.0).peekable();
        for user in 0..dataset.n_users() as u32 {
            if let Some(own) = rest.next_if(|lines| lines[0].0 == user) {
                for basket in own.chunk_by(|a, b| a.1 == b.1) {
                    found.items.extend(basket.iter().map(|l| l.2));
                    found.baskets.push(found.items.len());
                }
            }
            found.users.push(found.baskets.len() - 1);
        }
        found
    }

    /// Number of users.
    pub(super) fn n_users(&self) -> usize {
        self.users.len() - 1
    }

    /// The items of each of a user's baskets, oldest basket first.
    pub(super) fn of(&self, user: u32) -> impl DoubleEndedIterator<Item = &[u32]> + ExactSizeIterator {
        let range = self.users[user as usize]..self.users[user as usize + 1];
        range.map(|basket| &self.items[self.baskets[basket]..self.baskets[basket + 1]])
    }
}

#[cfg(test)]
impl UserBaskets {
    /// Builds the baskets from lists.
    pub(super) fn of_lists(users: &[&[&[u32]]]) -> Self {
        let mut found = Self { users: vec![0], baskets: vec![0], items: Vec::new() };
        for baskets in users {
            for basket in *baskets {
                found.items.extend(*basket);
                found.baskets.push(found.items.len());
            }
            found.users.push(found.baskets.len() - 1);
        }
        found
    }
}
