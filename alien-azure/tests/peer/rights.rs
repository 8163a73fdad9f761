//! What gives the deployment's identities rights, and lets anyone in, other than what is rendered.

use alien_azure::AUDIENCE;
use alien_conformance::world::{Case, release};
use alien_core::{Data, Deployment, ErrorKind, Function, Profile, Queue, Stack, Storage};
use serde_json::{Value, json};

use crate::world::{ARM, LOCATION, Peer, SUBSCRIPTION, code, rendered};

fn small() -> Stack {
    let mut stack = Stack::builder("small");
    let data = stack.frozen("data", Storage::new());
    let jobs = stack.live("jobs", Queue::new());
    stack.live("api", Function::new(code("small"), "api"));
    stack.profile("api", Profile::new().on(&data, [Storage::DATA_READ]).on(&jobs, [Queue::DATA_WRITE]));
    stack.build().unwrap()
}

struct SetUp<'p> {
    peer: &'p Peer,
    case: Case<'p, Peer>,
    deployment: Deployment,
    /// The management identity, and the one that code runs as.
    identities: [String; 2],
}

impl<'p> SetUp<'p> {
    async fn new(peer: &'p Peer) -> Self {
        let case = Case::new(peer, "changed", small());
        let deployment = case.up(&release(&small(), &[]), None).await.unwrap();
        let runtime = deployment.identity.replace("changed-management-7", "changed-runtime-api-7");
        let identities = [deployment.identity.clone(), runtime];
        Self { peer, case, deployment, identities }
    }

    async fn plan(&self) -> String {
        self.case.admin.plan(&release(&small(), &[])).previous(&self.deployment).await.unwrap().to_string()
    }

    /// The plan says so, the next set-up puts it right, and then nothing more is to be done.
    async fn is_put_right(&self, words: &[&str]) {
        let plan = self.plan().await;
        for words in words {
            assert!(plan.contains(words), "{words}: {plan}");
        }
        let first = release(&small(), &[]);
        self.case.up(&first, Some(&self.deployment)).await.unwrap();
        let plan = self.case.admin.plan(&first).previous(&self.deployment).await.unwrap();
        assert!(plan.is_empty(), "{plan}");
    }

    async fn trust(&self, identity: &str, name: &str, properties: Value) -> String {
        let id = format!("{identity}/federatedIdentityCredentials/{name}");
        put(self.peer, &id, &json!({ "properties": properties })).await;
        id
    }

    async fn ends(self) {
        self.case.admin.destroy(&self.deployment).data(Data::Delete).await.unwrap();
    }
}

async fn put(peer: &Peer, id: &str, body: &Value) {
    let url = format!("{}{id}?api-version=2024-11-30", peer.sim.url());
    let request = peer.plain().put(url).bearer_auth(peer.sim.token(&peer.admin, ARM));
    let answer = request.header("content-type", "application/json").body(body.to_string()).send().await.unwrap();
    assert!(answer.status().is_success(), "{answer:?}");
}

/// A role that was widened, one that was taken away, one that is assigned elsewhere too.
pub(crate) async fn what_others_changed_is_put_right(peer: &Peer) {
    let set_up = SetUp::new(peer).await;
    let principal = rendered(&set_up.deployment);
    let role = &principal.role_definitions[0];
    peer.sim.set_role(&role.name, &["*"], &[]);
    let name = &role.properties.role_name;
    set_up.is_put_right(&[&format!("its role `{name}` permits something else: also `*`, not `")]).await;
    let due = &principal.role_assignments[0];
    let at = |scope: &str, name: &str| format!("{scope}/providers/Microsoft.Authorization/roleAssignments/{name}");
    peer.sim.remove_assignment(&at(&due.scope, &due.name));
    set_up.is_put_right(&[&format!("a role is not assigned to it at `{}`", due.scope)]).await;
    let spare = at(&peer.group(), "11111111-2222-3333-4444-555555555555");
    let id = peer.principal_id(&set_up.deployment.identity);
    peer.sim.set_assignment(&spare, &due.properties.role_definition_id, &id);
    set_up.is_put_right(&["it has the role `alien changed-management-7: ", &format!("on `{}`", peer.group())]).await;
    assert!(peer.sim.body(&spare).is_none());
    set_up.ends().await;
}

