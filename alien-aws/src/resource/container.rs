//! `container`: a Fargate service on ECS, in the deployment's own cluster, and its log group.

#[cfg(feature = "client")]
pub(crate) mod calls;

use alien_core::adapter::{CodeForms, On, Placed, Rows};
use alien_core::{Container, Problem, Replicas, Rule, Set};

use super::compute;
use crate::Aws;
use crate::cluster;
use crate::naming::Arns;
use crate::operations as op;
use crate::operations::Scope;

/// The longest name of a service or a task definition family, in characters
/// (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_CreateService.html>).
const MAX: usize = 255;

impl On<Aws> for Container {
    fn set(set: Set) -> Rows<Aws> {
        match set {
            Set::Heartbeat => &[op::DESCRIBE_SERVICES],
            // A new revision names the runtime role, so updating it takes `iam:PassRole`. Where the service runs is for the
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
            // The task role is also the execution role: it writes the logs and pulls the image.
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
        CodeForms::IMAGE.preferring(compute::ECR)
    }

    /// Checks CPU, memory and the number of replicas. Fargate takes only some pairs of CPU and memory
    /// (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-tasks-services.html>), and a service
    /// without auto scaling always runs the same number of tasks.
    fn check(&self, _: &Placed<'_, Aws>, problems: &mut Vec<Problem>) {
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
