//! The program `alien-manager`: answers operators, and works for a fleet.

use std::borrow::Cow;
use std::cell::Cell;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use alien_core::adapter::{Failed, Printable, printable, shutdown};
use alien_core::{Adapter, CallConfig, Connection, Error, ErrorKind, Exit, Result};
use alien_fleet::api::{AgentApi, Socket, socket_of};
use alien_fleet::store::{Embedded, Postgres};
use alien_fleet::{ArtifactFolder, Clouds, Fleet, FleetBuilder, Who};
use alien_manager::settings::{self, Place, Settings};
use alien_manager::{Answers, Router, Server, Tls};
use alien_release::verifiers;
use clap::ArgMatches;
use tokio::sync::watch;

/// As whom the program itself acts: whoever runs it has the store.
const NAME: &str = "alien-manager";

fn main() -> ExitCode {
    tracing_subscriber::fmt().json().flatten_event(true).with_writer(|| Printable(io::stderr())).init();
    let matches = match settings::command().try_get_matches() {
        Ok(matches) => matches,
        Err(usage) => return said(&usage),
    };
    let printed = Cell::new(false);
    let tell = |answers: &Answers| {
        if matches.get_flag("json") {
            printed.set(true);
            print(&serde_json::to_string_pretty(answers).map_or_else(|_| String::new(), |json| format!("{json}\n")));
        }
    };
    let done = given(&matches).and_then(|settings| {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
        let runtime = runtime.map_err(|error| Error::new(ErrorKind::Internal, "no async runtime").caused_by(&error));
        runtime.and_then(|runtime| runtime.block_on(run(settings, tell)))
    });
    let Err(error) = done else { return Exit::Done.into() };
    for problem in error.problems() {
        tracing::error!("{problem}");
    }
    if error.problems().is_empty() {
        tracing::error!("{error}");
    }
    // Where it answered, that is the one document on standard output.
    if matches.get_flag("json") && !printed.get() {
        print(&Failed::of(&error).to_json());
    }
    Exit::of(&error).into()
}

/// Prints on standard output. If nobody reads it, nobody can be told.
fn print(text: &str) {
    let mut out = io::stdout();
    drop(out.write_all(text.as_bytes()).and_then(|()| out.flush()));
}

/// Says what is wrong with the command line, or what was asked of it. What a terminal would obey is written out.
fn said(usage: &clap::Error) -> ExitCode {
    if usage.use_stderr() && std::env::args_os().take_while(|word| word != "--").any(|word| word == "--json") {
        print(&Failed::new(Exit::Usage, &usage.render().to_string()).to_json());
        return Exit::Usage.into();
    }
    // If nobody reads it, nobody can be told.
    match printable(&usage.render().to_string()) {
        Cow::Borrowed(_) => drop(usage.print()),
        Cow::Owned(told) => drop(io::stderr().write_all(told.as_bytes())),
    }
    if usage.use_stderr() { Exit::Usage } else { Exit::Done }.into()
}

/// The settings: from a file, the environment and the command line.
fn given(matches: &ArgMatches) -> Result<Settings> {
    let variable = |name: &str| std::env::var(name).ok();
    let flag = |name: &str| matches.get_one::<String>(name).cloned();
    let file = flag("config").or_else(|| variable("ALIEN_MANAGER_CONFIG")).map(PathBuf::from);
    Settings::read(file.as_deref(), variable, flag).map_err(Error::from)
}

/// The clouds that this program was built with.
fn clouds() -> Clouds {
    let all: Vec<Arc<dyn Adapter>> = vec![
        #[cfg(feature = "aws")]
        Arc::new(alien_aws::Adapter),
        #[cfg(feature = "gcp")]
        Arc::new(alien_gcp::Adapter),
        #[cfg(feature = "azure")]
        Arc::new(alien_azure::Adapter),
    ];
    all.into_iter()
        .fold(Clouds::none(), |clouds, cloud| clouds.with(cloud, Connection::new(CallConfig::default(), NAME)))
}

async fn open(settings: &Settings) -> Result<Fleet> {
    let verifiers = settings.trust.as_deref().map_or_else(|| Ok(Vec::new()), verifiers)?;
    let with = |builder: FleetBuilder| {
        let builder = builder.artifacts(ArtifactFolder::new(&settings.artifacts)).acting_as(Who::claimed(NAME));
        verifiers.into_iter().fold(builder, |builder, (product, verifier)| builder.trusting(product, verifier))
    };
    match &settings.store {
        Place::File(file) => with(Fleet::builder(Embedded::open(file).await?, clouds())).open().await,
        Place::Database(url) => with(Fleet::builder(Postgres::open(url).await?, clouds())).open().await,
    }
}

/// What is answered.
async fn router(fleet: &Fleet, settings: &Settings) -> Result<Router> {
    let router = Router::new(fleet);
    if settings.agents.is_empty() {
        return Ok(router);
    }
    let agents = settings.agents.iter().fold(fleet.agents(), |agents, host| agents.host(host));
    let agents = match settings.poll_every {
        Some(time) => agents.poll_every(time),
        None => agents,
    };
    let agents = agents.open().await?;
    let answered = AgentApi::new(&agents);
    Ok(router.with_agents(match &settings.repository {
        Some(folder) => answered.repository(folder),
        None => answered,
    }))
}

/// Answers and works until a signal ends it. Tells once where it answers.
async fn run(settings: Settings, tell: impl FnOnce(&Answers)) -> Result<()> {
    // What is wrong with the certificate or the address is told before the store is opened.
    let tls = settings.tls.as_ref().map(|(certificate, key)| Tls::open(certificate, key)).transpose()?;
    let mut server = Server::bind(settings.listen).await?.limits(settings.limits);
    if let Some(tls) = tls {
        server = server.tls(tls);
    }
    if settings.behind_proxy {
        server = server.behind_proxy();
    }
    let fleet = open(&settings).await?;
    let router = router(&fleet, &settings).await?;
    // Whoever has the file answers `alien` on this machine, too.
    let socket = match &settings.store {
        Place::File(file) => Some(Socket::bind(&socket_of(file)).await?),
        Place::Database(_) => None,
    };
    let (stop, stopped) = watch::channel(false);
    let stopped = || {
        let mut stopped = stopped.clone();
        async move { drop(stopped.wait_for(|stop| *stop).await) }
    };
    let signals = shutdown()?;
    tracing::info!(address = %server.address(), "answering");
    tell(&Answers::new(server.address(), &settings));
    let worker = async {
        if settings.work {
            fleet.worker().width(settings.width).watch_every(settings.watch_every).run(stopped()).await?;
        }
        Ok::<_, Error>(())
    };
    let beside = async {
        if let Some(socket) = socket {
            socket.serve(&fleet, stopped()).await;
        }
    };
    // If one of them fails, the others end, too.
    let ends = |_: &Error| {
        stop.send_replace(true);
    };
    let worker = async { worker.await.inspect_err(ends) };
    let server = async { server.serve(router, stopped()).await.inspect_err(ends) };
    let work = async { tokio::join!(server, worker, beside) };
    tokio::pin!(work);
    let (served, worked, ()) = tokio::select! {
        done = &mut work => done,
        () = signals => {
            stop.send_replace(true);
            work.await
        }
    };
    tracing::info!("ended");
    served.and(worked)
}