/// Roles at the resource group, above it and at something of the customer's; tokens of others; somebody who may use the
/// identity. What the customer gives to others, or so that code may pull its image, is the customer's.
pub(crate) async fn more_is_told_and_taken_away(peer: &Peer) {
    let set_up = SetUp::new(peer).await;
    let subscription = format!("/subscriptions/{SUBSCRIPTION}");
    peer.sim.assign(&subscription, "Owner", &peer.admin);
    let registry = format!("{}/providers/Microsoft.ContainerRegistry/registries/corporate", peer.group());
    let corporate = format!("{}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/corporate", peer.group());
    put(peer, &corporate, &json!({ "location": LOCATION })).await;
    let stranger = peer.sim.user("stranger@example.com");
    let theirs = [
        peer.sim.assign(&peer.group(), "Reader", &stranger),
        peer.sim.assign(&set_up.deployment.resources["data"], "Owner", &stranger),
        peer.sim.assign(&set_up.identities[0], "Reader", &stranger),
        peer.sim.assign(&registry, "AcrPull", &peer.principal_id(&set_up.identities[1])),
    ];
    assert!(!set_up.plan().await.contains("update"), "{}", set_up.plan().await);
    let trust = json!({ "issuer": "https://else.example.com", "subject": "x", "audiences": [AUDIENCE] });
    for identity in &set_up.identities {
        let id = peer.principal_id(identity);
        for (scope, role) in [
            (&subscription, "Owner"),
            (&peer.group(), "Reader"),
            (&set_up.deployment.resources["data"], "Contributor"),
            (&corporate, "Contributor"),
            (&peer.group(), "AcrPull"),
        ] {
            let more = peer.sim.assign(scope, role, &id);
            let told = format!("it has the role `{role}` on `{scope}`, which this deployment does not give");
            set_up.is_put_right(&[&told]).await;
            assert!(peer.sim.body(&more).is_none(), "{more}");
        }
        let more = set_up.trust(identity, "more", trust.clone()).await;
        let told = "it trusts the credential `more` (issuer `https://else.example.com`, subject `x`)";
        set_up.is_put_right(&[told]).await;
        assert!(peer.sim.body(&more).is_none());
        for role in ["Managed Identity Operator", "Contributor", "User Access Administrator"] {
            let using = peer.sim.assign(identity, role, &stranger);
            set_up.is_put_right(&[&format!("`{stranger}` may use it by the role `{role}` on it")]).await;
            assert!(peer.sim.body(&using).is_none());
        }
    }
    // All at once, each by its name.
    let [management, _] = &set_up.identities;
    peer.sim.assign(&subscription, "Owner", &peer.principal_id(management));
    let _ = set_up.trust(management, "more", trust).await;
    set_up.is_put_right(&["it has the role `Owner`", "it trusts the credential `more`"]).await;
    // The vendor's own credential, for other tokens.
    let other = json!({ "issuer": peer.issuer.url(), "subject": "deployment:other", "audiences": [AUDIENCE] });
    let _ = set_up.trust(management, "vendor", other).await;
    set_up.is_put_right(&["subject `deployment:other`", "it does not trust the tokens of"]).await;
    for id in theirs {
        assert!(peer.sim.body(&id).is_some(), "{id} is the customer's");
        peer.sim.remove_assignment(&id);
    }
    set_up.ends().await;
}

/// A role above the group that the admin may not touch, and one that a group has: the error says what to remove, and all
/// else is done. A revocation says it too, and shuts the vendor out.
pub(crate) async fn what_the_admin_may_not_take_away_is_told(peer: &Peer) {
    let set_up = SetUp::new(peer).await;
    let subscription = format!("/subscriptions/{SUBSCRIPTION}");
    let id = peer.principal_id(&set_up.deployment.identity);
    let owner = peer.sim.assign(&subscription, "Owner", &id);
    let operators = peer.sim.group("operators", &[&id]);
    let through = peer.sim.assign(&peer.group(), "Contributor", &operators);
    let trust = json!({ "issuer": "https://else.example.com", "subject": "x", "audiences": [AUDIENCE] });
    let more = set_up.trust(&set_up.deployment.identity, "more", trust).await;
    let told = [
        format!("it has the role `Owner` on `{subscription}`, which this deployment does not give"),
        format!("it has the role `Contributor` on `{}` through the group `{operators}`", peer.group()),
    ];
    let plan = set_up.plan().await;
    assert!(told.iter().all(|told| plan.contains(told)), "{plan}");
    // The admin is owner of the group alone.
    let first = release(&small(), &[]);
    let error = set_up.case.up(&first, Some(&set_up.deployment)).await.unwrap_err();
    let said = error.to_string();
    assert_eq!(error.kind(), ErrorKind::Denied, "{said}");
    assert!(said.contains(&format!("remove `{owner}`, which these credentials may not")), "{said}");
    assert!(said.contains(&format!("take it out of the group `{operators}`")), "{said}");
    assert!(peer.sim.body(&more).is_none(), "what could be mended is");
    let error = set_up.case.admin.revoke(&set_up.deployment).await.unwrap_err();
    assert!(error.to_string().contains(&owner), "{error}");
    let vendor = format!("{}/federatedIdentityCredentials/vendor", set_up.deployment.identity);
    assert!(peer.sim.body(&vendor).is_none(), "nobody is let in any more");
    assert_eq!(peer.sim.assignments(&id).len(), 1, "only what is above the group is left");
    peer.sim.remove_assignment(&owner);
    peer.sim.remove_assignment(&through);
    set_up.is_put_right(&["the vendor's access was revoked; it is given again"]).await;
    set_up.ends().await;
}
