//! What the audit refuses and discloses of documents that were changed after they were rendered, on a small cloud with a
//! condition of each form.

use std::collections::BTreeMap;

use alien_core::adapter::{
    AccessControl, Allowed, Cloud, CloudTarget, Coverage, Escalation, Fields, Guard, Holder, LayerDocuments, Layout,
    On, Operation, Permission, Placed, Rows, Table, Trusted, audit_layers, last,
};
use alien_core::{
    Bounds, Code, DisclosureKind, Field, Function, Grants, Layer, Layers, Profile, Promise, Report, Resource, Set,
    Size, Stack, Storage,
};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Scope {
    Account,
    Pool,
    Thing,
    Code,
    /// The same thing as `Code`, as what data is put into.
    Inbox,
    Identity,
    /// What code is given its identity on, in six forms of a condition.
    Fixed,
    Named,
    FixedIfPresent,
    NamedIfPresent,
    WithinIfPresent,
    Absent,
    /// The same thing as `Absent`, as what data is put into.
    Tray,
    /// With two conditions.
    Both,
    /// One for all code.
    Registry,
}

mod op {
    use super::Scope;

    alien_core::operations! {
        on Scope;
        source "https://example.com/guarded" {
            LOOK = "look" on Thing, Observe, reveals "its size";
            LOOK_WIDE = "look-wide" on Account, Observe;
            LOOK_POOL = "look-pool" on Pool, Observe;
            CHANGE = "change" on Code, Update;
            LOOK_CODE = "look" on Code, Observe;
            SEND = "send" on Inbox, WriteData;
            RING = "send" on Code, Invoke;
            FETCH = "fetch" on Registry, ReadCode;
            REMOVE = "remove" on Thing, Delete;
            READ = "read" on Thing, ReadData;
            REPLY = "reply" on Thing, Redirect;
            RULE = "rule" on Thing, Control;
            FIXED = "fixed" on Fixed, Bind;
            NAMED = "named" on Named, Bind;
            FIXED_IF = "fixed-if" on FixedIfPresent, Bind;
            NAMED_IF = "named-if" on NamedIfPresent, Bind;
            WITHIN_IF = "within-if" on WithinIfPresent, Bind;
            ABSENT = "absent" on Absent, Bind;
            FILL = "absent" on Tray, WriteData;
            BOTH = "both" on Both, Bind;
            RULE_IDENTITY = "rule-identity" on Identity, Control;
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Guarded;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Here;

impl CloudTarget for Here {
    type Cloud = Guarded;
}

/// One statement: `permission` ends in `*` for a pattern, in `?` for one with exceptions, and begins with `=` for a name,
/// whatever it looks like; `on` ends in `/*` for a tree, is `*` for everything, and holds a star for a pattern.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Statement {
    permission: String,
    on: String,
    condition: Option<Condition>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Condition {
    values: BTreeMap<String, Vec<String>>,
    if_present: BTreeMap<String, Vec<String>>,
    within: BTreeMap<String, Bounds>,
    without: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Principal {
    name: String,
    trusts: String,
    statements: Vec<Statement>,
}

impl Cloud for Guarded {
    const NAME: &'static str = "guarded";
    const TARGET: &'static [Field] = &[];

    type Scope = Scope;
    type Target = Here;
    type Kinds = (Function, Storage);

    fn operations() -> &'static Table<Scope> {
        &op::TABLE
    }

    fn identity_set() -> Rows<Self> {
        &[op::RULE_IDENTITY]
    }

    fn shared_set() -> Rows<Self> {
        &[]
    }

    fn is_shared(scope: Scope) -> bool {
        scope == Scope::Account
    }

    fn name_shared(_: &Stack, _: &Here, things: &mut Vec<(Scope, String)>) {
        things.extend([(Scope::Account, "account".to_owned()), (Scope::Pool, "account/pool".to_owned())]);
    }

    fn name_identity(holder: &Holder, _: &Here, things: &mut Vec<(Scope, String)>) {
        things.push((Scope::Identity, format!("account/identities/{}", holder.name())));
    }
}

impl On<Guarded> for Storage {
    fn set(set: Set) -> Rows<Guarded> {
        match set {
            Set::Heartbeat => &[op::LOOK],
            Set::Provision => &[op::REMOVE],
            Set::Reconfigure => &[op::REPLY],
            Set::Setup => &[op::RULE],
            Set::DataRead => &[op::READ],
            _ => &[],
        }
    }

    fn name(&self, placed: &Placed<'_, Guarded>, things: &mut Vec<(Scope, String)>) {
        things.push((Scope::Thing, format!("account/things/{}", placed.id())));
    }
}

impl On<Guarded> for Function {
    fn set(set: Set) -> Rows<Guarded> {
        match set {
            Set::Heartbeat => &[op::LOOK_CODE, op::LOOK_WIDE, op::LOOK_POOL],
            Set::Management => &[
                op::CHANGE,
                op::RING,
                op::FETCH,
                op::FIXED,
                op::NAMED,
                op::FIXED_IF,
                op::NAMED_IF,
                op::WITHIN_IF,
                op::ABSENT,
                op::BOTH,
            ],
            _ => &[],
        }
    }

    fn writes(row: &Operation<Scope>) -> &'static [Fields] {
        const CHANGED: &[Fields] =
            &[Fields::vendors(&["code"]), Fields::restored("rename it", &["name"]), Fields::restored("", &["colour"])];
        const RUNG: &[Fields] = &[Fields::call(&["body"]), Fields::disclosed("wake it", &["loud"])];
        const KEPT: &[Fields] = &[Fields::kept_by("public", &["shown", "door.open"])];
        match row {
            row if row == op::CHANGE => CHANGED,
            row if row == op::RING => RUNG,
            row if row == op::ABSENT => KEPT,
            _ => &[],
        }
    }

    fn name(&self, placed: &Placed<'_, Guarded>, things: &mut Vec<(Scope, String)>) {
        let id = placed.id();
        things.extend([Scope::Code, Scope::Inbox].map(|scope| (scope, format!("account/code/{id}"))));
        things.push((Scope::Registry, "account/registry".to_owned()));
        for (scope, name) in [
            (Scope::Fixed, "fixed"),
            (Scope::Named, "named"),
            (Scope::FixedIfPresent, "fixed-if"),
            (Scope::NamedIfPresent, "named-if"),
            (Scope::WithinIfPresent, "within-if"),
            (Scope::Absent, "absent"),
            (Scope::Tray, "absent"),
            (Scope::Both, "both"),
        ] {
            things.push((scope, format!("account/{name}/{id}")));
        }
    }
}

impl AccessControl for Guarded {
    type Principal = Principal;
    type Condition = Condition;

    const ENDS: &'static str = "";

    fn escalations() -> &'static [Escalation] {
        &[
            Escalation { name: "change and rule", required: &["change", "rule"] },
            Escalation { name: "change and bind", required: &["change", "fixed"] },
            Escalation { name: "bind and remove", required: &["fixed", "remove"] },
        ]
    }

    fn covers(pattern: &str, permission: &str) -> bool {
        match pattern.strip_suffix('*') {
            Some(begin) => permission.to_lowercase().starts_with(&begin.to_lowercase()),
            None => pattern.eq_ignore_ascii_case(permission),
        }
    }

    fn principal(layout: &Layout<Self>, grants: &Grants) -> Principal {
        let statement = |permission: &str, on: &str, scope: Scope, code: &str| {
            let given = |key: &str, value: &str| BTreeMap::from([(key.to_owned(), vec![value.to_owned()])]);
            let condition = match scope {
                Scope::Fixed => Condition { values: given("service", "code"), ..Condition::default() },
                Scope::Named => Condition { values: given("for", code), ..Condition::default() },
                Scope::FixedIfPresent => Condition { if_present: given("service", "code"), ..Condition::default() },
                Scope::NamedIfPresent => Condition { if_present: given("for", code), ..Condition::default() },
                Scope::WithinIfPresent => {
                    Condition { within: [("size".to_owned(), SIZES)].into(), ..Condition::default() }
                }
                Scope::Absent => Condition { without: vec!["public".to_owned()], ..Condition::default() },
                Scope::Both => {
                    let values = ["for", "from"].into_iter().flat_map(|key| given(key, code)).collect();
                    Condition { values, ..Condition::default() }
                }
                _ => return Statement { permission: permission.to_owned(), on: on.to_owned(), condition: None },
            };
            Statement { permission: permission.to_owned(), on: on.to_owned(), condition: Some(condition) }
        };
        let statements = layout.granted(grants).flat_map(|(_, _, row, names)| {
            names.map(|name| statement(row.permission, name, row.on, &format!("account/code/{}", last(name))))
        });
        let name = grants.holder.label().to_owned();
        Principal { name, trusts: "the vendor".to_owned(), statements: statements.collect() }
    }

    fn label(principal: &Principal) -> &str {
        &principal.name
    }

    fn sizes(_: &Here, _: &Layers<Principal>) -> Vec<Size> {
        Vec::new()
    }

    fn allowed<'d>(principal: &'d Principal, visit: &mut dyn FnMut(Allowed<'d, Self>)) {
        for Statement { permission, on, condition } in &principal.statements {
            let permission = match permission.strip_suffix("?") {
                Some(part) => Permission::Part(part),
                None if permission.starts_with('=') => Permission::Named(&permission[1..]),
                None if permission.ends_with('*') => Permission::Pattern(permission),
                None => Permission::Named(permission),
            };
            let coverage = match (on.as_str(), on.strip_suffix("/*")) {
                ("*", _) => Coverage::Anything,
                (_, Some(root)) => Coverage::Tree(root),
                (on, None) if on.contains('*') => Coverage::Glob(on),
                (on, None) => Coverage::Exact(on),
            };
            visit(Allowed { permission, coverage, condition: condition.as_ref(), statement: "changed" });
        }
    }

    fn guards(scope: Scope) -> &'static [Guard<Scope>] {
        match scope {
            Scope::Fixed => &[Guard::Fixed { key: "service", values: &["code", "jobs"] }],
            Scope::Named => &[Guard::Named { key: "for", by: Scope::Code }],
            Scope::FixedIfPresent => &[Guard::FixedIfPresent { key: "service", values: &["code", "jobs"] }],
            Scope::NamedIfPresent => &[Guard::NamedIfPresent { key: "for", by: Scope::Code }],
            // Nothing bounds the colour.
            Scope::WithinIfPresent => {
                &[Guard::WithinIfPresent { key: "size" }, Guard::WithinIfPresent { key: "colour" }]
            }
            Scope::Absent => &[Guard::Absent { key: "public" }],
            Scope::Both => {
                &[Guard::Named { key: "for", by: Scope::Code }, Guard::Named { key: "from", by: Scope::Code }]
            }
            _ => &[],
        }
    }

