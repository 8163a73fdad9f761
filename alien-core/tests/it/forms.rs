//! Version 2 of the forms, and what is read of version 1.

use std::sync::Arc;

use alien_conformance::stacks::IMAGE;
use alien_core::adapter::CodeForms;
use alien_core::{
    Code, CodeForm, Deployment, DeploymentId, Existing, Function, Invitation, InvitationSignature, Invited, ManagerUrl,
    Network, Platform, Profile, Queue, RecordsInMemory, Release, Stack, Storage, memory,
};
use serde_json::{Value, json};

const DIGEST: &str = "sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae";

fn told(document: &Value) -> String {
    Stack::from_json(&document.to_string()).unwrap_err().to_string()
}

/// A stack of version 1 with an image, a zip and a network of the customer's.
fn version_1() -> Value {
    json!({
        "name": "shop",
        "resources": [
            { "id": "api", "type": "function", "lifecycle": "frozen", "code": { "image": IMAGE }, "profile": "p" },
            { "id": "job", "type": "function", "lifecycle": "live", "code": { "zip": DIGEST }, "profile": "p" },
            { "id": "net", "type": "network", "lifecycle": "frozen", "existing": "vpc-1" },
        ],
        "permissions": { "profiles": { "p": {} } },
    })
}

fn version_2() -> Value {
    let (repository, digest) = IMAGE.split_once('@').unwrap();
    json!({
        "version": 2,
        "name": "shop",
        "resources": [
            {
                "id": "api", "type": "function", "lifecycle": "frozen",
                "code": { "images": { repository: digest } }, "profile": "p",
            },
            { "id": "job", "type": "function", "lifecycle": "live", "code": { "zip": DIGEST }, "profile": "p" },
            { "id": "net", "type": "network", "lifecycle": "frozen" },
        ],
        "existing": { "net": { "id": "vpc-1" } },
        "permissions": { "profiles": { "p": {} } },
    })
}

#[test]
fn version_1_of_a_stack_is_read_and_written_as_version_2() {
    let (old, new) = (Stack::from_json(&version_1().to_string()), Stack::from_json(&version_2().to_string()));
    let (old, new) = (old.unwrap(), new.unwrap());
    assert_eq!(old, new);
    assert_eq!(serde_json::to_value(&old).unwrap(), serde_json::to_value(&new).unwrap());
    let mut written = version_2();
    written["version"] = 1.into();
    assert_eq!(Stack::from_json(&written.to_string()).unwrap(), new, "1 and none say the same");
    assert!(old.diff(&new).changes.is_empty());
}

#[test]
fn a_form_of_version_2_is_not_mixed_with_version_1() {
    let mut mixed = version_1();
    mixed["version"] = 2.into();
    let told_of = told(&mixed);
    assert!(told_of.contains("`api`: `code`: unknown field `image`"), "{told_of}");
    assert!(told_of.contains("`net`: `existing` is the customer's to give; remove it"), "{told_of}");
    let mut newer = version_2();
    for version in [json!(3), json!(0), json!("2"), json!(null)] {
        newer["version"] = version.clone();
        let told_of = told(&newer);
        assert!(told_of.contains(&format!("a stack of version {version}, and this program reads 1 to 2")), "{told_of}");
    }
}

#[test]
fn what_version_1_did_not_pin_is_kept_and_warned_of() {
    let mut old = version_1();
    old["resources"][0]["code"]["image"] = "registry.example.com/api:latest".into();
    let stack = Stack::from_json(&old.to_string()).unwrap();
    assert!(stack.warnings()[0].what.contains("`registry.example.com/api:latest` is not pinned"), "{stack:?}");
    let written = serde_json::to_string(&stack).unwrap();
    assert_eq!(Stack::from_json(&written).unwrap(), stack);
    let only = stack.resource("api").unwrap().code().unwrap().only();
    assert_eq!(only, Some(CodeForm::Image("registry.example.com/api:latest".to_owned())));
}

