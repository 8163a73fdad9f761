//! The part of the Kusto Query Language (KQL) that the log queries of a deployment need.
//!
//! A table, followed by `where`, `project`, `order by`, `sort by`, `top`, `take` or `limit`:
//! <https://learn.microsoft.com/kusto/query/>.

mod parse;
mod token;

use std::cmp::Ordering;

use jiff::Timestamp;
use serde_json::Value;

/// What is wrong with a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Problem {
    /// A syntax error, as the parser reports it.
    Syntax(String),
    /// An unknown name, as the analyser reports it.
    Semantic(String),
    /// Valid KQL that the emulator does not support. The text says what it supports.
    Unmodelled(String),
}

/// The name and type of a column, as answers contain them.
pub(super) type Column = (&'static str, &'static str);

/// The result: the columns, and one row per record.
#[derive(Clone, Debug)]
pub(super) struct Table {
    pub(super) columns: Vec<Column>,
    pub(super) rows: Vec<Vec<Value>>,
}

/// A parsed query.
#[derive(Clone, Debug)]
pub(super) struct Query {
    pub(super) table: String,
    steps: Vec<Step>,
}

#[derive(Clone, Debug)]
enum Step {
    Where(Test),
    Project(Vec<String>),
    Order(Vec<(String, bool)>),
    Take(usize),
}

#[derive(Clone, Debug)]
enum Test {
    All(Vec<Test>),
    Any(Vec<Test>),
    Not(Box<Test>),
    Is { column: String, how: How, values: Vec<Literal> },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    Equal,
    EqualAnyCase,
    Less,
    AtMost,
    More,
    AtLeast,
    Contains,
    Has,
    StartsWith,
}

#[derive(Clone, Debug, PartialEq)]
enum Literal {
    Text(String),
    Number(f64),
    Time(Timestamp),
}

impl Query {
    /// Runs the query on the records of its table.
    pub(super) fn run(&self, columns: &[Column], records: &[Value]) -> Result<Table, Problem> {
        let mut columns = columns.to_vec();
        let mut records: Vec<&Value> = records.iter().collect();
        for step in &self.steps {
            match step {
                Step::Where(test) => {
                    test.check(&columns)?;
                    records.retain(|record| test.takes(record));
                }
                Step::Project(names) => {
                    columns = names.iter().map(|name| find(&columns, name, "project")).collect::<Result<_, _>>()?;
                }
                Step::Order(by) => {
                    for (name, _) in by {
                        find(&columns, name, "order by")?;
                    }
                    records.sort_by(|a, b| {
                        let compared = by.iter().map(|(name, ascending)| {
                            let order = compare(a.get(name), b.get(name));
                            if *ascending { order } else { order.reverse() }
                        });
                        compared.fold(Ordering::Equal, Ordering::then)
                    });
                }
                Step::Take(most) => records.truncate(*most),
            }
        }
        let row = |record: &&Value| {
            let value = |(name, _): &Column| record.get(*name).cloned().unwrap_or_default();
            columns.iter().map(value).collect()
        };
        let rows = records.iter().map(row).collect();
        Ok(Table { columns, rows })
    }
}

fn find(columns: &[Column], name: &str, operator: &str) -> Result<Column, Problem> {
    columns.iter().find(|(known, _)| *known == name).copied().ok_or_else(|| {
        Problem::Semantic(format!("'{operator}' operator: Failed to resolve scalar expression named '{name}'"))
    })
}

fn compare(a: Option<&Value>, b: Option<&Value>) -> Ordering {
    match (a, b) {
        (Some(Value::String(a)), Some(Value::String(b))) => match (a.parse::<Timestamp>(), b.parse::<Timestamp>()) {
            (Ok(a), Ok(b)) => a.cmp(&b),
            _ => a.cmp(b),
        },
        (Some(a), Some(b)) => {
            a.as_f64().unwrap_or_default().partial_cmp(&b.as_f64().unwrap_or_default()).unwrap_or(Ordering::Equal)
        }
        (a, b) => a.is_some().cmp(&b.is_some()),
    }
}

impl Test {
    fn check(&self, columns: &[Column]) -> Result<(), Problem> {
        match self {
            Self::All(tests) | Self::Any(tests) => tests.iter().try_for_each(|test| test.check(columns)),
            Self::Not(test) => test.check(columns),
            Self::Is { column, how, values } => {
                let (_, kind) = find(columns, column, "where")?;
                let fits = values.iter().all(|value| match value {
                    Literal::Text(_) => kind == "string",
                    Literal::Number(_) => kind == "real",
                    Literal::Time(_) => kind == "datetime",
                });
                let textual = matches!(how, How::Contains | How::Has | How::StartsWith | How::EqualAnyCase);
                if fits && (!textual || kind == "string") {
                    return Ok(());
                }
                Err(Problem::Semantic(format!(
                    "'where' operator: Cannot compare values of types {kind} and {}. Try adding explicit casts",
                    match values.first() {
                        Some(Literal::Number(_)) => "real",
                        Some(Literal::Time(_)) => "datetime",
                        _ => "string",
                    }
                )))
            }
        }
    }

