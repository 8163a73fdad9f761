//! Deployments as text: what was said of each, what it runs, how it is.

use std::collections::BTreeMap;

use alien_core::DeploymentId;
use alien_core::rollout::{Plan, Row, Sequence, Sight};
use alien_fleet::api::Client;
use alien_fleet::{Listed, Watched};
use alien_release::PublicKey;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::args::Format;
use crate::output::{self, Failure};

/// A deployment, and what is known of it beside its record.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Known {
    #[serde(flatten)]
    pub(super) listed: Listed,
    /// The release whose content it runs, if the record has the stack of one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) runs: Option<Sequence>,
    /// How it was when somebody looked last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) health: Option<Watched>,
}

/// All deployments of a product.
pub(super) async fn known(client: &Client, product: &alien_core::StackName) -> Result<Vec<Known>, Failure> {
    let listed = client.deployments(product).await?;
    let mut runs = running(client, product, !listed.is_empty()).await?;
    let mut health = client.health().await?;
    let known = listed.into_iter().map(|listed| {
        let (runs, health) = (runs.remove(&listed.id), health.remove(&listed.id));
        Known { listed, runs, health }
    });
    Ok(known.collect())
}

/// Which release each deployment runs: a rollout of the last one would begin from there.
async fn running(
    client: &Client,
    product: &alien_core::StackName,
    has_any: bool,
) -> Result<BTreeMap<DeploymentId, Sequence>, Failure> {
    let Some(last) = client.last_release(product).await?.filter(|_| has_any) else { return Ok(BTreeMap::new()) };
    let planned = client.planned(product, last.sequence(), &Plan::builder().build()?).await?;
    Ok(planned.rows().iter().filter_map(|(id, row)| Some((*id, ran(row)?))).collect())
}

/// What a deployment ran before a rollout, as the document of its row has it.
fn ran(row: &Row) -> Option<Sequence> {
    #[derive(Deserialize)]
    struct Ran {
        ran: Option<Sequence>,
    }
    let row = serde_json::to_value(row).ok()?;
    serde_json::from_value::<Ran>(row).ok()?.ran
}

/// How a deployment was, in a word and with the reason.
pub(super) fn health(watched: Option<&Watched>) -> (&'static str, String) {
    match watched.and_then(|watched| watched.sight.as_ref()) {
        None => ("not seen yet", String::new()),
        Some(sight) => seen(sight),
    }
}

/// What was seen of a deployment, in a word and with the reason.
pub(super) fn seen(sight: &Sight) -> (&'static str, String) {
    match sight {
        Sight::Seen(sick) if sick.is_empty() => ("healthy", String::new()),
        Sight::Seen(sick) => {
            let each: Vec<String> = sick.iter().map(|(id, why)| format!("`{id}`: {why}")).collect();
            ("sick", each.join("; "))
        }
        Sight::Unreachable(why) => ("unreachable", why.clone()),
        Sight::Fault(why) => ("not seen", why.clone()),
        Sight::Revoked(why) => ("revoked", why.clone()),
    }
}

impl Known {
    /// What was said of it: `pinned to 7; held: a demo`.
    fn said(&self) -> String {
        let Listed { pin, hold, approval, window, .. } = &self.listed;
        let pin = pin.map(|release| format!("pinned to {release}"));
        let hold = hold.as_ref().map(|why| format!("held: {why}"));
        let approval = approval.as_ref().map(|of| format!("awaits an approval: {of}"));
        let window = window.as_ref().map(ToString::to_string);
        pin.into_iter().chain(hold).chain(approval).chain(window).collect::<Vec<_>>().join("; ")
    }

    fn labels(&self) -> String {
        let labels = self.listed.labels.iter().map(|(name, value)| format!("{name}={value}"));
        labels.collect::<Vec<_>>().join(", ")
    }

    fn release(&self) -> String {
        self.runs.map_or_else(|| "?".to_owned(), |release| release.to_string())
    }
}

/// Deployments as a table.
pub(super) fn text(all: &[Known]) -> String {
    let rows = all.iter().map(|known| {
        let (word, why) = health(known.health.as_ref());
        let health = if why.is_empty() { word.to_owned() } else { format!("{word}: {why}") };
        let Listed { id, product, account, .. } = &known.listed;
        let begin = [id.to_string(), product.to_string(), account.clone()];
        begin.into_iter().chain([known.labels(), known.said(), known.release(), health]).collect()
    });
    let header = ["deployment", "product", "account", "labels", "said of it", "runs", "health"];
    output::table(Format::Table, &header, rows.collect())
}

/// The fingerprint of an agent's key; its text, should it be none.
fn fingerprint(key: &str) -> String {
    key.parse::<PublicKey>().map_or_else(|_| key.to_owned(), |key| key.fingerprint())
}

/// A deployment, a line for each thing that is known.
pub(super) fn whole(known: &Known, record: &alien_core::Deployment) -> String {
    let (word, why) = health(known.health.as_ref());
    let seen = known.health.as_ref().and_then(|health| health.at).map(|at| format!(" at {at}")).unwrap_or_default();
    let uncertain: Vec<&str> = record.uncertain.iter().map(alien_core::ResourceId::as_str).collect();
    let lines = [
        ("deployment", known.listed.id.to_string()),
        ("product", known.listed.product.to_string()),
        ("account", known.listed.account.clone()),
        ("identity", record.identity.clone()),
        ("registered", known.listed.since.to_string()),
        ("agent", known.listed.agent.as_deref().map(fingerprint).unwrap_or_default()),
        ("labels", known.labels()),
        ("said of it", known.said()),
        ("runs release", known.release()),
        ("stack", record.stack.digest().to_owned()),
        ("in progress", record.in_flight.as_ref().map(ToString::to_string).unwrap_or_default()),
        ("uncertain", uncertain.join(", ")),
        ("health", if why.is_empty() { format!("{word}{seen}") } else { format!("{word}{seen}: {why}") }),
    ];
    let rows = lines.into_iter().filter(|(_, text)| !text.is_empty());
    let rows: Vec<String> = rows.map(|(name, text)| format!("{name:<13} {text}")).collect();
    rows.join("\n")
}
