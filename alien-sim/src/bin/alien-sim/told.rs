//! What is printed: lines to copy into shells, or JSON.

use serde_json::{Map, Value, json};

use crate::folder::Folder;

/// What whoever calls an emulated cloud needs to know.
pub(crate) struct Told {
    /// The name of the cloud, for people.
    pub(crate) name: &'static str,
    /// The name of the cloud, as `--cloud` takes it.
    pub(crate) cloud: &'static str,
    pub(crate) url: String,
    /// The variables of the shell of the customer's admin.
    pub(crate) admin: Vec<(&'static str, String)>,
    /// The variables of the vendor's.
    pub(crate) vendor: Vec<(&'static str, String)>,
    /// The variables of an agent's. None, where no agent can run against it.
    pub(crate) agent: Vec<(&'static str, String)>,
    /// The flags that say where a deployment goes.
    pub(crate) target: Vec<(&'static str, String)>,
    /// The flags that say whom a deployment trusts.
    pub(crate) trust: Vec<(&'static str, String)>,
    /// The flags that say which principal an agent has, where one can run.
    pub(crate) pull: Vec<(&'static str, String)>,
    /// The flags of every command that calls the cloud.
    pub(crate) endpoint: Vec<(&'static str, String)>,
}

/// A word of a shell: in quotes, if the shell would read it otherwise.
fn word(text: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./:@=+,".contains(letter);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

/// The lines that set variables in a shell.
pub(crate) fn exports(variables: &[(&str, String)]) -> String {
    variables.iter().map(|(name, value)| format!("export {name}={}\n", word(value))).collect()
}

fn flags(flags: &[(&str, String)]) -> String {
    flags.iter().map(|(flag, value)| format!(" {flag} {}", word(value))).collect()
}

impl Told {
    pub(crate) fn to_text(&self, folder: &Folder) -> String {
        let Self { name, cloud, url, .. } = self;
        let (target, trust, endpoint) = (flags(&self.target), flags(&self.trust), flags(&self.endpoint));
        let [here, admin, vendor, agent] =
            ["", "admin.sh", "vendor.sh", "agent.sh"].map(|file| word(&folder.path(file)));
        let mut text = format!("# {name} is emulated at {url} until Ctrl-C. Its files are removed then: {here}\n");
        let mut put = |title: &str, lines: &[String]| text.push_str(&format!("\n# {title}\n{}", lines.concat()));
        let deploy = |command: &str, more: &str| {
            let calls = if command == "review" { "" } else { &endpoint };
            format!("alien-deploy {command} --invitation invitation.json{target}{calls}{more}\n")
        };
        let manage = |command: &str| format!("alien {command} --record record.json{endpoint}\n");
        let other_code = "sed 's/2c26b46b/2c26b46c/g' my-app.json > next.json\n".to_owned();
        let invite = format!("alien invite --stack my-app.json --cloud {cloud}{trust} --out invitation.json\n");
        let up = deploy("up", " --record record.json --yes");
        let down = deploy("down", " --record record.json --delete-data --yes");

        put(&format!("The vendor's shell: the variables are in {vendor}"), &[exports(&self.vendor), invite]);
        let set_up = [exports(&self.admin), deploy("review", ""), deploy("plan", ""), up];
        put(&format!("The shell of the customer's admin: the variables are in {admin}"), &set_up);
        let managed = [
            format!(". {vendor}\n"),
            manage("register --invitation invitation.json"),
            manage("heartbeat"),
            other_code,
            manage("update --stack next.json"),
            manage("dispatch api '{\"hello\":\"world\"}'"),
            manage("logs api"),
        ];
        put("The vendor's shell again; next.json is my-app.json with other code", &managed);
        if !self.pull.is_empty() {
            let pull = flags(&self.pull);
            let root = "--pull --manager https://localhost:8443 --root keys/public/1.root.json";
            let lines = [
                format!("alien invite --stack my-app.json --cloud {cloud} {root} --out invitation.json\n"),
                deploy("up", &format!("{pull} --agent-key agent.pub --record record.json --yes")),
                format!(". {agent}\n"),
                format!(
                    "alien-agent run --state state --key-file state-key --record record.json --ca manager.crt{endpoint}\n"
                ),
            ];
            put("Where releases are pulled, by vendor, admin and agent; docs/testing.md has the lines between", &lines);
        }
        put("The shell of the customer's admin again", &[format!(". {admin}\n"), down]);
        text
    }

    pub(crate) fn to_json(&self, folder: &Folder) -> Value {
        let object = |pairs: &[(&str, String)]| -> Map<String, Value> {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect()
        };
        json!({
            "cloud": self.cloud,
            "url": self.url,
            "folder": folder.path(""),
            "admin": object(&self.admin),
            "vendor": object(&self.vendor),
            "agent": object(&self.agent),
            "target": object(&self.target),
            "trust": object(&self.trust),
            "pull": object(&self.pull),
            "endpoint": object(&self.endpoint),
        })
    }
}
