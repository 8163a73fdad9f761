//! The sources of a crate: its modules, what each declares and imports, and where a path leads.

use std::collections::BTreeMap;

use proc_macro2::{Spacing, TokenStream, TokenTree};
use quote::ToTokens;
use syn::punctuated::Punctuated;
use syn::spanned::Spanned as _;
use syn::visit::{self, Visit};
use syn::visit_mut::{self, VisitMut};
use syn::{Attribute, Item, Meta, Token, UseTree, Visibility};

use crate::expand::Macro;

/// A crate without its tests, with every feature on.
pub(crate) struct Crate {
    pub(crate) name: String,
    pub(crate) modules: Vec<Module>,
    macros: BTreeMap<String, Macro>,
}

/// A module: a file, or a part of one.
pub(crate) struct Module {
    /// Relative to the source folder, as all files here.
    pub(crate) file: String,
    pub(crate) is_public: bool,
    /// What the module and its macros declare. For a nested module, only that it exists.
    pub(crate) items: Vec<Item>,
    pub(crate) names: BTreeMap<String, Vec<Name>>,
    pub(crate) globs: Vec<Import>,
    parent: usize,
    folder: String,
}

/// What a name in a module stands for.
pub(crate) enum Name {
    Module(usize),
    Item(Declared),
    Import(Import),
}

pub(crate) struct Import {
    pub(crate) path: Vec<String>,
    pub(crate) is_public: bool,
}

/// A declaration: the index of its module, and its index there.
pub(crate) type Declared = (usize, usize);

/// Where a path leads.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Target {
    Module(usize),
    Item(Declared),
    /// Outside the crate, or nowhere: a local name, a parameter, the prelude.
    Foreign(Vec<String>),
}

impl Crate {
    /// Reads a crate from its root file. `known` provides the macros of other crates.
    pub(crate) fn read(name: &str, root: &str, known: &[&Self], file: &dyn Fn(&str) -> Option<String>) -> Self {
        let foreign = known.iter().flat_map(|known| {
            known.macros.iter().map(|(name, found)| (name.clone(), found.of_crate(&known.name.replace('-', "_"))))
        });
        let mut read = Self { name: name.to_owned(), modules: Vec::new(), macros: foreign.collect() };
        let text = file(root).unwrap_or_else(|| panic!("there is no {root} in {name}"));
        read.add_module(0, (root.to_owned(), String::new()), true, parsed(&text, root), file);
        read.expand_all(file);
        read
    }

    /// The kind and the name of a declaration.
    pub(crate) fn named(&self, (module, at): Declared) -> (&'static str, String) {
        named(self.item((module, at))).map(|(kind, name, _)| (kind, name)).unwrap_or_default()
    }

    pub(crate) fn item(&self, (module, at): Declared) -> &Item {
        &self.modules[module].items[at]
    }

    /// Resolves a path in a module: to several targets if the name is in several namespaces.
    pub(crate) fn resolve(&self, module: usize, path: &[String]) -> Vec<Target> {
        self.follow(module, path, &mut Vec::new())
    }

    /// Looks up a name in a module.
    pub(crate) fn lookup(&self, module: usize, name: &str) -> Vec<Target> {
        self.look(module, name, &mut Vec::new())
    }

    /// Finds a macro that is in textual scope: an enclosing module declares it earlier.
    pub(crate) fn textual_macro(&self, mut module: usize, name: &str) -> Option<Declared> {
        loop {
            let found = self.modules[module].names.get(name).into_iter().flatten().find_map(|name| match name {
                Name::Item(declared) if self.named(*declared).0 == "macro" => Some(*declared),
                _ => None,
            });
            if found.is_some() || module == 0 {
                return found;
            }
            module = self.modules[module].parent;
        }
    }

