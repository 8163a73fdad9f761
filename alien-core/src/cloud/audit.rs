//! The audit: it checks the final documents against the promises, whoever rendered them.
//!
//! Every permission that the documents allow must be in the operation table, must be on something of this deployment,
//! must follow from a grant of the stack, and must have an effect that the layer may have. The effects of permission
//! sets are checked again here: a management set that held a data permission would not pass.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use super::access::{AccessControl, Allowed, Permission};
use super::coverage::Coverage;
use super::documents::Layers;
use super::guards::Guards;
use super::layout::Layout;
use super::names::{Index, NamedResource};
use super::operation::{Effect, Escalation, Operation};
use super::placement::{Cloud, CloudTarget};
use super::promises::{Derived, never_for_code, never_for_the_vendor, promise, severity};
use super::report::{Breach, Disclosure, DisclosureKind, Promise, Report};
use super::writes::{Fate, Fields, Keeper};
use crate::kind::Kind;
use crate::lifecycle::Lifecycle;
use crate::permission::{GrantReason, Grants, Holder, Layer, Set, Sets, Subject, SubjectType};
use crate::resource::Resource;
use crate::stack::Stack;

/// Audits documents from any source against the stack and the target that they are meant for. Absent layers are not
/// checked.
#[must_use]
pub fn audit_layers<T, C>(stack: &Stack, target: &T, layers: &Layers<C::Principal>) -> Report
where
    T: CloudTarget<Cloud = C>,
    C: AccessControl<Target = T>,
{
    report(&Layout::<C>::new(stack.clone(), target.clone()), layers, Source::Elsewhere)
}

/// The source of documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// This library just rendered them, so rendering them again to compare would show nothing.
    Rendered,
    /// A file, or another program.
    Elsewhere,
}

pub(super) fn report<C: AccessControl>(layout: &Layout<C>, layers: &Layers<C::Principal>, source: Source) -> Report {
    let permissions = layout.permissions();
    let index = Index::new(&layout.names);
    let mut findings = Findings::default();
    let mut judged = Vec::new();
    for layer in Layer::ALL {
        let holders: Vec<&Grants> = permissions.holders().filter(|grants| grants.holder.layer() == layer).collect();
        let mut labels = BTreeSet::new();
        for principal in layers.principals(layer) {
            let label = C::label(principal);
            let mut about = |promise, what: String| {
                findings.breach(Breach {
                    promise,
                    layer,
                    principal: label.to_owned(),
                    statement: "principal".to_owned(),
                    permission: String::new(),
                    on: String::new(),
                    what,
                });
            };
            if !labels.insert(label) {
                about(Promise::P1, "there are two principals of this name".to_owned());
            }
            let Some(grants) = holders.iter().find(|grants| grants.holder.label() == label) else {
                about(Promise::P1, "the stack has no such principal".to_owned());
                continue;
            };
            if source == Source::Elsewhere {
                let promise = if layer == Layer::Provisioning { Promise::P1 } else { Promise::P5 };
                let expected = C::principal(layout, grants);
                for what in C::excesses(&layout.target, principal, &expected) {
                    about(promise, what);
                }
                let promise = if C::agent(&layout.target).is_some() { Promise::P13 } else { promise };
                for what in C::strangers(&layout.target, principal, &expected) {
                    about(promise, what);
                }
            }
            if layer != Layer::Provisioning {
                Judge::<C>::new(layout, &index, grants, &mut findings).judge(principal);
            }
        }
        if layer != Layer::Provisioning && !labels.is_empty() {
            judged.push(layer);
        }
    }
    let Findings { checked, mut breaches, disclosures } = findings;
    breaches.sort();
    breaches.dedup();
    let disclosures = disclosures.into_iter().collect();
    Report { cloud: C::NAME.into(), layers: judged, checked, breaches, disclosures, reach: layout.stack.reach() }
}

#[derive(Default)]
struct Findings {
    checked: usize,
    breaches: Vec<Breach>,
    disclosures: BTreeSet<Disclosure>,
}

impl Findings {
    fn breach(&mut self, breach: Breach) {
        self.breaches.push(breach);
    }
}

