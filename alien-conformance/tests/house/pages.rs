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
