//! `/identities`: the identities of people.

mod link;
mod person;
mod undo;

use qianmian_live::check;

use crate::fields::Id;
use crate::problem::{Code, Problem};

pub use link::*;
pub use person::*;
pub use undo::*;

/// An id that is stored: it is bounded in bytes, too.
fn stored_id(field: &'static str, id: Option<&Id<'_>>) -> Result<Option<String>, Problem> {
    let stored = id.map(|id| check::id(field, id.as_str())).transpose();
    stored.map_err(|fault| Problem::new(Code::InvalidField, fault.reason).at_field(field))
}
