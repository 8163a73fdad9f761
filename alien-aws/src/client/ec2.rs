//! A small client for EC2's Query API. The SDK's crate for EC2 takes longer to build than the rest of the workspace.
//! <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/Query-Requests.html>

use std::convert::Infallible;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use alien_core::adapter::{ATTEMPT, Peer, chain};
use alien_core::{Error, ErrorKind, Result};
use aws_config::SdkConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::ProvideCredentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use aws_smithy_runtime::client::orchestrator::operation::Operation;
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse, OrchestratorError};
use aws_smithy_types::body::SdkBody;

use super::error::{AWS, answer, unanswered, unsigned};
use super::http::{host, limits};

const VERSION: &str = "2016-11-15";
const CONTENT_TYPE: &str = "content-type";
const FORM: &str = "application/x-www-form-urlencoded; charset=utf-8";

/// Credentials are fetched again when they expire within this time.
const MARGIN: Duration = Duration::from_secs(300);

/// Calls EC2, over the connections of the SDK's own clients.
#[derive(Clone)]
pub(crate) struct Ec2 {
    config: SdkConfig,
    /// The credentials, which the clones of a client share.
    credentials: Arc<Mutex<Option<Credentials>>>,
}

impl fmt::Debug for Ec2 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ec2").field("region", &self.config.region()).finish_non_exhaustive()
    }
}

/// A signed request.
struct Signed {
    headers: Vec<(String, String)>,
    body: String,
}

/// Shows no signature.
impl fmt::Debug for Signed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signed").finish_non_exhaustive()
    }
}

/// An answer, whatever its status.
#[derive(Debug)]
struct Answer {
    status: u16,
    wait: Option<Duration>,
    body: String,
}

impl Ec2 {
    pub(crate) fn new(config: &SdkConfig) -> Self {
        Self { config: config.clone(), credentials: Arc::default() }
    }

    /// Sends one request, without retries. `action` and `params` are named as in the API reference, `Filter.1.Name`.
    pub(crate) async fn call(&self, action: &str, params: &[(String, String)]) -> Result<Element> {
        let region = self.config.region().map(AsRef::as_ref).ok_or_else(|| defect("no region is configured"))?;
        let uri = self.config.endpoint_url().map_or_else(|| endpoint(region), |url| format!("{url}/"));
        let http = self.config.http_client().ok_or_else(|| defect("no HTTP client is configured"))?;
        let signed = self.signed(region, &uri, form(action, params)).await?;
        let operation = Operation::builder()
            .service_name("ec2")
            .operation_name(action.to_owned())
            .behavior_version(aws_config::BehaviorVersion::latest())
            .http_client(http)
            .endpoint_url(&uri)
            .no_auth()
            .no_retry()
            .timeout_config(limits(ATTEMPT))
            .serializer(|Signed { headers, body }: Signed| {
                let mut request = HttpRequest::new(SdkBody::from(body));
                request.set_method("POST")?;
                for (name, value) in headers {
                    request.headers_mut().try_insert(name, value)?;
                }
                Ok(request)
            })
            .deserializer(|response: &HttpResponse| {
                let bytes = response.body().bytes().unwrap_or_default();
                Ok::<_, OrchestratorError<Infallible>>(Answer {
                    status: response.status().as_u16(),
                    wait: response
                        .headers()
                        .get("retry-after")
                        .and_then(|wait| wait.parse().ok())
                        .map(Duration::from_secs),
                    body: String::from_utf8_lossy(bytes).into_owned(),
                })
            })
            .build();
        let Answer { status, wait, body } = operation.invoke(signed).await.map_err(|error| unanswered(&error))?;
        if (200..300).contains(&status) {
            return Element::parse(&body);
        }
        let host = host(&uri);
        Err(refusal(status, &body, Peer { host: Some(&host), ..AWS }).with_retry_after(wait))
    }

    async fn signed(&self, region: &str, uri: &str, body: String) -> Result<Signed> {
        let identity = self.credentials().await?.into();
        let signing = v4::SigningParams::builder()
            .identity(&identity)
            .region(region)
            .name("ec2")
            .time(SystemTime::now())
            .settings(SigningSettings::default())
            .build()
            .map_err(|error| defect(&chain(&error)))?
            .into();
        let headers = [(CONTENT_TYPE, FORM)];
        let signable = SignableRequest::new("POST", uri, headers.into_iter(), SignableBody::Bytes(body.as_bytes()));
        let signable = signable.map_err(|error| defect(&chain(&error)))?;
        let (signature, _) = sign(signable, &signing).map_err(|error| defect(&chain(&error)))?.into_parts();
        let headers = headers.into_iter().chain(signature.headers());
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        Ok(Signed { headers, body })
    }

