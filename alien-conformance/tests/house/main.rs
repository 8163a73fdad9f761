//! The structure of the workspace, read from its sources: which files may depend on which, what a crate exports, and
//! where a kind of resource or a cloud may be named.
//!
//! The checks read what is built without tests, with every feature on and declarative macros expanded. They do not ask
//! what needs type information, such as which method a call reaches.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test reports failures by panicking"
)]

mod circles;
mod expand;
mod face;
mod fixtures;
mod pages;
mod source;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use face::Face;
use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens as _;
use source::{Crate, matches_of};
use syn::Item;

const CORE: &str = "alien-core";
const ADAPTERS: [&str; 3] = ["alien-aws", "alien-gcp", "alien-azure"];
const RELEASE: &str = "alien-release";
const CLI: &str = "alien-cli";
/// The libraries whose public items are in no list here.
const OTHERS: [&str; 4] = ["alien-fleet", "alien-manager", "alien-agent", "alien-prove"];

#[test]
fn no_two_files_need_each_other() {
    let mut found = String::new();
    let shown =
        read_shown().into_iter().chain([read_cli("lib.rs")]).map(|source| (circles::arrows(&source), source.name));
    // Here a folder's `mod.rs` may have what its files need, beside the names that it re-exports of them.
    let others = OTHERS.iter().map(|name| (circles::used(&read(name, "lib.rs", &[])), (*name).to_owned()));
    for (arrows, name) in shown.chain(others) {
        for circle in circles::circles(&arrows) {
            found.push_str(&format!("\n{name}/src: a cycle of {circle}\n"));
        }
    }
    assert!(
        found.is_empty(),
        "files that depend on each other: move what both need into its own file, or turn an arrow around. Each arrow \
         lists the items it is for, with the line that mentions each first.\n{found}"
    );
}

