//! The in-process cloud's adapter: what the adapters of real clouds do, in its smallest form.

use std::fmt;

use async_trait::async_trait;

use super::account::{Account, Credential, Room, Stored};
use super::cloud::{Memory, Right, Scope, Target, operations as op};
use crate::call::{CallConfig, Gate};
use crate::cloud::Cloud;
use crate::deployment::DeploymentId;
use crate::engine::{Claim, Data, Driver, Engine, Marks, Observed, Removal};
use crate::error::{Error, ErrorKind, Result};
use crate::impersonate::{Assume, AssumeRequest, AssumedSession, Impersonator, Proof};
use crate::manage::{Change, Health, Heartbeat, LogLine, LogPage, LogQuery};
use crate::permission::Subject;
use crate::problem::Problem;
use crate::resource::Resource;
use crate::session::Operate;

/// Provisions in an account.
#[must_use]
pub fn provisioner(account: &Account, id: DeploymentId, target: Target, how: CallConfig) -> Engine<Memory, Admin> {
    Engine::new(Admin(account.clone()), id, target, how)
}

/// Impersonates in an account, as the vendor of this name.
#[must_use]
pub fn impersonator(account: &Account, vendor: &str, proof: &str, how: CallConfig) -> Impersonator<Memory, Vendor> {
    Impersonator::new(Vendor { account: account.clone(), vendor: vendor.to_owned(), proof: proof.to_owned() }, how)
}

/// What the engine calls, as the account's admin.
#[derive(Debug, Clone)]
pub struct Admin(Account);

/// What opens sessions, as the vendor.
#[derive(Clone)]
pub struct Vendor {
    account: Account,
    vendor: String,
    proof: String,
}

impl fmt::Debug for Vendor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vendor").field("vendor", &self.vendor).finish_non_exhaustive()
    }
}

/// A zip with these bytes does not start: for tests of what happens then.
pub(super) const BROKEN: &[u8] = b"broken";

/// What a resource runs, and whether it starts.
fn code(call: &Gate<Memory>, resource: &Resource) -> (String, bool) {
    let bytes = resource.settings().compute().and_then(|compute| call.site().artifacts().bytes(compute.code));
    (named(resource), bytes.is_some_and(|bytes| **bytes == *BROKEN))
}

/// What a resource runs.
fn named(resource: &Resource) -> String {
    resource.settings().compute().map_or_else(String::new, |compute| format!("{:?}", compute.code))
}

fn settings(resource: &Resource) -> String {
    serde_json::to_string(resource).unwrap_or_default()
}

impl Admin {
    /// One call about a subject, through the gate.
    async fn request<T: Send>(
        &self,
        subject: Subject,
        row: &'static crate::cloud::Operation<Scope>,
        call: &Gate<Memory>,
        then: impl Fn(&mut Room<'_>, &str) -> Result<T> + Send + Sync,
    ) -> Result<T> {
        let name = call.site().name(subject, row.on)?;
        call.call(subject, &[row], || {
            self.0.request(Credential::Admin, row.permission, name, |inside| then(inside, name))
        })
        .await
    }

    fn is_unneeded(subject: Subject, call: &Gate<Memory>) -> bool {
        subject == Subject::Deployment && call.site().name(subject, Scope::Cluster).is_err()
    }
}

/// The rows of a subject's sort: to see it, to make it, to mark it, to remove it.
const fn rows(subject: Subject) -> [&'static crate::cloud::Operation<Scope>; 4] {
    match subject {
        Subject::Resource(_) => [op::GET, op::CREATE, op::MARK, op::DELETE],
        Subject::Deployment => [op::GET_CLUSTER, op::CREATE_CLUSTER, op::MARK_CLUSTER, op::DELETE_CLUSTER],
        Subject::ManagementIdentity | Subject::RuntimeIdentity(_) => {
            [op::GET_IDENTITY, op::CREATE_IDENTITY, op::SET_IDENTITY, op::DELETE_IDENTITY]
        }
    }
}

fn is_identity(subject: Subject) -> bool {
    matches!(subject, Subject::ManagementIdentity | Subject::RuntimeIdentity(_))
}

#[async_trait]
impl Driver<Memory> for Admin {
    fn revision(&self) -> u32 {
        1
    }

