//! The calls for a container.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use alien_core::adapter::{
    Change, LogPage, LogQuery, Marks, Observed, Operate, Reconcile, Removal, ResultExt, Runs, State, field_drift, last,
};
use alien_core::{Container, Data, Error, ErrorKind, Health, Heartbeat, Lifecycle, Result};
use async_trait::async_trait;
use aws_sdk_ecs::types::{
    AssignPublicIp, AwsVpcConfiguration, Deployment, DeploymentRolloutState, LaunchType, NetworkConfiguration,
    PropagateTags, Service, ServiceField,
};

use super::super::compute::calls as compute;
use super::super::network::calls as network;
use super::definition::{definition, deregister, execution_role, register, revision};
use super::restored::{careful, changed_fields, set_back};
use crate::Aws;
use crate::client::{Clients, Context, failure};
use crate::cluster::calls::tags;
use crate::operations as op;
use crate::operations::Scope;

/// How long a deployment of a service may take. The image is pulled, and failing tasks are started several times before
/// the circuit breaker triggers
/// (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-circuit-breaker.html>).
const PATIENCE: Duration = Duration::from_secs(600);

/// The tag on a service that names the task definition revision it was last set to.
const DEFINITION: &str = "alien-definition";

/// The tag on a service that names the execution role of that revision: nobody reads a revision, and earlier versions named
/// the runtime role there.
const STARTED_AS: &str = "alien-started-as";

#[async_trait]
impl Reconcile<Aws, Clients> for Container {
    /// The service's tags tell whether it exists and whose it is. ECS lists a deleted service for a while.
    async fn observe(&self, cx: Context<'_>) -> Result<Observed> {
        let copies = self.replicas().min;
        let network = cx.resource()?.settings().compute().and_then(|compute| compute.network);
        // Which revision of a live service runs, and how often, is the vendor's: see `running`.
        let is_frozen = cx.resource()?.lifecycle() == Lifecycle::Frozen;
        let Some(service) = look(cx).await? else { return Ok(Observed::Absent) };
        let tags = || service.tags().iter().filter_map(|tag| Some((tag.key()?, tag.value()?)));
        let observed = Observed::marked(service.service_arn().unwrap_or_default(), cx.deployment().owner(), tags());
        if !matches!(observed, Observed::Own { state: State::Finished(_), .. }) {
            return Ok(observed);
        }
        let finished = tags().find(|(key, _)| *key == DEFINITION).map(|(_, value)| value);
        let runs = service.task_definition().map(revision);
        let placed = service.network_configuration().and_then(NetworkConfiguration::awsvpc_configuration);
        let misplaced = network::misplaced(cx, network, placed.map_or(&[], AwsVpcConfiguration::subnets));
        let beside = changed_fields(&service);
        let starts_as = last(execution_role(cx)?);
        let is_started_apart = tags().any(|(key, value)| key == STARTED_AS && value == starts_as);
        let own = match finished {
            Some(_) if !is_started_apart => Some(format!("its tasks are not started as `{starts_as}`")),
            Some(_) if !beside.is_empty() => field_drift(&beside),
            Some(finished) if is_frozen && runs != Some(finished) => {
                Some(format!("it runs {}", runs.unwrap_or("nothing")))
            }
            Some(_) if misplaced.is_some() => misplaced,
            _ if is_frozen && u32::try_from(service.desired_count()) != Ok(copies) => {
                Some(format!("its desired count is {}", service.desired_count()))
            }
            _ => None,
        };
        compute::with_logs(cx, observed, service.service_arn().unwrap_or_default(), own).await
    }

