//! Properties that the documents of any stack must have.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};

use alien_core::adapter::{AccessControl, Cloud, Effect, Operation, Subject, SubjectType};
use alien_core::{Documents, Kind, Layer, Layers, Lifecycle, Prefix, RenderError, Rendered, Rule, Set, Stack};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use crate::brute;
use crate::json::{any_value, with_part_replaced};
use crate::seed;
use crate::stacks::{IDS, any_document, any_stack, resource, stack_of, stack_of_size};

type Target<C> = fn(Prefix) -> <C as Cloud>::Target;

fn acme<C: AccessControl>(target: Target<C>) -> C::Target {
    target("acme".parse().unwrap())
}

fn render<C: AccessControl>(stack: &Stack, target: Target<C>) -> Rendered<C> {
    alien_core::render(stack, &acme::<C>(target)).unwrap_or_else(|error| panic!("{error}"))
}

fn runner(cases: u32) -> TestRunner {
    TestRunner::new(seed::cases(cases))
}

/// Neither the audit nor asking for every permission finds a breach.
///
/// # Panics
///
/// If a generated stack breaks a promise.
pub fn generated_stacks_keep_every_promise<C: AccessControl>(target: Target<C>) {
    let result = runner(150).run(&any_stack(), |stack| {
        let rendered = match alien_core::render(&stack, &acme::<C>(target)) {
            Ok(rendered) => rendered,
            // The cloud may refuse some generated stacks, but no breach may pass.
            Err(RenderError::Problems(problems)) => {
                let cloudy = problems
                    .as_slice()
                    .iter()
                    .filter(|problem| problem.is_error())
                    .all(|problem| problem.rule == Rule::Cloud);
                prop_assert!(cloudy, "{problems}");
                return Ok(());
            }
            Err(error) => return Err(TestCaseError::fail(error.to_string())),
        };
        brute::assert_management_keeps_its_promises::<C>(&stack, &rendered.documents);
        brute::assert_no_reach_into::<C>(&stack, &rendered.documents, target, "acme-prod");
        Ok(())
    });
    result.unwrap_or_else(|error| panic!("{error}"));
}

/// P4, for each kind.
///
/// # Panics
///
/// If the vendor can touch a frozen resource beside a live one.
pub fn frozen_and_live_of_the_same_kind_stand_beside_each_other<C: AccessControl>(target: Target<C>) {
    for kind in Kind::ALL.iter().copied() {
        for (frozen, live) in [("a", "a-b"), ("a-b", "a")] {
            let stack = stack_of(&[resource(frozen, kind, Lifecycle::Frozen), resource(live, kind, Lifecycle::Live)]);
            brute::assert_management_keeps_its_promises::<C>(&stack, &render::<C>(&stack, target).documents);
        }
    }
    for lifecycle in [Lifecycle::Frozen, Lifecycle::Live] {
        let all: Vec<_> = Kind::ALL.iter().map(|kind| resource(kind.name(), *kind, lifecycle)).collect();
        let stack = stack_of(&all);
        brute::assert_management_keeps_its_promises::<C>(&stack, &render::<C>(&stack, target).documents);
    }
}

/// Tests `acme` beside `acme-prod` and similar names, both ways.
///
/// # Panics
///
/// If one can touch the other.
pub fn a_deployment_cannot_touch_one_whose_name_begins_alike<C: AccessControl>(target: Target<C>) {
    let all: Vec<_> = Kind::ALL
        .iter()
        .copied()
        .flat_map(|kind| {
            let name = kind.name();
            [
                resource(name, kind, Lifecycle::Live),
                resource(&format!("prod-{name}"), kind, Lifecycle::Live),
                resource(&format!("{name}-2"), kind, Lifecycle::Frozen),
            ]
        })
        .collect();
    let stack = stack_of(&all);
    for (one, other) in [("acme", "acme-prod"), ("acme-prod", "acme"), ("acme", "acme-4"), ("a", "a-a")] {
        let rendered: Rendered<C> = alien_core::render(&stack, &target(one.parse().unwrap())).unwrap();
        brute::assert_no_reach_into::<C>(&stack, &rendered.documents, target, other);
    }
}

