//! What lost the marks of its deployment, and is marked again.

use alien_conformance::world::{Case, release};
use alien_conformance::{life, marked};
use alien_core::{Action, Data, Function, FunctionUpdate, Live, Plan, Remedy, Stack, Step};

use crate::in_process::{InProcess, first};

#[tokio::test(start_paused = true)]
async fn what_lost_its_marks_is_marked_again() {
    marked::what_lost_its_marks_is_marked_again(&InProcess::new(), &[]).await;
}

fn step<'p>(plan: &'p Plan, subject: &str) -> &'p Step {
    plan.steps.iter().find(|step| step.subject == subject).unwrap_or_else(|| panic!("{plan}"))
}

#[tokio::test(start_paused = true)]
async fn a_take_down_keeps_what_lost_its_marks_and_says_how_it_is_deleted() {
    let world = InProcess::new();
    let stack = life::product(&first(&world));
    let release = release(&stack, &[first(&world)]);
    let case = Case::new(&world, "kept", stack);
    let record = case.up(&release, None).await.unwrap();
    world.account.unmark(&record.resources["data"]);
    world.account.unmark(&record.resources["jobs"]);
    // What the record does not know with this very id is somebody else's.
    let mut other = record.clone();
    *other.resources.get_mut("jobs").unwrap() = "queue/another".to_owned();
    let report = case.admin.destroy(&other).data(Data::Delete).await.unwrap();
    let [left] = &report.kept[..] else { panic!("{report:?}") };
    assert_eq!((left.subject.as_str(), left.remedy), ("data", Some(Remedy::MarkAgain)));
    assert!(left.why.contains("set up with the option to mark it again, and take down again"), "{left:?}");
    let [foreign] = &report.foreign[..] else { panic!("{report:?}") };
    assert_eq!((foreign.subject.as_str(), foreign.remedy), ("jobs", None));
    for kept in ["data", "jobs"] {
        assert!(world.account.names().contains(&record.resources[kept]), "{kept}");
    }

    let plan = case.admin.plan(&release).previous(&record).mark_again().await.unwrap();
    let record = case.admin.apply(&plan).await.unwrap();
    let report = case.admin.destroy(&record).data(Data::Delete).await.unwrap();
    assert!(report.kept.is_empty() && report.foreign.is_empty(), "{report:?}");
    assert_eq!(world.account.names(), <[&str; 0]>::default());
}

#[tokio::test(start_paused = true)]
async fn to_mark_again_is_not_to_change_what_is_frozen() {
    let world = InProcess::new();
    let stack = life::product(&first(&world));
    let case = Case::new(&world, "frozen", stack.clone());
    let record = case.up(&release(&stack, &[first(&world)]), None).await.unwrap();
    let mut form = serde_json::to_value(&stack).unwrap();
    let resources = form["resources"].as_array_mut().unwrap();
    resources.iter_mut().find(|resource| resource["id"] == "data").unwrap()["expireAfterDays"] = 7.into();
    let next = release(&Stack::from_json(&form.to_string()).unwrap(), &[first(&world)]);
    world.account.unmark(&record.resources["data"]);
    let plan = case.admin.plan(&next).previous(&record).mark_again().await.unwrap();
    let data = step(&plan, "data");
    assert_eq!((data.action, data.remedy), (Action::Refuse, Some(Remedy::AllowFrozenChanges)), "{plan}");
    let plan = case.admin.plan(&next).previous(&record).mark_again().allow_frozen_changes().await.unwrap();
    assert_eq!(step(&plan, "data").action, Action::Update, "{plan}");
    let record = case.admin.apply(&plan).await.unwrap();
    assert!(case.admin.plan(&next).previous(&record).await.unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_the_vendor_released_stays_where_it_is_marked_again() {
    let world = InProcess::new();
    let stack = life::product(&first(&world));
    let invited = release(&stack, &[first(&world)]);
    let case = Case::new(&world, "live", stack);
    let record = case.up(&invited, None).await.unwrap();
    let (manager, _) = case.manager(&record);
    let api = manager.find::<Function, Live>("api").unwrap();
    manager.update(&api, FunctionUpdate::new().with_zip(*b"second").with_memory_mib(512)).await.unwrap();
    let record = manager.deployment();
    world.account.unmark(&record.resources["api"]);
    let plan = case.admin.plan(&invited).previous(&record).mark_again().await.unwrap();
    let marked = step(&plan, "api");
    assert_eq!(marked.action, Action::Update);
    assert!(marked.vendors.as_deref().unwrap_or_default().starts_with("updated by the vendor"), "{plan}");
    let again = case.admin.apply(&plan).await.unwrap();
    assert_eq!(again.stack, record.stack);
    let plan = case.admin.plan(&invited).previous(&again).await.unwrap();
    assert!(plan.is_empty(), "{plan}");
}

#[tokio::test(start_paused = true)]
async fn marks_that_went_after_a_plan_was_made_are_not_written_by_it() {
    let world = InProcess::new();
    let stack = life::product(&first(&world));
    let release = release(&stack, &[first(&world)]);
    let case = Case::new(&world, "later", stack);
    let record = case.up(&release, None).await.unwrap();
    let plan = case.admin.plan(&release).previous(&record).mark_again().await.unwrap();
    assert!(plan.is_empty(), "{plan}");
    world.account.unmark(&record.resources["data"]);
    let error = case.admin.apply(&plan).await.unwrap_err();
    assert_eq!(error.kind(), alien_core::ErrorKind::NotOwned, "{error}");
    assert!(error.to_string().contains("the record knows it"), "{error}");
}
