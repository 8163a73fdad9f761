//! The part of the Kusto query language that log queries of a deployment need.
//!
//! A table, and `where`, `project`, `order by`, `sort by`, `top`, `take` and `limit` after it:
//! <https://learn.microsoft.com/kusto/query/>.

use std::cmp::Ordering;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

/// What is wrong with a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Problem {
    /// It is not in the language: what the parser says.
    Syntax(String),
    /// A name stands for nothing: what the analyser says.
    Semantic(String),
    /// It is in the language, and not modelled here: what is.
    Unmodelled(String),
}

/// A column: its name, and its type as answers tell it.
pub(super) type Column = (&'static str, &'static str);

/// The answer: columns, and a row a record.
#[derive(Clone, Debug)]
pub(super) struct Table {
    pub(super) columns: Vec<Column>,
    pub(super) rows: Vec<Vec<Value>>,
}

/// A query that was read.
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

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Word(String),
    Text(String),
    Sign(&'static str),
}

const SIGNS: &[&str] = &["==", "!=", "=~", "!~", "<=", ">=", "<", ">", "|", "(", ")", ",", "=", "!", ";"];

const MODELLED: &str = "the emulator models a table followed by where (==, !=, =~, <, <=, >, >=, contains, !contains, \
    has, !has, startswith, in; and, or, not), project, order by, sort by, top, take and limit";

impl Query {
    pub(super) fn parse(text: &str, now: Timestamp) -> Result<Self, Problem> {
        let mut parser = Parser { tokens: tokens(text)?, at: 0, now };
        let table = parser.name()?;
        let mut steps = Vec::new();
        while parser.eats("|") {
            parser.step(&mut steps)?;
        }
        match parser.next() {
            None => Ok(Self { table, steps }),
            Some(token) => Err(syntax(&token)),
        }
    }

    /// Does the query on the records of its table.
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

/// Whether a term stands alone in a text: <https://learn.microsoft.com/kusto/query/has-operator>.
fn has_term(text: &str, term: &str) -> bool {
    text.match_indices(term).any(|(at, found)| {
        let before = text.get(..at).and_then(|text| text.chars().next_back());
        let after = text.get(at + found.len()..).and_then(|text| text.chars().next());
        !before.is_some_and(char::is_alphanumeric) && !after.is_some_and(char::is_alphanumeric)
    })
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
    now: Timestamp,
}

impl Parser {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn next(&mut self) -> Option<Token> {
        let token = self.tokens.get(self.at).cloned();
        self.at += 1;
        token
    }