    fn takes(&self, record: &Value) -> bool {
        match self {
            Self::All(tests) => tests.iter().all(|test| test.takes(record)),
            Self::Any(tests) => tests.iter().any(|test| test.takes(record)),
            Self::Not(test) => !test.takes(record),
            Self::Is { column, how, values } => {
                let value = record.get(column).unwrap_or(&Value::Null);
                values.iter().any(|literal| literal.fits(*how, value))
            }
        }
    }
}

impl Literal {
    fn fits(&self, how: How, value: &Value) -> bool {
        let order = match self {
            Self::Text(text) => {
                let value = value.as_str().unwrap_or_default();
                let lower = value.to_lowercase();
                let wanted = text.to_lowercase();
                match how {
                    How::EqualAnyCase => return lower == wanted,
                    How::Contains => return lower.contains(&wanted),
                    How::StartsWith => return lower.starts_with(&wanted),
                    How::Has => return has_term(&lower, &wanted),
                    _ => value.cmp(text.as_str()),
                }
            }
            Self::Number(number) => match value.as_f64().and_then(|value| value.partial_cmp(number)) {
                Some(order) => order,
                None => return false,
            },
            Self::Time(time) => match value.as_str().and_then(|value| value.parse::<Timestamp>().ok()) {
                Some(value) => value.cmp(time),
                None => return false,
            },
        };
        match how {
            How::Less => order == Ordering::Less,
            How::AtMost => order != Ordering::Greater,
            How::More => order == Ordering::Greater,
            How::AtLeast => order != Ordering::Less,
            _ => order == Ordering::Equal,
        }
    }
}

/// Whether a text contains a term as a whole word: <https://learn.microsoft.com/kusto/query/has-operator>.
fn has_term(text: &str, term: &str) -> bool {
    text.match_indices(term).any(|(at, found)| {
        let before = text.get(..at).and_then(|text| text.chars().next_back());
        let after = text.get(at + found.len()..).and_then(|text| text.chars().next());
        !before.is_some_and(char::is_alphanumeric) && !after.is_some_and(char::is_alphanumeric)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const COLUMNS: &[Column] = &[("TimeGenerated", "datetime"), ("Log_s", "string"), ("n", "real")];

    fn now() -> Timestamp {
        "2026-01-02T00:00:00Z".parse().unwrap()
    }

    /// The texts that a query finds.
    fn found(query: &str) -> Result<Vec<Value>, Problem> {
        let records = [
            json!({"TimeGenerated": "2026-01-01T10:00:00Z", "Log_s": "Hello world", "n": 1.0}),
            json!({"TimeGenerated": "2026-01-01T11:00:00.5Z", "Log_s": "it's over", "n": 2.0}),
            json!({"TimeGenerated": "2026-01-01T23:30:00Z", "Log_s": "worldly", "n": 3.0}),
        ];
        let table = Query::parse(&format!("T {query} | project Log_s"), now())?.run(COLUMNS, &records)?;
        Ok(table.rows.into_iter().flatten().collect())
    }

    #[test]
    fn records_are_found_by_what_they_say() {
        let (first, second, third) = ("Hello world", "it's over", "worldly");
        for (query, expected) in [
            ("", vec![first, second, third]),
            ("| where Log_s == 'Hello world'", vec![first]),
            ("| where Log_s == \"it's over\"", vec![second]),
            (r"| where Log_s == 'it\'s over'", vec![second]),
            ("| where Log_s == @'it\"s over'", vec![]),
            ("| where Log_s =~ 'HELLO WORLD'", vec![first]),
            ("| where Log_s contains 'WORLD'", vec![first, third]),
            ("| where Log_s has 'world'", vec![first]),
            ("| where Log_s !contains 'world'", vec![second]),
            ("| where Log_s startswith 'w' or n == 1", vec![first, third]),
            ("| where not(Log_s has 'over') and (n < 2 or n >= 3)", vec![first, third]),
            ("| where Log_s in ('worldly', 'none')", vec![third]),
            ("| where TimeGenerated >= datetime(2026-01-01T11:00:00.5Z)", vec![second, third]),
            ("| where TimeGenerated > datetime(2026-01-01 10:00) // later\n", vec![second, third]),
            ("| where TimeGenerated > ago(1h)", vec![third]),
            ("| order by TimeGenerated | take 1", vec![third]),
            ("| sort by Log_s asc | limit 2", vec![first, second]),
            ("| top 1 by n desc", vec![third]),
        ] {
            assert_eq!(found(query).unwrap(), expected, "{query}");
        }
    }

    #[test]
    fn what_is_not_understood_is_told() {
        assert!(matches!(found("| summarize count()"), Err(Problem::Unmodelled(_))));
        assert!(matches!(found("| where Log_s matches regex 'x'"), Err(Problem::Unmodelled(_))));
        for query in ["| where Log_t == 'x'", "| where Log_s == x", "| where n == 'x'", "| order by Log_t"] {
            assert!(matches!(found(query), Err(Problem::Semantic(_))), "{query}");
        }
        for query in ["| where", "| where Log_s = 'x'", "| where Log_s == 'x", "| take x", "where"] {
            assert!(matches!(found(query), Err(Problem::Syntax(_))), "{query}");
        }
    }
}
