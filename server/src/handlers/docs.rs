//! `/docs`: the API as a page to browse and try, served from the binary.

use std::sync::{Arc, LazyLock};

use axum::extract::Path;
use axum::http::header;
use axum::response::{IntoResponse, Redirect, Response};
use utoipa_swagger_ui::Config;

use crate::problem::{Code, Problem};

/// Relative, so that the page also works behind a proxy that adds a prefix.
static CONFIG: LazyLock<Arc<Config<'static>>> = LazyLock::new(|| Arc::new(Config::from("../openapi.json")));

/// Sends a browser to the page itself, whose files are beside it.
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
            Ok(([(header::CONTENT_TYPE, file.content_type)], file.bytes.into_owned()).into_response())
        }
        None => Err(Problem::new(Code::NotFound, "the page has no such file")),
    }
}
