"""Microsoft's own clients, driven through the life of what a deployment needs.

Reads one JSON line: where to go and with which tokens. After each step writes one JSON line, what the client saw or why
it failed and what was sent and answered, and waits for a line before the next: meanwhile the state that the step left can
be looked at.
"""

import json
import logging
import sys
import uuid

from azure.core.credentials import AccessToken
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError
from azure.core.pipeline.policies import SansIOHTTPPolicy
from azure.identity import ClientAssertionCredential
from azure.mgmt.appcontainers import ContainerAppsAPIClient
from azure.mgmt.authorization import AuthorizationManagementClient
from azure.mgmt.authorization.v2022_04_01.models import Permission, RoleAssignmentCreateParameters, RoleDefinition
from azure.mgmt.loganalytics import LogAnalyticsManagementClient
from azure.mgmt.msi import ManagedServiceIdentityClient
from azure.mgmt.msi.v2024_11_30.models import FederatedIdentityCredential, Identity
from azure.mgmt.network import NetworkManagementClient
from azure.mgmt.resource.resources import ResourceManagementClient
from azure.mgmt.servicebus import ServiceBusManagementClient
from azure.mgmt.storage import StorageManagementClient

# What is refused is told by the steps.
logging.disable(logging.CRITICAL)

CONFIG = json.loads(sys.stdin.readline())
LOCATION = "westeurope"
GROUP = "acme-rg"
AUDIENCE = "api://AzureADTokenExchange"


class Owner:
    """A credential that has its token already."""

    def get_token(self, *scopes, **options):
        return AccessToken(CONFIG["token"], 4_102_444_800)


class Recorder(SansIOHTTPPolicy):
    """Keeps what is sent and the status of each answer."""

    sent = []

    def on_response(self, request, response):
        asked = request.http_request
        body = asked.content if hasattr(asked, "content") else asked.body
        self.sent.append(
            {
                "verb": asked.method,
                "url": asked.url,
                "body": json.loads(body) if body else None,
                "status": response.http_response.status_code,
            }
        )


def client(kind, version, credential=Owner()):
    return kind(
        credential,
        CONFIG["subscription"],
        base_url=CONFIG["url"],
        api_version=version,
        credential_scopes=["https://management.azure.com/.default"],
        connection_verify=CONFIG["certificate"],
        per_retry_policies=[Recorder()],
        polling_interval=0,
        retry_total=0,
    )


def step(action):
    """Does a step and tells of it; its name is the function's."""
    line = {"step": action.__name__}
    try:
        line["seen"] = action()
    except Exception as error:  # A step that fails is told, and the next is tried.
        line["problem"] = f"{type(error).__name__}: {error}"
    line["sent"] = list(Recorder.sent)
    Recorder.sent.clear()
    print(json.dumps(line, default=str), flush=True)
    if not sys.stdin.readline():
        sys.exit("nobody listens any more")


def refusal(error):
    """What a client makes of an answer of Azure Resource Manager that is no success."""
    return {"status": error.status_code, "code": error.error.code if error.error else None, "message": str(error)}


groups = client(ResourceManagementClient, "2025-04-01")
identities = client(ManagedServiceIdentityClient, "2024-11-30")
access = client(AuthorizationManagementClient, "2022-04-01")
workspaces = client(LogAnalyticsManagementClient, "2025-07-01")
networks = client(NetworkManagementClient, "2025-07-01")
apps = client(ContainerAppsAPIClient, "2025-07-01")
storage = client(StorageManagementClient, "2025-08-01")
queues = client(ServiceBusManagementClient, "2024-01-01")

group_id = f"/subscriptions/{CONFIG['subscription']}/resourceGroups/{GROUP}"
app_id = f"{group_id}/providers/Microsoft.App/containerApps/acme-api"
role = str(uuid.uuid5(uuid.NAMESPACE_URL, "acme-reader"))
assignment = str(uuid.uuid5(uuid.NAMESPACE_URL, "acme-reader-assignment"))
kept = {}


