//! Azure, emulated in this process. Everybody shows a token of an issuer: the admin's application as much as the vendor.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use alien_conformance::world::Shipped;
use alien_core::{Code, Function, Profile, Stack};
use alien_sim::azure::{Azure, Issuer};
use serde_json::json;

use crate::room::{Agent, Cloud, Room, Variables, said, words};

const SUBSCRIPTION: &str = "00000000-0000-0000-0000-000000000001";
const GROUP: &str = "customer-rg";
const LOCATION: &str = "westeurope";
const SUBJECT: &str = "deployment:shop";

pub(crate) fn cloud() -> Cloud {
    cloud_in(Arc::new(start()))
}

fn start() -> Azure {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(Azure::start()).unwrap()
}

/// A file of this emulator's.
fn file(sim: &Azure, name: &str, content: &str) -> String {
    let port = sim.url().rsplit(':').next().unwrap_or_default();
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("azure-{port}-{name}"));
    fs::write(&path, content).unwrap();
    path.display().to_string()
}

/// A token that ends so many hours from now.
fn token(issuer: &Issuer, subject: &str, hours: u64) -> String {
    let ends = SystemTime::now() + Duration::from_secs(hours * 3600);
    issuer.sign(&json!({ "sub": subject, "exp": ends.duration_since(UNIX_EPOCH).unwrap().as_secs() }))
}

fn cloud_in(sim: Arc<Azure>) -> Cloud {
    sim.subscription(SUBSCRIPTION);
    let group = sim.resource_group(SUBSCRIPTION, GROUP, LOCATION);
    let issuer = sim.issuer("tests");
    let application = |name: &str| -> (String, Variables) {
        let application = sim.application(name);
        sim.federate(&application.client_id, issuer.url(), name);
        let variables = vec![
            ("AZURE_TENANT_ID", sim.tenant().to_owned()),
            ("AZURE_CLIENT_ID", application.client_id),
            ("AZURE_FEDERATED_TOKEN_FILE", file(&sim, name, &token(&issuer, name, 24))),
        ];
        (application.principal, variables)
    };
    let (principal, admin) = application("admin");
    sim.assign(&group, "Owner", &principal);
    let (_, someone) = application("someone");
    let vendors = file(&sim, "vendor", &token(&issuer, SUBJECT, 24));
    Cloud {
        name: "azure",
        vendor: SUBJECT.to_owned(),
        trust: ["--issuer", issuer.url(), "--subject", SUBJECT].map(str::to_owned).into(),
        other_vendor: (SUBJECT, "deployment:another"),
        location: [
            ["--tenant", sim.tenant()],
            ["--subscription", SUBSCRIPTION],
            ["--resource-group", GROUP],
            ["--location", LOCATION],
        ]
        .concat()
        .into_iter()
        .map(str::to_owned)
        .collect(),
        endpoint: [
            ["--endpoint-url", sim.url()],
            ["--endpoint-certificate", &file(&sim, "certificate.pem", sim.certificate())],
        ]
        .concat()
        .into_iter()
        .map(str::to_owned)
        .collect(),
        admin,
        vendors: vec![("AZURE_FEDERATED_TOKEN_FILE", vendors)],
        others: (someone, "cannot read the resource group `customer-rg`"),
        nobody: "there are no Azure credentials here",
        agent: Agent {
            name: format!(
                "/subscriptions/{SUBSCRIPTION}/resourceGroups/tools/providers/Microsoft.Compute/virtualMachines/agent"
            ),
            // The emulator answers for the metadata service of the machine.
            credentials: Vec::new(),
            talks_to: vec![sim.url().trim_start_matches("https://").parse().unwrap()],
            assign: Box::new({
                let sim = Arc::clone(&sim);
                move |identity| sim.default_identity(identity)
            }),
        },
        code: image,
        plant: Some(Box::new({
            let sim = Arc::clone(&sim);
            move || {
                sim.faults().fail_before("PATCH Microsoft.App/containerApps", 1_000, "LinkedAuthorizationFailed");
                "template-alone"
            }
        })),
        there: Box::new(move || sim.things()),
    }
}

/// The emulator answers every command with itself, whichever image it is.
fn image(says: &str) -> Shipped {
    let code = Code::zip(says.as_bytes());
    let form = code.only().unwrap();
    let digest = form.digest();
    Shipped::Image(format!("registry.example.com/echo@{digest}"))
}

