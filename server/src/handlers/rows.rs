//! What calls share that take many rows, each taken in or refused by itself.

use qianmian_live::check::Fault;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::extract::{Rows, RowsBody, parse};
use crate::problem::{Code, Problem};

/// Most rows of one call.
const MAX_ROWS: usize = 1_000;

/// Why a row is refused.
#[derive(Debug, Clone)]
pub struct RowFault {
    field: String,
    reason: String,
    nearest: Option<String>,
}

/// What became of one row.
#[derive(Serialize, ToSchema)]
pub struct RowResult<S> {
    /// What became of it.
    pub status: S,
    /// Of a rejected one: the field at fault; empty where the row is not JSON at all.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    field: Option<String>,
    /// Of a rejected one: what is wrong, and what it may be.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    reason: Option<String>,
    /// The known name that may have been meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    nearest: Option<String>,
    /// Of an accepted one: how it was read, where that is not as it was sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, nullable = false, required = false)]
    pub note: Option<&'static str>,
}

impl<S> RowResult<S> {
    /// That of a row which was read.
    fn of(status: S) -> Self {
        Self { status, field: None, reason: None, nearest: None, note: None }
    }

    /// That of a row which was not; `status` says so.
    fn refused(status: S, fault: RowFault) -> Self {
        let (field, reason) = (Some(fault.field), Some(fault.reason));
        Self { status, field, reason, nearest: fault.nearest, note: None }
    }
}

impl From<Fault> for RowFault {
    fn from(fault: Fault) -> Self {
        Self {
            field: fault.field.to_owned(),
            reason: fault.reason,
            nearest: fault.nearest.map(str::to_owned),
        }
    }
}

impl From<Problem> for RowFault {
    fn from(problem: Problem) -> Self {
        Self {
            field: problem.field().unwrap_or_default().to_owned(),
            reason: problem.detail().to_owned(),
            nearest: problem.nearest_name().map(str::to_owned),
        }
    }
}

/// A row as it was read, or why it is refused.
pub type Checked<T> = Result<T, RowFault>;

/// Reads the rows of a body, each by itself: those that `within` finds in the list `field` of a whole body, or
/// its lines.
///
/// # Errors
/// The whole is not as it must be, or has no row, or more than a thousand.
pub fn read<'b, B: Deserialize<'b>, T>(
    body: &'b RowsBody,
    field: &'static str,
    within: impl FnOnce(B) -> Vec<&'b RawValue>,
    row: impl Fn(&[u8]) -> Checked<T>,
) -> Result<Vec<Checked<T>>, Problem> {
    match body.rows() {
        Rows::Whole(bytes) => {
            let rows = within(parse(bytes)?);
            check_count(field, rows.len())?;
            Ok(rows.into_iter().map(|text| row(text.get().as_bytes())).collect())
        }
        Rows::Lines(lines) => {
            check_count("", lines.len())?;
            Ok(lines.into_iter().map(row).collect())
        }
    }
}

/// What became of every row: `outcomes`, in order, of those that were read, `rejected` of the others.
pub fn results<T, O, S: From<O> + Copy>(
    checked: Vec<Checked<T>>,
    outcomes: Vec<O>,
    rejected: S,
) -> Vec<RowResult<S>> {
    let mut outcomes = outcomes.into_iter();
    let result = |row: Checked<T>| match row {
        // There is an outcome for each row that was read.
        Ok(_) => RowResult::of(outcomes.next().map_or(rejected, S::from)),
        Err(fault) => RowResult::refused(rejected, fault),
    };
    checked.into_iter().map(result).collect()
}

/// Whether a call may have so many rows.
fn check_count(field: &'static str, rows: usize) -> Result<(), Problem> {
    if (1..=MAX_ROWS).contains(&rows) {
        return Ok(());
    }
    let problem = Problem::new(Code::InvalidField, format!("1 to {MAX_ROWS} rows a call, not {rows}"));
    Err(if field.is_empty() { problem } else { problem.at_field(field) })
}