def template(image, greeting):
    return {
        "containers": [
            {
                "name": "api",
                "image": image,
                "env": [{"name": "SAYS", "value": greeting}],
                "resources": {"cpu": 0.25, "memory": "0.5Gi"},
            }
        ],
        "scale": {"minReplicas": 1, "maxReplicas": 1},
    }


@step
def a_provider_is_registered():
    return groups.providers.register("Microsoft.App").registration_state


@step
def a_group_is_created():
    made = groups.resource_groups.create_or_update(GROUP, {"location": LOCATION, "tags": {"deployment": "acme"}})
    return {"id": made.id, "state": made.properties.provisioning_state, "tags": made.tags}


@step
def an_identity_is_created():
    made = identities.user_assigned_identities.create_or_update(GROUP, "acme", Identity(location=LOCATION))
    kept.update(identity=made.id, client=made.client_id, principal=made.principal_id)
    return {"id": made.id, "client": made.client_id, "principal": made.principal_id, "tenant": made.tenant_id}


@step
def a_federated_credential_is_created():
    asked = FederatedIdentityCredential(issuer=CONFIG["issuer"], subject=CONFIG["subject"], audiences=[AUDIENCE])
    made = identities.federated_identity_credentials.create_or_update(GROUP, "acme", "vendor", asked)
    return {"id": made.id, "issuer": made.issuer, "subject": made.subject, "audiences": made.audiences}


@step
def a_custom_role_is_created():
    asked = RoleDefinition(
        role_name="acme reader",
        description="Reads apps",
        role_type="CustomRole",
        permissions=[Permission(actions=["Microsoft.App/containerApps/read"], not_actions=[])],
        assignable_scopes=[group_id],
    )
    made = access.role_definitions.create_or_update(group_id, role, asked)
    kept.update(role=made.id)
    return {"id": made.id, "actions": made.permissions[0].actions, "scopes": made.assignable_scopes}


@step
def a_workspace_is_created():
    made = workspaces.workspaces.begin_create_or_update(
        GROUP, "acme-logs", {"location": LOCATION, "properties": {"sku": {"name": "PerGB2018"}, "retentionInDays": 30}}
    ).result()
    keys = workspaces.shared_keys.get_shared_keys(GROUP, "acme-logs")
    kept.update(customer=made.customer_id, key=keys.primary_shared_key)
    return {"id": made.id, "state": made.provisioning_state, "has_key": bool(keys.primary_shared_key)}


@step
def a_network_is_created():
    made = networks.virtual_networks.begin_create_or_update(
        GROUP, "acme", {"location": LOCATION, "properties": {"addressSpace": {"addressPrefixes": ["10.0.0.0/16"]}}}
    ).result()
    return {"id": made.id, "state": made.provisioning_state, "prefixes": made.address_space.address_prefixes}


@step
def a_subnet_is_created():
    delegation = {"name": "apps", "properties": {"serviceName": "Microsoft.App/environments"}}
    made = networks.subnets.begin_create_or_update(
        GROUP, "acme", "apps", {"properties": {"addressPrefix": "10.0.0.0/27", "delegations": [delegation]}}
    ).result()
    kept.update(subnet=made.id)
    return {"id": made.id, "prefix": made.address_prefix, "delegated": made.delegations[0].service_name}


@step
def an_environment_is_created():
    logs = {"customerId": kept["customer"], "sharedKey": kept["key"]}
    made = apps.managed_environments.begin_create_or_update(
        GROUP,
        "acme",
        {
            "location": LOCATION,
            "properties": {
                "appLogsConfiguration": {"destination": "log-analytics", "logAnalyticsConfiguration": logs},
                "vnetConfiguration": {"infrastructureSubnetId": kept["subnet"], "internal": True},
                "workloadProfiles": [{"name": "Consumption", "workloadProfileType": "Consumption"}],
            },
        },
    ).result()
    kept.update(environment=made.id)
    told = made.app_logs_configuration.log_analytics_configuration
    return {"id": made.id, "state": made.provisioning_state, "customer": told.customer_id, "key": told.shared_key}