    fn confined_to<'c>(condition: &'c Condition, key: &str) -> &'c [String] {
        condition.values.get(key).map_or(&[], Vec::as_slice)
    }

    fn confined_if_present<'c>(condition: &'c Condition, key: &str) -> &'c [String] {
        condition.if_present.get(key).map_or(&[], Vec::as_slice)
    }

    fn confined_within(condition: &Condition, key: &str) -> Option<Bounds> {
        condition.within.get(key).copied()
    }

    fn bounds(_: &Resource, key: &str) -> Option<Bounds> {
        (key == "size").then_some(SIZES)
    }

    fn excludes(condition: &Condition, key: &str) -> bool {
        condition.without.iter().any(|without| without == key)
    }

    fn trusted(principal: &Principal) -> Vec<Trusted> {
        vec![Trusted { who: principal.trusts.clone(), may: "enter".to_owned(), conditions: Vec::new() }]
    }

    fn excesses(_: &Here, found: &Principal, expected: &Principal) -> Vec<String> {
        let other = (found.trusts != expected.trusts).then(|| format!("it trusts {}", found.trusts));
        other.into_iter().collect()
    }

    fn may_allow(_: &Principal, _: &str, _: &str, _: &[(&str, &str)]) -> Option<String> {
        None
    }
}

