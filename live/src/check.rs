//! Checks shared by everything that callers send: bounds of ids, and the error that names a field.

/// Longest id or name, in bytes.
pub const MAX_ID_BYTES: usize = 256;
/// Most milliseconds by which a caller's time may be ahead of the receiving clock, because clocks differ.
pub const MAX_AHEAD_MS: i64 = 10 * 60 * 1000;

/// The reason why a row is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The field that is wrong.
    pub field: &'static str,
    /// The error, and the allowed values.
    pub reason: String,
    /// The known name that is most similar to the given one.
    pub nearest: Option<&'static str>,
}

impl Fault {
    /// A fault without a similar known name.
    pub fn new(field: &'static str, reason: impl Into<String>) -> Self {
        Self { field, reason: reason.into(), nearest: None }
    }
}

/// Checks an id.
///
/// # Errors
/// Empty, or longer than [`MAX_ID_BYTES`].
pub fn id(field: &'static str, id: &str) -> Result<String, Fault> {
    if (1..=MAX_ID_BYTES).contains(&id.len()) {
        return Ok(id.to_owned());
    }
    Err(Fault::new(field, format!("1 to {MAX_ID_BYTES} bytes, not {}", id.len())))
}

/// Checks an id that may be absent.
pub(crate) fn optional_id(field: &'static str, given: Option<&str>) -> Result<Option<String>, Fault> {
    given.map(|given| id(field, given)).transpose()
}
