//! From JSON to a draft, with every problem of form on the way.
//!
//! Serde stops at the first error. So a resource that does not decode is decoded again for each field, together with
//! the minimum that its kind needs, so that every wrong field is named.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

use super::checked::Stack;
use super::draft::{Draft, DraftResource};
use crate::file_kind::{self, FileKind};
use crate::kind::Kind;
use crate::problem::{Problem, Problems, Rule};
use crate::read_json::read_value;
use crate::resource::{Code, Existing, Resource, Settings};
use crate::unique::Tree;

impl Stack {
    /// Reads a stack from JSON, in the form that [`schema`](crate::schema) describes, and checks it.
    ///
    /// # Errors
    ///
    /// Every problem: text that is not JSON, unknown and repeated fields, values of the wrong type, and everything that
    /// [`Builder::build`](crate::Builder::build) checks.
    pub fn from_json(text: &str) -> Result<Self, Problems> {
        let read = Tree::read(text).map_err(|error| {
            let help = "write a JSON object as the schema of stacks describes it".to_owned();
            Problems(vec![Problem::error(Rule::Form, format!("not JSON: {error}"), help)])
        });
        read.and_then(stack).map_err(|problems| {
            file_kind::another(text, FileKind::Stack).map_or(problems, |other| Problems(vec![other]))
        })
    }
}

/// As a part of another document: the same, with all problems in one text.
impl<'de> Deserialize<'de> for Stack {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        stack(Tree::deserialize(deserializer)?).map_err(|problems| serde::de::Error::custom(problems.sentence()))
    }
}

fn stack(tree: Tree) -> Result<Stack, Problems> {
    let (draft, problems) = decode(tree);
    draft.check(problems)
}

fn decode(mut tree: Tree) -> (Draft, Vec<Problem>) {
    let mut draft = Draft::default();
    let mut problems = Findings::default();
    for (path, what) in tree.take_repeated() {
        problems.form(&path, what, "keep one of them");
    }
    let Some(mut fields) = problems.object("stack", tree.value) else { return (draft, problems.0) };

    let version = problems.version(fields.remove("version"));
    match fields.remove("name") {
        Some(Value::String(name)) => draft.name = Some(name),
        Some(_) => problems.form("name", "not a text".to_owned(), "write the stack's name in quotes"),
        None => problems.form("name", "missing".to_owned(), "give the stack a name"),
    }
    match fields.remove("resources") {
        Some(Value::Array(resources)) => {
            // What follows looks at each of them several times.
            if let Some(problem) = Stack::too_many(resources.len()) {
                return (Draft::default(), vec![problem]);
            }
            for (position, resource) in resources.into_iter().enumerate() {
                let path = format!("resources[{position}]");
                if let Some(resource) = problems.object(&path, resource) {
                    let resource = problems.resource(&path, resource, version, &mut draft.existing);
                    draft.resources.push(resource);
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
    if let Some(existing) = fields.remove("existing")
        && let Some(existing) = problems.object("existing", existing)
    {
        for (id, existing) in existing {
            match read_value(&existing) {
                Ok(existing) => drop(draft.existing.insert(id, existing)),
                Err(error) => {
                    problems.form(&format!("existing.{id}"), error, "write `{\"id\": \"…\"}`");
                }
            }
        }
    }
    problems.unknown("stack", &fields, "version, name, resources, permissions, existing");
    (draft, problems.0)
}

type Fields = BTreeMap<String, Value>;

/// Converts what version 1 wrote differently: an image was one reference, and something of the customer's was in its
/// resource.
fn read_version_1(fields: &mut Fields) -> Option<Existing> {
    if let Some(Value::Object(code)) = fields.get_mut("code")
        && let Some(Value::String(image)) = code.get("image")
        && !image.is_empty()
    {
        let (repository, digest) = Code::of_reference(image);
        code.remove("image");
        code.insert("images".to_owned(), json!({ repository: digest }));
    }
    match fields.get("existing") {
        Some(Value::String(name)) => {
            let existing = Existing::new(name.clone());
            fields.remove("existing");
            Some(existing)
        }
        _ => None,
    }
}

/// Reads one resource as [`Resource`] writes it, of any version.
pub(crate) fn resource(text: &str) -> Option<Resource> {
    let Tree { value: Value::Object(fields), .. } = serde_json::from_str(text).ok()? else { return None };
    let mut findings = Findings::default();
    let draft = findings.resource("", fields.into_iter().collect(), 1, &mut BTreeMap::new());
    let links = draft.links.iter().map(|link| link.parse().ok()).collect::<Option<Vec<_>>>()?;
    Some(Resource {
        id: draft.id?.parse().ok()?,
        lifecycle: draft.lifecycle?,
        links,
        settings: draft.settings?,
        mark: None,
    })
}

/// Problems of form, as they are found.
#[derive(Default)]
struct Findings(Vec<Problem>);

impl Findings {
    fn form(&mut self, path: &str, what: String, help: &str) {
        self.0.push(Problem::error(Rule::Form, what, help.to_owned()).at(path));
    }

    /// The fields of an object, sorted, whichever order `serde_json` keeps in this program.
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

    /// The version of the form. Version 1 wrote none.
    fn version(&mut self, version: Option<Value>) -> u32 {
        let Some(version) = version else { return 1 };
        let known = version.as_u64().and_then(|version| u32::try_from(version).ok());
        let known = known.filter(|version| (1..=Stack::VERSION).contains(version));
        known.unwrap_or_else(|| {
            let what = format!("this is a stack of version {version}, and this program reads 1 to {}", Stack::VERSION);
            self.form("version", what, "use the program that wrote it, or a newer one");
            Stack::VERSION
        })
    }

    fn resource(
        &mut self,
        path: &str,
        mut fields: Fields,
        version: u32,
        existing: &mut BTreeMap<String, Existing>,
    ) -> DraftResource {
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
        if version == 1 {
            existing.extend(read_version_1(&mut fields).and_then(|theirs| Some((id.clone()?, theirs))));
        } else if fields.remove("existing").is_some() {
            let what = "`existing` is the customer's to give".to_owned();
            self.form(path, what, "remove it; the customer gives it when setting up");
        }
        let lifecycle = match fields.remove("lifecycle").map(|given| read_value(&given)) {
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
        DraftResource { id, lifecycle, links, settings, mark: None }
    }

    fn settings(&mut self, path: &str, kind: Kind, fields: Fields) -> Option<Settings> {
        if let Ok(settings) = Settings::decode(kind, &fields.clone().into_iter().collect()) {
            return Some(settings);
        }
        let least = if kind.runs_code() { json!({ "code": {}, "profile": "p" }) } else { json!({}) };
        let least = least.as_object().cloned().unwrap_or_default();
        for field in least.keys().filter(|field| !fields.contains_key(*field)) {
            self.form(path, format!("`{field}` is missing"), &format!("every {kind} has it"));
        }
        for (field, value) in fields {
            let mut probe = least.clone();
            probe.insert(field.clone(), value);
            if let Err(error) = Settings::decode(kind, &Value::Object(probe)) {
                let help = format!("write it as the schema of stacks describes a {kind}");
                self.form(path, format!("`{field}`: {error}"), &help);
            }
        }
        None
    }
}
