//! Order files in, clean lines out: the trainer's input side.
//!
//! Reading streams every file row by row (Parquet by batches), turns outside ids into dense
//! indexes while it reads, sends bad rows to a rejects file and accounts for each row in a
//! [`Summary`]. Nothing is dropped silently: the parts of the summary add up to the rows read.
//!
//! Memory: 32 bytes a purchase line, one copy of every distinct id, and 17 to 34 bytes a
//! distinct row for finding exact duplicates; never a string per line.

mod summary;
mod types;

pub use summary::{Reason, Summary, TableSummary};
pub use types::{
    DAY_SECONDS, GUEST, Identity, Inputs, Item, Line, NONE_CODE, Orders, SEQUENCE_END, TimeKind, User,
};