/// The sizes that code may have.
const SIZES: Bounds = Bounds { min: 2, max: 4 };

/// Frozen data that the code reads, and that the vendor may redirect; live code; frozen code.
fn stack() -> Stack {
    let mut stack = Stack::builder("guarded");
    let data = stack.frozen("data", Storage::new());
    stack.frozen("logs", Storage::new());
    stack.frozen("ledger", Function::new(Code::zip(b"code"), "execution"));
    stack.live("api", Function::new(Code::zip(b"code"), "execution"));
    stack.profile("execution", Profile::new().on(&data, [Storage::DATA_READ]));
    stack.extend(&data, [Storage::RECONFIGURE]);
    stack.build().unwrap()
}

fn rendered() -> Layers<Principal> {
    alien_core::render(&stack(), &Here).unwrap_or_else(|error| panic!("{error}")).documents.layers
}

fn audited(layers: &Layers<Principal>) -> Report {
    audit_layers(&stack(), &Here, layers)
}

fn vendor(layers: &mut Layers<Principal>) -> &mut Principal {
    &mut layers.management.as_mut().unwrap().principals[0]
}

/// The breaches of a vendor who is also allowed this: the promise, the permission, and why.
fn also(permission: &str, on: &str, condition: Option<Condition>) -> Vec<(Promise, String, String)> {
    let mut layers = rendered();
    let statement = Statement { permission: permission.to_owned(), on: on.to_owned(), condition };
    vendor(&mut layers).statements.push(statement);
    let breaches = audited(&layers).breaches.into_iter();
    breaches.map(|breach| (breach.promise, breach.permission, breach.what)).collect()
}

