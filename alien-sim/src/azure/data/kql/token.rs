//! Splits queries into tokens.

use super::Problem;

/// A token of a query.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    Word(String),
    Text(String),
    Sign(&'static str),
}

const SIGNS: &[&str] = &["==", "!=", "=~", "!~", "<=", ">=", "<", ">", "|", "(", ")", ",", "=", "!", ";"];

/// The parser's error for an unexpected token.
pub(super) fn syntax(token: &Token) -> Problem {
    let at = match token {
        Token::Word(word) | Token::Text(word) => word,
        Token::Sign(sign) => *sign,
    };
    Problem::Syntax(format!("Query could not be parsed at '{at}'"))
}

/// Splits a query into tokens, without its comments.
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, Problem> {
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

/// A word may also be a time: `2026-01-01T00:00:00.5Z`.
fn is_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '-' | ':' | '.' | '+')
}

fn quote(text: &str) -> char {
    text.chars().next().unwrap_or('"')
}

fn unclosed() -> Problem {
    Problem::Syntax("Query could not be parsed: a string literal is not closed".to_owned())
}

/// Reads a quoted string with its escapes: <https://learn.microsoft.com/kusto/query/scalar-data-types/string>.
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