    /// Creates the service with no tasks, because its log group must exist first. A service cannot be created without a
    /// task definition.
    async fn create(&self, cx: Context<'_>, marks: &Marks) -> Result<()> {
        let name = cx.name(Scope::Service)?;
        let definition = register(cx, cx.resource()?, self, Some(marks)).await?;
        let request = cx
            .clients
            .ecs()
            .create_service()
            .cluster(cx.name(Scope::Cluster)?)
            .service_name(name)
            .task_definition(definition)
            .launch_type(LaunchType::Fargate)
            .desired_count(0)
            .network_configuration(placement(cx).await?)
            .deployment_configuration(careful())
            .enable_execute_command(false)
            .propagate_tags(PropagateTags::Service)
            .set_tags(Some(tags(marks.ownership(name))));
        cx.call(&[op::CREATE_SERVICE, op::TAG_SERVICE, op::PASS_ROLE_TO_TASKS], || async {
            request.clone().send().await.map_err(failure).map_err(|error| {
                // ECS has no error codes for these two.
                if error.message().contains("not idempotent") {
                    error.with_kind(ErrorKind::AlreadyExists)
                } else if error.message().contains("still Draining") {
                    error.with_kind(ErrorKind::Busy)
                } else {
                    error
                }
            })
        })
        .await
        .map(drop)
    }

    /// Registers a new task definition every time: existing ones are never read.
    async fn configure(&self, cx: Context<'_>, marks: &Marks) -> Result<()> {
        compute::set_up_logs(cx, marks, cx.name(Scope::Service)?).await?;
        let beside = look(cx).await?.map(|service| changed_fields(&service)).unwrap_or_default();
        let definition = register(cx, cx.resource()?, self, Some(marks)).await?;
        let request = cx
            .clients
            .ecs()
            .update_service()
            .cluster(cx.name(Scope::Cluster)?)
            .service(cx.name(Scope::Service)?)
            .task_definition(&definition)
            .desired_count(copies(self))
            .network_configuration(placement(cx).await?)
            .deployment_configuration(careful())
            .enable_execute_command(false)
            .propagate_tags(PropagateTags::Service);
        let request = if beside.is_empty() { request } else { set_back(request) };
        cx.call(&[op::UPDATE_SERVICE, op::PASS_ROLE_TO_TASKS], || async {
            request.clone().send().await.map_err(failure)
        })
        .await?;
        steady(cx, Awaited::Definition(&definition)).await?;
        let finished =
            [(DEFINITION, revision(&definition).to_owned()), (STARTED_AS, last(execution_role(cx)?).to_owned())];
        mark(cx, marks.all(cx.name(Scope::Service)?).into_iter().chain(finished)).await
    }

    /// Deletes what belongs to the service first: while the service exists, a later run finds an interrupted removal.
    /// Running tasks need neither the task definition nor the log group.
    async fn delete(&self, cx: Context<'_>, _: Data) -> Result<Removal> {
        let Some(service) = look(cx).await? else { return Ok(Removal::Gone) };
        // Without its fingerprint, a set-up after an interruption sees that the service is unfinished.
        mark(cx, [(Marks::FINGERPRINT, String::new())]).await?;
        // To deregister a task definition takes a permission on everybody's, which only the admin has. One that stays costs
        // nothing, and nobody can run it without a service.
        if !cx.is_vendors() {
            deregister(cx, &service).await?;
        }
        compute::remove_logs(cx).await?;
        let (cluster, name) = (cx.name(Scope::Cluster)?, cx.name(Scope::Service)?);
        cx.call(&[op::DELETE_SERVICE], || async {
            cx.clients.ecs().delete_service().cluster(cluster).service(name).force(true).send().await.map_err(failure)
        })
        .await
        .optional()?;
        cx.until(PATIENCE, || async move {
            Ok(match found(cx).await? {
                Some(service) if service.status() != Some("INACTIVE") => {
                    ControlFlow::Continue(format!("{} of its tasks still run", service.running_count()))
                }
                _ => ControlFlow::Break(Removal::Gone),
            })
        })
        .await
    }
}

#[async_trait]
impl Operate<Aws, Clients> for Container {
    async fn logs(&self, cx: Context<'_>, query: &LogQuery) -> Result<LogPage> {
        compute::logs(cx, query).await
    }

