//! Invitations to deployments that pull their releases: what the vendor makes, and what the customer's admin says and reads.

use alien_release::SigningKey;
use serde_json::{Value, json};

use crate::invite::{CLOUDS, Invited, record};
use crate::manager::Manager;
use crate::{MY_APP, alien, alien_deploy, done, file, nowhere, refused, refused_as, with};
use alien_core::Exit;

const MANAGER: &str = "https://releases.vendor.example";
const ROOT: &str = "sha256:5555555555555555555555555555555555555555555555555555555555555555";

/// The principal of the customer's that manages, on each cloud, and one of somebody else's.
fn agents(cloud: &str) -> (&'static str, &'static str) {
    match cloud {
        "aws" => ("arn:aws:iam::222222222222:role/agent", "arn:aws:iam::111111111111:role/agent"),
        "gcp" => (
            "alien-agent@customer-project.iam.gserviceaccount.com",
            "alien-agent@vendor-project.iam.gserviceaccount.com",
        ),
        _ => (
            "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/tools/providers/Microsoft.Compute/virtualMachines/agent",
            "/subscriptions/00000000-0000-0000-0000-000000000002/resourceGroups/tools/providers/Microsoft.Compute/virtualMachines/agent",
        ),
    }
}

const PULL: [&str; 5] = ["--pull", "--manager", MANAGER, "--root", ROOT];

fn pulling(invited: &Invited) -> Value {
    let output = alien(&with(&["invite", "--stack", MY_APP, "--cloud", invited.cloud], &PULL));
    serde_json::from_str(&done(&output)).unwrap()
}

fn review(invited: &Invited, invitation: &Value, more: &[&str]) -> std::process::Output {
    invited.deploy(&with(&["review"], more), "pulled", invitation)
}

#[test]
fn an_invitation_to_pull_trusts_nobody_and_the_review_says_who_manages() {
    for invited in &CLOUDS {
        let invitation = pulling(invited);
        assert_eq!(invitation["trust"], json!({}));
        assert_eq!(invitation["delivery"], json!({ "pull": { "manager": MANAGER, "root": ROOT } }));
        let (agent, foreign) = agents(invited.cloud);
        let mut text = done(&review(invited, &invitation, &["--agent", agent]));
        for said in ["The vendor has no identity here", MANAGER, ROOT, agent] {
            assert!(text.contains(said), "{said}: {text}");
        }
        text.truncate(text.find("What the vendor can do with").unwrap());
        insta::assert_snapshot!(format!("{}_pulled", invited.cloud), text);
        let reviewed: Value =
            serde_json::from_str(&done(&review(invited, &invitation, &["--agent", agent, "--json"]))).unwrap();
        let pulled = json!({ "agent": agent, "from": { "manager": MANAGER, "root": ROOT } });
        assert_eq!(
            (&reviewed["review"]["pulled"], &reviewed["documents"]["target"]["agent"]),
            (&pulled, &agent.into())
        );

        assert!(refused(&review(invited, &invitation, &[])).contains("`--agent`: missing; give "));
        let told = refused(&review(invited, &invitation, &["--agent", foreign]));
        assert!(told.contains("is not of the target's"), "{told}");
        // The other model's field is refused by its name, whichever file says it.
        let mut trusting = invitation.clone();
        trusting["trust"] = invited.invitation()["trust"].clone();
        assert!(refused(&review(invited, &trusting, &["--agent", agent])).contains("releases are pulled"));
        let told = refused(&review(invited, &invited.invitation(), &["--agent", agent]));
        assert!(told.contains("`--agent`: names an agent, which has no identity where releases are pushed"), "{told}");
    }
}

#[test]
fn what_is_wrong_with_an_invitation_to_pull_is_told() {
    for flags in [&["--pull"][..], &["--pull", "--manager", MANAGER], &["--manager", MANAGER], &["--root", ROOT]] {
        let output = alien(&with(&["invite", "--stack", MY_APP, "--cloud", "aws"], flags));
        assert_eq!(output.status.code(), Some(2), "{flags:?}");
    }
    let invite = |manager: &str, root: &str, more: &[&str]| {
        let flags = ["invite", "--stack", MY_APP, "--cloud", "aws", "--pull", "--manager", manager, "--root", root];
        alien(&with(&flags, more))
    };
    assert_eq!(invite("http://vendor.example", ROOT, &[]).status.code(), Some(2));
    assert!(refused(&invite(MANAGER, "sha256:55", &[])).contains("`--root`: `sha256:55` is not the digest"));
    assert!(refused(&invite(MANAGER, "absent-root.json", &[])).contains("absent-root.json"));
    let told = refused(&invite(MANAGER, ROOT, &["--vendor", "arn:aws:iam::111111111111:role/vendor"]));
    assert!(told.contains("`--vendor`: names the vendor, which has no identity where releases are pulled"), "{told}");
    // A root file is named by its digest.
    let root = nowhere("root.json");
    std::fs::write(&root, "abc").unwrap();
    let printed = done(&invite(MANAGER, root.to_str().unwrap(), &[]));
    let invitation: Value = serde_json::from_str(&printed).unwrap();
    let abc = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(invitation["delivery"]["pull"]["root"], abc);
}

