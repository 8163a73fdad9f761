//! x
#[test]
fn x() {
    let stack = alien_core::Stack::from_json(include_str!("../../../examples/my-app.json")).unwrap();
    for w in stack.warnings() {
        println!("{w}");
    }
    let target = alien_azure::Target {
        subscription: "00000000-0000-0000-0000-000000000001".parse().unwrap(),
        resource_group: "customer-rg".parse().unwrap(),
        location: "westeurope".parse().unwrap(),
        prefix: "acme".parse().unwrap(),
        issuer: "https://oidc.vendor.example.com".parse().unwrap(),
        subject: "deployment:acme".parse().unwrap(),
    };
    let rendered = alien_azure::render(&stack, &target).unwrap();
    println!("{}", serde_json::to_string_pretty(&rendered.documents.layers.management).unwrap());
    println!("{}", serde_json::to_string_pretty(&rendered.documents.layers.runtime).unwrap());
    println!("{}", serde_json::to_string_pretty(&rendered.report).unwrap());
    for s in &rendered.sizes {
        println!("{} {} {}/{}", s.document, s.unit, s.size, s.limit);
    }
    println!("{}", serde_json::to_string_pretty(&alien_core::cloud::review(&stack, &rendered)).unwrap());
}
