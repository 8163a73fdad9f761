//! AWS.

use alien_aws::operations::Scope;
use alien_core::adapter::Cloud as _;
use alien_core::{Adapter, Connection, Deployment, Error, ErrorKind, Result};
use async_trait::async_trait;
use aws_config::{Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_ecs::types::{AwsVpcConfiguration, ContainerDefinition, NetworkConfiguration};
use aws_sdk_lambda::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::{FunctionCode, Runtime, VpcConfig};

use super::{Attempt, Need, Outcome, Outsider, Provable, Who, id, needs, unknown};
use crate::fact::{Fact, Shown};
use crate::product::{API, CACHE, DATA, INSIDE, LEDGER, NET, WORKER, bootstrap};
use crate::step::Step;

/// AWS.
#[derive(Debug)]
pub(crate) struct Aws;

const FACTS: &[Fact] = &[
    Fact {
        id: "omitted-network",
        what: "An update of a function's settings that sends no `VpcConfig` has none of the keys `lambda:VpcIds`, \
               `lambda:SubnetIds` and `lambda:SecurityGroupIds`, also where the function is in a network.",
        source: "https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html",
        otherwise: "A release that changes settings of such a function is denied.",
        shown: Shown::Step(Step::Release(INSIDE)),
    },
    Fact {
        id: "omitted-layers",
        what: "An update of a function's settings that sends no layers does not have the key `lambda:Layer`.",
        source: "https://docs.aws.amazon.com/lambda/latest/dg/lambda-api-permissions-ref.html",
        otherwise: "A release that changes settings of a function is denied.",
        shown: Shown::Step(Step::Release(API)),
    },
    Fact {
        id: "omitted-service-settings",
        what: "An update of a service that sends its task definition and its count has none of the keys of networks, \
               namespaces, capacity providers and Exec.",
        source: "https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonelasticcontainerservice.html",
        otherwise: "A release that changes a container is denied.",
        shown: Shown::Step(Step::Release(WORKER)),
    },
    Fact {
        id: "emptied-network",
        what: "An update with an empty `VpcConfig` has the key `lambda:VpcIds`, so it is denied.",
        source: "https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html",
        otherwise: "The vendor can take a live function out of its network. `alien-deploy status` tells it, and `up` sets it back.",
        shown: Shown::Refused("out-of-network"),
    },
    Fact {
        id: "network-key",
        what: "An update that sends subnets and security groups has the keys of both, so it is denied.",
        source: "https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html",
        otherwise: "The vendor can place a live function in any network of the account.",
        shown: Shown::Refused("into-network"),
    },
    Fact {
        id: "layer-key",
        what: "An update that sends layers has the key `lambda:Layer`, so it is denied before the layer is looked for.",
        source: "https://docs.aws.amazon.com/lambda/latest/dg/lambda-api-permissions-ref.html",
        otherwise: "The vendor can add a layer to a live function: more code, under the same identity.",
        shown: Shown::Refused("layers"),
    },
    Fact {
        id: "service-network-key",
        what: "An update of a service that sends a network configuration has the key `ecs:subnet`, so it is denied.",
        source: "https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonelasticcontainerservice.html",
        otherwise: "The vendor can place a live container in any network of the account.",
        shown: Shown::Refused("service-network"),
    },
    Fact {
        id: "exec-key",
        what: "An update of a service that switches ECS Exec on has the key `ecs:enable-execute-command`, so it is denied.",
        source: "https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs-exec.html",
        otherwise: "The vendor can switch Exec on. To open a shell takes a right more, which the vendor does not have.",
        shown: Shown::Refused("execute-command"),
    },
    Fact {
        id: "pass-role",
        what: "A task definition with another role than the container's own is denied by `iam:PassRole`.",
        source: "https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_passrole.html",
        otherwise: "The vendor can run live code under another role that trusts ECS.",
        shown: Shown::Refused("other-role"),
    },
    Fact {
        id: "task-size-keys",
        what: "A task definition of another size than the stack allows has that size as `ecs:task-cpu` and `ecs:task-memory`, so it is \
            denied.",
        source: "https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonelasticcontainerservice.html",
        otherwise: "The vendor can make a live container larger than the customer approved, who pays for it. `alien-deploy status` \
            does not tell it.",
        shown: Shown::Refused("larger-task"),
    },
    Fact {
        id: "network-by-arn",
        what: "`ec2:DescribeVpcAttribute` is decided on the ARN of the network.",
        source: "https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonec2.html",
        otherwise: "The vendor cannot see whether the network is there.",
        shown: Shown::Step(Step::Watch(NET)),
    },
    Fact {
        id: "bucket-by-location",
        what: "`s3:GetBucketLocation` is enough to see that a bucket is there.",
        source: "https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketLocation.html",
        otherwise: "The vendor cannot see whether the storage is there.",
        shown: Shown::Step(Step::Watch(DATA)),
    },
    Fact {
        id: "table-by-description",
        what: "A table that is being made, and one whose time to live is being set, are told from one that does not work.",
        source: "https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_DescribeTable.html",
        otherwise: "A healthy table is told as one that is not.",
        shown: Shown::Step(Step::Watch(CACHE)),
    },
    Fact {
        id: "execution-role",
        what: "A role whose trust names `ecs-tasks.amazonaws.com` without a condition is assumed to start a task.",
        source: "https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task_execution_IAM_role.html",
        otherwise: "Containers do not start, and `up` says so.",
        shown: Shown::Step(Step::Watch(WORKER)),
    },
    Fact {
        id: "task-role",
        what: "ECS names the account by `aws:SourceAccount` where it assumes the role that a task runs as.",
        source: "https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-iam-roles.html",
        otherwise: "The code of containers gets no credentials: it runs, and its calls fail.",
        shown: Shown::ByHand("have a container call `sts:GetCallerIdentity`, and read its log"),
    },
    Fact {
        id: "pass-both-roles",
        what: "`ecs:RegisterTaskDefinition` asks for `iam:PassRole` on both roles of a task, and for nothing more.",
        source: "https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonelasticcontainerservice.html",
        otherwise: "A release of a container is denied, with the name of what lacks.",
        shown: Shown::Step(Step::Release(WORKER)),
    },
    Fact {
        id: "tags-with-service",
        what: "`ecs:DescribeServices` shows a service's tags by itself, also where tags are authorized.",
        source: "https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DescribeServices.html",
        otherwise: "The vendor cannot see whether the container is there.",
        shown: Shown::Step(Step::Watch(WORKER)),
    },
    Fact {
        id: "interfaces-of-lambda",
        what: "What Lambda does with the network interfaces of a function has no key `lambda:SourceFunctionArn`, also where Lambda looks at the \
               role before it makes the function.",
        source: "https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html",
        otherwise: "A function in a network is refused, or stays `Pending`.",
        shown: Shown::Step(Step::Watch(INSIDE)),
    },
    Fact {
        id: "interfaces-of-code",
        what: "What the code of a function calls has the key `lambda:SourceFunctionArn`, so its role's denial holds for the code.",
        source: "https://docs.aws.amazon.com/lambda/latest/dg/permissions-source-function-arn.html",
        otherwise: "The code of a function in a network can make and remove network interfaces of the account.",
        shown: Shown::ByHand("have the code call `ec2:DescribeNetworkInterfaces`: it must be denied explicitly"),
    },
    Fact {
        id: "size-of-variables",
        what: "Names and values together count for the 4 KB of a function's variables, and not their JSON.",
        source: "https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html",
        otherwise: "A release that was warned of is refused by Lambda, and what ran before goes on.",
        shown: Shown::ByHand("release one variable `LONG` of 4,080 bytes, and then of 4,092"),
    },
    Fact {
        id: "image-of-another-account",
        what: "The policy that a review prints for a repository of another account lets Lambda and ECS take the image, also where its \
               condition names a role that is not there yet.",
        source: "https://docs.aws.amazon.com/lambda/latest/dg/images-create.html",
        otherwise: "Lambda answers `AccessDeniedException`, or tasks stop with `CannotPullContainerError`.",
        shown: Shown::ByHand("give `--image` of a repository of the vendor's, with that policy"),
    },
    Fact {
        id: "image-of-this-account",
        what: "A repository of the customer's own account needs a policy for Lambda too, because the provisioning layer may not write it.",
        source: "https://docs.aws.amazon.com/lambda/latest/dg/images-create.html",
        otherwise: "Nothing is lost: the policy is superfluous.",
        shown: Shown::ByHand("set up a function with an image of such a repository, by the provisioning layer alone"),
    },
    Fact {
        id: "simulated-organisation",
        what: "A simulation says that it is the organisation that does not allow an action.",
        source: "https://docs.aws.amazon.com/IAM/latest/APIReference/API_EvaluationResult.html",
        otherwise: "`plan` says that the credentials lack the right, and does not name the organisation.",
        shown: Shown::ByHand("deny `sqs:CreateQueue` by a service control policy, and plan"),
    },
    Fact {
        id: "limits-of-tables",
        what: "Of the failures `LimitExceededException` of DynamoDB, only those about what is made at once pass by waiting.",
        source: "https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_CreateTable.html",
        otherwise: "A set-up of many tables stops with the service's message, and the next run goes on.",
        shown: Shown::ByHand("make more than 500 tables at once"),
    },
    Fact {
        id: "nothing-filled-in",
        what: "AWS fills in no setting of what was set up that a later look takes for a difference.",
        source: "https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_Service.html",
        otherwise: "`alien-deploy status` tells a difference that nobody made.",
        shown: Shown::Step(Step::Compare),
    },
    Fact {
        id: "entered-by-external-id",
        what: "A role that was made a moment ago is entered within the time that a registration waits, and only with the external id.",
        source: "https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html",
        otherwise: "`alien register` fails, and works when it is run again.",
        shown: Shown::Step(Step::Enter),
    },
    Fact {
        id: "sessions-end-at-once",
        what: "A session that was issued before a revocation is refused within seconds.",
        source: "https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_revoke-sessions.html",
        otherwise: "What the review says of the delay of a revocation is too short.",
        shown: Shown::Step(Step::Revoke),
    },
    Fact {
        id: "interfaces-go",
        what: "The network interfaces of a deleted function are gone within the time that a take-down waits.",
        source: "https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html",
        otherwise: "A network is told as left, and the next `alien-deploy down` removes it.",
        shown: Shown::Step(Step::Gone),
    },
];

const ATTEMPTS: &[Attempt] = &[
    Attempt {
        name: "layers",
        what: "add a layer to the live function",
        after: &[],
        call: "lambda:UpdateFunctionConfiguration",
        leaves: "",
    },
    Attempt {
        name: "into-network",
        what: "place the live function in a subnet of another network",
        after: &[],
        call: "lambda:UpdateFunctionConfiguration",
        leaves: "",
    },
    Attempt {
        name: "out-of-network",
        what: "take the function in the network out of it",
        after: &[],
        call: "lambda:UpdateFunctionConfiguration",
        leaves: "",
    },
    Attempt {
        name: "frozen",
        what: "release code of the frozen function",
        after: &[],
        call: "lambda:UpdateFunctionCode",
        leaves: "",
    },
    Attempt {
        name: "code",
        what: "get the live function with the address of its code",
        after: &[],
        call: "lambda:GetFunction",
        leaves: "",
    },
    Attempt {
        name: "create",
        what: "create another function",
        after: &["lambda:GetFunctionConfiguration"],
        call: "lambda:CreateFunction",
        leaves: "the function whose name ends in `-another`: delete it in Lambda",
    },
    Attempt {
        name: "service-network",
        what: "place the live container in a subnet of another network",
        after: &[],
        call: "ecs:UpdateService",
        leaves: "",
    },
    Attempt {
        name: "execute-command",
        what: "switch ECS Exec on for the live container",
        after: &[],
        call: "ecs:UpdateService",
        leaves: "",
    },
    Attempt {
        name: "other-role",
        what: "register a task definition of the live container that runs as the frozen function's role",
        after: &["lambda:GetFunctionConfiguration"],
        call: "ecs:RegisterTaskDefinition",
        leaves: "a revision of the container's task definition: deregister it in ECS",
    },
    Attempt {
        name: "larger-task",
        what: "register a task definition of the live container with 16 vCPU and 32 GiB",
        after: &[],
        call: "ecs:RegisterTaskDefinition",
        leaves: "a revision of the container's task definition: deregister it in ECS",
    },
    Attempt { name: "read", what: "list the storage's files", after: &[], call: "s3:ListObjectsV2", leaves: "" },
];

#[async_trait]
impl Provable for Aws {
    fn adapter(&self) -> &'static dyn Adapter {
        &alien_aws::Adapter
    }

    fn title(&self) -> &'static str {
        "AWS"
    }

    fn facts(&self) -> &'static [Fact] {
        FACTS
    }

    fn attempts(&self) -> &'static [Attempt] {
        ATTEMPTS
    }

    /// Prices: <https://aws.amazon.com/fargate/pricing/>, <https://aws.amazon.com/vpc/pricing/>.
    fn cost(&self) -> &'static str {
        "one Fargate task of the smallest size and one public IPv4 address for as long as it runs, typically under half an hour: \
         about 0.02 USD an hour; all else is within the free tiers or costs less than that"
    }

    fn needs(&self, record: &Deployment) -> Result<Vec<Need>> {
        let mut needs = needs::<alien_aws::Aws>(record, ["sts:AssumeRole", "sts:AssumeRole"])?;
        // Calls about the caller name no resource of the deployment.
        let of_caller = alien_aws::Aws::operations().rows().iter().filter(|row| row.on == Scope::Caller);
        needs.extend(of_caller.map(|row| {
            let (call, right) = (row.call.to_owned(), row.permission.to_owned());
            Need { who: Who::Admin, call, right, on: vec!["*".to_owned()] }
        }));
        needs.sort();
        Ok(needs)
    }

    async fn outsider(&self, _: &Deployment, vendor: &Connection) -> Result<Box<dyn Outsider>> {
        let config = alien_aws::Config::connected(vendor).await?;
        Ok(Box::new(AwsVendor::new(config.sdk_config())))
    }
}

