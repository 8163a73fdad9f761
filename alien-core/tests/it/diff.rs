//! Two stacks: what changed, who may apply it, what is refused.

use alien_conformance::golden::my_app;
use alien_core::{ChangeKind, Delta, Diff, Layer, Lifecycle, Remedy, Stack, Who};
use serde_json::{Value, json};

fn changed(change: impl FnOnce(&mut Value)) -> Diff {
    let previous = my_app();
    let mut document = serde_json::to_value(&previous).unwrap();
    change(&mut document);
    Stack::from_json(&document.to_string()).unwrap_or_else(|problems| panic!("{problems}")).diff(&previous)
}

fn of<'a>(document: &'a mut Value, id: &str) -> &'a mut Value {
    document["resources"].as_array_mut().unwrap().iter_mut().find(|resource| resource["id"] == id).unwrap()
}

#[test]
fn an_update_of_live_code_is_the_vendors_to_apply() {
    let diff = changed(|document| {
        let digest = format!("sha256:{}", "1".repeat(64));
        of(document, "api")["code"] = json!({ "images": { "registry.example.com/api": digest } });
        of(document, "api")["timeoutSeconds"] = 60.into();
    });
    assert_eq!(diff.changes.len(), 1);
    assert_eq!(diff.changes[0].who, Who::Vendor);
    assert!(diff.grants.is_empty() && diff.refusals().is_empty());
}

/// What the customer approved is a size, or sizes from one to another. The bounds themselves are the admin's to change.
#[test]
fn a_size_is_the_vendors_to_change_within_the_bounds_that_the_customer_approved() {
    let bounded = |min: u32, max: u32| {
        let mut document = serde_json::to_value(my_app()).unwrap();
        of(&mut document, "api")["memoryBounds"] = json!({ "min": min, "max": max });
        document
    };
    let diff = |previous: &Value, next: &Value| {
        let read = |document: &Value| Stack::from_json(&document.to_string()).unwrap();
        read(next).diff(&read(previous))
    };
    let with_memory = |document: &Value, memory: u32| {
        let mut document = document.clone();
        of(&mut document, "api")["memoryMib"] = memory.into();
        document
    };
    let (none, wide) = (serde_json::to_value(my_app()).unwrap(), bounded(256, 1024));
    for memory in [256, 1024] {
        assert_eq!(diff(&wide, &with_memory(&wide, memory)).changes[0].who, Who::Vendor);
        let refused = diff(&none, &with_memory(&none, memory)).admin_only();
        let told = format!("memory in MiB would be {memory}, and the customer approved 512");
        assert_eq!((refused.len(), &refused[0].what), (1, &told));
    }
    assert_eq!(diff(&wide, &with_memory(&bounded(128, 2048), 1024)).changes[0].who, Who::Admin, "other bounds");
    for other in [bounded(128, 1024), bounded(256, 2048), none] {
        let diff = diff(&wide, &other);
        assert_eq!(diff.changes[0].who, Who::Admin);
        assert!(diff.refusals().is_empty() && diff.admin_only().len() == 1);
    }
}

#[test]
fn a_live_functions_identity_and_address_are_the_admins_to_change() {
    let diff = changed(|document| of(document, "api")["publicUrl"] = true.into());
    assert_eq!(diff.changes[0].who, Who::Admin);
    assert!(diff.refusals().is_empty());
}

#[test]
fn a_frozen_resource_that_changed_is_refused_unless_that_is_meant() {
    for (id, field, value) in
        [("data", "versioning", json!(true)), ("jobs", "deadLetterAfter", json!(7)), ("worker", "port", json!(80))]
    {
        let diff = changed(|document| of(document, id)[field] = value);
        assert_eq!(diff.refusals().len(), 1, "{id}");
        assert!(diff.refusals()[0].what.contains(field));
        assert!(diff.refusals_except_frozen().is_empty(), "{id}");
        assert_eq!(diff.changes[0].who, Who::Admin);
    }
}

#[test]
fn a_resource_that_is_new_brings_grants_that_the_admin_approves() {
    let diff = changed(|document| {
        document["resources"]
            .as_array_mut()
            .unwrap()
            .push(json!({ "id": "more", "type": "kv", "lifecycle": "frozen" }));
    });
    assert_eq!((&diff.changes[0].kind, diff.changes[0].who), (&ChangeKind::Added, Who::Admin));
    let refusals = diff.refusals_except_frozen();
    assert!(refusals.len() == 1 && refusals[0].what.contains("kv/heartbeat"), "{refusals:?}");
}