/// # Panics
///
/// If the documents differ.
pub fn the_order_of_resources_changes_nothing<C: AccessControl>(target: Target<C>) {
    let shuffled = any_document().prop_flat_map(|document| {
        let resources = document["resources"].as_array().cloned().unwrap_or_default();
        (Just(document), Just(resources).prop_shuffle())
    });
    let result = runner(60).run(&shuffled, |(document, resources)| {
        let mut other = document.clone();
        other["resources"] = resources.into();
        let text = |document: &serde_json::Value| {
            let stack = Stack::from_json(&document.to_string()).unwrap();
            let rendered = alien_core::render(&stack, &acme::<C>(target));
            rendered
                .map(|rendered| serde_json::to_string(&rendered.documents).unwrap())
                .map_err(|error| error.to_string())
        };
        prop_assert_eq!(text(&document), text(&other));
        Ok(())
    });
    result.unwrap_or_else(|error| panic!("{error}"));
}

/// Compares the names of everything for prefixes and ids that could be confused, short and long.
///
/// # Panics
///
/// If two of them share a name.
pub fn no_two_pairs_of_prefix_and_id_share_a_name<C: AccessControl>(target: Target<C>) {
    let long = "x".repeat(32);
    let prefixes = ["a", "a-a", "a-b", "acme", "acme-prod", "acme-4", "acme-prod-9", &long];
    let mut ids: Vec<String> = IDS.iter().map(|id| (*id).to_owned()).collect();
    ids.extend(["prod-api-4", "api-4", "api-dead", "api-commands", "dead", "4", "9"].map(|id| format!("x-{id}")));
    ids.extend(["prod-api-4", "api-4", "api-dead", "api-commands"].map(str::to_owned));
    ids.extend(["1", "2"].map(|end| format!("{}{end}", "y".repeat(62))));
    for kind in Kind::ALL.iter().copied() {
        let mut named = BTreeMap::<String, BTreeSet<(&str, &str)>>::new();
        for prefix in prefixes {
            let target = target(prefix.parse().unwrap());
            for id in &ids {
                let mut value = resource(id, kind, Lifecycle::Live);
                if kind == Kind::Queue {
                    value["deadLetterAfter"] = 5.into();
                }
                let names = brute::names::<C>(&stack_of(&[value]), &target);
                for thing in names.things().filter(|thing| matches!(thing.subject, Subject::Resource(_))) {
                    named.entry(thing.name.to_owned()).or_default().insert((prefix, id));
                }
            }
        }
        let mut unique = 0;
        for (name, pairs) in named {
            // What all resources of a deployment share, or all deployments of an account, has one name for all.
            let shared = pairs.len() == ids.len() * prefixes.len()
                || pairs.len() == ids.len() && pairs.iter().all(|(prefix, _)| *prefix == pairs.first().unwrap().0);
            assert!(pairs.len() == 1 || shared, "{kind}: `{name}` is the name of {pairs:?}");
            unique += usize::from(pairs.len() == 1);
        }
        assert!(unique >= ids.len() * prefixes.len(), "{kind}: only {unique} names of its own");
    }
}

/// # Panics
///
/// If 60 resources do not fit, or if 300 are refused without naming the limit.
pub fn sixty_resources_fit_and_three_hundred_fit_or_are_refused<C: AccessControl>(target: Target<C>) {
    render::<C>(&stack_of_size(60), target);
    for kind in Kind::ALL.iter().copied() {
        for lifecycle in [Lifecycle::Frozen, Lifecycle::Live] {
            let same: Vec<_> = (0..60).map(|n| resource(&format!("{kind}-{n}"), kind, lifecycle)).collect();
            render::<C>(&stack_of(&same), target);
        }
    }
    match alien_core::render(&stack_of_size(300), &acme::<C>(target)) {
        Ok(rendered) => assert!(rendered.sizes.iter().all(|size| size.size <= size.limit)),
        Err(RenderError::Problems(problems)) => {
            for problem in problems.as_slice().iter().filter(|problem| problem.is_error()) {
                assert_eq!(problem.rule, Rule::Limit, "{problem}");
                assert!(problem.subject.is_some() && problem.what.contains("takes"), "{problem}");
            }
        }
        Err(error) => panic!("{error}"),
    }
}

