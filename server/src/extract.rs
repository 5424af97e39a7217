//! Extractors: a JSON body, a body of rows, a query string, a path parameter, each read strictly.
//!
//! Handlers parse bodies from the bytes that arrived, so that ids are borrowed from them. A body is parsed once; only
//! one that fails is parsed again, more slowly, to name the field at fault.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::QueryRejection;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::Uri;
use axum::http::request::Parts;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::app::App;
use crate::body::{self, media_type};
use crate::fields::Object;
use crate::nearest::{cut, shortened, unknown_field};
use crate::problem::{Code, Problem};

/// The media type of JSON lines.
const NDJSON: &str = "application/x-ndjson";

/// A whole body that was declared as JSON.
pub struct JsonBody(Bytes);

impl JsonBody {
    /// Reads it as a `T`, which may borrow from it.
    ///
    /// # Errors
    /// Not JSON, or not a `T`: the field at fault is named, and for an unknown field the nearest known one.
    pub fn parse<'b, T: Deserialize<'b>>(&'b self) -> Result<T, Problem> {
        parse(&self.0)
    }

    /// The body as it arrived, unpacked.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Reads an object from the bytes of a body, or of one row of it.
///
/// # Errors
/// Not JSON, or not a `T`: the field at fault is named, and for an unknown field the nearest known one.
pub fn parse<'b, T: Deserialize<'b>>(bytes: &'b [u8]) -> Result<T, Problem> {
    match serde_json::from_slice::<Object<T>>(bytes) {
        Ok(Object(value)) => Ok(value),
        Err(_) => Err(fault::<T>(bytes)),
    }
}

fn fault<'b, T: Deserialize<'b>>(bytes: &'b [u8]) -> Problem {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    match serde_path_to_error::deserialize::<_, Object<T>>(&mut json) {
        Err(error) => {
            let path = error.path().to_string();
            let inner = error.into_inner();
            let not_json = inner.is_syntax() || inner.is_eof() || inner.is_io();
            json_fault(&path, &inner.to_string(), not_json)
        }
        Ok(_) => {
            let detail = json.end().err().map_or_else(String::new, |error| error.to_string());
            Problem::new(Code::InvalidJson, detail)
        }
    }
}

/// A body of many rows: JSON, or JSON lines.
pub struct RowsBody {
    bytes: Bytes,
    lines: bool,
}

/// The rows of a body, not parsed yet.
pub enum Rows<'b> {
    /// A JSON object that holds the rows.
    Whole(&'b [u8]),
    /// One row each, without blank lines.
    Lines(Vec<&'b [u8]>),
}

impl RowsBody {
    /// The body as it arrived, unpacked.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The rows.
    pub fn rows(&self) -> Rows<'_> {
        if !self.lines {
            return Rows::Whole(&self.bytes);
        }
        let lines = self.bytes.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
        Rows::Lines(lines.filter(|line| !line.is_empty()).collect())
    }
}

fn json_fault(path: &str, message: &str, not_json: bool) -> Problem {
    if not_json {
        return Problem::new(Code::InvalidJson, shortened(message));
    }
    let field = if path == "." { "" } else { path };
    value_fault(field, message)
}

/// The problem with the field at `path` (empty for the whole), from serde's message about it.
fn value_fault(path: &str, message: &str) -> Problem {
    let detail = shortened(message);
    if let Some(unknown) = unknown_field(message) {
        // The path may or may not end with the unknown name itself.
        let parent = path.strip_suffix(unknown.field.as_str()).unwrap_or(path).trim_end_matches('.');
        let field = join(parent, &unknown.field);
        return Problem::new(Code::UnknownField, detail).at_field(field).nearest(unknown.nearest);
    }
    if let Some(name) = message.strip_prefix("missing field `").and_then(|rest| rest.split('`').next()) {
        return Problem::new(Code::MissingField, detail).at_field(join(path, name));
    }
    let problem = Problem::new(Code::InvalidField, detail);
    if path.is_empty() { problem } else { problem.at_field(cut(path)) }
}

