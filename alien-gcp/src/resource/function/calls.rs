//! The calls for a function: scaling to zero, triggers and public access, commands.

use std::time::Duration;

use alien_core::adapter::{
    Change, Command, LogPage, LogQuery, Marks, Observed, Operate, Reconcile, Removal, ResultExt, Runs, State, last,
};
use alien_core::{Data, Error, ErrorKind, Function, Heartbeat, Resource, Result};
use async_trait::async_trait;
use google_cloud_pubsub::model::push_config::OidcToken;
use google_cloud_pubsub::model::{PushConfig, Subscription};
use google_cloud_run_v2::model::{IngressTraffic, RevisionScaling, RevisionTemplate, Service};
use google_cloud_wkt::FieldMask;

use super::super::compute::calls::{Access, Callers};
use super::super::compute::compared::limits;
use super::super::compute::{calls as compute, logs};
use super::super::queue::calls as queue;
use crate::Gcp;
use crate::client::{Clients, Context, bearer, failed, unanswered};
use crate::naming::relative;
use crate::operations as op;
use crate::operations::Scope;

/// The most instances: what Cloud Run allows in every region without a quota increase
/// (<https://docs.cloud.google.com/run/docs/configuring/max-instances>).
const MOST: i32 = 100;

/// How much of an error's body is shown, in characters.
const SHOWN: usize = 2000;

/// The largest answer that is accepted, in bytes: the most that Cloud Run sends in one response
/// (<https://docs.cloud.google.com/run/quotas#request_limits>).
const LARGEST: usize = 32 * 1024 * 1024;

/// The revision of a function. Instances run only while there are requests. More than 4 GiB of memory takes two vCPUs
/// (<https://docs.cloud.google.com/run/docs/configuring/services/memory-limits>).
async fn template(cx: Context<'_>, resource: &Resource, function: &Function) -> Result<RevisionTemplate> {
    let (template, container) = compute::revision(cx, resource).await?;
    let cpu = if function.memory_mib() > 4096 { 2000 } else { 1000 };
    let limits = limits(cpu, function.memory_mib()).set_cpu_idle(true);
    let timeout = i64::try_from(function.timeout().as_secs()).unwrap_or(i64::MAX);
    Ok(template
        .set_containers([container.set_resources(limits)])
        .set_scaling(RevisionScaling::new().set_max_instance_count(MOST))
        .set_timeout(google_cloud_wkt::Duration::clamp(timeout, 0)))
}

#[async_trait]
impl Reconcile<Gcp, Clients> for Function {
    async fn observe(&self, cx: Context<'_>) -> Result<Observed> {
        let Some(found) = compute::look(cx).await.optional()? else { return Ok(Observed::Absent) };
        let observed = compute::observed(cx, &found, &template(cx, cx.resource()?, self).await?, &access(self)).await?;
        match observed {
            Observed::Own { state: State::Finished(_), drift: None, .. } if !cx.is_vendors() => {
                Ok(observed.drifted(wrong_push(cx, &found).await?))
            }
            _ => Ok(observed),
        }
    }

    async fn create(&self, cx: Context<'_>, marks: &Marks) -> Result<()> {
        compute::create(cx, marks, access(self).ingress, template(cx, cx.resource()?, self).await?).await
    }

    async fn configure(&self, cx: Context<'_>, marks: &Marks) -> Result<()> {
        let wanted = template(cx, cx.resource()?, self).await?;
        let service = compute::set(cx, wanted.clone(), &access(self)).await?;
        // Where a queue's messages go is the admin's to set.
        let triggers = cx.resource()?.settings().triggers();
        for queue in triggers.filter(|_| !cx.is_vendors()) {
            push(cx, cx.about(cx.deployment().subject(queue)?), &service).await?;
        }
        compute::finish(cx, marks, &access(self), &service, wanted).await
    }

    async fn delete(&self, cx: Context<'_>, _: Data) -> Result<Removal> {
        compute::delete(cx).await
    }
}

#[async_trait]
impl Operate<Gcp, Clients> for Function {
    async fn heartbeat(&self, cx: Context<'_>) -> Result<Heartbeat> {
        compute::heartbeat(cx).await
    }

    async fn running(&self, cx: Context<'_>) -> Result<Runs> {
        compute::running(cx).await
    }

