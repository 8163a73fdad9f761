//! What operators do: register deployments, say what holds for each, begin rollouts and tell them what to do.

use alien_core::rollout::{Event, Plan, Refusal, Rollout, Row, Scope, Sequence};
use alien_core::{Deployment, DeploymentId, Error, ErrorKind, Invitation, Problems, Result, StackName};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::clouds::refused;
use crate::deployments::{Listed, Setting};
use crate::fits::{Known, waits_for};
use crate::fleet::Fleet;
use crate::ledger::Pages;
use crate::log::{What, Who};
use crate::products::Product;
use crate::records::Records;
use crate::rollout_id::RolloutId;
use crate::rollouts::{KeptRollout, fold, place, refusal};
use crate::store::{Key, Table};
use crate::watch;

/// What an operator tells a rollout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "order", content = "with", deny_unknown_fields, rename_all = "kebab-case")]
pub enum Order {
    /// Begins nothing further for now, for this reason. What is watched stays watched for the time that is left.
    Pause(String),
    /// Goes on after a pause.
    Resume,
    /// Updates nothing further, for this reason.
    Halt(String),
    /// Reverts what was updated.
    Revert(Scope),
    /// Approves what comes after this wave.
    Approve(u32),
    /// Ends the rollout. What was updated stays as it is.
    Cancel,
}

/// As `pause: a customer complained`.
impl std::fmt::Display for Order {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Pause(why) => write!(f, "pause: {why}"),
            Self::Resume => f.write_str("resume"),
            Self::Halt(why) => write!(f, "halt: {why}"),
            Self::Revert(Scope::Wave) => f.write_str("revert the wave"),
            Self::Revert(Scope::All) => f.write_str("revert everything"),
            Self::Approve(wave) => write!(f, "approve what comes after wave {wave}"),
            Self::Cancel => f.write_str("cancel"),
        }
    }
}

/// A rollout, with all its deployments.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// The rollout.
    pub id: RolloutId,
    /// Who began it.
    pub by: Who,
    /// When.
    pub at: Timestamp,
    /// When this was read.
    pub now: Timestamp,
    /// The rollout's own row and those of the deployments. In a list of rollouts there are no deployments.
    pub rollout: Rollout,
}

impl Fleet {
    /// Registers a deployment that its customer has set up: checks the record against the invitation, and the way in. A
    /// deployment that is registered already gets the record of the newer set-up. One that pulls its releases is registered first with
    /// the key of its agent.
    ///
    /// # Errors
    ///
    /// As [`Impersonate::register`](alien_core::Impersonate::register), and as [`add`](Self::add).
    pub async fn register(&self, invitation: &Invitation, record: &Deployment) -> Result<Listed> {
        Problems::none(invitation.differences(record)).map_err(refused)?;
        if cfg!(not(feature = "agents")) || record.delivery.is_push() {
            self.inner.clouds.enter(record).await?.register(invitation, record).await?;
        }
        self.add(record).await
    }

    /// Registers a deployment that pulls its releases, with the public key of its agent: checks the record against the invitation.
    /// Another key takes the place of the one before, which is refused from then on.
    ///
    /// # Errors
    ///
    /// [`Input`](ErrorKind::Input) if the record is not of the invitation, or the vendor pushes releases; errors of the store.
    #[cfg(feature = "agents")]
    pub async fn register_agent(
        &self,
        invitation: &Invitation,
        record: &Deployment,
        key: &alien_release::PublicKey,
    ) -> Result<Listed> {
        Problems::none(invitation.differences(record)).map_err(refused)?;
        if record.delivery.is_push() {
            let what = "the vendor pushes releases into the deployment, and it has no agent";
            return Err(Error::new(ErrorKind::Input, what).because("register it without a key"));
        }
        self.add_with(record, Some(key.to_string())).await
    }

    /// Adds a deployment without a look at its cloud: one that was registered before, elsewhere.
    ///
    /// # Errors
    ///
    /// [`Locked`](ErrorKind::Locked) while a release on it is in progress; [`NotOwned`](ErrorKind::NotOwned) if a deployment
    /// of another product has this id; errors of the store.
    pub async fn add(&self, record: &Deployment) -> Result<Listed> {
        self.add_with(record, None).await
    }

