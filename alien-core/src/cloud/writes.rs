//! What a request of an update can carry, field by field, and what becomes of each field.
//!
//! A permission to update covers every field of the request, whatever the code of this library sends. So beside the set
//! that holds such a permission, each kind lists all fields of its request: [`On::writes`](super::On::writes). The report
//! says from that list what the vendor could also write; a set-up compares from it what it found with what it set.

use std::collections::BTreeMap;

use serde_json::Value;

/// Fields of a request that have one fate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fields {
    /// The fields: names as on the wire, joined by dots, with `[]` behind a list. Each stands for itself and for all below
    /// it, except for what another path of the list names more closely.
    pub paths: &'static [&'static str],
    /// What becomes of them.
    pub fate: Fate,
}

/// What becomes of a field that an update can write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It names what the call is about, or how it is carried out. It sets nothing.
    Call,
    /// It is of the product, and the vendor's to set: code, environment, size, how it is started and rolled out.
    Vendors,
    /// A request that sets it is denied.
    Kept(Keeper),
    /// A set-up compares it and sets it back, and a look at the deployment tells that it was changed. What the vendor can
    /// do with it until then, as a verb phrase; empty if nothing that it cannot do by the code alone.
    Restored(&'static str),
    /// Nothing keeps it, and nothing sets it back. What the vendor can do with it, as a verb phrase.
    Disclosed(&'static str),
}

/// What denies a request that sets a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keeper {
    /// The condition of the permission on this key.
    Condition(&'static str),
    /// Another permission, which such a request needs too. The vendor does not hold it, or only on what the field is set to.
    Permission(&'static str),
    /// The name on which the permission is given: with this field the request is about something else.
    Name,
}

impl Fields {
    /// Fields that say what a call is about, or how it is carried out.
    #[must_use]
    pub const fn call(paths: &'static [&'static str]) -> Self {
        Self { paths, fate: Fate::Call }
    }

    /// Fields that are the vendor's to set.
    #[must_use]
    pub const fn vendors(paths: &'static [&'static str]) -> Self {
        Self { paths, fate: Fate::Vendors }
    }

    /// Fields that a condition on this key keeps.
    #[must_use]
    pub const fn kept_by(key: &'static str, paths: &'static [&'static str]) -> Self {
        Self { paths, fate: Fate::Kept(Keeper::Condition(key)) }
    }

    /// Fields that are kept because they need this permission too.
    #[must_use]
    pub const fn needing(permission: &'static str, paths: &'static [&'static str]) -> Self {
        Self { paths, fate: Fate::Kept(Keeper::Permission(permission)) }
    }

    /// Fields that are kept because the permission is given on another name.
    #[must_use]
    pub const fn elsewhere(paths: &'static [&'static str]) -> Self {
        Self { paths, fate: Fate::Kept(Keeper::Name) }
    }

    /// Fields that a set-up sets back. `lets` says what the vendor can do with them until then; empty if nothing more than
    /// by the code.
    #[must_use]
    pub const fn restored(lets: &'static str, paths: &'static [&'static str]) -> Self {
        Self { paths, fate: Fate::Restored(lets) }
    }

    /// Fields that nothing keeps and nothing sets back. `lets` says what the vendor can do with them.
    #[must_use]
    pub const fn disclosed(lets: &'static str, paths: &'static [&'static str]) -> Self {
        Self { paths, fate: Fate::Disclosed(lets) }
    }

    /// The path of a list that names a field most closely, and the fate of the field; `None` if the list has none. Of two alike
    /// the later counts: a field that nobody can set to something else, and that can be emptied.
    #[must_use]
    pub fn of(list: &'static [Self], field: &str) -> Option<(&'static str, Fate)> {
        let each = list.iter().flat_map(|fields| fields.paths.iter().map(|path| (*path, fields.fate)));
        each.filter(|(path, _)| covers(path, field)).max_by_key(|(path, _)| path.len())
    }

    /// The paths of a list that a set-up sets back, and that are not set alike in two JSON forms of one thing. A field that
    /// is absent, `null`, empty, `false` or zero is not set.
    ///
    /// `same` compares two values that are set.
    #[must_use]
    pub fn changed(
        list: &'static [Self],
        found: &Value,
        wanted: &Value,
        same: impl Fn(&Value, &Value) -> bool,
    ) -> Vec<&'static str> {
        let (found, wanted) = (leaves(found), leaves(wanted));
        let mut changed = Vec::new();
        for field in found.keys().chain(wanted.keys()) {
            let Some((path, Fate::Restored(_))) = Self::of(list, field) else { continue };
            let set = |leaves: &BTreeMap<String, Vec<Value>>| leaves.get(field).cloned().unwrap_or_default();
            let (is, due) = (set(&found), set(&wanted));
            let alike = is.len() == due.len() && is.iter().zip(&due).all(|(is, due)| same(is, due));
            if !alike && !changed.contains(&path) {
                changed.push(path);
            }
        }
        changed.sort_unstable();
        changed
    }
}

/// How a thing drifted whose fields somebody changed; `None` if nobody did.
#[must_use]
pub fn field_drift(paths: &[&str]) -> Option<String> {
    let named: Vec<String> = paths.iter().map(|path| format!("`{path}`")).collect();
    (!named.is_empty()).then(|| format!("somebody changed {}", named.join(", ")))
}

/// Whether a path names a field, or a branch that the field is in.
fn covers(path: &str, field: &str) -> bool {
    field.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[', '{']))
}

/// The values that are set, by field: of a list, those of all its items, in order.
fn leaves(value: &Value) -> BTreeMap<String, Vec<Value>> {
    fn walk(value: &Value, path: &str, leaves: &mut BTreeMap<String, Vec<Value>>) {
        match value {
            Value::Null | Value::Bool(false) => {}
            Value::String(text) if text.is_empty() => {}
            Value::Number(number) if number.as_f64() == Some(0.0) => {}
            Value::Array(items) => items.iter().for_each(|item| walk(item, &format!("{path}[]"), leaves)),
            Value::Object(members) => members.iter().for_each(|(name, value)| {
                let below = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                walk(value, &below, leaves);
            }),
            set => leaves.entry(path.to_owned()).or_default().push(set.clone()),
        }
    }
    let mut leaves_of = BTreeMap::new();
    walk(value, "", &mut leaves_of);
    leaves_of
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const LIST: &[Fields] = &[
        Fields::call(&["etag"]),
        Fields::vendors(&["template", "template.volumes[].name"]),
        Fields::restored("expose it", &["ingress"]),
        Fields::restored("", &["template.volumes", "labels"]),
        Fields::needing("act-as", &["template.account"]),
    ];

    #[test]
    fn a_field_has_the_fate_of_the_path_that_names_it_most_closely() {
        let fate = |field| Fields::of(LIST, field).map(|(path, _)| path);
        assert_eq!(fate("template.image"), Some("template"));
        assert_eq!(fate("template.volumes[].nfs.server"), Some("template.volumes"));
        assert_eq!(fate("template.volumes[].name"), Some("template.volumes[].name"));
        assert_eq!(fate("template.account"), Some("template.account"));
        assert_eq!(fate("labels{}"), Some("labels"));
        assert_eq!((fate("templates"), fate("ingressSettings"), fate("")), (None, None, None));
    }

    #[test]
    fn what_a_set_up_sets_back_is_compared_and_nothing_else() {
        let changed = |found: &Value, wanted: &Value| Fields::changed(LIST, found, wanted, |is, due| is == due);
        let wanted = json!({"ingress": "internal", "template": {"image": "one", "volumes": []}});
        assert_eq!(changed(&wanted, &wanted), Vec::<&str>::new());
        let found = json!({"ingress": "internal", "etag": "e", "uid": "u", "template": {"image": "two"}, "labels": {}});
        assert_eq!(changed(&found, &wanted), Vec::<&str>::new(), "the vendor's, the call's, and what is set nowhere");
        let found = json!({
            "ingress": "all",
            "template": {"volumes": [{"name": "v", "nfs": {"server": "theirs"}}]},
            "labels": {"a.b/c": "d"},
        });
        assert_eq!(changed(&found, &wanted), ["ingress", "labels", "template.volumes"]);
        assert_eq!(changed(&json!({}), &wanted), ["ingress"], "one that was taken away");
        let (one, other) = (json!({"labels": {"x": ["1", "2"]}}), json!({"labels": {"x": ["2", "1"]}}));
        assert_eq!(changed(&one, &other), ["labels"], "the order of a list counts");
    }
}
