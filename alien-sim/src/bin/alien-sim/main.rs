//! `alien-sim gcp` and `alien-sim azure`: an emulated cloud with a customer and a vendor, until it is told to end.

mod clouds;
mod folder;
mod told;

use std::borrow::Cow;
use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::process::ExitCode;

use alien_sim::command_line::{Arguments, Cloud};
use clap::Parser as _;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::low_level::pipe;

use folder::Folder;

/// Why it ends, in words and as an exit code.
#[derive(Debug)]
pub(crate) struct Failure(u8, String);

impl Failure {
    fn internal(what: &str, error: &io::Error) -> Self {
        Self(1, format!("{what}: {error}"))
    }

    pub(crate) fn input(why: String) -> Self {
        Self(3, why)
    }

    pub(crate) fn outside(what: &str, error: &io::Error) -> Self {
        Self(6, format!("{what}: {error}"))
    }
}

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(usage) => return said(&usage),
    };
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure(code, why)) => {
            // If standard error is closed, nobody can be told.
            let _ = writeln!(io::stderr(), "error: {}", printable(&why));
            code.into()
        }
    }
}

/// Says what is wrong with the command line, or what was asked of it.
fn said(usage: &clap::Error) -> ExitCode {
    // If nobody reads it, nobody can be told.
    match printable(&usage.render().to_string()) {
        Cow::Borrowed(_) => drop(usage.print()),
        Cow::Owned(told) => drop(io::stderr().write_all(told.as_bytes())),
    }
    if usage.use_stderr() { 2.into() } else { ExitCode::SUCCESS }
}

/// A text in which whatever a terminal would obey is written out.
pub(crate) fn printable(text: &str) -> Cow<'_, str> {
    let plain = |letter: char| matches!(letter, '\n' | '\'' | '"' | '\\') || letter.escape_debug().eq([letter]);
    if text.chars().all(plain) {
        return text.into();
    }
    let mut written = String::with_capacity(text.len());
    for letter in text.chars() {
        if plain(letter) { written.push(letter) } else { written.extend(letter.escape_debug()) }
    }
    written.into()
}

fn run(arguments: &Arguments) -> Result<(), Failure> {
    // From here on no signal ends it before the files are removed.
    let mut signals = signals().map_err(|error| Failure::internal("cannot receive signals", &error))?;
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let runtime = runtime.map_err(|error| Failure::internal("no async runtime", &error))?;
    let listening = |error| Failure::outside(&format!("cannot listen on port {}", arguments.port), &error);
    match arguments.cloud {
        Cloud::Gcp => {
            let gcp = runtime.block_on(alien_sim::gcp::Gcp::start_on(arguments.port)).map_err(listening)?;
            let folder = Folder::make(arguments.folder.as_deref())?;
            tell(&clouds::gcp(&gcp, &folder)?, &folder, arguments)?;
            wait(&mut signals)
        }
        Cloud::Azure => {
            let azure = runtime.block_on(alien_sim::azure::Azure::start_on(arguments.port)).map_err(listening)?;
            let folder = Folder::make(arguments.folder.as_deref())?;
            tell(&clouds::azure(&azure, &folder)?, &folder, arguments)?;
            wait(&mut signals)
        }
    }
}

fn tell(told: &told::Told, folder: &Folder, arguments: &Arguments) -> Result<(), Failure> {
    for (name, variables) in [("admin.sh", &told.admin), ("vendor.sh", &told.vendor), ("agent.sh", &told.agent)] {
        folder.write(name, &told::exports(variables))?;
    }
    let text = if arguments.json { format!("{}\n", told.to_json(folder)) } else { told.to_text(folder) };
    let mut out = io::stdout();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    written.map_err(|error| Failure::internal("cannot print how to call it", &error))
}

/// Where Ctrl-C, the signal that ends services, and that of a closed terminal are received.
fn signals() -> io::Result<UnixStream> {
    let (receives, sends) = UnixStream::pair()?;
    for signal in [SIGHUP, SIGINT, SIGTERM] {
        pipe::register(signal, sends.try_clone()?)?;
    }
    Ok(receives)
}

fn wait(signals: &mut UnixStream) -> Result<(), Failure> {
    signals.read_exact(&mut [0]).map_err(|error| Failure::internal("cannot receive signals", &error))
}
