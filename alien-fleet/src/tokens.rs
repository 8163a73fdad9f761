//! Tokens: made, listed, revoked, and taken for whoever they were made for. A store has no token, only its SHA-256.

use std::fmt::{self, Write as _};
#[cfg(feature = "api")]
use std::time::Duration;

use alien_core::adapter::sha256;
use alien_core::{Error, ErrorKind, Problem, Result, Rule};
use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::access::{Products, Role, TokenId};
use crate::caller::Caller;
use crate::fleet::Fleet;
use crate::log::{What, Who};
use crate::store::{Key, Table};

/// What the text of a token begins with: programs that look for secrets where none may be know it by that.
const PREFIX: &str = "alien_";

/// How many bytes of chance a token has.
const CHANCE: usize = 32;

/// How long a token may be valid: a minute at least, and about a year at most.
const SHORTEST: SignedDuration = SignedDuration::from_mins(1);
const LONGEST: SignedDuration = SignedDuration::from_hours(366 * 24);

/// The most characters of a name.
const NAME: usize = 64;

/// A token, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Token {
    /// Its id.
    pub id: TokenId,
    /// Who has it: a person or a program.
    pub name: String,
    /// The role that it gives.
    pub role: Role,
    /// The products that it is for.
    pub products: Products,
    /// When it was made.
    pub at: Timestamp,
    /// Who made it.
    pub by: Who,
    /// Until when it is valid.
    pub expires: Timestamp,
    /// When it was revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked: Option<Timestamp>,
}

impl Token {
    /// Who acts by it, as the log says it: `ann (token 4f2a90c1e7)`.
    fn who(&self) -> Who {
        Who { name: format!("{} (token {})", self.name, self.id), claimed: false }
    }

    /// Whether it is valid.
    fn check(&self, now: Timestamp) -> Result<()> {
        let ended = match self.revoked {
            Some(at) => format!("was revoked at {at}"),
            None if self.expires <= now => format!("has expired at {}", self.expires),
            None => return Ok(()),
        };
        let error = Error::new(ErrorKind::Credentials, format!("the token {} {ended}", self.id));
        Err(error.because("ask an admin of the fleet for another"))
    }
}

/// A token as a store keeps it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Kept {
    version: u32,
    token: Token,
    /// The SHA-256 of the token's text.
    digest: String,
}

fn key(id: &TokenId) -> Key {
    Key::new(Table::Token, "", id.as_str())
}

/// What to make a token of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct NewToken {
    /// Who will have it: 1 to 64 letters, digits and `-`, `_`, `.`, `@`. The log says it.
    pub name: String,
    /// The role that it gives.
    pub role: Role,
    /// The products that it is for: at least one.
    pub products: Products,
    /// For how long it is valid: a minute at least, and 366 days at most.
    pub valid_for: SignedDuration,
}

impl NewToken {
    fn check(&self) -> Result<()> {
        let mut problems = Vec::new();
        let mut wrong = |at: &str, what: String, help: &str| {
            problems.push(Problem::error(Rule::Setting, what, help.to_owned()).at(at));
        };
        let is_name = |letter: char| letter.is_alphanumeric() || "-_.@".contains(letter);
        if self.name.is_empty() || self.name.chars().count() > NAME || !self.name.chars().all(is_name) {
            let help = format!("use 1 to {NAME} letters, digits and `-`, `_`, `.`, `@`");
            wrong("name", format!("`{}` cannot be the name of a token", self.name), &help);
        }
        if matches!(&self.products, Products::Only(some) if some.is_empty()) {
            wrong("products", "there is none".to_owned(), "name at least one product, or all");
        }
        if !(SHORTEST..=LONGEST).contains(&self.valid_for) {
            let help = "let it be valid for a minute at least, and for 366 days at most";
            wrong("validFor", format!("{:#} is too short or too long", self.valid_for), help);
        }
        if problems.is_empty() { Ok(()) } else { Err(problems.into()) }
    }
}

/// The text of a token, which is shown once. It is erased from memory when this is dropped.
#[derive(Clone, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct TokenText(#[schemars(with = "String")] Zeroizing<String>);

impl TokenText {
    /// Takes the text of a token, as a file or a header has it.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    fn of_chance() -> Result<(TokenId, Self)> {
        let mut bytes = Zeroizing::new([0; CHANCE + TokenId::DIGITS / 2]);
        let unavailable =
            |error| Error::new(ErrorKind::Unavailable, "the system gives no random numbers").caused_by(&error);
        getrandom::fill(&mut *bytes).map_err(unavailable)?;
        let (id, secret) = bytes.split_at(TokenId::DIGITS / 2);
        let id: TokenId = hex(id).parse().map_err(|error| Error::new(ErrorKind::Internal, format!("{error}")))?;
        let text = Zeroizing::new(format!("{PREFIX}{id}_{}", &*Zeroizing::new(hex(secret))));
        Ok((id, Self(text)))
    }

    /// The text: a secret.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// The id in it; `None` if it is no token.
    fn id(&self) -> Option<TokenId> {
        let (id, secret) = self.0.strip_prefix(PREFIX)?.split_once('_')?;
        let is_secret = secret.len() == 2 * CHANCE && secret.bytes().all(|digit| digit.is_ascii_hexdigit());
        if is_secret { id.parse().ok() } else { None }
    }

    fn digest(&self) -> String {
        sha256(self.0.as_bytes())
    }
}

