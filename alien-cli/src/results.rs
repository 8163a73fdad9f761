//! What each command prints with `--json`, as one JSON Schema: `docs/results.schema.json`.

use std::collections::{BTreeMap, BTreeSet};
use std::{env, fs};

use alien_agent::Status as AgentStatus;
use alien_core::adapter::Failed;
use alien_core::{Comparison, DestroyReport, LogLine, Plan, Report, Reviewed};
use alien_fleet::{Entry, Listed, Status, Token};
use alien_prove::Findings;
use clap::{Command, CommandFactory as _};
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Value, json};

use crate::args::{admin, prove, vendor};
use crate::{check, deploy, fleet, invite, keys, manual, prove as proved, repository, serve, update, watch};

/// The permission documents of all three layers, in the cloud's own form.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "the form of another type")]
struct Documents {
    /// The cloud's name.
    cloud: String,
    /// The documents of each layer.
    layers: BTreeMap<String, Value>,
}

/// What a release led to; with `--plan`, what it would lead to.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "the form of two types")]
enum Release {
    Foreseen(fleet::Foresight),
    Released(fleet::Report),
}

/// What a proof found; with `--dry-run`, what it would call.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "the form of two types")]
enum Proof {
    Found(Findings),
    Foreseen(proved::DryRun),
}

/// Any JSON Schema.
#[derive(JsonSchema)]
#[schemars(transparent)]
#[expect(dead_code, reason = "the form of another type")]
struct JsonSchemaDocument(BTreeMap<String, Value>);

type Define = fn(&mut SchemaGenerator) -> Schema;

/// What each command prints, by the name of its man page.
const RESULTS: &[(&str, Define)] = &[
    ("alien-agent-init", of::<AgentStatus>),
    ("alien-agent-rekey", of::<AgentStatus>),
    ("alien-agent-status", of::<AgentStatus>),
    ("alien-audit", of::<Report>),
    ("alien-check", of::<check::Checked<'static>>),
    ("alien-completions", of::<manual::Completions>),
    ("alien-diff", of::<Comparison>),
    ("alien-deploy-agent", of::<deploy::Runs>),
    ("alien-deploy-completions", of::<manual::Completions>),
    ("alien-deploy-down", of::<DestroyReport>),
    ("alien-deploy-man", of::<manual::Pages>),
    ("alien-deploy-plan", of::<Plan>),
    ("alien-deploy-review", of::<Reviewed>),
    ("alien-deploy-revoke", of::<deploy::Revoked>),
    ("alien-deploy-status", of::<Vec<deploy::Stands>>),
    ("alien-deploy-up", of::<deploy::Done>),
    ("alien-deployments-dispatch", of::<watch::Answer>),
    ("alien-deployments-hold", of::<fleet::Said>),
    ("alien-deployments-invite", of::<keys::Invited>),
    ("alien-deployments-label", of::<fleet::Said>),
    ("alien-deployments-list", of::<Vec<fleet::Known>>),
    ("alien-deployments-logs", lines_of::<LogLine>),
    ("alien-deployments-pin", of::<fleet::Said>),
    ("alien-deployments-register", of::<Listed>),
    ("alien-deployments-remove", of::<Listed>),
    ("alien-deployments-show", of::<fleet::Whole>),
    ("alien-deployments-unhold", of::<fleet::Said>),
    ("alien-deployments-unpin", of::<fleet::Said>),
    ("alien-deployments-window", of::<fleet::Said>),
    ("alien-dispatch", of::<watch::Answer>),
    ("alien-fleet-events", lines_of::<Entry>),
    ("alien-fleet-export", of::<fleet::Exported>),
    ("alien-fleet-heartbeat", of::<Vec<fleet::Beat>>),
    ("alien-fleet-import", of::<Vec<Listed>>),
    ("alien-fleet-run", of::<fleet::Worked>),
    ("alien-heartbeat", of::<Vec<watch::Beat>>),
    ("alien-invite", of::<keys::Invited>),
    ("alien-keys-init", of::<keys::Made>),
    ("alien-keys-issuer", of::<keys::Published>),
    ("alien-keys-renew", of::<keys::Written>),
    ("alien-keys-revoke", of::<keys::Written>),
    ("alien-keys-rotate", of::<keys::Written>),
    ("alien-keys-show", of::<keys::Public>),
    ("alien-keys-sign", of::<keys::Written>),
    ("alien-keys-vendor", of::<keys::VendorKey>),
    ("alien-logs", lines_of::<LogLine>),
    ("alien-man", of::<manual::Pages>),
    ("alien-manager", of::<alien_manager::Answers>),
    ("alien-manager-token-create", of::<fleet::NewToken>),
    ("alien-manager-token-list", of::<Vec<Token>>),
    ("alien-manager-token-revoke", of::<Token>),
    ("alien-permissions", of::<Documents>),
    ("alien-prove-completions", of::<manual::Completions>),
    ("alien-prove-facts", of::<Vec<proved::Relied>>),
    ("alien-prove-man", of::<manual::Pages>),
    ("alien-prove-replay", of::<proved::Again>),
    ("alien-prove-run", of::<Proof>),
    ("alien-redeploy", of::<watch::Beat>),
    ("alien-register", of::<invite::Registered>),
    ("alien-release", of::<Release>),
    ("alien-repository-init", of::<repository::Made>),
    ("alien-repository-publish", of::<repository::Published>),
    ("alien-repository-refresh", of::<repository::Refreshed>),
    ("alien-repository-root", of::<repository::Added>),
    ("alien-repository-serve", of::<serve::Serves>),
    ("alien-repository-verify", of::<repository::Verified>),
    ("alien-rollout-approve", of::<Status>),
    ("alien-rollout-cancel", of::<Status>),
    ("alien-rollout-halt", of::<Status>),
    ("alien-rollout-list", of::<Vec<Status>>),
    ("alien-rollout-pause", of::<Status>),
    ("alien-rollout-resume", of::<Status>),
    ("alien-rollout-revert", of::<Status>),
    ("alien-rollout-status", of::<Status>),
    ("alien-schema", of::<JsonSchemaDocument>),
    ("alien-update", of::<update::Updated>),
    ("error", of::<Failed>),
];

fn of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

/// A result that is many documents, each in a line.
fn lines_of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    let mut schema = of::<T>(generator);
    schema.insert("description".to_owned(), "Each line of what is printed.".into());
    schema
}

