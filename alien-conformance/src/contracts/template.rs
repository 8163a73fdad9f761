//! Path templates, as both clouds write them: `/subscriptions/{subscriptionId}/resourceGroups`.

use regex_lite::{Captures, Regex};

/// A path template.
#[derive(Debug)]
pub(crate) struct Template {
    pattern: Regex,
    spans: usize,
    literals: usize,
}

/// What a parameter matches.
#[derive(Debug)]
pub(crate) struct Parameter {
    /// A regular expression.
    pub(crate) pattern: String,
    /// Whether it may match several segments.
    pub(crate) spans: bool,
    /// How many characters of the expression are literal.
    pub(crate) literals: usize,
}

impl Template {
    /// Parses a template, with an expression for each name in braces.
    ///
    /// # Panics
    ///
    /// If a brace is not closed, or an expression is invalid.
    pub(crate) fn new(path: &str, parameter: impl Fn(&str) -> Parameter) -> Self {
        Self::with_flags("", path, parameter)
    }

    /// Parses a template of Azure Resource Manager. Paths ignore case
    /// (<https://learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules>), and `{scope}` and
    /// `{resourceUri}` match the id of any resource, or nothing.
    ///
    /// # Panics
    ///
    /// Like [`new`](Self::new).
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
            let (name, after) = after.split_once('}').expect("the brace of a parameter is closed");
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

    /// The sort key, the nearest first: the fewest parameters that span several segments, then the most literal
    /// characters.
    pub(crate) fn distance(&self) -> (usize, usize) {
        (self.spans, usize::MAX - self.literals)
    }

    pub(crate) fn has_span(&self) -> bool {
        self.spans > 0
    }

    pub(crate) fn fits(&self, path: &str) -> bool {
        self.pattern.is_match(path)
    }

    /// Returns the parameters of a matching path by name.
    pub(crate) fn parameters<'p>(&self, path: &'p str) -> Option<Captures<'p>> {
        self.pattern.captures(path)
    }
}
