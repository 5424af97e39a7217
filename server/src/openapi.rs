//! The OpenAPI document: what the handlers say of themselves, completed by what the guard and the
//! extractors add to every call: keys, scopes, and the problems that can come back.

use utoipa::OpenApi as _;
use utoipa::openapi::path::{Operation, ParameterIn};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{ContentBuilder, HeaderBuilder, OpenApi, Ref, RefOr, ResponseBuilder};

use crate::guard::Access;
use crate::problem::{Code, MEDIA_TYPE, ProblemBody};

/// The name of the key's security scheme.
const KEY: &str = "key";

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Qianmian",
        description = "Which goods for this person, and which people for these goods. Every error is an \
            RFC 9457 problem with a stable `code`; every answer names its request and its model.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    components(schemas(ProblemBody<'_>)),
    tags(
        (name = "people -> goods", description = "Slates for a person."),
        (name = "goods -> goods", description = "Similar items and bundles."),
        (name = "goods -> people", description = "Audiences for goods."),
        (name = "live state", description = "What users do and what changes about items, known to the next answer."),
        (name = "people", description = "What is known of a person."),
        (name = "models", description = "What is served, and swapping it."),
        (name = "operations", description = "What the platform asks.")
    )
)]
struct Base;

/// The document without any call; `keyed` when the server has keys.
pub fn base(keyed: bool) -> OpenApi {
    let mut api = Base::openapi();
    if keyed {
        let scheme = SecurityScheme::Http(Http::builder().scheme(HttpAuthScheme::Bearer).build());
        api.components.get_or_insert_default().add_security_scheme(KEY, scheme);
    }
    api
}

/// Whether the call has parameters in its query string.
pub fn takes_query(operation: &Operation) -> bool {
    operation.parameters.iter().flatten().any(|parameter| match parameter {
        RefOr::T(parameter) => parameter.parameter_in == ParameterIn::Query,
        RefOr::Ref(_) => false,
    })
}

/// Adds what every call with this `access` shares: its scope, its request id, its problems.
pub fn complete(operation: &mut Operation, access: Access, keyed: bool) {
    let has_body = operation.request_body.is_some();
    let mut codes = vec![Code::Internal, Code::TimedOut];
    if let Access::Scoped(scope) = access {
        // A query string that the call does not take is refused, so 400 is possible everywhere.
        codes.push(Code::InvalidRequest);
        if keyed {
            codes.extend([Code::MissingKey, Code::MissingScope]);
            operation.security = Some(vec![SecurityRequirement::new(KEY, [scope.name()])]);
        }
    }
    if has_body {
        codes.extend([Code::BodyTimeout, Code::BodyTooLarge, Code::UnsupportedMediaType]);
    }
    for code in codes {
        let status = code.status().as_u16().to_string();
        operation.responses.responses.entry(status).or_insert_with(|| {
            let reason = code.status().canonical_reason().unwrap_or_default();
            let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
            ResponseBuilder::new().description(reason).content(MEDIA_TYPE, content).build().into()
        });
    }
    for response in operation.responses.responses.values_mut() {
        if let RefOr::T(response) = response {
            let header = HeaderBuilder::new().description(Some("The request's id.")).build();
            response.headers.insert("x-request-id".to_owned(), header.into());
        }
    }
}