#[test]
fn the_public_face_is_the_one_that_was_agreed_on() {
    let compared = read_shown()
        .into_iter()
        .filter_map(|source| differs(&format!("{}.txt", source.name), &Face::of(&source).lines()));
    let differences: Vec<String> = compared.collect();
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn the_core_shows_fewer_than_170_things_outside_its_adapter_and_rollout_modules() {
    let core = read_core();
    let face = Face::of(&core);
    let (count, of_rollouts) = (face.outside(&["adapter", "rollout"]).len(), face.outside(&["adapter"]).len());
    assert!(count < 170, "{count} public items outside `adapter`: make some private, or export them only to adapters");
    assert!(of_rollouts < count + 40, "{of_rollouts} public items with `rollout`: make some private");
}

#[test]
fn no_thing_of_the_core_has_two_paths_outside_its_adapter_module() {
    let core = read_core();
    let face = Face::of(&core);
    let doubles: Vec<String> =
        face.outside(&["adapter"]).into_iter().filter(|paths| paths.len() > 1).map(|paths| paths.join(" = ")).collect();
    assert!(doubles.is_empty(), "leave only one path to each of these:\n{}", doubles.join("\n"));
}

#[test]
fn the_core_has_three_public_modules() {
    let core = read_core();
    let lines = Face::of(&core).lines();
    let modules = lines.iter().filter_map(|line| line.strip_prefix("mod ")).filter(|path| !path.contains("::"));
    assert_eq!(Vec::from_iter(modules), ["adapter", "memory", "rollout"], "make the others private");
}

#[test]
fn foreign_types_in_public_signatures_are_the_ones_that_were_agreed_on() {
    let lines: Vec<String> = read_shown().iter().flat_map(|source| Face::of(source).foreign()).collect();
    if let Some(difference) = differs("foreign.txt", &lines) {
        panic!("{difference}");
    }
}

#[test]
fn no_match_goes_over_all_kinds() {
    let shown = read_shown();
    let kinds = variants(&shown[0], "Kind");
    assert!(kinds.len() >= 6, "the kinds are the variants of `Kind`, but only {kinds:?} were found");
    let mut found = Vec::new();
    for source in &shown {
        let name = &source.name;
        for (file, item) in items(source) {
            if name == CORE && !file.starts_with("memory/") {
                continue;
            }
            for (line, patterns) in matches_of(item) {
                let named: BTreeSet<String> = patterns.into_iter().filter(|name| kinds.contains(name)).collect();
                if named.len() >= 3 {
                    found.push(format!("{name}/src/{file}:{line}: {}", Vec::from_iter(named).join(", ")));
                }
            }
        }
    }
    assert!(found.is_empty(), "move what differs between kinds into the file of each kind:\n{}", found.join("\n"));
}

/// What only one cloud has, in a file of the command line of its own: the vendor's issuer, which is Azure's way in.
const ONE_CLOUD: [(&str, &str); 1] = [("azure", "keys/issuer.rs")];

#[test]
fn the_command_line_names_each_cloud_on_one_line_of_its_registry() {
    let mut found: BTreeMap<&str, BTreeSet<(String, usize)>> = BTreeMap::new();
    let bins = fs::read_dir(sources(CLI).join("bin")).unwrap();
    let bins = bins.map(|entry| format!("bin/{}", entry.unwrap().file_name().to_str().unwrap()));
    for root in bins.chain(["lib.rs".to_owned()]) {
        for (file, item) in items(&read_cli(&root)) {
            words(item.to_token_stream(), &mut |word, line| {
                let cloud = ["aws", "gcp", "azure"].into_iter().find(|cloud| *cloud == word);
                if let Some(cloud) = cloud.filter(|cloud| !ONE_CLOUD.contains(&(*cloud, file))) {
                    found.entry(cloud).or_default().insert((file.to_owned(), line));
                }
            });
        }
    }
    let is_registered = |places: &BTreeSet<_>| places.len() == 1 && places.iter().all(|(file, _)| file == "clouds.rs");
    let wrong: Vec<_> = found.iter().filter(|(_, places)| !is_registered(places)).collect();
    assert_eq!(found.len(), 3, "some cloud is not registered in clouds.rs: {found:#?}");
    assert!(wrong.is_empty(), "do not name a cloud here; use what is registered in clouds.rs: {wrong:#?}");
}

/// The items of a crate, with their files.
fn items(source: &Crate) -> impl Iterator<Item = (&str, &Item)> {
    source.modules.iter().flat_map(|module| module.items.iter().map(|item| (module.file.as_str(), item)))
}

fn variants(source: &Crate, name: &str) -> Vec<String> {
    let found = items(source).filter_map(|(_, item)| match item {
        Item::Enum(found) if found.ident == name => {
            Some(found.variants.iter().map(|variant| variant.ident.to_string()))
        }
        _ => None,
    });
    found.flatten().collect()
}

/// Passes on every word of identifiers and literals, in lower case: `of_gcp` and `OfGcp` are two words each. Comments
/// are skipped.
fn words(tokens: TokenStream, each: &mut dyn FnMut(&str, usize)) {
    let mut is_attribute = false;
    for token in tokens {
        match &token {
            TokenTree::Group(group) => {
                let is_doc =
                    is_attribute && group.stream().into_iter().next().is_some_and(|first| first.to_string() == "doc");
                if !is_doc {
                    words(group.stream(), each);
                }
            }
            TokenTree::Punct(_) => {}
            TokenTree::Ident(_) | TokenTree::Literal(_) => {
                let mut text = String::new();
                for letter in token.to_string().chars() {
                    if letter.is_ascii_uppercase() && text.ends_with(|before: char| before.is_ascii_lowercase()) {
                        text.push('_');
                    }
                    text.push(letter);
                }
                for word in text.split(|letter: char| !letter.is_ascii_alphanumeric()) {
                    each(&word.to_ascii_lowercase(), token.span().start().line);
                }
            }
        }
        is_attribute = token.to_string() == "#";
    }
}

fn read_core() -> Crate {
    read(CORE, "lib.rs", &[])
}

fn read_cli(root: &str) -> Crate {
    read(CLI, root, &[])
}

/// Reads the core, the adapters, which use its macros, and what publishes releases.
fn read_shown() -> Vec<Crate> {
    let core = read_core();
    let adapters: Vec<Crate> = ADAPTERS.iter().map(|name| read(name, "lib.rs", &[&core])).collect();
    [core].into_iter().chain(adapters).chain([read(RELEASE, "lib.rs", &[])]).collect()
}

fn read(name: &str, root: &str, known: &[&Crate]) -> Crate {
    let folder = sources(name);
    Crate::read(name, root, known, &|file| fs::read_to_string(folder.join(file)).ok())
}

fn sources(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name).join("src")
}

/// Compares with a committed list, or writes the list if `ALIEN_ACCEPT_LISTS` is 1.
fn differs(list: &str, lines: &[String]) -> Option<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/house/lists").join(list);
    let found: BTreeSet<&str> = lines.iter().map(String::as_str).collect();
    assert_eq!(found.len(), lines.len(), "a line occurs twice in {list}");
    if std::env::var_os("ALIEN_ACCEPT_LISTS").is_some_and(|accept| accept == "1") {
        fs::write(path, lines.join("\n") + "\n").unwrap();
        return None;
    }
    let agreed = fs::read_to_string(path).unwrap_or_default();
    let agreed: BTreeSet<&str> = agreed.lines().collect();
    let gone = agreed.difference(&found).map(|line| format!("- {line}"));
    let new = found.difference(&agreed).map(|line| format!("+ {line}"));
    let difference: Vec<String> = gone.chain(new).collect();
    let accept = "if this is intended, run `ALIEN_ACCEPT_LISTS=1 cargo test -p alien-conformance --test house` and review the diff";
    (!difference.is_empty()).then(|| format!("{list} differs; {accept}\n{}", difference.join("\n")))
}
