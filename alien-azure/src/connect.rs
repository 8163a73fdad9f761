//! Azure behind the interface that all adapters implement.

use std::env;
use std::path::Path;
use std::sync::Arc;

use alien_core::adapter::{Connect, DeploymentContext, read_text};
use alien_core::{
    Admin, AgentPod, ConnectOption, Connection, Deployment, DeploymentId, Error, ErrorKind, Impersonate, Problem,
    Result, Rule, Side, SystemClock,
};
use async_trait::async_trait;

use crate::target::{Agent, Issuer, Target, Trust};
use crate::{AUDIENCE, Azure, Config, Endpoint, IssuerKey, VendorToken, admin, agent, vendor};

/// Connects to Azure with the credentials of the environment. For programs that serve several clouds.
#[derive(Debug, Clone, Copy)]
pub struct Adapter;

const CERTIFICATE: ConnectOption = ConnectOption {
    name: "endpointCertificate",
    help: "the file with the certificate of an emulator of Azure, in PEM: tokens are sent only over TLS, and no public \
           authority signs its certificate",
    side: Side::Both,
};

const TOKEN_FILE: ConnectOption = ConnectOption {
    name: "tokenFile",
    help: "the file with your OpenID Connect token, for the issuer and the subject of the invitation and the audience \
           `api://AzureADTokenExchange`; or set `ALIEN_OIDC_TOKEN` to it, or `AZURE_FEDERATED_TOKEN_FILE` to its path",
    side: Side::Vendor,
};

const ISSUER_KEY: ConnectOption = ConnectOption {
    name: "issuerKey",
    help: "the file with the private key of your issuer, in PEM, as `alien keys issuer` makes it: it signs a token for the \
           subject of each deployment, so you give no token of your own",
    side: Side::Vendor,
};

const ISSUER: ConnectOption = ConnectOption {
    name: "issuer",
    help: "the URL of your issuer, where its private key signs the tokens: a deployment that trusts another one is refused; \
           without it, the issuer of the record is used",
    side: Side::Vendor,
};

/// The variable that holds the vendor's token.
const TOKEN: &str = "ALIEN_OIDC_TOKEN";
/// The variable with the path of the vendor's token, as Kubernetes sets it for workload identities
/// (<https://learn.microsoft.com/azure/aks/workload-identity-overview>).
const TOKEN_FILE_VARIABLE: &str = "AZURE_FEDERATED_TOKEN_FILE";

/// The token where something answers in Azure's place.
const ANSWERED: &str = "answered";

fn endpoint(connection: &Connection) -> Result<Endpoint> {
    let wrong = |what: String| Error::new(ErrorKind::Input, what).at(CERTIFICATE.name);
    if let Some(answers) = &connection.calls.answers {
        return Ok(Endpoint::answered(connection.endpoint_url()?, Arc::clone(answers)));
    }
    match (connection.endpoint_url()?, connection.get(CERTIFICATE.name)) {
        (None, None) => Endpoint::azure(),
        (Some(url), Some(path)) => {
            let certificate = read_text(Path::new(path)).map_err(|unread| wrong(unread.to_string()))?;
            Endpoint::emulator(url, certificate.as_bytes())
        }
        (Some(_), None) => Err(wrong("missing; name the file with the emulator's certificate".to_owned())),
        (None, Some(_)) => {
            Err(wrong("it is only for an emulator; give the emulator's URL too, or leave it out".to_owned()))
        }
    }
}

