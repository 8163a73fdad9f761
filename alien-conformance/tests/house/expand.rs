//! Expands `macro_rules!` macros, so that what they declare and mention is seen.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{Group, Ident, Span, TokenStream, TokenTree};
use syn::parse::{Parse, ParseStream, Parser as _};

/// A declarative macro, and the crate that its `$crate` stands for.
#[derive(Clone)]
pub(crate) struct Macro {
    home: String,
    rules: Vec<[Vec<TokenTree>; 2]>,
}

impl Macro {
    pub(crate) fn new(home: &str, definition: TokenStream) -> Self {
        let mut groups = definition.into_iter().filter_map(|token| match token {
            TokenTree::Group(group) => Some(group.stream().into_iter().collect()),
            _ => None,
        });
        let rules = std::iter::from_fn(|| Some([groups.next()?, groups.next()?])).collect();
        Self { home: home.to_owned(), rules }
    }

    /// The same macro, as other crates see it.
    pub(crate) fn of_crate(&self, name: &str) -> Self {
        Self { home: name.to_owned(), rules: self.rules.clone() }
    }

    /// Expands an invocation. The result gets the span of the invocation.
    pub(crate) fn expand(&self, input: TokenStream, at: Span) -> Option<TokenStream> {
        let input: Vec<TokenTree> = input.into_iter().collect();
        self.rules.iter().find_map(|[pattern, body]| {
            let mut bound = Bindings::new();
            let rest = take(pattern, &input, &mut bound)?;
            rest.is_empty().then(|| moved(write(body, &bound, &self.home), at))
        })
    }
}

#[derive(Clone)]
enum Bound {
    One(TokenStream),
    Many(Vec<Bound>),
}

type Bindings = BTreeMap<String, Bound>;

/// Matches a pattern at the front of the input, and returns the rest.
fn take<'i>(mut pattern: &[TokenTree], mut input: &'i [TokenTree], bound: &mut Bindings) -> Option<&'i [TokenTree]> {
    use TokenTree as T;
    loop {
        pattern = match pattern {
            [] => return Some(input),
            [T::Punct(dollar), T::Ident(name), T::Punct(_), T::Ident(fragment), rest @ ..]
                if dollar.as_char() == '$' =>
            {
                let (taken, left) = input.split_at(length(&fragment.to_string(), input)?);
                bound.insert(name.to_string(), Bound::One(taken.iter().cloned().collect()));
                input = left;
                rest
            }
            [T::Punct(dollar), T::Group(inner), rest @ ..] if dollar.as_char() == '$' => {
                let inner: Vec<TokenTree> = inner.stream().into_iter().collect();
                let (separator, operator, rest) = repetition(rest)?;
                let mut times = Vec::new();
                while let Some((once, left)) = again(&inner, if times.is_empty() { &[] } else { separator }, input) {
                    times.push(once);
                    input = left;
                    if operator == '?' {
                        break;
                    }
                }
                if operator == '+' && times.is_empty() {
                    return None;
                }
                for name in variables(&inner) {
                    let each = times.iter_mut().filter_map(|once| once.remove(&name)).collect();
                    bound.insert(name, Bound::Many(each));
                }
                rest
            }
            [T::Group(expected), rest @ ..] => {
                let [T::Group(found), left @ ..] = input else { return None };
                let same = expected.delimiter() == found.delimiter();
                let [pattern, inside] = [expected, found].map(|group| group.stream().into_iter().collect::<Vec<_>>());
                if !same || !take(&pattern, &inside, bound)?.is_empty() {
                    return None;
                }
                input = left;
                rest
            }
            [token, rest @ ..] => {
                input = after(token, input)?;
                rest
            }
        };
    }
}

/// Matches a repetition once more: returns what it binds, and the rest.
fn again<'i>(
    inner: &[TokenTree],
    separator: &[TokenTree],
    input: &'i [TokenTree],
) -> Option<(Bindings, &'i [TokenTree])> {
    let start = separator.iter().try_fold(input, |left, token| after(token, left))?;
    let mut once = Bindings::new();
    let left = take(inner, start, &mut once)?;
    (left.len() < input.len()).then_some((once, left))
}

fn after<'i>(token: &TokenTree, input: &'i [TokenTree]) -> Option<&'i [TokenTree]> {
    input.split_first().filter(|(first, _)| first.to_string() == token.to_string()).map(|(_, left)| left)
}

