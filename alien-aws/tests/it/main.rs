//! x
#[test]
fn x() {
    let stack = alien_core::Stack::from_json(include_str!("../../../examples/my-app.json")).unwrap();
    for w in stack.warnings() {
        println!("{w}");
    }
    let target = alien_aws::Target {
        account: "222222222222".parse().unwrap(),
        region: "eu-central-1".parse().unwrap(),
        prefix: "acme".parse().unwrap(),
        vendor: "arn:aws:iam::111111111111:role/vendor".parse().unwrap(),
        external_id: "acme-7f3a".parse().unwrap(),
    };
    let rendered = alien_aws::render(&stack, &target).unwrap();
    println!("{}", serde_json::to_string_pretty(&rendered.documents.layers.management).unwrap());
    println!("{}", serde_json::to_string_pretty(&rendered.documents.layers.runtime).unwrap());
    println!("{}", serde_json::to_string_pretty(&rendered.report).unwrap());
    for s in &rendered.sizes {
        println!("{} {} {}/{}", s.document, s.unit, s.size, s.limit);
    }
    println!("{}", serde_json::to_string_pretty(&alien_core::cloud::review(&stack, &rendered)).unwrap());
}
