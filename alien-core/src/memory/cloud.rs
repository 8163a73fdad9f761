//! The in-process cloud's names, its operation table and its documents.

use serde::{Deserialize, Serialize};

use crate::cloud::{
    AccessControl, Allowed, Cloud, CloudTarget, Coverage, Escalation, Field, Fields, Layers, Layout, On, Operation,
    Permission, Placed, Rows, Settings, Size, Table, Trusted,
};
use crate::kind::Kind;
use crate::name::Prefix;
use crate::naming::hyphenated;
use crate::parsed_text;
use crate::permission::{Grants, Holder, Set};
use crate::resource::{AllKinds, ResourceSettings};
use crate::stack::Stack;

/// A cloud in this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Memory {}

/// What a permission is checked on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// A resource.
    Thing,
    /// What containers share.
    Cluster,
    /// An identity.
    Identity,
    /// An identity, where it is given to code.
    IdentityOfCode,
}

/// The operation table.
#[expect(unreachable_pub, reason = "the rows of a cloud outside are public")]
pub(super) mod operations {
    use super::Scope;

    crate::operations! {
        on Scope;
        source "https://docs.rs/alien-core/latest/alien_core/memory/" {
            GET = "thing.get" on Thing, Observe;
            CREATE = "thing.create" on Thing, Create;
            DELETE = "thing.delete" on Thing, Delete;
            MARK = "thing.mark" on Thing, Control;
            SET = "thing.set" on Thing, Redirect;
            SET_CODE = "code.set" on Thing, Update;
            SET_SETTINGS = "code.settings" on Thing, Update;
            READ_LOGS = "logs.read" on Thing, ReadLogs;
            WRITE_LOGS = "logs.write" on Thing, WriteLogs;
            INVOKE = "code.invoke" on Thing, Invoke;
            READ = "data.read" on Thing, ReadData;
            WRITE = "data.write" on Thing, WriteData;
            GET_CLUSTER = "cluster.get" on Cluster, Observe;
            CREATE_CLUSTER = "cluster.create" on Cluster, Create;
            DELETE_CLUSTER = "cluster.delete" on Cluster, Delete;
            MARK_CLUSTER = "cluster.mark" on Cluster, Control;
            GIVE_IDENTITY = "identity.give" on IdentityOfCode, Bind;
            GET_IDENTITY = "identity.get" on Identity, Observe;
            CREATE_IDENTITY = "identity.create" on Identity, Control;
            SET_IDENTITY = "identity.set" on Identity, Control;
            DELETE_IDENTITY = "identity.delete" on Identity, Control;
        }
    }
}
use operations as op;

parsed_text! {
    /// The name of a principal of the account itself. Whoever has no such name is somebody outside.
    LocalPrincipal, "a local principal", "write `local:` and 1 to 64 lower-case letters, digits and hyphens",
    |text| text.strip_prefix("local:").is_some_and(|name| {
        (1..=64).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    })
}

/// Where a deployment goes and whom it trusts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct Target {
    /// The name of the deployment.
    pub prefix: Prefix,
    /// Whom it trusts.
    pub trust: Trust,
}

/// Whom the management identity trusts: the vendor, or a principal of the account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Trust {
    /// Releases are pushed: the vendor of this name, with this proof.
    Vendor(String, String),
    /// Releases are pulled: this principal of the account.
    Agent(LocalPrincipal),
}

/// The fields of a target.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    prefix: Prefix,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    vendor: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    proof: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    agent: Option<LocalPrincipal>,
}

impl TryFrom<Written> for Target {
    type Error = &'static str;

    fn try_from(fields: Written) -> Result<Self, Self::Error> {
        let trust = match fields {
            Written { vendor: Some(vendor), proof: Some(proof), agent: None, .. } => Trust::Vendor(vendor, proof),
            Written { vendor: None, proof: None, agent: Some(agent), .. } => Trust::Agent(agent),
            Written { .. } => return Err("a target has `vendor` and `proof`, or `agent`"),
        };
        Ok(Self { prefix: fields.prefix, trust })
    }
}

impl From<Target> for Written {
    fn from(Target { prefix, trust }: Target) -> Self {
        let (vendor, proof, agent) = match trust {
            Trust::Vendor(vendor, proof) => (Some(vendor), Some(proof), None),
            Trust::Agent(agent) => (None, None, Some(agent)),
        };
        Self { prefix, vendor, proof, agent }
    }
}

