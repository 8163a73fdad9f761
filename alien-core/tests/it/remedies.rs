//! What helps is told in words, and as data where a program has a word of its own for it; never by a program's option.
//! What only an account that lacks rights or a slow cloud shows is told in `toy.rs`.

use alien_conformance::life;
use alien_conformance::world::{Case, release};
use alien_core::{Action, Artifacts, Data, Error, Problem, Release, Remedy, Stack};
use serde_json::Value;

use crate::in_process::{InProcess, first};

fn changed(stack: &Stack, id: &str, field: &str, value: Value) -> Stack {
    let mut form = serde_json::to_value(stack).unwrap();
    let resources = form["resources"].as_array_mut().unwrap();
    resources.iter_mut().find(|resource| resource["id"] == id).unwrap()[field] = value;
    Stack::from_json(&form.to_string()).unwrap()
}

fn is_plain(told: &str) {
    for word in ["--", "`alien", "alien-deploy"] {
        assert!(!told.contains(word), "{told}");
    }
}

fn remedy_of(error: &Error, subject: &str) -> (Option<Remedy>, String) {
    let at = |problem: &&Problem| problem.subject.as_deref() == Some(subject);
    let problem = error.problems().iter().find(at).unwrap_or_else(|| panic!("{error}"));
    is_plain(&problem.to_string());
    (problem.remedy, problem.to_string())
}

#[tokio::test(start_paused = true)]
async fn a_frozen_change_is_refused_and_helped_by_allowing_it() {
    let world = InProcess::new();
    let stack = life::product(&first(&world));
    let case = Case::new(&world, "frozen", stack.clone());
    let record = case.up(&release(&stack, &[first(&world)]), None).await.unwrap();
    let next = changed(&stack, "ledger", "memoryMib", 512.into());
    let next = release(&next, &[first(&world)]);
    let plan = case.admin.plan(&next).previous(&record).await.unwrap();
    let step = plan.steps.iter().find(|step| step.action == Action::Refuse).unwrap();
    assert_eq!((step.subject.as_str(), step.remedy), ("ledger", Some(Remedy::AllowFrozenChanges)));
    let (remedy, told) = remedy_of(&plan.refusal().unwrap_err(), "ledger");
    assert_eq!(remedy, Some(Remedy::AllowFrozenChanges));
    assert!(told.contains("take the change back, or allow changes of frozen resources"), "{told}");
    // The vendor, who cannot allow it, is told before a release to ask the admin.
    let (manager, _) = case.manager(&record);
    let error = manager.release(&next).await.into_result().unwrap_err();
    let (remedy, told) = remedy_of(&error, "ledger");
    assert_eq!(remedy, Some(Remedy::InviteAgain), "{told}");
    assert!(told.contains("invite the customer to set up again and to allow changes of frozen resources"), "{told}");
}

#[tokio::test(start_paused = true)]
async fn what_is_the_admins_to_change_is_helped_by_inviting_again() {
    let world = InProcess::new();
    let stack = life::product(&first(&world));
    let case = Case::new(&world, "invite", stack.clone());
    let record = case.up(&release(&stack, &[first(&world)]), None).await.unwrap();
    let (manager, _) = case.manager(&record);
    let next = Release::partial(changed(&stack, "jobs", "deadLetterAfter", 9.into()), Artifacts::default());
    let error = manager.release(&next).await.into_result().unwrap_err();
    let (remedy, told) = remedy_of(&error, "jobs");
    assert_eq!(remedy, Some(Remedy::InviteAgain));
    assert!(told.contains("invite the customer to set up again"), "{told}");
}

#[tokio::test(start_paused = true)]
async fn data_that_is_kept_is_helped_by_deleting_it() {
    let world = InProcess::new();
    let stack = life::product(&first(&world));
    let case = Case::new(&world, "data", stack.clone());
    let record = case.up(&release(&stack, &[first(&world)]), None).await.unwrap();
    world.account.set_objects(&record.resources["data"], 2);
    for (data, why) in [(Data::Keep, "all data is to be kept"), (Data::KeepUnlessEmpty, "it holds 2 objects")] {
        let report = case.admin.destroy(&record).data(data).await.unwrap();
        let kept = report.kept.iter().find(|kept| kept.subject == "data").unwrap();
        assert_eq!((kept.remedy, kept.why.as_str()), (Some(Remedy::DeleteData), why));
        is_plain(&kept.why);
    }
    let report = case.admin.destroy(&record).data(Data::Delete).await.unwrap();
    assert!(report.kept.is_empty(), "{report:?}");
}
