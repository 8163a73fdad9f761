//! Opens the store of a fleet, or reaches the program that holds it.

use std::collections::BTreeMap;
use std::env;
use std::path::{Path, PathBuf};

use alien_core::{Adapter, CallConfig, Connection, Exit, Side, StackName};
use alien_fleet::api::{self, Client, Opened, Socket};
use alien_fleet::store::Postgres;
use alien_fleet::{ArtifactFolder, Clouds, Fleet, RolloutId, TokenText, Who};
use alien_release::Verifier;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::args::fleet::{self, Remote, Store, Which};
use crate::output::{self, Failure};
use crate::{clouds, connect, file};

/// Where a store is.
#[derive(Clone, PartialEq, Eq)]
enum Place {
    File(PathBuf),
    /// A PostgreSQL database. Its URL may have a password.
    Database(String),
    /// A manager that answers over HTTPS.
    Manager(String),
}

/// What to do where there is no store yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Absent {
    /// Refuse: a path that is misspelt is told.
    Refuse,
    /// Make one.
    Make,
}

/// A fleet: one that this program has, or one that another program answers for.
#[derive(Debug)]
pub(crate) struct Reached {
    pub(crate) client: Client,
    /// What this program has, if it has the store.
    pub(crate) here: Option<Here>,
    answering: Option<Answering>,
}

/// A fleet in this program.
#[derive(Debug, Clone)]
pub(crate) struct Here {
    pub(crate) fleet: Fleet,
    /// The file that no other program has now. Several programs have a database at once.
    file: Option<PathBuf>,
}

/// Opens a store, without more of the connection than the machine has.
pub(crate) async fn open(store: &Store, absent: Absent) -> Result<Reached, Failure> {
    reach(store, &BTreeMap::new(), absent).await
}

/// Opens a store, to call clouds as the flags say.
pub(crate) async fn calling(args: &fleet::Fleet, absent: Absent) -> Result<Reached, Failure> {
    reach(&args.store, &args.connection.given, absent).await
}

/// The verifiers of the products that a file names; none without a file.
fn verifiers(store: &Store) -> Result<Vec<(StackName, Verifier)>, Failure> {
    let variable = env::var_os("ALIEN_TRUST").filter(|text| !text.is_empty()).map(PathBuf::from);
    let Some(file) = store.trust.clone().or(variable) else { return Ok(Vec::new()) };
    Ok(alien_release::verifiers(&file)?)
}

async fn reach(store: &Store, given: &BTreeMap<String, String>, absent: Absent) -> Result<Reached, Failure> {
    let place = place(store);
    if let Ok(Place::Manager(url)) = &place {
        return Ok(Reached { client: manager(url, &store.remote)?, here: None, answering: None });
    }
    let (place, verifiers) = output::both(place, verifiers(store))?;
    let folder = ArtifactFolder::new(artifacts(store, &place)?);
    let who = Who::claimed(connect::operator());
    let clouds = clouds::kept().into_iter().fold(Clouds::none(), |all, cloud| {
        let connection = connection(&*cloud, given);
        all.with(cloud, connection)
    });
    match place {
        Place::File(file) => {
            if absent == Absent::Refuse && !file.exists() {
                let help = "name the file of one; `alien deployments register` makes one with the first deployment";
                return Err(Failure::form(file.display().to_string(), "there is no store", help));
            }
            let opening = api::open(&file, clouds).artifacts(folder).acting_as(who);
            let opening =
                verifiers.into_iter().fold(opening, |open, (product, verifier)| open.trusting(product, verifier));
            let Opened { client, fleet } = opening.await?;
            let here = fleet.map(|fleet| Here { fleet, file: Some(file) });
            Ok(Reached { client, here, answering: None })
        }
        Place::Database(url) => {
            let store = Postgres::open(&url).await?;
            let builder = Fleet::builder(store, clouds).artifacts(folder).acting_as(who);
            let builder =
                verifiers.into_iter().fold(builder, |fleet, (product, verifier)| fleet.trusting(product, verifier));
            let fleet = builder.open().await?;
            let client = Client::local(&fleet);
            Ok(Reached { client, here: Some(Here { fleet, file: None }), answering: None })
        }
        Place::Manager(_) => Err(Failure::stopped(Exit::Usage, "the manager has the store")),
    }
}

