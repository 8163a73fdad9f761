//! Roles and assignments beside earlier ones: what each identity may do more and less.

use alien_azure::Azure;
use alien_azure::policy::Principal;
use alien_conformance::golden::my_app;
use alien_core::Comparison;
use alien_core::adapter::{RightChange, compare};

use crate::{plant, target};

/// The vendor's documents with this change, beside those that were rendered.
fn changed(change: impl FnOnce(&mut Principal)) -> Comparison {
    let old = alien_core::render(&my_app(), &target("acme".parse().unwrap())).unwrap().documents.layers;
    let mut new = old.clone();
    change(&mut new.management.as_mut().unwrap().principals[0]);
    compare::<Azure>(&old, &new)
}

#[test]
fn a_role_at_a_higher_scope_is_wider_and_the_same_action_in_other_case_is_not() {
    let wider = changed(|vendor| vendor.role_assignments[0].scope.truncate("/subscriptions/".len() + 36));
    assert!(wider.widens(), "{wider:#?}");
    assert!(wider.permissions.iter().all(|found| found.change == RightChange::Widened), "{wider:#?}");
    let same = changed(|vendor| {
        let actions = &mut vendor.role_definitions[0].properties.permissions[0].actions;
        actions.iter_mut().for_each(|action| *action = action.to_uppercase().into());
    });
    assert!(same.is_empty(), "{same:#?}");
}

#[test]
fn a_planted_action_and_another_token_are_told() {
    let scope = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/customer-rg";
    let planted = changed(|vendor| plant(vendor, "Microsoft.Storage/storageAccounts/listKeys/action", scope));
    let [found] = planted.permissions.as_slice() else { panic!("{planted:#?}") };
    assert_eq!(
        (found.change, found.right.permission.as_str()),
        (RightChange::Gained, "Microsoft.Storage/storageAccounts/listKeys/action")
    );
    let token = changed(|vendor| vendor.federated_credentials[0].subject.push('x'));
    let changes: Vec<RightChange> = token.trust.iter().map(|found| found.change).collect();
    assert!(token.widens() && changes.contains(&RightChange::Gained) && changes.contains(&RightChange::Lost));
}
