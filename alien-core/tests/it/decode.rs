//! Reading the JSON form: nothing is lost, nothing is guessed, nothing panics.

use alien_conformance::golden::my_app;
use alien_conformance::json::{any_value, with_part_replaced};
use alien_conformance::stacks::{IMAGE, any_document, full};
use alien_conformance::world::{Shipped, release};
use alien_core::adapter::{DeploymentContext, Documented};
use alien_core::memory::Memory;
use alien_core::{Deployment, DeploymentId, Invitation, Kv, Problem, Reviewed, Rule, Stack};
use proptest::prelude::*;
use serde_json::{Value, json};

/// The problems of a text, each as one line.
pub(crate) fn problems(text: &str) -> Vec<Problem> {
    match Stack::from_json(text) {
        Ok(stack) => stack.warnings().to_vec(),
        Err(problems) => problems.as_slice().to_vec(),
    }
}

fn lines(text: &str) -> String {
    problems(text).iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_published_schema_is_the_one_of_the_code() {
    let published: Value = serde_json::from_str(include_str!("../../stack.schema.json")).unwrap();
    let told = "write it again: cargo run --bin alien -- schema > alien-core/stack.schema.json";
    assert_eq!(published, alien_core::schema(), "{told}");
}

#[test]
fn every_wrong_field_of_every_resource_is_named_at_once() {
    let document = json!({
        "name": 5,
        "extra": true,
        "resources": [
            { "id": "a", "type": "function", "lifecycle": "live", "code": { "picture": "api" }, "memoryMib": "much", "colour": "red" },
            { "id": "b", "type": "queue", "lifecycle": "hot", "retentionSeconds": -1, "links": "a" },
            { "type": "storage", "lifecycle": "frozen", "versioning": 1 },
            { "id": "d", "type": "lake", "lifecycle": "live" },
            { "id": "e", "lifecycle": "live" },
            "f",
        ],
        "permissions": {
            "profiles": { "p": { "*": "storage/data-read" }, "q": [] },
            "management": { "extend": { "a": [1] }, "shrink": {} },
            "others": {},
        },
    });
    insta::assert_snapshot!(lines(&document.to_string()));
}

#[test]
fn text_that_is_no_json_object_is_told_so() {
    for (text, told) in [("", "not JSON"), ("[]", "not an object"), ("{", "not JSON"), ("null", "not an object")] {
        let problems = problems(text);
        assert!(problems.len() == 1 && problems[0].what.contains(told), "{text}: {problems:?}");
    }
}

#[test]
fn a_field_that_stands_twice_is_an_error() {
    let text =
        r#"{"name":"a","name":"b","resources":[{"id":"x","type":"kv","lifecycle":"frozen","lifecycle":"live"}]}"#;
    let problems = problems(text);
    let at: Vec<_> = problems.iter().map(|problem| problem.subject.as_deref().unwrap()).collect();
    assert_eq!(at, ["name", "resources[0].lifecycle"]);
    assert!(problems.iter().all(|problem| problem.rule == Rule::Form));
    assert_eq!(problems[0].what, "the field is written twice at line 1 column 18");
}

#[test]
fn what_is_wrong_with_a_text_is_told_with_its_line_and_column() {
    let stack = |text: &str| Stack::from_json(text).unwrap_err().to_string();
    let invitation = |text: &str| Invitation::from_json(text).unwrap_err().to_string();
    let record = |text: &str| Deployment::from_json(text).unwrap_err().to_string();
    let deep = format!("{{\n\"id\": {}", "[".repeat(200));
    for (text, at) in [
        ("{\n\"id\": \"a\",\n}", "trailing comma at line 3 column 1"),
        ("{\r\n\"id\": NaN}", "expected value at line 2 column 7"),
        ("{\n\"id\": \"a\",\n \"id\": \"b\"}", "twice at line 3 column 5"),
        (&deep, "recursion limit exceeded at line 2 column "),
    ] {
        assert!(stack(text).contains(at), "{text}: {}", stack(text));
    }
    let id = DeploymentId::new();
    let within = format!("{{\n\"id\": \"{id}\",\n\"stack\": {{\"name\": \"a\",\n \"name\": 1}}}}");
    for (text, at) in [
        (&*format!("{{\n\"id\": \"{id}\",\n}}"), "trailing comma at line 3 column 1"),
        ("{\r\n\"version\": NaN}", "expected value at line 2 column 12"),
        (&format!("{{\n\"id\": \"{id}\",\n \"id\": \"{id}\"}}"), "at line 3 column 5"),
        (&within, "`stack.name` is written twice at line 4 column 7"),
    ] {
        for told in [invitation(text), record(text)] {
            assert!(told.contains(at), "{text}: {told}");
        }
    }
}

/// Also where it is broken: then that would not help whoever took the wrong file.
#[test]
fn a_file_in_the_place_of_another_is_told_as_what_it_is() {
    let stack = include_str!("../../../examples/my-app.json");
    let invitation = include_str!("../../../tests/upgrade/v1/memory/full/invitation.json");
    let record = include_str!("../../../tests/upgrade/v1/memory/full/record.json");
    type Read = fn(&str) -> Result<(), alien_core::Problems>;
    let readers: [(Read, &str, &str); 3] = [
        (|text| Stack::from_json(text).map(drop), stack, "a stack"),
        (|text| Invitation::from_json(text).map(drop), invitation, "an invitation"),
        (|text| Deployment::from_json(text).map(drop), record, "the record of a deployment"),
    ];
    for (read, own, wanted) in readers {
        read(own).unwrap();
        let text = own.replacen('{', "{\"colour\": 1,", 1);
        assert!(read(&text).unwrap_err().to_string().contains("unknown field `colour`"));
        for (_, text, found) in readers.iter().filter(|(_, text, _)| *text != own) {
            for text in [*text, &text[..text.len() - 9]] {
                let problems = read(text).unwrap_err();
                let [problem] = problems.as_slice() else { panic!("{problems}") };
                assert_eq!(problem.what, format!("this is {found}, and not {wanted}"));
            }
        }
    }
    let problems = Deployment::from_json(&record[..record.len() - 9]).unwrap_err().to_string();
    assert!(problems.contains("EOF while parsing") && problems.contains(" line "), "{problems}");
}

#[test]
fn a_stack_of_too_many_resources_is_refused_before_any_is_looked_at() {
    let stack = |count: usize| {
        let resources = (0..count).map(|n| json!({ "id": format!("r{n}"), "type": "kv", "lifecycle": "frozen" }));
        json!({ "name": "shop", "resources": resources.collect::<Vec<_>>() }).to_string()
    };
    assert_eq!(Stack::from_json(&stack(Stack::MOST_RESOURCES)).unwrap().resources().len(), 1_000);
    let problems = problems(&stack(1_001));
    let [problem] = &problems[..] else { panic!("{problems:?}") };
    assert_eq!(problem.what, "there are 1001 resources, and 1000 are the most");
    assert_eq!((problem.rule, problem.subject.as_deref()), (Rule::Limit, Some("resources")));
    // Each of them would have a problem of its own.
    let many = format!(r#"{{"name":"shop","resources":[{}{{}}]}}"#, "{},".repeat(100_000));
    assert_eq!(lines(&many).lines().count(), 1);
    let mut builder = Stack::builder("shop");
    for n in 0..1_001 {
        let _ = builder.frozen(format!("r{n}"), Kv::new());
    }
    assert!(builder.build().unwrap_err().to_string().contains("1000 are the most"));
}

/// The text of a value in which one key of one object stands twice, the second time with `null`: as many texts as there are
/// keys, each with its key.
fn with_a_key_twice(value: &Value) -> Vec<(String, String)> {
    let mut texts = Vec::new();
    let parts: Vec<(String, &Value)> = match value {
        Value::Object(fields) => {
            let fields = fields.iter().map(|(key, value)| (json!(key).to_string(), value));
            let fields: Vec<(String, &Value)> = fields.collect();
            let whole = value.to_string();
            let begun = whole.strip_suffix('}').unwrap();
            texts.extend(fields.iter().map(|(key, _)| (key.clone(), format!("{begun},{key}:null}}"))));
            fields
        }
        Value::Array(items) => items.iter().map(|item| (String::new(), item)).collect(),
        _ => Vec::new(),
    };
    for (at, (_, part)) in parts.iter().enumerate() {
        for (key, text) in with_a_key_twice(part) {
            let written = parts.iter().enumerate().map(|(other, (name, part))| {
                let part = if other == at { text.clone() } else { part.to_string() };
                if name.is_empty() { part } else { format!("{name}:{part}") }
            });
            let written = written.collect::<Vec<_>>().join(",");
            texts.push((key, if value.is_object() { format!("{{{written}}}") } else { format!("[{written}]") }));
        }
    }
    texts
}

/// A reader that keeps one of the two silently may keep the one that the reviewer did not read.
#[test]
fn a_key_that_stands_twice_is_refused_by_its_name_wherever_it_stands() {
    let code = Shipped::Zip(b"code".to_vec());
    let stack = full(&code, IMAGE);
    let target = alien_core::memory::Target::new("acme").unwrap();
    let id = DeploymentId::from(uuid::Uuid::nil());
    let record = DeploymentContext::<Memory>::new(id, target.clone(), release(&stack, &[code])).record().unwrap();
    let retired = vec![stack.clone()];
    let mut record = record;
    (record.identity_id, record.retired) = (Some("chosen".to_owned()), retired);
    let invitation = Invitation::new(id, &target, stack.clone()).unwrap();
    let reviewed = Memory::reviewed(&stack, &target).unwrap();
    let documents = alien_core::render(&stack, &target).unwrap().documents;
    type Documents = alien_core::Documents<alien_core::memory::Target, alien_core::memory::Principal>;
    fn told<T, E: ToString>(read: Result<T, E>) -> Result<(), String> {
        read.map(drop).map_err(|error| error.to_string())
    }
    type Read = fn(&str) -> Result<(), String>;
    let files: [(Value, Read); 5] = [
        (serde_json::to_value(&stack).unwrap(), |text| told(Stack::from_json(text))),
        (serde_json::to_value(&invitation).unwrap(), |text| told(Invitation::from_json(text))),
        (serde_json::to_value(&record).unwrap(), |text| told(Deployment::from_json(text))),
        (serde_json::to_value(&reviewed).unwrap(), |text| told(serde_json::from_str::<Reviewed>(text))),
        (serde_json::to_value(&documents).unwrap(), |text| told(serde_json::from_str::<Documents>(text))),
    ];
    for (file, read) in files {
        read(&file.to_string()).unwrap();
        let texts = with_a_key_twice(&file);
        assert!(texts.len() > 80, "{}", texts.len());
        for (key, text) in texts {
            let told = read(&text).expect_err(&text);
            let name = key.trim_matches('"');
            let twice = told.contains("written twice") || told.contains("duplicate field");
            assert!(twice && told.contains(&format!("{name}`")), "{name}: {told}");
        }
    }
}

#[test]
fn automatic_management_may_be_said_or_left_out() {
    let stack = |permissions: Value| {
        let document = json!({ "name": "a", "resources": [], "permissions": permissions });
        Stack::from_json(&document.to_string()).unwrap()
    };
    assert_eq!(stack(json!({})), stack(json!({ "management": "automatic" })));
    assert_eq!(stack(json!({})), stack(json!({ "management": { "extend": {} } })));
}

#[test]
fn the_example_is_read_and_written_back() {
    insta::assert_snapshot!("my-app", serde_json::to_string_pretty(&my_app()).unwrap());
}

proptest! {
    #![proptest_config(alien_conformance::seed::cases(400))]

    #[test]
    fn any_text_is_read_or_told_what_is_wrong(text in "\\PC{0,60}") {
        let _ = problems(&text);
    }

    #[test]
    fn any_value_is_read_or_told_what_is_wrong(value in any_value()) {
        let problems = problems(&value.to_string());
        for problem in problems {
            prop_assert!(!problem.what.is_empty() && !problem.help.is_empty());
        }
    }

    #[test]
    fn a_stack_with_one_part_replaced_is_read_or_told_what_is_wrong(
        document in any_document(),
        part in any::<prop::sample::Index>(),
        value in any_value(),
    ) {
        let _ = problems(&with_part_replaced(document, &part, value).to_string());
    }

    #[test]
    fn what_is_written_is_read_back(document in any_document()) {
        let stack = Stack::from_json(&document.to_string()).unwrap();
        let written = serde_json::to_string(&stack).unwrap();
        prop_assert_eq!(Stack::from_json(&written).unwrap(), stack);
    }
}
