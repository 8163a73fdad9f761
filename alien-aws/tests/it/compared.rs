//! Documents beside earlier ones: what each identity may do more and less.

use alien_aws::Aws;
use alien_aws::policy::{Condition, Effect, Principal, Statement, Text};
use alien_conformance::golden::my_app;
use alien_core::adapter::{Documented, RightChange, compare};
use alien_core::{Comparison, Layers};

use crate::target;

fn here() -> alien_aws::Target {
    target("acme".parse().unwrap())
}

fn rendered() -> Layers<Principal> {
    alien_core::render(&my_app(), &here()).unwrap().documents.layers
}

fn vendor(layers: &mut Layers<Principal>) -> &mut Principal {
    &mut layers.management.as_mut().unwrap().principals[0]
}

fn statements(principal: &mut Principal) -> &mut Vec<Statement> {
    &mut principal.policies[0].document.statements
}

/// The documents, the vendor's of which are changed, beside those that were rendered.
fn changed(change: impl FnOnce(&mut Principal)) -> Comparison {
    let (before, mut after) = (rendered(), rendered());
    change(vendor(&mut after));
    compare::<Aws>(&before, &after)
}

/// How each permission changed, with its name and what it is on.
fn permissions(compared: &Comparison) -> Vec<(RightChange, &str, &str)> {
    let found = compared.permissions.iter();
    found.map(|found| (found.change, found.right.permission.as_str(), found.right.on.as_str())).collect()
}

fn allow(action: &'static str, on: &'static str) -> Statement {
    Statement { actions: vec![action.into()], resources: vec![on.into()], ..Statement::default() }
}

#[test]
fn the_same_rights_in_other_words_are_no_difference() {
    let same = changed(|vendor| {
        let mut split = Vec::new();
        for statement in statements(vendor).drain(..) {
            for action in &statement.actions {
                let (sid, actions) = (String::new(), vec![Text::Owned(action.to_uppercase())]);
                split.push(Statement { sid, actions, ..statement.clone() });
            }
        }
        split.reverse();
        *statements(vendor) = split;
    });
    assert!(same.is_empty() && !same.widens(), "{same:#?}");
}

#[test]
fn an_added_action_is_gained_and_a_lost_one_is_no_approval() {
    let added = changed(|vendor| statements(vendor).push(allow("s3:GetObject", "arn:aws:s3:::acme-data/*")));
    assert_eq!(permissions(&added), [(RightChange::Gained, "s3:GetObject", "arn:aws:s3:::acme-data/*")]);
    let refusals = added.refusals();
    let [refusal] = refusals.as_slice() else { panic!("{refusals:?}") };
    assert_eq!(refusal.subject.as_deref(), Some("management"));
    assert_eq!(refusal.what, "gains `s3:GetObject` on `arn:aws:s3:::acme-data/*`");

    let lost = changed(|vendor| drop(statements(vendor)[0].actions.pop().unwrap()));
    let changes: Vec<RightChange> = lost.permissions.iter().map(|found| found.change).collect();
    assert!(!changes.is_empty() && changes.iter().all(|change| *change == RightChange::Lost), "{lost:#?}");
    assert!(!lost.widens() && !lost.is_empty() && lost.refusals().is_empty());
}

