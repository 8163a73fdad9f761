//! The rules of a stack: a draft that breaks none becomes a [`Stack`]; one that does gets every problem at once.

use std::collections::{BTreeMap, BTreeSet};

use super::checked::{ProfileScope, Scopes, Sound, Stack};
use super::draft::{Draft, DraftResource};
use super::graph;
use crate::kind::Kind;
use crate::name::{ProfileName, ResourceId, StackName};
use crate::permission::{Set, SetName};
use crate::problem::{Problem, Problems, Rule};
use crate::resource::{Existing, Resource, Settings};

impl Draft {
    /// Checks every rule. `problems` are those found while the draft was read.
    pub(super) fn check(mut self, problems: Vec<Problem>) -> Result<Stack, Problems> {
        if let Some(problem) = Stack::too_many(self.resources.len()) {
            return Err(Problems(vec![problem]));
        }
        let mut check = Check { kinds: BTreeMap::new(), problems };
        check.adopt(&mut self.resources, self.existing);
        let name = check.stack_name(self.name.as_deref());
        for resource in &self.resources {
            check.declare(resource);
        }
        let profiles = check.profiles(&self.profiles);
        let extend = check.extend(&self.extend, &self.resources);
        let mut resources: Vec<Resource> =
            self.resources.into_iter().filter_map(|resource| check.resource(resource, &profiles)).collect();
        resources.sort_by(|a, b| a.id.cmp(&b.id));
        check.unused_profiles(&profiles, &resources);
        let order = check.order(&resources);
        let Check { problems, .. } = check;
        let warnings = Problems::none(problems)?;
        // Without an error, there is a name.
        let Some(name) = name else { return Err(Problems(warnings)) };
        Ok(Stack::of(Sound { name, resources, profiles, extend, order, warnings }))
    }
}

impl Stack {
    /// The most resources of a stack, so that a long text is refused at once. Clouds take fewer: the policies of 600 functions are more
    /// than AWS takes for a role.
    pub const MOST_RESOURCES: usize = 1_000;

    pub(super) fn too_many(count: usize) -> Option<Problem> {
        let most = Self::MOST_RESOURCES;
        let problem = || {
            let what = format!("there are {count} resources, and {most} are the most");
            Problem::error(Rule::Limit, what, "split the product into several stacks".to_owned()).at("resources")
        };
        (count > most).then(problem)
    }
}

struct Check {
    /// The kind of every id that is declared; `None` if the resource could not be read.
    kinds: BTreeMap<String, Option<Kind>>,
    problems: Vec<Problem>,
}

impl Check {
    fn error(&mut self, at: &str, rule: Rule, what: String, help: impl Into<String>) {
        self.problems.push(Problem::error(rule, what, help.into()).at(at));
    }

    fn stack_name(&mut self, name: Option<&str>) -> Option<StackName> {
        match name?.parse() {
            Ok(name) => Some(name),
            Err(error) => {
                self.error("name", Rule::Name, format!("{error}"), "rename the stack");
                None
            }
        }
    }

    /// Puts what the customer has in the place of resources.
    fn adopt(&mut self, resources: &mut [DraftResource], existing: BTreeMap<String, Existing>) {
        for (id, existing) in existing {
            let found = resources.iter_mut().find(|found| found.id.as_deref() == Some(id.as_str()));
            let settings = found.map(|found| found.settings.as_mut().map(Settings::describe_mut));
            match settings {
                Some(Some(settings)) if settings.is_adoptable() => settings.adopt(existing),
                // A problem already says that it cannot be read.
                Some(None) => {}
                Some(Some(_)) => {
                    let what = format!("`{}` cannot stand in its place: the set-up makes it", existing.id);
                    self.error(&id, Rule::SetFit, what, "give something of your own for a network alone");
                }
                None => {
                    let what = format!("`{}` is given for it, and the stack has no such resource", existing.id);
                    self.error(&id, Rule::UnknownResource, what, "name a network of the stack");
                }
            }
        }
    }

    fn declare(&mut self, resource: &DraftResource) {
        let Some(id) = &resource.id else { return };
        if let Err(error) = id.parse::<ResourceId>() {
            self.error(id, Rule::Name, format!("{error}"), "rename the resource");
        }
        let kind = resource.settings.as_ref().map(Settings::kind);
        if self.kinds.insert(id.clone(), kind).is_some() {
            let what = "the id is given to two resources".to_owned();
            self.error(id, Rule::Duplicate, what, "rename one of them");
        }
    }

    /// Looks an id up, and records a problem if there is no such resource. The kind is `None` if the resource could not
    /// be read.
    fn look_up(&mut self, at: &str, id: &str, role: &str) -> Option<Option<Kind>> {
        let found = self.kinds.get(id).copied();
        if found.is_none() {
            let what = format!("{role} `{id}` is not a resource of the stack");
            self.error(at, Rule::UnknownResource, what, "declare it, or name one that is declared");
        }
        found
    }