/// The vendor's token is a file that a flag or a variable names, or a variable; one that does not fit is told with what it says.
pub(crate) fn tokens(name: &str) {
    let sim = Arc::new(start());
    let issuer = sim.issuer("tests");
    let room = Room::new(name, cloud_in(Arc::clone(&sim)));
    let mut stack = Stack::builder("shop");
    stack.live("api", Function::new((room.cloud.code)("first").code(), "api"));
    stack.profile("api", Profile::new());
    let stack = room.write("shop.json", &serde_json::to_vec(&stack.build().unwrap()).unwrap());
    let (invitation, record) = (room.invite(&stack), room.path("record.json"));
    room.succeeds("alien-deploy", &words(&room.deploy("up", &invitation, &["--record", &record, "--yes"])));

    let heartbeat = |flags: &[&str], variables: Variables| {
        let arguments = [&["heartbeat", "--record", &record], flags].concat();
        let output = room.command("alien", &arguments, &variables).output().unwrap();
        (output.status.code(), said(&output))
    };
    let good = token(&issuer, SUBJECT, 1);
    let path = file(&sim, "good", &format!("{good}\n"));
    let wrong = file(&sim, "wrong", "not a token");
    for (flags, variables) in [
        (vec!["--token-file", &path], vec![("ALIEN_OIDC_TOKEN", "not a token".to_owned())]),
        (vec![], vec![("ALIEN_OIDC_TOKEN", good.clone()), ("AZURE_FEDERATED_TOKEN_FILE", wrong)]),
        (vec![], vec![("AZURE_FEDERATED_TOKEN_FILE", path.clone())]),
    ] {
        let (code, said) = heartbeat(&flags, variables);
        assert!(code == Some(0) && said.contains("healthy"), "{flags:?}: {said}");
    }
    for (token, words) in [
        (token(&issuer, "deployment:another", 1), "its subject is `deployment:another`, and the identity trusts"),
        (issuer.token(SUBJECT, "api://another"), "its audience is `api://another`"),
        (issuer.sign(&json!({ "sub": SUBJECT, "iat": 1, "nbf": 1, "exp": 2 })), "it has expired"),
    ] {
        let (code, said) = heartbeat(&[], vec![("ALIEN_OIDC_TOKEN", token.clone())]);
        assert!(code == Some(5) && said.contains(words), "{words}: {said}");
        assert!(!said.contains(&token), "a token is shown");
    }
    let (code, said) = heartbeat(&["--token-file", "absent"], Vec::new());
    assert!(code == Some(5) && said.contains("`absent` cannot be read"), "{said}");
}

/// The vendor makes its own issuer, publishes the two files, and enters deployments with its key; also after a rotation.
pub(crate) fn own_issuer(name: &str) {
    let sim = Arc::new(start());
    let url = "https://oidc.vendor.example.com";
    let mut cloud = cloud_in(Arc::clone(&sim));
    cloud.trust = ["--issuer", url].map(str::to_owned).into();
    cloud.vendors = Vec::new();
    let room = Room::new(name, cloud);
    let folder = room.path("issuer");
    let keys =
        |arguments: &[&str]| room.succeeds("alien", &[&["keys", "issuer", "--out", &folder], arguments].concat());
    let upload = || {
        for path in [".well-known/openid-configuration", "jwks.json"] {
            sim.host(&format!("{url}/{path}"), &fs::read(Path::new(&folder).join("public").join(path)).unwrap());
        }
    };
    keys(&["--issuer", url]);
    upload();

    let mut stack = Stack::builder("shop");
    stack.live("api", Function::new((room.cloud.code)("first").code(), "api"));
    stack.profile("api", Profile::new());
    let stack = room.write("shop.json", &serde_json::to_vec(&stack.build().unwrap()).unwrap());
    let (invitation, record) = (room.invite(&stack), room.path("record.json"));
    room.succeeds("alien-deploy", &words(&room.deploy("up", &invitation, &["--record", &record, "--yes"])));

    let (first, second) = (format!("{folder}/issuer-1.pem"), format!("{folder}/issuer-2.pem"));
    let heartbeat = |flags: &[&str]| {
        let output = room.run("alien", &[&["heartbeat", "--record", &record], flags].concat());
        (output.status.code(), said(&output))
    };
    let enters = |key: &str| {
        let (code, said) = heartbeat(&["--issuer-key", key]);
        assert!(code == Some(0) && said.contains("healthy"), "{key}: {said}");
    };
    let refused = |flags: &[&str], words: &str| {
        let (code, said) = heartbeat(flags);
        assert!(matches!(code, Some(3 | 5)) && said.contains(words), "{flags:?}: {said}");
        for key in [&first, &second] {
            let pem = fs::read_to_string(key).unwrap_or_default();
            pem.lines().filter(|line| line.len() > 32).for_each(|line| assert!(!said.contains(line), "a key is shown"));
        }
    };
    enters(&first);
    keys(&["--rotate"]);
    refused(&["--issuer-key", &second], "was not made with a key that");
    upload();
    enters(&first);
    enters(&second);
    keys(&["--retire"]);
    upload();
    enters(&second);
    refused(&["--issuer-key", &first], "was not made with a key that");

    refused(&["--issuer-key", &second, "--issuer", "https://another.example"], "sign as the issuer of its invitation");
    refused(&["--issuer-key", &stack, "--issuer", "http://a"], "`--issuer-key`: ");
    refused(&["--issuer-key", &stack, "--issuer", "http://a"], "`--issuer`: `http://a` does not begin with `https://`");
    refused(&["--issuer", url], "`--issuer`: there is no key for it");
}