fn one(found: Vec<(Promise, String, String)>) -> (Promise, String) {
    let [(promise, _, what)] = found.as_slice() else { panic!("{found:#?}") };
    (*promise, what.clone())
}

#[test]
fn what_was_rendered_breaks_nothing_and_is_disclosed() {
    let report = audited(&rendered());
    assert_eq!(
        (report.breaches.as_slice(), report.layers.as_slice()),
        (&[][..], &[Layer::Management, Layer::Runtime][..])
    );
    let said: Vec<_> = report
        .disclosures
        .iter()
        .map(|said| {
            format!("{:?} {:?} {} {}", said.kind, said.resource.as_deref().unwrap_or("-"), said.permission, said.what)
        })
        .collect();
    assert_eq!(
        said,
        [
            "Reveals \"data\" look its size",
            "Reveals \"logs\" look its size",
            "Indirect \"data\" reply changes a setting that can move or destroy data",
            "Wide \"-\" look-wide sees health and settings",
            "Unguarded \"api\" send wake it",
            "Restored \"api\" change rename it",
        ]
    );
    assert!(
        report.disclosures.iter().all(|said| said.kind != DisclosureKind::Path),
        "an update of live code is no path"
    );
    assert!(report.checked > 10, "{report:?}");
}

#[test]
fn what_follows_from_no_grant_breaks_the_promise_of_its_effect() {
    for (permission, on, promise, told) in [
        (
            "read",
            "account/things/data",
            Promise::P2,
            "it reads data (frozen storage `data`), and no grant of the stack asks for it",
        ),
        (
            "remove",
            "account/things/data",
            Promise::P3,
            "it deletes (frozen storage `data`), and no grant of the stack asks for it",
        ),
        (
            "reply",
            "account/things/logs",
            Promise::P2,
            "it changes a setting that can move or destroy data (frozen storage `logs`), and no grant of the stack asks for it",
        ),
        (
            "change",
            "account/code/ledger",
            Promise::P4,
            "it changes code or configuration (frozen function `ledger`), and no grant of the stack asks for it",
        ),
        (
            "rule-identity",
            "account/identities/management",
            Promise::P5,
            "it changes who may do what, and no grant of the stack asks for it",
        ),
    ] {
        let found = also(permission, on, None);
        let about: Vec<_> = found.iter().filter(|(_, of, _)| of == permission).collect();
        let [(found, _, what)] = about.as_slice() else { panic!("{found:#?}") };
        assert_eq!((*found, what.as_str()), (promise, told), "{permission}");
    }
}

#[test]
fn what_is_nowhere_in_the_table_or_a_pattern_is_refused_as_such() {
    let unknown = "it is not in the operation table, so nobody can say what it does";
    assert_eq!(one(also("shine", "account/things/data", None)), (Promise::P1, unknown.to_owned()));
    let part = "it is a pattern with exceptions, and what is left of it cannot be proved";
    assert_eq!(one(also("look?", "account/things/data", None)), (Promise::P1, part.to_owned()));
    assert_eq!(one(also("=look*", "account/things/data", None)), (Promise::P1, unknown.to_owned()), "no pattern");
    // Two names that this cloud takes for one are one.
    assert_eq!(also("LOOK", "account/things/data", None), []);
    let pattern = "it is a pattern, and what a pattern covers cannot be proved";
    assert_eq!(
        one(also("reply*", "account/things/data", None)),
        (Promise::P1, pattern.to_owned()),
        "all of it is held"
    );
    // Of what else a pattern covers, each is told, and a path that it may open.
    let told: Vec<_> = also("r*", "account/things/logs", None);
    let promises: Vec<_> = told.iter().map(|(promise, permission, _)| (*promise, permission.as_str())).collect();
    for expected in [
        (Promise::P1, "r*"),
        (Promise::P2, "read"),
        (Promise::P2, "reply"),
        (Promise::P3, "remove"),
        (Promise::P5, "rule"),
        (Promise::P5, "change + rule"),
    ] {
        assert!(promises.contains(&expected), "{expected:?}: {told:#?}");
    }
    assert!(!promises.contains(&(Promise::P5, "change + fixed")), "{told:#?}");
}

