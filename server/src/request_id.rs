//! The id of one request: 32 lower-case hex digits, unlike any other of this or of another process.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Serialize, Serializer};

/// Ties an answer to its log lines, and later events to the slate they came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RequestId {
    process: u64,
    request: u64,
}

/// The ids of one process: a random half and a counted half, without a lock or randomness a request.
#[derive(Debug)]
pub struct RequestIds {
    process: u64,
    next: AtomicU64,
}

impl RequestIds {
    /// # Errors
    /// The operating system gives no randomness.
    pub fn new() -> Result<Self, getrandom::Error> {
        Ok(Self { process: getrandom::u64()?, next: AtomicU64::new(1) })
    }

    /// The next one.
    pub fn next(&self) -> RequestId {
        RequestId { process: self.process, request: self.next.fetch_add(1, Ordering::Relaxed) }
    }
}

impl RequestId {
    /// The hex digits.
    pub fn digits(self) -> [u8; 32] {
        let value = (u128::from(self.process) << 64) | u128::from(self.request);
        std::array::from_fn(|n| b"0123456789abcdef"[(value >> (124 - 4 * n)) as usize & 15])
    }
}

impl std::fmt::Display for RequestId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:016x}{:016x}", self.process, self.request)
    }
}

impl Serialize for RequestId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Hex digits are ASCII.
        serializer.serialize_str(std::str::from_utf8(&self.digits()).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn ids_differ_and_both_forms_agree() {
        let ids = RequestIds::new().unwrap();
        let (a, b) = (ids.next(), ids.next());
        assert_ne!(a, b);
        assert_eq!(serde_json::to_string(&a).unwrap(), format!("\"{a}\""));
        assert_eq!(a.to_string().len(), 32);
    }
}
