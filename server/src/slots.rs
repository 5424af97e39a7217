//! A bound on how many requests are in flight, refused at once rather than queued.

use std::sync::atomic::{AtomicUsize, Ordering};

/// A number of places.
#[derive(Debug)]
pub struct Slots {
    limit: usize,
    taken: AtomicUsize,
}

/// A place taken, given back when dropped.
#[derive(Debug)]
pub struct Slot<'s> {
    slots: &'s Slots,
}

impl Slots {
    /// `limit` places.
    pub fn new(limit: usize) -> Self {
        Self { limit, taken: AtomicUsize::new(0) }
    }

    /// Takes a place, if one is free.
    pub fn take(&self) -> Option<Slot<'_>> {
        // Built before the check, so that a refused place is given back, too.
        let slot = Slot { slots: self };
        let before = self.taken.fetch_add(1, Ordering::Relaxed);
        (before < self.limit).then_some(slot)
    }

    /// How many places are taken.
    pub fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        self.slots.taken.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_free_again_when_its_holder_is_gone() {
        let slots = Slots::new(2);
        let first = slots.take();
        let second = slots.take();
        assert!(first.is_some() && second.is_some());
        assert!(slots.take().is_none());
        assert_eq!(slots.taken(), 2);
        drop(first);
        assert!(slots.take().is_some());
    }
}
