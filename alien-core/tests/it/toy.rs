//! How to add a cloud: a whole adapter of the smallest cloud there can be, and a life on it.
//!
//! * What is pure: [`Cloud`] and [`AccessControl`], and [`On`] for each kind. Reviews, audits and the engine's plans follow.
//! * What calls: [`Reconcile`] and [`Operate`] for each kind; [`Provider`] and [`ReconcileIdentity`] for the admin's side,
//!   [`Assume`] for the vendor's; and [`Connect`], which gives the cloud the face that all have.
//!
//! In the adapter of a real cloud each kind is a file, `resource/{kind}.rs`, with its calls beside it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex};

use alien_conformance::world::PausedClock;
use alien_core::adapter::{
    AccessControl, Allowed, Assume, AssumeRequest, AssumedSession, CallContext, Change, Claim, Cloud, CloudTarget,
    Command, Connect, Coverage, DeploymentContext, Engine, Escalation, Gate, Holder, Impersonator, Layout, Marks,
    Observed, On, Operate, Operation, Permission, Placed, Proof, Provider, Purpose, Reconcile, ReconcileIdentity,
    Removal, ResultExt, Rows, Runs, Table, Trusted, environment, hyphenated,
};
use alien_core::{
    Action, Adapter, Admin, CallConfig, Code, ConnectOption, Connection, Data, Delivery, Deployment, DeploymentId,
    Error, ErrorKind, Field, Function, FunctionUpdate, Grant, GrantReason, Grants, Health, Heartbeat, Impersonate, Kv,
    Layers, Live, Manager, Plan, Prefix, Problem, Profile, Promise, Release, Remedy, Resource, Result, Rule, Set, Side,
    Size, Stack, Storage,
};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};

// ---- The cloud itself. A real one is at the other end of a network. --------------------------------------------------

/// Everything in the cloud, by full name.
#[derive(Default)]
struct Server {
    things: BTreeMap<String, Thing>,
    /// Sessions, by token: who acts in it.
    sessions: BTreeMap<String, String>,
    /// What the admin may do; all, where it is empty.
    admin: BTreeSet<String>,
    /// Things that the cloud keeps for a while after they were deleted.
    slow: BTreeSet<String>,
    /// How many looks do not show yet that a claim was written.
    lag: usize,
}

/// Something in the cloud: the id that the cloud chose, words for the library to find it by, and what it says: settings,
/// code, or a document.
#[derive(Default)]
struct Thing {
    id: String,
    tags: BTreeMap<String, String>,
    text: String,
    objects: u64,
    /// How often code was pushed.
    version: u64,
}

/// The client: an SDK's, or requests over HTTP.
#[derive(Clone)]
struct Client {
    server: Arc<Mutex<Server>>,
    token: String,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}

/// Tokens of the admin and of the vendor: what no record, no error and no report may show.
const ADMIN: &str = "secret-of-the-admin";
const VENDOR: &str = "secret-of-the-vendor";

impl Client {
    fn request<T>(&self, permission: &str, name: &str, work: impl FnOnce(&mut Server) -> Result<T>) -> Result<T> {
        let mut server = self.server.lock().unwrap();
        let document = |identity| server.things.get(identity).map(|thing: &Thing| thing.text.as_str());
        let allowed = match server.sessions.get(&self.token) {
            Some(identity) => document(identity)
                .and_then(|text| serde_json::from_str::<Principal>(text).ok())
                .is_some_and(|document| Toy::may_allow(&document, permission, name, &[]).is_some()),
            None => self.token == ADMIN && (server.admin.is_empty() || server.admin.contains(permission)),
        };
        if !allowed {
            return Err(Error::new(ErrorKind::Denied, format!("you may not {permission} on {name}")));
        }
        work(&mut server)
    }
}

// ---- 1. `Cloud`: where things go, what they are called, what may be called. ------------------------------------------

#[derive(Debug, Clone, Copy, PartialEq)]
struct Toy;

/// What a permission is checked on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Scope {
    Thing,
    Identity,
}

/// Where a deployment goes and whom it trusts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Target {
    prefix: Prefix,
    vendor: String,
    proof: String,
}

impl CloudTarget for Target {
    type Cloud = Toy;
}

/// Every call: the permission it takes, what on, what it does there. Documents and the gate are both made of these.
mod op {
    use super::Scope;

    alien_core::operations! {
        on Scope;
        source "https://example.com/toy/permissions" {
            GET = "things.get" on Thing, Observe;
            CREATE = "things.create" on Thing, Create;
            DELETE = "things.delete" on Thing, Delete;
            TAG = "things.tag" on Thing, Control;
            LABEL = "things.label" on Thing, Create;
            SET = "things.set" on Thing, Redirect;
            PUSH = "code.push" on Thing, Update;
            READ = "data.read" on Thing, ReadData;
            EMPTY = "data.empty" on Thing, WriteData;
            PURGE = "data.purge" on Thing, WriteData;
            GET_IDENTITY = "identities.get" on Identity, Observe;
            CREATE_IDENTITY = "identities.create" on Identity, Control;
            SET_IDENTITY = "identities.set" on Identity, Control;
            DELETE_IDENTITY = "identities.delete" on Identity, Control;
        }
    }
}

impl Cloud for Toy {
    const NAME: &'static str = "toy";
    const IDENTITY_HAS_ID: bool = true;
    const TARGET: &'static [Field] = &[
        Field::place::<Prefix>("prefix", "the name of the deployment"),
        Field::trust::<String>("vendor", "whom it trusts"),
        // Another one for every deployment, so that nobody gets into one by what another customer shows.
        Field::trust::<String>("proof", "what the vendor must show").made(|id| format!("proof-of-{id}")),
    ];

    type Scope = Scope;
    type Target = Target;
    /// A kind that the cloud gets later is one word here, and its file.
    type Kinds = (Function, Storage, Kv);

    fn operations() -> &'static Table<Scope> {
        &op::TABLE
    }

    fn identity_set() -> Rows<Self> {
        &[op::GET_IDENTITY, op::CREATE_IDENTITY, op::SET_IDENTITY, op::DELETE_IDENTITY]
    }

    fn shared_set() -> Rows<Self> {
        &[]
    }

    fn is_shared(_: Scope) -> bool {
        false
    }

    fn name_shared(_: &Stack, _: &Target, _: &mut Vec<(Scope, String)>) {}

    fn name_identity(holder: &Holder, target: &Target, things: &mut Vec<(Scope, String)>) {
        things.push((Scope::Identity, format!("identities/{}", hyphenated(&target.prefix, &holder.name(), 63))));
    }
}

// ---- 2. `AccessControl`: the cloud's own permission documents, written and read back. ---------------------------------

