//! What is answered, as a document of OpenAPI.

use serde_json::{Value, json};

/// Every call of a manager, as a document of OpenAPI 3.1: those of operators and of agents, and how the manager is. It is what
/// `GET /openapi.json` answers.
#[must_use]
pub fn openapi() -> Value {
    let mut document = alien_fleet::api::openapi();
    let own = own();
    if let (Some(Value::Object(paths)), Value::Object(own)) = (document.get_mut("paths"), own) {
        paths.extend(own);
    }
    if let Some(Value::Array(tags)) = document.get_mut("tags") {
        tags.push(json!({ "name": "manager", "description": "How the manager is." }));
    }
    document.sort_all_objects();
    document
}

/// The calls that are of the manager, and not of its fleet.
fn own() -> Value {
    let answers = |what: &str, media: &str, schema: Value| {
        let content = json!({ media: { "schema": schema } });
        json!({ "description": what, "content": content })
    };
    let text = || json!({ "type": "string" });
    let error = |what: &str| answers(what, "application/json", json!({ "$ref": "#/components/schemas/Error" }));
    let sent_away = "The error: `throttled`, `unavailable`.";
    let call = |id: &str, summary: &str, security: Value, responses: Value| json!({ "get": { "operationId": id, "summary": summary, "tags": ["manager"], "security": security, "responses": responses } });
    json!({
        "/healthz": call("live", "Whether the program lives.", json!([]), json!({
            "200": answers("It does.", "text/plain", text()),
            "503": error(sent_away),
        })),
        "/readyz": call("ready", "Whether the store answers.", json!([]), json!({
            "200": answers("It does.", "text/plain", text()),
            "503": error(sent_away),
        })),
        "/metrics": call("metrics", "What was counted, for Prometheus. Needs the role `read` for all products.", json!([{ "token": [] }]), json!({
            "200": answers("The counts.", "text/plain", text()),
            "401": error("The error: `credentials`."),
            "403": error("The error: `not-granted`."),
            "503": error(sent_away),
        })),
        "/openapi.json": call("openapi", "This document.", json!([]), json!({
            "200": answers("The document.", "application/json", json!({ "type": "object" })),
            "503": error(sent_away),
        })),
    })
}