    async fn preflight(&self, _: &Gate<Memory>) -> Result<Vec<Problem>> {
        Ok(Vec::new())
    }

    async fn observe(&self, subject: Subject, call: &Gate<Memory>) -> Result<Observed> {
        if Self::is_unneeded(subject, call) {
            return Ok(Observed::Unneeded);
        }
        let own = call.site().id;
        let wanted = call.site().resource(subject).ok().filter(|resource| resource.kind().runs_code());
        let wanted = wanted.map(|resource| (code(call, resource).0, settings(resource)));
        let see = |name: &str, thing: &Stored| {
            let drift = wanted.as_ref().and_then(|(code, settings)| {
                (thing.code != *code || thing.settings != *settings).then(|| "other code or settings".to_owned())
            });
            Observed::marked(name, own, thing.deployment.as_deref(), thing.seal.as_deref()).drifted(drift)
        };
        let [get, ..] = rows(subject);
        let seen = self.request(subject, get, call, |inside, name| {
            Ok(if is_identity(subject) {
                see(name, &inside.identity(name)?.thing)
            } else {
                see(name, inside.thing(name)?)
            })
        });
        let adopted = call.site().resource(subject).is_ok_and(Resource::is_adopted);
        match seen.await {
            Ok(_) if adopted => Ok(Observed::Adopted { id: call.site().id_of(subject).to_owned() }),
            Err(error) if error.kind() == ErrorKind::NotFound && !adopted => Ok(Observed::Absent),
            seen => seen,
        }
    }

    async fn create(&self, subject: Subject, marks: &Marks, call: &Gate<Memory>) -> Result<()> {
        let [_, create, ..] = rows(subject);
        let thing = Stored { deployment: Some(marks.deployment.to_string()), ..Stored::default() };
        if is_identity(subject) {
            let now = call.clock().now();
            let add = |inside: &mut Room<'_>, name: &str| inside.add_identity(name, thing.clone(), now);
            return self.request(subject, create, call, add).await;
        }
        // Code is made under its identity, which must be known by then.
        if let Ok(identity) = call.site().name(subject, Scope::IdentityOfCode) {
            let identity = identity.to_owned();
            let give = |inside: &mut Room<'_>, _: &str| {
                if inside.identity(&identity)?.known <= call.clock().now() {
                    return Ok(());
                }
                Err(Error::new(ErrorKind::Propagating, format!("`{identity}` is not known yet")))
            };
            self.request(subject, op::GIVE_IDENTITY, call, give).await?;
        }
        self.request(subject, create, call, |inside, name| inside.add_thing(name, thing.clone())).await
    }

