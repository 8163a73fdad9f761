//! The two documents that an issuer publishes: <https://openid.net/specs/openid-connect-discovery-1_0.html>.

use alien_core::{Problem, Result};
use serde::{Deserialize, Serialize};

use super::public::{IssuerPublicKey, Jwk, one, wrong};
use crate::target::Issuer;

/// Where the document is that names the keys, below the issuer
/// (<https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderConfig>).
const CONFIGURATION: &str = ".well-known/openid-configuration";
/// Where the keys are, below the issuer.
const KEYS: &str = "jwks.json";

/// What an issuer publishes, so that Entra verifies its tokens: one public key, or two while they are rotated.
///
/// Upload both [`documents`](Self::documents) where anyone can read them over HTTPS, as `application/json`.
///
/// ```
/// use alien_azure::{Discovery, IssuerKey};
///
/// let key = IssuerKey::generate()?;
/// let discovery = Discovery::new("https://oidc.vendor.example.com".parse()?, key.public().clone());
/// let [configuration, keys] = discovery.documents();
/// assert_eq!(configuration.url, "https://oidc.vendor.example.com/.well-known/openid-configuration");
/// assert_eq!(keys.url, "https://oidc.vendor.example.com/jwks.json");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Discovery {
    issuer: Issuer,
    /// The oldest first.
    keys: Vec<IssuerPublicKey>,
}

/// A document to publish.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DiscoveryDocument {
    /// Where it is below the issuer, such as `.well-known/openid-configuration`.
    pub path: &'static str,
    /// Its whole address.
    pub url: String,
    /// JSON.
    pub content: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
