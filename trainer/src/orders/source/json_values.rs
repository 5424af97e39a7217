//! Reads the values of a JSON file one after the other, in any layout.
//!
//! A file has one object per line, a sequence of objects over several lines, one array of objects, or one object
//! that contains such an array (the answer of a web API).

use super::bytes::{MAX_ROW_BYTES, read_error, read_line};
use super::files::SourceFile;
use anyhow::bail;
use serde_json::Value;
use std::io::{BufRead, Read};

/// Greatest depth of an array within an answer.
const MAX_DEPTH: usize = 4;

/// The layout of the values in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Layout {
    /// One per line; an invalid line does not affect other lines.
    Lines,
    /// One after the other, with or without commas and an array around them.
    Stream,
    /// In the array at this path of the file's only object.
    Within(Vec<String>),
}

/// A value as written.
pub struct Written<'a> {
    /// Its first line, from 1.
    pub line: u64,
    /// Its last line.
    pub last_line: u64,
    /// Its text; not always valid JSON.
    pub bytes: &'a [u8],
}

/// Detects the layout from the file's beginning; `is_row` is true for an object that looks like a row of the table.
///
/// # Errors
/// Fails if the file cannot be read.
pub fn layout(
    file: &SourceFile,
    text: &mut dyn BufRead,
    is_row: &dyn Fn(&Value) -> bool,
) -> anyhow::Result<Layout> {
    let mut line = Vec::new();
    let mut number = 0;
    while read_line(text, &mut line).map_err(|error| read_error(file, number, error))? {
        number += 1;
        let trimmed = line.trim_ascii();
        if trimmed.is_empty() {
            continue;
        }
        if trimmed[0] == b'[' {
            return Ok(Layout::Stream);
        }
        return Ok(match serde_json::from_slice::<Value>(trimmed) {
            Ok(value) => {
                within(&value, is_row).filter(|_| rest_is_blank(text)).map_or(Layout::Lines, Layout::Within)
            }
            // The first line of an object over several lines, unless the next line starts another object.
            Err(_) if trimmed == b"{" || !second_line_starts_anew(text) => {
                let mut whole = line.clone();
                whole.push(b'\n');
                (&mut *text)
                    .take(MAX_ROW_BYTES)
                    .read_to_end(&mut whole)
                    .map_err(|error| read_error(file, number, error))?;
                let value: Option<Value> = serde_json::from_slice(&whole).ok();
                value.and_then(|value| within(&value, is_row)).map_or(Layout::Stream, Layout::Within)
            }
            Err(_) => Layout::Lines,
        });
    }
    Ok(Layout::Lines)
}

fn rest_is_blank(text: &mut dyn BufRead) -> bool {
    let mut rest = Vec::new();
    let read = text.take(4096).read_to_end(&mut rest);
    read.is_ok() && rest.trim_ascii().is_empty()
}

fn second_line_starts_anew(text: &mut dyn BufRead) -> bool {
    text.fill_buf().is_ok_and(|rest| rest.trim_ascii_start().first() == Some(&b'{'))
}

/// The path of the longest array of row-like objects in an object that is not a row itself.
fn within(value: &Value, is_row: &dyn Fn(&Value) -> bool) -> Option<Vec<String>> {
    if is_row(value) {
        return None;
    }
    let mut best: Option<(usize, Vec<String>)> = None;
    look(value, &mut Vec::new(), &mut best, is_row);
    best.map(|(_, path)| path)
}

fn look(
    value: &Value,
    path: &mut Vec<String>,
    best: &mut Option<(usize, Vec<String>)>,
    is_row: &dyn Fn(&Value) -> bool,
) {
    let Value::Object(object) = value else { return };
    if path.len() >= MAX_DEPTH {
        return;
    }
    for (key, inner) in object {
        path.push(key.clone());
        match inner {
            Value::Array(rows)
                if rows.first().is_some_and(is_row) && best.as_ref().is_none_or(|(n, _)| rows.len() > *n) =>
            {
                *best = Some((rows.len(), path.clone()));
            }
            Value::Object(_) => look(inner, path, best, is_row),
            _ => {}
        }
        path.pop();
    }
}

