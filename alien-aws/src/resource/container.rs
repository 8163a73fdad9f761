//! `container`: a Fargate service on ECS, in the deployment's own cluster, and its log group.

#[cfg(feature = "client")]
pub(crate) mod calls;
#[cfg(feature = "client")]
mod definition;
#[cfg(feature = "client")]
mod restored;

use alien_core::adapter::{CodeForms, Fields, On, Operation, Placed, Rows};
use alien_core::{Bounds, Container, Problem, Replicas, Rule, Set};

use super::compute;
use crate::Aws;
use crate::cluster;
use crate::naming::Arns;
use crate::operations as op;
use crate::operations::Scope;
use crate::registry::ECR;
use crate::variables;

/// The longest name of a service or a task definition family, in characters
/// (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_CreateService.html>).
const MAX: usize = 255;

/// The key of the processors of a task, in units.
pub(crate) const CPU: &str = "ecs:task-cpu";
/// The key of the memory of a task, in MiB.
pub(crate) const MEMORY: &str = "ecs:task-memory";

/// The numbers that the stack allows for one of these keys
/// (<https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonelasticcontainerservice.html#amazonelasticcontainerservice-policy-keys>).
pub(crate) fn bounds(container: &Container, key: &str) -> Option<Bounds> {
    match key {
        CPU => {
            let Bounds { min, max } = container.cpu_bounds();
            Some(Bounds { min: units(min), max: units(max) })
        }
        MEMORY => Some(container.memory_bounds()),
        _ => None,
    }
}

/// The units of thousandths of a vCPU, which has 1,024
/// (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-cpu-memory-error.html>).
fn units(millis: u32) -> u32 {
    u32::try_from(u64::from(millis) * 1024 / 1000).unwrap_or(u32::MAX)
}

/// <https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RegisterTaskDefinition.html>
///
/// What a task reads of secrets, files and logs, it reads as its role, which a set-up gave no right to that. On Fargate a
/// task has a network interface of its own, no volume of a host, and no device
/// (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-tasks-services.html>).
const DEFINITION: &[Fields] = &[
    Fields::call(&["family"]),
    Fields::vendors(&[
        "containerDefinitions",
        "enableFaultInjection",
        "inferenceAccelerators",
        "ipcMode",
        "networkMode",
        "pidMode",
        "placementConstraints",
        "proxyConfiguration",
        "requiresCompatibilities",
        "runtimePlatform",
        "trustedExecutionConfiguration",
    ]),
    Fields::kept_by("ecs:privileged", &["containerDefinitions[].privileged"]),
    Fields::kept_by(CPU, &["cpu"]),
    Fields::kept_by(MEMORY, &["memory"]),
    Fields::needing("iam:PassRole", &["executionRoleArn", "taskRoleArn"]),
    Fields::needing("ecs:TagResource", &["tags"]),
    Fields::disclosed("mount file systems that its network and its runtime role let it reach", &["volumes"]),
    Fields::disclosed("take up to 200 GiB of temporary storage a task", &["ephemeralStorage"]),
];

/// <https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_UpdateService.html>
pub(super) const SERVICE: &[Fields] = &[
    Fields::call(&["cluster", "service", "forceNewDeployment"]),
    Fields::vendors(&[
        "desiredCount",
        "deploymentConfiguration",
        "availabilityZoneRebalancing",
        "healthCheckGracePeriodSeconds",
        "monitoring",
        "placementConstraints",
        "placementStrategy",
        "platformVersion",
    ]),
    Fields::needing("iam:PassRole", &["deploymentConfiguration.lifecycleHooks[].roleArn"]),
    Fields::kept_by("ecs:capacity-provider", &["capacityProviderStrategy"]),
    Fields::kept_by("ecs:enable-ebs-volumes", &["volumeConfigurations"]),
    Fields::kept_by("ecs:enable-ecs-managed-tags", &["enableECSManagedTags"]),
    Fields::kept_by("ecs:enable-execute-command", &["enableExecuteCommand"]),
    Fields::kept_by("ecs:enable-service-connect", &["serviceConnectConfiguration"]),
    Fields::kept_by("ecs:namespace", &["serviceConnectConfiguration.namespace"]),
    Fields::kept_by("ecs:enable-vpc-lattice", &["vpcLatticeConfigurations"]),
    Fields::kept_by("ecs:propagate-tags", &["propagateTags"]),
    Fields::kept_by("ecs:subnet", &["networkConfiguration"]),
    Fields::kept_by("ecs:auto-assign-public-ip", &["networkConfiguration.awsvpcConfiguration.assignPublicIp"]),
    Fields::kept_by("ecs:task-definition", &["taskDefinition"]),
    Fields::restored(
        "attach it to load balancers and service registries of the account",
        &["loadBalancers", "serviceRegistries"],
    ),
    // No look at a service shows these.
    Fields::disclosed("attach it to gateways of the account", &["gatewayConnectors"]),
    Fields::restored("hand its deployments to another controller", &["deploymentController"]),
    Fields::restored(
        "have functions of the account called while it is rolled out, by a role that already may",
        &["deploymentConfiguration.lifecycleHooks"],
    ),
];