    /// `within` are the imports being followed, so that none is followed twice.
    fn follow<'s>(&'s self, module: usize, path: &[String], within: &mut Vec<&'s Import>) -> Vec<Target> {
        let Some((first, rest)) = path.split_first() else { return Vec::new() };
        let mut targets = match first.as_str() {
            "crate" => vec![Target::Module(0)],
            "self" => vec![Target::Module(module)],
            "super" => vec![Target::Module(self.modules[module].parent)],
            name => self.look(module, name, within),
        };
        if targets.is_empty() {
            return vec![Target::Foreign(path.to_vec())];
        }
        for part in rest {
            let next = targets.into_iter().flat_map(|target| match target {
                Target::Module(at) if part == "super" => vec![Target::Module(self.modules[at].parent)],
                Target::Module(at) => self.look(at, part, within),
                // What is inside a type, a variant or a function belongs to the type.
                Target::Item(declared) => {
                    let holds = ["struct", "enum", "union", "trait", "type"].contains(&self.named(declared).0);
                    holds.then_some(target).into_iter().collect()
                }
                Target::Foreign(mut path) => {
                    path.push(part.clone());
                    vec![Target::Foreign(path)]
                }
            });
            targets = next.collect();
        }
        targets
    }

    fn look<'s>(&'s self, module: usize, name: &str, within: &mut Vec<&'s Import>) -> Vec<Target> {
        let mut found = Vec::new();
        for name in self.modules[module].names.get(name).into_iter().flatten() {
            match name {
                Name::Module(at) => found.push(Target::Module(*at)),
                Name::Item(declared) => found.push(Target::Item(*declared)),
                Name::Import(import) => found.extend(self.through(module, import, within)),
            }
        }
        if !found.is_empty() {
            found.sort_unstable();
            found.dedup();
            return found;
        }
        for glob in &self.modules[module].globs {
            for target in self.through(module, glob, within) {
                match target {
                    Target::Module(at) => found.extend(self.look(at, name, within)),
                    Target::Item(declared) => match self.item(declared) {
                        Item::Enum(whole) if whole.variants.iter().any(|one| one.ident == name) => found.push(target),
                        _ => {}
                    },
                    Target::Foreign(_) => {}
                }
            }
        }
        found
    }

    fn through<'s>(&'s self, module: usize, import: &'s Import, within: &mut Vec<&'s Import>) -> Vec<Target> {
        if within.iter().any(|followed| std::ptr::eq(*followed, import)) {
            return Vec::new();
        }
        within.push(import);
        let found = self.follow(module, &import.path, within);
        within.pop();
        found
    }

    fn add_module(
        &mut self,
        parent: usize,
        (file, folder): (String, String),
        is_public: bool,
        items: Vec<Item>,
        read: &dyn Fn(&str) -> Option<String>,
    ) -> usize {
        let (names, globs) = (BTreeMap::new(), Vec::new());
        self.modules.push(Module { file, is_public, items: Vec::new(), names, globs, parent, folder });
        let at = self.modules.len() - 1;
        self.add_items(at, items, read);
        at
    }

    fn add_items(&mut self, module: usize, items: Vec<Item>, read: &dyn Fn(&str) -> Option<String>) {
        for mut item in items {
            if let Item::Mod(inner) = &mut item {
                let (name, is_public) = (inner.ident.to_string(), is_public(&inner.vis));
                let folder = format!("{}{name}/", self.modules[module].folder);
                let (file, items) = match inner.content.take() {
                    Some((_, items)) => (self.modules[module].file.clone(), items),
                    None => {
                        let flat = format!("{}.rs", folder.trim_end_matches('/'));
                        let found = [flat.clone(), format!("{folder}mod.rs")].into_iter();
                        let found = found.filter_map(|file| read(&file).map(|text| (file, text))).next();
                        let (file, text) = found.unwrap_or_else(|| panic!("{} has no {flat}", self.name));
                        let items = parsed(&text, &file);
                        (file, items)
                    }
                };
                let child = self.add_module(module, (file, folder), is_public, items, read);
                self.modules[module].names.entry(name).or_default().push(Name::Module(child));
            } else if let Some((kind, name, is_exported)) = named(&item) {
                let declared = (module, self.modules[module].items.len());
                if kind == "macro" && is_exported {
                    // An exported macro is also at the root, wherever it is declared.
                    self.modules[0].names.entry(name.clone()).or_default().push(Name::Item(declared));
                }
                if let (Item::Macro(found), true) = (&item, kind == "macro") {
                    self.macros.insert(name.clone(), Macro::new("crate", found.mac.tokens.clone()));
                }
                if module != 0 || kind != "macro" || !is_exported {
                    self.modules[module].names.entry(name).or_default().push(Name::Item(declared));
                }
            }
            for found in uses(&item) {
                let import = Import { path: found.path, is_public: found.is_public };
                match found.name {
                    Some(name) => self.modules[module].names.entry(name).or_default().push(Name::Import(import)),
                    None => self.modules[module].globs.push(import),
                }
            }
            self.modules[module].items.push(item);
        }
    }

    fn expand_all(&mut self, read: &dyn Fn(&str) -> Option<String>) {
        let mut module = 0;
        while module < self.modules.len() {
            let mut at = 0;
            while let Some(item) = self.modules[module].items.get(at) {
                at += 1;
                let Item::Macro(call) = item else { continue };
                let Some(name) = call.mac.path.segments.last().map(|last| last.ident.to_string()) else { continue };
                let (None, Some(found)) = (&call.ident, self.macros.get(&name)) else { continue };
                let expanded = found.expand(call.mac.tokens.clone(), call.mac.span());
                let items = expanded.and_then(|tokens| syn::parse2::<syn::File>(tokens).ok());
                let Some(items) = items else { panic!("{}: cannot expand {name}!", self.modules[module].file) };
                self.add_items(module, without_tests(items), read);
            }
            module += 1;
        }
    }
}

