//! The settings of an ECS service that a set-up restores.

use alien_core::adapter::Fields;
use aws_sdk_ecs::operation::update_service::builders::UpdateServiceFluentBuilder;
use aws_sdk_ecs::types::{
    DeploymentCircuitBreaker, DeploymentConfiguration, DeploymentController, DeploymentControllerType,
    DeploymentLifecycleHook, LoadBalancer, Service, ServiceRegistry,
};
use serde_json::json;

use super::SERVICE;

/// Returns the settings that somebody changed.
pub(super) fn changed_fields(service: &Service) -> Vec<&'static str> {
    let balancers = service.load_balancers().iter().map(LoadBalancer::container_name);
    let registries = service.service_registries().iter().map(ServiceRegistry::registry_arn);
    let hooks = service.deployment_configuration().map_or(&[][..], DeploymentConfiguration::lifecycle_hooks);
    let hooks = hooks.iter().map(DeploymentLifecycleHook::hook_target_arn);
    let controller = service.deployment_controller().map(DeploymentController::r#type);
    let ecs = DeploymentControllerType::Ecs;
    // A part is told by what it has at least.
    let is = json!({
        "loadBalancers": balancers.map(|name| json!({ "containerName": name.unwrap_or("?") })).collect::<Vec<_>>(),
        "serviceRegistries": registries.map(|arn| json!({ "registryArn": arn.unwrap_or("?") })).collect::<Vec<_>>(),
        "deploymentConfiguration": {
            "lifecycleHooks": hooks.map(|arn| json!({ "hookTargetArn": arn.unwrap_or("?") })).collect::<Vec<_>>(),
        },
        "deploymentController": { "type": controller.unwrap_or(&ecs).as_str() },
    });
    let due = json!({ "deploymentController": { "type": ecs.as_str() } });
    Fields::changed(SERVICE, &is, &due, |is, due| is == due)
}

/// Adds the settings' own values to an update.
pub(super) fn set_back(request: UpdateServiceFluentBuilder) -> UpdateServiceFluentBuilder {
    let mut rolled_out = careful();
    rolled_out.lifecycle_hooks = Some(Vec::new());
    let controller = DeploymentController::builder().r#type(DeploymentControllerType::Ecs).build();
    request
        .set_load_balancers(Some(Vec::new()))
        .set_service_registries(Some(Vec::new()))
        .deployment_configuration(rolled_out)
        .set_deployment_controller(controller.ok())
}

/// Turns on the deployment circuit breaker: if tasks do not start, ECS rolls back.
pub(super) fn careful() -> DeploymentConfiguration {
    let breaker = DeploymentCircuitBreaker::builder().enable(true).rollback(true).build();
    DeploymentConfiguration::builder().deployment_circuit_breaker(breaker).build()
}

#[cfg(test)]
mod tests {
    use alien_core::adapter::Fate;
    use aws_sdk_ecs::operation::update_service::UpdateServiceInput;

    use super::*;

    #[test]
    fn what_is_set_back_is_as_nobody_set_it() {
        let config = aws_sdk_ecs::Config::builder().behavior_version(aws_sdk_ecs::config::BehaviorVersion::latest());
        let client = aws_sdk_ecs::Client::from_conf(config.build());
        let sent: UpdateServiceInput = set_back(client.update_service()).as_input().clone().build().unwrap();
        // What is left out stays as somebody set it, so each list is sent, and is empty.
        assert_eq!(sent.load_balancers, Some(Vec::new()));
        assert_eq!(sent.service_registries, Some(Vec::new()));
        let rolled_out = sent.deployment_configuration().unwrap();
        assert_eq!(rolled_out.lifecycle_hooks, Some(Vec::new()));
        assert_eq!(rolled_out.deployment_circuit_breaker(), careful().deployment_circuit_breaker());
        let controller = sent.deployment_controller().map(DeploymentController::r#type);
        assert_eq!(controller, Some(&DeploymentControllerType::Ecs));
    }

    #[test]
    fn all_that_is_to_be_set_back_is_told_and_nothing_else() {
        let is_restored = |fields: &&Fields| matches!(fields.fate, Fate::Restored(_));
        let mut restored: Vec<&str> =
            SERVICE.iter().filter(is_restored).flat_map(|fields| fields.paths).copied().collect();
        restored.sort_unstable();
        let hook = DeploymentLifecycleHook::builder().hook_target_arn("arn:of:function").role_arn("arn:of:role");
        let external = DeploymentController::builder().r#type(DeploymentControllerType::External);
        let changed = Service::builder()
            .load_balancers(LoadBalancer::builder().target_group_arn("arn:of:group").build())
            .service_registries(ServiceRegistry::builder().registry_arn("arn:of:registry").build())
            .deployment_configuration(DeploymentConfiguration::builder().lifecycle_hooks(hook.build()).build())
            .deployment_controller(external.build().unwrap());
        assert_eq!(changed_fields(&changed.build()), restored);
        let ecs = DeploymentController::builder().r#type(DeploymentControllerType::Ecs).build().unwrap();
        let told = Service::builder().deployment_controller(ecs).deployment_configuration(careful());
        assert_eq!(changed_fields(&told.build()), Vec::<&str>::new());
        assert_eq!(changed_fields(&Service::builder().build()), Vec::<&str>::new());
    }
}