/// An identity: who may act as it, and what it may do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Principal {
    name: String,
    trusts: Option<(String, String)>,
    allowed: Vec<(String, String)>,
}

impl AccessControl for Toy {
    type Principal = Principal;
    type Condition = ();

    const ENDS: &'static str = "A revocation takes effect at once.";

    fn escalations() -> &'static [Escalation] {
        &[Escalation { name: "rewrite one's own document", required: &["identities.set"] }]
    }

    fn covers(pattern: &str, permission: &str) -> bool {
        pattern == permission
    }

    fn principal(layout: &Layout<Self>, grants: &Grants) -> Principal {
        let allowed = layout
            .granted(grants)
            .flat_map(|(_, _, row, names)| names.map(|name| (row.permission.to_owned(), name.to_owned())));
        let Target { vendor, proof, .. } = &layout.target;
        let trusts = (grants.holder == Holder::Vendor).then(|| (vendor.clone(), proof.clone()));
        Principal { name: grants.holder.label().to_owned(), trusts, allowed: allowed.collect() }
    }

    fn label(principal: &Principal) -> &str {
        &principal.name
    }

    fn sizes(_: &Target, _: &Layers<Principal>) -> Vec<Size> {
        Vec::new()
    }

    fn allowed<'d>(principal: &'d Principal, visit: &mut dyn FnMut(Allowed<'d, Self>)) {
        for (permission, name) in &principal.allowed {
            let (permission, coverage) = (Permission::Named(permission), Coverage::Exact(name));
            visit(Allowed { permission, coverage, condition: None, statement: "allowed" });
        }
    }

    fn trusted(principal: &Principal) -> Vec<Trusted> {
        let trusted = |(who, proof): &(String, String)| Trusted {
            who: who.clone(),
            may: "enter".to_owned(),
            conditions: vec![format!("the proof is {proof}")],
        };
        principal.trusts.iter().map(trusted).collect()
    }

    fn excesses(_: &Target, found: &Principal, expected: &Principal) -> Vec<String> {
        let other = found.trusts.iter().filter(|_| found.trusts != expected.trusts);
        other.map(|(who, _)| format!("it trusts {who}")).collect()
    }

    fn may_allow(principal: &Principal, permission: &str, name: &str, _: &[(&str, &str)]) -> Option<String> {
        let wanted = |(held, on): &(String, String)| held == permission && on == name;
        principal.allowed.iter().any(wanted).then(|| "allowed".to_owned())
    }
}

// ---- 3. Each kind: `On`, `Reconcile`, `Operate`. ---------------------------------------------------------------------

type Context<'a> = CallContext<'a, Toy, Client>;
type Row = &'static Operation<Scope>;

/// One call about the subject, through the gate.
async fn call<T: Send>(
    cx: Context<'_>,
    row: Row,
    work: impl Fn(&mut Server, &str) -> Result<T> + Send + Sync,
) -> Result<T> {
    let name = cx.full_name(row.on)?;
    cx.call(&[row], || async { cx.clients.request(row.permission, name, |server| work(server, name)) }).await
}

async fn with<T: Send>(cx: Context<'_>, row: Row, work: impl Fn(&mut Thing) -> T + Send + Sync) -> Result<T> {
    call(cx, row, |server, name| {
        let missing = || Error::new(ErrorKind::NotFound, format!("there is no {name}"));
        Ok(work(server.things.get_mut(name).ok_or_else(missing)?))
    })
    .await
}

async fn look(cx: Context<'_>, get: Row) -> Result<Observed> {
    let own = cx.deployment().owner();
    let tags = |thing: &mut Thing| {
        Observed::marked(&thing.id, own, thing.tags.iter().map(|(name, value)| (name.as_str(), value.as_str())))
    };
    Ok(with(cx, get, tags).await.optional()?.unwrap_or(Observed::Absent))
}

async fn make(cx: Context<'_>, create: Row, marks: &Marks) -> Result<()> {
    call(cx, create, |server, name| {
        if server.things.contains_key(name) {
            return Err(Error::new(ErrorKind::AlreadyExists, format!("there is {name}")));
        }
        let tags = marks.ownership(name).map(|(name, value)| (name.to_owned(), value));
        let id = format!("id-of-{name}");
        server.things.insert(name.to_owned(), Thing { id, tags: tags.into(), ..Thing::default() });
        Ok(())
    })
    .await
}

async fn tag(cx: Context<'_>, row: Row, tags: &[(&'static str, String)]) -> Result<()> {
    let tags: Vec<_> = tags.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    with(cx, row, |thing| thing.tags.extend(tags.clone())).await
}

async fn write(cx: Context<'_>, row: Row, text: &str) -> Result<()> {
    with(cx, row, |thing| text.clone_into(&mut thing.text)).await
}

async fn remove(cx: Context<'_>, delete: Row) -> Result<Removal> {
    call(cx, delete, |server, name| {
        if server.slow.contains(name) {
            return Ok(Removal::Pending("the cloud lets it go tomorrow".to_owned()));
        }
        server.things.remove(name);
        Ok(Removal::Gone)
    })
    .await
}

impl On<Toy> for Storage {
    fn set(set: Set) -> Rows<Toy> {
        match set {
            Set::Heartbeat => &[op::GET],
            Set::Provision => &[op::CREATE, op::DELETE],
            Set::Reconfigure => &[op::SET],
            Set::Setup => &[op::TAG],
            Set::DataRead => &[op::READ],
            Set::DataWrite => &[op::EMPTY],
            _ => &[],
        }
    }

    fn erase() -> Rows<Toy> {
        &[op::PURGE]
    }

    fn name(&self, placed: &Placed<'_, Toy>, things: &mut Vec<(Scope, String)>) {
        things.push((Scope::Thing, format!("storages/{}", hyphenated(&placed.target.prefix, placed.id(), 63))));
    }
}

#[async_trait]
impl Reconcile<Toy, Client> for Storage {
    async fn observe(&self, cx: Context<'_>) -> Result<Observed> {
        look(cx, op::GET).await
    }

    async fn create(&self, cx: Context<'_>, marks: &Marks) -> Result<()> {
        make(cx, op::CREATE, marks).await
    }

    async fn configure(&self, cx: Context<'_>, marks: &Marks) -> Result<()> {
        if let Some(whose) = look(cx, op::GET).await?.refused(marks) {
            return Err(Error::new(ErrorKind::NotOwned, whose.to_string()));
        }
        write(cx, op::SET, if self.is_versioned() { "versioned" } else { "" }).await?;
        tag(cx, op::TAG, &marks.all(cx.full_name(Scope::Thing)?)).await
    }