/// The vendor of a deployment on AWS, with the clients of AWS's SDK.
#[derive(Debug)]
pub struct AwsVendor(SdkConfig);

impl AwsVendor {
    /// Calls with the credentials, the endpoint and the HTTP client of an SDK configuration, in the region of each deployment.
    #[must_use]
    pub const fn new(sdk: SdkConfig) -> Self {
        Self(sdk)
    }

    /// A session of the management role, with all rights that the role has.
    async fn enter(&self, deployment: &Deployment) -> Result<SdkConfig> {
        let field = |name: &str| deployment.target.field(name).unwrap_or_default().to_owned();
        let config = self.0.to_builder().region(Region::new(field("region"))).build();
        let role = aws_sdk_sts::Client::new(&config).assume_role().role_arn(&deployment.identity);
        let entered = role.role_session_name("alien-prove").external_id(field("externalId")).send().await;
        let entered = entered.map_err(|error| Error::new(ErrorKind::Denied, told(&error)))?;
        let none = || Error::new(ErrorKind::Internal, "STS gave no credentials");
        let given = entered.credentials.ok_or_else(none)?;
        let token = Some(given.session_token);
        let session = Credentials::new(given.access_key_id, given.secret_access_key, token, None, "alien-prove");
        Ok(config.to_builder().credentials_provider(SharedCredentialsProvider::new(session)).build())
    }
}

