//! The vendor's way in, by Entra: which tokens fit, which do not and what is said of them, and when they end.

use std::sync::Arc;
use std::time::Duration;

use alien_azure::{AUDIENCE, VendorToken};
use alien_conformance::world::{Calls, Case, World, release};
use alien_core::adapter::Purpose;
use alien_core::{CallConfig, Clock, Data, Deployment, ErrorKind, Function, Impersonate, Profile, Stack};
use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::world::{ARM, Peer, code};

fn small() -> Stack {
    let mut stack = Stack::builder("small");
    stack.live("api", Function::new(code("small"), "api"));
    stack.profile("api", Profile::new());
    stack.build().unwrap()
}

async fn set_up<'p>(peer: &'p Peer, prefix: &str) -> (Case<'p, Peer>, Deployment) {
    let stack = small();
    let case = Case::new(peer, prefix, stack.clone());
    let deployment = case.up(&release(&stack, &[]), None).await.unwrap();
    (case, deployment)
}

/// Each of them gets Entra's own error, and the vendor a sentence that says which field differs.
pub(crate) async fn an_assertion_that_does_not_fit_is_told_by_its_field(peer: &Peer) {
    let (case, deployment) = set_up(peer, "fits").await;
    let now = jiff::Timestamp::now().as_second();
    let subject = "deployment:fits";
    let claims = |changes: Value| {
        let mut claims = json!({ "iss": peer.issuer.url(), "sub": subject, "aud": AUDIENCE,
            "iat": now, "nbf": now - 60, "exp": now + 600 });
        claims.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        claims
    };
    let other = peer.sim.issuer("other");
    let right = peer.issuer.token(subject, AUDIENCE);
    let (signed, signature) = right.rsplit_once('.').unwrap();
    let unsigned = {
        use base64::Engine as _;
        let part = |value: Value| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(value.to_string());
        format!("{}.{}.", part(json!({ "alg": "none", "typ": "JWT" })), part(claims(json!({}))))
    };
    let mut forged: Vec<char> = signature.chars().collect();
    let middle = forged.len() / 2;
    forged[middle] = if forged[middle] == 'A' { 'B' } else { 'A' };
    let forged = format!("{signed}.{}", forged.into_iter().collect::<String>());
    let cases: Vec<(&str, String, u64, Vec<&str>)> = vec![
        (
            "issuer",
            other.sign(&claims(json!({ "iss": other.url() }))),
            700_211,
            vec!["its issuer is `", other.url(), peer.issuer.url()],
        ),
        (
            "subject",
            peer.issuer.token("deployment:fit", AUDIENCE),
            700_213,
            vec!["its subject is `deployment:fit`, and the identity trusts `deployment:fits`"],
        ),
        (
            "subject's letters",
            peer.issuer.token("deployment:Fits", AUDIENCE),
            7_002_138,
            vec!["its subject is `deployment:Fits`, and the identity trusts `deployment:fits`"],
        ),
        (
            "audience",
            peer.issuer.token(subject, "api://somebody"),
            700_212,
            vec!["its audience is `api://somebody`, and the identity trusts `api://AzureADTokenExchange`"],
        ),
        (
            "expired",
            peer.issuer.sign(&claims(json!({ "exp": now - 3_600, "nbf": now - 7_200 }))),
            700_024,
            vec!["has expired"],
        ),
        ("unsigned", unsigned, 0, vec!["signature", "was not made with a key that"]),
        ("forged", forged, 0, vec!["signature", "was not made with a key that"]),
    ];
    for (name, assertion, code, words) in cases {
        // What Entra answers to any client …
        let (status, answer) = peer.exchange(&deployment, &assertion, "https://management.azure.com/.default").await;
        assert!([400, 401].contains(&status), "{name}: {status} {answer}");
        let number = answer["error_codes"][0].as_u64().unwrap();
        assert!(code == 0 || number == code, "{name}: {answer}");
        // … and what the vendor is told.
        let shown = assertion.clone();
        let token = VendorToken::from_fn(move |_| {
            let shown = shown.clone();
            async move { Ok(shown) }
        });
        let vendor = alien_azure::vendor(&peer.for_vendor(token).with_calls(peer.calling()));
        let error = vendor.session(&deployment, &Purpose::Watch).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Credentials, "{name}: {error}");
        let told = error.to_string();
        for word in words {
            assert!(told.contains(word), "{name}: {told}");
        }
        assert!(told.contains(&format!("AADSTS{number}")), "{name}: {told}");
        assert!(!told.contains(&assertion) && !told.contains(signature), "{name}: the token itself is told: {told}");
    }
    // A file that is not there, and a variable that is not set.
    for token in [VendorToken::file("/nowhere/token"), VendorToken::variable("NO_SUCH_TOKEN")] {
        let vendor = alien_azure::vendor(&peer.for_vendor(token).with_calls(peer.calling()));
        let error = vendor.session(&deployment, &Purpose::Watch).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Credentials, "{error}");
        assert!(error.to_string().contains("the vendor's token"), "{error}");
    }
    // No source of tokens at all.
    let vendor = alien_azure::vendor(&peer.config(&peer.admin).with_calls(peer.calling()));
    let error = vendor.session(&deployment, &Purpose::Watch).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Credentials, "{error}");
    assert!(error.to_string().contains("add the tokens by `with_vendor_token`"), "{error}");
    case.admin.destroy(&deployment).data(Data::Delete).await.unwrap();
}

