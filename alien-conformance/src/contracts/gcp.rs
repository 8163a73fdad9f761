//! Checks requests to Google Cloud against the discovery documents
//! (<https://developers.google.com/discovery/v1/reference/apis>).

mod schema;

use serde_json::{Map, Value};

pub use schema::Schemas;

use super::template::{Parameter, Template};
use super::{OperationName, Route, Sent};

/// The name of the file in the [`oracle`](crate::oracle) folder.
pub const FILE: &str = "gcp-contracts.json";

/// Parameters that Google's clients may send to every API and that the descriptions lack. Source:
/// <https://cloud.google.com/apis/docs/system-parameters>.
const SYSTEM_PARAMETERS: [&str; 2] = ["$alt", "$apiVersion"];

/// The descriptions of all APIs.
#[derive(Debug)]
pub struct Contracts {
    routes: Vec<Route<Method>>,
    global: Map<String, Value>,
    apis: Vec<(String, Schemas)>,
}

/// A method of an API at one of its paths.
#[derive(Debug)]
struct Method {
    api: usize,
    has_custom_verb: bool,
    takes_media: bool,
    request: Option<String>,
    required: Vec<String>,
    query: Map<String, Value>,
}

impl Contracts {
    /// Reads the file, or returns `None` if it does not exist.
    ///
    /// # Panics
    ///
    /// If the file exists and its format is unknown.
    #[must_use]
    pub fn load() -> Option<Self> {
        crate::oracle::read(FILE).as_ref().map(Self::from_json)
    }

    /// Parses the content of the file.
    ///
    /// # Panics
    ///
    /// If the format is unknown.
    #[must_use]
    pub fn from_json(file: &Value) -> Self {
        let mut routes = Vec::new();
        let mut apis = Vec::new();
        for (number, (api, description)) in file["apis"].as_object().expect("`apis` is a map").iter().enumerate() {
            for (method, record) in description["methods"].as_object().expect("`methods` is a map") {
                let uploads = record["uploadPaths"].as_array().into_iter().flatten().filter_map(Value::as_str);
                routes.push(route(number, method, record["path"].as_str().expect("a path"), record));
                routes.extend(uploads.map(|path| {
                    let mut route = route(number, method, path, record);
                    route.described.takes_media = true;
                    route
                }));
            }
            apis.push((api.clone(), Schemas::new(description["schemas"].as_object().cloned().unwrap_or_default())));
        }
        routes.sort_by_key(|route| route.path.distance());
        Self { routes, global: file["globalQuery"].as_object().cloned().unwrap_or_default(), apis }
    }

    /// Checks a request against the descriptions of all APIs, and returns its method. The path is as sent, without host
    /// and query; the names and values of the query are decoded.
    ///
    /// # Errors
    ///
    /// Everything wrong with the request. If several methods have its path, the problems are those of the nearest.
    pub fn check(
        &self,
        verb: &str,
        path: &str,
        query: &[(String, String)],
        body: Option<&Value>,
    ) -> Result<OperationName, Vec<String>> {
        self.check_routes(|_| true, verb, path, query, body)
    }

    /// Like [`check`](Self::check), but for a known API: `run`, `storage`, `compute`.
    ///
    /// # Errors
    ///
    /// Like [`check`](Self::check), and if there is no description of the API.
    pub fn check_in(
        &self,
        api: &str,
        verb: &str,
        path: &str,
        query: &[(String, String)],
        body: Option<&Value>,
    ) -> Result<OperationName, Vec<String>> {
        let Some(number) = self.apis.iter().position(|(name, _)| name == api) else {
            return Err(vec![format!("there is no description of the API `{api}`")]);
        };
        self.check_routes(|route| route.described.api == number, verb, path, query, body)
    }

    fn check_routes(
        &self,
        is_asked: impl Fn(&Route<Method>) -> bool,
        verb: &str,
        path: &str,
        query: &[(String, String)],
        body: Option<&Value>,
    ) -> Result<OperationName, Vec<String>> {
        let fitting: Vec<_> = self.routes.iter().filter(|route| is_asked(route) && fits(route, path)).collect();
        if fitting.is_empty() {
            return Err(vec![format!("no method has the path `{path}`")]);
        }
        super::find(&fitting, verb, path, |route| self.problems(&route.described, query, body)).cloned()
    }

    fn problems(&self, method: &Method, query: &[(String, String)], body: Option<&Value>) -> Vec<String> {
        let (_, schemas) = &self.apis[method.api];
        let mut problems = super::check_query(query, &method.required, |name, value| {
            if SYSTEM_PARAMETERS.contains(&name) {
                return Sent::Often(None);
            }
            let Some(kind) = method.query.get(name).or_else(|| self.global.get(name)).and_then(Value::as_str) else {
                return Sent::Unknown;
            };
            match kind.strip_suffix('*') {
                Some(kind) => Sent::Often(schema::check_text(kind, value).err()),
                None => Sent::Once(schema::check_text(kind, value).err()),
            }
        });
        match (body, &method.request) {
            (Some(body), Some(request)) if !method.takes_media => problems.extend(schemas.check(request, body)),
            (Some(body), None) if body.as_object().is_none_or(|fields| !fields.is_empty()) => {
                problems.push("it takes no body".to_owned());
            }
            _ => {}
        }
        problems
    }
}

fn route(api: usize, method: &str, path: &str, record: &Value) -> Route<Method> {
    let template = Template::new(path, |name| {
        let plain = name.trim_start_matches('+');
        let own = record["pathParams"][plain].as_str().unwrap_or_default();
        let own = own.trim_start_matches('^').trim_end_matches('$');
        let any = if plain == name { "[^/]+" } else { ".+" };
        Parameter {
            pattern: format!("(?:{})", if own.is_empty() { any } else { own }),
            spans: plain != name,
            // Of two methods with the same path, the one with the longer pattern is meant: `projects/[^/]+` before
            // `[^/]+/[^/]+`.
            literals: own.replace("[^/]+", "").len(),
        }
    });
    let words =
        |value: &Value| value.as_array().into_iter().flatten().filter_map(Value::as_str).map(String::from).collect();
    Route {
        operation: OperationName(method.to_owned()),
        verb: record["httpMethod"].as_str().expect("a verb").to_owned(),
        path: template,
        described: Method {
            api,
            has_custom_verb: path.rsplit('}').next().is_some_and(|rest| rest.contains(':')),
            takes_media: false,
            request: record["request"].as_str().map(String::from),
            required: words(&record["requiredQuery"]),
            query: record["query"].as_object().cloned().unwrap_or_default(),
        },
    }
}

/// A colon in the last segment starts a custom verb (<https://google.aip.dev/136>) and is never part of a name.
fn fits(route: &Route<Method>, path: &str) -> bool {
    let last = path.rsplit('/').next().unwrap_or_default();
    route.path.fits(path) && (route.described.has_custom_verb || !last.contains(':'))
}
