//! The calls for a network: the network, its subnetwork, and the firewall rule that allows traffic inside it. Networks
//! and subnetworks have no labels, so their descriptions hold the marks of ownership. Those cannot be changed, so the
//! description of the firewall rule, which can, holds the fingerprint.

use std::ops::ControlFlow;
use std::time::Duration;

use alien_core::adapter::{Marks, Observed, Operate, Operation as Row, Reconcile, Removal, ResultExt, field_drift};
use alien_core::{Data, Error, ErrorKind, Existing, Health, Heartbeat, Network, Result};
use async_trait::async_trait;
use google_cloud_compute_v1::model::firewall::{Allowed, Direction};
use google_cloud_compute_v1::model::network_routing_config::RoutingMode;
use google_cloud_compute_v1::model::operation::Status;
use google_cloud_compute_v1::model::{Firewall, Network as Vpc, NetworkRoutingConfig, Operation, Subnetwork};

use crate::Gcp;
use crate::client::{Clients, Context, description, failed};
use crate::identity::bindings::admit;
use crate::naming::{Paths, relative};
use crate::operations as op;
use crate::operations::Scope;

/// How long the creation or deletion of a part may take.
const PATIENCE: Duration = Duration::from_secs(300);

fn project<'a>(cx: Context<'a>) -> &'a str {
    cx.target().project.as_str()
}

fn region<'a>(cx: Context<'a>) -> &'a str {
    cx.target().location.as_str()
}

async fn look(cx: Context<'_>) -> Result<Vpc> {
    let name = cx.name(Scope::Network)?;
    cx.call(&[op::GET_NETWORK], || async {
        cx.clients
            .networks()
            .await?
            .get()
            .set_project(project(cx))
            .set_network(name)
            .send()
            .await
            .map_err(failed::networks(cx.clients))
    })
    .await
}

/// The subnetwork that code is placed in, in the form of calls: the deployment's own, or the one that the customer gave; none
/// where Cloud Run takes the one with the network's name.
pub(crate) fn subnetwork(cx: Context<'_>) -> Result<Option<String>> {
    Ok(match cx.resource()?.existing() {
        None => Some(relative(cx.full_name(Scope::Subnetwork)?).to_owned()),
        Some(existing) => existing.subnets.first().map(|name| given_subnetwork(cx, name)),
    })
}

fn given_subnetwork(cx: Context<'_>, name: &str) -> String {
    Paths(cx.target()).in_project(&["regions/", region(cx), "/subnetworks/", name])
}

/// Whether the subnetworks that code is placed in are in the customer's network. The network itself tells it, so nothing is
/// permitted on what is not the deployment's
/// (<https://docs.cloud.google.com/compute/docs/reference/rest/v1/networks#Network.FIELDS.subnetworks>).
fn has_given(cx: Context<'_>, found: &Vpc, given: &Existing) -> Result<()> {
    // Where none is given, Cloud Run takes the one with the network's name.
    let named = if given.subnets.is_empty() { std::slice::from_ref(&given.id) } else { &given.subnets[..] };
    for name in named {
        let path = format!("/{}", given_subnetwork(cx, name));
        if !found.subnetworks.iter().any(|url| url.ends_with(&path)) {
            let (network, region) = (&given.id, region(cx));
            let what = format!("the network `{network}` has no subnetwork `{name}` in `{region}`");
            return Err(Error::new(ErrorKind::NotFound, format!("{what}; create it, or name another")));
        }
    }
    Ok(())
}

async fn look_at_subnetwork(cx: Context<'_>) -> Result<Subnetwork> {
    let name = cx.name(Scope::Subnetwork)?;
    cx.call(&[op::GET_SUBNETWORK], || async {
        let call = cx.clients.subnetworks().await?.get().set_project(project(cx)).set_region(region(cx));
        call.set_subnetwork(name).send().await.map_err(failed::subnetworks(cx.clients))
    })
    .await
}

async fn look_at_rule(cx: Context<'_>) -> Result<Firewall> {
    let name = cx.name(Scope::Network)?;
    cx.call(&[op::GET_FIREWALL], || async {
        cx.clients
            .firewalls()
            .await?
            .get()
            .set_project(project(cx))
            .set_firewall(name)
            .send()
            .await
            .map_err(failed::firewalls(cx.clients))
    })
    .await
}