    fn eats(&mut self, sign: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Sign(known)) if *known == sign);
        self.at += usize::from(found);
        found
    }

    fn eats_word(&mut self, word: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Word(known)) if known == word);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, sign: &str) -> Result<(), Problem> {
        if self.eats(sign) { Ok(()) } else { Err(self.stuck()) }
    }

    fn stuck(&self) -> Problem {
        self.peek().map_or_else(|| Problem::Syntax("Query could not be parsed at ''".to_owned()), syntax)
    }

    fn name(&mut self) -> Result<String, Problem> {
        match self.peek() {
            Some(Token::Word(word)) if word.starts_with(|c: char| c.is_alphabetic() || c == '_') => {
                let word = word.clone();
                self.at += 1;
                Ok(word)
            }
            _ => Err(self.stuck()),
        }
    }

    fn number(&mut self) -> Result<usize, Problem> {
        match self.next() {
            Some(Token::Word(word)) => word.parse().map_err(|_| syntax(&Token::Word(word))),
            Some(token) => Err(syntax(&token)),
            None => Err(self.stuck()),
        }
    }

    fn step(&mut self, steps: &mut Vec<Step>) -> Result<(), Problem> {
        let operator = self.name()?;
        match operator.as_str() {
            "where" | "filter" => steps.push(Step::Where(self.any()?)),
            "project" => {
                let mut names = vec![self.name()?];
                while self.eats(",") {
                    names.push(self.name()?);
                }
                steps.push(Step::Project(names));
            }
            "order" | "sort" => {
                if !self.eats_word("by") {
                    return Err(self.stuck());
                }
                steps.push(Step::Order(self.orders()?));
            }
            "take" | "limit" => steps.push(Step::Take(self.number()?)),
            "top" => {
                let most = self.number()?;
                if !self.eats_word("by") {
                    return Err(self.stuck());
                }
                steps.extend([Step::Order(self.orders()?), Step::Take(most)]);
            }
            other => return Err(Problem::Unmodelled(format!("The operator '{other}' is not modelled: {MODELLED}."))),
        }
        Ok(())
    }

    fn orders(&mut self) -> Result<Vec<(String, bool)>, Problem> {
        let mut by = Vec::new();
        loop {
            let name = self.name()?;
            // Without a word the order is descending: <https://learn.microsoft.com/kusto/query/sort-operator>.
            let ascending = self.eats_word("asc");
            let _ = ascending || self.eats_word("desc");
            by.push((name, ascending));
            if !self.eats(",") {
                return Ok(by);
            }
        }
    }

    fn any(&mut self) -> Result<Test, Problem> {
        let mut tests = vec![self.all()?];
        while self.eats_word("or") {
            tests.push(self.all()?);
        }
        Ok(Test::Any(tests))
    }

    fn all(&mut self) -> Result<Test, Problem> {
        let mut tests = vec![self.one()?];
        while self.eats_word("and") {
            tests.push(self.one()?);
        }
        Ok(Test::All(tests))
    }

    fn one(&mut self) -> Result<Test, Problem> {
        if self.eats_word("not") {
            self.expect("(")?;
            let test = self.any()?;
            self.expect(")")?;
            return Ok(Test::Not(Box::new(test)));
        }
        if self.eats("(") {
            let test = self.any()?;
            self.expect(")")?;
            return Ok(test);
        }
        let column = self.name()?;
        let Some(token) = self.next() else { return Err(self.stuck()) };
        let (how, negated) = match &token {
            Token::Sign("==") => (How::Equal, false),
            Token::Sign("!=") => (How::Equal, true),
            Token::Sign("=~") => (How::EqualAnyCase, false),
            Token::Sign("!~") => (How::EqualAnyCase, true),
            Token::Sign("<") => (How::Less, false),
            Token::Sign("<=") => (How::AtMost, false),
            Token::Sign(">") => (How::More, false),
            Token::Sign(">=") => (How::AtLeast, false),
            Token::Sign("!") if self.eats_word("contains") => (How::Contains, true),
            Token::Sign("!") if self.eats_word("has") => (How::Has, true),
            Token::Sign("!") if self.eats_word("startswith") => (How::StartsWith, true),
            Token::Word(word) => match word.as_str() {
                "contains" => (How::Contains, false),
                "has" => (How::Has, false),
                "startswith" => (How::StartsWith, false),
                "in" => (How::Equal, false),
                other => {
                    return Err(Problem::Unmodelled(format!("The operator '{other}' is not modelled: {MODELLED}.")));
                }
            },
            other => return Err(syntax(other)),
        };
        let values = if token == Token::Word("in".to_owned()) {
            self.expect("(")?;
            let mut values = vec![self.literal()?];
            while self.eats(",") {
                values.push(self.literal()?);
            }
            self.expect(")")?;
            values
        } else {
            vec![self.literal()?]
        };
        let test = Test::Is { column, how, values };
        Ok(if negated { Test::Not(Box::new(test)) } else { test })
    }

    fn literal(&mut self) -> Result<Literal, Problem> {
        let Some(token) = self.next() else { return Err(self.stuck()) };
        match token {
            Token::Text(text) => Ok(Literal::Text(text)),
            Token::Word(word) => match word.as_str() {
                "datetime" | "ago" | "now" => {
                    self.expect("(")?;
                    let mut inside = String::new();
                    while let Some(Token::Word(part) | Token::Text(part)) = self.peek() {
                        if !inside.is_empty() {
                            inside.push(' ');
                        }
                        inside.push_str(part);
                        self.at += 1;
                    }
                    self.expect(")")?;
                    let time = match word.as_str() {
                        "now" => Some(self.now),
                        "ago" => span(&inside).and_then(|ago| self.now.checked_sub(ago).ok()),
                        _ => time(&inside),
                    };
                    time.map(Literal::Time).ok_or_else(|| syntax(&Token::Word(inside)))
                }
                _ => word.parse().map(Literal::Number).map_err(|_| {
                    Problem::Semantic(format!(
                        "'where' operator: Failed to resolve column or scalar expression named '{word}'"
                    ))
                }),
            },
            other => Err(syntax(&other)),
        }
    }
}

