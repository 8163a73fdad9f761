//! Which file mentions declarations of another, and the cycles that result.

use std::collections::{BTreeMap, BTreeSet};

use quote::ToTokens as _;
use syn::Item;

use crate::source::{Crate, Target, mentions, uses};

/// The items of another file that a file mentions, each with the line that mentions it first.
#[derive(Default)]
pub(crate) struct Arrow {
    things: BTreeMap<String, usize>,
    /// Whether it is used, and not only re-exported.
    is_used: bool,
}

pub(crate) type Arrows = BTreeMap<(String, String), Arrow>;

/// Every arrow from a mentioning file to the declaring file.
pub(crate) fn arrows(source: &Crate) -> Arrows {
    let mut arrows = Arrows::new();
    for (module, inside) in source.modules.iter().enumerate() {
        let mut add = |targets: Vec<Target>, line: usize, is_used: bool| {
            for target in targets {
                let Target::Item(declared) = target else { continue };
                let (from, to) = (inside.file.clone(), source.modules[declared.0].file.clone());
                if from == to {
                    continue;
                }
                let arrow = arrows.entry((from, to)).or_default();
                arrow.is_used |= is_used;
                let first = arrow.things.entry(source.named(declared).1).or_insert(line);
                *first = line.min(*first);
            }
        };
        for item in &inside.items {
            for found in uses(item) {
                let targets = source.resolve(module, &found.path);
                if found.is_reexport && found.name.is_none() {
                    // A glob re-export names everything in the module.
                    for target in &targets {
                        let Target::Module(at) = target else { continue };
                        for name in source.modules[*at].names.keys() {
                            add(source.lookup(*at, name), found.line, false);
                        }
                    }
                }
                add(targets, found.line, !found.is_reexport);
            }
            if matches!(item, Item::Mod(_)) {
                continue;
            }
            let mut found = Vec::new();
            mentions(item.to_token_stream(), &mut found);
            for mention in found {
                let mut targets = source.resolve(module, &mention.path);
                // A path that leads nowhere would hide cycles.
                let (file, line, path) = (&inside.file, mention.line, mention.path.join("::"));
                assert!(!targets.is_empty(), "{file}:{line}: cannot resolve `{path}`");
                if let (true, [name]) = (mention.is_macro, mention.path.as_slice()) {
                    targets.extend(source.textual_macro(module, name).map(Target::Item));
                }
                add(targets, mention.line, true);
            }
        }
    }
    arrows
}

/// The arrows of what is used, and not only re-exported.
pub(crate) fn used(source: &Crate) -> Arrows {
    arrows(source).into_iter().filter(|(_, arrow)| arrow.is_used).collect()
}

/// The cycles, each as the arrows between its files.
pub(crate) fn circles(arrows: &Arrows) -> Vec<String> {
    let files: BTreeSet<&str> = arrows.keys().flat_map(|(from, to)| [from.as_str(), to]).collect();
    let reached: BTreeMap<&str, BTreeSet<&str>> = files.iter().map(|file| (*file, reach(arrows, file))).collect();
    let mut seen = BTreeSet::new();
    let mut circles = Vec::new();
    for file in &files {
        let circle: BTreeSet<&str> =
            reached[file].iter().copied().filter(|other| reached[other].contains(file)).collect();
        if circle.is_empty() || !seen.insert(circle.clone()) {
            continue;
        }
        let within =
            arrows.iter().filter(|((from, to), _)| circle.contains(from.as_str()) && circle.contains(to.as_str()));
        let lines = within.map(|((from, to), arrow)| {
            let only = if arrow.is_used { "" } else { " (re-exported only)" };
            let things: Vec<String> = arrow.things.iter().map(|(thing, line)| format!("{thing}:{line}")).collect();
            format!("  {from} -> {to}{only}: {}", things.join(" "))
        });
        let lines: Vec<String> = lines.collect();
        circles.push(format!("{} files, {} arrows\n{}", circle.len(), lines.len(), lines.join("\n")));
    }
    circles
}

fn reach<'a>(arrows: &'a Arrows, file: &str) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut next = vec![file];
    while let Some(from) = next.pop() {
        next.extend(
            arrows
                .keys()
                .filter(|arrow| arrow.0 == from)
                .filter_map(|(_, to)| reached.insert(to.as_str()).then_some(to.as_str())),
        );
    }
    reached
}
