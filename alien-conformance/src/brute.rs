//! Judges documents by evaluation alone: asks for every permission of the table on every resource.

use std::collections::BTreeSet;

use alien_core::adapter::{AccessControl, Effect, Guard, Layout, NamedResource, Names, Subject};
use alien_core::{Documents, Kind, Layer, Lifecycle, Prefix, Set, Stack};

/// The names of everything in a deployment of the stack.
#[must_use]
pub fn names<C: AccessControl>(stack: &Stack, target: &C::Target) -> Names<C::Scope> {
    Layout::<C>::new(stack.clone(), target.clone()).names
}

/// What the cloud knows about a request: the condition keys that tell its subject from others, and the key that belongs
/// to the scope.
fn context<'n, C: AccessControl>(
    names: &'n Names<C::Scope>,
    thing: &NamedResource<'_, C::Scope>,
) -> Vec<(&'static str, &'n str)> {
    let mut known = Vec::new();
    for guard in C::operations().rows().iter().flat_map(|row| C::guards(row.on)) {
        if let Guard::Named { key, by } | Guard::NamedIfPresent { key, by } = guard {
            known.extend(names.at(*by, thing.subject).map(|name| (*key, name)));
        }
    }
    for guard in C::guards(thing.scope) {
        if let Guard::Fixed { key, values } | Guard::FixedIfPresent { key, values } = guard {
            known.extend(values.iter().map(|value| (*key, *value)));
        }
    }
    known
}

/// Asserts that the vendor's documents keep P2, P3, P4 and P5: they allow no permission of the table on anything of the
/// deployment except what the promises allow.
///
/// # Panics
///
/// At the first permission that a promise forbids.
pub fn assert_management_keeps_its_promises<C: AccessControl>(
    stack: &Stack,
    documents: &Documents<C::Target, C::Principal>,
) {
    let names = names::<C>(stack, &documents.target);
    let extended_kinds: BTreeSet<Kind> =
        stack.resources().iter().filter(|r| stack.extensions(r.id()).next().is_some()).map(|r| r.kind()).collect();
    for principal in documents.layers.principals(Layer::Management) {
        for thing in names.things() {
            for row in C::operations().rows().iter().filter(|row| row.on == thing.scope) {
                let Some(statement) =
                    C::may_allow(principal, row.permission, thing.name, &context::<C>(&names, &thing))
                else {
                    continue;
                };
                let resource = match thing.subject {
                    Subject::Resource(position) => stack.at(position),
                    _ => None,
                };
                let extensions: Vec<Set> =
                    resource.map(|r| stack.extensions(r.id()).copied().collect()).unwrap_or_default();
                let opted_in = !extensions.is_empty() || (resource.is_none() && !extended_kinds.is_empty());
                let live = resource.is_none_or(|r| r.lifecycle() == Lifecycle::Live);
                let kept = match row.effect {
                    Effect::Observe => true,
                    Effect::Update | Effect::ReadLogs | Effect::ReadCode => live || opted_in,
                    // Code shares the place where it runs.
                    Effect::Attach => extended_kinds.iter().any(|kind| kind.runs_code()),
                    Effect::Invoke => resource.is_some_and(|r| r.settings().takes_commands() && (live || opted_in)),
                    Effect::Create | Effect::Delete | Effect::Redirect => opted_in,
                    // An identity is given to code that the vendor may replace anyway.
                    Effect::Bind => stack.resources().iter().any(|r| {
                        let replaceable = r.lifecycle() == Lifecycle::Live || stack.extensions(r.id()).next().is_some();
                        r.kind().runs_code() && replaceable
                    }),
                    // Several rows may need the same permission: a command queue holds no data, but a queue does.
                    Effect::ReadData | Effect::WriteData => false,
                    Effect::Control | Effect::Credential | Effect::WriteLogs => false,
                };
                assert!(
                    kept,
                    "{statement} allows `{}` ({:?}) on `{}` of {:?}",
                    row.permission,
                    row.effect,
                    thing.name,
                    resource.map(|r| (r.id(), r.kind(), r.lifecycle(), extensions))
                );
            }
        }
    }
}

/// Asserts that a deployment's management and runtime documents allow nothing on the resources of another deployment.
///
/// # Panics
///
/// At the first permission that they allow.
pub fn assert_no_reach_into<C: AccessControl>(
    stack: &Stack,
    documents: &Documents<C::Target, C::Principal>,
    target: fn(Prefix) -> C::Target,
    other: &str,
) {
    let own: BTreeSet<String> =
        names::<C>(stack, &documents.target).things().map(|thing| thing.name.to_owned()).collect();
    let others = names::<C>(stack, &target(other.parse().unwrap()));
    // Names that are the same in every deployment belong to none of them: the account, the project, the resource group.
    for thing in others.things().filter(|thing| !own.contains(thing.name)) {
        for layer in [Layer::Management, Layer::Runtime] {
            for principal in documents.layers.principals(layer) {
                for row in C::operations().rows().iter().filter(|row| row.on == thing.scope) {
                    let allowed = C::may_allow(principal, row.permission, thing.name, &context::<C>(&others, &thing));
                    assert!(
                        allowed.is_none(),
                        "{layer}: `{}` is allowed on `{}` of `{other}` by {allowed:?}",
                        row.permission,
                        thing.name
                    );
                }
            }
        }
    }
}
