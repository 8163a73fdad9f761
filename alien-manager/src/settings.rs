//! The settings of the program: from a file, from the environment and from flags. Flags win over the environment, and that
//! over the file.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use alien_core::adapter::{read_text, read_unique};
use alien_core::{Exit, Problem, Problems, Rule};
use clap::{Arg, ArgAction, Command};
use serde_json::Value;

use crate::limits::Limits;

/// A setting: its name in the file. Its flag is `--` and the name, and its variable `ALIEN_MANAGER_` and the name in
/// capitals, with `_` for `-`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Setting {
    /// The name.
    pub name: &'static str,
    /// What it sets.
    pub help: &'static str,
}

const fn setting(name: &'static str, help: &'static str) -> Setting {
    Setting { name, help }
}

/// Every setting.
pub const ALL: [Setting; 19] = [
    setting("store", "The file of the store"),
    setting("store-url-file", "A file with the URL of the PostgreSQL database, instead of `store`"),
    setting("artifacts", "The folder of the zips [default: beside the store's file, with `.artifacts` added]"),
    setting("listen", "The address to answer on [default: 127.0.0.1:8443]"),
    setting("certificate", "The certificate and its chain, in PEM; read again when it changes"),
    setting("key", "The private key of the certificate, in PEM; read again when it changes"),
    setting("behind-proxy", "`true` if a proxy in front has TLS, and adds the client's address to `X-Forwarded-For`"),
    setting("connections", "How many connections are open at once [default: 10000]"),
    setting("requests", "How many requests are answered at once [default: 512]"),
    setting("requests-per-address", "How many requests of one address are answered at once [default: 64]"),
    setting("idle", "For how many seconds a connection may be idle [default: 75]"),
    setting("grace", "For how many seconds what was begun may go on at the end [default: 30]"),
    setting("work", "`false` to answer only, and leave rollouts and the watch to other managers [default: true]"),
    setting(
        "agents",
        "The hosts under which agents know this manager, with commas between; without it, agents are not answered",
    ),
    setting("poll-every", "After how many seconds agents ask again, 30 to 300 [default: 30]"),
    setting("trust", "A file with the root and the repository of each product whose releases must be signed"),
    setting("repository", "The folder of the repository, whose files are served to agents"),
    setting("width", "How many deployments are updated at once [default: 256]"),
    setting("watch-every", "After how many seconds the health of a deployment is looked at again [default: 300]"),
];

/// Returns the command line of `alien-manager`: a flag for each setting, and `--config`.
#[must_use]
pub fn command() -> Command {
    let file = Arg::new("config").long("config").value_name("FILE");
    let file = file.help("A file in JSON with any of these settings [env: ALIEN_MANAGER_CONFIG]");
    let json = Arg::new("json").long("json").action(ArgAction::SetTrue);
    let json = json.help("Print as JSON where it answers, or the error if it does not");
    // A signal ends it as it should end.
    let exits = Exit::help(Exit::ALL.into_iter().filter(|exit| exit.code() < 10));
    let command = Command::new("alien-manager")
        .version(env!("CARGO_PKG_VERSION"))
        .max_term_width(80)
        .about("Answers operators over HTTPS, and works for a fleet. A flag wins over its variable, and that over the file")
        .after_help(exits)
        .arg(json)
        .arg(file);
    ALL.iter().fold(command, |command, setting| {
        let help = format!("{} [env: {}]", setting.help, setting.variable());
        command.arg(Arg::new(setting.name).long(setting.name).value_name("VALUE").help(help))
    })
}

impl Setting {
    /// Its variable, as `ALIEN_MANAGER_STORE_URL_FILE`.
    #[must_use]
    pub fn variable(&self) -> String {
        format!("ALIEN_MANAGER_{}", self.name.replace('-', "_").to_uppercase())
    }
}

/// What a setting was given as, and where that stands.
#[derive(Debug, Clone)]
struct Given {
    text: String,
    at: String,
}

