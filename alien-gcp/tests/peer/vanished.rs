//! Parts of a resource that somebody deleted: each is told as missing, and made again.

use alien_conformance::world::{Case, release};
use alien_core::{Deployment, Function, Kv, Network, Profile, Queue, Stack};

use serde_json::Value;

use crate::changed::{mended, told};
use crate::only_gcp::code;
use crate::world::{LOCATION, PROJECT, Peer};

/// What has parts: a database, a queue that starts a function, and a network.
fn parts() -> Stack {
    let mut stack = Stack::builder("parts");
    let jobs = stack.frozen("jobs", Queue::new().with_dead_letters_after(5));
    stack.frozen("cache", Kv::new().with_time_to_live("expires"));
    let net = stack.frozen("net", Network::new("10.20.0.0/24"));
    stack.live("api", Function::new(code("parts"), "api").with_trigger(&jobs).with_network(&net));
    stack.profile("api", Profile::new().on(&jobs, [Queue::DATA_READ]));
    stack.build().unwrap()
}

/// Deletes each thing, by its full name, and looks whether the plan says this, and whether the next set-up makes it again.
async fn each_is_made_again<'p>(peer: &'p Peer, prefix: &str, lost: &[(String, &str)]) -> (Case<'p, Peer>, Deployment) {
    let stack = parts();
    let case = Case::new(peer, prefix, stack.clone());
    let mut deployment = case.up(&release(&stack, &[]), None).await.unwrap();
    for (name, says) in lost {
        peer.sim.vanish(name);
        let plan = told(&case, &release(&stack, &[]), &deployment).await;
        assert!(plan.contains(says), "{name}: {plan}");
        deployment = mended(&case, &stack, &deployment).await;
        assert!(peer.sim.things().contains(name), "{name} is not made again");
    }
    (case, deployment)
}

fn full(service: &str, path: &str) -> String {
    format!("//{service}.googleapis.com/projects/{PROJECT}/{path}")
}

/// The log bucket, its view and its sink.
pub(crate) async fn of_logs(peer: &Peer) {
    let bucket = format!("locations/{LOCATION}/buckets/logged-live-6");
    let lost = [
        (full("logging", &format!("{bucket}/views/_AllLogs")), "the view of its entries does not exist"),
        (full("logging", "sinks/logged-live-6"), "its sink does not exist"),
        (full("logging", &bucket), "create"),
    ];
    each_is_made_again(peer, "logged", &lost).await;
}

/// The subscription of a queue, and what keeps its dead letters.
pub(crate) async fn of_a_queue(peer: &Peer) {
    let lost = [
        (full("pubsub", "subscriptions/queued-jobs-6"), "its subscription does not exist"),
        (
            full("pubsub", "subscriptions/queued-jobs-6-dead"),
            "the subscription that keeps its dead letters does not exist",
        ),
    ];
    let (case, deployment) = each_is_made_again(peer, "queued", &lost).await;
    // Without its topic, a subscription may still hold dead letters: it is nobody's to delete but the customer's.
    let [topic, kept] = ["topics", "subscriptions"].map(|kind| full("pubsub", &format!("{kind}/queued-jobs-6-dead")));
    peer.sim.vanish(&topic);
    let release = release(&parts(), &[]);
    let plan = told(&case, &release, &deployment).await;
    assert!(plan.contains("its topic for dead letters does not exist"), "{plan}");
    let error = case.up(&release, Some(&deployment)).await.unwrap_err().to_string();
    assert!(error.contains("queued-jobs-6-dead` is on `_deleted-topic_`; read its remaining messages"), "{error}");
    peer.sim.vanish(&kept);
    mended(&case, &parts(), &deployment).await;
    assert!([topic, kept].iter().all(|name| peer.sim.things().contains(name)));
}

/// The topic that marks a database, and the expiry of its documents.
pub(crate) async fn of_a_database(peer: &Peer) {
    let field = "databases/marked-cache-6/collectionGroups/items/fields/expires";
    let lost = [
        (full("pubsub", "topics/marked-cache-6-kv"), "the topic that would mark it"),
        (full("firestore", field), "documents do not expire by `expires`"),
    ];
    each_is_made_again(peer, "marked", &lost).await;
    // A database of that name which no set-up finished is nobody's.
    let other = Case::new(peer, "marked", parts());
    peer.sim.vanish(&full("pubsub", "topics/marked-cache-6-kv"));
    let plan = other.admin.plan(&release(&parts(), &[])).await.unwrap().to_string();
    assert!(plan.contains("something of this name already exists, and the topic that would mark it"), "{plan}");
}

/// The subnetwork of a network, and its firewall rule.
pub(crate) async fn of_a_network(peer: &Peer) {
    let lost = [
        (full("compute", &format!("regions/{LOCATION}/subnetworks/wired-net-5")), "update  net"),
        (full("compute", "global/firewalls/wired-net-5"), "update  net"),
    ];
    each_is_made_again(peer, "wired", &lost).await;
}

/// The push to a function.
pub(crate) async fn of_a_function(peer: &Peer) {
    let stack = parts();
    let case = Case::new(peer, "pulled", stack.clone());
    let deployment = case.up(&release(&stack, &[]), None).await.unwrap();
    let name = "subscriptions/pulled-jobs-6";
    let push = |peer: &Peer| peer.sim.body(&full("pubsub", name)).unwrap()["pushConfig"]["pushEndpoint"].clone();
    peer.sim.write(&full("pubsub", name), "pushConfig", &Value::Null);
    let plan = told(&case, &release(&stack, &[]), &deployment).await;
    assert!(plan.contains("the queue `jobs` does not push to it"), "{plan}");
    mended(&case, &stack, &deployment).await;
    assert_eq!(push(peer), peer.sim.body(&deployment.resources["api"]).unwrap()["uri"]);
}
