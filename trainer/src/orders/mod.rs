//! Order files in, clean lines out: the trainer's input side.
//!
//! [`read`] streams every file row by row (Parquet by batches), turns outside ids into dense
//! indexes while it reads, writes bad rows to a rejects file and counts each row in a
//! [`Summary`]. Nothing is dropped silently: the parts of the summary add up to the rows read.
//!
//! A row passes `source` (files, unpacking, columns) -> `clean` (purchase, return or reject) ->
//! `aliases` (user ids of one person) -> `arrange` (merge, net returns, cap, renumber, sort). Purchases that are
//! only in `events` are added before `aliases`.
//!
//! Memory: 40 bytes per purchase line (twice that for moments while the list grows), one copy of every
//! distinct id plus about 40 bytes, and 17 to 34 bytes per distinct row to find exact
//! duplicates; never a string per line.

mod aliases;
mod arrange;
mod attributes;
mod baskets;
mod catalogue;
mod clean;
mod clock;
mod dictionary;
mod doubts;
mod draft;
mod events;
mod guests;
mod layout;
mod meter;
mod month_names;
mod order;
mod order_files;
mod probe;
mod raw;
mod read;
mod rejects;
mod rules;
mod shop_file;
pub(crate) mod source;
mod states;
mod statuses;
mod summary;
mod tables;
mod time;
mod times;
mod types;
pub(crate) mod values;
mod warnings;

pub use draft::draft;
pub use events::EventSummary;
pub use meter::Progress;
pub use read::{ReadOptions, facts, preview, read};
pub use rejects::encoding_cure;
pub use shop_file::write as write_shop_file;
pub use source::{FileFacts, Lines};
pub use statuses::Status;
pub use summary::{Reason, Summary, TableSummary};
pub use types::{
    DAY_SECONDS, GUEST, Identity, Inputs, Item, Line, NONE_CODE, Orders, SEQUENCE_END, TimeKind, User,
};
pub use warnings::{Code, Warning};