    /// To empty it takes a right on data, which the admin has only in a run that is to delete data.
    async fn delete(&self, cx: Context<'_>, data: Data) -> Result<Removal> {
        let objects = with(cx, op::GET, |thing| thing.objects).await?;
        if objects > 0 && data != Data::Delete {
            return Ok(Removal::HoldsData(format!("it holds {objects} objects")));
        }
        if objects > 0 {
            with(cx, op::EMPTY, |_| ()).await?;
            with(cx, op::PURGE, |thing| thing.objects = 0).await?;
        }
        remove(cx, op::DELETE).await
    }
}

#[async_trait]
impl Operate<Toy, Client> for Storage {
    async fn heartbeat(&self, cx: Context<'_>) -> Result<Heartbeat> {
        with(cx, op::GET, |_| Heartbeat::new(Health::Healthy, "it is there")).await
    }
}

/// Whoever creates a table labels it, so nothing of it is the admin's to set. To the cloud, it is a storage.
impl On<Toy> for Kv {
    fn set(set: Set) -> Rows<Toy> {
        match set {
            Set::Heartbeat => &[op::GET],
            Set::Provision => &[op::CREATE, op::DELETE, op::LABEL],
            _ => &[],
        }
    }

    fn name(&self, placed: &Placed<'_, Toy>, things: &mut Vec<(Scope, String)>) {
        things.push((Scope::Thing, format!("storages/{}", hyphenated(&placed.target.prefix, placed.id(), 63))));
    }
}

#[async_trait]
impl Reconcile<Toy, Client> for Kv {
    async fn observe(&self, cx: Context<'_>) -> Result<Observed> {
        look(cx, op::GET).await
    }

    async fn create(&self, cx: Context<'_>, marks: &Marks) -> Result<()> {
        make(cx, op::CREATE, marks).await
    }

    async fn configure(&self, cx: Context<'_>, marks: &Marks) -> Result<()> {
        tag(cx, op::LABEL, &marks.all(cx.full_name(Scope::Thing)?)).await
    }

    async fn delete(&self, cx: Context<'_>, _: Data) -> Result<Removal> {
        remove(cx, op::DELETE).await
    }
}

#[async_trait]
impl Operate<Toy, Client> for Kv {
    async fn heartbeat(&self, cx: Context<'_>) -> Result<Heartbeat> {
        with(cx, op::GET, |_| Heartbeat::new(Health::Healthy, "it is there")).await
    }
}

impl On<Toy> for Function {
    fn set(set: Set) -> Rows<Toy> {
        match set {
            Set::Heartbeat => &[op::GET],
            Set::Management => &[op::PUSH],
            Set::Provision => &[op::CREATE, op::DELETE, op::PUSH],
            Set::Setup => &[op::TAG],
            _ => &[],
        }
    }

    fn name(&self, placed: &Placed<'_, Toy>, things: &mut Vec<(Scope, String)>) {
        things.push((Scope::Thing, format!("functions/{}", hyphenated(&placed.target.prefix, placed.id(), 63))));
    }

    fn check(&self, placed: &Placed<'_, Toy>, problems: &mut Vec<Problem>) {
        if placed.resource.settings().is_public() {
            let what = "it has a public address, and toy has none".to_owned();
            problems.push(Problem::error(Rule::Cloud, what, "leave it out".to_owned()));
        }
    }
}

/// Code is told in its environment where what it is linked to is.
async fn push(cx: Context<'_>, function: &Resource) -> Result<()> {
    let environment = environment(cx, function).await?;
    let text = format!("{:?} {environment:?}", function.settings());
    with(cx, op::PUSH, |thing| (thing.text, thing.version) = (text.clone(), thing.version + 1)).await
}

#[async_trait]
impl Reconcile<Toy, Client> for Function {
    async fn observe(&self, cx: Context<'_>) -> Result<Observed> {
        look(cx, op::GET).await
    }

    async fn create(&self, cx: Context<'_>, marks: &Marks) -> Result<()> {
        make(cx, op::CREATE, marks).await
    }

    async fn configure(&self, cx: Context<'_>, marks: &Marks) -> Result<()> {
        push(cx, cx.resource()?).await?;
        tag(cx, op::TAG, &marks.all(cx.full_name(Scope::Thing)?)).await
    }

    async fn delete(&self, cx: Context<'_>, _: Data) -> Result<Removal> {
        remove(cx, op::DELETE).await
    }
}

#[async_trait]
impl Operate<Toy, Client> for Function {
    async fn heartbeat(&self, cx: Context<'_>) -> Result<Heartbeat> {
        with(cx, op::GET, |thing| Heartbeat::new(Health::Healthy, "it runs").running(thing.version.to_string())).await
    }

    /// The cloud counts what was pushed, and tells no more of it.
    async fn running(&self, cx: Context<'_>) -> Result<Runs> {
        with(cx, op::GET, |thing| Runs::Version { runs: thing.version.to_string(), set: None }).await
    }

    async fn update(&self, cx: Context<'_>, change: &Change) -> Result<()> {
        push(cx, &change.resource).await
    }
}

// ---- 4. The admin's side: `ReconcileIdentity` and `Provider`. --------------------------------------------------------

struct Identities;

#[async_trait]
impl Reconcile<Toy, Client> for Identities {
    async fn observe(&self, cx: Context<'_>) -> Result<Observed> {
        look(cx, op::GET_IDENTITY).await
    }

    async fn create(&self, cx: Context<'_>, marks: &Marks) -> Result<()> {
        make(cx, op::CREATE_IDENTITY, marks).await
    }

    async fn configure(&self, cx: Context<'_>, marks: &Marks) -> Result<()> {
        let document = Toy::principal(&cx.deployment().layout, cx.deployment().grants(cx.subject)?);
        write(cx, op::SET_IDENTITY, &serde_json::to_string(&document).unwrap()).await?;
        tag(cx, op::SET_IDENTITY, &marks.all(cx.full_name(Scope::Identity)?)).await
    }

    async fn delete(&self, cx: Context<'_>, _: Data) -> Result<Removal> {
        remove(cx, op::DELETE_IDENTITY).await
    }
}

#[async_trait]
impl ReconcileIdentity<Toy, Client> for Identities {
    async fn claim(&self, cx: Context<'_>) -> Result<Option<Claim>> {
        let is_late = call(cx, op::GET_IDENTITY, |server, _| {
            let is_late = server.lag > 0;
            server.lag -= usize::from(is_late);
            Ok(is_late)
        });
        if is_late.await? {
            return Ok(None);
        }
        with(cx, op::GET_IDENTITY, |thing| thing.tags.get(Marks::CLAIM)?.parse().ok()).await
    }

    async fn write_claim(&self, cx: Context<'_>, claim: Option<&Claim>) -> Result<()> {
        let text = claim.map(ToString::to_string).unwrap_or_default();
        tag(cx, op::SET_IDENTITY, &[(Marks::CLAIM, text)]).await
    }

