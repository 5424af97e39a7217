//! The order of a room's list.

use std::collections::{HashMap, HashSet};

use super::commands::Refused;
use super::{Product, Room};
use crate::check::Fault;

/// A new order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// The whole list.
    List(Vec<String>),
    /// One product goes to a place, counted from 1; one after the end is the end.
    Move {
        /// The item.
        item_id: String,
        /// Its new place.
        to: usize,
    },
    /// The products with these numbers come first, in this order; the others stay behind them as they were.
    Numbers(Vec<u32>),
}

impl Order {
    /// Numbers as an assistant pastes them: separated by commas, spaces or line feeds, Chinese ones included.
    ///
    /// # Errors
    /// A part is no number.
    pub fn pasted(text: &str) -> Result<Self, Fault> {
        let is_between = |c: char| c.is_whitespace() || [',', '，', '、', ';', '；'].contains(&c);
        let number = |part: &str| {
            let cure = || {
                let shown: String = part.chars().take(20).collect();
                Fault::new("numbers", format!("numbers of products, such as 1,4,7,40; `{shown}` is none"))
            };
            part.parse().map_err(|_| cure())
        };
        let parts = text.split(is_between).filter(|part| !part.is_empty());
        Ok(Self::Numbers(parts.map(number).collect::<Result<_, _>>()?))
    }
}

impl Room {
    /// Puts the products into an order.
    ///
    /// # Errors
    /// It names a product that the room does not have; a list leaves one out or has one twice.
    pub fn order(&mut self, order: &Order) -> Result<(), Refused> {
        match order {
            Order::Move { item_id, to } => self.move_to(item_id, *to),
            Order::List(list) => {
                if list.len() < self.products.len() {
                    let reason = format!(
                        "the whole list: {} products are in the room, {} were sent",
                        self.products.len(),
                        list.len()
                    );
                    return Err(Fault::new("item_ids", reason).into());
                }
                self.bring_first(list, |product| product.item_id.clone(), "item_ids")
            }
            Order::Numbers(numbers) => self.bring_first(numbers, |product| product.number, "numbers"),
        }
    }

    fn move_to(&mut self, item_id: &str, to: usize) -> Result<(), Refused> {
        if to == 0 {
            return Err(Fault::new("to", "a place from 1 on").into());
        }
        let from = self.products.iter().position(|product| product.item_id == item_id);
        let from = from.ok_or_else(|| Refused::NotInRoom(item_id.to_owned()))?;
        let product = self.products.remove(from);
        self.products.insert((to - 1).min(self.products.len()), product);
        Ok(())
    }

    /// Puts the products with these names first, in this order.
    fn bring_first<K: Eq + std::hash::Hash + ToString>(
        &mut self,
        names: &[K],
        name: impl Fn(&Product) -> K,
        field: &'static str,
    ) -> Result<(), Refused> {
        let known: HashSet<K> = self.products.iter().map(&name).collect();
        let mut places: HashMap<&K, usize> = HashMap::new();
        for (n, named) in names.iter().enumerate() {
            if !known.contains(named) {
                return Err(Refused::NotInRoom(named.to_string()));
            }
            if places.insert(named, n).is_some() {
                return Err(Fault::new(
                    field,
                    format!("each product once; `{}` is there twice", named.to_string()),
                )
                .into());
            }
        }
        // The sort is stable: the others keep their order.
        self.products.sort_by_key(|product| places.get(&name(product)).copied().unwrap_or(usize::MAX));
        Ok(())
    }
}