/// The priority that a firewall rule has by default (<https://docs.cloud.google.com/firewall/docs/firewalls#priority_order_for_firewall_rules>).
const PRIORITY: i32 = 1000;

/// Every protocol, as firewall rules name them together.
const EVERY_PROTOCOL: &str = "all";

/// Whether code in a subnetwork reaches Google's own services without a public address.
fn reaches_google(subnetwork: &Subnetwork) -> bool {
    subnetwork.private_ip_google_access == Some(true)
}

/// How a subnetwork and the firewall rule differ from what the stack says of them.
fn changed(network: &Network, subnetwork: &Subnetwork, rule: &Firewall) -> Option<String> {
    let allows = |allowed: &Allowed| (allowed.ip_protocol.as_deref(), allowed.ports.len()) == (Some(EVERY_PROTOCOL), 0);
    let is_changed = [
        (!reaches_google(subnetwork), "subnetwork.privateIpGoogleAccess"),
        (rule.source_ranges != [network.range()], "firewall.sourceRanges"),
        (rule.allowed.len() != 1 || !rule.allowed.iter().all(allows), "firewall.allowed"),
        (rule.disabled == Some(true), "firewall.disabled"),
        (rule.priority.is_some_and(|priority| priority != PRIORITY), "firewall.priority"),
    ];
    field_drift(&is_changed.into_iter().filter_map(|(is, field)| is.then_some(field)).collect::<Vec<_>>())
}

#[async_trait]
impl Reconcile<Gcp, Clients> for Network {
    async fn observe(&self, cx: Context<'_>) -> Result<Observed> {
        let id = cx.full_name(Scope::Id)?;
        let found = look(cx).await.optional()?;
        if let Some(given) = self.existing() {
            let missing = || Error::new(ErrorKind::NotFound, "the network does not exist; create it, or name another");
            has_given(cx, &found.ok_or_else(missing)?, given)?;
            return Ok(Observed::Adopted { id: id.to_owned() });
        }
        let Some(found) = found else { return Ok(Observed::Absent) };
        let observed =
            Observed::marked(id, cx.deployment().owner(), description::marks(&found.description.unwrap_or_default()));
        let Observed::Own { .. } = observed else { return Ok(observed) };
        let Some(subnetwork) = look_at_subnetwork(cx).await.optional()? else { return Ok(observed) };
        Ok(match look_at_rule(cx).await.optional()? {
            None => observed,
            Some(rule) => match Observed::marked(
                id,
                cx.deployment().owner(),
                description::marks(rule.description.as_deref().unwrap_or_default()),
            ) {
                Observed::Foreign(whose) => Observed::Foreign(whose.part(id, "firewall rule")),
                finished => finished.drifted(changed(self, &subnetwork, &rule)),
            },
        })
    }

    async fn create(&self, cx: Context<'_>, marks: &Marks) -> Result<()> {
        let name = cx.name(Scope::Network)?;
        let network = Vpc::new()
            .set_name(name)
            .set_description(description::of(&marks.ownership(name)))
            .set_auto_create_subnetworks(false)
            .set_routing_config(NetworkRoutingConfig::new().set_routing_mode(RoutingMode::Regional));
        let started = cx.call(&[op::CREATE_NETWORK], || async {
            let call = cx.clients.networks().await?.insert().set_project(project(cx)).set_body(network.clone());
            call.send().await.map_err(failed::networks(cx.clients))
        });
        finished(cx, Where::Everywhere, started.await?).await
    }

