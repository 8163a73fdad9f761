//! Faults on the wire, in the form that each service gives them: what the library makes of them, how often it asks, and that
//! no error tells a secret. What is not at fault is answered as it was recorded.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use alien_aws::{Config, Target};
use alien_conformance::life::product;
use alien_conformance::upgrade::Sent;
use alien_conformance::world::{Shipped, release};
use alien_core::adapter::{LogPage, LogQuery, Purpose};
use alien_core::{
    Admin, CallConfig, Code, Container, ContainerUpdate, Error, ErrorKind, Function, FunctionUpdate, Heartbeat,
    Impersonate, Live, Manager, Release, Result, Retry,
};
use bytes::Bytes;
use futures_util::TryStreamExt as _;
use http::{Request, Response};
use jiff::Timestamp;
use serde_json::Value;

use crate::clock::WoundClock;
use crate::exchange::{Recorded, sent};
use crate::form::{Call, FORMS, Fault, Form, REQUEST, SAID, json, rest_json};
use crate::life::{CUSTOMER, VENDOR, code, first, id, target};
use crate::replay::{RECORDING, answer, config, record, secret, strange};
use crate::server::{Body, Server};

/// Seldom, so that what never works is soon given up.
const RETRY: Retry =
    Retry { first: Duration::from_millis(200), most: Duration::from_millis(800), budget: Duration::from_secs(3) };

/// More often than anything is tried.
pub(crate) const ALWAYS: usize = 100;

/// The deployment of the recording, with faults on the way.
pub(crate) struct Wire {
    server: Server,
    clock: Arc<WoundClock>,
    state: Arc<Mutex<State>>,
    manager: Manager,
    vendor: Arc<dyn Impersonate>,
}

/// A fault stands for the answer to the next request that has these words in it.
#[derive(Default)]
struct State {
    faults: Vec<(&'static str, Fault)>,
    sent: Vec<String>,
}

impl Wire {
    pub(crate) async fn new() -> Self {
        let state = Arc::<Mutex<State>>::default();
        let shared = Arc::clone(&state);
        let server = Server::start(move |request| {
            let response = shared.lock().unwrap().next(&request);
            async { response }
        });
        let (server, clock) = (server.await, WoundClock::begin(None));
        let calls = CallConfig::new(clock.clone()).with_retry(RETRY);
        let vendor =
            alien_aws::vendor(&Config::new(config(server.url(), VENDOR)).with_operator("test").with_calls(calls));
        Self { server, clock, state, manager: Manager::new(vendor.clone(), record()), vendor }
    }

    /// The next requests of a form, so many, are answered so.
    fn fail(&self, form: &Form, times: usize, fault: &Fault) {
        self.answer(form.asked, times, fault);
    }

    /// So many of the next requests that have these words in them are answered so. What is given first is looked for first.
    pub(crate) fn answer(&self, asked: &'static str, times: usize, fault: &Fault) {
        self.state.lock().unwrap().faults.extend(std::iter::repeat_n((asked, fault.clone()), times));
    }

    /// The customer's admin of a deployment that goes there.
    pub(crate) fn admin(&self, target: Target) -> Admin {
        let calls = CallConfig::new(self.clock.clone()).with_retry(RETRY);
        alien_aws::admin(&Config::new(config(self.server.url(), CUSTOMER)).with_calls(calls), id(), target)
    }

    /// What was sent, in order.
    pub(crate) fn sent(&self) -> Vec<String> {
        self.state.lock().unwrap().sent.clone()
    }

    /// Gives what a call gives, in words.
    async fn call(&self, call: Call) -> Result<String> {
        let (record, query) = (record(), LogQuery::from(Timestamp::UNIX_EPOCH));
        let session = async || self.vendor.session(&record, &Purpose::Watch).await;
        let done = match call {
            Call::Enter => session().await.map(|_| "entered".to_owned()),
            Call::Heartbeat(id) => session().await.unwrap().heartbeat(&id.parse().unwrap()).await.map(said),
            Call::Logs(id) => session().await.unwrap().logs(&id.parse().unwrap(), &query).await.map(lines),
            Call::Plan => {
                let admin = self.admin(target("life"));
                admin.plan(&first()).run("fault".parse().unwrap()).await.map(|plan| plan.to_string())
            }
        };
        done.map_err(without_secret)
    }

    /// The same by the manager, who replaces sessions; nothing for what is not the manager's.
    async fn manage(&self, call: Call) -> Option<Result<String>> {
        let handle = |id| self.manager.resources().into_iter().find(|found| found.id().as_str() == id).unwrap();
        let done = match call {
            Call::Heartbeat(id) => self.manager.heartbeat(handle(id)).await.map(said),
            Call::Logs(id) => {
                let found = self.manager.logs(handle(id)).since(Timestamp::UNIX_EPOCH).read().try_collect().await;
                found.map(|found| lines(LogPage { lines: found, next: None }))
            }
            Call::Enter | Call::Plan => return None,
        };
        Some(done.map_err(without_secret))
    }

