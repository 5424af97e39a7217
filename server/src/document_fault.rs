//! Faults of documents that people write.

use qianmian_models::rules::expression::ExpressionError;

/// A fault of a document: its field, and what it may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentFault {
    /// Path of the field.
    pub field: String,
    /// The fault, and the right form.
    pub reason: String,
    /// The known name that may be meant.
    pub nearest: Option<String>,
}

impl DocumentFault {
    /// A fault without a known name.
    pub fn new(field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { field: field.into(), reason: reason.into(), nearest: None }
    }

    /// That of the expression at `field`.
    pub fn of_expression(field: impl Into<String>, error: ExpressionError) -> Self {
        let reason = error.to_string();
        let nearest = match error {
            ExpressionError::Unknown { nearest, .. } => nearest,
            _ => None,
        };
        Self { field: field.into(), reason, nearest }
    }
}