#[test]
fn removed_thawed_and_grown_are_refused_and_frozen_is_not() {
    let removed = changed(|document| document["resources"].as_array_mut().unwrap().retain(|r| r["id"] != "cache"));
    assert_eq!(removed.refusals_except_frozen().len(), 1);
    assert!(removed.grants.iter().all(|grant| grant.change == Delta::Lost));

    let thawed = changed(|document| of(document, "worker")["lifecycle"] = "live".into());
    let refusals: Vec<String> = thawed.refusals_except_frozen().iter().map(ToString::to_string).collect();
    assert!(refusals.len() == 3 && refusals[0].contains("frozen before, live now"), "{refusals:#?}");

    let froze = changed(|document| of(document, "api")["lifecycle"] = "frozen".into());
    assert_eq!(froze.changes[0].kind, ChangeKind::Froze);
    assert!(froze.refusals().is_empty());

    let grown = changed(|document| {
        document["permissions"]["profiles"]["execution"]["cache"] = json!(["kv/data-read"]);
        document["permissions"]["management"]["extend"]["data"] = json!(["storage/reconfigure"]);
    });
    assert_eq!(grown.refusals().len(), 2);

    let shrunk = changed(|document| document["permissions"]["management"] = json!({ "extend": {} }));
    assert!(shrunk.refusals().is_empty() && shrunk.grants.len() == 1);
}

/// What the customer lets the vendor delete is the vendor's to apply, and a frozen one fails the build all the same.
#[test]
fn a_frozen_resource_that_the_vendor_may_delete_is_removed_only_where_frozen_changes_are_allowed() {
    let with = |lifecycle: &str| {
        let stack = json!({
            "version": Stack::VERSION,
            "name": "shop",
            "resources": [
                { "id": "jobs", "type": "queue", "lifecycle": lifecycle },
                { "id": "keep", "type": "queue", "lifecycle": "live" },
            ],
            "permissions": { "management": { "extend": { "jobs": ["queue/provision"] } } },
        });
        Stack::from_json(&stack.to_string()).unwrap()
    };
    let less = json!({
        "version": Stack::VERSION,
        "name": "shop",
        "resources": [{ "id": "keep", "type": "queue", "lifecycle": "live" }],
    });
    let less = Stack::from_json(&less.to_string()).unwrap();
    for (lifecycle, refused) in [("live", 0), ("frozen", 1)] {
        let diff = less.diff(&with(lifecycle));
        assert_eq!(diff.changes[0].who, Who::Vendor);
        let refusals = diff.refusals();
        assert_eq!(refusals.len(), refused, "{lifecycle}: {refusals:?}");
        assert!(refusals.iter().all(|problem| problem.remedy == Some(Remedy::AllowFrozenChanges)));
        assert_eq!((diff.refusals_except_frozen(), diff.admin_only()), (Vec::new(), Vec::new()), "{lifecycle}");
    }
}

/// What goes with a resource that the vendor deletes is the vendor's to apply, and no other loss of a permission is.
#[test]
fn of_the_grants_that_are_lost_only_those_of_what_the_vendor_deletes_are_the_vendors() {
    let with = |jobs: bool, keep_profile: &str, keep_sets: Value| {
        let code = json!({ "zip": format!("sha256:{}", "1".repeat(64)) });
        let function = |id: &str, profile: &str| json!({ "id": id, "type": "function", "lifecycle": "live", "profile": profile, "code": code });
        let mut resources =
            vec![json!({ "id": "table", "type": "kv", "lifecycle": "frozen" }), function("keep", keep_profile)];
        let mut profiles = json!({ keep_profile: { "table": keep_sets } });
        let mut extend = json!({});
        if jobs {
            resources.push(function("jobs", "jobs"));
            profiles["jobs"] = json!({ "table": ["kv/data-read"] });
            extend["jobs"] = json!(["function/provision"]);
        }
        let stack = json!({
            "version": Stack::VERSION,
            "name": "shop",
            "resources": resources,
            "permissions": { "profiles": profiles, "management": { "extend": extend } },
        });
        Stack::from_json(&stack.to_string()).unwrap_or_else(|problems| panic!("{problems}"))
    };
    let both = json!(["kv/data-read", "kv/data-write"]);
    let whole = with(true, "keep", both.clone());
    let lost = |next: Stack| {
        let diff = next.diff(&whole);
        let text = serde_json::to_string(&diff).unwrap();
        assert_eq!(serde_json::from_str::<Diff>(&text).unwrap(), diff, "{text}");
        for grant in &diff.grants {
            let says = serde_json::to_value(grant).unwrap().get("who").is_some();
            assert_eq!(says, grant.who == Who::Vendor, "who is not said is the admin: {grant:?}");
        }
        let lost = diff.grants.into_iter().filter(|grant| grant.layer != Layer::Provisioning);
        let lost = lost.filter(|grant| grant.change == Delta::Lost);
        lost.map(|grant| (format!("{} {}", grant.holder, grant.set), grant.who)).collect::<Vec<_>>()
    };
    let deleted = lost(with(false, "keep", both.clone()));
    assert!(deleted.len() > 3 && deleted.iter().all(|(_, who)| *who == Who::Vendor), "{deleted:?}");
    // The code that stays loses something as well.
    let less = lost(with(false, "keep", json!(["kv/data-read"])));
    let admins: Vec<_> = less.iter().filter(|(_, who)| *who == Who::Admin).collect();
    assert_eq!(admins, [&("runtime-keep kv/data-write".to_owned(), Who::Admin)], "{less:?}");
    // Nothing is deleted, and an identity goes all the same.
    let other = lost(with(true, "other", both));
    assert!(other.len() > 1 && other.iter().all(|(_, who)| *who == Who::Admin), "{other:?}");
}

