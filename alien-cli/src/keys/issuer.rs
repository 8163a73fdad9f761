//! `alien keys issuer`: the key with which the vendor proves to Azure who it is.

use std::fs;
use std::path::{Path, PathBuf};

use alien_azure::{Discovery, Issuer, IssuerKey, IssuerPublicKey};
use schemars::JsonSchema;
use serde::Serialize;

use crate::args::Shown;
use crate::args::keys::IssuerArgs;
use crate::file::{self, Replacement};
use crate::output::{self, Failure};

/// How long whoever verifies tokens may keep keys. Microsoft does not say how long Entra does; it advises to keep keys for a day
/// at most (<https://learn.microsoft.com/entra/identity-platform/signing-key-rollover#general-considerations>).
const KEPT: &str = "24 hours";

/// The folder of an issuer.
struct Folder<'a>(&'a Path);

/// The result of `alien keys issuer`: what is published, which is to be uploaded.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "IssuerPublished")]
pub(crate) struct Published {
    /// The issuer.
    issuer: String,
    /// The folder to upload.
    public: PathBuf,
    /// Where each of its files is then read.
    urls: Vec<String>,
    /// The ids of the published keys, the oldest first.
    keys: Vec<String>,
    /// The file of the private key that was made here.
    #[serde(skip_serializing_if = "Option::is_none")]
    private_key: Option<PathBuf>,
    /// What is retired, and is to be deleted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    retired: Vec<Retired>,
}

/// A key that is no longer published.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Retired {
    /// Its id.
    id: String,
    /// The file of the private key, if it is here.
    #[serde(skip_serializing_if = "Option::is_none")]
    private_key: Option<PathBuf>,
}

pub(super) fn issuer(args: &IssuerArgs, shown: Shown) -> Result<(), Failure> {
    let folder = Folder(&args.out);
    match &args.issuer {
        _ if args.retire => shown.result(&folder.retire()?, Published::told_retired),
        Some(issuer) => shown.result(&folder.make(issuer, args.public_key.as_deref())?, Published::told_made),
        None => {
            shown.result(&folder.rotate(args.public_key.as_deref())?, |published| published.told_rotated(&args.out))
        }
    }
}

impl Published {
    /// What to do after an issuer was made.
    fn told_made(&self) -> String {
        let private = self.private_key.iter().map(|path| {
            format!("the private key is in `{}`: keep it secret, and name it by `--issuer-key`", path.display())
        });
        let mut told: Vec<String> = private.collect();
        let upload = self.public.display();
        told.push(format!("upload what is in `{upload}`, so that anyone can read it as `application/json`:"));
        told.extend(self.urls.iter().map(|url| format!("  {url}")));
        told.push(format!("then invite with `--issuer {}`", self.issuer));
        told.join("\n")
    }

    /// What to do after a key was added.
    fn told_rotated(&self, folder: &Path) -> String {
        let new = match &self.private_key {
            Some(path) => format!("sign with the new key: `--issuer-key {}`", path.display()),
            None => {
                format!("sign with the new key, whose id is `{}`", self.keys.last().map_or("", String::as_str))
            }
        };
        format!(
            "1. upload what is in `{}`, which has both keys\n\
             2. wait {KEPT}, until nobody keeps the old files\n\
             3. {new}\n\
             4. wait 10 minutes, until the last token of the old key has ended\n\
             5. `alien keys issuer --out {} --retire`",
            self.public.display(),
            folder.display()
        )
    }

    /// What to do after a key was taken out.
    fn told_retired(&self) -> String {
        let upload = format!("upload what is in `{}`, which has the newer key alone", self.public.display());
        let retired = self.retired.iter().map(|key| match &key.private_key {
            Some(path) => format!("delete `{}`, the private key that is retired", path.display()),
            None => format!("delete the private key `{}`, which is retired", key.id),
        });
        std::iter::once(upload).chain(retired).collect::<Vec<_>>().join("\n")
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
    fn make(&self, issuer: &str, public: Option<&Path>) -> Result<Published, Failure> {
        let issuer = Issuer::parse(issuer).map_err(|problems| file::within("--issuer".as_ref(), problems.as_slice()));
        let (issuer, key) = output::both(issuer, Key::of(public))?;
        let discovery = Discovery::new(issuer, key.public().clone());
        if discovery.documents().iter().any(|document| self.public().join(document.path).symlink_metadata().is_ok()) {
            return Err(self.refused("already has an issuer", "add a key to it by `--rotate`, or name another folder"));
        }
        let private = self.keep(&discovery, &key)?;
        Ok(self.published(&discovery, private))
    }

    /// What was published, and the private key that was made for it.
    fn published(&self, discovery: &Discovery, private_key: Option<PathBuf>) -> Published {
        Published {
            issuer: discovery.issuer().to_string(),
            public: self.public(),
            urls: discovery.documents().iter().map(|document| document.url.to_string()).collect(),
            keys: discovery.keys().iter().map(|key| key.id().to_string()).collect(),
            private_key,
            retired: Vec::new(),
        }
    }

    /// Adds a key to the one that is published.
    fn rotate(&self, public: Option<&Path>) -> Result<Published, Failure> {
        let (discovery, key) = output::both(self.discovery(), Key::of(public))?;
        let added = discovery.with_key(key.public().clone());
        let discovery = added.map_err(|error| file::within(self.0, error.problems()))?;
        let private = self.keep(&discovery, &key)?;
        Ok(self.published(&discovery, private))
    }

    /// Publishes the newer key alone.
    fn retire(&self) -> Result<Published, Failure> {
        let before = self.discovery()?;
        let after = before.clone().without_oldest().map_err(|error| file::within(self.0, error.problems()))?;
        self.publish(&after)?;
        let retired = before.keys().iter().filter(|key| !after.keys().contains(key));
        let retired = retired.map(|key| Retired { id: key.id().to_string(), private_key: self.private(key) }).collect();
        Ok(Published { retired, ..self.published(&after, None) })
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