/// The schema of every result: `$defs` has one for each command, and one for `error`.
fn results() -> Value {
    let mut generator = SchemaSettings::draft2020_12().for_serialize().into_generator();
    let commands: Vec<(&str, Schema)> = RESULTS.iter().map(|(name, define)| (*name, define(&mut generator))).collect();
    let mut definitions = generator.take_definitions(true);
    for (name, schema) in commands {
        assert!(definitions.insert(name.to_owned(), schema.into()).is_none(), "{name}");
    }
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "What `alien`, `alien-deploy`, `alien-prove`, `alien-manager` and `alien-agent` print with `--json`",
        "description": "`$defs` has what each command prints, by the name of its man page, and what any prints in its \
            place if it fails: `error`.",
        "$defs": definitions,
    })
}

#[test]
fn the_schema_in_the_repository_is_that_of_what_is_printed() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/results.schema.json");
    let text = format!("{}\n", serde_json::to_string_pretty(&results()).unwrap());
    if env::var_os("ALIEN_ACCEPT_LISTS").is_some() {
        fs::write(path, &text).unwrap();
    }
    assert!(
        fs::read_to_string(path).unwrap() == text,
        "`ALIEN_ACCEPT_LISTS=1 cargo test -p alien-cli --lib` writes it"
    );
}

/// The commands without subcommands below this one, by the names of their man pages.
fn leaves(command: &Command, name: &str, tell: &mut dyn FnMut(String, &Command)) {
    if !command.has_subcommands() {
        return tell(name.to_owned(), command);
    }
    for command in command.get_subcommands().filter(|command| command.get_name() != "help") {
        leaves(command, &format!("{name}-{}", command.get_name()), tell);
    }
}

#[test]
fn every_command_takes_json_and_has_a_schema() {
    let mut names = BTreeSet::from(["error".to_owned()]);
    let (manager, agent) = (alien_manager::settings::command(), alien_agent::program::command(&[]));
    for mut command in [vendor::Args::command(), admin::Args::command(), prove::Args::command(), manager, agent] {
        command.build();
        leaves(&command, command.get_name(), &mut |name, command| {
            let json = command.get_arguments().find(|argument| argument.get_long() == Some("json"));
            assert!(json.is_some_and(|json| !json.is_hide_set()), "`{name}` takes no `--json`");
            // It prints nothing, or why it cannot run.
            if name != "alien-agent-run" {
                names.insert(name);
            }
        });
    }
    let listed: BTreeSet<String> = RESULTS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(names, listed);
}
