//! The one error at the HTTP edge: RFC 9457 `application/problem+json` with a stable `code`.
//!
//! A [`Problem`] states the fault and its cure. It travels in the response's extensions until the
//! [guard](crate::guard) renders it with the request's id. A missing model is a problem; an unknown
//! user or item is a normal answer.

use std::borrow::Cow;
use std::time::Duration;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::document_fault::DocumentFault;
use crate::request_id::RequestId;

/// The media type of every error.
pub const MEDIA_TYPE: &str = "application/problem+json";

/// The kind of problem; clients may switch on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// The body is not JSON.
    InvalidJson,
    /// A field has a value that it may not have.
    InvalidField,
    /// A field is not known; `nearest` may name the one meant.
    UnknownField,
    /// A required field is absent.
    MissingField,
    /// The cursor is no `next_cursor` of an answer.
    InvalidCursor,
    /// The cursor is older than half an hour.
    ExpiredCursor,
    /// The cursor is of another shop, person, session or scene.
    ForeignCursor,
    /// The path cannot be decoded.
    InvalidPath,
    /// The HTTP request itself is malformed.
    InvalidRequest,
    /// No API key was sent.
    MissingKey,
    /// The API key is not known.
    UnknownKey,
    /// The API key lacks the scope that the route requires.
    MissingScope,
    /// The user token is not valid, or no longer.
    InvalidToken,
    /// A storefront key speaks for the user of its token alone.
    ForeignUser,
    /// The key, or the user, sends too many requests.
    RateLimited,
    /// A web page, or a host name, that a server without keys does not trust.
    UntrustedOrigin,
    /// There is nothing under this path.
    NotFound,
    /// The model does not know this user.
    UnknownUser,
    /// The model does not know this item.
    UnknownItem,
    /// The store holds no such version.
    UnknownVersion,
    /// The path does not have this method; `Allow` lists those it has.
    MethodNotAllowed,
    /// The body did not arrive in time.
    BodyTimeout,
    /// There is no earlier model to go back to.
    NoPreviousModel,
    /// The artifact is damaged or not understood, and was refused.
    ModelRefused,
    /// The document has another revision than `If-Match` requires; nothing was changed.
    RevisionConflict,
    /// There are as many documents of the kind as there may be.
    TooManyDocuments,
    /// The scene has warnings, and `strict` was asked for; nothing was changed.
    SceneRefused,
    /// There is no such room.
    UnknownRoom,
    /// The room does not have this product.
    NotInRoom,
    /// The room has as many products as it may.
    RoomFull,
    /// The room is in another state than the command needs; nothing was changed.
    WrongState,
    /// The product is hidden.
    OffShelf,
    /// The product is not for sale now.
    NotBuyable,
    /// The card of another product is shown.
    PushRunning,
    /// The product has a flash sale that is not over.
    SaleRunning,
    /// The product has no flash sale that is open or planned.
    NoSale,
    /// Another command was run with the same `Idempotency-Key`.
    KeyConflict,
    /// There are not enough pieces.
    SoldOut,
    /// The person would have more pieces than one person may.
    OverLimit,
    /// There is no such reservation.
    UnknownReservation,
    /// The reservation is over: it was released, it expired, or it is confirmed.
    ReservationOver,
    /// The identities are of two people; nothing was changed.
    IdentityConflict,
    /// The person, or the shop, would have too many identities; nothing was changed.
    TooManyIdentities,
    /// The body is longer than the server reads.
    BodyTooLarge,
    /// The path and query string are longer than the server reads.
    UriTooLong,
    /// The headers are longer than the server reads.
    HeadersTooLarge,
    /// The body is not declared as a type that the call reads, or is packed in an unknown way.
    UnsupportedMediaType,
    /// A fault of the server.
    Internal,
    /// The request uses a part of HTTP that the server does not have.
    NotImplemented,
    /// Too many requests are in flight.
    Overloaded,
    /// No model is served for this shop yet.
    NoModel,
    /// The server is starting, or no shop has a model yet.
    NotReady,
    /// The answer took too long.
    TimedOut,
    /// The shop has no live state, or it cannot be written now.
    LiveUnavailable,
}

