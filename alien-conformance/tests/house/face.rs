//! The public API of a crate: what others can name, and which foreign types they need for it.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::{Fields, Generics, ImplItem, Item, TraitItem, Type};

use crate::source::{Crate, Declared, Name, Target, is_public, mentions, named};

/// Everything reachable by a path from the root, with all its paths.
pub(crate) struct Face<'c> {
    source: &'c Crate,
    paths: BTreeMap<Target, BTreeSet<String>>,
}

/// A member of a public item: its line in the list, and the tokens of its signature.
struct Member {
    kind: &'static str,
    name: String,
    module: usize,
    signature: TokenStream,
}

impl<'c> Face<'c> {
    pub(crate) fn of(source: &'c Crate) -> Self {
        let mut face = Self { source, paths: BTreeMap::new() };
        face.walk(0, "", &mut Vec::new());
        face
    }

    fn walk(&mut self, module: usize, prefix: &str, above: &mut Vec<usize>) {
        if above.contains(&module) {
            return;
        }
        above.push(module);
        let source = self.source;
        for (name, stands_for) in &source.modules[module].names {
            for stands_for in stands_for {
                let targets = match stands_for {
                    Name::Module(at) => vec![Target::Module(*at)],
                    Name::Item(declared) => vec![Target::Item(*declared)],
                    Name::Import(import) if import.is_public => source.resolve(module, &import.path),
                    Name::Import(_) => Vec::new(),
                };
                for target in targets {
                    self.reach(target, format!("{prefix}{name}"), above);
                }
            }
        }
        for glob in source.modules[module].globs.iter().filter(|glob| glob.is_public) {
            for target in source.resolve(module, &glob.path) {
                match target {
                    Target::Module(at) => self.walk(at, prefix, above),
                    other => self.reach(other, format!("{prefix}{}::*", glob.path.join("::")), above),
                }
            }
        }
        above.pop();
    }

    fn reach(&mut self, target: Target, path: String, above: &mut Vec<usize>) {
        let is_public = match &target {
            Target::Module(at) => self.source.modules[*at].is_public,
            // A macro is exported only at the root.
            Target::Item(declared) => named(self.source.item(*declared))
                .is_some_and(|(kind, _, is_public)| is_public && (kind != "macro" || !path.contains("::"))),
            Target::Foreign(_) => true,
        };
        if !is_public {
            return;
        }
        if let Target::Module(at) = target {
            self.walk(at, &format!("{path}::"), above);
        }
        self.paths.entry(target).or_default().insert(path);
    }

    /// The paths of each item reachable outside some modules: one entry per item, however many paths it has.
    pub(crate) fn outside(&self, modules: &[&str]) -> Vec<Vec<&str>> {
        let is_outside = |path: &&str| path.split("::").next().is_none_or(|first| !modules.contains(&first));
        let things = self.paths.values().map(|paths| paths.iter().map(String::as_str).filter(is_outside).collect());
        things.filter(|paths: &Vec<&str>| !paths.is_empty()).collect()
    }

