//! A cloud in memory, for tests of what is shown and written.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use alien_aws::Aws;
use alien_core::call::{CallConfig, Gate};
use alien_core::engine::{Claim, Data, Driver, Fingerprint, Marks, Observed, Removal};
use alien_core::impersonate::Purpose;
use alien_core::manage::{Change, Health, Heartbeat, LogPage, LogQuery};
use alien_core::permission::Subject;
use alien_core::{
    Deployment, Engine, Error, ErrorKind, Impersonate, Invitation, Manage, Problem, ResourceId, Result, Stack,
    SystemClock,
};
use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::json;

use crate::args::CloudName;
use crate::target::{Fields, Target};

/// A path of its own, where nothing is.
pub(crate) fn nowhere() -> PathBuf {
    std::env::temp_dir().join(format!("alien-{}.json", uuid::Uuid::new_v4()))
}

/// A stack of one frozen storage, and two live functions of this much memory.
pub(crate) fn stack(memory: u32) -> Stack {
    let image = format!("registry.example.com/code@sha256:{}", "0".repeat(64));
    let function = |id: &str| {
        json!({
            "id": id, "type": "function", "lifecycle": "live", "code": { "image": image },
            "profile": "execution", "memoryMib": memory, "commands": id == "api",
        })
    };
    let stack = json!({
        "name": "my-app",
        "resources": [{ "id": "data", "type": "storage", "lifecycle": "frozen" }, function("api"), function("worker")],
        "permissions": { "profiles": { "execution": { "data": ["storage/data-read"] } } },
    });
    Stack::from_json(&stack.to_string()).unwrap()
}

/// An invitation of that stack, and where it goes.
pub(crate) fn invited() -> (Invitation, Target) {
    let trust = [("vendor", "arn:aws:iam::111111111111:role/vendor"), ("externalId", "acme-7f3a")];
    let invitation = Invitation {
        version: Invitation::VERSION,
        id: "01890000-0000-7000-8000-000000000000".parse().unwrap(),
        cloud: "aws".to_owned(),
        trust: trust.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        stack: stack(512),
    };
    let mut fields = Fields::default();
    fields.give("account", Some("222222222222".to_owned()));
    fields.give("region", Some("eu-central-1".to_owned()));
    let target = Target::read(CloudName::Aws, fields.invitation(&invitation, CloudName::Aws)).unwrap();
    (invitation, target)
}

/// What stands in the cloud, by name.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    pub(crate) own: Mutex<BTreeMap<String, Option<Fingerprint>>>,
    pub(crate) claim: Mutex<Option<Claim>>,
    /// What is someone else's.
    pub(crate) foreign: BTreeSet<&'static str>,
    /// What holds data.
    pub(crate) full: BTreeSet<&'static str>,
    /// What a look beforehand finds wrong.
    pub(crate) problems: Vec<Problem>,
}

impl Memory {
    /// Provisions an invitation here.
    pub(crate) fn engine(self, invitation: &Invitation, target: &Target) -> Engine<Aws, Self> {
        let Target::Aws(target) = target.clone() else { panic!("the memory is one of AWS") };
        Engine::new(self, invitation.id, target, CallConfig::new(Arc::new(SystemClock)))
    }
}

fn name(subject: Subject, call: &Gate<Aws>) -> String {
    call.site().subject_name(subject).to_owned()
}

#[async_trait]
impl Driver<Aws> for Memory {
    fn revision(&self) -> u32 {
        1
    }

    async fn preflight(&self, _: &Gate<Aws>) -> Result<Vec<Problem>> {
        Ok(self.problems.clone())
    }

    async fn observe(&self, subject: Subject, call: &Gate<Aws>) -> Result<Observed> {
        let name = name(subject, call);
        if self.foreign.contains(name.as_str()) {
            return Ok(Observed::Foreign("it is someone else's".to_owned()));
        }
        let found = self.own.lock().unwrap().get(&name).cloned();
        let id = match subject {
            Subject::ManagementIdentity => call.site().record()?.identity,
            _ => call.site().id_of(subject).to_owned(),
        };
        Ok(found.map_or(Observed::Absent, |seal| Observed::Own { id, seal, drift: None }))
    }

    async fn create(&self, subject: Subject, _: &Marks, call: &Gate<Aws>) -> Result<()> {
        self.own.lock().unwrap().insert(name(subject, call), None);
        Ok(())
    }

    async fn configure(&self, subject: Subject, marks: &Marks, call: &Gate<Aws>) -> Result<()> {
        self.own.lock().unwrap().insert(name(subject, call), Some(marks.seal.clone()));
        Ok(())
    }

    async fn delete(&self, subject: Subject, data: Data, call: &Gate<Aws>) -> Result<Removal> {
        let name = name(subject, call);
        if data != Data::Delete && self.full.contains(name.as_str()) {
            return Ok(Removal::Kept("it holds data".to_owned()));
        }
        self.own.lock().unwrap().remove(&name);
        Ok(Removal::Gone)
    }

    async fn claim(&self, _: &Gate<Aws>) -> Result<Option<Claim>> {
        Ok(self.claim.lock().unwrap().clone())
    }

    async fn write_claim(&self, claim: Option<&Claim>, _: &Gate<Aws>) -> Result<()> {
        *self.claim.lock().unwrap() = claim.cloned();
        Ok(())
    }

    async fn revoke(&self, _: &Gate<Aws>) -> Result<()> {
        Ok(())
    }
}

/// A way into a deployment where everything works but this.
#[derive(Debug, Clone, Default)]
pub(crate) struct Way {
    pub(crate) broken: Option<&'static str>,
}

#[async_trait]
impl Impersonate for Way {
    async fn session(&self, _: &Deployment, _: &Purpose) -> Result<Arc<dyn Manage>> {
        Ok(Arc::new(self.clone()))
    }

    async fn replace(&self, _: &Deployment, _: &Purpose, _: u64) -> Result<Arc<dyn Manage>> {
        Ok(Arc::new(self.clone()))
    }

    async fn register(&self, _: &Invitation, _: &Deployment) -> Result<()> {
        Ok(())
    }
}

#[async_trait]
impl Manage for Way {
    fn serial(&self) -> u64 {
        0
    }

    fn expires(&self) -> Timestamp {
        Timestamp::MAX
    }

    async fn heartbeat(&self, id: &ResourceId) -> Result<Heartbeat> {
        Ok(match self.broken {
            Some(broken) if broken == id.as_str() => Heartbeat::new(Health::Degraded, "it does not start"),
            _ => Heartbeat::new(Health::Healthy, "it is there"),
        })
    }

    async fn update(&self, id: &ResourceId, _: &Change) -> Result<()> {
        match self.broken {
            Some(broken) if broken == id.as_str() => Err(Error::new(ErrorKind::Failed, "it does not start").at(broken)),
            _ => Ok(()),
        }
    }

    async fn logs(&self, _: &ResourceId, _: &LogQuery) -> Result<LogPage> {
        Ok(LogPage { lines: Vec::new(), next: None })
    }

    async fn dispatch(&self, _: &ResourceId, command: &[u8]) -> Result<Vec<u8>> {
        Ok(command.iter().rev().copied().collect())
    }
}