impl Code {
    /// Status and title.
    fn meaning(self) -> (StatusCode, &'static str) {
        use StatusCode as S;
        match self {
            Self::InvalidJson => (S::BAD_REQUEST, "The body is not valid JSON"),
            Self::InvalidField => (S::BAD_REQUEST, "A field has a value that it may not have"),
            Self::UnknownField => (S::BAD_REQUEST, "A field is not known"),
            Self::MissingField => (S::BAD_REQUEST, "A field is missing"),
            Self::InvalidCursor => (S::BAD_REQUEST, "The cursor is not valid"),
            Self::ExpiredCursor => (S::BAD_REQUEST, "The cursor has expired"),
            Self::ForeignCursor => (S::BAD_REQUEST, "The cursor is of another list"),
            Self::InvalidPath => (S::BAD_REQUEST, "The path cannot be decoded"),
            Self::InvalidRequest => (S::BAD_REQUEST, "The request is not valid"),
            Self::MissingKey => (S::UNAUTHORIZED, "An API key is needed"),
            Self::UnknownKey => (S::UNAUTHORIZED, "The API key is not known"),
            Self::MissingScope => (S::FORBIDDEN, "The API key lacks a scope"),
            Self::InvalidToken => (S::UNAUTHORIZED, "The user token is not valid"),
            Self::ForeignUser => (S::FORBIDDEN, "Another user than that of the token"),
            Self::RateLimited => (S::TOO_MANY_REQUESTS, "Too many requests"),
            Self::UntrustedOrigin => (S::FORBIDDEN, "The request comes from an untrusted page or host"),
            Self::NotFound => (S::NOT_FOUND, "There is nothing here"),
            Self::UnknownUser => (S::NOT_FOUND, "The user is not known"),
            Self::UnknownItem => (S::NOT_FOUND, "The item is not known"),
            Self::UnknownVersion => (S::NOT_FOUND, "The version is not in the store"),
            Self::MethodNotAllowed => (S::METHOD_NOT_ALLOWED, "The method is not allowed here"),
            Self::BodyTimeout => (S::REQUEST_TIMEOUT, "The body did not arrive in time"),
            Self::NoPreviousModel => (S::CONFLICT, "There is no earlier model"),
            Self::ModelRefused => (S::CONFLICT, "The model was refused"),
            Self::RevisionConflict => (S::PRECONDITION_FAILED, "It was changed meanwhile"),
            Self::TooManyDocuments => (S::CONFLICT, "There are too many documents"),
            Self::SceneRefused => (S::CONFLICT, "The scene has warnings"),
            Self::UnknownRoom => (S::NOT_FOUND, "There is no such room"),
            Self::NotInRoom => (S::NOT_FOUND, "The product is not in this room"),
            Self::RoomFull => (S::CONFLICT, "The room is full"),
            Self::WrongState => (S::CONFLICT, "The room is in another state"),
            Self::OffShelf => (S::CONFLICT, "The product is hidden"),
            Self::NotBuyable => (S::CONFLICT, "The product is not for sale"),
            Self::PushRunning => (S::CONFLICT, "Another card is shown"),
            Self::SaleRunning => (S::CONFLICT, "The product has a flash sale"),
            Self::NoSale => (S::CONFLICT, "The product has no flash sale"),
            Self::KeyConflict => (S::CONFLICT, "The key belongs to another command"),
            Self::SoldOut => (S::CONFLICT, "There are not enough pieces"),
            Self::OverLimit => (S::CONFLICT, "The person has as many as one may"),
            Self::UnknownReservation => (S::NOT_FOUND, "There is no such reservation"),
            Self::ReservationOver => (S::CONFLICT, "The reservation is over"),
            Self::IdentityConflict => (S::CONFLICT, "They are two people"),
            Self::TooManyIdentities => (S::CONFLICT, "There would be too many identities"),
            Self::BodyTooLarge => (S::PAYLOAD_TOO_LARGE, "The body is too large"),
            Self::UriTooLong => (S::URI_TOO_LONG, "The path and query string are too long"),
            Self::HeadersTooLarge => (S::REQUEST_HEADER_FIELDS_TOO_LARGE, "The headers are too long"),
            Self::UnsupportedMediaType => (S::UNSUPPORTED_MEDIA_TYPE, "The body must be JSON"),
            Self::Internal => (S::INTERNAL_SERVER_ERROR, "The server failed"),
            Self::NotImplemented => (S::NOT_IMPLEMENTED, "The server does not have this part of HTTP"),
            Self::Overloaded => (S::SERVICE_UNAVAILABLE, "The server is busy"),
            Self::NoModel => (S::SERVICE_UNAVAILABLE, "No model is served yet"),
            Self::NotReady => (S::SERVICE_UNAVAILABLE, "The server is not ready"),
            Self::TimedOut => (S::SERVICE_UNAVAILABLE, "The answer took too long"),
            Self::LiveUnavailable => (S::SERVICE_UNAVAILABLE, "Live state cannot be written"),
        }
    }

    /// The status of answers with this code.
    pub fn status(self) -> StatusCode {
        self.meaning().0
    }

    /// The code for a bare status that the framework answered.
    pub fn of_status(status: StatusCode) -> Self {
        match status {
            StatusCode::NOT_FOUND => Self::NotFound,
            StatusCode::METHOD_NOT_ALLOWED => Self::MethodNotAllowed,
            StatusCode::REQUEST_TIMEOUT => Self::BodyTimeout,
            StatusCode::PAYLOAD_TOO_LARGE => Self::BodyTooLarge,
            StatusCode::UNSUPPORTED_MEDIA_TYPE => Self::UnsupportedMediaType,
            StatusCode::URI_TOO_LONG => Self::UriTooLong,
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => Self::HeadersTooLarge,
            status if status.is_client_error() => Self::InvalidRequest,
            _ => Self::Internal,
        }
    }

    /// Seconds after which a retry makes sense.
    fn retry_after(self) -> Option<HeaderValue> {
        let seconds = match self {
            Self::Overloaded | Self::TimedOut => "1",
            Self::NoModel | Self::NotReady | Self::LiveUnavailable => "5",
            _ => return None,
        };
        Some(HeaderValue::from_static(seconds))
    }
}

