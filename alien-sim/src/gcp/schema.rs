//! Fields that bodies may have, and the words of their enums: an unknown field is refused, as Google's APIs do.
//!
//! A schema is a text: names; `name*` takes anything; `name{…}` an object, or a list or map of objects, of these fields;
//! `name=A|B` an enum by its words, in the order of their numbers.

use serde_json::Value;

use super::fail::Fail;

#[derive(Debug)]
struct Field<'a> {
    name: &'a str,
    anything: bool,
    words: Vec<&'a str>,
    inner: Option<Vec<Field<'a>>>,
}

/// Checks a body and writes the enums that came as numbers as words.
///
/// # Errors
///
/// A field that the schema does not have, by its path.
pub(crate) fn check(schema: &str, body: &mut Value) -> Result<(), Fail> {
    if body.is_null() {
        return Ok(());
    }
    if !body.is_object() {
        return Err(Fail::invalid("Invalid JSON payload received: expected an object."));
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
        fields.push(Field { name, anything, words, inner });
    }
}

fn walk(fields: &[Field<'_>], value: &mut Value, path: &str) -> Result<(), Fail> {
    match value {
        Value::Array(items) => items.iter_mut().try_for_each(|item| walk(fields, item, path)),
        Value::Object(members) => members.iter_mut().try_for_each(|(name, value)| {
            let at = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            let Some(field) = fields.iter().find(|field| field.name == name) else {
                return Err(Fail::invalid(format!(
                    "Invalid JSON payload received. Unknown name \"{name}\" at '{path}': Cannot find field."
                )));
            };
            if let (false, Some(number)) = (field.words.is_empty(), value.as_u64()) {
                let word = usize::try_from(number).ok().and_then(|at| field.words.get(at)).ok_or_else(|| {
                    Fail::invalid(format!("Invalid value at '{at}': {number} is not a value of the enum."))
                })?;
                *value = Value::from(*word);
            } else if let (false, Some(word)) = (field.words.is_empty(), value.as_str())
                && !field.words.contains(&word)
            {
                return Err(Fail::invalid(format!("Invalid value at '{at}': \"{word}\" is not a value of the enum.")));
            }
            match &field.inner {
                Some(inner) if !field.anything => walk(inner, value, &at),
                None if !field.anything && value.is_object() => {
                    Err(Fail::invalid(format!("Invalid value at '{at}': an object does not belong here.")))
                }
                _ => Ok(()),
            }
        }),
        Value::Null => Ok(()),
        _ => Err(Fail::invalid(format!("Invalid value at '{path}': expected an object."))),
    }
}

/// Writes the fields of a mask from one body into another: `a.b` paths, `*` for all that is there.
///
/// # Errors
///
/// A path that does not begin with a field of the schema.
pub(crate) fn merge(schema: &str, mask: &str, from: &Value, into: &mut Value) -> Result<(), Fail> {
    let mut rest = schema;
    let fields = parse(&mut rest);
    let everything = mask.is_empty() || mask == "*";
    let own: Vec<String> = from.as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect();
    let masked: Vec<String> = mask.split(',').map(|path| camel(path.trim())).collect();
    for path in if everything { own } else { masked } {
        let first = path.split('.').next().unwrap_or_default();
        if !fields.iter().any(|field| field.name == first) {
            return Err(Fail::invalid(format!("Invalid update mask: `{path}` is not a field.")));
        }
        let pointer = format!("/{}", path.replace('.', "/"));
        put(into, &path, from.pointer(&pointer).cloned());
    }
    Ok(())
}

fn put(into: &mut Value, path: &str, value: Option<Value>) {
    if !into.is_object() {
        *into = Value::Object(serde_json::Map::new());
    }
    let Some(members) = into.as_object_mut() else { return };
    match path.split_once('.') {
        Some((first, rest)) => put(members.entry(first).or_insert(Value::Null), rest, value),
        None => {
            match value {
                Some(value) => members.insert(path.to_owned(), value),
                None => members.remove(path),
            };
        }
    }
}

/// `push_config` as `pushConfig`: masks come in both forms.
fn camel(path: &str) -> String {
    let mut text = String::with_capacity(path.len());
    let mut upper = false;
    for c in path.chars() {
        if c == '_' {
            upper = true;
        } else if upper {
            text.extend(c.to_uppercase());
            upper = false;
        } else {
            text.push(c);
        }
    }
    text
}
