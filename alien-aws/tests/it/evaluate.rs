//! The evaluator, against what IAM does: cases that documents here do not have, but documents read back may.

use alien_aws::policy::{Decision, Policy, Request, evaluate, may_allow};
use alien_conformance::proptest;
use alien_conformance::proptest::prelude::*;
use serde_json::{Value, json};

fn policy(statements: Value) -> Policy {
    serde_json::from_value(json!({ "Version": "2012-10-17", "Statement": statements })).unwrap()
}

fn decide(statements: Value, action: &str, resource: &str, context: &[(&str, &str)]) -> Decision {
    evaluate([&policy(statements)], &Request::new(action, resource, context))
}

#[test]
fn what_no_statement_allows_is_not_allowed() {
    assert_eq!(decide(json!([]), "s3:GetObject", "arn:aws:s3:::b/k", &[]), Decision::NotAllowed);
}

#[test]
fn one_statement_is_read_as_a_list_of_one() {
    let one = json!({ "Sid": "A", "Effect": "Allow", "Action": "s3:GetObject", "Resource": "*" });
    assert_eq!(decide(one, "s3:GetObject", "arn:aws:s3:::b/k", &[]), Decision::Allowed("A".to_owned()));
}

#[test]
fn a_denial_wins_over_any_allowance() {
    let both = json!([
        { "Sid": "A", "Effect": "Allow", "Action": "*", "Resource": "*" },
        { "Sid": "D", "Effect": "Deny", "Action": "s3:Delete*", "Resource": "arn:aws:s3:::b/*" },
    ]);
    assert_eq!(decide(both.clone(), "s3:DeleteObject", "arn:aws:s3:::b/k", &[]), Decision::Denied("D".to_owned()));
    assert!(decide(both.clone(), "s3:DeleteObject", "arn:aws:s3:::c/k", &[]).is_allowed());
    assert!(may_allow([&policy(both)], &Request::new("s3:DeleteObject", "arn:aws:s3:::b/k", &[])).is_none());
}

#[test]
fn actions_are_compared_without_case_and_resources_with_it() {
    let one = json!([{ "Effect": "Allow", "Action": "S3:getobject", "Resource": "arn:aws:s3:::b/K*" }]);
    assert!(decide(one.clone(), "s3:GetObject", "arn:aws:s3:::b/Key", &[]).is_allowed());
    assert!(!decide(one, "s3:GetObject", "arn:aws:s3:::b/key", &[]).is_allowed());
}

#[test]
fn not_action_and_not_resource_are_about_everything_else() {
    let one = json!([{ "Effect": "Allow", "NotAction": "iam:*", "NotResource": "arn:aws:s3:::secret/*" }]);
    assert!(decide(one.clone(), "s3:GetObject", "arn:aws:s3:::b/k", &[]).is_allowed());
    assert!(!decide(one.clone(), "iam:PassRole", "arn:aws:iam::1:role/r", &[]).is_allowed());
    assert!(!decide(one, "s3:GetObject", "arn:aws:s3:::secret/k", &[]).is_allowed());
}

