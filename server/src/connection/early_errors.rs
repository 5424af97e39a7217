//! Errors that hyper answers by itself, before any route (a head that it cannot parse, or that is too long), get the
//! form of every other error: a problem with a request id.
//!
//! hyper writes such an answer in one piece, without a body, as the last of its connection; no answer of this server
//! has that form. It is recognized here and replaced.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::http::StatusCode;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::app::App;
use crate::problem::{Code, MEDIA_TYPE, Problem};

/// A stream that replaces bare errors by problems.
pub struct EarlyErrors<S> {
    stream: S,
    app: Arc<App>,
    /// The unwritten rest of a problem.
    left: Vec<u8>,
}

impl<S> EarlyErrors<S> {
    pub fn new(stream: S, app: Arc<App>) -> Self {
        Self { stream, app, left: Vec::new() }
    }

    /// The problem that replaces `bytes`, if they are a bare error.
    fn replacement(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        let status = bare_error(bytes)?;
        let code = Code::of_status(status);
        let detail = match code {
            Code::UriTooLong => "the path and query string are too long; use the call's POST form",
            Code::HeadersTooLarge => "the request's head may be 64 KiB long, and have 100 headers",
            _ => "the request's head is not valid HTTP/1.1",
        };
        let id = self.app.request_ids.next();
        self.app.malformed.record(status.as_u16(), 0.0);
        let body = Problem::new(code, detail).body(id);
        let reason = status.canonical_reason().unwrap_or_default();
        let head = format!(
            "HTTP/1.1 {} {reason}\r\ncontent-type: {MEDIA_TYPE}\r\nx-request-id: {id}\r\nconnection: close\r\n\
             x-content-type-options: nosniff\r\ncontent-length: {}\r\n\r\n",
            status.as_u16(),
            body.len()
        );
        Some([head.as_bytes(), &body].concat())
    }
}

/// The status of `bytes`, if they are a whole answer of hyper's own.
fn bare_error(bytes: &[u8]) -> Option<StatusCode> {
    let text = std::str::from_utf8(bytes).ok()?;
    let status = text.strip_prefix("HTTP/1.1 ").or_else(|| text.strip_prefix("HTTP/1.0 "))?.get(..3)?;
    let is_bare = text.ends_with("\r\n\r\n")
        && text.contains("content-length: 0\r\n")
        && !text.contains("x-request-id")
        && status.starts_with('4');
    if is_bare { StatusCode::from_bytes(status.as_bytes()).ok() } else { None }
}

impl<S: AsyncWrite + Unpin> EarlyErrors<S> {
    /// Writes the rest of a problem; returns true if there was one.
    fn poll_left(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.left.is_empty() {
            let written = ready!(Pin::new(&mut self.stream).poll_write(context, &self.left))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.left.drain(..written);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for EarlyErrors<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for EarlyErrors<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.left.is_empty() {
            match self.replacement(bytes) {
                Some(problem) => self.left = problem,
                None => return Pin::new(&mut self.stream).poll_write(context, bytes),
            }
        }
        ready!(self.poll_left(context))?;
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.left.is_empty() {
            // A bare error is one piece.
            match slices.first().and_then(|first| self.replacement(first)) {
                Some(problem) => self.left = problem,
                None => return Pin::new(&mut self.stream).poll_write_vectored(context, slices),
            }
        }
        ready!(self.poll_left(context))?;
        Poll::Ready(Ok(slices.iter().map(|slice| slice.len()).sum()))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_bare_errors_are_recognized() {
        let bare =
            b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
        assert_eq!(bare_error(bare), Some(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE));
        let own = b"HTTP/1.1 404 Not Found\r\nx-request-id: 1\r\ncontent-length: 0\r\n\r\n";
        assert_eq!(bare_error(own), None);
        assert_eq!(bare_error(b"HTTP/1.1 204 No Content\r\ncontent-length: 0\r\n\r\n"), None);
        assert_eq!(bare_error(b"{\"text\": \"HTTP/1.1 400\"}"), None);
    }
}
