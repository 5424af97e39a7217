//! Runs the rules of One-ID over records that can be read at once, without waiting.

use super::StoreError;
use crate::identity::{Records, Refusal, Stop};

/// The result of `rule`, and the records that it saw and wants written; `read` gives the record under a key.
///
/// # Errors
/// `read` fails, or a record does not read back.
pub(super) fn run<T>(
    mut rule: impl FnMut(&mut Records) -> Result<T, Stop>,
    read: impl Fn(&[u8]) -> Result<Option<Vec<u8>>, StoreError>,
) -> Result<(T, Records), StoreError> {
    let (outcome, records) = try_run(|records| rule(records), read)?;
    // A rule that refuses nothing ends in a result.
    let result = outcome.map_err(|refusal| StoreError::Failed(refusal.to_string()))?;
    Ok((result, records))
}

/// The same of a rule that may refuse; then nothing is to be written.
pub(super) fn try_run<T>(
    mut rule: impl FnMut(&mut Records) -> Result<T, Stop>,
    read: impl Fn(&[u8]) -> Result<Option<Vec<u8>>, StoreError>,
) -> Result<(Result<T, Refusal>, Records), StoreError> {
    let mut records = Records::default();
    loop {
        match records.run(&mut rule) {
            Ok(Some(result)) => return Ok((Ok(result), records)),
            Err(Stop::Refused(refusal)) => return Ok((Err(refusal), records)),
            Err(Stop::Damaged | Stop::Unread) => return Err(StoreError::Damaged { table: "people" }),
            Ok(None) => {
                for key in records.wanted() {
                    let value = read(&key.encoded())?;
                    records.tell(key, value);
                }
            }
        }
    }
}