/// An error on its way out.
#[derive(Debug, Clone)]
pub struct Problem {
    code: Code,
    detail: Cow<'static, str>,
    field: Option<String>,
    nearest: Option<String>,
    /// Content codings that the call reads, to be sent with the problem.
    accepted_encodings: Option<&'static str>,
    /// Seconds after which a retry makes sense, if not those of the code.
    retry_after: Option<u64>,
    /// Further members of the body.
    members: Option<Box<Map<String, Value>>>,
}

impl From<DocumentFault> for Problem {
    fn from(fault: DocumentFault) -> Self {
        Self::new(Code::InvalidField, fault.reason).at_field(fault.field).nearest(fault.nearest)
    }
}

impl Problem {
    /// A problem with its fault and, if there is one, the cure.
    pub fn new(code: Code, detail: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            detail: detail.into(),
            field: None,
            nearest: None,
            accepted_encodings: None,
            retry_after: None,
            members: None,
        }
    }

    /// Names the field at fault.
    pub fn at_field(mut self, field: impl Into<String>) -> Self {
        self.field = Some(field.into());
        self
    }

    /// Names the known field that may be meant.
    pub fn nearest(mut self, nearest: Option<String>) -> Self {
        self.nearest = nearest;
        self
    }

    /// Names the content codings that the call reads.
    pub fn accepted_encodings(mut self, codings: &'static str) -> Self {
        self.accepted_encodings = Some(codings);
        self
    }

    /// Adds the seconds after which a retry makes sense: whole, at least 1.
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait.as_secs_f64().ceil().max(1.0) as u64);
        self
    }

    /// Adds members to the body, beside those of every problem.
    pub fn with_members(mut self, members: Map<String, Value>) -> Self {
        self.members = Some(Box::new(members));
        self
    }

    /// The kind of problem.
    pub fn code(&self) -> Code {
        self.code
    }

    /// The fault and its cure.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// The field at fault, if there is one.
    pub fn field(&self) -> Option<&str> {
        self.field.as_deref()
    }

    /// The known name that may be meant.
    pub fn nearest_name(&self) -> Option<&str> {
        self.nearest.as_deref()
    }

    /// The body, as JSON.
    pub fn body(&self, request_id: RequestId) -> Vec<u8> {
        let (status, title) = self.code.meaning();
        let body = ProblemBody {
            r#type: format_args!("urn:qianmian:problem:{}", CodeName(self.code)).to_string(),
            title,
            status: status.as_u16(),
            code: self.code,
            detail: &self.detail,
            field: self.field.as_deref(),
            nearest: self.nearest.as_deref(),
            request_id,
            members: self.members.as_deref(),
        };
        // Plain strings and numbers always serialize.
        serde_json::to_vec(&body).unwrap_or_default()
    }

    /// Replaces the body and the media type of `response` by this problem's, keeping its other headers
    /// (`Allow`, for one).
    pub fn render(&self, request_id: RequestId, response: &mut Response) {
        let status = self.code.status();
        *response.body_mut() = self.body(request_id).into();
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.remove(header::CONTENT_LENGTH);
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"qianmian\""));
        }
        let seconds = self.retry_after.map(HeaderValue::from).or_else(|| self.code.retry_after());
        if let Some(seconds) = seconds {
            headers.insert(header::RETRY_AFTER, seconds);
        }
        if let Some(codings) = self.accepted_encodings {
            headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(codings));
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.code.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}

struct CodeName(Code);

impl std::fmt::Display for CodeName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.serialize(f)
    }
}

/// An error in the form of RFC 9457.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemBody<'a> {
    /// A stable URN of the kind of problem.
    #[schema(example = "urn:qianmian:problem:unknown_field")]
    r#type: String,
    /// The kind of problem in words.
    title: &'static str,
    /// The HTTP status.
    status: u16,
    /// The kind of problem, to switch on.
    code: Code,
    /// The fault, and its cure where there is one.
    detail: &'a str,
    /// The field at fault, as a path: `user.id`, `item_ids[3]`.
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'a str>,
    /// The known field that may be meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    nearest: Option<&'a str>,
    /// The request's id, as in the `x-request-id` header.
    #[schema(value_type = String)]
    request_id: RequestId,
    /// What a call adds.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    #[schema(ignore)]
    members: Option<&'a Map<String, Value>>,
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[tokio::test]
    async fn a_problem_says_the_same_in_status_body_and_headers() {
        let problem = Problem::new(Code::NoModel, "publish one").at_field("x");
        let mut response = problem.clone().into_response();
        problem.render(RequestId::default(), &mut response);
        assert_eq!(response.status(), 503);
        assert_eq!(response.headers()["retry-after"], "5");
        let body = axum::body::to_bytes(response.into_body(), 1 << 16).await.unwrap();
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(body["type"], "urn:qianmian:problem:no_model");
        assert_eq!((&body["code"], &body["status"]), (&"no_model".into(), &503.into()));
        assert_eq!(body["field"], "x");
        assert!(body.get("nearest").is_none());
    }
}