@step
def an_app_is_created():
    made = apps.container_apps.begin_create_or_update(
        GROUP,
        "acme-api",
        {
            "location": LOCATION,
            "identity": {"type": "UserAssigned", "userAssignedIdentities": {kept["identity"]: {}}},
            "properties": {
                "environmentId": kept["environment"],
                "configuration": {"activeRevisionsMode": "Single"},
                "template": template("registry.example.com/api:1", "hello"),
            },
        },
    ).result()
    runs_as = next(iter(made.identity.user_assigned_identities.values()))
    return {
        "id": made.id,
        "state": made.provisioning_state,
        "revision": made.latest_revision_name,
        "ready": made.latest_ready_revision_name,
        "principal": runs_as.principal_id,
    }


@step
def a_storage_account_is_created():
    free = storage.storage_accounts.check_name_availability(
        {"name": "acmedata", "type": "Microsoft.Storage/storageAccounts"}
    )
    made = storage.storage_accounts.begin_create(
        GROUP,
        "acmedata",
        {
            "location": LOCATION,
            "kind": "StorageV2",
            "sku": {"name": "Standard_LRS"},
            "properties": {"allowSharedKeyAccess": False, "allowBlobPublicAccess": False},
        },
    ).result()
    taken = storage.storage_accounts.check_name_availability(
        {"name": "acmedata", "type": "Microsoft.Storage/storageAccounts"}
    )
    return {
        "id": made.id,
        "state": made.provisioning_state,
        "keys": made.allow_shared_key_access,
        "free": [free.name_available, taken.name_available],
    }


@step
def a_blob_container_is_created():
    made = storage.blob_containers.create(GROUP, "acmedata", "files", {"properties": {"metadata": {"owner": "acme"}}})
    return {"id": made.id, "metadata": made.metadata}


@step
def a_table_is_created():
    made = storage.table.create(GROUP, "acmedata", "records")
    return {"id": made.id, "name": made.table_name}


@step
def a_namespace_is_created():
    made = queues.namespaces.begin_create_or_update(
        GROUP,
        "acme-queues",
        {"location": LOCATION, "sku": {"name": "Standard"}, "properties": {"disableLocalAuth": True}},
    ).result()
    return {"id": made.id, "state": made.provisioning_state, "local": made.disable_local_auth}


@step
def a_queue_is_created():
    made = queues.queues.create_or_update(
        GROUP, "acme-queues", "jobs", {"properties": {"lockDuration": "PT1M", "maxDeliveryCount": 5}}
    )
    return {"id": made.id, "deliveries": made.max_delivery_count, "lock_seconds": made.lock_duration.total_seconds()}


@step
def a_role_is_assigned():
    asked = RoleAssignmentCreateParameters(
        role_definition_id=kept["role"], principal_id=kept["principal"], principal_type="ServicePrincipal"
    )
    made = access.role_assignments.create(app_id, assignment, asked)
    return {"id": made.id, "scope": made.scope, "principal": made.principal_id}