    async fn configure(&self, cx: Context<'_>, marks: &Marks) -> Result<()> {
        let name = cx.name(Scope::Network)?;
        let path = relative(cx.full_name(Scope::Network)?);
        let range = self.range();
        if look_at_subnetwork(cx).await.optional()?.is_none() {
            make_subnetwork(cx, name, path, range, marks).await?;
        }
        let found = look_at_subnetwork(cx).await?;
        let words = found.description.as_deref().unwrap_or_default();
        description::own(cx.deployment(), words, &format!("the subnetwork `{name}`"))?;
        if found.ip_cidr_range.as_deref() != Some(range) {
            let has = found.ip_cidr_range.unwrap_or_default();
            let what = format!("its address range is `{has}`, and cannot be changed to `{range}`");
            return Err(Error::new(ErrorKind::Rejected, format!("{what}; add a network with another id")));
        }
        if reaches_google(&found) {
            admit(cx).await?;
        } else {
            let wanted = Subnetwork::new().set_private_ip_google_access(true);
            let wanted = &wanted.set_or_clear_fingerprint(found.fingerprint);
            let started = cx.call(&[op::PATCH_SUBNETWORK], || async move {
                let call = cx.clients.subnetworks().await?.patch().set_project(project(cx)).set_region(region(cx));
                call.set_subnetwork(name).set_body(wanted.clone()).send().await.map_err(failed::subnetworks(cx.clients))
            });
            finished(cx, Where::InRegion, started.await?).await?;
            admit(cx).await?;
        }
        // Allows traffic between members of the network. Every network denies all other incoming traffic by default
        // (<https://docs.cloud.google.com/firewall/docs/firewalls#default_firewall_rules>).
        let rule = Firewall::new()
            .set_name(name)
            .set_network(path)
            .set_direction(Direction::Ingress)
            .set_source_ranges([range])
            .set_allowed([Allowed::new().set_ip_protocol(EVERY_PROTOCOL)])
            .set_priority(PRIORITY)
            .set_disabled(false);
        if look_at_rule(cx).await.optional()?.is_none() {
            let rule = rule.clone().set_description(description::of(&marks.ownership(name)));
            let started = cx.call(&[op::CREATE_FIREWALL, op::CREATE_SUBNETWORK_IN_NETWORK], || async {
                let call = cx.clients.firewalls().await?.insert().set_project(project(cx)).set_body(rule.clone());
                call.send().await.map_err(failed::firewalls(cx.clients))
            });
            made(cx, Where::Everywhere, started.await).await?;
        }
        let found = look_at_rule(cx).await?;
        let words = found.description.as_deref().unwrap_or_default();
        description::usable(cx.deployment(), words, &format!("the firewall rule `{name}`"), marks)?;
        let rule = rule.set_description(description::of(&marks.all(name)));
        let started = cx.call(&[op::PATCH_FIREWALL, op::CREATE_SUBNETWORK_IN_NETWORK], || async {
            let call = cx
                .clients
                .firewalls()
                .await?
                .patch()
                .set_project(project(cx))
                .set_firewall(name)
                .set_body(rule.clone());
            call.send().await.map_err(failed::firewalls(cx.clients))
        });
        finished(cx, Where::Everywhere, started.await?).await
    }

    async fn delete(&self, cx: Context<'_>, _: Data) -> Result<Removal> {
        let name = cx.name(Scope::Network)?;
        if let Some(rule) = look_at_rule(cx).await.optional()? {
            let words = rule.description.as_deref().unwrap_or_default();
            description::own(cx.deployment(), words, &format!("the firewall rule `{name}`"))?;
            remove(cx, Where::Everywhere, &[op::DELETE_FIREWALL, op::CREATE_SUBNETWORK_IN_NETWORK], || async {
                cx.clients
                    .firewalls()
                    .await?
                    .delete()
                    .set_project(project(cx))
                    .set_firewall(name)
                    .send()
                    .await
                    .map_err(failed::firewalls(cx.clients))
            })
            .await?;
        }
        if let Some(subnetwork) = look_at_subnetwork(cx).await.optional()? {
            let words = subnetwork.description.as_deref().unwrap_or_default();
            description::own(cx.deployment(), words, &format!("the subnetwork `{name}`"))?;
            let gone = remove(cx, Where::InRegion, &[op::DELETE_SUBNETWORK], || async {
                let call = cx.clients.subnetworks().await?.delete().set_project(project(cx)).set_region(region(cx));
                call.set_subnetwork(name).send().await.map_err(failed::subnetworks(cx.clients))
            });
            match gone.await {
                // Cloud Run releases its addresses late.
                // <https://docs.cloud.google.com/run/docs/configuring/vpc-direct-vpc#delete-subnet>
                Err(error) if error.kind() == ErrorKind::Busy => {
                    let why = "Cloud Run releases its addresses after an hour or two: take down again after that";
                    return Ok(Removal::Pending(why.to_owned()));
                }
                gone => gone?,
            }
        }
        remove(cx, Where::Everywhere, &[op::DELETE_NETWORK], || async {
            cx.clients
                .networks()
                .await?
                .delete()
                .set_project(project(cx))
                .set_network(name)
                .send()
                .await
                .map_err(failed::networks(cx.clients))
        })
        .await?;
        Ok(Removal::Gone)
    }
}

