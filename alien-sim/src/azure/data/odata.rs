//! Filters of table entities: <https://learn.microsoft.com/rest/api/storageservices/querying-tables-and-entities>.

use std::cmp::Ordering;

use jiff::Timestamp;
use serde_json::Value;

/// A parsed `$filter`.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Filter {
    /// All of these hold.
    All(Vec<Filter>),
    /// At least one of these holds.
    Any(Vec<Filter>),
    /// This does not hold.
    Not(Box<Filter>),
    /// Compares a property with a literal. An entity without the property does not match.
    Is(String, Vec<Ordering>, Literal),
}

/// A literal that a property is compared with.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Literal {
    Text(String),
    Number(f64),
    Truth(bool),
    Time(Timestamp),
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Word(String),
    Text(String),
    Open,
    Close,
}

impl Filter {
    /// Parses a filter. An empty filter matches everything.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut parser = Parser { tokens: tokens(text)?, at: 0 };
        if parser.tokens.is_empty() {
            return Some(Self::All(Vec::new()));
        }
        let filter = parser.any()?;
        (parser.at == parser.tokens.len()).then_some(filter)
    }

    pub(super) fn takes(&self, entity: &Value) -> bool {
        match self {
            Self::All(filters) => filters.iter().all(|filter| filter.takes(entity)),
            Self::Any(filters) => filters.iter().any(|filter| filter.takes(entity)),
            Self::Not(filter) => !filter.takes(entity),
            Self::Is(name, orders, literal) => {
                entity.get(name).and_then(|value| literal.compare(value)).is_some_and(|order| orders.contains(&order))
            }
        }
    }
}

impl Literal {
    /// Compares a property with this literal.
    fn compare(&self, value: &Value) -> Option<Ordering> {
        match (self, value) {
            (Self::Text(text), Value::String(value)) => Some(value.cmp(text)),
            (Self::Number(number), Value::Number(value)) => value.as_f64()?.partial_cmp(number),
            // JSON holds 64-bit integers as strings.
            (Self::Number(number), Value::String(value)) => value.parse::<f64>().ok()?.partial_cmp(number),
            (Self::Truth(truth), Value::Bool(value)) => Some(value.cmp(truth)),
            (Self::Time(time), Value::String(value)) => Some(value.parse::<Timestamp>().ok()?.cmp(time)),
            _ => None,
        }
    }
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
}

impl Parser {
    fn next(&mut self) -> Option<Token> {
        let token = self.tokens.get(self.at).cloned();
        self.at += 1;
        token
    }

    fn eats(&mut self, word: &str) -> bool {
        let found = matches!(self.tokens.get(self.at), Some(Token::Word(known)) if known == word);
        self.at += usize::from(found);
        found
    }

    fn any(&mut self) -> Option<Filter> {
        let mut filters = vec![self.all()?];
        while self.eats("or") {
            filters.push(self.all()?);
        }
        Some(Filter::Any(filters))
    }

    fn all(&mut self) -> Option<Filter> {
        let mut filters = vec![self.one()?];
        while self.eats("and") {
            filters.push(self.one()?);
        }
        Some(Filter::All(filters))
    }

    fn one(&mut self) -> Option<Filter> {
        if self.eats("not") {
            return Some(Filter::Not(Box::new(self.one()?)));
        }
        match self.next()? {
            Token::Open => {
                let filter = self.any()?;
                (self.next()? == Token::Close).then_some(filter)
            }
            Token::Word(name) => {
                let Token::Word(operator) = self.next()? else { return None };
                let orders = match operator.as_str() {
                    "eq" => vec![Ordering::Equal],
                    "ne" => vec![Ordering::Less, Ordering::Greater],
                    "lt" => vec![Ordering::Less],
                    "le" => vec![Ordering::Less, Ordering::Equal],
                    "gt" => vec![Ordering::Greater],
                    "ge" => vec![Ordering::Greater, Ordering::Equal],
                    _ => return None,
                };
                Some(Filter::Is(name, orders, self.literal()?))
            }
            _ => None,
        }
    }

    fn literal(&mut self) -> Option<Literal> {
        match self.next()? {
            Token::Text(text) => Some(Literal::Text(text)),
            Token::Word(word) => match word.as_str() {
                "true" => Some(Literal::Truth(true)),
                "false" => Some(Literal::Truth(false)),
                "datetime" => match self.next()? {
                    Token::Text(text) => text.parse().ok().map(Literal::Time),
                    _ => None,
                },
                "guid" | "binary" | "X" => match self.next()? {
                    Token::Text(text) => Some(Literal::Text(text)),
                    _ => None,
                },
                number => number.trim_end_matches('L').parse().ok().map(Literal::Number),
            },
            _ => None,
        }
    }
}

fn tokens(text: &str) -> Option<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        match first {
            '(' | ')' => {
                tokens.push(if first == '(' { Token::Open } else { Token::Close });
                rest = rest.get(1..)?;
            }
            '\'' => {
                // Two quotes stand for a quote within a string.
                let mut inside = String::new();
                rest = rest.get(1..)?;
                loop {
                    let (part, after) = rest.split_once('\'')?;
                    inside.push_str(part);
                    rest = after;
                    let Some(after) = rest.strip_prefix('\'') else { break };
                    inside.push('\'');
                    rest = after;
                }
                tokens.push(Token::Text(inside));
            }
            _ => {
                let end = rest.find([' ', '(', ')', '\'']).unwrap_or(rest.len());
                let (word, after) = rest.split_at(end);
                tokens.push(Token::Word(word.to_owned()));
                rest = after;
            }
        }
        rest = rest.trim_start();
    }
    Some(tokens)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn entities_are_taken_by_their_properties() {
        let entity = json!({"PartitionKey": "it's", "RowKey": "b", "n": 5, "big": "9007199254740993", "ok": true,
            "Timestamp": "2026-01-01T00:00:00Z"});
        for (filter, takes) in [
            ("", true),
            ("PartitionKey eq 'it''s'", true),
            ("RowKey ge 'a' and RowKey lt 'b'", false),
            ("n gt 4 and (ok eq false or n le 5)", true),
            ("not (n ne 5)", true),
            ("big gt 1L", true),
            ("Timestamp lt datetime'2026-01-02T00:00:00Z'", true),
            ("none eq 'x'", false),
        ] {
            assert_eq!(Filter::parse(filter).unwrap().takes(&entity), takes, "{filter}");
        }
        for filter in ["n", "n eq", "n is 5", "n eq 'x", "(n eq 5", "n eq 5 m"] {
            assert_eq!(Filter::parse(filter), None, "{filter}");
        }
    }
}
