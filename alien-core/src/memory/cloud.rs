//! The in-process cloud's names, its operation table and its documents.

use serde::{Deserialize, Serialize};

use crate::cloud::{
    Allowed, Cloud, Coverage, Deployed, Documents, Escalation, Guard, Operation, Permission, Size, Table,
};
use crate::name::Prefix;
use crate::naming::hyphenated;
use crate::permission::{Grants, Holder, Set, SubjectType};
use crate::problem::Problem;
use crate::resource::{Kind, Resource};
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
pub mod operations {
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

/// Where a deployment goes and whom it trusts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// The name of the deployment.
    pub prefix: Prefix,
    /// Whom it trusts.
    pub vendor: String,
    /// What the vendor must show.
    pub proof: String,
}

/// An identity and all that it may do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Principal {
    /// The layer, or the name of the profile.
    pub name: String,
    /// Who may act as it, and what they must show; none where only code does.
    pub trusts: Option<(String, String)>,
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

impl Cloud for Memory {
    const NAME: &'static str = "memory";
    const TRUST: &'static [&'static str] = &["vendor", "proof"];

    type Scope = Scope;
    type Target = Target;
    type Principal = Principal;
    type Condition = ();

    fn operations() -> &'static Table<Scope> {
        &op::TABLE
    }

    fn set(topic: SubjectType, set: Set) -> &'static [&'static Operation<Scope>] {
        match (topic, set) {
            (SubjectType::Kind(_), Set::Heartbeat) => &[op::GET],
            (SubjectType::Kind(Kind::Function | Kind::Container), Set::Management) => {
                &[op::SET_CODE, op::SET_SETTINGS, op::GIVE_IDENTITY]
            }
            (SubjectType::Kind(_), Set::Logs) => &[op::READ_LOGS],
            (SubjectType::Kind(_), Set::Dispatch | Set::Invoke) => &[op::INVOKE],
            (SubjectType::Kind(Kind::Function | Kind::Container), Set::Provision) => {
                &[op::CREATE, op::DELETE, op::SET_CODE, op::SET_SETTINGS, op::GIVE_IDENTITY]
            }
            (SubjectType::Kind(_), Set::Provision) => &[op::CREATE, op::DELETE],
            (SubjectType::Kind(_), Set::Reconfigure) => &[op::SET],
            (SubjectType::Kind(_), Set::DataRead) => &[op::READ],
            (SubjectType::Kind(_), Set::DataWrite) => &[op::WRITE],
            (SubjectType::Kind(_), Set::Setup) => &[op::MARK],
            (SubjectType::Kind(_), Set::Run) => &[op::WRITE_LOGS],
            (SubjectType::Deployment, Set::Setup) => {
                &[op::GET_CLUSTER, op::CREATE_CLUSTER, op::DELETE_CLUSTER, op::MARK_CLUSTER]
            }
            (SubjectType::Identity, Set::Setup) => {
                &[op::GET_IDENTITY, op::CREATE_IDENTITY, op::SET_IDENTITY, op::DELETE_IDENTITY]
            }
            _ => &[],
        }
    }

    fn is_shared(_: Scope) -> bool {
        false
    }

    fn escalations() -> &'static [Escalation] {
        &[Escalation { name: "write one's own rights", required: &["identity.set"] }]
    }

    fn covers(pattern: &str, permission: &str) -> bool {
        pattern == permission
    }

    fn check(_: &Stack, _: &Target) -> Vec<Problem> {
        Vec::new()
    }

    fn name_resource(resource: &Resource, target: &Target, things: &mut Vec<(Scope, String)>) {
        let adopted = match resource.settings() {
            crate::resource::Settings::Network(network) => network.existing_name(),
            _ => None,
        };
        let own = || format!("{}/{}", resource.kind(), hyphenated(&target.prefix, resource.id().as_str(), 255));
        things.push((Scope::Thing, adopted.map_or_else(own, str::to_owned)));
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

    fn principal(deployment: &Deployed<'_, Self>, holding: &Grants) -> Principal {
        let mut rights: Vec<Right> = deployment
            .granted(holding)
            .flat_map(|(_, _, row, names)| {
                names.map(|name| Right { permission: row.permission.to_owned(), on: name.to_owned() })
            })
            .collect();
        rights.sort_unstable();
        rights.dedup();
        let Target { vendor, proof, .. } = deployment.target;
        let trusts = matches!(holding.holder, Holder::Vendor).then(|| (vendor.clone(), proof.clone()));
        Principal { name: holding.holder.label().to_owned(), trusts, rights }
    }

    fn label(principal: &Principal) -> &str {
        &principal.name
    }

    fn sizes(_: &Documents<Self>) -> Vec<Size> {
        Vec::new()
    }

    fn allowed<'d>(principal: &'d Principal, visit: &mut dyn FnMut(Allowed<'d, Self>)) {
        for Right { permission, on } in &principal.rights {
            let (permission, coverage) = (Permission::Named(permission), Coverage::Exact(on));
            visit(Allowed { permission, coverage, condition: None, statement: "right" });
        }
    }

    fn guards(_: Scope) -> &'static [Guard<Scope>] {
        &[]
    }

    fn confined_to<'c>((): &'c (), _: &str) -> &'c [String] {
        &[]
    }

    fn excesses(_: &Target, found: &Principal, expected: &Principal) -> Vec<String> {
        let trusts =
            |principal: &Principal| principal.trusts.as_ref().map_or("nobody".to_owned(), |(who, _)| who.clone());
        if found.trusts == expected.trusts {
            return Vec::new();
        }
        vec![format!("it trusts {}, and the deployment's trusts {}", trusts(found), trusts(expected))]
    }

    fn may_allow(principal: &Principal, permission: &str, name: &str, _: &[(&str, &str)]) -> Option<String> {
        let allows = |right: &&Right| right.permission == permission && right.on == name;
        principal.rights.iter().find(allows).map(|_| "right".to_owned())
    }
}
