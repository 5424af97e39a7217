//! Rules: a condition, and what it does to a slate.
//!
//! Hard rules (`Only`, `Hide`) always hold. Soft ones about slots (`Pin`, `Mix`, `Spacing`) hold whenever they can be met
//! together by priority, see [`arrange`](crate::recommend::arrange). `Boost` and `Bury` change the order that those start
//! from.

use std::sync::Arc;

use crate::rules::attribute::Attribute;
use crate::rules::expression::Expression;
use crate::rules::expression::inputs::Inputs;
use crate::rules::validity::Validity;

/// A compiled rule.
#[derive(Debug, Clone)]
pub struct Rule {
    /// Its name in answers.
    pub id: Arc<str>,
    /// Condition over the request; it reads no item.
    pub when: Option<Arc<Expression>>,
    /// The times at which it holds.
    pub validity: Validity,
    /// Its action.
    pub action: Action,
}

/// The action of a rule.
#[derive(Debug, Clone)]
pub enum Action {
    /// Only these items are shown.
    Only(Arc<Expression>),
    /// These items are not shown.
    Hide(Arc<Expression>),
    /// The scores of these items are multiplied.
    Boost(Arc<Expression>, f32),
    /// These items rank below all others.
    Bury(Arc<Expression>),
    /// An item is in a slot, counted from 0.
    Pin {
        /// The item.
        item_id: String,
        /// The slot.
        slot: usize,
    },
    /// So many of the first slots hold these items.
    Mix {
        /// The items.
        items: Arc<Expression>,
        /// At least.
        least: Option<Share>,
        /// At most.
        most: Option<Share>,
        /// Number of first slots; the whole slate where there is none.
        first: Option<usize>,
    },
    /// At most so many items of one value in any window of slots.
    Spacing {
        /// The attribute.
        by: Attribute,
        /// Most items.
        most: usize,
        /// Slots in a row.
        window: usize,
    },
}

/// A number of slots, or a part of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Share {
    /// So many.
    Count(usize),
    /// So many of a hundred.
    Percent(usize),
}

impl Share {
    /// The fewest slots of `slots` that are at least this share.
    pub fn at_least(self, slots: usize) -> usize {
        match self {
            Self::Count(count) => count,
            Self::Percent(percent) => (slots * percent).div_ceil(100),
        }
    }

    /// The most slots of `slots` that are at most this share.
    pub fn at_most(self, slots: usize) -> usize {
        match self {
            Self::Count(count) => count,
            Self::Percent(percent) => slots * percent / 100,
        }
    }
}

impl Rule {
    /// True if the rule holds for a request.
    pub fn applies(&self, inputs: &Inputs<'_>) -> bool {
        self.validity.holds(inputs.asked.at) && self.when.as_ref().is_none_or(|when| when.holds(inputs))
    }
}

/// A rule about slots that a slate does not satisfy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unmet {
    /// Its name.
    pub rule: Arc<str>,
    /// The limit: the slot of a pin, from 1 on; the number of items of a mix or in a window.
    pub wanted: usize,
    /// The slate's own number; 0 if a pinned item is not in the slate.
    pub got: usize,
    /// Why.
    pub because: Because,
}

/// Why a slate does not satisfy a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Because {
    /// The model does not know the pinned item.
    UnknownItem,
    /// The pinned item is sold out or off sale.
    OffSale,
    /// The caller excluded the pinned item, the person rejected it, or it is what they look at.
    Excluded,
    /// A filter, a hide rule or the caller's pool leaves the pinned item out.
    Filtered,
    /// The person bought the pinned item, and the request leaves bought items out.
    Bought,
    /// An earlier page shows the pinned item in another slot.
    EarlierPage,
    /// The slate is shorter than the slot.
    ShortSlate,
    /// Too few candidates satisfy it, whatever else holds.
    TooFewItems,
    /// Rules of higher priority leave no slate that satisfies it.
    HigherPriority,
    /// The search for a slate that satisfies it was too long.
    SearchLimit,
}

impl Because {
    /// All reasons.
    pub const ALL: [Self; 10] = [
        Self::UnknownItem,
        Self::OffSale,
        Self::Excluded,
        Self::Filtered,
        Self::Bought,
        Self::EarlierPage,
        Self::ShortSlate,
        Self::TooFewItems,
        Self::HigherPriority,
        Self::SearchLimit,
    ];

    /// The name in answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::UnknownItem => "unknown_item",
            Self::OffSale => "off_sale",
            Self::Excluded => "excluded",
            Self::Filtered => "filtered",
            Self::Bought => "bought",
            Self::EarlierPage => "earlier_page",
            Self::ShortSlate => "short_slate",
            Self::TooFewItems => "too_few_items",
            Self::HigherPriority => "higher_priority",
            Self::SearchLimit => "search_limit",
        }
    }
}
