//! What Lambda and ECS take of environment variables.

use std::collections::BTreeMap;

use alien_core::adapter::{Cloud, Kinds, Placed, last};
use alien_core::{Kind, Problem, Rule};

use crate::Aws;
use crate::target::Target;

/// The variables that Lambda sets itself
/// (<https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html#configuration-envvars-runtime>).
const RESERVED: &[&str] = &[
    "AWS_ACCESS_KEY",
    "AWS_ACCESS_KEY_ID",
    "AWS_DEFAULT_REGION",
    "AWS_EXECUTION_ENV",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_VERSION",
    "AWS_LAMBDA_INITIALIZATION_TYPE",
    "AWS_LAMBDA_LOG_GROUP_NAME",
    "AWS_LAMBDA_LOG_STREAM_NAME",
    "AWS_LAMBDA_RUNTIME_API",
    "AWS_REGION",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "LAMBDA_RUNTIME_DIR",
    "LAMBDA_TASK_ROOT",
];

/// The most bytes of all variables of a function together
/// (<https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>).
const OF_FUNCTION: usize = 4 << 10;

/// The most bytes of a task definition (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-quotas.html>), and
/// of those what the rest of it takes at most.
const OF_TASK: usize = 64 << 10;
const REST: usize = 4 << 10;

/// Checks the variables of a function: their names, and how long they are together. Whether Lambda counts only names and values,
/// or their JSON, no page says: what is too long for the one is an error, and for the other a warning.
pub(crate) fn check_function(placed: &Placed<'_, Aws>, problems: &mut Vec<Problem>) {
    let variables = variables(placed);
    for name in variables.keys() {
        // <https://docs.aws.amazon.com/lambda/latest/api/API_Environment.html>
        if name.len() < 2 {
            let what = format!("environment variable `{name}` has a name of one letter, and Lambda takes two at least");
            problems.push(Problem::error(Rule::Cloud, what, "give it a longer name".to_owned()));
        }
        if RESERVED.contains(&name.as_str()) {
            let what = format!("environment variable `{name}` is one that Lambda sets itself, and does not let be set");
            problems.push(Problem::error(Rule::Cloud, what, "give it another name".to_owned()));
        }
    }
    let (bytes, json) = (bytes(&variables), json(&variables));
    let help = "move what is long into the code, or into storage that it reads";
    if bytes > OF_FUNCTION {
        let what = format!("its environment variables have {bytes} bytes together, and Lambda takes {OF_FUNCTION}");
        problems.push(Problem::error(Rule::Cloud, what, help.to_owned()));
    } else if json > OF_FUNCTION {
        let what =
            format!("its environment variables have {json} bytes as JSON, and Lambda may take only {OF_FUNCTION}");
        problems.push(Problem::warning(Rule::Cloud, what, help.to_owned()));
    }
}

/// Checks how long the variables of a container are together: they stand in its task definition.
pub(crate) fn check_container(placed: &Placed<'_, Aws>, problems: &mut Vec<Problem>) {
    let variables = variables(placed);
    // As `{"name":"…","value":"…"},`.
    let bytes = bytes(&variables) + variables.len() * 24;
    let most = OF_TASK - REST;
    if bytes > most {
        let what =
            format!("its environment variables have {bytes} bytes together, and a task definition has room for {most}");
        let help = "move what is long into the image, or into storage that the code reads";
        problems.push(Problem::error(Rule::Cloud, what, help.to_owned()));
    }
}

fn bytes(variables: &BTreeMap<String, String>) -> usize {
    variables.iter().map(|(name, value)| name.len() + value.len()).sum()
}

fn json(variables: &BTreeMap<String, String>) -> usize {
    // Serializing strings cannot fail.
    serde_json::to_string(variables).unwrap_or_default().len()
}

/// The variables that code gets: the vendor's, and the address of each linked resource. The id of a new network is not known yet
/// and counts as its name.
fn variables(placed: &Placed<'_, Aws>) -> BTreeMap<String, String> {
    let compute = placed.resource.settings().compute();
    let mut variables = compute.map(|compute| compute.environment.clone()).unwrap_or_default();
    for id in placed.resource.links() {
        let Some(resource) = placed.stack.resource(id.as_str()) else { continue };
        let mut things = Vec::new();
        <Aws as Cloud>::Kinds::name(&Placed { resource, ..*placed }, &mut things);
        let Some((_, name)) = things.first() else { continue };
        let address = match resource.kind() {
            Kind::Queue => queue_url(placed.target, last(name)),
            _ => last(name).to_owned(),
        };
        variables.insert(id.variable(), address);
    }
    variables
}

/// The URL of a queue (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-queue-message-identifiers.html>).
pub(crate) fn queue_url(target: &Target, name: &str) -> String {
    let Target { region, account, .. } = target;
    let domain = if region.partition() == "aws-cn" { "amazonaws.com.cn" } else { "amazonaws.com" };
    format!("https://sqs.{region}.{domain}/{account}/{name}")
}