/// The record that a set-up of an invitation to pull would write.
fn pulled_record(invited: &Invited, push: &Value) -> Value {
    let mut record = record(invited, push);
    let place = record["target"].as_object_mut().unwrap();
    for name in ["vendor", "externalId", "issuer", "subject"] {
        place.remove(name);
    }
    place.insert("agent".to_owned(), agents(invited.cloud).0.into());
    record["delivery"] = json!({ "pull": { "manager": MANAGER, "root": ROOT } });
    record
}

#[test]
fn a_deployment_that_is_there_is_invited_to_the_other_model() {
    for invited in &CLOUDS {
        let push = invited.invitation();
        let pushed = record(invited, &push);
        let path = file(&format!("moved-{}.json", invited.cloud), &pushed);
        let again = |path: &std::path::Path, more: &[&str]| {
            alien(&with(&["invite", "--stack", MY_APP, "--record", path.to_str().unwrap()], more))
        };
        let pull: Value = serde_json::from_str(&done(&again(&path, &PULL))).unwrap();
        assert_eq!((&pull["id"], &pull["trust"]), (&push["id"], &json!({})));
        let pulled = file(&format!("moved-back-{}.json", invited.cloud), &pulled_record(invited, &push));
        let same: Value = serde_json::from_str(&done(&again(&pulled, &[]))).unwrap();
        assert_eq!(same, pull, "the same model, unless the flags say otherwise");
        let back: Value = serde_json::from_str(&done(&again(&pulled, invited.trust))).unwrap();
        assert_eq!((&back["id"], back.get("delivery")), (&push["id"], None));
        assert!(!back["trust"].as_object().unwrap().is_empty());
        let told = refused(&again(&path, invited.trust));
        assert!(told.contains("trusts a vendor already"), "{told}");
    }
}

/// The vendor's programs do not try where the vendor has no identity.
#[test]
fn the_vendor_is_refused_by_a_sentence_and_calls_nothing() {
    for invited in &CLOUDS {
        let mut pull = pulling(invited);
        let push = invited.invitation();
        pull["id"] = push["id"].clone();
        let record = pulled_record(invited, &push);
        let invitation = file(&format!("vendors-{}.json", invited.cloud), &pull);
        let record = file(&format!("vendors-record-{}.json", invited.cloud), &record);
        let (invitation, record) = (invitation.to_str().unwrap(), record.to_str().unwrap());
        for command in
            [&["register", "--invitation", invitation, "--record", record][..], &["heartbeat", "--record", record]]
        {
            let told = refused_as(Exit::Refused, &alien(command));
            assert!(told.contains("the vendor has no identity there"), "{command:?}: {told}");
        }
    }
}

#[test]
fn an_agents_key_is_registered_in_a_file_and_over_a_manager() {
    let invited = &CLOUDS[1];
    let (mut pull, push) = (pulling(invited), invited.invitation());
    pull["id"] = push["id"].clone();
    let invitation = file("agents-invitation.json", &pull).display().to_string();
    let record = file("agents-record.json", &pulled_record(invited, &push)).display().to_string();
    let folder = nowhere("agents");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    let at = |name: &str| folder.join(name).display().to_string();
    let key = SigningKey::generate().unwrap();
    key.save(at("private.pem")).unwrap();
    std::fs::write(at("public.pem"), key.public().to_string()).unwrap();

    let (store, managed) = (at("alone.redb"), folder.join("managed"));
    std::fs::create_dir_all(&managed).unwrap();
    let manager = Manager::begin(&managed);
    for reach in [vec!["--store", &store], manager.flags()] {
        let register = |more: &[&str]| {
            let begin = ["deployments", "register", &invitation, "--record", &record];
            alien(&[&begin[..], more, &reach[..]].concat())
        };
        assert!(refused(&register(&[])).contains("the key of its agent is not known"));
        assert!(refused(&register(&["--agent-key", &at("private.pem")])).contains("it is a private key"));
        done(&register(&["--agent-key", &at("public.pem")]));
        let show = ["deployments", "show", push["id"].as_str().unwrap()];
        let shown = done(&alien(&with(&show, &reach)));
        assert!(shown.contains(&key.public().fingerprint()), "{shown}");
        // Another key, which the admin has set up with.
        let next = SigningKey::generate().unwrap();
        let mut recorded = pulled_record(invited, &push);
        recorded["agentKey"] = next.public().to_string().into();
        let record = file("agents-record-with-a-key.json", &recorded).display().to_string();
        done(&alien(&with(&["deployments", "register", &invitation, "--record", &record], &reach)));
        let shown = done(&alien(&with(&show, &reach)));
        assert!(shown.contains(&next.public().fingerprint()), "{shown}");
    }
}

