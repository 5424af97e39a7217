//! The error of every store.

/// The reason why a store does not answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The disk, the network or the database behind it fails.
    #[error("the live store fails: {0}")]
    Failed(String),
    /// It did not answer in time; the request may have been carried out.
    #[error("the live store did not answer in time")]
    TimedOut,
    /// It has been closed.
    #[error("the live store is closed")]
    Closed,
    /// A record cannot be decoded.
    #[error("the live store holds a damaged record in `{table}`")]
    Damaged {
        /// The table that holds the record.
        table: &'static str,
    },
}
