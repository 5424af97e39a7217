//! Sequences: one line per user with the user and then its items in order, separated by white space.

use super::Lines;
use super::bytes::{read_error, read_line};
use super::files::SourceFile;
use super::row::{Event, Flow, Located, Row, Sink};
use crate::orders::summary::Reason;
use crate::orders::types::{DAY_SECONDS, SEQUENCE_END};
use rustc_hash::FxHashSet;
use std::io::BufRead;

/// The columns of a sequence file.
pub const COLUMNS: [&str; 2] = ["user_id", "item_id"];

/// Passes one row for each item of each line to `sink`, with its time (see `TimeKind::Steps`).
///
/// # Errors
/// Fails if the file cannot be read to its end.
pub fn each(
    file: &SourceFile,
    text: &mut dyn BufRead,
    columns: &[Located],
    seen: &mut FxHashSet<Box<str>>,
    sink: &mut Sink<'_>,
) -> anyhow::Result<Lines> {
    let (mut bytes, mut lines) = (Vec::new(), Lines::default());
    for line in 1.. {
        if !read_line(text, &mut bytes).map_err(|error| read_error(file, line - 1, error))? {
            break;
        }
        if bytes.trim_ascii().is_empty() {
            lines.blank += 1;
            continue;
        }
        lines.rows += 1;
        let flow = match check(&bytes, seen) {
            Ok(text) => items(text, line, columns, sink)?,
            Err(reason) => {
                let shown = String::from_utf8_lossy(&bytes).into_owned();
                sink(Event::Bad { line, reason, shown })?
            }
        };
        if flow != Flow::Next {
            break;
        }
    }
    Ok(lines)
}

/// Rejects the second line of a user, because the order of items over two lines is unknown.
fn check<'a>(bytes: &'a [u8], seen: &mut FxHashSet<Box<str>>) -> Result<&'a str, Reason> {
    let text = std::str::from_utf8(bytes).map_err(|_| Reason::InvalidUtf8)?;
    let mut words = text.split_whitespace();
    let user = words.next().ok_or(Reason::NoItem)?;
    if words.next().is_none() {
        return Err(Reason::NoItem);
    }
    if seen.insert(user.into()) { Ok(text) } else { Err(Reason::RepeatedUser) }
}

fn items(text: &str, line: u64, columns: &[Located], sink: &mut Sink<'_>) -> anyhow::Result<Flow> {
    let base = text.as_ptr() as usize;
    // A line is at most 64 MiB, so offsets fit.
    let span = |word: &str| {
        let start = word.as_ptr() as usize - base;
        (start as u32, (start + word.len()) as u32)
    };
    let words: Vec<(u32, u32)> = text.split_whitespace().map(span).collect();
    for (position, &item) in words.iter().enumerate().skip(1) {
        let steps_back = (words.len() - 1 - position) as i64;
        let at = Some(SEQUENCE_END - steps_back * DAY_SECONDS);
        let spans = &[words[0], item];
        let row = Row { line, text, spans, columns, constants: &[], raw: None, at, element: None };
        let flow = sink(Event::Row(&row))?;
        if flow != Flow::Next {
            return Ok(flow);
        }
    }
    Ok(Flow::Next)
}