    async fn revoke(&self, cx: Context<'_>) -> Result<()> {
        write(cx, op::SET_IDENTITY, "").await?;
        tag(cx, op::SET_IDENTITY, &[(Marks::FINGERPRINT, String::new())]).await
    }
}

#[async_trait]
impl Provider<Toy> for Client {
    type Clients = Self;

    async fn clients(&self) -> Result<&Self> {
        Ok(self)
    }

    fn identity(&self) -> &dyn ReconcileIdentity<Toy, Self> {
        &Identities
    }

    async fn account(&self, _: Context<'_>) -> Result<Vec<Problem>> {
        let what = "these credentials are of another account".to_owned();
        let problem = Problem::error(Rule::Cloud, what, "give those of the account's admin".to_owned());
        Ok(if self.token == ADMIN { Vec::new() } else { vec![problem] })
    }

    async fn preflight(&self, cx: Context<'_>) -> Result<Vec<Problem>> {
        let needed = Toy::principal(&cx.deployment().layout, &cx.deployment().permissions().provisioning).allowed;
        let server = self.server.lock().unwrap();
        let lacking = needed.into_iter().filter(|(held, _)| !server.admin.is_empty() && !server.admin.contains(held));
        let problem = |(permission, name)| {
            let help =
                "ask the administrator of the account for the permissions in the provisioning documents".to_owned();
            let problem = Problem::error(Rule::Cloud, format!("you may not {permission} on {name}"), help);
            problem.remedy(Remedy::GrantProvisioning)
        };
        Ok(lacking.map(problem).collect())
    }
}

// ---- 5. The vendor's side: `Assume`. ---------------------------------------------------------------------------------

#[async_trait]
impl Assume<Toy> for Client {
    type Clients = Self;

    fn operation(&self) -> &'static str {
        "identities.assume"
    }

    /// What must not let anybody in: each is tried once, when a record is registered.
    fn wrong_proofs(&self) -> &'static [Proof] {
        &[Proof::Omitted, Proof::Mismatched]
    }

    async fn assume(&self, request: &AssumeRequest<Toy>) -> Result<AssumedSession<Self>> {
        let identity = request.deployment.identity();
        let mut server = self.server.lock().unwrap();
        // The id that the cloud chose for the identity stands in the record.
        let known = |thing: &&Thing| request.deployment.identity_id.as_ref() == Some(&thing.id);
        let thing = server.things.get(identity).filter(known);
        let document = thing.and_then(|thing| serde_json::from_str::<Principal>(&thing.text).ok());
        let trusted = document.and_then(|document| document.trusts);
        let shown = match request.proof {
            Proof::Expected => request.deployment.target().proof.as_str(),
            Proof::Omitted => "",
            Proof::Mismatched => "another",
        };
        if self.token != VENDOR || !trusted.is_some_and(|(who, proof)| who == "vendor" && proof == shown) {
            return Err(Error::new(ErrorKind::Denied, format!("{identity} does not trust you")));
        }
        let token = format!("secret-of-session-{}", server.sessions.len());
        server.sessions.insert(token.clone(), identity.to_owned());
        let expires = jiff::Timestamp::MAX;
        Ok(AssumedSession { clients: Self { server: Arc::clone(&self.server), token }, expires })
    }
}

// ---- 6. `Connect`: the face that programs know. ----------------------------------------------------------------------

/// The adapter: here it is beside its server; a real one opens a connection, with the credentials it finds.
#[derive(Default)]
struct Toys(Arc<Mutex<Server>>);

impl fmt::Debug for Toys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Toys")
    }
}

impl Toys {
    fn client(&self, token: &str) -> Client {
        Client { server: Arc::clone(&self.0), token: token.to_owned() }
    }
}

#[async_trait]
impl Connect for Toys {
    type Cloud = Toy;

    const OPTIONS: &'static [ConnectOption] = &[
        ConnectOption::ENDPOINT_URL,
        ConnectOption { name: "role", help: "act in this role of the account", side: Side::Admin },
    ];

    async fn admin(&self, id: DeploymentId, target: Target, connection: &Connection) -> Result<Admin> {
        Ok(Admin::new(Engine::new(self.client(ADMIN), id, target, connection.calls.clone())))
    }

    async fn vendor(&self, _: &Target, connection: &Connection) -> Result<Arc<dyn Impersonate>> {
        Ok(Arc::new(Impersonator::new(self.client(VENDOR), connection.calls.clone())))
    }
}

// ---- A life on it. ---------------------------------------------------------------------------------------------------

fn stack() -> Stack {
    let mut stack = Stack::builder("product");
    let data = stack.frozen("data", Storage::new().with_versions());
    let api = stack.live("api", Function::new(Code::zip(b"first"), "execution"));
    stack.link(&api, &data);
    stack.profile("execution", Profile::new().on(&data, [Storage::DATA_READ]));
    stack.build().unwrap()
}

/// What the invitation of the deployment gives.
const PROOF: &str = "proof-of-00000000-0000-0000-0000-000000000001";

fn texts(texts: &[(&str, &str)]) -> BTreeMap<String, String> {
    texts.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
}

