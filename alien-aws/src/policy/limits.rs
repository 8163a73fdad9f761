//! IAM's limits on the size of documents. White space does not count.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html>

use std::collections::BTreeMap;

use alien_core::{Layer, Layers, Size};

use super::{Condition, Effect, Policy, PolicyKind, Principal, Statement, Text, Texts};

/// The most characters of a role's inline policy. IAM allows 10,240 for all inline policies of a role together; the
/// rest is kept for the policy that denies everything when the customer revokes the access.
pub(super) const INLINE: usize = 10_240 - 240;
/// The most characters of a managed policy.
pub(super) const MANAGED: usize = 6_144;
/// The most managed policies of a role, without a quota increase.
const MANAGED_PER_ROLE: usize = 10;
/// The most characters of a trust policy, without a quota increase.
const TRUST: usize = 2_048;
/// The most roles of an account, without a quota increase.
const ROLES: usize = 1_000;

const SOURCE: &str = "https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html";

/// Characters of `{"Version":"2012-10-17","Statement":[]}`.
pub(super) const POLICY_ENVELOPE: usize = 39;
/// Characters of `,"Resource":[]`, which a statement without resources omits, and of the comma after it.
pub(super) const STATEMENT_ENVELOPE: usize = 15;

/// Characters of a policy in compact JSON. They are counted without serializing, because packing measures often.
fn policy(policy: &Policy) -> usize {
    POLICY_ENVELOPE - Policy::VERSION.len()
        + policy.version.chars().count()
        + policy.statements.iter().map(|part| statement(part) + 1).sum::<usize>().saturating_sub(1)
}

/// Characters of a statement in compact JSON.
pub(super) fn statement(statement: &Statement) -> usize {
    let Statement {
        sid,
        effect,
        principal,
        not_principal,
        actions,
        not_actions,
        resources,
        not_resources,
        condition: Condition(condition),
    } = statement;
    let lists =
        [("Action", actions), ("NotAction", not_actions), ("Resource", resources), ("NotResource", not_resources)];
    let lists = lists.into_iter().filter(|(_, list)| !list.is_empty());
    let maps = [("Principal", principal), ("NotPrincipal", not_principal)];
    let maps = maps.into_iter().filter(|(_, map)| !map.is_empty());
    let effect = match effect {
        Effect::Allow => "Allow",
        Effect::Deny => "Deny",
    };
    let field = |name: &str, value: usize| text(name) + 1 + value;
    let fields = [field("Effect", text(effect))]
        .into_iter()
        .chain((!sid.is_empty()).then(|| field("Sid", text(sid))))
        .chain(lists.map(|(name, list)| field(name, joined(list.iter().map(|one| text(one))))))
        .chain(maps.map(|(name, map)| field(name, keyed(map))))
        .chain((!condition.is_empty()).then(|| {
            field("Condition", joined(condition.iter().map(|(operator, keys)| field(operator, keyed(keys)))))
        }));
    joined(fields)
}

/// Characters of an object with text values.
fn keyed(map: &BTreeMap<Text, Texts>) -> usize {
    joined(map.iter().map(|(key, Texts(values))| {
        let value = match values.as_slice() {
            [one] => text(one),
            several => joined(several.iter().map(|one| text(one))),
        };
        text(key) + 1 + value
    }))
}

/// Characters of an array or an object of these parts.
fn joined(parts: impl Iterator<Item = usize>) -> usize {
    2 + parts.map(|part| part + 1).sum::<usize>().saturating_sub(1)
}

/// Characters of a text in JSON. The continuation bytes of UTF-8 count as no character.
fn text(text: &str) -> usize {
    let characters = |byte: u8| match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 0x08 | 0x0C => 2,
        0..0x20 => 6,
        0x80..0xC0 => 0,
        _ => 1,
    };
    // Nearly every text needs no escapes; the fold checks that without a branch for each byte.
    let is_plain = |byte: u8| (0x20..0x80).contains(&byte) & (byte != b'"') & (byte != b'\\');
    let plain = text.bytes().fold(true, |plain, byte| plain & is_plain(byte));
    2 + if plain { text.len() } else { text.bytes().map(characters).sum() }
}

pub(crate) fn sizes(layers: &Layers<Principal>) -> Vec<Size> {
    let mut sizes = Vec::new();
    let mut roles = 0;
    for layer in Layer::ALL {
        for principal in layers.principals(layer) {
            roles += 1;
            principal_sizes(layer, principal, &mut sizes);
        }
    }
    sizes.push(size("roles of the account".to_owned(), "roles", roles, ROLES));
    sizes
}

fn principal_sizes(layer: Layer, principal: &Principal, sizes: &mut Vec<Size>) {
    let role = &principal.role.name;
    let mut inline = 0;
    let mut managed = 0;
    for policy in &principal.policies {
        let characters = self::policy(&policy.document);
        match policy.kind {
            PolicyKind::Inline => inline += characters,
            PolicyKind::Managed => {
                managed += 1;
                let document = format!("{layer}: managed policy {}", policy.name);
                sizes.push(size(document, "characters", characters, MANAGED));
            }
        }
    }
    sizes.push(size(format!("{layer}: inline policies of {role}"), "characters", inline, INLINE));
    if managed > 0 {
        sizes.push(size(format!("{layer}: managed policies of {role}"), "policies", managed, MANAGED_PER_ROLE));
    }
    let trust = policy(&principal.role.trust_policy);
    sizes.push(size(format!("{layer}: trust policy of {role}"), "characters", trust, TRUST));
}

fn size(document: String, unit: &'static str, size: usize, limit: usize) -> Size {
    Size { document, unit: unit.into(), size, limit, source: SOURCE.into() }
}
