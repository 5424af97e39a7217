//! Adding, changing and removing products.

use std::collections::{HashMap, HashSet};

use qianmian_money::Decimal;

use super::commands::Refused;
use super::{MAX_PRODUCTS, MAX_RETIRED, MAX_TEXT_BYTES, Product, Room, Visibility};
use crate::check::{self, Fault};

/// The fate of products that a list of new ones does not name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddMode {
    /// They stay; new ones go to the end.
    Add,
    /// They are removed; the list becomes the room's, in its order.
    Replace,
}

/// Changes of a product; `None` leaves a field as it is, `Some(None)` empties it.
#[derive(Debug, Clone, Default, PartialEq)]
#[expect(missing_docs, reason = "the fields of `Product`")]
pub struct Patch {
    pub visibility: Option<Visibility>,
    pub room_price: Option<Option<Decimal>>,
    pub coupon_id: Option<Option<String>>,
    pub notes: Option<Option<String>>,
    pub title: Option<Option<String>>,
    pub image_url: Option<Option<String>>,
}

/// A product to be added, or changed where the room has it.
#[derive(Debug, Clone, PartialEq)]
pub struct NewProduct {
    /// The item.
    pub item_id: String,
    /// The fields of the product.
    pub patch: Patch,
}

/// The outcome of one new product.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Added {
    /// It is in the room now, under this number.
    Added(u32),
    /// The room has it already, under this number; what the row gives holds from now on.
    Updated(u32),
    /// The list has the item before.
    Repeated,
    /// The room has as many products as it may.
    Full,
}

impl NewProduct {
    /// Checks a product.
    ///
    /// # Errors
    /// The first field that is not allowed.
    pub fn check(item_id: &str, patch: Patch) -> Result<Self, Fault> {
        patch.check()?;
        Ok(Self { item_id: check::id("item_id", item_id)?, patch })
    }
}

impl Patch {
    /// Checks the texts.
    ///
    /// # Errors
    /// The first field that is not allowed.
    pub fn check(&self) -> Result<(), Fault> {
        let texts = [("notes", &self.notes), ("title", &self.title), ("image_url", &self.image_url)];
        for (field, text) in texts {
            if text.iter().flatten().any(|text| text.len() > MAX_TEXT_BYTES) {
                return Err(Fault::new(field, format!("at most {MAX_TEXT_BYTES} bytes")));
            }
        }
        if let Some(Some(coupon)) = &self.coupon_id {
            check::id("coupon_id", coupon)?;
        }
        Ok(())
    }

    fn apply_to(self, product: &mut Product) {
        let Self { visibility, room_price, coupon_id, notes, title, image_url } = self;
        if let Some(visibility) = visibility {
            product.visibility = visibility;
        }
        if let Some(price) = room_price {
            product.room_price = price;
        }
        let texts = [
            (&mut product.coupon_id, coupon_id),
            (&mut product.notes, notes),
            (&mut product.title, title),
            (&mut product.image_url, image_url),
        ];
        for (field, text) in texts {
            if let Some(text) = text {
                *field = text.filter(|text| !text.is_empty());
            }
        }
    }
}

impl Room {
    /// Adds products, or changes those that the room has; the outcomes are in their order. With [`AddMode::Replace`]
    /// the accepted rows are the whole list afterwards.
    pub fn add(&mut self, mode: AddMode, rows: Vec<NewProduct>) -> Vec<Added> {
        let mut places: HashMap<String, usize> =
            self.products.iter().enumerate().map(|(n, product)| (product.item_id.clone(), n)).collect();
        let retired: HashMap<String, u32> = self.retired.iter().cloned().collect();
        let (mut named, mut order) = (HashSet::new(), Vec::new());
        let mut outcomes = Vec::with_capacity(rows.len());
        for NewProduct { item_id, patch } in rows {
            if !named.insert(item_id.clone()) {
                outcomes.push(Added::Repeated);
                continue;
            }
            let kept = if mode == AddMode::Replace { order.len() } else { self.products.len() };
            match places.get(&item_id) {
                Some(&place) => {
                    patch.apply_to(&mut self.products[place]);
                    outcomes.push(Added::Updated(self.products[place].number));
                    order.push(item_id);
                }
                None if kept >= MAX_PRODUCTS => outcomes.push(Added::Full),
                None => {
                    let number = retired.get(&item_id).copied().unwrap_or_else(|| self.next_number());
                    let mut product = Product { item_id: item_id.clone(), number, ..Product::default() };
                    patch.apply_to(&mut product);
                    places.insert(item_id.clone(), self.products.len());
                    self.products.push(product);
                    outcomes.push(Added::Added(number));
                    order.push(item_id);
                }
            }
        }
        if mode == AddMode::Replace {
            self.keep_only(&order);
        }
        let is_back = |item_id: &String| places.contains_key(item_id) && named.contains(item_id);
        self.retired.retain(|(item_id, _)| !is_back(item_id));
        outcomes
    }

    /// Changes a product.
    ///
    /// # Errors
    /// The room has no such product, or a field is not allowed.
    pub fn edit(&mut self, item_id: &str, patch: Patch) -> Result<(), Refused> {
        patch.check()?;
        patch.apply_to(self.product_mut(item_id)?);
        self.drop_hidden();
        Ok(())
    }

    /// Removes a product; its number stays its own.
    ///
    /// # Errors
    /// The room has no such product.
    pub fn remove(&mut self, item_id: &str) -> Result<(), Refused> {
        self.product_mut(item_id)?;
        let kept: Vec<String> = self.products.iter().map(|product| product.item_id.clone()).collect();
        let kept: Vec<String> = kept.into_iter().filter(|kept| kept != item_id).collect();
        self.keep_only(&kept);
        Ok(())
    }

    fn next_number(&mut self) -> u32 {
        self.last_number += 1;
        self.last_number
    }

    /// Keeps these products, in this order; the others retire.
    fn keep_only(&mut self, order: &[String]) {
        let places: HashMap<&str, usize> =
            order.iter().enumerate().map(|(n, item_id)| (item_id.as_str(), n)).collect();
        let products = std::mem::take(&mut self.products);
        let (mut kept, gone): (Vec<Product>, Vec<Product>) =
            products.into_iter().partition(|product| places.contains_key(product.item_id.as_str()));
        kept.sort_by_key(|product| places.get(product.item_id.as_str()).copied());
        self.products = kept;
        self.retire(gone);
        self.drop_hidden();
    }

    pub(super) fn retire(&mut self, gone: Vec<Product>) {
        self.retired.extend(gone.into_iter().map(|product| (product.item_id, product.number)));
        let excess = self.retired.len().saturating_sub(MAX_RETIRED);
        self.retired.drain(..excess);
    }

    /// Ends what is shown of products that viewers do not see any more.
    fn drop_hidden(&mut self) {
        let is_shown = |item_id: &str| {
            self.product(item_id).is_some_and(|product| product.visibility != Visibility::Hidden)
        };
        let (explained, pushed) = (
            self.explaining.as_ref().is_none_or(|explaining| is_shown(&explaining.item_id)),
            self.push.as_ref().is_none_or(|push| is_shown(&push.item_id)),
        );
        if !explained {
            self.explaining = None;
        }
        if !pushed {
            self.push = None;
        }
    }
}