struct Configuration {
    issuer: String,
    jwks_uri: String,
    #[serde(default)]
    response_types_supported: Vec<String>,
    #[serde(default)]
    subject_types_supported: Vec<String>,
    #[serde(default)]
    id_token_signing_alg_values_supported: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct KeySet {
    keys: Vec<Jwk>,
}

impl Discovery {
    /// Where the two [`documents`](Self::documents) are below the issuer.
    pub const PATHS: [&'static str; 2] = [CONFIGURATION, KEYS];

    /// An issuer with one key.
    #[must_use]
    pub fn new(issuer: Issuer, key: IssuerPublicKey) -> Self {
        Self { issuer, keys: vec![key] }
    }

    /// Reads what [`documents`](Self::documents) wrote: the configuration, and the key set.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Input`](alien_core::ErrorKind::Input) with all problems: what is not such a document, an issuer or a key that is not valid, and more than two keys.
    pub fn read(configuration: &[u8], keys: &[u8]) -> Result<Self> {
        let mut problems = Vec::new();
        let issuer = issuer_of(configuration).map_err(|more| problems.extend(at(CONFIGURATION, more))).ok();
        let keys = keys_of(keys).map_err(|more| problems.extend(at(KEYS, more))).ok();
        match (issuer, keys) {
            (Some(issuer), Some(keys)) => Ok(Self { issuer, keys }),
            _ => Err(problems.into()),
        }
    }

    /// Publishes a second key beside the first one. Sign with it once every cache of the key set has been fetched again.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Input`](alien_core::ErrorKind::Input) if it is published, or there are two.
    pub fn with_key(mut self, key: IssuerPublicKey) -> Result<Self> {
        if self.keys.iter().any(|known| known.id() == key.id()) {
            return Err(one(wrong(format!("the key `{}` is published", key.id()), "take another key")));
        }
        if self.keys.len() > 1 {
            return Err(one(wrong("two keys are published", "retire the older one first")));
        }
        self.keys.push(key);
        Ok(self)
    }

    /// Publishes the newer one of two keys alone. Tokens that the older one signed are refused from then on.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Input`](alien_core::ErrorKind::Input) if there is only one.
    pub fn without_oldest(mut self) -> Result<Self> {
        if self.keys.len() < 2 {
            return Err(one(wrong("only one key is published", "add the key that takes its place first")));
        }
        self.keys.remove(0);
        Ok(self)
    }

    /// The issuer.
    #[must_use]
    pub const fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    /// The keys, the oldest first.
    #[must_use]
    pub fn keys(&self) -> &[IssuerPublicKey] {
        &self.keys
    }

    /// The two documents to publish: the configuration, and the key set that it names.
    #[must_use]
    pub fn documents(&self) -> [DiscoveryDocument; 2] {
        let only = |text: &str| vec![text.to_owned()];
        let configuration = Configuration {
            issuer: self.issuer.to_string(),
            jwks_uri: self.url(KEYS),
            response_types_supported: only("id_token"),
            subject_types_supported: only("public"),
            id_token_signing_alg_values_supported: only("RS256"),
        };
        let keys = KeySet { keys: self.keys.iter().map(IssuerPublicKey::jwk).collect() };
        [self.document(CONFIGURATION, &configuration), self.document(KEYS, &keys)]
    }

    fn document(&self, path: &'static str, value: &impl Serialize) -> DiscoveryDocument {
        // Texts and lists of texts alone: there is nothing that JSON cannot hold.
        let mut content = serde_json::to_vec_pretty(value).unwrap_or_default();
        content.push(b'\n');
        DiscoveryDocument { path, url: self.url(path), content }
    }

    fn url(&self, path: &str) -> String {
        below(&self.issuer, path)
    }
}

/// A `/` at the end of an issuer is not doubled
/// (<https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderConfigurationRequest>).
fn below(issuer: &Issuer, path: &str) -> String {
    format!("{}/{path}", issuer.as_str().trim_end_matches('/'))
}

fn issuer_of(json: &[u8]) -> Result<Issuer, Vec<Problem>> {
    let read: Configuration = parsed(json)?;
    let issuer = Issuer::parse(&read.issuer).map_err(|problems| problems.as_slice().to_vec())?;
    let keys = below(&issuer, KEYS);
    if read.jwks_uri == keys {
        return Ok(issuer);
    }
    let what = format!("its `jwks_uri` is `{}`, not `{keys}`", read.jwks_uri);
    Err(vec![wrong(what, "make the issuer anew, or publish its keys by other means")])
}

fn keys_of(json: &[u8]) -> Result<Vec<IssuerPublicKey>, Vec<Problem>> {
    let read: KeySet = parsed(json)?;
    let mut problems = Vec::new();
    if !(1..=2).contains(&read.keys.len()) {
        problems
            .push(wrong(format!("it has {} keys", read.keys.len()), "publish one key, or two while they are rotated"));
    }
    let mut keys = Vec::new();
    for jwk in &read.keys {
        match IssuerPublicKey::from_jwk(jwk) {
            Ok(key) => keys.push(key),
            Err(mut problem) => {
                problem.what = format!("the key `{}`: {}", jwk.kid, problem.what);
                problems.push(problem);
            }
        }
    }
    if problems.is_empty() { Ok(keys) } else { Err(problems) }
}

fn parsed<'j, T: Deserialize<'j>>(json: &'j [u8]) -> Result<T, Vec<Problem>> {
    let help = "give the file as it was written";
    serde_json::from_slice(json).map_err(|error| vec![wrong(format!("it cannot be read: {error}"), help)])
}

fn at(path: &str, problems: Vec<Problem>) -> impl Iterator<Item = Problem> {
    problems.into_iter().map(move |problem| problem.at(path))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::issuer::IssuerKey;

    fn published(issuer: &str) -> Discovery {
        Discovery::new(Issuer::parse(issuer).unwrap(), IssuerKey::generate().unwrap().public().clone())
    }

    #[test]
    fn the_two_documents_name_each_other_and_show_only_public_keys() {
        for issuer in ["https://oidc.vendor.example.com", "https://vendor.example.com:8443/azure/"] {
            let discovery = published(issuer);
            let base = issuer.trim_end_matches('/');
            let [configuration, keys] = discovery.documents();
            assert_eq!(configuration.url, format!("{base}/.well-known/openid-configuration"));
            assert_eq!(configuration.path, ".well-known/openid-configuration");
            assert_eq!((keys.path, &keys.url), ("jwks.json", &format!("{base}/jwks.json")));
            let read = |document: &DiscoveryDocument| -> Value { serde_json::from_slice(&document.content).unwrap() };
            assert_eq!(
                read(&configuration),
                json!({ "issuer": issuer, "jwks_uri": keys.url, "response_types_supported": ["id_token"],
                    "subject_types_supported": ["public"], "id_token_signing_alg_values_supported": ["RS256"] })
            );
            let keys = read(&keys);
            let key = keys["keys"][0].as_object().unwrap();
            // With a feature of serde_json, an object keeps the order in which it was written.
            let mut names: Vec<&str> = key.keys().map(String::as_str).collect();
            names.sort_unstable();
            assert_eq!(names, ["alg", "e", "kid", "kty", "n", "use"]);
            assert_eq!((&key["kty"], &key["use"], &key["alg"]), (&json!("RSA"), &json!("sig"), &json!("RS256")));
            assert_eq!((&key["kid"], &key["e"]), (&json!(discovery.keys()[0].id()), &json!("AQAB")));
            let [configuration, keys] = discovery.documents();
            assert_eq!(Discovery::read(&configuration.content, &keys.content).unwrap(), discovery);
        }
    }

    #[test]
    fn two_keys_are_published_while_they_are_rotated() {
        let one = published("https://oidc.vendor.example.com");
        let new = IssuerKey::generate().unwrap();
        let two = one.clone().with_key(new.public().clone()).unwrap();
        assert_eq!(two.keys(), [one.keys()[0].clone(), new.public().clone()]);
        let [configuration, keys] = two.documents();
        assert_eq!(Discovery::read(&configuration.content, &keys.content).unwrap(), two);
        assert_eq!(two.clone().without_oldest().unwrap().keys(), [new.public().clone()]);

        let told = |refused: Result<Discovery>| refused.unwrap_err().to_string();
        assert!(told(one.clone().without_oldest()).contains("only one key is published"));
        assert!(told(two.clone().with_key(one.keys()[0].clone())).contains("is published"));
        let third = IssuerKey::generate().unwrap();
        assert!(told(two.with_key(third.public().clone())).contains("two keys are published"));
    }

    #[test]
    fn everything_that_is_wrong_with_published_documents_is_told() {
        let configuration = json!({ "issuer": "http://host#1", "jwks_uri": "x" }).to_string();
        let jwk = json!({ "kty": "EC", "kid": "a", "n": "", "e": "" });
        let keys = json!({ "keys": [jwk, jwk, jwk] }).to_string();
        let error = Discovery::read(configuration.as_bytes(), keys.as_bytes()).unwrap_err();
        let at: Vec<&str> = error.problems().iter().filter_map(|problem| problem.subject.as_deref()).collect();
        let (first, second) = (".well-known/openid-configuration", "jwks.json");
        assert_eq!(at, [first, first, second, second, second, second], "{error}");
        let error = Discovery::read(b"{", b"[]").unwrap_err();
        assert_eq!(error.problems().len(), 2, "{error}");
        let [_, keys] = published("https://a.example").documents();
        let elsewhere = json!({ "issuer": "https://a.example", "jwks_uri": "https://b.example/keys" }).to_string();
        let error = Discovery::read(elsewhere.as_bytes(), &keys.content).unwrap_err().to_string();
        assert!(error.contains("its `jwks_uri` is `https://b.example/keys`"), "{error}");
    }
}