#[async_trait]
impl Operate<Gcp, Clients> for Network {
    /// Looks up the subnetwork, which is in no other network. In a network of the customer's nothing is permitted, so it is not
    /// looked at: what runs in it tells.
    async fn heartbeat(&self, cx: Context<'_>) -> Result<Heartbeat> {
        if self.existing().is_some() {
            return Ok(Heartbeat::new(Health::Healthy, "it is the customer's own, and is not looked at"));
        }
        look_at_subnetwork(cx).await?;
        Ok(Heartbeat::new(Health::Healthy, "its subnetwork is there"))
    }
}

async fn make_subnetwork(cx: Context<'_>, name: &str, network: &str, range: &str, marks: &Marks) -> Result<()> {
    let subnetwork = Subnetwork::new()
        .set_name(name)
        .set_description(description::of(&marks.ownership(name)))
        .set_network(network)
        .set_ip_cidr_range(range)
        // Code without a public address still reaches Google's own services.
        .set_private_ip_google_access(true);
    let started = cx.call(&[op::CREATE_SUBNETWORK, op::CREATE_SUBNETWORK_IN_NETWORK], || async {
        let call = cx.clients.subnetworks().await?.insert().set_project(project(cx)).set_region(region(cx));
        call.set_body(subnetwork.clone()).send().await.map_err(failed::subnetworks(cx.clients))
    });
    made(cx, Where::InRegion, started.await).await
}

/// Waits until a part is created. One that exists already may be ours if the answer of an earlier attempt was lost.
async fn made(cx: Context<'_>, whose: Where, started: Result<Operation>) -> Result<()> {
    match started.unless_exists()? {
        Some(started) => finished(cx, whose, started).await,
        None => Ok(()),
    }
}

/// Deletes a part, unless it is gone, and waits until it is gone.
async fn remove<F: Future<Output = Result<Operation>> + Send>(
    cx: Context<'_>,
    whose: Where,
    rows: &[&'static Row<Scope>],
    attempt: impl Fn() -> F + Send + Sync,
) -> Result<()> {
    let started = cx.call(rows, || {
        let attempt = attempt();
        async move { attempt.await.map_err(in_use) }
    });
    match started.await.optional()? {
        Some(operation) => finished(cx, whose, operation).await,
        None => Ok(()),
    }
}

/// Counts a part that is still in use as busy: what uses it goes later.
fn in_use(error: Error) -> Error {
    let words = ["resourceInUseByAnotherResource", "RESOURCE_IN_USE_BY_ANOTHER_RESOURCE", "being used by"];
    let used = words.iter().any(|words| error.message().contains(words));
    if used { error.with_kind(ErrorKind::Busy) } else { error }
}

/// Where an operation runs.
#[derive(Debug, Clone, Copy)]
enum Where {
    Everywhere,
    InRegion,
}

/// Waits until an operation has finished.
async fn finished(cx: Context<'_>, whose: Where, started: Operation) -> Result<()> {
    let name = started.name.ok_or_else(|| Error::missing_field("name of the operation"))?;
    let name = &name;
    cx.until(PATIENCE, || async move {
        let found = match whose {
            Where::Everywhere => {
                cx.call(&[op::GET_GLOBAL_OPERATION], || async {
                    let call = cx.clients.global_operations().await?.get().set_project(project(cx)).set_operation(name);
                    call.send().await.map_err(failed::global_operations(cx.clients))
                })
                .await?
            }
            Where::InRegion => {
                cx.call(&[op::GET_REGION_OPERATION], || async {
                    let call =
                        cx.clients.region_operations().await?.get().set_project(project(cx)).set_region(region(cx));
                    call.set_operation(name).send().await.map_err(failed::region_operations(cx.clients))
                })
                .await?
            }
        };
        if found.status != Some(Status::Done) {
            return Ok(ControlFlow::Continue(format!("the operation `{name}` has not finished")));
        }
        let Some(error) = found.error.and_then(|error| error.errors.into_iter().next()) else {
            return Ok(ControlFlow::Break(()));
        };
        let said = format!("{} ({})", error.message.unwrap_or_default(), error.code.unwrap_or_default());
        Err(in_use(Error::new(ErrorKind::Rejected, said)))
    })
    .await
}
