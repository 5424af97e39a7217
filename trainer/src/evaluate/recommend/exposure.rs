//! Exposure of items over all slates of a method: coverage, evenness and novelty.

use qianmian_models::ids::{ItemIx, UserIx};
use qianmian_models::snapshot::Snapshot;
use serde::Serialize;

use crate::metrics::gini;

/// Parts of the items, by sales.
const TENTHS: usize = 10;

/// The first slots of all slates.
#[derive(Debug, Clone, Serialize)]
pub struct Exposure {
    /// Share of the items on sale that are in any slate; `0..=1`.
    pub coverage: f64,
    /// Gini coefficient of the exposures of the items on sale; `0..=1`.
    pub gini: f64,
    /// Mean self-information of the items shown, in bits: `-log2` of the share of users who bought the item
    /// (Vargas & Castells 2011).
    pub novelty: f64,
    /// Share of the slots with an item that the user never bought; `0..=1`.
    pub new_share: f64,
    /// Share of the slots by tenth of the items on sale, best sellers first; adds up to 1.
    pub by_tenth: [f64; TENTHS],
}

/// The items on sale, against which exposure is counted.
pub(super) struct ItemsOnSale<'a> {
    reference: &'a Snapshot,
    /// Items that were sold before the window and are on sale, best sellers first.
    items: Vec<ItemIx>,
    n_users: f64,
}

impl<'a> ItemsOnSale<'a> {
    pub(super) fn new(reference: &'a Snapshot) -> Self {
        let on_sale =
            |item: &ItemIx| reference.popularity.baskets(*item) > 0 && reference.catalog.on_sale(*item);
        let items = reference.popularity.ranked().iter().copied().filter(on_sale).collect();
        let seen = |user: &UserIx| !reference.history.ixs(*user).is_empty();
        let n_users = (0..reference.users.len() as u32).filter(seen).count() as f64;
        Self { reference, items, n_users }
    }

    /// The exposure of users' slates.
    pub(super) fn exposure<'s>(&self, shown: impl Iterator<Item = (UserIx, &'s [ItemIx])>) -> Exposure {
        let n_items = self.reference.items.len();
        let mut counts = vec![0u32; n_items];
        let (mut slots, mut new, mut novelty) = (0.0f64, 0.0f64, 0.0f64);
        for (user, items) in shown {
            let bought = self.reference.history.ixs(user);
            for &item in items.iter().filter(|item| (**item as usize) < n_items) {
                counts[item as usize] += 1;
                slots += 1.0;
                new += f64::from(u8::from(!bought.contains(&item)));
                let buyers = self.reference.buyers.ixs(item).len().max(1) as f64;
                novelty += (self.n_users / buyers).max(1.0).log2();
            }
        }
        let on_sale: Vec<u32> = self.items.iter().map(|&item| counts[item as usize]).collect();
        let slots = slots.max(1.0);
        Exposure {
            coverage: on_sale.iter().filter(|&&c| c > 0).count() as f64 / on_sale.len().max(1) as f64,
            gini: gini(&on_sale),
            novelty: novelty / slots,
            new_share: new / slots,
            by_tenth: by_tenth(&on_sale),
        }
    }
}

fn by_tenth(counts: &[u32]) -> [f64; TENTHS] {
    let total = counts.iter().map(|&c| f64::from(c)).sum::<f64>().max(1.0);
    std::array::from_fn(|n| {
        let range = n * counts.len() / TENTHS..(n + 1) * counts.len() / TENTHS;
        counts[range].iter().map(|&c| f64::from(c)).sum::<f64>() / total
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tenths_share_all_slots() {
        let shares = by_tenth(&[6, 0, 0, 0, 0, 0, 0, 0, 0, 2]);
        assert_eq!((shares[0], shares[9]), (0.75, 0.25));
        assert_eq!(shares.iter().sum::<f64>(), 1.0);
        assert_eq!(by_tenth(&[]), [0.0; TENTHS]);
    }
}
