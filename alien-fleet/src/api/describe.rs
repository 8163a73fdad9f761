//! What a call takes and answers, found from the signature of the function that carries it out.

use std::collections::BTreeMap;

use alien_core::ErrorKind;
use axum::extract::State;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::failure::{Answer, JSON, status};

/// The name of the security scheme of operators, and of that of agents.
pub(super) const TOKEN: &str = "token";
#[cfg(feature = "agents")]
pub(super) const AGENT: &str = "agent";

/// The status for a caller who calls too often: <https://www.rfc-editor.org/rfc/rfc6585#section-4>.
const TOO_MANY: u16 = 429;

/// What is said of a call, beyond its signature.
#[derive(Debug, Clone, Copy)]
pub(super) struct About {
    /// The name of the call, for programs that are made from the document.
    pub(super) id: &'static str,
    pub(super) summary: &'static str,
    /// The errors that it gives beyond those that follow from its signature.
    pub(super) kinds: &'static [ErrorKind],
}

/// An operation of the document, as it is put together.
pub(super) struct Draft<'a> {
    generator: &'a mut SchemaGenerator,
    path: &'static str,
    parameters: Vec<Value>,
    body: Option<Value>,
    security: Option<&'static str>,
    answers: BTreeMap<u16, Value>,
    kinds: Vec<ErrorKind>,
    /// Whether one caller may make it so often, and no more often.
    limited: bool,
}

impl<'a> Draft<'a> {
    pub(super) fn new(generator: &'a mut SchemaGenerator, path: &'static str) -> Self {
        let (parameters, answers, kinds) = (Vec::new(), BTreeMap::new(), Vec::new());
        Self { generator, path, parameters, body: None, security: None, answers, kinds, limited: false }
    }

    /// The schema of a type: a reference, where it has a name.
    pub(super) fn schema<T: JsonSchema>(&mut self) -> Value {
        self.generator.subschema_for::<T>().into()
    }

    /// Takes the parameters in the path, in their order: a type for one, a tuple for several.
    pub(super) fn path<T: JsonSchema>(&mut self) {
        let names = self.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
        let names: Vec<&str> = names.collect();
        let schemas = match (self.schema::<T>(), names.len()) {
            (Value::Object(mut tuple), 2..) => match tuple.remove("prefixItems") {
                Some(Value::Array(schemas)) => schemas,
                _ => Vec::new(),
            },
            (one, _) => vec![one],
        };
        for (name, schema) in names.into_iter().zip(schemas) {
            self.parameters.push(json!({ "name": name, "in": "path", "required": true, "schema": schema }));
        }
    }

    /// Takes the parameters after the path: the fields of a form.
    pub(super) fn query<T: JsonSchema>(&mut self) {
        let form = Value::from(T::json_schema(self.generator));
        let required: Vec<&str> =
            form.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
        let fields = form.get("properties").and_then(Value::as_object).into_iter().flatten();
        // By name: the order of an object may be another where it is preserved.
        for (name, schema) in fields.collect::<BTreeMap<_, _>>() {
            let is_required = required.contains(&name.as_str());
            self.parameter("query", name, is_required, without_null(schema));
        }
    }

    pub(super) fn header(&mut self, name: &str, required: bool, schema: Value) {
        self.parameter("header", name, required, schema);
    }

    fn parameter(&mut self, place: &str, name: &str, required: bool, mut schema: Value) {
        let description = schema.as_object_mut().and_then(|schema| schema.remove("description"));
        let mut parameter = json!({ "name": name, "in": place, "required": required, "schema": schema });
        if let (Some(description), Some(parameter)) = (description, parameter.as_object_mut()) {
            parameter.insert("description".to_owned(), description);
        }
        self.parameters.push(parameter);
    }

    /// Takes a body.
    pub(super) fn body(&mut self, media: &str, schema: Value) {
        self.body = Some(json!({ "required": true, "content": { media: { "schema": schema } } }));
    }

    /// Takes a body of bytes, of at most so many. No bytes are some, too.
    pub(super) fn bytes(&mut self, media: &str, most: usize) {
        let schema = json!({ "type": "string", "maxLength": most });
        self.body = Some(json!({ "required": false, "content": { media: { "schema": schema } } }));
    }

    /// Is let to the bearer of this security scheme alone.
    pub(super) const fn bearer(&mut self, scheme: &'static str) {
        self.security = Some(scheme);
    }

    /// May fail so.
    pub(super) fn fails(&mut self, kinds: &[ErrorKind]) {
        self.kinds.extend_from_slice(kinds);
    }

    /// Is refused to a caller who makes it too often.
    #[cfg(feature = "agents")]
    pub(super) const fn limits(&mut self) {
        self.limited = true;
    }

    /// Answers with a body.
    pub(super) fn answers(&mut self, status: u16, what: &str, media: &str, schema: Value) {
        let answer = json!({ "description": what, "content": { media: { "schema": schema } } });
        self.answers.insert(status, answer);
    }