/// Everything through the face that is the same for all clouds.
#[tokio::test(start_paused = true)]
async fn a_stack_lives_on_a_cloud_of_one_file() {
    let toys = Toys::default();
    let cloud: &dyn Adapter = &toys;
    let (stack, id) = (stack(), DeploymentId::from(uuid::Uuid::from_u128(1)));
    let shown = Arc::new(Mutex::new(String::new()));
    let recorded = Arc::clone(&shown);
    let calls = CallConfig::new(PausedClock::begin()).with_recorder(Arc::new(move |call| {
        recorded.lock().unwrap().push_str(&serde_json::to_string(call).unwrap());
    }));
    let connection = Connection::new(calls, "somebody");

    // Nothing is called for a review. The invitation says whom to trust.
    let target = cloud.target(texts(&[("prefix", "acme"), ("vendor", "vendor"), ("proof", PROOF)])).unwrap();
    let reviewed = cloud.review(&stack, &target).unwrap();
    assert_eq!(reviewed.review.rows[0].can, ["see its health and settings", "push code and settings"]);
    let data = "read or write its data itself; code that it pushes to `api` can read it".to_owned();
    assert!(reviewed.review.rows[1].cannot.contains(&data), "{reviewed:?}");
    let invitation = cloud.invite(id, texts(&[("vendor", "vendor")]), Delivery::Push, stack.clone()).unwrap();

    // The admin plans and applies.
    let release = Release::new(stack.clone(), [Arc::from(*b"first")].into_iter().collect()).unwrap();
    let admin = cloud.admin(id, &target, &connection).await.unwrap();
    let plan = admin.plan(&release).await.unwrap();
    assert!(plan.steps.len() == 4 && plan.steps.iter().all(|step| step.action == Action::Create), "{plan}");
    let record = admin.apply(&plan).await.unwrap();
    let names: Vec<String> = toys.0.lock().unwrap().things.keys().cloned().collect();
    assert_eq!(
        names,
        [
            "functions/acme-api-4",
            "identities/acme-management-4",
            "identities/acme-runtime-execution-4",
            "storages/acme-data-4",
        ]
    );
    assert_eq!(record.resources["data"], "id-of-storages/acme-data-4", "the id that the cloud chose");
    assert_eq!(record.identity_id.as_deref(), Some("id-of-identities/acme-management-4"));
    let again = admin.plan(&release).previous(&record).run("run-2".parse().unwrap()).await.unwrap();
    assert!(again.is_empty(), "{again}");

    // The vendor registers the record, watches and updates.
    let vendor = cloud.vendor(&target, &connection).await.unwrap();
    vendor.register(&invitation, &record).await.unwrap();
    let manager = Manager::new(vendor, record.clone());
    for resource in manager.resources() {
        assert_eq!(manager.heartbeat(&resource).await.unwrap().health, Health::Healthy, "{resource:?}");
    }
    let api = manager.find::<Function, Live>("api").unwrap();
    manager.update(&api, FunctionUpdate::new().with_zip(*b"second").with_memory_mib(512)).await.unwrap();
    let pushed = toys.0.lock().unwrap().things["functions/acme-api-4"].text.clone();
    assert!(pushed.contains("memory_mib: 512") && pushed.contains(r#""ALIEN_DATA": "acme-data-4""#), "{pushed}");
    let unsupported = manager.logs(&api).since(jiff::Timestamp::UNIX_EPOCH).read();
    let unsupported = futures_util::TryStreamExt::try_collect::<Vec<_>>(unsupported).await.unwrap_err();
    assert_eq!(unsupported.kind(), ErrorKind::Unsupported, "{unsupported}");

    // The customer takes the access back, and takes everything down.
    admin.revoke(&record).run("run-3".parse().unwrap()).await.unwrap();
    let revoked = manager.heartbeat(&api).await.unwrap_err();
    assert_eq!(revoked.kind(), ErrorKind::Revoked, "{revoked}");
    toys.0.lock().unwrap().things.get_mut("storages/acme-data-4").unwrap().objects = 3;
    let down = async |data, run: &str| admin.destroy(&record).data(data).run(run.parse().unwrap()).await.unwrap();
    let remains = down(Data::KeepUnlessEmpty, "run-4").await;
    assert_eq!(remains.kept[0].why, "it holds 3 objects", "{remains:?}");
    let remains = down(Data::Delete, "run-5").await;
    assert!(remains.kept.is_empty() && remains.foreign.is_empty(), "{remains:?}");
    assert!(toys.0.lock().unwrap().things.is_empty());

    // What is kept, sent or shown of all that has no secret in it.
    let mut shown = shown.lock().unwrap().clone();
    for kept in [&plan, &again] {
        shown.push_str(&serde_json::to_string(kept).unwrap());
    }
    for error in [&unsupported, &revoked] {
        shown.push_str(&format!("{error:?} {error} {}", serde_json::to_string(error).unwrap()));
    }
    shown.push_str(&format!("{} {admin:?} {manager:?} {connection:?}", serde_json::to_string(&record).unwrap()));
    assert!(shown.contains("identities.assume") && !shown.contains("secret-of"), "{shown}");
}

#[tokio::test(start_paused = true)]
async fn what_the_cloud_does_not_take_is_told_before_anything_is_called() {
    let toys = Toys::default();
    let mut stack = Stack::builder("product");
    stack.live("api", Function::new(Code::zip(b"first"), "execution").with_public_url());
    stack.live("jobs", alien_core::Queue::new());
    stack.profile("execution", Profile::new());
    let stack = stack.build().unwrap();
    let target = toys.target(texts(&[("prefix", "acme"), ("vendor", "vendor"), ("proof", PROOF)])).unwrap();
    let error = toys.review(&stack, &target).unwrap_err().to_string();
    assert!(error.contains("`api`: it has a public address, and toy has none; leave it out"), "{error}");
    assert!(error.contains("`jobs`: toy has no queue; leave it out on this cloud"), "{error}");
    let problems = toys.target(texts(&[("prefix", "Acme"), ("region", "here")])).unwrap_err().to_string();
    for told in
        ["`prefix`: `Acme` is not a prefix", "`vendor`: missing; give whom it trusts", "`region`: has no meaning"]
    {
        assert!(problems.contains(told), "{told}: {problems}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_connection_or_an_invitation_does_not_have_is_refused_by_its_name() {
    let toys = Toys::default();
    let cloud: &dyn Adapter = &toys;
    let (id, stack) = (DeploymentId::from(uuid::Uuid::from_u128(1)), stack());
    let target = cloud.target(texts(&[("prefix", "acme"), ("vendor", "vendor"), ("proof", PROOF)])).unwrap();
    let connection = |option: &str| {
        let calls = CallConfig::new(PausedClock::begin());
        let connection = Connection::new(calls, "somebody").with_option(option, "some");
        assert_eq!((connection.get(option), connection.get("another")), (Some("some"), None));
        connection
    };
    for (option, admin, vendor) in [("endpointUrl", true, true), ("role", true, false), ("region", false, false)] {
        let told = |error: Error| {
            let problem = &error.problems()[0];
            assert_eq!((error.kind(), problem.subject.as_deref()), (ErrorKind::Input, Some(option)), "{error}");
        };
        let connected = cloud.admin(id, &target, &connection(option)).await;
        assert_eq!(connected.map(drop).map_err(told).is_ok(), admin, "{option}");
        let connected = cloud.vendor(&target, &connection(option)).await;
        assert_eq!(connected.map(drop).map_err(told).is_ok(), vendor, "{option}");
    }
    let options: Vec<&str> =
        cloud.options().iter().filter(|option| option.is_for(Side::Vendor)).map(|option| option.name).collect();
    assert_eq!((options, cloud.fields().len()), (vec!["endpointUrl"], 3));

    let invite = |trust: &[(&str, &str)]| cloud.invite(id, texts(trust), Delivery::Push, stack.clone());
    let given = invite(&[("vendor", "vendor"), ("proof", "of-old")]).unwrap();
    assert_eq!(given.trust["proof"], "of-old", "what is given is not made");
    assert_eq!(invite(&[("vendor", "vendor")]).unwrap().trust["proof"], PROOF);
    assert!(invite(&[]).unwrap_err().to_string().contains("`vendor`: missing; give whom it trusts"));
    let where_to = invite(&[("vendor", "vendor"), ("prefix", "acme")]).unwrap_err().to_string();
    assert!(where_to.contains("`prefix`: has no meaning for this cloud"), "the customer says where: {where_to}");

    // Documents are audited wherever they came from, and only as what they are.
    let reviewed = cloud.review(&stack, &target).unwrap();
    let mut documents = reviewed.documents.clone();
    let audit = |documents: &serde_json::Value| cloud.audit(&stack, &target, &documents.to_string());
    assert_eq!(audit(&documents).unwrap(), reviewed.report);
    let allowed = documents["layers"]["management"]["principals"][0]["allowed"].as_array_mut().unwrap();
    allowed.push(serde_json::json!(["data.read", "storages/acme-data-4"]));
    assert_eq!(audit(&documents).unwrap().breaches[0].promise, Promise::P2);
    documents["cloud"] = "another".into();
    assert!(audit(&documents).unwrap_err().to_string().contains("documents of another, not of toy"));

    // What an invitation gives is known before it is set up.
    let invitation = invite(&[("vendor", "vendor")]).unwrap();
    let record = cloud.record(&invitation, &target).unwrap();
    assert_eq!(invitation.differences(&record), []);
    assert_eq!(record.identity, "identities/acme-management-4");
}

/// What a kind does not implement on a cloud, the cloud does not have.
#[tokio::test(start_paused = true)]
async fn what_a_kind_has_not_on_the_cloud_is_unsupported() {
    let toys = Toys::default();
    let mut stack = Stack::builder("product");
    stack.live("files", Storage::new());
    stack.live("api", Function::new(Code::zip(b"first"), "execution").with_commands());
    stack.profile("execution", Profile::new());
    let stack = stack.build().unwrap();
    let (_, record) = set_up(&toys, stack.clone()).await;
    let record = record.unwrap();
    let calls = CallConfig::new(PausedClock::begin());
    let vendor = Impersonator::<Toy, _>::new(toys.client(VENDOR), calls);
    let [files, api] = ["files", "api"].map(|id| stack.resource(id).unwrap());
    let session = vendor.session(&record, &Purpose::Update([files.id().clone()].into())).await.unwrap();
    let change = Change { resource: files.clone(), zip: None, previous_zip: None, again: true, runs: None };
    let error = session.update(files.id(), &change).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.message()),
        (ErrorKind::Unsupported, "a storage is not updated by the vendor on toy")
    );
    let error = session.redeploy(files.id()).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.message()),
        (ErrorKind::Unsupported, "a storage has no instances to start anew on toy")
    );
    let session = vendor.session(&record, &Purpose::Watch).await.unwrap();
    let error = session.dispatch(api.id(), &Command::new(*b"ring")).await.unwrap_err();
    assert_eq!((error.kind(), error.message()), (ErrorKind::Unsupported, "a function takes no commands on toy"));
}

