//! Live state: changes between two models, stored so that the next answer includes them.
//!
//! | module | content |
//! |---|---|
//! | [`check`] | checks shared by all input, and the error that names a field |
//! | [`identity`] | the ids of a user in channels |
//! | [`event`] | users' actions: types, names of other trackers, checks |
//! | [`log`] | accepted events in order, each once; [`log::drain`] writes them to Parquet files |
//! | [`people`] | One-ID, and the live state of each name |
//! | [`consents`] | people's decisions since training |
//! | [`items`] | price, stock and sale state, as reported |
//! | [`documents`] | named, versioned JSON objects that people edit |
//! | [`counters`] | stocks that are never oversold: reserve, confirm, release, expire |
//! | [`rooms`] | livestream rooms: products and the commands of a show |
//! | [`replicated`] | records that every server keeps in memory |
//! | [`followers`] | data derived from the log: trending items, recent buyers |
//! | [`backends`] | the stores: embedded, Redis |
//!
//! An event is checked ([`event::RawEvent::check`]), appended ([`log::EventLog::append`]) and from then on part of
//! its user's [state](people::UserState), which a request loads in one call. Nothing here reads a clock: the time
//! is always an argument. Times are unix milliseconds, UTC.

#![warn(missing_docs)]

pub mod backends;
pub mod check;
pub mod consents;
pub mod counters;
pub mod documents;
pub mod error;
pub mod event;
pub mod followers;
pub mod identity;
pub mod items;
pub mod log;
pub mod people;
pub mod replicated;
pub mod rooms;

pub use error::StoreError;
