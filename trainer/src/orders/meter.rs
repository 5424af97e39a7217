//! Reports the progress of reading.

use std::cell::Cell;

/// Called from time to time while reading, with bytes read, bytes in all (both on disk), and rows read.
pub type Progress<'a> = &'a dyn Fn(u64, u64, u64);

/// Rows between two calls.
const EVERY: u64 = 1 << 14;

/// Counts over all tables of a run.
pub struct Meter<'a> {
    progress: Progress<'a>,
    total: u64,
    read: Cell<u64>,
    rows: Cell<u64>,
}

impl<'a> Meter<'a> {
    /// Starts at 0 of `total` bytes.
    pub fn new(progress: Progress<'a>, total: u64) -> Self {
        Self { progress, total, read: Cell::new(0), rows: Cell::new(0) }
    }

    /// The counter of bytes, for readers to add to.
    pub fn read(&self) -> &Cell<u64> {
        &self.read
    }

    /// Counts a row.
    pub fn row(&self) {
        self.rows.set(self.rows.get() + 1);
        if self.rows.get().is_multiple_of(EVERY) {
            self.tell();
        }
    }

    /// Reports the current counts.
    pub fn tell(&self) {
        (self.progress)(self.read.get().min(self.total), self.total, self.rows.get());
    }
}