/// Parses what follows `$(…)`: a separator, which may be absent, and `*`, `+` or `?`. A separator such as `||` is several tokens here.
fn repetition(rest: &[TokenTree]) -> Option<(&[TokenTree], char, &[TokenTree])> {
    let operators = rest.iter().enumerate().filter_map(|(at, token)| match token {
        TokenTree::Punct(punct) if "*+?".contains(punct.as_char()) => Some((at, punct.as_char())),
        _ => None,
    });
    let (at, operator) = operators.into_iter().next()?;
    Some((&rest[..at], operator, &rest[at + 1..]))
}

/// The names after `$`, at any depth.
fn variables(tokens: &[TokenTree]) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for (at, token) in tokens.iter().enumerate() {
        match token {
            TokenTree::Group(group) => names.extend(variables(&group.stream().into_iter().collect::<Vec<_>>())),
            TokenTree::Ident(name) if at > 0 && tokens[at - 1].to_string() == "$" => {
                names.insert(name.to_string());
            }
            _ => {}
        }
    }
    names
}

/// Counts the tokens that a fragment matches.
fn length(fragment: &str, input: &[TokenTree]) -> Option<usize> {
    fn parsed<T: Parse>(input: ParseStream<'_>) -> syn::Result<usize> {
        T::parse(input)?;
        Ok(input.parse::<TokenStream>()?.into_iter().count())
    }
    let stream: TokenStream = input.iter().cloned().collect();
    let left = match fragment {
        "ident" => return matches!(input.first(), Some(TokenTree::Ident(_))).then_some(1),
        "tt" => return input.first().map(|_| 1),
        "literal" => parsed::<syn::Lit>.parse2(stream),
        "ty" => parsed::<syn::Type>.parse2(stream),
        "path" => parsed::<syn::Path>.parse2(stream),
        "vis" => parsed::<syn::Visibility>.parse2(stream),
        "block" => parsed::<syn::Block>.parse2(stream),
        "expr" => parsed::<syn::Expr>.parse2(stream),
        "meta" => parsed::<syn::Meta>.parse2(stream),
        _ => panic!("a macro takes a `{fragment}`: add to expand.rs how to parse it"),
    };
    Some(input.len() - left.ok()?)
}

/// Transcribes a macro's body with the bindings.
fn write(mut body: &[TokenTree], bound: &Bindings, home: &str) -> TokenStream {
    use TokenTree as T;
    let mut out = TokenStream::new();
    loop {
        body = match body {
            [] => return out,
            [T::Punct(dollar), T::Ident(name), rest @ ..] if dollar.as_char() == '$' => {
                match bound.get(&name.to_string()) {
                    Some(Bound::One(tokens)) => out.extend(tokens.clone()),
                    _ => out.extend([T::Ident(Ident::new(home, name.span()))]),
                }
                rest
            }
            [T::Punct(dollar), T::Group(inner), rest @ ..] if dollar.as_char() == '$' => {
                let inner: Vec<TokenTree> = inner.stream().into_iter().collect();
                let Some((separator, _, rest)) = repetition(rest) else { return out };
                let many = variables(&inner).into_iter().filter_map(|name| match bound.get(&name) {
                    Some(Bound::Many(each)) => Some((name, each)),
                    _ => None,
                });
                let many: Vec<_> = many.collect();
                for time in 0..many.iter().map(|(_, each)| each.len()).max().unwrap_or_default() {
                    out.extend(separator.iter().filter(|_| time > 0).cloned());
                    let mut once = bound.clone();
                    once.extend(many.iter().filter_map(|(name, each)| Some((name.clone(), each.get(time)?.clone()))));
                    out.extend(write(&inner, &once, home));
                }
                rest
            }
            [T::Group(group), rest @ ..] => {
                let inner: Vec<TokenTree> = group.stream().into_iter().collect();
                out.extend([T::Group(Group::new(group.delimiter(), write(&inner, bound, home)))]);
                rest
            }
            [token, rest @ ..] => {
                out.extend([token.clone()]);
                rest
            }
        };
    }
}

fn moved(tokens: TokenStream, at: Span) -> TokenStream {
    let moved = tokens.into_iter().map(|mut token| {
        if let TokenTree::Group(group) = &token {
            token = TokenTree::Group(Group::new(group.delimiter(), moved(group.stream(), at)));
        }
        token.set_span(at);
        token
    });
    moved.collect()
}
