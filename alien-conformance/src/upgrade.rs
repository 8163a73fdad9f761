//! Deployments that earlier versions set up. They are kept under `tests/upgrade/`, and the current code takes them
//! over.
//!
//! A folder `{version}/{cloud}/{stack}` holds what both sides have (`invitation.json`, `record.json`), the marks
//! written on the resources (`marks.json`: the seal of every subject and the claim of a run), and what restores the
//! peer's state after that set-up (`calls.json`: the requests that changed something, in order; for the reference
//! cloud, its state).

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use alien_core::adapter::{Claim, Cloud, DeploymentContext, Documented, Fingerprint, Subject};
use alien_core::{
    Action, Artifacts, Data, Deployment, DeploymentId, Function, FunctionUpdate, Health, Invitation, Kind, Lifecycle,
    Live, Manager, Release, Stack,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::life::product;
use crate::stacks::full;
use crate::world::{Shipped, World, release};

/// The version to keep deployments of, by `ALIEN_KEEP` in the environment. `None` in a normal run.
#[must_use]
pub fn version_to_keep() -> Option<String> {
    std::env::var("ALIEN_KEEP").ok().filter(|version| !version.is_empty())
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/upgrade")
}

/// A deployment that an earlier version set up.
#[derive(Debug, Clone)]
pub struct Kept(PathBuf);

/// The marks written on the resources of a deployment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marks {
    /// The seal of every subject, by its kind and name.
    pub seals: BTreeMap<String, String>,
    /// The claim of a run, as written on the management identity.
    pub claim: String,
}

/// A request that changed something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sent {
    /// `PUT`, `POST`, …
    pub verb: String,
    /// The path and the encoded query.
    pub target: String,
    /// The headers that describe the body.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// JSON or a string.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub body: Value,
    /// The cloud's answer, if it chose something that later requests name.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub answer: Value,
}

impl Kept {
    /// Lists every kept deployment on a cloud.
    ///
    /// # Panics
    ///
    /// If there is none.
    #[must_use]
    pub fn all(cloud: &str) -> Vec<Self> {
        let folders = |path: &Path| {
            let mut found: Vec<PathBuf> = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect();
            found.retain(|path| path.is_dir());
            found.sort();
            found
        };
        let versions = folders(&root()).into_iter().map(|version| version.join(cloud)).filter(|path| path.is_dir());
        let all: Vec<Self> = versions.flat_map(|version| folders(&version)).map(Self).collect();
        assert!(!all.is_empty(), "no deployments on {cloud} are kept");
        all
    }

    /// The version, cloud and stack.
    #[must_use]
    pub fn name(&self) -> String {
        self.0.strip_prefix(root()).unwrap().display().to_string()
    }

    /// Reads a file, and replaces with `swaps` what another peer chose.
    ///
    /// # Panics
    ///
    /// If there is no such file.
    #[must_use]
    pub fn text(&self, file: &str, swaps: &[(String, String)]) -> String {
        let path = self.0.join(file);
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        swaps.iter().fold(text, |text, (old, new)| text.replace(old, new))
    }

    /// The requests that changed something.
    ///
    /// # Panics
    ///
    /// If they cannot be read.
    #[must_use]
    pub fn calls(&self) -> Vec<Sent> {
        self.calls_with(&[])
    }

    /// The same with what another peer chose.
    ///
    /// # Panics
    ///
    /// If they cannot be read.
    #[must_use]
    pub fn calls_with(&self, swaps: &[(String, String)]) -> Vec<Sent> {
        serde_json::from_str(&self.text("calls.json", swaps)).unwrap()
    }

    /// The marks written on its resources.
    ///
    /// # Panics
    ///
    /// If they cannot be read.
    #[must_use]
    pub fn marks(&self, swaps: &[(String, String)]) -> Marks {
        serde_json::from_str(&self.text("marks.json", swaps)).unwrap()
    }

