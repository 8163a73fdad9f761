//! The codes of the protocol: a version has the same for ever, so a manager and an agent of different releases know the same.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use alien_core::{AgentVersion, CommandId, DeploymentId, ErrorKind, Health};
use alien_release::SigningKey;
use alien_release::agent::{CommandReply, Condition, Ended, LogPage, Message, Replied, Report, Signed, TokenRequest};
use schemars::{JsonSchema, schema_for};
use serde_json::Value;

type Codes = BTreeMap<String, BTreeSet<String>>;

/// Adds the codes that a message may have, by the type that they are of.
fn add<M: Message + JsonSchema>(codes: &mut Codes) {
    let schema = schema_for!(M).to_value();
    for (name, form) in schema["$defs"].as_object().into_iter().flatten() {
        let found: BTreeSet<String> = of(form).collect();
        if !found.is_empty() {
            codes.insert(name.clone(), found);
        }
    }
}

/// The codes of one type: texts, and the names of variants that have more to say.
fn of(form: &Value) -> Box<dyn Iterator<Item = String> + '_> {
    if let Some(variants) = form["oneOf"].as_array() {
        return Box::new(variants.iter().flat_map(|variant| match variant["required"].as_array() {
            Some(name) => Box::new(name.iter().filter_map(text)),
            None => of(variant),
        }));
    }
    Box::new(form["enum"].as_array().into_iter().flatten().chain(form.get("const")).filter_map(text))
}

/// What is sent of a kind of failure, wherever a message has one.
fn sent(code: &str) -> [String; 4] {
    let kind: ErrorKind = serde_json::from_value(code.into()).unwrap();
    let page = LogPage::new(DeploymentId::new(), 1, CommandId::new(), 0).failed(kind);
    let written = [
        serde_json::to_value(Condition::failed(kind)).unwrap()["error"].take(),
        serde_json::to_value(page).unwrap()["error"].take(),
        serde_json::to_value(Replied::Failed(kind)).unwrap()["failed"].take(),
        serde_json::to_value(Ended::Fault(kind)).unwrap()["fault"].take(),
    ];
    written.map(|code| code.as_str().unwrap().to_owned())
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

/// If this fails because there is a code more: agents must not send it to a manager of the release before, which refuses it. Send the
/// nearest code that the version has in its place, or make another version of the protocol. If there is one less, agents of the release
/// before still send it.
#[test]
fn the_codes_of_the_first_version_are_what_they_were() {
    let mut codes = Codes::new();
    add::<Report>(&mut codes);
    add::<CommandReply>(&mut codes);
    add::<LogPage>(&mut codes);
    add::<TokenRequest>(&mut codes);
    // A kind of failure that was added since is sent as the nearest one of the version.
    let kinds = codes.get_mut("ErrorKind").unwrap();
    *kinds = kinds.iter().flat_map(|code| sent(code)).collect();
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/protocol/v1/codes.json");
    let kept: Codes = serde_json::from_slice(&fs::read(kept).unwrap()).unwrap();
    assert_eq!(codes, kept);
}

/// Whoever sends one nevertheless learns which it is.
#[test]
fn a_code_that_the_version_does_not_have_is_refused_by_its_name() {
    let (key, id) = (SigningKey::generate().unwrap(), DeploymentId::new());
    let condition = Condition { health: Some(Health::Healthy), error: Some(ErrorKind::Busy), text: None };
    let report = Report::new(id, 1, AgentVersion::new(2, 0, 0)).with("api".parse().unwrap(), condition);
    let body = String::from_utf8(Signed::of(&report, &key).unwrap().body().to_vec()).unwrap();
    for code in ["healthy", "busy", "idle"] {
        let newer = body.replacen(&format!("\"{code}\""), "\"melted\"", 1).into_bytes();
        let signature = key.sign(Report::CONTEXT, &newer);
        let refused = Signed::<Report>::new(newer, signature).verify(key.public()).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Input);
        assert!(refused.to_string().contains("unknown variant `melted`"), "{code}: {refused}");
    }
}
