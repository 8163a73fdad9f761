//! Parses queries.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::token::{Token, syntax, tokens};
use super::{How, Literal, Problem, Query, Step, Test};

const MODELLED: &str = "the emulator models a table followed by where (==, !=, =~, <, <=, >, >=, contains, !contains, \
    has, !has, startswith, in; and, or, not), project, order by, sort by, top, take and limit";

impl Query {
    /// Parses a query.
    ///
    /// # Errors
    ///
    /// If the query is invalid or not supported.
    pub(in crate::azure::data) fn parse(text: &str, now: Timestamp) -> Result<Self, Problem> {
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
            // The default order is descending: <https://learn.microsoft.com/kusto/query/sort-operator>.
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

/// Parses `2026-01-01`, `2026-01-01T00:00:00Z` or `2026-01-01 00:00`, in UTC unless a zone is given.
fn time(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    text.parse().ok().or_else(|| {
        let civil = text.parse::<jiff::civil::DateTime>().ok()?;
        civil.to_zoned(jiff::tz::TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
    })
}

/// Parses `30s`, `5m`, `1h`, `2d`: <https://learn.microsoft.com/kusto/query/scalar-data-types/timespan>.
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