    /// Calls DescribeServices, and nothing else.
    async fn heartbeat(&self, cx: Context<'_>) -> Result<Heartbeat> {
        let Some(service) = look(cx).await? else {
            return Ok(Heartbeat::new(Health::Missing, "ECS has no such service"));
        };
        let runs = format!("{} of {} tasks run", service.running_count(), service.desired_count());
        let deployment = primary(&service);
        let reason = deployment.and_then(Deployment::rollout_state_reason).unwrap_or("ECS gives no reason");
        let beat = match deployment.and_then(Deployment::rollout_state) {
            Some(DeploymentRolloutState::Failed) => Heartbeat::new(Health::Degraded, format!("{runs}: {reason}")),
            Some(DeploymentRolloutState::InProgress) => {
                Heartbeat::new(Health::Degraded, format!("{runs}, a deployment is in progress: {reason}"))
            }
            _ if service.running_count() < service.desired_count() => Heartbeat::new(Health::Degraded, runs),
            _ => Heartbeat::new(Health::Healthy, runs),
        };
        Ok(beat.running(version(&service)))
    }

    /// Calls DescribeServices, and nothing else. To read a task definition would take a permission on everybody's, so only
    /// its revision is known, and how many tasks are wanted.
    async fn running(&self, cx: Context<'_>) -> Result<Runs> {
        let missing = || Error::new(ErrorKind::NotFound, "ECS has no such service");
        let service = look(cx).await?.ok_or_else(missing)?;
        let set = service.tags().iter().find(|tag| tag.key() == Some(DEFINITION)).and_then(|tag| tag.value());
        Ok(Runs::Version { runs: version(&service), set: set.map(|set| format!("{set}/{}", copies(self))) })
    }

    /// Registers a new task definition if what runs changes, and waits until the service runs it.
    async fn update(&self, cx: Context<'_>, change: &Change) -> Result<()> {
        let (old, new, wanted) = (cx.resource()?, &change.resource, change.settings::<Self>()?);
        let missing = || Error::new(ErrorKind::NotFound, "ECS has no such service");
        let service = look(cx).await?.ok_or_else(missing)?;
        // ECS takes no revision with an update, and has nothing else that makes one conditional
        // (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_UpdateService.html>): whoever writes between this
        // look and the update is not seen.
        if change.revision().is_some_and(|seen| seen != version(&service)) {
            let what = format!("it runs `{}`", version(&service));
            return Err(Error::new(ErrorKind::Conflict, what).into_conflict());
        }
        let differs = definition(cx, old, self).await?.as_input() != definition(cx, new, wanted).await?.as_input();
        // After an update that was interrupted, nobody knows which revision runs.
        let other = change.again || differs;
        let sent = async {
            let registered = if other { Some(register(cx, new, wanted, None).await?) } else { None };
            send(cx, registered.as_deref(), copies(wanted)).await.map(|()| registered)
        };
        let registered = sent.await.map_err(|error| compute::untaken(error, change))?;
        let error = match steady(cx, Awaited::of(registered.as_deref())).await {
            Err(error) if error.kind() == ErrorKind::Failed => error,
            steady => return steady,
        };
        // The circuit breaker rolls back by itself if tasks do not start; the rollback below then changes nothing.
        let previous = service.task_definition().filter(|_| other);
        let back = async {
            send(cx, previous, service.desired_count()).await?;
            steady(cx, Awaited::of(previous)).await
        }
        .await;
        Err(match back {
            // Then what ran before may not be what the record says.
            Ok(()) if change.again => error.because("what ran before was put back and runs"),
            Ok(()) => error.because("what ran before was put back and runs").with_put_back(),
            Err(second) => error.because(format!("what ran before was put back, but does not run yet: {second}")),
        })
    }