/// A client of a manager.
fn manager(url: &str, remote: &Remote) -> Result<Client, Failure> {
    let named =
        |given: &Option<PathBuf>, variable: &str| given.clone().or_else(|| env::var_os(variable).map(Into::into));
    let token = named(&remote.manager_token_file, "ALIEN_MANAGER_TOKEN_FILE").ok_or_else(|| {
        let help =
            "name the file that `alien manager token create --out` has written, or set `ALIEN_MANAGER_TOKEN_FILE`";
        Failure::form("--manager-token-file", "missing", help)
    });
    let token = token.and_then(|path| file::text(&path));
    let token = token.map(|text| TokenText::new(text.trim_end()));
    let authorities = named(&remote.ca_file, "ALIEN_CA_FILE").map(|path| file::text(&path)).transpose();
    let (token, authorities) = output::both(token, authorities)?;
    Ok(Client::https(url, &token, authorities.as_ref().map(|text| text.as_bytes()))?)
}

/// How the vendor connects to a cloud. A fleet is on several, and each takes the options that have a meaning for it.
fn connection(cloud: &dyn Adapter, given: &BTreeMap<String, String>) -> Connection {
    let connection = connect::with(CallConfig::default());
    let is_known = |name: &str| cloud.options().iter().any(|option| option.name == name && option.is_for(Side::Vendor));
    let given = given.iter().filter(|(name, _)| is_known(name));
    given.fold(connection, |connection, (name, text)| connection.with_option(name, text))
}

/// Where the store is: as the flags say, or else the environment.
fn place(store: &Store) -> Result<Place, Failure> {
    let set = |variable: &str| env::var(variable).ok().filter(|text| !text.is_empty());
    place_among(store.store.as_deref(), store.remote.manager.as_deref(), set)
}

fn place_among(
    store: Option<&str>,
    manager: Option<&str>,
    set: impl Fn(&str) -> Option<String>,
) -> Result<Place, Failure> {
    match (store, manager) {
        (Some(store), _) => return Ok(place_of(store)),
        (None, Some(manager)) => return Ok(Place::Manager(manager.to_owned())),
        (None, None) => {}
    }
    match (set("ALIEN_STORE"), set("ALIEN_MANAGER")) {
        (Some(store), None) => Ok(place_of(&store)),
        (None, Some(manager)) => Ok(Place::Manager(manager)),
        (Some(_), Some(_)) => {
            let help = "set one of them, or give `--store` or `--manager`";
            Err(Failure::form("ALIEN_STORE", "`ALIEN_MANAGER` is set, too", help))
        }
        (None, None) => {
            let help =
                "name a file or a database, or a manager by `--manager`; or set `ALIEN_STORE` or `ALIEN_MANAGER`";
            Err(Failure::form("--store", "missing", help))
        }
    }
}

fn place_of(text: &str) -> Place {
    let is_database = ["postgres://", "postgresql://"].iter().any(|scheme| text.starts_with(scheme));
    if is_database { Place::Database(text.to_owned()) } else { Place::File(text.into()) }
}

/// The folder of the zips of a store.
pub(crate) fn artifacts_of(store: &Store) -> Result<PathBuf, Failure> {
    artifacts(store, &place(store)?)
}

/// The folder of the zips.
fn artifacts(store: &Store, place: &Place) -> Result<PathBuf, Failure> {
    let given = store.artifacts.clone().or_else(|| env::var_os("ALIEN_ARTIFACTS").map(PathBuf::from));
    match (given, place) {
        (Some(given), _) => Ok(given),
        (None, Place::File(file)) => {
            let mut beside = file.as_os_str().to_owned();
            beside.push(".artifacts");
            Ok(beside.into())
        }
        (None, Place::Database(_)) => {
            let help =
                "name the folder of the zips, or set `ALIEN_ARTIFACTS`: all programs that use the database share it";
            Err(Failure::form("--artifacts", "missing", help))
        }
        (None, Place::Manager(_)) => {
            let help = "this needs the folder of the zips itself: name it by `--artifacts`, or name the store";
            Err(Failure::form("--artifacts", "missing", help))
        }
    }
}

/// Answers other programs until it is dropped.
#[derive(Debug)]
struct Answering {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Answering {
    async fn of(fleet: &Fleet, file: &Path) -> Result<Self, Failure> {
        let socket = Socket::bind(&api::socket_of(file)).await?;
        let (stop, stopped) = oneshot::channel();
        let fleet = fleet.clone();
        let task = tokio::spawn(async move { socket.serve(&fleet, async { drop(stopped.await) }).await });
        Ok(Self { stop, task })
    }
}

impl Reached {
    /// From now on, and if this program has the file, answers other programs.
    pub(crate) async fn answering(mut self) -> Result<Self, Failure> {
        if let Some(Here { fleet, file: Some(file) }) = &self.here {
            self.answering = Some(Answering::of(fleet, file).await?);
        }
        Ok(self)
    }

