//! A fleet whose tokens the vendor signs itself: a subject for each deployment, one key, and its rotation.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use alien_azure::{AUDIENCE, Discovery, Issuer, IssuerKey, TokenSigner, VendorToken};
use alien_conformance::world::{Calls, Case, World, release};
use alien_core::adapter::Purpose;
use alien_core::{Deployment, ErrorKind, Manager, Result, Stack, Storage};
use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::future::join_all;
use serde_json::Value;

use crate::world::{ISSUER, Peer};

/// How many deployments the fleet has.
const FLEET: usize = 20;
const ARM_SCOPE: &str = "https://management.azure.com/.default";

/// A key that is elsewhere, as in a key management service. It remembers the tokens that it signed.
#[derive(Debug, Clone)]
struct Remembering {
    key: IssuerKey,
    tokens: Arc<Mutex<Vec<String>>>,
}

impl Remembering {
    fn new() -> Self {
        Self { key: IssuerKey::generate().unwrap(), tokens: Arc::default() }
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.tokens.lock().unwrap())
    }

    /// The vendor's tokens, signed by this key.
    fn token(&self) -> VendorToken {
        VendorToken::signed_by(self.clone(), issuer())
    }
}

#[async_trait]
impl TokenSigner for Remembering {
    fn key_id(&self) -> &str {
        self.key.key_id()
    }

    async fn sign(&self, message: &[u8]) -> Result<Vec<u8>> {
        let signature = self.key.sign(message).await?;
        let token = format!("{}.{}", std::str::from_utf8(message).unwrap(), URL_SAFE_NO_PAD.encode(&signature));
        self.tokens.lock().unwrap().push(token);
        Ok(signature)
    }
}

fn issuer() -> Issuer {
    Issuer::parse(ISSUER).unwrap()
}

fn claim(token: &str, name: &str) -> String {
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
    serde_json::from_slice::<Value>(&claims).unwrap()[name].as_str().unwrap().to_owned()
}

fn publish(peer: &Peer, discovery: &Discovery) {
    discovery.documents().iter().for_each(|document| peer.sim.host(&document.url, &document.content));
}

async fn set_up(peer: &Peer, prefix: &str) -> Deployment {
    let mut stack = Stack::builder("small");
    stack.frozen("data", Storage::new());
    let stack = stack.build().unwrap();
    Case::new(peer, prefix, stack.clone()).up(&release(&stack, &[]), None).await.unwrap()
}

async fn fleet(peer: &Peer, size: usize) -> Vec<Deployment> {
    let prefixes: Vec<String> = (0..size).map(|n| format!("fleet{n}")).collect();
    join_all(prefixes.iter().map(|prefix| set_up(peer, prefix))).await
}

fn subject(deployment: &Deployment) -> String {
    deployment.target.field("subject").unwrap().to_owned()
}