    /// One line per item, by path.
    pub(crate) fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for (target, paths) in &self.paths {
            let main = shortest(paths);
            let kind = match target {
                Target::Module(_) => "mod",
                Target::Item(declared) => self.source.named(*declared).0,
                Target::Foreign(_) => "use",
            };
            for path in paths {
                let same = match target {
                    Target::Foreign(foreign) => format!(" = {}", foreign.join("::")),
                    _ if path == main => String::new(),
                    _ => format!(" = {main}"),
                };
                lines.push((path.clone(), format!("{kind} {path}{same}")));
            }
            if let Target::Item(declared) = target {
                let members = self.members(*declared).into_iter().filter(|member| !member.name.is_empty());
                lines.extend(members.filter(|member| member.kind != "impl").map(|member| {
                    let path = format!("{main}::{}", member.name);
                    (path.clone(), format!("{} {path}", member.kind))
                }));
            }
        }
        lines.sort_unstable();
        lines.into_iter().map(|(_, line)| line).collect()
    }

    /// The types of other crates in public signatures, and where they occur.
    pub(crate) fn foreign(&self) -> BTreeSet<String> {
        let mut lines = BTreeSet::new();
        let mut add = |foreign: &[String], at: &str| {
            lines.insert(format!("{}: {} — {at}", self.source.name, foreign.join("::")));
        };
        for (target, paths) in &self.paths {
            let main = shortest(paths);
            match target {
                Target::Module(_) => {}
                Target::Foreign(foreign) if is_foreign(foreign) => add(foreign, main),
                Target::Foreign(_) => {}
                Target::Item(declared) => {
                    for member in self.members(*declared) {
                        let at = match (member.kind, member.name.as_str()) {
                            (_, "") => main.to_owned(),
                            ("impl", name) => format!("impl {name} for {main}"),
                            (_, name) => format!("{main}::{name}"),
                        };
                        self.foreign_in(member.module, member.signature, &mut |foreign| add(foreign, &at));
                    }
                }
            }
        }
        lines
    }

    fn foreign_in(&self, module: usize, signature: TokenStream, add: &mut dyn FnMut(&[String])) {
        let mut found = Vec::new();
        mentions(signature, &mut found);
        for target in found.iter().flat_map(|mention| self.source.resolve(module, &mention.path)) {
            match &target {
                Target::Foreign(path) if is_foreign(path) => add(path),
                // A private alias hides its type from a reader, but not from a caller.
                Target::Item(declared) if !self.paths.contains_key(&target) => {
                    if let Item::Type(alias) = self.source.item(*declared) {
                        self.foreign_in(declared.0, alias.ty.to_token_stream(), add);
                    }
                }
                _ => {}
            }
        }
    }

    /// The item itself, without a name, and its public members.
    fn members(&self, declared: Declared) -> Vec<Member> {
        let mut members = Vec::new();
        let mut add = |kind, name: String, module, signature: &[&dyn ToTokens]| {
            let signature = signature.iter().flat_map(|part| part.to_token_stream()).collect();
            members.push(Member { kind, name, module, signature });
        };
        let module = declared.0;
        let whole = |generics: &Generics| quote_generics(generics);
        let itself = String::new;
        match self.source.item(declared) {
            Item::Struct(item) => {
                add("", itself(), module, &[&whole(&item.generics)]);
                for (at, field) in item.fields.iter().enumerate().filter(|(_, field)| is_public(&field.vis)) {
                    let name = field.ident.as_ref().map_or_else(|| at.to_string(), ToString::to_string);
                    add("field", name, module, &[&field.ty]);
                }
            }
            Item::Enum(item) => {
                add("", itself(), module, &[&whole(&item.generics)]);
                for variant in &item.variants {
                    add("variant", variant.ident.to_string(), module, &[&types(&variant.fields)]);
                }
            }
            Item::Trait(item) => {
                add("", itself(), module, &[&whole(&item.generics), &item.supertraits]);
                for inner in &item.items {
                    match inner {
                        TraitItem::Fn(inner) => add("fn", inner.sig.ident.to_string(), module, &[&inner.sig]),
                        TraitItem::Const(inner) => add("const", inner.ident.to_string(), module, &[&inner.ty]),
                        TraitItem::Type(inner) => {
                            add("type", inner.ident.to_string(), module, &[&whole(&inner.generics), &inner.bounds]);
                        }
                        _ => {}
                    }
                }
            }
            Item::Type(item) => add("", itself(), module, &[&whole(&item.generics), &item.ty]),
            Item::Const(item) => add("", itself(), module, &[&item.ty]),
            Item::Static(item) => add("", itself(), module, &[&item.ty]),
            Item::Fn(item) => add("", itself(), module, &[&item.sig]),
            _ => {}
        }
        for (module, item) in self.impls(declared) {
            let generics = whole(&item.generics);
            if let Some((of, _)) = &item.trait_ {
                let Some(last) = of.segments.last() else { continue };
                let name = last.ident.to_string();
                add("impl", name.clone(), module, &[&last.arguments, &generics]);
                for inner in &item.items {
                    if let ImplItem::Type(inner) = inner {
                        add("impl", name.clone(), module, &[&inner.ty]);
                    }
                }
                continue;
            }
            for inner in &item.items {
                match inner {
                    ImplItem::Fn(inner) if is_public(&inner.vis) => {
                        add("fn", inner.sig.ident.to_string(), module, &[&inner.sig, &generics]);
                    }
                    ImplItem::Const(inner) if is_public(&inner.vis) => {
                        add("const", inner.ident.to_string(), module, &[&inner.ty, &generics]);
                    }
                    _ => {}
                }
            }
        }
        members
    }

    fn impls(&self, declared: Declared) -> impl Iterator<Item = (usize, &'c syn::ItemImpl)> {
        let source = self.source;
        let all =
            source.modules.iter().enumerate().flat_map(|(at, module)| module.items.iter().map(move |item| (at, item)));
        all.filter_map(move |(module, item)| match item {
            Item::Impl(item) => match &*item.self_ty {
                Type::Path(own) => {
                    let path: Vec<String> = own.path.segments.iter().map(|part| part.ident.to_string()).collect();
                    source.resolve(module, &path).contains(&Target::Item(declared)).then_some((module, item))
                }
                _ => None,
            },
            _ => None,
        })
    }
}

fn shortest(paths: &BTreeSet<String>) -> &str {
    paths.iter().min_by_key(|path| path.matches("::").count()).map_or("", String::as_str)
}

/// Parameters with their bounds, and the `where` clause.
fn quote_generics(generics: &Generics) -> TokenStream {
    generics.params.to_token_stream().into_iter().chain(generics.where_clause.to_token_stream()).collect()
}

fn types(fields: &Fields) -> TokenStream {
    fields.iter().flat_map(|field| field.ty.to_token_stream()).collect()
}

/// Whether a path names a type or trait that is neither Rust's own nor ours.
fn is_foreign(path: &[String]) -> bool {
    let [home, .., last] = path else { return false };
    let is_ours = home.starts_with("alien_") || ["std", "core", "alloc"].contains(&home.as_str());
    let starts_upper = |name: &str| name.starts_with(|first: char| first.is_ascii_uppercase());
    !is_ours && !starts_upper(home) && starts_upper(last)
}