    async fn update(&self, cx: Context<'_>, change: &Change) -> Result<()> {
        let old = template(cx, cx.resource()?, self).await?;
        let new = template(cx, &change.resource, change.settings()?).await?;
        compute::update(cx, change, old, new).await
    }

    async fn redeploy(&self, cx: Context<'_>) -> Result<()> {
        compute::redeploy(cx).await
    }

    async fn logs(&self, cx: Context<'_>, query: &LogQuery) -> Result<LogPage> {
        logs::read(cx, query).await
    }

    /// Sends a command and returns the answer. It is repeated only if the function certainly did not receive it.
    async fn dispatch(&self, cx: Context<'_>, command: &Command) -> Result<Vec<u8>> {
        command.fits(LARGEST, "a request to Cloud Run")?;
        let longest = command.patience(cx.gate.clock().now(), self.timeout() + Duration::from_secs(10));
        let no_invoker = || Error::new(ErrorKind::Internal, "commands need a session of the vendor");
        let invoker = cx.clients.invoker.as_ref().ok_or_else(no_invoker)?;
        let url = &compute::look(cx).await?.uri;
        if url.is_empty() {
            return Err(Error::missing_field("address of the service"));
        }
        cx.call_once(&[op::INVOKE_SERVICE], || async move {
            let token =
                bearer(&invoker.token(url).await?).map_err(|_| Error::missing_field("token that a header takes"))?;
            let request =
                cx.clients.http().await?.post(url).header(http::header::AUTHORIZATION, token).timeout(longest);
            let request = request.header(http::header::CONTENT_TYPE, "application/json").body(command.body.to_vec());
            // Code that must not do a command twice finds its id here.
            let request = request.header("x-alien-command", command.id.to_string());
            answer(cx, request.send().await.map_err(|error| unanswered(&error))?).await
        })
        .await
    }
}

/// Everyone can reach a function; who may call it is decided by its policy, unless everyone may.
const fn access(function: &Function) -> Access {
    let callers = if function.is_public() { Callers::Everyone } else { Callers::Named };
    Access { ingress: IngressTraffic::All, callers }
}

/// Makes a queue's subscription push messages to the service, authenticated as the service's own identity
/// (<https://docs.cloud.google.com/pubsub/docs/authenticate-push-subscriptions>).
async fn push(cx: Context<'_>, queue: Context<'_>, service: &Service) -> Result<()> {
    let account = last(cx.full_name(Scope::RuntimeAccount)?);
    let token = OidcToken::new().set_service_account_email(account).set_audience(&service.uri);
    let push = PushConfig::new().set_push_endpoint(&service.uri).set_oidc_token(token);
    let name = relative(queue.full_name(Scope::Subscription)?);
    let subscription =
        Subscription::new().set_name(name).set_topic(relative(queue.full_name(Scope::Topic)?)).set_push_config(push);
    queue
        .call(&[op::PATCH_SUBSCRIPTION], || async {
            let call = cx.clients.subscriptions().await?.update_subscription().set_subscription(subscription.clone());
            call.set_update_mask(FieldMask::default().set_paths(["push_config"]))
                .send()
                .await
                .map_err(failed::subscriptions(cx.clients))
        })
        .await
        .map(drop)
}

/// How a queue that triggers the function does not push to it as it should; `None` if all do, or if there is none.
async fn wrong_push(cx: Context<'_>, service: &Service) -> Result<Option<String>> {
    for id in cx.resource()?.settings().triggers() {
        let of = cx.about(cx.deployment().subject(id)?);
        let name = relative(of.full_name(Scope::Subscription)?);
        let found = queue::look(of, op::GET_SUBSCRIPTION, name).await.optional()?;
        let push = found.and_then(|found| found.push_config).unwrap_or_default();
        let account = last(cx.full_name(Scope::RuntimeAccount)?);
        let token = push.oidc_token().map(|token| (token.service_account_email.as_str(), token.audience.as_str()));
        if push.push_endpoint != service.uri || token != Some((account, service.uri.as_str())) {
            return Ok(Some(format!("the queue `{id}` does not push to it")));
        }
    }
    Ok(None)
}