/// Shows nothing of it.
impl fmt::Debug for TokenText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenText(…)")
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut hex, byte| {
        // Writing to a string cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

impl Fleet {
    /// Makes a token: 256 bits of chance, of which the store keeps the SHA-256. Nobody can show its text again.
    ///
    /// # Errors
    ///
    /// [`Input`](ErrorKind::Input) with every problem of what was asked for; errors of the store.
    pub async fn make_token(&self, new: &NewToken) -> Result<(Token, TokenText)> {
        let now = self.inner.now();
        new.check()?;
        let (id, text) = TokenText::of_chance()?;
        let NewToken { name, role, products, valid_for } = new.clone();
        let expires = now.saturating_add(valid_for).unwrap_or(Timestamp::MAX);
        let token = Token { id, name, role, products, at: now, by: self.who().clone(), expires, revoked: None };
        let kept = Kept { version: 1, token: token.clone(), digest: text.digest() };
        let draft = self.draft(What::TokenMade {
            token: token.id.clone(),
            name: token.name.clone(),
            role,
            products: token.products.clone(),
            expires,
        });
        let key = key(&token.id);
        // One that is there already is not replaced: the change does not lock it.
        let change = move |pages: &mut crate::ledger::Pages<'_>| {
            pages.put(key.clone(), &kept, None)?;
            pages.log(draft.clone());
            Ok(())
        };
        self.inner.ledger.change([], change).await?;
        Ok((token, text))
    }

    /// All tokens by id, those that are revoked or have expired too.
    ///
    /// # Errors
    ///
    /// Errors of the store.
    pub async fn tokens(&self) -> Result<Vec<Token>> {
        let all = self.inner.ledger.all::<Kept>(Table::Token, "").await?;
        Ok(all.into_iter().map(|(_, kept)| kept.token).collect())
    }

    /// A token.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound) if there is none of this id; errors of the store.
    pub async fn token(&self, id: &TokenId) -> Result<Token> {
        let kept: Option<Kept> = self.inner.ledger.get(&key(id)).await?;
        kept.map(|kept| kept.token).ok_or_else(|| no_token(id))
    }

    /// Revokes a token. From then on every manager refuses it. One that is revoked already stays as it is.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound) if there is none of this id; errors of the store.
    pub async fn revoke_token(&self, id: &TokenId) -> Result<Token> {
        let (now, id, key) = (self.inner.now(), id.clone(), key(id));
        let (draft, locked) = (self.draft(What::TokenRevoked { token: id.clone() }), key.clone());
        let change = move |pages: &mut crate::ledger::Pages<'_>| {
            let mut kept: Kept = pages.get(&key)?.ok_or_else(|| no_token(&id))?;
            if kept.token.revoked.is_none() {
                kept.token.revoked = Some(now);
                pages.put(key.clone(), &kept, None)?;
                pages.log(draft.clone());
                // Streams that it opened end.
                pages.announce();
            }
            Ok(kept.token)
        };
        self.inner.ledger.change([locked], change).await
    }

    /// Finds out who calls, by a token. Reads the store each time, so that what is revoked counts at once.
    ///
    /// # Errors
    ///
    /// [`Credentials`](ErrorKind::Credentials) if there is no such token, it was revoked, or it has expired; errors of the
    /// store.
    pub async fn caller(&self, text: &TokenText) -> Result<Caller> {
        let unknown = || Error::new(ErrorKind::Credentials, "the token is not one of this fleet");
        let id = text.id().ok_or_else(unknown)?;
        let kept: Kept = self.inner.ledger.get(&key(&id)).await?.ok_or_else(unknown)?;
        // How long the comparison takes tells of the digest at most, and of that nobody comes to the text.
        if kept.digest != text.digest() {
            return Err(unknown());
        }
        let token = kept.token;
        token.check(self.inner.now())?;
        Ok(Caller::by_token(token.who(), token.role, token.products, token.id))
    }

    /// Waits until a token is no longer valid.
    #[cfg(feature = "api")]
    pub(crate) async fn lapsed(&self, id: &TokenId) {
        let mut announced = self.inner.ledger.store().announced();
        loop {
            announced.mark_unchanged();
            let now = self.inner.now();
            // While the store is away, nothing can be read with it either.
            let wait = match self.token(id).await {
                Ok(token) if token.check(now).is_err() => return,
                Ok(token) => Duration::try_from(token.expires.duration_since(now)).unwrap_or_default().min(AGAIN),
                Err(error) if error.kind() == ErrorKind::NotFound => return,
                Err(_) => AGAIN,
            };
            tokio::select! {
                changed = announced.changed() => if changed.is_err() {
                    self.inner.clock.sleep(wait).await;
                },
                () = self.inner.clock.sleep(wait) => {}
            }
        }
    }
}

/// How often a token that keeps a stream open is looked at, beside when something is announced.
#[cfg(feature = "api")]
const AGAIN: Duration = Duration::from_secs(30);

fn no_token(id: &TokenId) -> Error {
    Error::new(ErrorKind::NotFound, format!("there is no token {id}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_has_a_prefix_an_id_and_256_bits_of_chance_and_no_two_are_the_same() {
        let (id, text) = TokenText::of_chance().unwrap();
        assert_eq!(text.id(), Some(id.clone()));
        let secret = text.reveal().strip_prefix(&format!("alien_{id}_")).unwrap();
        assert_eq!(secret.len() * 4, 256);
        let (other, other_text) = TokenText::of_chance().unwrap();
        assert!(id != other && !other_text.reveal().ends_with(secret));
    }

    #[test]
    fn what_is_no_token_has_no_id_and_debug_shows_nothing() {
        let (_, text) = TokenText::of_chance().unwrap();
        let good = text.reveal();
        for bad in ["", "alien_", "alien_0123456789", &good[1..], &good[..good.len() - 1], &format!("{good}0")] {
            assert_eq!(TokenText::new(bad).id(), None, "{bad}");
        }
        assert_eq!(format!("{text:?}"), "TokenText(…)");
    }
}
