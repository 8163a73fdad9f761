//! The handle that tests use.

use std::fmt;
use std::io;

use serde_json::{Value, json};

use super::fail::Fail;
use super::faults::Faults;
use super::iam::policy::{Binding, Policy};
use super::iam::role::Role;
use super::iam::token::{CLOUD_PLATFORM, LIFETIME};
use super::state::{self, Project, Shared, project_name};
use crate::audit::{Decision, Request};
use crate::dated::Dated;
use crate::serve::{self, Server};

/// An emulated Google Cloud on the loopback interface. It stops when this value is dropped.
///
/// It runs on its own thread, so it answers even while the caller's runtime is blocked.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// use alien_sim::gcp::Gcp;
///
/// let gcp = Gcp::start().await?;
/// gcp.project("acme", 42);
/// let project = "//cloudresourcemanager.googleapis.com/projects/acme";
/// gcp.bind(project, "roles/pubsub.publisher", "user:ada@example.com");
/// // Any client may now publish with this token at this URL, and do nothing else.
/// let (_token, _url) = (gcp.token("user:ada@example.com"), gcp.url());
/// assert!(gcp.decisions().is_empty());
/// # std::io::Result::Ok(())
/// # })?;
/// # std::io::Result::Ok(())
/// ```
pub struct Gcp {
    shared: Shared,
    _server: Server,
}

impl fmt::Debug for Gcp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gcp").field("url", &self.url()).finish_non_exhaustive()
    }
}

/// A handle call that fails is a mistake in the test.
#[expect(clippy::panic, reason = "a test handle reports failures by panicking, as tests do")]
#[track_caller]
fn must<T>(result: Result<T, Fail>) -> T {
    result.unwrap_or_else(|fail| panic!("{}", fail.message))
}

impl Gcp {
    /// Starts an emulator on a free port of 127.0.0.1, without a project.
    ///
    /// # Errors
    ///
    /// If no port or thread is available.
    pub async fn start() -> io::Result<Self> {
        Self::start_on(0).await
    }

    /// Starts an emulator on a port of 127.0.0.1. Port 0 picks a free one.
    ///
    /// # Errors
    ///
    /// If the port is taken, or no thread is available.
    #[expect(clippy::unused_async, reason = "starting may need to wait in future, and callers are asynchronous")]
    pub async fn start_on(port: u16) -> io::Result<Self> {
        let listener = serve::listen(port)?;
        let shared = Shared::new();
        shared.set_url(&format!("http://{}", listener.local_addr()?));
        let served = shared.clone();
        let server =
            Server::start("alien-sim-gcp", listener, move |stream| super::server::connection(served.clone(), stream))?;
        Ok(Self { shared, _server: server })
    }

    /// The URL of all APIs, such as `http://127.0.0.1:40123`.
    #[must_use]
    pub fn url(&self) -> &str {
        self.shared.url()
    }

    /// Creates a project with all APIs enabled, Pub/Sub's agent and the default service account of Compute Engine, unless it exists.
    pub fn project(&self, id: &str, number: u64) {
        let state = &mut *self.shared.lock();
        let now = state.now().to_string();
        let body = json!({
            "name": format!("projects/{number}"),
            "projectId": id,
            "displayName": id,
            "state": "ACTIVE",
            "createTime": now,
            "etag": state::etag(),
        });
        if state.create(&project_name(id), id, body).is_err() {
            return;
        }
        // Each project is of an organisation of its own.
        let project =
            Project { number, disabled: Default::default(), customer: format!("C{number}"), rules: Default::default() };
        state.projects.insert(id.to_owned(), project);
        let email = format!("{number}-compute@developer.gserviceaccount.com");
        // As if Pub/Sub had been used here before.
        let agent = format!("serviceAccount:service-{number}@gcp-sa-pubsub.iam.gserviceaccount.com");
        if let Ok(made) = state.thing_mut(&project_name(id)) {
            let role = "roles/pubsub.serviceAgent".to_owned();
            made.policy.latest.bindings.push(Binding { role, members: vec![agent], condition: None });
        }
        // Both are new, because the project is.
        let _ = state.make_account(id, &email, "Compute Engine default service account");
        let default = format!("projects/{id}/locations/global/buckets/_Default");
        let _ = state.make_log_bucket(id, &default, json!({}));
    }

    /// Issues an access token to a principal, such as `user:ada@example.com` or
    /// `serviceAccount:app@acme.iam.gserviceaccount.com`. It is valid for an hour and for all APIs of the cloud.
    #[must_use]
    pub fn token(&self, principal: &str) -> String {
        self.shared.lock().access_token(principal, vec![CLOUD_PLATFORM.to_owned()], LIFETIME)
    }

