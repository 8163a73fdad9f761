//! Where an image is.

use super::unresolved::Fault;

/// Where an image is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Location {
    /// The host of the registry, and its port.
    pub(super) registry: String,
    /// The name within the registry.
    pub(super) repository: String,
    /// The digest, `sha256:…`.
    pub(super) digest: String,
}

/// Docker Hub answers under another name than references have.
/// <https://github.com/distribution/reference/blob/main/normalize.go>
const DOCKER_HUB: &str = "registry-1.docker.io";

/// The host of a registry, by the name that references have for it.
pub(super) fn registry(name: &str) -> &str {
    if matches!(name, "docker.io" | "index.docker.io") { DOCKER_HUB } else { name }
}

impl Location {
    /// Reads a reference, `registry/name@sha256:…`. What cannot be a part of the address of an image is refused, so that no
    /// reference leads to another address of the registry.
    pub(super) fn parse(reference: &str) -> Result<Self, Fault> {
        let Some((name, digest)) = reference.split_once('@') else {
            return Err(Fault::reference("the image is not pinned by digest: what it is can change"));
        };
        if !is_digest(digest) {
            return Err(Fault::reference(format!("`{digest}` is not the digest of an image")));
        }
        // <https://github.com/distribution/reference/blob/main/normalize.go>: the first part is a registry if it can be a host.
        let is_host = |first: &str| first.contains(['.', ':']) || first == "localhost";
        let (host, path) = match name.split_once('/') {
            Some((first, rest)) if is_host(first) => (registry(first), rest),
            _ => (DOCKER_HUB, name),
        };
        // A tag beside a digest is ignored, as engines do.
        let path = path.rsplit_once(':').filter(|(_, tag)| !tag.contains('/')).map_or(path, |(path, _)| path);
        let repository =
            if host == DOCKER_HUB && !path.contains('/') { format!("library/{path}") } else { path.to_owned() };
        // <https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pulling-manifests>
        let is_plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'_' | b'-');
        let is_name = |part: &str| part.bytes().all(is_plain) && part.starts_with(|c: char| c.is_ascii_alphanumeric());
        if !repository.split('/').all(is_name) {
            return Err(Fault::reference(format!("`{path}` is not the name of an image in a registry")));
        }
        let is_of_host = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b':' | b'[' | b']');
        if !host.bytes().all(is_of_host) {
            return Err(Fault::reference(format!("`{host}` is not the host of a registry")));
        }
        Ok(Self { registry: host.to_owned(), repository, digest: digest.to_owned() })
    }
}

/// Whether it is `sha256:` and 64 hexadecimal digits in lower case. Images may be pinned by nothing else.
pub(super) fn is_digest(text: &str) -> bool {
    text.strip_prefix("sha256:").is_some_and(|digits| {
        digits.len() == 64 && digits.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    })
}

/// Whether a host, with or without a port, is this machine.
pub(super) fn is_loopback(host: &str) -> bool {
    let name = if host.starts_with('[') {
        host.split_once(']').map_or(host, |(name, _)| name).trim_start_matches('[')
    } else {
        host.split(':').next().unwrap_or_default()
    };
    name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest() -> String {
        format!("sha256:{}", "0".repeat(64))
    }

    #[test]
    fn a_reference_says_the_registry_or_means_docker_hub() {
        for (name, registry, repository) in [
            ("registry.example.com/api", "registry.example.com", "api"),
            ("registry.example.com:5000/a/b-c/d_e", "registry.example.com:5000", "a/b-c/d_e"),
            ("localhost/api:v1", "localhost", "api"),
            ("[::1]:5000/api", "[::1]:5000", "api"),
            ("nginx", DOCKER_HUB, "library/nginx"),
            ("docker.io/nginx:1.29", DOCKER_HUB, "library/nginx"),
            ("vendor/shop", DOCKER_HUB, "vendor/shop"),
            ("index.docker.io/vendor/shop", DOCKER_HUB, "vendor/shop"),
        ] {
            let at = Location::parse(&format!("{name}@{}", digest())).unwrap();
            assert_eq!((at.registry.as_str(), at.repository.as_str(), at.digest), (registry, repository, digest()));
        }
    }

    #[test]
    fn no_reference_leads_out_of_its_place() {
        for name in [
            "r.example/../x",
            "r.example/a//b",
            "r.example/",
            "r.example/A",
            "r.example/a?b",
            "r.example/a%2f",
            "r.example/a:5/b",
            "",
            "r@x.example/a",
        ] {
            assert!(Location::parse(&format!("{name}@{}", digest())).is_err(), "{name}");
        }
        for host in ["a.example#", "a.example?", "user:password.example\\", "ä.example"] {
            assert!(Location::parse(&format!("{host}/a@{}", digest())).is_err(), "{host}");
        }
        for reference in ["r.example/a", "r.example/a@", "r.example/a@sha512:00", &format!("r.example/a@{}0", digest())]
        {
            assert!(Location::parse(reference).is_err(), "{reference}");
        }
    }

    #[test]
    fn only_this_machine_is_loopback() {
        for host in ["localhost", "localhost:5000", "127.0.0.1:80", "127.9.9.9", "[::1]", "[::1]:5000"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in ["localhost.example.com", "127.0.0.1.example.com", "10.0.0.1", "[::2]:80", "", "128.0.0.1:127"] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
