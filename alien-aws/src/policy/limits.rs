//! How large IAM lets documents be. White space does not count.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html>

use alien_core::{Layer, Layers, Size};

use super::{PolicyKind, Principal};

/// Characters of a role's inline policy.
/// All inline policies of a role together have 10,240; the rest is left for the one that denies everything when the
/// customer takes the access back.
pub(super) const INLINE: usize = 10_240 - 240;
/// Characters of a managed policy.
pub(super) const MANAGED: usize = 6_144;
/// Managed policies of a role, without a quota increase.
const MANAGED_PER_ROLE: usize = 10;
/// Characters of a trust policy, without a quota increase.
const TRUST: usize = 2_048;
/// Roles of an account, without a quota increase.
const ROLES: usize = 1_000;

const SOURCE: &str = "https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html";

/// Characters of `{"Version":"2012-10-17","Statement":[]}`.
pub(super) const POLICY_ENVELOPE: usize = 39;
/// Characters of `,"Resource":[]`, which a statement without resources leaves out, and of the comma after it.
pub(super) const STATEMENT_ENVELOPE: usize = 15;

/// Characters of a value in compact JSON.
pub(super) fn length(value: &impl serde::Serialize) -> usize {
    struct Counter(usize);
    impl std::io::Write for Counter {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            // Continuation bytes of UTF-8 are no characters of their own.
            self.0 += bytes.iter().filter(|byte| **byte & 0xC0 != 0x80).count();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut counter = Counter(0);
    // Documents are maps of texts: they have a JSON form, and the counter takes all of it.
    let _ = serde_json::to_writer(&mut counter, value);
    counter.0
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
        let characters = length(&policy.document);
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
    let trust = length(&principal.role.trust_policy);
    sizes.push(size(format!("{layer}: trust policy of {role}"), "characters", trust, TRUST));
}

fn size(document: String, unit: &'static str, size: usize, limit: usize) -> Size {
    Size { document, unit: unit.into(), size, limit, source: SOURCE.into() }
}

/// Statements are counted with their separators, so the constants above are part of the arithmetic.
#[cfg(test)]
mod tests {
    use super::super::{Policy, Statement, Text};
    use super::*;

    #[test]
    fn a_policy_is_as_long_as_its_parts() {
        let statement = |n: usize| Statement {
            sid: "S".to_owned(),
            actions: vec!["s3:GetObject".into()],
            resources: vec![Text::from("arn:aws:s3:::b"); n],
            ..Statement::default()
        };
        assert_eq!(length(&Policy::new(vec![])), POLICY_ENVELOPE);
        for n in 1..4 {
            let parts = length(&statement(0)) + STATEMENT_ENVELOPE + n * (14 + 3);
            let whole = length(&Policy::new(vec![statement(n), statement(n)]));
            // One separator of the last resource and one of the last statement are counted and not there.
            assert_eq!(POLICY_ENVELOPE + 2 * parts - whole, 3, "{n} resources");
        }
    }
}