    /// Starts a deployment of what the service runs: no task definition and no count are in the request, so that both stay
    /// as they are
    /// (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_UpdateService.html#ECS-UpdateService-request-forceNewDeployment>).
    /// The tasks before run until the new ones do; if those do not start, the circuit breaker ends the deployment.
    async fn redeploy(&self, cx: Context<'_>) -> Result<()> {
        let request = cx
            .clients
            .ecs()
            .update_service()
            .cluster(cx.name(Scope::Cluster)?)
            .service(cx.name(Scope::Service)?)
            .force_new_deployment(true)
            .enable_execute_command(false);
        let begun =
            cx.call(&[op::UPDATE_SERVICE_IN_PLACE], || async { request.clone().send().await.map_err(failure) }).await?;
        let id = begun.service().and_then(primary).and_then(Deployment::id);
        let id = id.ok_or_else(|| Error::missing_field("deployment of the service"))?;
        steady(cx, Awaited::Deployment(id)).await
    }
}

/// The deployment of a service that is waited for.
#[derive(Clone, Copy)]
enum Awaited<'a> {
    /// Of this task definition.
    Definition(&'a str),
    /// Of this id.
    Deployment(&'a str),
    /// The present one.
    Primary,
}

impl<'a> Awaited<'a> {
    fn of(definition: Option<&'a str>) -> Self {
        definition.map_or(Self::Primary, Self::Definition)
    }

    fn is(self, deployment: &Deployment) -> bool {
        match self {
            Self::Definition(arn) => deployment.task_definition() == Some(arn),
            Self::Deployment(id) => deployment.id() == Some(id),
            Self::Primary => deployment.status() == Some("PRIMARY"),
        }
    }
}

/// What runs, as far as it is known: the family and revision of the task definition, and the number of tasks,
/// `family:7/2`.
fn version(service: &Service) -> String {
    let runs = service.task_definition().map(revision).unwrap_or_default();
    format!("{runs}/{}", service.desired_count())
}

/// Updates the service: its desired count, and its task definition if one is given. The vendor's policy admits nothing
/// else in this request (`Scope::ServiceInPlace`).
async fn send(cx: Context<'_>, definition: Option<&str>, copies: i32) -> Result<()> {
    let request = cx
        .clients
        .ecs()
        .update_service()
        .cluster(cx.name(Scope::Cluster)?)
        .service(cx.name(Scope::Service)?)
        .set_task_definition(definition.map(str::to_owned))
        .desired_count(copies)
        .enable_execute_command(false);
    let rows: &[_] = match definition {
        Some(_) => &[op::UPDATE_SERVICE_IN_PLACE, op::PASS_ROLE_TO_TASKS],
        None => &[op::UPDATE_SERVICE_IN_PLACE],
    };
    cx.call(rows, || async { request.clone().send().await.map_err(failure) }).await.map(drop)
}

/// How many tasks run: the minimum of the stack. Nothing scales them up.
fn copies(container: &Container) -> i32 {
    i32::try_from(container.replicas().min).unwrap_or(i32::MAX)
}

/// The network configuration of the tasks. They get public addresses, because a network of the deployment and the
/// account's default VPC have no other route to the image and the logs. The security group decides who reaches them
/// (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-task-networking.html>).
async fn placement(cx: Context<'_>) -> Result<NetworkConfiguration> {
    let compute = cx.resource()?.settings().compute();
    let (subnets, groups) = match compute.and_then(|compute| compute.network) {
        Some(network) => {
            let placement = network::placement(cx, cx.deployment().subject(network)?).await?;
            (placement.subnets, placement.security_groups)
        }
        None => (default_subnets(cx).await?, Vec::new()),
    };
    let placed = AwsVpcConfiguration::builder()
        .set_subnets(Some(subnets))
        .set_security_groups(Some(groups))
        .assign_public_ip(AssignPublicIp::Enabled)
        .build()
        .map_err(|error| Error::new(ErrorKind::Internal, error.to_string()))?;
    Ok(NetworkConfiguration::builder().awsvpc_configuration(placed).build())
}

/// The subnets of the account's default VPC
/// (<https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeSubnets.html>).
async fn default_subnets(cx: Context<'_>) -> Result<Vec<String>> {
    let filter = [("Filter.1.Name", "default-for-az"), ("Filter.1.Value.1", "true")];
    let filter = filter.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let answer = cx.call(&[op::DESCRIBE_SUBNETS], || cx.clients.ec2().call("DescribeSubnets", &filter)).await?;
    let subnets: Vec<String> =
        answer.items("subnetSet").filter_map(|subnet| subnet.text("subnetId").map(str::to_owned)).collect();
    if subnets.is_empty() {
        let what = "the account has no default VPC in this region to run the container in";
        return Err(Error::new(ErrorKind::Input, format!("{what}; create one, or give the container a network")));
    }
    Ok(subnets)
}

/// The service in any status; `None` if ECS does not know it.
async fn found(cx: Context<'_>) -> Result<Option<Service>> {
    let (cluster, name) = (cx.name(Scope::Cluster)?, cx.name(Scope::Service)?);
    let answer = cx
        .call(&[op::DESCRIBE_SERVICES], || async {
            let request =
                cx.clients.ecs().describe_services().cluster(cluster).services(name).include(ServiceField::Tags);
            request.send().await.map_err(failure)
        })
        .await
        .optional()?;
    // ECS reports a service that does not exist as a failure, with the reason `MISSING`.
    Ok(answer.and_then(|answer| answer.services.unwrap_or_default().into_iter().next()))
}

/// The service, unless it was deleted.
async fn look(cx: Context<'_>) -> Result<Option<Service>> {
    Ok(found(cx).await?.filter(|service| service.status() == Some("ACTIVE")))
}

fn primary(service: &Service) -> Option<&Deployment> {
    service.deployments().iter().find(|deployment| deployment.status() == Some("PRIMARY"))
}

/// Waits until the service runs only this deployment, as often as desired.
async fn steady(cx: Context<'_>, awaited: Awaited<'_>) -> Result<()> {
    let failed = |what: String| Err(Error::new(ErrorKind::Failed, what).in_operation(op::DESCRIBE_SERVICES.call));
    let seen = &AtomicBool::new(false);
    cx.until(PATIENCE, || async move {
        let Some(service) = look(cx).await? else {
            return failed("the service was deleted while the deployment was in progress".to_owned());
        };
        let deployment = service.deployments().iter().find(|deployment| awaited.is(deployment));
        let Some(deployment) = deployment else {
            if !seen.load(Ordering::Relaxed) {
                return Ok(ControlFlow::Continue("ECS does not list the deployment yet".to_owned()));
            }
            return failed("the service does not run the new tasks: the deployment was rolled back".to_owned());
        };
        seen.store(true, Ordering::Relaxed);
        let reason = deployment.rollout_state_reason().unwrap_or("ECS gives no reason");
        let runs = format!("{} of {} tasks run", deployment.running_count(), deployment.desired_count());
        let done = deployment.status() == Some("PRIMARY")
            && deployment.rollout_state() == Some(&DeploymentRolloutState::Completed)
            && deployment.running_count() == deployment.desired_count()
            && service.running_count() == service.desired_count();
        match deployment.rollout_state() {
            Some(DeploymentRolloutState::Failed) => failed(format!("the deployment failed: {reason}")),
            _ if done => Ok(ControlFlow::Break(())),
            _ => Ok(ControlFlow::Continue(format!("{runs}: {reason}"))),
        }
    })
    .await
}

async fn mark(cx: Context<'_>, marks: impl IntoIterator<Item = (&'static str, String)>) -> Result<()> {
    let request =
        cx.clients.ecs().tag_resource().resource_arn(cx.full_name(Scope::Service)?).set_tags(Some(tags(marks)));
    cx.call(&[op::TAG_SERVICE], || async { request.clone().send().await.map_err(failure) }).await.map(drop)
}
