//! What the images of a release are on each platform: as the registries tell, or as a file does.

use std::env;
use std::path::{Path, PathBuf};

use alien_core::{Images, Stack};
use alien_release::{Credential, Registry};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::file;
use crate::output::Failure;

/// Reads the images of a stack from a file, or asks the registries. A stack without images needs neither.
pub(super) async fn images(given: Option<&Path>, stack: &Stack) -> Result<Images, Failure> {
    if let Some(path) = given {
        return serde_json::from_str(&file::text(path)?).map_err(|error| {
            let help = r#"write `{"registry/name@sha256:…": {"linux/amd64": {"manifest": "sha256:…", "config": "sha256:…"}}}`"#;
            Failure::form(path.display().to_string(), error.to_string(), help)
        });
    }
    if Images::needed(stack).is_empty() {
        return Ok(Images::new());
    }
    let registry = match login().filter(|path| path.exists()) {
        Some(path) => known(Registry::new(), &file::text(&path)?),
        None => Registry::new(),
    };
    registry.resolve(stack).await.map_err(|unresolved| Failure::Input(unresolved.problems()))
}

/// The file in which `docker login` and others keep what registries know the user by.
/// <https://docs.docker.com/reference/cli/docker/login/>
fn login() -> Option<PathBuf> {
    let folder = env::var_os("DOCKER_CONFIG").map(PathBuf::from);
    let folder = folder.or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".docker")))?;
    Some(folder.join("config.json"))
}

/// Adds the credentials of such a file. Those that a helper program keeps are not in it.
fn known(registry: Registry, config: &str) -> Registry {
    let config: Value = serde_json::from_str(config).unwrap_or_default();
    let all = config.get("auths").and_then(Value::as_object).into_iter().flatten();
    all.fold(registry, |registry, (host, entry)| match credential(entry) {
        Some(credential) => registry.with_credential(host_of(host), credential),
        None => registry,
    })
}

fn credential(entry: &Value) -> Option<Credential> {
    let bytes = STANDARD.decode(entry.get("auth")?.as_str()?).ok()?;
    let (user, password) = std::str::from_utf8(&bytes).ok()?.split_once(':')?;
    (!password.is_empty()).then(|| Credential::basic(user, password))
}

/// The file calls Docker Hub by an address: `https://index.docker.io/v1/`.
fn host_of(name: &str) -> &str {
    let name = name.strip_prefix("https://").unwrap_or(name);
    match name.split('/').next() {
        Some("index.docker.io") | None => "docker.io",
        Some(host) => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logins_are_read_by_the_hosts_of_their_registries() {
        // `ann:secret`, and `ann:`
        let config = r#"{"auths": {
            "https://index.docker.io/v1/": {"auth": "YW5uOnNlY3JldA=="}, "registry.example.com": {"auth": "YW5uOnNlY3JldA=="},
            "kept.example.com": {}, "empty.example.com": {"auth": "YW5uOg=="}, "wrong.example.com": {"auth": "?"}
        }, "credsStore": "desktop"}"#;
        let shown = format!("{:?}", known(Registry::new(), config));
        for host in ["docker.io\"", "\"registry.example.com\""] {
            assert!(shown.contains(host), "{shown}");
        }
        for host in ["kept", "empty", "wrong", "secret"] {
            assert!(!shown.contains(host), "{shown}");
        }
        assert_eq!(format!("{:?}", known(Registry::new(), "not json")), format!("{:?}", Registry::new()));
    }
}