#[test]
fn a_resource_names_its_code_once_and_each_cloud_takes_its_form() {
    let other = format!("sha256:{}", "1".repeat(64));
    let code = Code::zip(b"zip").with_image("ghcr.io/vendor/api", DIGEST).unwrap();
    let code = code.with_image("eu-docker.pkg.dev/vendor/shop/api", &other).unwrap();
    let chosen = |forms: CodeForms| forms.choose(&code).unwrap().only().map(|form| format!("{form:?}"));
    let zip = format!("{:?}", Code::zip(b"zip").only().unwrap());
    assert_eq!(chosen(CodeForms::ANY), Some(zip));
    let image = |name: &str| Some(format!("Image({name:?})"));
    assert_eq!(
        chosen(CodeForms::IMAGE.preferring(&["-docker.pkg.dev"])),
        image(&format!("eu-docker.pkg.dev/vendor/shop/api@{other}"))
    );
    assert_eq!(
        chosen(CodeForms::IMAGE.preferring(&[".amazonaws.com"])),
        image(&format!("eu-docker.pkg.dev/vendor/shop/api@{other}")),
        "the first by name"
    );
    assert!(CodeForms::IMAGE.choose(&Code::zip(b"zip")).is_none());

    let arm = Code::default().with_platform_image("ghcr.io/vendor/api", Platform::LinuxArm64, DIGEST).unwrap();
    assert!(CodeForms::ANY.choose(&arm).is_none(), "nothing runs it");
    let both = arm.with_platform_image("ghcr.io/vendor/api", Platform::LinuxAmd64, &other).unwrap();
    assert_eq!(CodeForms::ANY.choose(&both).unwrap(), Code::image("ghcr.io/vendor/api", &other).unwrap());
    let text = serde_json::to_value(&both).unwrap();
    let expected = json!({ "images": { "ghcr.io/vendor/api": { "linux/amd64": other, "linux/arm64": DIGEST } } });
    assert_eq!(text, expected);
    assert_eq!(serde_json::from_value::<Code>(text).unwrap(), both);
}

#[test]
fn an_image_is_named_by_repository_and_digest() {
    for (repository, digest) in
        [("", DIGEST), ("a@b", DIGEST), ("a b", DIGEST), ("a", "latest"), ("a", "sha256:1"), ("a", "")]
    {
        assert!(Code::image(repository, digest).is_err(), "`{repository}` `{digest}`");
    }
    assert_eq!(format!("a/b@{DIGEST}").parse::<Code>().unwrap(), Code::image("a/b", DIGEST).unwrap());
    assert!("a/b:latest".parse::<Code>().is_err());
}

#[test]
fn what_is_the_customers_stands_beside_the_vendors_stack() {
    let mut stack = Stack::builder("shop");
    let network = stack.frozen("net", Network::new("10.20.0.0/16"));
    let data = stack.frozen("data", Storage::new());
    let stack = stack.build().unwrap();
    let given = stack.with_existing(&network, Existing::new("vpc-1").with_subnets(["subnet-1", "subnet-2"])).unwrap();
    assert_eq!(given.digest(), stack.digest());
    assert_ne!(given, stack);
    let written = serde_json::to_value(&given).unwrap();
    assert_eq!(written["existing"], json!({ "net": { "id": "vpc-1", "subnets": ["subnet-1", "subnet-2"] } }));
    assert_eq!(Stack::from_json(&written.to_string()).unwrap(), given);

    let refused = |id: &str, existing: &str| stack.with_existing(id, Existing::new(existing)).unwrap_err().to_string();
    assert!(refused(data.id(), "bucket").contains("`data`: `bucket` cannot stand in its place: the set-up makes it"));
    assert!(refused("gone", "vpc-1").contains("`gone`: `vpc-1` is given for it, and the stack has no such resource"));
    assert!(refused("net", "").contains("the name of the existing network is empty"));

    let target = memory::Target::new("acme").unwrap();
    let error = Invitation::new(DeploymentId::new(), &target, given).unwrap_err().to_string();
    assert!(error.contains("`net`: the stack names `vpc-1`, which is the customer's to give"), "{error}");
}