/// A set-up, as far as it gets.
async fn set_up(toys: &Toys, stack: Stack) -> (Admin, Result<Deployment>) {
    let cloud: &dyn Adapter = toys;
    let connection = Connection::new(CallConfig::new(PausedClock::begin()), "somebody");
    let target = cloud.target(texts(&[("prefix", "acme"), ("vendor", "vendor"), ("proof", PROOF)])).unwrap();
    let admin = cloud.admin(uuid::Uuid::from_u128(1).into(), &target, &connection).await.unwrap();
    let release = Release::new(stack, [Arc::from(*b"first")].into_iter().collect()).unwrap();
    let made = match admin.plan(&release).await {
        Ok(plan) => admin.apply(&plan).await,
        Err(error) => Err(error),
    };
    (admin, made)
}

#[tokio::test(start_paused = true)]
async fn an_untouchedwho_may_too_little_is_helped_by_the_provisioning_documents() {
    // What is there cannot even be looked at; that follows from what is told.
    let toys = Toys::default();
    toys.0.lock().unwrap().admin = BTreeSet::from(["things.create", "identities.get"].map(str::to_owned));
    let (_, made) = set_up(&toys, stack()).await;
    let error = made.unwrap_err();
    assert!(error.problems().len() > 5, "all at once: {error}");
    for problem in error.problems() {
        assert_eq!(problem.remedy, Some(Remedy::GrantProvisioning), "{problem}");
        assert!(problem.help.contains("ask the administrator of the account"), "{problem}");
    }
    assert!(toys.0.lock().unwrap().things.is_empty(), "nothing was done");
}

#[tokio::test(start_paused = true)]
async fn what_the_cloud_lets_go_later_is_helped_by_taking_down_again() {
    let toys = Toys::default();
    let (admin, record) = set_up(&toys, stack()).await;
    let record = record.unwrap();
    toys.0.lock().unwrap().slow.insert("storages/acme-data-4".to_owned());
    let report = admin.destroy(&record).data(Data::Delete).run("down".parse().unwrap()).await.unwrap();
    let [kept] = report.kept.as_slice() else { panic!("{report:?}") };
    assert_eq!((kept.subject.as_str(), kept.remedy), ("data", Some(Remedy::TakeDownAgain)));
    assert_eq!(kept.why, "the cloud lets it go tomorrow");
    toys.0.lock().unwrap().slow.clear();
    let report = admin.destroy(&record).data(Data::Delete).run("again".parse().unwrap()).await.unwrap();
    assert!(report.kept.is_empty() && toys.0.lock().unwrap().things.is_empty(), "{report:?}");
}

/// What takes an erased thing's data for good is the admin's only in a run that is to delete data.
#[tokio::test(start_paused = true)]
async fn data_can_be_erased_only_in_a_run_that_deletes_it() {
    let target = Target { prefix: "acme".parse().unwrap(), vendor: "vendor".to_owned(), proof: PROOF.to_owned() };
    let release = Release::new(stack(), [Arc::from(*b"first")].into_iter().collect()).unwrap();
    let id = uuid::Uuid::from_u128(1).into();
    let context = Arc::new(DeploymentContext::<Toy>::new(id, target, release));
    let data = context.subject("data").unwrap();
    let admin = context.permissions().provisioning.clone();
    let mut eraser = admin.clone();
    eraser.grants.push(Grant { subject: data, set: Set::DataWrite, why: GrantReason::SetUp });
    eraser.grants.sort_unstable();
    let mut vendor = context.permissions().management.clone();
    vendor.grants.push(Grant { subject: data, set: Set::DataWrite, why: GrantReason::Extended });
    vendor.grants.sort_unstable();
    for (grants, may_write, may_erase) in [(admin, false, false), (eraser, true, true), (vendor, true, false)] {
        let label = grants.holder.label().to_owned();
        let gate = Gate::new(Arc::clone(&context), grants, CallConfig::new(PausedClock::begin()));
        assert_eq!((gate.holds(data, op::EMPTY), gate.holds(data, op::PURGE)), (may_write, may_erase), "{label}");
    }
}

