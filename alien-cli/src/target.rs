//! Builds the target of a deployment from flags, an invitation and a record, and reports all problems at once.

use alien_core::{
    AnyTarget, Delivery, Deployment, DeploymentId, Field, Invitation, Prefix, Problem, Problems, Rule, Stack, adapter,
};

use crate::args::flags::{Flags, Place, Target, Trust};
use crate::clouds::{Cloud, flag};
use crate::output::Failure;

/// Parses a whole target from flags.
pub(crate) fn flagged(cloud: Cloud, flags: &Flags<Target>) -> Result<AnyTarget, Failure> {
    cloud.target(flags.given.clone()).map_err(|problems| Failure::Input(at_flags(&problems)))
}

/// The invitation to a deployment, which trusts whom the flags name.
pub(crate) fn invite(
    cloud: Cloud,
    id: DeploymentId,
    flags: &Flags<Trust>,
    delivery: Delivery,
    stack: Stack,
) -> Result<Invitation, Failure> {
    cloud.invite(id, flags.given.clone(), delivery, stack).map_err(|problems| Failure::Input(at_flags(&problems)))
}

/// Builds the target of an invitation. The invitation says which vendor to trust, if any; flags, or the record of an earlier
/// set-up, say the rest. Where releases are pulled, the flags say who of the customer's manages the deployment, and may say
/// another than the record.
pub(crate) fn invited(
    cloud: Cloud,
    flags: &Flags<Place>,
    record: Option<&Deployment>,
    invitation: &Invitation,
) -> Result<AnyTarget, Failure> {
    let is_trust = |name: &str| cloud.fields().iter().any(|field| field.name == name && field.is_trust());
    let model = invitation.delivery.model();
    let field = |name: &str| cloud.fields().iter().find(|field| field.name == name);
    let is_of_a_place = |name: &str| field(name).is_none_or(|field| field.model.is_none());
    let is_wanted = |name: &str| field(name).is_none_or(|field| field.is_for(model));
    let mut texts = flags.given.clone();
    let mut problems = Vec::new();
    let mut problem = |at: String, what: String, help: &str| {
        problems.push(Problem::error(Rule::Form, what, help.to_owned()).at(at));
    };
    let recorded = record.iter().flat_map(|record| record.target.fields());
    for (name, recorded) in recorded.filter(|(name, _)| !is_trust(name) && is_wanted(name)) {
        let given = texts.entry(name.to_owned()).or_insert_with(|| recorded.to_owned());
        if given != recorded && is_of_a_place(name) {
            let what = format!("the record says `{recorded}`, not `{given}`");
            problem(flag(name), what, "remove it, or name the record of that deployment");
        }
    }
    for (name, text) in &invitation.trust {
        if is_trust(name) {
            texts.insert(name.clone(), text.clone());
        } else {
            problem(format!("trust.{name}"), "an invitation does not say this".to_owned(), ANOTHER);
        }
    }
    // Use the product's name as the prefix if it is short enough, so that few customers must choose one.
    let name = invitation.stack.name().as_str();
    if name.parse::<Prefix>().is_ok() {
        texts.entry("prefix".to_owned()).or_insert_with(|| name.to_owned());
    }
    let target = cloud.target_as(model, texts);
    if let Err(wrong) = &target {
        problems.extend(wrong.as_slice().iter().cloned().map(|problem| match problem.subject {
            Some(ref name) if is_trust(name) => {
                let at = format!("trust.{name}");
                Problem { help: ANOTHER.to_owned(), ..problem }.at(at)
            }
            _ => at_flag(problem),
        }));
    }
    match target {
        Ok(target) if problems.is_empty() => Ok(target),
        _ => Err(Failure::Input(problems)),
    }
}

const ANOTHER: &str = "ask the vendor for another invitation";

/// Names the flag in each problem of a field.
fn at_flags(problems: &Problems) -> Vec<Problem> {
    problems.as_slice().iter().cloned().map(at_flag).collect()
}

pub(crate) fn at_flag(problem: Problem) -> Problem {
    match &problem.subject {
        Some(name) => {
            let at = flag(name);
            problem.at(at)
        }
        None => problem,
    }
}

/// Describes a target for people: `my-app on aws (account 222222222222, region eu-central-1)`.
pub(crate) fn place(cloud: Cloud, target: &AnyTarget) -> String {
    let texts =
        |field: &Field| Some(format!("{} {}", adapter::flag(field.name).replace('-', " "), target.field(field.name)?));
    let is_shown = |field: &&Field| field.model.is_none() && field.name != "prefix";
    let place: Vec<String> = cloud.fields().iter().filter(is_shown).filter_map(texts).collect();
    format!("{} on {} ({})", target.field("prefix").unwrap_or_default(), cloud.cloud(), place.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clouds;

    #[test]
    fn a_target_is_shown_by_where_it_is() {
        let texts = [
            ("account", "222222222222"),
            ("region", "eu-central-1"),
            ("prefix", "my-app"),
            ("vendor", "arn:aws:iam::111111111111:role/vendor"),
            ("externalId", "acme-7f3a"),
        ];
        let texts = texts.into_iter().map(|(name, text)| (name.to_owned(), text.to_owned())).collect();
        let cloud = clouds::named("aws").unwrap();
        let target = cloud.target(texts).unwrap();
        assert_eq!(place(cloud, &target), "my-app on aws (account 222222222222, region eu-central-1)");
    }

    #[test]
    fn every_cloud_takes_a_prefix_that_the_customer_may_choose() {
        for cloud in clouds::ALL {
            let prefix = cloud.fields().iter().find(|field| field.name == "prefix");
            assert!(prefix.is_some_and(|field| !field.is_trust()), "{}", cloud.cloud());
        }
    }
}
