//! The supported part of the Logging query language: comparisons that must all hold. Source:
//! <https://docs.cloud.google.com/logging/docs/view/logging-query-language>.

use jiff::Timestamp;
use serde_json::Value;

use crate::gcp::call::text;
use crate::gcp::fail::Fail;

/// A parsed filter. An entry matches if all comparisons hold.
#[derive(Debug)]
pub(super) struct Filter(Vec<Comparison>);

#[derive(Debug)]
struct Comparison {
    field: String,
    operator: &'static str,
    /// The alternatives: `field=("a" OR "b")`.
    values: Vec<String>,
}

const OPERATORS: &[&str] = &[">=", "<=", "!=", "=", ">", "<", ":"];

impl Filter {
    /// # Errors
    ///
    /// If the filter is invalid, or uses an unsupported part of the language.
    pub(super) fn parse(text: &str) -> Result<Self, Fail> {
        let mut comparisons = Vec::new();
        let mut words = words(text)?.into_iter().peekable();
        while let Some(word) = words.next() {
            match word.as_str() {
                "AND" => continue,
                "OR" | "NOT" | "(" | ")" => {
                    return Err(Fail::unimplemented(format!("`{word}` in a filter of logs is not emulated.")));
                }
                _ => {}
            }
            if let Some(log) = word.strip_prefix("LOG_ID(").and_then(|rest| rest.strip_suffix(')')) {
                let id = log.trim_matches('"').replace('/', "%2F");
                comparisons.push(Comparison { field: "log_id".to_owned(), operator: "=", values: vec![id] });
                continue;
            }
            let invalid = || Fail::invalid(format!("Unparseable filter: `{text}` at `{word}`"));
            let operator = words.next().ok_or_else(invalid)?;
            let operator = OPERATORS.iter().find(|known| **known == operator).ok_or_else(invalid)?;
            let values = values(&mut words).ok_or_else(invalid)?;
            if let Some(value) = values.iter().find(|value| word == "timestamp" && value.parse::<Timestamp>().is_err())
            {
                return Err(Fail::invalid(format!("Unparseable filter: `{value}` is not a timestamp")));
            }
            let known = ["timestamp", "logName", "textPayload", "severity", "insertId"].contains(&word.as_str())
                || word.starts_with("resource.")
                || word.starts_with("labels.")
                || word.starts_with("jsonPayload.");
            if !known {
                return Err(Fail::invalid(format!("Unparseable filter: the field `{word}` is not known")));
            }
            comparisons.push(Comparison { field: word, operator, values });
        }
        Ok(Self(comparisons))
    }

    pub(super) fn takes(&self, entry: &Value) -> bool {
        self.0.iter().all(|comparison| comparison.holds(entry))
    }
}

/// Reads the value of a comparison, or all values in parentheses.
fn values(words: &mut impl Iterator<Item = String>) -> Option<Vec<String>> {
    let bare = |word: String| match word.as_str() {
        "(" | ")" | "OR" | "AND" | "NOT" => None,
        word => Some(word.trim_matches('"').to_owned()),
    };
    let first = words.next()?;
    if first != "(" {
        return Some(vec![bare(first)?]);
    }
    let mut values = vec![bare(words.next()?)?];
    loop {
        match words.next()?.as_str() {
            ")" => return Some(values),
            "OR" => values.push(bare(words.next()?)?),
            _ => return None,
        }
    }
}

impl Comparison {
    fn holds(&self, entry: &Value) -> bool {
        let any = self.values.iter().any(|value| self.holds_for(entry, value));
        // `!=` must hold for all values.
        if self.operator == "!=" { self.values.iter().all(|value| self.holds_for(entry, value)) } else { any }
    }

    fn holds_for(&self, entry: &Value, value: &str) -> bool {
        if self.field == "timestamp" {
            let (Ok(at), Ok(wanted)) = (text(entry, "/timestamp").parse::<Timestamp>(), value.parse::<Timestamp>())
            else {
                return false;
            };
            return compare(self.operator, &at, &wanted);
        }
        if self.field == "log_id" {
            return text(entry, "/logName").rsplit('/').next() == Some(value);
        }
        let found = text(entry, &format!("/{}", self.field.replace('.', "/").replace('"', "")));
        if self.operator == ":" {
            // `:` means contains, without regard to case.
            return found.to_lowercase().contains(&value.to_lowercase());
        }
        compare(self.operator, &found.as_str(), &value)
    }
}

