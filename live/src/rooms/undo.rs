//! Undoing a command: the earlier room, with what must never go back.

use super::Room;

impl Room {
    /// This room, an earlier one, in the place of `current`: numbers that were given stay given, and keys stay
    /// used, so that a command that was undone is not run again by a late repetition.
    #[must_use]
    pub fn restored_over(mut self, current: &Self) -> Self {
        let is_back = |item_id: &str| self.product(item_id).is_some();
        let gone = current.products.iter().filter(|product| !is_back(&product.item_id)).cloned().collect();
        let mut retired = current.retired.clone();
        retired.retain(|(item_id, _)| !is_back(item_id));
        self.retired = retired;
        self.retire(gone);
        self.last_number = self.last_number.max(current.last_number);
        self.sales = self.sales.max(current.sales);
        self.pushes = self.pushes.max(current.pushes);
        self.created_at = current.created_at;
        self.keys.clone_from(&current.keys);
        "undo".clone_into(&mut self.command);
        self
    }
}