/// Where the store is.
#[derive(Clone, PartialEq, Eq)]
pub enum Place {
    /// In a file, which this program alone has.
    File(PathBuf),
    /// In a PostgreSQL database at this URL, which may have a password.
    Database(String),
}

/// Does not show the URL.
impl std::fmt::Debug for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(file) => f.debug_tuple("File").field(file).finish(),
            Self::Database(_) => f.write_str("Database(…)"),
        }
    }
}

/// What the program runs with.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Settings {
    /// Where the store is.
    pub store: Place,
    /// The folder of the zips.
    pub artifacts: PathBuf,
    /// The address.
    pub listen: SocketAddr,
    /// The files of the certificate and its key.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// Whether a proxy is in front.
    pub behind_proxy: bool,
    /// What the server takes.
    pub limits: Limits,
    /// The hosts under which agents know it. None if it does not answer agents.
    pub agents: Vec<String>,
    /// How often agents are told to ask, if that is set.
    pub poll_every: Option<Duration>,
    /// The folder of the repository that agents read from.
    pub repository: Option<PathBuf>,
    /// The file of [`verifiers`](alien_release::verifiers): releases of its products must be signed.
    pub trust: Option<PathBuf>,
    /// Whether it carries out rollouts, and watches.
    pub work: bool,
    /// How many deployments are updated at once.
    pub width: usize,
    /// How often the health of a deployment is looked at.
    pub watch_every: Duration,
}

impl Settings {
    /// Reads the settings: a file in JSON, if one is named, variables and flags, each by its name.
    ///
    /// # Errors
    ///
    /// Every problem, with where it stands.
    pub fn read(
        file: Option<&Path>,
        variable: impl Fn(&str) -> Option<String>,
        flag: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, Problems> {
        let mut reader = Reader { given: BTreeMap::new(), problems: Vec::new() };
        if let Some(file) = file {
            reader.file(file);
        }
        for setting in ALL {
            if let Some(text) = variable(&setting.variable()).filter(|text| !text.is_empty()) {
                reader.given.insert(setting.name, Given { text, at: setting.variable() });
            }
            if let Some(text) = flag(setting.name) {
                reader.given.insert(setting.name, Given { text, at: format!("--{}", setting.name) });
            }
        }
        reader.settings()
    }
}

struct Reader {
    given: BTreeMap<&'static str, Given>,
    problems: Vec<Problem>,
}

impl Reader {
    fn wrong(&mut self, at: impl Into<String>, what: impl Into<String>, help: impl Into<String>) {
        self.problems.push(Problem::error(Rule::Setting, what.into(), help.into()).at(at.into()));
    }