impl On<Aws> for Container {
    fn set(set: Set) -> Rows<Aws> {
        match set {
            Set::Heartbeat => &[op::DESCRIBE_SERVICES],
            // A new revision names the runtime role and the execution role, so updating it takes `iam:PassRole` of both. Where the service runs is for the
            // admin to set.
            Set::Management => &[op::REGISTER_TASK_DEFINITION, op::UPDATE_SERVICE_IN_PLACE, op::PASS_ROLE_TO_TASKS],
            Set::Logs => &[op::FILTER_LOG_EVENTS],
            Set::Provision => &[
                op::REGISTER_TASK_DEFINITION,
                op::CREATE_SERVICE,
                op::UPDATE_SERVICE,
                op::DELETE_SERVICE,
                op::TAG_SERVICE,
                op::TAG_TASK_DEFINITION,
                op::CREATE_LOG_GROUP,
                op::DELETE_LOG_GROUP,
                op::PUT_LOG_RETENTION,
                op::TAG_LOG_GROUP,
                op::LIST_LOG_GROUP_TAGS,
                op::PASS_ROLE_TO_TASKS,
                op::DESCRIBE_SUBNETS,
                op::DESCRIBE_SECURITY_GROUPS,
            ],
            Set::Setup => &[op::DEREGISTER_TASK_DEFINITION],
            // Of the execution role, which writes the logs and pulls the image: see `Cloud::STARTED_APART`.
            Set::Run => &[
                op::CREATE_LOG_STREAM,
                op::PUT_LOG_EVENTS,
                op::GET_REGISTRY_TOKEN,
                op::BATCH_GET_IMAGE,
                op::GET_IMAGE_LAYER,
                op::CHECK_IMAGE_LAYERS,
            ],
            Set::Dispatch | Set::Invoke | Set::Reconfigure | Set::DataRead | Set::DataWrite => &[],
        }
    }

    fn writes(row: &Operation<Scope>) -> &'static [Fields] {
        match row {
            row if row == op::REGISTER_TASK_DEFINITION => DEFINITION,
            row if row == op::UPDATE_SERVICE_IN_PLACE => SERVICE,
            _ => &[],
        }
    }

    fn name(&self, placed: &Placed<'_, Aws>, things: &mut Vec<(Scope, String)>) {
        let (arns, id) = (Arns(placed.target), placed.id());
        let name = arns.physical(id, MAX);
        let service = arns.regional("ecs", &["service/", &cluster::name(arns), "/", &name]);
        things.push((Scope::Service, service.clone()));
        things.push((Scope::ServiceWithoutShell, service.clone()));
        things.push((Scope::ServiceInPlace, service));
        let family = arns.regional("ecs", &["task-definition/", &name, ":*"]);
        things.push((Scope::TaskFamily, family.clone()));
        things.push((Scope::TaskFamilyUnprivileged, family));
        compute::log_group(arns, &["/ecs/", &name], things);
        compute::repository_names(placed, things);
    }

    /// An image: of several, one in ECR.
    fn code() -> CodeForms {
        CodeForms::IMAGE.preferring(ECR)
    }

    /// Checks CPU, memory, variables and the number of replicas. Fargate takes only some pairs of CPU and memory
    /// (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-tasks-services.html>), and a service
    /// without auto scaling always runs the same number of tasks.
    fn check(&self, placed: &Placed<'_, Aws>, problems: &mut Vec<Problem>) {
        variables::check_container(placed, problems);
        let memory = self.memory_mib();
        let (smallest, largest, step) = match self.cpu_millis() {
            250 => (512, 2048, 512),
            500 => (1024, 4096, 1024),
            1000 => (2048, 8192, 1024),
            2000 => (4096, 16_384, 1024),
            _ => (8192, 30_720, 1024),
        };
        let odd = self.cpu_millis() == 250 && memory == 1536;
        if !(smallest..=largest).contains(&memory) || !memory.is_multiple_of(step) || odd {
            problems.push(Problem::error(
                Rule::Cloud,
                format!("Fargate has no task size of {} thousandths of a vCPU with {memory} MiB", self.cpu_millis()),
                format!("set memory to {smallest} to {largest} MiB in steps of {step}"),
            ));
        }
        let Replicas { min, max } = self.replicas();
        if max > min {
            problems.push(Problem::warning(
                Rule::Cloud,
                format!("the service always runs {min} replicas and never scales up to {max}"),
                "set the minimum of replicas to the number that should run".to_owned(),
            ));
        }
    }
}
