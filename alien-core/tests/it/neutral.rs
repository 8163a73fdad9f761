//! The core knows no cloud.

use std::path::Path;

#[test]
fn no_source_of_the_core_names_a_cloud() {
    let mut read = 0;
    let mut named = Vec::new();
    visit(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src")), &mut |path, text| {
        read += 1;
        let words = text.split(|c: char| !c.is_ascii_alphanumeric()).map(str::to_ascii_lowercase);
        let clouds = ["aws", "amazon", "gcp", "google", "azure", "microsoft", "lambda", "s3", "iam", "arn"];
        named.extend(words.filter(|word| clouds.contains(&word.as_str())).map(|word| format!("{path}: {word}")));
    });
    assert!(read > 20, "only {read} files were read");
    assert!(named.is_empty(), "{named:#?}");
}

/// What helps is said in words: a program that has an option or a command for it knows its own.
#[test]
fn no_source_of_the_core_names_a_programs_option() {
    let mut named = Vec::new();
    visit(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src")), &mut |path, text| {
        for (at, _) in text.match_indices("--") {
            let inside = text[..at].ends_with(|before: char| before.is_ascii_alphanumeric() || before == '-');
            if !inside && text[at + 2..].starts_with(|after: char| after.is_ascii_lowercase()) {
                named.push(format!("{path}: {}", &text[at..].split_whitespace().next().unwrap()));
            }
        }
        for program in ["alien-deploy ", "alien-deploy`", "`alien "] {
            named.extend(text.contains(program).then(|| format!("{path}: {program}")));
        }
    });
    assert!(named.is_empty(), "{named:#?}");
}

/// What a new kind takes in the core, beside a word in `lib.rs`: `bell` is a kind of the tests' own, and `toy.rs` its test.
#[test]
fn a_kind_is_a_file_an_entry_and_what_brings_them_in() {
    let mut named = Vec::new();
    visit(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src")), &mut |path, text| {
        let mut words = text.split(|c: char| !c.is_ascii_alphanumeric());
        if words.any(|word| word.eq_ignore_ascii_case("bell")) {
            named.push(path.rsplit_once("/src/").unwrap().1.to_owned());
        }
    });
    named.sort();
    assert_eq!(named, ["kind.rs", "resource/any.rs", "resource/bell.rs", "resource/mod.rs", "toy.rs"]);
}

fn visit(folder: &Path, each: &mut impl FnMut(&str, &str)) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            visit(&path, each);
        } else {
            let text = std::fs::read_to_string(&path).unwrap();
            // What a doc comment says of a full name may say how clouds call it.
            let code: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
            each(&path.display().to_string(), &code.join("\n"));
        }
    }
}