#[test]
fn conditions_hold_or_do_not() {
    let when = |operator: &str, key: &str, value: Value| {
        let condition = json!({ operator: { key: value } });
        json!([{ "Sid": "A", "Effect": "Allow", "Action": "*", "Resource": "*", "Condition": condition }])
    };
    type Context = &'static [(&'static str, &'static str)];
    let cases: [(&str, &str, Value, Context, bool); 32] = [
        ("StringEquals", "aws:a", json!("x"), &[("aws:A", "x")], true),
        ("StringEquals", "aws:a", json!(["x", "y"]), &[("aws:a", "y")], true),
        ("StringEquals", "aws:a", json!("x"), &[("aws:a", "X")], false),
        ("StringEquals", "aws:a", json!("x"), &[], false),
        ("StringEqualsIfExists", "aws:a", json!("x"), &[], true),
        ("StringEqualsIfExists", "aws:a", json!("x"), &[("aws:a", "y")], false),
        ("StringEqualsIgnoreCase", "aws:a", json!("x"), &[("aws:a", "X")], true),
        ("StringLike", "aws:a", json!("x*"), &[("aws:a", "xyz")], true),
        ("StringNotEquals", "aws:a", json!("x"), &[("aws:a", "x")], false),
        ("StringNotEquals", "aws:a", json!("x"), &[], true),
        ("StringNotLike", "aws:a", json!("x*"), &[("aws:a", "y")], true),
        ("ArnLike", "aws:a", json!("arn:aws:s3:::*"), &[("aws:a", "arn:aws:s3:::b")], true),
        ("ArnNotEquals", "aws:a", json!("arn:aws:s3:::*"), &[("aws:a", "arn:aws:s3:::b")], false),
        ("Bool", "aws:a", json!(false), &[("aws:a", "false")], true),
        ("Null", "aws:a", json!("true"), &[], true),
        ("Null", "aws:a", json!(true), &[("aws:a", "x")], false),
        ("NumericEquals", "aws:a", json!("256"), &[("aws:a", "256.0")], true),
        ("NumericEquals", "aws:a", json!(["256", "512"]), &[("aws:a", "512")], true),
        ("NumericEquals", "aws:a", json!("256"), &[("aws:a", "2560")], false),
        ("NumericNotEquals", "aws:a", json!("256"), &[("aws:a", "257")], true),
        ("NumericNotEquals", "aws:a", json!("256"), &[("aws:a", "256")], false),
        ("NumericLessThan", "aws:a", json!(5), &[("aws:a", "4")], true),
        ("NumericLessThan", "aws:a", json!(5), &[("aws:a", "5")], false),
        ("NumericLessThanEquals", "aws:a", json!(5), &[("aws:a", "5")], true),
        ("NumericLessThanEquals", "aws:a", json!(5), &[("aws:a", "10")], false),
        ("NumericGreaterThan", "aws:a", json!(5), &[("aws:a", "10")], true),
        ("NumericGreaterThan", "aws:a", json!(5), &[("aws:a", "5")], false),
        ("NumericGreaterThanEquals", "aws:a", json!(5), &[("aws:a", "5")], true),
        ("NumericGreaterThanEquals", "aws:a", json!(5), &[("aws:a", "4")], false),
        ("NumericGreaterThanEquals", "aws:a", json!(5), &[("aws:a", "many")], false),
        ("NumericLessThanEqualsIfExists", "aws:a", json!(5), &[], true),
        // An operator that this crate does not know.
        ("DateLessThan", "aws:a", json!("2026-01-01T00:00:00Z"), &[("aws:a", "2025-01-01T00:00:00Z")], false),
    ];
    for (operator, key, value, context, expected) in cases {
        let allowed = decide(when(operator, key, value.clone()), "a:B", "r", context).is_allowed();
        assert_eq!(allowed, expected, "{operator} {key} {value} in {context:?}");
    }
}

/// Whether a condition on the key `k` holds in a request with these values for it; `None` if it does not have the key.
fn holds(operator: &str, wanted: &Value, given: Option<&[&str]>) -> bool {
    let condition = json!({ operator: { "k": wanted } });
    let statements = json!([{ "Sid": "A", "Effect": "Allow", "Action": "*", "Resource": "*", "Condition": condition }]);
    let mut request = Request::new("a:B", "r", &[]);
    request.context.extend(given.map(|given| ("k".to_owned(), given.to_vec())));
    evaluate([&policy(statements)], &request).is_allowed()
}