    /// How often something was asked for.
    fn times(&self, asked: &str) -> usize {
        self.state.lock().unwrap().sent.iter().filter(|sent| sent.contains(asked)).count()
    }

    fn waits(&self) -> Vec<Duration> {
        self.clock.waits.lock().unwrap().clone()
    }
}

fn said(beat: Heartbeat) -> String {
    format!("{}: {}", beat.health.name(), beat.reason)
}

fn lines(page: LogPage) -> String {
    page.lines.into_iter().map(|line| line.text).collect::<Vec<_>>().join("\n")
}

impl State {
    fn next(&mut self, request: &Request<Bytes>) -> Response<Body> {
        let sent = sent(request);
        let Sent { verb, target, headers, body, answer: _ } = &sent;
        let text = format!("{verb} {target} {headers:?} {body}");
        let fault = self.faults.iter().position(|(asked, _)| text.contains(asked));
        self.sent.push(text);
        if let Some(at) = fault {
            return self.faults.remove(at).1.response();
        }
        // A fault leaves the function at another revision than the one that was recorded.
        let asked = at_any_revision(&sent);
        let is_asked = |line: &&Recorded| at_any_revision(&line.exchange.sent) == asked;
        let step = |step: &str| RECORDING.iter().filter(|line| line.step == step).find(is_asked);
        // Whoever plans is not the vendor: what they ask alike is answered as it was to each.
        let plans = format!("{:?}", request.headers().get("authorization")).contains(CUSTOMER);
        let steps: &[_] = if plans { &["plan"] } else { &["heartbeat", "logs", "dispatch", "update"] };
        match steps.iter().find_map(|name| step(name)) {
            Some(line) => answer(&line.exchange),
            None => strange(&sent),
        }
    }
}

/// A request without the revision of the function that it is based on, and without its answer.
fn at_any_revision(sent: &Sent) -> Sent {
    let mut sent = Sent { answer: Value::Null, ..sent.clone() };
    if let Some(fields) = sent.body.as_object_mut() {
        fields.remove("RevisionId");
    }
    sent
}

/// An error, after a look at all that can be seen of it.
fn without_secret(error: Error) -> Error {
    let told = format!("{error} {error:?} {}", serde_json::to_string(&error).unwrap());
    let own = [CUSTOMER, VENDOR].map(secret);
    for secret in ["recorded-secret-key", "recorded-session-token", "Signature=", &own[0], &own[1]] {
        assert!(!told.contains(secret), "{told}");
    }
    error
}

/// What is sent to change something: each of the services says so in its own way.
pub(crate) fn changes(sent: &str) -> bool {
    let verbs = ["PUT ", "DELETE ", "PATCH "];
    let calls =
        ["Create", "Update", "Put", "Delete", "Attach", "Detach", "Tag", "Untag", "Modify", "Authorize", "Register"];
    let is_call = |call: &&str| sent.contains(&format!("Action={call}")) || sent.contains(&format!(".{call}"));
    verbs.iter().any(|verb| sent.starts_with(verb)) || calls.iter().any(is_call)
}

/// `plan`, `up`, `update` and `release` look at a zip before they send it, or anything else.
#[tokio::test]
async fn a_zip_that_lambda_cannot_run_is_refused_before_anything_is_changed() {
    let told = "its file is no zip";
    let broken = Shipped::Zip(b"not a zip".to_vec());
    let wire = Wire::new().await;
    let sent = || wire.sent();
    let admin = wire.admin(target("life"));
    let first = release(&product(&broken), std::slice::from_ref(&broken));
    let plan = admin.plan(&first).run("refused".parse().unwrap()).await.unwrap();
    let refused = plan.refusal().unwrap_err();
    assert!(refused.problems().iter().any(|problem| problem.to_string().contains(told)), "{refused}");
    let error = admin.apply(&plan).run("refused".parse().unwrap()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Input);
    assert!(error.to_string().contains(told), "{error}");
    let planned = sent();
    assert!(planned.len() > 5 && !planned.iter().any(|sent| changes(sent)), "{planned:#?}");

    let api = wire.manager.find::<Function, Live>("api").unwrap();
    let error = wire.manager.update(&api, broken.update()).await.unwrap_err();
    assert!(error.kind() == ErrorKind::Input && error.to_string().contains(told), "{error:?}");
    let stack = wire.manager.deployment().stack.with_code(&api, broken.code()).unwrap();
    let next = Release::partial(stack, [Arc::from(&b"not a zip"[..])].into_iter().collect());
    let released = wire.manager.release(&next).await;
    let refused = released.refusal().unwrap();
    assert!(refused.kind() == ErrorKind::Input && refused.to_string().contains(told), "{refused:?}");
    assert_eq!(sent().len(), planned.len(), "the vendor's side sends nothing");
}

/// Lambda would refuse it only when the new code runs already
/// (<https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html>).
#[tokio::test]
async fn a_release_that_lambda_does_not_take_is_refused_before_anything_is_sent() {
    let wire = Wire::new().await;
    let api = wire.manager.find::<Function, Live>("api").unwrap();
    for (name, told) in [("AWS_REGION", "is one that Lambda sets itself"), ("A", "a name of one letter")] {
        let error = wire.manager.update(&api, FunctionUpdate::new().with_variable(name, "1")).await.unwrap_err();
        assert!(error.kind() == ErrorKind::Input && error.to_string().contains(told), "{error:?}");
    }
    let sent = wire.state.lock().unwrap().sent.clone();
    assert_eq!(sent.len(), 0, "{sent:#?}");
}

#[tokio::test]
async fn a_denial_tells_operation_request_and_what_the_service_said() {
    for form in FORMS {
        let wire = Wire::new().await;
        wire.fail(&form, 1, &(form.error)(form.denied, SAID));
        let error = wire.call(form.call).await.unwrap_err();
        assert_eq!(error.request_id(), Some(REQUEST), "{error:?}");
        assert_eq!(wire.times(form.asked), 1, "{error:?}");
        if form.call == Call::Enter {
            // Whoever was let in once, and no longer is: in the words of the library, not of the service.
            assert_eq!((error.kind(), error.operation()), (ErrorKind::Revoked, Some(form.operation)), "{error:?}");
            continue;
        }
        assert_eq!((error.kind(), error.operation()), (ErrorKind::Denied, Some(form.operation)), "{error:?}");
        let said = format!("{SAID} ({})", form.denied.1);
        assert!(error.message().starts_with(&said) && error.message().contains("it needs"), "{error:?}");
    }
}

#[tokio::test]
async fn what_is_throttled_is_asked_again_within_the_bounds_and_not_before_the_service_wishes() {
    for form in FORMS {
        let sound = Wire::new().await;
        let expected = sound.call(form.call).await.unwrap();
        let wire = Wire::new().await;
        let fault = (form.error)(form.throttled, SAID);
        wire.fail(&form, 3, &fault);
        wire.fail(&form, 1, &fault.clone().header("retry-after", "1"));
        assert_eq!(wire.call(form.call).await.unwrap(), expected);
        assert_eq!(wire.times(form.asked), sound.times(form.asked) + 4, "{}", form.operation);
        let [first, second, third, fourth] = wire.waits()[..] else { panic!("{:?}", wire.waits()) };
        let bounds = [RETRY.first, RETRY.first * 2, RETRY.first * 4];
        assert!([first, second, third].iter().zip(bounds).all(|(wait, bound)| *wait <= bound), "{:?}", wire.waits());
        assert_eq!(fourth, Duration::from_secs(1), "{}", form.operation);

        let wire = Wire::new().await;
        wire.fail(&form, ALWAYS, &fault);
        assert_eq!(wire.call(form.call).await.unwrap_err().kind(), ErrorKind::Throttled, "{}", form.operation);
        let waited: Duration = wire.waits().iter().sum();
        assert!(waited < RETRY.budget && waited + RETRY.most >= RETRY.budget, "{}: {waited:?}", form.operation);
    }
}

#[tokio::test]
async fn what_is_not_there_is_missing_and_no_error() {
    for form in FORMS {
        let Some(absent) = form.absent else { continue };
        let wire = Wire::new().await;
        wire.fail(&form, 1, &(form.error)(absent, SAID));
        let done = wire.call(form.call).await;
        match form.call {
            Call::Heartbeat(_) => assert!(done.unwrap().starts_with("missing: "), "{}", form.operation),
            Call::Plan => assert!(done.unwrap().contains("create  the identity that trusts the vendor")),
            Call::Logs(_) | Call::Enter => assert_eq!(done.unwrap_err().kind(), ErrorKind::NotFound),
        }
        assert!(wire.waits().is_empty());
    }
}

/// ECS tells of what it does not know in an answer that is no error.
#[tokio::test]
async fn a_service_among_the_failures_is_missing() {
    let form = FORMS.iter().find(|form| form.operation == "ecs:DescribeServices").unwrap();
    let wire = Wire::new().await;
    wire.fail(form, 1, &Fault::plain(200, r#"{"services":[],"failures":[{"arn":"x","reason":"MISSING"}]}"#));
    assert_eq!(wire.call(form.call).await.unwrap(), "missing: ECS has no such service");
}

#[tokio::test]
async fn a_service_that_fails_is_asked_again() {
    for form in FORMS {
        let expected = Wire::new().await.call(form.call).await.unwrap();
        let wire = Wire::new().await;
        wire.fail(&form, 1, &(form.error)((500, "InternalFailure"), SAID));
        wire.fail(&form, 1, &Fault::plain(502, "<html><body>Bad Gateway"));
        wire.fail(&form, 1, &Fault::cut("a body that ends somewhere here"));
        assert_eq!(wire.call(form.call).await.unwrap(), expected, "{}", form.operation);
        assert_eq!(wire.waits().len(), 3, "{}", form.operation);
    }
}

#[tokio::test]
async fn a_broken_answer_is_an_error() {
    let cut = Fault::cut("a body that ends somewhere here");
    for form in FORMS {
        let wire = Wire::new().await;
        for (fault, kind) in [
            (&cut, Some(ErrorKind::Unavailable)),
            (&Fault::plain(500, "<html>"), Some(ErrorKind::Unavailable)),
            (&Fault::plain(400, "<html>"), None),
            (&Fault::plain(200, "{\"a\":"), None),
            (&Fault::plain(200, "<a><b>"), None),
            (&Fault::plain(200, "\u{fffd}\0"), None),
        ] {
            wire.fail(&form, ALWAYS, fault);
            let error = wire.call(form.call).await.unwrap_err();
            assert_eq!(error.operation(), Some(form.operation), "{error:?}");
            assert!(kind.is_none_or(|kind| error.kind() == kind), "{fault:?}: {error:?}");
            wire.state.lock().unwrap().faults.clear();
        }
    }
}

/// What was asked for may be done.
#[tokio::test]
async fn a_good_answer_that_cannot_be_read_is_no_refusal() {
    for form in FORMS {
        let wire = Wire::new().await;
        wire.fail(&form, ALWAYS, &Fault::plain(200, "\u{fffd}\0"));
        let error = wire.call(form.call).await.unwrap_err();
        assert!(!error.kind().is_refusal(), "{error:?}");
    }
}

/// Lambda has taken the settings: the code that goes with them stays, and the settings are sent once more.
#[tokio::test]
async fn nothing_is_put_back_where_a_good_answer_cannot_be_read() {
    let wire = Wire::new().await;
    wire.state.lock().unwrap().faults.push((SETTINGS, Fault::plain(200, "\u{fffd}\0")));
    update_both(&wire).await.unwrap();
    assert_eq!([wire.times(CODE), wire.times(SETTINGS)], [1, 2]);
}

const CODE: &str = "PUT /2015-03-31/functions/life-api-4/code";
const SETTINGS: &str = "PUT /2015-03-31/functions/life-api-4/configuration";

/// An update of code and settings, with the bytes of the code before.
async fn update_both(wire: &Wire) -> Result<()> {
    let api = wire.manager.find::<Function, Live>("api").unwrap();
    let Shipped::Zip(before) = code("first") else { panic!() };
    let update = code("second").update().with_previous_zip(before).with_variable("MODE", "second");
    wire.manager.update(&api, update).await.map_err(without_secret)
}

fn refused() -> Fault {
    rest_json((400, "InvalidParameterValueException"), SAID)
}

fn taken() -> Fault {
    Fault::plain(200, "{}")
}

/// What Lambda took of an update is put back where it refuses the rest, and the record says what runs.
#[tokio::test]
async fn what_was_taken_of_an_update_is_put_back_where_the_rest_is_refused() {
    for (faults, sent, told) in [
        (vec![(CODE, refused())], [1, 0], "nothing of it was taken, and what ran before runs on"),
        (vec![(CODE, taken()), (SETTINGS, refused()), (CODE, taken())], [2, 1], "the previous code was put back"),
    ] {
        let wire = Wire::new().await;
        wire.state.lock().unwrap().faults.extend(faults);
        let error = update_both(&wire).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Rejected, "{error}");
        assert!(error.is_put_back() && error.message().ends_with(told), "{error}");
        assert_eq!([wire.times(CODE), wire.times(SETTINGS)], sent);
        let deployment = wire.manager.deployment();
        assert_eq!((deployment.uncertain.len(), &deployment.stack), (0, &record().stack));
    }
}

/// Code and settings that do not work together are put back together: each is tried, whatever becomes of the other.
#[tokio::test]
async fn what_runs_is_uncertain_where_a_part_of_an_update_cannot_be_put_back() {
    let looked = "GET /2015-03-31/functions/life-api-4/configuration";
    let status = |status: &str| {
        let told = format!(r#"{{"State":"Active","LastUpdateStatus":"{status}","RevisionId":"r"}}"#);
        Fault::plain(200, &told)
    };
    for (code, settings, told) in [
        (taken(), taken(), "the previous version was put back"),
        (refused(), taken(), "the previous version could not be put back"),
        (taken(), refused(), "the previous version could not be put back"),
    ] {
        let wire = Wire::new().await;
        let works = || (looked, status("Successful"));
        let update = [works(), (CODE, taken()), works(), (SETTINGS, taken()), (looked, status("Failed"))];
        let back = [(SETTINGS, settings), (CODE, code)];
        wire.state.lock().unwrap().faults.extend(update.into_iter().chain(back));
        let error = update_both(&wire).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Failed, "{error}");
        assert!(error.message().contains(told), "{error}");
        assert_eq!([wire.times(CODE), wire.times(SETTINGS)], [2, 2]);
        let is_certain = wire.manager.deployment().uncertain.is_empty();
        assert_eq!(error.is_put_back(), is_certain);
        assert_eq!(is_certain, told.ends_with("was put back"));
    }
}

/// After an update that was interrupted, Lambda may run what the record does not say: it is put back to that.
#[tokio::test]
async fn an_update_that_is_made_again_and_refused_is_put_back_to_the_record() {
    let wire = Wire::new().await;
    let uncertain = || wire.manager.deployment().uncertain.len();
    wire.state.lock().unwrap().faults.push((CODE, rest_json((403, "AccessDeniedException"), SAID)));
    update_both(&wire).await.unwrap_err();
    assert_eq!((wire.times(CODE), uncertain()), (1, 1));
    wire.state.lock().unwrap().faults.extend([(CODE, refused()), (SETTINGS, taken()), (CODE, taken())]);
    let error = update_both(&wire).await.unwrap_err();
    assert!(error.is_put_back() && error.message().ends_with("the previous version was put back"), "{error}");
    assert_eq!(([wire.times(CODE), wire.times(SETTINGS)], uncertain()), ([3, 1], 0));
}

/// The revision of the function at every look that is answered as it was recorded.
fn seen() -> String {
    let line =
        RECORDING.iter().find(|line| line.step == "heartbeat" && line.exchange.sent.target.contains("life-api-4"));
    line.unwrap().exchange.sent.answer["RevisionId"].as_str().unwrap().to_owned()
}

fn late() -> Fault {
    rest_json((412, "PreconditionFailedException"), "The RevisionId provided does not match the latest RevisionId")
}

/// What the look before an update has seen is given to Lambda, and what somebody else has written since is neither
/// overwritten nor put back, and not tried again.
#[tokio::test]
async fn what_somebody_else_has_written_since_the_look_is_left() {
    for (faults, sent, uncertain) in
        [(vec![(CODE, late())], [1, 0], 0), (vec![(CODE, taken()), (SETTINGS, late())], [1, 1], 1)]
    {
        let wire = Wire::new().await;
        wire.state.lock().unwrap().faults.extend(faults);
        let error = update_both(&wire).await.unwrap_err();
        assert_eq!((error.kind(), error.was_sent()), (ErrorKind::Conflict, uncertain == 1), "{error:?}");
        assert!(error.message().contains("somebody else has changed it since it was looked at"), "{error}");
        assert!(!error.is_put_back());
        assert_eq!([wire.times(CODE), wire.times(SETTINGS)], sent);
        let deployment = wire.manager.deployment();
        assert_eq!((deployment.uncertain.len(), &deployment.stack), (uncertain, &record().stack));
        let given = format!(r#""RevisionId":"{}""#, seen());
        let state = wire.state.lock().unwrap();
        let writes = state.sent.iter().filter(|sent| sent.contains(CODE) || sent.contains(SETTINGS));
        assert!(writes.clone().all(|sent| sent.contains(&given)), "{:#?}", writes.collect::<Vec<_>>());
    }
}

/// After an answer that was lost, the refusal may be of an own attempt: what runs decides.
#[tokio::test]
async fn an_update_whose_answer_was_lost_does_not_conflict_with_itself() {
    let looked = "GET /2015-03-31/functions/life-api-4/configuration";
    let Shipped::Zip(bytes) = code("second") else { panic!() };
    let digest = Code::zip(&bytes).only().unwrap().digest().trim_start_matches("sha256:").to_owned();
    let runs = |digest: &str| {
        let state = r#""State":"Active","LastUpdateStatus":"Successful","RevisionId":"r""#;
        (looked, Fault::plain(200, &format!(r#"{{{state},"CodeSha256":"{digest}"}}"#)))
    };
    for (found, kind) in [(digest.as_str(), None), ("Zm8=", Some(ErrorKind::Conflict))] {
        let wire = Wire::new().await;
        let lost = [(CODE, Fault::cut(r#"{"lost":"answer"}"#)), (CODE, late())];
        wire.state.lock().unwrap().faults.extend(lost.into_iter().chain([runs("Zm9v"), runs(found), runs(found)]));
        let done = update_both(&wire).await;
        assert_eq!(done.as_ref().err().map(Error::kind), kind, "{done:?}");
        assert_eq!(wire.times(CODE), 2);
        let uncertain = wire.manager.deployment().uncertain.len();
        assert_eq!(uncertain, usize::from(kind.is_some()), "whether it was done is not known");
    }
}

/// New instances take one write, which changes nothing that a stack says, at the revision that was seen.
#[tokio::test]
async fn new_instances_take_another_description_and_nothing_else() {
    for (answers, kind) in [
        (vec![taken()], None),
        (vec![late()], Some(ErrorKind::Conflict)),
        (vec![Fault::cut(r#"{"lost":"answer"}"#), late()], Some(ErrorKind::Conflict)),
    ] {
        let wire = Wire::new().await;
        let times = answers.len();
        wire.state.lock().unwrap().faults.extend(answers.into_iter().map(|answer| (SETTINGS, answer)));
        let api = wire.manager.find::<Function, Live>("api").unwrap();
        let done = wire.manager.redeploy(&api).await.map_err(without_secret);
        assert_eq!(done.err().map(|error| error.kind()), kind);
        assert_eq!([wire.times(CODE), wire.times(SETTINGS)], [0, times]);
        let state = wire.state.lock().unwrap();
        for sent in state.sent.iter().filter(|sent| sent.contains(SETTINGS)) {
            let body: Value = serde_json::from_str(&sent[sent.rfind("} {").unwrap() + 2..]).unwrap();
            let fields: Vec<&String> = body.as_object().unwrap().keys().collect();
            assert_eq!(fields, ["Description", "RevisionId"], "{sent}");
            assert_eq!(body["RevisionId"], seen());
        }
        drop(state);
        assert_eq!(wire.manager.deployment(), record(), "the record is as it was");
    }
}

const REGISTER: &str = ".RegisterTaskDefinition";
const SEND: &str = ".UpdateService";

fn ecs_refused() -> Fault {
    json((400, "InvalidParameterException"), SAID)
}

/// The answer of ECS that registers a revision of the worker.
fn registered(revision: &str) -> Fault {
    Fault::plain(200, &format!(r#"{{"taskDefinition":{{"taskDefinitionArn":"{revision}"}}}}"#))
}

fn revision(number: u32) -> String {
    format!("arn:aws:ecs:eu-central-1:222222222222:task-definition/life-worker-4:{number}")
}

/// Lets the vendor in for whatever it is. The life that was recorded updated another resource before, so its session was
/// opened for another stack.
fn enter_for_any(wire: &Wire) {
    let is_entry = |sent: &Sent| sent.body.as_str().is_some_and(|body| body.starts_with(ENTER));
    let entered = RECORDING.iter().find(|line| is_entry(&line.exchange.sent)).unwrap();
    let entered = Fault::plain(200, entered.exchange.sent.answer.as_str().unwrap());
    wire.state.lock().unwrap().faults.extend(std::iter::repeat_n((ENTER, entered), ALWAYS));
}

/// The kind of the error, whether what was there before was put back, and how many resources are uncertain then.
async fn update_worker(wire: &Wire, update: ContainerUpdate) -> (ErrorKind, bool, usize) {
    enter_for_any(wire);
    let worker = wire.manager.find::<Container, Live>("worker").unwrap();
    let error = without_secret(wire.manager.update(&worker, update).await.unwrap_err());
    (error.kind(), error.is_put_back(), wire.manager.deployment().uncertain.len())
}

#[tokio::test]
async fn a_service_runs_on_where_ecs_takes_nothing_of_an_update() {
    for asked in [REGISTER, SEND] {
        let wire = Wire::new().await;
        wire.state.lock().unwrap().faults.push((asked, ecs_refused()));
        let told = update_worker(&wire, ContainerUpdate::new().with_variable("MODE", "second")).await;
        assert_eq!(told, (ErrorKind::Rejected, true, 0), "{asked}");
    }
}

#[tokio::test]
async fn a_revision_that_does_not_run_is_put_back() {
    let service = |revision: &str, state: &str| {
        let counts = r#""desiredCount":1,"runningCount":1"#;
        let deployment =
            format!(r#"{{"status":"PRIMARY","rolloutState":"{state}","taskDefinition":"{revision}",{counts}}}"#);
        let service =
            format!(r#"{{"status":"ACTIVE","taskDefinition":"{revision}","deployments":[{deployment}],{counts}}}"#);
        (".DescribeServices", Fault::plain(200, &format!(r#"{{"services":[{service}],"failures":[]}}"#)))
    };
    let (old, new) = (revision(1), revision(9));
    let wire = Wire::new().await;
    wire.state.lock().unwrap().faults.extend([
        // A release looks, and the update looks again.
        service(&old, "COMPLETED"),
        service(&old, "COMPLETED"),
        (REGISTER, registered(&new)),
        (SEND, taken()),
        service(&new, "FAILED"),
        (SEND, taken()),
        service(&old, "COMPLETED"),
    ]);
    let told = update_worker(&wire, ContainerUpdate::new().with_variable("MODE", "second")).await;
    assert_eq!(told, (ErrorKind::Failed, true, 0));
    assert_eq!([wire.times(SEND), wire.times(&new), wire.times(&old)], [2, 1, 1]);
}

/// After an update that was interrupted nobody knows which revision runs: one of what is wanted is registered, even where the
/// record says that it runs.
#[tokio::test]
async fn a_service_that_may_run_another_revision_is_set_whatever_the_record_says() {
    let wire = Wire::new().await;
    wire.state.lock().unwrap().faults.push((SEND, json((400, "AccessDeniedException"), SAID)));
    let told = update_worker(&wire, ContainerUpdate::new().with_variable("MODE", "second")).await;
    assert_eq!(told, (ErrorKind::Denied, false, 1));
    wire.state.lock().unwrap().faults.extend([(REGISTER, registered(&revision(9))), (SEND, ecs_refused())]);
    let told = update_worker(&wire, ContainerUpdate::new()).await;
    assert_eq!(told, (ErrorKind::Rejected, false, 1), "what runs is as uncertain as before");
    assert_eq!((wire.times(REGISTER), wire.times(&revision(9))), (2, 1));
}

/// New tasks of the same: the request has neither a task definition nor a count, and the deployment that it began is the one
/// that is waited for, by its id.
#[tokio::test]
async fn new_tasks_are_a_deployment_of_what_the_service_runs() {
    let deployment = |id: &str, status: &str, state: &str| {
        let counts = r#""desiredCount":1,"runningCount":1"#;
        format!(
            r#"{{"id":"{id}","status":"{status}","rolloutState":"{state}","taskDefinition":"{}",{counts}}}"#,
            revision(1)
        )
    };
    let service = |deployments: &[String]| {
        let (definition, all) = (revision(1), deployments.join(","));
        let counts = r#""desiredCount":1,"runningCount":1"#;
        format!(r#"{{"status":"ACTIVE","taskDefinition":"{definition}","deployments":[{all}],{counts}}}"#)
    };
    let looked = |deployments: &[String]| {
        let found = format!(r#"{{"services":[{}],"failures":[]}}"#, service(deployments));
        (".DescribeServices", Fault::plain(200, &found))
    };
    let old = deployment("ecs-svc/1", "ACTIVE", "COMPLETED");
    for (state, kind) in [("COMPLETED", None), ("FAILED", Some(ErrorKind::Failed))] {
        let wire = Wire::new().await;
        enter_for_any(&wire);
        let begun = [deployment("ecs-svc/2", "PRIMARY", "IN_PROGRESS"), old.clone()];
        let ended = [deployment("ecs-svc/2", "PRIMARY", state), old.clone()];
        let answer = Fault::plain(200, &format!(r#"{{"service":{}}}"#, service(&begun)));
        wire.state.lock().unwrap().faults.extend([(SEND, answer), looked(&begun), looked(&ended)]);
        let worker = wire.manager.find::<Container, Live>("worker").unwrap();
        let done = wire.manager.redeploy(&worker).await.map_err(without_secret);
        assert_eq!(done.err().map(|error| error.kind()), kind);
        assert_eq!([wire.times(REGISTER), wire.times(SEND), wire.times(".DescribeServices")], [0, 1, 2]);
        let state = wire.state.lock().unwrap();
        let sent = state.sent.iter().find(|sent| sent.contains(SEND)).unwrap();
        let body: Value = serde_json::from_str(&sent[sent.rfind("} {").unwrap() + 2..]).unwrap();
        let expected = serde_json::json!({ "cluster": "life-cluster-4", "service": "life-worker-4",
            "enableExecuteCommand": false, "forceNewDeployment": true });
        assert_eq!(body, expected);
        drop(state);
        assert_eq!(wire.manager.deployment(), record(), "which version runs is known as before");
    }
}

#[tokio::test]
async fn nobody_there_is_an_error_without_secrets() {
    let wire = Wire::new().await;
    let Wire { server, .. } = wire;
    let url = server.url().to_owned();
    drop(server);
    let calls = CallConfig::new(WoundClock::begin(None)).with_retry(RETRY);
    let vendor = alien_aws::vendor(&Config::new(config(&url, VENDOR)).with_operator("test").with_calls(calls));
    let error = without_secret(vendor.session(&record(), &Purpose::Watch).await.unwrap_err());
    assert_eq!((error.kind(), error.operation()), (ErrorKind::Unavailable, Some("sts:AssumeRole")), "{error:?}");
}

const ENTER: &str = "Action=AssumeRole";

#[tokio::test]
async fn a_session_that_ended_is_replaced_once() {
    for form in FORMS {
        let wire = Wire::new().await;
        let Some(expected) = wire.manage(form.call).await else { continue };
        let expired = (form.error)(form.expired, "the security token included in the request is expired");
        wire.fail(&form, 1, &expired);
        assert_eq!(wire.manage(form.call).await.unwrap().unwrap(), expected.unwrap(), "{}", form.operation);
        assert_eq!(wire.times(ENTER), 2, "{}", form.operation);
        // Not again so soon: another one would be refused as well.
        wire.fail(&form, ALWAYS, &expired);
        let asked = wire.times(form.asked);
        let error = wire.manage(form.call).await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Expired, "{error:?}");
        assert_eq!((wire.times(ENTER), wire.times(form.asked)), (2, asked + 1), "{}", form.operation);
        *wire.clock.now.lock().unwrap() += Duration::from_secs(31);
        assert_eq!(wire.manage(form.call).await.unwrap().unwrap_err().kind(), ErrorKind::Expired);
        assert_eq!((wire.times(ENTER), wire.times(form.asked)), (3, asked + 3), "{}", form.operation);
    }
}

#[tokio::test]
async fn a_session_is_kept_until_shortly_before_its_end() {
    let wire = Wire::new().await;
    let beat = async || wire.call(Call::Heartbeat("cache")).await.unwrap();
    assert_eq!((beat().await, beat().await, wire.times(ENTER)), (beat().await, beat().await, 1));
    let end: Timestamp = "2099-01-01T00:00:00Z".parse().unwrap();
    *wire.clock.now.lock().unwrap() = end - Duration::from_secs(301);
    beat().await;
    assert_eq!(wire.times(ENTER), 1);
    *wire.clock.now.lock().unwrap() = end - Duration::from_secs(300);
    beat().await;
    assert_eq!(wire.times(ENTER), 2);
}

/// A right that is missing is told from access that was taken back: by a new session, or none.
#[tokio::test]
async fn a_denied_session_is_replaced_to_see_whether_the_vendor_is_let_in() {
    let [enter] = FORMS.iter().filter(|form| form.call == Call::Enter).collect::<Vec<_>>()[..] else { panic!() };
    for form in FORMS.iter().filter(|form| matches!(form.call, Call::Heartbeat(_))) {
        let wire = Wire::new().await;
        wire.fail(form, ALWAYS, &(form.error)(form.denied, SAID));
        let beat = wire.manage(form.call).await.unwrap().unwrap();
        assert!(beat.starts_with("denied: ") && beat.contains(SAID), "{beat}");
        assert_eq!((wire.times(ENTER), wire.times(form.asked)), (2, 2), "{}", form.operation);

        let wire = Wire::new().await;
        wire.manage(form.call).await.unwrap().unwrap();
        wire.fail(form, 1, &(form.error)(form.denied, SAID));
        wire.fail(enter, 1, &(enter.error)(enter.denied, SAID));
        let error = wire.manage(form.call).await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Revoked, "{error:?}");
    }
}

/// What may have been done in part is done again as a whole, in another session.
#[tokio::test]
async fn an_update_whose_session_ended_is_made_again_as_a_whole() {
    let wire = Wire::new().await;
    let expired = rest_json((403, "ExpiredTokenException"), "the security token included in the request is expired");
    wire.state.lock().unwrap().faults.push((CODE, expired));
    update_both(&wire).await.unwrap();
    // To look, to update, and to update again.
    assert_eq!((wire.times(ENTER), wire.times(CODE), wire.times(SETTINGS)), (3, 2, 1));
    assert!(wire.manager.deployment().uncertain.is_empty());
}

/// A command may do anything: it is sent again only where Lambda certainly did not take it.
#[tokio::test]
async fn a_command_is_not_sent_twice_unless_it_was_not_taken() {
    let asked = "POST /2015-03-31/functions/life-api-4/invocations";
    let failed = Fault::plain(200, r#"{"errorMessage":"no"}"#).header("x-amz-function-error", "Unhandled");
    for (fault, sent, kind) in [
        (rest_json((429, "TooManyRequestsException"), SAID), 2, None),
        (rest_json((500, "ServiceException"), SAID), 1, Some(ErrorKind::Unavailable)),
        (Fault::cut(r#"{"hello":"world"}"#), 1, Some(ErrorKind::Unavailable)),
        (failed, 1, Some(ErrorKind::Failed)),
    ] {
        let wire = Wire::new().await;
        wire.state.lock().unwrap().faults.push((asked, fault.clone()));
        let api = wire.manager.find::<Function, Live>("api").unwrap();
        let done = wire.manager.dispatch(&api, br#"{"hello":"world"}"#).await;
        assert_eq!(done.map_err(without_secret).err().map(|error| error.kind()), kind, "{fault:?}");
        assert_eq!(wire.times(asked), sent, "{fault:?}");
    }
}

/// <https://github.com/amzn/selling-partner-api-models/issues/1900> shows one in full: with the token.
#[tokio::test]
async fn a_signature_that_does_not_match_is_told_without_the_canonical_string() {
    let said = "The request signature we calculated does not match the signature you provided.\n\n\
                The Canonical String for this request should have been\n'POST\n/\n\n\
                x-amz-security-token:recorded-session-token\n'";
    for form in FORMS {
        let wire = Wire::new().await;
        wire.fail(&form, ALWAYS, &(form.error)((403, "SignatureDoesNotMatch"), said));
        let error = wire.call(form.call).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Credentials, "{error:?}");
    }
}
