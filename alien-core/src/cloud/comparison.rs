//! What changed from some permission documents to others.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::permission::Layer;
use crate::problem::{Problem, Rule};
use crate::stack::Delta;

/// What changed from some permission documents to others of the same cloud.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Comparison {
    /// The cloud's name.
    pub cloud: Cow<'static, str>,
    /// The layers that both sides have: only these are compared.
    pub layers: Vec<Layer>,
    /// Identities that only one side has. What they may do is among the other changes.
    pub identities: Vec<IdentityChange>,
    /// What identities may do.
    pub permissions: Vec<PermissionChange>,
    /// Who may act as an identity.
    pub trust: Vec<TrustChange>,
    /// What identities are denied, whatever else allows it.
    pub denials: Vec<DenialChange>,
    /// How long a session of an identity may last.
    pub sessions: Vec<SessionChange>,
}

/// An identity that only one side has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct IdentityChange {
    /// Its layer.
    pub layer: Layer,
    /// Its name: that of the layer or of the profile.
    pub identity: String,
    /// `gained` or `lost`.
    pub change: Delta,
}

/// How a right changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RightChange {
    /// It is new.
    Gained,
    /// It takes the place of narrower ones.
    Widened,
    /// Only a narrower one is left of it.
    Narrowed,
    /// It is gone.
    Lost,
}

impl RightChange {
    /// The word used in documents: `gained`, `widened`, `narrowed` or `lost`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gained => "gained",
            Self::Widened => "widened",
            Self::Narrowed => "narrowed",
            Self::Lost => "lost",
        }
    }

    /// Whether the identity may do more than before.
    #[must_use]
    pub const fn is_wider(self) -> bool {
        matches!(self, Self::Gained | Self::Widened)
    }
}

/// A right of an identity that changed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct PermissionChange {
    /// The layer of the identity.
    pub layer: Layer,
    /// The identity.
    pub identity: String,
    /// How the right changed.
    pub change: RightChange,
    /// The right: the new one, or that which was lost or narrowed.
    #[serde(flatten)]
    pub right: Right,
    /// The narrower rights that it takes the place of, or that are left of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub narrower: Vec<Right>,
    /// The fields that an update can write by it and not by the narrower ones, as its request has them. Empty if it is the right to
    /// no update.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<String>,
}

/// Something that documents allow.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Right {
    /// The permission, or a pattern of permissions.
    pub permission: String,
    /// What it is allowed on.
    pub on: String,
    /// The conditions, all of which must hold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<String>,
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` on `{}`", self.permission, self.on)?;
        only_if(f, &self.conditions)
    }
}

/// Somebody whose trust changed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct TrustChange {
    /// The layer of the identity.
    pub layer: Layer,
    /// The identity.
    pub identity: String,
    /// How the trust changed.
    pub change: RightChange,
    /// Who is trusted with what: now, or before if it was lost or narrowed.
    #[serde(flatten)]
    pub trusted: Trusted,
    /// What it was before if it was widened, and what is left if it was narrowed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub narrower: Vec<Trusted>,
}

/// Somebody who may act as an identity.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Trusted {
    /// Who it is, as the documents name them.
    pub who: String,
    /// What they may do with the identity, as the cloud calls it.
    pub may: String,
    /// The conditions, all of which must hold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<String>,
}

impl Trusted {
    /// Whether everybody whom the other one lets in comes in here too.
    pub(super) fn covers(&self, other: &Self) -> bool {
        let has = |condition: &String| other.conditions.contains(condition);
        self.who == other.who && self.may == other.may && self.conditions.iter().all(has)
    }
}

impl fmt::Display for Trusted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`: `{}`", self.who, self.may)?;
        only_if(f, &self.conditions)
    }
}

fn only_if(f: &mut fmt::Formatter<'_>, conditions: &[String]) -> fmt::Result {
    if conditions.is_empty() { Ok(()) } else { write!(f, " if {}", conditions.join(" and ")) }
}

/// A denial that was gained or lost.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct DenialChange {
    /// The layer of the identity.
    pub layer: Layer,
    /// The identity.
    pub identity: String,
    /// `gained` or `lost`. An identity may do more without a denial.
    pub change: Delta,
    /// What is denied, and when, as the document has it.
    pub denied: String,
}

/// A longest session that changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SessionChange {
    /// The layer of the identity.
    pub layer: Layer,
    /// The identity.
    pub identity: String,
    /// How long a session could last, in seconds.
    pub before_seconds: u32,
    /// How long it may last now, in seconds.
    pub seconds: u32,
}

impl Comparison {
    /// What was compared, as a title: `Permission documents of aws: management, runtime`.
    #[must_use]
    pub fn title(&self) -> String {
        let layers: Vec<&str> = self.layers.iter().map(|layer| layer.name()).collect();
        format!("Permission documents of {}: {}", self.cloud, layers.join(", "))
    }

