//! The walk over a deployment's subjects: several at once, each after all it needs.

use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::num::NonZeroUsize;

use futures_util::stream::{FuturesUnordered, StreamExt};

use crate::cloud::Cloud;
use crate::context::DeploymentContext;
use crate::error::{Error, Result};
use crate::permission::Subject;

/// Visits every subject after all it needs. Returns the results of the visits.
pub(super) async fn forward<C, T, F>(
    deployment: &DeploymentContext<C>,
    width: NonZeroUsize,
    visit: impl Fn(Subject) -> F,
) -> Result<BTreeMap<Subject, T>>
where
    C: Cloud,
    F: Future<Output = Result<T>>,
{
    let edges = deployment
        .subjects()
        .flat_map(|subject| deployment.needs(subject).into_iter().map(move |needed| (needed, subject)));
    walk(deployment.subjects(), edges, width, visit).await
}

/// Visits every subject after all that need it.
pub(super) async fn backward<C, T, F>(
    deployment: &DeploymentContext<C>,
    width: NonZeroUsize,
    visit: impl Fn(Subject) -> F,
) -> Result<BTreeMap<Subject, T>>
where
    C: Cloud,
    F: Future<Output = Result<T>>,
{
    // The management identity needs everything else when it gets its trust, but it also carries the claim, so it is
    // deleted last. The identities of code are deleted after every resource: some clouds clean up after code, in its
    // network, under the code's own identity.
    let last = Subject::ManagementIdentity;
    let edges = deployment.subjects().filter(|subject| *subject != last).flat_map(|subject| {
        let identities = (0..deployment.permissions().runtime.len()).map(Subject::RuntimeIdentity);
        let resource = matches!(subject, Subject::Resource(_));
        let needs =
            deployment.needs(subject).into_iter().filter(|needed| !matches!(needed, Subject::RuntimeIdentity(_)));
        let after = needs.chain(identities.filter(move |_| resource)).chain([last]);
        after.map(move |after| (subject, after))
    });
    walk(deployment.subjects(), edges, width, visit).await
}

/// Visits subjects, each after those that `edges` put before it. After the first failure no visit begins any more, and
/// those in progress finish, so that nothing is left half-done without need. Returns the first failure.
async fn walk<T, F: Future<Output = Result<T>>>(
    subjects: impl Iterator<Item = Subject>,
    edges: impl Iterator<Item = (Subject, Subject)>,
    width: NonZeroUsize,
    visit: impl Fn(Subject) -> F,
) -> Result<BTreeMap<Subject, T>> {
    let mut open: BTreeMap<Subject, usize> = subjects.map(|subject| (subject, 0)).collect();
    let mut then = BTreeMap::<Subject, Vec<Subject>>::new();
    for (before, after) in edges {
        then.entry(before).or_default().push(after);
        *open.entry(after).or_default() += 1;
    }
    let mut ready: VecDeque<Subject> =
        open.iter().filter(|(_, before)| **before == 0).map(|(subject, _)| *subject).collect();
    let mut running = FuturesUnordered::new();
    let mut done = BTreeMap::new();
    let mut failure: Option<Error> = None;
    loop {
        while failure.is_none() && running.len() < width.get() {
            let Some(subject) = ready.pop_front() else { break };
            let visit = visit(subject);
            running.push(async move { (subject, visit.await) });
        }
        let Some((subject, result)) = running.next().await else { break };
        match result {
            Ok(value) => {
                done.insert(subject, value);
            }
            Err(error) => {
                failure.get_or_insert(error);
            }
        }
        for after in then.remove(&subject).into_iter().flatten() {
            if let Some(before) = open.get_mut(&after) {
                *before -= 1;
                if *before == 0 {
                    ready.push_back(after);
                }
            }
        }
    }
    failure.map_or(Ok(done), Err)
}