#[test]
fn an_invitation_says_how_releases_reach_the_deployment() {
    let target = memory::Target::new("acme").unwrap();
    let stack = Stack::builder("shop").build().unwrap();
    let push = Invitation::new(DeploymentId::new(), &target, stack).unwrap();
    assert!(!serde_json::to_string(&push).unwrap().contains("delivery"));
    let (manager, root) = ("https://releases.vendor.example:8443/v1".parse().unwrap(), DIGEST.parse().unwrap());
    let pull = Invitation::pull::<memory::Memory>(push.id, manager, root, push.stack.clone()).unwrap();
    let mut written = serde_json::to_value(&pull).unwrap();
    let expected = json!({ "pull": { "manager": "https://releases.vendor.example:8443/v1", "root": DIGEST } });
    assert_eq!((&written["version"], &written["delivery"]), (&json!(2), &expected));
    assert_eq!(Invitation::from_json(&written.to_string()).unwrap(), pull);
    let mut trusting = written.clone();
    trusting["trust"] = json!({ "vendor": "vendor", "proof": "proof" });
    let error = Invitation::from_json(&trusting.to_string()).unwrap_err().to_string();
    assert!(error.contains("`trust.proof`: releases are pulled") && error.contains("`trust.vendor`: "), "{error}");
    let agents = memory::Target::pulled("acme", "local:agent".parse().unwrap()).unwrap();
    let error = Invitation::new(push.id, &agents, push.stack.clone()).unwrap_err().to_string();
    assert!(error.contains("releases are pushed, and the target names an agent"), "{error}");
    written["version"] = 3.into();
    let error = Invitation::from_json(&written.to_string()).unwrap_err().to_string();
    assert!(error.contains("an invitation of version 3, and this program reads versions 1 to 2"), "{error}");
    for bad in
        ["http://vendor.example", "https://", "https://user@vendor.example", "https://vendor.example/?a=b", "vendor"]
    {
        assert!(bad.parse::<ManagerUrl>().is_err(), "{bad}");
    }
}

