//! Rows of JSON objects. Nested values are columns by path: `customer.id`; arrays give one value per element.

use super::Lines;
use super::bytes::read_error;
use super::files::SourceFile;
use super::json_values::{self, Layout};
use super::row::{ABSENT, Event, Flow, LIST_MARK, Row, Sink, Span};
use super::text_rows::Shape;
use super::unnest::Unnester;
use crate::orders::summary::Reason;
use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use std::fmt::{self, Write as _};
use std::io::BufRead;

/// First objects whose keys become the file's columns.
const HEADER_ROWS: usize = 1000;

/// Most columns of a file.
const MAX_COLUMNS: usize = 2000;

/// The paths of plain values in the file's first objects, in order of appearance, and the paths of values that are
/// always objects.
///
/// # Errors
/// Fails if the file cannot be read.
pub fn keys(
    file: &SourceFile,
    text: &mut dyn BufRead,
    layout: &Layout,
) -> anyhow::Result<(Vec<String>, Vec<String>)> {
    let (mut keys, mut objects) = (Vec::new(), Vec::new());
    let mut left = HEADER_ROWS;
    json_values::each(file, text, layout, &mut |written| {
        // A row that is no object is skipped here; it is rejected when rows are read.
        if let Ok(value @ Value::Object(_)) = serde_json::from_slice(written.bytes) {
            paths(&value, "", &mut keys, &mut objects);
        }
        left -= 1;
        Ok(left > 0)
    })?;
    objects.retain(|object| !keys.contains(object));
    Ok((keys, objects))
}

/// Adds the paths of the plain values in an object to `keys`, and of the objects in it to `objects`.
pub fn paths(value: &Value, path: &str, keys: &mut Vec<String>, objects: &mut Vec<String>) {
    match value {
        Value::Object(object) => {
            if !path.is_empty() {
                add(path, objects);
            }
            for (key, inner) in object {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                paths(inner, &path, keys, objects);
            }
        }
        Value::Array(values) if values.iter().any(Value::is_object) => {
            values.iter().take(8).for_each(|value| paths(value, path, keys, objects));
        }
        _ if !path.is_empty() => add(path, keys),
        _ => {}
    }
}

fn add(path: &str, keys: &mut Vec<String>) {
    if keys.len() < MAX_COLUMNS && keys.iter().all(|key| key != path) {
        keys.push(path.to_owned());
    }
}

/// Passes every row to `sink`. `names` are the file's columns; a row's spans are in their order, and only those used
/// by `shape` are filled.
///
/// # Errors
/// Fails if the file cannot be read to its end, or `sink` fails.
pub fn each(
    file: &SourceFile,
    text: &mut dyn BufRead,
    (layout, names): (&Layout, &[String]),
    shape: &Shape<'_>,
    unnester: &mut Unnester<'_>,
    sink: &mut Sink<'_>,
) -> anyhow::Result<Lines> {
    let used = used(shape, names.len());
    let tree = Tree::new(names.iter().enumerate().filter(|(n, _)| used[*n]));
    let mut values = Values { cells: vec![None; names.len()], nested: vec![false; names.len()] };
    let (mut cells, mut spans) = (String::new(), vec![ABSENT; names.len()]);
    let (mut lines, mut last_line) = (Lines::default(), 0);
    let physical = json_values::each(file, text, layout, &mut |written| {
        lines.rows += (written.last_line + 1).saturating_sub(written.line.max(last_line + 1));
        last_line = last_line.max(written.last_line);
        let parsed = std::str::from_utf8(written.bytes)
            .map_err(|_| Reason::InvalidUtf8)
            .and_then(|raw| values.parse(raw, &tree).map(|()| raw));
        let flow = match parsed {
            Ok(raw) => {
                values.join(&mut cells, &mut spans);
                let row = Row {
                    line: written.line,
                    text: &cells,
                    spans: &spans,
                    columns: shape.columns,
                    constants: shape.constants,
                    raw: Some(raw),
                    at: None,
                    element: None,
                };
                unnester.give(&row, sink)?
            }
            Err(reason) => {
                let shown = String::from_utf8_lossy(written.bytes).into_owned();
                sink(Event::Bad { line: written.line, reason, shown })?
            }
        };
        Ok(flow == Flow::Next)
    })
    .map_err(|error| if error.is::<std::io::Error>() { read_error(file, last_line, error) } else { error })?;
    lines.blank = physical.saturating_sub(lines.rows);
    Ok(lines)
}

