//! Checks requests to Azure against the specifications of Azure Resource Manager's providers
//! (<https://learn.microsoft.com/rest/api/azure/>): paths, versions, query parameters, required names in the body, and
//! status codes of success.

use serde_json::Value;

use super::template::Template;
use super::{OperationName, Route, Sent};
use crate::oracle;

/// The name of the file in the [`oracle`] folder.
pub const FILE: &str = "azure-contracts.json";

/// The query parameter that every request must have
/// (<https://learn.microsoft.com/azure/azure-resource-manager/management/control-plane-and-data-plane>).
const API_VERSION: &str = "api-version";

/// The descriptions of the operations of all providers.
#[derive(Debug)]
pub struct Contracts {
    routes: Vec<Route<Operation>>,
    providers: Vec<String>,
}

/// What the description says about an operation besides its path.
#[derive(Debug)]
struct Operation {
    version: String,
    statuses: Vec<u64>,
    takes_body: bool,
    /// Names in the body; a dot separates levels: `properties.level`.
    required_in_body: Vec<String>,
    required: Vec<String>,
    options: Vec<String>,
    /// Whether the path is of a single resource, which can then be the scope of something else.
    is_resource: bool,
}

impl Contracts {
    /// Reads the file, or returns `None` if it does not exist.
    ///
    /// # Panics
    ///
    /// If the file exists and its format is unknown.
    #[must_use]
    pub fn load() -> Option<Self> {
        oracle::read(FILE).as_ref().map(Self::from_json)
    }

    /// Parses the content of the file.
    ///
    /// # Panics
    ///
    /// If the format is unknown.
    #[must_use]
    pub fn from_json(file: &Value) -> Self {
        let mut routes = Vec::new();
        let mut providers = Vec::new();
        for resource in file["resources"].as_array().expect("`resources` is a list") {
            let [provider, group, version] =
                ["provider", "group", "apiVersion"].map(|field| resource[field].as_str().expect("a text"));
            providers.push(provider.to_ascii_lowercase());
            let operations = resource["operations"].as_array().expect("`operations` is a list");
            routes.extend(operations.iter().map(|record| route(provider, group, version, record)));
        }
        routes.sort_by_key(|route| route.path.distance());
        Self { routes, providers }
    }

    /// Checks a request and returns its operation, such as `Microsoft.App/ContainerApps.Get`. The path is as sent,
    /// without host and query; the names and values of the query are decoded.
    ///
    /// A path below a scope (`{scope}/providers/Microsoft.Authorization/roleAssignments`) is known if the scope is a
    /// tenant, a management group, a subscription or a resource that is itself described. The descriptions do not say
    /// which fields a body may have, so unknown fields are not found.
    ///
    /// # Errors
    ///
    /// Everything wrong with the request. If several operations have its path, the problems are those of the nearest.
    pub fn check(
        &self,
        verb: &str,
        path: &str,
        query: &[(String, String)],
        body: Option<&Value>,
    ) -> Result<OperationName, Vec<String>> {
        let fitting: Vec<_> = self.routes.iter().filter(|route| self.fits(route, path)).collect();
        if fitting.is_empty() {
            return Err(vec![self.unknown(path)]);
        }
        super::find(&fitting, verb, path, |route| route.described.problems(query, body)).cloned()
    }

    /// Checks that an operation can answer with this status. Only success is described, so any status of 400 or more
    /// passes.
    ///
    /// # Errors
    ///
    /// If it cannot, or if there is no such operation.
    pub fn check_status(&self, operation: &OperationName, status: u16) -> Result<(), String> {
        let mut named = self.routes.iter().filter(|route| route.operation == *operation);
        let Some(route) = named.next() else { return Err(format!("there is no operation {operation}")) };
        let published = &route.described.statuses;
        if status >= 400 || published.contains(&u64::from(status)) {
            return Ok(());
        }
        Err(format!("{operation}: {status} is not one of its statuses: {published:?}"))
    }

    fn fits(&self, route: &Route<Operation>, path: &str) -> bool {
        let Some(parameters) = route.path.parameters(path) else { return false };
        parameters.name("scope").is_none_or(|scope| self.is_scope(scope.as_str()))
    }

    /// Scopes are described at <https://learn.microsoft.com/azure/role-based-access-control/scope-overview>.
    fn is_scope(&self, scope: &str) -> bool {
        let segments: Vec<String> = scope.split('/').skip(1).map(str::to_ascii_lowercase).collect();
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        match segments[..] {
            [] | ["subscriptions", _] | ["providers", "microsoft.management", "managementgroups", _] => true,
            _ => self
                .routes
                .iter()
                .any(|route| route.described.is_resource && !route.path.has_span() && route.path.fits(scope)),
        }
    }

    /// Says why no operation has a path.
    fn unknown(&self, path: &str) -> String {
        let lower = path.to_ascii_lowercase();
        let mut named = lower.split("/providers/").skip(1).filter_map(|rest| rest.split('/').next());
        match named.find(|name| *name != "microsoft.management" && !self.providers.iter().any(|known| known == name)) {
            Some(provider) => format!("no operation has the path `{path}`: there is no provider `{provider}`"),
            None => format!("no operation has the path `{path}`"),
        }
    }
}

impl Operation {
    fn problems(&self, query: &[(String, String)], body: Option<&Value>) -> Vec<String> {
        let mut problems = super::check_query(query, &self.required, |name, value| {
            if name == API_VERSION {
                let other = (value != self.version).then(|| format!("is {}, not {value}", self.version));
                Sent::Once(other)
            } else if self.options.iter().any(|option| option == name) {
                Sent::Once(None)
            } else {
                Sent::Unknown
            }
        });
        match body {
            Some(body) if !self.takes_body => {
                if body.as_object().is_none_or(|fields| !fields.is_empty()) {
                    problems.push("it takes no body".to_owned());
                }
            }
            Some(body) if !body.is_object() => problems.push("the body is not an object".to_owned()),
            body => problems.extend(
                self.required_in_body
                    .iter()
                    .filter(|name| is_absent(body, name))
                    .map(|name| format!("`{name}` of the body is required")),
            ),
        }
        problems
    }
}

fn is_absent(body: Option<&Value>, name: &str) -> bool {
    body.and_then(|body| body.pointer(&format!("/{}", name.replace('.', "/")))).is_none_or(Value::is_null)
}

fn route(provider: &str, group: &str, version: &str, record: &Value) -> Route<Operation> {
    let [name, verb, path] = ["name", "method", "path"].map(|field| record[field].as_str().expect("a text"));
    let texts = |value: &Value| oracle::texts(value).map(str::to_owned).collect();
    let mut required = vec![API_VERSION.to_owned()];
    let mut options = Vec::new();
    for option in record["options"].as_array().into_iter().flatten().filter(|option| option["in"] == "query") {
        let name = option["name"].as_str().expect("an option's name").to_owned();
        if option["required"] == true {
            required.push(name.clone());
        }
        options.push(name);
    }
    Route {
        operation: OperationName(format!("{provider}/{group}.{name}")),
        verb: verb.to_owned(),
        path: Template::arm(path),
        described: Operation {
            version: version.to_owned(),
            statuses: record["statusCodes"].as_array().into_iter().flatten().filter_map(Value::as_u64).collect(),
            takes_body: record["requestBody"] == true,
            required_in_body: texts(&record["required"]),
            required,
            options,
            // A GET reads the path of an instance; the path of a list ends with the name of a type.
            is_resource: verb == "GET" && (path.ends_with('}') || path.ends_with("/default")),
        },
    }
}