    /// The record, and what it consists of.
    ///
    /// # Panics
    ///
    /// If it cannot be read.
    #[must_use]
    pub fn context<C: Documented>(&self, swaps: &[(String, String)]) -> DeploymentContext<C> {
        DeploymentContext::of(&Deployment::from_json(&self.text("record.json", swaps)).unwrap()).unwrap()
    }

    /// The seals of containers that another image gives another seal, with that.
    ///
    /// # Panics
    ///
    /// If the record cannot be read.
    #[must_use]
    pub fn resealed<C: Documented>(&self, swaps: &[(String, String)]) -> Vec<(String, String)> {
        let (before, after) = (self.context::<C>(&[]), self.context::<C>(swaps));
        let is_container = |subject: &Subject| match subject {
            Subject::Resource(position) => {
                before.stack().resources().get(*position).is_some_and(|one| one.kind() == Kind::Container)
            }
            _ => false,
        };
        let seal = |subject, context: &DeploymentContext<C>| Fingerprint::whole(subject, context).digest.to_string();
        let containers = before.subjects().filter(is_container);
        let seals = containers.map(|subject| (seal(subject, &before), seal(subject, &after)));
        seals.filter(|(old, new)| old != new).collect()
    }

    fn write(&self, file: &str, value: &impl Serialize) {
        let text = match serde_json::to_value(value).unwrap() {
            // One request per line.
            Value::Array(calls) => {
                let lines: Vec<String> = calls.iter().map(Value::to_string).collect();
                format!("[\n{}\n]\n", lines.join(",\n"))
            }
            _ => format!("{}\n", serde_json::to_string_pretty(value).unwrap()),
        };
        fs::write(self.0.join(file), text).unwrap();
    }
}