#[test]
fn another_resource_is_lost_and_gained_and_a_pattern_is_wider() {
    let on = |text: &'static str| move |vendor: &mut Principal| statements(vendor).push(allow("sqs:SendMessage", text));
    let before = {
        let mut layers = rendered();
        on("arn:aws:sqs:eu-central-1:222222222222:acme-a")(vendor(&mut layers));
        layers
    };
    let beside = |text| {
        let mut after = rendered();
        on(text)(vendor(&mut after));
        compare::<Aws>(&before, &after)
    };
    let other = beside("arn:aws:sqs:eu-central-1:222222222222:acme-b");
    assert_eq!(
        permissions(&other),
        [
            (RightChange::Gained, "sqs:SendMessage", "arn:aws:sqs:eu-central-1:222222222222:acme-b"),
            (RightChange::Lost, "sqs:SendMessage", "arn:aws:sqs:eu-central-1:222222222222:acme-a"),
        ]
    );
    let wider = beside("arn:aws:sqs:*:222222222222:acme-*");
    assert_eq!(permissions(&wider)[0], (RightChange::Widened, "sqs:SendMessage", "arn:aws:sqs:*:222222222222:acme-*"));
    assert_eq!(wider.permissions[0].narrower[0].on, "arn:aws:sqs:eu-central-1:222222222222:acme-a");
    assert_eq!(wider.permissions.len(), 1, "what the pattern covers is not lost");

    // The way back: narrower, and nothing to approve.
    let (mut wide, narrow) = (rendered(), before);
    on("arn:aws:sqs:*:222222222222:acme-*")(vendor(&mut wide));
    let back = compare::<Aws>(&wide, &narrow);
    assert_eq!(permissions(&back)[0].0, RightChange::Narrowed);
    assert!(!back.widens(), "{back:#?}");
}

#[test]
fn a_pattern_of_actions_covers_those_that_it_names_and_no_more() {
    let before = |action| {
        let mut layers = rendered();
        statements(vendor(&mut layers)).push(allow(action, "arn:aws:s3:::acme-data/*"));
        layers
    };
    let wider = compare::<Aws>(&before("s3:GetObject"), &before("s3:Get*"));
    assert_eq!(permissions(&wider), [(RightChange::Widened, "s3:Get*", "arn:aws:s3:::acme-data/*")]);
    assert!(!compare::<Aws>(&before("s3:Get*"), &before("s3:GetObject")).widens());
    // A question mark stands for one character, and not for a star.
    assert!(compare::<Aws>(&before("s3:Get?bject"), &before("s3:Get*")).widens());
    assert!(compare::<Aws>(&before("s3:GetO?ject"), &before("s3:GetO*ject")).widens());
}

#[test]
fn a_dropped_condition_is_wider_and_another_value_is_another_right() {
    let conditional = |vendor: &mut Principal| {
        let mut condition = Condition::default();
        condition.require("aws:SourceAccount", ["222222222222".to_owned()]);
        let statement = Statement { condition, ..allow("sqs:SendMessage", "arn:aws:sqs:eu-central-1:222222222222:a") };
        statements(vendor).push(statement);
    };
    let mut before = rendered();
    conditional(vendor(&mut before));
    let mut after = before.clone();
    statements(vendor(&mut after)).last_mut().unwrap().condition = Condition::default();
    let dropped = compare::<Aws>(&before, &after);
    let [found] = dropped.permissions.as_slice() else { panic!("{dropped:#?}") };
    assert_eq!((found.change, found.right.conditions.len()), (RightChange::Widened, 0));
    assert_eq!(found.narrower[0].conditions, ["aws:SourceAccount StringEquals 222222222222"]);
    assert!(!compare::<Aws>(&after, &before).widens(), "a condition takes away");

    let mut other = before.clone();
    let last = statements(vendor(&mut other)).last_mut().unwrap();
    last.condition.require("aws:SourceAccount", ["333333333333".to_owned()]);
    assert!(compare::<Aws>(&before, &other).widens());
}

