//! Building a stack in Rust. The types of references have kind and lifecycle, so that most mistakes do not compile.

use std::collections::BTreeMap;

use super::checked::Stack;
use super::draft::{Draft, DraftResource};
use crate::handle::{Mention, Origin, Ref};
use crate::kind::ResourceKind;
use crate::lifecycle::{Frozen, Live, State};
use crate::permission::{ForManagement, ForProfiles, SetName, SetOf};
use crate::problem::{Problem, Problems, Rule};
use crate::resource::ResourceSettings;

/// Builds a [`Stack`]. The order of calls changes nothing.
///
/// A permission set of another kind does not compile:
///
/// ```compile_fail
/// # use alien_core::{Profile, Queue, Stack, Storage};
/// # let mut stack = Stack::builder("my-app");
/// let data = stack.frozen("data", Storage::new());
/// stack.profile("execution", Profile::new().on(&data, [Queue::DATA_READ]));
/// ```
///
/// Nor does a data permission for the vendor:
///
/// ```compile_fail
/// # use alien_core::{Stack, Storage};
/// # let mut stack = Stack::builder("my-app");
/// let data = stack.frozen("data", Storage::new());
/// stack.extend(&data, [Storage::DATA_READ]);
/// ```
#[derive(Debug)]
pub struct Builder {
    draft: Draft,
    origin: Origin,
    problems: Vec<Problem>,
}

impl Stack {
    /// Creates a builder for a stack of this name.
    pub fn builder(name: impl Into<String>) -> Builder {
        let draft = Draft { name: Some(name.into()), ..Draft::default() };
        Builder { draft, origin: Origin::default(), problems: Vec::new() }
    }
}

impl Builder {
    /// Adds a resource that the vendor may only watch after set-up.
    pub fn frozen<K: ResourceSettings>(&mut self, id: impl Into<String>, settings: K) -> Ref<K, Frozen> {
        self.add(id.into(), settings)
    }

    /// Adds a resource that the vendor may update.
    pub fn live<K: ResourceSettings>(&mut self, id: impl Into<String>, settings: K) -> Ref<K, Live> {
        self.add(id.into(), settings)
    }

    fn add<K: ResourceSettings, L: State>(&mut self, id: String, settings: K) -> Ref<K, L> {
        let mut settings = settings.into();
        for mention in settings.describe_mut().take_mentions() {
            self.own(&id, &mention);
        }
        self.draft.resources.push(DraftResource {
            id: Some(id.clone()),
            lifecycle: Some(L::LIFECYCLE),
            links: Vec::new(),
            settings: Some(settings),
            mark: None,
        });
        Ref::new(id, self.origin.clone())
    }

    /// Links `from` to `to`: sets `to` up before `from`, and gives the code of `from` the address of `to` in the
    /// environment variable [`variable`](crate::ResourceId::variable). A link grants no permission: profiles do.
    pub fn link<K: ResourceKind, L: State, K2: ResourceKind, L2: State>(
        &mut self,
        from: &Ref<K, L>,
        to: &Ref<K2, L2>,
    ) -> &mut Self {
        self.own(to.id(), &from.into());
        self.own(from.id(), &to.into());
        if let Some(resource) =
            self.draft.resources.iter_mut().find(|resource| resource.id.as_deref() == Some(from.id()))
        {
            resource.links.push(to.id.clone());
        }
        self
    }

    /// Defines a permission profile. Calls for the same name add up.
    pub fn profile(&mut self, name: impl Into<String>, profile: Profile) -> &mut Self {
        let name = name.into();
        for mention in &profile.mentions {
            self.own(&format!("profile {name}"), mention);
        }
        let scopes = self.draft.profiles.entry(name).or_default();
        for (scope, sets) in profile.scopes {
            scopes.entry(scope).or_default().extend(sets);
        }
        self
    }

    /// Gives the vendor more permission sets on a resource than the default (`management.extend`). The review shows
    /// them to the customer as extensions.
    pub fn extend<K: ResourceKind, L: State>(
        &mut self,
        resource: &Ref<K, L>,
        sets: impl IntoIterator<Item = SetOf<K, ForManagement>>,
    ) -> &mut Self {
        self.own("management.extend", &resource.into());
        let names = sets.into_iter().map(|set| SetName { kind: K::KIND, set: set.set() }.to_string());
        self.draft.extend.entry(resource.id.clone()).or_default().extend(names);
        self
    }

    /// Checks every rule, and builds the stack.
    ///
    /// # Errors
    ///
    /// Every problem at once: ids and names that do not match the pattern or are used twice, unknown sets, profiles and
    /// resources, sets that do not fit, cycles, settings outside their bounds, references of another builder.
    pub fn build(self) -> Result<Stack, Problems> {
        self.draft.check(self.problems)
    }

    /// Records a problem if another builder created the reference.
    fn own(&mut self, at: &str, mention: &Mention) {
        if mention.origin != self.origin {
            let what = format!("the reference to `{}` comes from another stack", mention.id);
            let help = "use the reference that this stack's builder gave".to_owned();
            self.problems.push(Problem::error(Rule::ForeignReference, what, help).at(at));
        }
    }
}

/// A permission profile: what code that runs under it may do, by resource.
///
/// ```
/// use alien_core::{Profile, Queue, Stack, Storage};
///
/// let mut stack = Stack::builder("shop");
/// let receipts = stack.frozen("receipts", Storage::new());
/// stack.profile("api", Profile::new().on(&receipts, [Storage::DATA_READ]).on_all([Queue::DATA_WRITE]));
/// ```
#[derive(Debug, Default)]
pub struct Profile {
    scopes: BTreeMap<String, Vec<String>>,
    mentions: Vec<Mention>,
}

impl Profile {
    /// Creates a profile that grants nothing. Code may always write its own logs.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Grants permission sets on one resource.
    #[must_use]
    pub fn on<K: ResourceKind, L: State>(
        mut self,
        resource: &Ref<K, L>,
        sets: impl IntoIterator<Item = SetOf<K, ForProfiles>>,
    ) -> Self {
        self.mentions.push(resource.into());
        self.add(resource.id.clone(), sets)
    }

    /// Grants permission sets on every resource of their kind.
    #[must_use]
    pub fn on_all<K: ResourceKind>(self, sets: impl IntoIterator<Item = SetOf<K, ForProfiles>>) -> Self {
        self.add("*".to_owned(), sets)
    }

    fn add<K: ResourceKind>(mut self, scope: String, sets: impl IntoIterator<Item = SetOf<K, ForProfiles>>) -> Self {
        let names = sets.into_iter().map(|set| SetName { kind: K::KIND, set: set.set() }.to_string());
        self.scopes.entry(scope).or_default().extend(names);
        self
    }
}
