//! How a deployment is, as its agent has reported.

use alien_core::rollout::Sight;
use alien_core::{Deployment, DeploymentId, Error, ErrorKind, Health, Heartbeat, ResourceId, Result};
use alien_release::agent::{Condition, Report};
use jiff::{SignedDuration, Timestamp};

use super::kept::{KeptAgent, Managers};
use crate::fleet::Inner;

/// How long an agent may report nothing and is still taken to be there: it reports every ten minutes at least. Its polls do
/// not count: they need only its bearer, which can be stolen.
const SILENT: SignedDuration = SignedDuration::from_mins(15);

/// How long no manager may have said that it answers agents, and one is still taken to.
pub(super) const QUIET: SignedDuration = SignedDuration::from_secs(60);

impl Inner {
    /// The health of every resource of a deployment that pulls its releases, as its agent reported it last; `None` if it has no agent.
    pub(crate) async fn reported(&self, id: DeploymentId) -> Result<Option<Vec<(ResourceId, Result<Heartbeat>)>>> {
        let Some(kept) = self.agent(id).await? else { return Ok(None) };
        let silent = || Error::new(ErrorKind::Unavailable, "its agent has not reported yet");
        let reported = kept.report.ok_or_else(silent)?;
        Ok(Some(beats(&reported.report, &self.record(id).await?)))
    }

    /// How a deployment is, from what its agent reported last. An agent reports every change, so what it reported holds while it
    /// is there.
    pub(crate) async fn sight_of(&self, id: DeploymentId, kept: &KeptAgent) -> Sight {
        let read = async {
            let managers: Option<Managers> = self.ledger.get(&Managers::key()).await?;
            Ok::<_, Error>((managers, self.record(id).await?))
        };
        match read.await {
            Ok((managers, record)) => sight(kept, managers, &record, self.now()),
            Err(error) => Sight::Fault(error.to_string()),
        }
    }
}

fn sight(kept: &KeptAgent, managers: Option<Managers>, record: &Deployment, now: Timestamp) -> Sight {
    if let Some(reported) = kept.report.as_ref().filter(|reported| now.duration_since(reported.at) <= SILENT) {
        return Sight::of(beats(&reported.report, record));
    }
    // Whether the agent is silent is known only while somebody would have heard it.
    let Some(managers) = managers.filter(|managers| now.duration_since(managers.at) <= QUIET) else {
        return Sight::Fault("no manager answers agents".to_owned());
    };
    if now.duration_since(managers.since) <= SILENT {
        return Sight::Fault(format!("managers answer agents only since {}", managers.since));
    }
    Sight::Unreachable(match &kept.report {
        Some(reported) => format!("its agent has been silent since {}", reported.at),
        None => "its agent has never reported".to_owned(),
    })
}

/// The health of every resource that the record has.
fn beats(report: &Report, record: &Deployment) -> Vec<(ResourceId, Result<Heartbeat>)> {
    let ids = record.stack.resources().iter().map(|resource| resource.id().clone());
    ids.map(|id| {
        let beat = match report.resources.get(&id) {
            Some(condition) => beat(condition),
            None => Err(Error::new(ErrorKind::Unavailable, "its agent says nothing of it").at(id.as_str())),
        };
        (id, beat)
    })
    .collect()
}

fn beat(condition: &Condition) -> Result<Heartbeat> {
    match (condition.health, condition.error) {
        (Some(health), _) => {
            let reason = condition.text.clone().unwrap_or_else(|| health.name().to_owned());
            Ok(Heartbeat::new(health, reason))
        }
        (None, Some(ErrorKind::Denied)) => Ok(Heartbeat::new(Health::Denied, "its agent may not look at it")),
        (None, error) => {
            let kind = error.unwrap_or(ErrorKind::Unavailable);
            let text = condition.text.clone();
            Err(Error::new(
                kind,
                text.unwrap_or_else(|| format!("its agent did not see it: {}", super::report::word(&kind))),
            ))
        }
    }
}
