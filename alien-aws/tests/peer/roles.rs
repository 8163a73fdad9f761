//! Roles that somebody changed: the plan tells how, and a set-up mends them.

use alien_aws::Config;
use alien_aws::policy::{Policy, PolicyKind};
use alien_conformance::life::product;
use alien_conformance::world::{Case, World, release};
use alien_core::adapter::{AccessControl, DeploymentContext};
use alien_core::{Data, Deployment, ErrorKind, Function, Plan, Profile, Release, Stack, Storage};
use aws_credential_types::Credentials;
use serde_json::{Value, json};

use crate::world::{Peer, rendered};

const ADMINISTRATOR: &str = "arn:aws:iam::aws:policy/AdministratorAccess";
const STRANGER: &str = "arn:aws:iam::333333333333:root";

/// What a plan says of a subject's difference from what was set up.
fn told(plan: &Plan, subject: &str) -> String {
    let step = plan.steps.iter().find(|step| step.subject == subject).unwrap();
    let how = step.why.strip_prefix("it is not as it was set up: ");
    assert!(how.is_some(), "{plan}");
    how.unwrap().to_owned()
}

fn everything() -> Value {
    json!({ "Version": "2012-10-17", "Statement": [{ "Effect": "Allow", "Action": "*", "Resource": "*" }] })
}

/// The trust that the library renders for the vendor, and one for another account.
fn with_stranger(deployment: &Deployment) -> String {
    let mut trust = serde_json::to_value(rendered(deployment).role.trust_policy).unwrap();
    let stranger = json!({ "Effect": "Allow", "Principal": { "AWS": STRANGER }, "Action": "sts:AssumeRole" });
    trust["Statement"].as_array_mut().unwrap().push(stranger);
    trust.to_string()
}

/// The documents that the library renders for the code under a profile.
fn of_code(deployment: &Deployment, profile: &str) -> alien_aws::policy::Principal {
    let context = DeploymentContext::<alien_aws::Aws>::of(deployment).unwrap();
    let position = context.permissions().runtime_position(profile).unwrap();
    alien_aws::Aws::principal(&context.layout, &context.permissions().runtime[position])
}

/// A role in the account: its trust, its longest session, and the names of its policies.
async fn found(peer: &Peer, role: &str) -> (Value, Option<i32>, Vec<String>, Vec<String>) {
    let iam = peer.iam();
    let found = iam.get_role().role_name(role).send().await.unwrap().role.unwrap();
    let trust = found.assume_role_policy_document().unwrap();
    let decoded = percent_decoded(trust);
    let inline = iam.list_role_policies().role_name(role).send().await.unwrap().policy_names;
    let attached = iam.list_attached_role_policies().role_name(role).send().await.unwrap();
    let attached = attached.attached_policies().iter().map(|policy| policy.policy_arn().unwrap().to_owned());
    (serde_json::from_str(&decoded).unwrap(), found.max_session_duration, inline, attached.collect())
}

fn percent_decoded(text: &str) -> String {
    let mut parts = text.split('%');
    let mut decoded = parts.next().unwrap().as_bytes().to_vec();
    for part in parts {
        decoded.push(u8::from_str_radix(&part[..2], 16).unwrap());
        decoded.extend(&part.as_bytes()[2..]);
    }
    String::from_utf8(decoded).unwrap()
}

