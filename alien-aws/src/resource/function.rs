//! `function`: a Lambda function, its log group and its event source mappings.

#[cfg(feature = "client")]
pub(crate) mod calls;
#[cfg(feature = "client")]
mod opening;
#[cfg(feature = "client")]
mod sending;
#[cfg(feature = "client")]
mod state;
#[cfg(feature = "client")]
mod updating;
#[cfg(feature = "client")]
mod zip;

use alien_core::adapter::{CodeForms, Fields, On, Operation, Placed, Rows, ZipLimits};
use alien_core::{CodeForm, Function, Problem, Queue, Resource, Rule, Set};

use super::compute;
use crate::Aws;
use crate::naming::Arns;
use crate::operations as op;
use crate::operations::Scope;
use crate::registry::{ECR, Repository};
use crate::variables;

/// The longest name of a function, in characters
/// (<https://docs.aws.amazon.com/lambda/latest/api/API_CreateFunction.html>).
const MAX: usize = 64;

/// The longest visibility timeout of a queue in a stack, in seconds.
const LONGEST_HIDDEN: u64 = 300;

/// <https://docs.aws.amazon.com/lambda/latest/api/API_UpdateFunctionCode.html>
///
/// Lambda reads a zip in S3 as the caller. A key of the customer's must let Lambda use it for this function
/// (<https://docs.aws.amazon.com/lambda/latest/dg/encrypt-zip-package.html>).
const CODE: &[Fields] = &[
    Fields::call(&["FunctionName", "RevisionId", "DryRun"]),
    Fields::vendors(&["ZipFile", "ImageUri", "Architectures", "Publish", "PublishTo", "SourceKMSKeyArn"]),
    Fields::needing("s3:GetObject", &["S3Bucket", "S3Key", "S3ObjectVersion", "S3ObjectStorageMode"]),
];

/// <https://docs.aws.amazon.com/lambda/latest/api/API_UpdateFunctionConfiguration.html>
///
/// What the function does with a file system, a dead-letter target, a key or a trace, it does as its own role, which a set-up
/// gave no right to that. They are set back all the same: the customer may have rights for that elsewhere, in a policy of the
/// thing itself.
const SETTINGS: &[Fields] = &[
    Fields::call(&["FunctionName", "RevisionId"]),
    Fields::vendors(&[
        "Description",
        "Environment",
        "Handler",
        "ImageConfig",
        "LoggingConfig.ApplicationLogLevel",
        "LoggingConfig.LogFormat",
        "LoggingConfig.SystemLogLevel",
        "MemorySize",
        "Runtime",
        "RuntimeConfig",
        "SnapStart",
        "Timeout",
        "DurableConfig.ExecutionTimeout",
        "DurableConfig.RetentionPeriodInDays",
    ]),
    Fields::needing("iam:PassRole", &["Role"]),
    Fields::needing("lambda:PassCapacityProvider", &["CapacityProviderConfig", "AcceleratorConfig"]),
    Fields::kept_by("lambda:Layer", &["Layers"]),
    Fields::kept_by("lambda:VpcIds", &["VpcConfig"]),
    Fields::kept_by("lambda:SubnetIds", &["VpcConfig.SubnetIds"]),
    // A request that empties the list may have no key, and then passes: `emptied-network` in `docs/unproved.md`.
    Fields::restored("take it out of its network, if it is in one", &["VpcConfig.SubnetIds"]),
    Fields::kept_by("lambda:SecurityGroupIds", &["VpcConfig.SecurityGroupIds"]),
    Fields::restored("send what it fails on to a queue or topic that its role may write to", &["DeadLetterConfig"]),
    Fields::restored("mount file systems that its network and its role let it reach", &["FileSystemConfigs"]),
    Fields::restored("encrypt its variables with a key that lets Lambda use it", &["KMSKeyArn"]),
    Fields::disclosed("encrypt what it keeps of durable runs with a key that lets Lambda use it", &["DurableConfig"]),
    Fields::restored("write its log to another log group that its role may write to", &["LoggingConfig"]),
    Fields::restored("trace it, as far as its role may", &["TracingConfig"]),
    Fields::restored("take up to 10 GB of temporary storage", &["EphemeralStorage"]),
];

/// <https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html>
const COMMAND: &[Fields] = &[
    Fields::call(&["FunctionName", "InvocationType", "DurableExecutionName", "TenantId"]),
    Fields::vendors(&["Payload", "ClientContext"]),
    Fields::elsewhere(&["Qualifier"]),
    Fields::disclosed("see the last 4 KB of the log of a command", &["LogType"]),
];

