//! Other writers at the same time, and commands that must not be sent twice.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use alien_conformance::world::{Calls, Case, World, release};
use alien_core::{Code, Data, ErrorKind, Function, Live, Manager, Outcome, Profile, Stack};
use serde_json::{Value, json};

use crate::only_gcp::{code, small};
use crate::world::{ADMIN, Peer, image};

/// Where somebody else wrote between a read and a write, both are made again at once.
pub(crate) async fn a_conflict_is_read_again(peer: &Peer) {
    let stack = small();
    let case = Case::new(peer, "meet", stack.clone());
    let deployment = case.up(&release(&stack, &[]), None).await.unwrap();
    let sim = &peer.sim;
    let role = sim.things().into_iter().find(|name| name.contains("/roles/alien.storage.heartbeat.Bucket")).unwrap();
    sim.set_role(role.trim_start_matches("//iam.googleapis.com/"), &["storage.buckets.get", "storage.buckets.delete"]);
    // Another writer is first, at each of these.
    for (method, name) in [
        ("iam.projects.roles.patch", role.as_str()),
        ("storage.buckets.patch", &deployment.resources["data"]),
        ("run.projects.locations.services.patch", &deployment.resources["api"]),
    ] {
        sim.faults().meet(method, name);
    }
    // A fingerprint that is gone makes the set-up write everything again.
    for id in ["data", "api"] {
        let name = &deployment.resources[id];
        let mut labels = sim.body(name).unwrap()["labels"].clone();
        labels.as_object_mut().unwrap().remove("alien-seal");
        sim.write(name, "labels", &labels);
    }
    let (calls, id) = (Calls::default(), deployment.id);
    let how = peer.calling().with_recorder(calls.recorder());
    let admin = alien_gcp::admin(&peer.config(ADMIN).with_calls(how), id, case.target.clone());
    let plan = admin.plan(&release(&stack, &[])).previous(&deployment).await.unwrap();
    let deployment = admin.apply(&plan).await.unwrap();
    let again: BTreeMap<String, u32> = calls
        .take()
        .iter()
        .filter(|call| call.attempts > 1)
        .map(|call| (call.operation.to_string(), call.attempts))
        .collect();
    let due = ["iam.projects.roles.patch", "run.projects.locations.services.patch", "storage.buckets.patch"];
    assert_eq!(again.keys().map(String::as_str).collect::<Vec<_>>(), due, "{again:?}");
    assert!(again.values().all(|attempts| *attempts == 2), "{again:?}");
    for id in ["data", "api"] {
        let body = sim.body(&deployment.resources[id]).unwrap();
        assert_eq!(body["labels"]["met"], "yes", "what the other wrote is kept: {body:#}");
    }
}

/// A bucket that somebody else is writing to is not one that holds objects.
pub(crate) async fn a_conflict_is_no_data(peer: &Peer) {
    let stack = small();
    let case = Case::new(peer, "busy", stack.clone());
    let deployment = case.up(&release(&stack, &[]), None).await.unwrap();
    peer.sim.faults().fail_before("storage.buckets.delete", 2, "ABORTED");
    let remains = case.admin.destroy(&deployment).data(Data::KeepUnlessEmpty).await.unwrap();
    let kept: Vec<&str> = remains.kept.iter().map(|kept| kept.subject.as_str()).collect();
    assert!(!kept.contains(&"data"), "{remains:?}");
}

/// What the code answers is the command's own outcome: the command is not sent again.
pub(crate) async fn a_command_that_code_refuses_is_sent_once(peer: &Peer) {
    let stack = {
        let mut stack = Stack::builder("refused");
        stack.live("api", Function::new(code("refused"), "api").with_commands());
        stack.profile("api", Profile::new());
        stack.build().unwrap()
    };
    let case = Case::new(peer, "refused", stack.clone());
    let deployment = case.up(&release(&stack, &[]), None).await.unwrap();
    let (manager, calls) = case.manager(&deployment);
    let api = manager.find::<Function, Live>("api").unwrap();
    for said in
        ["answer 401", "answer 403", "answer 403: Your client does not have permission to get URL / from this server."]
    {
        let error = manager.dispatch(&api, said.as_bytes()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Failed, "{said}: {error}");
        let sent = calls.take().into_iter().filter(|call| call.operation == "a request to the service");
        assert_eq!(sent.map(|call| call.attempts).collect::<Vec<_>>(), [1], "{said}");
    }
    // It is not known whether the code ran where IAM does not answer either.
    peer.sim.faults().fail_before("run.projects.locations.services.testIamPermissions", 1, "RESOURCE_EXHAUSTED");
    let said = b"answer 403: Your client does not have permission to get URL / from this server.";
    assert_eq!(manager.dispatch(&api, said).await.unwrap_err().kind(), ErrorKind::Failed);
    let sent = calls.take().into_iter().filter(|call| call.operation == "a request to the service");
    assert_eq!(sent.map(|call| call.attempts).collect::<Vec<_>>(), [1]);
    // What Cloud Run itself refuses is a denial, and no code ran.
    peer.take_away(&deployment, "run.routes.invoke", &[deployment.resources["api"].clone()]).await;
    let error = manager.dispatch(&api, b"hello").await.unwrap_err();
    assert!(format!("{error:?}").contains("Denied"), "{error:?}");
}