#[test]
fn another_kind_under_the_same_id_is_another_resource() {
    let diff =
        changed(|document| *of(document, "cache") = json!({ "id": "cache", "type": "queue", "lifecycle": "frozen" }));
    let kinds: Vec<_> = diff.changes.iter().map(|change| change.kind.clone()).collect();
    assert_eq!(kinds, [ChangeKind::Removed { lifecycle: Lifecycle::Frozen }, ChangeKind::Added]);
    assert!(!diff.refusals().is_empty());
}

#[test]
fn only_what_the_vendor_or_the_code_gains_counts_as_growth() {
    let grown = changed(|document| {
        document["permissions"]["management"]["extend"]["data"] = json!(["storage/reconfigure"]);
    });
    assert!(grown.grows() && grown.grants.iter().all(|grant| grant.change == Delta::Gained));
    let lost = changed(|document| document["permissions"]["management"] = json!({ "extend": {} }));
    assert!(!lost.grows(), "{:?}", lost.grants);
    let same = changed(|_| {});
    assert!(!same.grows());
    // What is bound to code that nothing of the vendor's reaches is more for the admin alone.
    let admins: Vec<_> = grown.grants.iter().filter(|grant| grant.layer == Layer::Provisioning).collect();
    assert!(admins.is_empty(), "{admins:?}");
    assert_eq!([Delta::Gained, Delta::Lost].map(Delta::name), ["gained", "lost"]);
}

/// What only the admin does is each told once: the resource, and what the vendor or the code loses.
#[test]
fn what_is_removed_is_the_admins_with_every_grant_that_goes() {
    let removed = changed(|document| document["resources"].as_array_mut().unwrap().retain(|r| r["id"] != "cache"));
    let told: Vec<String> = removed.admin_only().iter().map(|problem| problem.what.clone()).collect();
    let lost = removed.grants.iter().filter(|grant| grant.layer != Layer::Provisioning);
    let expected: Vec<String> = ["removed".to_owned()]
        .into_iter()
        .chain(lost.map(|grant| format!("{} loses `{}`", grant.holder, grant.set)))
        .collect();
    assert_eq!(told, expected);
    assert!(removed.grants.iter().any(|grant| grant.layer == Layer::Provisioning), "{:?}", removed.grants);
    let added = changed(|document| {
        let more = json!({ "id": "more", "type": "kv", "lifecycle": "frozen" });
        document["resources"].as_array_mut().unwrap().push(more);
    });
    let told: Vec<String> = added.admin_only().iter().map(|problem| problem.to_string()).collect();
    assert!(told.len() == 1 && told[0].contains("management gains `kv/heartbeat`"), "{told:?}");
}

/// What the vendor may set while it is live is the admin's where the resource is frozen before or after.
#[test]
fn settings_of_what_thaws_or_freezes_are_the_admins_to_change() {
    for (id, lifecycle) in [("worker", "live"), ("api", "frozen")] {
        let diff = changed(|document| {
            let resource = of(document, id);
            resource["lifecycle"] = lifecycle.into();
            resource["environment"] = json!({ "A": "1" });
        });
        let who: Vec<Who> = diff.changes.iter().map(|change| change.who).collect();
        assert_eq!(who, [Who::Admin, Who::Admin], "{id}: {:?}", diff.changes);
    }
}