/// Checks the effects in each permission set.
///
/// # Panics
///
/// If a set has an effect that its name does not say.
pub fn sets_hold_only_what_their_name_says<C: AccessControl>() {
    use Effect::{
        Attach, Bind, Control, Create, Credential, Delete, Invoke, Observe, ReadCode, ReadData, ReadLogs, Redirect,
        Update, WriteData, WriteLogs,
    };
    for kind in Kind::ALL.iter().copied() {
        for set in Set::ALL {
            let rows = C::set(SubjectType::Kind(kind), set);
            assert!(rows.is_empty() || set.fits(kind), "{kind} has no set {}", set.name());
            let allowed: &[Effect] = match set {
                Set::Heartbeat => &[Observe],
                Set::Management => &[Observe, Update, Bind, ReadCode],
                Set::Logs => &[Observe, ReadLogs],
                Set::Dispatch | Set::Invoke => &[Invoke],
                Set::Provision => &[Observe, Update, Create, Delete, Bind, Attach, ReadCode, Redirect],
                Set::Reconfigure => &[Observe, Redirect],
                Set::DataRead => &[Observe, ReadData, WriteData],
                Set::DataWrite => &[Observe, ReadData, WriteData],
                Set::Run => &[Observe, WriteLogs, Invoke, Attach, ReadCode, ReadData],
                Set::Setup => &[Observe, Update, Create, Delete, Redirect, Control, Attach, Bind, Credential],
            };
            for row in rows {
                assert!(allowed.contains(&row.effect), "{kind}/{}: {} {:?}", set.name(), row.permission, row.effect);
            }
        }
        assert!(!C::set(SubjectType::Kind(kind), Set::Heartbeat).is_empty(), "{kind} has no heartbeat");
    }
    for row in C::operations().rows() {
        assert!(row.source.starts_with("https://"), "{}: no source", row.permission);
    }
}

/// # Panics
///
/// If reading loses something.
pub fn documents_are_read_back_as_they_were_written<C: AccessControl>(target: Target<C>) {
    let result = runner(40).run(&any_stack(), |stack| {
        let Ok(rendered) = alien_core::render(&stack, &acme::<C>(target)) else { return Ok(()) };
        let text = serde_json::to_string(&rendered.documents.layers).unwrap();
        let read: Layers<C::Principal> = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(&read, &rendered.documents.layers);
        let report = alien_core::adapter::audit_layers(&stack, &rendered.documents.target, &read);
        prop_assert_eq!(report, rendered.report);
        Ok(())
    });
    result.unwrap_or_else(|error| panic!("{error}"));
}

