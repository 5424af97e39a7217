//! What a handler takes from a request: a JSON body, a query string, a path, each read strictly.
//!
//! Bodies are parsed by the handler from the bytes that arrived, so that ids are borrowed from them. A
//! body is parsed once; only one that fails is parsed again, slower, to name the field at fault.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::QueryRejection;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Uri, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::app::App;
use crate::fields::Object;
use crate::nearest::{cut, unknown_field};
use crate::problem::{Code, Problem};

/// The media type of JSON lines.
const NDJSON: &str = "application/x-ndjson";

/// A body that was declared as JSON, whole and within the bound.
pub struct JsonBody(Bytes);

impl JsonBody {
    /// Reads it as a `T`, which may borrow from it.
    ///
    /// # Errors
    /// Not JSON, or not a `T`: the field at fault is named, and for an unknown field the nearest known one.
    pub fn parse<'b, T: Deserialize<'b>>(&'b self) -> Result<T, Problem> {
        parse(&self.0)
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
    /// A JSON object that holds them.
    Whole(&'b [u8]),
    /// A row each; blank lines are none.
    Lines(Vec<&'b [u8]>),
}

impl RowsBody {
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
        return Problem::new(Code::InvalidJson, message.to_owned());
    }
    let field = if path == "." { "" } else { path };
    value_fault(field, message)
}

/// A problem with the field at `path` (empty for the whole), from serde's message about it.
fn value_fault(path: &str, message: &str) -> Problem {
    let detail = message.to_owned();
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
        Ok(Self(whole(request, app).await?))
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
        Ok(Self { bytes: whole(request, app).await?, lines })
    }
}

/// The body, within the bounds of length and time.
async fn whole(request: Request, app: &App) -> Result<Bytes, Problem> {
    let too_large =
        || Problem::new(Code::BodyTooLarge, format!("a body may be {} bytes long", app.body_bytes));
    if declared_length(request.headers()).is_some_and(|length| length > app.body_bytes as u64) {
        return Err(too_large());
    }
    let body = Limited::new(request.into_body(), app.body_bytes).collect();
    match tokio::time::timeout(app.patience.mul_f64(0.9), body).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
        Ok(Err(_)) => Err(Problem::new(Code::InvalidRequest, "the body ended too early")),
        Err(_) => Err(Problem::new(Code::BodyTimeout, "send the body faster, or less of it")),
    }
}

/// What the body is declared as, in lower case and without parameters.
fn media_type(headers: &HeaderMap) -> String {
    let declared = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    declared.and_then(|value| value.split(';').next()).unwrap_or_default().trim().to_ascii_lowercase()
}

fn is_json(media_type: &str) -> bool {
    media_type == "application/json"
        || (media_type.starts_with("application/") && media_type.ends_with("+json"))
}

fn declared_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
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

/// Whether the percent-encoded query is UTF-8; decoders put a replacement character where it is not.
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
