//! Tests of the checkers, on small crates.

use std::collections::BTreeSet;

use quote::ToTokens as _;

use crate::circles::{arrows, circles};
use crate::face::Face;
use crate::source::{Crate, matches_of};

fn fixture(files: &[(&str, &str)]) -> Crate {
    let file = |name: &str| files.iter().find(|(file, _)| *file == name).map(|(_, text)| (*text).to_owned());
    Crate::read("fixture", "lib.rs", &[], &file)
}

fn circles_of(files: &[(&str, &str)]) -> Vec<String> {
    circles(&arrows(&fixture(files)))
}

#[track_caller]
fn assert_circle(files: &[(&str, &str)], within: &[&str]) {
    let found = circles_of(files);
    assert!(found.len() == 1 && within.iter().all(|arrow| found[0].contains(arrow)), "{found:#?}");
}

#[test]
fn files_that_only_hand_on_make_no_circle() {
    let files = [
        ("lib.rs", "mod a; mod b; pub use b::{Thing, other};"),
        ("a/mod.rs", "mod inner; pub use inner::*;"),
        ("a/inner.rs", "use crate::Thing; pub struct Inner(Thing); fn f() { super::super::other() }"),
        ("b.rs", "pub struct Thing; pub fn other() {} impl Thing { fn a(&self) { self.a() } }"),
    ];
    assert_eq!(circles_of(&files), Vec::<String>::new());
}

#[test]
fn a_circle_is_seen_through_what_is_handed_on() {
    let files = [
        ("lib.rs", "mod a; mod b; pub use b::Thing;"),
        ("a/mod.rs", "mod inner; pub use inner::*;"),
        ("a/inner.rs", "use crate::Thing as Other; pub struct Inner(Other); pub enum Way { In }"),
        ("b.rs", "pub struct Thing; fn f() { let _ = crate::a::Way::In; }"),
    ];
    assert_circle(&files, &["a/inner.rs -> b.rs: Thing:1", "b.rs -> a/inner.rs: Way:1"]);
}

#[test]
fn a_circle_is_seen_between_a_parent_that_declares_and_its_child() {
    let files = [
        ("lib.rs", "mod a;"),
        ("a.rs", "mod child; pub(crate) use child::Child; pub struct Thing;"),
        ("a/child.rs", "pub struct Child(\nsuper::Thing);"),
    ];
    assert_circle(&files, &["a.rs -> a/child.rs (re-exported only): Child:1", "a/child.rs -> a.rs: Thing:2"]);
}

#[test]
fn a_circle_is_seen_in_what_macros_are_given_and_in_what_they_declare() {
    let given = [
        ("lib.rs", "mod a; mod b;"),
        ("a.rs", "pub const A: u8 = 1; fn f() { println!(\"{}\", crate::b::B) }"),
        ("b.rs", "use crate::a::A; pub const B: u8 = A;"),
    ];
    assert_circle(&given, &["a.rs -> b.rs: B:1"]);
    let declared = [
        ("lib.rs", "#[macro_use] mod a; mod b;"),
        (
            "a.rs",
            "macro_rules! two { ($($name:ident = $of:ty),* $(,)?) => { $(pub struct $name($of);)* }; }
                  pub struct A(crate::b::Second);",
        ),
        ("b.rs", "use super::a; two! { First = u8, Second = a::A, }"),
    ];
    assert_circle(&declared, &["a.rs -> b.rs: Second:2", "b.rs -> a.rs: A:1"]);
}

#[test]
fn what_only_tests_need_makes_no_circle() {
    let files = [
        ("lib.rs", "mod a; mod b; #[cfg(test)] mod absent;"),
        ("a.rs", "pub struct A; impl A { #[cfg(test)] fn f() -> crate::b::B { crate::b::B } }"),
        (
            "b.rs",
            "pub struct B; #[cfg(all(test, unix))] mod tests { use crate::a::A; } #[cfg(not(test))] type T = crate::a::A;",
        ),
    ];
    assert_eq!(circles_of(&files), Vec::<String>::new());
}

#[test]
fn the_face_is_what_has_a_path() {
    let crate_ = fixture(&[
        (
            "lib.rs",
            "mod a; pub mod adapter { pub use crate::a::{Shown, Way}; } pub use a::Shown; pub use http::Method;",
        ),
        (
            "a.rs",
            "use jiff::Timestamp; type Alias = bytes::Bytes;
                  pub struct Shown { pub at: Timestamp, kept: url::Url }
                  impl Shown { pub fn new() -> Alias { hidden() } fn hidden(&self) {} }
                  impl From<http::Uri> for Shown { fn from(_: http::Uri) -> Self { Shown } }
                  pub enum Way { In, Out } pub struct Unreachable;",
        ),
    ]);
    let face = Face::of(&crate_);
    let lines = [
        "use Method = http::Method",
        "struct Shown",
        "field Shown::at",
        "fn Shown::new",
        "mod adapter",
        "struct adapter::Shown = Shown",
        "enum adapter::Way",
        "variant adapter::Way::In",
        "variant adapter::Way::Out",
    ];
    assert_eq!(face.lines(), lines);
    assert_eq!(face.outside(&["adapter"]), [["Shown"], ["Method"]]);
    let foreign = [
        "fixture: bytes::Bytes — Shown::new",
        "fixture: http::Method — Method",
        "fixture: http::Uri — impl From for Shown",
        "fixture: jiff::Timestamp — Shown::at",
    ];
    assert_eq!(face.foreign(), foreign.map(str::to_owned).into());
}

#[test]
fn a_match_is_seen_with_what_its_patterns_name() {
    let text = "fn f() { match x { Some(K::A(_)) | K::B if y == K::D => {}, C { .. } => {} } matches!(x, A | B); }";
    let found = matches_of(&syn::parse_str(text).unwrap());
    let named: Vec<Vec<&str>> = found.iter().map(|(_, names)| names.iter().map(String::as_str).collect()).collect();
    assert_eq!(named, [vec!["Some", "A", "B", "C"], vec!["A", "B"]]);
}

#[test]
fn words_are_those_of_names_and_texts() {
    let item: syn::Item = syn::parse_str("/// azure\nfn of_gcp() { f(\"on AWS: s3\", ToAzure) }").unwrap();
    let mut found = BTreeSet::new();
    crate::words(item.to_token_stream(), &mut |word, line| {
        found.insert(format!("{word}:{line}"));
    });
    for word in ["gcp:2", "aws:2", "s3:2", "azure:2"] {
        assert!(found.contains(word), "{found:?}");
    }
    assert!(!found.contains("azure:1"), "{found:?}");
}