#[test]
fn what_is_allowed_on_more_than_a_thing_is_refused() {
    let wide = "it sees health and settings, and the scope is no thing that it is checked on here";
    for on in ["*", "account/things/*", "account/things/l*", "account/nothing"] {
        assert_eq!(one(also("look", on, None)), (Promise::P1, wide.to_owned()), "{on}");
    }
    // Of several effects of one permission, the most severe is named.
    let sent = also("send", "*", None);
    let wide = "it writes or deletes data, and the scope is no thing that it is checked on here".to_owned();
    assert!(sent.contains(&(Promise::P2, "send".to_owned(), wide)), "{sent:#?}");
    let found = also("change", "account/*", None);
    let told: Vec<_> = found.iter().map(|(promise, _, what)| (*promise, what.as_str())).collect();
    assert_eq!(
        told,
        [
            (
                Promise::P4,
                "it changes code or configuration (frozen function `ledger`), and no grant of the stack asks for it"
            ),
            (Promise::P4, "it changes code or configuration, and the scope is no thing that it is checked on here"),
            (Promise::P5, "together they open a known path of escalation: change and bind"),
        ]
    );
}

#[test]
fn a_permission_without_the_condition_that_belongs_to_it_is_refused() {
    let keys = |key: &str, values: &[&str]| {
        BTreeMap::from([(key.to_owned(), values.iter().map(|v| (*v).to_owned()).collect())])
    };
    let values = |key: &str, given: &[&str]| Some(Condition { values: keys(key, given), ..Condition::default() });
    let if_present =
        |key: &str, given: &[&str]| Some(Condition { if_present: keys(key, given), ..Condition::default() });
    let within = |key: &str, min, max| {
        Some(Condition { within: [(key.to_owned(), Bounds { min, max })].into(), ..Condition::default() })
    };
    let without = |key: &str| Some(Condition { without: vec![key.to_owned()], ..Condition::default() });
    let api = "account/code/api";
    let refused = |permission: &str, condition: Option<Condition>| {
        let found = also(permission, &format!("account/{permission}/api"), condition);
        found.iter().any(|(promise, _, what)| {
            let unmet = "it gives an identity to code, without the condition on `";
            let writes =
                "it gives an identity to code, and without the condition on `public` also writes `shown`, `door.open`";
            match permission {
                "absent" => *promise == Promise::P10 && what == writes,
                _ => *promise == Promise::P5 && what.starts_with(unmet),
            }
        })
    };
    for (permission, condition, is_met) in [
        ("fixed", values("service", &["code"]), true),
        ("fixed", values("service", &["code", "jobs"]), true),
        ("fixed", values("service", &["code", "others"]), false),
        ("fixed", values("other", &["code"]), false),
        ("fixed", if_present("service", &["code"]), false),
        ("fixed", None, false),
        ("named", values("for", &[api]), true),
        ("named", values("for", &["account/code/ledger", api]), true),
        ("named", values("for", &["account/code/ledger"]), false),
        ("named", values("for", &[api, "account/code/others"]), false),
        ("named", values("for", &["account/things/data"]), false),
        ("named", values("for", &["account/fixed/api"]), false),
        ("named", if_present("for", &[api]), false),
        ("named", None, false),
        ("fixed-if", if_present("service", &["jobs"]), true),
        ("fixed-if", values("service", &["jobs"]), true),
        ("fixed-if", if_present("service", &["others"]), false),
        ("fixed-if", None, false),
        ("named-if", if_present("for", &[api]), true),
        ("named-if", values("for", &[api]), true),
        ("named-if", if_present("for", &["account/code/ledger"]), false),
        ("named-if", None, false),
        ("within-if", within("size", 2, 4), true),
        ("within-if", within("size", 3, 3), true),
        ("within-if", within("size", 1, 4), false),
        ("within-if", within("size", 2, 5), false),
        ("within-if", within("colour", 2, 4), false),
        ("within-if", values("size", &["2"]), false),
        ("within-if", None, false),
        ("absent", without("public"), true),
        ("absent", without("other"), false),
        ("absent", values("public", &["no"]), false),
        ("absent", None, false),
        ("both", values("for", &[api]), false),
        ("both", values("from", &[api]), false),
    ] {
        assert_eq!(refused(permission, condition.clone()), !is_met, "{permission} {condition:?}");
    }
    // What the permission does besides on the same thing is told as well.
    let told: Vec<Promise> =
        also("absent", "account/absent/api", None).into_iter().map(|(promise, ..)| promise).collect();
    assert!(told.contains(&Promise::P2) && told.contains(&Promise::P10), "{told:?}");
}

