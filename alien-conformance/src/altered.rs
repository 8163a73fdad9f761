//! A JSON document with one thing altered, for every thing that is in it. A field that is added to a form later is altered too.

use serde_json::{Value, json};

/// Every way in which one place of a document is altered, with the place's JSON pointer: each text, number and truth value is
/// another; each field and item is taken out; each object and list gets one more.
#[must_use]
pub fn altered(document: &Value) -> Vec<(String, Value)> {
    let mut all = Vec::new();
    for at in places(document, "") {
        for other in others(document.pointer(&at).unwrap()) {
            let mut altered = document.clone();
            *altered.pointer_mut(&at).unwrap() = other;
            all.push((at.clone(), altered));
        }
    }
    all
}

fn places(value: &Value, at: &str) -> Vec<String> {
    let mut places = vec![at.to_owned()];
    match value {
        Value::Object(fields) => {
            let within =
                fields.iter().map(|(name, value)| places_below(value, at, &name.replace('~', "~0").replace('/', "~1")));
            places.extend(within.flatten());
        }
        Value::Array(items) => {
            let within = items.iter().enumerate().map(|(item, value)| places_below(value, at, &item.to_string()));
            places.extend(within.flatten());
        }
        _ => {}
    }
    places
}

fn places_below(value: &Value, at: &str, name: &str) -> Vec<String> {
    places(value, &format!("{at}/{name}"))
}

fn others(value: &Value) -> Vec<Value> {
    match value {
        Value::Null => vec![json!(0)],
        Value::Bool(value) => vec![json!(!value)],
        Value::Number(number) => vec![number.as_i64().map_or(json!(0.125), |number| json!(number + 1))],
        Value::String(text) => {
            let letters: Vec<char> = text.chars().collect();
            let at = [0, letters.len() / 2, letters.len().saturating_sub(1)];
            let one = at.into_iter().filter(|at| *at < letters.len()).map(|at| {
                let mut letters = letters.clone();
                letters[at] = next(letters[at]);
                json!(letters.iter().collect::<String>())
            });
            let mut others: Vec<Value> = one.collect();
            others.dedup();
            others.push(json!(format!("{text}x")));
            others
        }
        Value::Array(items) => {
            let without = (0..items.len()).map(|at| {
                let mut items = items.clone();
                items.remove(at);
                Value::Array(items)
            });
            let more = items.first().map(|first| Value::Array([std::slice::from_ref(first), &items[..]].concat()));
            without.chain(more.or_else(|| Some(json!(["added"])))).collect()
        }
        Value::Object(fields) => {
            let without = fields.keys().map(|name| {
                let mut fields = fields.clone();
                fields.remove(name);
                Value::Object(fields)
            });
            let mut more = fields.clone();
            more.insert("added".to_owned(), json!("added"));
            without.chain([Value::Object(more)]).collect()
        }
    }
}

/// Another letter of the same sort, so that what is read by a rule is often read still.
fn next(letter: char) -> char {
    match letter {
        '9' => '0',
        'z' => 'a',
        'Z' => 'A',
        '0'..='8' | 'a'..='y' | 'A'..='Y' => char::from_u32(u32::from(letter) + 1).unwrap(),
        _ => 'x',
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_is_altered_and_nothing_else() {
        let document = json!({ "a/b": "az", "list": [1, { "yes": true }], "none": null, "empty": {} });
        let all = altered(&document);
        let places: Vec<&str> = all.iter().map(|(at, _)| at.as_str()).collect();
        for place in ["", "/a~1b", "/list", "/list/0", "/list/1", "/list/1/yes", "/none", "/empty"] {
            assert!(places.contains(&place), "{place}: {places:?}");
        }
        assert!(all.iter().all(|(_, altered)| *altered != document));
        assert!(all.contains(&(
            "/a~1b".into(),
            json!({ "a/b": "aa", "list": [1, { "yes": true }], "none": null, "empty": {} })
        )));
    }
}
