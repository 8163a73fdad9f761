//! The task definition of a container: an ECS service runs one of its revisions.

use alien_core::adapter::{Marks, Subject, environment, last};
use alien_core::{CodeForm, Container, Error, ErrorKind, Resource, Result};
use aws_sdk_ecs::operation::register_task_definition::builders::RegisterTaskDefinitionFluentBuilder;
use aws_sdk_ecs::types::{
    Compatibility, ContainerDefinition, Deployment, KeyValuePair, LogConfiguration, LogDriver, NetworkMode,
    PortMapping, Service, TransportProtocol,
};

use super::super::compute::calls as compute;
use super::units;
use crate::client::{Context, failure};
use crate::cluster::calls::tags;
use crate::operations as op;
use crate::operations::Scope;

/// The name of a task's only container.
const MAIN: &str = "main";

/// The family and revision in the ARN of a task definition, `family:7`.
pub(super) fn revision(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap_or(arn)
}

/// The role that ECS starts the tasks as: it writes the logs and pulls the image.
pub(super) fn execution_role(cx: Context<'_>) -> Result<&str> {
    let missing = || Error::new(ErrorKind::Internal, "no execution role");
    let position = cx.deployment().permissions().platform_position().ok_or_else(missing)?;
    cx.about(Subject::RuntimeIdentity(position)).full_name(Scope::Role)
}

/// Builds the task definition.
pub(super) async fn definition(
    cx: Context<'_>,
    resource: &Resource,
    container: &Container,
) -> Result<RegisterTaskDefinitionFluentBuilder> {
    let Some(CodeForm::Image(image)) = container.code().only() else {
        return Err(Error::new(ErrorKind::Input, "a container cannot run a zip; give it an image"));
    };
    let role = cx.full_name(Scope::RoleForTasks)?;
    let family = cx.full_name(Scope::TaskFamily)?.trim_end_matches(":*");
    let variables = environment(cx, resource).await?;
    let variables = variables.into_iter().map(|(name, value)| KeyValuePair::builder().name(name).value(value).build());
    let port = container.port().map(i32::from).map(|port| {
        PortMapping::builder().container_port(port).host_port(port).protocol(TransportProtocol::Tcp).build()
    });
    let logs = LogConfiguration::builder()
        .log_driver(LogDriver::Awslogs)
        .options("awslogs-group", compute::log_group(cx)?)
        .options("awslogs-region", cx.target().region.as_str())
        .options("awslogs-stream-prefix", MAIN)
        .build()
        .map_err(|error| Error::new(ErrorKind::Internal, error.to_string()))?;
    let main = ContainerDefinition::builder()
        .name(MAIN)
        .image(image)
        .essential(true)
        .set_environment(Some(variables.collect()))
        .set_port_mappings(Some(port.into_iter().collect()))
        .log_configuration(logs);
    Ok(cx
        .clients
        .ecs()
        .register_task_definition()
        .family(last(family))
        .requires_compatibilities(Compatibility::Fargate)
        .network_mode(NetworkMode::Awsvpc)
        .cpu(units(container.cpu_millis()).to_string())
        .memory(container.memory_mib().to_string())
        .task_role_arn(role)
        .execution_role_arn(execution_role(cx)?)
        .container_definitions(main.build()))
}

/// Registers the task definition and returns its ARN with the revision. `marks` is `None` for the vendor, who may not
/// tag.
pub(super) async fn register(
    cx: Context<'_>,
    resource: &Resource,
    container: &Container,
    marks: Option<&Marks>,
) -> Result<String> {
    let request = definition(cx, resource, container).await?;
    let answer = match marks {
        Some(marks) => {
            let request = request.set_tags(Some(tags(marks.ownership(cx.name(Scope::Service)?))));
            cx.call(&[op::REGISTER_TASK_DEFINITION, op::TAG_TASK_DEFINITION, op::PASS_ROLE_TO_TASKS], || async {
                request.clone().send().await.map_err(failure)
            })
            .await?
        }
        None => {
            cx.call(&[op::REGISTER_TASK_DEFINITION, op::PASS_ROLE_TO_TASKS], || async {
                request.clone().send().await.map_err(failure)
            })
            .await?
        }
    };
    let arn = answer.task_definition().and_then(|registered| registered.task_definition_arn());
    arn.map(str::to_owned).ok_or_else(|| Error::missing_field("task definition"))
}

/// Deregisters every revision, counting up from 1: listing them would take a permission on everybody's. Revisions after
/// the one that the service runs come from failed updates.
pub(super) async fn deregister(cx: Context<'_>, service: &Service) -> Result<()> {
    let family = cx.name(Scope::Service)?;
    let named = service.deployments().iter().filter_map(Deployment::task_definition).chain(service.task_definition());
    let newest = named.filter_map(|arn| last(arn).parse::<u32>().ok()).max().unwrap_or_default();
    for revision in 1.. {
        let done = cx
            .call(&[op::DEREGISTER_TASK_DEFINITION], || async {
                let request =
                    cx.clients.ecs().deregister_task_definition().task_definition(format!("{family}:{revision}"));
                request.send().await.map_err(failure)
            })
            .await;
        match done {
            // Already deregistered, or never registered.
            Err(error) if matches!(error.kind(), ErrorKind::Rejected | ErrorKind::NotFound) => {
                if revision > newest {
                    break;
                }
            }
            done => drop(done?),
        }
    }
    Ok(())
}