/// `2026-01-01`, `2026-01-01T00:00:00Z` or `2026-01-01 00:00`, in UTC where no zone is told.
fn time(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    text.parse().ok().or_else(|| {
        let civil = text.parse::<jiff::civil::DateTime>().ok()?;
        civil.to_zoned(jiff::tz::TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
    })
}

/// `30s`, `5m`, `1h`, `2d`: <https://learn.microsoft.com/kusto/query/scalar-data-types/timespan>.
fn span(text: &str) -> Option<SignedDuration> {
    let at = text.find(|c: char| c.is_alphabetic())?;
    let (number, unit) = text.split_at(at);
    let seconds = match unit {
        "d" => 86_400.0,
        "h" => 3_600.0,
        "m" => 60.0,
        "s" => 1.0,
        "ms" => 0.001,
        _ => return None,
    };
    let duration = Duration::try_from_secs_f64(number.parse::<f64>().ok()? * seconds).ok()?;
    SignedDuration::try_from(duration).ok()
}

fn syntax(token: &Token) -> Problem {
    let at = match token {
        Token::Word(word) | Token::Text(word) => word,
        Token::Sign(sign) => *sign,
    };
    Problem::Syntax(format!("Query could not be parsed at '{at}'"))
}

fn tokens(text: &str) -> Result<Vec<Token>, Problem> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        if rest.starts_with("//") {
            rest = rest.split_once('\n').map_or("", |(_, rest)| rest);
        } else if let Some(verbatim) = rest.strip_prefix('@').filter(|rest| rest.starts_with(['\'', '"'])) {
            let (text, after) =
                verbatim.get(1..).and_then(|inside| inside.split_once(quote(verbatim))).ok_or_else(unclosed)?;
            tokens.push(Token::Text(text.to_owned()));
            rest = after;
        } else if matches!(first, '\'' | '"') {
            let (text, after) = quoted(rest)?;
            tokens.push(Token::Text(text));
            rest = after;
        } else if is_word(first) {
            let end = rest.find(|c: char| !is_word(c)).unwrap_or(rest.len());
            let (word, after) = rest.split_at(end);
            tokens.push(Token::Word(word.to_owned()));
            rest = after;
        } else if let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
            tokens.push(Token::Sign(sign));
            rest = rest.get(sign.len()..).unwrap_or_default();
        } else {
            return Err(Problem::Syntax(format!("Query could not be parsed at '{first}'")));
        }
        rest = rest.trim_start();
    }
    Ok(tokens)
}

/// Words hold what times do, too: `2026-01-01T00:00:00.5Z`.
fn is_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '-' | ':' | '.' | '+')
}

fn quote(text: &str) -> char {
    text.chars().next().unwrap_or('"')
}

fn unclosed() -> Problem {
    Problem::Syntax("Query could not be parsed: a string literal is not closed".to_owned())
}

/// A text in quotes with its escapes: <https://learn.microsoft.com/kusto/query/scalar-data-types/string>.
fn quoted(text: &str) -> Result<(String, &str), Problem> {
    let mut inside = String::new();
    let mut characters = text.char_indices().skip(1);
    while let Some((at, c)) = characters.next() {
        match c {
            '\\' => match characters.next() {
                Some((_, 'n')) => inside.push('\n'),
                Some((_, 'r')) => inside.push('\r'),
                Some((_, 't')) => inside.push('\t'),
                Some((_, c @ ('\\' | '\'' | '"'))) => inside.push(c),
                _ => return Err(Problem::Syntax("Query could not be parsed: an escape is not valid".to_owned())),
            },
            c if c == quote(text) => return Ok((inside, text.get(at + c.len_utf8()..).unwrap_or_default())),
            c => inside.push(c),
        }
    }
    Err(unclosed())
}
