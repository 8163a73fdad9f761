//! PostgreSQL, as a database for tests: the programs that this machine has, with a folder of its own, on a free port of the
//! loopback interface. PostgreSQL does not run as root, so there it runs as another user.

use std::os::unix::fs::{MetadataExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use std::{env, fmt, fs, thread};

use libtest_mimic::Trial;
use uuid::Uuid;

pub use crate::peer::Absent;
use crate::peer::{self, Need, Server};

/// The user of the database, who may do everything.
pub const USER: &str = "alien";

/// How often a server is started again while processes of the one that was killed still end.
const RESTARTS: u32 = 100;

/// A running server, empty at first. It stops when this value is dropped, and its folder is removed.
pub struct Postgres {
    // Dropped before the folder, because the server writes to it until it stops.
    server: Option<Server>,
    folder: Folder,
    port: u16,
    password: String,
    settings: Vec<(String, String)>,
}

impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Postgres").field("port", &self.port).finish_non_exhaustive()
    }
}

/// A folder that belongs to the user whom the server runs as. It is removed when this value is dropped.
#[derive(Debug)]
struct Folder {
    path: PathBuf,
    runs_as: Option<Account>,
}

/// A user and a group, by their numbers.
#[derive(Debug, Clone, Copy)]
struct Account {
    user: u32,
    group: u32,
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// The folder of the programs: that of `postgres` in the path, or the newest of Debian's.
fn programs() -> Result<&'static Path, Absent> {
    static FOUND: OnceLock<Result<PathBuf, Absent>> = OnceLock::new();
    let found = FOUND.get_or_init(|| {
        let mut folders: Vec<PathBuf> = env::split_paths(&env::var_os("PATH").unwrap_or_default()).collect();
        let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
        let mut versions: Vec<_> = versions.map(|version| version.path().join("bin")).collect();
        versions.sort_by_key(|folder| (folder.as_os_str().len(), folder.clone()));
        folders.extend(versions.into_iter().rev());
        let has_both = |folder: &PathBuf| ["initdb", "postgres"].iter().all(|name| folder.join(name).exists());
        let absent = || Absent("neither the path nor /usr/lib/postgresql has initdb and postgres".to_owned());
        peer::told("PostgreSQL", folders.into_iter().find(has_both).ok_or_else(absent))
    });
    found.as_deref().map_err(Clone::clone)
}

/// The user whom PostgreSQL runs as where the tests run as root.
fn account() -> Result<Account, Absent> {
    let users = fs::read_to_string("/etc/passwd").map_err(|error| Absent(format!("/etc/passwd: {error}")))?;
    let number_of = |name: &str| {
        let fields: Vec<&str> =
            users.lines().map(|line| line.split(':').collect()).find(|of: &Vec<_>| of[0] == name)?;
        Some(Account { user: fields.get(2)?.parse().ok()?, group: fields.get(3)?.parse().ok()? })
    };
    let found = number_of("postgres").or_else(|| number_of("nobody"));
    found.ok_or_else(|| {
        Absent("PostgreSQL does not run as root, and there is no user `postgres` or `nobody`".to_owned())
    })
}

impl Folder {
    fn new() -> Result<Self, Absent> {
        let path = env::temp_dir().join(format!("postgres-{}", Uuid::new_v4()));
        fs::create_dir(&path).map_err(|error| Absent(format!("{}: {error}", path.display())))?;
        let is_root = fs::metadata(&path).is_ok_and(|made| made.uid() == 0);
        let mut folder = Self { path, runs_as: None };
        if is_root {
            folder.runs_as = Some(account()?);
            folder.hand_over(&folder.path);
        }
        Ok(folder)
    }

    /// Lets the server have a file.
    fn hand_over(&self, path: &Path) {
        if let Some(Account { user, group }) = self.runs_as {
            chown(path, Some(user), Some(group)).unwrap();
        }
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        use std::os::unix::fs::PermissionsExt as _;
        let path = self.path.join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        self.hand_over(&path);
        path
    }

    fn data(&self) -> PathBuf {
        self.path.join("data")
    }

    /// A program of PostgreSQL's, run by the user of the folder.
    fn program(&self, name: &str) -> Result<Command, Absent> {
        let program = programs()?.join(name);
        let mut command = match self.runs_as {
            None => Command::new(program),
            Some(Account { user, group }) => {
                let mut command = Command::new("setpriv");
                command.args([format!("--reuid={user}"), format!("--regid={group}"), "--clear-groups".to_owned()]);
                command.arg("--").arg(program);
                command
            }
        };
        command.current_dir(&self.path).env_clear().env("PATH", env::var_os("PATH").unwrap_or_default());
        Ok(command)
    }
}

