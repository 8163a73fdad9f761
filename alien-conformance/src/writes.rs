//! Every field that an update can write, against the lists of fields from outside (`update-fields.json`).

use std::collections::BTreeSet;
use std::fmt::Write as _;

use alien_core::adapter::{AccessControl, Effect, Fate, Fields, Keeper, Operation, SubjectType};
use alien_core::{Kind, Set};
use serde_json::Value;

use crate::oracle::{texts, verdict};

/// A list of fields: whose it is, and for which operation.
#[derive(Debug, Clone, Copy)]
pub struct List<P: 'static> {
    /// The kind of resource.
    pub kind: Kind,
    /// The operation.
    pub row: &'static Operation<P>,
    /// The fields.
    pub fields: &'static [Fields],
}

/// The lists of a cloud: of each operation that the vendor holds to update or to invoke.
#[must_use]
pub fn lists<C: AccessControl>() -> Vec<List<C::Scope>> {
    let mut lists: Vec<List<C::Scope>> = Vec::new();
    for kind in Kind::ALL.iter().copied() {
        for row in [Set::Management, Set::Dispatch].into_iter().flat_map(|set| C::set(SubjectType::Kind(kind), set)) {
            let fields = C::writes(SubjectType::Kind(kind), row);
            if row.effect == Effect::Update || !fields.is_empty() {
                lists.push(List { kind, row, fields });
            }
        }
    }
    lists
}

/// Checks the lists of a cloud against the fields from outside: each field is in a list, each path of a list covers some
/// field, and what a list says is kept by something is kept by that.
///
/// # Errors
///
/// What is wrong, one complaint a line.
pub fn agree<C: AccessControl>(oracle: &Value) -> Result<(), String> {
    let mut complaints = Vec::new();
    let lists = lists::<C>();
    for List { kind, row, fields } in &lists {
        let about = format!("{kind} {}", row.call);
        if fields.is_empty() {
            complaints.push(format!("{about}: no fields are listed"));
        }
        let mut paths = BTreeSet::new();
        for (path, is_kept) in fields
            .iter()
            .flat_map(|fields| fields.paths.iter().map(move |path| (path, matches!(fields.fate, Fate::Kept(_)))))
        {
            // A field that is kept from being set can be set back where it is emptied.
            if !paths.insert((path, is_kept)) {
                complaints.push(format!("{about}: `{path}` is listed twice"));
            }
        }
        for fields in *fields {
            match fields.fate {
                Fate::Kept(Keeper::Condition(key)) if !C::guards(row.on).iter().any(|guard| guard.key() == key) => {
                    complaints.push(format!("{about}: {:?} are kept by no condition on {key}", fields.paths));
                }
                Fate::Kept(Keeper::Permission(needed)) => {
                    // What the vendor holds of it gives an identity of the deployment's code, by its name.
                    let held = lists.iter().flat_map(|list| C::set(SubjectType::Kind(list.kind), Set::Management));
                    let loose = held.filter(|row| row.permission == needed && row.effect != Effect::Bind);
                    complaints.extend(loose.map(|row| format!("{about}: the vendor holds {}", row.permission)));
                }
                Fate::Disclosed("") => {
                    complaints.push(format!("{about}: {:?} are disclosed by no words", fields.paths))
                }
                _ => {}
            }
        }
        for guard in C::guards(row.on) {
            let keeps = |fields: &&Fields| fields.fate == Fate::Kept(Keeper::Condition(guard.key()));
            if !fields.iter().any(|fields| keeps(&fields)) {
                complaints.push(format!("{about}: the condition on {} keeps no field that is listed", guard.key()));
            }
        }
    }
    for operation in oracle["operations"].as_array().into_iter().flatten().filter(|one| one["cloud"] == C::NAME) {
        let permission = operation["permission"].as_str().unwrap_or_default();
        let of: Vec<_> = lists.iter().filter(|list| list.row.permission == permission).collect();
        if of.is_empty() {
            complaints.push(format!("{permission}: no kind lists its fields"));
        }
        for List { kind, row, fields } in of {
            let mut unused: BTreeSet<&str> = fields.iter().flat_map(|fields| fields.paths).copied().collect();
            for field in texts(&operation["fields"]) {
                match Fields::of(fields, field) {
                    Some((path, _)) => drop(unused.remove(path)),
                    None => complaints.push(format!("{kind} {}: `{field}` is not listed", row.call)),
                }
            }
            complaints.extend(unused.iter().map(|path| format!("{kind} {}: `{path}` is no field of it", row.call)));
        }
    }
    verdict(complaints)
}