    async fn add_with(&self, record: &Deployment, agent: Option<String>) -> Result<Listed> {
        let (id, product) = (record.id, record.stack.name().clone());
        let account = self.inner.clouds.account(record)?;
        let now = self.inner.now();
        let draft = self.draft(What::Registered { deployment: id, product: product.clone() });
        let (key, record_key) = (Listed::key(&product, id), Records::key(id));
        let keys = [key.clone(), record_key.clone(), watch::key(id)].into_iter().chain(agent_key(id));
        let keys: Vec<Key> = keys.collect();
        let waits = self.waits_of_active(&product, record).await?;
        let (given, who) = (record.clone(), self.who().clone());
        let change = move |pages: &mut Pages<'_>, active: &[RolloutId]| {
            let kept: Option<Deployment> = pages.get(&record_key)?;
            if kept.as_ref().is_some_and(|kept| kept.stack.name() != given.stack.name()) {
                let what = format!("deployment {id} is of another product than `{}`", given.stack.name());
                return Err(Error::new(ErrorKind::NotOwned, what).because("set it up under an id of its own"));
            }
            if let Some(lease) =
                kept.as_ref().and_then(|kept| kept.in_flight.as_ref()).filter(|lease| lease.until > now)
            {
                let what = format!("{lease}; register it again when that has ended");
                return Err(Error::new(ErrorKind::Locked, what));
            }
            let mut record = given.clone();
            record.revision = kept.as_ref().map_or(0, |kept| kept.revision);
            let record = record.kept_over(kept.as_ref(), &who.name)?;
            pages.put(record_key.clone(), &record, None)?;
            let fresh = || Listed::new(id, record.stack.name().clone(), record.cloud.clone(), account.clone(), now);
            let mut listed = pages.get::<Listed>(&key)?.unwrap_or_else(fresh);
            listed.revision += 1;
            listed.account.clone_from(&account);
            #[cfg(feature = "agents")]
            crate::agents::register(pages, &mut listed, record.delivery.is_push(), agent.as_deref())?;
            #[cfg(not(feature = "agents"))]
            let _ = &agent;
            pages.put(key.clone(), &listed, None)?;
            watch::begin(pages, id, now)?;
            touch(pages, &listed.product)?;
            stand(pages, active, &listed, &waits, &who, now)?;
            pages.log(draft.clone());
            pages.announce();
            Ok(listed)
        };
        self.change_product(&product, keys, move |rollout| vec![rollout.row_key(id)], change).await
    }

    /// Removes a deployment from the fleet. Nothing is called: the customer's admin takes it down.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound) if there is no such deployment; errors of the store.
    pub async fn remove(&self, id: DeploymentId) -> Result<()> {
        let (listed, _) = self.inner.listed(id).await?;
        let key = Listed::key(&listed.product, id);
        let keys = [key.clone(), Records::key(id), watch::key(id)].into_iter().chain(agent_key(id));
        let keys: Vec<Key> = keys.collect();
        let product = listed.product.clone();
        let draft = self.draft(What::Removed { deployment: id, product: Some(product.clone()) });
        let (now, who) = (self.inner.now(), self.who().clone());
        let change = move |pages: &mut Pages<'_>, active: &[RolloutId]| {
            let Some(listed) = pages.get::<Listed>(&key)? else { return Ok(()) };
            for rollout in active {
                let standing = alien_core::rollout::Standing::new(listed.revision + 1).revoked("it left the fleet");
                let event = Event::Standing { deployment: id, standing };
                fold(pages, rollout, &event, &who, now)?;
            }
            for gone in [key.clone(), Records::key(id), watch::key(id)].into_iter().chain(agent_key(id)) {
                pages.remove(gone);
            }
            touch(pages, &listed.product)?;
            pages.log(draft.clone());
            pages.announce();
            Ok(())
        };
        self.change_product(&product, keys, move |rollout| vec![rollout.row_key(id)], change).await
    }

    /// Sets what holds for a deployment: a pin, a hold, a window, labels. Rollouts that are not over obey at once.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound) if there is no such deployment; errors of the store.
    pub async fn set(&self, id: DeploymentId, setting: Setting) -> Result<Listed> {
        let (listed, record) = self.inner.listed(id).await?;
        let (product, key) = (listed.product.clone(), Listed::key(&listed.product, id));
        let waits = self.waits_of_active(&product, &record).await?;
        let (now, who) = (self.inner.now(), self.who().clone());
        let keys = [key.clone()];
        let change = move |pages: &mut Pages<'_>, active: &[RolloutId]| {
            let missing = || Error::new(ErrorKind::NotFound, format!("there is no deployment {id}"));
            let mut listed: Listed = pages.get(&key)?.ok_or_else(missing)?;
            let before = listed.revision;
            listed.set(&setting);
            if listed.revision == before {
                return Ok(listed);
            }
            pages.put(key.clone(), &listed, None)?;
            touch(pages, &listed.product)?;
            stand(pages, active, &listed, &waits, &who, now)?;
            let (product, standing) = (Some(listed.product.clone()), listed.standing(None));
            let what = What::Set { deployment: id, product, change: setting.to_string(), standing };
            pages.log(crate::log::Draft { at: now, who: who.clone(), what });
            pages.announce();
            Ok(listed)
        };
        self.change_product(&product, keys, move |rollout| vec![rollout.row_key(id)], change).await
    }

    /// Begins the rollout of a release to all deployments of its product. It takes the place of one that is not over.
    ///
    /// # Errors
    ///
    /// [`Input`](ErrorKind::Input) with every problem of the plan; [`Conflict`](ErrorKind::Conflict) if a newer release is
    /// being rolled out; [`NotFound`](ErrorKind::NotFound) if there is no such release; [`Rejected`](ErrorKind::Rejected) if the fleet
    /// asks for signatures, and the release or its twin is not signed as the store has it; errors of the store.
    pub async fn roll_out(&self, product: &StackName, sequence: Sequence, plan: &Plan) -> Result<RolloutId> {
        self.inner.decide(product, sequence).await?;
        loop {
            let key = Product::key(product);
            let seen: Product = self.inner.ledger.get(&key).await?.unwrap_or_default();
            let (id, rollout) = self.planned_over(&seen, product, sequence, plan).await?;
            let kept = KeptRollout::new(rollout.head().clone(), self.who().clone(), self.inner.now());
            let what = What::Begun {
                rollout: id.clone(),
                release: sequence,
                deployments: u32::try_from(rollout.rows().len()).unwrap_or(u32::MAX),
            };
            let (draft, now, who) = (self.draft(what), self.inner.now(), self.who().clone());
            let active = seen.active(product);
            let keys = [key.clone()].into_iter().chain(active.iter().map(RolloutId::key)).collect::<Vec<_>>();
            let begun = id.clone();
            let change = move |pages: &mut Pages<'_>| {
                let found: Product = pages.get(&key)?.unwrap_or_default();
                // What the plan was made from is other now: it is made again.
                if (found.changes, found.rollouts, &found.active) != (seen.changes, seen.rollouts, &seen.active) {
                    return Ok(false);
                }
                for other in &active {
                    let actions = fold(pages, other, &Event::Supersede { by: sequence }, &who, now)?;
                    if refusal(&actions) == Some(&Refusal::NotNewer) {
                        let what = format!("rollout {other} is of a release that is not older");
                        let help = "cancel it first, or roll out a newer release";
                        return Err(Error::new(ErrorKind::Conflict, format!("{what}; {help}")));
                    }
                }
                let mut found: Product = pages.get(&key)?.unwrap_or_default();
                found.rollouts = begun.number();
                found.active.insert(begun.number());
                pages.put(key.clone(), &found, None)?;
                pages.put(begun.key(), &kept, None)?;
                for (deployment, row) in rollout.rows() {
                    pages.put(begun.row_key(*deployment), row, place(row))?;
                }
                pages.log(draft.clone());
                pages.announce();
                Ok(true)
            };
            if self.inner.ledger.change(keys, change).await? {
                self.tell(&id, &Event::Start).await?;
                return Ok(id);
            }
        }
    }

    /// The rollout of a release as it would begin: which deployments are in which wave, and why each waits. Writes nothing.
    ///
    /// # Errors
    ///
    /// As [`roll_out`](Self::roll_out).
    pub async fn planned(&self, product: &StackName, sequence: Sequence, plan: &Plan) -> Result<Rollout> {
        let seen: Product = self.inner.ledger.get(&Product::key(product)).await?.unwrap_or_default();
        Ok(self.planned_over(&seen, product, sequence, plan).await?.1)
    }

    async fn planned_over(
        &self,
        seen: &Product,
        product: &StackName,
        sequence: Sequence,
        plan: &Plan,
    ) -> Result<(RolloutId, Rollout)> {
        let kept = self.inner.kept_release(product, sequence).await?;
        let release = kept.release()?;
        if release.content() != release.sequence() {
            let what = format!("release {sequence} is a twin; revert the release before it, or publish a new one");
            return Err(Error::new(ErrorKind::Input, what));
        }
        let id = RolloutId::new(product.clone(), seen.rollouts + 1);
        let known: Vec<Known> = self.known(product).await?;
        let members = self.members(&id, &known, release.stack()).await?;
        let rollout = Rollout::new(sequence, kept.twin, plan.clone(), members).map_err(refused)?;
        Ok((id, rollout))
    }

    /// Tells a rollout what to do.
    ///
    /// # Errors
    ///
    /// [`Conflict`](ErrorKind::Conflict) if it does not follow from where the rollout stands;
    /// [`NotFound`](ErrorKind::NotFound) if there is no such rollout; errors of the store.
    pub async fn order(&self, id: &RolloutId, order: &Order) -> Result<()> {
        let (order, now, who, at) = (order.clone(), self.inner.now(), self.who().clone(), id.clone());
        let change = move |pages: &mut Pages<'_>| {
            let missing = || Error::new(ErrorKind::NotFound, format!("there is no rollout {at}"));
            let kept: KeptRollout = pages.get(&at.key())?.ok_or_else(missing)?;
            let key = Product::key(at.product());
            let mut product: Product = pages.get(&key)?.unwrap_or_default();
            // What deployments run now is no longer what it brought them to.
            if matches!(order, Order::Revert(_)) && kept.head.is_over() && product.rollouts != at.number() {
                let newest = RolloutId::new(at.product().clone(), product.rollouts);
                let what = format!("rollout {at} does not {order}: rollout {newest} has begun since");
                return Err(Error::new(ErrorKind::Conflict, what).because("revert that, or release what is to run"));
            }
            let event = match order.clone() {
                Order::Pause(why) => Event::Pause { pause: kept.head.pauses() + 1, why },
                Order::Resume => Event::Resume { pause: kept.head.pauses() },
                Order::Halt(why) => Event::Halt { why },
                Order::Revert(scope) => Event::Revert(scope),
                Order::Approve(wave) => Event::Approve { wave },
                Order::Cancel => Event::Cancel,
            };
            let actions = fold(pages, &at, &event, &who, now)?;
            if let Some(refusal) = refusal(&actions) {
                return Err(Error::new(ErrorKind::Conflict, format!("rollout {at} does not {order}: {refusal}")));
            }
            // One that was over is worked on again.
            if matches!(order, Order::Revert(_)) && product.active.insert(at.number()) {
                pages.put(key, &product, None)?;
            }
            let what = What::Ordered { rollout: at.clone(), order: order.to_string() };
            pages.log(crate::log::Draft { at: now, who: who.clone(), what });
            pages.announce();
            Ok(())
        };
        self.inner.ledger.change([id.key(), Product::key(id.product())], change).await
    }

    /// Folds an event into a rollout, and returns what follows.
    pub(crate) async fn tell(&self, id: &RolloutId, event: &Event) -> Result<Vec<alien_core::rollout::Action>> {
        let (now, who, id, event) = (self.inner.now(), self.who().clone(), id.clone(), event.clone());
        let row = event.deployment().map(|deployment| id.row_key(deployment));
        let keys = [id.key(), Product::key(id.product())].into_iter().chain(row);
        let keys: Vec<Key> = keys.collect();
        self.inner.ledger.change(keys, move |pages| fold(pages, &id, &event, &who, now)).await
    }

    /// The rollouts of a product, without their deployments, the latest last.
    ///
    /// # Errors
    ///
    /// Errors of the store.
    pub async fn rollouts(&self, product: &StackName) -> Result<Vec<Status>> {
        let all: Vec<(String, KeptRollout)> = self.inner.ledger.all(Table::Rollout, product.as_str()).await?;
        let now = self.inner.now();
        let status = |(number, kept): (String, KeptRollout)| {
            let wrong = |_| Error::new(ErrorKind::Internal, format!("`{number}` is not the number of a rollout"));
            let id = RolloutId::new(product.clone(), number.parse().map_err(wrong)?);
            Ok(Status { id, by: kept.by, at: kept.at, now, rollout: Rollout::from_rows(kept.head, []) })
        };
        all.into_iter().map(status).collect()
    }

    /// A rollout with all its deployments.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound) if there is no such rollout; errors of the store.
    pub async fn status(&self, id: &RolloutId) -> Result<Status> {
        let missing = || Error::new(ErrorKind::NotFound, format!("there is no rollout {id}"));
        let kept: KeptRollout = self.inner.ledger.get(&id.key()).await?.ok_or_else(missing)?;
        let rows: Vec<(String, Row)> = self.inner.ledger.all(Table::Row, &id.rows()).await?;
        let wrong = |id: &str| Error::new(ErrorKind::Internal, format!("`{id}` is not the id of a deployment"));
        let rows = rows.into_iter().map(|(id, row)| Ok((id.parse().map_err(|_| wrong(&id))?, row)));
        let rows = rows.collect::<Result<Vec<_>>>()?;
        let now = self.inner.now();
        Ok(Status { id: id.clone(), by: kept.by, at: kept.at, now, rollout: Rollout::from_rows(kept.head, rows) })
    }

    /// The deployments of a product, by id.
    ///
    /// # Errors
    ///
    /// Errors of the store.
    pub async fn deployments(&self, product: &StackName) -> Result<Vec<Listed>> {
        let all = self.inner.ledger.all(Table::Deployment, product.as_str()).await?;
        Ok(all.into_iter().map(|(_, listed)| listed).collect())
    }

    /// A deployment, and its record.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound) if there is no such deployment; errors of the store.
    pub async fn deployment(&self, id: DeploymentId) -> Result<(Listed, Deployment)> {
        self.inner.listed(id).await
    }

    /// What a deployment waits for from its customer's admin, for each rollout that is not over.
    pub(crate) async fn waits_of_active(
        &self,
        product: &StackName,
        record: &Deployment,
    ) -> Result<Vec<(RolloutId, Option<String>)>> {
        let seen: Product = self.inner.ledger.get(&Product::key(product)).await?.unwrap_or_default();
        let mut waits = Vec::new();
        for id in seen.active(product) {
            let Some(kept) = self.inner.ledger.get::<KeptRollout>(&id.key()).await? else { continue };
            let release = self.inner.published(product, kept.head.release()).await?;
            waits.push((id, waits_for(&self.inner.clouds, record, release.stack())?));
        }
        Ok(waits)
    }
}