/// What somebody else writes between the look and the write of an update is not written over, and the write is not made again.
pub(crate) async fn an_update_that_comes_late_is_refused(peer: &Peer) {
    let stack = small();
    let case = Case::new(peer, "late", stack.clone());
    let deployment = case.up(&release(&stack, &[]), None).await.unwrap();
    let (manager, calls) = case.manager(&deployment);
    let service = &deployment.resources["api"];
    let patch = "run.projects.locations.services.patch";
    let api = manager.find::<Function, Live>("api").unwrap();
    let next = release(&stack.with_code("api", code("second")).unwrap(), &[]);
    // Another writer is first.
    peer.sim.faults().meet(patch, service);
    let released = manager.release(&next).await;
    let (_, outcome) = released.outcomes().find(|(id, _)| id.as_str() == "api").unwrap();
    let Outcome::NotUpdated(error) = outcome else { panic!("{released:?}") };
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
    let sent =
        |calls: &Calls| calls.take().into_iter().filter(|call| call.operation == patch).map(|call| call.attempts);
    assert_eq!(sent(&calls).collect::<Vec<_>>(), [1], "not again with the same etag");
    let body = peer.sim.body(service).unwrap();
    assert_eq!(
        (&body["labels"]["met"], &body["template"]["containers"][0]["image"]),
        (&json!("yes"), &json!(image("small")))
    );
    assert!(manager.deployment().uncertain.is_empty());
    // New instances are refused alike.
    let before = peer.sim.body(service).unwrap();
    peer.sim.faults().meet(patch, service);
    let error = manager.redeploy(&api).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
    assert_eq!(sent(&calls).collect::<Vec<_>>(), [1]);
    let serving = manager.heartbeat(&api).await.unwrap().reason;
    // After another look, both are done.
    manager.redeploy(&api).await.unwrap();
    let after = peer.sim.body(service).unwrap();
    assert_ne!(manager.heartbeat(&api).await.unwrap().reason, serving, "another revision serves");
    let without = |body: &Value| {
        let mut template = body["template"].clone();
        template.as_object_mut().unwrap().remove("annotations");
        template
    };
    assert_eq!(without(&after), without(&before), "the same in another revision");
    let plan = case.admin.plan(&release(&stack, &[])).previous(&deployment).await.unwrap();
    assert!(plan.is_empty(), "{plan}");
    assert!(manager.release(&next).await.is_ok());
}

/// A broken revision is not taken back over what somebody else has written since.
pub(crate) async fn what_came_over_a_broken_revision_is_left(peer: &Peer) {
    let stack = small();
    let case = Case::new(peer, "over", stack.clone());
    let deployment = case.up(&release(&stack, &[]), None).await.unwrap();
    let service = deployment.resources["api"].clone();
    let (faults, begun) = (peer.sim.faults(), AtomicBool::new(false));
    let how = peer.calling().with_recorder(Arc::new({
        let service = service.clone();
        move |call| {
            let patch = "run.projects.locations.services.patch";
            // Before the write that comes after the update.
            if call.operation == patch && !begun.swap(true, Ordering::SeqCst) {
                faults.meet(patch, &service);
            }
        }
    }));
    let manager = Manager::new(peer.vendor(how), deployment);
    let broken: Code = image("x").replace("/echo@", "/broken@").parse().unwrap();
    let released = manager.release(&release(&stack.with_code("api", broken).unwrap(), &[])).await;
    let (_, outcome) = released.outcomes().find(|(id, _)| id.as_str() == "api").unwrap();
    let Outcome::Unknown(error) = outcome else { panic!("{released:?}") };
    assert!(error.message().contains("the previous revision could not be put back"), "{error}");
    assert!(error.message().contains("somebody else has changed it"), "{error}");
    let body = peer.sim.body(&service).unwrap();
    assert_eq!(body["labels"]["met"], "yes", "{body:#}");
    assert!(body["template"]["containers"][0]["image"].as_str().unwrap().contains("/broken@"), "{body:#}");
    assert_eq!(manager.deployment().uncertain.len(), 1);
}