fn compare<T: PartialOrd>(operator: &str, found: &T, wanted: &T) -> bool {
    match operator {
        "=" => found == wanted,
        "!=" => found != wanted,
        ">=" => found >= wanted,
        "<=" => found <= wanted,
        ">" => found > wanted,
        "<" => found < wanted,
        _ => false,
    }
}

/// Splits a filter into words, operators and quoted strings.
fn words(text: &str) -> Result<Vec<String>, Fail> {
    let mut words = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let length = if rest.starts_with("LOG_ID(") {
            rest.find(')').map(|end| end + 1)
        } else if let Some(quoted) = rest.strip_prefix('"') {
            quoted.find('"').map(|end| end + 2)
        } else if let Some(operator) = OPERATORS.iter().find(|operator| rest.starts_with(**operator)) {
            Some(operator.len())
        } else if rest.starts_with(['(', ')']) {
            Some(1)
        } else {
            let end = rest.find(|c: char| c.is_whitespace() || "=<>!:()\"".contains(c)).unwrap_or(rest.len());
            // An unquoted value may be a time, which contains colons.
            let value = words.last().is_some_and(|last: &String| OPERATORS.contains(&last.as_str()));
            Some(if value { rest.find(char::is_whitespace).unwrap_or(rest.len()) } else { end })
        };
        let length = length.filter(|length| *length > 0);
        let length = length.ok_or_else(|| Fail::invalid(format!("Unparseable filter: `{text}`")))?;
        let (word, after) = rest.split_at(length);
        words.push(word.to_owned());
        rest = after.trim_start();
    }
    Ok(words)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn takes(filter: &str, service: &str) -> bool {
        let entry = json!({
            "resource": {"type": "cloud_run_revision", "labels": {"service_name": service}},
            "textPayload": "Started",
            "severity": "INFO",
        });
        Filter::parse(filter).unwrap().takes(&entry)
    }

    #[test]
    fn any_of_several_values_is_enough_to_be_equal() {
        let filter = r#"resource.labels.service_name=("app" OR "worker" OR other)"#;
        assert_eq!(["app", "worker", "other", "db"].map(|service| takes(filter, service)), [true, true, true, false]);
        let filter = r#"resource.labels.service_name = ("app")"#;
        assert_eq!(["app", "worker"].map(|service| takes(filter, service)), [true, false]);
    }

    #[test]
    fn not_equal_to_several_values_is_equal_to_none_of_them() {
        let filter = r#"resource.labels.service_name!=("app" OR "worker")"#;
        assert_eq!(["app", "worker", "db"].map(|service| takes(filter, service)), [false, false, true]);
    }

    #[test]
    fn several_values_stand_beside_other_comparisons() {
        let filter =
            r#"severity="INFO" resource.type=("a" OR "cloud_run_revision") AND textPayload:("start" OR "stop")"#;
        assert!(takes(filter, "app"));
        for (word, other) in [("INFO", "ERROR"), ("cloud_run_revision", "b"), ("start", "begin")] {
            assert!(!takes(&filter.replace(word, other), "app"), "{word}");
        }
    }

    #[test]
    fn what_is_not_modelled_and_what_is_no_filter_are_told_apart() {
        let code = |filter: &str| Filter::parse(filter).unwrap_err().code;
        for filter in [
            r#"severity="INFO" OR severity="ERROR""#,
            r#"NOT severity="INFO""#,
            r#"(severity="INFO")"#,
            r#"severity="INFO" AND (textPayload:a OR textPayload:b)"#,
        ] {
            assert_eq!(code(filter), 501, "{filter}");
        }
        for filter in [
            r#"severity=("INFO" OR)"#,
            r#"severity=("INFO""#,
            r#"severity=("INFO" "ERROR")"#,
            r#"severity=("INFO" OR) AND textPayload=("a")"#,
            "severity=()",
            "severity",
        ] {
            assert_eq!(code(filter), 400, "{filter}");
        }
    }
}