#[test]
fn a_principal_that_the_stack_has_not_or_that_trusts_another_is_refused() {
    let told = |change: fn(&mut Layers<Principal>)| {
        let mut layers = rendered();
        change(&mut layers);
        let breaches = audited(&layers).breaches;
        breaches.into_iter().map(|found| (found.promise, found.layer, found.what)).collect::<Vec<_>>()
    };
    let twice = told(|layers| {
        let copy = vendor(layers).clone();
        layers.management.as_mut().unwrap().principals.push(copy);
    });
    assert_eq!(twice, [(Promise::P1, Layer::Management, "there are two principals of this name".to_owned())]);
    let unknown = told(|layers| vendor(layers).name = "somebody".to_owned());
    assert_eq!(unknown, [(Promise::P1, Layer::Management, "the stack has no such principal".to_owned())]);
    let trusting = told(|layers| vendor(layers).trusts = "everybody".to_owned());
    assert_eq!(trusting, [(Promise::P5, Layer::Management, "it trusts everybody".to_owned())]);
    let admin = told(|layers| layers.provisioning.as_mut().unwrap().principals[0].trusts = "everybody".to_owned());
    assert_eq!(admin, [(Promise::P1, Layer::Provisioning, "it trusts everybody".to_owned())]);
    // What the admin may do is the customer's own matter, and a layer that is absent is not looked at.
    let more = told(|layers| {
        let principal = &mut layers.provisioning.as_mut().unwrap().principals[0];
        principal.statements.push(Statement { permission: "shine".to_owned(), on: "*".to_owned(), condition: None });
    });
    assert_eq!(more, []);
    let mut layers = rendered();
    layers.keep(Layer::Runtime);
    assert_eq!(audited(&layers).layers, [Layer::Runtime]);
    let none =
        Layers { provisioning: None, management: Some(LayerDocuments { principals: Vec::new() }), runtime: None };
    assert_eq!(audited(&none).layers, []);
}

#[test]
fn code_that_may_do_more_than_its_profile_says_is_refused() {
    let mut layers = rendered();
    let code = &mut layers.runtime.as_mut().unwrap().principals[0];
    let allow = |permission: &str, on: &str| Statement {
        permission: permission.to_owned(),
        on: on.to_owned(),
        condition: None,
    };
    code.statements.extend([allow("read", "account/things/logs"), allow("look", "account/things/data")]);
    code.statements.extend([allow("change", "account/code/api"), allow("fetch", "account/registry")]);
    let report = audited(&layers);
    let told: Vec<_> =
        report.breaches.iter().map(|found| (found.promise, found.layer, found.permission.as_str())).collect();
    assert_eq!(
        told,
        [
            (Promise::P1, Layer::Runtime, "change"),
            (Promise::P1, Layer::Runtime, "look"),
            (Promise::P2, Layer::Runtime, "read"),
            (Promise::P4, Layer::Runtime, "fetch"),
        ]
    );
    assert!(report.disclosures.iter().all(|said| said.resource.as_deref() != Some("execution")));
}

#[test]
fn a_path_that_is_opened_by_what_no_grant_gives_is_refused() {
    let found = also("remove", "account/things/data", None);
    let paths: Vec<_> = found.iter().filter(|(_, permission, _)| permission.contains(" + ")).collect();
    let [(promise, permission, what)] = paths.as_slice() else { panic!("{found:#?}") };
    assert_eq!((*promise, permission.as_str()), (Promise::P5, "fixed + remove"));
    assert_eq!(what, "together they open a known path of escalation: bind and remove");
}

/// One thing may count as two: a grant for it as the one is a grant for it, and none is a grant for another thing.
#[test]
fn a_grant_for_a_thing_is_one_for_all_that_the_thing_counts_as() {
    assert_eq!(also("send", "account/code/api", None), []);
    let found = also("send", "account/code/ledger", None);
    let promises: Vec<_> = found.iter().map(|(promise, permission, _)| (*promise, permission.as_str())).collect();
    assert_eq!(promises, [(Promise::P2, "send"), (Promise::P4, "send")], "{found:#?}");
}
