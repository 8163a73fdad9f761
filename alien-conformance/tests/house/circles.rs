//! Which file mentions what another one declares, and the circles that this makes.

use std::collections::{BTreeMap, BTreeSet};

use quote::ToTokens as _;
use syn::Item;

use crate::source::{Crate, Target, mentions, uses};

/// What a file mentions of another one: each thing, and the first line that does.
#[derive(Default)]
pub(crate) struct Arrow {
    things: BTreeMap<String, usize>,
    /// Whether more is done than to hand it on.
    is_used: bool,
}

pub(crate) type Arrows = BTreeMap<(String, String), Arrow>;

/// Every arrow from the file that mentions to the file that declares.
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
                    // Whoever hands on all that is in a module names all of it.
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
                // A checker that loses its way would see no circles.
                let (file, line, path) = (&inside.file, mention.line, mention.path.join("::"));
                assert!(!targets.is_empty(), "{file}:{line}: where does `{path}` lead?");
                if let (true, [name]) = (mention.is_macro, mention.path.as_slice()) {
                    targets.extend(source.textual_macro(module, name).map(Target::Item));
                }
                add(targets, mention.line, true);
            }
        }
    }
    arrows
}

/// The circles, each as the arrows between its files.
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
            let only = if arrow.is_used { "" } else { " (handed on only)" };
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
