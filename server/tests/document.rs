//! The OpenAPI document: its text is checked in, and its claims are checked against the server.

use crate::support::{EAGER, key, start};
use serde_json::Value;

const CHECKED_IN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/openapi.json");

async fn document() -> String {
    let (_, entry) = key("default", "read");
    let running = start(&format!("{EAGER}{entry}"), tempfile::tempdir().unwrap()).await;
    let answer = running.get("/openapi.json").await;
    assert_eq!(answer.header("content-type"), "application/json");
    answer.text()
}

#[tokio::test]
async fn the_document_is_the_one_that_is_checked_in() {
    let document = document().await + "\n";
    if std::env::var_os("UPDATE_OPENAPI").is_some() {
        std::fs::write(CHECKED_IN, &document).unwrap();
    }
    let checked_in = std::fs::read_to_string(CHECKED_IN).unwrap();
    assert!(document == checked_in, "the API changed; look at it with UPDATE_OPENAPI=1 and git diff");
}

#[tokio::test]
async fn schemas_exist_and_operation_names_are_unique() {
    let document: Value = serde_json::from_str(&document().await).unwrap();
    assert_eq!(document["openapi"], "3.1.0");
    let text = document.to_string();
    let named = text.split("\"#/components/schemas/").skip(1).map(|rest| rest.split('"').next().unwrap());
    for name in named {
        assert!(document["components"]["schemas"].get(name).is_some(), "no schema `{name}`");
    }
    let mut operations = Vec::new();
    for item in document["paths"].as_object().unwrap().values() {
        for operation in item.as_object().unwrap().values() {
            operations.push(operation["operationId"].as_str().unwrap());
            let server_error = &operation["responses"]["500"]["content"]["application/problem+json"];
            assert_eq!(server_error["schema"]["$ref"], "#/components/schemas/Problem");
        }
    }
    let count = operations.len();
    operations.sort_unstable();
    operations.dedup();
    assert_eq!((operations.len(), count), (56, 56), "{operations:?}");
}

#[tokio::test]
async fn requests_take_no_other_fields_and_say_their_bounds() {
    let document: Value = serde_json::from_str(&document().await).unwrap();
    let schemas = &document["components"]["schemas"];
    for request in [
        "RecommendRequest",
        "UserRef",
        "IdentityRef",
        "Context",
        "SimilarRequest",
        "BundleRequest",
        "PageRequest",
        "Shelf",
        "HallDocument",
        "SectionDocument",
        "AudienceRequest",
        "LinkRequest",
        "UndoRequest",
        "ConsentRequest",
    ] {
        assert_eq!(schemas[request]["additionalProperties"], false, "{request}");
    }
    assert_eq!((&schemas["Count200"]["minimum"], &schemas["Count200"]["maximum"]), (&1.into(), &200.into()));
    assert_eq!((&schemas["Id"]["minLength"], &schemas["Id"]["maxLength"]), (&1.into(), &256.into()));
    assert_eq!(
        (&schemas["Ids1To100"]["minItems"], &schemas["Ids1To100"]["maxItems"]),
        (&1.into(), &100.into())
    );
}

#[tokio::test]
async fn generators_find_optional_fields_and_closed_sets() {
    let document: Value = serde_json::from_str(&document().await).unwrap();
    let schemas = document["components"]["schemas"].as_object().unwrap();
    for (name, schema) in schemas {
        for (field, of) in schema["properties"].as_object().into_iter().flatten() {
            assert!(of.get("default").is_none(), "{name}.{field}: generators would require it");
        }
        let text = schema["description"].as_str().unwrap_or_default();
        assert!(!text.contains("HTTP") || name == "Problem", "{name} has a note for engineers: {text}");
    }
    let count = schemas["SimilarRequest"]["properties"]["count"]["description"].as_str().unwrap();
    assert!(count.ends_with("Default: `20`."), "{count}");
    let pin = &schemas["ActionDocumentPin"]["properties"];
    assert_eq!(pin["slot"]["type"], "integer", "objects inside alternatives have names");
    let names = |name: &str| schemas[name]["enum"].as_array().unwrap().len();
    assert_eq!((names("EventTypeName"), names("IdentityTypeName"), names("DegradedPart")), (13, 19, 1));
    let schemes = &document["components"]["securitySchemes"];
    assert_eq!(
        (&schemes["key"]["scheme"], &schemes["user_token"]["in"]),
        (&"bearer".into(), &"header".into())
    );
}