    /// Whether no other program can work for the fleet now.
    pub(crate) fn is_alone(&self) -> bool {
        self.here.as_ref().is_some_and(|here| here.file.is_some())
    }

    /// Answers what was asked, and ends.
    pub(crate) async fn end(self) {
        if let Some(Answering { stop, task }) = self.answering {
            drop(stop);
            // What panicked there was reported, and nobody waits for it.
            let _ = task.await;
        }
    }
}

impl Reached {
    /// The product that is meant: the one that was named, or the only one.
    pub(crate) async fn product(&self, named: Option<&StackName>) -> Result<StackName, Failure> {
        if let Some(named) = named {
            return Ok(named.clone());
        }
        let mut products = self.client.products().await?;
        match (products.pop(), products.is_empty()) {
            (Some(only), true) => Ok(only),
            (None, _) => Err(Failure::stopped(Exit::Drift, "there is no product in the store yet")),
            (Some(last), false) => {
                let names: Vec<String> = products.iter().chain([&last]).map(ToString::to_string).collect();
                let help = format!("name one of {}", names.join(", "));
                Err(Failure::form("product", "there are several", &help))
            }
        }
    }

    /// The products that are meant: the one that was named, or all.
    pub(crate) async fn products(&self, named: Option<&StackName>) -> Result<Vec<StackName>, Failure> {
        match named {
            Some(named) => Ok(vec![named.clone()]),
            None => Ok(self.client.products().await?),
        }
    }

    /// The rollout that is meant.
    pub(crate) async fn rollout(&self, which: Option<&Which>) -> Result<RolloutId, Failure> {
        let product = match which {
            Some(Which::This(id)) => return Ok(id.clone()),
            Some(Which::Latest(product)) => product.clone(),
            None => self.product(None).await?,
        };
        let latest = self.client.rollouts(&product).await?.pop();
        let none = || Failure::stopped(Exit::Drift, format!("`{product}` was not rolled out yet"));
        latest.map(|latest| latest.id).ok_or_else(none)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cloud_is_given_the_options_that_have_a_meaning_for_it() {
        let given = [("tokenFile", "token"), ("endpointUrl", "http://127.0.0.1:9")];
        let given = given.into_iter().map(|(name, text)| (name.to_owned(), text.to_owned())).collect();
        let connections = clouds::kept().map(|cloud| connection(&*cloud, &given));
        let with = |option: &str| connections.iter().filter(|connection| connection.get(option).is_some()).count();
        assert_eq!((with("endpointUrl"), with("tokenFile")), (3, 1));
    }

    #[test]
    fn a_store_is_a_file_or_a_database() {
        for url in ["postgres://fleet@db/fleet", "postgresql:///fleet?host=/run/postgresql"] {
            assert!(place_of(url) == Place::Database(url.to_owned()));
        }
        for path in ["fleet.redb", "./postgres", "/var/lib/alien/fleet.redb"] {
            assert!(place_of(path) == Place::File(path.into()));
        }
    }

    #[test]
    fn a_flag_names_the_store_or_the_manager_before_a_variable_does_and_two_variables_are_refused() {
        let both = |name: &str| Some(name.to_lowercase());
        let only = |only: &'static str| move |name: &str| (name == only).then(|| name.to_lowercase());
        let manager = |url: &str| Place::Manager(url.to_owned());
        assert!(place_among(Some("a"), None, both).unwrap() == Place::File("a".into()));
        assert!(place_among(None, Some("https://m"), both).unwrap() == manager("https://m"));
        assert!(place_among(None, None, only("ALIEN_STORE")).unwrap() == Place::File("alien_store".into()));
        assert!(place_among(None, None, only("ALIEN_MANAGER")).unwrap() == manager("alien_manager"));
        assert!(place_among(None, None, both).is_err() && place_among(None, None, |_| None).is_err());
    }

    #[test]
    fn zips_are_beside_the_store_unless_a_folder_is_named() {
        let store = |artifacts: Option<&str>| Store {
            store: None,
            artifacts: artifacts.map(PathBuf::from),
            trust: None,
            remote: Remote::default(),
        };
        let (file, database) = (place_of("/srv/fleet.redb"), place_of("postgres://db/fleet"));
        assert_eq!(artifacts(&store(None), &file).unwrap(), Path::new("/srv/fleet.redb.artifacts"));
        for place in [&file, &database] {
            assert_eq!(artifacts(&store(Some("zips")), place).unwrap(), Path::new("zips"));
        }
        assert!(artifacts(&store(None), &database).unwrap_err().to_string().contains("`--artifacts`: missing"));
    }
}
