//! Resource providers: their methods and how they are implemented.

pub(crate) mod app;
pub(crate) mod authorization;
mod insights;
pub(crate) mod managedidentity;
mod network;
pub(crate) mod operationalinsights;
mod resource;
pub(crate) mod resources;
mod rows;
pub(crate) mod servicebus;
mod storage;

use super::rbac::linked::Link;
use super::route::Method;

/// A resource provider.
#[derive(Debug)]
pub(crate) struct Provider {
    /// The namespace, such as `Microsoft.App`.
    pub(crate) namespace: &'static str,
    /// The API versions that it supports, newest first.
    pub(crate) versions: &'static [&'static str],
    pub(crate) tables: &'static [&'static [Method]],
    pub(crate) links: &'static [Link],
}

/// The resource providers whose methods are known.
pub(crate) static PROVIDERS: &[Provider] = &[
    app::PROVIDER,
    authorization::PROVIDER,
    insights::PROVIDER,
    managedidentity::PROVIDER,
    network::PROVIDER,
    operationalinsights::PROVIDER,
    resources::PROVIDER,
    servicebus::PROVIDER,
    storage::PROVIDER,
];

/// The provider namespaces that roles may name; a part of
/// <https://learn.microsoft.com/azure/azure-resource-manager/management/azure-services-resource-providers>.
#[rustfmt::skip]
pub(crate) const NAMESPACES: &[&str] = &[
    "Microsoft.AAD", "Microsoft.AlertsManagement", "Microsoft.ApiManagement", "Microsoft.App", "Microsoft.AppConfiguration",
    "Microsoft.Attestation", "Microsoft.Authorization", "Microsoft.Automation", "Microsoft.Batch", "Microsoft.Billing",
    "Microsoft.Blueprint", "Microsoft.BotService", "Microsoft.Cache", "Microsoft.Capacity", "Microsoft.Cdn",
    "Microsoft.ClassicStorage", "Microsoft.CognitiveServices", "Microsoft.Compute", "Microsoft.Consumption",
    "Microsoft.ContainerInstance", "Microsoft.ContainerRegistry", "Microsoft.ContainerService", "Microsoft.CostManagement",
    "Microsoft.DataFactory", "Microsoft.DBforMySQL", "Microsoft.DBforPostgreSQL", "Microsoft.Devices",
    "Microsoft.DocumentDB", "Microsoft.EventGrid", "Microsoft.EventHub", "Microsoft.Features",
    "Microsoft.GuestConfiguration", "Microsoft.HybridCompute", "Microsoft.Insights", "Microsoft.KeyVault",
    "Microsoft.Kubernetes", "Microsoft.Kusto", "Microsoft.Logic", "Microsoft.MachineLearningServices",
    "Microsoft.Maintenance", "Microsoft.ManagedIdentity", "Microsoft.ManagedServices", "Microsoft.Management",
    "Microsoft.Marketplace", "Microsoft.MarketplaceOrdering", "Microsoft.Monitor", "Microsoft.Network",
    "Microsoft.NotificationHubs", "Microsoft.OperationalInsights", "Microsoft.OperationsManagement",
    "Microsoft.PolicyInsights", "Microsoft.Portal", "Microsoft.RecoveryServices", "Microsoft.Relay",
    "Microsoft.ResourceHealth", "Microsoft.Resources", "Microsoft.Search", "Microsoft.Security",
    "Microsoft.SecurityInsights", "Microsoft.ServiceBus", "Microsoft.ServiceFabric", "Microsoft.ServiceLinker",
    "Microsoft.SignalRService", "Microsoft.Sql", "Microsoft.Storage", "Microsoft.StreamAnalytics",
    "Microsoft.Subscription", "Microsoft.Support", "Microsoft.Synapse", "Microsoft.Web",
];

/// The namespaces of all known providers.
pub(crate) fn namespaces() -> impl Iterator<Item = &'static str> {
    PROVIDERS.iter().map(|provider| provider.namespace)
}
