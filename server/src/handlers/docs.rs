//! `/docs`: the API as a page to browse and try, served from the binary.

use std::sync::{Arc, LazyLock};

use axum::extract::Path;
use axum::http::header;
use axum::response::{IntoResponse, Redirect, Response};
use utoipa_swagger_ui::Config;

use super::page;
use crate::problem::{Code, Problem};

/// Content security policy of the page: its own files, and pictures inside them. No other page may frame it. Swagger UI
/// sets styles on elements, which counts as inline.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
    img-src 'self' data:; font-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'";

/// Relative, so that the page also works behind a proxy that adds a prefix.
static CONFIG: LazyLock<Arc<Config<'static>>> = LazyLock::new(|| Arc::new(Config::from("../openapi.json")));

/// Redirects a browser to the page itself, whose files are beside it.
pub async fn home() -> Redirect {
    Redirect::permanent("docs/")
}

/// The page.
pub async fn page() -> Result<Response, Problem> {
    serve("")
}

/// One of its files.
pub async fn file(Path(path): Path<String>) -> Result<Response, Problem> {
    serve(&path)
}

fn serve(path: &str) -> Result<Response, Problem> {
    let failed = |error| Problem::new(Code::Internal, format!("the page cannot be written: {error}"));
    match utoipa_swagger_ui::serve(path, Arc::clone(&CONFIG)).map_err(failed)? {
        Some(file) => {
            let content_type = [(header::CONTENT_TYPE, file.content_type)];
            Ok((content_type, page::headers(POLICY), file.bytes.into_owned()).into_response())
        }
        None => Err(Problem::new(Code::NotFound, "the page has no such file")),
    }
}
