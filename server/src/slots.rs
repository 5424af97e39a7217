//! A bound on requests in flight. Requests beyond it are refused at once, not queued.

use std::sync::atomic::{AtomicUsize, Ordering};

/// A limited number of slots.
#[derive(Debug)]
pub struct Slots {
    limit: usize,
    taken: AtomicUsize,
}

/// A slot in use; dropping it frees it.
#[derive(Debug)]
pub struct Slot<'s> {
    slots: &'s Slots,
}

impl Slots {
    /// `limit` free slots.
    pub fn new(limit: usize) -> Self {
        Self { limit, taken: AtomicUsize::new(0) }
    }

    /// Takes a slot, if one is free.
    pub fn take(&self) -> Option<Slot<'_>> {
        // Built before the check, so that a refused one is freed, too.
        let slot = Slot { slots: self };
        let before = self.taken.fetch_add(1, Ordering::Relaxed);
        (before < self.limit).then_some(slot)
    }

    /// Number of slots in use.
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
    fn a_slot_is_free_again_after_its_holder() {
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