/// Reads what came back. Whatever runs may have been the code, so an error is the command's own failure ([`Failed`]), and
/// the command is not sent again: unless Cloud Run refused it before any code ran.
///
/// A refusal has no mark that code could not give as well: Google documents its status and its words alone
/// (<https://docs.cloud.google.com/run/docs/troubleshooting#403>). So IAM is asked too whether the caller may call the
/// service, which takes no permission
/// (<https://docs.cloud.google.com/run/docs/reference/rest/v2/projects.locations.services/testIamPermissions>).
///
/// [`Failed`]: ErrorKind::Failed
async fn answer(cx: Context<'_>, response: reqwest::Response) -> Result<Vec<u8>> {
    let status = response.status();
    let body = whole(response).await?;
    if status.is_success() {
        return Ok(body);
    }
    let text: String = String::from_utf8_lossy(&body).chars().take(SHOWN).collect();
    let (kind, what) = match status.as_u16() {
        403 if REFUSALS.iter().any(|words| text.contains(words)) && !may_call(cx).await => {
            (ErrorKind::Denied, "Cloud Run does not let the vendor call the function")
        }
        401 => (ErrorKind::Failed, "the function returned an error, or Cloud Run does not accept the token"),
        404 => (ErrorKind::NotFound, "the service does not exist, or the function answered 404"),
        429 | 503 => (ErrorKind::Unavailable, "the service is not available"),
        _ => (ErrorKind::Failed, "the function returned an error"),
    };
    Err(Error::new(kind, format!("{what} ({status}): {text}")))
}

/// Reads a body, and no more of it than an answer can have.
async fn whole(mut response: reqwest::Response) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    while let Some(more) = response.chunk().await.map_err(|error| unanswered(&error))? {
        if body.len() + more.len() > LARGEST {
            let what = format!("the answer is too large: at most {LARGEST} bytes are accepted");
            return Err(Error::new(ErrorKind::TooLarge, what));
        }
        body.extend_from_slice(&more);
    }
    Ok(body)
}

/// What Cloud Run says to a caller who may not call a service.
/// <https://docs.cloud.google.com/run/docs/troubleshooting#403>
const REFUSALS: [&str; 2] = ["Your client does not have permission to get URL", "The request was not authenticated"];

/// Whether the caller may call the service, by IAM. If that cannot be told, it counts as if so: the code may have run.
async fn may_call(cx: Context<'_>) -> bool {
    let asked = op::INVOKE_SERVICE.permission;
    let held = async {
        let service = relative(cx.full_name(Scope::Service)?);
        let call = cx.clients.run().await?.test_iam_permissions().set_resource(service);
        call.set_permissions([asked]).send().await.map_err(failed::run(cx.clients))
    };
    held.await.map_or(true, |held| held.permissions.iter().any(|held| held == asked))
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::{Ipv4Addr, TcpListener};
    use std::thread;

    use super::*;

    /// A body of so many mebibytes, or without an end; and how much of it was taken when the reader went away.
    fn serves(mebibytes: Option<usize>) -> (String, thread::JoinHandle<usize>) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let serving = thread::spawn(move || {
            let mut stream = listener.accept().unwrap().0;
            let _ = stream.read(&mut [0; 4096]).unwrap();
            stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").unwrap();
            let (piece, mut sent) =
                ([format!("{:x}\r\n", 1 << 20).as_bytes(), &vec![b'x'; 1 << 20], b"\r\n"].concat(), 0);
            while mebibytes.is_none_or(|all| sent < all) && stream.write_all(&piece).is_ok() {
                sent += 1;
            }
            let _ = stream.write_all(b"0\r\n\r\n");
            sent
        });
        (url, serving)
    }

    /// The connection ends beside what waits for the server.
    #[tokio::test(flavor = "multi_thread")]
    async fn an_answer_without_an_end_is_read_to_the_largest_and_refused() {
        let (url, serving) = serves(None);
        let refused = whole(reqwest::get(url).await.unwrap()).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::TooLarge, "{refused}");
        // What was on its way when it stopped reading is beside.
        assert!(serving.join().unwrap() < (LARGEST >> 20) + 24, "it reads on");
        let (url, serving) = serves(Some(LARGEST >> 20));
        assert_eq!(whole(reqwest::get(url).await.unwrap()).await.unwrap().len(), LARGEST);
        serving.join().unwrap();
    }
}