impl On<Aws> for Function {
    fn set(set: Set) -> Rows<Aws> {
        match set {
            Set::Heartbeat => &[op::GET_FUNCTION_CONFIGURATION],
            // Lambda pulls an image with the permissions of the caller who names it
            // (<https://docs.aws.amazon.com/lambda/latest/dg/images-create.html>).
            Set::Management => &[
                op::UPDATE_FUNCTION_CODE,
                op::UPDATE_FUNCTION_CONFIGURATION_IN_PLACE,
                op::BATCH_GET_IMAGE,
                op::GET_IMAGE_LAYER,
            ],
            Set::Logs => &[op::FILTER_LOG_EVENTS],
            Set::Dispatch | Set::Invoke => &[op::INVOKE_FUNCTION],
            Set::Provision => &[
                op::CREATE_FUNCTION,
                op::UPDATE_FUNCTION_CODE,
                op::UPDATE_FUNCTION_CONFIGURATION,
                op::DELETE_FUNCTION,
                op::TAG_FUNCTION,
                op::LIST_FUNCTION_TAGS,
                op::CREATE_LOG_GROUP,
                op::DELETE_LOG_GROUP,
                op::PUT_LOG_RETENTION,
                op::TAG_LOG_GROUP,
                op::LIST_LOG_GROUP_TAGS,
                op::PASS_ROLE_TO_LAMBDA,
                op::BATCH_GET_IMAGE,
                op::GET_IMAGE_LAYER,
            ],
            // A function's URL and its triggers decide whose data it receives.
            Set::Setup => &[
                op::CREATE_FUNCTION_URL,
                op::UPDATE_FUNCTION_URL,
                op::DELETE_FUNCTION_URL,
                op::GET_FUNCTION_URL,
                op::GET_FUNCTION_POLICY,
                op::ADD_FUNCTION_PERMISSION,
                op::REMOVE_FUNCTION_PERMISSION,
                op::CREATE_MAPPING,
                op::DELETE_MAPPING,
                op::LIST_MAPPINGS,
                op::DESCRIBE_VPCS,
                op::DESCRIBE_SUBNETS,
                op::DESCRIBE_SECURITY_GROUPS,
            ],
            Set::Run => &[
                op::CREATE_LOG_STREAM,
                op::PUT_LOG_EVENTS,
                op::CREATE_INTERFACE,
                op::DELETE_INTERFACE,
                op::DESCRIBE_INTERFACES,
                op::DESCRIBE_INTERFACE_SUBNETS,
                op::ASSIGN_ADDRESSES,
                op::UNASSIGN_ADDRESSES,
            ],
            Set::Reconfigure | Set::DataRead | Set::DataWrite => &[],
        }
    }

    fn writes(row: &Operation<Scope>) -> &'static [Fields] {
        match row {
            row if row == op::UPDATE_FUNCTION_CODE => CODE,
            row if row == op::UPDATE_FUNCTION_CONFIGURATION_IN_PLACE => SETTINGS,
            row if row == op::INVOKE_FUNCTION => COMMAND,
            _ => &[],
        }
    }

    fn name(&self, placed: &Placed<'_, Aws>, things: &mut Vec<(Scope, String)>) {
        let (arns, id) = (Arns(placed.target), placed.id());
        let name = arns.physical(id, MAX);
        let function = arns.regional("lambda", &["function:", &name]);
        things.push((Scope::Function, function.clone()));
        things.push((Scope::FunctionInPlace, function));
        compute::log_group(arns, &["/aws/lambda/", &name], things);
        if self.is_triggered() {
            things.push((Scope::Mappings, "*".to_owned()));
        }
        if self.network().is_some() {
            things.push((Scope::Interfaces, "*".to_owned()));
        }
        compute::repository_names(placed, things);
    }

    /// A zip that can be sent with a request, or an image in ECR.
    /// <https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>
    fn code() -> CodeForms {
        CodeForms::ANY.preferring(ECR).limiting(ZipLimits { sent: 50 << 20, extracted: 250 << 20 })
    }

    /// Checks the image, the variables, the network and the timeouts. Lambda takes images from ECR only, and from its own region
    /// (<https://docs.aws.amazon.com/lambda/latest/dg/images-create.html>).
    fn check(&self, placed: &Placed<'_, Aws>, problems: &mut Vec<Problem>) {
        let region = &placed.target.region;
        if let Some(Repository { region: other, .. }) =
            Repository::of(self.code()).filter(|found| found.region != *region)
        {
            let what =
                format!("its image is in `{other}`, and Lambda takes images only from its own region, `{region}`");
            let help = "copy the image to a repository there: ECR replicates repositories to other regions";
            problems.push(Problem::error(Rule::Cloud, what, help.to_owned()));
        }
        if let Some(CodeForm::Image(image)) = self.code().only()
            && Repository::of(self.code()).is_none()
        {
            problems.push(Problem::warning(
                Rule::Cloud,
                format!("Lambda takes images from Amazon ECR only, and `{image}` is in another registry"),
                "copy the image to ECR before set-up, or ship the function as a zip".to_owned(),
            ));
        }
        variables::check_function(placed, problems);
        let network = self.network().and_then(|id| placed.stack.resource(id));
        if let Some(network) = network.filter(|network| !network.is_adopted()) {
            // <https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc-internet.html>
            let what = format!(
                "it has no public address in the network `{}`, and reaches nothing outside of it",
                network.id()
            );
            let help = "leave out its network, or use one of the customer's with endpoints or a NAT gateway";
            problems.push(Problem::warning(Rule::Cloud, what, help.to_owned()));
        }
        // A message's visibility timeout must be at least the timeout of the function that handles it
        // (<https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html>).
        for id in placed.resource.settings().triggers() {
            let Some(queue) = placed.stack.resource(id).and_then(Resource::settings_of::<Queue>) else { continue };
            let (hidden, runs) = (u64::from(queue.visibility_timeout_seconds()), self.timeout().as_secs());
            let advised = (6 * runs).min(LONGEST_HIDDEN);
            if hidden < runs {
                let what = format!(
                    "it may run for {runs} seconds, but its queue `{id}` has a visibility timeout of {hidden} seconds"
                );
                let help =
                    "set the queue's visibility timeout to at least the function's timeout, or lower the function's";
                problems.push(Problem::error(Rule::Cloud, what, help.to_owned()));
            } else if hidden < advised {
                // The same page advises six times, as far as a queue of a stack goes: what is throttled is retried before it becomes visible again.
                let what = format!(
                    "it may run for {runs} seconds, and its queue `{id}` has a visibility timeout of {hidden} seconds: \
                     while Lambda throttles it, messages can be handled twice"
                );
                let help = format!(
                    "set the queue's visibility timeout to {advised} seconds: AWS advises six times the function's"
                );
                problems.push(Problem::warning(Rule::Cloud, what, help));
            }
        }
    }
}