/// The tables of evaluation with set operators, and the words about keys that are missing
/// (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-single-vs-multi-valued-context-keys.html>).
#[test]
fn set_operators_decide_over_all_values_and_over_any() {
    type Given = Option<&'static [&'static str]>;
    let keys = || json!(["environment", "webserver"]);
    let cases: [(&str, Value, Given, bool); 27] = [
        // Every value of the request must match one of the policy.
        ("ForAllValues:StringEquals", keys(), Some(&["environment", "webserver"]), true),
        ("ForAllValues:StringEquals", keys(), Some(&["webserver"]), true),
        ("ForAllValues:StringEquals", keys(), Some(&["environment", "cost-center"]), false),
        ("ForAllValues:StringEquals", keys(), Some(&["cost-center"]), false),
        // It holds where the request has no such key, and where that has no value.
        ("ForAllValues:StringEquals", keys(), None, true),
        ("ForAllValues:StringEquals", keys(), Some(&[]), true),
        ("ForAllValues:StringEquals", keys(), Some(&[""]), true),
        // One value of the request must match one of the policy.
        ("ForAnyValue:StringEquals", keys(), Some(&["environment", "cost-center"]), true),
        ("ForAnyValue:StringEquals", keys(), Some(&["cost-center"]), false),
        ("ForAnyValue:StringEquals", keys(), None, false),
        ("ForAnyValue:StringEquals", keys(), Some(&[]), false),
        ("ForAnyValue:StringEquals", keys(), Some(&[""]), false),
        ("ForAnyValue:StringLike", json!("env*"), Some(&["x", "environment"]), true),
        // Negated: all values, or one of them, match none of the policy.
        ("ForAllValues:StringNotEquals", keys(), Some(&["cost-center", "x"]), true),
        ("ForAllValues:StringNotEquals", keys(), Some(&["cost-center", "webserver"]), false),
        ("ForAllValues:StringNotEquals", keys(), None, true),
        ("ForAnyValue:StringNotEquals", keys(), Some(&["cost-center", "webserver"]), true),
        ("ForAnyValue:StringNotEquals", keys(), Some(&["environment", "webserver"]), false),
        ("ForAnyValue:StringNotEquals", keys(), None, false),
        // The same with `IfExists`, for which a key that is missing is enough.
        ("ForAnyValue:StringEqualsIfExists", keys(), None, true),
        ("ForAnyValue:StringEqualsIfExists", keys(), Some(&["cost-center"]), false),
        ("ForAllValues:ArnLikeIfExists", json!("arn:aws:s3:::*"), Some(&["arn:aws:s3:::b", "x"]), false),
        // `Null` asks whether there is a key with a value.
        ("Null", json!("true"), None, true),
        ("Null", json!("true"), Some(&[]), true),
        ("Null", json!("false"), Some(&["x"]), true),
        ("Null", json!("false"), Some(&[]), false),
        ("Null", json!("false"), None, false),
    ];
    for (operator, wanted, given, expected) in cases {
        assert_eq!(holds(operator, &wanted, given), expected, "{operator} {wanted} of {given:?}");
    }
    // What is no operator decides nothing.
    for operator in ["ForSomeValues:StringEquals", "NullIfExists", "ForAllValues:Null"] {
        assert!(!holds(operator, &json!("true"), None), "{operator}");
    }
}

/// A condition that asks about all values of a key does not keep a request without the key out, so a denial by it alone is
/// met by such a request too.
#[test]
fn a_missing_key_decides_in_a_denial_as_in_an_allowance() {
    let statements = |operator: &str| {
        let condition = json!({ operator: { "k": ["x"] } });
        json!([
            { "Sid": "A", "Effect": "Allow", "Action": "*", "Resource": "*" },
            { "Sid": "D", "Effect": "Deny", "Action": "*", "Resource": "*", "Condition": condition },
        ])
    };
    for (operator, is_denied) in [
        ("ForAllValues:StringEquals", true),
        ("ForAllValues:StringNotEquals", true),
        ("ForAnyValue:StringEquals", false),
        ("ForAnyValue:StringNotEquals", false),
        ("StringEquals", false),
        ("StringNotEquals", true),
        ("StringEqualsIfExists", true),
    ] {
        assert_eq!(decide(statements(operator), "a:B", "r", &[]).is_allowed(), !is_denied, "{operator}");
        // Where it is not known whether the request has the key, the denial is not certain.
        assert!(may_allow([&policy(statements(operator))], &Request::new("a:B", "r", &[])).is_some(), "{operator}");
    }
}

#[test]
fn an_unknown_operator_does_not_allow_and_does_deny() {
    let condition = json!({ "DateGreaterThan": { "aws:CurrentTime": "2026-01-01T00:00:00Z" } });
    let statements = json!([
        { "Sid": "A", "Effect": "Allow", "Action": "a:*", "Resource": "*" },
        { "Sid": "D", "Effect": "Deny", "Action": "a:Denied", "Resource": "*", "Condition": condition },
        { "Sid": "B", "Effect": "Allow", "Action": "b:*", "Resource": "*", "Condition": condition },
    ]);
    assert_eq!(decide(statements.clone(), "a:Denied", "r", &[]), Decision::Denied("D".to_owned()));
    assert_eq!(decide(statements.clone(), "b:Any", "r", &[]), Decision::NotAllowed);
    // Whether it could be allowed is another question: then the allowance counts and the denial does not.
    assert!(may_allow([&policy(statements.clone())], &Request::new("a:Denied", "r", &[])).is_some());
    assert!(may_allow([&policy(statements)], &Request::new("b:Any", "r", &[])).is_some());
}

