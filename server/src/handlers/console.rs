//! `/console`: the shop's console, a page of static modules served from the binary.
//!
//! The files are those of the folder `console/`. A release binary contains them with their hashes; a development binary
//! reads them from disk, so that reloading the page shows an edit.

use std::fmt::Write;

use axum::extract::Path;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use rust_embed::RustEmbed;

use super::page;
use crate::problem::{Code, Problem};

/// The page loads its own files, calls its own server, shows pictures from any host in the catalog, and cannot turn
/// text into elements or code.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src * data:; connect-src 'self'; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

/// A browser revalidates each file every time: a new server may have new files.
const REVALIDATE: HeaderValue = HeaderValue::from_static("no-cache");

#[derive(RustEmbed)]
#[folder = "../console"]
struct Files;

/// Redirects a browser to the page itself, whose files are beside it.
pub async fn home() -> Redirect {
    Redirect::permanent("console/")
}

/// The page.
pub async fn page(headers: HeaderMap) -> Result<Response, Problem> {
    serve("index.html", &headers)
}

/// One of its files.
pub async fn file(Path(path): Path<String>, headers: HeaderMap) -> Result<Response, Problem> {
    serve(&path, &headers)
}

fn serve(path: &str, headers: &HeaderMap) -> Result<Response, Problem> {
    let file =
        Files::get(path).ok_or_else(|| Problem::new(Code::NotFound, "the console has no such file"))?;
    let tag = tag(&file.metadata.sha256_hash());
    let caching = [(header::ETAG, tag.clone()), (header::CACHE_CONTROL, REVALIDATE)];
    let known = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|tags| tags.to_str().ok());
    if known.flat_map(|tags| tags.split(',')).any(|known| known.trim().as_bytes() == tag.as_bytes()) {
        return Ok((StatusCode::NOT_MODIFIED, caching).into_response());
    }
    let content_type = [(header::CONTENT_TYPE, file.metadata.mimetype().to_owned())];
    Ok((content_type, page::headers(POLICY), caching, file.data.into_owned()).into_response())
}

/// The `ETag` of a file with this hash. It is weak, because the answer may be compressed in several ways.
fn tag(hash: &[u8; 32]) -> HeaderValue {
    let mut text = String::from("W/\"");
    for byte in &hash[..16] {
        // Writing into a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text.push('"');
    // Hex digits and quotes are valid in a header.
    HeaderValue::from_str(&text).unwrap_or(REVALIDATE)
}
