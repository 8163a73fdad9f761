//! A cloud made up for tests, whose permission sets can be made to hold what they should not: rendering must then fail.

use alien_core::adapter::{
    AccessControl, Allowed, Cloud, CloudTarget, Coverage, Effect, Escalation, Holder, Layout, On, Operation,
    Permission, Placed, Rows, Table, Trusted,
};
use alien_core::{
    Code, Field, Function, Grants, Layer, Layers, Profile, Promise, RenderError, Rule, Set, Size, Stack, Storage,
};
use serde::{Deserialize, Serialize};

/// The only place: the resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Scope {
    Thing,
}

mod operations {
    use super::Scope;

    alien_core::operations! {
        on Scope;
        source "https://example.com/toy" {
            LOOK = "look" on Thing, Observe;
            CHANGE = "change" on Thing, Update;
            REMOVE = "remove" on Thing, Delete;
            READ = "read" on Thing, ReadData;
            REPLY = "reply" on Thing, Redirect;
            RULE = "rule" on Thing, Control;
        }
    }
}
use operations::{CHANGE, LOOK, READ, REMOVE, REPLY, RULE, TABLE};

/// The toy cloud. Its `SET` holds the `ROW`th row of the table besides what it should.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Toy<const SET: usize, const ROW: usize>;

/// There is one place alone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Nowhere<const SET: usize, const ROW: usize>;

impl<const SET: usize, const ROW: usize> CloudTarget for Nowhere<SET, ROW> {
    type Cloud = Toy<SET, ROW>;
}

/// A toy without a fault: no set has this number.
const NONE: usize = usize::MAX;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Principal {
    name: String,
    allowed: Vec<(String, String)>,
}

impl<const SET: usize, const ROW: usize> Cloud for Toy<SET, ROW> {
    const NAME: &'static str = "toy";
    const TARGET: &'static [Field] = &[];

    type Scope = Scope;
    type Target = Nowhere<SET, ROW>;
    type Kinds = (Function, Storage);

    fn operations() -> &'static Table<Scope> {
        &TABLE
    }

    fn identity_set() -> Rows<Self> {
        rows::<SET, ROW>(Set::Setup)
    }

    fn shared_set() -> Rows<Self> {
        rows::<SET, ROW>(Set::Setup)
    }

    fn is_shared(_: Scope) -> bool {
        false
    }

    fn name_shared(_: &Stack, _: &Nowhere<SET, ROW>, _: &mut Vec<(Scope, String)>) {}

    fn name_identity(_: &Holder, _: &Nowhere<SET, ROW>, _: &mut Vec<(Scope, String)>) {}
}

fn rows<const SET: usize, const ROW: usize>(set: Set) -> &'static [&'static Operation<Scope>] {
    let faulty = Set::ALL.into_iter().position(|other| other == set) == Some(SET);
    match (set, faulty) {
        (_, true) => &TABLE.rows()[ROW..=ROW],
        (Set::Heartbeat, _) => &[LOOK],
        (Set::Management, _) => &[CHANGE],
        (Set::Provision, _) => &[REMOVE],
        (Set::Reconfigure, _) => &[REPLY],
        (Set::DataRead, _) => &[READ],
        (Set::Setup, _) => &[RULE],
        _ => &[],
    }
}

macro_rules! kinds {
    ($($kind:ident),*) => {
        $(impl<const SET: usize, const ROW: usize> On<Toy<SET, ROW>> for $kind {
            fn set(set: Set) -> Rows<Toy<SET, ROW>> {
                rows::<SET, ROW>(set)
            }

            fn name(&self, placed: &Placed<'_, Toy<SET, ROW>>, things: &mut Vec<(Scope, String)>) {
                things.push((Scope::Thing, format!("things/{}", placed.id())));
            }
        })*
    };
}
kinds!(Function, Storage);

impl<const SET: usize, const ROW: usize> AccessControl for Toy<SET, ROW> {
    type Principal = Principal;
    type Condition = ();

    const ENDS: &'static str = "";

    fn escalations() -> &'static [Escalation] {
        &[Escalation { name: "change and reply", required: &["change", "reply"] }]
    }

    fn covers(pattern: &str, permission: &str) -> bool {
        pattern == permission
    }

    fn principal(layout: &Layout<Self>, grants: &Grants) -> Principal {
        let allowed = layout
            .granted(grants)
            .flat_map(|(_, _, row, names)| names.map(|name| (row.permission.to_owned(), name.to_owned())));
        Principal { name: grants.holder.label().to_owned(), allowed: allowed.collect() }
    }

    fn label(principal: &Principal) -> &str {
        &principal.name
    }

    fn sizes(_: &Nowhere<SET, ROW>, layers: &Layers<Principal>) -> Vec<Size> {
        let size = layers.principals(Layer::Management)[0].allowed.len();
        let document = "management".to_owned();
        let (unit, source) = ("permissions".into(), "https://example.com/toy".into());
        vec![Size { document, unit, size, limit: 50, source }]
    }

    fn allowed<'d>(principal: &'d Principal, visit: &mut dyn FnMut(Allowed<'d, Self>)) {
        for (permission, name) in &principal.allowed {
            let (permission, coverage) = (Permission::Named(permission), Coverage::Exact(name));
            visit(Allowed { permission, coverage, condition: None, statement: "allowed" });
        }
    }

    fn trusted(_: &Principal) -> Vec<Trusted> {
        Vec::new()
    }

    fn excesses(_: &Nowhere<SET, ROW>, _: &Principal, _: &Principal) -> Vec<String> {
        Vec::new()
    }

    fn may_allow(principal: &Principal, permission: &str, name: &str, _: &[(&str, &str)]) -> Option<String> {
        let wanted = (permission.to_owned(), name.to_owned());
        principal.allowed.contains(&wanted).then(|| "allowed".to_owned())
    }
}