    async fn configure(&self, subject: Subject, marks: &Marks, call: &Gate<Memory>) -> Result<()> {
        let site = call.site();
        let [_, _, mark, _] = rows(subject);
        if is_identity(subject) {
            let holding = match subject {
                Subject::RuntimeIdentity(position) => site.permissions.runtime.get(position),
                _ => Some(&site.permissions.management),
            };
            let document = holding.map(|holding| Memory::principal(&site.deployed(), holding));
            let set = |inside: &mut Room<'_>, name: &str| {
                let identity = inside.identity(name)?;
                identity.document.clone_from(&document);
                Ok(())
            };
            self.request(subject, op::SET_IDENTITY, call, set).await?;
            let seal = |inside: &mut Room<'_>, name: &str| {
                inside.identity(name)?.thing.seal = Some(marks.seal.to_string());
                Ok(())
            };
            return self.request(subject, mark, call, seal).await;
        }
        if let Ok(resource) = site.resource(subject) {
            let (code, broken) = code(call, resource);
            let settings = settings(resource);
            let row = if resource.kind().runs_code() { op::SET_SETTINGS } else { op::SET };
            let set = |inside: &mut Room<'_>, name: &str| {
                inside.thing(name)?.settings.clone_from(&settings);
                Ok(())
            };
            self.request(subject, row, call, set).await?;
            if resource.kind().runs_code() {
                let set = |inside: &mut Room<'_>, name: &str| {
                    let thing = inside.thing(name)?;
                    thing.code.clone_from(&code);
                    thing.broken = broken;
                    Ok(())
                };
                self.request(subject, op::SET_CODE, call, set).await?;
            }
        }
        let seal = |inside: &mut Room<'_>, name: &str| {
            inside.thing(name)?.seal = Some(marks.seal.to_string());
            Ok(())
        };
        self.request(subject, mark, call, seal).await
    }

    async fn delete(&self, subject: Subject, data: Data, call: &Gate<Memory>) -> Result<Removal> {
        let [.., delete] = rows(subject);
        if is_identity(subject) {
            let remove = |inside: &mut Room<'_>, name: &str| {
                inside.remove_identity(name);
                Ok(Removal::Gone)
            };
            return self.request(subject, delete, call, remove).await;
        }
        let remove = |inside: &mut Room<'_>, name: &str| {
            let objects = inside.thing(name)?.objects;
            if objects > 0 && data != Data::Delete {
                return Ok(Removal::Kept(format!("it holds {objects} objects")));
            }
            inside.remove_thing(name);
            Ok(Removal::Gone)
        };
        self.request(subject, delete, call, remove).await
    }

    async fn claim(&self, call: &Gate<Memory>) -> Result<Option<Claim>> {
        let read = |inside: &mut Room<'_>, name: &str| Ok(inside.identity(name)?.claim.clone());
        let claim = self.request(Subject::ManagementIdentity, op::GET_IDENTITY, call, read).await?;
        Ok(claim.and_then(|claim| serde_json::from_str(&claim).ok()))
    }

    async fn write_claim(&self, claim: Option<&Claim>, call: &Gate<Memory>) -> Result<()> {
        let text = claim.and_then(|claim| serde_json::to_string(claim).ok());
        let write = |inside: &mut Room<'_>, name: &str| {
            inside.identity(name)?.claim.clone_from(&text);
            Ok(())
        };
        self.request(Subject::ManagementIdentity, op::SET_IDENTITY, call, write).await
    }

    async fn revoke(&self, call: &Gate<Memory>) -> Result<()> {
        let close = |inside: &mut Room<'_>, name: &str| {
            let identity = inside.identity(name)?;
            identity.document = None;
            // Whoever sets up again writes the document again.
            identity.thing.seal = None;
            Ok(())
        };
        self.request(Subject::ManagementIdentity, op::SET_IDENTITY, call, close).await
    }
}

#[async_trait]
impl Assume<Memory> for Vendor {
    fn operation(&self) -> &'static str {
        "identity.assume"
    }

    fn wrong_proofs(&self) -> &'static [Proof] {
        &[Proof::Omitted, Proof::Mismatched]
    }

    async fn assume(&self, entry: &AssumeRequest<Memory>) -> Result<AssumedSession<Memory>> {
        let proof = match entry.proof {
            Proof::Expected => Some(self.proof.as_str()),
            Proof::Omitted => None,
            Proof::Mismatched => Some("wrong"),
        };
        let narrowed = || Memory::principal(&entry.site.deployed(), &entry.holding).rights;
        let narrowed: Option<Vec<Right>> = entry.narrowed.then(narrowed);
        let identity = entry.site.identity();
        let (token, expires) = self.account.assume(&identity, &self.vendor, proof, narrowed).await?;
        Ok(AssumedSession { operate: Box::new(Inside { account: self.account.clone(), token }), expires })
    }
}

/// A session's calls.
struct Inside {
    account: Account,
    token: u64,
}