/// Reads the key that signs tokens, if there is one, and tells everything that is wrong with its options.
fn signed(target: &Target, connection: &Connection) -> Result<Option<VendorToken>> {
    let (path, issuer) = (connection.get(ISSUER_KEY.name), connection.get(ISSUER.name));
    let mut problems = Vec::new();
    let mut problem = |what: &str, help: &str, at: &str| {
        problems.push(Problem::error(Rule::Form, what.to_owned(), help.to_owned()).at(at));
    };
    if path.is_some() && connection.get(TOKEN_FILE.name).is_some() {
        problem("a file with a token is given too", "give one of them", ISSUER_KEY.name);
    }
    if path.is_none() && issuer.is_some() {
        problem(
            "there is no key for it",
            "name the file with the issuer's private key, or leave the issuer out",
            ISSUER.name,
        );
    }
    let key = path.and_then(|path| {
        let opened = IssuerKey::open(path);
        opened
            .map_err(|error| problems.extend(error.problems().iter().cloned().map(|one| one.at(ISSUER_KEY.name))))
            .ok()
    });
    let issuer = match issuer {
        None => target.federated().map(|(issuer, _)| issuer),
        Some(text) => {
            let parsed = Issuer::parse(text);
            parsed.map_err(|all| problems.extend(all.as_slice().iter().cloned().map(|one| one.at(ISSUER.name)))).ok()
        }
    };
    if problems.is_empty() {
        Ok(key.zip(issuer).map(|(key, issuer)| VendorToken::signed_by(key, issuer)))
    } else {
        Err(problems.into())
    }
}

/// Finds the source of the vendor's token: the option, or one of the variables.
fn token(target: &Target, connection: &Connection) -> Result<VendorToken> {
    if connection.calls.answers.is_some() {
        return Ok(VendorToken::from_fn(|_| async { Ok(ANSWERED.to_owned()) }));
    }
    let variable = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
    if let Some(token) = signed(target, connection)? {
        return Ok(token);
    }
    if let Some(path) = connection.get(TOKEN_FILE.name) {
        return Ok(VendorToken::file(path));
    }
    if variable(TOKEN).is_some() {
        return Ok(VendorToken::variable(TOKEN));
    }
    if let Some(path) = variable(TOKEN_FILE_VARIABLE) {
        return Ok(VendorToken::file(path));
    }
    let (issuer, subject) = target.federated().map_or_else(Default::default, |(i, s)| (i.to_string(), s.to_string()));
    let what =
        format!("there is no token of the issuer `{issuer}` for the subject `{subject}` and the audience `{AUDIENCE}`");
    let help = format!(
        "name its file, or the key that signs it, or give it in `{TOKEN}`, or in the file that `{TOKEN_FILE_VARIABLE}` names"
    );
    Err(Error::new(ErrorKind::Credentials, format!("{what}; {help}")).at(TOKEN_FILE.name))
}

impl VendorToken {
    /// Connects as the options say: with the key that signs tokens or the file that has one, or else with the token that a variable
    /// has or names.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Credentials`] if there is none; [`ErrorKind::Input`] for options that do not go together, all at once.
    pub fn connected(target: &Target, connection: &Connection) -> Result<Self> {
        token(target, connection)
    }

    /// Gets the token that lets the vendor into a deployment: for the issuer and the subject that its target trusts. Whoever has it
    /// can enter, so it is shown to Entra alone.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Credentials`] if there is none, or the target trusts another issuer than the one that signs, or an agent;
    /// [`ErrorKind::Input`] for the record of another cloud.
    pub async fn assertion(&self, deployment: &Deployment) -> Result<String> {
        let context = DeploymentContext::<Azure>::of(deployment)?;
        let none = || Error::new(ErrorKind::Credentials, "the deployment trusts no vendor's tokens");
        let (issuer, subject) = context.target().federated().ok_or_else(none)?;
        self.get(&issuer, &subject, &SystemClock).await
    }
}

#[async_trait]
impl Connect for Adapter {
    type Cloud = Azure;

    const OPTIONS: &'static [ConnectOption] =
        &[ConnectOption::ENDPOINT_URL, CERTIFICATE, TOKEN_FILE, ISSUER_KEY, ISSUER];

    async fn admin(&self, id: DeploymentId, target: Target, connection: &Connection) -> Result<Admin> {
        let endpoint = endpoint(connection)?;
        let config = match connection.calls.answers {
            Some(_) => Config::from_token(ANSWERED).with_endpoint(endpoint),
            None => Config::found_at(endpoint)?,
        };
        Ok(admin(&config.with_calls(connection.calls.clone()), id, target))
    }

