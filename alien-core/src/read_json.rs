//! JSON that is read from others: what is wrong with it is told by name.

use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::error::Category;
use serde_json::{Deserializer, Error, Value};

/// Reads a text, or says in words what is wrong with it.
///
/// Where the text has a second field beside the one that names a variant of an enumeration, `serde_json` says only that it expected
/// something else. Here that field is named, as any other that is not known.
///
/// # Errors
///
/// What is wrong, and where.
pub fn read_json<T: DeserializeOwned>(text: &[u8]) -> Result<T, String> {
    serde_json::from_slice(text).map_err(|error| misread(text, &error))
}

fn misread(text: &[u8], error: &Error) -> String {
    match second_field(text, error) {
        Some(name) => {
            let (line, column) = (error.line(), error.column());
            format!("unknown field `{name}`, there is one field here and no other at line {line} column {column}")
        }
        None => error.to_string(),
    }
}

/// Reads a value, or says in words what is wrong with it, as [`read_json`] does.
pub(crate) fn read_value<T: DeserializeOwned>(value: &Value) -> Result<T, String> {
    T::deserialize(value).map_err(|error| {
        let told = error.to_string();
        // It says so of an enumeration before it looks at any name. Of the text the names are told.
        if !told.contains("map with a single key") {
            return told;
        }
        let text = value.to_string();
        let found = read_json::<T>(text.as_bytes()).err();
        // Where it is in that text is of no use to anybody.
        found.map_or(told, |found| found.rsplit_once(" at line ").map_or(&*found, |(found, _)| found).to_owned())
    })
}

/// The name of a field that stands where the variant of an enumeration has ended. The text is JSON, and yet its syntax is refused, before
/// a comma: nothing else is.
fn second_field(text: &[u8], error: &Error) -> Option<String> {
    if error.classify() != Category::Syntax || serde_json::from_slice::<IgnoredAny>(text).is_err() {
        return None;
    }
    let before = error.line().checked_sub(1)?;
    let line: usize = text.split_inclusive(|byte| *byte == b'\n').take(before).map(<[u8]>::len).sum();
    let rest = text.get(line.checked_add(error.column())?..)?;
    let names = Deserializer::from_slice(rest.strip_prefix(b",")?).into_iter::<String>();
    names.into_iter().next()?.ok()
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields, rename_all = "kebab-case")]
    #[expect(dead_code, reason = "it is only read")]
    enum Doing {
        Idle,
        Waits { why: Option<Box<Doing>> },
        Pair(u8, u8),
        Of(Vec<Doing>),
    }

    fn told(text: &str) -> String {
        read_json::<Doing>(text.as_bytes()).unwrap_err()
    }

    #[test]
    fn a_second_field_beside_a_variant_is_named_wherever_it_stands() {
        for text in [
            r#"{"waits":{"why":"idle"},"speed":9}"#,
            r#"{"idle":null,"speed":9}"#,
            r#"{"pair":[1,2] , "speed":[{}]}"#,
            "{\n  \"of\": [\n    {\"idle\": null},\n    {\"waits\": {\"why\": null}\n\t, \"speed\": 9}\n  ]\n}",
            r#"{"waits":{"why":{"waits":{},"speed":9}}}"#,
            r#"{"of":["idle"],"speed":1,"colour":2}"#,
        ] {
            assert!(told(text).contains("unknown field `speed`"), "{text}: {}", told(text));
            let value: Value = serde_json::from_str(text).unwrap();
            let told = read_value::<Doing>(&value).unwrap_err();
            // Unless the order is preserved, what is second here may be first.
            assert!(["`speed`", "`colour`"].iter().any(|name| told.contains(name)), "{text}: {told}");
        }
        let text = r#"{"waits":{},"sp\u00e9\"ed":9}"#;
        assert!(
            told(text).contains("unknown field `spé\"ed`, there is one field here and no other at line 1 column 11")
        );
    }

    #[test]
    fn what_else_is_wrong_is_told_as_it_was() {
        for text in [
            "",
            "{",
            "{}",
            "[]",
            "9",
            r#"{"waits":{}"#,
            r#"{"waits":{},}"#,
            r#"{"waits":{} 9}"#,
            r#"{"waits":{},9:1}"#,
            r#"{"waits":{},"speed"}"#,
            r#"{"waits":{},"speed":9,}"#,
            r#"{"speed":9}"#,
            r#"{"waits":{"speed":9}}"#,
            r#""waits""#,
            "\n\n",
            r#"{"of":[,"speed":9]}"#,
        ] {
            let error = serde_json::from_str::<Doing>(text).unwrap_err();
            assert_eq!(told(text), error.to_string(), "{text}");
        }
    }
}
