//! The six kinds on AWS, one file a kind: their names, their permission sets, what AWS does not take.

use alien_core::cloud::Operation;
use alien_core::permission::Set;
#[cfg(feature = "client")]
use alien_core::permission::Subject;
use alien_core::resource::{Resource, Settings};
use alien_core::{Kind, Problem, Rule, Stack};

use crate::naming::Arns;
use crate::operations::Scope;

pub(crate) mod compute;
pub(crate) mod container;
pub(crate) mod function;
pub(crate) mod kv;
pub(crate) mod network;
pub(crate) mod queue;
pub(crate) mod storage;

pub(crate) use container::{cluster, cluster_set};

type Rows = &'static [&'static Operation<Scope>];

/// The operations of a kind's permission set.
pub(crate) fn set(kind: Kind, set: Set) -> Rows {
    match kind {
        Kind::Function => function::set(set),
        Kind::Container => container::set(set),
        Kind::Storage => storage::set(set),
        Kind::Kv => kv::set(set),
        Kind::Queue => queue::set(set),
        Kind::Network => network::set(set),
    }
}

/// Names what belongs to a resource, its id first.
pub(crate) fn names(arns: Arns<'_>, resource: &Resource, things: &mut Vec<(Scope, String)>) {
    let id = resource.id().as_str();
    match resource.settings() {
        Settings::Function(function) => function::names(arns, id, function, things),
        Settings::Container(_) => container::names(arns, id, things),
        Settings::Storage(_) => storage::names(arns, id, things),
        Settings::Kv(_) => kv::names(arns, id, things),
        Settings::Queue(queue) => queue::names(arns, id, queue, things),
        Settings::Network(network) => network::names(arns, id, network, things),
    }
    if let Some(code) = resource.settings().compute()
        && let Some(repository) = compute::repository(code.code)
    {
        things.extend([(Scope::Repository, repository), (Scope::Registry, "*".to_owned())]);
    }
}

/// What code is told of a resource that it is linked to, in the variable that the resource's id gives:
///
/// * a storage: the name of its bucket; a table's, a function's and a container's name as well;
/// * a queue: its URL (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-queue-message-identifiers.html>);
/// * a network: the id of its VPC; until that is on record, its name, which the VPC has as its tag.
#[cfg(feature = "client")]
pub(crate) fn address(site: &alien_core::DeploymentContext<crate::Aws>, subject: Subject) -> String {
    use alien_core::call::last;
    let Subject::Resource(position) = subject else { return String::new() };
    let name = last(site.names.id(position));
    match site.stack().at(position).map(Resource::kind) {
        Some(Kind::Queue) => {
            let crate::Target { region, account, .. } = &site.target;
            let domain = if region.partition() == "aws-cn" { "amazonaws.com.cn" } else { "amazonaws.com" };
            format!("https://sqs.{region}.{domain}/{account}/{name}")
        }
        Some(Kind::Network) => last(site.id_of(subject)).to_owned(),
        _ => name.to_owned(),
    }
}

/// What AWS does not take of a function beside others, and what should be known about it.
pub(crate) fn check_among(stack: &Stack, resource: &Resource, problems: &mut Vec<Problem>) {
    let Settings::Function(function) = resource.settings() else { return };
    let network = function.network_id().and_then(|id| stack.resource(id));
    if let Some(network) = network.filter(|network| !network.is_adopted()) {
        // <https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc-internet.html>
        let what = format!("in the network `{}` it has no public address: it reaches nothing outside it", network.id());
        let help =
            "leave its network out, or use a network of the customer's with endpoints or a NAT gateway".to_owned();
        problems.push(Problem::warning(Rule::Cloud, what, help).on(resource.id()));
    }
    // A message must stay hidden as long as the function that handles it may run
    // (<https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html>).
    for id in resource.settings().triggers() {
        let Some(Settings::Queue(queue)) = stack.resource(id).map(Resource::settings) else { continue };
        let (hidden, runs) = (u64::from(queue.visibility_timeout_seconds()), function.longest_run().as_secs());
        if hidden < runs {
            let what = format!("it may run {runs} seconds, and its queue `{id}` hides a message for {hidden}");
            let help = "raise the queue's visibility timeout to the function's timeout or more, or lower the latter";
            problems.push(Problem::error(Rule::Cloud, what, help.to_owned()).on(resource.id()));
        }
    }
}

/// What AWS does not take of a resource, and what should be known about it there.
pub(crate) fn check(arns: Arns<'_>, resource: &Resource, problems: &mut Vec<Problem>) {
    let mut own = Vec::new();
    match resource.settings() {
        Settings::Function(function) => function::check(function, &mut own),
        Settings::Container(container) => container::check(container, &mut own),
        Settings::Storage(_) => storage::check(arns, resource.id().as_str(), &mut own),
        Settings::Network(network) => network::check(network, &mut own),
        Settings::Kv(_) | Settings::Queue(_) => {}
    }
    problems.extend(own.into_iter().map(|problem| problem.on(resource.id())));
}