    /// Gives the credentials, from the cache while they last: the SDK's credential providers do not cache.
    async fn credentials(&self) -> Result<Credentials> {
        let kept = || self.credentials.lock().unwrap_or_else(PoisonError::into_inner);
        let lasting = |found: &Credentials| found.expiry().is_some_and(|end| end > SystemTime::now() + MARGIN);
        if let Some(found) = kept().clone().filter(lasting) {
            return Ok(found);
        }
        let provider =
            self.config.credentials_provider().ok_or_else(|| defect("no credentials provider is configured"))?;
        let found = provider.provide_credentials().await;
        let found = found.map_err(|error| unsigned(&error).unwrap_or_else(|| AWS.unanswered(&error)))?;
        *kept() = Some(found.clone());
        Ok(found)
    }
}

/// The endpoint of EC2 in a region. <https://docs.aws.amazon.com/general/latest/gr/ec2-service.html>
fn endpoint(region: &str) -> String {
    let domain = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
    format!("https://ec2.{region}.{domain}/")
}

fn defect(what: &str) -> Error {
    Error::new(ErrorKind::Internal, format!("cannot build a request to EC2: {what}"))
}

fn form(action: &str, params: &[(String, String)]) -> String {
    let mut text = format!("Action={action}&Version={VERSION}");
    for (name, value) in params {
        text.push('&');
        push_encoded(&mut text, name);
        text.push('=');
        push_encoded(&mut text, value);
    }
    text
}

fn push_encoded(text: &mut String, plain: &str) {
    for byte in plain.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
}

/// Reads an error response: code and message from `Response/Errors/Error`, and the request's id.
fn refusal(status: u16, body: &str, peer: Peer<'_>) -> Error {
    let Ok(said) = Element::parse(body) else { return peer.not_its_own(status) };
    let code = said.text("Errors/Error/Code").unwrap_or_default();
    let message = said.text("Errors/Error/Message").unwrap_or_default();
    peer.at_fault(answer(status, code, message)).with_request_id(said.text("RequestID"))
}

/// An element of an XML response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Element {
    name: String,
    text: String,
    children: Vec<Self>,
}

impl Element {
    pub(crate) fn parse(xml: &str) -> Result<Self> {
        let document = roxmltree::Document::parse(xml);
        document.map(|document| Self::of(document.root_element())).map_err(|_| Error::missing_field("XML"))
    }

    fn of(node: roxmltree::Node<'_, '_>) -> Self {
        Self {
            name: node.tag_name().name().to_owned(),
            text: node.text().unwrap_or_default().trim().to_owned(),
            children: node.children().filter(roxmltree::Node::is_element).map(Self::of).collect(),
        }
    }

    /// The first element at a path below this one, `a/b`.
    pub(crate) fn find(&self, path: &str) -> Option<&Self> {
        path.split('/').try_fold(self, |found, name| found.children.iter().find(|child| child.name == name))
    }

    /// The text of the first element at a path; `None` if there is no such element or it is empty.
    pub(crate) fn text(&self, path: &str) -> Option<&str> {
        self.find(path).map(|found| found.text.as_str()).filter(|text| !text.is_empty())
    }

    /// The items of the list at a path.
    pub(crate) fn items<'e>(&'e self, path: &str) -> impl Iterator<Item = &'e Self> + use<'e> {
        let list = self.find(path).map_or(&[][..], |list| &list.children);
        list.iter().filter(|child| child.name == "item")
    }

    /// The tags of the element's `tagSet`, as keys and values.
    pub(crate) fn tags(&self) -> impl Iterator<Item = (&str, &str)> {
        self.items("tagSet").filter_map(|tag| Some((tag.text("key")?, tag.text("value").unwrap_or_default())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_encoded_byte_by_byte() {
        let params = [("Filter.1.Value.1".to_owned(), "a b/ü~".to_owned())];
        assert_eq!(form("X", &params), "Action=X&Version=2016-11-15&Filter.1.Value.1=a%20b%2F%C3%BC~");
    }

    #[test]
    fn an_answer_is_read_by_paths() {
        let xml = r#"<R xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><vpcSet><item><vpcId>vpc-1</vpcId>
            <tagSet><item><key>a</key><value>b</value></item><item><key>c</key><value/></item></tagSet>
            </item></vpcSet></R>"#;
        let answer = Element::parse(xml).unwrap();
        let vpcs: Vec<_> = answer.items("vpcSet").collect();
        assert_eq!((vpcs.len(), answer.text("vpcSet/item/vpcId")), (1, Some("vpc-1")));
        assert_eq!(vpcs[0].tags().collect::<Vec<_>>(), [("a", "b"), ("c", "")]);
        assert_eq!(answer.items("subnetSet").count(), 0);
    }

    #[test]
    fn a_refusal_says_code_message_and_request() {
        let xml = "<Response><Errors><Error><Code>InvalidVpcID.NotFound</Code><Message>no vpc</Message></Error>\
                   </Errors><RequestID>r-1</RequestID></Response>";
        let error = refusal(400, xml, AWS);
        assert_eq!((error.kind(), error.request_id()), (ErrorKind::NotFound, Some("r-1")));
        assert_eq!(error.message(), "no vpc (InvalidVpcID.NotFound)");
        assert_eq!(refusal(502, "<html>", AWS).kind(), ErrorKind::Unavailable);
    }
}