    /// Whether nothing changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let Self { cloud: _, layers: _, identities, permissions, trust, denials, sessions } = self;
        identities.is_empty() && permissions.is_empty() && trust.is_empty() && denials.is_empty() && sessions.is_empty()
    }

    /// Whether the vendor, the deployed code, or somebody who may act as an identity gained a permission. Permissions of the
    /// provisioning layer do not count: the admin holds those.
    #[must_use]
    pub fn widens(&self) -> bool {
        !self.wider().is_empty()
    }

    /// What needs somebody's approval, as problems: one for each identity that may do more, with the first such changes.
    /// Empty if there is none.
    #[must_use]
    pub fn refusals(&self) -> Vec<Problem> {
        let refusal = |((layer, identity), what): ((Layer, &str), Vec<String>)| {
            let more = what.len().saturating_sub(SHOWN);
            let mut text = what.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join("; ");
            if more > 0 {
                text.push_str(&format!("; and {more} more"));
            }
            let at = holder(layer, identity);
            let help = "take it back, or let the customer's admin approve it".to_owned();
            Problem::error(Rule::SetFit, text, help).at(at)
        };
        self.wider().into_iter().map(refusal).collect()
    }

    /// The changes for people, a row for each, those by which somebody may do more first: the identity, how it changed, what,
    /// and on what, with the conditions. Permissions of one identity on one thing that changed alike are in one row, a line for
    /// each.
    #[must_use]
    pub fn rows(&self) -> Vec<[String; 4]> {
        let mut rows = Vec::new();
        let mut add = |wider: bool, layer, identity: &str, change: &str, what: String, on: String| {
            rows.push((!wider, [holder(layer, identity), change.to_owned(), what, on]));
        };
        for IdentityChange { layer, identity, change } in &self.identities {
            let is_new = *change == Delta::Gained;
            add(is_new, *layer, identity, change.name(), "the identity itself".to_owned(), String::new());
        }
        for TrustChange { layer, identity, change, trusted, narrower } in &self.trust {
            let mut who = lines(&trusted.who, &trusted.conditions);
            for Trusted { conditions, .. } in narrower {
                let word = if change.is_wider() { "before, only" } else { "now, only" };
                who.push_str(&format!("\n{word} if {}", conditions.join(" and ")));
            }
            add(change.is_wider(), *layer, identity, change.name(), format!("trust: {}", trusted.may), who);
        }
        for SessionChange { layer, identity, before_seconds, seconds } in &self.sessions {
            let is_wider = seconds > before_seconds;
            let change = if is_wider { RightChange::Widened } else { RightChange::Narrowed };
            let what = format!("sessions of {seconds} seconds, before {before_seconds}");
            add(is_wider, *layer, identity, change.name(), what, String::new());
        }
        for DenialChange { layer, identity, change, denied } in &self.denials {
            let is_wider = *change == Delta::Lost;
            add(is_wider, *layer, identity, change.name(), "a denial".to_owned(), denied.clone());
        }
        let mut alike = BTreeMap::<_, Vec<String>>::new();
        for PermissionChange { layer, identity, change, right, narrower, fields } in &self.permissions {
            let mut on = lines(&right.on, &right.conditions);
            let word = if change.is_wider() { "before, only" } else { "now, only" };
            let places = |narrow: &Right| {
                let permission = if narrow.permission == right.permission { "" } else { &narrow.permission };
                let on = lines(&narrow.on, &narrow.conditions).replace('\n', " ");
                format!("\n{word} {permission}{}{on}", if permission.is_empty() { "" } else { " on " })
            };
            on.extend(narrower.iter().take(SHOWN).map(places));
            if let Some(more) = narrower.len().checked_sub(SHOWN).filter(|more| *more > 0) {
                on.push_str(&format!("\nand {more} more"));
            }
            let what = right.permission.clone() + &written(fields);
            alike.entry((*layer, identity.as_str(), *change, on)).or_default().push(what);
        }
        for ((layer, identity, change, on), permissions) in alike {
            add(change.is_wider(), layer, identity, change.name(), permissions.join("\n"), on);
        }
        rows.sort();
        rows.into_iter().map(|(_, row)| row).collect()
    }

    /// What each identity may do more, in words.
    fn wider(&self) -> BTreeMap<(Layer, &str), Vec<String>> {
        let mut wider = BTreeMap::<_, Vec<String>>::new();
        let mut add = |layer, identity, what| wider.entry((layer, identity)).or_default().push(what);
        for found in self.trust.iter().filter(|found| found.change.is_wider()) {
            add(found.layer, found.identity.as_str(), format!("trusts {}", found.trusted));
        }
        for SessionChange { layer, identity, before_seconds, seconds } in &self.sessions {
            if seconds > before_seconds {
                let what = format!("sessions may last {seconds} seconds, and not {before_seconds}");
                add(*layer, identity.as_str(), what);
            }
        }
        let is_counted = |layer: Layer| layer != Layer::Provisioning;
        for found in self.denials.iter().filter(|found| is_counted(found.layer) && found.change == Delta::Lost) {
            add(found.layer, found.identity.as_str(), format!("is no longer denied {}", found.denied));
        }
        for found in self.permissions.iter().filter(|found| is_counted(found.layer) && found.change.is_wider()) {
            add(found.layer, found.identity.as_str(), format!("gains {}", found.right));
        }
        wider
    }
}

/// A line about fields that can be written, with the first of them; empty if there is none.
fn written(fields: &[String]) -> String {
    let named = fields.iter().take(SHOWN).map(|field| field.as_str()).collect::<Vec<_>>().join(", ");
    match fields.len().checked_sub(SHOWN) {
        _ if fields.is_empty() => String::new(),
        None | Some(0) => format!("\nwrites {named}"),
        Some(more) => format!("\nwrites {named} and {more} more"),
    }
}

/// A name, and below it a line for each condition.
fn lines(name: &str, conditions: &[String]) -> String {
    conditions.iter().fold(name.to_owned(), |lines, condition| lines + "\nif " + condition)
}

/// How many changes of one identity a refusal names.
const SHOWN: usize = 3;

/// The name of an identity, as the rest of the library prints it: `management`, `runtime-{profile}`.
fn holder(layer: Layer, identity: &str) -> String {
    if layer == Layer::Runtime { format!("runtime-{identity}") } else { identity.to_owned() }
}