fn used(shape: &Shape<'_>, n: usize) -> Vec<bool> {
    use super::row::Place;
    let mut used = vec![false; n];
    for place in shape.columns.iter().flat_map(|located| &located.places) {
        match place {
            Place::Cell(cell) => used[*cell] = true,
            Place::Spread(cells) => cells.iter().for_each(|cell| used[*cell] = true),
            Place::Constant(_) => {}
        }
    }
    used
}

/// The keys that are read, as a tree of paths.
#[derive(Debug, Default)]
struct Tree {
    column: Option<usize>,
    children: Vec<(String, Tree)>,
}

impl Tree {
    fn new<'a>(paths: impl Iterator<Item = (usize, &'a String)>) -> Self {
        let mut root = Self::default();
        for (column, path) in paths {
            root.insert(path, column);
        }
        root
    }

    /// A key may contain dots, so every way to split the path at dots leads to the column.
    fn insert(&mut self, path: &str, column: usize) {
        self.child(path).column = Some(column);
        if let Some((key, rest)) = path.split_once('.') {
            self.child(key).insert(rest, column);
        }
    }

    fn child(&mut self, key: &str) -> &mut Self {
        let place = match self.children.iter().position(|(name, _)| name == key) {
            Some(place) => place,
            None => {
                self.children.push((key.to_owned(), Self::default()));
                self.children.len() - 1
            }
        };
        &mut self.children[place].1
    }

    fn columns(&self, into: &mut Vec<usize>) {
        into.extend(self.column);
        self.children.iter().for_each(|(_, child)| child.columns(into));
    }
}

/// The values of one object, by column.
struct Values {
    /// `None` if absent or null.
    cells: Vec<Option<String>>,
    /// True if the value is an object instead of a plain value.
    nested: Vec<bool>,
}

impl Values {
    fn parse(&mut self, raw: &str, tree: &Tree) -> Result<(), Reason> {
        self.cells.iter_mut().for_each(|cell| *cell = None);
        self.nested.fill(false);
        if !raw.trim_start().starts_with('{') {
            return Err(Reason::MalformedJson);
        }
        let mut json = serde_json::Deserializer::from_str(raw);
        let at = At { tree, values: self, in_array: false };
        at.deserialize(&mut json).and_then(|()| json.end()).map_err(|_| Reason::MalformedJson)?;
        if self.nested.iter().any(|nested| *nested) { Err(Reason::NotPlain) } else { Ok(()) }
    }

    fn join(&self, text: &mut String, spans: &mut [Span]) {
        text.clear();
        for (cell, span) in self.cells.iter().zip(spans) {
            *span = ABSENT;
            if let Some(cell) = cell {
                let start = text.len() as u32;
                text.push_str(cell);
                *span = (start, text.len() as u32);
            }
        }
    }

    /// Adds `element` to a column that holds elements.
    fn push(&mut self, column: usize, number: usize, value: Option<String>) {
        let cell = self.cells[column].get_or_insert_default();
        if number > 0 {
            cell.push(LIST_MARK);
        }
        cell.push_str(&value.unwrap_or_default());
    }
}

/// A position in the object, with the columns to read there.
struct At<'a> {
    tree: &'a Tree,
    values: &'a mut Values,
    /// True within an element of a list; inner lists are joined by `|`.
    in_array: bool,
}

