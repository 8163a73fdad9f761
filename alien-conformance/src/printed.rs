//! What programs print: each message of a failure is in a list that somebody has read, and each result in JSON is as its schema says.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::{LazyLock, Mutex, PoisonError};

use boon::{Compiler, SchemaIndex, Schemas};
use regex_lite::Regex;
use serde_json::Value;

use crate::peer::target;

/// What differs from run to run, and what is written for it.
const VARYING: [(&str, &str); 9] = [
    (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "UUID"),
    (r"(?:REPOSITORY|TARGET|TEMPORARY)(?:/[A-Za-z0-9_.@~+-]+)*", "PATH"),
    (r"line [0-9]+ column [0-9]+", "line N column N"),
    (r"\b[0-9a-f]{16,}\b", "HEX"),
    (r"\b(127\.0\.0\.1|localhost|\[::1\]):[0-9]+", "$1:PORT"),
    (r"\bport [0-9]+", "port N"),
    (r"\btoken [0-9a-f]{10}\b", "token HEX"),
    (r"\b[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z", "TIME"),
    (r"\b[0-9]+(\.[0-9]+)?(ms| ms| s)\b", "N$2"),
];

/// The folder of the repository.
fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_owned).unwrap_or_default()
}

/// A message in which whatever differs from run to run is replaced.
fn alike(told: &str) -> String {
    static VARY: LazyLock<Vec<(Regex, &str)>> =
        LazyLock::new(|| VARYING.iter().map(|(what, by)| (Regex::new(what).expect("a pattern"), *by)).collect());
    let folders = [(target(), "TARGET"), (workspace(), "REPOSITORY"), (std::env::temp_dir(), "TEMPORARY")];
    let told: String = told.chars().map(shown).collect();
    let told = folders.iter().fold(told, |text, (folder, name)| text.replace(&*folder.to_string_lossy(), name));
    VARY.iter().fold(told, |text, (what, by)| what.replace_all(&text, *by).into_owned())
}

/// A character as itself, or as its name where a terminal would obey it.
fn shown(letter: char) -> String {
    if letter == '\n' || !letter.escape_debug().eq(letter.escape_unicode()) {
        letter.into()
    } else {
        letter.escape_unicode().collect()
    }
}

/// Those lines of a message that are in no list.
fn unknown<'t>(known: &mut BTreeSet<&'t str>, told: &'t str) -> Vec<&'t str> {
    told.lines().map(str::trim_end).filter(|line| !line.is_empty() && known.insert(line)).collect()
}

/// Looks whether each line of a message is in a list, which is a file of the repository. With `ALIEN_ACCEPT_LISTS` in the environment, what
/// is missing is added.
///
/// # Panics
///
/// If a line is missing, or the list cannot be read or written.
pub fn reviewed(list: &Path, told: &str) {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let told = alike(told);
    let _one = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let known = fs::read_to_string(list).unwrap_or_default();
    let mut known: BTreeSet<&str> = known.lines().collect();
    let new = unknown(&mut known, &told);
    if new.is_empty() {
        return;
    }
    assert!(
        std::env::var_os("ALIEN_ACCEPT_LISTS").is_some(),
        "nobody has read these messages; read them, and run this with ALIEN_ACCEPT_LISTS=1 to add them to {}:\n{}",
        list.display(),
        new.join("\n")
    );
    let text: String = known.into_iter().map(|line| format!("{line}\n")).collect();
    fs::write(list, text).expect("the list can be written");
}

/// The schemas of what programs print with `--json`, by the names of their man pages.
pub struct Results {
    schemas: Schemas,
    by_name: BTreeMap<String, SchemaIndex>,
}