/// Counts a change that plans of rollouts are made from.
fn touch(pages: &mut Pages<'_>, product: &StackName) -> Result<()> {
    let key = Product::key(product);
    let mut found: Product = pages.get(&key)?.unwrap_or_default();
    found.changes += 1;
    pages.put(key, &found, None)
}

/// The key of what is known of its agent.
#[cfg(feature = "agents")]
fn agent_key(id: DeploymentId) -> Option<Key> {
    Some(crate::agents::key(id))
}

#[cfg(not(feature = "agents"))]
const fn agent_key(_: DeploymentId) -> Option<Key> {
    None
}

/// Tells the rollouts that are not over what holds for a deployment now.
pub(crate) fn stand(
    pages: &mut Pages<'_>,
    active: &[RolloutId],
    listed: &Listed,
    waits: &[(RolloutId, Option<String>)],
    who: &Who,
    now: Timestamp,
) -> Result<()> {
    for rollout in active {
        let waits = waits.iter().find(|(id, _)| id == rollout).and_then(|(_, waits)| waits.clone());
        let standing = listed.standing(waits);
        // A deployment that was registered since is not in the rollout: then this is refused, and changes nothing.
        fold(pages, rollout, &Event::Standing { deployment: listed.id, standing }, who, now)?;
    }
    Ok(())
}
