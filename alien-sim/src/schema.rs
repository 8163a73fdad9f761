//! Schemas of request bodies: the known fields, and the values of their enums. An unknown field is refused.
//!
//! A schema is a string of field names. `name!` is required; `name*` accepts anything; `name{…}` is an object with
//! these fields, or a list or map of such objects; `name=A|B` is an enum with these values, in the order of their
//! numbers.

use serde_json::Value;

/// Why a body does not match a schema. Each cloud reports it in its own words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Problem {
    /// The body, or the value at this path, is not an object. The path of the body itself is empty.
    NotAnObject(String),
    /// The object at this path has an unknown field.
    Unknown { name: String, within: String },
    /// A number or string is not a value of the enum at this path.
    NotAWord { at: String, value: String },
    /// An object is at this path instead of a plain value.
    Misplaced(String),
    /// A required field is missing.
    Missing(String),
}

#[derive(Debug)]
struct Field<'a> {
    name: &'a str,
    anything: bool,
    required: bool,
    words: Vec<&'a str>,
    inner: Option<Vec<Field<'a>>>,
}

/// Checks a body, and replaces enum numbers with their names.
///
/// # Errors
///
/// If the body does not match, with the path of the problem.
pub(crate) fn check(schema: &str, body: &mut Value) -> Result<(), Problem> {
    if body.is_null() {
        return Ok(());
    }
    if !body.is_object() {
        return Err(Problem::NotAnObject(String::new()));
    }
    let mut rest = schema;
    let fields = parse(&mut rest);
    walk(&fields, body, "")
}

fn parse<'a>(rest: &mut &'a str) -> Vec<Field<'a>> {
    let mut fields = Vec::new();
    loop {
        *rest = rest.trim_start();
        if rest.is_empty() {
            return fields;
        }
        if let Some(after) = rest.strip_prefix('}') {
            *rest = after;
            return fields;
        }
        let end = rest.find([' ', '{', '}', '\n']).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        *rest = after;
        let inner = rest.strip_prefix('{').map(|after| {
            *rest = after;
            parse(rest)
        });
        let (name, words) = match word.split_once('=') {
            Some((name, words)) => (name, words.split('|').collect()),
            None => (word, Vec::new()),
        };
        let (name, anything) = name.strip_suffix('*').map_or((name, false), |name| (name, true));
        let (name, required) = name.strip_suffix('!').map_or((name, false), |name| (name, true));
        fields.push(Field { name, anything, required, words, inner });
    }
}

fn below(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

fn walk(fields: &[Field<'_>], value: &mut Value, path: &str) -> Result<(), Problem> {
    match value {
        Value::Array(items) => items.iter_mut().try_for_each(|item| walk(fields, item, path)),
        Value::Object(members) => {
            let missing =
                fields.iter().find(|field| field.required && members.get(field.name).is_none_or(Value::is_null));
            if let Some(field) = missing {
                return Err(Problem::Missing(below(path, field.name)));
            }
            members.iter_mut().try_for_each(|(name, value)| {
                let at = below(path, name);
                let Some(field) = fields.iter().find(|field| field.name == name) else {
                    return Err(Problem::Unknown { name: name.clone(), within: path.to_owned() });
                };
                if let (false, Some(number)) = (field.words.is_empty(), value.as_u64()) {
                    let word = usize::try_from(number)
                        .ok()
                        .and_then(|at| field.words.get(at))
                        .ok_or_else(|| Problem::NotAWord { at: at.clone(), value: number.to_string() })?;
                    *value = Value::from(*word);
                } else if let (false, Some(word)) = (field.words.is_empty(), value.as_str())
                    && !field.words.contains(&word)
                {
                    return Err(Problem::NotAWord { at, value: format!("\"{word}\"") });
                }
                match &field.inner {
                    Some(inner) if !field.anything => walk(inner, value, &at),
                    None if !field.anything && value.is_object() => Err(Problem::Misplaced(at)),
                    _ => Ok(()),
                }
            })
        }
        Value::Null => Ok(()),
        _ => Err(Problem::NotAnObject(path.to_owned())),
    }
}

/// Whether a schema has a field at this path, `a.b`. Below a field that accepts anything is anything.
#[cfg(feature = "gcp")]
pub(crate) fn has(schema: &str, path: &str) -> bool {
    let mut rest = schema;
    let own = parse(&mut rest);
    let mut fields = Some(own.as_slice());
    for part in path.split('.') {
        let Some(field) = fields.unwrap_or_default().iter().find(|field| field.name == part) else { return false };
        if field.anything {
            return true;
        }
        fields = field.inner.as_deref();
    }
    true
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Problem, check};

    #[cfg(feature = "gcp")]
    #[test]
    fn a_path_is_one_of_the_fields_that_a_schema_has() {
        let schema = "name any* inner{kind=A|B deep{last}}";
        let has = |path: &str| super::has(schema, path);
        assert!(["name", "any", "any.x.y", "inner", "inner.kind", "inner.deep.last"].into_iter().all(has));
        assert!(!["", "x", "name.x", "inner.x", "inner.kind.A", "inner.deep.x", "deep"].into_iter().any(has));
    }

    #[test]
    fn a_body_has_what_its_schema_has() {
        let schema = "name! kind=A|B any* inner{must! may} list{item}";
        let refused = |mut body: Value| check(schema, &mut body).unwrap_err();
        let mut good = json!({"name": "n", "kind": 1, "any": {"x": [1]}, "inner": {"must": 1}, "list": [{"item": 1}]});
        assert_eq!(check(schema, &mut good), Ok(()));
        assert_eq!(good["kind"], json!("B"));
        assert_eq!(refused(json!({})), Problem::Missing("name".to_owned()));
        assert_eq!(refused(json!({"name": null})), Problem::Missing("name".to_owned()));
        assert_eq!(refused(json!({"name": 1, "inner": {}})), Problem::Missing("inner.must".to_owned()));
        let unknown = Problem::Unknown { name: "x".to_owned(), within: "list".to_owned() };
        assert_eq!(refused(json!({"name": 1, "list": [{"x": 1}]})), unknown);
        let word = Problem::NotAWord { at: "kind".to_owned(), value: "\"C\"".to_owned() };
        assert_eq!(refused(json!({"name": 1, "kind": "C"})), word);
        assert_eq!(refused(json!({"name": {}})), Problem::Misplaced("name".to_owned()));
        assert_eq!(refused(json!([])), Problem::NotAnObject(String::new()));
    }
}