/// The principals of clusters, on each cloud.
fn in_clusters(cloud: &str) -> &'static str {
    match cloud {
        "aws" => {
            "system:serviceaccount:shop:updater@arn:aws:iam::222222222222:oidc-provider/oidc.eks.eu-central-1.amazonaws.com/id/EXAMPLED539D4633E53DE1B716D3041E"
        }
        "gcp" => {
            "principal://iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/customer-project.svc.id.goog/subject/ns/shop/sa/updater"
        }
        _ => {
            "system:serviceaccount:shop:updater@https://westeurope.oic.prod-aks.azure.com/00000000-0000-0000-0000-00000000000f/00000000-0000-0000-0000-0000000000ff/"
        }
    }
}

/// What a manifest has that gives the pod the agent's identity: of the principal of the account, then of the one in a cluster.
fn given_identity(cloud: &str) -> [Vec<&'static str>; 2] {
    let role = "\n  namespace: alien-agent\n  annotations:\n    eks.amazonaws.com/role-arn: \"arn:aws:iam::222222222222:role/agent\"\n---\n";
    let entered = "\n  namespace: shop\n  annotations:\n    eks.amazonaws.com/role-arn: \"arn:aws:iam::222222222222:role/my-app-management-6\"\n---\n";
    let account = "\n  annotations:\n    iam.gke.io/gcp-service-account: \"alien-agent@customer-project.iam.gserviceaccount.com\"\n---\n";
    let client =
        "\n  annotations:\n    azure.workload.identity/client-id: \"00000000-0000-0000-0000-00000000000c\"\n---\n";
    let label =
        "\n        app.kubernetes.io/name: alien-agent\n        azure.workload.identity/use: \"true\"\n    spec:\n";
    match cloud {
        "aws" => [vec![role, "trust `system:serviceaccount:alien-agent:alien-agent`"], vec![entered]],
        "gcp" => [
            vec![account, "PROJECT.svc.id.goog[alien-agent/alien-agent]"],
            vec!["where the cluster has a workload identity pool"],
        ],
        _ => [vec!["# The deployment trusts what runs on this machine", "virtualMachines/agent"], vec![client, label]],
    }
}

#[test]
fn how_to_run_an_agent_is_printed_for_its_deployment() {
    for invited in &CLOUDS {
        let push = invited.invitation();
        let mut recorded = pulled_record(invited, &push);
        if invited.cloud == "azure" {
            recorded["identityId"] = "00000000-0000-0000-0000-00000000000c".into();
        }
        let [as_principal, in_cluster] = given_identity(invited.cloud);
        let printed = |recorded: &Value, more: &[&str]| {
            let record = file(&format!("run-{}.json", invited.cloud), recorded);
            alien_deploy(&with(&["agent", "--record", record.to_str().unwrap()], more))
        };
        for (what, line) in
            [("systemd", "Type=notify"), ("container", "--read-only"), ("kubernetes", "kind: Deployment")]
        {
            let text = done(&printed(&recorded, &["--for", what, "--image", "registry.example/agent:7"]));
            for part in [line, push["id"].as_str().unwrap(), "of `my-app`", "--state", "--record", "--policy"] {
                assert!(text.contains(part), "{what} has no {part}: {text}");
            }
            assert!(!text.contains('{') && !text.contains('}'), "{text}");
            assert_eq!(text.contains("registry.example/agent:7"), what != "systemd", "{text}");
            let is_owned = text.contains("namespace: alien-agent") && text.contains("name: alien-agent");
            assert_eq!(is_owned, what == "kubernetes", "{text}");
            for part in &as_principal {
                assert_eq!(text.contains(part), what == "kubernetes", "{part}: {text}");
            }
        }
        recorded["target"]["agent"] = in_clusters(invited.cloud).into();
        let text = done(&printed(&recorded, &["--for", "kubernetes"]));
        let named = ["namespace: shop", "serviceAccountName: updater", "  name: updater\n"];
        for part in named.iter().chain(&in_cluster) {
            assert!(text.contains(part), "{part}: {text}");
        }
        let annotations = usize::from(invited.cloud != "gcp");
        assert_eq!(text.matches("annotations:").count(), annotations, "{text}");
        let pushed = record(invited, &push);
        assert!(refused(&printed(&pushed, &["--for", "systemd"])).contains("the vendor pushes releases"));
    }
}

#[test]
fn an_agents_key_is_refused_where_the_vendor_pushes() {
    for invited in &CLOUDS {
        let folder = nowhere(&format!("pushed-key-{}", invited.cloud));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        let (key, record) = (folder.join("key.pub"), folder.join("record.json"));
        std::fs::write(&key, SigningKey::generate().unwrap().public().to_string()).unwrap();
        let (key, record) = (key.to_str().unwrap(), record.to_str().unwrap());
        let up = ["up", "--yes", "--record", record, "--agent-key", key];
        let told = refused(&invited.deploy(&up, "pushed-key", &invited.invitation()));
        assert!(told.contains("`--agent-key`: the vendor pushes releases, so the deployment has no agent"), "{told}");
    }
}