@step
def everything_is_read_again():
    return {
        "group": groups.resource_groups.get(GROUP).location,
        "exists": [groups.resource_groups.check_existence(GROUP), groups.resource_groups.check_existence("other-rg")],
        "identity": identities.user_assigned_identities.get(GROUP, "acme").principal_id == kept["principal"],
        "federation": identities.federated_identity_credentials.get(GROUP, "acme", "vendor").subject,
        "role": access.role_definitions.get(group_id, role).role_name,
        "assignment": access.role_assignments.get(app_id, assignment).principal_id == kept["principal"],
        "workspace": workspaces.workspaces.get(GROUP, "acme-logs").customer_id == kept["customer"],
        "network": [subnet.name for subnet in networks.virtual_networks.get(GROUP, "acme").subnets],
        "subnet": networks.subnets.get(GROUP, "acme", "apps").address_prefix,
        "environment": apps.managed_environments.get(GROUP, "acme").provisioning_state,
        "app": apps.container_apps.get(GROUP, "acme-api").template.containers[0].image,
        "account": storage.storage_accounts.get_properties(GROUP, "acmedata").sku.name,
        "container": storage.blob_containers.get(GROUP, "acmedata", "files").metadata,
        "table": storage.table.get(GROUP, "acmedata", "records").table_name,
        "namespace": queues.namespaces.get(GROUP, "acme-queues").sku.name,
        "queue": queues.queues.get(GROUP, "acme-queues", "jobs").max_delivery_count,
    }


@step
def everything_is_listed():
    def names(listed):
        return [item.name for item in listed]

    return {
        "groups": names(groups.resource_groups.list()),
        "resources": sorted(item.type.lower() for item in groups.resources.list_by_resource_group(GROUP)),
        "identities": names(identities.user_assigned_identities.list_by_resource_group(GROUP)),
        "federations": names(identities.federated_identity_credentials.list(GROUP, "acme")),
        "assignments": [
            item.principal_id == kept["principal"]
            for item in access.role_assignments.list_for_scope(app_id, filter="atScope()")
            if item.scope.lower() == app_id.lower()
        ],
        "roles": [
            item.role_name for item in access.role_definitions.list(group_id, filter="type eq 'CustomRole'")
        ],
        "workspaces": names(workspaces.workspaces.list_by_resource_group(GROUP)),
        "networks": names(networks.virtual_networks.list(GROUP)),
        "subnets": names(networks.subnets.list(GROUP, "acme")),
        "environments": names(apps.managed_environments.list_by_resource_group(GROUP)),
        "apps": names(apps.container_apps.list_by_resource_group(GROUP)),
        "replicas": len(
            apps.container_apps_revision_replicas.list_replicas(
                GROUP, "acme-api", apps.container_apps.get(GROUP, "acme-api").latest_revision_name
            ).value
        ),
        "accounts": names(storage.storage_accounts.list_by_resource_group(GROUP)),
        "containers": names(storage.blob_containers.list(GROUP, "acmedata")),
        "tables": names(storage.table.list(GROUP, "acmedata")),
        "namespaces": names(queues.namespaces.list_by_resource_group(GROUP)),
        "queues": names(queues.queues.list_by_namespace(GROUP, "acme-queues")),
    }


@step
def the_template_of_the_app_is_patched():
    before = apps.container_apps.get(GROUP, "acme-api")
    change = {"location": LOCATION, "properties": {"template": template("registry.example.com/api:2", "good day")}}
    apps.container_apps.begin_update(GROUP, "acme-api", change).result()
    after = apps.container_apps.get(GROUP, "acme-api")
    revisions = apps.container_apps_revisions.list_revisions(GROUP, "acme-api")
    return {
        "image": after.template.containers[0].image,
        "is_new": after.latest_revision_name != before.latest_revision_name,
        "active": [revision.name == after.latest_revision_name for revision in revisions if revision.active],
        "environment": after.environment_id.lower() == before.environment_id.lower(),
        "mode": after.configuration.active_revisions_mode,
    }


@step
def tags_and_settings_are_patched():
    groups.tags.begin_update_at_scope(
        app_id, {"operation": "Merge", "properties": {"tags": {"owner": "acme"}}}
    ).result()
    storage.storage_accounts.update(GROUP, "acmedata", {"properties": {"minimumTlsVersion": "TLS1_2"}})
    identities.user_assigned_identities.update(GROUP, "acme", Identity(location=LOCATION, tags={"owner": "acme"}))
    queues.queues.create_or_update(GROUP, "acme-queues", "jobs", {"properties": {"maxDeliveryCount": 7}})
    return {
        "app": apps.container_apps.get(GROUP, "acme-api").tags,
        "account": storage.storage_accounts.get_properties(GROUP, "acmedata").minimum_tls_version,
        "identity": identities.user_assigned_identities.get(GROUP, "acme").tags,
        "queue": queues.queues.get(GROUP, "acme-queues", "jobs").max_delivery_count,
    }