/// The stacks whose deployments are kept.
fn stacks(code: &Shipped, image: &str) -> [(&'static str, Stack); 2] {
    [("product", product(code)), ("full", full(code, image))]
}

/// Sets up the suite's stacks and keeps the result. `state` returns what restores the peer's state, and the name of its
/// file.
///
/// # Panics
///
/// If something cannot be set up or written.
pub async fn keep<W, N, F, S>(version: &str, code: Shipped, image: &str, new: N, state: S)
where
    W: World,
    N: AsyncFn() -> W,
    F: Serialize,
    S: AsyncFn(&W) -> (&'static str, F),
{
    for (number, (name, stack)) in stacks(&code, image).into_iter().enumerate() {
        let world = new().await;
        let target = world.target("upgrade");
        let id: DeploymentId = format!("00000000-0000-4000-8000-00000000000{}", number + 1).parse().unwrap();
        let invitation = Invitation::new(id, &target, stack.clone()).unwrap();
        let admin = world.admin(id, target, world.calling());
        let plan = admin.plan(&release(&stack, std::slice::from_ref(&code))).await.unwrap();
        let record = admin.apply(&plan).await.unwrap();
        let kept = Kept(root().join(version).join(W::Cloud::NAME).join(name));
        fs::create_dir_all(&kept.0).unwrap();
        kept.write("invitation.json", &invitation);
        kept.write("record.json", &record);
        kept.write("marks.json", &marks::<W::Cloud>(&record));
        let (file, state) = state(&world).await;
        kept.write(file, &state);
    }
}

/// The kind and the name, because a profile may have the name of a resource.
fn named<C: Documented>(context: &DeploymentContext<C>, subject: Subject) -> String {
    format!("{} {}", context.subject_kind(subject), context.subject_name(subject))
}

fn marks<C: Documented>(record: &Deployment) -> Marks {
    let context = DeploymentContext::<C>::of(record).unwrap();
    let seal = |subject: Subject| {
        let seal = Fingerprint::of(subject, &context);
        (named(&context, subject), seal.to_string())
    };
    let until = "2026-11-26T12:00:00Z".parse().unwrap();
    let claim = Claim { run: "019aa1e0-0000-7000-8000-000000000001".parse().unwrap(), until };
    Marks { seals: context.subjects().map(seal).collect(), claim: claim.to_string() }
}

/// Checks that the current code takes over a deployment of an earlier version. A plan leaves everything as it is, even
/// without the admin's consent to frozen changes, but for what [`World::is_set_anew`] names. The vendor assumes a session with its record, watches and updates.
/// Then the deployment is taken down.
///
/// # Panics
///
/// At the first unexpected result.
pub async fn is_taken_over<W: World>(world: &W, kept: &Kept, swaps: &[(String, String)], next: &Shipped) {
    let name = kept.name();
    let invitation = Invitation::from_json(&kept.text("invitation.json", swaps)).unwrap();
    let record = Deployment::from_json(&kept.text("record.json", swaps)).unwrap();
    let context = DeploymentContext::<W::Cloud>::of(&record).unwrap();
    assert_eq!(invitation.differences(&record), [], "{name}");

    // The marks say the same as the stack.
    let Marks { seals, claim } = kept.marks(swaps);
    let version = name.split('/').next().unwrap_or_default();
    let anew = |subject| world.is_set_anew(version, &context, subject);
    let is_identity = |subject: &Subject| !matches!(subject, Subject::Resource(_) | Subject::Deployment);
    // What an identity is given is in its seal; of a resource, what the stack says.
    for subject in context.subjects().filter(|subject| !is_identity(subject) || anew(*subject).is_none()) {
        let seal: Fingerprint = seals[&named(&context, subject)].parse().unwrap();
        assert_eq!(seal.digest, Fingerprint::whole(subject, &context).digest, "{name}: {}", named(&context, subject));
    }
    let claim: Claim = claim.parse().unwrap();
    assert_eq!((claim.run.as_str().len(), claim.until.as_second()), (36, 1_795_694_400), "{name}");

    let admin = world.admin(record.id, context.target().clone(), world.calling());
    let unchanged = Release::partial(invitation.stack.clone(), Artifacts::default());
    for previous in [Some(&record), None] {
        let plan = admin.plan(&unchanged).previous(previous).await.unwrap();
        plan.refusal().unwrap_or_else(|error| panic!("{name}: {error}"));
        for step in &plan.steps {
            let is_it = |subject: &Subject| {
                (step.kind.as_ref(), step.subject.as_str())
                    == (context.subject_kind(*subject), context.subject_name(*subject))
            };
            let due = context.subjects().find(is_it).and_then(anew).unwrap_or(Action::Leave);
            assert_eq!(step.action, due, "{name}: {}\n{plan}", step.subject);
        }
    }
    let plan = admin.plan(&unchanged).previous(&record).await.unwrap();
    // What earlier versions did not write into a record is written now.
    let applied = admin.apply(&plan).await.unwrap();
    let mut expected = record.clone();
    (expected.invited, expected.versions) = (applied.invited.clone(), applied.versions.clone());
    assert_eq!(applied, expected, "{name}");

    world.prepare(&record).await;
    let vendor = world.vendor(world.calling());
    vendor.register(&invitation, &record).await.unwrap_or_else(|error| panic!("{name}: {error}"));
    let manager = Manager::new(vendor, record.clone());
    for resource in manager.resources() {
        let beat = manager.heartbeat(&resource).await.unwrap();
        assert_eq!(beat.health, Health::Healthy, "{name}: {resource:?}: {beat:?}");
    }
    let api = manager.find::<Function, Live>("api").unwrap();
    manager
        .update(&api, next.update().with_variable("MODE", "next"))
        .await
        .unwrap_or_else(|error| panic!("{name}: {error}"));
    manager.update(&api, FunctionUpdate::new().without_variable("MODE")).await.unwrap();
    let updated = manager.deployment();
    assert_ne!(updated.stack, record.stack);
    let frozen = updated.stack.resources().iter().filter(|resource| resource.lifecycle() == Lifecycle::Frozen);
    for resource in frozen {
        assert_eq!(Some(resource), record.stack.resource(resource.id().as_str()), "{name}");
    }

    let remains = admin.destroy(&updated).data(Data::Delete).await.unwrap();
    assert_eq!((remains.kept.as_slice(), remains.foreign.as_slice()), (&[][..], &[][..]), "{name}");
    world.calling().clock.sleep(Duration::ZERO).await;
}
