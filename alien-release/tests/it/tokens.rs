//! Who may pull, and what becomes of credentials.

use alien_release::{Credential, ImageProblemKind as Kind, Registry};

use crate::peer::*;

fn registry() -> Registry {
    Registry::new().with_plain_http_on_loopback()
}

const PASSWORD: &str = "a-secret-password";

#[tokio::test]
async fn anybody_gets_a_token_that_may_pull_one_repository_and_it_is_used_again() {
    let peer = Peer::with_door(Door::Token(None)).await;
    let images = ["team/api", "worker"].map(|name| peer.reference(name, &peer.image(name, "linux", "amd64")[0]));
    registry().resolve(&stack(&images)).await.unwrap();
    // The peer refuses a token of another repository, and one that was asked for to push.
    assert_eq!(peer.tokens(), 2);
    assert_eq!(peer.seen().len(), 2 * (1 + 1 + 2), "a refusal, a token, the manifest and the config, of each");
}

#[tokio::test]
async fn a_user_and_a_password_give_a_token_and_go_to_nobody_else() {
    let peer = Peer::with_door(Door::Token(Some(("publisher", PASSWORD)))).await;
    let open = Peer::new().await;
    let references = [&peer, &open].map(|peer| peer.reference("api", &peer.image("api", "linux", "amd64")[0]));
    let registry = registry().with_credential(&peer.host, Credential::basic("publisher", PASSWORD));
    registry.resolve(&stack(&references)).await.unwrap();
    let given = basic("publisher", PASSWORD);
    for Seen { target, authorization, .. } in peer.seen() {
        assert_eq!(authorization.as_deref() == Some(&given), target.starts_with("/token"), "{target}");
    }
    assert!(open.seen().iter().all(|seen| seen.authorization.is_none()));
}

#[tokio::test]
async fn a_registry_without_tokens_is_given_the_password_or_the_token_itself() {
    let header = basic("publisher", PASSWORD);
    for (door, credential) in [
        (Door::Header(header, r#"Basic realm="here""#), Credential::basic("publisher", PASSWORD)),
        (Door::Header("Bearer my-token".to_owned(), "Bearer"), Credential::bearer("my-token")),
    ] {
        let peer = Peer::with_door(door).await;
        let reference = peer.reference("api", &peer.image("api", "linux", "amd64")[0]);
        registry().with_credential(&peer.host, credential).resolve(&stack(&[reference])).await.unwrap();
    }
}

#[tokio::test]
async fn who_may_not_pull_is_told_so_and_no_secret_is_shown() {
    let asks = |challenge| Door::Header("Bearer other".to_owned(), challenge);
    for (door, credential, says) in [
        (
            Door::Token(Some(("publisher", "other"))),
            Some(Credential::basic("publisher", PASSWORD)),
            "DENIED wrong password",
        ),
        (Door::Token(Some(("publisher", "other"))), None, "DENIED wrong password"),
        (asks("Bearer"), Some(Credential::bearer(PASSWORD)), "UNAUTHORIZED who are you?[2J"),
        (asks(r#"Basic realm="here""#), Some(Credential::basic("publisher", PASSWORD)), "UNAUTHORIZED"),
        (asks(r#"Basic realm="here""#), None, "UNAUTHORIZED"),
        (asks("Negotiate"), None, "UNAUTHORIZED"),
    ] {
        let peer = Peer::with_door(door).await;
        let reference = peer.reference("api", &peer.image("api", "linux", "amd64")[0]);
        let registry = match credential {
            Some(credential) => registry().with_credential(&peer.host, credential),
            None => registry(),
        };
        let told = registry.resolve(&stack(&[reference])).await.unwrap_err();
        assert_eq!(told.as_slice()[0].kind, Kind::Unauthorized, "{told}");
        let text = told.to_string();
        assert!(text.contains("answers 401 Unauthorized") && text.contains(says), "{text}");
        let shown = format!("{told:?} {text} {registry:?} {registry:#?}");
        assert!(!shown.contains(PASSWORD) && !shown.contains(&basic("publisher", PASSWORD)[6..]), "{shown}");
        assert!(peer.seen().len() <= 3, "it is asked once more, and not again and again");
    }
}

#[tokio::test]
async fn a_password_is_not_sent_to_a_place_for_tokens_without_tls() {
    for realm in ["http://tokens.example/token", "ftp://tokens.example", "/token", ""] {
        let peer = Peer::with_door(Door::Elsewhere(realm)).await;
        let reference = peer.reference("api", &peer.image("api", "linux", "amd64")[0]);
        let registry = registry().with_credential(&peer.host, Credential::basic("publisher", PASSWORD));
        let told = registry.resolve(&stack(&[reference])).await.unwrap_err();
        assert_eq!(told.as_slice()[0].kind, Kind::Unreadable, "{told}");
        assert!(told.to_string().contains("does not say by HTTPS where it gives tokens"), "{told}");
    }
}