#[test]
fn an_invitation_says_which_one_it_is_and_may_be_signed() {
    let target = memory::Target::new("acme").unwrap();
    let first = Invitation::new(DeploymentId::new(), &target, Stack::builder("shop").build().unwrap()).unwrap();
    let written = serde_json::to_value(&first).unwrap();
    assert!(written.get("revision").is_none() && written.get("signature").is_none(), "{written}");
    let signature = InvitationSignature { key: "key".to_owned(), signature: "made".to_owned() };
    let later = first.clone().with_revision(2).with_signature(signature);
    let mut written = serde_json::to_value(&later).unwrap();
    assert_eq!(
        (&written["revision"], &written["signature"]),
        (&json!(2), &json!({ "key": "key", "signature": "made" }))
    );
    assert_eq!(Invitation::from_json(&written.to_string()).unwrap(), later);
    // Everything but the signature is signed, whatever the order and the spaces are.
    let form = Invitation::signed_form(&format!("{written:#}")).unwrap();
    assert_eq!(form, Invitation::signed_form(&serde_json::to_string(&first.with_revision(2)).unwrap()).unwrap());
    assert!(form.starts_with(r#"{"cloud":"memory","id":""#) && form.contains(r#","revision":2,"#), "{form}");
    written["signature"]["more"] = json!(1);
    let error = Invitation::from_json(&written.to_string()).unwrap_err().to_string();
    assert!(error.contains("unknown field `more`"), "{error}");
}

#[test]
fn what_is_signed_has_one_meaning() {
    let refused = |text: &str| Invitation::signed_form(text).unwrap_err().to_string();
    assert!(refused(r#"{"a":{"b":1,"b":1}}"#).contains("`a.b`: the field is written twice"));
    assert!(refused("[]").contains("not an object") && refused("{").contains("not an invitation"));
    let (most, more) = ((1_i64 << 53) - 1, 1_i64 << 53);
    for good in [json!(most), json!(-most), json!(0.5), json!(1e300)] {
        Invitation::signed_form(&json!({ "a": [{ "b": good }] }).to_string()).unwrap();
    }
    for bad in [json!(more), json!(-more), json!(u64::MAX)] {
        let told = refused(&json!({ "a": [{ "b": bad }] }).to_string());
        assert!(told.contains(&format!("{bad} is beyond 9007199254740991")), "{told}");
    }
    // What the signature holds is not signed.
    assert_eq!(
        Invitation::signed_form(r#"{"b":1,"signature":{"c":9007199254740993},"a":2}"#).unwrap(),
        r#"{"a":2,"b":1}"#
    );
}

/// The record keeps by which invitation it was set up: the next set-up is by that one or a later one.
#[tokio::test(start_paused = true)]
async fn a_record_keeps_by_which_invitation_it_was_set_up() {
    let config = memory::Config::new(memory::Account::default());
    let (id, target) = (DeploymentId::new(), memory::Target::new("acme").unwrap());
    let admin = memory::admin(&config, id, target.clone());
    let mut stack = Stack::builder("shop");
    stack.live("jobs", Queue::new());
    let release = Release::new(stack.build().unwrap(), Default::default()).unwrap();
    let invitation = Invitation::new(id, &target, release.stack().clone()).unwrap();

    let plan = admin.plan(&release).await.unwrap();
    let record = admin.apply(&plan).await.unwrap();
    assert!(!serde_json::to_string(&record).unwrap().contains("\"invitation\""));
    assert_eq!(invitation.superseded(&record), None);

    let invited = Invited { revision: 2, vendor_key: Some(DIGEST.parse().unwrap()) };
    let store = Arc::new(RecordsInMemory::new());
    let record = admin.apply(&plan).invited(invited.clone()).keep_in(store.clone()).await.unwrap();
    let written = serde_json::to_value(&record).unwrap();
    assert_eq!(written["invitation"], json!({ "revision": 2, "vendorKey": DIGEST }));
    assert_eq!(Deployment::from_json(&written.to_string()).unwrap(), record);
    for (revision, is_superseded) in [(0, true), (1, true), (2, false), (3, false)] {
        let problem = invitation.clone().with_revision(revision).superseded(&record);
        assert_eq!(problem.is_some(), is_superseded, "{revision}");
        let told = problem.map(|problem| problem.to_string()).unwrap_or_default();
        let words = format!("the invitation has revision {revision}, and the last set-up was by revision 2");
        assert_eq!(told.contains(&words), is_superseded, "{told}");
    }
    // A set-up that says nothing of it leaves it, with a store and without.
    let plan = admin.plan(&release).previous(&record).await.unwrap();
    assert_eq!(admin.apply(&plan).await.unwrap().invitation, invited);
    let kept = admin.apply(&plan).keep_in(store.clone()).await.unwrap();
    assert_eq!(kept.invitation, invited);
    let plan = admin.plan(&release).previous(&kept).await.unwrap();
    let later = Invited { revision: 3, ..invited };
    let kept = admin.apply(&plan).invited(later.clone()).keep_in(store).await.unwrap();
    assert_eq!(kept.invitation, later);
}

/// A record of one product is never made into another's.
#[tokio::test(start_paused = true)]
async fn a_set_up_of_another_product_is_refused_by_its_name() {
    let config = memory::Config::new(memory::Account::default());
    let target = memory::Target::new("acme").unwrap();
    let id = DeploymentId::new();
    let admin = memory::admin(&config, id, target.clone());
    let of = |name: &str| {
        let mut stack = Stack::builder(name);
        stack.live("api", Function::new(Code::zip(b"first"), "api"));
        stack.profile("api", Profile::new());
        Release::partial(stack.build().unwrap(), [Arc::from(*b"first")].into_iter().collect())
    };
    let plan = admin.plan(&of("shop")).await.unwrap();
    let record = admin.apply(&plan).await.unwrap();
    let error = admin.plan(&of("bank")).previous(&record).await.unwrap_err().to_string();
    assert!(error.contains("this is a stack of `bank`, and the deployment is of `shop`"), "{error}");
    assert!(admin.plan(&of("shop")).previous(&record).await.unwrap().is_empty());
    assert_eq!(Deployment::from_json(&serde_json::to_string(&record).unwrap()).unwrap(), record);
}