/// Whoever has the credentials of another account concludes nothing, and changes nothing.
#[tokio::test(start_paused = true)]
async fn credentials_of_another_account_take_nothing_down() {
    let toys = Toys::default();
    let (_, record) = set_up(&toys, stack()).await;
    let record = record.unwrap();
    let target = record.target::<Toy>().unwrap().clone();
    let calls = CallConfig::new(PausedClock::begin());
    let stranger = Admin::new(Engine::new(toys.client("secret-of-a-stranger"), record.id, target, calls));
    let before = toys.0.lock().unwrap().things.len();
    for error in [stranger.destroy(&record).await.unwrap_err(), stranger.revoke(&record).await.unwrap_err()] {
        assert_eq!(error.kind(), ErrorKind::Input, "{error}");
        assert!(error.to_string().contains("these credentials are of another account"), "{error}");
    }
    assert_eq!(toys.0.lock().unwrap().things.len(), before);
}

/// Where the cloud tells no more of what runs than a version, the record keeps the one that was left running.
#[tokio::test(start_paused = true)]
async fn the_version_that_runs_is_known_by_the_record() {
    let toys = Toys::default();
    let (admin, record) = set_up(&toys, stack()).await;
    let record = record.unwrap();
    let api: alien_core::ResourceId = "api".parse().unwrap();
    assert_eq!(record.versions[&api], "1");
    let vendor: Arc<dyn Impersonate> =
        Arc::new(Impersonator::new(toys.client(VENDOR), CallConfig::new(PausedClock::begin())));
    let (ann, bob) = (Manager::new(Arc::clone(&vendor), record.clone()), Manager::new(vendor, record.clone()));
    let step = |plan: &Plan| plan.steps.iter().find(|step| step.subject == "api").unwrap().clone();
    let handle = ann.find::<Function, Live>("api").unwrap();
    let ran = async |manager: &Manager| manager.heartbeat(&handle).await.unwrap().runs.unwrap();
    ann.update(&handle, FunctionUpdate::new().with_zip(*b"second")).await.unwrap();
    let now = ann.deployment();
    assert_eq!(now.versions[&api], "2");
    assert_eq!((ran(&ann).await.code, ran(&ann).await.release.as_deref()), ("2".to_owned(), Some(now.stack.digest())));
    assert_eq!(ran(&bob).await.release, None, "the other's record knows the first version");
    ann.update(&handle, FunctionUpdate::new().with_zip(*b"second")).await.unwrap();
    assert_eq!(ran(&ann).await.code, "2", "nothing is sent that runs already");

    // As the stack says, and left: the version is the one that ran.
    let (untouched, same) = set_up(&Toys::default(), stack()).await;
    let release = Release::new(stack(), [Arc::from(*b"first")].into_iter().collect()).unwrap();
    let plan = untouched.plan(&release).previous(&same.unwrap()).await.unwrap();
    assert!(plan.is_empty() && untouched.apply(&plan).await.unwrap().versions[&api] == "1", "{plan}");

    // A set-up leaves what the vendor has set, whether or not the record at hand knows it.
    let release = Release::new(stack(), [Arc::from(*b"first")].into_iter().collect()).unwrap();
    let plan = admin.plan(&release).previous(&now).await.unwrap();
    let told = step(&plan).vendors.clone().unwrap();
    assert!(plan.is_empty() && told.contains("(code)"), "{told}: {plan}");
    let left = admin.apply(&plan).await.unwrap();
    assert_eq!((&left.versions[&api], &left.stack), (&"2".to_owned(), &now.stack));
    let plan = admin.plan(&release).previous(&record).await.unwrap();
    assert!(plan.is_empty(), "{plan}");
    let told = step(&plan).vendors.clone().unwrap();
    assert_eq!(told, "it runs version `2`, which the record at hand does not know");
    let left = admin.apply(&plan).await.unwrap();
    assert_eq!((&left.versions, &left.stack), (&record.versions, &record.stack), "what is not known is not recorded");

    // What is the admin's cannot be changed around what is not known, unless all is set.
    let mut more = Stack::builder("product");
    let data = more.frozen("data", Storage::new().with_versions());
    let function = more.live("api", Function::new(Code::zip(b"first"), "execution").with_commands());
    more.link(&function, &data);
    more.profile("execution", Profile::new().on(&data, [Storage::DATA_READ]));
    let more = Release::new(more.build().unwrap(), [Arc::from(*b"first")].into_iter().collect()).unwrap();
    let plan = admin.plan(&more).previous(&record).await.unwrap();
    let (action, remedy) = (step(&plan).action, step(&plan).remedy);
    assert_eq!((action, remedy), (Action::Refuse, Some(Remedy::ResetLive)), "{plan}");
    let plan = admin.plan(&more).previous(&now).await.unwrap();
    assert_eq!(step(&plan).action, Action::Update, "{plan}");
    let known = admin.apply(&plan).await.unwrap();
    assert_eq!(known.versions[&api], "3");
    let plan = admin.plan(&more).previous(&record).reset_live().await.unwrap();
    assert_eq!(
        (step(&plan).action, step(&plan).why.as_str()),
        (Action::Update, "it runs version `3`, which the record at hand does not know (commands)")
    );
    let reset = admin.apply(&plan).await.unwrap();
    assert_eq!((&reset.versions[&api], &reset.stack), (&"4".to_owned(), more.stack()));

    // The other's record knows the first version, so it sends what it was asked for, and says so.
    let released = bob.release(&release).await;
    assert_eq!(released.outcomes().find(|(id, _)| **id == api).unwrap().1.name(), "updated", "{released:?}");
    assert_eq!(released.unrecorded().next().unwrap().1, "version `4`, and the record knows `1`");
    assert_eq!(bob.deployment().versions[&api], "5");
}

