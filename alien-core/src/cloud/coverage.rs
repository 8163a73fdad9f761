//! What a statement of a document applies to.

use std::fmt;

/// What a statement applies to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coverage<'d> {
    /// Exactly this thing.
    Exact(&'d str),
    /// This thing and everything below it.
    Tree(&'d str),
    /// Everything whose name matches a pattern of `*` and `?`.
    Glob(&'d str),
    /// Everything in the account, project or subscription of this name.
    Whole(&'d str),
    /// Everything.
    Anything,
}

impl Coverage<'_> {
    /// Whether the thing of this full name is covered.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        match self {
            Self::Exact(exact) => name == *exact,
            Self::Tree(root) => name.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')),
            Self::Glob(pattern) => glob(pattern, name),
            Self::Whole(_) | Self::Anything => true,
        }
    }
}

impl fmt::Display for Coverage<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(name) | Self::Glob(name) => f.write_str(name),
            Self::Tree(root) => write!(f, "{root} and below"),
            Self::Whole(name) => write!(f, "everything in {name}"),
            Self::Anything => f.write_str("everything"),
        }
    }
}

/// Whether a pattern matches a text: `*` stands for any characters, `?` for one.
///
/// ```
/// use alien_core::adapter::glob;
/// assert!(glob("log-group:api:*", "log-group:api:log-stream:1"));
/// assert!(!glob("acme-?", "acme-12"));
/// ```
#[must_use]
pub fn glob(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut at, mut read) = (0, 0);
    // Where to go on after the last star, and how much of the text it has taken so far.
    let mut star: Option<(usize, usize)> = None;
    while let Some(&byte) = text.get(read) {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at + 1, read));
                at += 1;
            }
            Some(&expected) if expected == b'?' || expected == byte => {
                at += 1;
                read += 1;
            }
            _ => match &mut star {
                Some((after, taken)) => {
                    *taken += 1;
                    (at, read) = (*after, *taken);
                }
                None => return false,
            },
        }
    }
    pattern.get(at..).is_some_and(|rest| rest.iter().all(|byte| *byte == b'*'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_characters_and_a_question_mark_for_one() {
        for (pattern, text, covered) in [
            ("", "", true),
            ("*", "", true),
            ("a*", "a", true),
            ("a*c", "abc", true),
            ("a*c", "abcd", false),
            ("*a*b*", "xxaxxbxx", true),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("?", "", false),
            ("a**b", "ab", true),
            ("*ab", "aab", true),
        ] {
            assert_eq!(glob(pattern, text), covered, "`{pattern}` over `{text}`");
        }
    }

    #[test]
    fn a_tree_covers_whole_segments_only() {
        let tree = Coverage::Tree("/groups/acme");
        assert!(tree.contains("/groups/acme") && tree.contains("/groups/acme/apps/api"));
        assert!(!tree.contains("/groups/acme-prod"));
    }
}