/// A hundred who ask at once wait for one exchange, and use one token.
pub(crate) async fn many_share_one_exchange(peer: &Peer) {
    let (case, deployment) = set_up(peer, "many").await;
    let calls = Calls::default();
    let vendor: Arc<dyn Impersonate> = peer.vendor(peer.calling().with_recorder(calls.recorder()));
    let each = (0..100).map(|_| vendor.session(&deployment, &Purpose::Watch));
    let sessions = futures_util::future::join_all(each).await;
    let serials: std::collections::BTreeSet<u64> = sessions.into_iter().map(|one| one.unwrap().serial()).collect();
    assert_eq!(serials.len(), 1);
    assert_eq!(calls.operations(), ["POST oauth2/v2.0/token"]);
    case.admin.destroy(&deployment).data(Data::Delete).await.unwrap();
}

/// A clock that stands still.
#[derive(Debug)]
struct Stopped(Timestamp);

#[async_trait]
impl Clock for Stopped {
    fn now(&self) -> Timestamp {
        self.0
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration / 20).await;
    }
}

/// A session ends an hour after the time of the clock that was given, whatever the machine's clock says.
pub(crate) async fn a_session_ends_by_the_given_clock(peer: &Peer) {
    let (case, deployment) = set_up(peer, "clocked").await;
    peer.sim.tokens_last(Duration::from_secs(24 * 3600));
    let now = Timestamp::now() - Duration::from_secs(6 * 3600);
    let vendor = peer.vendor(CallConfig::new(Arc::new(Stopped(now))));
    let session = vendor.session(&deployment, &Purpose::Watch).await.unwrap();
    assert_eq!(session.expires(), now + Duration::from_secs(3600));
    case.admin.destroy(&deployment).data(Data::Delete).await.unwrap();
}

/// A token for one deployment opens no other: the subject is matched to the letter.
pub(crate) async fn one_customers_trust_does_not_fit_anothers(peer: &Peer) {
    let (_, acme) = set_up(peer, "acme").await;
    let (_, prod) = set_up(peer, "acme-prod").await;
    let token = peer.issuer.token("deployment:acme", AUDIENCE);
    let scope = "https://management.azure.com/.default";
    assert_eq!(peer.exchange(&acme, &token, scope).await.0, 200);
    let (status, answer) = peer.exchange(&prod, &token, scope).await;
    assert_eq!((status, answer["error_codes"][0].as_u64()), (401, Some(700_213)), "{answer}");
}

/// What was given before the customer took the access back is worth nothing.
pub(crate) async fn a_token_from_before_is_worth_nothing(peer: &Peer) {
    let (case, deployment) = set_up(peer, "before").await;
    let token = peer.session(&deployment, &format!("{ARM}.default")).await;
    let url = format!("{}{}?api-version=2025-07-01", peer.sim.url(), deployment.resources["api"]);
    let client = peer.plain();
    let look = async || client.get(&url).bearer_auth(&token).send().await.unwrap().status().as_u16();
    assert_eq!(look().await, 200);
    case.admin.revoke(&deployment).await.unwrap();
    assert!([401, 403].contains(&look().await));
    let (status, answer) = peer
        .exchange(
            &deployment,
            &peer.issuer.token("deployment:before", AUDIENCE),
            "https://management.azure.com/.default",
        )
        .await;
    assert_eq!((status, answer["error_codes"][0].as_u64()), (401, Some(70_025)), "{answer}");
    case.up(&release(&small(), &[]), None).await.unwrap();
    peer.session(&deployment, &format!("{ARM}.default")).await;
}