/// What was approved is in the plan: also one that was stored sets what the vendor has set, and the record does not know.
#[tokio::test(start_paused = true)]
async fn a_plan_that_was_stored_resets_what_is_live() {
    let toys = Toys::default();
    let (admin, record) = set_up(&toys, stack()).await;
    let record = record.unwrap();
    let vendor = Impersonator::<Toy, _>::new(toys.client(VENDOR), CallConfig::new(PausedClock::begin()));
    let manager = Manager::new(Arc::new(vendor), record.clone());
    let api = manager.find::<Function, Live>("api").unwrap();
    manager.update(&api, FunctionUpdate::new().with_zip(*b"second")).await.unwrap();
    let mut more = Stack::builder("product");
    more.frozen("data", Storage::new().with_versions());
    more.live("api", Function::new(Code::zip(b"first"), "execution").with_commands());
    more.profile("execution", Profile::new());
    let more = Release::new(more.build().unwrap(), [Arc::from(*b"first")].into_iter().collect()).unwrap();
    let plan = admin.plan(&more).previous(&record).reset_live().await.unwrap();
    let stored: Plan = serde_json::from_str(&serde_json::to_string(&plan).unwrap()).unwrap();
    let reset = admin.apply(&stored.with_artifacts(more.artifacts().clone())).await.unwrap();
    assert_eq!((reset.versions[api.id()].as_str(), &reset.stack), ("3", more.stack()));
}

/// What reads show may lag behind what was written, so a run reads its claim until it reads otherwise than before.
#[tokio::test(start_paused = true)]
async fn a_claim_that_is_not_readable_at_once_is_waited_for() {
    let toys = Toys::default();
    let (admin, record) = set_up(&toys, stack()).await;
    let record = record.unwrap();
    toys.0.lock().unwrap().lag = 5;
    let report = admin.destroy(&record).data(Data::Delete).run("down".parse().unwrap()).await.unwrap();
    assert!(report.kept.is_empty() && toys.0.lock().unwrap().things.is_empty(), "{report:?}");
}

/// What the vendor may set as a whole is finished by it, and of what it may not, the admin is named.
#[tokio::test(start_paused = true)]
async fn what_the_vendor_creates_is_finished_where_nothing_of_it_is_the_admins() {
    let toys = Toys::default();
    let mut stack = Stack::builder("product");
    let cache = stack.live("cache", Kv::new());
    let api = stack.live("api", Function::new(Code::zip(b"first"), "execution"));
    stack.extend(&cache, [Kv::PROVISION]).extend(&api, [Function::PROVISION]);
    stack.profile("execution", Profile::new());
    let release = Release::new(stack.build().unwrap(), [Arc::from(*b"first")].into_iter().collect()).unwrap();
    let (admin, record) = set_up(&toys, release.stack().clone()).await;
    let calls = CallConfig::new(PausedClock::begin());
    let vendor = Impersonator::<Toy, _>::new(toys.client(VENDOR), calls);
    let manager = Manager::new(Arc::new(vendor), record.unwrap());
    let outcomes = async |removed: &str| {
        toys.0.lock().unwrap().things.remove(removed).unwrap();
        manager.release(&release).await
    };
    let released = outcomes("storages/acme-cache-4").await;
    let cache: alien_core::ResourceId = "cache".parse().unwrap();
    assert_eq!(released.outcomes().find(|(id, _)| **id == cache).unwrap().1.name(), "created", "{released:?}");
    assert_eq!(released.waits().count(), 0, "{released:?}");
    assert!(admin.plan(&release).previous(&manager.deployment()).await.unwrap().is_empty());

    let released = outcomes("functions/acme-api-4").await;
    let (_, failed) = released.outcomes().find(|(id, _)| id.as_str() == "api").unwrap();
    let error = failed.error().unwrap();
    assert_eq!((failed.name(), error.kind()), ("unknown", ErrorKind::NotGranted), "it is there, and not finished");
    assert!(error.message().ends_with("only the customer's admin creates it, by setting up again"), "{error}");
    assert!(manager.deployment().uncertain.contains("api"), "{released:?}");
}

/// What is one thing to the cloud becomes the other kind, and is not deleted as what it was.
#[tokio::test(start_paused = true)]
async fn what_becomes_another_kind_and_is_the_same_to_the_cloud_stays() {
    let toys = Toys::default();
    let mut before = Stack::builder("product");
    before.live("data", Storage::new());
    let (admin, record) = set_up(&toys, before.build().unwrap()).await;
    toys.0.lock().unwrap().things.get_mut("storages/acme-data-4").unwrap().objects = 3;
    let mut after = Stack::builder("product");
    after.live("data", Kv::new());
    let after = Release::new(after.build().unwrap(), Default::default()).unwrap();
    let plan = admin.plan(&after).previous(&record.unwrap()).await.unwrap();
    assert!(plan.steps.iter().all(|step| step.action != Action::Delete), "{plan}");
    admin.apply(&plan).await.unwrap();
    assert_eq!(toys.0.lock().unwrap().things["storages/acme-data-4"].objects, 3);
}

/// The parts of a thing that lost its marks are told that it is marked again.
#[tokio::test(start_paused = true)]
async fn what_is_marked_again_is_set_as_what_is_marked_again() {
    let toys = Toys::default();
    let (admin, record) = set_up(&toys, stack()).await;
    let record = record.unwrap();
    toys.0.lock().unwrap().things.values_mut().for_each(|thing| thing.tags.clear());
    let release = Release::new(stack(), [Arc::from(*b"first")].into_iter().collect()).unwrap();
    let plan = admin.plan(&release).previous(&record).mark_again().await.unwrap();
    let again = admin.apply(&plan).await.unwrap();
    assert!(admin.plan(&release).previous(&again).await.unwrap().is_empty());
}

/// A proof that could not be tried proves nothing: the record is not registered.
#[tokio::test(start_paused = true)]
async fn a_record_is_registered_only_when_every_wrong_proof_was_refused() {
    /// A way in that gives no answer to a wrong proof.
    #[derive(Debug)]
    struct Silent(Client);

    #[async_trait]
    impl Assume<Toy> for Silent {
        type Clients = Client;

        fn operation(&self) -> &'static str {
            self.0.operation()
        }

        fn wrong_proofs(&self) -> &'static [Proof] {
            self.0.wrong_proofs()
        }

        async fn assume(&self, request: &AssumeRequest<Toy>) -> Result<AssumedSession<Client>> {
            if request.proof == Proof::Mismatched {
                return Err(Error::new(ErrorKind::Internal, "no answer"));
            }
            self.0.assume(request).await
        }
    }

    let toys = Toys::default();
    let (_, record) = set_up(&toys, stack()).await;
    let record = record.unwrap();
    let invitation =
        toys.invite(record.id, texts(&[("vendor", "vendor"), ("proof", PROOF)]), Delivery::Push, stack()).unwrap();
    let calls = CallConfig::new(PausedClock::begin());
    let vendor = Impersonator::<Toy, _>::new(Silent(toys.client(VENDOR)), calls.clone());
    assert_eq!(vendor.register(&invitation, &record).await.unwrap_err().kind(), ErrorKind::Internal);
    let vendor = Impersonator::<Toy, _>::new(toys.client(VENDOR), calls);
    vendor.register(&invitation, &record).await.unwrap();
}
