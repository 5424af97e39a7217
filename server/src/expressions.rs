//! Expressions of callers, compiled once: callers send the same few sources with every request.
//!
//! Cost: a hash and a look-up under a lock. At most `MAX_KEPT` sources of a shop are kept; beyond that, all are
//! dropped, because sources that change with every request would otherwise push out the ones that repeat.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use qianmian_models::rules::expression::Expression;

use crate::document_fault::DocumentFault;
use crate::problem::Problem;

/// Most sources that are kept.
const MAX_KEPT: usize = 1_024;

/// The compiled expressions of a shop.
#[derive(Default)]
pub struct Expressions(Mutex<HashMap<String, Arc<Expression>>>);

impl Expressions {
    /// The expression of this source.
    ///
    /// # Errors
    /// `invalid_field` with the error in the expression, at `field`.
    pub fn get(&self, field: &str, source: &str) -> Result<Arc<Expression>, Problem> {
        if let Some(known) = self.kept().get(source) {
            return Ok(Arc::clone(known));
        }
        let compiled = Arc::new(
            Expression::compile(source).map_err(|error| DocumentFault::of_expression(field, error))?,
        );
        let mut kept = self.kept();
        if kept.len() >= MAX_KEPT {
            kept.clear();
        }
        kept.insert(source.to_owned(), Arc::clone(&compiled));
        Ok(compiled)
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, HashMap<String, Arc<Expression>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