    async fn vendor(&self, target: &Target, connection: &Connection) -> Result<Arc<dyn Impersonate>> {
        let config = Config::for_vendor(token(target, connection)?).with_endpoint(endpoint(connection)?);
        Ok(vendor(&config.with_calls(connection.calls.clone())))
    }

    async fn agent(&self, _: &Target, connection: &Connection) -> Result<Arc<dyn Impersonate>> {
        let path = env::var(TOKEN_FILE_VARIABLE).ok().filter(|path| !path.is_empty());
        let config = Config::for_agent(path.map(VendorToken::file)).with_endpoint(endpoint(connection)?);
        Ok(agent(&config.with_calls(connection.calls.clone())))
    }

    /// AKS gives a pod with this label a token of its service account.
    /// <https://azure.github.io/azure-workload-identity/docs/topics/service-account-labels-and-annotations.html>
    fn agent_pod(&self, target: &Target, record: &Deployment) -> AgentPod {
        match &target.trust {
            Trust::Agent(Agent::Cluster { account, .. }) => {
                let pod = AgentPod::new(Some(account.clone())).labelled("azure.workload.identity/use", "true");
                let client = record.identity_id.iter();
                let pod = client.fold(pod, |pod, id| pod.annotated("azure.workload.identity/client-id", id));
                pod.noted("AKS gives the pod a token of its service account where the cluster has workload identity:")
                    .noted("https://azure.github.io/azure-workload-identity/docs/topics/service-account-labels-and-annotations.html")
            }
            Trust::Agent(Agent::Machine(_)) => AgentPod::new(None)
                .noted("The deployment trusts what runs on this machine, so the pod must be scheduled there:")
                .noted(format!("  {}", target.agent().unwrap_or_default()))
                .noted("To trust a service account of the cluster instead, give it by `--agent` at the next `alien-deploy up`."),
            Trust::Vendor { .. } => AgentPod::new(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Trust;
    use alien_core::CallConfig;

    fn target() -> Target {
        Target {
            tenant: "00000000-0000-0000-0000-00000000000f".parse().unwrap(),
            subscription: "00000000-0000-0000-0000-000000000001".parse().unwrap(),
            resource_group: "customer-rg".parse().unwrap(),
            location: "westeurope".parse().unwrap(),
            prefix: "acme".parse().unwrap(),
            trust: Trust::Vendor {
                issuer: "https://oidc.vendor.example.com".parse().unwrap(),
                subject: "deployment:acme".parse().unwrap(),
            },
        }
    }

    fn with(options: &[(&str, &str)]) -> Result<Option<VendorToken>> {
        let connection = Connection::new(CallConfig::default(), "tests");
        let connection =
            options.iter().fold(connection, |connection, (name, text)| connection.with_option(*name, *text));
        signed(&target(), &connection)
    }

    #[test]
    fn everything_that_is_wrong_with_the_options_of_a_key_is_told() {
        let error =
            with(&[("issuerKey", "/nowhere/key"), ("issuer", "http://host?a"), ("tokenFile", "token")]).unwrap_err();
        let told: Vec<String> = error.problems().iter().map(ToString::to_string).collect();
        let begin = [
            "`issuerKey`: a file with a token",
            "`issuerKey`: `/nowhere/key` cannot be read",
            "`issuer`: ",
            "`issuer`: ",
        ];
        assert_eq!(told.len(), begin.len(), "{told:?}");
        for (told, begin) in told.iter().zip(begin) {
            assert!(told.starts_with(&format!("error: {begin}")), "{told}");
        }
        let error = with(&[("issuer", "https://oidc.vendor.example.com")]).unwrap_err();
        assert!(error.to_string().contains("`issuer`: there is no key for it"), "{error}");
        assert!(with(&[("tokenFile", "token")]).unwrap().is_none());
    }
}
