//! The evaluator, against what IAM does: cases that documents here do not have, but documents read back may.

use alien_aws::policy::{Decision, Policy, Request, evaluate, may_allow};
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
    let cases: [(&str, &str, Value, Context, bool); 17] = [
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
        ("NumericLessThan", "aws:a", json!(5), &[("aws:a", "4")], false),
    ];
    for (operator, key, value, context, expected) in cases {
        let allowed = decide(when(operator, key, value.clone()), "a:B", "r", context).is_allowed();
        assert_eq!(allowed, expected, "{operator} {key} {value} in {context:?}");
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
