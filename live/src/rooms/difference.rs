//! The difference between two revisions of a room: what another assistant changed meanwhile.

use std::collections::{HashMap, HashSet};

use serde::Serialize;

use super::{Product, Room};

/// The changes from one room to the other.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Items that were added.
    pub added: Vec<String>,
    /// Items that were removed.
    pub removed: Vec<String>,
    /// Items whose product changed.
    pub changed: Vec<String>,
    /// True if the items of both have another order.
    pub reordered: bool,
    /// Fields of the room itself that changed: `about`, `state`, `explaining`, `push`.
    pub room: Vec<&'static str>,
}

impl Difference {
    /// From `before` to `after`.
    pub fn between(before: &Room, after: &Room) -> Self {
        let old: HashMap<&str, &Product> =
            before.products.iter().map(|product| (product.item_id.as_str(), product)).collect();
        let new: HashSet<&str> = after.products.iter().map(|product| product.item_id.as_str()).collect();
        let mut difference = Self::default();
        for product in &after.products {
            match old.get(product.item_id.as_str()) {
                None => difference.added.push(product.item_id.clone()),
                Some(earlier) if **earlier != *product => difference.changed.push(product.item_id.clone()),
                Some(_) => {}
            }
        }
        let removed = before.products.iter().filter(|product| !new.contains(product.item_id.as_str()));
        difference.removed = removed.map(|product| product.item_id.clone()).collect();
        let stayed = |room: &Room, other: &dyn Fn(&str) -> bool| -> Vec<String> {
            let ids = room.products.iter().map(|product| &product.item_id);
            ids.filter(|item_id| other(item_id)).cloned().collect()
        };
        let (was, is) = (stayed(before, &|id| new.contains(id)), stayed(after, &|id| old.contains_key(id)));
        difference.reordered = was != is;
        for (name, changed) in [
            ("about", before.about != after.about),
            ("state", before.state != after.state),
            ("explaining", before.explaining != after.explaining),
            ("push", before.push != after.push),
        ] {
            if changed {
                difference.room.push(name);
            }
        }
        difference
    }
}