/// The code and the message of a failure.
fn told<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> String {
    match (error.code(), error.message()) {
        (Some(code), message) => format!("{code}: {}", message.unwrap_or_default()),
        (None, _) => format!("{error}"),
    }
}

fn outcome<T, E: ProvideErrorMetadata, R>(called: Result<T, SdkError<E, R>>) -> Outcome {
    match called {
        Ok(_) => Outcome::Allowed,
        // Each service has a code of its own that begins so.
        Err(error) if error.code().is_some_and(|code| code.starts_with("AccessDenied")) => {
            Outcome::Refused(told(&error))
        }
        Err(error) => Outcome::Unclear(told(&error)),
    }
}

/// A subnet and a security group that no account has: a request is decided before they are looked for.
const SUBNET: &str = "subnet-0123456789abcdef0";
const GROUP: &str = "sg-0123456789abcdef0";

#[async_trait]
impl Outsider for AwsVendor {
    async fn attempt(&self, deployment: &Deployment, name: &str) -> Result<Outcome> {
        let session = self.enter(deployment).await?;
        let lambda = aws_sdk_lambda::Client::new(&session);
        let ecs = aws_sdk_ecs::Client::new(&session);
        let (api, inside) = (id(deployment, API)?, id(deployment, INSIDE)?);
        let (ledger, worker) = (id(deployment, LEDGER)?, id(deployment, WORKER)?);
        let zip = || bootstrap("another").map(|zip| Blob::new(zip.to_vec()));
        let settings = |function: &str| lambda.update_function_configuration().function_name(function);
        let service = || {
            let cluster = worker.rsplit('/').nth(1).unwrap_or_default();
            ecs.update_service().cluster(cluster).service(worker)
        };
        let definition = || {
            let container =
                ContainerDefinition::builder().name("worker").image("public.ecr.aws/docker/library/busybox");
            let family = worker.rsplit('/').next().unwrap_or_default();
            ecs.register_task_definition().family(family).container_definitions(container.build())
        };
        Ok(match name {
            "layers" => {
                let field = |name: &str| deployment.target.field(name).unwrap_or_default();
                let layer = format!("arn:aws:lambda:{}:{}:layer:prove:1", field("region"), field("account"));
                outcome(settings(api).layers(layer).send().await)
            }
            "into-network" => {
                let network = VpcConfig::builder().subnet_ids(SUBNET).security_group_ids(GROUP).build();
                outcome(settings(api).vpc_config(network).send().await)
            }
            "out-of-network" => {
                let nowhere = VpcConfig::builder().set_subnet_ids(Some(Vec::new()));
                let nowhere = nowhere.set_security_group_ids(Some(Vec::new())).build();
                outcome(settings(inside).vpc_config(nowhere).send().await)
            }
            "frozen" => outcome(lambda.update_function_code().function_name(ledger).zip_file(zip()?).send().await),
            "code" => outcome(lambda.get_function().function_name(api).send().await),
            "create" => {
                let prefix = deployment.target.field("prefix").unwrap_or_default();
                let role = self.role(&lambda, api).await?;
                let another = lambda.create_function().function_name(format!("{prefix}-another")).role(role);
                let another = another.code(FunctionCode::builder().zip_file(zip()?).build());
                outcome(another.runtime(Runtime::Providedal2023).handler("bootstrap").send().await)
            }
            "service-network" => {
                let subnets = AwsVpcConfiguration::builder().subnets(SUBNET).security_groups(GROUP).build();
                let subnets = subnets.map_err(|error| Error::new(ErrorKind::Internal, error.to_string()))?;
                let network = NetworkConfiguration::builder().awsvpc_configuration(subnets).build();
                outcome(service().network_configuration(network).send().await)
            }
            "execute-command" => outcome(service().enable_execute_command(true).send().await),
            "other-role" => {
                let role = self.role(&lambda, ledger).await?;
                outcome(definition().task_role_arn(role).send().await)
            }
            "larger-task" => outcome(definition().cpu("16384").memory("32768").send().await),
            "read" => {
                let s3 = aws_sdk_s3::config::Builder::from(&session).force_path_style(session.endpoint_url().is_some());
                let bucket = id(deployment, DATA)?.rsplit(':').next().unwrap_or_default();
                outcome(aws_sdk_s3::Client::from_conf(s3.build()).list_objects_v2().bucket(bucket).send().await)
            }
            _ => return Err(unknown(name)),
        })
    }
}

impl AwsVendor {
    /// The role that a function runs as.
    async fn role(&self, lambda: &aws_sdk_lambda::Client, function: &str) -> Result<String> {
        let found = lambda.get_function_configuration().function_name(function).send().await;
        let found = found.map_err(|error| Error::new(ErrorKind::Denied, told(&error)))?;
        found.role.ok_or_else(|| Error::new(ErrorKind::Internal, "a function without a role"))
    }
}
