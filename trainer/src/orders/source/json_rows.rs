//! Rows of JSON lines files: one object of plain values a line.

use super::bytes::{read_error, read_line};
use super::files::SourceFile;
use super::row::{ABSENT, Event, Flow, Row, Sink, Span};
use crate::orders::summary::Reason;
use anyhow::bail;
use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::fmt::{self, Write as _};
use std::io::BufRead;

/// The keys of the first objects are the file's columns.
const HEADER_ROWS: usize = 1000;

/// The keys of the file's first objects, in order of appearance.
///
/// # Errors
/// When the file cannot be read or is one array rather than lines.
pub fn keys(file: &SourceFile, text: &mut dyn BufRead) -> anyhow::Result<Vec<String>> {
    let mut keys: Vec<String> = Vec::new();
    let mut line = Vec::new();
    for number in 0..HEADER_ROWS as u64 {
        if !read_line(text, &mut line).map_err(|error| read_error(file, number, error))? {
            break;
        }
        if number == 0 && line.trim_ascii_start().first() == Some(&b'[') {
            let name = file.name();
            bail!("{name} is one JSON array; give one object a line: jq -c '.[]' {name} > rows.jsonl");
        }
        // A row that is no object is met again, and rejected, when rows are read.
        let object: Result<serde_json::Map<String, serde_json::Value>, _> = serde_json::from_slice(&line);
        for key in object.unwrap_or_default().into_iter().map(|(key, _)| key) {
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
    }
    Ok(keys)
}

/// Gives every row to `sink`. `columns` are the keys to read; a row's spans follow their order.
///
/// # Errors
/// When the file cannot be read to its end.
pub fn each(
    file: &SourceFile,
    text: &mut dyn BufRead,
    columns: &[&str],
    slots: &[Option<usize>],
    sink: &mut Sink<'_>,
) -> anyhow::Result<()> {
    let mut line = Vec::new();
    let mut cells = String::new();
    let mut spans = vec![ABSENT; columns.len()];
    for number in 1.. {
        if !read_line(text, &mut line).map_err(|error| read_error(file, number - 1, error))? {
            break;
        }
        if line.trim_ascii().is_empty() {
            continue;
        }
        let parsed = match std::str::from_utf8(&line) {
            Err(_) => Err(Reason::InvalidUtf8),
            Ok(raw) => parse(raw, Object { columns, cells: &mut cells, spans: &mut spans }).map(|()| raw),
        };
        let flow = match parsed {
            Ok(raw) => {
                let row = Row { line: number, text: &cells, spans: &spans, slots, raw: Some(raw), at: None };
                sink(Event::Row(&row))?
            }
            Err(reason) => {
                let shown = String::from_utf8_lossy(&line).into_owned();
                sink(Event::Bad { line: number, reason, shown })?
            }
        };
        if flow == Flow::Enough {
            break;
        }
    }
    Ok(())
}

fn parse(raw: &str, object: Object<'_>) -> Result<(), Reason> {
    object.cells.clear();
    object.spans.fill(ABSENT);
    let mut json = serde_json::Deserializer::from_str(raw);
    object.deserialize(&mut json).and_then(|()| json.end()).map_err(|_| Reason::MalformedJson)
}

/// Collects the wanted values of one object, as text.
struct Object<'a> {
    columns: &'a [&'a str],
    cells: &'a mut String,
    spans: &'a mut [Span],
}

impl<'de> DeserializeSeed<'de> for Object<'_> {
    type Value = ();
    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Object<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(column) = map.next_key_seed(Key(self.columns))? {
            match column {
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
                Some(column) => {
                    let start = self.cells.len();
                    let present = map.next_value_seed(Plain(self.cells))?;
                    // A line is at most 64 MiB, so offsets fit.
                    let span = (start as u32, self.cells.len() as u32);
                    self.spans[column] = if present { span } else { ABSENT };
                }
            }
        }
        Ok(())
    }
}

/// A key, as the index of the column that it names.
struct Key<'a>(&'a [&'a str]);

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = Option<usize>;
    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Option<usize>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_> {
    type Value = Option<usize>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }
    fn visit_str<E: Error>(self, key: &str) -> Result<Option<usize>, E> {
        Ok(self.0.iter().position(|column| *column == key))
    }
}

/// Appends a plain value as text; `false` for null. The members of an array are joined by `|`.
struct Plain<'a>(&'a mut String);

impl<'de> DeserializeSeed<'de> for Plain<'_> {
    type Value = bool;
    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Plain<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string, number, boolean, null or array of those")
    }
    fn visit_str<E: Error>(self, value: &str) -> Result<bool, E> {
        self.0.push_str(value);
        Ok(true)
    }
    fn visit_bool<E: Error>(self, value: bool) -> Result<bool, E> {
        write!(self.0, "{value}").map(|()| true).map_err(E::custom)
    }
    fn visit_i64<E: Error>(self, value: i64) -> Result<bool, E> {
        write!(self.0, "{value}").map(|()| true).map_err(E::custom)
    }
    fn visit_u64<E: Error>(self, value: u64) -> Result<bool, E> {
        write!(self.0, "{value}").map(|()| true).map_err(E::custom)
    }
    fn visit_f64<E: Error>(self, value: f64) -> Result<bool, E> {
        write!(self.0, "{value}").map(|()| true).map_err(E::custom)
    }
    fn visit_unit<E: Error>(self) -> Result<bool, E> {
        Ok(false)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<bool, A::Error> {
        let start = self.0.len();
        loop {
            let before = self.0.len();
            if before > start {
                self.0.push('|');
            }
            match seq.next_element_seed(Plain(self.0))? {
                Some(true) => {}
                Some(false) => self.0.truncate(before),
                None => {
                    self.0.truncate(before);
                    return Ok(true);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Object, parse};
    use crate::orders::source::row::ABSENT;
    use crate::orders::summary::Reason;

    fn cells(raw: &str) -> Result<Vec<Option<String>>, Reason> {
        let (mut cells, mut spans) = (String::new(), vec![ABSENT; 2]);
        parse(raw, Object { columns: &["a", "b"], cells: &mut cells, spans: &mut spans })?;
        let cell = |&(start, end): &(u32, u32)| cells.get(start as usize..end as usize).map(str::to_owned);
        Ok(spans.iter().map(cell).collect())
    }

    #[test]
    fn plain_values_become_text_and_other_keys_are_passed_over() {
        let got = cells(r#"{"x": {"deep": [1]}, "b": 1.5, "a": "\u5343\"面"}"#);
        assert_eq!(got, Ok(vec![Some("千\"面".to_owned()), Some("1.5".to_owned())]));
        assert_eq!(cells(r#"{"a": null, "b": true}"#), Ok(vec![None, Some("true".to_owned())]));
    }

    #[test]
    fn arrays_are_joined() {
        let got = cells(r#"{"a": ["x", null, "y"], "b": []}"#);
        assert_eq!(got, Ok(vec![Some("x|y".to_owned()), Some(String::new())]));
    }

    #[test]
    fn what_is_no_object_of_plain_values_is_malformed() {
        for raw in ["[1]", "{\"a\": {}}", "{\"a\": 1", "{\"a\": 1} x", "{\"a\": 1e999}", "{\"a\": NaN}", "3"]
        {
            assert_eq!(cells(raw), Err(Reason::MalformedJson), "{raw}");
        }
    }
}