#[test]
fn statements_with_unknown_elements_are_not_read() {
    let odd = json!({ "Version": "2012-10-17", "Statement": [{ "Effect": "Allow", "Actions": "*", "Resource": "*" }] });
    assert!(serde_json::from_value::<Policy>(odd).is_err());
}

/// A statement over a small world, so that statements meet.
fn any_statement(effect: &'static str) -> impl Strategy<Value = Value> {
    let action = sample(&["a:Get", "a:Put", "b:Get", "a:*", "*:Get", "*", "a:?et"]);
    let resource = sample(&["x", "y", "x/1", "x*", "*", "?"]);
    let condition = prop_oneof![
        Just(json!({})),
        Just(json!({ "StringEquals": { "k": "1" } })),
        Just(json!({ "StringNotEquals": { "k": "1" } })),
        Just(json!({ "StringLikeIfExists": { "k": ["2", "1*"] } })),
        Just(json!({ "Null": { "k": "true" } })),
        Just(json!({ "ForAllValues:StringEquals": { "k": ["1", "2"] } })),
        Just(json!({ "ForAnyValue:StringNotLike": { "k": "1*" } })),
        Just(json!({ "NumericGreaterThanEqualsIfExists": { "k": "2" }, "NumericLessThanEquals": { "k": "2" } })),
        Just(json!({ "DateLessThan": { "k": "1" } })),
    ];
    let lists = (proptest::collection::vec(action, 1..3), proptest::collection::vec(resource, 1..3));
    (lists, condition, any::<[bool; 2]>()).prop_map(
        move |((actions, resources), condition, [not_action, not_resource])| {
            json!({
                "Sid": effect, "Effect": effect,
                if not_action { "NotAction" } else { "Action" }: actions,
                if not_resource { "NotResource" } else { "Resource" }: resources,
                "Condition": condition,
            })
        },
    )
}

fn sample(words: &'static [&'static str]) -> impl Strategy<Value = &'static str> {
    proptest::sample::select(words)
}

proptest! {
    #![proptest_config(alien_conformance::seed::cases(600))]

    #[test]
    fn an_allowance_takes_nothing_away_and_a_denial_gives_nothing(
        statements in proptest::collection::vec(prop_oneof![any_statement("Allow"), any_statement("Deny")], 0..4),
        allowance in any_statement("Allow"),
        denial in any_statement("Deny"),
        action in sample(&["a:Get", "a:Put", "b:Get", "A:GET"]),
        resource in sample(&["x", "y", "x/1", "z"]),
        key in proptest::option::of(sample(&["1", "2", "3"])),
    ) {
        let context: Vec<(&str, &str)> = key.into_iter().map(|value| ("k", value)).collect();
        let with = |more: Option<&Value>| {
            let all: Vec<&Value> = statements.iter().chain(more).collect();
            policy(json!(all))
        };
        let request = Request::new(action, resource, &context);
        let before = evaluate([&with(None)], &request);
        let more = evaluate([&with(Some(&allowance))], &request);
        let less = evaluate([&with(Some(&denial))], &request);
        prop_assert!(!before.is_allowed() || more.is_allowed());
        prop_assert!(before.is_allowed() || !less.is_allowed());
        // What is allowed in some context may be allowed; what is denied without a condition may not.
        prop_assert!(!before.is_allowed() || may_allow([&with(None)], &Request::new(action, resource, &[])).is_some());
        prop_assert!(!before.is_allowed() || may_allow([&with(None)], &request).is_some());
        // The order of statements decides nothing.
        let reversed: Vec<&Value> = statements.iter().rev().collect();
        prop_assert_eq!(before.is_allowed(), evaluate([&policy(json!(reversed))], &request).is_allowed());
    }
}