/// Administrator's rights, a second account in the trust, a policy of somebody's, other documents, longer sessions.
pub(crate) async fn a_role_that_somebody_widened_is_told_and_mended(peer: &Peer) {
    let code = peer.code("first");
    let stack = product(&code);
    let case = Case::new(peer, "widened", stack.clone());
    let first = release(&stack, std::slice::from_ref(&code));
    let deployment = case.up(&first, None).await.unwrap();
    let iam = peer.iam();
    let (management, execution) = ("widened-management-7", "widened-runtime-execution-7");
    let before = [found(peer, management).await, found(peer, execution).await];

    iam.attach_role_policy().role_name(management).policy_arn(ADMINISTRATOR).send().await.unwrap();
    let trust = iam.update_assume_role_policy().role_name(management).policy_document(with_stranger(&deployment));
    trust.send().await.unwrap();
    for policy in ["theirs", execution] {
        let put = iam.put_role_policy().role_name(execution).policy_name(policy);
        put.policy_document(everything().to_string()).send().await.unwrap();
    }
    iam.update_role().role_name(execution).max_session_duration(43_200).send().await.unwrap();

    let plan = case.admin.plan(&first).previous(&deployment).await.unwrap();
    let expected = format!(
        "its trust admits `{STRANGER}`, which this deployment does not do; \
         `AdministratorAccess` is attached to it, which this deployment does not do"
    );
    assert_eq!(told(&plan, "the identity that trusts the vendor"), expected);
    let what = told(&plan, "execution");
    for part in [
        "its sessions may last 43200 seconds, not 3600",
        "its policy `widened-runtime-execution-7` has the statement `*`, which this deployment does not write",
        "its policy `widened-runtime-execution-7` lacks the statement `FunctionRunOnLogStreams`",
        "`theirs` is a policy in it, which this deployment does not write",
    ] {
        assert!(what.contains(part), "{part}: {what}");
    }
    case.admin.apply(&plan).await.unwrap();
    assert_eq!([found(peer, management).await, found(peer, execution).await], before);
    let plan = case.admin.plan(&first).previous(&deployment).await.unwrap();
    assert!(plan.is_empty(), "{plan}");

    // What is less is told too: a principal that was deleted, a policy that is gone.
    iam.delete_role_policy().role_name(execution).policy_name(execution).send().await.unwrap();
    let vendor = deployment.target.field("vendor").unwrap();
    let lost = serde_json::to_string(&rendered(&deployment).role.trust_policy).unwrap();
    let lost = lost.replace(vendor, "AIDAEXAMPLEEXAMPLE123");
    iam.update_assume_role_policy().role_name(management).policy_document(lost).send().await.unwrap();
    let plan = case.admin.plan(&first).previous(&deployment).await.unwrap();
    let expected = format!(
        "its trust admits `AIDAEXAMPLEEXAMPLE123`, the id of a principal that was deleted; \
         its trust does not admit `{vendor}`"
    );
    assert_eq!(told(&plan, "the identity that trusts the vendor"), expected);
    assert_eq!(told(&plan, "execution"), "its policy `widened-runtime-execution-7` is missing");
    case.admin.apply(&plan).await.unwrap();
    assert_eq!([found(peer, management).await, found(peer, execution).await], before);

    // A revoked role is not finished, and is written anew with all that was attached to it since.
    case.admin.revoke(&deployment).await.unwrap();
    iam.attach_role_policy().role_name(management).policy_arn(ADMINISTRATOR).send().await.unwrap();
    let plan = case.admin.plan(&first).previous(&deployment).await.unwrap();
    assert!(plan.to_string().contains("the vendor's access was revoked; it is given again"), "{plan}");
    case.admin.apply(&plan).await.unwrap();
    assert_eq!(found(peer, management).await, before[0]);
    vendor_may_watch(&case, &deployment).await;
    case.admin.destroy(&deployment).data(Data::Delete).await.unwrap();
}

async fn vendor_may_watch(case: &Case<'_, Peer>, deployment: &Deployment) {
    let (manager, _) = case.manager(deployment);
    manager.heartbeat(&manager.resources()[0]).await.unwrap();
}

/// An admin who may not detach what is attached is told so. The stranger is out all the same.
pub(crate) async fn a_policy_that_may_not_be_detached_is_told(peer: &Peer) {
    let mut stack = Stack::builder("kept");
    stack.frozen("data", Storage::new());
    let stack = stack.build().unwrap();
    let case = Case::new(peer, "kept", stack.clone());
    let first = release(&stack, &[]);
    let deployment = case.up(&first, None).await.unwrap();
    let (iam, role) = (peer.iam(), "kept-management-4");
    let before = found(peer, role).await;
    iam.attach_role_policy().role_name(role).policy_arn(ADMINISTRATOR).send().await.unwrap();
    let trust = iam.update_assume_role_policy().role_name(role).policy_document(with_stranger(&deployment));
    trust.send().await.unwrap();

    iam.create_user().user_name("keeper").send().await.unwrap();
    let mut document = everything();
    let denied = ["iam:DetachRolePolicy", "iam:SimulatePrincipalPolicy"];
    let denial = json!({ "Effect": "Deny", "Action": denied, "Resource": "*" });
    document["Statement"].as_array_mut().unwrap().push(denial);
    let put = iam.put_user_policy().user_name("keeper").policy_name("keeper").policy_document(document.to_string());
    put.send().await.unwrap();
    let key = iam.create_access_key().user_name("keeper").send().await.unwrap().access_key.unwrap();
    let keeper = Credentials::new(key.access_key_id, key.secret_access_key, None, None, "test");
    let config = Config::new(peer.with(keeper)).with_calls(peer.calling());
    let admin = alien_aws::admin(&config, case.invitation.id, case.target.clone());
    let plan = admin.plan(&first).previous(&deployment).await.unwrap();
    let error = admin.apply(&plan).await.unwrap_err();
    assert_eq!((error.kind(), error.operation()), (ErrorKind::Denied, Some("iam:DetachRolePolicy")), "{error}");
    let help = "`AdministratorAccess` is attached to the role `kept-management-4`, which this deployment does not do, and \
                these credentials may not detach it: detach it, and set up again";
    assert!(error.message().contains(help), "{error}");
    let (trust, _, _, attached) = found(peer, role).await;
    assert_eq!((trust, attached), (before.0.clone(), vec![ADMINISTRATOR.to_owned()]));

    let plan = case.admin.plan(&first).previous(&deployment).await.unwrap();
    case.admin.apply(&plan).await.unwrap();
    assert_eq!(found(peer, role).await, before);
    case.admin.destroy(&deployment).data(Data::Delete).await.unwrap();
}

