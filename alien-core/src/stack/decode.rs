//! The JSON form → a draft, and every problem of form on the way.
//!
//! Serde stops at the first error. Here a resource that does not decode is decoded again field by field, each beside
//! the least that its kind needs, so that every wrong field is named.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

use super::checked::Stack;
use super::draft::{Draft, DraftResource};
use crate::kind::Kind;
use crate::problem::{Problem, Problems, Rule};
use crate::resource::Settings;
use crate::unique::Tree;

impl Stack {
    /// Reads the JSON form and checks it. The form is that of [`schema`](crate::schema).
    ///
    /// # Errors
    ///
    /// Every problem: text that is no JSON, unknown and repeated fields, values of the wrong type, and everything
    /// that [`Builder::build`](crate::Builder::build) checks.
    pub fn from_json(text: &str) -> Result<Self, Problems> {
        match serde_json::from_str::<Tree>(text) {
            Ok(tree) => stack(tree),
            Err(error) => {
                let help = "write a JSON object as the schema of stacks describes it".to_owned();
                Err(Problems(vec![Problem::error(Rule::Form, format!("not JSON: {error}"), help).at("stack")]))
            }
        }
    }
}

/// As a part of another document: the same, with all problems in one text.
impl<'de> Deserialize<'de> for Stack {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        stack(Tree::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

fn stack(tree: Tree) -> Result<Stack, Problems> {
    let (draft, problems) = decode(tree);
    draft.check(problems)
}

fn decode(tree: Tree) -> (Draft, Vec<Problem>) {
    let mut draft = Draft::default();
    let mut problems = Findings::default();
    for path in tree.repeated {
        problems.form(&path, "the field is written twice".to_owned(), "keep one of them");
    }
    let Some(mut fields) = problems.object("stack", tree.value) else { return (draft, problems.0) };

    match fields.remove("name") {
        Some(Value::String(name)) => draft.name = Some(name),
        Some(_) => problems.form("name", "not a text".to_owned(), "write the stack's name in quotes"),
        None => problems.form("name", "missing".to_owned(), "give the stack a name"),
    }
    match fields.remove("resources") {
        Some(Value::Array(resources)) => {
            for (position, resource) in resources.into_iter().enumerate() {
                let path = format!("resources[{position}]");
                if let Some(resource) = problems.object(&path, resource) {
                    draft.resources.push(problems.resource(&path, resource));
                }
            }
        }
        Some(_) => problems.form("resources", "not a list".to_owned(), "write `[…]`"),
        None => problems.form("resources", "missing".to_owned(), "list the stack's resources, `[]` where it has none"),
    }
    if let Some(permissions) = fields.remove("permissions")
        && let Some(mut permissions) = problems.object("permissions", permissions)
    {
        if let Some(profiles) = permissions.remove("profiles")
            && let Some(profiles) = problems.object("permissions.profiles", profiles)
        {
            for (profile, scopes) in profiles {
                let path = format!("permissions.profiles.{profile}");
                let scopes = problems.object(&path, scopes).unwrap_or_default();
                let scopes = scopes.into_iter().map(|(scope, sets)| {
                    let sets = problems.texts(&format!("{path}.{scope}"), sets);
                    (scope, sets)
                });
                draft.profiles.insert(profile, scopes.collect());
            }
        }
        match permissions.remove("management") {
            None => {}
            Some(Value::String(word)) if word == "automatic" => {}
            Some(management) => {
                let path = "permissions.management";
                let mut management = problems.object(path, management).unwrap_or_default();
                let extend = management.remove("extend").unwrap_or_else(|| json!({}));
                for (id, sets) in problems.object("permissions.management.extend", extend).unwrap_or_default() {
                    let sets = problems.texts(&format!("{path}.extend.{id}"), sets);
                    draft.extend.insert(id, sets);
                }
                problems.unknown(path, &management, "extend");
            }
        }
        problems.unknown("permissions", &permissions, "profiles, management");
    }
    problems.unknown("stack", &fields, "name, resources, permissions");
    (draft, problems.0)
}

type Fields = BTreeMap<String, Value>;

/// Problems of form, as they are found.
#[derive(Default)]
struct Findings(Vec<Problem>);

impl Findings {
    fn form(&mut self, path: &str, what: String, help: &str) {
        self.0.push(Problem::error(Rule::Form, what, help.to_owned()).at(path));
    }

    /// The fields of an object, sorted, whichever order JSON objects keep in this program.
    fn object(&mut self, path: &str, value: Value) -> Option<Fields> {
        if let Value::Object(fields) = value {
            return Some(fields.into_iter().collect());
        }
        self.form(path, "not an object".to_owned(), "write `{…}`");
        None
    }

    fn texts(&mut self, path: &str, value: Value) -> Vec<String> {
        if let Ok(texts) = Vec::<String>::deserialize(&value) {
            return texts;
        }
        self.form(path, "not a list of texts".to_owned(), "write `[\"…\", \"…\"]`");
        Vec::new()
    }

    fn unknown(&mut self, path: &str, fields: &Fields, known: &str) {
        for field in fields.keys() {
            self.form(path, format!("unknown field `{field}`"), &format!("remove it; the fields here are {known}"));
        }
    }

    fn resource(&mut self, path: &str, mut fields: Fields) -> DraftResource {
        let id = match fields.remove("id") {
            Some(Value::String(id)) => Some(id),
            Some(_) => {
                self.form(path, "`id` is not a text".to_owned(), "write the resource's id in quotes");
                None
            }
            None => {
                self.form(path, "`id` is missing".to_owned(), "give the resource an id");
                None
            }
        };
        let path = id.as_deref().unwrap_or(path);
        let lifecycle = match fields.remove("lifecycle").map(serde_json::from_value) {
            Some(Ok(lifecycle)) => Some(lifecycle),
            Some(Err(error)) => {
                self.form(path, format!("`lifecycle`: {error}"), "write \"frozen\" or \"live\"");
                None
            }
            None => {
                self.form(path, "`lifecycle` is missing".to_owned(), "write \"frozen\" or \"live\"");
                None
            }
        };
        let links = fields.remove("links").map(|links| self.texts(path, links)).unwrap_or_default();
        let kind = match fields.remove("type") {
            Some(Value::String(kind)) => {
                let known = Kind::named(&kind);
                if known.is_none() {
                    let kinds: Vec<&str> = Kind::ALL.iter().map(|kind| kind.name()).collect();
                    let kinds = kinds.join(", ");
                    let what = format!("`{kind}` is not a kind of resource");
                    self.0.push(Problem::error(Rule::UnknownKind, what, format!("use one of {kinds}")).at(path));
                }
                known
            }
            Some(_) => {
                self.form(path, "`type` is not a text".to_owned(), "write the kind of resource in quotes");
                None
            }
            None => {
                self.form(path, "`type` is missing".to_owned(), "name the kind of resource");
                None
            }
        };
        let settings = kind.and_then(|kind| self.settings(path, kind, fields));
        DraftResource { id, lifecycle, links, settings }
    }

    fn settings(&mut self, path: &str, kind: Kind, fields: Fields) -> Option<Settings> {
        if let Ok(settings) = Settings::decode(kind, fields.clone().into_iter().collect()) {
            return Some(settings);
        }
        let least = if kind.runs_code() { json!({ "code": { "image": "i" }, "profile": "p" }) } else { json!({}) };
        let least = least.as_object().cloned().unwrap_or_default();
        for field in least.keys().filter(|field| !fields.contains_key(*field)) {
            self.form(path, format!("`{field}` is missing"), &format!("every {kind} has it"));
        }
        for (field, value) in fields {
            let mut probe = least.clone();
            probe.insert(field.clone(), value);
            if let Err(error) = Settings::decode(kind, Value::Object(probe)) {
                let help = format!("write it as the schema of stacks describes a {kind}");
                self.form(path, format!("`{field}`: {error}"), &help);
            }
        }
        None
    }
}