/// One source of tokens enters every deployment, each by a token for its own subject, which no other takes.
pub(crate) async fn a_fleet_is_entered_by_one_key(peer: &Peer) {
    let signer = Remembering::new();
    publish(peer, &Discovery::new(issuer(), signer.key.public().clone()));
    let fleet = fleet(peer, FLEET).await;
    let calls = Calls::default();
    let config = peer.for_vendor(signer.token()).with_calls(peer.calling().with_recorder(calls.recorder()));
    let vendor = alien_azure::vendor(&config);

    // All at once, each three times.
    let entered = fleet.iter().cycle().take(3 * FLEET).map(|deployment| {
        let manager = Manager::new(Arc::clone(&vendor), deployment.clone());
        async move { manager.heartbeat(manager.resources().remove(0)).await.unwrap() }
    });
    join_all(entered).await;
    let tokens = signer.take();
    let of: BTreeMap<String, &String> = tokens.iter().map(|token| (claim(token, "sub"), token)).collect();
    let subjects: BTreeSet<String> = fleet.iter().map(subject).collect();
    assert_eq!(subjects.len(), FLEET);
    assert_eq!((tokens.len(), of.keys().cloned().collect::<BTreeSet<_>>()), (FLEET, subjects));
    let ids: BTreeSet<String> = tokens.iter().map(|token| claim(token, "jti")).collect();
    assert_eq!(ids.len(), FLEET, "each token has an id of its own");
    assert!(tokens.iter().all(|token| claim(token, "iss") == ISSUER && claim(token, "aud") == AUDIENCE));

    // Who called was the deployment's own identity: nobody else may look at what is its own.
    let of_identity: BTreeMap<String, String> =
        fleet.iter().map(|one| (peer.principal_id(&one.identity), subject(one))).collect();
    let (mut looked, decisions) = (BTreeSet::new(), peer.sim.decisions());
    for decision in decisions.iter().filter(|decision| of_identity.contains_key(&decision.principal)) {
        assert!(decision.allowed, "{decision:?}");
        looked.insert(of_identity[&decision.principal].clone());
    }
    assert_eq!(looked.len(), FLEET);

    // No deployment takes the token of another.
    for (n, deployment) in fleet.iter().enumerate() {
        let other = &fleet[(n + 1) % FLEET];
        let (status, answer) = peer.exchange(deployment, of[&subject(deployment)], ARM_SCOPE).await;
        assert_eq!(status, 200, "{answer}");
        let (status, answer) = peer.exchange(other, of[&subject(deployment)], ARM_SCOPE).await;
        assert_eq!((status, answer["error_codes"][0].as_u64()), (401, Some(700_213)), "{answer}");
    }

    // The key and the tokens are in nothing that is kept or shown.
    let path = std::env::temp_dir().join(format!("alien-azure-{}.pem", uuid::Uuid::new_v4()));
    signer.key.save(&path).unwrap();
    let pem = std::fs::read_to_string(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    let records: Vec<String> = fleet.iter().map(|one| serde_json::to_string(one).unwrap()).collect();
    let shown = format!("{config:?} {vendor:?} {records:?} {fleet:?} {:?}", calls.take());
    let secret = pem.lines().filter(|line| !line.starts_with("-----"));
    secret.for_each(|line| assert!(!shown.contains(line.get(..24).unwrap_or(line)), "a key is shown"));
    for token in &tokens {
        assert!(!shown.contains(token.rsplit('.').next().unwrap()), "a token is shown");
    }
}

/// Old and new tokens work while both keys are published; each alone works only while its key is.
pub(crate) async fn a_key_is_rotated(peer: &Peer) {
    let (old, new) = (Remembering::new(), Remembering::new());
    let deployment = set_up(peer, "rotated").await;
    let enters = async |signer: &Remembering| {
        let vendor = alien_azure::vendor(&peer.for_vendor(signer.token()).with_calls(peer.calling()));
        vendor.session(&deployment, &Purpose::Watch).await.map(|_| ())
    };
    let refused = async |signer: &Remembering, words: &str| {
        let error = enters(signer).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Credentials, "{error}");
        assert!(error.to_string().contains(words), "{error}");
        assert!(!error.to_string().contains(&signer.take()[0]), "a token is shown");
    };
    let unpublished = "was not made with a key that";
    refused(&old, "Entra cannot read what `https://issuer.vendor.example` publishes").await;

    let published = Discovery::new(issuer(), old.key.public().clone());
    publish(peer, &published);
    enters(&old).await.unwrap();
    refused(&new, unpublished).await;

    let both = published.with_key(new.key.public().clone()).unwrap();
    publish(peer, &both);
    enters(&old).await.unwrap();
    enters(&new).await.unwrap();
    let signed_before = old.take().pop().unwrap();
    assert_eq!(peer.exchange(&deployment, &signed_before, ARM_SCOPE).await.0, 200);

    publish(peer, &both.without_oldest().unwrap());
    enters(&new).await.unwrap();
    refused(&old, unpublished).await;
    // A token from before that is still valid is refused too.
    let (status, answer) = peer.exchange(&deployment, &signed_before, ARM_SCOPE).await;
    assert_eq!((status, answer["error_codes"][0].as_u64()), (401, Some(7_000_272)), "{answer}");
}

/// A deployment that trusts another issuer is refused before anything is sent.
pub(crate) async fn another_issuer_is_refused_before_the_network(peer: &Peer) {
    let signer = Remembering::new();
    let deployment = set_up(peer, "elsewhere").await;
    let _ = peer.sim.take_requests();
    let token = VendorToken::signed_by(signer.clone(), Issuer::parse("https://another.vendor.example").unwrap());
    let vendor = alien_azure::vendor(&peer.for_vendor(token).with_calls(peer.calling()));
    let error = vendor.session(&deployment, &Purpose::Watch).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Credentials, "{error}");
    assert!(error.to_string().contains("sign as the issuer of its invitation"), "{error}");
    assert_eq!((signer.take().len(), peer.sim.take_requests().len()), (0, 0));
}