impl At<'_> {
    fn plain<E: Error>(self, value: impl fmt::Display) -> Result<(), E> {
        if let Some(column) = self.tree.column {
            let cell = self.values.cells[column].get_or_insert_default();
            cell.clear();
            write!(cell, "{value}").map_err(E::custom)?;
        }
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for At<'_> {
    type Value = ();
    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for At<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }
    fn visit_str<E: Error>(self, value: &str) -> Result<(), E> {
        self.plain(value)
    }
    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        self.plain(value)
    }
    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        self.plain(value)
    }
    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        self.plain(value)
    }
    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        self.plain(value)
    }
    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        if let Some(column) = self.tree.column {
            self.values.nested[column] = true;
        }
        while let Some(child) = map.next_key_seed(Key(self.tree))? {
            match child {
                None => drop(map.next_value::<IgnoredAny>()?),
                Some(tree) => {
                    map.next_value_seed(At { tree, values: self.values, in_array: self.in_array })?;
                }
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let mut columns = Vec::new();
        self.tree.columns(&mut columns);
        let outer: Vec<Option<String>> =
            columns.iter().map(|column| self.values.cells[*column].take()).collect();
        let mut lists: Vec<Vec<Option<String>>> = vec![Vec::new(); columns.len()];
        while seq.next_element_seed(At { tree: self.tree, values: self.values, in_array: true })?.is_some() {
            for (list, column) in lists.iter_mut().zip(&columns) {
                list.push(self.values.cells[*column].take());
            }
        }
        for ((column, list), before) in columns.into_iter().zip(lists).zip(outer) {
            self.values.cells[column] = before;
            if self.in_array {
                let joined: Vec<String> = list.into_iter().flatten().collect();
                if !joined.is_empty() {
                    self.values.cells[column] = Some(joined.join("|"));
                }
            } else {
                for (number, value) in list.into_iter().enumerate() {
                    self.values.push(column, number, value);
                }
            }
        }
        Ok(())
    }
}

/// Deserializes a key as the branch of the tree with this name.
struct Key<'a>(&'a Tree);

impl<'de, 'a> DeserializeSeed<'de> for Key<'a> {
    type Value = Option<&'a Tree>;
    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'a> Visitor<'_> for Key<'a> {
    type Value = Option<&'a Tree>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }
    fn visit_str<E: Error>(self, key: &str) -> Result<Self::Value, E> {
        Ok(self.0.children.iter().find(|(name, _)| name == key).map(|(_, child)| child))
    }
}

#[cfg(test)]
mod tests {
    use super::{LIST_MARK, Tree, Values};
    use crate::orders::summary::Reason;

    fn cells(raw: &str, names: &[&str]) -> Result<Vec<Option<String>>, Reason> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let tree = Tree::new(names.iter().enumerate());
        let mut values = Values { cells: vec![None; names.len()], nested: vec![false; names.len()] };
        values.parse(raw, &tree)?;
        Ok(values.cells.into_iter().map(|cell| cell.map(|cell| cell.replace(LIST_MARK, "/"))).collect())
    }

    fn some(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    #[test]
    fn plain_values_become_text_and_other_keys_are_passed_over() {
        let got = cells(r#"{"x": {"deep": [1]}, "b": 1.5, "a": "\u5343\"面"}"#, &["a", "b"]);
        assert_eq!(got, Ok(vec![some("千\"面"), some("1.5")]));
        assert_eq!(cells(r#"{"a": null, "b": true}"#, &["a", "b"]), Ok(vec![None, some("true")]));
        assert_eq!(cells(r#"{"a.b": 1, "c": {"d": 2}}"#, &["a.b", "c.d"]), Ok(vec![some("1"), some("2")]));
    }

    #[test]
    fn arrays_keep_their_elements_in_line() {
        let raw = r#"{"id": 7, "lines": [{"sku": "a", "n": 1}, {"sku": "b", "tags": ["x", "y"]}, {"n": 3}]}"#;
        let got = cells(raw, &["id", "lines.sku", "lines.n", "lines.tags"]);
        assert_eq!(got, Ok(vec![some("7"), some("a/b/"), some("1//3"), some("/x|y/")]));
        assert_eq!(cells(r#"{"a": ["x", null, "y"], "b": []}"#, &["a", "b"]), Ok(vec![some("x//y"), None]));
    }

    #[test]
    fn objects_in_the_place_of_values_are_told_from_broken_json() {
        assert_eq!(cells(r#"{"a": {"id": 1}, "b": 2}"#, &["a", "b"]), Err(Reason::NotPlain));
        for raw in ["[1]", "{\"a\": 1", "{\"a\": 1} x", "{\"a\": 1e999}", "{\"a\": NaN}", "3"] {
            assert_eq!(cells(raw, &["a", "b"]), Err(Reason::MalformedJson), "{raw}");
        }
    }
}
