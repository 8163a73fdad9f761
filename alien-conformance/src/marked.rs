//! What lost the marks of its deployment: told, and marked again where the record knows it and the admin says so.

use alien_core::{Action, Data, Deployment, DeploymentId, ErrorKind, Plan, Remedy};
use async_trait::async_trait;

use crate::life::product;
use crate::world::{Case, World, release};

/// A world in which somebody else replaces tags, with a client of the customer's own.
#[async_trait]
pub trait Tagger: World {
    /// Replaces the marks of everything of a deployment that can lose them: by none, or by the mark of another deployment.
    async fn replace_marks(&self, deployment: &Deployment, by: Option<DeploymentId>);

    /// Puts something into the storage `data`.
    async fn store(&self, deployment: &Deployment);

    /// Whether it is still there.
    async fn is_stored(&self, deployment: &Deployment) -> bool;
}

/// What a plan refuses, and what it says helps.
fn refused(plan: &Plan) -> Vec<(&str, Option<Remedy>)> {
    let steps = plan.steps.iter().filter(|step| step.action == Action::Refuse);
    steps.map(|step| (step.subject.as_str(), step.remedy)).collect()
}

/// Without marks, everything that the record knows is refused until the admin has it marked again; then it is as it was,
/// with its data. What carries another deployment's mark is never taken over.
///
/// `kept` are those of the stack that count as the deployment's without marks, because they cannot lose them or because
/// the vendor can write them.
///
/// # Panics
///
/// At the first unexpected result.
pub async fn what_lost_its_marks_is_marked_again<W: Tagger>(world: &W, kept: &[&str]) {
    let code = world.code("first");
    let stack = product(&code);
    let case = Case::new(world, "tagged", stack.clone());
    let release = release(&stack, std::slice::from_ref(&code));
    let deployment = case.up(&release, None).await.unwrap();
    world.store(&deployment).await;
    world.replace_marks(&deployment, None).await;

    // Nobody knows whose it is without the record.
    let plan = case.admin.plan(&release).await.unwrap();
    assert!(refused(&plan).len() > 5, "{plan}");
    assert!(refused(&plan).iter().all(|(_, remedy)| remedy.is_none()), "{plan}");
    let plan = case.admin.plan(&release).mark_again().await.unwrap();
    assert!(refused(&plan).iter().all(|(_, remedy)| remedy.is_none()) && plan.marked_again.is_empty(), "{plan}");

    // The record knows everything, and the plan says what helps.
    let unmarked = case.admin.plan(&release).previous(&deployment).await.unwrap();
    for step in unmarked.steps.iter().filter(|step| !kept.contains(&step.subject.as_str())) {
        assert_eq!((step.action, step.remedy), (Action::Refuse, Some(Remedy::MarkAgain)), "{step:?}\n{unmarked}");
    }
    assert!(unmarked.steps.iter().all(|step| step.action != Action::Create), "{unmarked}");
    assert_eq!(case.admin.apply(&unmarked).await.unwrap_err().kind(), ErrorKind::Input);
    // A take-down deletes nothing of it, and says how it can.
    match case.admin.destroy(&deployment).data(Data::Delete).await {
        Ok(report) => {
            assert!(report.deleted.is_empty() && report.foreign.is_empty(), "{report:?}");
            assert!(report.kept.iter().all(|left| left.remedy == Some(Remedy::MarkAgain)), "{report:?}");
        }
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::NotOwned, "{error}");
            assert!(error.to_string().contains("the option to mark it again"), "{error}");
        }
    }

    // A plan that is stored says what it marks again, and marks nothing else.
    let plan = case.admin.plan(&release).previous(&deployment).mark_again().await.unwrap();
    assert_eq!(refused(&plan), [], "{plan}");
    let approved: Plan = serde_json::from_str(&serde_json::to_string(&plan).unwrap()).unwrap();
    assert!(approved.marked_again.len() > 5, "{:?}", approved.marked_again);
    let mut less = approved.clone();
    less.marked_again.pop_last();
    let artifacts = || release.artifacts().clone();
    let error = case.admin.apply(&less.with_artifacts(artifacts())).await.unwrap_err();
    assert!(error.to_string().contains("it does not say that"), "{error}");
    let again = case.admin.apply(&approved.with_artifacts(artifacts())).await.unwrap();
    assert_eq!((&again.resources, &again.identity_id), (&deployment.resources, &deployment.identity_id));
    let plan = case.admin.plan(&release).previous(&again).await.unwrap();
    assert!(plan.is_empty(), "{plan}");
    assert!(world.is_stored(&deployment).await, "its data is kept");
    world.prepare(&again).await;
    world.vendor(world.calling()).register(&case.invitation, &again).await.unwrap();

    // What is marked as another's is never taken over.
    let other: DeploymentId = "11111111-2222-4333-8444-555555555555".parse().unwrap();
    world.replace_marks(&deployment, Some(other)).await;
    let plan = case.admin.plan(&release).previous(&again).mark_again().await.unwrap();
    for step in plan.steps.iter().filter(|step| !kept.contains(&step.subject.as_str())) {
        assert_eq!((step.action, step.remedy), (Action::Refuse, None), "{step:?}\n{plan}");
    }
    assert!(plan.marked_again.is_empty(), "{plan}");
    assert!(world.is_stored(&deployment).await);

    world.replace_marks(&deployment, None).await;
    let plan = case.admin.plan(&release).previous(&again).mark_again().await.unwrap();
    let last = case.admin.apply(&plan).await.unwrap();
    let report = case.admin.destroy(&last).data(Data::Delete).await.unwrap();
    assert!(report.foreign.is_empty(), "{report:?}");
    assert!(!world.is_stored(&deployment).await, "{report:?}");
}
