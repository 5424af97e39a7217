//! The OpenAPI document: the descriptions of the handlers, completed by the parts that the guard and the extractors add
//! to every call: keys, scopes, and possible problems.

use serde_json::{Value, json};
use utoipa::OpenApi as _;
use utoipa::openapi::path::{Operation, ParameterIn};
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{ContentBuilder, HeaderBuilder, OpenApi, Ref, RefOr, ResponseBuilder, Schema};

use crate::auth::Scope;
use crate::guard::{Access, USER_TOKEN};
use crate::problem::{Code, MEDIA_TYPE, ProblemBody};

/// The names of the security schemes: keys, and user tokens that come with storefront keys.
const KEY: &str = "key";
const TOKEN: &str = "user_token";

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
        (name = "scenes", description = "Where slates are shown, and the rules of each place."),
        (name = "halls", description = "Themed pages of sections, as people edit them and as they are shown."),
        (name = "rooms", description = "Livestream rooms: their products, and the commands of a show."),
        (name = "people", description = "What is known of a person."),
        (name = "models", description = "What is served, and swapping it."),
        (name = "operations", description = "What the platform asks.")
    )
)]
struct Base;

/// The document without any call.
pub fn base() -> OpenApi {
    let mut api = Base::openapi();
    let key = SecurityScheme::Http(Http::builder().scheme(HttpAuthScheme::Bearer).build());
    let in_header = ApiKeyValue::with_description(
        USER_TOKEN.as_str(),
        "The user that a storefront speaks for: a JSON Web Token (HS256) that the shop's server signs.",
    );
    let components = api.components.get_or_insert_default();
    components.add_security_scheme(KEY, key);
    components.add_security_scheme(TOKEN, SecurityScheme::ApiKey(ApiKey::Header(in_header)));
    api
}

/// Moves the default of every field into its description: client generators treat a field with the keyword `default` as
/// always present, and require it in requests.
pub fn describe_defaults(api: &mut OpenApi) {
    let schemas = api.components.iter_mut().flat_map(|components| components.schemas.values_mut());
    for schema in schemas {
        let RefOr::T(Schema::Object(object)) = schema else { continue };
        for field in object.properties.values_mut() {
            let (default, text) = match field {
                RefOr::Ref(reference) => (reference.default.take(), Some(&mut reference.description)),
                RefOr::T(Schema::Object(field)) => (field.default.take(), field.description.as_mut()),
                RefOr::T(Schema::OneOf(field)) => (field.default.take(), first_description(&mut field.items)),
                RefOr::T(Schema::Array(field)) => (field.default.take(), field.description.as_mut()),
                RefOr::T(_) => (None, None),
            };
            // An empty default means only that the field may be left out.
            let is_empty = |default: &Value| [Value::Null, json!(""), json!([])].contains(default);
            if let (Some(default), Some(text)) = (default.filter(|default| !is_empty(default)), text) {
                let default = default.to_string().replace('"', "");
                *text = format!("{text} Default: `{default}`.").trim().to_owned();
            }
        }
    }
}

/// Gives the objects inside alternatives (`{"pin": {...}}`) names of their own: generators of clients name them badly, or not at all.
pub fn name_alternatives(api: &mut OpenApi) {
    let Some(components) = &mut api.components else { return };
    let mut named = Vec::new();
    for (name, schema) in &mut components.schemas {
        let RefOr::T(Schema::OneOf(alternatives)) = schema else { continue };
        for alternative in &mut alternatives.items {
            let RefOr::T(Schema::Object(alternative)) = alternative else { continue };
            for (field, inner) in &mut alternative.properties {
                if matches!(inner, RefOr::T(Schema::Object(object)) if !object.properties.is_empty()) {
                    let mut letters = field.chars();
                    let first = letters.next().map(|letter| letter.to_ascii_uppercase());
                    let inner_name: String = name.chars().chain(first).chain(letters).collect();
                    let reference = RefOr::Ref(Ref::from_schema_name(&inner_name));
                    named.push((inner_name, std::mem::replace(inner, reference)));
                }
            }
        }
    }
    components.schemas.extend(named);
}

/// The description of a nullable field is in its first alternative.
fn first_description(items: &mut [RefOr<Schema>]) -> Option<&mut String> {
    items.iter_mut().find_map(|item| match item {
        RefOr::Ref(reference) => Some(&mut reference.description),
        RefOr::T(_) => None,
    })
}

/// True if the call has parameters in its query string.
pub fn takes_query(operation: &Operation) -> bool {
    operation.parameters.iter().flatten().any(|parameter| match parameter {
        RefOr::T(parameter) => parameter.parameter_in == ParameterIn::Query,
        RefOr::Ref(_) => false,
    })
}

/// Adds the parts shared by all calls with this `access`: scope, request id, problems.
pub fn complete(operation: &mut Operation, access: Access, keyed: bool) {
    let has_body = operation.request_body.is_some();
    let mut codes = vec![Code::Internal, Code::TimedOut];
    if access != Access::Open {
        // A query string on a call without one is refused, so 400 is possible everywhere.
        codes.push(Code::InvalidRequest);
        if keyed {
            codes.extend([Code::MissingKey, Code::MissingScope, Code::RateLimited]);
            let scope = match access {
                Access::Open | Access::Keyed => None,
                Access::Scoped(scope) | Access::Shared(scope) => Some(scope.name()),
            };
            let mut security = vec![SecurityRequirement::new(KEY, scope)];
            if matches!(access, Access::Shared(_)) {
                let storefront = SecurityRequirement::new(KEY, [Scope::Storefront.name()]);
                security.push(storefront.clone().add(TOKEN, [""; 0]));
                security.push(storefront);
            }
            operation.security = Some(security);
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