/// The permission sets that a holder has on one subject.
#[derive(Debug, Clone, Copy, Default)]
struct Held {
    sets: Sets,
    extended: Sets,
}

impl Held {
    fn add(&mut self, set: Set, why: GrantReason) {
        if why == GrantReason::Extended {
            self.extended.insert(set);
        } else {
            self.sets.insert(set);
        }
    }
}

/// A row of the operation table, and a thing that its permission is checked on.
type Checked<'a, C> = (&'static Operation<<C as Cloud>::Scope>, NamedResource<'a, <C as Cloud>::Scope>);

/// The check of one principal.
struct Judge<'a, C: AccessControl> {
    layout: &'a Layout<C>,
    index: &'a Index<'a, C::Scope>,
    holder: &'a Holder,
    layer: Layer,
    /// What the principal holds, by resource.
    held: Vec<Held>,
    /// What it holds on things that the resources of a kind share.
    shared: BTreeMap<Kind, Held>,
    /// What it holds on the code that runs under each runtime identity, by kind.
    identities: BTreeMap<(usize, Kind), Held>,
    /// Every allowed permission, with the weakest way in which it follows from the stack.
    allowed: BTreeMap<&'static str, Derived>,
    /// Patterns, and permissions that are not in the operation table.
    unknown: Vec<&'a str>,
    findings: &'a mut Findings,
}

impl<'a, C: AccessControl> Judge<'a, C> {
    fn new(
        layout: &'a Layout<C>,
        index: &'a Index<'a, C::Scope>,
        grants: &'a Grants,
        findings: &'a mut Findings,
    ) -> Self {
        let stack = &layout.stack;
        let mut held = vec![Held::default(); stack.resources().len()];
        let mut shared = BTreeMap::<Kind, Held>::new();
        let mut identities = BTreeMap::<(usize, Kind), Held>::new();
        for grant in &grants.grants {
            let Subject::Resource(position) = grant.subject else { continue };
            let (Some(resource), Some(own)) = (stack.at(position), held.get_mut(position)) else { continue };
            own.add(grant.set, grant.why);
            shared.entry(resource.kind()).or_default().add(grant.set, grant.why);
            let Some(compute) = resource.settings().compute() else { continue };
            let permissions = layout.permissions();
            let is_apart = C::STARTED_APART.contains(&resource.kind());
            let platform = permissions.platform_position().filter(|_| is_apart);
            for identity in permissions.runtime_position(compute.profile).into_iter().chain(platform) {
                identities.entry((identity, resource.kind())).or_default().add(grant.set, grant.why);
            }
        }
        let holder = &grants.holder;
        let (allowed, unknown) = (BTreeMap::new(), Vec::new());
        Self { layout, index, holder, layer: holder.layer(), held, shared, identities, allowed, unknown, findings }
    }

    fn judge(mut self, principal: &'a C::Principal) {
        C::allowed(principal, &mut |allowed| self.allow(&allowed));
        for escalation in C::escalations() {
            self.escalation(escalation);
        }
    }

    fn allow(&mut self, allowed: &Allowed<'a, C>) {
        match allowed.permission {
            Permission::Named(name) => {
                let table = C::operations();
                let rows = table.needing(name);
                if !rows.is_empty() {
                    self.judge_rows(name, rows, allowed);
                    return;
                }
                // Some clouds compare names without case: two names that cover each other are one.
                let same =
                    |row: &&Operation<C::Scope>| C::covers(name, row.permission) && C::covers(row.permission, name);
                let rows: Vec<_> = table.rows().iter().copied().filter(same).collect();
                if rows.is_empty() {
                    let what = "it is not in the operation table, so nobody can say what it does";
                    self.breach(Promise::P1, name, allowed, what.to_owned());
                    self.unknown.push(name);
                } else {
                    self.judge_rows(name, &rows, allowed);
                }
            }
            Permission::Part(pattern) => {
                let what = "it is a pattern with exceptions, and what is left of it cannot be proved";
                self.breach(Promise::P1, pattern, allowed, what.to_owned());
            }
            Permission::Pattern(pattern) => {
                let what = "it is a pattern, and what a pattern covers cannot be proved";
                self.breach(Promise::P1, pattern, allowed, what.to_owned());
                self.unknown.push(pattern);
                let mut by_name = BTreeMap::<&'static str, Vec<&'static Operation<C::Scope>>>::new();
                for row in C::operations().rows().iter().filter(|row| C::covers(pattern, row.permission)) {
                    by_name.entry(row.permission).or_default().push(row);
                }
                for (name, rows) in by_name {
                    self.judge_rows(name, &rows, allowed);
                }
            }
        }
    }