    fn file(&mut self, file: &Path) {
        let shown = file.display().to_string();
        let text = match read_text(file) {
            Ok(text) => text,
            Err(unread) => return self.problems.push(unread.into()),
        };
        let fields = match read_unique::<BTreeMap<String, Value>>(&text) {
            Ok(fields) => fields,
            Err(error) => {
                return self.wrong(shown, format!("it is no JSON object: {error}"), r#"write {"listen": "…"}"#);
            }
        };
        for (name, value) in fields {
            let at = format!("{shown}: {name}");
            let Some(known) = ALL.iter().find(|setting| setting.name == name) else {
                let names: Vec<&str> = ALL.iter().map(|setting| setting.name).collect();
                self.wrong(at, "there is no such setting", format!("use one of {}", names.join(", ")));
                continue;
            };
            match value {
                Value::String(text) => drop(self.given.insert(known.name, Given { text, at })),
                Value::Bool(_) | Value::Number(_) => {
                    self.given.insert(known.name, Given { text: value.to_string(), at });
                }
                _ => self.wrong(at, "it is neither a text nor a number", "write one value"),
            }
        }
    }

    fn read<T: FromStr>(&mut self, name: &'static str, default: T, help: &str) -> T {
        let Some(given) = self.given.get(name).cloned() else { return default };
        if let Ok(value) = given.text.parse() {
            return value;
        }
        self.wrong(given.at, format!("`{}` cannot be used", given.text), help);
        default
    }

    fn count(&mut self, name: &'static str, default: usize) -> usize {
        let count = self.read(name, default, "write a whole number from 1 on");
        if count > 0 {
            return count;
        }
        let at = self.given.get(name).map(|given| given.at.clone()).unwrap_or_default();
        self.wrong(at, "`0` cannot be used", "write a whole number from 1 on");
        default
    }

    fn seconds(&mut self, name: &'static str, default: Duration) -> Duration {
        let seconds = usize::try_from(default.as_secs()).unwrap_or(usize::MAX);
        Duration::from_secs(self.count(name, seconds) as u64)
    }

    /// How often agents are told to ask.
    fn poll_every(&mut self, agents: &[String]) -> Option<Duration> {
        let given = self.given.get("poll-every").cloned()?;
        if agents.is_empty() {
            self.wrong(given.at, "agents are not answered", "set `agents` to the host of this manager");
            return None;
        }
        let seconds = given.text.parse().ok().filter(|seconds| (30..=300).contains(seconds));
        if seconds.is_none() {
            self.wrong(given.at, format!("`{}` cannot be used", given.text), "write a whole number from 30 to 300");
        }
        seconds.map(Duration::from_secs)
    }

    fn names(&self, name: &str) -> Vec<String> {
        let text = self.given.get(name).map(|given| given.text.as_str()).unwrap_or_default();
        text.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect()
    }

    fn path(&self, name: &str) -> Option<PathBuf> {
        self.given.get(name).map(|given| given.text.clone().into())
    }

    /// The store: one of two settings.
    fn store(&mut self) -> Option<Place> {
        match (self.given.get("store").cloned(), self.given.get("store-url-file").cloned()) {
            (Some(file), None) if file.text.contains("://") => {
                let help = "write the URL into a file, and name that by `store-url-file`";
                self.wrong(file.at, "a URL may have a password, which others would see here", help);
                None
            }
            (Some(file), None) => Some(Place::File(file.text.into())),
            (None, Some(file)) => match read_text(Path::new(&file.text)) {
                Ok(url) => Some(Place::Database(url.trim().to_owned())),
                Err(unread) => {
                    self.wrong(file.at, unread.to_string(), "name a file that has the URL of the database");
                    None
                }
            },
            (Some(file), Some(url)) => {
                let what = format!("there is another store at {}", url.at);
                self.wrong(file.at, what, "name one store");
                None
            }
            (None, None) => {
                self.wrong("store", "missing", "name the file of the store, or by `store-url-file` a database");
                None
            }
        }
    }

    fn settings(mut self) -> Result<Settings, Problems> {
        let store = self.store();
        let beside = |file: &PathBuf| {
            let mut beside = file.as_os_str().to_owned();
            beside.push(".artifacts");
            PathBuf::from(beside)
        };
        let artifacts = match (self.path("artifacts"), &store) {
            (Some(given), _) => given,
            (None, Some(Place::File(file))) => beside(file),
            (None, None) => PathBuf::new(),
            (None, Some(Place::Database(_))) => {
                let help = "name the folder of the zips, which all managers of the database share";
                self.wrong("artifacts", "missing", help);
                PathBuf::new()
            }
        };
        let here = SocketAddr::from(([127, 0, 0, 1], 8443));
        let listen = self.read("listen", here, "write an address and a port, as `0.0.0.0:8443`");
        let tls = match (self.path("certificate"), self.path("key")) {
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (None, None) => None,
            (given, _) => {
                let (is, lacks) = if given.is_some() { ("certificate", "key") } else { ("key", "certificate") };
                let at = self.given.get(is).map(|given| given.at.clone()).unwrap_or_default();
                self.wrong(at, format!("there is no `{lacks}` for it"), "give both, or neither");
                None
            }
        };
        let behind_proxy = self.read("behind-proxy", false, "write `true` or `false`");
        if !listen.ip().is_loopback()
            && !behind_proxy
            && !["certificate", "key"].iter().any(|name| self.given.contains_key(name))
        {
            let at = self.given.get("listen").map_or_else(|| "listen".to_owned(), |given| given.at.clone());
            let help = "give `certificate` and `key`, listen on 127.0.0.1, or set `behind-proxy`";
            self.wrong(at, format!("tokens would come to `{listen}` in plain text"), help);
        }
        let mut limits = Limits::default();
        limits.connections = self.count("connections", limits.connections);
        limits.requests = self.count("requests", limits.requests);
        limits.per_address = self.count("requests-per-address", limits.per_address);
        limits.idle = self.seconds("idle", limits.idle);
        limits.grace = self.seconds("grace", limits.grace);
        let (agents, repository) = (self.names("agents"), self.path("repository"));
        if let (Some(given), true) = (self.given.get("repository").cloned(), agents.is_empty()) {
            self.wrong(given.at, "agents are not answered", "set `agents` to the host of this manager");
        }
        let poll_every = self.poll_every(&agents);
        let trust = self.path("trust");
        let work = self.read("work", true, "write `true` or `false`");
        let width = self.count("width", 256);
        let watch_every = self.seconds("watch-every", Duration::from_secs(300));
        Problems::none(self.problems)?;
        // Without a store there was a problem.
        let store = store.unwrap_or_else(|| Place::File(PathBuf::new()));
        Ok(Settings {
            store,
            artifacts,
            listen,
            tls,
            behind_proxy,
            limits,
            agents,
            poll_every,
            repository,
            trust,
            work,
            width,
            watch_every,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn none(_: &str) -> Option<String> {
        None
    }

    /// A file that is removed when this is dropped.
    struct Temporary(PathBuf);

    impl Temporary {
        fn new(text: &str) -> Self {
            let path = std::env::temp_dir().join(format!("alien-{}", uuid::Uuid::new_v4()));
            fs::write(&path, text).unwrap();
            Self(path)
        }
    }

    impl Drop for Temporary {
        fn drop(&mut self) {
            let _ = fs::remove_file(&self.0);
        }
    }

    #[test]
    fn a_flag_wins_over_a_variable_and_that_over_the_file() {
        let file = Temporary::new(r#"{"store": "a", "width": 1, "requests": 2, "listen": "127.0.0.1:1"}"#);
        let variable = |name: &str| match name {
            "ALIEN_MANAGER_WIDTH" => Some("3".to_owned()),
            "ALIEN_MANAGER_REQUESTS" => Some("4".to_owned()),
            _ => None,
        };
        let flag = |name: &str| (name == "width").then(|| "5".to_owned());
        let settings = Settings::read(Some(&file.0), variable, flag).unwrap();
        assert_eq!((settings.width, settings.limits.requests), (5, 4));
        assert_eq!((settings.listen.port(), settings.store), (1, Place::File("a".into())));
        assert_eq!(settings.artifacts, Path::new("a.artifacts"));
    }

    #[cfg(unix)]
    #[test]
    fn a_file_is_read_as_editors_write_it_and_what_is_wrong_with_it_is_told_with_its_place() {
        let file = Temporary::new("\u{feff}{\"store\": \"a\",\r\n \"width\": 3}");
        assert_eq!(Settings::read(Some(&file.0), none, none).unwrap().width, 3);
        let told = |path: &Path| {
            let path = path.to_owned();
            let flag = |name: &str| (name == "store").then(|| "a".to_owned());
            let (tell, heard) = std::sync::mpsc::channel();
            std::thread::spawn(move || tell.send(Settings::read(Some(&path), none, flag).unwrap_err().to_string()));
            heard.recv_timeout(Duration::from_secs(10)).unwrap()
        };
        for (text, words) in [
            ("{\"width\": 1,\n}", ": it is no JSON object: trailing comma at line 2 column 1"),
            ("{\"width\": 1,\n \"width\": 2}", "`width` is written twice at line 2 column 8"),
        ] {
            let file = Temporary::new(text);
            assert!(told(&file.0).contains(words), "{}", told(&file.0));
        }
        let utf16: Vec<u8> = "\u{feff}{}".encode_utf16().flat_map(u16::to_le_bytes).collect();
        fs::write(&file.0, utf16).unwrap();
        assert!(told(&file.0).contains("is in UTF-16; save it as UTF-8"), "{}", told(&file.0));
        assert!(told(Path::new("/dev/zero")).contains("is a pipe or a device"));
        fs::remove_file(&file.0).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(&file.0).status().unwrap().success());
        assert!(told(&file.0).contains("is a pipe or a device"));
    }

    #[test]
    fn agents_are_answered_under_the_hosts_that_are_named() {
        let read = |agents: &'static str, repository: &'static str| {
            let flag = |name: &str| match name {
                "store" => Some("a".to_owned()),
                "agents" => Some(agents.to_owned()),
                "repository" => Some(repository.to_owned()).filter(|folder| !folder.is_empty()),
                _ => None,
            };
            Settings::read(None, none, flag)
        };
        let settings = read("releases.vendor.example, eu.vendor.example:8443,", "files").unwrap();
        assert_eq!(settings.agents, ["releases.vendor.example", "eu.vendor.example:8443"]);
        assert_eq!(settings.repository.as_deref(), Some(Path::new("files")));
        assert!(read("", "").unwrap().agents.is_empty());
        let told = read(" ,", "files").unwrap_err().to_string();
        assert!(told.contains("--repository") && told.contains("agents are not answered"), "{told}");
    }

    #[test]
    fn agents_are_told_to_ask_every_half_a_minute_to_five_minutes() {
        let read = |agents: &str, seconds: &str| {
            let flag = |name: &str| match name {
                "store" => Some("a".to_owned()),
                "agents" => Some(agents.to_owned()),
                "poll-every" => Some(seconds.to_owned()).filter(|seconds| !seconds.is_empty()),
                _ => None,
            };
            Settings::read(None, none, flag).map(|settings| settings.poll_every)
        };
        assert_eq!(read("m.example", ""), Ok(None));
        for seconds in [30, 300] {
            assert_eq!(read("m.example", &seconds.to_string()), Ok(Some(Duration::from_secs(seconds))));
        }
        for (agents, seconds) in
            [("m.example", "29"), ("m.example", "301"), ("m.example", "1m"), ("m.example", "-30"), ("", "30")]
        {
            let told = read(agents, seconds).unwrap_err().to_string();
            assert!(told.contains("--poll-every"), "{told}");
        }
    }

    #[test]
    fn every_problem_is_told_with_where_it_stands() {
        let file = Temporary::new(r#"{"colour": 1, "requests": [], "idle": "soon"}"#);
        let variable = |name: &str| (name == "ALIEN_MANAGER_LISTEN").then(|| "0.0.0.0:1".to_owned());
        let flag = |name: &str| match name {
            "width" => Some("0".to_owned()),
            "store" => Some("postgres://ann:secret@db/fleet".to_owned()),
            _ => None,
        };
        let problems = Settings::read(Some(&file.0), variable, flag).unwrap_err();
        let told = problems.to_string();
        for at in ["colour", "requests", "idle", "ALIEN_MANAGER_LISTEN", "--width", "--store"] {
            assert!(told.contains(at), "{at}: {told}");
        }
        assert_eq!(problems.as_slice().len(), 6, "{told}");
        assert!(!told.contains("secret"), "{told}");
    }

    #[test]
    fn a_store_is_named_once_and_the_url_of_a_database_stands_in_a_file() {
        let url = Temporary::new("postgres://ann:secret@db/fleet\n");
        let path = url.0.display().to_string();
        let flag = |name: &str| match name {
            "store-url-file" => Some(path.clone()),
            "artifacts" => Some("zips".to_owned()),
            _ => None,
        };
        let settings = Settings::read(None, none, flag).unwrap();
        assert_eq!(settings.store, Place::Database("postgres://ann:secret@db/fleet".to_owned()));
        assert!(!format!("{settings:?}").contains("secret"));
        let both = |name: &str| flag(name).or_else(|| (name == "store").then(|| "a".to_owned()));
        assert!(Settings::read(None, none, both).is_err());
        assert!(Settings::read(None, none, none).is_err());
    }
}