/// The kind of an item, its name, and whether it is public.
pub(crate) fn named(item: &Item) -> Option<(&'static str, String, bool)> {
    let (kind, name, vis) = match item {
        Item::Struct(item) => ("struct", &item.ident, &item.vis),
        Item::Enum(item) => ("enum", &item.ident, &item.vis),
        Item::Union(item) => ("union", &item.ident, &item.vis),
        Item::Trait(item) => ("trait", &item.ident, &item.vis),
        Item::Type(item) => ("type", &item.ident, &item.vis),
        Item::Const(item) => ("const", &item.ident, &item.vis),
        Item::Static(item) => ("static", &item.ident, &item.vis),
        Item::Fn(item) => ("fn", &item.sig.ident, &item.vis),
        Item::Macro(item) => {
            let is_exported = item.attrs.iter().any(|attribute| attribute.path().is_ident("macro_export"));
            return Some(("macro", item.ident.as_ref()?.to_string(), is_exported));
        }
        _ => return None,
    };
    Some((kind, name.to_string(), is_public(vis)))
}

pub(crate) const fn is_public(vis: &Visibility) -> bool {
    matches!(vis, Visibility::Public(_))
}

/// An import.
pub(crate) struct Use {
    pub(crate) path: Vec<String>,
    /// The name it gets, or `None` for a glob.
    pub(crate) name: Option<String>,
    pub(crate) is_public: bool,
    /// Whether it is re-exported.
    pub(crate) is_reexport: bool,
    pub(crate) line: usize,
}

/// Lists every import in an item, including those in function bodies.
pub(crate) fn uses(item: &Item) -> Vec<Use> {
    struct Uses(Vec<Use>);
    impl<'a> Visit<'a> for Uses {
        fn visit_item_use(&mut self, item: &'a syn::ItemUse) {
            self.flatten(&item.tree, Vec::new(), &item.vis);
        }
    }
    impl Uses {
        fn flatten(&mut self, tree: &UseTree, mut path: Vec<String>, vis: &Visibility) {
            let mut add = |mut path: Vec<String>, last: Option<&syn::Ident>, name: Option<String>| {
                // `self` in braces names the path before them.
                path.extend(last.filter(|last| *last != "self").map(ToString::to_string));
                let name =
                    name.map(|name| if name == "self" { path.last().cloned().unwrap_or_default() } else { name });
                let (is_public, is_reexport) = (is_public(vis), !matches!(vis, Visibility::Inherited));
                self.0.push(Use { path, name, is_public, is_reexport, line: line(tree) });
            };
            match tree {
                UseTree::Path(inner) => {
                    path.push(inner.ident.to_string());
                    self.flatten(&inner.tree, path, vis);
                }
                UseTree::Name(name) => add(path, Some(&name.ident), Some(name.ident.to_string())),
                UseTree::Rename(name) => add(path, Some(&name.ident), Some(name.rename.to_string())),
                UseTree::Glob(_) => add(path, None, None),
                UseTree::Group(group) => group.items.iter().for_each(|tree| self.flatten(tree, path.clone(), vis)),
            }
        }
    }
    let mut uses = Uses(Vec::new());
    uses.visit_item(item);
    uses.0
}

pub(crate) fn line(node: &impl ToTokens) -> usize {
    node.span().start().line
}

/// A path among tokens.
pub(crate) struct Mention {
    pub(crate) path: Vec<String>,
    pub(crate) is_macro: bool,
    pub(crate) line: usize,
}

/// Collects every path among tokens, also inside macros; a single name is a path too. Imports are left out: see
/// [`uses`].
pub(crate) fn mentions(tokens: TokenStream, found: &mut Vec<Mention>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let is = |at: usize, letter: char| matches!(tokens.get(at), Some(TokenTree::Punct(p)) if p.as_char() == letter);
    let joint = |at: usize| matches!(tokens.get(at), Some(TokenTree::Punct(p)) if p.spacing() == Spacing::Joint);
    let colons = |at: usize| is(at, ':') && joint(at) && is(at + 1, ':');
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        let start = at;
        at += 1;
        let first = match token {
            TokenTree::Group(group) => {
                mentions(group.stream(), found);
                continue;
            }
            TokenTree::Ident(first) => first,
            _ => continue,
        };
        if first == "use" && !is(at, '<') {
            at += tokens[at..].iter().take_while(|token| token.to_string() != ";").count();
            continue;
        }
        let mut path = vec![first.to_string()];
        while let (true, Some(TokenTree::Ident(next))) = (colons(at), tokens.get(at + 2)) {
            path.push(next.to_string());
            at += 3;
        }
        let before = |letter| start > 0 && is(start - 1, letter);
        // A field or a method, unless the dots are the end of a range.
        let is_member = before('.') && !(start > 1 && is(start - 2, '.'));
        let is_rest = before(':') && start > 1 && colons(start - 2);
        let is_variable = before('$') && first != "crate";
        if !is_member && !is_rest && !is_variable && !before('\'') {
            found.push(Mention { path, is_macro: is(at, '!'), line: first.span().start().line });
        }
    }
}