impl Postgres {
    /// Starts a server with these settings
    /// (<https://www.postgresql.org/docs/current/runtime-config.html>). Unless they say otherwise, it does not wait for the
    /// disk: what is committed outlives the server's processes, not the machine.
    ///
    /// # Errors
    ///
    /// If this machine has no PostgreSQL.
    ///
    /// # Panics
    ///
    /// If it does not run.
    pub fn start(settings: &[(&str, &str)]) -> Result<Self, Absent> {
        Self::prepare(settings)?.started()
    }

    /// Starts a server that accepts TLS with this certificate and its key, both as PEM.
    ///
    /// # Errors
    ///
    /// Like [`start`](Self::start).
    ///
    /// # Panics
    ///
    /// Like [`start`](Self::start).
    pub fn start_with_tls(certificate: &str, key: &str) -> Result<Self, Absent> {
        let mut server = Self::prepare(&[("ssl", "on")])?;
        for (setting, text) in [("ssl_cert_file", certificate), ("ssl_key_file", key)] {
            let path = server.folder.write(setting, text);
            server.settings.push((setting.to_owned(), path.display().to_string()));
        }
        server.started()
    }

    fn prepare(settings: &[(&str, &str)]) -> Result<Self, Absent> {
        let folder = Folder::new()?;
        let password = Uuid::new_v4().simple().to_string();
        let file = folder.write("password", &password);
        let mut initdb = folder.program("initdb")?;
        initdb.args(["--username", USER, "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync"]);
        peer::run(initdb.arg("--pwfile").arg(file).arg("--pgdata").arg(folder.data()))?;
        let of_tests = [
            ("listen_addresses", "127.0.0.1"),
            ("unix_socket_directories", ""),
            ("max_connections", "500"),
            ("fsync", "off"),
        ];
        let settings = of_tests.iter().chain(settings).map(|(name, value)| (String::from(*name), String::from(*value)));
        let settings = settings.collect();
        Ok(Self { server: None, folder, port: 0, password, settings })
    }

    fn started(mut self) -> Result<Self, Absent> {
        self.folder.program("postgres")?;
        let program = |port| self.program(port).unwrap();
        let (server, port) = Server::start_on_a_port(program, |line, _| is_ready(line))?;
        self.server = Some(server);
        self.port = port;
        Ok(self)
    }

    fn program(&self, port: u16) -> Result<Command, Absent> {
        let mut program = self.folder.program("postgres")?;
        program.arg("-D").arg(self.folder.data()).args(["-c", &format!("port={port}")]);
        for (name, value) in &self.settings {
            program.args(["-c", &format!("{name}={value}")]);
        }
        Ok(program)
    }

    /// The URL of the database that every server has.
    #[must_use]
    pub fn url(&self) -> String {
        self.url_at(self.port)
    }

    /// The URL that leads there by another port, such as that of a proxy.
    #[must_use]
    pub fn url_at(&self, port: u16) -> String {
        format!("postgres://{USER}:{}@127.0.0.1:{port}/postgres", self.password)
    }

    /// The port of the server.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The password of the user.
    #[must_use]
    pub fn password(&self) -> &str {
        &self.password
    }

    /// Kills the server's processes, as a machine does that runs out of memory.
    pub fn kill(&mut self) {
        // Its children end when they see that it has gone.
        self.server = None;
    }

    /// Starts the server that was killed on what it has left, on the same port.
    ///
    /// # Panics
    ///
    /// If it does not run.
    pub fn restart(&mut self) {
        self.kill();
        for _ in 0..RESTARTS {
            let begun = Server::begin(&mut self.program(self.port).unwrap(), |line| is_ready(line).then_some(()));
            if let Ok((server, ())) = begun.unwrap() {
                self.server = Some(server);
                return;
            }
            // Its children still have the memory that they shared.
            thread::sleep(Duration::from_millis(100));
        }
        panic!("the server does not run again");
    }
}

fn is_ready(line: &str) -> bool {
    line.contains("database system is ready to accept connections")
}

/// A server that the tests of a program share. It is started by the first that needs it, and stops with the last clone.
#[derive(Debug, Clone, Default)]
pub struct Shared(Arc<OnceLock<Result<Postgres, Absent>>>);

impl Shared {
    /// A test on the shared server. If this machine has no PostgreSQL, it is reported as ignored, unless [`Need`] makes it
    /// required.
    #[must_use]
    pub fn trial(&self, name: &str, test: impl FnOnce(&Postgres) + Send + 'static) -> Trial {
        let shared = self.clone();
        peer::trial(name, Need::WhereRequired, &programs(), move |_| {
            let server = shared.0.get_or_init(|| Postgres::start(&[]));
            test(server.as_ref().map_err(Clone::clone)?);
            Ok(())
        })
    }
}

/// A test that starts servers of its own. If this machine has no PostgreSQL, it is reported as ignored, unless [`Need`]
/// makes it required.
#[must_use]
pub fn trial(name: &str, test: impl FnOnce() -> Result<(), Absent> + Send + 'static) -> Trial {
    peer::trial(name, Need::WhereRequired, &programs(), move |_| Ok(test()?))
}