fn stack() -> Stack {
    let mut stack = Stack::builder("toy");
    let data = stack.frozen("data", Storage::new());
    stack.live("api", Function::new(Code::zip(b"code"), "execution"));
    stack.profile("execution", Profile::new().on(&data, [Storage::DATA_READ]));
    stack.build().unwrap()
}

/// The promises that rendering refuses to break, where a set holds a row that it should not.
fn refused<const SET: usize, const ROW: usize>() -> Vec<(Layer, Promise)> {
    match alien_core::render(&stack(), &Nowhere::<SET, ROW>) {
        Ok(_) => Vec::new(),
        Err(RenderError::Breaches(breaches)) => breaches.iter().map(|breach| (breach.layer, breach.promise)).collect(),
        Err(error) => panic!("{error}"),
    }
}

const HEARTBEAT: usize = 0;
const MANAGEMENT: usize = 1;
const DATA_READ: usize = 6;

#[test]
fn a_set_that_holds_what_it_should_not_is_not_rendered() {
    use Layer::{Management, Runtime};
    assert_eq!(Set::ALL[HEARTBEAT], Set::Heartbeat);
    assert_eq!((Set::ALL[MANAGEMENT], Set::ALL[DATA_READ]), (Set::Management, Set::DataRead));
    assert_eq!(refused::<NONE, 0>(), []);
    // Rows: look, change, remove, read, reply, rule. Heartbeat is of both resources, the frozen one and the live one.
    assert_eq!(refused::<HEARTBEAT, 1>(), [(Management, Promise::P4)]);
    assert_eq!(refused::<HEARTBEAT, 2>(), [(Management, Promise::P3), (Management, Promise::P3)]);
    assert_eq!(refused::<HEARTBEAT, 3>(), [(Management, Promise::P2), (Management, Promise::P2)]);
    assert_eq!(refused::<HEARTBEAT, 4>(), [(Management, Promise::P2), (Management, Promise::P2)]);
    assert_eq!(refused::<HEARTBEAT, 5>(), [(Management, Promise::P5), (Management, Promise::P5)]);
    assert_eq!(refused::<MANAGEMENT, 0>(), []);
    assert_eq!(refused::<MANAGEMENT, 2>(), [(Management, Promise::P3)]);
    assert_eq!(refused::<MANAGEMENT, 3>(), [(Management, Promise::P2)]);
    assert_eq!(refused::<DATA_READ, 1>(), [(Runtime, Promise::P5)]);
    assert_eq!(refused::<DATA_READ, 5>(), [(Runtime, Promise::P5)]);
}

#[test]
fn what_is_over_a_limit_is_refused_and_measured_all_the_same() {
    let mut stack = Stack::builder("toy");
    for n in 0..51 {
        stack.frozen(format!("data-{n}"), Storage::new());
    }
    let stack = stack.build().unwrap();
    let Err(RenderError::Problems(problems)) = alien_core::render(&stack, &Nowhere::<NONE, 0>) else {
        panic!("it is over the limit");
    };
    assert_eq!(problems.as_slice().len(), 1);
    assert_eq!(problems.as_slice()[0].rule, Rule::Limit);
    assert!(problems.to_string().contains("51 permissions, and toy takes 50"), "{problems}");
    let measured = alien_core::adapter::render_beyond_limits(&stack, &Nowhere::<NONE, 0>).unwrap();
    assert_eq!((measured.sizes[0].size, measured.sizes[0].limit), (51, 50));
}

#[test]
fn a_path_that_the_stack_extends_to_is_disclosed_by_name() {
    let mut stack = Stack::builder("toy");
    let data = stack.frozen("data", Storage::new());
    stack.live("api", Function::new(Code::zip(b"code"), "execution"));
    stack.profile("execution", Profile::new());
    stack.extend(&data, [Storage::RECONFIGURE]);
    let rendered = alien_core::render(&stack.build().unwrap(), &Nowhere::<NONE, 0>).unwrap();
    let said: Vec<_> =
        rendered.report.disclosures.iter().map(|found| (found.kind, &*found.permission, &*found.what)).collect();
    assert_eq!(
        said,
        [
            (alien_core::DisclosureKind::Indirect, "reply", Effect::Redirect.describe()),
            (alien_core::DisclosureKind::Path, "reply", "change and reply"),
        ]
    );
}