/// Tries the admin's or the code's documents as the vendor's, and another deployment's as this one's.
///
/// # Panics
///
/// If the audit accepts any of them.
pub fn documents_of_one_layer_do_not_pass_for_another<C: AccessControl>(target: Target<C>) {
    let all: Vec<_> = Kind::ALL.iter().map(|kind| resource(kind.name(), *kind, Lifecycle::Live)).collect();
    let stack = stack_of(&all);
    let documents: Documents<C::Target, C::Principal> = render::<C>(&stack, target).documents;
    let promises = |from: Layer| {
        let mut layers = documents.layers.clone();
        let relabelled = serde_json::to_string(layers.principals(from)).unwrap();
        let label = format!(r#""name":"{}""#, C::label(&layers.principals(from)[0]));
        let relabelled = relabelled.replacen(&label, r#""name":"management""#, 1);
        layers.management.as_mut().unwrap().principals = serde_json::from_str(&relabelled).unwrap();
        let report = alien_core::adapter::audit_layers(&stack, &documents.target, &layers);
        report.breaches.iter().map(|breach| breach.promise.to_string()).collect::<BTreeSet<_>>()
    };
    let admin = promises(Layer::Provisioning);
    assert!(["P2", "P3", "P5"].iter().all(|promise| admin.contains(*promise)), "{admin:?}");
    assert!(promises(Layer::Runtime).contains("P2"));
    let elsewhere = target("acme-prod".parse().unwrap());
    let report = alien_core::adapter::audit_layers(&stack, &elsewhere, &documents.layers);
    assert!(!report.breaches.is_empty(), "documents of another deployment pass");
}

/// The name of a planted statement or role.
pub const PLANTED: &str = "planted";

/// Plants every permission of the table on everything in the deployment and in a neighbouring one. This is a breach
/// exactly if the documents did not already give the permission.
///
/// # Panics
///
/// If the audit and the evaluator disagree.
pub fn a_planted_permission_breaks_a_promise_exactly_where_it_was_not_given<C: AccessControl>(
    target: Target<C>,
    plant: fn(&mut C::Principal, &str, &str),
) {
    let any = (any_stack(), any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<[bool; 3]>());
    let counts = [Cell::new(0), Cell::new(0)];
    let result = runner(400).run(&any, |(stack, row, thing, [beside, fitting, held])| {
        let Ok(rendered) = alien_core::render(&stack, &acme::<C>(target)) else { return Ok(()) };
        let place = if beside { target("acme-prod".parse().unwrap()) } else { acme::<C>(target) };
        let names = brute::names::<C>(&stack, &place);
        let things: Vec<_> = names.things().collect();
        let thing = thing.get(&things);
        let mut layers = rendered.documents.layers;
        let management = &mut layers.management.as_mut().unwrap().principals[0];
        // Half of the cases use a permission that is checked on such a resource, and half of those one that the
        // documents give, because random choices seldom are either.
        let rows = C::operations().rows().iter().filter(|row| {
            let given = || C::may_allow(management, row.permission, thing.name, &[]).is_some();
            !fitting || row.on == thing.scope && (!held || given())
        });
        let rows: Vec<_> = rows.collect();
        if rows.is_empty() {
            return Ok(());
        }
        let row = row.get(&rows);
        // A guard is a condition, and the planted permission has none.
        let is_guarded = |row: &&Operation<C::Scope>| !C::guards(row.on).is_empty();
        if C::operations().needing(row.permission).iter().any(is_guarded) || !C::guards(thing.scope).is_empty() {
            return Ok(());
        }
        let allowed = C::may_allow(management, row.permission, thing.name, &[]);
        if allowed.is_some() && row.on != thing.scope {
            return Ok(());
        }
        plant(management, row.permission, thing.name);
        prop_assert!(C::may_allow(management, row.permission, thing.name, &[]).is_some(), "nothing was planted");
        let report = alien_core::adapter::audit_layers(&stack, &acme::<C>(target), &layers);
        let caught = report.breaches.iter().any(|breach| breach.statement.ends_with(PLANTED));
        let why = format!("{} on {} was allowed by {allowed:?}: {:#?}", row.permission, thing.name, report.breaches);
        prop_assert_eq!(caught, allowed.is_none(), "{}", why);
        let [given, refused] = &counts;
        let count = if caught { refused } else { given };
        count.set(count.get() + 1);
        Ok(())
    });
    result.unwrap_or_else(|error| panic!("{error}"));
    let [given, refused] = counts.map(Cell::into_inner);
    assert!(refused > 100 && given > 0, "{refused} were refused, {given} had been given");
}

/// # Panics
///
/// If reading or auditing panics, or if documents that read back unchanged have a breach.
pub fn documents_with_any_part_replaced_are_refused_or_audited<C: AccessControl>(target: Target<C>) {
    let any = (any_stack(), any::<prop::sample::Index>(), any_value());
    let result = runner(250).run(&any, |(stack, part, value)| {
        let Ok(rendered) = alien_core::render(&stack, &acme::<C>(target)) else { return Ok(()) };
        let original = rendered.documents.layers;
        let changed = with_part_replaced(serde_json::to_value(&original).unwrap(), &part, value);
        if let Ok(read) = serde_json::from_value::<Layers<C::Principal>>(changed) {
            let report = alien_core::adapter::audit_layers(&stack, &acme::<C>(target), &read);
            prop_assert!(read != original || report.breaches.is_empty());
        }
        Ok(())
    });
    result.unwrap_or_else(|error| panic!("{error}"));
}
