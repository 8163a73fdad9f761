//! Paths with parameters, as both clouds write them: `/subscriptions/{subscriptionId}/resourceGroups`.

use regex_lite::{Captures, Regex};

/// A path with parameters.
#[derive(Debug)]
pub(crate) struct Template {
    pattern: Regex,
    spans: usize,
    literals: usize,
}

/// What stands in the place of a parameter.
#[derive(Debug)]
pub(crate) struct Parameter {
    /// A regular expression.
    pub(crate) pattern: String,
    /// Whether it may be several segments.
    pub(crate) spans: bool,
    /// How many characters of the expression stand for themselves.
    pub(crate) literals: usize,
}

impl Template {
    /// A path as it is written, with an expression for each name in braces.
    ///
    /// # Panics
    ///
    /// Where a brace does not end, or an expression is none.
    pub(crate) fn new(path: &str, parameter: impl Fn(&str) -> Parameter) -> Self {
        Self::with_flags("", path, parameter)
    }

    /// A path of Azure Resource Manager: letters of either case are the same
    /// (<https://learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules>), and `{scope}` and
    /// `{resourceUri}` are ids of any resource, or nothing.
    ///
    /// # Panics
    ///
    /// As [`new`](Self::new).
    pub(crate) fn arm(path: &str) -> Self {
        let path = path.replace("/{scope}", "{scope}").replace("/{resourceUri}", "{resourceUri}");
        Self::with_flags("(?i)", &path, |name| {
            let spans = matches!(name, "scope" | "resourceUri");
            let segments = if spans { "(?:/[^/]+)*" } else { "[^/]+" };
            Parameter { pattern: format!("(?P<{name}>{segments})"), spans, literals: 0 }
        })
    }

    fn with_flags(flags: &str, path: &str, parameter: impl Fn(&str) -> Parameter) -> Self {
        let mut pattern = format!("{flags}^");
        let (mut spans, mut literals) = (0, 0);
        let mut rest = path;
        while let Some((literal, after)) = rest.split_once('{') {
            let (name, after) = after.split_once('}').expect("a parameter ends");
            let parameter = parameter(name);
            spans += usize::from(parameter.spans);
            literals += literal.len() + parameter.literals;
            pattern += &regex_lite::escape(literal);
            pattern += &parameter.pattern;
            rest = after;
        }
        literals += rest.len();
        pattern += &format!("{}$", regex_lite::escape(rest));
        Self { pattern: Regex::new(&pattern).expect("the pattern of a path"), spans, literals }
    }

    /// The key to sort by, the nearest first: the fewest parameters that span several segments, and then the most
    /// characters that are no parameter.
    pub(crate) fn distance(&self) -> (usize, usize) {
        (self.spans, usize::MAX - self.literals)
    }

    pub(crate) fn has_span(&self) -> bool {
        self.spans > 0
    }

    pub(crate) fn fits(&self, path: &str) -> bool {
        self.pattern.is_match(path)
    }

    /// The parameters of a path that fits, by their names.
    pub(crate) fn parameters<'p>(&self, path: &'p str) -> Option<Captures<'p>> {
        self.pattern.captures(path)
    }
}