/// With the right to update go the fields that its request can carry; with a condition that goes, those that it kept.
#[test]
fn the_fields_that_can_be_written_are_told_with_the_right() {
    let function = "arn:aws:lambda:eu-central-1:222222222222:function:acme-other-4";
    let update =
        |condition: Condition| Statement { condition, ..allow("lambda:UpdateFunctionConfiguration", function) };
    let condition: Condition = serde_json::from_str(r#"{ "Null": { "lambda:Layer": "true" } }"#).unwrap();
    let (without, mut kept, mut free) = (rendered(), rendered(), rendered());
    statements(vendor(&mut kept)).push(update(condition));
    statements(vendor(&mut free)).push(update(Condition::default()));
    let fields = |before, after| {
        let compared = compare::<Aws>(before, after);
        let [found] = compared.permissions.as_slice() else { panic!("{compared:#?}") };
        (found.change, found.fields.clone())
    };
    let (gained, with_it) = fields(&without, &kept);
    assert_eq!(gained, RightChange::Gained);
    assert!(with_it.iter().any(|field| field == "Environment"), "{with_it:?}");
    assert!(!with_it.iter().any(|field| field == "Layers"), "{with_it:?}");
    assert_eq!(fields(&kept, &free), (RightChange::Widened, vec!["Layers".to_owned()]));
    assert_eq!(fields(&free, &kept), (RightChange::Narrowed, vec!["Layers".to_owned()]));
    assert_eq!(fields(&kept, &without).0, RightChange::Lost);
    let rows = compare::<Aws>(&kept, &free).rows();
    assert!(rows[0][2].ends_with("\nwrites Layers"), "{rows:?}");
}

#[test]
fn another_trust_a_dropped_condition_of_it_and_longer_sessions_are_wider() {
    let who = changed(|vendor| {
        let statement = &mut vendor.role.trust_policy.statements[0];
        statement.principal.get_mut("AWS").unwrap().0.push("arn:aws:iam::999999999999:root".to_owned());
    });
    assert!(who.widens() && who.trust.iter().all(|found| found.change == RightChange::Gained), "{who:#?}");
    assert!(who.trust.iter().all(|found| found.trusted.who == "arn:aws:iam::999999999999:root"));
    let external = changed(|vendor| vendor.role.trust_policy.statements[0].condition = Condition::default());
    assert!(external.widens() && external.trust.iter().all(|found| found.change == RightChange::Widened));
    let back = |vendor: &mut Principal| vendor.role.max_session_duration = 7200;
    let longer = changed(back);
    assert_eq!((longer.sessions[0].before_seconds, longer.sessions[0].seconds), (3600, 7200));
    assert!(longer.widens() && !changed(|vendor| vendor.role.max_session_duration = 900).widens());
}

#[test]
fn a_lost_denial_is_wider() {
    let mut before = rendered();
    let mut denial = allow("s3:*", "*");
    denial.effect = Effect::Deny;
    denial.condition.require("aws:SourceAccount", ["222222222222".to_owned()]);
    statements(vendor(&mut before)).push(denial);
    let lost = compare::<Aws>(&before, &rendered());
    assert!(lost.widens() && lost.permissions.is_empty() && lost.denials[0].denied.contains("s3:*"), "{lost:#?}");
    assert!(!compare::<Aws>(&rendered(), &before).widens());
}

#[test]
fn another_identity_is_named_with_all_that_it_may_do() {
    let (before, mut after) = (rendered(), rendered());
    let runtime = &mut after.runtime.as_mut().unwrap().principals;
    let mut second = runtime[0].clone();
    second.name = "second".to_owned();
    runtime.push(second);
    let gained = compare::<Aws>(&before, &after);
    assert_eq!(gained.identities[0].identity, "second");
    assert!(gained.widens() && gained.permissions.iter().all(|found| found.identity == "second"));
    assert!(gained.refusals()[0].subject.as_deref() == Some("runtime-second"), "{:?}", gained.refusals());
    assert!(!compare::<Aws>(&after, &before).widens());
}

#[test]
fn documents_of_another_cloud_or_form_are_told_by_their_side() {
    let documents = alien_core::review(&my_app(), &here()).unwrap().documents.to_string();
    let problems = Aws::compared(&documents.replacen("\"aws\"", "\"gcp\"", 1), "{}").unwrap_err();
    let at: Vec<&str> = problems.as_slice().iter().filter_map(|problem| problem.subject.as_deref()).collect();
    assert_eq!(at, ["before", "after"]);
    // A whole review has its documents.
    let reviewed = serde_json::to_string(&alien_core::review(&my_app(), &here()).unwrap()).unwrap();
    assert!(Aws::compared(&documents, &reviewed).unwrap().is_empty());
}
