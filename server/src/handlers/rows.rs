//! Calls with many rows, each accepted or refused by itself.

use qianmian_live::check::Fault;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::extract::{Rows, RowsBody, parse};
use crate::problem::{Code, Problem};

/// Most rows of one call.
pub const MAX_ROWS: usize = 1_000;

/// Why a row is refused.
#[derive(Debug, Clone)]
pub struct RowFault {
    field: String,
    reason: String,
    nearest: Option<String>,
}

/// Outcome of one row.
#[derive(Serialize, ToSchema)]
pub struct RowResult<S> {
    /// Its outcome.
    pub status: S,
    /// Of a rejected row: the field at fault; empty if the row is not JSON at all.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    field: Option<String>,
    /// Of a rejected row: what is wrong, and what it may be.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    reason: Option<String>,
    /// The known name that may be meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    nearest: Option<String>,
    /// How a value was read that is not quite as it should be.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    note: Option<&'static str>,
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

/// A row that was read, with a note on its reading, if it needs one.
pub struct Row<T> {
    /// The content of the row.
    pub value: T,
    /// A note on a value that was not read literally.
    pub note: Option<&'static str>,
}

/// A row that was read, or the reason for its refusal.
pub type Checked<T> = Result<Row<T>, RowFault>;

/// Reads the rows of a body, each by itself: the elements of the list `field`, which `within` finds in a JSON body, or
/// its lines; at most `most`.
///
/// # Errors
/// The body itself is malformed, or has no row, or more than `most`.
pub fn read<'b, B: Deserialize<'b>, T>(
    body: &'b RowsBody,
    (field, most): (&'static str, usize),
    within: impl FnOnce(B) -> Vec<&'b RawValue>,
    row: impl Fn(&[u8]) -> Checked<T>,
) -> Result<Vec<Checked<T>>, Problem> {
    match body.rows() {
        Rows::Whole(bytes) => {
            let rows = within(parse(bytes)?);
            check_count(field, rows.len(), most)?;
            Ok(rows.into_iter().map(|text| row(text.get().as_bytes())).collect())
        }
        Rows::Lines(lines) => {
            check_count("", lines.len(), most)?;
            Ok(lines.into_iter().map(row).collect())
        }
    }
}

/// The values of the rows that were read, in order.
pub fn values<T: Clone>(checked: &[Checked<T>]) -> Vec<T> {
    checked.iter().filter_map(|row| row.as_ref().ok().map(|row| row.value.clone())).collect()
}

/// The results of all rows: `outcomes`, in order, for those that were read, `rejected` for the others.
pub fn results<T, O, S: From<O> + Copy>(
    checked: Vec<Checked<T>>,
    outcomes: Vec<O>,
    rejected: S,
) -> Vec<RowResult<S>> {
    let mut outcomes = outcomes.into_iter();
    let result = |row: Checked<T>| match row {
        Ok(row) => {
            // There is an outcome for each row that was read.
            let status = outcomes.next().map_or(rejected, S::from);
            RowResult { status, field: None, reason: None, nearest: None, note: row.note }
        }
        Err(fault) => RowResult {
            status: rejected,
            field: Some(fault.field),
            reason: Some(fault.reason),
            nearest: fault.nearest,
            note: None,
        },
    };
    checked.into_iter().map(result).collect()
}

/// Checks that a call has 1 to `most` rows.
fn check_count(field: &'static str, rows: usize, most: usize) -> Result<(), Problem> {
    if (1..=most).contains(&rows) {
        return Ok(());
    }
    let problem = Problem::new(Code::InvalidField, format!("1 to {most} rows a call, not {rows}"));
    Err(if field.is_empty() { problem } else { problem.at_field(field) })
}