fn parsed(text: &str, file: &str) -> Vec<Item> {
    without_tests(syn::parse_file(text).unwrap_or_else(|error| panic!("{file}: {error}")))
}

fn without_tests(mut file: syn::File) -> Vec<Item> {
    struct Prune;
    impl VisitMut for Prune {
        fn visit_file_mut(&mut self, file: &mut syn::File) {
            file.items.retain(is_built);
            visit_mut::visit_file_mut(self, file);
        }
        fn visit_item_mod_mut(&mut self, module: &mut syn::ItemMod) {
            module.content.iter_mut().for_each(|(_, items)| items.retain(is_built));
            visit_mut::visit_item_mod_mut(self, module);
        }
        fn visit_item_impl_mut(&mut self, item: &mut syn::ItemImpl) {
            item.items.retain(is_built);
            visit_mut::visit_item_impl_mut(self, item);
        }
    }
    Prune.visit_file_mut(&mut file);
    file.items
}

/// Whether an item is in the crate when it is not built for tests.
fn is_built(node: &impl ToTokens) -> bool {
    use syn::parse::Parser as _;
    let outer = |input: syn::parse::ParseStream<'_>| {
        let attributes = Attribute::parse_outer(input)?;
        input.parse::<TokenStream>().map(|_| attributes)
    };
    let attributes = outer.parse2(node.to_token_stream()).unwrap_or_default();
    attributes.iter().filter(|attribute| attribute.path().is_ident("cfg")).all(|cfg| holds(&cfg.parse_args().unwrap()))
}

fn holds(condition: &Meta) -> bool {
    let Meta::List(list) = condition else { return !condition.path().is_ident("test") };
    let parts = list.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated).unwrap();
    match list.path.get_ident().map(ToString::to_string).as_deref() {
        Some("not") => !parts.iter().all(holds),
        Some("any") => parts.iter().any(holds),
        _ => parts.iter().all(holds),
    }
}

/// Lists every `match` and `matches!`, with the last names of its patterns.
pub(crate) fn matches_of(item: &Item) -> Vec<(usize, Vec<String>)> {
    struct Patterns(Vec<String>);
    impl<'a> Visit<'a> for Patterns {
        fn visit_path(&mut self, path: &'a syn::Path) {
            self.0.extend(path.segments.last().map(|last| last.ident.to_string()));
        }
        fn visit_pat_ident(&mut self, pattern: &'a syn::PatIdent) {
            self.0.push(pattern.ident.to_string());
            visit::visit_pat_ident(self, pattern);
        }
        // A guard is not a pattern.
        fn visit_expr(&mut self, _: &'a syn::Expr) {}
    }
    struct Matches(Vec<(usize, Vec<String>)>);
    impl Matches {
        fn add<'a>(&mut self, line: usize, patterns: impl Iterator<Item = &'a syn::Pat>) {
            let mut names = Patterns(Vec::new());
            patterns.for_each(|pattern| names.visit_pat(pattern));
            self.0.push((line, names.0));
        }
    }
    impl<'a> Visit<'a> for Matches {
        fn visit_expr_match(&mut self, found: &'a syn::ExprMatch) {
            self.add(line(&found.match_token), found.arms.iter().map(|arm| &arm.pat));
            visit::visit_expr_match(self, found);
        }
        fn visit_macro(&mut self, found: &'a syn::Macro) {
            let pattern = |input: syn::parse::ParseStream<'_>| {
                input.parse::<syn::Expr>()?;
                input.parse::<Token![,]>()?;
                let pattern = syn::Pat::parse_multi_with_leading_vert(input)?;
                input.parse::<TokenStream>().map(|_| pattern)
            };
            if let (true, Ok(pattern)) = (found.path.is_ident("matches"), found.parse_body_with(pattern)) {
                self.add(line(&found.path), std::iter::once(&pattern));
            }
        }
    }
    let mut matches = Matches(Vec::new());
    matches.visit_item(item);
    matches.0
}