    /// Answers with no body.
    #[cfg(feature = "agents")]
    pub(super) fn answers_nothing(&mut self, status: u16, what: &str) {
        self.answers.insert(status, json!({ "description": what }));
    }

    /// Adds a header to an answer.
    pub(super) fn answer_header(&mut self, status: u16, name: &str, schema: Value) {
        if let Some(Value::Object(answer)) = self.answers.get_mut(&status) {
            let headers = answer.entry("headers").or_insert_with(|| json!({}));
            if let Some(headers) = headers.as_object_mut() {
                headers.insert(name.to_owned(), json!({ "schema": schema }));
            }
        }
    }

    /// The operation of OpenAPI. <https://spec.openapis.org/oas/v3.1.1.html#operation-object>
    pub(super) fn finish(mut self, about: About) -> Map<String, Value> {
        self.fails(about.kinds);
        let mut failures: BTreeMap<u16, Vec<Value>> = BTreeMap::new();
        for kind in &self.kinds {
            let names = failures.entry(status(*kind).as_u16()).or_default();
            let name = json!(kind);
            if !names.contains(&name) {
                names.push(name);
            }
        }
        if self.limited {
            failures.insert(TOO_MANY, vec![json!(ErrorKind::Throttled)]);
        }
        for (status, names) in failures {
            let names: Vec<_> = names.iter().filter_map(Value::as_str).map(|name| format!("`{name}`")).collect();
            let error = self.schema::<alien_core::Error>();
            self.answers(status, &format!("The error: {}.", names.join(", ")), JSON, error);
            if [TOO_MANY, 503].contains(&status) {
                let seconds = json!({ "type": "integer", "minimum": 1, "description": "In seconds." });
                self.answer_header(status, "Retry-After", seconds);
            }
        }
        let answers: Map<String, Value> =
            self.answers.into_iter().map(|(status, answer)| (status.to_string(), answer)).collect();
        let mut operation = Map::new();
        operation.insert("operationId".to_owned(), about.id.into());
        operation.insert("summary".to_owned(), about.summary.into());
        if !self.parameters.is_empty() {
            operation.insert("parameters".to_owned(), self.parameters.into());
        }
        if let Some(body) = self.body {
            operation.insert("requestBody".to_owned(), body);
        }
        operation.insert("responses".to_owned(), answers.into());
        let security: Vec<Value> = self.security.into_iter().map(|scheme| json!({ scheme: [] })).collect();
        operation.insert("security".to_owned(), security.into());
        operation
    }
}

/// A parameter that is absent is absent, and not `null`.
fn without_null(schema: &Value) -> Value {
    let mut schema = schema.clone();
    if let Some(form) = schema.as_object_mut() {
        if let Some(Value::Array(kinds)) = form.get_mut("type") {
            kinds.retain(|kind| kind != "null");
            if let [one] = kinds.as_slice() {
                let one = one.clone();
                form.insert("type".to_owned(), one);
            }
        }
        if let Some(Value::Array(some)) = form.get_mut("anyOf") {
            some.retain(|one| one.get("type").is_none_or(|kind| kind != "null"));
            if let [one] = some.as_slice() {
                return one.clone();
            }
        }
        if form.get("default").is_some_and(Value::is_null) {
            form.remove("default");
        }
    }
    schema
}

/// What a function that carries out a call takes: a part of the request.
pub(super) trait Part {
    /// Whether it reads the parameters after the path.
    const IS_QUERY: bool = false;

    fn describe(draft: &mut Draft<'_>);
}

/// What such a function answers.
pub(super) trait Answers {
    fn describe(draft: &mut Draft<'_>);
}

impl<T: JsonSchema> Answers for Answer<T> {
    fn describe(draft: &mut Draft<'_>) {
        let schema = draft.schema::<T>();
        draft.answers(200, "What was asked for.", JSON, schema);
    }
}

/// What carries out a call. `T` are the parts of the request that it takes, as in [`axum::handler::Handler`].
pub(super) trait Described<T> {
    /// Whether it reads the parameters after the path.
    const HAS_QUERY: bool;

    fn describe(draft: &mut Draft<'_>);
}

macro_rules! described {
    ($($part:ident),+) => {
        impl<F, R, A, M, $($part),+> Described<(M, $($part,)+)> for F
        where
            F: Fn($($part),+) -> R,
            R: Future<Output = A>,
            A: Answers,
            $($part: Part,)+
        {
            const HAS_QUERY: bool = $($part::IS_QUERY)||+;

            fn describe(draft: &mut Draft<'_>) {
                $($part::describe(draft);)+
                A::describe(draft);
            }
        }
    };
}

described!(P);
described!(P, Q);
described!(P, Q, R1);
described!(P, Q, R1, S);

/// What the server has is no part of the request.
impl<S> Part for State<S> {
    fn describe(_: &mut Draft<'_>) {}
}
