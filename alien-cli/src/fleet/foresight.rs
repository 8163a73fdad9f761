//! A rollout before it begins: who is in which wave, who waits and why.

use std::collections::BTreeMap;

use alien_core::rollout::{Member, Plan, Rollout, Sequence, Twin};
use alien_core::{DeploymentId, Problem, Problems};
use alien_fleet::{Fit, Fitted, Listed};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use crate::args::Format;
use crate::output;

/// A rollout that has not begun.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Foresight {
    /// The product.
    pub(super) product: String,
    /// The number that the release gets if nobody publishes before.
    pub(super) release: Sequence,
    /// The release that it is reverted to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reverts_to: Option<Sequence>,
    /// The deployments of each wave.
    pub(super) waves: Vec<Vec<Foreseen>>,
}

/// A deployment of a wave.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Foreseen {
    /// The deployment.
    pub(super) deployment: DeploymentId,
    /// The cloud and the account it is in.
    pub(super) account: String,
    /// Why it is not updated with its wave.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) waits: Option<String>,
}

/// What a release needs of a customer's admin, in words.
pub(super) fn needed(fit: &Fit) -> Option<String> {
    let words = |problems: &[Problem]| problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
    match fit {
        Fit::Ready => None,
        Fit::AdminOnly { changes, .. } => Some(words(changes)),
        Fit::NotThere { problems } => Some(words(problems)),
    }
}

/// Plans the rollout of a release that may not be published yet, as the fleet would.
///
/// # Errors
///
/// Every problem of the plan with these deployments.
pub(super) fn foresee(
    (release, twin): (Sequence, Option<Twin>),
    plan: Plan,
    listed: &[Listed],
    fitted: &[Fitted],
    now: Timestamp,
) -> Result<Vec<Vec<Foreseen>>, Problems> {
    let fits: BTreeMap<DeploymentId, &Fit> = fitted.iter().map(|fitted| (fitted.deployment, &fitted.fit)).collect();
    let needs = |listed: &Listed| fits.get(&listed.id).and_then(|fit| needed(fit));
    let members = listed.iter().map(|listed| {
        let member = Member::new(listed.id, &listed.account).standing(listed.standing(needs(listed)));
        listed.labels.iter().fold(member, |member, (name, value)| member.label(name, value))
    });
    let rollout = Rollout::new(release, twin, plan, members.collect())?;
    let mut waves: Vec<Vec<Foreseen>> = rollout.head().waves().iter().map(|_| Vec::new()).collect();
    for listed in listed {
        let wave = rollout.rows().get(&listed.id).map(|row| row.wave() as usize);
        if let Some(wave) = wave.and_then(|wave| waves.get_mut(wave)) {
            let waits = waits(listed, needs(listed), release, now);
            wave.push(Foreseen { deployment: listed.id, account: listed.account.clone(), waits });
        }
    }
    Ok(waves)
}

/// Why a deployment would not be updated with its wave.
fn waits(listed: &Listed, needs: Option<String>, release: Sequence, now: Timestamp) -> Option<String> {
    let pin = listed.pin.filter(|pin| *pin != release).map(|pin| format!("pinned to release {pin}"));
    let hold = listed.hold.as_ref().map(|why| format!("held: {why}"));
    let approval = listed.approval.as_ref().map(|why| format!("awaits the customer's approval: {why}"));
    let admin = needs.map(|what| format!("awaits the customer's admin: {what}"));
    let window = listed.window.as_ref().and_then(|window| window.opens(now));
    let window = window.map(|opens| format!("its window opens at {opens}"));
    pin.or(hold).or(approval).or(admin).or(window)
}

impl Foresight {
    pub(super) fn text(&self) -> String {
        let reverts = match self.reverts_to {
            Some(before) => format!("it is reverted to release {before}"),
            None => "it cannot be reverted".to_owned(),
        };
        let waves = self.waves.iter().enumerate().map(|(number, wave)| {
            let waiting = wave.iter().filter(|foreseen| foreseen.waits.is_some()).count();
            [number, wave.len(), wave.len() - waiting, waiting].map(|number| number.to_string()).to_vec()
        });
        let deployments = self.waves.iter().enumerate().flat_map(|(number, wave)| {
            wave.iter().map(move |Foreseen { deployment, account, waits }| {
                vec![number.to_string(), deployment.to_string(), account.clone(), waits.clone().unwrap_or_default()]
            })
        });
        let waves = output::table(Format::Table, &["wave", "deployments", "ready", "waiting"], waves.collect());
        let header = ["wave", "deployment", "account", "waits because"];
        let deployments = output::table(Format::Table, &header, deployments.collect());
        format!("Release {} of `{}`; {reverts}.\n\n{waves}\n\n{deployments}", self.release, self.product)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::fleet::example::id;

    fn listed(number: usize, more: serde_json::Value) -> Listed {
        let mut listed = json!({
            "version": 1, "id": id(number), "product": "shop", "cloud": "gcp", "account": "gcp customer",
            "since": "2026-11-27T08:00:00Z", "revision": 1,
        });
        listed.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        serde_json::from_value(listed).unwrap()
    }

    #[test]
    fn it_is_shown_who_is_in_which_wave_and_why_each_waits() {
        let all = [
            listed(0, json!({ "hold": "a demo" })),
            listed(1, json!({ "pin": 1 })),
            listed(2, json!({})),
            listed(3, json!({ "labels": { "tier": "free" } })),
            listed(4, json!({})),
        ];
        let fitted = all.each_ref().map(|listed| Fitted {
            deployment: listed.id,
            fit: if listed.id == id(4) {
                let rule = alien_core::Rule::Cloud;
                let problem = Problem::error(rule, "gcp does not run its code".to_owned(), "add a form".to_owned());
                Fit::NotThere { problems: vec![problem.at("api")] }
            } else {
                Fit::Ready
            },
        });
        let label = alien_core::rollout::Wave::Label { name: "tier".to_owned(), value: "free".to_owned() };
        let plan = Plan::builder().canary(1).then(label).then(alien_core::rollout::Wave::Rest).build().unwrap();
        let (release, twin) = (Sequence::from(3), Twin { sequence: 4.into(), content: 1.into() });
        let now = "2026-11-27T08:00:00Z".parse().unwrap();
        let waves = foresee((release, Some(twin)), plan.clone(), &all, &fitted, now).unwrap();
        let foresight = Foresight { product: "shop".to_owned(), release, reverts_to: Some(1.into()), waves };
        insta::assert_snapshot!("foresight", foresight.text());
        let problems = foresee((release, Some(twin)), plan, &[], &[], now).unwrap_err();
        assert!(problems.to_string().contains("there is no deployment"), "{problems}");
    }
}