    /// Issues a refresh token to a principal, for the `refresh_token` grant at `/token`.
    #[must_use]
    pub fn refresh_token(&self, principal: &str) -> String {
        let token = format!("1//sim-{:032x}", fastrand::u128(..));
        self.shared.lock().refresh.insert(token.clone(), principal.to_owned());
        token
    }

    /// Creates a service account, and returns its email address.
    ///
    /// # Panics
    ///
    /// If it exists.
    #[track_caller]
    pub fn service_account(&self, project: &str, id: &str) -> String {
        let email = format!("{id}@{project}.iam.gserviceaccount.com");
        must(self.shared.lock().make_account(project, &email, id));
        email
    }

    /// Creates a key of a service account, and returns the text of its key file, whose token endpoint is this emulator.
    ///
    /// # Panics
    ///
    /// If there is no such account, or no RSA key can be generated.
    #[must_use]
    #[track_caller]
    pub fn key(&self, email: &str) -> String {
        let state = &mut *self.shared.lock();
        let account = state.account(email).ok_or_else(|| Fail::missing(email));
        let project = must(account).project.clone();
        must(state.key_file(&project, email).map_err(Fail::precondition)).to_string()
    }

    /// Sets the account that the metadata server issues tokens for.
    pub fn default_account(&self, email: &str) {
        self.shared.lock().default_account = Some(email.to_owned());
    }

    /// Binds a role on a full resource name, such as `//cloudresourcemanager.googleapis.com/projects/p`, at once.
    ///
    /// # Panics
    ///
    /// If nothing has that name.
    #[track_caller]
    pub fn bind(&self, on: &str, role: &str, member: &str) {
        let state = &mut *self.shared.lock();
        let mut policy = must(state.thing(on)).policy.latest.clone();
        let found = policy.bindings.iter_mut().find(|binding| binding.role == role && binding.condition.is_none());
        match found {
            Some(binding) if binding.members.iter().any(|known| known == member) => return,
            Some(binding) => binding.members.push(member.to_owned()),
            None => policy.bindings.push(Binding {
                role: role.to_owned(),
                members: vec![member.to_owned()],
                condition: None,
            }),
        }
        policy.etag = state::etag();
        must(state.thing_mut(on)).policy = Dated::new(policy);
    }

    /// The policy of a full resource name, in version 3, or `None` if nothing has that name.
    #[must_use]
    pub fn policy(&self, on: &str) -> Option<Value> {
        self.shared.lock().policy(on, 3).ok()
    }

    /// Writes the policy of a full resource name, at once and ignoring its etag. It is validated as in the API.
    ///
    /// # Panics
    ///
    /// If nothing has that name, or the policy is invalid.
    #[track_caller]
    pub fn set_policy(&self, on: &str, policy: &Value) {
        let state = &mut *self.shared.lock();
        let project = must(state.thing(on)).project.clone();
        let policy = must(Policy::parse(state, &project, policy));
        must(state.thing_mut(on)).policy = Dated::new(policy);
    }

    /// A role of a project, by its name `projects/P/roles/R`.
    #[must_use]
    pub fn role(&self, name: &str) -> Option<Value> {
        self.shared.lock().role_body(name)
    }

    /// Creates a role of a project, or replaces its permissions, at once.
    pub fn set_role(&self, name: &str, permissions: &[&str]) {
        let permissions: Vec<String> = permissions.iter().map(|name| (*name).to_owned()).collect();
        let role = Role {
            title: name.rsplit('/').next().unwrap_or_default().to_owned(),
            description: String::new(),
            stage: "GA".to_owned(),
            permissions: Dated::new(permissions.clone()),
            kept: permissions,
            deleted: None,
            etag: state::etag(),
        };
        self.shared.lock().roles.insert(name.to_owned(), role);
    }

    /// Creates an Artifact Registry repository for images, and returns its full resource name.
    ///
    /// # Panics
    ///
    /// If it exists.
    #[track_caller]
    pub fn repository(&self, project: &str, location: &str, name: &str) -> String {
        let body = json!({"format": "DOCKER"});
        must(self.shared.lock().make_repository(project, location, name, body))
    }

    /// Puts an empty object into a bucket.
    ///
    /// # Panics
    ///
    /// If there is no such bucket.
    #[track_caller]
    pub fn put_object(&self, bucket: &str, name: &str) {
        let bytes = bytes::Bytes::new();
        must(self.shared.lock().put_object(bucket, name, "application/octet-stream", bytes));
    }

