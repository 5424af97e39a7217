//! Rules of a shop about its slates: predicates over items, and their actions.
//!
//! | file | content |
//! |---|---|
//! | [`expression`] | one language of predicates, bounded, typed when compiled; what they may read of a request |
//! | [`masks`] | one bit an item for a predicate, kept until an item changes |
//! | [`rule`] | a condition and what it does; why a slate does not satisfy it |
//! | [`validity`], [`attribute`] | when a rule holds; the values that it counts |

pub mod attribute;
pub mod expression;
pub mod masks;
pub mod rule;
pub mod validity;