    /// Checks a permission on everything that the scope covers.
    fn judge_rows(&mut self, name: &'a str, rows: &[&'static Operation<C::Scope>], allowed: &Allowed<'a, C>) {
        let mut direct = false;
        if let Coverage::Exact(text) | Coverage::Tree(text) | Coverage::Glob(text) | Coverage::Whole(text) =
            allowed.coverage
        {
            let index = self.index;
            let mut guards = Guards::<C>::new(self.layout, index, allowed.condition);
            let mut candidates = index
                .named(text)
                .flat_map(|thing| rows.iter().filter(|row| row.on == thing.scope).map(move |row| (*row, *thing)));
            // Nearly always there is only one candidate.
            let first = candidates.next();
            let second = candidates.next();
            if let (Some((row, thing)), None) = (first, second)
                && guards.met(&thing)
            {
                self.judge_thing(name, row, thing, allowed);
                return;
            }
            direct = first.is_some();
            let (met, unmet): (Vec<_>, Vec<_>) =
                first.into_iter().chain(second).chain(candidates).partition(|(_, thing)| guards.met(thing));
            // A condition that restricts one thing says nothing about another of the same full name.
            let granted = |(row, thing): &&Checked<'a, C>| self.derived(row, thing.subject) != Derived::No;
            let lacking = match met.iter().any(|one| granted(&one)) {
                true => None,
                false if met.is_empty() => unmet.iter().find(granted).or(unmet.first()),
                false => unmet.iter().find(granted),
            };
            if let Some(one @ (row, thing)) = lacking {
                let key = guards.unmet(thing).unwrap_or_default();
                let does = row.effect.describe();
                // The stack grants it with the condition: then the breach is what the condition keeps.
                let fields = if granted(&one) { self.kept_by(key, row, *thing) } else { String::new() };
                let (promise, what) = if fields.is_empty() {
                    let what = format!("it {does}, without the condition on `{key}` that belongs to it");
                    (promise(row.effect, true), what)
                } else {
                    let what = format!("it {does}, and without the condition on `{key}` also writes {fields}");
                    (Promise::P10, what)
                };
                self.breach(promise, name, allowed, what);
                self.note(row.permission, Derived::No);
                // What the permission does besides is judged all the same.
                let besides: Vec<_> = met.into_iter().filter(|(other, _)| other.effect != row.effect).collect();
                self.judge_alike(name, &besides, allowed);
                return;
            }
            self.judge_alike(name, &met, allowed);
        }
        if direct {
            return;
        }
        // The permission is not checked on the scope itself: it applies to everything inside the scope.
        let within: Vec<NamedResource<'a, C::Scope>> = self
            .index
            .within(allowed.coverage)
            .filter(|thing| rows.iter().any(|row| row.on == thing.scope))
            .copied()
            .collect();
        for thing in within {
            for row in rows.iter().filter(|row| row.on == thing.scope) {
                self.judge_thing(name, row, thing, allowed);
            }
        }
        let worst = rows.iter().map(|row| row.effect).max_by_key(|effect| severity(*effect));
        let worst = worst.unwrap_or(Effect::Control);
        let what = format!("it {}, and the scope is no thing that it is checked on here", worst.describe());
        self.breach(promise(worst, true), name, allowed, what);
        rows.iter().for_each(|row| self.note(row.permission, Derived::No));
    }

    /// The fields that the condition on a key keeps from being written, in words.
    fn kept_by(&self, key: &str, row: &Operation<C::Scope>, thing: NamedResource<'a, C::Scope>) -> String {
        let kind = self.layout.resource(thing.subject).map(Resource::kind);
        let lists = kind.map_or(&[][..], |kind| C::writes(SubjectType::Kind(kind), row));
        let is_kept = |fields: &&Fields| matches!(fields.fate, Fate::Kept(Keeper::Condition(by)) if by == key);
        let kept = lists.iter().filter(is_kept);
        let named: Vec<String> = kept.flat_map(|fields| fields.paths).map(|path| format!("`{path}`")).collect();
        named.join(", ")
    }

    /// Checks a permission on things of one full name.
    fn judge_alike(&mut self, name: &'a str, things: &[Checked<'a, C>], allowed: &Allowed<'a, C>) {
        // One thing may count as several scopes. A grant for one of them is a grant for the thing, if that scope has all
        // the conditions of the other: what is allowed meets them all. If several resources observe, join or fetch from
        // the same thing, the grant of one of them is enough.
        let shares =
            |row: &Operation<C::Scope>| matches!(row.effect, Effect::Observe | Effect::Attach | Effect::ReadCode);
        let mut shared: Option<(Derived, Checked<'a, C>)> = None;
        for (row, thing) in things {
            let derived = self.derived(row, thing.subject);
            if shares(row) {
                if shared.is_none_or(|(best, _)| derived > best) {
                    shared = Some((derived, (*row, *thing)));
                }
                continue;
            }
            let otherwise = |(other, of): &Checked<'a, C>| {
                of.subject == thing.subject
                    && C::guards(thing.scope).iter().all(|guard| C::guards(of.scope).contains(guard))
                    && self.derived(other, of.subject) != Derived::No
            };
            if derived == Derived::No && things.iter().any(otherwise) {
                continue;
            }
            self.judge_thing(name, row, *thing, allowed);
        }
        if let Some((_, (row, thing))) = shared {
            self.judge_thing(name, row, thing, allowed);
        }
    }

    fn judge_thing(
        &mut self,
        name: &'a str,
        row: &'static Operation<C::Scope>,
        thing: NamedResource<'a, C::Scope>,
        allowed: &Allowed<'a, C>,
    ) {
        self.findings.checked += 1;
        let derived = self.derived(row, thing.subject);
        self.note(row.permission, derived);
        let resource = self.layout.resource(thing.subject);
        let frozen = resource.is_none_or(|resource| resource.lifecycle() == Lifecycle::Frozen);
        let named = || resource.map_or_else(String::new, |r| format!(" ({} {} `{}`)", r.lifecycle(), r.kind(), r.id()));
        let does = row.effect.describe();
        if derived == Derived::No {
            let what = format!("it {does}{}, and no grant of the stack asks for it", named());
            self.breach(promise(row.effect, frozen), name, allowed, what);
            return;
        }
        let broken = match self.layer {
            Layer::Provisioning => None,
            Layer::Management => never_for_the_vendor(row.effect, derived, resource.map(|r| r.lifecycle())),
            Layer::Runtime => never_for_code(row.effect),
        };
        if let Some(promise) = broken {
            let what = format!("it {does}{}, which {} never does", named(), self.layer);
            self.breach(promise, name, allowed, what);
            return;
        }
        if self.layer == Layer::Management {
            self.disclose(row, derived, thing, resource);
        }
    }

    fn disclose(
        &mut self,
        row: &'static Operation<C::Scope>,
        derived: Derived,
        thing: NamedResource<'a, C::Scope>,
        resource: Option<&Resource>,
    ) {
        let kind = resource.map(Resource::kind);
        let resource = resource.map(|resource| resource.id().as_str());
        let mut disclose = |kind, what| {
            let resource = resource.map(str::to_owned);
            let permission = row.permission.into();
            self.findings.disclosures.insert(Disclosure { kind, resource, permission, what: Cow::Borrowed(what) });
        };
        if !row.reveals.is_empty() {
            disclose(DisclosureKind::Reveals, row.reveals);
        }
        if derived == Derived::Extended && row.effect != Effect::Observe {
            let indirect = row.effect == Effect::Redirect;
            disclose(if indirect { DisclosureKind::Indirect } else { DisclosureKind::Extended }, row.effect.describe());
        }
        for fields in kind.map_or(&[][..], |kind| C::writes(SubjectType::Kind(kind), row)) {
            match fields.fate {
                Fate::Restored(lets) if !lets.is_empty() => disclose(DisclosureKind::Restored, lets),
                Fate::Disclosed(lets) => disclose(DisclosureKind::Unguarded, lets),
                Fate::Call | Fate::Vendors | Fate::Kept(_) | Fate::Restored(_) => {}
            }
        }
        if C::is_shared(thing.scope) {
            disclose(DisclosureKind::Wide, row.effect.describe());
        }
    }

    /// How a row on a subject follows from the grants of the stack.
    fn derived(&self, row: &'static Operation<C::Scope>, subject: Subject) -> Derived {
        let given = |kind: Kind, held: Held| {
            let gives = |sets: Sets| {
                sets.iter().any(|set| {
                    C::set(SubjectType::Kind(kind), set)
                        .iter()
                        .any(|given| given.on == row.on && given.permission == row.permission)
                })
            };
            if gives(held.sets) {
                Derived::Yes
            } else if gives(held.extended) {
                Derived::Extended
            } else {
                Derived::No
            }
        };
        let best = |of: &mut dyn Iterator<Item = (Kind, Held)>| {
            of.map(|(kind, held)| given(kind, held)).max().unwrap_or(Derived::No)
        };
        match subject {
            Subject::Resource(position) => match (self.layout.stack.at(position), self.held.get(position)) {
                (Some(resource), Some(held)) => given(resource.kind(), *held),
                _ => Derived::No,
            },
            Subject::Deployment => best(&mut self.shared.iter().map(|(kind, held)| (*kind, *held))),
            Subject::RuntimeIdentity(identity) => best(
                &mut self
                    .identities
                    .iter()
                    .filter(|((holder, _), _)| *holder == identity)
                    .map(|((_, kind), held)| (*kind, *held)),
            ),
            Subject::ManagementIdentity => Derived::No,
        }
    }

    /// Records that a permission is allowed somewhere, for the check of escalation paths.
    fn note(&mut self, name: &'static str, derived: Derived) {
        self.allowed.entry(name).and_modify(|least| *least = (*least).min(derived)).or_insert(derived);
    }

    /// Checks a path of escalation. It is open if all permissions that it needs are allowed. If all of them follow from
    /// live resources, the path is the update of live code under its own identity, and `Reach` says what that reaches.
    /// If some follow from `management.extend`, the path is disclosed. Otherwise it breaks a promise.
    fn escalation(&mut self, escalation: &'static Escalation) {
        let mut least = Derived::Yes;
        for required in escalation.required {
            if let Some(derived) = self.allowed.get(required) {
                least = least.min(*derived);
            } else if self.unknown.iter().any(|pattern| C::covers(pattern, required)) {
                least = Derived::No;
            } else {
                return;
            }
        }
        match least {
            Derived::Yes => {}
            Derived::Extended => {
                let permission = escalation.required.last().copied().unwrap_or_default();
                let kind = DisclosureKind::Path;
                self.findings.disclosures.insert(Disclosure {
                    kind,
                    resource: None,
                    permission: permission.into(),
                    what: escalation.name.into(),
                });
            }
            Derived::No => self.findings.breach(Breach {
                promise: Promise::P5,
                layer: self.layer,
                principal: self.holder.label().to_owned(),
                statement: "all statements together".to_owned(),
                permission: escalation.required.join(" + "),
                on: "what they are allowed on".to_owned(),
                what: format!("together they open a known path of escalation: {}", escalation.name),
            }),
        }
    }

    fn breach(&mut self, promise: Promise, name: &str, allowed: &Allowed<'a, C>, what: String) {
        self.findings.breach(Breach {
            promise,
            layer: self.layer,
            principal: self.holder.label().to_owned(),
            statement: allowed.statement.to_owned(),
            permission: name.to_owned(),
            on: allowed.coverage.to_string(),
            what,
        });
    }
}