    /// Deletes an object, as one does who names no version of it.
    ///
    /// # Panics
    ///
    /// If there is no such object.
    #[track_caller]
    pub fn delete_object(&self, bucket: &str, name: &str) {
        let state = &mut *self.shared.lock();
        let full = format!("//storage.googleapis.com/projects/_/buckets/{bucket}/objects/{name}");
        let _ = must(state.thing(&full));
        state.replace(bucket, &full);
    }

    /// The full resource names of everything that exists, sorted. Deleted resources that could be undeleted are left
    /// out.
    #[must_use]
    pub fn things(&self) -> Vec<String> {
        let state = self.shared.lock();
        let things = state.things.iter().filter(|(_, thing)| !thing.deleted).map(|(name, _)| name.clone());
        let roles = state.roles.iter().filter(|(_, role)| role.deleted.is_none());
        let mut names: Vec<String> =
            things.chain(roles.map(|(name, _)| format!("//iam.googleapis.com/{name}"))).collect();
        names.sort();
        names
    }

    /// The stored body of a full resource name, as the REST API would return it.
    #[must_use]
    pub fn body(&self, name: &str) -> Option<Value> {
        let state = self.shared.lock();
        let role = name.strip_prefix("//iam.googleapis.com/").and_then(|name| state.role_body(name));
        role.or_else(|| state.thing(name).ok().map(|thing| thing.body.clone()))
    }

    /// Writes a field of a body, at once; `null` removes it.
    ///
    /// # Panics
    ///
    /// If nothing has that name.
    #[track_caller]
    pub fn write(&self, name: &str, field: &str, value: &Value) {
        let state = &mut *self.shared.lock();
        let Some(body) = must(state.thing_mut(name)).body.as_object_mut() else { return };
        match value {
            Value::Null => body.remove(field),
            value => body.insert(field.to_owned(), value.clone()),
        };
    }

    /// Deletes something and what is in it, as somebody with another tool would. The subscriptions of a topic stay.
    ///
    /// # Panics
    ///
    /// If nothing has that name.
    #[track_caller]
    pub fn vanish(&self, name: &str) {
        let state = &mut *self.shared.lock();
        let _ = must(state.thing(name));
        let below = format!("{name}/");
        state.things.retain(|found, _| found != name && !found.starts_with(&below));
        state.detach(name);
    }

    /// Enables an API of a project, such as `run.googleapis.com`. All are enabled in a new project.
    pub fn enable_api(&self, project: &str, api: &str) {
        if let Some(project) = self.shared.lock().projects.get_mut(project) {
            project.disabled.remove(api);
        }
    }

    /// Disables an API of a project, such as `run.googleapis.com`: its methods are refused with `SERVICE_DISABLED`.
    pub fn disable_api(&self, project: &str, api: &str) {
        if let Some(project) = self.shared.lock().projects.get_mut(project) {
            project.disabled.insert(api.to_owned());
        }
    }

    /// The directory customer id of the organisation that a project is in. Each project is of an organisation of its own.
    #[must_use]
    pub fn customer(&self, project: &str) -> Option<String> {
        self.shared.lock().projects.get(project).map(|project| project.customer.clone())
    }

    /// Sets the rule of an organisation that is in effect in a project, by the name of a constraint such as
    /// `iam.allowedPolicyMemberDomains`, in the form of a
    /// [`PolicyRule`](https://docs.cloud.google.com/resource-manager/docs/reference/orgpolicy/rest/v2/PolicySpec#PolicyRule).
    /// Those that are enforced are on who may be in a policy, and on who may call a Cloud Run service.
    pub fn rule(&self, project: &str, constraint: &str, rule: Value) {
        if let Some(project) = self.shared.lock().projects.get_mut(project) {
            project.rules.insert(constraint.to_owned(), rule);
        }
    }

    /// Injects faults and delays.
    #[must_use]
    pub fn faults(&self) -> Faults {
        Faults(self.shared.clone())
    }

    /// The newest 65,536 decisions, oldest first.
    #[must_use]
    pub fn decisions(&self) -> Vec<Decision> {
        self.shared.lock().decisions.all()
    }

    /// Returns the decisions, and forgets them.
    #[must_use]
    pub fn take_decisions(&self) -> Vec<Decision> {
        self.shared.lock().decisions.take()
    }

    /// The newest 65,536 requests, oldest first, without secrets.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        self.shared.lock().requests.all()
    }

    /// Returns the requests, and forgets them.
    #[must_use]
    pub fn take_requests(&self) -> Vec<Request> {
        self.shared.lock().requests.take()
    }
}
