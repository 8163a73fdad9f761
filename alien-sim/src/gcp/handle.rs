//! The handle that tests hold.

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

/// A Google Cloud on loopback; it ends when this is dropped.
///
/// It has a thread of its own, so it answers whatever the runtime of its user does.
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

/// What a test asks of its handle and cannot have is a mistake of the test.
#[expect(clippy::panic, reason = "a handle of tests says what is wrong by panicking, as the tests themselves do")]
#[track_caller]
fn must<T>(result: Result<T, Fail>) -> T {
    result.unwrap_or_else(|fail| panic!("{}", fail.message))
}

impl Gcp {
    /// Starts an emulator on any free port of 127.0.0.1, without a project.
    ///
    /// # Errors
    ///
    /// No port or no thread is to be had.
    pub async fn start() -> io::Result<Self> {
        Self::start_on(0).await
    }

    /// Starts an emulator on a port of 127.0.0.1; 0 is any free one.
    ///
    /// # Errors
    ///
    /// The port is taken, or no thread is to be had.
    #[expect(clippy::unused_async, reason = "starting may come to wait, and tests are asynchronous")]
    pub async fn start_on(port: u16) -> io::Result<Self> {
        let listener = serve::listen(port)?;
        let shared = Shared::new();
        shared.set_url(&format!("http://{}", listener.local_addr()?));
        let served = shared.clone();
        let server =
            Server::start("alien-sim-gcp", listener, move |stream| super::server::connection(served.clone(), stream))?;
        Ok(Self { shared, _server: server })
    }

    /// Where all of the APIs answer, such as `http://127.0.0.1:40123`.
    #[must_use]
    pub fn url(&self) -> &str {
        self.shared.url()
    }

    /// Makes a project, with the default service account of Compute Engine, and all APIs enabled; one that is there is
    /// left alone.
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
        state.projects.insert(id.to_owned(), Project { number, disabled: Default::default() });
        let email = format!("{number}-compute@developer.gserviceaccount.com");
        // Both are new, since the project is.
        let _ = state.make_account(id, &email, "Compute Engine default service account");
        let default = format!("projects/{id}/locations/global/buckets/_Default");
        let _ = state.make_log_bucket(id, &default, json!({}));
    }

    /// A new access token of a principal, such as `user:ada@example.com` or
    /// `serviceAccount:app@acme.iam.gserviceaccount.com`, for all of the cloud's APIs and for an hour.
    #[must_use]
    pub fn token(&self, principal: &str) -> String {
        self.shared.lock().access_token(principal, vec![CLOUD_PLATFORM.to_owned()], LIFETIME)
    }

    /// A new refresh token of a principal, for the `refresh_token` grant at `/token`.
    #[must_use]
    pub fn refresh_token(&self, principal: &str) -> String {
        let token = format!("1//sim-{:032x}", fastrand::u128(..));
        self.shared.lock().refresh.insert(token.clone(), principal.to_owned());
        token
    }

    /// Makes a service account; its email address.
    ///
    /// # Panics
    ///
    /// It is there already.
    #[track_caller]
    pub fn service_account(&self, project: &str, id: &str) -> String {
        let email = format!("{id}@{project}.iam.gserviceaccount.com");
        must(self.shared.lock().make_account(project, &email, id));
        email
    }

    /// A new key of a service account, as the text of a key file whose token endpoint is this emulator.
    ///
    /// # Panics
    ///
    /// There is no such account, or no RSA key can be made.
    #[must_use]
    #[track_caller]
    pub fn key(&self, email: &str) -> String {
        let state = &mut *self.shared.lock();
        let account = state.account(email).ok_or_else(|| Fail::missing(email));
        let project = must(account).project.clone();
        must(state.key_file(&project, email).map_err(Fail::precondition)).to_string()
    }

    /// The account that the metadata server speaks for.
    pub fn default_account(&self, email: &str) {
        self.shared.lock().default_account = Some(email.to_owned());
    }

    /// Binds a role on a full resource name, such as `//cloudresourcemanager.googleapis.com/projects/p`, at once.
    ///
    /// # Panics
    ///
    /// Nothing of that name is there.
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

    /// The policy of a full resource name, in version 3; none where there is nothing.
    #[must_use]
    pub fn policy(&self, on: &str) -> Option<Value> {
        self.shared.lock().policy(on, 3).ok()
    }

    /// Writes the policy of a full resource name, at once and whatever its etag; it is checked as the API checks it.
    ///
    /// # Panics
    ///
    /// Nothing of that name is there, or the policy is refused.
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

    /// Makes a role of a project, or replaces what it holds, at once.
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

    /// Makes an Artifact Registry repository of images; its full resource name.
    ///
    /// # Panics
    ///
    /// It is there already.
    #[track_caller]
    pub fn repository(&self, project: &str, location: &str, name: &str) -> String {
        let body = json!({"format": "DOCKER"});
        must(self.shared.lock().make_repository(project, location, name, body))
    }

    /// Puts an empty object into a bucket.
    ///
    /// # Panics
    ///
    /// There is no such bucket.
    #[track_caller]
    pub fn put_object(&self, bucket: &str, name: &str) {
        let bytes = bytes::Bytes::new();
        must(self.shared.lock().put_object(bucket, name, "application/octet-stream", bytes));
    }

    /// The full resource names of all there is, sorted; what is deleted and could be undeleted is not among them.
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

    /// What the REST API would answer of a full resource name, as it is kept.
    #[must_use]
    pub fn body(&self, name: &str) -> Option<Value> {
        let state = self.shared.lock();
        let role = name.strip_prefix("//iam.googleapis.com/").and_then(|name| state.role_body(name));
        role.or_else(|| state.thing(name).ok().map(|thing| thing.body.clone()))
    }

    /// Switches an API of a project on again, such as `run.googleapis.com`; all are on in a new project.
    pub fn enable_api(&self, project: &str, api: &str) {
        if let Some(project) = self.shared.lock().projects.get_mut(project) {
            project.disabled.remove(api);
        }
    }

    /// Switches an API of a project off, such as `run.googleapis.com`: its methods are refused with `SERVICE_DISABLED`.
    pub fn disable_api(&self, project: &str, api: &str) {
        if let Some(project) = self.shared.lock().projects.get_mut(project) {
            project.disabled.insert(api.to_owned());
        }
    }

    /// What can be made to go wrong.
    #[must_use]
    pub fn faults(&self) -> Faults {
        Faults(self.shared.clone())
    }

    /// The newest 65,536 decisions, oldest first.
    #[must_use]
    pub fn decisions(&self) -> Vec<Decision> {
        self.shared.lock().decisions.all()
    }

    /// The decisions, which are then forgotten.
    #[must_use]
    pub fn take_decisions(&self) -> Vec<Decision> {
        self.shared.lock().decisions.take()
    }

    /// The newest 65,536 requests, oldest first, without secrets.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        self.shared.lock().requests.all()
    }

    /// The requests, which are then forgotten.
    #[must_use]
    pub fn take_requests(&self) -> Vec<Request> {
        self.shared.lock().requests.take()
    }
}
