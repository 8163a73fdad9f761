//! The links between the project's pages lead to files.

use std::fs;
use std::path::{Path, PathBuf};

/// Every page: those at the root, and those in a folder at the root.
fn pages(root: &Path) -> Vec<PathBuf> {
    let entries = |folder: &Path| fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>();
    let folders = entries(root).into_iter().filter(|path| path.is_dir() && !path.ends_with("target"));
    let files = folders.flat_map(|folder| entries(&folder)).chain(entries(root));
    files.filter(|file| file.extension().is_some_and(|extension| extension == "md")).collect()
}

/// The files that a page links to, without links to other sites or within the page.
fn links(page: &str) -> impl Iterator<Item = &str> {
    let targets = page.split("](").skip(1).filter_map(|rest| rest.split_once(')').map(|(target, _)| target));
    let files = targets.filter_map(|target| target.split('#').next());
    files.filter(|file| !file.is_empty() && !file.contains("://"))
}

#[test]
fn links_between_pages_lead_to_files() {
    assert_eq!(links("[a](b.md#c) [d](https://e.f) [g](#h) `x](`").collect::<Vec<_>>(), ["b.md"]);
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut broken = Vec::new();
    let mut seen = 0;
    for page in pages(&root) {
        let text = fs::read_to_string(&page).unwrap();
        for link in links(&text) {
            seen += 1;
            if !page.parent().unwrap().join(link).exists() {
                broken.push(format!("{}: {link}", page.display()));
            }
        }
    }
    assert!(broken.is_empty(), "these links lead nowhere:\n{}", broken.join("\n"));
    assert!(seen > 10, "only {seen} links were found");
}

/// The names of tests that a page gives: in backticks, at least four words.
fn tests_named(page: &str) -> impl Iterator<Item = &str> {
    let is_name = |text: &&str| {
        text.split('_').count() > 3 && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
    };
    page.split('`').skip(1).step_by(2).filter(is_name)
}

/// All sources below a folder, in one text.
fn sources(folder: &Path, all: &mut String) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("target") && !path.ends_with(".git") {
            sources(&path, all);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            all.push_str(&fs::read_to_string(&path).unwrap());
        }
    }
}

#[test]
fn every_test_that_the_page_on_security_names_is_there() {
    assert_eq!(
        tests_named("`a_test_of_something` `a_b` `not A_test_of_this`").collect::<Vec<_>>(),
        ["a_test_of_something"]
    );
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let page = fs::read_to_string(root.join("SECURITY.md")).unwrap();
    let mut all = String::new();
    sources(&root, &mut all);
    let named: Vec<&str> = tests_named(&page).collect();
    let is_there = |name: &&str| all.contains(&format!("fn {name}(")) || all.contains(&format!("(\"{name}\","));
    let missing: Vec<&&str> = named.iter().filter(|name| !is_there(name)).collect();
    assert!(missing.is_empty(), "SECURITY.md names tests that are not there: {missing:?}");
    assert!(named.len() > 15, "only {} tests are named", named.len());
}