impl Inside {
    async fn request<T: Send>(
        &self,
        subject: Subject,
        row: &'static crate::cloud::Operation<Scope>,
        call: &Gate<Memory>,
        then: impl Fn(&mut Stored) -> Result<T> + Send + Sync,
    ) -> Result<T> {
        let name = call.site().name(subject, row.on)?;
        let credential = Credential::Session(self.token);
        let attempt = || {
            self.account.request(credential, row.permission, name, |inside| match row.on {
                Scope::Thing | Scope::Cluster => then(inside.thing(name)?),
                Scope::Identity | Scope::IdentityOfCode => then(&mut inside.identity(name)?.thing),
            })
        };
        call.call(subject, &[row], attempt).await
    }
}

#[async_trait]
impl Operate<Memory> for Inside {
    async fn heartbeat(&self, subject: Subject, call: &Gate<Memory>) -> Result<Heartbeat> {
        self.request(subject, op::GET, call, |thing| {
            Ok(match (thing.broken, &thing.seal) {
                (true, _) => Heartbeat::new(Health::Degraded, "its code does not start"),
                (false, None) if thing.deployment.is_some() => Heartbeat::new(Health::Degraded, "it is not finished"),
                (false, _) => Heartbeat::new(Health::Healthy, "it works"),
            })
        })
        .await
    }

    async fn update(&self, subject: Subject, change: &Change, call: &Gate<Memory>) -> Result<()> {
        let old = call.site().resource(subject)?;
        let (new_code, new_settings) = change.since(old);
        if new_code {
            let broken = change.zip.as_ref().is_some_and(|bytes| **bytes == *BROKEN);
            let (code, previous) = (named(&change.resource), named(old));
            self.request(subject, op::GIVE_IDENTITY, call, |_| Ok(())).await?;
            let set = |thing: &mut Stored| {
                thing.code.clone_from(&code);
                thing.broken = broken;
                Ok(())
            };
            self.request(subject, op::SET_CODE, call, set).await?;
            let beat = self.heartbeat(subject, call).await?;
            if beat.health != Health::Healthy {
                let restore = |thing: &mut Stored| {
                    thing.code.clone_from(&previous);
                    thing.broken = false;
                    Ok(())
                };
                self.request(subject, op::SET_CODE, call, restore).await?;
                let what = format!("the new code does not work: {}; the code it had runs again", beat.reason);
                return Err(Error::new(ErrorKind::Failed, what));
            }
        }
        if new_settings {
            let text = settings(&change.resource);
            let set = |thing: &mut Stored| {
                thing.settings.clone_from(&text);
                Ok(())
            };
            self.request(subject, op::SET_SETTINGS, call, set).await?;
        }
        Ok(())
    }

    async fn logs(&self, subject: Subject, query: &LogQuery, call: &Gate<Memory>) -> Result<LogPage> {
        let skipped: usize = match &query.cursor {
            None => 0,
            Some(cursor) => cursor
                .parse()
                .map_err(|_| Error::new(ErrorKind::Input, format!("`{cursor}` is no place in this log")))?,
        };
        self.request(subject, op::READ_LOGS, call, |thing| {
            let from = thing.log.iter().filter(|line| line.at >= query.from);
            let lines: Vec<LogLine> = from.clone().skip(skipped).take(query.limit.into()).cloned().collect();
            let read = skipped + lines.len();
            let next = (read < from.count()).then(|| read.to_string());
            Ok(LogPage { lines, next })
        })
        .await
    }

    async fn dispatch(&self, subject: Subject, command: &[u8], call: &Gate<Memory>) -> Result<Vec<u8>> {
        let name = call.site().name(subject, Scope::Thing)?;
        let now = call.clock().now();
        let credential = Credential::Session(self.token);
        call.call_once(subject, &[op::INVOKE], || {
            self.account.request(credential, op::INVOKE.permission, name, |inside| {
                let text = format!("command {}", String::from_utf8_lossy(command));
                inside.thing(name)?.log.push(LogLine { at: now, text });
                Ok(command.to_vec())
            })
        })
        .await
    }
}