/// An identity and everything that it may do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Principal {
    /// The layer, or the name of the profile.
    pub name: String,
    /// Who may assume it; `None` if only code runs under it.
    pub trusts: Option<Trust>,
    /// What it may do.
    pub rights: Vec<Right>,
}

/// A permission on a thing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Right {
    /// The permission.
    pub permission: String,
    /// The thing.
    pub on: String,
}

impl Target {
    /// Creates the target of a deployment of this name, which trusts the vendor `vendor` with the proof `proof`.
    ///
    /// # Errors
    ///
    /// If the name is not a valid [`Prefix`].
    pub fn new(prefix: &str) -> Result<Self, crate::name::NameError> {
        Ok(Self { prefix: prefix.parse()?, trust: Trust::Vendor("vendor".to_owned(), "proof".to_owned()) })
    }

    /// Creates the target of a deployment of this name that pulls its releases, and trusts this principal of the account.
    ///
    /// # Errors
    ///
    /// If the name is not a valid [`Prefix`].
    pub fn pulled(prefix: &str, agent: LocalPrincipal) -> Result<Self, crate::name::NameError> {
        Ok(Self { prefix: prefix.parse()?, trust: Trust::Agent(agent) })
    }
}

impl Cloud for Memory {
    const NAME: &'static str = "memory";
    const TARGET: &'static [Field] = &[
        Field::place::<Prefix>("prefix", "the name of the deployment"),
        Field::trust::<String>("vendor", "the name of the vendor that it trusts"),
        Field::trust::<String>("proof", "the proof that the vendor must present"),
        Field::agent::<LocalPrincipal>(
            "agent",
            "the principal of the account that manages the deployment, `local:agent`",
        ),
    ];

    fn agent(target: &Target) -> Option<String> {
        match &target.trust {
            Trust::Vendor(..) => None,
            Trust::Agent(agent) => Some(agent.to_string()),
        }
    }

    type Scope = Scope;
    type Target = Target;
    type Kinds = AllKinds;

    fn operations() -> &'static Table<Scope> {
        &op::TABLE
    }

    fn identity_set() -> Rows<Self> {
        &[op::GET_IDENTITY, op::CREATE_IDENTITY, op::SET_IDENTITY, op::DELETE_IDENTITY]
    }

    fn shared_set() -> Rows<Self> {
        &[op::GET_CLUSTER, op::CREATE_CLUSTER, op::DELETE_CLUSTER, op::MARK_CLUSTER]
    }

    fn is_shared(_: Scope) -> bool {
        false
    }

    fn name_shared(stack: &Stack, target: &Target, things: &mut Vec<(Scope, String)>) {
        if stack.resources().iter().any(|resource| resource.kind() == Kind::Container) {
            things.push((Scope::Cluster, format!("cluster/{}", hyphenated(&target.prefix, "shared", 255))));
        }
    }

    fn name_identity(holder: &Holder, target: &Target, things: &mut Vec<(Scope, String)>) {
        let name = format!("identity/{}", hyphenated(&target.prefix, &holder.name(), 255));
        things.push((Scope::Identity, name.clone()));
        if let Holder::Profile(_) = holder {
            things.push((Scope::IdentityOfCode, name));
        }
    }
}

/// A request sets the code, and nothing else.
const CODE: &[Fields] = &[Fields::vendors(&["code"])];

/// What a request says of the thing that it is about.
const ABOUT: Fields = Fields::call(&["id", "type", "lifecycle"]);
const NETWORK: Fields = Fields::restored("move it to another network of the account", &["network"]);
const PROFILE: Fields = Fields::restored("run it as another identity of the account", &["profile"]);

/// A request sets the settings of a function as the stack has them, of which the code is set apart.
const FUNCTION: &[Fields] = &[
    ABOUT,
    Fields::vendors(&["code", "environment", "links", "memoryMib", "timeoutSeconds"]),
    NETWORK,
    PROFILE,
    Fields::restored("let anybody call it", &["publicUrl"]),
    Fields::restored("have it called with the messages of other queues of the account", &["triggers"]),
    Fields::restored("", &["commands", "memoryBounds"]),
];

/// The same of a container.
const CONTAINER: &[Fields] = &[
    ABOUT,
    Fields::vendors(&["code", "cpuMillis", "environment", "links", "memoryMib", "replicas"]),
    NETWORK,
    PROFILE,
    Fields::restored("", &["cpuBounds", "memoryBounds", "port", "replicaBounds"]),
];

