//! Azure: requests held against the specifications of Azure Resource Manager's providers
//! (<https://learn.microsoft.com/rest/api/azure/>): paths, versions, options, the names that a body must have, and the
//! status codes of success.

use serde_json::Value;

use super::template::Template;
use super::{OperationName, Route, Sent};
use crate::oracle;

/// The file in the folder of the lists.
pub const FILE: &str = "azure-contracts.json";

/// The query parameter of every request
/// (<https://learn.microsoft.com/azure/azure-resource-manager/management/control-plane-and-data-plane>).
const API_VERSION: &str = "api-version";

/// The descriptions of the operations of all providers.
#[derive(Debug)]
pub struct Contracts {
    routes: Vec<Route<Operation>>,
    providers: Vec<String>,
}

/// What is said of an operation besides its path.
#[derive(Debug)]
struct Operation {
    version: String,
    statuses: Vec<u64>,
    takes_body: bool,
    /// Names in the body, and below them: `properties.level`.
    required_in_body: Vec<String>,
    required: Vec<String>,
    options: Vec<String>,
    /// Whether the path is of one resource, so that something else may have it as its scope.
    is_resource: bool,
}

impl Contracts {
    /// Reads the file, where it is there.
    ///
    /// # Panics
    ///
    /// Where it is there and is not of the known format.
    #[must_use]
    pub fn load() -> Option<Self> {
        oracle::read(FILE).as_ref().map(Self::from_json)
    }

    /// Reads the descriptions from the file's content.
    ///
    /// # Panics
    ///
    /// Where it is not of the known format.
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

    /// Holds a request against the descriptions: which operation it is, `Microsoft.App/ContainerApps.Get`. The path is as
    /// it was sent, without host and query; the names and values of the query are decoded.
    ///
    /// A path below a scope (`{scope}/providers/Microsoft.Authorization/roleAssignments`) is known where the scope is a
    /// tenant, a management group, a subscription or a resource that is described itself. What the descriptions do not hold
    /// is which fields a body may have: those of a name that no operation has are not found.
    ///
    /// # Errors
    ///
    /// All that is wrong with the request: of the operation that comes nearest, where several have its path.
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

    /// Whether the status of an answer is one that the operation has. Only success is described: any other is let pass.
    ///
    /// # Errors
    ///
    /// Where it is not, and where there is no such operation.
    pub fn check_status(&self, operation: &OperationName, status: u16) -> Result<(), String> {
        let mut named = self.routes.iter().filter(|route| route.operation == *operation);
        let Some(route) = named.next() else { return Err(format!("there is no operation {operation}")) };
        let published = &route.described.statuses;
        if status >= 400 || published.contains(&u64::from(status)) {
            return Ok(());
        }
        Err(format!("{operation}: it does not answer {status}: {published:?}"))
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

    /// Why no operation has a path.
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
                    problems.push("it has no body".to_owned());
                }
            }
            Some(body) if !body.is_object() => problems.push("the body is no object".to_owned()),
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
            // What is at an instance's path is read by GET; the path of a list ends with the name of a type.
            is_resource: verb == "GET" && (path.ends_with('}') || path.ends_with("/default")),
        },
    }
}
