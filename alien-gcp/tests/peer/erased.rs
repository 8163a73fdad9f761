//! Taking down with the data: all of it is deleted, or what is kept is told.

use alien_conformance::world::{Case, release};
use alien_core::{Data, Deployment, Kv, Stack, Storage};
use serde_json::json;

use crate::world::Peer;

fn holding() -> Stack {
    let mut stack = Stack::builder("holding");
    stack.frozen("data", Storage::new().with_versions());
    stack.frozen("cache", Kv::new());
    stack.build().unwrap()
}

fn database(deployment: &Deployment) -> String {
    deployment.resources["cache"].clone()
}

/// Every version goes; what was deleted before, and is kept by Cloud Storage, is told; a protected database is kept.
pub(crate) async fn data_is_deleted_or_told(peer: &Peer) {
    let stack = holding();
    let case = Case::new(peer, "erased", stack.clone());
    let deployment = case.up(&release(&stack, &[]), None).await.unwrap();
    let bucket = deployment.resources["data"].clone();
    let id = bucket.rsplit('/').next().unwrap();
    for name in ["one", "two", "one"] {
        peer.sim.put_object(id, name);
    }
    let kept = case.admin.destroy(&deployment).await.unwrap().kept;
    assert!(kept.iter().any(|kept| kept.subject == "data" && kept.why.contains("it holds objects")), "{kept:?}");

    let deployment = case.up(&release(&stack, &[]), None).await.unwrap();
    peer.sim.write(&database(&deployment), "deleteProtectionState", &json!("DELETE_PROTECTION_ENABLED"));
    let kept = case.admin.destroy(&deployment).data(Data::Delete).await.unwrap().kept;
    let subjects: Vec<&str> = kept.iter().map(|kept| kept.subject.as_str()).collect();
    assert_eq!(subjects, ["cache"], "all versions are gone, and the database is kept: {kept:?}");
    assert!(kept[0].why.contains("delete protection"), "{kept:?}");
    assert!(!peer.sim.things().contains(&bucket));

    // What somebody deleted last week is still there, and nobody can delete it.
    let stack = {
        let mut stack = Stack::builder("before");
        stack.frozen("data", Storage::new());
        stack.build().unwrap()
    };
    let again = Case::new(peer, "before", stack.clone());
    let deployment = again.up(&release(&stack, &[]), None).await.unwrap();
    let id = deployment.resources["data"].rsplit('/').next().unwrap().to_owned();
    peer.sim.put_object(&id, "old");
    peer.sim.delete_object(&id, "old");
    let kept = again.admin.destroy(&deployment).data(Data::Delete).await.unwrap().kept;
    assert!(kept.iter().any(|kept| kept.subject == "data" && kept.why.contains("deleted before")), "{kept:?}");
    assert!(!peer.sim.things().contains(&deployment.resources["data"]));
}