/// Passes every value to `sink` until it returns false; returns the number of physical lines read.
///
/// # Errors
/// Fails if the file cannot be read to its end, an array is never closed, or `sink` fails.
pub fn each(
    file: &SourceFile,
    text: &mut dyn BufRead,
    layout: &Layout,
    sink: &mut dyn FnMut(Written<'_>) -> anyhow::Result<bool>,
) -> anyhow::Result<u64> {
    match layout {
        Layout::Lines => each_line(file, text, sink),
        Layout::Stream => each_in_stream(file, text, sink),
        Layout::Within(path) => each_within(file, text, path, sink),
    }
}

fn each_line(
    file: &SourceFile,
    text: &mut dyn BufRead,
    sink: &mut dyn FnMut(Written<'_>) -> anyhow::Result<bool>,
) -> anyhow::Result<u64> {
    let (mut bytes, mut number) = (Vec::new(), 0);
    while read_line(text, &mut bytes).map_err(|error| read_error(file, number, error))? {
        number += 1;
        if !bytes.trim_ascii().is_empty()
            && !sink(Written { line: number, last_line: number, bytes: &bytes })?
        {
            break;
        }
    }
    Ok(number)
}

/// The state of a scan.
#[derive(Default)]
struct Scan {
    depth: u32,
    in_string: bool,
    escaped: bool,
}

fn each_in_stream(
    file: &SourceFile,
    text: &mut dyn BufRead,
    sink: &mut dyn FnMut(Written<'_>) -> anyhow::Result<bool>,
) -> anyhow::Result<u64> {
    let (mut line, mut start, mut in_array, mut any) = (1u64, 1u64, false, false);
    let (mut value, mut scan) = (Vec::new(), Scan::default());
    let mut last = b'\n';
    loop {
        let chunk = text.fill_buf().map_err(|error| read_error(file, line, error))?.to_vec();
        if chunk.is_empty() {
            break;
        }
        text.consume(chunk.len());
        last = chunk[chunk.len() - 1];
        for &byte in &chunk {
            if scan.depth == 0 && !scan.in_string {
                match byte {
                    b'[' if !any && !in_array => in_array = true,
                    b']' if in_array && value.is_empty() => in_array = false,
                    b',' | b' ' | b'\t' | b'\r' | b'\n' if value.is_empty() => {}
                    b',' | b'\n' | b']' => {
                        in_array &= byte != b']';
                        any = true;
                        if !sink(Written { line: start, last_line: line, bytes: &value })? {
                            return Ok(line);
                        }
                        value.clear();
                    }
                    _ => take(byte, &mut value, &mut scan, &mut start, line),
                }
            } else {
                take(byte, &mut value, &mut scan, &mut start, line);
            }
            if scan.depth == 0 && !scan.in_string && matches!(byte, b'}') && !value.is_empty() {
                any = true;
                if !sink(Written { line: start, last_line: line, bytes: &value })? {
                    return Ok(line);
                }
                value.clear();
            }
            line += u64::from(byte == b'\n');
            if value.len() as u64 > MAX_ROW_BYTES {
                bail!(
                    "{}:{start}: a value is longer than 64 MiB; a bracket may never be closed",
                    file.name()
                );
            }
        }
    }
    let lines = if last == b'\n' { line - 1 } else { line };
    if !value.trim_ascii().is_empty() {
        sink(Written { line: start, last_line: lines.max(start), bytes: &value })?;
    } else if in_array {
        bail!("{} is cut off: its array is never closed; export it again", file.name());
    }
    Ok(lines)
}

fn take(byte: u8, value: &mut Vec<u8>, scan: &mut Scan, start: &mut u64, line: u64) {
    if value.is_empty() {
        *start = line;
    }
    value.push(byte);
    match byte {
        _ if scan.escaped => scan.escaped = false,
        b'\\' if scan.in_string => scan.escaped = true,
        b'"' => scan.in_string = !scan.in_string,
        b'{' | b'[' if !scan.in_string => scan.depth += 1,
        b'}' | b']' if !scan.in_string => scan.depth = scan.depth.saturating_sub(1),
        _ => {}
    }
}

fn each_within(
    file: &SourceFile,
    text: &mut dyn BufRead,
    path: &[String],
    sink: &mut dyn FnMut(Written<'_>) -> anyhow::Result<bool>,
) -> anyhow::Result<u64> {
    let mut bytes = Vec::new();
    text.take(MAX_ROW_BYTES + 1).read_to_end(&mut bytes).map_err(|error| read_error(file, 0, error))?;
    let lines =
        bytes.iter().filter(|byte| **byte == b'\n').count() as u64 + u64::from(bytes.last() != Some(&b'\n'));
    if bytes.len() as u64 > MAX_ROW_BYTES {
        bail!("{} is one object of more than 64 MiB; write its rows as JSON lines", file.name());
    }
    let value: Value = serde_json::from_slice(&bytes).map_err(|error| {
        anyhow::anyhow!("{} is no whole JSON value: {error}; export it again", file.name())
    })?;
    let rows = path.iter().try_fold(&value, |value, key| value.get(key)).and_then(Value::as_array);
    for (row, n) in rows.into_iter().flatten().zip(1..) {
        // The line of a row within the object is unknown; its number takes the place.
        if !sink(Written { line: n, last_line: n.min(lines), bytes: row.to_string().as_bytes() })? {
            break;
        }
    }
    Ok(lines)
}
