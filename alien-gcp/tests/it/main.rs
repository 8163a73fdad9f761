//! x
#[test]
fn x() {
    let stack = alien_core::Stack::from_json(include_str!("../../../examples/my-app.json")).unwrap();
    for w in stack.warnings() {
        println!("{w}");
    }
    let target = alien_gcp::Target {
        project: "customer-project".parse().unwrap(),
        project_number: "123456789012".parse().unwrap(),
        location: "europe-west3".parse().unwrap(),
        prefix: "acme".parse().unwrap(),
        vendor: "vendor@vendor-project.iam.gserviceaccount.com".parse().unwrap(),
    };
    let rendered = alien_gcp::render(&stack, &target).unwrap();
    println!("{}", serde_json::to_string_pretty(&rendered.documents.layers.management).unwrap());
    println!("{}", serde_json::to_string_pretty(&rendered.documents.layers.runtime).unwrap());
    println!("{}", serde_json::to_string_pretty(&rendered.report).unwrap());
    for s in &rendered.sizes {
        println!("{} {} {}/{}", s.document, s.unit, s.size, s.limit);
    }
    println!("{}", serde_json::to_string_pretty(&alien_core::cloud::review(&stack, &rendered)).unwrap());
}