impl Results {
    /// The schemas in a document whose `$defs` has one for each command, and `error`.
    ///
    /// # Panics
    ///
    /// If it is no JSON Schema.
    #[must_use]
    pub fn new(document: &str) -> Self {
        let document: Value = serde_json::from_str(document).expect("the schemas are JSON");
        let names: Vec<String> = document["$defs"].as_object().expect("`$defs` is an object").keys().cloned().collect();
        let (mut compiler, mut schemas, mut by_name) = (Compiler::new(), Schemas::new(), BTreeMap::new());
        compiler.add_resource("results.json", document).expect("the document is added");
        for name in names {
            let index = compiler.compile(&format!("results.json#/$defs/{name}"), &mut schemas).expect("a schema");
            by_name.insert(name, index);
        }
        Self { schemas, by_name }
    }

    /// Looks whether what a program printed is as the schema of its command says, where it was asked for JSON.
    ///
    /// # Panics
    ///
    /// If it is not, or the command has no schema.
    pub fn look(&self, program: &str, arguments: &[&str], output: &Output) {
        let json = arguments.contains(&"--json") || arguments.windows(2).any(|pair| pair == ["--format", "json"]);
        if !json {
            return;
        }
        for value in serde_json::Deserializer::from_slice(&output.stdout).into_iter::<Value>() {
            let value = value.unwrap_or_else(|error| panic!("{program} {arguments:?} printed no JSON: {error}"));
            let name = if !output.status.success() && value.get("error").is_some() {
                "error".to_owned()
            } else {
                self.name(program, arguments)
            };
            let schema = self.by_name.get(&name).unwrap_or_else(|| panic!("`{name}` has no schema"));
            if let Err(error) = self.schemas.validate(&value, *schema) {
                panic!("{program} {arguments:?} is not as the schema of `{name}` says: {error:#}\n{value:#}");
            }
        }
    }

    /// The name of the command's man page: the longest that its first words are.
    fn name(&self, program: &str, arguments: &[&str]) -> String {
        let words = arguments.iter().filter(|word| **word != "--json").take_while(|word| !word.starts_with('-'));
        let mut found = program.to_owned();
        let mut name = program.to_owned();
        for word in words {
            name = format!("{name}-{word}");
            if self.by_name.contains_key(&name) {
                found.clone_from(&name);
            }
        }
        found
    }
}

impl std::fmt::Debug for Results {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.by_name.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;
    use std::process::ExitStatus;

    use super::*;

    fn printed(code: i32, stdout: &str) -> Output {
        Output { status: ExitStatus::from_raw(code << 8), stdout: stdout.into(), stderr: Vec::new() }
    }

    fn results() -> Results {
        Results::new(
            r#"{"$defs": {"p-fleet-list": {"type": "array", "items": {"type": "string"}}, "p-fleet": {"type": "string"},
                "error": {"type": "object", "properties": {"error": {"type": "string"}}}}}"#,
        )
    }

    #[test]
    fn a_result_is_looked_at_by_the_schema_of_its_command() {
        results().look("p", &["fleet", "list", "--json"], &printed(0, r#"["a"]"#));
        results().look("p", &["--json", "fleet", "all"], &printed(0, "\"a\"\n\"b\""));
        results().look("p", &["fleet", "list", "--format", "json"], &printed(3, r#"{"error": "none"}"#));
        // Nobody asked for JSON.
        results().look("p", &["fleet", "list"], &printed(0, "a table"));
    }

    #[test]
    #[should_panic(expected = "is not as the schema of `p-fleet-list` says")]
    fn a_result_that_is_not_as_its_schema_says_is_found() {
        results().look("p", &["fleet", "list", "--json"], &printed(0, "[1]"));
    }

    #[test]
    #[should_panic(expected = "`p` has no schema")]
    fn a_result_without_a_schema_is_found() {
        results().look("p", &["other", "--json"], &printed(0, "[1]"));
    }

    #[test]
    fn a_message_that_is_in_no_list_is_found() {
        let told = alike("error: `/tmp/a-7/x.json` of 00000000-0000-0000-0000-000000000001 took 12 s\n\nerror: other");
        let mut known = BTreeSet::from(["error: `PATH` of UUID took N s"]);
        assert_eq!(unknown(&mut known, &told), ["error: other"]);
    }
}