fn join(parent: &str, name: &str) -> String {
    if parent.is_empty() { name.to_owned() } else { format!("{}.{name}", cut(parent)) }
}

impl FromRequest<Arc<App>> for JsonBody {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Problem> {
        if !is_json(&media_type(request.headers())) {
            let detail = "declare the body with `content-type: application/json`";
            return Err(Problem::new(Code::UnsupportedMediaType, detail));
        }
        Ok(Self(body::read(request, app).await?))
    }
}

impl FromRequest<Arc<App>> for RowsBody {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Problem> {
        let media_type = media_type(request.headers());
        let lines = media_type == NDJSON;
        if !lines && !is_json(&media_type) {
            let detail = "declare the body with `content-type: application/json` or `application/x-ndjson`";
            return Err(Problem::new(Code::UnsupportedMediaType, detail));
        }
        Ok(Self { bytes: body::read(request, app).await?, lines })
    }
}

/// A [`RowsBody`] that web pages can also send by `navigator.sendBeacon`: as `text/plain` or without a type, which
/// browsers allow without a preflight. It holds JSON.
pub struct BeaconBody(pub RowsBody);

impl FromRequest<Arc<App>> for BeaconBody {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Problem> {
        if matches!(media_type(request.headers()).as_str(), "" | "text/plain") {
            return Ok(Self(RowsBody { bytes: body::read(request, app).await?, lines: false }));
        }
        RowsBody::from_request(request, app).await.map(Self)
    }
}

fn is_json(media_type: &str) -> bool {
    media_type == "application/json"
        || (media_type.starts_with("application/") && media_type.ends_with("+json"))
}

/// A query string, read strictly.
pub struct QueryString<T>(pub T);

impl<T: DeserializeOwned, S: Sync> FromRequestParts<S> for QueryString<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        if !decodes(&parts.uri) {
            return Err(Problem::new(Code::InvalidField, "the query string is not UTF-8 when decoded"));
        }
        Query::try_from_uri(&parts.uri).map(|Query(value)| Self(value)).map_err(query_fault)
    }
}

/// True if the percent-encoded query is UTF-8; decoders would replace invalid bytes.
fn decodes(uri: &Uri) -> bool {
    let query = uri.query().unwrap_or_default().as_bytes();
    let mut decoded = Vec::with_capacity(query.len());
    let mut rest = query;
    while let [first, tail @ ..] = rest {
        rest = tail;
        let hex = |n: usize| tail.get(n).and_then(|digit| char::from(*digit).to_digit(16));
        match (first, hex(0), hex(1)) {
            (b'%', Some(high), Some(low)) => {
                decoded.push((high * 16 + low) as u8);
                rest = &tail[2..];
            }
            (other, ..) => decoded.push(*other),
        }
    }
    std::str::from_utf8(&decoded).is_ok()
}

fn query_fault(rejection: QueryRejection) -> Problem {
    let text = rejection.body_text();
    let message = text.split_once("query string: ").map_or(text.as_str(), |(_, message)| message);
    match message.split_once(": ") {
        Some((field, rest)) if !field.contains([' ', '`']) => value_fault(field, rest),
        _ => value_fault("", message),
    }
}

/// One decoded parameter of the path.
pub struct PathId(pub String);

impl<S: Send + Sync> FromRequestParts<S> for PathId {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Path::<String>::from_request_parts(parts, state).await {
            Ok(Path(id)) => Ok(Self(id)),
            Err(rejection) => Err(Problem::new(Code::InvalidPath, rejection.body_text())),
        }
    }
}

/// Two decoded parameters of the path.
pub struct PathPair(pub String, pub String);

impl<S: Send + Sync> FromRequestParts<S> for PathPair {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Path::<(String, String)>::from_request_parts(parts, state).await {
            Ok(Path((first, second))) => Ok(Self(first, second)),
            Err(rejection) => Err(Problem::new(Code::InvalidPath, rejection.body_text())),
        }
    }
}