/// [`agree`], and that it complains of a field that no list knows.
///
/// # Errors
///
/// What is wrong, one complaint a line.
pub fn every_field_is_classified<C: AccessControl>(files: &[Value]) -> Result<(), String> {
    let [oracle] = files else { return Err("one file is needed".to_owned()) };
    agree::<C>(oracle)?;
    let mut planted = oracle.clone();
    for operation in planted["operations"].as_array_mut().into_iter().flatten() {
        operation["fields"].as_array_mut().map(|fields| fields.push("aFieldThatIsNew".into())).unwrap_or_default();
    }
    match agree::<C>(&planted) {
        Err(told) if told.contains("`aFieldThatIsNew` is not listed") => Ok(()),
        other => Err(format!("a new field was not found: {other:?}")),
    }
}

/// The lists of a cloud as a chapter of a page, in Markdown.
#[must_use]
pub fn chapter<C: AccessControl>(title: &str) -> String {
    let mut text = format!("## {title}\n");
    let mut told: Vec<(Vec<Kind>, List<C::Scope>)> = Vec::new();
    for list in lists::<C>().into_iter().filter(|list| !list.fields.is_empty()) {
        match told.iter_mut().find(|(_, known)| known.row == list.row && known.fields == list.fields) {
            Some((kinds, _)) => kinds.push(list.kind),
            None => told.push((vec![list.kind], list)),
        }
    }
    for (kinds, List { row, fields, .. }) in told {
        let kinds: Vec<&str> = kinds.iter().map(|kind| kind.name()).collect();
        let named = |fields: &Fields| {
            let each: Vec<String> = fields.paths.iter().map(|path| format!("`{path}`")).collect();
            each.join(", ")
        };
        let _ = write!(text, "\n### {}: `{}`\n\n", kinds.join(" and "), row.permission);
        let beyond = |fields: &&Fields| {
            matches!(fields.fate, Fate::Disclosed(_)) || matches!(fields.fate, Fate::Restored(lets) if !lets.is_empty())
        };
        if fields.iter().any(|fields| beyond(&fields)) {
            text.push_str("| The vendor could also | by | then |\n| --- | --- | --- |\n");
        }
        for fields in fields.iter().filter(beyond) {
            let (lets, then) = match fields.fate {
                Fate::Restored(lets) => (lets, "`status` tells it, and `up` sets it back"),
                Fate::Disclosed(lets) => (lets, "it stays"),
                _ => continue,
            };
            let _ = writeln!(text, "| {lets} | {} | {then} |", named(fields));
        }
        let of = |text: &mut String, what: &str, is: &dyn Fn(Fate) -> bool| {
            let all: Vec<String> = fields.iter().filter(|fields| is(fields.fate)).map(named).collect();
            if !all.is_empty() {
                let _ = write!(text, "\n{what}: {}.\n", all.join(", "));
            }
        };
        of(&mut text, "Set back as well, though they let nobody do more than code does", &|fate| {
            fate == Fate::Restored("")
        });
        let kept = fields.iter().filter_map(|fields| match fields.fate {
            Fate::Kept(Keeper::Condition(key)) => Some((fields, format!("the condition on `{key}`"))),
            Fate::Kept(Keeper::Permission(needed)) => Some((fields, format!("`{needed}`, which they need too"))),
            Fate::Kept(Keeper::Name) => Some((fields, "the name on which the permission is given".to_owned())),
            _ => None,
        });
        let kept: Vec<String> = kept.map(|(fields, by)| format!("* {} by {by}\n", named(fields))).collect();
        if !kept.is_empty() {
            let _ = write!(text, "\nKept from being written:\n\n{}", kept.concat());
        }
        of(&mut text, "The vendor's, since they are of the product", &|fate| fate == Fate::Vendors);
        of(&mut text, "They set nothing, but name what the call is about", &|fate| fate == Fate::Call);
    }
    text
}