    fn set(&mut self, at: &str, name: &str) -> Option<SetName> {
        let found = SetName::named(name);
        if found.is_none() {
            let kind = name.split_once('/').and_then(|(kind, _)| Kind::named(kind));
            let known: Vec<String> = SetName::all()
                .filter(|set| kind.is_none_or(|kind| set.kind == kind))
                .map(|set| set.to_string())
                .collect();
            let what = format!("`{name}` is not a permission set");
            self.error(at, Rule::UnknownSet, what, format!("use one of {}", known.join(", ")));
        }
        found
    }

    fn fits(&mut self, at: &str, set: SetName, id: &str, kind: Option<Kind>) -> bool {
        match kind {
            Some(kind) if kind != set.kind => {
                let what = format!("`{set}` does not fit `{id}`, which is a {kind}");
                self.error(at, Rule::SetFit, what, format!("use a set of `{kind}/…`, or name a {}", set.kind));
                false
            }
            _ => true,
        }
    }

    fn profiles(&mut self, written: &BTreeMap<String, BTreeMap<String, Vec<String>>>) -> BTreeMap<ProfileName, Scopes> {
        let mut profiles = BTreeMap::new();
        for (profile, written_scopes) in written {
            let at = format!("profile {profile}");
            let mut scopes = Scopes::new();
            for (written_scope, names) in written_scopes {
                let scope = self.scope(&at, written_scope);
                let mut sets = BTreeSet::new();
                for name in names {
                    let Some(set) = self.set(&at, name) else { continue };
                    if !set.set.is_for_profiles() {
                        let what = format!("`{set}` is not for deployed code");
                        let help = "profiles may hold data-read, data-write, invoke and heartbeat; the vendor's \
                                    rights are widened by `management.extend`";
                        self.error(&at, Rule::SetFit, what, help);
                        continue;
                    }
                    match &scope {
                        Some((ProfileScope::All, _)) => self.warn_where_all_is_none(&at, set),
                        Some((ProfileScope::Resource(id), kind)) if self.fits(&at, set, id.as_str(), *kind) => {}
                        _ => continue,
                    }
                    sets.insert(set);
                }
                if let Some((scope, _)) = scope {
                    scopes.insert(scope, sets);
                }
            }
            match profile.parse::<ProfileName>() {
                Ok(name) => {
                    profiles.insert(name, scopes);
                }
                Err(error) => self.error(&at, Rule::Name, format!("{error}"), "rename the profile"),
            }
        }
        profiles
    }

    fn scope(&mut self, at: &str, scope: &str) -> Option<(ProfileScope, Option<Kind>)> {
        if scope == "*" {
            return Some((ProfileScope::All, None));
        }
        let kind = self.look_up(at, scope, "scope")?;
        let id = scope.parse::<ResourceId>().ok()?;
        Some((ProfileScope::Resource(id), kind))
    }

    fn warn_where_all_is_none(&mut self, at: &str, set: SetName) {
        if !self.kinds.values().any(|kind| *kind == Some(set.kind)) {
            let what = format!("`{set}` for `*` grants nothing: the stack has no {}", set.kind);
            self.problems.push(Problem::warning(Rule::Unused, what, "remove it".to_owned()).at(at));
        }
    }

    fn extend(
        &mut self,
        written: &BTreeMap<String, Vec<String>>,
        resources: &[DraftResource],
    ) -> BTreeMap<ResourceId, BTreeSet<Set>> {
        let mut extend = BTreeMap::new();
        for (id, names) in written {
            let at = format!("management.extend.{id}");
            let kind = self.look_up(&at, id, "resource");
            let mut sets = BTreeSet::new();
            for name in names {
                let Some(set) = self.set(&at, name) else { continue };
                if kind.is_some_and(|kind| !self.fits(&at, set, id, kind)) {
                    continue;
                }
                if !set.set.is_for_management() {
                    let what = format!("`{set}` would give the vendor data or credentials");
                    let help = "remove it: the vendor never holds such a permission; code that needs it asks for it in a profile";
                    self.error(&at, Rule::SetFit, what, help);
                    continue;
                }
                let settings = resources
                    .iter()
                    .filter(|resource| resource.id.as_ref() == Some(id))
                    .find_map(|resource| resource.settings.as_ref());
                match (set.set, settings) {
                    (Set::Dispatch, Some(settings)) if !settings.takes_commands() => {
                        let what = format!("`{set}` is asked for, but the function takes no commands");
                        self.error(&at, Rule::SetFit, what, "set `\"commands\": true` on the function");
                    }
                    (Set::Provision | Set::Reconfigure, Some(settings)) if settings.describe().existing().is_some() => {
                        let what = format!("`{set}` is asked for, but the {} is the customer's own", set.kind);
                        let help = format!("remove it: an existing {} is used, never changed", set.kind);
                        self.error(&at, Rule::SetFit, what, help);
                    }
                    _ => {
                        sets.insert(set.set);
                    }
                }
            }
            if let Ok(id) = id.parse::<ResourceId>()
                && !sets.is_empty()
            {
                extend.insert(id, sets);
            }
        }
        extend
    }

