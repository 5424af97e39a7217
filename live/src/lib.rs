//! Live state: what changes between two models, kept so that the next answer knows it.
//!
//! | file | what it is |
//! |---|---|
//! | [`event`] | what a user did or was shown: types with the names others give them, and strict checks |
//! | [`user`] | what one user's latest events say: items touched, bought, turned down |
//! | [`item`] | price, stock and whether an item is on sale, as last told |
//! | [`trends`] | what is looked at and bought right now, by channel and region; who bought what lately |
//! | [`identity`] | One-ID: which names are one person's |
//! | [`store`] | where it is kept: an interface, and a file or a folder for each store behind it: embedded, Redis |
//! | [`drain`] | events on their way out, into Parquet files that stay |
//!
//! An event is checked ([`event::Draft::check`]), appended ([`store::Store::append`]) and from then on part of
//! its user's [state](user::UserState), which a request loads in one call. Nothing here looks at a clock:
//! the time is always an argument. Times are unix milliseconds, UTC.

#![warn(missing_docs)]

pub mod drain;
pub mod event;
pub mod identity;
pub mod item;
pub mod store;
pub mod trends;
pub mod user;
