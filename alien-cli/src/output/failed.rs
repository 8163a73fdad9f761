//! A failure as JSON: one shape for all commands.

use alien_core::{ErrorKind, Exit, Problem};
use schemars::JsonSchema;
use serde::Serialize;

use super::{Failure, told};

/// What `--json` prints where there is no result.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Failed {
    error: Told,
}

/// Why a command failed.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "WhyItFailed")]
#[serde(rename_all = "camelCase")]
struct Told {
    /// How the program ended, by name.
    exit: Exit,
    /// The exit code.
    code: u8,
    /// The error message. If there are several problems, that of the first.
    message: String,
    /// The kind of failure, where a call failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<ErrorKind>,
    /// The operation that failed, in the cloud's own words.
    #[serde(skip_serializing_if = "Option::is_none")]
    operation: Option<String>,
    /// The resource at which it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    resource: Option<String>,
    /// The cloud's own number of the call.
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<String>,
    /// Every problem of the files, the options or the deployment.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    problems: Vec<Problem>,
}

impl From<&Failure> for Failed {
    fn from(failure: &Failure) -> Self {
        let exit = failure.exit();
        let (error, problems) = match failure {
            Failure::Input(problems) | Failure::Refused(problems) => (None, problems.clone()),
            Failure::Failed(error) => (Some(error), error.problems().to_vec()),
            Failure::Stopped(..) | Failure::Ended(..) => (None, Vec::new()),
        };
        let message = match problems.iter().find(|problem| problem.is_error()) {
            Some(first) => told(first),
            None => failure.to_string(),
        };
        let message = message.strip_prefix("error: ").map(str::to_owned).unwrap_or(message);
        Self {
            error: Told {
                exit,
                code: exit.code(),
                message,
                kind: error.map(alien_core::Error::kind),
                operation: error.and_then(alien_core::Error::operation).map(str::to_owned),
                resource: error.and_then(alien_core::Error::resource).map(str::to_owned),
                request_id: error.and_then(alien_core::Error::request_id).map(str::to_owned),
                problems,
            },
        }
    }
}

impl Failed {
    /// A command line that is wrong.
    pub(crate) fn usage(message: String) -> Self {
        let exit = Exit::Usage;
        let (kind, operation, resource, request_id) = (None, None, None, None);
        let problems = Vec::new();
        Self { error: Told { exit, code: exit.code(), message, kind, operation, resource, request_id, problems } }
    }
}

#[cfg(test)]
mod tests {
    use alien_core::{Error, Rule};

    use super::*;

    #[test]
    fn a_failure_says_its_kind_and_each_problem() {
        let shown = |failure: &Failure| serde_json::to_value(Failed::from(failure)).unwrap()["error"].clone();
        let called = shown(&Failure::from(Error::new(ErrorKind::Denied, "no").at("api")));
        assert_eq!(
            (&called["exit"], &called["kind"], &called["resource"]),
            (&"refused".into(), &"denied".into(), &"api".into())
        );
        let problem = |what: &str| Problem::error(Rule::Form, what.to_owned(), "mend it".to_owned()).at("a");
        let input = shown(&Failure::Input(vec![problem("one"), problem("two")]));
        assert_eq!(input["message"], "`a`: one; mend it");
        assert_eq!((input["problems"].as_array().unwrap().len(), &input["code"]), (2, &3.into()));
    }
}
