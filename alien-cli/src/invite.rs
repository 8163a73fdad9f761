//! `alien invite` and `alien register`: the invitation that the customer gets, and the record that comes back.

use std::path::Path;

use alien_core::{
    CodeForm, Delivery, Deployment, DeploymentId, Invitation, Model, Problem, RegistryGrant, Resource, RootDigest,
    Rule, Stack,
};
use schemars::JsonSchema;
use serde::Serialize;

use crate::args::Shown;
use crate::args::vendor::{InviteArgs, RegisterArgs};
use crate::clouds;
use crate::file;
use crate::keys::Signing;
use crate::output::{self, Failure};
use crate::progress::if_long;
use crate::{connect, review, target};

pub(crate) async fn invite(args: &InviteArgs, shown: Shown) -> Result<(), Failure> {
    let (signing, invitation) = output::both(Signing::of(&args.sign), invitation(args))?;
    let revision = args.revision.unwrap_or(invitation.revision);
    output::warn(invitation.stack.warnings());
    match &args.record {
        // The account is known: the grants are told whole.
        Some(path) => {
            let mut text = String::new();
            review::registry_grants(&mut text, &granted(&file::record(path)?, &invitation.stack)?);
            if !text.is_empty() {
                output::note(text.trim_end());
            }
        }
        None => output::warn(&private(&invitation)?),
    }
    args.out.as_deref().map(absent).transpose()?;
    signing.written(invitation.with_revision(revision)).await?.to(args.out.as_deref(), shown)
}

fn invitation(args: &InviteArgs) -> Result<Invitation, Failure> {
    let stack = file::stack(&args.stack);
    let delivery = delivery(args)?;
    match (&args.record, args.cloud) {
        (Some(record), _) => {
            let (stack, record) = output::both(stack, file::record(record))?;
            let revision = record.invitation.revision.saturating_add(1);
            Ok(again(&record, args, delivery, stack)?.with_revision(revision))
        }
        // What one customer's cloud asks the vendor to show fits no other's.
        (None, Some(cloud)) => {
            let id = DeploymentId::new();
            // Whom to trust is also checked if the stack cannot be read.
            let nothing = Stack::builder("nothing").build()?;
            let (stack, _) = output::both(stack, target::invite(cloud, id, &args.trust, delivery.clone(), nothing))?;
            target::invite(cloud, id, &args.trust, delivery, stack)
        }
        (None, None) => output::both(stack, Err(Failure::form("--cloud", "missing", "add it"))).map(|(_, never)| never),
    }
}

/// The images that the deployment can run only once the vendor's registry lets it pull them.
fn private(invitation: &Invitation) -> Result<Vec<Problem>, Failure> {
    let cloud = clouds::named(&invitation.cloud)?;
    let problem = |resource: &Resource| {
        let code = cloud.code(resource.kind())?.choose(resource.code()?)?;
        let Some(CodeForm::Image(image)) = code.only() else { return None };
        if !cloud.is_private(&image) {
            return None;
        }
        let what = format!("its image `{image}` is pulled by another account only if its registry grants that");
        let help = "grant it before the customer sets up: `alien permissions`, with the customer's account, prints the command";
        Some(Problem::warning(Rule::Cloud, what, help.to_owned()).on(resource.id()))
    };
    Ok(invitation.stack.resources().iter().filter_map(problem).collect())
}

/// What the owners of registries in other accounts grant, so that a deployment can run the images of a stack.
fn granted(record: &Deployment, stack: &Stack) -> Result<Vec<RegistryGrant>, Failure> {
    Ok(clouds::named(&record.cloud)?.review(stack, &record.target)?.registry_grants)
}

/// How releases will reach the deployment, by the flags.
fn delivery(args: &InviteArgs) -> Result<Delivery, Failure> {
    let (Some(manager), Some(root)) = (&args.manager, &args.root) else { return Ok(Delivery::Push) };
    let root = match root.parse::<RootDigest>() {
        Ok(digest) => digest,
        Err(wrong) if root.starts_with("sha256:") => {
            return Err(Failure::form("--root", wrong.to_string(), "or name the root file"));
        }
        Err(_) => RootDigest::of(&file::bytes(Path::new(root))?),
    };
    Ok(Delivery::Pull { manager: manager.clone(), root })
}

/// A deployment that is there: its id stays, and so does whom it trusts, unless the flags move it from push to pull or back.
fn again(record: &Deployment, args: &InviteArgs, delivery: Delivery, stack: Stack) -> Result<Invitation, Failure> {
    let cloud = clouds::named(&record.cloud)?;
    let (was, names_vendor) = (record.delivery.model(), !args.trust.given.is_empty());
    match (was, args.pull, names_vendor) {
        (_, true, _) | (Model::Pull, false, true) => {
            return target::invite(cloud, record.id, &args.trust, delivery, stack);
        }
        (Model::Push, false, true) => {
            let what = "the deployment trusts a vendor already, and an invitation does not change which";
            return Err(Failure::form("--record", what, "leave out the flags that name the vendor"));
        }
        (_, false, false) => {}
    }
    let fields = cloud.fields().iter().filter(|field| field.is_trust());
    let trust = fields.filter_map(|field| Some((field.name.to_owned(), record.target.field(field.name)?.to_owned())));
    Ok(cloud.invite(record.id, trust.collect(), record.delivery.clone(), stack)?)
}