/// Every kind works the same here: something with settings, and with code or data.
impl<S: ResourceSettings> On<Memory> for S {
    fn set(set: Set) -> Rows<Memory> {
        match set {
            Set::Heartbeat => &[op::GET],
            Set::Management if S::KIND.runs_code() => &[op::SET_CODE, op::SET_SETTINGS, op::GIVE_IDENTITY],
            Set::Logs => &[op::READ_LOGS],
            Set::Dispatch | Set::Invoke => &[op::INVOKE],
            Set::Provision if S::KIND.runs_code() => {
                &[op::CREATE, op::DELETE, op::SET_CODE, op::SET_SETTINGS, op::GIVE_IDENTITY]
            }
            Set::Provision => &[op::CREATE, op::DELETE],
            Set::Reconfigure => &[op::SET],
            Set::DataRead => &[op::READ],
            Set::DataWrite => &[op::WRITE],
            Set::Setup => &[op::MARK],
            Set::Run => &[op::WRITE_LOGS],
            Set::Management => &[],
        }
    }

    fn writes(row: &Operation<Scope>) -> &'static [Fields] {
        match row {
            row if row == op::SET_CODE => CODE,
            row if row == op::SET_SETTINGS && S::KIND == Kind::Function => FUNCTION,
            row if row == op::SET_SETTINGS => CONTAINER,
            _ => &[],
        }
    }

    fn settings() -> &'static [Settings] {
        const { &[Settings::set_back(S::FIELDS)] }
    }

    fn name(&self, placed: &Placed<'_, Memory>, things: &mut Vec<(Scope, String)>) {
        let own = || format!("{}/{}", S::KIND, hyphenated(&placed.target.prefix, placed.id(), 255));
        let name = placed.resource.existing().map_or_else(own, |existing| existing.id.clone());
        things.push((Scope::Thing, name));
    }
}

impl CloudTarget for Target {
    type Cloud = Memory;
}

impl AccessControl for Memory {
    type Principal = Principal;
    type Condition = ();

    const ENDS: &'static str = "A revocation takes effect at once.";

    fn escalations() -> &'static [Escalation] {
        &[Escalation { name: "write one's own rights", required: &["identity.set"] }]
    }

    fn covers(pattern: &str, permission: &str) -> bool {
        pattern == permission
    }

    fn principal(layout: &Layout<Self>, grants: &Grants) -> Principal {
        let mut rights: Vec<Right> = layout
            .granted(grants)
            .flat_map(|(_, _, row, names)| {
                names.map(|name| Right { permission: row.permission.to_owned(), on: name.to_owned() })
            })
            .collect();
        rights.sort_unstable();
        rights.dedup();
        let trusts = matches!(grants.holder, Holder::Vendor).then(|| layout.target.trust.clone());
        Principal { name: grants.holder.label().to_owned(), trusts, rights }
    }

    fn label(principal: &Principal) -> &str {
        &principal.name
    }

    fn sizes(_: &Target, _: &Layers<Principal>) -> Vec<Size> {
        Vec::new()
    }

    fn allowed<'d>(principal: &'d Principal, visit: &mut dyn FnMut(Allowed<'d, Self>)) {
        for Right { permission, on } in &principal.rights {
            let (permission, coverage) = (Permission::Named(permission), Coverage::Exact(on));
            visit(Allowed { permission, coverage, condition: None, statement: "right" });
        }
    }

    fn trusted(principal: &Principal) -> Vec<Trusted> {
        let (who, conditions) = match &principal.trusts {
            None => return Vec::new(),
            Some(Trust::Vendor(who, proof)) => (who.clone(), vec![format!("the proof is {proof}")]),
            Some(Trust::Agent(agent)) => (agent.to_string(), Vec::new()),
        };
        vec![Trusted { who, may: "enter".to_owned(), conditions }]
    }

    fn excesses(_: &Target, _: &Principal, _: &Principal) -> Vec<String> {
        Vec::new()
    }

    fn strangers(_: &Target, found: &Principal, expected: &Principal) -> Vec<String> {
        let trusts = |principal: &Principal| match &principal.trusts {
            None => "nobody".to_owned(),
            Some(Trust::Vendor(who, _)) => who.clone(),
            Some(Trust::Agent(agent)) => agent.to_string(),
        };
        if found.trusts == expected.trusts {
            return Vec::new();
        }
        vec![format!("it trusts {}, but the deployment's identity trusts {}", trusts(found), trusts(expected))]
    }

    fn may_allow(principal: &Principal, permission: &str, name: &str, _: &[(&str, &str)]) -> Option<String> {
        let allows = |right: &&Right| right.permission == permission && right.on == name;
        principal.rights.iter().find(allows).map(|_| "right".to_owned())
    }
}
