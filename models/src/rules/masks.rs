//! Masks: one bit an item for a predicate, kept until an item changes.
//!
//! A predicate costs tens of nanoseconds an item, a bit test less than one. A mask belongs to a predicate with the values
//! that it reads of a request, to one snapshot and to one revision of its overlay. After changes of items only their bits
//! are worked out again. Masks are a memo: answers with and without them are equal.
//!
//! Cost: `n_items / 8` bytes a mask, at most [`MAX_MASK_BYTES`] and [`MAX_MASKS`] for a snapshot; the one that was not
//! used for longest is forgotten.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rustc_hash::FxHashMap;

use crate::ids::ItemIx;
use crate::items::Items;
use crate::rules::expression::Bound;

/// Most masks of a snapshot.
pub const MAX_MASKS: usize = 4_096;
/// Most bytes of the masks of a snapshot; at least `MIN_MASKS` are kept.
pub const MAX_MASK_BYTES: usize = 64 << 20;
/// Fewest masks that are kept, however large the catalog is.
const MIN_MASKS: usize = 64;

/// One bit an item, the first item in the lowest bit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mask(Box<[u64]>);

/// The masks of one snapshot and overlay.
#[derive(Debug, Default)]
pub struct Masks {
    kept: Mutex<FxHashMap<u128, Kept>>,
    uses: AtomicU64,
    evaluations: AtomicU64,
}

#[derive(Debug)]
struct Kept {
    mask: Arc<Mask>,
    /// Revision of the overlay that it was worked out at.
    revision: u64,
    last_use: u64,
}

/// A predicate, as cheap to ask as it can be had.
#[derive(Debug, Clone)]
pub enum Known {
    /// The same for all items.
    Constant(bool),
    /// A bit an item.
    Mask(Arc<Mask>),
    /// Evaluated for each item that is asked about.
    Each(Bound),
}

impl Mask {
    /// The mask of the items for which `holds`, of `n_items`.
    pub fn of(n_items: usize, mut holds: impl FnMut(ItemIx) -> bool) -> Self {
        let word = |first: usize| {
            (first..n_items.min(first + 64))
                .fold(0u64, |word, item| word | u64::from(holds(item as ItemIx)) << (item % 64))
        };
        Self((0..n_items).step_by(64).map(word).collect())
    }

    /// True if the bit of `item` is set.
    #[inline]
    pub fn holds(&self, item: ItemIx) -> bool {
        self.0.get(item as usize / 64).is_some_and(|word| word >> (item % 64) & 1 == 1)
    }

    /// 64 items a word.
    pub fn words(&self) -> &[u64] {
        &self.0
    }

    /// Number of items whose bit is set.
    pub fn count(&self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }

    fn set(&mut self, item: ItemIx, holds: bool) {
        if let Some(word) = self.0.get_mut(item as usize / 64) {
            *word = *word & !(1 << (item % 64)) | u64::from(holds) << (item % 64);
        }
    }
}

impl Known {
    /// True if the predicate holds for `item`.
    #[inline]
    pub fn holds(&self, items: Items<'_>, item: ItemIx) -> bool {
        match self {
            Self::Constant(holds) => *holds,
            Self::Mask(mask) => mask.holds(item),
            Self::Each(bound) => bound.holds(items, item),
        }
    }
}

impl Masks {
    /// The predicate for a few items: a mask where one is kept or worth keeping.
    pub fn known(masks: Option<&Self>, items: Items<'_>, bound: Bound) -> Known {
        if let Some(holds) = bound.constant() {
            return Known::Constant(holds);
        }
        match masks {
            Some(masks) if bound.is_common() => Known::Mask(masks.mask(items, &bound)),
            _ => Known::Each(bound),
        }
    }

    /// The predicate for all items.
    pub fn over_catalog(masks: Option<&Self>, items: Items<'_>, bound: &Bound) -> Arc<Mask> {
        match masks {
            Some(masks) => masks.mask(items, bound),
            None => Arc::new(Mask::of(items.snapshot.items.len(), |item| bound.holds(items, item))),
        }
    }

    /// Evaluations of predicates for the sake of masks so far, one an item.
    pub fn evaluations(&self) -> u64 {
        self.evaluations.load(Ordering::Relaxed)
    }

    fn mask(&self, items: Items<'_>, bound: &Bound) -> Arc<Mask> {
        let shop = Items { room: None, ..items };
        let mask = self.of_shop(shop, bound);
        match items.room.filter(|_| bound.reads_live()) {
            None => mask,
            Some(room) => {
                let mut in_room = Mask::clone(&mask);
                room.iter().for_each(|(item, _)| in_room.set(item, bound.holds(items, item)));
                Arc::new(in_room)
            }
        }
    }

    fn of_shop(&self, items: Items<'_>, bound: &Bound) -> Arc<Mask> {
        let key = bound.key();
        let use_number = self.uses.fetch_add(1, Ordering::Relaxed);
        // Before any item is read: a change in between is worked out again.
        let revision = items.overlay.filter(|_| bound.reads_live()).map_or(0, |overlay| overlay.revision());
        let known = self.lookup(key, use_number);
        let (mask, revision) = match known {
            Some((mask, at)) if at == revision => return mask,
            Some((mask, at)) => self.renewed(items, bound, &mask, at),
            None => self.built(items, bound, revision),
        };
        self.keep(key, Kept { mask: Arc::clone(&mask), revision, last_use: use_number });
        mask
    }

    fn lookup(&self, key: u128, use_number: u64) -> Option<(Arc<Mask>, u64)> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let known = kept.get_mut(&key)?;
        known.last_use = use_number;
        Some((Arc::clone(&known.mask), known.revision))
    }

    /// The mask with the bits of changed items worked out again.
    fn renewed(&self, items: Items<'_>, bound: &Bound, mask: &Mask, at: u64) -> (Arc<Mask>, u64) {
        let revision = items.overlay.map_or(0, |overlay| overlay.revision());
        let Some((changed, revision)) = items.overlay.and_then(|overlay| overlay.changed_since(at)) else {
            return self.built(items, bound, revision);
        };
        self.evaluations.fetch_add(changed.len() as u64, Ordering::Relaxed);
        let mut renewed = mask.clone();
        changed.into_iter().for_each(|item| renewed.set(item, bound.holds(items, item)));
        (Arc::new(renewed), revision)
    }

    fn built(&self, items: Items<'_>, bound: &Bound, revision: u64) -> (Arc<Mask>, u64) {
        let n_items = items.snapshot.items.len();
        self.evaluations.fetch_add(n_items as u64, Ordering::Relaxed);
        (Arc::new(Mask::of(n_items, |item| bound.holds(items, item))), revision)
    }

    fn keep(&self, key: u128, new: Kept) {
        let bytes = 8 * new.mask.words().len().max(1);
        let most = (MAX_MASK_BYTES / bytes).clamp(MIN_MASKS, MAX_MASKS);
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= most && !kept.contains_key(&key) {
            let oldest = kept.iter().min_by_key(|(_, kept)| kept.last_use).map(|(&key, _)| key);
            oldest.map(|key| kept.remove(&key));
        }
        kept.insert(key, new);
    }
}