/// Refuses to overwrite an invitation: it could not be made again, because a new one gets another id.
fn absent(path: &Path) -> Result<(), Failure> {
    if path.symlink_metadata().is_err() {
        return Ok(());
    }
    let what = "already exists, and an invitation cannot be made a second time";
    Err(Failure::form(path.display().to_string(), what, "name another file"))
}

/// The result of `alien register`.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Registered {
    /// The deployment.
    deployment: DeploymentId,
    /// The identity that lets in the vendor, and nobody without the vendor's proof.
    identity: String,
    /// What the owners of registries in other accounts grant, so that the deployment can run its images.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    registry_grants: Vec<RegistryGrant>,
}

pub(crate) async fn register(args: &RegisterArgs, shown: Shown) -> Result<(), Failure> {
    let (invitation, record) = output::both(file::invitation(&args.invitation), file::record(&args.record.record))?;
    // Differences are found without calling the cloud.
    let differences = invitation.differences(&record);
    if !differences.is_empty() {
        return Err(Failure::Refused(differences));
    }
    let vendor = connect::vendor(&record, &args.record.connection).await?;
    // What was made a moment ago is not seen everywhere yet.
    if_long("waiting until the deployment lets the vendor in", vendor.register(&invitation, &record)).await?;
    shown.result(&registered(record)?, said)
}

fn registered(record: Deployment) -> Result<Registered, Failure> {
    let registry_grants = granted(&record, &record.stack)?;
    Ok(Registered { deployment: record.id, identity: record.identity, registry_grants })
}

fn said(Registered { deployment, identity, registry_grants }: &Registered) -> String {
    let mut text =
        format!("registered {deployment}: `{identity}` lets in the vendor, and nobody without the vendor's proof");
    review::registry_grants(&mut text, registry_grants);
    text
}

#[cfg(test)]
mod tests {
    use alien_core::{AnyTarget, Code, Container, Profile};
    use serde_json::json;

    use super::*;

    /// The grants, and nothing else, are what `register` adds to the record that came back: the vendor makes them.
    #[test]
    fn who_registers_is_told_exactly_what_the_owners_of_registries_grant() {
        let digest = format!("sha256:{}", "a".repeat(64));
        let theirs = "333333333333.dkr.ecr.eu-central-1.amazonaws.com/vendor/worker";
        let stack = |repository: &str| {
            let mut stack = Stack::builder("shop");
            stack.live("worker", Container::new(Code::image(repository, &digest).unwrap(), "worker"));
            stack.profile("worker", Profile::new());
            stack.build().unwrap()
        };
        let target = alien_aws::Target {
            account: "222222222222".parse().unwrap(),
            region: "eu-central-1".parse().unwrap(),
            prefix: "acme".parse().unwrap(),
            trust: alien_aws::Trust::Vendor {
                vendor: "arn:aws:iam::111111111111:role/vendor".parse().unwrap(),
                external_id: "acme-7f3a".parse().unwrap(),
            },
        };
        let id = "00000000-0000-4000-8000-000000000001".parse().unwrap();
        let registered = |repository: &str| {
            let invitation = Invitation::new(id, &target, stack(repository)).unwrap();
            let target = AnyTarget::of::<alien_aws::Aws>(&target).unwrap();
            registered(clouds::named("aws").unwrap().record(&invitation, &target).unwrap()).unwrap()
        };
        let own = registered("222222222222.dkr.ecr.eu-central-1.amazonaws.com/worker");
        assert!(own.registry_grants.is_empty());
        assert_eq!(said(&own).lines().count(), 1, "{}", said(&own));

        let one = registered(theirs);
        let printed = serde_json::to_value(&one).unwrap();
        let puller = "arn:aws:iam::222222222222:role/acme-platform-4";
        assert_eq!(printed["registry_grants"].as_array().unwrap().len(), 1);
        let grant = &printed["registry_grants"][0];
        assert_eq!(grant["repository"], "arn:aws:ecr:eu-central-1:333333333333:repository/vendor/worker");
        assert_eq!((&grant["resources"], &grant["to"]), (&json!(["worker"]), &json!([puller])));
        let policy: serde_json::Value = serde_json::from_str(grant["text"].as_str().unwrap()).unwrap();
        let expected = json!({
            "Version": "2012-10-17",
            "Statement": [{
                "Sid": policy["Statement"][0]["Sid"],
                "Effect": "Allow",
                "Principal": { "AWS": "arn:aws:iam::222222222222:root" },
                "Action": ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
                "Condition": { "ArnEquals": { "aws:PrincipalArn": puller } },
            }],
        });
        assert_eq!(policy, expected);
        let text = said(&one);
        let command = grant["command"].as_str().unwrap();
        assert!(command.starts_with("aws ecr set-repository-policy --registry-id 333333333333 --region eu-central-1"));
        assert!(text.contains(command) && text.contains(puller), "{text}");
    }
}