@step
def what_is_not_there_is_not_found():
    missing = {
        "app": lambda: apps.container_apps.get(GROUP, "other"),
        "group": lambda: apps.container_apps.get("other-rg", "acme-api"),
        "queue": lambda: queues.queues.get(GROUP, "acme-queues", "other"),
        "container": lambda: storage.blob_containers.get(GROUP, "acmedata", "other"),
    }
    found = {}
    for name, get in missing.items():
        try:
            get()
            found[name] = "found"
        except HttpResponseError as error:
            found[name] = refusal(error)
    return found


def assertion_credential(assertion):
    return ClientAssertionCredential(
        CONFIG["tenant"],
        kept["client"],
        lambda: assertion,
        authority=CONFIG["url"],
        disable_instance_discovery=True,
        connection_verify=CONFIG["certificate"],
        retry_total=0,
    )


@step
def an_assertion_is_exchanged_and_only_reading_is_allowed():
    credential = assertion_credential(CONFIG["assertion"])
    token = credential.get_token("https://management.azure.com/.default")
    reader = client(ContainerAppsAPIClient, "2025-07-01", credential)
    app = reader.container_apps.get(GROUP, "acme-api")
    refused = {}
    change = {"location": LOCATION, "properties": {"template": template("registry.example.com/api:3", "no")}}
    for name, call in {
        "update": lambda: reader.container_apps.begin_update(GROUP, "acme-api", change).result(),
        "delete": lambda: reader.container_apps.begin_delete(GROUP, "acme-api").result(),
        "secrets": lambda: reader.container_apps.list_secrets(GROUP, "acme-api"),
        "list": lambda: list(reader.container_apps.list_by_resource_group(GROUP)),
        "environment": lambda: reader.managed_environments.get(GROUP, "acme"),
    }.items():
        try:
            call()
            refused[name] = "let through"
        except HttpResponseError as error:
            refused[name] = refusal(error)
    return {"has_token": bool(token.token), "image": app.template.containers[0].image, "refused": refused}


@step
def assertions_of_others_are_refused():
    refused = {}
    for name, assertion in CONFIG["strangers"].items():
        try:
            assertion_credential(assertion).get_token("https://management.azure.com/.default")
            refused[name] = "let through"
        except ClientAuthenticationError as error:
            refused[name] = str(error)
    return refused


@step
def everything_is_deleted():
    access.role_assignments.delete(app_id, assignment)
    access.role_definitions.delete(group_id, role)
    apps.container_apps.begin_delete(GROUP, "acme-api").result()
    apps.managed_environments.begin_delete(GROUP, "acme").result()
    networks.subnets.begin_delete(GROUP, "acme", "apps").result()
    networks.virtual_networks.begin_delete(GROUP, "acme").result()
    queues.queues.delete(GROUP, "acme-queues", "jobs")
    queues.namespaces.begin_delete(GROUP, "acme-queues").result()
    storage.table.delete(GROUP, "acmedata", "records")
    storage.blob_containers.delete(GROUP, "acmedata", "files")
    storage.storage_accounts.delete(GROUP, "acmedata")
    workspaces.workspaces.begin_delete(GROUP, "acme-logs", force=True).result()
    identities.federated_identity_credentials.delete(GROUP, "acme", "vendor")
    identities.user_assigned_identities.delete(GROUP, "acme")
    return {"left": [item.id for item in groups.resources.list_by_resource_group(GROUP)]}


@step
def the_group_is_deleted():
    groups.resource_groups.begin_delete(GROUP).result()
    return {"exists": groups.resource_groups.check_existence(GROUP)}
