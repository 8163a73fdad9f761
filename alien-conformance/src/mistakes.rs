//! Somebody with the customer's own rights, who changes each setting of frozen things by a client that knows nothing of this
//! library.

use std::fmt::Write as _;
use std::time::Duration;

use alien_core::adapter::{Cloud, Settings, Whose};
use alien_core::{Action, Data, Deployment, Kind, Kv, Network, Queue, Release, Stack, Storage};
use async_trait::async_trait;
use serde_json::Value;

use crate::world::{Case, World, release};

/// The kinds that run no code: what runs code has its [table of fields](crate::writes).
pub const KINDS: [Kind; 4] = [Kind::Storage, Kind::Queue, Kind::Kv, Kind::Network];

/// A world in which such a client can write.
#[async_trait]
pub trait Mistakable: World {
    /// A value that a setting does not have; `None` where the peer does not know the setting. Then it is not tried.
    fn mistaken(&self, kind: Kind, path: &str) -> Option<Value>;

    /// What a setting of a resource is; `null` if it is not set.
    async fn setting(&self, deployment: &Deployment, kind: Kind, path: &str) -> Value;

    /// Sets it, with the admin's credentials, or removes it where the value is `null`. Returns what the cloud says against it.
    async fn write(&self, deployment: &Deployment, kind: Kind, path: &str, value: &Value) -> Result<(), String>;
}

fn stack() -> (Stack, Release) {
    let mut stack = Stack::builder("mistakes");
    stack.frozen("storage", Storage::new().with_versions().with_expiry_days(30));
    let jobs =
        Queue::new().with_visibility_timeout(Duration::from_secs(120)).with_retention(Duration::from_secs(86_400));
    stack.frozen("queue", jobs.with_dead_letters_after(7));
    stack.frozen("kv", Kv::new().with_time_to_live("expires"));
    stack.frozen("network", Network::new("10.90.0.0/24"));
    let stack = stack.build().unwrap();
    let release = release(&stack, &[]);
    (stack, release)
}

/// The resource of a kind, in the deployments of this test.
#[must_use]
pub const fn resource(kind: Kind) -> &'static str {
    kind.name()
}

/// Changes each setting of the tables ([`Cloud::settings`]). What is the stack's must be told by a plan, by the resource's name, and
/// be as before after a set-up, without leave to change what is frozen. What is the customer's must be left. Returns a line for
/// each setting.
///
/// # Panics
///
/// Where a setting is neither.
pub async fn every_setting_is_set_back_or_the_customers<W: Mistakable>(world: &W) -> String {
    let (stack, release) = stack();
    let case = Case::new(world, "mistakes", stack);
    let deployment = case.up(&release, None).await.unwrap();
    let plan = || case.admin.plan(&release).previous(&deployment);
    let (mut lines, mut complaints) = (String::new(), Vec::new());
    for kind in KINDS {
        let settings = <W::Cloud as Cloud>::settings(kind);
        assert!(!settings.is_empty(), "{kind} has no table of settings");
        for (path, whose) in each(settings) {
            let Some(value) = world.mistaken(kind, path) else {
                let _ = writeln!(lines, "{kind} {path}: {}, not tried", said(whose));
                continue;
            };
            let before = world.setting(&deployment, kind, path).await;
            let written = world.write(&deployment, kind, path, &value).await;
            let became = match written {
                Err(refused) => Err(format!("it was not written: {refused}")),
                Ok(()) if world.setting(&deployment, kind, path).await == before => {
                    Err(format!("it is still {before}"))
                }
                Ok(()) => match (whose, plan().await) {
                    (_, Err(error)) => Err(error.to_string()),
                    (Whose::Customers(_), Ok(plan)) if !plan.is_empty() => {
                        Err(format!("it is the customer's, and a set-up would change it: {plan}"))
                    }
                    (Whose::Customers(_), Ok(_)) => Ok("the customer's".to_owned()),
                    (Whose::Stacks, Ok(plan)) => {
                        // What resources share is a step of its own.
                        let told: Vec<&str> = plan
                            .steps
                            .iter()
                            .filter(|step| step.action == Action::Update)
                            .map(|step| step.why.as_str())
                            .collect();
                        match (told.is_empty(), case.admin.apply(&plan).await) {
                            (true, _) => Err(format!("it is not told: {plan}")),
                            (_, Err(error)) => Err(format!("it is told, and not set back: {error}")),
                            (false, Ok(_)) if world.setting(&deployment, kind, path).await != before => {
                                let now = world.setting(&deployment, kind, path).await;
                                Err(format!("it is not set back to {before}: {now}"))
                            }
                            (false, Ok(_)) => Ok(format!("told ({}), and set back", told.join("; "))),
                        }
                    }
                },
            };
            match became {
                Ok(became) => drop(writeln!(lines, "{kind} {path}: {became}")),
                Err(what) => complaints.push(format!("{kind} {path}: {what}")),
            }
            if world.setting(&deployment, kind, path).await != before {
                let put_back = world.write(&deployment, kind, path, &before).await;
                if let Err(refused) = put_back {
                    complaints.push(format!("{kind} {path}: it was not put back: {refused}"));
                }
            }
        }
    }
    assert!(complaints.is_empty(), "{}\n\n{lines}", complaints.join("\n"));
    let left = plan().await.unwrap();
    assert!(left.is_empty(), "what is left after all: {left}");
    case.admin.destroy(&deployment).data(Data::Delete).await.unwrap();
    lines
}

fn each(settings: &'static [Settings]) -> impl Iterator<Item = (&'static str, Whose)> {
    settings.iter().flat_map(|settings| settings.paths.iter().map(|path| (*path, settings.whose)))
}

const fn said(whose: Whose) -> &'static str {
    match whose {
        Whose::Stacks => "set back",
        Whose::Customers(_) => "the customer's",
    }
}

/// The settings of a cloud as a chapter of a page, in Markdown.
#[must_use]
pub fn chapter<C: Cloud>(title: &str) -> String {
    let mut text = format!("### {title}\n");
    for kind in KINDS {
        let named =
            |settings: &Settings| settings.paths.iter().map(|path| format!("`{path}`")).collect::<Vec<_>>().join(", ");
        let settings = C::settings(kind);
        let own: Vec<String> = settings.iter().filter(|settings| settings.whose == Whose::Stacks).map(&named).collect();
        let _ = write!(text, "\n{kind}: `status` tells that it was changed, and `up` sets back: {}.\n", own.join(", "));
        text.push_str("\n| Not compared: the customer's to choose | by |\n| --- | --- |\n");
        for settings in settings {
            if let Whose::Customers(what) = settings.whose {
                let _ = writeln!(text, "| {what} | {} |", named(settings));
            }
        }
    }
    text
}