    /// Checks a resource, and returns it if it can be in a stack.
    fn resource(&mut self, draft: DraftResource, profiles: &BTreeMap<ProfileName, Scopes>) -> Option<Resource> {
        let at = draft.id.clone().unwrap_or_default();
        let mut links = BTreeSet::new();
        for link in &draft.links {
            if self.look_up(&at, link, "link").is_some()
                && let Ok(link) = link.parse::<ResourceId>()
            {
                links.insert(link);
            }
        }
        let settings = draft.settings?;
        let mut own = Vec::new();
        settings.check(&mut own);
        self.problems.extend(own.into_iter().map(|problem| problem.at(&at)));

        for queue in settings.triggers() {
            self.of_kind(&at, queue, "trigger", Kind::Queue);
        }
        if let Some(compute) = settings.compute() {
            if let Some(network) = compute.network {
                self.of_kind(&at, network, "network", Kind::Network);
            }
            match profiles.get(compute.profile) {
                None => {
                    let what = format!("profile `{}` is not defined", compute.profile);
                    let help = "define it under `permissions.profiles`; `{}` where the code needs nothing";
                    self.error(&at, Rule::UnknownProfile, what, help);
                }
                Some(scopes) => self.triggers_are_granted(&at, &settings, compute.profile, scopes),
            }
        }
        let id = draft.id?.parse().ok()?;
        let (lifecycle, mark) = (draft.lifecycle?, draft.mark);
        Some(Resource { id, lifecycle, links: links.into_iter().collect(), settings, mark })
    }

    fn of_kind(&mut self, at: &str, id: &str, role: &str, wanted: Kind) {
        if let Some(Some(kind)) = self.look_up(at, id, role)
            && kind != wanted
        {
            let what = format!("{role} `{id}` is a {kind}");
            self.error(at, Rule::SetFit, what, format!("name a {wanted}"));
        }
    }

    /// Links and triggers grant no permission, profiles do. So the profile of a function that a queue starts must allow
    /// to read that queue.
    fn triggers_are_granted(&mut self, at: &str, settings: &Settings, profile: &str, scopes: &Scopes) {
        let read = SetName { kind: Kind::Queue, set: Set::DataRead };
        for queue in settings.triggers() {
            let granted = scopes.iter().any(|(scope, sets)| {
                let covers = match scope {
                    ProfileScope::All => true,
                    ProfileScope::Resource(id) => id.as_str() == queue,
                };
                covers && sets.contains(&read)
            });
            if !granted {
                let what = format!("messages of `{queue}` start it, but its profile `{profile}` may not read them");
                self.error(at, Rule::SetFit, what, format!("give the profile `{read}` on `{queue}`"));
            }
        }
    }

    fn unused_profiles(&mut self, profiles: &BTreeMap<ProfileName, Scopes>, resources: &[Resource]) {
        let used: BTreeSet<&str> = resources
            .iter()
            .filter_map(|resource| resource.settings.compute())
            .map(|compute| compute.profile)
            .collect();
        for profile in profiles.keys().filter(|profile| !used.contains(profile.as_str())) {
            let what = "no function or container runs under it, so no identity is made for it".to_owned();
            let problem = Problem::warning(Rule::Unused, what, "remove it, or name it in a resource".to_owned());
            self.problems.push(problem.at(format!("profile {profile}")));
        }
    }

    fn order(&mut self, resources: &[Resource]) -> Vec<usize> {
        let position = |id: &str| resources.binary_search_by(|resource| resource.id.as_str().cmp(id)).ok();
        let needs: Vec<BTreeSet<usize>> =
            resources.iter().map(|resource| resource.needs().filter_map(position).collect()).collect();
        match graph::order(&needs) {
            Ok(order) => order,
            Err(circles) => {
                for circle in circles {
                    let ids: Vec<&str> =
                        circle.iter().filter_map(|&position| resources.get(position)).map(|r| r.id.as_str()).collect();
                    let Some(&first) = ids.first() else { continue };
                    let what = format!("it needs itself: {} → {first}", ids.join(" → "));
                    self.error(first, Rule::Cycle, what, "remove one of these links");
                }
                Vec::new()
            }
        }
    }
}
