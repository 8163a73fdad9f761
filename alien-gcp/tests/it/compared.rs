//! Bindings beside earlier ones: what each identity may do more and less.

use alien_conformance::golden::my_app;
use alien_core::Comparison;
use alien_core::adapter::{RightChange, compare};
use alien_gcp::Gcp;
use alien_gcp::policy::{Condition, Principal, Text};

use crate::{plant, target};

/// The vendor's documents with both changes, beside those with the first one alone.
fn changed(before: impl Fn(&mut Principal), after: impl FnOnce(&mut Principal)) -> Comparison {
    let mut old = alien_core::render(&my_app(), &target("acme".parse().unwrap())).unwrap().documents.layers;
    before(&mut old.management.as_mut().unwrap().principals[0]);
    let mut new = old.clone();
    after(&mut new.management.as_mut().unwrap().principals[0]);
    compare::<Gcp>(&old, &new)
}

#[test]
fn a_permission_that_a_role_gains_shows_although_the_role_has_another_name() {
    let compared = changed(
        |_| (),
        |vendor| {
            let role = &mut vendor.custom_roles[0];
            let old = role.role_id.to_string();
            role.role_id = Text::Owned(format!("{old}x"));
            role.included_permissions.push(Text::Owned("storage.objects.get".to_owned()));
            for binding in vendor.bindings.iter_mut().filter(|binding| binding.role.ends_with(&old)) {
                binding.role.push('x');
            }
        },
    );
    assert!(compared.widens(), "{compared:#?}");
    let gained = compared.permissions.iter().map(|found| (found.change, found.right.permission.as_str()));
    assert!(
        gained.clone().count() > 0 && gained.clone().all(|one| one == (RightChange::Gained, "storage.objects.get"))
    );
}

#[test]
fn a_dropped_condition_is_wider_also_one_that_compares_no_names() {
    let thing = "//storage.googleapis.com/projects/_/buckets/acme-data";
    let until = |vendor: &mut Principal| {
        plant(vendor, "storage.objects.get", thing);
        let expression = "request.time < timestamp(\"2027-01-01T00:00:00Z\")".to_owned();
        vendor.bindings.last_mut().unwrap().condition = Some(Condition { title: "until".to_owned(), expression });
    };
    let always = |vendor: &mut Principal| vendor.bindings.last_mut().unwrap().condition = None;
    let compared = changed(until, always);
    let [found] = compared.permissions.as_slice() else { panic!("{compared:#?}") };
    assert_eq!(
        (found.change, found.right.on.as_str()),
        (RightChange::Widened, "//storage.googleapis.com/projects/_/buckets/acme-data and below")
    );

    // One that names a resource, bound on the project.
    let named =
        |vendor: &mut Principal| plant(vendor, "datastore.entities.get", "projects/customer-project/databases/x");
    assert!(changed(named, always).widens());
}

#[test]
fn another_impersonator_and_another_member_are_told() {
    let other = "serviceAccount:other@vendor-project.iam.gserviceaccount.com";
    let who = |compared: &Comparison| -> Vec<String> {
        compared.trust.iter().filter(|found| found.change.is_wider()).map(|found| found.trusted.who.clone()).collect()
    };
    let impersonator = changed(
        |_| (),
        |vendor| {
            let mut second = vendor.impersonators[0].clone();
            second.member = other.to_owned();
            vendor.impersonators.push(second);
        },
    );
    assert!(who(&impersonator).iter().all(|who| who == other) && impersonator.widens(), "{impersonator:#?}");
    let member = changed(|_| (), |vendor| vendor.bindings[0].members.push(other.to_owned()));
    assert_eq!(who(&member), [other]);
}
