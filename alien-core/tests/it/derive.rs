//! P1 over generated stacks, and what adding to a stack may change.

use std::collections::BTreeSet;

use alien_conformance::golden::my_app;
use alien_conformance::stacks::{any_document, any_stack, resource};
use alien_core::adapter::Subject;
use alien_core::{GrantReason, Grants, Kind, Layer, Lifecycle, Set, Stack};
use proptest::prelude::*;

/// Holder, subject by id, set.
fn named(stack: &Stack, holders: &[&Grants]) -> BTreeSet<(String, String, Set)> {
    let permissions = stack.permissions();
    holders
        .iter()
        .flat_map(|grants| {
            grants.grants.iter().map(|grant| {
                let subject = match grant.subject {
                    Subject::Resource(n) => stack.resources()[n].id().to_string(),
                    Subject::RuntimeIdentity(n) => permissions.runtime[n].holder.name(),
                    other => format!("{other:?}"),
                };
                (grants.holder.name(), subject, grant.set)
            })
        })
        .collect()
}

#[test]
fn every_grant_says_why_it_exists() {
    let stack = my_app();
    let permissions = stack.permissions();
    let mut text = String::new();
    for grants in permissions.holders() {
        text.push_str(&format!("{}\n", grants.holder.name()));
        for grant in &grants.grants {
            text.push_str(&format!("  {}: {}\n", grant.set_name(&stack), grant.reason(&stack)));
        }
    }
    insta::assert_snapshot!(text);
}

#[test]
fn reach_is_what_pushed_code_can_touch() {
    let stack = my_app();
    insta::assert_snapshot!(serde_json::to_string_pretty(&stack.reach()).unwrap());
}

proptest! {
    #![proptest_config(alien_conformance::seed::cases(300))]

    #[test]
    fn the_vendor_holds_heartbeat_of_all_and_what_live_and_extend_say(stack in any_stack()) {
        let permissions = stack.permissions();
        for (position, resource) in stack.resources().iter().enumerate() {
            let held = permissions.management.sets_on(Subject::Resource(position));
            let live = resource.lifecycle() == Lifecycle::Live;
            let extended: BTreeSet<Set> = stack.extensions(resource.id()).copied().collect();
            for set in Set::ALL {
                let expected = extended.contains(&set) || set.fits(resource.kind()) && match set {
                    Set::Heartbeat => true,
                    Set::Management | Set::Logs => live,
                    Set::Dispatch => live && resource.settings().takes_commands(),
                    _ => false,
                };
                prop_assert_eq!(held.contains(set), expected, "{} of {}", set.name(), resource.id());
            }
        }
        for grant in &permissions.management.grants {
            prop_assert!(matches!(grant.subject, Subject::Resource(_)));
            let provisions = matches!(grant.set, Set::Provision | Set::Reconfigure);
            prop_assert!(!provisions || grant.why == GrantReason::Extended);
            prop_assert!(!matches!(grant.set, Set::Setup | Set::Run | Set::DataRead | Set::DataWrite | Set::Invoke));
        }
    }

    #[test]
    fn code_holds_what_its_profile_asks_for_and_nothing_of_management(stack in any_stack()) {
        let permissions = stack.permissions();
        for grants in &permissions.runtime {
            prop_assert_eq!(grants.holder.layer(), Layer::Runtime);
            for grant in &grants.grants {
                prop_assert!(grant.set == Set::Run || grant.set.is_for_profiles());
            }
        }
        let used: BTreeSet<&str> = stack.resources().iter().filter_map(|r| r.settings().compute()).map(|c| c.profile).collect();
        prop_assert_eq!(permissions.runtime.len(), used.len());
    }

    #[test]
    fn an_unlinked_resource_changes_nobody_elses_grants(document in any_document(), kind in 0..6_usize, live in any::<bool>()) {
        let kind = Kind::ALL[kind];
        let before = Stack::from_json(&document.to_string()).unwrap();
        let mut added = document.clone();
        let lifecycle = if live { Lifecycle::Live } else { Lifecycle::Frozen };
        added["resources"].as_array_mut().unwrap().push(resource("new-one", kind, lifecycle));
        if kind.runs_code() && added["permissions"]["profiles"].get("execution").is_none() {
            added["permissions"]["profiles"]["execution"] = serde_json::json!({});
        }
        let after = Stack::from_json(&added.to_string()).unwrap();
        let grants = |stack: &Stack| {
            let permissions = stack.permissions();
            let holders: Vec<&Grants> = permissions.holders().collect();
            let mut grants = named(stack, &holders);
            grants.retain(|(holder, subject, _)| subject != "new-one" && subject != "runtime-execution" && holder != "runtime-execution");
            grants
        };
        prop_assert_eq!(grants(&before), grants(&after));
    }

    #[test]
    fn two_stacks_that_are_the_same_differ_in_nothing(document in any_document()) {
        let stack = Stack::from_json(&document.to_string()).unwrap();
        let diff = stack.diff(&stack);
        prop_assert!(diff.changes.is_empty() && diff.grants.is_empty() && diff.refusals().is_empty());
    }

    #[test]
    fn what_is_gained_one_way_is_lost_the_other(one in any_stack(), other in any_stack()) {
        let (there, back) = (one.diff(&other), other.diff(&one));
        let keys = |diff: &alien_core::Diff, change| -> BTreeSet<_> {
            diff.grants.iter().filter(|g| g.change == change).map(|g| (g.layer, g.holder.clone(), g.subject.clone(), g.set.clone())).collect()
        };
        use alien_core::Delta::Gained;
        use alien_core::Delta::Lost;
        prop_assert_eq!(keys(&there, Gained), keys(&back, Lost));
        prop_assert_eq!(keys(&there, Lost), keys(&back, Gained));
    }
}
