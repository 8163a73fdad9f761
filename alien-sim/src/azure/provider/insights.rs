//! Diagnostic settings, which say where a resource sends its logs:
//! <https://learn.microsoft.com/rest/api/monitor/diagnostic-settings>.

use serde_json::json;

use super::Provider;
use super::resources::provider;
use crate::azure::call::{Answer, Call, Codes, show};
use crate::azure::fail::Fail;
use crate::azure::rbac::linked::Link;
use crate::azure::route::{Method, at_scope, in_subscription, row};

pub(crate) const PROVIDER: Provider = Provider {
    namespace: "Microsoft.Insights",
    versions: &["2021-05-01-preview", "2017-05-01-preview", "2016-09-01"],
    tables: &[TABLE],
    links: LINKS,
};

/// The operations of the provider.
const SOURCE: &str =
    "https://learn.microsoft.com/azure/role-based-access-control/permissions/monitor#microsoftinsights";

/// Source: <https://learn.microsoft.com/azure/azure-monitor/platform/diagnostic-settings>.
const SETTINGS: &str = "https://learn.microsoft.com/azure/azure-monitor/platform/diagnostic-settings";

const LINKS: &[Link] = &[
    Link {
        action: "Microsoft.Insights/diagnosticSettings/write",
        field: "properties.workspaceId",
        needs: "Microsoft.OperationalInsights/workspaces/sharedKeys/action",
        source: SETTINGS,
    },
    Link {
        action: "Microsoft.Insights/diagnosticSettings/write",
        field: "properties.storageAccountId",
        needs: "Microsoft.Storage/storageAccounts/listKeys/action",
        source: SETTINGS,
    },
];

const SETTING: &str = at_scope!("Microsoft.Insights/diagnosticSettings/{name}");
const FIELDS: &str = "properties!{workspaceId storageAccountId eventHubAuthorizationRuleId eventHubName marketplacePartnerId serviceBusRuleId logAnalyticsDestinationType logs{category categoryGroup enabled retentionPolicy*} metrics{category enabled retentionPolicy* timeGrain}}";

#[rustfmt::skip]
const TABLE: &[Method] = &[
    row("POST", in_subscription!("Microsoft.Insights/register"), &["Microsoft.Insights/register/action"], SOURCE).done(provider),
    row("GET", at_scope!("Microsoft.Insights/diagnosticSettings"), &["Microsoft.Insights/diagnosticSettings/read"], SOURCE).done(list),
    row("GET", SETTING, &["Microsoft.Insights/diagnosticSettings/read"], SOURCE).done(show),
    row("PUT", SETTING, &["Microsoft.Insights/diagnosticSettings/write"], SOURCE).done(put).body(FIELDS),
    row("DELETE", SETTING, &["Microsoft.Insights/diagnosticSettings/delete"], SOURCE).done(delete),
    row("GET", at_scope!("Microsoft.Insights/metrics"), &["Microsoft.Insights/metrics/read"], SOURCE),
];

fn list(call: &mut Call<'_>) -> Result<Answer, Fail> {
    // The settings of the scope itself, not of what it contains.
    let own = format!("{}/providers/Microsoft.Insights", call.id);
    Ok(Answer::list(call.state.list(&own, "Microsoft.Insights/diagnosticSettings")))
}

fn put(call: &mut Call<'_>) -> Result<Answer, Fail> {
    let properties = call.body.get("properties").cloned().unwrap_or_else(|| json!({}));
    for field in ["workspaceId", "storageAccountId"] {
        let named = call.text(&format!("/properties/{field}"));
        if !named.is_empty() && call.state.thing(&named).is_err() {
            return Err(Fail::invalid("ResourceNotFound", format!("The {field} '{named}' was not found.")));
        }
    }
    let body = json!({
        "id": call.id,
        "name": call.name(),
        "type": "Microsoft.Insights/diagnosticSettings",
        "properties": properties,
    });
    // 200 even for a creation.
    call.write(body, Codes { made: 200, changed: 200, making: 200, changing: 200 }, None)
}

fn delete(call: &mut Call<'_>) -> Result<Answer, Fail> {
    call.delete(200, None)
}
