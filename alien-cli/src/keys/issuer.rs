//! `alien keys issuer`: the key with which the vendor proves to Azure who it is.

use std::fs;
use std::path::{Path, PathBuf};

use alien_azure::{Discovery, Issuer, IssuerKey, IssuerPublicKey};

use crate::args::keys::IssuerArgs;
use crate::file::{self, Replacement};
use crate::output::{self, Failure};

/// How long whoever verifies tokens may keep keys. Microsoft does not say how long Entra does; it advises to keep keys for a day
/// at most (<https://learn.microsoft.com/entra/identity-platform/signing-key-rollover#general-considerations>).
const KEPT: &str = "24 hours";

/// The folder of an issuer.
struct Folder<'a>(&'a Path);

pub(super) fn issuer(args: &IssuerArgs) -> Result<(), Failure> {
    let folder = Folder(&args.out);
    match &args.issuer {
        _ if args.retire => folder.retire(),
        Some(issuer) => folder.make(issuer, args.public_key.as_deref()),
        None => folder.rotate(args.public_key.as_deref()),
    }
}

/// A key to publish, and its private half if it was made here.
enum Key {
    Made(IssuerKey),
    Given(IssuerPublicKey),
}

impl Key {
    /// Reads the public key, or makes a key.
    fn of(public: Option<&Path>) -> Result<Self, Failure> {
        let Some(path) = public else { return Ok(Self::Made(IssuerKey::generate()?)) };
        let read = IssuerPublicKey::from_pem(&file::text(path)?);
        read.map(Self::Given).map_err(|error| file::within(path, error.problems()))
    }

    fn public(&self) -> &IssuerPublicKey {
        match self {
            Self::Made(key) => key.public(),
            Self::Given(key) => key,
        }
    }
}

impl Folder<'_> {
    /// Makes an issuer where there is none.
    fn make(&self, issuer: &str, public: Option<&Path>) -> Result<(), Failure> {
        let issuer = Issuer::parse(issuer).map_err(|problems| file::within("--issuer".as_ref(), problems.as_slice()));
        let (issuer, key) = output::both(issuer, Key::of(public))?;
        let discovery = Discovery::new(issuer, key.public().clone());
        if discovery.documents().iter().any(|document| self.public().join(document.path).symlink_metadata().is_ok()) {
            return Err(self.refused("already has an issuer", "add a key to it by `--rotate`, or name another folder"));
        }
        let private = self.keep(&discovery, &key)?;
        let mut told = private.map_or_else(Vec::new, |path| {
            vec![format!("the private key is in `{}`: keep it secret, and name it by `--issuer-key`", path.display())]
        });
        let upload = self.public();
        told.push(format!(
            "upload what is in `{}`, so that anyone can read it as `application/json`:",
            upload.display()
        ));
        told.extend(discovery.documents().iter().map(|document| format!("  {}", document.url)));
        told.push(format!("then invite with `--issuer {}`", discovery.issuer()));
        output::line(told.join("\n"))
    }

    /// Adds a key to the one that is published.
    fn rotate(&self, public: Option<&Path>) -> Result<(), Failure> {
        let (discovery, key) = output::both(self.discovery(), Key::of(public))?;
        let added = discovery.with_key(key.public().clone());
        let discovery = added.map_err(|error| file::within(self.0, error.problems()))?;
        let private = self.keep(&discovery, &key)?;
        let (public, folder) = (self.public(), self.0);
        let new = private.map_or_else(
            || format!("sign with the new key, whose id is `{}`", key.public().id()),
            |path| format!("sign with the new key: `--issuer-key {}`", path.display()),
        );
        output::line(format_args!(
            "1. upload what is in `{}`, which has both keys\n\
             2. wait {KEPT}, until nobody keeps the old files\n\
             3. {new}\n\
             4. wait 10 minutes, until the last token of the old key has ended\n\
             5. `alien keys issuer --out {} --retire`",
            public.display(),
            folder.display()
        ))
    }

    /// Publishes the newer key alone.
    fn retire(&self) -> Result<(), Failure> {
        let before = self.discovery()?;
        let after = before.clone().without_oldest().map_err(|error| file::within(self.0, error.problems()))?;
        self.publish(&after)?;
        let retired = before.keys().iter().filter(|key| !after.keys().contains(key));
        let mut told: Vec<String> = retired
            .map(|key| match self.private(key) {
                Some(path) => format!("delete `{}`, the private key that is retired", path.display()),
                None => format!("delete the private key `{}`, which is retired", key.id()),
            })
            .collect();
        told.insert(0, format!("upload what is in `{}`, which has the newer key alone", self.public().display()));
        output::line(told.join("\n"))
    }

    /// What is uploaded. No private key is ever in it.
    fn public(&self) -> PathBuf {
        self.0.join("public")
    }

    fn name(&self) -> String {
        self.0.display().to_string()
    }

    fn refused(&self, what: &str, help: &str) -> Failure {
        Failure::form(self.name(), what, help)
    }

    /// Reads what is published.
    fn discovery(&self) -> Result<Discovery, Failure> {
        let read = |path: &str| file::text(&self.public().join(path));
        let [configuration, keys] = Discovery::PATHS;
        let (configuration, keys) = output::both(read(configuration), read(keys))?;
        Ok(Discovery::read(configuration.as_bytes(), keys.as_bytes())?)
    }

    /// Keeps the private half of a key that was made, and then writes what is published. Returns where the key is.
    fn keep(&self, discovery: &Discovery, key: &Key) -> Result<Option<PathBuf>, Failure> {
        let public = self.writable(discovery)?;
        let private = match key {
            Key::Given(_) => None,
            Key::Made(key) => {
                let path =
                    self.0.join(format!("issuer-{}.pem", self.numbers().max().unwrap_or_default().saturating_add(1)));
                key.save(&path).map_err(Failure::from)?;
                Some(path)
            }
        };
        written(public)?;
        Ok(private)
    }

    /// Writes what is published.
    fn publish(&self, discovery: &Discovery) -> Result<(), Failure> {
        written(self.writable(discovery)?)
    }

    /// Checks that the documents can be written, before a key is made. The keys come before the document that names them.
    fn writable(&self, discovery: &Discovery) -> Result<Vec<(Replacement, Vec<u8>)>, Failure> {
        let documents = discovery.documents().into_iter().rev().map(|document| {
            let path = self.public().join(document.path);
            if let Some(parent) = path.parent() {
                let made = fs::create_dir_all(parent);
                made.map_err(|error| self.refused(&format!("cannot be made: {error}"), "name another folder"))?;
            }
            Ok((Replacement::of(&path)?, document.content))
        });
        documents.collect()
    }

    /// The numbers of the private keys.
    fn numbers(&self) -> impl Iterator<Item = u32> {
        let files = fs::read_dir(self.0).into_iter().flatten().flatten();
        files.filter_map(|file| file.file_name().to_str()?.strip_prefix("issuer-")?.strip_suffix(".pem")?.parse().ok())
    }

    /// Where the private half of a key is, if it is here.
    fn private(&self, public: &IssuerPublicKey) -> Option<PathBuf> {
        let mut paths = self.numbers().map(|number| self.0.join(format!("issuer-{number}.pem")));
        paths.find(|path| IssuerKey::open(path).is_ok_and(|key| key.public() == public))
    }
}

fn written(documents: Vec<(Replacement, Vec<u8>)>) -> Result<(), Failure> {
    documents.into_iter().try_for_each(|(file, content)| file.write_bytes(&content))
}
