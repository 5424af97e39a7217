//! The indexes of an artifact: their contents, their sections and their queries.
//!
//! Each file is one index: its section's columns, the reader that checks them, and its queries. An index built in
//! memory by the trainer and one mapped from disk have the same type.

pub mod ann;
pub mod bundles;
pub mod catalog;
pub mod co_purchase;
pub mod content;
pub mod external;
pub mod factors;
pub mod feature_schema;
pub mod identities;
pub mod item_lists;
pub mod likelihood;
pub mod localities;
pub mod popularity;
pub mod profile;
pub mod purchases;
pub mod repeats;
pub mod rooms;
pub mod similar_items;
pub mod traits;
pub mod transitions;
pub mod user_attributes;
pub mod user_items;