/// A stack whose code may use so many buckets that its documents fill managed policies.
fn of_many_buckets(peer: &Peer) -> (Stack, Release) {
    let code = peer.code("first");
    let mut stack = Stack::builder("many");
    for number in 0..90 {
        stack.frozen(format!("a-bucket-with-a-long-name-{number:02}"), Storage::new());
    }
    stack.live("api", Function::new(code.code(), "execution"));
    stack.profile("execution", Profile::new().on_all::<Storage>([Storage::DATA_READ, Storage::DATA_WRITE]));
    let stack = stack.build().unwrap();
    let first = release(&stack, &[code]);
    (stack, first)
}

/// Documents that do not fit into the role: another default version, and a policy that was detached.
pub(crate) async fn managed_policies_are_compared_and_mended(peer: &Peer) {
    let (stack, first) = of_many_buckets(peer);
    let case = Case::new(peer, "many", stack);
    let deployment = case.up(&first, None).await.unwrap();
    let role = "many-runtime-execution-4";
    let policies = of_code(&deployment, "execution").policies;
    let managed: Vec<_> = policies.iter().filter(|policy| policy.kind == PolicyKind::Managed).collect();
    let arn = |name: &str| format!("arn:aws:iam::222222222222:policy/{name}");
    let expected: Vec<String> = managed.iter().map(|policy| arn(&policy.name)).collect();
    assert!(!expected.is_empty());
    let before = found(peer, role).await;
    assert_eq!(before.3, expected);
    let plan = case.admin.plan(&first).previous(&deployment).await.unwrap();
    assert!(plan.is_empty(), "{plan}");

    let (iam, first_managed) = (peer.iam(), &expected[0]);
    let name = &managed[0].name;
    let version = iam.create_policy_version().policy_arn(first_managed).policy_document(everything().to_string());
    version.set_as_default(true).send().await.unwrap();
    let plan = case.admin.plan(&first).previous(&deployment).await.unwrap();
    let more = format!("its policy `{name}` has the statement `*`, which this deployment does not write");
    assert!(told(&plan, "execution").contains(&more), "{plan}");
    case.admin.apply(&plan).await.unwrap();
    let policy = iam.get_policy().policy_arn(first_managed).send().await.unwrap().policy.unwrap();
    let version = iam.get_policy_version().policy_arn(first_managed).version_id(policy.default_version_id().unwrap());
    let version = version.send().await.unwrap().policy_version.unwrap();
    let document: Policy = serde_json::from_str(&percent_decoded(version.document().unwrap())).unwrap();
    assert_eq!(document, managed[0].document);

    iam.detach_role_policy().role_name(role).policy_arn(first_managed).send().await.unwrap();
    let plan = case.admin.plan(&first).previous(&deployment).await.unwrap();
    assert_eq!(told(&plan, "execution"), format!("its policy `{name}` is not attached"));
    case.admin.apply(&plan).await.unwrap();
    let mut after = found(peer, role).await;
    after.3.sort();
    assert_eq!(after, before);
    let plan = case.admin.plan(&first).previous(&deployment).await.unwrap();
    assert!(plan.is_empty(), "{plan}");
    case.admin.destroy(&deployment).data(Data::Delete).await.unwrap();
    assert!(iam.get_policy().policy_arn(first_managed).send().await.is_err());
}
