//! Headers and query parameters that all calls about documents share: the revision that a change requires, and its
//! author.

use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use qianmian_live::documents::Author;
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::answer::Moment;
use crate::app::Shop;
use crate::fields::is_id;
use crate::live::now_ms;
use crate::problem::{Code, Problem};

/// Who changed a document, when and why.
#[derive(Serialize, ToSchema)]
pub struct Change {
    who: String,
    #[schema(value_type = String, format = DateTime)]
    at: Moment,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    why: Option<String>,
}

impl From<Author> for Change {
    fn from(Author { who, why, at }: Author) -> Self {
        Self { who, at: Moment(at.div_euclid(1_000)), why }
    }
}

/// The author of a change made now; `api` if the caller names none.
pub fn author(who: Option<&str>, why: Option<&str>) -> Author {
    let given = |text: Option<&str>| text.filter(|text| !text.is_empty()).map(str::to_owned);
    Author { who: given(who).unwrap_or_else(|| "api".to_owned()), why: given(why), at: now_ms() }
}

/// The revision that `If-Match` or `If-None-Match: *` requires.
pub fn required_revision(headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    let wrong = |name: &str, cure| Problem::new(Code::InvalidRequest, cure).at_field(name.to_owned());
    if let Some(value) = headers.get(header::IF_NONE_MATCH) {
        return match value.as_bytes() {
            b"*" => Ok(Some(0)),
            _ => Err(wrong("if-none-match", "`*`: the document must not be there yet")),
        };
    }
    let Some(value) = headers.get(header::IF_MATCH) else { return Ok(None) };
    let text = value.to_str().unwrap_or_default().trim();
    if text == "*" {
        return Ok(None);
    }
    let number = text.trim_start_matches("W/").trim_matches('"').parse();
    number.map(Some).map_err(|_| wrong("if-match", "the `ETag` of the document, such as \"12\""))
}

/// Checks the name of a document.
pub fn check_name(name: &str) -> Result<(), Problem> {
    match is_id(name) {
        true => Ok(()),
        false => Err(Problem::new(Code::InvalidField, "a name of 1 to 256 characters").at_field("name")),
    }
}

/// The answer with its revision as `ETag`.
pub fn with_etag(mut response: Response, revision: u64) -> Response {
    if let Ok(tag) = HeaderValue::from_str(&format!("\"{revision}\"")) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}

/// A change of a document.
#[derive(Debug, Clone, Copy)]
pub enum Edit<'t> {
    /// Writes this body.
    Write(&'t str),
    /// Deletes the document; its history stays.
    Delete,
    /// Undoes the latest change.
    Undo,
}

impl Edit<'_> {
    /// Makes the change over the revision that the headers require; returns the number of the new one.
    ///
    /// # Errors
    /// `invalid_field`, `revision_conflict`, `not_found`, `too_many_documents`, `live_unavailable`.
    pub async fn make(
        self,
        shop: &Shop,
        address: (&str, &str),
        headers: &HeaderMap,
        author: Author,
    ) -> Result<u64, Problem> {
        check_name(address.1)?;
        let if_revision = required_revision(headers)?;
        let live = shop.live()?;
        match self {
            Self::Write(body) => live.write_document(address, Some(body), if_revision, author).await,
            Self::Delete => live.write_document(address, None, if_revision, author).await,
            Self::Undo => live.undo_document(address, if_revision, author).await,
        }
    }
}

/// The body of a stored document, to be answered as it is.
pub fn raw(text: String) -> Result<Box<RawValue>, Problem> {
    let unreadable = |_| Problem::new(Code::Internal, "the stored document cannot be read");
    RawValue::from_string(text).map_err(unreadable)
}
